"""The contract that every driver keeps (hal/interfaces.py), real ones against their emulated worlds.

Token readers, whose worlds are of another kind, keep theirs in tests/hal/test_readers.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.board import DRIVERS, load_board
from hal.interfaces import FAULTS
from tests.support.actuators import Contact, Controller, Plant, Post, Socket
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.modbusline import BAUD, ModbusLine, fill, map_source
from tests.support.outlets import board_file

# event: number of values
EVENTS = dict.fromkeys(("contactor", "pilot", "phases", "cable", "temperature", "parking", "lock", "cleared"), 1)
EVENTS |= dict.fromkeys(("reading", "fault", "token"), 2)


class Rig:
    """A device that is not started; `run` lets time pass, `ends` undoes the world."""

    def __init__(self, loop: Any, device: Any, *others: Any, ends: Callable[[], Any] = lambda: None) -> None:
        self.loop = loop
        self.device = device
        self.others = others  # parts of the same hardware, started with it
        self.heard: list[tuple[Any, ...]] = []
        self.ends = ends

    def start(self) -> None:
        for device in (*self.others, self.device):
            device.start(self.loop, lambda *event: self.heard.append(event))
        self.run(1)

    def run(self, seconds: float) -> None:
        """The clock moves in steps between which terminals can talk."""
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.advance(min(0.1, end - self.loop.now))
            self.loop.breathe()

    def hears(self, event: tuple[Any, ...], within_s: int = 5) -> bool:
        """Whether it is told soon: in 1 s, but for a terminal on a busy machine."""
        return any(self.run(1) or event in self.told() for _ in range(within_s))

    def close(self) -> None:
        for device in (*self.others, self.device):
            device.close()

    def told(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard

    vehicle: Any = None  # shows a letter, where there is a pilot


def simulated(kind: str) -> Callable[[Path], Rig]:
    def make(root: Path) -> Rig:
        loop = FakeLoop()
        board = load_board(board_file("simulated-ac-2"))
        evse = board.evses[2]
        devices = {"lock": evse.locks[1], "sensor": evse.sensors[0]}
        rig = Rig(loop, devices.get(kind) or getattr(evse, kind))

        def vehicle(letter: str) -> None:
            (board.simulation.unplug if letter == "A" else board.simulation.plug)(2)

        rig.vehicle = vehicle
        return rig

    return make


def gpio_contactor(root: Path) -> Rig:
    plant = Plant(root, min_close_interval_s=0)
    return Rig(plant.loop, plant.contactor)


def phase_switch(root: Path) -> Rig:
    kernel = FakeKernel(root)
    kernel.chip("chip", {0: "L23"})
    board = board_file("simulated-ac-1")
    board["gpio"] = {"l23": {"line": "L23", "direction": "out", "safe": "inactive"}}
    board["evse"][0]["phase_switch"] = {"driver": "gpio", "coil": "l23"}
    return Rig(FakeLoop(), load_board(board, kernel=kernel).evses[1].phase_switch)


def simulated_phase_switch(root: Path) -> Rig:
    board = board_file("simulated-ac-1")
    board["evse"][0]["phase_switch"] = {"driver": "simulated"}
    return Rig(FakeLoop(), load_board(board).evses[1].phase_switch)


def openevse(kind: str) -> Callable[[Path], Rig]:
    def make(root: Path) -> Rig:
        post = Post(FakeLoop())
        one, other = post.devices.contactor, post.devices.pilot
        rig = Rig(post.loop, *((one, other) if kind == "contactor" else (other, one)), ends=post.peer.close)

        def vehicle(letter: str) -> None:
            (post.peer.unplug if letter == "A" else post.peer.plug)()
            if letter == "C":
                post.peer.ask(True)

        rig.vehicle = vehicle
        return rig

    return make


def controller(kind: str) -> Callable[[Path], Rig]:
    def make(root: Path) -> Rig:
        world = Controller(FakeLoop(), root)
        world.devices.contactor.close()
        one, other = world.devices.contactor, world.devices.pilot
        other.close()
        rig = Rig(world.loop, *((one, other) if kind == "contactor" else (other, one)), ends=world.close)

        def vehicle(letter: str) -> None:
            world.letter = " ABC".index(letter)

        rig.vehicle = vehicle
        return rig

    return make


def pwm_pilot(root: Path) -> Rig:
    contact = Contact(root, FakeLoop())
    rig = Rig(contact.loop, contact.pilot)
    rig.vehicle = contact.show
    return rig


def motor_lock(root: Path) -> Rig:
    socket = Socket(root, feedback="switch")
    return Rig(socket.loop, socket.lock)


def fault_input(index: int) -> Callable[[Path], Rig]:
    def make(root: Path) -> Rig:
        plant = Plant(root)
        rig = Rig(plant.loop, plant.board.evses[1].sensors[index])
        rig.vehicle = lambda letter: (plant.stop, plant.trip)[index].drive(letter == "C")
        return rig

    return make


def parking(root: Path) -> Rig:
    kernel = FakeKernel(root)
    kernel.chip("chip", {0: "BAY"})
    board = board_file("simulated-ac-1")
    board["gpio"] = {"bay": {"line": "BAY", "direction": "in"}}
    board["evse"][0]["sensor"] = [{"driver": "parking", "line": "bay"}]
    rig = Rig(FakeLoop(), load_board(board, kernel=kernel).evses[1].sensors[0])
    rig.vehicle = lambda letter: kernel.wires["BAY"].drive(letter != "A")
    return rig


def simulated_parking(root: Path) -> Rig:
    board_table = board_file("simulated-ac-1")
    board_table["evse"][0]["sensor"] = [{"driver": "simulated-parking"}]
    board = load_board(board_table)
    rig = Rig(FakeLoop(), board.evses[1].sensors[0])
    rig.vehicle = lambda letter: (board.simulation.leave if letter == "A" else board.simulation.park)(1)
    return rig


def temperature(root: Path) -> Rig:
    kernel = FakeKernel(root)
    degrees = kernel.hwmon("1-0048", "lm75", 25_000)
    board = board_file("simulated-ac-1")
    board["evse"][0]["sensor"] = [{"driver": "temperature", "source": "hwmon", "device": "1-0048"}]
    rig = Rig(FakeLoop(), load_board(board, kernel=kernel).evses[1].sensors[0])

    def vehicle(letter: str) -> None:
        degrees.write_text("71000" if letter == "C" else "25000")
        rig.run(5)

    rig.vehicle = vehicle
    return rig


def modbus_meter(root: Path) -> Rig:
    truth = dict.fromkeys(map_source("eastron-sdm630")["values"], 1.0)
    line = ModbusLine({1: fill("eastron-sdm630", truth)})
    line.__enter__()
    board = board_file("simulated-ac-1")
    board["serial"] = {"bus": {"device": line.device, "baud": BAUD}}
    meter = {"id": "main", "driver": "modbus", "model": "eastron-sdm630", "port": "bus", "unit": 1}
    board["meter"] = [meter]
    return Rig(FakeLoop(), load_board(board).evses[1].meter, ends=lambda: line.__exit__(None))


def led(driver: str) -> Callable[[Path], Rig]:
    def make(root: Path) -> Rig:
        kernel = FakeKernel(root)
        kernel.chip("chip", {0: "LAMP"})
        kernel.led("lamp")
        board = board_file("simulated-ac-1")
        board["gpio"] = {"lamp": {"line": "LAMP", "direction": "out", "safe": "inactive"}}
        board["led"] = [{"driver": driver, "line": "lamp"} if driver == "gpio" else {"driver": driver, "name": "lamp"}]
        return Rig(FakeLoop(), load_board(board, kernel=kernel).leds[0])

    return make


RIGS: dict[tuple[str, str], Callable[[Path], Rig]] = {
    **{(kind, "simulated"): simulated(kind) for kind in ("pilot", "contactor", "lock", "meter", "sensor")},
    ("contactor", "gpio"): gpio_contactor,
    ("contactor", "openevse"): openevse("contactor"),
    ("contactor", "chargebyte-mcu"): controller("contactor"),
    ("phase_switch", "gpio"): phase_switch,
    ("phase_switch", "simulated"): simulated_phase_switch,
    ("pilot", "pwm"): pwm_pilot,
    ("pilot", "openevse"): openevse("pilot"),
    ("pilot", "chargebyte-mcu"): controller("pilot"),
    ("lock", "motor"): motor_lock,
    ("sensor", "gpio"): fault_input(0),
    ("sensor", "rcd"): fault_input(1),
    ("sensor", "temperature"): temperature,
    ("sensor", "parking"): parking,
    ("sensor", "simulated-parking"): simulated_parking,
    ("meter", "modbus"): modbus_meter,
    ("led", "gpio"): led("gpio"),
    ("led", "class"): led("class"),
}
COMMANDS: dict[str, list[Callable[[Any], Any]]] = {
    "contactor": [lambda device: device.switch(True), lambda device: device.switch(False)],
    "pilot": [lambda device: device.offer(16), lambda device: device.offer(None), lambda device: device.offer(0)],
    "phase_switch": [lambda device: device.select(3), lambda device: device.select(1)],
    "lock": [lambda device: device.lock(), lambda device: device.unlock()],
    "meter": [lambda device: device.read()],
    "led": [lambda device: device.show(1, "charging")],
    "sensor": [],
}


def test_every_driver_is_here() -> None:
    drivers = {(kind, name) for kind, names in DRIVERS.items() for name in names if kind != "reader"}
    assert set(RIGS) == drivers


@pytest.fixture(params=sorted(RIGS), ids="-".join)
def case(request: Any, tmp_path: Path) -> Iterator[tuple[str, Rig]]:
    kind, name = request.param
    rig = RIGS[kind, name](tmp_path)
    yield kind, rig
    rig.close()
    rig.ends()
    rig.loop.close()


def of_kind(*kinds: str) -> Any:
    chosen = [key for key in sorted(RIGS) if key[0] in kinds]
    return pytest.mark.parametrize("case", chosen, ids=["-".join(key) for key in chosen], indirect=True)


def test_reports_only_what_the_interface_knows(case: tuple[str, Rig]) -> None:
    kind, rig = case
    rig.start()
    for command in COMMANDS[kind]:
        command(rig.device)
        rig.run(1.5)
    if rig.vehicle:
        rig.vehicle("C")
        rig.run(1)
    for event, *values in rig.told():
        assert len(values) == EVENTS[event], event
        if event in ("fault", "cleared"):
            assert values[0] in FAULTS


def test_closed_twice_it_is_silent_and_keeps_nothing_open(case: tuple[str, Rig]) -> None:
    kind, rig = case
    before = sorted(os.listdir("/proc/self/fd"))
    rig.start()
    for command in COMMANDS[kind]:
        command(rig.device)
    rig.run(0.3)
    rig.close()
    rig.close()
    rig.told()
    if rig.vehicle:
        rig.vehicle("B")
    for command in COMMANDS[kind]:
        command(rig.device)
    rig.run(3)
    assert rig.told() == []
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_commands_before_the_start_do_no_harm(case: tuple[str, Rig]) -> None:
    kind, rig = case
    for command in COMMANDS[kind]:
        command(rig.device)
    assert rig.told() == []
    rig.close()


def test_started_again_it_works_as_at_first(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    first = rig.told()
    rig.close()
    rig.start()
    again = rig.told()
    assert {event[:2] for event in again if event[0] != "reading"} == {
        event[:2] for event in first if event[0] != "reading"
    }


@of_kind("contactor")
def test_a_contactor_says_where_it_is_at_the_start_and_confirms_opening(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    assert ("contactor", False) in rig.told()
    rig.device.switch(False)
    rig.run(0.5)
    assert ("contactor", False) in rig.told()


@of_kind("contactor")
def test_a_contactor_confirms_both_ways(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    pilot = next((other for other in rig.others if hasattr(other, "offer")), None)
    if pilot is not None:  # it closes only for a vehicle that asks
        rig.vehicle("C")
        pilot.offer(16)
        rig.run(1)
    for closed in (True, False):
        rig.told()
        rig.device.switch(closed)
        assert rig.hears(("contactor", closed))


@of_kind("phase_switch")
def test_a_phase_switch_says_where_it_is_at_the_start_and_each_time(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    assert rig.told()[-1] == ("phases", 1)
    for phases in (3, 3, 1, 1):
        rig.device.select(phases)
        rig.run(0.5)
        assert rig.told()[-1] == ("phases", phases)


@of_kind("pilot")
def test_a_pilot_tells_the_letter_at_the_start_and_each_change_once(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    assert ("pilot", "A") in rig.told()
    rig.vehicle("B")
    rig.run(1)
    assert [event for event in rig.told() if event[0] == "pilot"] == [("pilot", "B")]
    rig.vehicle("A")
    rig.run(1)
    assert [event for event in rig.told() if event[0] == "pilot"] == [("pilot", "A")]


@of_kind("lock")
def test_a_lock_tells_where_it_is_and_answers_every_order(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    assert ("lock", False) in rig.told()
    for locked in (True, True, False, False):
        (rig.device.lock if locked else rig.device.unlock)()
        rig.run(1)
        assert rig.told()[-1] == ("lock", locked)


@of_kind("meter")
def test_a_meter_reads_by_itself_and_when_asked(case: tuple[str, Rig]) -> None:
    _, rig = case
    rig.start()
    rig.run(2)
    readings = [event for event in rig.told() if event[0] == "reading"]
    assert len(readings) >= 2
    rig.device.read()
    rig.run(0.5)
    event, values, signed = rig.told()[0]
    assert event == "reading" and signed is None
    assert isinstance(values["Energy.Active.Import.Register", None], float)


@pytest.mark.parametrize("key", [key for key in sorted(RIGS) if key[0] != "meter"], ids="-".join)
def test_runs_on_an_asyncio_loop_too(key: tuple[str, str], tmp_path: Path) -> None:
    """An integrator embeds drivers where asyncio lives."""
    rig = RIGS[key](tmp_path)
    heard: list[tuple[Any, ...]] = []

    async def live() -> None:
        loop = asyncio.get_running_loop()
        for device in (*rig.others, rig.device):
            device.start(loop, lambda *event: heard.append(event))
        for command in COMMANDS[key[0]]:
            command(rig.device)
        await asyncio.sleep(0.15)
        rig.close()

    asyncio.run(live())
    rig.ends()
    rig.loop.close()
    assert all(len(values) == EVENTS[event] for event, *values in heard)
