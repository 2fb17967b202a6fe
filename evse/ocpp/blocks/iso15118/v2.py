"""Plug and charge in 2.x: messages of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
