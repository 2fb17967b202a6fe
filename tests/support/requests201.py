"""Random requests of a 2.x CSMS, and its answers: whatever it may ask at any time, well-formed and often out of place.

ASKED has for each step of a walk a function of the walk and an EVSE that gives action and payload.
"""

from __future__ import annotations

from random import Random
from typing import Any

from evse.clock import timestamp

USERS = ("ONE", "TWO", "THREE")
GROUPS = {"ONE": "FAM", "TWO": "FAM", "MASTER": "MP"}
MESSAGES = (
    "MeterValues", "StatusNotification", "TransactionEvent", "Heartbeat", "BootNotification", "LogStatusNotification",
    "FirmwareStatusNotification",
)  # fmt: skip
SETTINGS = (
    "TxCtrlr.TxStopPoint=Authorized", "TxCtrlr.TxStopPoint=EVConnected", "TxCtrlr.TxStopPoint=",
    "TxCtrlr.TxStopPoint=PowerPathClosed,EnergyTransfer", "TxCtrlr.TxStartPoint=Authorized",
    "TxCtrlr.TxStartPoint=EnergyTransfer", "TxCtrlr.TxStartPoint=EVConnected", "TxCtrlr.TxStartPoint=",
    "TxCtrlr.StopTxOnEVSideDisconnect=true", "TxCtrlr.StopTxOnEVSideDisconnect=false",
    "TxCtrlr.EVConnectionTimeOut=10", "SampledDataCtrlr.TxUpdatedInterval=10", "AlignedDataCtrlr.Interval=30",
    "AlignedDataCtrlr.Interval=0", "AuthCtrlr.Enabled=false", "AuthCtrlr.Enabled=true",
    "LocalAuthListCtrlr.Enabled=false", "LocalAuthListCtrlr.Enabled=true", "AuthCacheCtrlr.Enabled=false",
    "ReservationCtrlr.Enabled=false", "ReservationCtrlr.Enabled=true", "SmartChargingCtrlr.Enabled=false",
    "SmartChargingCtrlr.Enabled=true",
)  # fmt: skip

Request = tuple[str, dict[str, Any]]


def answer_of(action: str, said: dict[str, Any], random: Random, now_text: str) -> dict[str, Any]:
    """What the CSMS answers; one card in ten is refused."""
    if action == "Heartbeat":
        return {"currentTime": now_text}
    if action in ("DataTransfer", "SignCertificate"):
        return {"status": "Accepted"}
    if action in ("Authorize", "TransactionEvent") and "idToken" in said:
        status = random.choice(("Invalid", "Blocked", "ConcurrentTx")) if random.random() < 0.1 else "Accepted"
        group = GROUPS.get(said["idToken"]["idToken"])
        member = {"groupIdToken": {"idToken": group, "type": "Central"}} if group else {}
        return {"idTokenInfo": {"status": status, **member}}
    return {}


def _user(walk: Any, *types: str) -> dict[str, Any]:
    return {"idToken": walk.random.choice(USERS), "type": walk.random.choice(types or ("ISO14443",))}


def _soon(walk: Any, *seconds: int) -> str:
    return timestamp(walk.station._utc() + walk.random.choice(seconds))


def _transaction(walk: Any) -> str:
    """One of the latest, which may have ended."""
    latest = list(walk.books.transactions)[-5:]
    return str(walk.random.choice(latest)) if latest else "none"


def _start(walk: Any, evse: int) -> Request:
    payload: dict[str, Any] = {"idToken": _user(walk, "ISO14443", "Central"), "remoteStartId": walk.requests}
    if walk.coin(0.7):
        payload["evseId"] = evse
    if walk.coin(0.3):
        payload["chargingProfile"] = _charging_profile(walk, "TxProfile", None)
    return "RequestStartTransaction", payload


def _avail(walk: Any, evse: int) -> Request:
    payload: dict[str, Any] = {"operationalStatus": "Inoperative" if walk.coin(0.35) else "Operative"}
    if walk.coin(0.6):
        payload["evse"] = {"id": evse, "connectorId": 1} if walk.coin(0.3) else {"id": evse}
    return "ChangeAvailability", payload


def _reserve(walk: Any, evse: int) -> Request:
    payload = {"id": walk.random.randint(1, 4), "expiryDateTime": _soon(walk, -5, 30, 300), "idToken": _user(walk)}
    if walk.coin(0.6):
        payload["evseId"] = evse
    if walk.coin(0.3):
        payload["groupIdToken"] = {"idToken": "FAM", "type": "Central"}
    return "ReserveNow", payload


def _profile(walk: Any, evse: int) -> Request:
    purpose = walk.random.choice(("TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"))
    place = 0 if purpose == "ChargingStationMaxProfile" or walk.coin(0.2) else evse
    return "SetChargingProfile", {
        "evseId": place,
        "chargingProfile": _charging_profile(walk, purpose, _transaction(walk)),
    }


