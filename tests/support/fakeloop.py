"""Event loop for tests: the station's own loop with real descriptors and a clock that stands until it is moved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from evse.shell.loop import Loop


class FakeLoop(Loop):
    """`advance(seconds)` moves the clock and runs what becomes due, in order; what callbacks raise comes out of it."""

    def __init__(self) -> None:
        super().__init__(exception_handler=_raise)
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Runs callbacks and ready descriptors until nothing is left to do; the clock stands."""
        for _ in range(10_000):
            if self._is_at_rest() or (not self.run_once(0) and not self._soon):
                return
        raise AssertionError("the loop never comes to rest")

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        end = self.now + seconds
        self.settle()
        while (when := self._timers.next()) is not None and when <= end:
            if when > self.now:
                self.now = when
            self.settle()
        self.now = end
        self.settle()

    def _is_at_rest(self) -> bool:
        """Nothing is to be called, and there are no descriptors to ask: most passes find this."""
        if self._calls or self._soon:
            return False
        when = self._timers.next()
        return when is None or when > self.now

    def breathe(self) -> None:
        """Real time for what was written to a terminal: a worker of the kernel carries it, late on a busy machine."""
        pause_s = 0.002 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        for _ in range(3):
            self.run_once(pause_s)

    def until(self, condition: Callable[[], Any], limit_s: float = 5.0) -> None:
        """Runs descriptors until `condition()` is true, the clock standing; `limit_s` of real time at most."""
        limit = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > limit:
                raise AssertionError("what was waited for did not happen")
            self.run_once(0.01)


def _raise(loop: Any, context: dict[str, Any]) -> None:
    raise context["exception"]
