"""How a transfer goes on: progress told now and then, and an end for one that only pretends to move."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# A connection that is silent for so long is dead ...
STALL_S = 30.0
# ... and so is one that moves less than this in such a time.
WINDOW_S = 60.0
WINDOW_BYTES = 4096
TELL_S = 2.0


class Stalled(OSError):
    """The server moves too little."""


class Pace:
    """Counts what moves on one connection. `now` is monotonic time."""

    def __init__(self, say: Callable[[dict[str, Any]], None], now: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._now = now
        self._begun = now()
        self._moved = 0
        self._told = self._begun

    def moved(self, count: int, size: int, total: int | None) -> None:
        """`count` more bytes; `size` in all of `total`. Raises Stalled."""
        now = self._now()
        self._moved += count
        if now - self._begun >= WINDOW_S:
            if self._moved < WINDOW_BYTES:
                raise Stalled(f"only {self._moved} bytes in {now - self._begun:.0f} s")
            self._begun, self._moved = now, 0
        if now - self._told >= TELL_S:
            self._told = now
            self._say({"bytes": size, "total": total})
