"""BootNotification and Heartbeat in OCPP 2.0.1 and 2.1: as the block has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a station that the CSMS rejected answers to its requests. [B03.FR.08]
REFUSAL = "SecurityError"

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
