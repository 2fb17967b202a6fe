"""Wire forms of metering in 1.6."""

from __future__ import annotations

from evse.clock import timestamp
from evse.jsontext import loads_own
from evse.ocpp.meter_values import joined
from evse.ocpp.v16 import meter_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}


def _aligned(row: Any, ctx: Any) -> tuple[str, str, bool] | None:
    evse_id, stamp, sample = row
    said = meter_values([sample], timestamp(ctx.clock.resolve(stamp)), ctx)
    return ("MeterValues", joined({"connectorId": evse_id}, "meterValue", said), True) if said else None


def _triggered(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    """The present values of MeterValuesSampledData, with the transaction's id if there is one. [1.6 errata §3.46]"""
    evse = data["evse"]
    sample = ctx.block("metering").triggered(evse, "SampledDataCtrlr", "TxUpdatedMeasurands")
    said = meter_values([sample], timestamp(ctx.clock.resolve(data["stamp"])), ctx) if sample else ""
    if not said:
        return None
    payload: dict[str, Any] = {"connectorId": evse.id, "meterValue": loads_own(said)}
    transactions = ctx.block("transactions")
    tx = transactions.current(evse.id) if transactions is not None else None
    if tx is not None and (csms_id := transactions.csms_ids.get(tx.id)) is not None:
        payload["transactionId"] = csms_id
    return payload


RECORDS = {"MeterValues": (_aligned, None)}
EVENTS = {"MeterValues": ("MeterValues", _triggered, None)}
