"""The simulated hardware by itself: verbs, devices, vehicle and meter, without any controller."""

from __future__ import annotations

from typing import Any

import pytest

from hal.board import load_board
from hal.interfaces import FAULTS, HalError
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file

REGISTER = ("Energy.Active.Import.Register", None)


class Rig:
    """A started board; `heard` is what the devices of each EVSE reported, readings apart."""

    def __init__(self, name: str = "simulated-ac-2", **meter: Any) -> None:
        description = board_file(name)
        for table in description["meter"]:
            table.update(meter)
        self.loop = FakeLoop()
        self.board = load_board(description)
        self.sim = self.board.simulation
        self.heard: dict[int, list[tuple[Any, ...]]] = {id: [] for id in self.board.evses}
        self.readings: dict[int, list[tuple[Any, ...]]] = {id: [] for id in self.board.evses}
        self.tokens: list[tuple[Any, ...]] = []
        for id, evse in self.board.evses.items():
            for device in (evse.contactor, evse.pilot, *evse.locks.values(), *evse.sensors, evse.meter):
                device.start(self.loop, lambda event, *values, id=id: self.hear(id, event, *values))
        for reader, served in self.board.readers:
            reader.start(self.loop, lambda *values, served=served: self.tokens.append((served, *values)))
        self.loop.settle()
        self.clear()

    def hear(self, evse: int, event: str, *values: Any) -> None:
        if event == "reading":
            self.readings[evse].append(values)
        else:
            self.heard[evse].append((event, *values))

    def clear(self) -> None:
        for told in (*self.heard.values(), *self.readings.values()):
            told.clear()

    def charge(self, evse: int = 1, limit_a: float = 16, **vehicle: Any) -> None:
        devices = self.board.evses[evse]
        self.sim.plug(evse, **vehicle)
        devices.pilot.offer(limit_a)
        self.loop.settle()
        devices.contactor.switch(True)
        self.loop.settle()

    def values(self, evse: int = 1) -> dict[Any, float]:
        return self.readings[evse][-1][0]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_plug_has_reported_b_when_it_returns(rig: Rig) -> None:
    rig.sim.plug(1)
    assert rig.heard[1] == [("pilot", "B")]
    rig.sim.unplug(1)
    assert rig.heard[1][1] == ("pilot", "A")


def test_vehicle_asks_as_soon_as_power_is_offered_and_stops_when_it_is_not(rig: Rig) -> None:
    rig.sim.plug(1)
    rig.loop.advance(100)
    assert rig.heard[1] == [("pilot", "B")]
    rig.board.evses[1].pilot.offer(16)
    rig.loop.settle()
    assert rig.heard[1][-1] == ("pilot", "C")
    rig.board.evses[1].pilot.offer(None)
    rig.loop.settle()
    assert rig.heard[1][-1] == ("pilot", "B")


def test_suspend_and_resume(rig: Rig) -> None:
    rig.charge()
    rig.sim.suspend(1)
    assert rig.heard[1][-1] == ("pilot", "B")
    assert rig.values()["Current.Import", "L1"] == 0
    rig.sim.resume(1)
    assert rig.heard[1][-1] == ("pilot", "C")
    assert rig.values()["Current.Import", "L1"] == 16


def test_vehicle_answers_after_its_time(rig: Rig) -> None:
    rig.sim.outlet(1).vehicle.answer_s = 2.0
    rig.sim.plug(1)
    rig.board.evses[1].pilot.offer(16)
    rig.loop.advance(1.9)
    assert rig.heard[1] == [("pilot", "B")]
    rig.loop.advance(0.2)
    assert rig.heard[1][-1] == ("pilot", "C")


def test_contactor_confirms_after_its_time(rig: Rig) -> None:
    contactor = rig.board.evses[1].contactor
    contactor.delay_s = 0.2
    contactor.switch(True)
    rig.loop.advance(0.1)
    assert rig.heard[1] == []
    rig.loop.advance(0.1)
    assert rig.heard[1] == [("contactor", True)]
    contactor.switch(False)
    contactor.switch(True)
    rig.loop.advance(1)
    assert rig.heard[1] == [("contactor", True), ("contactor", True)], "the latest command counts"


def test_meter_reports_at_its_interval_when_asked_and_when_the_current_changes() -> None:
    rig = Rig(interval_s=10.0)
    rig.loop.advance(35)
    assert len(rig.readings[1]) == 3
    rig.board.evses[1].meter.read()
    rig.loop.settle()
    assert len(rig.readings[1]) == 4
    rig.charge(phases=3, current=10)
    assert len(rig.readings[1]) == 5


