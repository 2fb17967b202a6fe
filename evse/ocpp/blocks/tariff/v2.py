"""Prices and costs in 2.x come with the answer to a TransactionEvent, which the transactions block shows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
