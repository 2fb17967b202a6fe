"""What a log must not tell: passwords, keys, whole id tokens, personal data. Applied to everything that leaves."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"
# Members of a JSON object, in lower case, whose text is never told ...
_SECRET = ("password", "secret", "authorizationkey", "privatekey")
# ... and those that name a customer, or hold what nobody can check: told by their first characters, or not at all.
_TOKEN = ("idtag", "parentidtag", "idtoken", "groupidtoken", "additionalidtoken", "token", "authorized", "emaid")
_OPAQUE = ("data", "exirequest", "exiresponse", "csr")
# Variables whose value stands beside their name.
_NAMED = re.compile(r"password|secret|authorizationkey|\bpin\b", re.IGNORECASE)
_SHOWN = 4
# user:password@ and the query in a URL
_USERINFO = re.compile(r"(?<=://)[^/\s\"']*@")
_QUERY = re.compile(r"(\w://[^\s\"'?]*)\?[^\s\"']*")
# The log's own fields, and PEM.
_FIELDS = ("password", "token", "id_tag", "idtag", "secret")
_FIELD = re.compile(rf"\b(\w*(?:{'|'.join(_FIELDS)})\w*)([=:] ?)([^\s,;}}]+)", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN[^-]*KEY-----.*?(?:-----END[^-]*KEY-----|$)", re.DOTALL)


def masked(value: Any, name: str = "") -> Any:
    """A JSON value without secrets: the same shape, with masks. `name` is the member that holds it."""
    name = name.lower().replace("_", "")
    if name in _OPAQUE and value is not None:
        return MASK
    if isinstance(value, dict):
        hidden = isinstance(value.get("variable"), dict) and _NAMED.search(str(value["variable"].get("name", "")))
        hidden = hidden or _NAMED.search(str(value.get("key", "")))
        secret: tuple[str, ...] = ("value", "attributevalue") if hidden else ()
        if "server" in value and "user" in value:  # VPNType
            secret += ("key",)
        return {key: MASK if key.lower() in secret else masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    if (any(word in name for word in _SECRET) or name.endswith("pin")) and not isinstance(value, bool):
        return MASK
    if not isinstance(value, str):
        return value
    if name in _TOKEN:
        return value[:_SHOWN] + MASK if len(value) > 2 * _SHOWN else MASK
    return plain(value)


def plain(text: str) -> str:
    """A text without the user, password and query of URLs, without private keys and fields that are secrets."""
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    if "://" in text:
        text = _USERINFO.sub(MASK + "@", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
    lower = text.lower()
    if any(word in lower for word in _FIELDS):  # much cheaper than the expression
        text = _FIELD.sub(rf"\1\2{MASK}", text)
    return text
