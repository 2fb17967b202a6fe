"""What tests of token readers share: a board without a file, a driver started on it, what it reported."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from hal.board import DRIVERS, Board
from hal.serialport import SerialPort
from tests.support.fakeloop import FakeLoop


class PatientLoop(FakeLoop):
    """For pseudo terminals, which hand bytes over in their own time: waits for what is on the way, then moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.on_the_way: list[Callable[[], bool]] = []

    def settle(self) -> None:
        super().settle()
        limit = time.monotonic() + 2.0
        while any(waiting() for waiting in self.on_the_way) and time.monotonic() < limit:
            self.run_once(0.01)
            super().settle()


class CountedPort(SerialPort):
    """A serial port that counts its bytes since it was opened."""

    __slots__ = ("sent", "got", "opened")

    def start(self, loop: Any, received: Any, changed: Any = None) -> None:
        def count(data: bytes) -> None:
            self.got += len(data)
            received(data)

        def note(problem: str | None) -> None:
            if problem is None:
                self.sent = self.got = 0
                self.opened()
            changed(problem)

        self.sent = self.got = 0
        super().start(loop, count, note)

    def write(self, data: bytes) -> bool:
        taken = super().write(data)
        self.sent += len(data) if taken else 0
        return taken


def follow(loop: PatientLoop, device: Any, line: Any) -> None:
    """Lets the loop know what is on its way between the reader `device` and the far end of its line.

    `line` has `far` (-1: unplugged) and `deaf` (reads nothing now), and counts the bytes `heard` and `said`.
    """
    port = device.port = CountedPort(device.port.settings)

    def opened() -> None:
        line.heard = line.said = 0

    port.opened = opened
    port.sent = port.got = 0

    def waiting() -> bool:
        there = port.fd >= 0 and line.far >= 0
        return there and ((port.sent > line.heard and not line.deaf) or line.said > port.got)

    loop.on_the_way.append(waiting)


def board(**resources: Any) -> Board:
    """A board with these [serial.*] and so on, and no devices."""
    made = Board("test")
    made.resources = {kind: resources.get(kind, {}) for kind in ("serial", "gpio", "pwm", "adc")}
    return made


class Reading:
    """A reader by the name of its driver; `tokens` and `faults` (code or None) are what it reported."""

    def __init__(self, loop: Any, driver: str, options: dict[str, Any], on: Board | None = None) -> None:
        module, _, name = DRIVERS["reader"][driver].partition(":")
        __import__(module)
        self.loop = loop
        self.board = on or board()
        self.device = getattr(sys.modules[module], name)(options, None, self.board)
        self.events: list[tuple[Any, ...]] = []

    def start(self) -> Reading:
        self.device.start(self.loop, self._report)
        return self

    def _report(self, *event: Any) -> None:
        self.events.append(event)

    @property
    def tokens(self) -> list[str]:
        return [event[1] for event in self.events if event[0] == "token"]

    @property
    def faults(self) -> list[str | None]:
        """Details of the faults, None where they were cleared."""
        found: list[str | None] = []
        for event in self.events:
            if event[0] in ("fault", "cleared"):
                assert event[1] == "ReaderFailure"
                found.append(event[2] if event[0] == "fault" else None)
        return found
