"""What the station's equipment makes of its variables."""

from __future__ import annotations

import pytest

from tests.support.bench import versions2
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
