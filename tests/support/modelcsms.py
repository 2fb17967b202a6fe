"""A CSMS without sockets or tasks for whole-station tests: it books each event once, and says what a station did wrong.

    csms = ModelCsms(utc=lambda: at)
    reply = csms.receive(frame)          text in, text out; None: no answer
    csms.errors                          everything that no station may do, in words

The books are those of the built-in CSMS (evse/csms/ledger.py); here stand the judgements that a real CSMS would pass:
schema of every frame, ids in use, StopTransaction of an unknown transaction, numbers that come back with other content.
`mood(action, payload)` may return SILENCE (the call is lost), DEAF (its answer is lost), a CALLERROR code, or None for
the usual answer.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from evse.clock import timestamp
from evse.csms.answers import answer
from evse.csms.connection import SILENCE, tables
from evse.csms.ledger import Ledger
from evse.ocpp.schema import SchemaError

IDENTITY = "CS001"
DEAF = object()
Mood = Callable[[str, dict[str, Any]], Any]


class ModelCsms:
    """See the module. `version` is what it speaks at present; `said` every CALL of the station that it took.

    `statuses` is what it heard last of each connector: (version, EVSE, connector) -> status; 1.6 counts connectors.
    """

    def __init__(self, utc: Callable[[], float], *, interval_s: int = 3600) -> None:
        self.utc = utc
        self.interval_s = interval_s
        self.version = "2.1"
        self.identity = IDENTITY
        self.ledger = Ledger()
        self.mood: Mood = lambda action, payload: None
        self.tokens: dict[str, str] = {}
        self.registration = "Accepted"
        self.errors: list[str] = []
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self.replies: dict[str, list[Any]] = {}
        self.statuses: dict[tuple[Any, ...], str] = {}
        self._asked = 0

    # What the answers of evse.csms.answers read.

    @property
    def csms(self) -> ModelCsms:
        return self

    def token_status(self, id_token: str) -> str:
        return self.tokens.get(id_token, "Accepted")

    def twin(self, utc: Callable[[], float]) -> ModelCsms:
        """A copy with books of its own: what happens to one does not happen to the other."""
        twin = ModelCsms(utc, interval_s=self.interval_s)
        twin.version = self.version
        twin.ledger = copy.deepcopy(self.ledger)
        twin.errors, twin.said = list(self.errors), list(self.said)
        twin.tokens = self.tokens
        return twin

    def call(self, action: str, payload: dict[str, Any]) -> tuple[str, str]:
        """(message id, frame) of a CALL to the station; its answer will be in `replies`."""
        self._asked += 1
        id = f"csms-{self._asked}"
        return id, json.dumps([2, id, action, payload])

    def receive(self, text: str) -> str | None:
        """Takes a frame of the station."""
        frame = json.loads(text)
        kind, id = frame[0], frame[1]
        if kind in (3, 4):
            if id in self.replies and id.startswith("csms-"):
                self.errors.append(f"answered twice: {frame}")
            self.replies[id] = frame
            return None
        if kind != 2:
            return None
        _, _, action, payload = frame
        try:
            tables(self.version).check(action, payload)
        except SchemaError as error:
            self.errors.append(f"{self.version} {action}: {error}: {payload}")
            return json.dumps([4, id, "FormatViolation", str(error)[:255], {}])
        mood = self.mood(action, payload)
        if mood is SILENCE:
            return None
        if action == "StatusNotification":
            place = (
                (payload["connectorId"], 1) if self.version == "1.6" else (payload["evseId"], payload["connectorId"])
            )
            self.statuses[self.version, *place] = payload.get("status") or payload["connectorStatus"]
        if isinstance(mood, str):
            return json.dumps([4, id, mood, "in a bad mood", {}])
        self._judge(action, payload)
        self.said.append((self.version, action, payload))
        if action == "BootNotification":
            interval_s = self.interval_s if self.registration == "Accepted" else 60
            said = {"status": self.registration, "currentTime": timestamp(self.utc()), "interval": interval_s}
        elif action == "Heartbeat":
            said = {"currentTime": timestamp(self.utc())}
        else:
            said = answer(self, action, payload)  # type: ignore[arg-type]
        if mood is DEAF:
            return None
        return json.dumps([3, id, said])

    def _judge(self, action: str, payload: dict[str, Any]) -> None:
        known = {session.transaction_id for session in self.ledger.of(IDENTITY) if session.version == "1.6"}
        if action in ("StopTransaction", "MeterValues") and "transactionId" in payload:
            if str(payload["transactionId"]) not in known:
                self.errors.append(f"{action} of an unknown transaction: {payload}")

    def forget(self) -> None:
        """Gives back the memory that the books take."""
        self.ledger = Ledger()
        self.said.clear()
        self.replies.clear()

    def verdict(self) -> list[str]:
        """Everything that was wrong so far."""
        return self.errors + self.ledger.conflicts
