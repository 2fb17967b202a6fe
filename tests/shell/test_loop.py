"""The station's own loop: order, timers, descriptors, signals, and what happens when a callback raises."""

from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from evse.clock import Timers
from evse.errors import HardwareError
from evse.shell.log import Log
from evse.shell.loop import Loop
from tests.support.fakeloop import FakeLoop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def fake() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


def test_timers_run_in_order_of_time_and_then_of_making(fake: FakeLoop) -> None:
    seen: list[Any] = []
    fake.call_later(2, seen.append, "c")
    fake.call_later(1, seen.append, "a")
    fake.call_later(1, seen.append, "b")
    fake.call_soon(seen.append, "soon")
    fake.advance(0.5)
    assert seen == ["soon"]
    fake.advance(2)
    assert seen == ["soon", "a", "b", "c"]


def test_a_short_wait_ends_within_its_millisecond(loop: Loop) -> None:
    """The silence before a Modbus request is 3.65 ms; epoll alone would make 4 ms of it."""
    taken_s = []
    for _ in range(20):
        begun = loop.time()
        loop.call_at(begun + 0.0031, loop.stop)
        loop.run_forever()
        taken_s.append(loop.time() - begun)
    assert 0.0031 <= min(taken_s) < 0.0039


def test_what_arrives_within_a_short_wait_is_not_kept_waiting(loop: Loop, pipe: tuple[int, int]) -> None:
    got: list[bytes] = []
    loop.add_reader(pipe[0], lambda: got.append(os.read(pipe[0], 9)))
    loop.call_later(0.009, int)
    os.write(pipe[1], b"x")
    assert loop.run_once()
    assert got == [b"x"]


@pytest.mark.parametrize("delay_s", [30 * 86_400.0, 8000 * 365 * 86_400.0])
def test_a_timer_that_is_further_off_than_the_kernel_waits(loop: Loop, pipe: tuple[int, int], delay_s: float) -> None:
    seen: list[str] = []
    loop.call_later(delay_s, seen.append, "late")
    loop.add_reader(pipe[0], seen.append, "read")
    os.write(pipe[1], b"x")
    assert loop.run_once()
    assert loop.run_once(delay_s)
    assert seen == ["read", "read"]


def test_cancelled_calls_do_not_run(fake: FakeLoop) -> None:
    seen: list[str] = []
    later, soon = fake.call_later(1, seen.append, "later"), fake.call_soon(seen.append, "soon")
    assert later.when() == fake.time() + 1 and not later.cancelled()
    for handle in (later, soon, later):
        handle.cancel()
    assert later.cancelled()
    fake.advance(5)
    assert seen == []


