"""A power cut before every change that a whole session makes to the disk: what the CSMS has booked in the end is right.

Every cut is followed by a start on a disk that the cut may have left, with the books of the CSMS as they were; the
station connects, says what it has to say, and the books are compared with what the meter counted. Some are cut a second
time meanwhile. By default each cut tries a few of the possible disks, chosen by the seed, and every few cuts all of
them; EVSE_LONG=1 tries all disks of all cuts, with several seeds.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests.support.bench import versions
from tests.support.modelcsms import IDENTITY
from tests.support.plant import Plant
from tests.support.powercut import PowerCutFS

LONG = bool(os.environ.get("EVSE_LONG"))
SEEDS = range(8 if LONG else 1)
DISKS = 3
ALL_DISKS_EVERY = 1 if LONG else 4
VARIABLES = {
    "SampledDataCtrlr.TxUpdatedInterval": "2",
    "TxCtrlr.EVConnectionTimeOut": "20",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
}
BEGIN_WH = 1234.5


class Sweep:
    """Runs a session and, ahead of each change of the disk, what would follow a power cut there."""

    def __init__(
        self, version: str, *, power_loss: str = "end", then: str | None = None, seed: int = 1, meters: bool = True
    ) -> None:
        self.version = version
        self.power_loss = power_loss
        self.then = then or version
        self.meters = meters
        self.random = Random(f"{version} {power_loss} {then} {seed}")
        self.cuts = self.again = self.ended = self.lived = 0
        self.fs = PowerCutFS()
        self.fs.before = self.before
        self.plant: Plant | None = None
        self.plant = Plant(
            version=version, fs=self.fs, power_loss=power_loss, variables=VARIABLES, registers={1: BEGIN_WH}
        )
        self.plant.start()

    def before(self, call: str, path: str) -> None:
        """Power cuts here."""
        disks = list(self.fs.cut())
        if self.fs.operations % ALL_DISKS_EVERY:
            disks = self.random.sample(disks, min(DISKS, len(disks)))
        for mode, disk in disks:
            try:
                self.cut(disk)
            except AssertionError as error:
                raise AssertionError(f"cut before operation {self.fs.operations}, {call} {path}, {mode}") from error

    def cut(self, disk: PowerCutFS) -> None:
        self.cuts += 1
        cut = self.plant
        if cut is None:  # while the store is made for the first time
            Plant(version=self.version, fs=disk, variables=VARIABLES).start().connect()
            return
        rows = promised(cut)
        csms = cut.csms.twin(cut.utc)
        plant = cut.after_cut(
            disk, csms, dark_s=self.random.choice([3, 300, 90_000]), version=self.then, meters=self.meters
        )
        open_before = plant.engine.journal.state.keys() & {"transactions:1"}
        assert not plant.sim.outlet(1).contactor.closed or self.power_loss == "resume"
        if self.meters and self.random.random() < 0.3:
            self.cut_again(plant, rows)
        self.finish(plant)
        if self.meters:
            judge(plant, rows, mixed=self.then != self.version)
        else:
            judge_without_meter(plant, rows, cut.sim.outlet(1).meter.register_wh - BEGIN_WH)
        self.lived += bool(open_before and self.power_loss == "resume")
        self.ended += any(row.get("e") == 2 for row in rows)

    def cut_again(self, plant: Plant, rows: list[dict[str, Any]]) -> None:
        """Another cut while the first one is made good; the first goes on afterwards as if nothing had been."""
        wanted = plant.fs.operations + self.random.randrange(1, 20)

        def look(call: str, path: str) -> None:
            if plant.fs.operations < wanted:
                return
            plant.fs.before = None
            self.again += 1
            _, disk = self.random.choice(list(plant.fs.cut()))
            again = plant.after_cut(disk, plant.csms.twin(plant.utc), version=self.then)
            self.finish(again)
            judge(again, rows + promised(plant), mixed=self.then != self.version)

        plant.fs.before = look

    def finish(self, plant: Plant) -> None:
        """The connection comes back, the vehicle goes away sooner or later, everything is said."""
        plant.advance(self.random.choice([0, 1, 7]))
        if self.power_loss == "end":
            plant.watch = lambda: _is_open(plant)
        plant.connect()
        plant.advance(self.random.choice([0, 7]))
        plant.drain()
        plant.watch = None
        plant.sim.unplug(1)
        plant.advance(30)  # a transaction that was resumed without a vehicle waits for it so long [E03.FR.05]
        plant.drain()


def _is_open(plant: Plant) -> None:
    assert not plant.sim.outlet(1).contactor.closed
    assert not plant.controllers[1].authorized


def promised(plant: Plant) -> list[dict[str, Any]]:
    """The events of transactions that the journal promised to keep."""
    events = (plant.journal.given[seq] for seq in sorted(plant.journal.promised))
    return [event[2] for event in events if event[0] == "transactions"]


def judge(plant: Plant, rows: list[dict[str, Any]], *, mixed: bool) -> None:
    """Compares the books with the meter and with what the journal had promised to keep."""
    assert plant.csms.verdict() == []
    begun = plant.begun()
    books = {id: found for id in begun if (found := plant.books_of(id))}
    assert sum(map(len, books.values())) == len(plant.csms.ledger.of(IDENTITY)), (begun, plant.csms.ledger.of(IDENTITY))
    for row in rows:
        assert row["t"] in books, f"a transaction is lost: {row}"
        assert mixed or plant.is_booked(row), f"an event is lost: {row}"
    assert len(books) <= 1
    for id, sessions in books.items():
        assert len(sessions) == 1 or mixed, sessions
        assert mixed or sessions[0].complete, f"{id} is not complete: {sorted(map(str, sessions[0].events))}"
        ends = [session.stopped_at for session in sessions if session.stopped_at is not None]
        assert len(ends) == 1 or (mixed and ends), sessions
        first = min(session.first_wh for session in sessions if session.first_wh is not None)
        last = max(session.last_wh for session in sessions if session.last_wh is not None)
        true_wh = plant.sim.outlet(1).meter.register_wh - BEGIN_WH
        assert abs(last - first - true_wh) <= 1, (last - first, true_wh, sessions)
    assert not any(key.startswith("transactions:") for key in plant.journal.state), plant.journal.state


def judge_without_meter(plant: Plant, rows: list[dict[str, Any]], true_wh: float) -> None:
    """The meter forgot its register: what was on the disk is booked, and nothing that did not flow."""
    assert plant.csms.verdict() == []
    least_wh = max((row["m"][-1][-1] for row in rows if "m" in row), default=BEGIN_WH) - BEGIN_WH
    for book in plant.csms.ledger.of(IDENTITY):
        assert book.complete
        assert least_wh - 1 <= book.energy_wh <= true_wh + 1, (least_wh, book.energy_wh, true_wh)


def online(plant: Plant, ending: str) -> None:
    plant.connect()
    plant.advance(2)
    plant.tap("CARD")
    plant.advance(1)
    plant.sim.plug(1, phases=3, current=16)
    plant.advance(7)
    end(plant, ending)
    plant.drain()


def offline(plant: Plant, ending: str) -> None:
    plant.connect()
    plant.advance(2)
    plant.drop()
    plant.tap("CARD")
    plant.advance(1)
    plant.sim.plug(1, phases=3, current=16)
    plant.advance(7)
    end(plant, ending)
    plant.connect()
    plant.drain()


def end(plant: Plant, ending: str) -> None:
    if ending == "remote":
        action = "RemoteStopTransaction" if plant.version == "1.6" else "RequestStopTransaction"
        id: Any = plant.csms.ledger.of(IDENTITY)[0].transaction_id
        answer = plant.ask(action, {"transactionId": int(id) if plant.version == "1.6" else id})
        assert answer is not None and answer[2]["status"] == "Accepted", answer
    elif ending == "tap":
        plant.tap("CARD")
    plant.advance(2)
    plant.sim.unplug(1)
    plant.advance(3)


@versions
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("power_loss", ["end", "resume"])
@pytest.mark.parametrize(("session", "ending"), [(online, "remote"), (online, "unplug"), (offline, "tap")])
def test_a_cut_anywhere_in_a_session(version: str, power_loss: str, session: Any, ending: str, seed: int) -> None:
    """[E17, 1.6 §7.36, field lesson 11] Ended once, no event lost or taken twice, energy exact to 1 Wh."""
    sweep = Sweep(version, power_loss=power_loss, seed=seed)
    plant = sweep.plant
    assert plant is not None
    session(plant, ending)
    sweep.fs.before = None
    judge(plant, [], mixed=False)
    assert len(plant.csms.ledger.of(IDENTITY)) == 1
    assert sweep.cuts > 100
    assert sweep.again > 0
    assert sweep.ended > 0
    assert (sweep.lived > 0) == (power_loss == "resume")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("version", "then"), [("1.6", "2.0.1"), ("2.0.1", "1.6"), ("2.1", "2.0.1"), ("1.6", "2.1"), ("2.1", "1.6")]
)
@pytest.mark.parametrize("session", [online, offline])
def test_a_cut_anywhere_and_another_version_afterwards(version: str, then: str, session: Any, seed: int) -> None:
    """A CSMS that chooses another version after the outage can book the transaction all the same."""
    sweep = Sweep(version, then=then, power_loss="resume" if session is online else "end", seed=seed)
    assert sweep.plant is not None
    session(sweep.plant, "unplug")
    assert sweep.cuts > 100


@versions
@pytest.mark.parametrize("session", [online, offline])
def test_a_cut_anywhere_and_a_meter_that_begins_anew(version: str, session: Any) -> None:
    """The energy that is on the disk holds."""
    sweep = Sweep(version, meters=False)
    assert sweep.plant is not None
    session(sweep.plant, "unplug")
    assert sweep.cuts > 100
    assert sweep.ended > 0
