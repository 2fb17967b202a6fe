"""Lists of measurands hold what a meter of the station can say, and nothing else. [J. 1.6 §9.1.17; 2.1 part 2 2.8]"""

from __future__ import annotations

from typing import Any

import pytest

from evse.ocpp.meter_values import MEASURANDS
from hal.meterfile import load
from hal.simulated.meter import Meter
from tests.hal.test_meterfile import MODELS
from tests.support.bench import Bench, versions2

REGISTER = "Energy.Active.Import.Register"
KEYS = ("MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData")


def station(version: str, *measurands: tuple[str, ...] | None) -> Bench:
    """One EVSE for each meter."""
    bench = Bench(evses=len(measurands))
    for evse, names in zip(bench.engine.evses.values(), measurands, strict=True):
        evse.measurands = names
    bench.connect(version)
    return bench


def change(bench: Bench, key: str, value: str) -> str:
    status: str = bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]
    return status


@pytest.mark.parametrize("key", KEYS)
def test_16_what_the_meter_cannot_say_is_rejected_and_the_list_stays(key: str) -> None:
    bench = station("1.6", (REGISTER, "Current.Import"))
    assert change(bench, key, f"{REGISTER},Current.Import,Current.Import.L1") == "Accepted"
    assert change(bench, key, f"{REGISTER},Voltage") == "Rejected"
    (known,) = bench.ask("GetConfiguration", {"key": [key]})["configurationKey"]
    assert known["value"] == f"{REGISTER},Current.Import,Current.Import.L1"


@versions2
def test_what_the_meter_cannot_say_is_rejected_and_the_report_says_what_it_can(version: str) -> None:
    bench = station(version, (REGISTER, "Current.Import"))

    def put(value: str) -> str:
        item = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedMeasurands"}}
        answer = bench.ask("SetVariables", {"setVariableData": [{**item, "attributeValue": value}]})
        status: str = answer["setVariableResult"][0]["attributeStatus"]
        return status

    assert put(f"{REGISTER},Current.Import") == "Accepted"
    assert put(f"{REGISTER},SoC") == "Rejected"
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    found: dict[str, Any] = {}
    for _, part in bench.settle():
        for item in part.get("reportData", ()):
            if item["variable"]["name"] == "TxUpdatedMeasurands":
                found = item["variableCharacteristics"]
    assert found["valuesList"].split(",") == ["Current.Import", REGISTER]


def test_one_meter_of_several_is_enough_and_an_unknown_one_limits_nothing() -> None:
    assert change(station("1.6", (REGISTER,), (REGISTER, "Voltage")), KEYS[0], "Voltage") == "Accepted"
    assert change(station("1.6", (REGISTER,), None), KEYS[0], "SoC") == "Accepted"
    assert change(station("1.6", (REGISTER,), ()), KEYS[0], "SoC") == "Rejected"


def test_without_a_meter_the_register_remains() -> None:
    bench = station("1.6", ())
    assert [change(bench, KEYS[0], name) for name in (REGISTER, "Voltage", "")] == ["Accepted", "Rejected", "Accepted"]


@pytest.mark.parametrize("model", MODELS)
def test_every_map_names_measurands_of_ocpp(model: str) -> None:
    names = {measurand for value in load(model)["values"] for measurand, _ in filter(None, value[5:7])}
    assert REGISTER in names and names <= {*MEASURANDS}


def test_the_simulated_meter_says_all_that_it_names() -> None:
    assert {*Meter.measurands} <= {*MEASURANDS}
