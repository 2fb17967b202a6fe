"""Faults during and outside sessions: contactor first, the right word, nothing that stays behind."""

from __future__ import annotations

import pytest

from evse.charging.faults import METER_FAULTS, NOTICES
from hal.interfaces import FAULTS
from tests.support.outlets import Post, board_file

STOPPING = [code for code in FAULTS if code not in NOTICES]
WORDS = {
    "GroundFailure": "GroundFault",
    "OverCurrentFailure": "OvercurrentFault",
    "EmergencyStop": "EmergencyStop",
    "PowerLoss": "PowerLoss",
}


@pytest.mark.parametrize("code", STOPPING)
def test_a_fault_ends_the_session_contactor_first(code: str) -> None:
    post = Post()
    post.charge()
    order: list[str] = []
    outlet = post.sim.outlet(1)
    switch, offer = outlet.contactor.switch, outlet.pilot.offer
    outlet.contactor.switch = lambda closed: (order.append("contactor"), switch(closed))
    outlet.pilot.offer = lambda limit_a: (order.append("pilot"), offer(limit_a))
    post.sim.fault(1, code)
    post.advance(1.5)
    told = post.facts()
    assert order == ["contactor", "pilot"]
    assert told[0] == ("fault", code, "simulated")
    assert told[-2:] == [("stopped", WORDS.get(code, "Other")), ("charging_state", "EVConnected")]
    assert ("power_path", False) in told or code == "WeldedContactor"
    post.sim.clear(1, code)
    post.settle()
    assert ("cleared", code) in post.facts()
    assert not post[1].closed and not post[1].authorized
    post[1].authorize()
    post.settle()
    assert post[1].closed, "charges again after a new authorization"


@pytest.mark.parametrize("code", STOPPING)
def test_a_present_fault_refuses_the_session(code: str) -> None:
    post = Post()
    post.sim.fault(1, code)
    post[1].authorize()
    post.advance(1.5)
    assert post.facts() == [("fault", code, "simulated"), ("stopped", WORDS.get(code, "Other"))]
    post.sim.plug(1)
    post.advance(10)
    assert not post[1].closed and post[1].offered_a is None


@pytest.mark.parametrize("code", NOTICES)
def test_a_notice_is_told_and_stops_nothing(code: str) -> None:
    post = Post()
    post.charge()
    post.sim.fault(1, code)
    post.sim.clear(1, code)
    post.advance(10)
    assert post.facts() == [("fault", code, "simulated"), ("cleared", code)]
    assert post[1].closed


def test_the_more_telling_fault_gives_the_reason_even_if_it_comes_second() -> None:
    post = Post()
    post.charge()
    post.sim.fault(1, "OtherError")
    post.sim.fault(1, "GroundFailure")
    post.settle()
    assert ("stopped", "GroundFault") in post.facts()


def test_a_repeated_fault_is_told_once() -> None:
    post = Post()
    post.sim.fault(1, "Tamper")
    post.sim.fault(1, "Tamper")
    post.sim.clear(1, "Tamper")
    post.sim.clear(1, "Tamper")
    assert post.facts() == [("fault", "Tamper", "simulated"), ("cleared", "Tamper")]


def test_contactor_that_does_not_close() -> None:
    post = Post(contactor_timeout_s=1.0)
    post.sim.outlet(1).contactor.dead = True
    post.sim.plug(1)
    post[1].authorize()
    post.advance(0.9)
    assert ("fault", "PowerSwitchFailure", "the contactor did not close") not in post.facts()
    post.advance(1.2)
    told = post.facts()
    assert told[0] == ("fault", "PowerSwitchFailure", "the contactor did not close")
    assert ("stopped", "Other") in told
    post.sim.outlet(1).contactor.dead = False
    post[1].authorize()
    post.advance(2)
    assert ("stopped", "Other") in post.facts(), "refused while the fault is present"
    post.sim.unplug(1)
    assert ("cleared", "PowerSwitchFailure") in post.facts()
    post.charge()


