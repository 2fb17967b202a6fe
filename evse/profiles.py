"""Network profiles: which CSMS the station connects to, in which order, with which credentials.

A slot is set up by the station file ([csms], [csms.slot.N]) and, over that, by what the CSMS changed: variables of
NetworkConfiguration[slot]. The slots in use and their order are read at the start of the process; what the CSMS changes
in them waits for the next start [B09, B10]. After the last of the list the one that worked last has another turn, also
where the list names it no more [B10.FR.07, B10.FR.08].

A new root or a new certificate of the station counts at once, too; until one has worked, that turn after the last of
the list is made with the one before [A02.FR.28, M05.FR.14, M05.FR.16].

A password or a security profile that the CSMS changed is tried at once; until a connection came of it, the ones before
have their turn after it. This and the slot that worked last are the document "network".
"""

from __future__ import annotations

import posix
import time

from evse.clock import UTC_FLOOR_S
from evse.errors import StoreError, UsageError
from evse.shell.certificatefiles import SERVED, is_there, newest_first, old_root, path_of
from evse.shell.endpoint import Endpoint, common

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]  # a network profile as the connection takes it, with "slot"

DOCUMENT = "network"
COMPONENT = "NetworkConfiguration"
# There are at least these slots, though none but the first may be set up. [B09.FR.06]
SLOTS = (1, 2, 3)
# A clock that is so far behind what the station has written was never set in this start.
CLOCK_LAG_S = 3600.0


