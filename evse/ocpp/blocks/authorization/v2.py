"""Wire forms of authorization in 2.0.1 and 2.1."""

from __future__ import annotations

from evse.ocpp.v2 import fits_201

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _authorize(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    """None for a token that 2.0.1 cannot say: changing it could authorize somebody else."""
    token = data["idToken"]
    if ctx.version == "2.0.1" and not fits_201(token["idToken"], token["type"]):
        ctx.log.warning("a token that OCPP 2.0.1 cannot say cannot be authorized", length=len(token["idToken"]))
        return None
    return data


CALLS = {"ClearCache": ("clear_cache", None, None)}
EVENTS = {"Authorize": ("Authorize", _authorize, None)}
RECORDS: dict[str, Any] = {}