def test_contactor_that_opens_by_itself() -> None:
    post = Post()
    post.charge()
    post.sim.outlet(1).contactor._move(False)
    post.advance(0.1)
    told = post.facts()
    assert told[:2] == [("power_path", False), ("fault", "PowerSwitchFailure", "the contactor opened by itself")]
    assert ("stopped", "Other") in told


def test_welded_contactor_is_found_and_latched() -> None:
    post = Post(contactor_timeout_s=1.0)
    post.charge()
    post.sim.outlet(1).contactor.stuck = True
    post[1].stop("Local")
    post.advance(0.99)
    assert post.facts() == []
    post.advance(1.1)
    told = post.facts()
    assert told[0] == ("fault", "WeldedContactor", "told to open, still closed")
    assert ("stopped", "Local") in told and ("power_path", False) not in told
    post.sim.unplug(1)
    post.advance(100)
    assert "WeldedContactor" in post[1].faults.present
    post.sim.outlet(1).contactor.report("cleared", "WeldedContactor")
    assert "WeldedContactor" in post[1].faults.present, "not cleared while the mirror contact says closed"
    post.sim.clear(1, "WeldedContactor")
    post.settle()
    assert not post[1].faults.present and not post[1].closed


def test_contactor_found_closed_at_the_start_is_welded() -> None:
    post = Post(start=False)
    contactor = post.sim.outlet(1).contactor
    post.controllers[1].start(post.loop)
    contactor.closed = True
    contactor.report("contactor", True)
    contactor.stuck = True
    post.advance(2)
    assert "WeldedContactor" in post[1].faults.present


def test_a_late_mirror_contact_is_no_weld() -> None:
    post = Post(contactor_timeout_s=1.0)
    post.sim.outlet(1).contactor.delay_s = 0.5
    post.sim.plug(1)
    post[1].authorize()
    post.advance(0.6)
    assert post[1].closed
    post[1].stop("Local")
    post.advance(0.4)
    assert post[1].closed
    post.advance(0.2)
    assert not post[1].closed and not post[1].faults.present


@pytest.mark.parametrize("change", ["suspend", "unplug"])
def test_vehicle_changes_its_mind_while_the_contactor_closes(change: str) -> None:
    post = Post()
    post.sim.outlet(1).contactor.delay_s = 0.2
    post.sim.plug(1)
    post[1].authorize()
    post.advance(0.1)
    assert post[1].state == "closing"
    getattr(post.sim, change)(1)
    post.advance(0.5)
    assert not post[1].closed and not post[1].faults.present
    assert post[1].state == ("resting" if change == "suspend" else "idle")


def test_vehicle_changes_its_mind_twice_while_the_contactor_closes() -> None:
    post = Post()
    post.sim.outlet(1).contactor.delay_s = 0.2
    post.sim.plug(1)
    post[1].authorize()
    post.advance(0.1)
    post.sim.suspend(1)
    post.advance(0.05)
    post.sim.resume(1)
    post.advance(0.1)
    assert not post[1].closed
    post.advance(0.2)
    assert post[1].closed and post[1].state == "charging"


def test_contactor_does_not_close_again_too_soon() -> None:
    post = Post(min_close_interval_s=10.0)
    post.sim.plug(1)
    post[1].authorize()
    post.advance(9.9)
    assert not post[1].closed, "counts from the start of the program, too"
    post.advance(0.2)
    assert post[1].closed
    post.sim.suspend(1)
    post.advance(2)
    post.sim.resume(1)
    post.advance(7.8)
    assert not post[1].closed and post[1].charging_state == "SuspendedEV"
    post.advance(0.3)
    assert post[1].closed


