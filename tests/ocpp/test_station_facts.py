"""What the station's equipment makes of its variables."""

from __future__ import annotations

import pytest

from evse.ocpp.station_facts import OFF
from tests.support.bench import Bench, versions2
from tests.support.states201 import Station, board, variable


def put(station: Station, name: str, value: str) -> str:
    (result,) = station.ask("SetVariables", setVariableData=[{**variable(name), "attributeValue": value}])[
        "setVariableResult"
    ]
    status: str = result["attributeStatus"]
    return status


@pytest.mark.parametrize("name", ["TxStartPoint", "TxStopPoint"])
@pytest.mark.parametrize("parking", [False, True], ids=["no sensor", "sensor"])
@versions2
def test_a_parking_bay_is_a_point_of_transactions_where_a_sensor_tells_of_it(
    version: str, parking: bool, name: str
) -> None:
    station = Station(board(parking=parking), version=version)
    accepted = put(station, f"TxCtrlr__{name}", "ParkingBayOccupancy") == "Accepted"
    (told,) = (item for item in station.report("FullInventory") if item["variable"]["name"] == name)
    listed = told["variableCharacteristics"]["valuesList"].split(",")
    assert accepted == ("ParkingBayOccupancy" in listed) == parking
    assert "EVConnected" in listed


@pytest.mark.parametrize("block", sorted(OFF))
def test_what_is_switched_off_is_neither_available_nor_enabled(block: str) -> None:
    """Nor can the CSMS enable it; a station that has it says true."""
    names, profile = OFF[block]
    for blocks, text in (({block: ""}, "false"), ({}, "true")):
        model = Bench(blocks=blocks).model
        for name in names.split():
            component, _, variable = name.partition(".")
            evse = 1 if component == "EVSE" else None
            assert model.get(component, variable, None, evse) == text, name
            item = {
                "component": {"name": component, **({} if evse is None else {"evse": {"id": 1}})},
                "variable": {"name": variable},
            }
            assert model.read(item)[1] == text
            status, _ = model.write({**item, "attributeValue": "true"})
            assert status == "Rejected" or text == "true"
        profiles = model.members("OCPP16Ctrlr", "SupportedFeatureProfiles")
        assert not profile or (profile in profiles) == (text == "true")


def test_the_features_of_a_block_that_is_switched_off_are_refused_in_16() -> None:
    bench = Bench(blocks={"reservation": ""})
    bench.connect("1.6")
    (key,) = bench.ask("GetConfiguration", {"key": ["SupportedFeatureProfiles"]})["configurationKey"]
    assert "Reservation" not in key["value"].split(",") and "Core" in key["value"].split(",")
