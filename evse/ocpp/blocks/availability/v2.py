"""Status and ChangeAvailability in OCPP 2.0.1 and 2.1.

2.1 still has StatusNotification and prefers NotifyEvent of AvailabilityState; StatusNotification is what every CSMS
takes, so it is what we send. [2.1 B01.FR.05, G01.FR.03: "or a StatusNotificationRequest"]
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reports(block: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """Status of every connector."""
    return {
        (evse.id, id): {"evseId": evse.id, "connectorId": id, "connectorStatus": block.status(evse, id)}
        for evse in block.ctx.evses.values()
        for id in evse.connectors
    }


CALLS = {"ChangeAvailability": ("change_availability", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
