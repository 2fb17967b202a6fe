"""Configuration in OCPP 1.6: keys and texts. [1.6 §5.3, §5.8]"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# CiString500Type of KeyValue.value
VALUE_LENGTH = 500


def _asked(payload: dict[str, Any]) -> dict[str, Any]:
    return {"keys": payload.get("key")}


def _known(answer: dict[str, Any]) -> dict[str, Any]:
    """GetConfiguration.conf; a key that cannot be read has no value."""
    keys = []
    for key, read_only, value in answer["known"]:
        said = {"key": key, "readonly": read_only}
        if value is not None:
            said["value"] = _cut(value)
        keys.append(said)
    payload: dict[str, Any] = {"configurationKey": keys}
    if answer["unknown"]:
        payload["unknownKey"] = answer["unknown"]
    return payload


def _cut(value: str) -> str:
    """A list that 1.6 has no room for loses its last elements, another value its end."""
    if len(value) <= VALUE_LENGTH:
        return value
    return value[: value.rfind(",", 0, VALUE_LENGTH + 1)] if "," in value[: VALUE_LENGTH + 1] else value[:VALUE_LENGTH]


CALLS = {
    "GetConfiguration": ("get_keys", _asked, _known),
    "ChangeConfiguration": ("set_key", None, None),
}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
