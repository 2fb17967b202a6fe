"""Security events in OCPP 2.0.1 and 2.1."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool]:
    return "SecurityEventNotification", ctx.block("security").payload(row), True


CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS = {"SecurityEventNotification": (_notification, None)}