def test_values_of_a_reading(rig: Rig) -> None:
    rig.charge(phases=2, current=10, limit_a=16)
    rig.loop.advance(360)
    values = rig.values()
    assert values[REGISTER] == pytest.approx(460)
    assert values == {
        REGISTER: values[REGISTER],
        ("Power.Active.Import", None): 4600,
        ("Power.Active.Import", "L1"): 2300, ("Power.Active.Import", "L2"): 2300, ("Power.Active.Import", "L3"): 0,
        ("Current.Import", "L1"): 10, ("Current.Import", "L2"): 10, ("Current.Import", "L3"): 0,
        ("Voltage", "L1-N"): 230, ("Voltage", "L2-N"): 230, ("Voltage", "L3-N"): 230,
        ("Frequency", None): 50,
        ("Current.Offered", None): 16,
        ("Power.Offered", None): 11040,
        ("SoC", None): pytest.approx(20 + 460 / 600),
        ("Temperature", None): 27.5,
    }  # fmt: skip


def test_energy_is_exact_whatever_the_interval() -> None:
    for interval_s in (0.3, 1.0, 7.0, 100.0):
        rig = Rig(interval_s=interval_s)
        rig.charge(phases=1, current=32, limit_a=32)
        rig.loop.advance(1234.567)
        rig.board.evses[1].pilot.offer(6)
        rig.loop.advance(3600 - 1234.567)
        rig.sim.unplug(1)
        expected_wh = 230 * (32 * 1234.567 + 6 * (3600 - 1234.567)) / 3600
        assert rig.values()[REGISTER] == pytest.approx(expected_wh, abs=1e-3)


def test_meter_sets_the_register(rig: Rig) -> None:
    rig.sim.meter(2, 4711)
    assert rig.values(2)[REGISTER] == 4711


def test_signed_readings_at_start_and_end() -> None:
    signed = {"start": "S", "end": "E", "method": "ECDSA", "encoding": "OCMF", "public_key": "K"}
    rig = Rig(signed=signed)
    rig.sim.plug(1)
    rig.loop.advance(1)
    assert rig.readings[1][-1][1] == {"data": "S", "method": "ECDSA", "encoding": "OCMF", "public_key": "K"}
    rig.board.evses[1].pilot.offer(16)
    rig.board.evses[1].contactor.switch(True)
    rig.loop.advance(10)
    assert rig.readings[1][-1][1] is None
    rig.board.evses[1].contactor.switch(False)
    rig.loop.settle()
    assert rig.readings[1][-1][1]["data"] == "E"
    rig.sim.unplug(1)
    rig.loop.advance(1)
    assert rig.readings[1][-1][1]["data"] == "S"


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("evse", [1, 2])
def test_every_fault_can_be_injected_and_cleared(rig: Rig, evse: int, code: str) -> None:
    rig.sim.fault(evse, code)
    assert rig.heard[evse] == [("fault", code, "simulated")]
    rig.sim.clear(evse, code)
    assert rig.heard[evse][-1] == ("cleared", code)


def test_silent_meter_does_not_answer(rig: Rig) -> None:
    rig.sim.fault(1, "MeterSilent")
    rig.clear()
    rig.board.evses[1].meter.read()
    rig.loop.advance(60)
    assert rig.readings[1] == []
    rig.sim.clear(1, "MeterSilent")
    assert len(rig.readings[1]) == 1


def test_welded_contactor_stays_where_it_is(rig: Rig) -> None:
    rig.charge()
    rig.sim.fault(1, "WeldedContactor")
    rig.clear()
    rig.board.evses[1].contactor.switch(False)
    rig.loop.advance(1)
    assert rig.heard[1] == [] and rig.values()["Current.Import", "L1"] == 16
    rig.sim.clear(1, "WeldedContactor")
    assert rig.heard[1] == [("contactor", False), ("cleared", "WeldedContactor")]


def test_power_loss_opens_contactors_until_it_is_back(rig: Rig) -> None:
    rig.charge()
    rig.clear()
    rig.sim.power("loss")
    assert rig.heard[1] == [("fault", "PowerLoss", "simulated"), ("contactor", False)]
    assert rig.heard[2][0][1] == "PowerLoss"
    rig.board.evses[1].contactor.switch(True)
    rig.loop.settle()
    assert not rig.sim.outlet(1).contactor.closed
    rig.loop.advance(1)
    assert rig.values()["Frequency", None] == 0
    rig.sim.power("restore")
    assert rig.heard[1][-1] == ("cleared", "PowerLoss")


def test_emergency_stop_is_reported_everywhere(rig: Rig) -> None:
    rig.sim.emergency_stop(True)
    rig.sim.emergency_stop(False)
    for evse in (1, 2):
        assert rig.heard[evse] == [("fault", "EmergencyStop", "simulated"), ("cleared", "EmergencyStop")]


