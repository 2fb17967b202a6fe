"""Firmware updates in OCPP 1.6: UpdateFirmware [§5.19], and the signed one of the security extension, as in 2.x."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# FirmwareStatus of 1.6 has not all words. What follows from a status of its own is not said, but may be asked for.
_WORDS = {"InvalidSignature": "InstallationFailed", "InstallVerificationFailed": "InstallationFailed"}
_UNSAID = ("DownloadScheduled", "DownloadPaused", "SignatureVerified", "InstallScheduled", "InstallRebooting")
# The present status if it is asked for; Idle: nothing is being downloaded or installed. [1.6 §4.5]
_PRESENT = {
    "Downloading": "Downloading",
    "DownloadPaused": "Downloading",
    "Downloaded": "Downloaded",
    "SignatureVerified": "Downloaded",
    "InstallScheduled": "Downloaded",
    "Installing": "Installing",
    "InstallRebooting": "Installing",
}


def _update(payload: dict[str, Any]) -> dict[str, Any]:
    """UpdateFirmware.req."""
    firmware = {"location": payload["location"], "retrieveDateTime": payload["retrieveDate"]}
    return {**payload, "firmware": firmware}


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool] | None:
    status, id, signed = row[:3]
    if signed:
        return "SignedFirmwareStatusNotification", {"status": status, "requestId": id}, True
    if status in _UNSAID:
        return None
    return "FirmwareStatusNotification", {"status": _WORDS.get(status, status)}, True


CALLS = {
    "UpdateFirmware": ("update_unsigned", _update, lambda answer: {}),
    "SignedUpdateFirmware": ("update", None, lambda answer: {"status": answer["status"]}),
}
PROFILES = {"UpdateFirmware": "FirmwareManagement"}
EVENTS = {
    "FirmwareStatusNotification": (
        "FirmwareStatusNotification",
        lambda data, ctx: {"status": _PRESENT.get(data["status"], "Idle")},
        None,
    ),
    "SignedFirmwareStatusNotification": ("SignedFirmwareStatusNotification", None, None),
}
RECORDS = {"FirmwareStatusNotification": (_notification, None)}
