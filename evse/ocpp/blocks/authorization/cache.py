"""C10-C12 Authorization Cache: the latest word of the CSMS about each token, over restarts.

At most ENTRIES tokens in BYTES, lines of one text in the order of their last use (`evse.ocpp.token_lines`); a new one
replaces the oldest that is not Accepted, else the least recently used. Kept as one document, written SAVE_AFTER_S after
a change, so a power cut may lose the last words (the CSMS is asked again then). An entry expires at its
cacheExpiryDateTime, else LifeTime seconds after its last update. [C10.FR.07-10, C10.FR.13]
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.errors import StoreError
from evse.ocpp.token_lines import find_token, is_printable, key_of, packed, unpacked
from evse.ocpp.variable_row import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.model import Token

ENTRIES = 1000
BYTES = 98_304
LINE_BYTES = 8192
SAVE_AFTER_S = 2.0
# The same word again is not written anew so soon: each write is the whole document.
SAME_WORD_S = 3600
DOCUMENT = "authorization-cache"
# Kinds of token that are made for one use. [C02.FR.03, C05.FR.02]
NOT_CACHED = ("Central", "NoAuthorization")


class Cache:
    """`_text`: what is kept of a token is "expires at", "\\t", "updated at", "\\t", IdTokenInfo; times may be empty."""

    __slots__ = ("_ctx", "_text", "_timer")

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._timer: Timer | None = None
        kept = ctx.documents.load(DOCUMENT)
        self._text: str = kept["tokens"] if isinstance(kept, dict) and "tokens" in kept else ""
        ctx.model.provide(
            "AuthCacheCtrlr", "Storage", lambda *_: str(len(self._text)), limits=lambda evse, connector: {MOST: BYTES}
        )

    def enabled(self) -> bool:
        """[C10.FR.11]"""
        return self._ctx.model.boolean("AuthCacheCtrlr", "Enabled") is not False

    def find(self, token: Token) -> dict[str, Any] | None:
        """IdTokenInfo of a token, None if it is not known; an expired one has the status Expired."""
        entry = self.stored(token) if self.enabled() else None
        if entry is None:
            return None
        info: dict[str, Any] = entry[0]
        expires_at, updated_at = entry[1:]
        utc = self._ctx.clock.utc()
        if expires_at is None and updated_at is not None:
            life_s = self._ctx.model.integer("AuthCacheCtrlr", "LifeTime")
            expires_at = updated_at + life_s if life_s else None
        if utc is not None and expires_at is not None and utc > expires_at:
            return {**info, "status": "Expired"}
        line = self._cut(token)
        self._text += line
        return info

    def learn(self, token: Token, info: dict[str, Any]) -> None:
        """Takes the CSMS's word about a token, whatever its status. [C10.FR.01, C10.FR.04-05, C10.FR.14]"""
        if not self.enabled() or token.kind in NOT_CACHED or not is_printable(token.id_token):
            return
        utc = self._ctx.clock.utc()
        expires_at: Any = ""
        if "cacheExpiryDateTime" in info:
            try:
                expires_at = parse_timestamp(info["cacheExpiryDateTime"])
            except ValueError as error:
                self._ctx.log.warning(
                    "the CSMS sent an expiry that is no time, the token is not cached", why=str(error)
                )
                return
            if utc is not None and expires_at <= utc and info["status"] == "Accepted":
                # A date in the past keeps the token out of the cache. [C10.FR.10]
                if self._cut(token):
                    self._save_later()
                return
        word = packed({name: value for name, value in info.items() if name != "cacheExpiryDateTime"})
        before = self._cut(token)
        # What is known of a kind stays so though 1.6 names the token without.
        key = before[1:].partition("\t")[0] if before and not token.kind else key_of(token.kind, token.id_token)
        line = f"\n{key}\t{expires_at}\t{'' if utc is None else int(utc)}\t{word}"
        if len(line) > LINE_BYTES:
            self._ctx.log.warning("the CSMS says so much about a token that it is not cached", bytes=len(line))
            return
        self._make_room(len(line))
        if _is_same(before, line):
            self._text += before
            return
        self._text += line
        self._save_later()

    def stored(self, token: Token) -> list[Any] | None:
        """What is kept of a token, whether the cache is in use or not: [IdTokenInfo, expires at, updated at]."""
        place = find_token(self._text, token.kind, token.id_token)
        if place is None:
            return None
        expires_at, updated_at, word = self._text[place[1] : place[2]].split("\t")
        return [unpacked(word), float(expires_at) if expires_at else None, int(updated_at) if updated_at else None]

    def forget(self, token: Token) -> bool:
        """Forgets a token at once; False if the store refuses. [N10.FR.03, N10.FR.06]"""
        return self.stored(token) is None or (bool(self._cut(token)) and self._save())

    def clear(self) -> bool:
        """Forgets everything; False if the store refuses. [C11]"""
        self._text = ""
        return self._save()

    def flush(self) -> None:
        """Saves at once what is still to be saved."""
        if self._timer is not None:
            self._save()

    def _cut(self, token: Token) -> str:
        """Takes a token's line out; "" if there is none."""
        place = find_token(self._text, token.kind, token.id_token)
        if place is None:
            return ""
        line = self._text[place[0] : place[2]]
        self._text = self._text[: place[0]] + self._text[place[2] :]
        return line

    def _make_room(self, size: int) -> None:
        """For one more line. [C10.FR.07]"""
        while self._text and (self._text.count("\n") >= ENTRIES or len(self._text) + size > BYTES):
            refused = self._text.find('\t{"status":')
            start = max(0, self._text.rfind("\n", 0, refused)) if refused >= 0 else 0
            end = self._text.find("\n", start + 1)
            self._text = self._text[:start] + (self._text[end:] if end >= 0 else "")

    def _save_later(self) -> None:
        if self._timer is None:
            self._timer = self._ctx.timers.at(self._ctx.clock.now() + SAVE_AFTER_S, self._save)

    def _save(self) -> bool:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._ctx.documents.save(DOCUMENT, {"tokens": self._text})
        except StoreError as error:
            self._ctx.log.error("the authorization cache could not be saved", why=str(error))
            return False
        return True


def _is_same(before: str, line: str) -> bool:
    """Whether a token's line says what it said a short while ago."""
    if not before:
        return False
    *old, old_at, old_word = before.split("\t")
    *new, new_at, new_word = line.split("\t")
    if (old, old_word) != (new, new_word) or not old_at or not new_at:
        return False
    return 0 <= int(new_at) - int(old_at) < SAME_WORD_S
