"""Wire forms of transactions in 1.6: StartTransaction, MeterValues and StopTransaction out of transaction events.

StartTransaction follows from the first event that names the driver: Started, or the authorization of a running
transaction; of one that began before its EVSE was known, from the event that tells it. An event whose StartTransaction
was never answered, or was answered under another version, is preceded by it: StopTransaction always bears the id that
the CSMS gave. (The errata 3.18 would have -1 there, which tells the CSMS nothing; so meter values of a transaction
without an id go without one.)
"""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.blocks.transactions.events import UNPLACED
from evse.ocpp.meter_values import CONTEXTS, joined, only
from evse.ocpp.v16 import answer, id_tag, meter_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Said = tuple[str, dict[str, Any] | str, bool]

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}

_REASONS = ("DeAuthorized", "EmergencyStop", "EVDisconnected", "Local", "PowerLoss", "Reboot", "Remote")
BEGIN = CONTEXTS.index("Transaction.Begin")
_STARTS = ("Authorized", "RemoteStart")


def _event(row: dict[str, Any], ctx: Any) -> Said | None:
    block = ctx.block("transactions")
    csms_id = block.csms_ids.get(row["t"])
    kind = row.get("e", 1)
    if row["i"] >= UNPLACED:
        return None  # it has no connectorId
    if kind == 2:
        return _stop(row, csms_id, ctx)
    values = meter_values(_samples(row, ctx), timestamp(ctx.clock.resolve(row["w"])), ctx) if "m" in row else ""
    if csms_id is None and kind == 1 and "z" in row:
        return _start(row, row["z"], ctx, not values)
    if csms_id is None and "k" in row and (kind == 0 or row.get("g") in _STARTS):
        return _start(row, [row["w"], row.get("b"), row["k"], row.get("v")], ctx, not values)
    if not values or (kind == 0 and csms_id is None):
        return None
    payload = {"connectorId": row["i"]}
    if csms_id is not None:
        payload["transactionId"] = csms_id
    return "MeterValues", joined(payload, "meterValue", values), True


def _samples(row: dict[str, Any], ctx: Any) -> list[list[Any]]:
    """Samples of an event; of those of the start only what StartTxnSampledData names. [Signed Meter Values 3.3.4]"""
    samples: list[list[Any]] = row["m"]
    if samples[0][1] == BEGIN:  # it is the first
        begin = only(samples[0], ctx.model.members("OCPP16Ctrlr", "StartTxnSampledData") or ())
        samples = [begin, *samples[1:]] if begin else samples[1:]
    return samples


def _start(row: dict[str, Any], started: list[Any], ctx: Any, final: bool) -> Said:
    stamp, register_wh, token, reservation_id = started
    if register_wh is None:
        tx = ctx.block("transactions").current(row["i"])
        register_wh = tx.begin_wh if tx is not None and tx.id == row["t"] else None
    blind = ctx.block("transactions").blind
    (blind.add if register_wh is None else blind.discard)(row["t"])
    payload = {
        "connectorId": row["i"],
        "idTag": id_tag(token[0], ctx),
        "meterStart": _whole_wh(register_wh, "meterStart", ctx),
        "timestamp": timestamp(ctx.clock.resolve(stamp)),
    }
    if reservation_id is not None:
        payload["reservationId"] = reservation_id
    return "StartTransaction", payload, final


def _stop(row: dict[str, Any], csms_id: int | None, ctx: Any) -> Said | None:
    if csms_id is None:
        if row["z"][2] is None:
            return None  # nobody was ever authorized: in 1.6 that is no transaction
        return _start(row, row["z"], ctx, False)
    begin_wh = row["z"][1]
    end_wh = row.get("b", begin_wh)
    if row["t"] in ctx.block("transactions").blind:
        end_wh = None if begin_wh is None or end_wh is None else end_wh - begin_wh
    at = timestamp(ctx.clock.resolve(row["w"]))
    payload = {
        "transactionId": csms_id,
        "meterStop": _whole_wh(end_wh, "meterStop", ctx),
        "timestamp": at,
        "reason": _reason(row["s"], row.get("g")),
    }
    if "k" in row:
        payload["idTag"] = id_tag(row["k"][0], ctx)
    if "m" in row and (values := meter_values(row["m"], at, ctx)):
        return "StopTransaction", joined(payload, "transactionData", values), True
    return "StopTransaction", payload, True


def _reason(reason: str, trigger: str | None) -> str:
    if trigger == "UnlockCommand":
        return "UnlockCommand"
    if trigger == "ResetCommand":
        return "HardReset" if reason == "ImmediateReset" else "SoftReset"
    return reason if reason in _REASONS else "Other"


def _whole_wh(register_wh: float | None, field: str, ctx: Any) -> int:
    if register_wh is None:
        ctx.log.warning("the meter was silent: 0 is sent", field=field)
        return 0
    return int(register_wh + 0.5)


def _answer(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    said = answer(payload)
    if action == "StartTransaction":
        said["transactionId"] = payload["transactionId"]
    return said


RECORDS = {"TransactionEvent": (_event, _answer)}