class Profiles:
    """The network profiles of one station. `csms` is the table of the station file, `root` the certificate store.

    `store` gives parts of the certificate store another place, as [certificates] does.

    own      slot of [csms]: 1, or 0 beside a [csms.slot.1]
    slots    numbers of all slots
    rows     the profiles in use, in their order, without what they share
    last     slot of the connection that worked last; before the first one None
    before   what was changed and has not worked yet: {"slot": n, and the settings before}, or None
    """

    __slots__ = (
        "_csms", "_model", "_documents", "_log", "_state_dir", "_roots", "_client", "own", "slots", "rows", "last",
        "before",
    )  # fmt: skip

    def __init__(
        self,
        csms: dict[str, Any],
        model: Any,
        documents: Any,
        log: Any,
        state_dir: str,
        root: str,
        store: dict[str, Any] | None = None,
    ) -> None:
        self._csms = csms
        self._model = model
        self._documents = documents
        self._log = log
        self._state_dir = state_dir
        self._roots = path_of(root, store, "csms_root")
        self._client = path_of(root, store, "client_csms")
        self.own = 0 if 1 in csms["slots"] else 1
        self.slots = tuple(sorted({self.own, *csms["slots"], *SLOTS}))
        kept = documents.load(DOCUMENT)
        kept = kept if isinstance(kept, dict) else {}
        self.last: int | None = kept.get("last")
        self.before: Row | None = kept.get("before")
        self.rows: list[Row] = []

    def begin(self) -> None:
        """Reads the slots in their order. What the CSMS changed must not keep the station from connecting at all."""
        shared = self.shared()
        for slot in self._model.members("OCPPCommCtrlr", "NetworkConfigurationPriority") or ():
            row = self.row(int(slot)) if slot.isdecimal() else None
            if row is not None and self._is_usable({**shared, **row}):
                self.rows.append(row)
        if not self.rows:
            self._log.error("the connection begins as the station file says")
            self.rows = [self._filed(self.own)]

    def _is_usable(self, profile: Row) -> bool:
        try:
            Endpoint(profile)
        except UsageError as error:
            self._log.error("a network slot cannot work and is left out", slot=profile["slot"], why=str(error))
            return False
        return True

    def filed(self, slot: int) -> dict[str, Any]:
        """What the station file says about a slot, {} if nothing."""
        table: dict[str, Any] = self._csms if slot == self.own else self._csms["slots"].get(slot, {})
        return table

    def row(self, slot: int) -> Row | None:
        """The profile of a slot as it stands now, None if nothing is set up there."""
        row = self._filed(slot)
        changed = self._model.changes(f"{COMPONENT}[{slot}]")
        row["url"] = changed.get("OcppCsmsUrl", row["url"])
        if "SecurityProfile" in changed:
            row["security_profile"] = int(changed["SecurityProfile"])
        password = changed.get("BasicAuthPassword", row["password"] if slot != self.own else None)
        row["password"] = password or self._model.get("SecurityCtrlr", "BasicAuthPassword") or None
        if changed.get("Identity"):
            row["identity"] = changed["Identity"]
        row["interface"] = self.interface(changed.get("OcppInterface"))
        return row if row["url"] else None

    def _filed(self, slot: int) -> Row:
        table = self.filed(slot)
        versions = table.get("ocpp_versions") or self._csms["ocpp_versions"]
        return {
            "slot": slot,
            "url": table.get("url"),
            "subprotocols": ["ocpp" + version for version in versions],
            "security_profile": table.get("security_profile") or 0,
            "password": table.get("password"),
        }

    def interface(self, word: str | None) -> str | None:
        """The device or source address of an OCPPInterfaceEnum word; None: as the machine's routes say."""
        named: str | None = self._csms["interfaces"].get(word)
        return named

    def has_interface(self, word: str) -> bool:
        """Whether a word can be taken: any where the station file names none."""
        return word == "Any" or not self._csms["interfaces"] or word in self._csms["interfaces"]

    def shared(self) -> dict[str, Any]:
        """What all profiles have in common."""
        pairs = self._pairs()
        cert, key = pairs[0] if pairs else (None, None)
        return {
            **common(self._csms, self._model),
            "ca": self._trusted(),
            "partial_chain": bool(self._model.boolean("SecurityCtrlr", "AdditionalRootCertificateCheck")),
            "cert": cert,
            "key": key,
            "clock_floor_s": self._clock_floor(),
        }

    def profiles(self) -> list[Row]:
        """The network profiles for the connection, the best first."""
        shared = self.shared()
        before = self._credentials_before()
        profiles: list[Row] = []
        for row in self.rows:
            goes_back = profiles and row["slot"] == self.last
            profiles.append({**shared, **row, **(before if goes_back else {})})
            if self.before is not None and {**row, **self.before} != row and self.before["slot"] == row["slot"]:
                profiles.append({**shared, **row, **self.before, "before": True})
        if self.last is not None and (len(profiles) > 1 or self.last != self.rows[0]["slot"] or before):
            known = next((row for row in self.rows if row["slot"] == self.last), None) or self.row(self.last)
            if known is not None and self._is_usable({**shared, **known}):
                profiles.append({**shared, **known, **before})
        if before:
            for profile in profiles:
                profile["unproven"] = profile["security_profile"] >= 2
        return profiles

    def worked(self, row: Row) -> bool:
        """A connection came of a profile. True if that has consequences for the device model (the network block's)."""
        if self.last != row["slot"]:
            self.last = row["slot"]
            if len(self.rows) > 1 or self.last != self.own:
                self.save()
        changed = self._model.changes(f"{COMPONENT}[{self.last}]")
        return (
            self.before is not None
            or row["security_profile"] != self._model.integer("SecurityCtrlr", "SecurityProfile")
            or changed.get("MessageTimeout") != self._model.changes("OCPPCommCtrlr").get("MessageTimeout[Default]")
            or changed.get("BasicAuthPassword", "") not in ("", self._model.get("SecurityCtrlr", "BasicAuthPassword"))
        )

    def save(self) -> None:
        """Keeps `last` and `before`; a disk that refuses is logged."""
        try:
            self._documents.save(DOCUMENT, {"last": self.last, "before": self.before})
        except StoreError as error:
            self._log.error("the network slots could not be stored", why=str(error))

    def problem(self, row: Row, certificates: bool = True) -> str | None:
        """Why no connection can come of a profile, None if one can; without `certificates` these may be missing."""
        from evse.shell.credentials import problem

        return problem({**self.shared(), **row}, self._clock_floor(), certificates)

    def _trusted(self) -> str:
        """The roots of the CSMS: what the CSMS installed counts before what the station file names."""
        named: str | None = self._csms["ca"]
        return self._roots if named is None or is_there(self._roots) else named

    def _pairs(self) -> list[tuple[str, str]]:
        """The station's certificates with their keys, the newest first; that of the station file is the oldest."""
        pairs = newest_first(self._client)
        if self._csms["cert"] is not None and not (pairs and is_there(f"{self._client}/{SERVED}")):
            pairs.append((self._csms["cert"], self._csms["key"]))
        return pairs

    def _credentials_before(self) -> Row:
        """The root and the certificate that served before newer ones, as far as there are such."""
        before: Row = {}
        pairs = self._pairs()
        if len(pairs) > 1:
            before["cert"], before["key"] = pairs[-1]
        old = old_root(self._roots)
        if is_there(old):
            before["ca"] = old
        return before

    def proven(self, profile: Row) -> tuple[str | None, bool]:
        """(the station's certificate by which a connection was made, or None; whether by the newest root)."""
        return profile["cert"] if profile["security_profile"] == 3 else None, profile["ca"] == self._trusted()

    def _clock_floor(self) -> float | None:
        """The least that UTC can be, if the machine's clock shows less and so was never set; else None.

        What the station wrote last is the last UTC that it knew.
        """
        floor_s = float(UTC_FLOOR_S)
        for directory in ("compiled", "journal", "documents"):
            try:
                path = f"{self._state_dir}/{directory}"
                floor_s = max(floor_s, *(posix.stat(f"{path}/{name}").st_mtime for name in posix.listdir(path)))
            except (OSError, TypeError):
                continue
        return floor_s if time.time() < floor_s - CLOCK_LAG_S else None