def test_a_million_cancelled_timers_leave_nothing_behind(fake: FakeLoop) -> None:
    keep = [fake.call_later(100 + n, int) for n in range(10)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(100_000 if not os.environ.get("EVSE_LONG") else 1_000_000):
        fake.call_later(30, int).cancel()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 16_384
    assert len(keep) == 10


def test_call_soon_from_a_callback_waits_for_the_next_pass(fake: FakeLoop) -> None:
    seen: list[int] = []

    def again(n: int) -> None:
        seen.append(n)
        fake.call_soon(again, n + 1)

    fake.call_soon(again, 0)
    for _ in range(3):
        fake.run_once(0)
    assert seen == [0, 1, 2]


def test_descriptor_is_read_and_forgotten(loop: Loop, pipe: tuple[int, int]) -> None:
    read, write = pipe
    seen: list[bytes] = []

    def ready(fd: int) -> None:
        seen.append(os.read(fd, 10))
        loop.stop()

    loop.add_reader(read, ready, read)
    loop.add_writer(write, lambda: (os.write(write, b"x"), loop.remove_writer(write)))
    loop.run_forever()
    assert seen == [b"x"]
    assert loop.remove_reader(read) and not loop.remove_reader(read) and not loop.remove_writer(write)
    os.write(write, b"y")
    loop.run_once(0)
    assert seen == [b"x"]


def test_both_sides_of_one_descriptor_and_a_new_callback_for_one() -> None:
    import socket

    loop = FakeLoop()
    a, b = socket.socketpair()
    seen: list[str] = []
    loop.add_writer(a, seen.append, "old")
    loop.add_writer(a, lambda: (seen.append("write"), loop.remove_writer(a)))
    loop.add_reader(a, lambda: seen.append(a.recv(10).decode()))
    b.send(b"read")
    loop.settle()
    assert sorted(seen) == ["read", "write"]
    loop.remove_reader(a)
    a.close()
    b.close()
    loop.close()


def test_the_other_end_closing_calls_a_reader_and_a_writer(loop: Loop, pipe: tuple[int, int]) -> None:
    read, write = pipe
    seen: list[str] = []
    loop.add_reader(read, lambda: (seen.append("eof"), loop.remove_reader(read)))
    os.close(write)
    loop.run_once(1)
    assert seen == ["eof"]


def test_a_descriptor_closed_before_it_is_removed(loop: Loop) -> None:
    read, write = os.pipe()
    loop.add_reader(read, int)
    os.close(read)
    os.close(write)
    assert loop.remove_reader(read)
    loop.run_once(0)


def test_a_callback_may_remove_another_that_is_ready(fake: FakeLoop) -> None:
    seen: list[str] = []
    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    fake.add_reader(r1, lambda: (seen.append("1"), fake.remove_reader(r1), fake.remove_reader(r2)))
    fake.add_reader(r2, lambda: (seen.append("2"), fake.remove_reader(r1), fake.remove_reader(r2)))
    os.write(w1, b"x")
    os.write(w2, b"x")
    fake.settle()
    assert len(seen) == 1
    for fd in (r1, w1, r2, w2):
        os.close(fd)


def test_a_reader_may_remove_the_writer_of_its_descriptor(fake: FakeLoop) -> None:
    import socket

    seen: list[str] = []
    a, b = socket.socketpair()
    fake.add_reader(a, lambda: (seen.append("read"), fake.remove_writer(a), fake.remove_reader(a)))
    fake.add_writer(a, lambda: (seen.append("write"), fake.remove_writer(a), fake.remove_reader(a)))
    b.send(b"x")
    fake.settle()
    assert seen == ["read"]
    a.close()
    b.close()


def test_a_pass_with_nothing_due_asks_no_timer(fake: FakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first was cancelled."""
    seen: list[str] = []
    fake.call_later(1, seen.append, "cancelled").cancel()
    fake.call_later(2, seen.append, "late")
    for method in ("next", "run"):
        monkeypatch.setattr(Timers, method, lambda *_: pytest.fail("the heap was walked"))
    for _ in range(3):
        fake.call_soon(seen.append, "soon")
        assert fake.run_once(0)
    assert seen == ["soon"] * 3


def test_signals_arrive_in_the_loop_and_get_their_default_back(loop: Loop) -> None:
    seen: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append("usr1"), loop.stop()))
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert seen == ["usr1"]
    assert loop.remove_signal_handler(signal.SIGUSR1) and not loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@pytest.mark.parametrize("problem", [OSError(5, "broken"), HardwareError("MeterSilent")])
def test_a_fault_outside_is_logged_and_the_loop_goes_on(problem: Exception) -> None:
    lines: list[bytes] = []
    loop = Loop(log=Log("info", lines.append))
    seen: list[str] = []

    def fail() -> None:
        raise problem

    loop.call_soon(fail)
    loop.call_later(0, fail)
    loop.call_later(0, seen.append, "timer")
    loop.call_soon(seen.append, "soon")
    loop.run_once()
    loop.run_once(0)
    assert sorted(seen) == ["soon", "timer"]
    assert len(lines) == 2 and type(problem).__name__.encode() in lines[0]
    loop.close()


def test_a_broken_invariant_ends_the_loop(loop: Loop) -> None:
    loop.call_soon(lambda: {}["missing"])
    with pytest.raises(KeyError):
        loop.run_forever()


def test_the_handler_decides() -> None:
    seen: list[Any] = []
    loop = Loop(lambda where, context: seen.append((where, context["exception"])))
    loop.call_soon(lambda: {}["missing"])
    loop.run_once()
    ((where, problem),) = seen
    assert where is loop and isinstance(problem, KeyError)
    loop.close()


def test_close_is_idempotent_and_the_loop_is_done(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR2, int)
    loop.close()
    loop.close()
    assert not loop.remove_reader(0)
    with pytest.raises(ValueError, match="closed"):
        loop.run_once()
