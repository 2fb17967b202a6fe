"""OCPP 1.6 has no network profiles; the block serves its keys SecurityProfile and AuthorizationKey."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS: dict[str, Any] = {}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
