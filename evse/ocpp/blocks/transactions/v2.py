"""Wire forms of transactions in 2.0.1 and 2.1."""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.v2 import id_token, meter_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"GetTransactionStatus": ("transaction_status", None, None)}
EVENTS: dict[str, Any] = {}

_TYPES = ("Started", "Updated", "Ended")
# Trigger reasons that 2.0.1 does not have.
_TRIGGERS_201 = {"TxResumed": "ChargingStateChanged"}
_INFO = (("c", "chargingState"), ("s", "stoppedReason"), ("r", "remoteStartId"), ("l", "timeSpentCharging"))
_FIELDS = (("v", "reservationId"), ("p", "numberOfPhasesUsed"))


def _event(row: dict[str, Any], ctx: Any) -> tuple[str, dict[str, Any], bool]:
    trigger = row.get("g", "MeterValuePeriodic")
    if ctx.version == "2.0.1":
        trigger = _TRIGGERS_201.get(trigger, trigger)
    info = {"transactionId": row["t"]}
    info.update((wire, row[key]) for key, wire in _INFO if key in row)
    said: dict[str, Any] = {
        "eventType": _TYPES[row.get("e", 1)],
        "timestamp": timestamp(ctx.clock.resolve(row["w"])),
        "triggerReason": trigger,
        "seqNo": row["n"],
        "transactionInfo": info,
    }
    said.update((wire, row[key]) for key, wire in _FIELDS if key in row)
    if "o" in row or ctx.is_backlog:
        said["offline"] = True
    if "x" in row:
        said["evse"] = {"id": row["i"], "connectorId": row["x"]}
    if "k" in row:
        said["idToken"] = id_token(row["k"][0], row["k"][1], ctx)
    if values := meter_values(row.get("m", ()), row["w"], ctx):
        said["meterValue"] = values
    return "TransactionEvent", said, True


RECORDS = {"TransactionEvent": (_event, None)}
