"""Remote control in OCPP 1.6, with ExtendedTriggerMessage of the security extension."""

from __future__ import annotations

from evse.model import ANY_KIND
from evse.ocpp.v16 import charging_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# MessageTriggerEnumType of the extension where 2.x has another name.
_MESSAGES = {"SignChargePointCertificate": "SignChargingStationCertificate"}


def _start(payload: dict[str, Any]) -> dict[str, Any]:
    """RemoteStartTransaction.req; there is no remoteStartId. Connector 0 cannot start anything and is unknown."""
    request: dict[str, Any] = {"idToken": {"idToken": payload["idTag"], "type": ANY_KIND}}
    if "connectorId" in payload:
        request["evseId"] = payload["connectorId"]
    if "chargingProfile" in payload:
        request["chargingProfile"] = charging_profile(payload["chargingProfile"])
    return request


def _stop(payload: dict[str, Any]) -> dict[str, Any]:
    return {"transactionId": payload["transactionId"]}


def _unlock(payload: dict[str, Any]) -> dict[str, Any]:
    return {"evseId": payload["connectorId"]}


def _unlocked(answer: dict[str, Any]) -> dict[str, Any]:
    """NotSupported: no such connector, or none with a lock. [1.6 errata 3.87]"""
    status = answer["status"]
    if status == "UnknownConnector" or answer.get("statusInfo", {}).get("reasonCode") == "FixedCable":
        status = "NotSupported"
    return {"status": status}


def _trigger(payload: dict[str, Any]) -> dict[str, Any]:
    """TriggerMessage.req; connector 0 is the charge point."""
    message = payload["requestedMessage"]
    request: dict[str, Any] = {"requestedMessage": _MESSAGES.get(message, message)}
    if (id := payload.get("connectorId")) is not None:
        request["evse"] = {"id": id}
        if id == 0:
            request["evse"]["connectorId"] = 0
    return request


def _trigger_extended(payload: dict[str, Any]) -> dict[str, Any]:
    """ExtendedTriggerMessage.req, where the firmware update is the signed one. [whitepaper §6.16]"""
    request = _trigger(payload)
    if request["requestedMessage"] == "FirmwareStatusNotification":
        request["requestedMessage"] = "SignedFirmwareStatusNotification"
    return request


def _status(answer: dict[str, Any]) -> dict[str, Any]:
    return {"status": answer["status"]}


# Feature profile of an action, where that is not Core. [1.6 §3.2]
PROFILES = {"TriggerMessage": "RemoteTrigger"}
CALLS = {
    "RemoteStartTransaction": ("request_start", _start, _status),
    "RemoteStopTransaction": ("request_stop", _stop, _status),
    "UnlockConnector": ("stop_and_unlock", _unlock, _unlocked),
    "TriggerMessage": ("trigger_message", _trigger, _status),
    "ExtendedTriggerMessage": ("trigger_message", _trigger_extended, _status),
}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
