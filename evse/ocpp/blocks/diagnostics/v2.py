"""Logs in OCPP 2.0.1 and 2.1; statusInfo of the notification is 2.1's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool] | None:
    """Of a GetDiagnostics of 1.6 nothing is said here: there is no requestId. [N01.FR.13]"""
    if row[1] is None:
        return None
    payload = {"status": row[0], "requestId": row[1]}
    if len(row) > 2:
        payload["statusInfo"] = row[2]
    return "LogStatusNotification", payload, True


CALLS = {"GetLog": ("get_log", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS = {"LogStatusNotification": (_notification, None)}
