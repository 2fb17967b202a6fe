"""Network profiles in OCPP 2.0.1 and 2.1: as the block has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {"SetNetworkProfile": ("set_network_profile", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
