"""Three phases or one: switched with the contactor open alone, after a pause, and only where a switch is."""

from __future__ import annotations

from typing import Any

import pytest

from evse.charging.limit import Limits
from hal.interfaces import HalError
from tests.support.outlets import Post, board_file


def switchable(pause_s: float = 10.0, delay_s: float = 0.0, **settings: Any) -> Post:
    board = board_file("simulated-ac-1")
    board["evse"][0]["phase_switch"] = {"driver": "simulated", "pause_s": pause_s, "delay_s": delay_s}
    post = Post(board, **settings)
    post.advance(pause_s + 1)
    post.facts()
    return post


def drawn(post: Post) -> list[float]:
    return [post.reading(1, "Current.Import", phase) for phase in ("L1", "L2", "L3")]


def test_all_phases_are_let_through_from_the_start() -> None:
    post = switchable()
    assert post[1].phases.count == 3
    post.charge(phases=3)
    assert drawn(post) == [16, 16, 16]


def test_to_one_phase_and_back_the_contactor_is_open_for_the_pause() -> None:
    post = switchable()
    post.charge(phases=3)
    for phases, wanted in ((1, [16, 0, 0]), (None, [16, 16, 16])):
        post[1].limit("schedule", None, phases)
        post.settle()
        assert post.facts() == [("charging_state", "SuspendedEVSE"), ("power_path", False)]
        post.advance(9.9)
        assert not post[1].closed and post[1].offered_a is None and post.facts() == []
        post.advance(0.2)
        assert post.facts() == [("power_path", True), ("charging_state", "Charging")]
        assert drawn(post) == wanted


def test_a_vehicle_that_keeps_drawing_is_cut_off_before_the_switch_moves() -> None:
    post = switchable()
    post.charge(phases=3)
    post.sim.misbehave(1, "stubborn")
    post[1].limit("schedule", None, 1)
    post.advance(2.9)
    assert post[1].closed and drawn(post) == [16, 16, 16]
    post.advance(0.1)
    assert not post[1].closed and post[1].phases.count == 1


def test_what_is_wanted_before_the_session_is_there_when_it_begins() -> None:
    post = switchable()
    post[1].limit("schedule", 10, 1)
    post.advance(30)
    post.charge(phases=3)
    assert drawn(post) == [10, 0, 0]


def test_long_open_it_needs_no_second_pause() -> None:
    post = switchable()
    post.charge(phases=3)
    post[1].limit("schedule", 0)
    post.advance(60)
    post[1].limit("schedule", 16, 1)
    post.advance(1.1)
    assert post[1].closed and drawn(post) == [16, 0, 0]


def test_taken_back_before_the_contactor_opened_nothing_is_switched() -> None:
    post = switchable()
    post.charge(phases=3)
    post[1].limit("schedule", None, 1)
    post[1].limit("schedule", None)
    post.settle()
    assert post[1].closed and drawn(post) == [16, 16, 16] and ("power_path", False) not in post.facts()


def test_taken_back_while_the_switch_moves_it_goes_back_before_power_does() -> None:
    post = switchable(pause_s=0, delay_s=0.5)
    post.charge(phases=3)
    post[1].limit("schedule", None, 1)
    post.advance(0.2)
    assert not post[1].closed
    post[1].limit("schedule", None)
    post.advance(0.4)
    assert not post[1].closed and post[1].phases.count is None
    post.advance(2)
    assert post[1].closed and drawn(post) == [16, 16, 16]


def test_a_switch_that_never_answers_lets_no_power_through() -> None:
    post = switchable()
    post.charge(phases=3)
    post.board.evses[1].phase_switch._move = lambda _: None
    post[1].limit("schedule", None, 1)
    post.advance(100)
    assert not post[1].closed and post[1].charging_state == "SuspendedEVSE"


def test_two_phases_are_one_for_a_switch_and_sources_agree_on_the_fewest() -> None:
    post = switchable()
    post[1].limit("schedule", None, 2)
    post[1].limit("other", 32, 3)
    post.advance(20)
    assert post[1].phases.count == 1
    post[1].limit("schedule", None)
    post.advance(20)
    assert post[1].phases.count == 3


def test_without_a_switch_phases_are_not_waited_for() -> None:
    post = Post()
    post.charge(phases=3)
    post[1].limit("schedule", None, 1)
    post.advance(5)
    assert post[1].phases is None and post[1].closed and drawn(post) == [16, 16, 16]


def test_a_simulated_switch_refuses_to_break_a_current() -> None:
    post = switchable()
    post.charge(phases=3)
    with pytest.raises(HalError, match="only while the contactor is open"):
        post.board.evses[1].phase_switch.select(1)


def test_phases_of_a_source_go_with_its_limit() -> None:
    limits = Limits(32)
    assert limits.set("schedule", 10, 1) and not limits.set("schedule", 10, 1)
    assert limits.phases == 1
    assert limits.set("schedule", 10) and limits.phases is None
    assert limits.set("schedule", None, 1) and limits.why() == ("board", 32)
    assert limits.set("schedule", None) and not limits.set("schedule", None)


def test_which_limit_wants_fewer_phases() -> None:
    limits = Limits(32)
    assert limits.why_phases() is None
    limits.set("site", 20, None)
    limits.set("schedule", 10, 1)
    assert limits.why_phases() == "schedule"
    limits.set("schedule", 10)
    assert limits.why_phases() is None
