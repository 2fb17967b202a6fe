"""Wire forms of authorization in 1.6."""

from __future__ import annotations

from evse.ocpp.v16 import ID_TAG_LENGTH, PNC_VENDOR, answer, transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _authorize(data: dict[str, Any], ctx: Any) -> Any:
    """None for a token that an idTag cannot carry: cutting it could authorize somebody else.

    A contract certificate goes the way of the application note on ISO 15118.
    """
    token = data["idToken"]["idToken"]
    if "iso15118CertificateHashData" in data or "certificate" in data:
        return transfer(PNC_VENDOR, "Authorize", data, {"idTokenInfo": {"status": "Unknown"}})
    if len(token) > ID_TAG_LENGTH:
        ctx.log.warning("a token is too long for OCPP 1.6 and cannot be authorized", length=len(token))
        return None
    return {"idTag": token}


CALLS = {"ClearCache": ("clear_cache", None, lambda answer: {"status": answer["status"]})}
EVENTS = {"Authorize": ("Authorize", _authorize, answer)}
RECORDS: dict[str, Any] = {}
