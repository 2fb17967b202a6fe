"""Whole sessions of the station process with real drivers: OpenEVSE and PN532 emulated, a pymodbus meter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.shell.loop import Loop
from tests.support.csms import CsmsThread
from tests.support.modbusline import BAUD, ModbusLine, encode, fill, map_source
from tests.support.openevse import OpenEvse
from tests.support.outlets import BOARDS
from tests.support.pn532_emulator import Card, Line, Pn532Chip
from tests.support.station import Station

UID = bytes.fromhex("04a22b3c4d5e6f")
ENERGY_AT = 0x0048  # Eastron, float32, kWh

STATION = """
board = "board.toml"
[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]
security_profile = 0
[station]
vendor = "Acme"
model = "Test"
"""

# As long as a driver holds it; a reader on a busy machine looks every half second.
CARD_HELD_S = 1.2


class World:
    """What stands around the station; lives in a thread of its own. `do(call)` acts in it."""

    def __init__(self, directory: Path, loss_s: int) -> None:
        self.loop = Loop()
        self.evse = OpenEvse(self.loop)
        self.reader = Line(self.loop, directory, Pn532Chip())
        truth = dict.fromkeys(map_source("eastron-sdm120")["values"], 0.0)
        truth |= {"Voltage.L1-N": 230.0, "Frequency": 50.0, "Energy.Active.Import.Register": 1_000_000.0}
        self.meter = ModbusLine({1: fill("eastron-sdm120", truth)})
        self.meter.__enter__()
        self.directory = directory
        text = (BOARDS / "openevse.toml").read_text().replace("loss_s = 10", f"loss_s = {loss_s}")
        for device, path in (
            ("/dev/ttyUSB0", self.evse.path), ("/dev/ttyUSB1", self.meter.device), ("/dev/ttyUSB2", self.reader.device)
        ):  # fmt: skip
            text = text.replace(device, path)
        text = text.replace("unit = 1\n", "unit = 1\ntimeout_s = 3\n")  # the meter's threads share a busy machine
        (directory / "board.toml").write_text(text.replace("baud = 2400", f"baud = {BAUD}"))
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._ends.is_set():
            self.loop.run_once(0.02)

    def do(self, call: Callable[..., Any], *args: Any) -> None:
        self.loop.call_soon(call, *args)

    def energy(self, kwh: float) -> None:
        self.meter.registers[1][4].update(enumerate(encode(kwh, "float32"), ENERGY_AT))

    def charge(self) -> None:
        """A vehicle, and a card."""
        self.do(self.evse.plug)
        self.do(self.evse.ask, True)
        self.card()

    def card(self, uid: bytes = UID) -> None:
        """It is held before the reader for a moment."""
        self.do(self.reader.place, Card(uid))
        self.do(lambda: self.loop.call_later(CARD_HELD_S, self.reader.place, None))

    def close(self) -> None:
        self._ends.set()
        self._thread.join(5)
        self.meter.__exit__(None)
        self.evse.close()
        self.loop.close()


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(tmp_path, getattr(request, "param", 10))
    yield world
    world.close()


def started(csms: CsmsThread, directory: Path, version: str) -> Station:
    return Station(directory, csms.url, version, text=STATION.format(url=csms.url, version=version))


def status(station: Station) -> dict[str, Any]:
    evse: dict[str, Any] = station.control("status")["evses"][0]
    return evse


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_session_with_real_meter_reader_and_pilot(world: World, tmp_path: Path, version: str) -> None:
    with CsmsThread() as csms, started(csms, tmp_path, version) as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        station.wait(lambda: status(station)["register_wh"] is not None)
        world.charge()
        if version == "1.6":
            begun = csms.expect("StartTransaction").payload
            assert begun["idTag"] == UID.hex().upper() and begun["meterStart"] == 1_000_000
        else:
            csms.expect("TransactionEvent", lambda event: event["eventType"] == "Started")
            csms.expect("TransactionEvent", lambda event: event.get("idToken", {}).get("idToken") == UID.hex().upper())
        station.wait(lambda: world.evse.relay)
        assert world.evse.amperes == 32
        world.energy(1001.5)
        station.wait(lambda: status(station)["charging_state"] == "Charging")
        world.do(world.evse.unplug)
        if version == "1.6":
            ended = csms.expect("StopTransaction").payload
            assert ended["meterStop"] == 1_001_500 and ended["reason"] == "EVDisconnected"
        else:
            ended = csms.expect("TransactionEvent", lambda event: event["eventType"] == "Ended").payload
            assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
        assert not world.evse.relay
        assert station.stop() == 143
        assert world.evse.asleep


@pytest.mark.parametrize("world", [4], indirect=True, ids=["loss after 4 s"])
def test_a_meter_that_goes_silent_ends_the_session_as_the_board_says(world: World, tmp_path: Path) -> None:
    with CsmsThread() as csms, started(csms, tmp_path, "2.0.1") as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        station.wait(lambda: status(station)["register_wh"] is not None)
        world.charge()
        station.wait(lambda: world.evse.relay)
        world.meter.to_master = lambda data: b""  # the plug of the bus is pulled
        ended = csms.expect("TransactionEvent", lambda event: event["eventType"] == "Ended", limit_s=15).payload
        assert ended["transactionInfo"]["stoppedReason"] == "Other"
        assert not world.evse.relay and "MeterSilent" in status(station)["faults"]
        world.meter.to_master = lambda data: data
        station.wait(lambda: "MeterSilent" not in status(station)["faults"])


@pytest.mark.parametrize("world", [4], indirect=True, ids=["loss after 4 s"])
def test_a_meter_that_goes_silent_leaves_the_session_where_the_board_says_continue(
    world: World, tmp_path: Path
) -> None:
    board = tmp_path / "board.toml"
    board.write_text(board.read_text().replace('on_loss = "stop"', 'on_loss = "continue"'))
    with CsmsThread() as csms, started(csms, tmp_path, "1.6") as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        world.charge()
        station.wait(lambda: status(station)["charging_state"] == "Charging")
        world.meter.to_master = lambda data: b""  # the plug of the bus is pulled
        station.wait(lambda: "MeterSilent" in status(station)["faults"])
        assert world.evse.relay and status(station)["charging_state"] == "Charging"
        world.energy(1002.25)
        world.meter.to_master = lambda data: data
        station.wait(lambda: "MeterSilent" not in status(station)["faults"])
        world.do(world.evse.unplug)
        assert csms.expect("StopTransaction").payload["meterStop"] == 1_002_250


def test_a_station_whose_meter_never_answers_lets_nobody_charge(world: World, tmp_path: Path) -> None:
    """Ready two seconds later, with the fault told; the card is refused, so no transaction begins at register 0."""
    world.meter.to_master = lambda data: b""
    with CsmsThread() as csms, started(csms, tmp_path, "1.6") as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        assert "MeterSilent" in status(station)["faults"]
        world.charge()
        station.wait(lambda: status(station)["plugged"] is not None)
        csms.expect("StatusNotification", lambda said: said["errorCode"] == "PowerMeterFailure")
        assert not world.evse.relay and station.control("status")["queued"] == 0
        world.meter.to_master = lambda data: data
        station.wait(lambda: "MeterSilent" not in status(station)["faults"])
        world.card(UID[::-1])  # the first one would have to be away for a second
        assert csms.expect("StartTransaction").payload["meterStart"] == 1_000_000
