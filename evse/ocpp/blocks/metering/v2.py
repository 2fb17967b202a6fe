"""Wire forms of metering in 2.0.1 and 2.1."""

from __future__ import annotations

from evse.clock import timestamp
from evse.jsontext import loads_own
from evse.ocpp.meter_values import joined
from evse.ocpp.v2 import meter_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}


def _aligned(row: Any, ctx: Any) -> tuple[str, str, bool] | None:
    evse_id, stamp, sample = row
    said = meter_values([sample], timestamp(ctx.clock.resolve(stamp)), ctx)
    return ("MeterValues", joined({"evseId": evse_id}, "meterValue", said), True) if said else None


def _triggered(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    sample = ctx.block("metering").triggered(data["evse"], "AlignedDataCtrlr", "Measurands")
    said = meter_values([sample], timestamp(ctx.clock.resolve(data["stamp"])), ctx) if sample else ""
    return {"evseId": data["evse"].id, "meterValue": loads_own(said)} if said else None


RECORDS = {"MeterValues": (_aligned, None)}
EVENTS = {"MeterValues": ("MeterValues", _triggered, None)}
