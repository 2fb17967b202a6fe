"""DataTransfer in OCPP 2.0.1 and 2.1: as the block has it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"DataTransfer": ("data_transfer", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
VENDORS: dict[str, str] = {}
