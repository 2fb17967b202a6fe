"""The relay for L2 and L3: safe at the start, watched by its contact, and never moved under a closed contactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evse.charging.session import ChargingController
from evse.clock import Clock
from hal.board import load_board
from hal.boardfile import check
from hal.interfaces import HalError
from tests.support.actuators import bench
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import Settings, board_file


def with_switch() -> dict[str, Any]:
    board = bench(min_close_interval_s=0)
    board["gpio"]["l23"] = {"line": "L23", "direction": "out", "safe": "inactive"}
    board["gpio"]["sense"] = {"line": "SENSE", "direction": "in"}
    board["evse"][0]["sensor"] = []
    board["evse"][0]["phase_switch"] = {"driver": "gpio", "coil": "l23", "feedback": "sense", "feedback_contact": "no"}
    return board


class Cabinet:
    """A contactor and a phase relay behind it, each with a contact that follows after 20 ms."""

    def __init__(self, root: Path) -> None:
        self.loop = FakeLoop()
        self.kernel = FakeKernel(root)
        self.kernel.chip("chip", dict(enumerate(("COIL", "MIRROR", "STOP", "TRIP", "TEST", "RESET", "L23", "SENSE"))))
        wires = self.kernel.wires
        self.relay, self.sense, self.stuck = wires["L23"], wires["SENSE"], False
        self.under_load: list[bool] = []
        coil, mirror = wires["COIL"], wires["MIRROR"]
        mirror.high = False  # active low, normally closed
        coil.moved = lambda high: self.loop.call_later(0.02, mirror.drive, not high)
        self.relay.moved = self.moved
        self.contactor_closed = lambda: mirror.high
        self.board = load_board(with_switch(), kernel=self.kernel)
        self.devices = self.board.evses[1]
        self.heard: list[tuple[Any, ...]] = []

    def moved(self, high: bool) -> None:
        self.under_load.append(self.contactor_closed())
        if not self.stuck:
            self.loop.call_later(0.02, self.sense.drive, high)

    def start(self) -> Cabinet:
        for device in (self.devices.contactor, self.devices.phase_switch):
            device.start(self.loop, lambda *event: self.heard.append(event))
        self.loop.advance(1)
        return self

    def told(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return [event for event in heard if event[0] != "contactor"]


@pytest.fixture
def cabinet(tmp_path: Path) -> Any:
    cabinet = Cabinet(tmp_path)
    yield cabinet
    for device in (cabinet.devices.contactor, cabinet.devices.phase_switch):
        device.close()
    cabinet.loop.close()


def test_one_phase_at_the_start_and_after_the_end(cabinet: Cabinet) -> None:
    cabinet.start()
    assert cabinet.relay.levels == [False] and cabinet.told() == [("phases", 1)]
    cabinet.devices.phase_switch.select(3)
    cabinet.devices.phase_switch.close()
    assert not cabinet.relay.high


def test_done_is_what_its_contact_confirms(cabinet: Cabinet) -> None:
    cabinet.start().told()
    for phases in (3, 1, 3):
        cabinet.devices.phase_switch.select(phases)
        cabinet.loop.advance(0.01)
        assert cabinet.told() == []
        cabinet.loop.advance(0.02)
        assert cabinet.told() == [("phases", phases)]


def test_it_is_not_moved_under_a_closed_contactor(cabinet: Cabinet) -> None:
    cabinet.start()
    cabinet.devices.contactor.switch(True)
    cabinet.loop.advance(1)
    with pytest.raises(HalError, match="only while the contactor is open"):
        cabinet.devices.phase_switch.select(3)
    assert not cabinet.relay.high


def test_one_that_does_not_follow_is_a_fault(cabinet: Cabinet) -> None:
    cabinet.start()
    cabinet.devices.phase_switch.select(3)
    cabinet.loop.advance(1)
    cabinet.told()
    cabinet.stuck = True
    cabinet.devices.phase_switch.select(1)
    cabinet.loop.advance(1)
    ((event, code, detail),) = cabinet.told()
    assert (event, code) == ("fault", "WeldedContactor") and detail.startswith("phase switch: told to open")


def test_a_session_changes_to_one_phase_with_the_contactor_open(cabinet: Cabinet) -> None:
    told: list[tuple[Any, ...]] = []
    clock = Clock(monotonic=cabinet.loop.time)
    evse = ChargingController(
        1, cabinet.devices, cabinet.loop._timers, clock, lambda *fact: told.append(fact), Settings()
    )
    evse.start(cabinet.loop)
    cabinet.loop.advance(12)
    cabinet.board.simulation.outlet(1).contactor = cabinet.devices.contactor
    cabinet.board.simulation.plug(1, phases=3)
    evse.authorize()
    cabinet.loop.advance(1)
    assert evse.closed and evse.phases.count == 3
    evse.limit("schedule", 16, 1)
    cabinet.loop.advance(2)
    assert not evse.closed and evse.phases.count == 1
    cabinet.loop.advance(10)
    assert evse.closed and evse.offered_a == 16
    assert cabinet.under_load == [False, False, False] and ("charging_state", 1, "SuspendedEVSE") in told
    evse.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phases": 1}, "[[evse]] 1: a phase_switch needs phases = 3"),
        ({"phase_switch": {"driver": "gpio"}}, "[[evse]] 1 phase_switch: coil is missing"),
        ({"phase_switch": {"driver": "simulated", "pause_s": -1}}, "pause_s must be from 0 to 600"),
        ({"phase_switch": {"driver": "gpios", "coil": "x"}}, "there is no phase_switch driver 'gpios'"),
        ({"phase_switch": 3}, "phase_switch cannot be 3"),
    ],
)
def test_what_a_board_file_may_not_say(change: dict[str, Any], words: str) -> None:
    board = board_file("simulated-ac-2")
    board["evse"][0].update(change)
    if "phases" in change:
        board["evse"][0]["phase_switch"] = {"driver": "simulated"}
    assert any(words in problem for problem in check(board)), check(board)
