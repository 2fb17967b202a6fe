"""Prices and costs in 1.6: DataTransfer of the OCA's California pricing application note."""

from __future__ import annotations

from evse.clock import parse_timestamp, timestamp
from evse.errors import UsageError
from evse.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VENDOR = "org.openchargealliance.costmsg"
# ChargePointStatus as charging states; the others say nothing about a running transaction.
_STATES = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
    "Preparing": "EVConnected",
    "Finishing": "EVConnected",
    "Available": "Idle",
}
_FORMATS = ("ASCII", "UTF8")


def _user_price(data: dict[str, Any]) -> dict[str, Any]:
    return {"token": _field(data, "idToken", str), "texts": _texts(data)}


def _running_cost(data: dict[str, Any]) -> dict[str, Any]:
    state = _field(data, "state", str)
    if state not in ("Charging", "Idle"):
        raise UsageError(f"state: {state!r} is neither Charging nor Idle")
    period = _field(data, "nextPeriod", dict, None)
    return {
        "transaction": _field(data, "transactionId", int),
        "cost": _number(data, "cost"),
        "register_wh": _number(data, "meterValue"),
        "at": _time(data, "timestamp"),
        "is_idle": state == "Idle",
        **_prices(data),
        "next": None if period is None else (_time(period, "atTime"), _prices(period)),
        "wants": _wants(_field(data, "triggerMeterValue", dict, None) or {}),
    }


def _final_cost(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "transaction": _field(data, "transactionId", int),
        "cost": _number(data, "cost"),
        "texts": _texts(data) if "priceText" in data else {},
    }


def _prices(data: dict[str, Any]) -> dict[str, Any]:
    charging = _field(data, "chargingPrice", dict, None) or {}
    idle = _field(data, "idlePrice", dict, None) or {}
    return {
        "charging": {"energy": _number(charging, "kWhPrice", 0.0), "time": _number(charging, "hourPrice", 0.0)},
        "idle": {"time": _number(idle, "hourPrice", 0.0)},
        "grace_s": _number(idle, "graceMinutes", 0.0) * 60,
    }


def _wants(data: dict[str, Any]) -> dict[str, Any]:
    wants: dict[str, Any] = {}
    if "atTime" in data:
        wants["at"] = _time(data, "atTime")
    if "atEnergykWh" in data:
        wants["energy_wh"] = _number(data, "atEnergykWh") * 1000
    if "atPowerkW" in data:
        wants["power_w"] = _number(data, "atPowerkW") * 1000
    states = _field(data, "atCPStatus", list, None)
    if states:
        wants["states"] = {_STATES[state] for state in states if isinstance(state, str) and state in _STATES}
    return wants


def _texts(data: dict[str, Any]) -> dict[str | None, str]:
    """Language -> text; None is the language of the CSMS."""
    texts: dict[str | None, str] = {None: _field(data, "priceText", str)}
    for extra in _field(data, "priceTextExtra", list, None) or ():
        if not isinstance(extra, dict):
            raise UsageError("priceTextExtra: no list of objects")
        if extra.get("format") in _FORMATS:
            texts[_field(extra, "language", str)] = _field(extra, "content", str)
    return texts


def _field(data: dict[str, Any], name: str, kind: type, *default: Any) -> Any:
    value = data.get(name)
    if value is None and default:
        return default[0]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UsageError(f"{name}: {'is missing' if value is None else 'has the wrong type'}")
    return value


def _number(data: dict[str, Any], name: str, *default: float) -> float:
    return float(_field(data, name, (int, float), *default))  # type: ignore[arg-type]


def _time(data: dict[str, Any], name: str) -> float:
    try:
        return parse_timestamp(_field(data, name, str))
    except ValueError:
        raise UsageError(f"{name}: no time") from None


def _status(done: bool) -> tuple[str, None]:
    return ("Accepted" if done else "Rejected", None)


def _unplugged(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    """Nothing is said of a transaction that ended before the CSMS gave it an id."""
    if not isinstance(data["transaction"], int):
        return None
    said = {"transactionId": data["transaction"], "timestamp": timestamp(ctx.clock.resolve(data["stamp"]))}
    return {"vendorId": VENDOR, "messageId": "ConnectorUnplugged", "data": dumps(said)}


CALLS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
EVENTS = {"ConnectorUnplugged": ("DataTransfer", _unplugged, None)}
# What comes within DataTransfer: message -> (method, reader of the data, writer of status and data).
DATA = {
    "SetUserPrice": ("user_price", _user_price, _status),
    "RunningCost": ("running_cost", _running_cost, _status),
    "FinalCost": ("final_cost", _final_cost, _status),
}
