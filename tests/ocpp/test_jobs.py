"""Jobs that blocks give away: each ends once, a stopped one never, too many are refused."""

from __future__ import annotations

from typing import Any

from evse.errors import CsmsError
from evse.ocpp.jobs import AT_ONCE
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


def test_too_many_jobs_are_refused_later() -> None:
    """Never inside the call that asks: the block has not yet noted what it waits for."""
    bench, ends = Bench(), Ends()
    numbers = [bench.engine.job("echo", {}, Ends()) for _ in range(AT_ONCE)]
    assert None not in numbers
    assert bench.engine.job("echo", {}, ends) is None
    assert ends.seen == []
    bench.engine.run_timers()
    assert ends.seen == [(None, "Busy")]
