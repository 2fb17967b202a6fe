"""Smart charging in OCPP 1.6."""

from __future__ import annotations

from evse.ocpp.v16 import CHARGE_POINT_MAX, charging_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STATION_MAX = "ChargingStationMaxProfile"


def _set(payload: dict[str, Any]) -> dict[str, Any]:
    return {"evseId": payload["connectorId"], "chargingProfile": charging_profile(payload["csChargingProfiles"])}


def _clear(payload: dict[str, Any]) -> dict[str, Any]:
    """All that are given must match; with an id the others do not count. [1.6 errata 3.25, 3.26]"""
    if "id" in payload:
        return {"chargingProfileId": payload["id"]}
    criteria = {}
    if "connectorId" in payload:
        criteria["evseId"] = payload["connectorId"]
    if "stackLevel" in payload:
        criteria["stackLevel"] = payload["stackLevel"]
    if "chargingProfilePurpose" in payload:
        purpose = payload["chargingProfilePurpose"]
        criteria["chargingProfilePurpose"] = _STATION_MAX if purpose == CHARGE_POINT_MAX else purpose
    return {"chargingProfileCriteria": criteria}


def _get(payload: dict[str, Any]) -> dict[str, Any]:
    request = {"evseId": payload["connectorId"], "duration": payload["duration"]}
    if "chargingRateUnit" in payload:
        request["chargingRateUnit"] = payload["chargingRateUnit"]
    return request


def _schedule(answer: dict[str, Any]) -> dict[str, Any]:
    """GetCompositeSchedule.conf; limits have one decimal place, and none is rounded up. [1.6 §7.14]"""
    if answer["status"] != "Accepted":
        return {"status": answer["status"]}
    known = answer["schedule"]
    periods: list[dict[str, Any]] = []
    for period in known["chargingSchedulePeriod"]:
        limit = int(period["limit"] * 10 + 1e-6) / 10
        before = periods[-1] if periods else {}
        if (before.get("limit"), before.get("numberPhases")) != (limit, period["numberPhases"]):
            periods.append({**period, "limit": limit})
    return {
        "status": "Accepted",
        "connectorId": known["evseId"],
        "scheduleStart": known["scheduleStart"],
        "chargingSchedule": {
            "duration": known["duration"],
            "startSchedule": known["scheduleStart"],
            "chargingRateUnit": known["chargingRateUnit"],
            "chargingSchedulePeriod": periods,
        },
    }


def _status(answer: dict[str, Any]) -> dict[str, Any]:
    return {"status": answer["status"]}


# Feature profile of an action, where that is not Core. [1.6 §3.2]
PROFILES = dict.fromkeys(("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"), "SmartCharging")
CALLS = {
    "SetChargingProfile": ("replace_profile", _set, _status),
    "ClearChargingProfile": ("clear_profiles", _clear, _status),
    "GetCompositeSchedule": ("composite_schedule", _get, _schedule),
}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
