"""Wire forms of the local authorization list in 2.0.1 and 2.1; a conflict with it has no words there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"GetLocalListVersion": ("list_version", None, None), "SendLocalList": ("send_list", None, None)}
EVENTS = {"LocalListConflict": ("StatusNotification", lambda data, ctx: None, None)}
RECORDS: dict[str, Any] = {}