def test_lock_breaks_and_is_repaired(rig: Rig) -> None:
    lock = rig.board.evses[2].locks[1]
    lock.lock()
    rig.loop.settle()
    assert rig.heard[2] == [("lock", True)]
    rig.sim.lock(2, False)
    lock.unlock()
    rig.loop.settle()
    assert rig.heard[2][-1] == ("fault", "ConnectorLockFailure", "the lock does not unlock")
    assert lock.locked
    rig.sim.lock(2, True)
    assert rig.heard[2][-1] == ("cleared", "ConnectorLockFailure")


def test_cards(rig: Rig) -> None:
    rig.sim.swipe("AA")
    rig.sim.swipe("BB", kind="ISO15693", evses=[2])
    assert rig.tokens == [((1, 2), "token", "AA", "ISO14443"), ((2,), "token", "BB", "ISO15693")]


def test_card_at_a_shared_reader_meant_for_one_evse(rig: Rig) -> None:
    del rig.board.readers[1:]
    rig.sim.swipe("AA", evses=[2])
    assert rig.tokens == [((1, 2), "token", "AA", "ISO14443", (2,))]


def test_misbehaviour(rig: Rig) -> None:
    rig.charge(current=32, limit_a=10)
    assert rig.values()["Current.Import", "L1"] == 10
    rig.sim.misbehave(1, "greedy")
    assert rig.values()["Current.Import", "L1"] == 32
    rig.sim.misbehave(1, "greedy", False)
    assert rig.values()["Current.Import", "L1"] == 10
    rig.sim.misbehave(1, "stubborn")
    rig.board.evses[1].pilot.offer(None)
    rig.loop.settle()
    assert rig.heard[1][-1] == ("contactor", True), "no B: it keeps asking"
    assert rig.values()["Current.Import", "L1"] == 32
    rig.sim.misbehave(1, "short")
    assert rig.heard[1][-1] == ("pilot", "E")
    rig.sim.unplug(1)
    rig.sim.plug(1)
    assert rig.heard[1][-1] == ("pilot", "B"), "another vehicle, better manners"


def test_close_makes_safe_and_silent_and_may_be_repeated(rig: Rig) -> None:
    rig.charge()
    evse = rig.board.evses[1]
    for device in (evse.meter, evse.contactor, evse.pilot, *evse.sensors) * 2:
        device.close()
    rig.clear()
    rig.loop.advance(10)
    assert not rig.sim.outlet(1).contactor.closed and rig.sim.outlet(1).vehicle.offer_a == 0
    assert rig.heard[1] == [] and rig.readings[1] == []


WRONG = [
    ("plug", {"evse": 3}, "UnknownEvse"), ("plug", {"evse": None}, "UnknownEvse"),
    ("plug", {"evse": True}, "UnknownEvse"),
    ("plug", {"evse": 1, "phases": 4}, "Phases"), ("plug", {"evse": 1, "phases": True}, "Phases"),
    ("plug", {"evse": 1, "current": -1}, "Current"), ("plug", {"evse": 1, "current": "32"}, "Current"),
    ("unplug", {"evse": 0}, "UnknownEvse"), ("suspend", {"evse": 1}, "NoVehicle"), ("resume", {"evse": 1}, "NoVehicle"),
    ("misbehave", {"evse": 1, "trait": "rude"}, "Trait"), ("misbehave", {"evse": 1, "trait": "greedy"}, "NoVehicle"),
    ("swipe", {"token": 5}, "Token"), ("swipe", {"token": "A", "kind": 5}, "Token"),
    ("swipe", {"token": "A", "evses": [7]}, "UnknownEvse"), ("swipe", {"token": "A", "evses": []}, "NoReader"),
    ("fault", {"evse": 1, "code": "Nonsense"}, "UnknownFault"), ("fault", {"evse": 9, "code": "Tamper"}, "UnknownEvse"),
    ("clear", {"evse": 1, "code": ""}, "UnknownFault"), ("meter", {"evse": 1, "energy_wh": -1}, "Energy"),
    ("meter", {"evse": 1, "energy_wh": "1"}, "Energy"), ("meter", {"evse": 1, "energy_wh": float("nan")}, "Energy"),
    ("lock", {"evse": 1, "ok": False}, "NoLock"), ("power", {"event": "off"}, "Power"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "arguments", "code"), WRONG)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(rig: Rig, verb: str, arguments: Any, code: str) -> None:
    with pytest.raises(HalError) as caught:
        getattr(rig.sim, verb)(**arguments)
    assert caught.value.code == code
    rig.loop.settle()
    assert rig.heard == {1: [], 2: []}


def test_a_second_vehicle_does_not_fit(rig: Rig) -> None:
    rig.sim.plug(1)
    with pytest.raises(HalError, match="Occupied"):
        rig.sim.plug(1)
    rig.sim.unplug(2)
    assert rig.heard[2] == []
