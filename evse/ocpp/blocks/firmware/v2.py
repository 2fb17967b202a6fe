"""Firmware updates in OCPP 2.0.1 and 2.1; statusInfo of the notification is 2.1's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool]:
    payload = {"status": row[0]}
    if row[1] is not None:
        payload["requestId"] = row[1]
    if len(row) > 3:
        payload["statusInfo"] = row[3]
    return "FirmwareStatusNotification", payload, True


CALLS = {
    "UpdateFirmware": ("update", None, None),
    "PublishFirmware": ("publish", None, None),
    "UnpublishFirmware": ("unpublish", None, None),
}
EVENTS: dict[str, Any] = {}
RECORDS = {"FirmwareStatusNotification": (_notification, None)}
