"""C10-C12 Authorization Cache: the latest word of the CSMS about each token, over restarts.

At most ENTRIES tokens; a new one replaces the oldest that is not Accepted, else the least recently used. Kept as one
document, written SAVE_AFTER_S after a change, so a power cut may lose the last words (the CSMS is asked again then).
An entry expires at its cacheExpiryDateTime, else LifeTime seconds after its last update. [C10.FR.07-10, C10.FR.13]
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.errors import StoreError
from evse.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.model import Token

ENTRIES = 128
SAVE_AFTER_S = 2.0
DOCUMENT = "authorization-cache"
# Kinds of token that are made for one use. [C02.FR.03, C05.FR.02]
NOT_CACHED = ("Central", "NoAuthorization")


class Cache:
    """Tokens in the order of their last use: key -> [IdTokenInfo, expires at or None, updated at or None]."""

    __slots__ = ("_ctx", "_entries", "_timer")

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._entries: dict[str, list[Any]] = {}
        self._timer: Timer | None = None
        kept = ctx.documents.load(DOCUMENT)
        if isinstance(kept, dict):
            self._entries.update(list(kept.items())[-ENTRIES:])
        ctx.model.provide("AuthCacheCtrlr", "Storage", lambda *_: str(self.bytes()))

    def enabled(self) -> bool:
        """[C10.FR.11]"""
        return self._ctx.model.boolean("AuthCacheCtrlr", "Enabled") is not False

    def bytes(self) -> int:
        """Size of the entries as they are stored."""
        return len(dumps(self._entries))

    def find(self, token: Token) -> dict[str, Any] | None:
        """IdTokenInfo of a token, None if it is not known; an expired one has the status Expired."""
        if not self.enabled():
            return None
        key = _key(token)
        entry = self._entries.get(key)
        if entry is None:
            return None
        info, expires_at, updated_at = entry
        utc = self._ctx.clock.utc()
        if expires_at is None and updated_at is not None:
            life_s = self._ctx.model.integer("AuthCacheCtrlr", "LifeTime")
            expires_at = updated_at + life_s if life_s else None
        if utc is not None and expires_at is not None and utc > expires_at:
            return {**info, "status": "Expired"}
        self._entries[key] = self._entries.pop(key)
        return dict(info)

    def learn(self, token: Token, info: dict[str, Any]) -> None:
        """Takes the CSMS's word about a token, whatever its status. [C10.FR.01, C10.FR.04-05, C10.FR.14]"""
        if not self.enabled() or token.kind in NOT_CACHED:
            return
        key = _key(token)
        utc = self._ctx.clock.utc()
        kept = {name: value for name, value in info.items() if name not in ("cacheExpiryDateTime", "customData")}
        expires_at = None
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
                if self._entries.pop(key, None) is not None:
                    self._save_later()
                return
        before = self._entries.pop(key, None)
        if before is None:
            self._make_room()
        self._entries[key] = [kept, expires_at, None if utc is None else int(utc)]
        self._save_later()

    def clear(self) -> bool:
        """Forgets everything; False if the store refuses. [C11]"""
        self._entries.clear()
        return self._save()

    def flush(self) -> None:
        """Saves at once what is still to be saved."""
        if self._timer is not None:
            self._save()

    def _make_room(self) -> None:
        while len(self._entries) >= ENTRIES:
            refused = (key for key, entry in self._entries.items() if entry[0]["status"] != "Accepted")
            del self._entries[next(refused, next(iter(self._entries)))]

    def _save_later(self) -> None:
        if self._timer is None:
            self._timer = self._ctx.timers.at(self._ctx.clock.now() + SAVE_AFTER_S, self._save)

    def _save(self) -> bool:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._ctx.documents.save(DOCUMENT, self._entries)
        except StoreError as error:
            self._ctx.log.error("the authorization cache could not be saved", why=str(error))
            return False
        return True


def _key(token: Token) -> str:
    """Tokens are equal without regard to case if their kinds are. [C01.FR.25]"""
    return f"{token.kind}:{token.id_token.lower()}"
