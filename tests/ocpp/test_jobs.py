"""Jobs that blocks give away: each ends once, a stopped one never; too many wait, far too many are refused."""

from __future__ import annotations

from typing import Any

from evse.errors import CsmsError
from evse.ocpp.jobs import AT_ONCE, WAITING
from tests.support.bench import Bench


class Ends:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []

    def __call__(self, answer: Any, error: Any) -> None:
        self.seen.append((answer, error and error.code))


def jobs(bench: Bench) -> list[tuple[Any, ...]]:
    """The effects about jobs since the last look."""
    effects = [effect for effect in bench.engine.effects if effect[0].startswith("job")]
    bench.engine.effects.clear()
    return effects


def test_a_job_tells_its_way_and_its_end_once() -> None:
    bench, ends, news = Bench(), Ends(), []
    number = bench.engine.job("echo", {"op": "ids"}, ends, news.append, 5.0)
    assert jobs(bench) == [("job", number, "echo", {"op": "ids"}, 5.0)]
    bench.engine.job_said(number, {"bytes": 1})
    bench.engine.job_ended(number, {"n": 1}, None)
    bench.engine.job_ended(number, {"n": 2}, None)
    bench.engine.job_said(number, {"bytes": 2})
    assert news == [{"bytes": 1}]
    assert ends.seen == [({"n": 1}, None)]


def test_a_job_that_fails_says_why() -> None:
    bench, ends = Bench(), Ends()
    number = bench.engine.job("echo", {}, ends)
    bench.engine.job_ended(number, None, CsmsError("Timeout", "late"))
    assert ends.seen == [(None, "Timeout")]


def test_nothing_is_heard_of_a_stopped_job() -> None:
    bench, ends = Bench(), Ends()
    number = bench.engine.job("echo", {}, ends)
    jobs(bench)
    bench.engine.stop_job(number)
    bench.engine.stop_job(number)
    bench.engine.stop_job(None)
    assert jobs(bench) == [("job_stop", number)]
    bench.engine.job_ended(number, {}, None)
    assert ends.seen == []


def test_a_job_too_many_waits_its_turn() -> None:
    bench, ends = Bench(), Ends()
    first = [bench.engine.job("echo", {}, Ends()) for _ in range(AT_ONCE)]
    waits = [bench.engine.job(name, {}, ends, within_s=7.0) for name in ("a", "b", "c", "d")]
    assert [job[1] for job in jobs(bench)] == first
    bench.engine.stop_job(waits[1])  # it never began: nothing is to be ended
    assert jobs(bench) == []
    bench.engine.job_ended(first[3], {}, None)
    assert jobs(bench) == [("job", waits[0], "a", {}, 7.0)]
    bench.engine.stop_job(first[0])
    assert jobs(bench) == [("job_stop", first[0]), ("job", waits[2], "c", {}, 7.0)]
    for number in (waits[2], waits[0]):
        bench.engine.job_ended(number, {"n": number}, None)
    assert ends.seen == [({"n": waits[2]}, None), ({"n": waits[0]}, None)]
    assert [job[1] for job in jobs(bench)] == [waits[3]]


def test_too_many_waiting_jobs_are_refused_later() -> None:
    """Never inside the call that asks: the block has not yet noted what it waits for."""
    bench, ends = Bench(), Ends()
    numbers = [bench.engine.job("echo", {}, Ends()) for _ in range(AT_ONCE + WAITING)]
    assert None not in numbers
    assert bench.engine.job("echo", {}, ends) is None
    assert ends.seen == []
    bench.engine.run_timers()
    assert ends.seen == [(None, "Busy")]
    assert len(jobs(bench)) == AT_ONCE