def _charging_profile(walk: Any, purpose: str, transaction: str | None) -> dict[str, Any]:
    random = walk.random
    kinds = ("Absolute", "Recurring") + (() if purpose == "ChargingStationMaxProfile" else ("Relative",))
    kind = random.choice(kinds)
    periods = [
        {"startPeriod": 0, "limit": random.choice((0, 5, 8, 16, 11_000))},
        {"startPeriod": random.choice((10, 30)), "limit": random.choice((0, 8, 16, 5000))},
    ]
    schedule: dict[str, Any] = {"id": 1, "chargingRateUnit": random.choice("AW"), "chargingSchedulePeriod": periods}
    if walk.coin(0.4):
        schedule["duration"] = random.choice((0, 20, 60, 86_400))
    if kind != "Relative":
        schedule["startSchedule"] = _soon(walk, -100, -20, 0, 20, 100)
    profile = {
        "id": random.randint(1, 8),
        "stackLevel": random.randint(0, 2),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
    }
    if kind == "Recurring":
        profile["recurrencyKind"] = random.choice(("Daily", "Weekly"))
    if purpose == "TxProfile" and transaction is not None:
        profile["transactionId"] = transaction
    for limit in ("validFrom", "validTo"):
        if walk.coin(0.2):
            profile[limit] = _soon(walk, -10, 30)
    return profile


def _clear_profile(walk: Any, evse: int) -> Request:
    by_criteria = ({"chargingProfilePurpose": "TxDefaultProfile"}, {"evseId": evse}, {"stackLevel": 0})
    if walk.coin(0.25):
        return "ClearChargingProfile", {"chargingProfileId": walk.random.randint(1, 8)}
    return "ClearChargingProfile", {"chargingProfileCriteria": walk.random.choice(by_criteria)}


def _get_profiles(walk: Any, evse: int) -> Request:
    every: dict[str, Any] = {}
    by_criteria = ({"chargingProfileId": [1, 2, 3]}, {"chargingProfilePurpose": "TxProfile"}, {"stackLevel": 0}, every)
    place = {"evseId": walk.random.randint(0, walk.evses)} if walk.coin() else {}
    criteria = walk.random.choice(by_criteria)
    return "GetChargingProfiles", {"requestId": walk.requests, "chargingProfile": criteria, **place}


def _composite(walk: Any, evse: int) -> Request:
    payload = {"duration": walk.random.choice((0, 60, 86_400)), "evseId": walk.random.randint(0, walk.evses)}
    unit = {"chargingRateUnit": walk.random.choice("AW")} if walk.coin() else {}
    return "GetCompositeSchedule", {**payload, **unit}


def _trigger(walk: Any, evse: int) -> Request:
    place = {"evse": {"id": evse, "connectorId": 1}} if walk.coin() else {}
    return "TriggerMessage", {"requestedMessage": walk.random.choice(MESSAGES), **place}


def _list(walk: Any, evse: int) -> Request:
    kind = walk.random.choice(("Full", "Differential"))
    payload: dict[str, Any] = {"versionNumber": max(1, walk.requests - walk.random.randint(0, 1)), "updateType": kind}
    if walk.coin(0.8):
        status = walk.random.choice(("Accepted", "Accepted", "Blocked"))
        payload["localAuthorizationList"] = [{"idToken": _user(walk), "idTokenInfo": {"status": status}}]
    return "SendLocalList", payload


def _variable(walk: Any, evse: int) -> Request:
    name, value = walk.random.choice(SETTINGS).split("=")
    component, variable = name.split(".")
    data = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
    return "SetVariables", {"setVariableData": [data]}


def _customer(walk: Any, evse: int) -> Request:
    payload = {"requestId": walk.requests, "report": True, "clear": walk.coin(0.3), "idToken": _user(walk)}
    return "CustomerInformation", payload


def _reset(walk: Any, evse: int) -> Request:
    place = {"evseId": evse} if walk.coin(0.4) else {}
    return "Reset", {"type": walk.random.choice(("Immediate", "OnIdle", "OnIdle")), **place}


ASKED = {
    "start": _start,
    "stop": lambda walk, evse: ("RequestStopTransaction", {"transactionId": _transaction(walk)}),
    "unlock": lambda walk, evse: ("UnlockConnector", {"evseId": evse, "connectorId": 1}),
    "avail": _avail,
    "reserve": _reserve,
    "cancel": lambda walk, evse: ("CancelReservation", {"reservationId": walk.random.randint(1, 4)}),
    "profile": _profile,
    "clear_profile": _clear_profile,
    "get_profiles": _get_profiles,
    "composite": _composite,
    "trigger": _trigger,
    "clear_cache": lambda walk, evse: ("ClearCache", {}),
    "list": _list,
    "transaction": lambda walk, evse: ("GetTransactionStatus", {"transactionId": _transaction(walk)}),
    "transactions": lambda walk, evse: ("GetTransactionStatus", {}),
    "variable": _variable,
    "report": lambda walk, evse: ("GetReport", {"requestId": walk.requests, "componentCriteria": ["Problem"]}),
    "customer": _customer,
    "reset": _reset,
}
