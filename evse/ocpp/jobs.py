"""Jobs: heavy one-offs (X.509, file transfer, installing) that a block gives to a short-lived child process.

number = ctx.job("certificates", {"op": "ids"}, done)       a block asks
("job", number, name, request, within_s)                    the effect for the shell
engine.job_said(number, news), engine.job_ended(...)        what the shell tells
"""

from __future__ import annotations

from evse.errors import CsmsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Done = Callable[[dict[str, Any] | None, CsmsError | None], Any]
    News = Callable[[dict[str, Any]], Any]

# Jobs under way, and jobs that wait until one of these ends; one more is refused.
AT_ONCE, WAITING = 8, 24


class Jobs:
    """The jobs by number, and those of them that wait their turn."""

    __slots__ = ("_engine", "_last", "_open", "_waiting")

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._last = 0
        self._open: dict[int, tuple[Done, News | None]] = {}
        self._waiting: list[tuple[int, str, dict[str, Any], float]] = []

    def start(self, name: str, request: dict[str, Any], done: Done, news: News | None, within_s: float) -> int | None:
        """Number of the new job; None, and `done` with an error at the engine's next timer, if there are too many.

        `within_s` counts from its turn.
        """
        engine = self._engine
        if len(self._waiting) >= WAITING:
            error = CsmsError("Busy", f"{name}: {AT_ONCE} jobs are under way, {WAITING} wait")
            engine.timers.at(engine.clock.now(), done, None, error)
            return None
        self._last += 1
        self._open[self._last] = (done, news)
        self._waiting.append((self._last, name, request, within_s))
        self._next()
        return self._last

    def _next(self) -> None:
        while self._waiting and len(self._open) - len(self._waiting) < AT_ONCE:
            self._engine.effect("job", *self._waiting.pop(0))

    def stop(self, number: int | None) -> None:
        """Ends a job; its `done` is not called. Nothing happens to one that has ended."""
        if number is None or self._open.pop(number, None) is None:
            return
        waiting = [job for job in self._waiting if job[0] != number]
        if len(waiting) == len(self._waiting):
            self._engine.effect("job_stop", number)
        self._waiting = waiting
        self._next()

    def said(self, number: int, news: dict[str, Any]) -> None:
        """What a job tells under way; nobody hears one that was stopped."""
        _, hear = self._open.get(number, (None, None))
        if hear is not None:
            hear(news)

    def ended(self, number: int, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """The answer of a job, or why there is none."""
        done, _ = self._open.pop(number, (None, None))
        self._next()
        if done is not None:
            done(answer, error)
