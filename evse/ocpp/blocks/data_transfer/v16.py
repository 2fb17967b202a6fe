"""DataTransfer in OCPP 1.6: data is text."""

from __future__ import annotations

from evse.errors import UsageError
from evse.jsontext import JsonError, dumps, loads
from evse.ocpp.v16 import PNC_VENDOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _as_text(said: dict[str, Any], ctx: Any = None) -> dict[str, Any]:
    """What is no text becomes JSON text."""
    data = said.get("data")
    return said if data is None or isinstance(data, str) else {**said, "data": dumps(data)}


def opened(text: str | None) -> dict[str, Any]:
    """The object that the data of an application note is. Raises UsageError."""
    try:
        data = loads(text or "{}")
    except JsonError as error:
        raise UsageError(f"data: {error}") from None
    if not isinstance(data, dict):
        raise UsageError("data: no JSON object")
    return data


CALLS = {"DataTransfer": ("data_transfer", None, _as_text)}
EVENTS = {"DataTransfer": ("DataTransfer", _as_text, None)}
# Who answers the application notes of the OCA; the block's 1.6 form has the messages in DATA.
VENDORS = {"org.openchargealliance.costmsg": "tariff", PNC_VENDOR: "iso15118"}
RECORDS: dict[str, Any] = {}