@pytest.mark.parametrize("letter", ["E", "F", None])
def test_bad_or_lost_pilot_ends_the_session(letter: str | None) -> None:
    post = Post()
    post.charge()
    post.sim.outlet(1).pilot.report("pilot", letter)
    post.settle()
    told = post.facts()
    assert told[0] == ("fault", "EVCommunicationError", f"control pilot {letter or 'lost'}")
    assert told[1] == ("power_path", False)
    assert ("stopped", "Other") in told
    assert ("cleared", "EVCommunicationError") in told, "the vehicle answered the withdrawn offer with B"


def test_short_circuit_by_the_vehicle_and_its_departure() -> None:
    post = Post()
    post.charge()
    post.sim.misbehave(1, "short")
    post.settle()
    post.facts()
    post.sim.unplug(1)
    post.settle()
    assert post.facts() == [("cleared", "EVCommunicationError"), ("unplugged", 1), ("charging_state", "Idle")]


def test_missing_diode_is_a_fault_until_the_vehicle_is_gone() -> None:
    post = Post()
    post.sim.plug(1)
    post.sim.misbehave(1, "diode")
    post[1].authorize()
    post.settle()
    assert "DiodeFault" in post[1].faults.present and not post[1].closed
    assert ("stopped", "Other") in post.facts()
    post.sim.unplug(1)
    post.settle()
    assert not post[1].faults.present


def test_vehicle_that_draws_more_than_offered_is_cut_off() -> None:
    post = Post()
    post.charge(current=32)
    post[1].limit("schedule", 10)
    post.sim.misbehave(1, "greedy")
    post.advance(6.5)
    assert post[1].closed
    post.advance(3)
    assert not post[1].closed
    told = post.facts()
    assert ("fault", "OverCurrentFailure", "32 A drawn, 10 A offered") in told
    assert ("stopped", "OvercurrentFault") in told
    post.sim.unplug(1)
    assert not post[1].faults.present


def test_emergency_stop_ends_every_session() -> None:
    post = Post("simulated-ac-2")
    post.charge(1)
    post.charge(2)
    post.sim.emergency_stop(True)
    post.settle()
    for evse in (1, 2):
        assert ("stopped", "EmergencyStop") in post.facts(evse)
    post.sim.emergency_stop(False)
    assert ("cleared", "EmergencyStop") in post.facts(2)


def test_power_loss_ends_the_session_and_unlocks() -> None:
    post = Post("simulated-ac-2")
    post.charge(2, phases=3)
    post.advance(3600)
    post.facts(2)
    post.sim.power("loss")
    post.settle()
    told = post.facts(2)
    assert told[0][:2] == ("fault", "PowerLoss")
    assert ("stopped", "PowerLoss") in told
    assert not post.sim.outlet(2).locks[0].locked
    assert post.reading(2, "Voltage", "L1-N") == 0
    assert post.reading(2, "Energy.Active.Import.Register") == pytest.approx(3 * 16 * 230)
    post[2].authorize()
    post.advance(2)
    assert not post[2].closed
    post.sim.power("restore")
    post[2].authorize()
    post.settle()
    assert post[2].closed


def test_silent_meter_stops_or_continues_as_the_board_says() -> None:
    for on_loss in ("stop", "continue"):
        board = board_file("simulated-ac-1")
        board["meter"][0]["on_loss"] = on_loss
        post = Post(board)
        post.charge()
        post.sim.outlet(1).meter.silent = True
        post.advance(9)
        assert post.facts() == []
        post.advance(3)
        told = post.facts()
        assert told[0] == ("fault", "MeterSilent", "no reading for 10 s")
        assert (("stopped", "Other") in told) == (on_loss == "stop")
        assert post[1].closed == (on_loss == "continue")
        post.sim.outlet(1).meter.silent = False
        post.advance(2)
        assert post.facts() == [("cleared", "MeterSilent")]


@pytest.mark.parametrize("code", METER_FAULTS)
def test_meter_fault_without_consequence_where_the_board_says_continue(code: str) -> None:
    board = board_file("simulated-ac-1")
    board["meter"][0]["on_loss"] = "continue"
    post = Post(board)
    post.charge()
    post.sim.fault(1, code)
    post.advance(60)
    assert post[1].closed
