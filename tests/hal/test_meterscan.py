"""Finding meters on a line: addresses that answer, and the maps that fit what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymodbus.constants import ExcCodes

from evse.shell.loop import Loop
from hal import meterfile
from hal.meterscan import Scan, judge, speeds
from tests.support.modbusline import BAUD, ModbusLine, fill, map_source

# What a meter at work says, by the beginning of the value's name.
AT_WORK = {
    "Energy.Active.Import": 12345.0, "Energy": 200.0, "Power.Active": 2300.0, "Power.Factor": 0.98, "Power": 40.0,
    "Current": 16.0, "Voltage": 230.0, "Frequency": 50.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def line() -> Iterator[ModbusLine]:
    with ModbusLine({3: {3: {}, 4: {}}, 9: {3: {}, 4: {}}}) as line:
        yield line


@pytest.fixture
def scan(line: ModbusLine) -> Iterator[Scan]:
    loop = Loop()
    with Scan(loop, {"device": line.device, "baud": BAUD}) as scan:
        yield scan
    loop.close()


def install(line: ModbusLine, unit: int, model: str) -> None:
    truth = {
        name: next(value for start, value in AT_WORK.items() if name.startswith(start))
        for name in map_source(model)["values"]
    }
    line.registers[unit] = fill(model, truth)
    for item in map_source(model).get("identity", ()):
        function = item.get("function", map_source(model).get("function", 3))
        size = meterfile.TYPES[item["type"]][1]
        for place in range(size):
            line.registers[unit][function][item["at"] + place] = item["equals"][0] >> 16 * (size - 1 - place) & 0xFFFF


def test_addresses_that_answer_are_found_even_by_refusing(line: ModbusLine, scan: Scan) -> None:
    install(line, 3, "eastron-sdm630")
    line.refuse[9] = ExcCodes.ILLEGAL_FUNCTION
    assert list(scan.units([2, 3, 4, 9])) == [3, 9]
    line.refuse.clear()


@pytest.mark.parametrize("model", meterfile.names())
def test_each_model_is_among_those_that_fit_best(line: ModbusLine, scan: Scan, model: str) -> None:
    """Some makers sell one map under several names; none that fits worse comes before the true one."""
    install(line, 3, model)
    found = scan.models(3, sorted({model, "eastron-sdm630", "abb-b23", "carlo-gavazzi-em340", "bauer-bsm-ws36a"}))
    scores = {name: score for name, score, _ in found}
    assert model in scores
    assert scores[model] == max(scores.values())


def test_identity_that_is_not_there_rules_a_model_out(line: ModbusLine, scan: Scan) -> None:
    install(line, 3, "bauer-bsm-ws36a")
    line.registers[3][3][40000] = 0
    assert scan.models(3, ["bauer-bsm-ws36a"]) == []


def test_port_that_is_not_there_is_told() -> None:
    loop = Loop()
    with Scan(loop, {"device": "/nowhere/tty"}) as scan:
        assert scan.problem == "Port: /nowhere/tty: there is no such device"
    loop.close()


def test_values_that_cannot_be_are_no_meters() -> None:
    register = ("Energy.Active.Import.Register", None)
    assert judge({register: 5.0, ("Voltage", "L1-N"): 230.0}) == 5
    assert judge({register: 5.0, ("Voltage", "L1-N"): 1e9}) is None
    assert judge({("Voltage", "L1-N"): 230.0}) is None


def test_speeds_are_those_of_the_maps() -> None:
    settings = [(speed["baud"], speed["parity"]) for speed in speeds()]
    assert settings[0] == (9600, "N")
    assert {(2400, "N"), (9600, "E"), (19200, "E")} <= set(settings)
