"""Contactor and fault inputs on GPIO lines, with a contactor that may weld, stick, or fall open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hal.board import load_board
from hal.drivers.gpio_contactor import ATTEMPTS
from tests.support.actuators import Heard, Plant
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file


@pytest.fixture
def plant(tmp_path: Path) -> Any:
    plant = Plant(tmp_path)
    yield plant.start()
    plant.contactor.close()
    plant.loop.close()


def test_opens_at_the_start_and_says_what_the_mirror_contact_says(plant: Plant) -> None:
    assert plant.coil.levels == [True] and plant.told() == [("contactor", False)]


def test_done_is_what_the_mirror_contact_confirms(plant: Plant) -> None:
    plant.told()
    plant.contactor.switch(True)
    plant.loop.advance(0.019)
    assert not plant.coil.high and plant.told() == []
    plant.loop.advance(0.001)
    assert plant.told() == [("contactor", True)]
    plant.contactor.switch(False)
    assert plant.coil.high
    plant.loop.advance(1)
    assert plant.told() == [("contactor", False)]


def test_an_order_that_is_fulfilled_already_is_answered(plant: Plant) -> None:
    plant.told()
    plant.contactor.switch(False)
    assert plant.told() == [("contactor", False)]


def test_does_not_close_before_its_interval_after_the_start(tmp_path: Path) -> None:
    plant = Plant(tmp_path, min_close_interval_s=8).start(1)
    plant.contactor.switch(True)
    plant.loop.advance(6.9)
    assert plant.coil.high and not plant.contacts
    plant.loop.advance(0.2)
    assert not plant.coil.high and plant.contacts


def test_opening_takes_a_waiting_closing_back(tmp_path: Path) -> None:
    plant = Plant(tmp_path).start(1)
    plant.contactor.switch(True)
    plant.contactor.switch(False)
    plant.loop.advance(60)
    assert plant.coil.levels[1:] == [True] and not plant.contacts


def test_keeps_the_interval_between_two_closings(plant: Plant) -> None:
    plant.contactor.switch(True)
    plant.loop.advance(1)
    plant.contactor.switch(False)
    plant.contactor.switch(True)
    plant.loop.advance(8.9)
    assert not plant.contacts
    plant.loop.advance(0.2)
    assert plant.contacts


def test_welded_is_found_and_stays_until_the_next_start(plant: Plant) -> None:
    plant.contactor.switch(True)
    plant.loop.advance(1)
    plant.welded = True
    plant.told()
    plant.contactor.switch(False)
    plant.loop.advance(0.24)
    assert plant.told() == []
    plant.loop.advance(0.02)
    assert plant.told() == [
        ("fault", "WeldedContactor", "told to open, but the mirror contact still says closed after 250 ms")
    ]
    plant.welded = False
    plant.move()
    plant.loop.advance(100)
    assert plant.told() == [("contactor", False)]
    plant.contactor.switch(True)
    plant.loop.advance(100)
    assert plant.coil.high and plant.told() == []
    plant.contactor.close()
    plant.start()
    assert plant.told() == [("contactor", False)]
    plant.contactor.switch(True)
    plant.loop.advance(1)
    assert plant.contacts


def test_welded_since_before_the_start(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.welded = plant.contacts = True
    plant.mirror.high = True
    plant.start(1)
    assert [event[:2] for event in plant.told()] == [("contactor", True), ("fault", "WeldedContactor")]
    plant.contactor.switch(True)
    plant.loop.advance(100)
    assert plant.coil.high


def test_does_not_close_releases_the_coil_and_may_try_again_later(plant: Plant) -> None:
    plant.dead = True
    plant.told()
    plant.contactor.switch(True)
    plant.loop.advance(0.3)
    assert plant.coil.high
    assert plant.told() == [
        ("fault", "PowerSwitchFailure", "told to close, but the mirror contact still says open after 250 ms")
    ]
    plant.contactor.switch(True)
    plant.loop.advance(0.3)
    assert plant.coil.high
    plant.loop.advance(10)
    assert plant.told() == [("cleared", "PowerSwitchFailure")]


def test_after_some_failures_in_a_row_it_is_not_tried_again(plant: Plant) -> None:
    plant.dead = True
    for _ in range(ATTEMPTS):
        plant.contactor.switch(True)
        plant.loop.advance(20)
    assert plant.told()[-1][:2] == ("fault", "PowerSwitchFailure")
    plant.loop.advance(1000)
    assert plant.told() == []


def test_a_success_forgets_failures(plant: Plant) -> None:
    for _ in range(ATTEMPTS + 1):
        plant.dead = True
        plant.contactor.switch(True)
        plant.loop.advance(20)
        plant.dead = False
        plant.contactor.switch(True)
        plant.loop.advance(20)
        assert plant.contacts
        plant.contactor.switch(False)
        plant.loop.advance(20)


def test_falling_open_by_itself_releases_the_coil(plant: Plant) -> None:
    plant.contactor.switch(True)
    plant.loop.advance(1)
    plant.told()
    plant.contacts = False
    plant.mirror.drive(False)
    plant.loop.settle()
    assert plant.told() == [("contactor", False)] and plant.coil.high
    plant.loop.advance(100)
    assert plant.told() == []


def test_closing_by_itself_is_welded(plant: Plant) -> None:
    plant.told()
    plant.mirror.drive(True)
    plant.loop.advance(0.2)
    assert plant.told() == [("contactor", True)]
    plant.loop.advance(0.1)
    assert plant.told()[0][:2] == ("fault", "WeldedContactor")


def test_a_coil_that_cannot_be_driven_is_a_fault_and_no_crash(plant: Plant) -> None:
    plant.told()
    plant.coil.broken = True
    plant.contactor.switch(True)
    plant.loop.advance(1)
    assert plant.told()[0] == ("fault", "PowerSwitchFailure", "the coil cannot be driven: Input/output error")
    plant.coil.broken = False
    plant.contactor.switch(True)
    plant.loop.advance(100)
    assert plant.coil.high


def test_a_mirror_contact_that_makes_with_the_main_contacts(tmp_path: Path) -> None:
    plant = Plant(tmp_path, feedback_contact="no")
    plant.mirror.high = True  # active = low: not closed
    plant.start()
    assert plant.told() == [("contactor", False)]


def test_without_a_mirror_contact_it_counts_as_done_in_time(tmp_path: Path) -> None:
    plant = Plant(tmp_path, feedback=None, feedback_timeout_ms=100).start()
    assert plant.told() == [("contactor", False)]
    plant.contactor.switch(True)
    plant.loop.advance(0.09)
    assert plant.told() == []
    plant.loop.advance(0.02)
    assert plant.told() == [("contactor", True)]


def test_closed_down_it_is_open_and_silent(plant: Plant) -> None:
    plant.contactor.switch(True)
    plant.loop.advance(1)
    plant.told()
    plant.contactor.close()
    assert plant.coil.high and not plant.coil.user and not plant.mirror.user
    plant.contactor.close()
    plant.contactor.switch(True)
    plant.loop.advance(100)
    assert plant.told() == [] and plant.coil.high


def test_a_feedback_that_is_not_there_gives_the_coil_back(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.mirror.user = "somebody"
    with pytest.raises(ValueError, match="mirror"):
        plant.start()
    assert not plant.coil.user


# Fault inputs


def sensors(plant: Plant) -> tuple[Any, Any]:
    stop, rcd = plant.board.evses[1].sensors
    return stop, rcd


def test_an_emergency_stop_is_told_at_once_and_cleared_when_it_was_quiet(plant: Plant) -> None:
    stop, _ = sensors(plant)
    plant.told()
    stop.start(plant.loop, plant.hear)
    plant.loop.settle()
    plant.stop.drive(True)
    plant.loop.settle()
    assert plant.told() == [("fault", "EmergencyStop", "pressed")]
    plant.stop.drive(False)
    plant.loop.advance(0.9)
    plant.stop.drive(True)
    plant.stop.drive(False)
    plant.loop.advance(0.9)
    assert plant.told() == []
    plant.loop.advance(0.2)
    assert plant.told() == [("cleared", "EmergencyStop")]
    stop.close()
    plant.stop.drive(True)
    plant.loop.advance(1)
    assert plant.told() == [] and not plant.stop.user


def test_active_at_the_start_is_told(plant: Plant) -> None:
    plant.stop.high = True
    stop, _ = sensors(plant)
    plant.told()
    stop.start(plant.loop, plant.hear)
    assert plant.told() == [("fault", "EmergencyStop", "pressed")]


def test_one_input_for_several_evses(tmp_path: Path) -> None:
    description = board_file("simulated-ac-2")
    description["gpio"] = {"stop": {"line": "STOP", "direction": "in"}}
    description["sensor"] = [{"driver": "gpio", "line": "stop", "fault": "EmergencyStop"}]
    kernel = FakeKernel(tmp_path)
    kernel.chip("chip", {0: "STOP"})
    board, loop = load_board(description, kernel=kernel), FakeLoop()
    heard: Heard = []
    for id, evse in board.evses.items():
        evse.sensors[-1].start(loop, lambda *event, id=id: heard.append((id, *event[:2])))
    kernel.wires["STOP"].drive(True)
    loop.settle()
    assert heard == [(1, "fault", "EmergencyStop"), (2, "fault", "EmergencyStop")]
    board.evses[1].sensors[-1].close()
    board.evses[1].sensors[-1].close()
    kernel.wires["STOP"].drive(False)
    loop.advance(2)
    assert heard[2:] == [(2, "cleared", "EmergencyStop")]  # the other still hears
    kernel.wires["STOP"].drive(True)
    loop.settle()
    board.evses[1].sensors[-1].start(loop, lambda *event: heard.append((1, *event[:2])))
    assert heard[3:] == [(2, "fault", "EmergencyStop"), (1, "fault", "EmergencyStop")]
    for evse in board.evses.values():
        evse.sensors[-1].close()
    assert not kernel.wires["STOP"].user


def test_the_residual_current_device_is_tested_at_the_start(plant: Plant) -> None:
    _, rcd = sensors(plant)
    plant.told()
    rcd.start(plant.loop, plant.hear)
    assert plant.test.high
    plant.loop.advance(1)
    assert not plant.test.high and plant.reset.levels == [False, True, False]
    assert plant.told() == []


def test_a_trip_stays_until_the_next_start(plant: Plant) -> None:
    _, rcd = sensors(plant)
    rcd.start(plant.loop, plant.hear)
    plant.loop.advance(1)
    plant.told()
    plant.trip.drive(True)
    plant.trip.drive(False)  # however short
    plant.loop.advance(3600)
    assert plant.told() == [("fault", "GroundFailure", "residual current")]


def test_a_self_test_without_a_trip_is_a_fault_until_one_succeeds(plant: Plant) -> None:
    _, rcd = sensors(plant)
    plant.rcd = False
    rcd.start(plant.loop, plant.hear)
    plant.loop.advance(1)
    assert plant.told()[-1] == ("fault", "GroundFailure", "residual current device: the self-test did not trip")
    assert not plant.test.high
    plant.rcd = True
    plant.loop.advance(300)
    assert plant.told() == [("cleared", "GroundFailure")]


def test_the_mirror_contact_is_debounced_where_the_board_file_says_nothing(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.board.resources["gpio"]["mirror"].pop("debounce_ms")
    assert plant.start().mirror.debounce_us == 10_000
    plant.contactor.close()


def test_told_to_close_while_closed_it_says_so_at_once(plant: Plant) -> None:
    plant.contactor.switch(True)
    plant.loop.advance(1)
    plant.told()
    plant.contactor.switch(True)
    assert plant.told() == [("contactor", True)]


def test_the_self_test_goes_on_after_a_trip_that_is_not_latched(plant: Plant) -> None:
    _, rcd = sensors(plant)
    rcd.latch = False
    rcd.start(plant.loop, plant.hear)
    plant.loop.advance(1)
    plant.trip.drive(True)
    plant.loop.advance(1)
    plant.trip.drive(False)
    plant.loop.advance(25 * 3600)
    assert plant.test.levels.count(True) == 2


def test_the_self_test_comes_again_but_not_while_the_contactor_is_closed(plant: Plant) -> None:
    _, rcd = sensors(plant)
    rcd.start(plant.loop, plant.hear)
    plant.loop.advance(1)
    plant.contactor.switch(True)
    plant.loop.advance(25 * 3600)
    assert plant.test.levels.count(True) == 1
    plant.contactor.switch(False)
    plant.loop.advance(301)
    assert plant.test.levels.count(True) == 2
    rcd.close()
    assert not plant.test.user and not plant.trip.user


def test_a_coil_that_is_gone_does_not_keep_the_rest_open(plant: Plant) -> None:
    plant.coil.broken = True
    plant.contactor.close()
    assert not plant.coil.user and not plant.mirror.user
    plant.coil.broken = False
