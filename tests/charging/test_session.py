"""Sessions on simulated hardware: the ways in, through and out."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import UsageError
from tests.support.outlets import Post


def names(facts: list[tuple[Any, ...]]) -> list[str]:
    return [fact[0] for fact in facts]


def test_plug_then_authorize() -> None:
    post = Post()
    post.sim.plug(1, phases=3, current=16)
    assert post.facts() == [("plugged", 1), ("charging_state", "EVConnected")]
    post.advance(30)
    assert post[1].offered_a is None and not post[1].closed
    post[1].authorize()
    post.settle()
    assert post.facts() == [("power_path", True), ("charging_state", "Charging")]
    assert post[1].offered_a == 32
    assert post.reading(1, "Current.Import", "L3") == 16


def test_authorize_then_plug() -> None:
    post = Post()
    post[1].authorize()
    post.advance(59)
    assert post.facts() == []
    assert post[1].authorized
    post.sim.plug(1)
    post.settle()
    assert post.facts() == [
        ("plugged", 1), ("charging_state", "EVConnected"), ("power_path", True), ("charging_state", "Charging"),
    ]  # fmt: skip


def test_connection_timeout_drops_the_authorization() -> None:
    post = Post(connection_timeout_s=60)
    post[1].authorize()
    post.advance(59.9)
    assert post.facts() == []
    post.advance(0.1)
    assert post.facts() == [("connection_timeout",)]
    assert not post[1].authorized
    post.sim.plug(1)
    post.advance(1)
    assert not post[1].closed


@pytest.mark.parametrize("none", [None, 0])
def test_without_connection_timeout_the_authorization_waits(none: float | None) -> None:
    post = Post(connection_timeout_s=none)
    post[1].authorize()
    post.advance(10_000)
    assert post[1].authorized


def test_stop_opens_the_contactor_then_reads_then_tells() -> None:
    post = Post()
    post.charge()
    post.advance(100)
    post.facts()
    post[1].stop("Remote")
    post.settle()
    told = post.facts(readings=True)
    assert names(told)[:4] == ["power_path", "reading", "stopped", "charging_state"]
    assert told[0] == ("power_path", False)
    assert told[1][1]["Current.Import", "L1"] == 0
    assert told[2:4] == [("stopped", "Remote"), ("charging_state", "EVConnected")]
    assert post[1].offered_a is None and not post[1].authorized


def test_stop_waits_a_second_for_a_meter_that_does_not_answer() -> None:
    post = Post()
    post.charge()
    post.sim.outlet(1).meter.silent = True
    post[1].stop("Local")
    post.advance(0.9)
    assert post.facts() == [("power_path", False)]
    post.advance(0.1)
    assert ("stopped", "Local") in post.facts()


@pytest.mark.parametrize("authorized", [False, True])
def test_stop_is_answered_without_a_charging_vehicle_too(authorized: bool) -> None:
    post = Post()
    if authorized:
        post[1].authorize()
    post[1].stop("Remote")
    post.settle()
    assert post.facts() == [("stopped", "Remote")]
    assert post[1].state == "idle"


def test_a_second_stop_changes_nothing() -> None:
    post = Post()
    post.charge()
    post[1].stop("Remote")
    post[1].stop("DeAuthorized")
    post.settle()
    assert [fact for fact in post.facts() if fact[0] == "stopped"] == [("stopped", "Remote")]


def test_authorized_anew_while_the_last_session_ends() -> None:
    post = Post()
    post.charge()
    post[1].stop("Local")
    post[1].authorize()
    post.settle()
    assert ("stopped", "Local") in post.facts()
    assert post[1].state == "charging"


def test_after_a_stop_a_plugged_vehicle_gets_nothing_without_a_new_authorization() -> None:
    post = Post()
    post.charge()
    post[1].stop("Local")
    post.advance(100)
    assert not post[1].closed
    post[1].authorize()
    post.settle()
    assert post[1].closed


def test_unplugged_under_load_the_contactor_opens_first() -> None:
    post = Post()
    post.charge()
    post.sim.unplug(1)
    post.settle()
    told = post.facts(readings=True)
    # The meter sees the current end before the mirror contact confirms; that reading comes too.
    assert names(told)[-5:] == ["power_path", "reading", "stopped", "unplugged", "charging_state"]
    assert told[-5] == ("power_path", False)
    assert told[-3:] == [("stopped", "EVDisconnected"), ("unplugged", 1), ("charging_state", "Idle")]


def test_unplugged_before_authorization() -> None:
    post = Post()
    post.sim.plug(1)
    post.sim.unplug(1)
    assert post.facts() == [
        ("plugged", 1), ("charging_state", "EVConnected"), ("unplugged", 1), ("charging_state", "Idle"),
    ]  # fmt: skip


def test_replugged_before_the_end_was_told() -> None:
    post = Post()
    post.charge()
    post.sim.unplug(1)
    post.sim.plug(1)
    post.settle()
    told = [fact for fact in post.facts() if fact[0] in ("stopped", "unplugged", "plugged")]
    assert told == [("stopped", "EVDisconnected"), ("unplugged", 1), ("plugged", 1)]
    assert post[1].state == "occupied"


def test_E09_FR_01_reconnected_vehicle_needs_a_new_authorization() -> None:
    post = Post(stop_on_disconnect=True)
    post.charge()
    post.sim.unplug(1)
    post.advance(1)
    post.sim.plug(1)
    post.advance(1)
    assert not post[1].closed


def test_E10_session_survives_the_unplugged_vehicle() -> None:
    post = Post(stop_on_disconnect=False)
    post.charge()
    post.sim.unplug(1)
    post.settle()
    assert post.facts() == [("power_path", False), ("unplugged", 1), ("charging_state", "Idle")]
    assert post[1].authorized
    post.advance(30)
    post.sim.plug(1)
    post.settle()
    assert post.facts() == [
        ("plugged", 1), ("charging_state", "EVConnected"), ("power_path", True), ("charging_state", "Charging"),
    ]  # fmt: skip


def test_E10_FR_02_fixed_cable_not_plugged_in_again_in_time() -> None:
    post = Post(stop_on_disconnect=False, connection_timeout_s=60)
    post.charge()
    post.sim.unplug(1)
    post.settle()
    post.facts()
    post.advance(61)
    assert post.facts() == [("stopped", "Timeout")]


def test_vehicle_suspends_and_resumes() -> None:
    post = Post()
    post.charge()
    post.sim.suspend(1)
    post.settle()
    assert post.facts() == [("power_path", False), ("charging_state", "SuspendedEV")]
    assert post[1].offered_a == 32
    post.advance(1000)
    assert post.facts() == []
    post.sim.resume(1)
    post.settle()
    assert post.facts() == [("power_path", True), ("charging_state", "Charging")]


def test_vehicle_that_does_not_want_the_first_offer_counts_as_suspended_after_three_seconds() -> None:
    post = Post()
    post.sim.plug(1)
    post.sim.suspend(1)
    post[1].authorize()
    post.facts()
    post.advance(2.9)
    assert post.facts() == []
    post.advance(0.1)
    assert post.facts() == [("charging_state", "SuspendedEV")]


def test_limit_changes_while_charging_and_the_duty_cycle_follows() -> None:
    post = Post()
    post.charge(current=32)
    post[1].limit("schedule", 10.0)
    post.settle()
    assert post[1].why() == ("schedule", 10.0)
    assert post[1].offered_a == 10
    assert post.reading(1, "Current.Import", "L1") == 10
    assert post.reading(1, "Current.Offered") == 10
    post[1].limit("schedule", None)
    post.settle()
    assert post[1].why() == ("board", 32.0)
    assert post.reading(1, "Current.Import", "L1") == 32
    assert post.facts() == []


@pytest.mark.parametrize("limit_a", [0, 5.9])
def test_limit_too_low_for_any_duty_cycle_suspends(limit_a: float) -> None:
    post = Post()
    post.charge()
    post[1].limit("schedule", limit_a)
    assert post[1].offered_a is None
    post.settle()
    assert post.facts() == [("charging_state", "SuspendedEVSE"), ("power_path", False)]
    post[1].limit("schedule", 6)
    post.settle()
    assert post.facts() == [("power_path", True), ("charging_state", "Charging")]


def test_limit_of_zero_before_the_session() -> None:
    post = Post()
    post[1].limit("schedule", 0)
    post.sim.plug(1)
    post[1].authorize()
    post.advance(10)
    assert post.facts() == [("plugged", 1), ("charging_state", "EVConnected"), ("charging_state", "SuspendedEVSE")]
    assert not post[1].closed


def test_vehicle_that_keeps_drawing_is_cut_off_three_seconds_after_the_pause() -> None:
    post = Post()
    post.charge()
    post.sim.misbehave(1, "stubborn")
    post[1].limit("schedule", 0)
    post.advance(2.9)
    assert post[1].closed
    post.advance(0.1)
    assert not post[1].closed
    assert post[1].charging_state == "SuspendedEVSE"
    assert post[1].authorized


def test_limit_comes_back_before_the_vehicle_noticed() -> None:
    post = Post()
    post.charge()
    post[1].limit("schedule", 0)
    post[1].limit("schedule", 16)
    post.settle()
    assert post[1].closed and post[1].state == "charging"
    assert ("power_path", False) not in post.facts()


def test_unknown_limits_are_refused_and_change_nothing() -> None:
    post = Post()
    for limit_a in (-1, float("nan"), 1e9):
        with pytest.raises(UsageError, match="schedule"):
            post[1].limit("schedule", limit_a)
    with pytest.raises(UsageError, match="board"):
        post[1].limit("board", None)
    assert post[1].why() == ("board", 32.0)


def test_permit_false_lets_nothing_start() -> None:
    post = Post()
    post[1].permit(False)
    post.sim.plug(1)
    post[1].authorize()
    post.advance(10)
    assert not post[1].closed and post[1].offered_a is None
    post[1].permit(True)
    post.settle()
    assert post[1].closed


def test_permit_false_while_charging_does_not_end_the_session() -> None:
    post = Post()
    post.charge()
    post[1].permit(False)
    post.advance(10)
    assert post[1].closed and post.facts() == []
    post.sim.suspend(1)
    post.settle()
    post.sim.resume(1)
    post.settle()
    assert post[1].closed, "the session that was permitted goes on"
    post[1].stop("Local")
    post[1].authorize()
    post.advance(10)
    assert not post[1].closed, "the next one is not"


def test_free_vending_starts_with_the_plug_and_not_again_after_a_stop() -> None:
    post = Post(free_vending=True)
    post.sim.plug(1)
    post.settle()
    assert post[1].closed
    post[1].stop("Local")
    post.advance(10)
    assert post[1].state == "occupied"
    post.sim.unplug(1)
    post.sim.plug(1)
    post.settle()
    assert post[1].closed


def test_free_vending_goes_on_after_a_fault() -> None:
    post = Post(free_vending=True)
    post.sim.plug(1)
    post.settle()
    post.sim.fault(1, "OverVoltage")
    post.advance(10)
    assert post[1].state == "occupied"
    post.sim.clear(1, "OverVoltage")
    post.settle()
    assert post[1].closed


def test_cable_rating_limits() -> None:
    post = Post()
    post.sim.plug(1, current=32, cable_a=20)
    post[1].authorize()
    post.settle()
    assert post[1].why() == ("cable", 20.0)
    assert post[1].offered_a == 20
    post.sim.unplug(1)
    assert post[1].why() == ("board", 32.0)


def test_a_vehicle_with_more_phases_than_the_evse() -> None:
    post = Post()
    post.board.evses[1].phases = 1
    post.sim.outlet(1).phases = 1
    post.charge(phases=3, current=16)
    assert post[1].metering.phases() == 1
    assert post.reading(1, "Power.Active.Import") == 16 * 230


def test_commands_from_within_a_fact_are_obeyed_after_it() -> None:
    post = Post()
    post.listener = lambda *fact: post[1].stop("Local") if fact == ("power_path", 1, True) else None
    post.sim.plug(1)
    post[1].authorize()
    post.settle()
    assert ("stopped", "Local") in post.facts()
    assert not post[1].closed


def test_close_leaves_everything_safe_and_may_be_called_twice() -> None:
    post = Post("simulated-ac-2")
    post.charge(2)
    post[2].close()
    post[2].close()
    post.advance(100)
    outlet = post.sim.outlet(2)
    assert not outlet.contactor.closed
    assert outlet.vehicle.offer_a == 0
    assert post.facts(2) == []


def test_a_vehicle_that_is_there_at_the_start() -> None:
    post = Post(start=False)
    post.sim.plug(1)
    for controller in post.controllers.values():
        controller.start(post.loop)
    post.settle()
    assert post.facts() == [("plugged", 1), ("charging_state", "EVConnected")]


def test_unknown_pair_is_an_error_and_changes_nothing() -> None:
    post = Post()
    with pytest.raises(RuntimeError, match="timeout cannot happen in state idle"):
        post[1]._enter("timeout")
    assert post[1].state == "idle"
