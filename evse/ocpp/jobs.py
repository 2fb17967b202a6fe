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

# Jobs under way; one more is refused.
AT_ONCE = 8


class Jobs:
    """The jobs under way, by number."""

    __slots__ = ("_engine", "_last", "_open")

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._last = 0
        self._open: dict[int, tuple[Done, News | None]] = {}

    def start(self, name: str, request: dict[str, Any], done: Done, news: News | None, within_s: float) -> int | None:
        """Number of the new job; None, and `done` with an error at the engine's next timer, if there are too many."""
        engine = self._engine
        if len(self._open) >= AT_ONCE:
            error = CsmsError("Busy", f"{name}: {AT_ONCE} jobs are under way")
            engine.timers.at(engine.clock.now(), done, None, error)
            return None
        self._last += 1
        self._open[self._last] = (done, news)
        engine.effect("job", self._last, name, request, within_s)
        return self._last

    def stop(self, number: int | None) -> None:
        """Ends a job; its `done` is not called. Nothing happens to one that has ended."""
        if number is not None and self._open.pop(number, None) is not None:
            self._engine.effect("job_stop", number)

    def said(self, number: int, news: dict[str, Any]) -> None:
        """What a job tells under way; nobody hears one that was stopped."""
        _, hear = self._open.get(number, (None, None))
        if hear is not None:
            hear(news)

    def ended(self, number: int, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """The answer of a job, or why there is none."""
        done, _ = self._open.pop(number, (None, None))
        if done is not None:
            done(answer, error)
