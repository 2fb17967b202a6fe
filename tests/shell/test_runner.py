"""The runner: facts in turn, frames and effects out, one timer, group commit."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from evse.clock import Clock, Timers
from evse.errors import StoreError, UsageError
from evse.shell.runner import GROUP_COMMIT_S, MARKS_COMMIT_S, OVERDUE_S, Runner
from tests.support.fakeloop import FakeLoop


class Engine:
    """As much of the engine as the runner sees."""

    def __init__(self, timers: Timers, clock: Clock) -> None:
        self.frames: deque[str] = deque()
        self.effects: deque[tuple[Any, ...]] = deque()
        self.facts: list[tuple[Any, ...]] = []
        self._timers, self._clock = timers, clock

    def fact(self, *fact: Any) -> None:
        self.facts.append(fact)

    def run_timers(self) -> None:
        self._timers.run(self._clock.now())


class Journal:
    def __init__(self) -> None:
        self.unsynced = False
        self.marks_only = False
        self.syncs = 0
        self.broken = False

    def sync(self) -> None:
        self.syncs += 1
        self.unsynced = False
        if self.broken:
            raise StoreError("disk full")


class Log:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, text: str, **fields: Any) -> None:
        self.errors.append(text)

    def info(self, text: str, **fields: Any) -> None:
        """Not looked at."""


class Bench:
    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.offset_s = 0.0
        self.clock = Clock(self.loop.time, lambda: 2e9 + self.loop.time(), "boot")
        self.timers = Timers()
        self.engine = Engine(self.timers, self.clock)
        self.journal = Journal()
        self.log = Log()
        utc = lambda: 2e9 + self.loop.time() + self.offset_s  # noqa: E731
        self.runner = Runner(self.loop, self.clock, self.timers, self.log, self.engine, self.journal, utc)
        self.said: list[str] = []
        self.runner.send = self.said.append


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_facts_are_handled_in_the_next_pass_and_in_order(bench: Bench) -> None:
    order: list[int] = []
    bench.runner.tell(order.append, 1)
    bench.runner.tell(order.append, 2)
    assert order == []
    bench.loop.settle()
    assert order == [1, 2]


def test_pump_handles_at_once_and_is_not_entered_twice(bench: Bench) -> None:
    order: list[str] = []

    def outer() -> None:
        bench.runner.tell(order.append, "inner")
        bench.runner.pump()
        order.append("outer")

    bench.runner.tell(outer)
    bench.runner.pump()
    assert order == ["outer", "inner"]


def test_frames_are_sent_before_effects_and_effects_may_lead_to_more(bench: Bench) -> None:
    done: list[Any] = []

    def stop(evse: int) -> None:
        done.append(("stop", evse))
        bench.engine.effects.append(("display", evse, "stopped"))
        bench.engine.frames.append("second")

    bench.runner.effects.update(stop=stop, display=lambda *args: done.append(args))
    bench.engine.frames.append("first")
    bench.engine.effects.append(("stop", 1))
    bench.runner.pump()
    assert bench.said == ["first", "second"] and done == [("stop", 1), (1, "stopped")]


def test_an_effect_that_nobody_carries_out_is_an_error(bench: Bench) -> None:
    bench.engine.effects.append(("dance", 1))
    bench.runner.pump()
    assert bench.log.errors == ["an effect that nobody carries out"]


def test_one_timer_for_the_heap_follows_what_is_added_and_cancelled(bench: Bench) -> None:
    ran: list[str] = []
    late = bench.timers.at(bench.clock.now() + 10, ran.append, "late")
    bench.runner.pump()
    bench.timers.at(bench.clock.now() + 1, ran.append, "early")
    bench.runner.pump()
    bench.loop.advance(1)
    assert ran == ["early"]
    late.cancel()
    bench.loop.advance(20)
    assert ran == ["early"]


def test_a_part_that_fails_leaves_the_rest_and_the_timer_alive(bench: Bench) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise UsageError("broken")

    bench.timers.at(bench.clock.now() + 1, ran.append, "timer")
    bench.runner.tell(fail)
    bench.runner.tell(ran.append, "rest")
    with pytest.raises(UsageError):
        bench.runner.pump()
    bench.loop.settle()
    assert ran == ["rest"]
    bench.loop.advance(1)
    assert ran == ["rest", "timer"]


def test_samples_are_committed_in_groups_of_three_minutes_at_most(bench: Bench) -> None:
    assert 120 < GROUP_COMMIT_S < 180
    bench.journal.unsynced = True
    bench.runner.pump()
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S)
    assert bench.journal.syncs == 1
    bench.loop.advance(10)
    assert bench.journal.syncs == 1


def test_marks_of_delivery_wait_for_the_next_line_but_not_for_ever(bench: Bench) -> None:
    bench.journal.unsynced = bench.journal.marks_only = True
    bench.runner.pump()
    bench.loop.advance(MARKS_COMMIT_S / 2)
    bench.journal.unsynced = False  # something else was synced
    bench.runner.pump()
    bench.journal.unsynced = True
    bench.runner.pump()
    bench.loop.advance(MARKS_COMMIT_S - 1)
    assert bench.journal.syncs == 0
    bench.loop.advance(1)
    assert bench.journal.syncs == 1
    bench.runner.pump()
    bench.loop.advance(2 * MARKS_COMMIT_S)
    assert bench.journal.syncs == 1


def test_a_disk_that_fails_is_logged(bench: Bench) -> None:
    bench.journal.unsynced = bench.journal.broken = True
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S)
    assert bench.log.errors == ["the journal could not be synced"]


def test_the_engine_hears_that_somebody_set_the_clock(bench: Bench) -> None:
    bench.offset_s = 0.5
    bench.runner.pump()
    assert bench.engine.facts == []
    bench.offset_s = 3600
    bench.runner.pump()
    bench.runner.pump()
    assert bench.engine.facts == [("clock_changed",)]


def test_timers_that_do_not_run_are_a_hang(bench: Bench) -> None:
    bench.timers.at(bench.clock.now() + 1, bench.said.append, "x")
    assert bench.runner.hangs() is None
    bench.loop.now += OVERDUE_S + 2
    assert bench.runner.hangs() == "timers"


def test_without_an_engine_the_timers_run_too() -> None:
    loop = FakeLoop()
    clock = Clock(loop.time, loop.time, "boot")
    timers = Timers()
    runner = Runner(loop, clock, timers, Log(), utc=loop.time)
    ran: list[int] = []
    timers.at(clock.now() + 1, ran.append, 1)
    runner.pump()
    loop.advance(1)
    assert ran == [1]
    runner.close()
