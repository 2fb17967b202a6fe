"""Wire forms of transactions in 2.0.1 and 2.1."""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.meter_values import joined
from evse.ocpp.v2 import id_token, meter_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"GetTransactionStatus": ("transaction_status", None, None)}
EVENTS: dict[str, Any] = {}

_TYPES = ("Started", "Updated", "Ended")
# Trigger reasons that 2.0.1 does not have.
_TRIGGERS_201 = {"TxResumed": "ChargingStateChanged"}


def _event(row: dict[str, Any], ctx: Any) -> tuple[str, dict[str, Any] | str, bool]:
    at = timestamp(ctx.clock.resolve(row["w"]))
    trigger = row.get("g", "MeterValuePeriodic")
    if trigger in _TRIGGERS_201 and ctx.version == "2.0.1":
        trigger = _TRIGGERS_201[trigger]
    info = {"transactionId": row["t"]}
    said = {
        "eventType": _TYPES[row.get("e", 1)],
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": row["n"],
        "transactionInfo": info,
    }
    if "c" in row:
        info["chargingState"] = row["c"]
    if "s" in row:
        info["stoppedReason"] = row["s"]
        info["timeSpentCharging"] = row["l"]
    if "p" in row:
        said["numberOfPhasesUsed"] = row["p"]
    if "o" in row or ctx.is_backlog:
        said["offline"] = True
    if "x" in row:
        said["evse"] = {"id": row["i"], "connectorId": row["x"]}
    if "k" in row:
        said["idToken"] = id_token(row["k"][0], row["k"][1], ctx)
        if "r" in row:
            info["remoteStartId"] = row["r"]
        if "v" in row:
            said["reservationId"] = row["v"]
    if "m" in row and (values := meter_values(row["m"], at, ctx)):
        return "TransactionEvent", joined(said, "meterValue", values), True
    return "TransactionEvent", said, True


RECORDS = {"TransactionEvent": (_event, None)}
