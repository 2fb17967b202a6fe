"""kill -9 at random instants of sessions of the real process: no event is lost, none is accepted twice.

The books are the CSMS's: it counts an event by its identity (2.x: transactionId and seqNo; 1.6: what the message says),
so a delivery that is repeated counts once, and one identity with two contents is a conflict. Lost is what has no
whole session in the end: a hole in the sequence numbers, a start without its stop, energy that is missing between the
sessions of one meter, a session that the station confirmed and the CSMS never saw.

By default a few kills a version; EVSE_LONG=1 makes 200 over 50 sessions, EVSE_SEED chooses others.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.csms import CsmsThread
from tests.support.station import Refused, Station

LONG = bool(os.environ.get("EVSE_LONG"))
SEED = int(os.environ.get("EVSE_SEED", "1"))
SESSIONS, KILLS = (17, 68) if LONG else (1, 4)
IDENTITY = "KILLED"
VARIABLES = """
[ocpp.variables]
SampledDataCtrlr.TxUpdatedInterval = 1
OCPPCommCtrlr."MessageAttemptInterval[TransactionEvent]" = 1
AuthCtrlr.OfflineTxForUnknownIdEnabled = true
"""
# What happens between two kills: the time within which the next one comes.
WITHIN_S = 1.2
SETTLED_S = 20.0


class Ordeal:
    """One station and one CSMS; `step()` does what comes next in a session, `maybe_kill()` may come at any time."""

    def __init__(self, station: Station, csms: CsmsThread, version: str) -> None:
        self.station = station
        self.csms = csms
        self.random = random.Random(f"{SEED} {version}")
        self.kills = 0
        self.starts = 0
        self.confirmed: list[str] = []  # transactions that the station showed over its control socket

    def ask(self, command: str, **members: Any) -> dict[str, Any] | None:
        """A command that may be refused, and that the kill before may have cut short."""
        try:
            return self.station.control(command, **members)
        except Refused:
            return None

    def evse(self) -> dict[str, Any]:
        found: dict[str, Any] = self.station.control("status")["evses"][0]
        transaction = found["transaction"]
        if transaction is not None and transaction not in self.confirmed:
            self.confirmed.append(transaction)
        return found

    def kill_within(self, seconds: float) -> None:
        """Lets the station live for a random time, while it is doing something, and kills it."""
        time.sleep(self.random.uniform(0, seconds))
        self.station.kill()
        self.kills += 1
        self.station.start()

    def session(self, kills: int) -> None:
        """One session with that many kills in it; the simulated vehicle forgets that it was plugged, as a kill goes."""
        for _ in range(kills):
            self.network()
            self.ask("plug", evse=1, phases=3)
            if self.evse()["authorized"] is False:
                self.begin(f"CARD{self.kills:04}")
            if self.random.random() < 0.3:
                time.sleep(self.random.uniform(0, 0.2))
                self.ask("stop", evse=1)
            self.kill_within(WITHIN_S)
            self.evse()
        self.network(up=True)
        self.ask("plug", evse=1, phases=3)
        self.begin("LAST")
        self.station.wait(lambda: self.evse()["power_path"])
        time.sleep(self.random.uniform(0, 1.5))
        self.ask("stop", evse=1)
        self.ask("unplug", evse=1)
        self.station.wait(lambda: self.evse()["transaction"] is None)

    def begin(self, token: str) -> None:
        self.starts += self.ask("start", evse=1, token=token) is not None

    def network(self, up: bool | None = None) -> None:
        if up is None:
            up = self.random.random() < 0.7
        self.ask("network", up=up)

    def settle(self) -> None:
        """Until the station has nothing more to say."""
        self.ask("network", up=True)

        def silent() -> bool:
            status = self.station.control("status")
            return bool(status["registration"] == "Accepted" and status["queued"] == 0)

        self.station.wait(silent, SETTLED_S)

    def judge(self, version: str) -> None:
        books = self.csms.now.ledger
        sessions = books.of(IDENTITY)
        assert self.csms.now.errors == []
        assert books.conflicts == []
        assert max(SESSIONS, len(self.confirmed)) <= len(sessions) <= self.starts
        for session in sessions:
            assert session.complete, f"{session.transaction_id} is not whole: {sorted(map(str, session.events))}"
            kinds = [event.get("eventType") for event in session.events.values()]
            assert version == "1.6" or (kinds.count("Started"), kinds.count("Ended")) == (1, 1)
        if version != "1.6":
            seen = {session.transaction_id for session in sessions}
            assert [id for id in self.confirmed if id not in seen] == []
        ends = [(session.started_at, session.first_wh, session.last_wh) for session in sessions]
        assert all(first is not None and last is not None and last >= first for _, first, last in ends)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_nothing_is_lost_and_nothing_accepted_twice(version: str, tmp_path: Path) -> None:
    with (
        CsmsThread(versions=[version]) as csms,
        Station(tmp_path, csms.url, version, identity=IDENTITY, more=VARIABLES) as station,
    ):
        ordeal = Ordeal(station, csms, version)
        for number in range(SESSIONS):
            kills = KILLS // SESSIONS
            try:
                ordeal.session(kills)
            except (TimeoutError, OSError) as error:
                raise AssertionError(f"session {number}, kill {ordeal.kills}: {error}\n{station.tail()}") from error
        ordeal.settle()
        ordeal.judge(version)
        assert ordeal.kills == SESSIONS * (KILLS // SESSIONS)
