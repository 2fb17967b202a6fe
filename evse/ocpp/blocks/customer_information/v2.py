"""Customer information in OCPP 2.0.1 and 2.1: as the block has it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"CustomerInformation": ("inform", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
