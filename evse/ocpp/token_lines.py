"""Tokens as lines of one text: a thousand of them take some tens of KiB, and are searched where they lie.

A line is "\\n", key, "\\t" and what is kept under it; keys are equal without regard to case if the kinds of the tokens
are [C01.FR.25]. All of it is ASCII, so a character is a byte.
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.jsontext import dumps, loads_own
from evse.model import ANY_KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_printable(id_token: str) -> bool:
    """As identifiers are; so no token can look like two lines. [identifierString, CiString20Type]"""
    return id_token.isascii() and id_token.isprintable()


def key_of(kind: str, id_token: str) -> str:
    return f"{kind}:{id_token.lower()}"


def find(text: str, key: str) -> tuple[int, int, int] | None:
    """Where in the text a token's line, and in it what is kept, begins and ends."""
    start = text.find(f"\n{key}\t")
    if start < 0:
        return None
    end = text.find("\n", start + 1)
    return start, start + len(key) + 2, len(text) if end < 0 else end


def find_token(text: str, kind: str, id_token: str) -> tuple[int, int, int] | None:
    """As `find`, for a token; one without a kind is any of that text, and a line without one is for every kind."""
    if not is_printable(id_token):
        return None
    for each in (kind, ANY_KIND):
        place = find(text, key_of(each, id_token))
        if place is not None:
            return place
    end = -1 if kind else text.find(tail := f":{id_token.lower()}\t")
    while end >= 0:
        start = text.rfind("\n", 0, end)
        if ":" not in (named := text[start + 1 : end]) and "\t" not in named:
            return find(text, key_of(named, id_token))
        end = text.find(tail, end + 1)
    return None


def packed(info: dict[str, Any]) -> str:
    """An IdTokenInfo as short as it can be said: Accepted and the kind of the group's id go without saying.

    Another status stands first. Raises ValueError for a date that is none.
    """
    kept = {} if info["status"] == "Accepted" else {"status": info["status"]}
    kept.update((name, value) for name, value in info.items() if name not in ("status", "customData"))
    if "groupIdToken" in kept:
        kept["groupIdToken"] = kept["groupIdToken"]["idToken"]
    if "cacheExpiryDateTime" in kept:
        parse_timestamp(kept["cacheExpiryDateTime"])
    return _ascii(dumps(kept)) if kept else ""


def unpacked(text: str) -> dict[str, Any]:
    info: dict[str, Any] = {"status": "Accepted"}
    if text:
        info.update(loads_own(text))
    if "groupIdToken" in info:
        info["groupIdToken"] = {"idToken": info["groupIdToken"], "type": "Central"}
    return info


def _ascii(json: str) -> str:
    """Characters beyond ASCII as JSON escapes them."""
    if json.isascii():
        return json
    raw = json.encode("utf-16-be")
    units = zip(raw[::2], raw[1::2], strict=True)
    return "".join(chr(low) if high == 0 and low < 128 else f"\\u{high:02x}{low:02x}" for high, low in units)
