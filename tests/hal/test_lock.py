"""Lock motor: pulses, limit switch, potentiometer, capacitor; and what happens when it sticks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.actuators import Socket

SWITCH: dict[str, Any] = {"feedback": "switch"}
WIPER: dict[str, Any] = {"feedback_adc": "wiper", "locked_mv": [800, 1200], "unlocked_mv": [2800, 3200]}


@pytest.fixture(params=[SWITCH, WIPER], ids=["limit switch", "potentiometer"])
def socket(request: Any, tmp_path: Path) -> Any:
    socket = Socket(tmp_path, **request.param).start()
    yield socket
    socket.lock.close()
    socket.loop.close()
    assert not socket.both, "both sides of the bridge were driven"


def test_says_where_it_is_and_moves_nothing_at_the_start(socket: Socket) -> None:
    assert socket.told() == [("lock", False)] and socket.driven == []


def test_locks_and_unlocks_with_one_pulse_of_its_profile(socket: Socket) -> None:
    socket.told()
    socket.lock.lock()
    socket.loop.advance(0.39)
    assert socket.told() == [] and socket.out.high
    socket.loop.advance(1)
    assert socket.told()[-1] == ("lock", True) and socket.driven == [(True, 0.4)]
    socket.lock.unlock()
    socket.loop.advance(1)
    assert socket.told()[-1] == ("lock", False) and socket.driven == [(True, 0.4), (False, 0.4)]


def test_an_order_that_is_fulfilled_already_is_answered_without_a_pulse(socket: Socket) -> None:
    socket.told()
    socket.lock.unlock()
    socket.loop.advance(1)
    assert socket.told() == [("lock", False)] and socket.driven == []


def test_a_lock_that_sticks_is_tried_three_times_and_then_a_fault(socket: Socket) -> None:
    socket.told()
    socket.stuck = True
    socket.lock.lock()
    socket.loop.advance(5)
    assert socket.told() == [("fault", "ConnectorLockFailure", "the lock does not lock")]
    assert socket.driven == [(True, 0.4)] * 3
    socket.stuck = False
    socket.lock.lock()
    socket.loop.advance(1)
    assert socket.told()[-2:] == [("cleared", "ConnectorLockFailure"), ("lock", True)]


def test_who_asks_again_is_answered_again(socket: Socket) -> None:
    socket.stuck = True
    for _ in range(2):
        socket.told()
        socket.lock.lock()
        socket.loop.advance(5)
        assert [event[0] for event in socket.told()] == ["fault"]


def test_the_latest_order_counts_and_the_motor_rests_before_it_turns(socket: Socket) -> None:
    socket.told()
    socket.lock.lock()
    socket.loop.advance(0.1)
    socket.lock.unlock()
    assert not socket.out.high
    socket.loop.advance(0.05)
    assert socket.home.high
    socket.loop.advance(2)
    assert socket.told() == [("lock", False)]


def test_the_same_order_while_it_moves_changes_nothing(socket: Socket) -> None:
    socket.lock.lock()
    socket.loop.advance(0.2)
    socket.lock.lock()
    socket.loop.advance(1)
    assert socket.driven == [(True, 0.4)]


def test_moved_by_hand_it_is_told(socket: Socket) -> None:
    socket.lock.lock()
    socket.loop.advance(1)
    socket.told()
    socket.move(False)
    socket.loop.advance(0.6)
    assert socket.told() == [("lock", False)]


def test_closed_down_the_motor_stands(socket: Socket) -> None:
    socket.lock.lock()
    socket.loop.advance(0.1)
    socket.told()
    socket.lock.close()
    socket.lock.close()
    assert not socket.out.high and socket.home.high and not socket.out.user
    socket.lock.unlock()
    socket.loop.advance(5)
    assert socket.told() == []


def test_without_feedback_the_end_of_the_pulse_counts(tmp_path: Path) -> None:
    socket = Socket(tmp_path, pulse_ms=600).start()
    assert socket.told() == []
    socket.lock.lock()
    socket.loop.advance(0.65)
    assert socket.told() == []
    socket.loop.advance(0.1)
    assert socket.told() == [("lock", True)] and socket.driven == [(True, 0.6)]


def test_the_motor_waits_for_its_capacitor(tmp_path: Path) -> None:
    socket = Socket(tmp_path, **SWITCH, capacitor_adc="store", capacitor_least_v=10).start()
    (socket.adc / "in_voltage4_raw").write_text("9000")
    socket.told()
    socket.lock.lock()
    socket.loop.advance(3)
    assert socket.driven == []
    (socket.adc / "in_voltage4_raw").write_text("10500")
    socket.loop.advance(2)
    assert socket.told()[-1] == ("lock", True)


def test_a_capacitor_that_never_charges_is_a_fault(tmp_path: Path) -> None:
    socket = Socket(tmp_path, **SWITCH, capacitor_adc="store").start()
    (socket.adc / "in_voltage4_raw").write_text("100")
    socket.told()
    socket.lock.lock()
    socket.loop.advance(20)
    assert socket.told() == [("fault", "ConnectorLockFailure", "its capacitor does not charge")] and not socket.driven


def test_a_motor_that_cannot_be_driven_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    socket = Socket(tmp_path, **SWITCH).start()
    socket.told()
    socket.out.broken = True
    socket.lock.lock()
    socket.loop.advance(1)
    assert socket.told()[0] == ("fault", "ConnectorLockFailure", "the motor cannot be driven: Input/output error")
    socket.out.broken = False
