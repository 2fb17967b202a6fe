"""Modbus meters: every map against a pymodbus server, and what a line does to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes

from hal import meterfile
from hal.board import Board
from hal.boardfile import check
from hal.drivers.modbus_meter import REGISTER, ModbusMeter, decode, make_meter
from tests.support.fakeloop import FakeLoop
from tests.support.modbusline import BAUD, ModbusLine, encode, fill, map_source, pass_time
from tests.support.outlets import Post, board_file

Table = dict[str, Any]
DIRECTORY = Path(meterfile.DIRECTORY)
MODELS = meterfile.names()


def measured(model: str, sign: int) -> tuple[dict[str, float], dict[tuple[str, str | None], float]]:
    """Values that differ for each name, and the readings that must come of them."""
    truth: dict[str, float] = {}
    wanted: dict[tuple[str, str | None], float] = {}
    for number, (name, value) in enumerate(map_source(model)["values"].items(), 1):
        measurand, phase = meterfile.split_name(name)
        amount = {"Energy": 1_000_000.0 + 1000 * number, "Voltage": 200.0 + number, "Power": 1000.0 + 10 * number}.get(
            measurand.split(".")[0], float(number)
        )
        if measurand == "Power.Factor":
            amount = 0.5
        if measurand in ("Power.Active", "Power.Reactive", "Current") and not is_unsigned(model, value):
            truth[name] = sign * amount
        else:
            truth[name] = amount
        if measurand == "Current":
            wanted["Current.Import", phase] = amount
        elif measurand in ("Power.Active", "Power.Reactive"):
            wanted[measurand + ".Import", phase] = max(truth[name], 0.0)
            wanted[measurand + ".Export", phase] = max(-truth[name], 0.0)
        else:
            wanted[measurand, phase] = truth[name]
    return truth, wanted


def is_unsigned(model: str, value: Table) -> bool:
    type = value.get("type", map_source(model).get("type", ""))
    return type.startswith("uint") or type == "decimal32"


class Rig:
    """Meters of a board on a line, on a loop whose clock moves as fast as the line needs it."""

    def __init__(self, line: ModbusLine, **port: Any) -> None:
        self.line = line
        self.loop = FakeLoop()
        self.board = Board("rig")
        self.board.resources = {"serial": {"bus": {"device": line.device, "baud": BAUD, **port}}}
        self.meters: list[ModbusMeter] = []
        self.readings: list[dict[tuple[str, str | None], float]] = []
        self.events: list[tuple[Any, ...]] = []

    def meter(self, model: str, unit: int = 1, **options: Any) -> ModbusMeter:
        meter = make_meter({"port": "bus", "unit": unit, "model": model, **options}, 1, self.board)
        self.meters.append(meter)
        meter.start(self.loop, self.hear)
        return meter

    def hear(self, event: str, *values: Any) -> None:
        if event == "reading":
            self.readings.append(values[0])
        self.events.append((event, *values))

    def until(self, condition: Any, limit_s: float = 30.0) -> None:
        end = self.loop.now + limit_s
        while not condition():
            assert self.loop.now < end, "what was waited for did not happen"
            pass_time(self.loop, self.meters[0]._bus)

    def reading(self) -> dict[tuple[str, str | None], float]:
        """The next reading."""
        count = len(self.readings)
        self.until(lambda: len(self.readings) > count)
        return self.readings[-1]

    def close(self) -> None:
        for meter in self.meters:
            meter.close()
            meter.close()
        self.loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ModbusLine]:
    with ModbusLine({1: {3: {}, 4: {}}, 2: {3: {}, 4: {}}}) as line:
        yield line


@pytest.fixture
def line(server: ModbusLine) -> Iterator[ModbusLine]:
    unchanged = (server.to_server, server.to_master)
    yield server
    server.to_server, server.to_master = unchanged
    server.echo = False
    server.refuse.clear()
    server.asked.clear()


@pytest.fixture
def rig(line: ModbusLine) -> Iterator[Rig]:
    rig = Rig(line)
    yield rig
    rig.close()


# Maps


def test_there_are_maps_enough() -> None:
    assert len(MODELS) >= 25


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_measured_is_read(rig: Rig, model: str, sign: int) -> None:
    truth, wanted = measured(model, sign)
    rig.line.registers[1] = fill(model, truth)
    meter = rig.meter(model, signing=False)
    got = rig.reading()
    assert got.keys() == wanted.keys()
    assert {measurand for measurand, _ in got} == {*meter.measurands}
    assert got == {key: pytest.approx(value, rel=1e-6, abs=1e-3) for key, value in wanted.items()}
    blocks = meterfile.load(model)["blocks"]
    assert len(rig.line.asked) == len(blocks)
    assert all(count <= map_source(model).get("max_registers", 125) for _, _, _, count in rig.line.asked)


@pytest.mark.parametrize(
    "model", ["eastron-sdm630", "eastron-sdm72d-m-v2", "eastron-sdm230", "eastron-sdm54", "bauer-bsm-ws36a"]
)
def test_one_request_where_the_map_allows(model: str) -> None:
    assert len(meterfile.load(model)["blocks"]) == 1


def test_recorded_frames_of_makers() -> None:
    """[Eastron SDM630 protocol description; a recorded ET112 frame]"""
    for model, answer, volts in (
        ("eastron-sdm630", "43663334", 230.2),
        ("carlo-gavazzi-et112", "091b0000", 233.1),
    ):
        map = meterfile.load(model)
        data = bytes.fromhex(answer)
        answers = [(data + bytes(2 * block[2]))[: 2 * block[2]] for block in map["blocks"]]
        assert decode(map, answers)["Voltage", "L1-N"] == pytest.approx(volts)


def test_values_are_exact_where_decimals_are() -> None:
    map = meterfile.compile_map({"name": "x", "type": "uint32", "values": {REGISTER[0]: {"at": 0, "scale": 0.1}}})
    assert decode(map, [(2301).to_bytes(4, "big")]) == {REGISTER: 230.1}


@pytest.mark.parametrize(
    ("type", "missing", "raw", "there"),
    [
        ("uint32", ["ones"], "ffffffff", False),
        ("uint32", ["ones"], "fffffffe", True),
        ("int32", ["ones"], "7fffffff", False),
        ("int16", ["least"], "8000", False),
        ("uint16", ["least"], "8000", True),
        ("uint16", [7], "0007", False),
        ("float32", [], "7fc00000", False),
        ("float32", [], "ff800000", False),
        ("float64", [], "7ff0000000000000", False),
    ],
)
def test_not_available_is_left_out(type: str, missing: list[Any], raw: str, there: bool) -> None:
    values = {REGISTER[0]: {"at": 0, "type": "uint16", "missing": []}, "Frequency": {"at": 1, "type": type}}
    map = meterfile.compile_map({"name": "x", "missing": missing, "values": values})
    got = decode(map, [b"\0\1" + bytes.fromhex(raw)])
    assert got[REGISTER] == 1.0 and (("Frequency", None) in got) == there


@pytest.mark.parametrize(("exponent", "wanted"), [(-1, 12.3), (0, 123.0), (3, 123000.0), (-32768, None), (11, None)])
def test_scale_register(exponent: int, wanted: float | None) -> None:
    values = {REGISTER[0]: {"at": 0, "type": "uint16"}, "Frequency": {"at": 1, "type": "int16", "scale_at": 2}}
    map = meterfile.compile_map({"name": "x", "values": values})
    got = decode(map, [bytes((0, 1, 0, 123)) + exponent.to_bytes(2, "big", signed=True)])
    assert got.get(("Frequency", None)) == wanted


@pytest.mark.parametrize(
    ("type", "raw", "wanted"),
    [
        ("decimal32", "fe000901", 23.05),
        ("decimal32", "ffffffff", 1677721.5),
        ("signed_decimal32", "ff800000", -838860.8),
        ("signed_decimal32", "02ffffff", -100.0),
        ("decimal32", "00000000", 0.0),
    ],
)
def test_decimal_exponent_and_mantissa(type: str, raw: str, wanted: float) -> None:
    values = {REGISTER[0]: {"at": 0, "type": "uint16"}, "Frequency": {"at": 1, "type": type}}
    map = meterfile.compile_map({"name": "x", "values": values})
    assert decode(map, [b"\0\1" + bytes.fromhex(raw)])["Frequency", None] == pytest.approx(wanted)


@given(st.sampled_from(MODELS), st.data())
def test_no_registers_make_the_decoder_fail(model: str, data: Any) -> None:
    map = meterfile.load(model)
    answers = [
        data.draw(st.one_of(st.none(), st.binary(min_size=2 * block[2], max_size=2 * block[2])))
        for block in map["blocks"]
    ]
    for value in decode(map, answers).values():
        assert value - value == 0


# The line


def test_thirty_percent_of_answers_are_broken(rig: Rig) -> None:
    model = "schneider-iem3155"
    truth, wanted = measured(model, 1)
    rig.line.registers[1] = fill(model, truth)
    dice = random.Random(3)
    broken = []

    def damage(data: bytes) -> bytes:
        if dice.random() >= 0.3:
            return data
        broken.append(data)
        at = dice.randrange(len(data))
        kind = dice.randrange(3)
        if kind == 0:
            return data[:at] + bytes((data[at] ^ 1 << dice.randrange(8),)) + data[at + 1 :]
        return data[:at] if kind == 1 else bytes((dice.randrange(256),)) + data[:-1]

    rig.line.to_master = damage
    rig.meter(model)
    for _ in range(20):
        assert rig.reading() == {key: pytest.approx(value, rel=1e-6) for key, value in wanted.items()}
    assert len(broken) > 20


def test_two_units_of_two_makes_on_one_bus(rig: Rig) -> None:
    for unit, model in ((1, "eltako-dsz15"), (2, "abb-b23")):
        truth, _ = measured(model, 1)
        truth[REGISTER[0]] += unit * 10
        rig.line.registers[unit] = fill(model, truth)
        rig.meter(model, unit)
    for _ in range(6):
        rig.reading()
    assert [reading[REGISTER] for reading in rig.readings] == [1_001_010.0, 1_001_020.0] * 3


def test_a_silent_unit_leaves_the_other_its_interval(rig: Rig) -> None:
    truth, _ = measured("eastron-sdm630", 1)
    rig.line.registers[1] = fill("eastron-sdm630", truth)
    rig.meter("eastron-sdm630", 1)
    silent = rig.meter("eastron-sdm630", 77)
    start = rig.loop.now
    for _ in range(10):
        rig.reading()
    assert rig.loop.now - start < 12
    assert silent.problem == "unit 77: no answer within 0.5 s"


def test_the_watchdog_waits_for_a_silent_meter_and_not_for_one_that_stopped_asking(rig: Rig) -> None:
    truth, _ = measured("eastron-sdm630", 1)
    rig.line.registers[1] = fill("eastron-sdm630", truth)
    silent, meter = rig.meter("eastron-sdm630", 77), rig.meter("eastron-sdm630")
    for _ in range(60):
        rig.reading()
        assert rig.board.hangs(rig.loop.now) is None
    silent.close()
    meter._cancel()  # what a defect would do: the next round never begins
    meter._unit.cancel()
    assert rig.board.hangs(rig.loop.now + 45) is None
    assert rig.board.hangs(rig.loop.now + 47) == "meter of EVSE 1"
    meter.close()
    assert rig.board.hangs(rig.loop.now + 47) is None


def test_register_that_a_version_lacks_is_done_without(rig: Rig) -> None:
    model = "carlo-gavazzi-em24"
    truth, wanted = measured(model, 1)
    registers = fill(model, truth)
    del registers[4][0x5C], registers[4][0x5D]
    rig.line.registers[1] = registers
    rig.meter(model)
    del wanted["Energy.Active.Export.Register", None]
    assert rig.reading().keys() == wanted.keys()
    rig.line.asked.clear()
    rig.reading()
    assert 0x5C not in [address for _, _, address, _ in rig.line.asked]


def test_refused_register_is_named(rig: Rig) -> None:
    rig.line.registers[1] = {3: {}, 4: {}}
    meter = rig.meter("eastron-sdm630")
    rig.until(lambda: meter.problem)
    assert meter.problem == "unit 1: exception 2 (illegal data address)" and rig.readings == []


def test_busy_meter_is_asked_again(rig: Rig) -> None:
    truth, _ = measured("eastron-sdm630", 1)
    rig.line.registers[1] = fill("eastron-sdm630", truth)
    rig.line.refuse[1] = ExcCodes.DEVICE_BUSY
    meter = rig.meter("eastron-sdm630")
    rig.until(lambda: meter.problem)
    assert len(rig.line.asked) == 3
    rig.line.refuse.clear()
    rig.reading()
    assert meter.problem is None


def test_missing_energy_register_is_no_reading(rig: Rig) -> None:
    truth, _ = measured("abb-b23", 1)
    registers = fill("abb-b23", truth)
    registers[3].update(dict.fromkeys(range(0x5000, 0x5004), 0xFFFF))
    rig.line.registers[1] = registers
    meter = rig.meter("abb-b23")
    rig.until(lambda: meter.problem)
    assert meter.problem == "unit 1: the energy register is not available" and rig.readings == []


def test_echo_of_the_line_does_no_harm(rig: Rig) -> None:
    truth, wanted = measured("eastron-sdm630", 1)
    rig.line.registers[1] = fill("eastron-sdm630", truth)
    rig.line.echo = True
    rig.meter("eastron-sdm630")
    assert rig.reading()[REGISTER] == wanted[REGISTER]


def test_asked_for_reading_is_newer_than_the_question(rig: Rig) -> None:
    model = "schneider-iem3155"
    truth, _ = measured(model, 1)
    rig.line.registers[1] = fill(model, truth)
    meter = rig.meter(model, interval_s=3600)
    rig.until(lambda: rig.line.asked)  # a round is under way
    truth[REGISTER[0]] = 2_000_000.0
    rig.line.registers[1] = fill(model, truth)
    meter.read()
    meter.read()
    assert rig.reading()[REGISTER] == 2_000_000.0
    truth[REGISTER[0]] = 3_000_000.0
    rig.line.registers[1] = fill(model, truth)
    meter.read()
    assert rig.reading()[REGISTER] == 3_000_000.0
    assert len(rig.readings) == 2


def test_even_parity_on_both_ends() -> None:
    truth, wanted = measured("orno-or-we-516", 1)
    with ModbusLine({1: fill("orno-or-we-516", truth)}) as line:
        rig = Rig(line, parity="E")
        rig.meter("orno-or-we-516")
        assert rig.reading() == {key: pytest.approx(value, rel=1e-6) for key, value in wanted.items()}
        rig.close()


def test_meter_on_an_asyncio_loop(line: ModbusLine) -> None:
    truth, wanted = measured("schneider-iem3155", 1)
    line.registers[1] = fill("schneider-iem3155", truth)
    board = Board("embedded")
    board.resources = {"serial": {"bus": {"device": line.device, "baud": BAUD}}}
    meter = make_meter({"port": "bus", "unit": 1, "model": "schneider-iem3155"}, 1, board)

    async def read() -> Any:
        loop = asyncio.get_running_loop()
        reading = loop.create_future()
        meter.start(loop, lambda *event: reading.done() or reading.set_result(event))
        try:
            return await asyncio.wait_for(reading, 10)
        finally:
            meter.close()

    event, values, signed = asyncio.run(read())
    assert event == "reading" and signed is None and values[REGISTER] == wanted[REGISTER]


def test_closed_meter_says_nothing(rig: Rig) -> None:
    truth, _ = measured("eastron-sdm630", 1)
    rig.line.registers[1] = fill("eastron-sdm630", truth)
    meter = rig.meter("eastron-sdm630")
    meter.close()
    meter.read()
    rig.loop.advance(5)
    assert rig.events == []


# The station


def station_board(line: ModbusLine, **meter: Any) -> Table:
    board = board_file("simulated-ac-1")
    board["serial"] = {"bus": {"device": line.device, "baud": BAUD}}
    id = board["evse"][0]["meter"]
    board["meter"] = [{"id": id, "driver": "modbus", "model": "eltako-dsz15", "port": "bus", "unit": 1, **meter}]
    return board


class Station(Post):
    """One EVSE with simulated hardware and a real meter."""

    def __init__(self, line: ModbusLine, **meter: Any) -> None:
        self.description = station_board(line, **meter)
        assert check(self.description) == []
        super().__init__(self.description)

    def drive(self, seconds: float) -> None:
        """Lets time pass no faster than the line answers."""
        end = self.loop.now + seconds
        while self.loop.now < end:
            pass_time(self.loop, self.board.evses[1].meter._bus)


def charging_station(line: ModbusLine, **meter: Any) -> Station:
    truth, _ = measured("eltako-dsz15", 1)
    truth.update({name: 0.0 for name in truth if name.startswith("Current")})
    line.registers[1] = fill("eltako-dsz15", truth)
    station = Station(line, **meter)
    station.drive(0.5)
    station.charge()
    return station


def test_unplugged_meter_ends_the_session_where_the_board_says_stop(line: ModbusLine) -> None:
    station = charging_station(line, loss_s=3)
    line.to_server = lambda data: b""
    station.drive(2.5)
    assert station[1].state == "charging"
    station.drive(4)
    fault = ("fault", "MeterSilent", "no reading for 3 s: unit 1: no answer within 0.5 s")
    facts = station.facts()
    assert fault in facts and ("stopped", "Other") in facts
    assert not station[1].closed
    line.to_server = lambda data: data
    station.drive(4)
    assert ("cleared", "MeterSilent") in station.facts()
    station[1].close()


def test_unplugged_meter_leaves_the_session_where_the_board_says_continue(line: ModbusLine) -> None:
    station = charging_station(line, loss_s=3, on_loss="continue")
    line.to_server = lambda data: b""
    station.drive(6)
    assert [fact[:2] for fact in station.facts()] == [("fault", "MeterSilent")]
    assert station[1].closed
    assert station[1].metering.age_s() > 5
    station[1].close()


def test_register_that_rolls_over_goes_on_within_a_session(line: ModbusLine) -> None:
    station = charging_station(line)
    at = map_source("eltako-dsz15")["values"][REGISTER[0]]["at"]
    for raw in (0xFFFFFFFE, 0xFFFFFFFF, 0x00000000, 0x00000002):
        line.registers[1][4].update(enumerate(encode(raw, "uint32"), at))
        station.drive(1.1)
    # What was counted between the last reading before and the first after it is not known.
    assert station[1].metering.values[REGISTER] == (0xFFFFFFFF + 2) * 10
    station[1].close()
