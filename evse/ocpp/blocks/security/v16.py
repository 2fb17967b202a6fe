"""Security events in OCPP 1.6, by the security extension. [1.6 security whitepaper, A04 and section 8]"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Events whose names have a word of 1.6 in them.
_RENAMED = {
    "CsmsFailedToAuthenticate": "CentralSystemFailedToAuthenticate",
    "FailedToAuthenticateAtCsms": "FailedToAuthenticateAtCentralSystem",
    "InvalidCsmsCertificate": "InvalidCentralSystemCertificate",
    "InvalidChargingStationCertificate": "InvalidChargePointCertificate",
}


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool]:
    payload = ctx.block("security").payload(row)
    payload["type"] = _RENAMED.get(payload["type"], payload["type"])
    return "SecurityEventNotification", payload, True


CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS = {"SecurityEventNotification": (_notification, None)}
