"""DataTransfer in OCPP 1.6: data is text."""

from __future__ import annotations

from evse.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _as_text(said: dict[str, Any], ctx: Any = None) -> dict[str, Any]:
    """What is no text becomes JSON text."""
    data = said.get("data")
    return said if data is None or isinstance(data, str) else {**said, "data": dumps(data)}


CALLS = {"DataTransfer": ("data_transfer", None, _as_text)}
EVENTS = {"DataTransfer": ("DataTransfer", _as_text, None)}
RECORDS: dict[str, Any] = {}
