"""Parking bay sensors: told at the start, and what lasts; offered as a point of transactions where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hal.board import load_board
from hal.interfaces import HalError
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file


def make(root: Path, **options: Any) -> tuple[Any, Any, FakeLoop, list[tuple[Any, ...]]]:
    """(sensor, its wire, loop, what it reports)"""
    description = board_file("simulated-ac-1")
    description["gpio"] = {"bay": {"line": "BAY", "direction": "in"}}
    description["evse"][0]["sensor"] = [{"driver": "parking", "line": "bay", **options}]
    kernel = FakeKernel(root)
    kernel.chip("chip", {0: "BAY"})
    board = load_board(description, kernel=kernel)
    assert board.evses[1].sees_parking
    return board.evses[1].sensors[0], kernel.wires["BAY"], FakeLoop(), []


def test_tells_its_state_at_the_start_and_each_change_that_lasts(tmp_path: Path) -> None:
    sensor, wire, loop, heard = make(tmp_path)
    sensor.start(loop, lambda *event: heard.append(event))
    assert heard == [("parking", False)]
    wire.drive(True)
    loop.advance(1)
    wire.drive(False)  # somebody walked by
    loop.advance(5)
    assert heard == [("parking", False)]
    wire.drive(True)
    loop.advance(2.1)
    assert heard[1:] == [("parking", True)]
    wire.drive(False)
    loop.advance(2.1)
    assert heard[2:] == [("parking", False)]
    wire.drive(True)
    sensor.close()
    loop.advance(5)
    assert len(heard) == 3 and not wire.user


def test_a_vehicle_that_stands_there_already(tmp_path: Path) -> None:
    sensor, wire, loop, heard = make(tmp_path, settle_s=0)
    wire.high = True
    sensor.start(loop, lambda *event: heard.append(event))
    assert heard == [("parking", True)]
    sensor.close()


def test_the_simulated_one_and_a_station_without(tmp_path: Path) -> None:
    description = board_file("simulated-ac-2")
    description["evse"][0]["sensor"] = [{"driver": "simulated-parking"}]
    board, loop, heard = load_board(description), FakeLoop(), []
    assert [evse.sees_parking for evse in board.evses.values()] == [True, False]
    board.evses[1].sensors[0].start(loop, lambda *event: heard.append(event))
    board.simulation.park(1)
    board.simulation.leave(1)
    assert heard == [("parking", False), ("parking", True), ("parking", False)]
    with pytest.raises(HalError, match="EVSE 2 has no parking bay sensor"):
        board.simulation.park(2)


def test_one_sensor_of_the_station_counts_for_its_evses() -> None:
    description = board_file("simulated-ac-2")
    description["gpio"] = {"bay": {"line": "BAY", "direction": "in"}}
    description["sensor"] = [{"driver": "parking", "line": "bay", "evses": [2]}]
    assert [evse.sees_parking for evse in load_board(description).evses.values()] == [False, True]
