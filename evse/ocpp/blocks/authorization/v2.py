"""Wire forms of authorization in 2.0.1 and 2.1."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"ClearCache": ("clear_cache", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
