"""Customer information is unknown to OCPP 1.6: nothing is said."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
