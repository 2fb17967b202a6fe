"""The journal under power cuts: a session cut at every change, every disk that may be left is recovered and checked."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from evse.errors import StoreError
from evse.store.journal import Journal
from tests.support.logbook import Logbook
from tests.support.powercut import PowerCutFS

DIRECTORY = "/state/journal"


def droppable(event: Any) -> bool:
    return bool(event.get("sample"))


class Witness:
    """Drives a journal and writes down what it promised, so that any disk can be checked against the promises."""

    def __init__(self, fs: PowerCutFS, **limits: int) -> None:
        self.fs = fs
        self.limits = limits
        self.events: dict[int, Any] = {}  # every event whose write returned
        self.durable: set[int] = set()  # those of them that a cut must not take
        self.issued = 0  # the highest number that anybody outside has seen
        self.delivered = 0  # everything up to here was delivered
        self.durably_delivered = 0
        self.states: list[dict[str, Any]] = [{}]  # after each change; the last one may be under way
        self.durable_state = 0
        self.refused: list[dict[str, Any]] = []  # states that were refused, but may be found before the next sync
        self.identity = ""
        self.checked = 0
        self.sampled = False  # dropping of samples allowed
        self.journal = self.opened(fs)
        self.identity = self.journal.identity

    def opened(self, fs: PowerCutFS, log: Logbook | None = None) -> Journal:
        return Journal(DIRECTORY, fs, log=log or Logbook(), droppable=droppable, **self.limits)

    def write(self, event: Any = None, keep: dict[str, Any] | None = None, durable: bool = True) -> None:
        self.states.append(changed(self.states[-1], keep))
        try:
            seq = self.journal.write(event, keep, durable)
        except StoreError:
            self.refused.append(self.states.pop())
            raise
        if seq is not None:
            self.events[seq] = event
            self.issued = seq
        if not self.journal.unsynced:
            self.all_durable()

    def deliver(self, keep: dict[str, Any] | None = None, durable: bool = False) -> None:
        head = self.journal.head()
        assert head is not None
        assert head[1] == self.events[head[0]]
        assert head[0] > self.delivered
        self.states.append(changed(self.states[-1], keep))
        self.delivered = head[0]
        try:
            self.journal.done(head[0], keep, durable)
        except StoreError:
            self.refused.append(self.states.pop())
            raise
        if not self.journal.unsynced:
            self.all_durable()

    def sync(self) -> None:
        self.journal.sync()
        self.all_durable()

    def all_durable(self) -> None:
        self.durable = set(self.events)
        self.durably_delivered = self.delivered
        self.durable_state = len(self.states) - 1
        self.refused.clear()

    def check_all(self) -> None:
        for mode, disk in self.fs.cut():
            self.check(mode, disk)

    def check(self, mode: str, disk: PowerCutFS) -> None:
        """Recovers the disk, then cuts again after one more durable event: nothing of it may depend on the cache."""
        log = Logbook()
        journal = self.opened(disk, log)
        self.checked += 1
        found = self.contents(journal, mode)
        assert journal.pending == len(found), mode
        if self.identity:
            if self.durable or self.issued:
                assert journal.identity == self.identity, mode
        assert journal.state in self.states[self.durable_state :] + self.refused, mode
        assert "journal: damaged line skipped, data lost" not in log.texts("error"), mode
        seq = journal.write({"after": "the cut"})
        assert seq is not None and seq > self.issued, mode
        _, lost = next(disk.cut())
        again = self.opened(lost)
        left = {old: event for old, event in found.items() if not (self.sampled and droppable(event))}
        assert {**left, seq: {"after": "the cut"}}.items() <= self.contents(again, mode, extra=seq).items(), mode
        assert again.state == journal.state, mode
        assert again.identity == journal.identity, mode

    def contents(self, journal: Journal, mode: str, extra: int = 0) -> dict[int, Any]:
        """The events to deliver, in order; fails if one is missing that must be there, or there that must not."""
        found: dict[int, Any] = {}
        place = journal.head()
        while place is not None:
            assert not found or place[0] > max(found), f"{mode}: out of order"
            found[place[0]] = place[1]
            place = journal.after(place[0])
        for seq, event in found.items():
            if seq != extra:
                assert seq > self.durably_delivered, f"{mode}: {seq} came back"
                if seq in self.events:
                    assert event == self.events[seq], mode
        wanted = {seq for seq in self.durable if seq > self.delivered}
        missing = {seq for seq in wanted - set(found) if not (self.sampled and droppable(self.events[seq]))}
        assert not missing, f"{mode}: lost {missing}"
        return found


def changed(state: dict[str, Any], keep: dict[str, Any] | None) -> dict[str, Any]:
    merged = {**state, **(keep or {})}
    return {key: value for key, value in merged.items() if value is not None}


def session(witness: Witness, number: int, *, online: bool, samples: int = 5) -> None:
    """A transaction: begun durably, sampled in groups, ended durably; online, each event is delivered at once."""
    key = f"transaction {number}"
    witness.write({"begun": number}, {key: {"register_wh": 0}})
    if online:
        witness.deliver()
    for sample in range(samples):
        witness.write({"sample": sample + 1, "of": number}, {key: {"register_wh": 100 * sample}}, durable=False)
        if online:
            witness.deliver({"delivered": [number, sample]})
        if sample % 2:
            witness.sync()
    witness.write({"ended": number}, {key: None, "last": number})
    if online:
        witness.deliver(durable=True)


def sweep(workload: Any, **limits: int) -> Witness:
    fs = PowerCutFS()
    witness = Witness.__new__(Witness)
    fs.before = lambda call, path: witness.check_all() if hasattr(witness, "journal") else None
    witness.__init__(fs, **limits)  # type: ignore[misc]
    workload(witness)
    witness.check_all()
    return witness


def test_a_cut_anywhere_in_sessions_online_loses_nothing() -> None:
    def workload(witness: Witness) -> None:
        for number in range(3):
            session(witness, number, online=True)

    assert sweep(workload, segment_bytes=500).checked > 500


def test_a_cut_anywhere_in_sessions_offline_then_drained_loses_nothing() -> None:
    def workload(witness: Witness) -> None:
        for number in range(3):
            session(witness, number, online=False)
        while witness.journal.head():
            witness.deliver()
        assert witness.journal.pending == 0

    assert sweep(workload, segment_bytes=500).checked > 500


def test_a_cut_anywhere_while_the_journal_overflows_loses_samples_only() -> None:
    def workload(witness: Witness) -> None:
        witness.sampled = True
        for number in range(6):
            session(witness, number, online=False)
        delivered = []
        while head := witness.journal.head():
            delivered.append(head[1])
            witness.deliver()
        assert len([event for event in delivered if not droppable(event)]) == 12
        assert 3 < len([event for event in delivered if droppable(event)]) < 20

    assert sweep(workload, segment_bytes=400, limit_bytes=1600).checked > 500


def test_a_cut_while_the_journal_is_created() -> None:
    disks = []
    fs = PowerCutFS()
    fs.before = lambda call, path: disks.extend(disk for _, disk in fs.cut())
    Journal(DIRECTORY, fs, log=Logbook())
    assert len(disks) > 5
    for disk in disks:
        journal = Journal(DIRECTORY, disk, log=Logbook())
        assert (journal.pending, journal.state, journal.write({"first": True}) is not None) == (0, {}, True)


def test_a_kill_anywhere_then_a_cut_loses_nothing() -> None:
    """What a killed process left in the cache becomes durable at the next start."""
    fs = PowerCutFS()
    witness = Witness(fs, segment_bytes=500)
    kills: list[tuple[PowerCutFS, set[tuple[int, str]]]] = []

    def kill(call: str, path: str) -> None:
        written = {(seq, str(event)) for seq, event in witness.events.items() if seq > witness.delivered}
        kills.append((fs.kill(), written))

    fs.before = kill
    session(witness, 1, online=False)
    session(witness, 2, online=True)
    for killed, written in kills:
        journal = witness.opened(killed)
        seq = journal.write("after the kill")
        assert seq is not None
        for mode, disk in killed.cut():
            after_cut = witness.opened(disk)
            found, place = set(), after_cut.head()
            while place:
                found.add((place[0], str(place[1])))
                place = after_cut.after(place[0])
            assert written | {(seq, "after the kill")} <= found, mode
            assert after_cut.identity == journal.identity


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_refusal_by_the_disk_at_any_call_is_a_store_error_and_the_journal_goes_on(code: int, times: int) -> None:
    """And a power cut anywhere after the refusal loses nothing either."""
    at = refusals = 0
    calls = at + 1
    while calls > at:
        fs = PowerCutFS()
        witness = Witness(fs, segment_bytes=500)
        calls = 0

        def fault(call: str, path: str, at: int = at) -> int | None:
            nonlocal calls
            if call in ("listdir", "stat", "pread") or (call in ("open", "unlink") and code == errno.ENOSPC):
                return None
            calls += 1
            return code if at < calls <= at + times else None

        def check_after_refusal(
            call: str, path: str, at: int = at, fs: PowerCutFS = fs, witness: Witness = witness
        ) -> None:
            if fs.operations > at and fs.operations % 4 == at % 4:
                witness.check_all()

        fs.fault = fault
        fs.before = check_after_refusal
        refusals += stumbling_session(witness)
        fs.fault = fs.before = None
        witness.write({"last": True})
        undelivered = {seq: event for seq, event in witness.events.items() if seq > witness.delivered}
        assert witness.contents(witness.journal, "running") == undelivered
        witness.check_all()
        at += 1
    assert refusals > 20


def stumbling_session(witness: Witness) -> int:
    """Goes on after each refusal; the number of them."""
    refusals = 0
    for step in range(12):
        try:
            witness.write({"step": step}, {"k": step}, durable=step % 2 == 0)
        except StoreError:
            refusals += 1
        try:
            if step % 3 == 0 and witness.journal.head():
                witness.deliver({"d": step})
            elif step % 3 == 2:
                witness.sync()
        except StoreError:
            refusals += 1
    return refusals
