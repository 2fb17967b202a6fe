"""Charging controllers on simulated hardware, with a clock that stands until it is moved.

    post = Post("simulated-ac-2")
    post.sim.plug(2, phases=3, current=16)
    post[2].authorize()
    post.advance(1)
    assert post[2].state == "charging"
    assert post.facts(2) == [("plugged", 1), ...]         told since the last call, readings left out

Safety is checked with every fact and after every step: see `Post.check`.
"""

from __future__ import annotations

import marshal
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from evse.charging.session import ChargingController
from evse.charging.states import LIVE
from evse.clock import Clock
from hal.board import load_board
from tests.support.fakeloop import FakeLoop

BOARDS = Path(__file__).resolve().parents[2] / "board_configs"


def board_file(name: str) -> dict[str, Any]:
    """What a board of board_configs is made of; the caller may change it."""
    board: dict[str, Any] = marshal.loads(_board_file(name))
    return board


@cache
def _board_file(name: str) -> bytes:
    return marshal.dumps(tomllib.loads((BOARDS / f"{name}.toml").read_text()))


class Settings:
    """What the device model gives in the station."""

    connection_timeout_s: float | None = 60.0
    stop_on_disconnect = True
    unlock_on_disconnect = True
    free_vending = False
    min_close_interval_s = 0.0
    lock_timeout_s = 5.0
    contactor_timeout_s = 1.0


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, text: str, **fields: Any) -> None:
        self.lines.append((text, fields))


class Post:
    """A simulated board with a controller for each EVSE."""

    def __init__(self, board: str | dict[str, Any] = "simulated-ac-1", start: bool = True, **settings: Any) -> None:
        self.loop = FakeLoop()
        self.settings = Settings()
        for name, value in settings.items():
            setattr(self.settings, name, value)
        self.log = Log()
        self.board = load_board(board_file(board) if isinstance(board, str) else board)
        self.sim = self.board.simulation
        self.told: list[tuple[int, tuple[Any, ...]]] = []
        self.listener: Any = None
        self.clock = Clock(monotonic=self.loop.time)
        self.controllers = {
            id: ChargingController(id, devices, self.loop._timers, self.clock, self._hear, self.settings, self.log)
            for id, devices in self.board.evses.items()
        }
        if start:
            self.start()

    def start(self) -> None:
        for controller in self.controllers.values():
            controller.start(self.loop)
        self.advance(0)
        self.told.clear()

    def __getitem__(self, evse: int) -> ChargingController:
        return self.controllers[evse]

    def _hear(self, fact: str, evse: int, *values: Any) -> None:
        self.told.append((evse, (fact, *values)))
        self.check()
        if self.listener is not None:
            self.listener(fact, evse, *values)

    def advance(self, seconds: float = 0.0) -> None:
        self.loop.advance(seconds)
        self.check()

    def settle(self) -> None:
        """Commands are confirmed; the clock stands."""
        self.advance(0)

    def facts(self, evse: int = 1, readings: bool = False) -> list[tuple[Any, ...]]:
        """What was told of an EVSE since the last call; lock facts and readings only if asked for."""
        told = [fact for number, fact in self.told if number == evse]
        self.told = [entry for entry in self.told if entry[0] != evse]
        return [fact for fact in told if readings or fact[0] not in ("reading", "lock")]

    def charge(self, evse: int = 1, phases: int = 1, current: float = 16) -> None:
        """A vehicle that charges; facts so far are forgotten."""
        self.sim.plug(evse, phases=phases, current=current)
        self[evse].authorize()
        self.settle()
        assert self[evse].state == "charging"
        self.facts(evse)

    def reading(self, evse: int, measurand: str, phase: str | None = None) -> float:
        return self[evse].metering.values[measurand, phase]

    def check(self) -> None:
        """The contactor is told to close only with a live authorization, no fault, and a vehicle that asks."""
        for id, controller in self.controllers.items():
            outlet = self.sim.outlet(id)
            if controller._told_closed:
                assert controller.state in LIVE, controller.state
                assert not controller.faults.stop(), controller.faults.present
                assert controller._letter == "C"
                assert all(lock.locked for lock in outlet.locks)
            if outlet.contactor.closed:
                assert all(lock.locked for lock in outlet.locks), "a live socket was unlocked"
