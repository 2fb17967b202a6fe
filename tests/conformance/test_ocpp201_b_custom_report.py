"""OCPP 2.0.1 test cases, B Provisioning, B08: GetReport by criteria, by component and variable, by both."""

from __future__ import annotations

from typing import Any

from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Station, board

STATES = {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}
AVAILABILITY = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}}


def report(station: Station, request_id: int = 7, **asked: Any) -> list[dict[str, Any]]:
    """What GetReport lists; it must be Accepted."""
    assert station.ask("GetReport", requestId=request_id, **asked) == ACCEPTED
    listed = station.take_report(request_id)
    assert all(each["variableCharacteristics"]["dataType"] for each in listed)
    return listed


def availability_state(listed: list[dict[str, Any]]) -> None:
    """AvailabilityState of EVSE 1, and nothing else, as the cases want it."""
    (only,) = listed
    assert {name: only[name] for name in AVAILABILITY} == AVAILABILITY
    assert only["variableCharacteristics"]["dataType"] == "OptionList"
    assert set(only["variableCharacteristics"]["valuesList"].split(",")) == STATES
    (attribute,) = only["variableAttribute"]
    assert attribute["mutability"] == "ReadOnly" and attribute.get("type", "Actual") == "Actual"


@versions2
def test_TC_B_16_CS_report_by_criteria(version: str) -> None:
    """Enabled: the components that are; each value can be read as it was told. [B08.FR.09, errata 2025-02]"""
    station = Station(board(evses=2), version=version)
    station.put(AlignedDataCtrlr__Enabled=False)
    everything = station.report("FullInventory")
    listed = report(station, componentCriteria=["Enabled"])

    def enabled(each: dict[str, Any]) -> bool:
        return bool(each["variable"]["name"] == "Enabled" and each["variableAttribute"][0].get("value") == "true")

    assert [each for each in listed if enabled(each)] == [each for each in everything if enabled(each)]
    assert "AlignedDataCtrlr" not in {each["component"]["name"] for each in listed}
    for start in range(0, len(listed), 50):
        part = [each for each in listed[start : start + 50] if each["variable"]["name"] != "DateTime"]
        asked = [{name: each[name] for name in ("component", "variable")} for each in part]
        results = station.ask("GetVariables", getVariableData=asked)["getVariableResult"]
        for each, result in zip(part, results, strict=True):
            attribute = each["variableAttribute"][0]
            secret = attribute["mutability"] == "WriteOnly"
            assert result["attributeStatus"] == ("Rejected" if secret else "Accepted")
            assert result.get("attributeValue") == attribute.get("value")


@versions2
def test_TC_B_17_CS_report_by_component_and_variable(version: str) -> None:
    """One variable of one EVSE. [B08.FR.11]"""
    availability_state(report(Station(board(evses=2), version=version), componentVariable=[AVAILABILITY]))


@versions2
def test_TC_B_18_CS_report_by_criteria_and_variable(version: str) -> None:
    """Available narrows it to EVSE 1, Problem to nothing. [B08.FR.05, B08.FR.15]"""
    station = Station(board(evses=2), version=version)
    availability_state(report(station, componentCriteria=["Available"], componentVariable=[AVAILABILITY]))
    answer = station.ask("GetReport", requestId=8, componentCriteria=["Problem"], componentVariable=[AVAILABILITY])
    assert answer["status"] == "EmptyResultSet"
    station.quiet()


def items_per_message(listed: list[dict[str, Any]]) -> list[str]:
    assert {(each["component"]["name"], each["variable"]["name"]) for each in listed} == {
        ("DeviceDataCtrlr", "ItemsPerMessage")
    }
    return [each["variable"]["instance"] for each in listed]


@versions2
def test_TC_B_54_CS_report_without_instance(version: str) -> None:
    """Every instance of a variable. [B08.FR.21]"""
    asked = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}
    listed = report(Station(version=version), componentVariable=[asked])
    assert {"GetReport", "GetVariables"} <= set(items_per_message(listed))


@versions2
def test_TC_B_55_CS_report_with_instance(version: str) -> None:
    """One instance of a variable. [B08.FR.11]"""
    wanted = {"name": "ItemsPerMessage", "instance": "GetReport"}
    asked = {"component": {"name": "DeviceDataCtrlr"}, "variable": wanted}
    assert items_per_message(report(Station(version=version), componentVariable=[asked])) == ["GetReport"]


@versions2
def test_TC_B_56_CS_report_without_evse(version: str) -> None:
    """A variable of every EVSE. [B08.FR.23]"""
    asked = {"component": {"name": "EVSE"}, "variable": {"name": "AvailabilityState"}}
    listed = report(Station(board(evses=2), version=version), componentVariable=[asked])
    assert [each["component"] for each in listed] == [{"name": "EVSE", "evse": {"id": id}} for id in (1, 2)]
