"""Thirty days without the CSMS in miniature: sessions pile up in the journal and are told in order, come what may.

[E04, E13; 1.6 §3.7; field lessons 1, 2, 11, 16]
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.bench import ram, versions
from tests.support.modelcsms import DEAF, IDENTITY, SILENCE
from tests.support.plant import Plant

VARIABLES = {
    "SampledDataCtrlr.TxUpdatedInterval": "60",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
}
PATIENT = {
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "50",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
}
SESSIONS = 300


def plant_of(version: str, directory: Path | None = None, **variables: str) -> Plant:
    path = None if directory is None else str(directory)
    plant = Plant(version=version, variables={**VARIABLES, **variables}, directory=path)
    plant.sim.outlet(1).meter.interval_s = 5.0
    plant.start()
    plant.connect()
    plant.advance(10)
    plant.drop()
    return plant


def session(plant: Plant, minutes: int = 3) -> float:
    """A whole session: the energy in Wh."""
    before_wh = plant.sim.outlet(1).meter.register_wh
    plant.tap("CARD")
    plant.sim.plug(1, phases=3, current=16)
    plant.advance(60 * minutes + 5)
    plant.tap("CARD")
    plant.advance(2)
    plant.sim.unplug(1)
    plant.advance(60)
    after_wh: float = plant.sim.outlet(1).meter.register_wh
    return after_wh - before_wh


def in_memory_kib() -> float:
    """What journal, queue and transactions hold in memory."""
    gc.collect()
    taken = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, pattern) for pattern in ("*/evse/store/*", "*/evse/ocpp/*", "*/evse/jsontext.py")]
    )
    return sum(trace.size for trace in taken.traces) / 1024


@pytest.fixture
def ramdisk() -> Iterator[Path]:
    """A file system that costs no waiting."""
    with tempfile.TemporaryDirectory(dir=ram()) as directory:
        yield Path(directory)


@versions
def test_300_sessions_wait_on_the_disk_and_are_told_in_order(version: str, ramdisk: Path) -> None:
    """RAM does not grow with the outage; at least 20 events a second go out where the CSMS takes 20 ms for each."""
    plant = plant_of(version, ramdisk)
    plant.journal.given.clear()
    plant.journal.keeps_notes = False
    session(plant)
    tracemalloc.start()
    try:
        before_kib = in_memory_kib()
        energy_wh = [session(plant) for _ in range(SESSIONS)]
        grown_kib = in_memory_kib() - before_kib
        waiting = plant.journal.pending
        assert waiting >= SESSIONS * 5
        plant.latency_s = 0.01
        started, cpu_s = plant.loop.now, time.process_time()
        plant.connect()
        plant.drain()
        lasted_s, cpu_s = plant.loop.now - started, time.process_time() - cpu_s
        assert waiting / lasted_s >= 20, (waiting, lasted_s)
        assert waiting / cpu_s >= 20, (waiting, cpu_s)
        judge(plant, energy_wh)
        plant.csms.forget()
        drained_kib = in_memory_kib() - before_kib
    finally:
        tracemalloc.stop()
    assert max(grown_kib, drained_kib) < 128, (grown_kib, drained_kib)


def judge(plant: Plant, energy_wh: list[float]) -> None:
    assert plant.csms.verdict() == []
    books = plant.csms.ledger.of(IDENTITY)[-len(energy_wh) :]
    assert all(book.complete for book in books)
    assert [round(book.energy_wh) for book in books] == pytest.approx([round(wh) for wh in energy_wh], abs=1)
    assert_in_order(plant)


def assert_in_order(plant: Plant, *, mixed: bool = False) -> None:
    """The CSMS took every event in the order in which it happened.

    `mixed`: 1.6 has to be told late of the start of a transaction that began under another version.
    """
    at = [
        payload["timestamp"] if "timestamp" in payload else payload["meterValue"][0]["timestamp"]
        for _, action, payload in plant.csms.said
        if action in ("TransactionEvent", "StopTransaction", "MeterValues")
        or (action == "StartTransaction" and not mixed)
    ]
    assert at == sorted(at)
    numbers = [[key for key in book.events if isinstance(key, int)] for book in plant.csms.ledger.of(IDENTITY)]
    assert all(each == sorted(each) for each in numbers)


def trouble(plant: Plant, random: Random, share: float) -> Any:
    """A CSMS that refuses some calls, does not hear some, and forgets to answer some."""

    def mood(action: str, payload: dict[str, Any]) -> Any:
        if action != "BootNotification" and random.random() < share:
            return random.choice([SILENCE, DEAF, "InternalError", "GenericError", "NoSuchErrorCode"])
        return None

    plant.csms.mood = mood


def drain_with_breaks(plant: Plant, random: Random, choices: list[str]) -> int:
    """Drains over a connection that breaks every few messages and may speak another version then; how many times."""
    breaks = 0
    while plant.journal.head() is not None:
        plant.connect(random.choice(choices))
        said = len(plant.csms.said) + random.randrange(2, 12)
        until = plant.loop.now + 400
        while len(plant.csms.said) < said and plant.loop.now < until and plant.journal.head() is not None:
            plant.advance(random.choice([0.03, 0.05, 0.11]))
        plant.drop()
        plant.advance(random.choice([0, 1, 10]))
        breaks += 1
        assert breaks < 3000
    return breaks


@versions
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_connection_that_breaks_every_few_messages_loses_and_doubles_nothing(version: str, share: float) -> None:
    random = Random(version)
    plant = plant_of(version, **PATIENT)
    energy_wh = [session(plant, 2) for _ in range(20)]
    trouble(plant, random, share)
    assert drain_with_breaks(plant, random, [version]) > 10
    judge(plant, energy_wh)


@pytest.mark.parametrize("choices", [["1.6", "2.0.1"], ["2.0.1", "2.1"], ["1.6", "2.1"], ["1.6", "2.0.1", "2.1"]])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_csms_that_speaks_another_version_at_each_reconnection_can_book_all(choices: list[str], share: float) -> None:
    random = Random(str(choices))
    plant = plant_of(choices[0], **PATIENT)
    energy_wh = [session(plant, 2) for _ in range(20)]
    rows = [event[2] for event in plant.journal.given.values() if event[0] == "transactions"]
    trouble(plant, random, share)
    assert drain_with_breaks(plant, random, choices) > 10
    assert plant.csms.verdict() == []
    begun = plant.begun()
    assert len(begun) == len(energy_wh)
    booked = {id: plant.books_of(id) for id in begun}
    for (id, books), wh in zip(booked.items(), energy_wh, strict=True):
        assert any(book.stopped_at is not None for book in books), id
        first = min(book.first_wh for book in books if book.first_wh is not None)
        last = max(book.last_wh for book in books if book.last_wh is not None)
        assert abs(last - first - wh) <= 1, (id, last - first, wh)
    for row in rows:
        assert plant.is_booked(row), row
    assert_in_order(plant, mixed=True)
