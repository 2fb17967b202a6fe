"""A clock that jumps, inside the station process: a month of sessions in minutes. For bench/endurance.py only.

Import it before anything of `evse`. After SIGUSR1 vehicles come and go as EVSE_BENCH_LIFE says ("sessions seconds
pause_seconds file"): while nothing is to do and no answer of the CSMS is awaited, the clock jumps to the next timer.
When the last vehicle has left, the file is made and time passes as it does outside.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # as in evse/shell/loop.py
import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TOKEN = "CARD0001"
# The simulated meter reads so often here; its tick of a second would be most of the work of a month.
METER_S = 5.0
SIGUSR1 = 10


class Life:
    """What passes in the station; `skipped_s` is how far its clock is ahead."""

    def __init__(self) -> None:
        self.station: Any = None
        self.skipped_s = 0.0
        self.running = False

    def begin(self, *_: Any) -> None:
        sessions, seconds, pause_s, done = posix.environ[b"EVSE_BENCH_LIFE"].decode().split(" ")
        self.station.board.simulation.outlet(1).meter.interval_s = METER_S
        self.running = True
        self.go_on(self.vehicles(int(sessions), float(seconds), float(pause_s), done))

    def go_on(self, steps: Iterator[float]) -> None:
        wait_s = next(steps, None)
        if wait_s is not None:
            self.station.loop.call_later(wait_s, self.go_on, steps)

    def vehicles(self, sessions: int, seconds: float, pause_s: float, done: str) -> Iterator[float]:
        simulation = self.station.board.simulation
        for _ in range(sessions):
            simulation.plug(1, 3, 16)
            simulation.swipe(TOKEN)
            yield seconds + 0.5
            simulation.swipe(TOKEN)
            yield 5.0
            simulation.unplug(1)
            yield pause_s
        self.running = False
        posix.close(posix.open(done, posix.O_CREAT | posix.O_WRONLY))

    def waits(self) -> bool:
        """An answer is under way, or could be."""
        side = self.station.side
        return side.engine.online and (side.journal.pending or side.engine._outbox.in_flight is not None)


life = Life()
_monotonic, _time = time.monotonic, time.time
time.monotonic = lambda: _monotonic() + life.skipped_s
time.time = lambda: _time() + life.skipped_s

from evse.app import Station  # noqa: E402
from evse.shell.loop import Loop  # noqa: E402

_start, _run_once = Station.start, Loop.run_once


def start(station: Station) -> None:
    life.station = station
    _signal.signal(SIGUSR1, life.begin)
    _start(station)


def run_once(loop: Loop, wait_s: float | None = None) -> bool:
    if not life.running:
        return _run_once(loop, wait_s)
    if _run_once(loop, 0.0):
        return True
    if life.waits():
        return _run_once(loop, 0.005)
    when = loop._timers.next()
    if when is not None:
        life.skipped_s += max(0.0, when - loop.time())
    return False


Station.start = start  # type: ignore[method-assign,assignment]
Loop.run_once = run_once  # type: ignore[method-assign,assignment]
