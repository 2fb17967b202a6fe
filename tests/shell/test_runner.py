"""The runner: facts in turn, frames and effects out, one timer, group commit."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from evse.clock import Clock, Timers
from evse.errors import StoreError, UsageError
from evse.shell.runner import CLOCK_LOOK_S, GROUP_COMMIT_S, OVERDUE_S, Runner
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
        self.looks = 0  # at the machine's clock
        self.clock = Clock(self.loop.time, self.system, "boot")
        self.timers = Timers()
        self.engine = Engine(self.timers, self.clock)
        self.journal = Journal()
        self.log = Log()
        self.runner = Runner(self.loop, self.clock, self.timers, self.log, self.engine, self.journal)
        self.said: list[str] = []
        self.runner.send = self.said.append

    def system(self) -> float:
        self.looks += 1
        return 2e9 + self.loop.time() + self.offset_s


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


def test_what_waits_when_the_runner_closes_is_forgotten(bench: Bench) -> None:
    order: list[int] = []
    bench.runner.tell(order.append, 1)
    bench.runner.pump()
    bench.runner.tell(order.append, 2)
    bench.runner.close()
    bench.runner.close()
    bench.loop.advance(GROUP_COMMIT_S)
    assert order == [1]


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


def test_what_is_not_synced_waits_for_the_next_line_that_is_but_not_for_ever(bench: Bench) -> None:
    bench.journal.unsynced = True
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S / 2)
    bench.journal.unsynced = False  # a durable line was written
    bench.runner.pump()
    bench.journal.unsynced = True
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S - 1)
    assert bench.journal.syncs == 0
    bench.loop.advance(1)
    assert bench.journal.syncs == 1
    bench.runner.pump()
    bench.loop.advance(2 * GROUP_COMMIT_S)
    assert bench.journal.syncs == 1


def test_lines_that_others_sync_cost_one_timer_and_no_sync(bench: Bench) -> None:
    """A sample a minute, online: its mark of delivery goes to the disk with the next sample."""
    for _ in range(60):
        bench.journal.unsynced = False
        bench.runner.pump()
        bench.journal.unsynced = True
        bench.runner.pump()
        bench.loop.advance(60)
    assert bench.journal.syncs == 0
    assert len(bench.loop._timers._heap) == 1


def test_a_disk_that_fails_is_logged(bench: Bench) -> None:
    bench.journal.unsynced = bench.journal.broken = True
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S)
    assert bench.log.errors == ["the journal could not be synced"]
    bench.journal.unsynced = True
    bench.runner.pump()
    bench.loop.advance(GROUP_COMMIT_S)
    assert bench.log.errors == ["the journal could not be synced"] * 2


def test_the_engine_hears_that_somebody_set_the_clock(bench: Bench) -> None:
    bench.offset_s = 0.5
    bench.runner.pump()
    assert bench.engine.facts == []
    bench.offset_s = 3600
    bench.loop.now += CLOCK_LOOK_S
    bench.runner.pump()
    bench.runner.pump()
    assert bench.engine.facts == [("clock_changed",)]


def test_whoever_sets_the_clock_in_the_station_makes_it_known_at_once(bench: Bench) -> None:
    bench.runner.pump()
    bench.offset_s = -3600
    bench.runner.watch_clock()
    assert bench.engine.facts == []
    bench.loop.settle()
    assert bench.engine.facts == [("clock_changed",)]


def test_the_engine_hears_of_the_clock_before_a_timer_runs(bench: Bench) -> None:
    """A timer that was set for a time of day is moved, not run at the wrong one."""
    bench.runner.pump()
    bench.loop.advance(CLOCK_LOOK_S)
    bench.runner.pump()
    bench.timers.at(bench.clock.now() + CLOCK_LOOK_S / 2, bench.engine.facts.append, ("timer",))
    bench.runner.pump()
    bench.offset_s = 3600
    bench.loop.advance(CLOCK_LOOK_S / 2)
    assert bench.engine.facts == [("clock_changed",), ("timer",)]


def test_the_clock_is_not_looked_at_with_every_message(bench: Bench) -> None:
    bench.runner.pump()
    bench.looks = 0
    for _ in range(10):
        bench.loop.now += CLOCK_LOOK_S / 4
        bench.runner.pump()
        bench.runner.pump()
    assert bench.looks == 2


def test_timers_that_do_not_run_are_a_hang(bench: Bench) -> None:
    bench.timers.at(bench.clock.now() + 1, bench.said.append, "x")
    assert bench.runner.hangs() is None
    bench.loop.now += OVERDUE_S + 2
    assert bench.runner.hangs() == "timers"


def test_without_an_engine_the_timers_run_too() -> None:
    loop = FakeLoop()
    clock = Clock(loop.time, loop.time, "boot")
    timers = Timers()
    runner = Runner(loop, clock, timers, Log())
    ran: list[int] = []
    timers.at(clock.now() + 1, ran.append, 1)
    runner.pump()
    loop.advance(1)
    assert ran == [1]
    runner.close()
