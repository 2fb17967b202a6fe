"""D. Local authorization list: tokens that the CSMS has decided beforehand, for when it cannot be asked.

The list is one document and, in memory, one text with a line for each token (`evse.ocpp.token_lines`); an update makes
the next text, which takes the place of the last once it is on the disk. [D01.FR.10]
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.errors import StoreError, UsageError
from evse.ocpp.status_info import refusal
from evse.ocpp.token_lines import find, find_token, is_printable, key_of, packed, unpacked
from evse.ocpp.variable_row import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Token

DOCUMENT = "local-list"
# Kept state: there has been a list, so the block is needed from the start of the process on.
PRESENT = "local_list:present"
CONTROLLER = "LocalAuthListCtrlr"
# Statuses that say nothing against the token itself. [1.6 §3.5.2]
VALID = ("Accepted", "ConcurrentTx")


class Block:
    """The list: `_text` has a line for each token."""

    name = "local_list"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self._version = 0
        self._text = ""
        kept = ctx.documents.load(DOCUMENT)
        if isinstance(kept, dict):
            self._version, self._text = kept["version"], kept["tokens"]
        ctx.model.provide(CONTROLLER, "Entries", lambda *_: str(self._text.count("\n")))
        ctx.model.provide(CONTROLLER, "Storage", lambda *_: str(len(self._text)))

    # -- for other blocks ------------------------------------------------------------------------------------------

    def find(self, token: Token) -> dict[str, Any] | None:
        """IdTokenInfo of a token, None if the list does not have it or is not in use.

        One whose cacheExpiryDateTime has passed is Expired, and `lapsed`. [C13.FR.05-06, C14.FR.04-05, 1.6 §3.5.4]
        """
        return self.stored(token) if self._text and self._enabled() else None

    def stored(self, token: Token) -> dict[str, Any] | None:
        """The same of a list that is not in use."""
        place = find_token(self._text, token.kind, token.id_token)
        return None if place is None else self._info(self._text[place[1] : place[2]])

    def compare(self, listed: dict[str, Any], info: dict[str, Any]) -> None:
        """Tells the CSMS, where it wants to know, that it says of a token what its list does not. [1.6 §3.5.2]"""
        if (listed["status"] in VALID) != (info["status"] in VALID):
            self.ctx.log.warning("the local list and the CSMS differ", listed=listed["status"], now=info["status"])
            self.ctx.call(self, "LocalListConflict", {})

    # -- use cases -------------------------------------------------------------------------------------------------

    def send_list(self, request: dict[str, Any]) -> dict[str, Any]:
        """SendLocalList: all of it, or nothing. [D01]"""
        if not self._enabled():
            return refusal("NotEnabled", status="Failed")
        version = request["versionNumber"]
        items = request.get("localAuthorizationList", ())
        full = request["updateType"] == "Full"
        if version <= 0:
            return refusal("InvalidValue", "a version is above 0", status="Failed")  # [D01.FR.18]
        if not full and version <= (self._version if self._text or self.ctx.version != "1.6" else 0):
            return {"status": "VersionMismatch"}  # [D01.FR.19; 1.6 says 0 of an empty list, so 1 is above it]
        most = self.ctx.model.integer(CONTROLLER, "ItemsPerMessage")
        if most is not None and len(items) > most:
            return refusal("TooManyElements", f"{len(items)} items, at most {most}", status="Failed")  # [D01.FR.11]
        try:
            text = _updated("" if full else self._text, items, full)
        except ValueError as error:
            return refusal("InvalidValue", str(error), status="Failed")
        for variable, amount in (("Entries", text.count("\n")), ("Storage", len(text))):
            most = self.ctx.model.row(CONTROLLER, variable)[MOST]
            if most is not None and amount > most:
                reason = "OutOfStorage" if variable == "Storage" else "TooManyElements"
                return refusal(reason, f"{variable} {amount}", status="Failed")
        return self._keep(version, text)

    def list_version(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetLocalListVersion: 0 if there is no list. [D02]"""
        return {"versionNumber": self._version if self._enabled() else 0}

    def contents_version(self, request: dict[str, Any]) -> dict[str, Any]:
        """The same, where 0 means an empty list, and -1 one that is not in use. [1.6 §5.10]"""
        if not self._enabled():
            return {"versionNumber": -1}
        return {"versionNumber": self._version if self._text else 0}

    # -- inside ----------------------------------------------------------------------------------------------------

    def _enabled(self) -> bool:
        """[D01.FR.13]"""
        return self.ctx.model.boolean(CONTROLLER, "Enabled") is not False

    def _keep(self, version: int, text: str) -> dict[str, Any]:
        try:
            if PRESENT not in self.ctx.journal.state:
                self.ctx.journal.write(keep={PRESENT: True})
            self.ctx.documents.save(DOCUMENT, {"version": version, "tokens": text})
        except (StoreError, UsageError) as error:
            self.ctx.log.error("the local list could not be saved", why=str(error))
            return refusal("InternalError", status="Failed")
        self._version, self._text = version, text
        return {"status": "Accepted"}

    def _info(self, kept: str) -> dict[str, Any]:
        """IdTokenInfo as it counts now."""
        info = unpacked(kept)
        expiry = info.get("cacheExpiryDateTime")
        if expiry is not None and self.ctx.model.boolean(CONTROLLER, "SupportsExpiryDateTime"):
            utc = self.ctx.clock.utc()
            if utc is not None and utc > parse_timestamp(expiry):
                info.update(status="Expired", lapsed=True)
        return info


def _updated(text: str, items: Any, full: bool) -> str:
    """The list after an update: items with an IdTokenInfo are set, those without go. [D01.FR.15-17]

    Raises ValueError for what cannot be in a list; the text is at most 250 characters long.
    """
    seen = set()
    added = []
    for item in items:
        id_token = item["idToken"]["idToken"]
        info = item.get("idTokenInfo")
        key = key_of(item["idToken"]["type"], id_token)
        if not id_token or not is_printable(id_token):
            raise ValueError("a token has no or other than printable ASCII characters")
        if key in seen:
            raise ValueError(f"{id_token[:100]} stands twice")  # [D01.FR.06]
        seen.add(key)
        if info is not None:
            added.append(f"\n{key}\t{packed(info)}")
        elif full:
            raise ValueError(f"{id_token[:100]} has no idTokenInfo")
        if not full and (place := find(text, key)) is not None:
            text = text[: place[0]] + text[place[2] :]
    return text + "".join(added)
