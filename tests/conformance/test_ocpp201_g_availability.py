"""OCPP 2.0.1 test cases, G Availability: statuses of connectors, ChangeAvailability of connector, EVSE and station."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Station, board

BOTH = [(1, 1), (2, 1)]
EVSE = {"evse": {"id": 1}}
CONNECTOR = {"evse": {"id": 1, "connectorId": 1}}
STATION: dict[str, Any] = {}


def change(station: Station, status: str, place: dict[str, Any]) -> dict[str, Any]:
    return station.ask("ChangeAvailability", operationalStatus=status, **place)


def make_operative(version: str, place: dict[str, Any], told: list[tuple[int, int]]) -> Station:
    """Inoperative, then Operative: Accepted, and all of the scope is told Available."""
    station = Station(board(evses=2), version=version)
    evse = place.get("evse", {})
    states201.unavailable(station, evse.get("id"), evse.get("connectorId"))
    assert change(station, "Operative", place) == ACCEPTED
    assert station.hear() == []
    assert sorted(station.told) == told
    assert station.status == dict.fromkeys(BOTH, "Available")
    states201.energy_transfer_started(station)
    return station


def change_nothing(version: str, status: str, place: dict[str, Any]) -> None:
    """What is asked for holds already: Accepted, nothing is told as nothing changed."""
    station = Station(board(evses=2), version=version)
    if status == "Inoperative":
        states201.unavailable(station, *(place.get("evse", {}).get(name) for name in ("id", "connectorId")))
    before = dict(station.status)
    assert change(station, status, place) == ACCEPTED
    assert station.hear() == [] and station.status == before


stop_points = pytest.mark.parametrize("stop_point", ["Authorized", "EVConnected"])


def during_transaction(version: str, stop_point: str, place: dict[str, Any], told: list[tuple[int, int]]) -> None:
    """Scheduled: the idle rest of the scope is Unavailable at once, the EVSE when its transaction is over."""
    station = Station(board(evses=2), version=version)
    station.put(TxCtrlr__TxStopPoint=stop_point)
    states201.energy_transfer_started(station)
    assert change(station, "Inoperative", place) == {"status": "Scheduled"}
    assert station.hear() == [] and station.told == told
    assert all(station.status[each] == "Unavailable" for each in told)
    assert station.is_charging()
    states201.stop_authorized(station)
    if stop_point == "Authorized":
        assert station.status[1, 1] == "Unavailable"
        station.unplug()
        assert station.hear() == [] and station.status[1, 1] == "Unavailable"
    else:
        assert station.status[1, 1] == "Occupied"
        states201.ev_disconnected(station, status="Unavailable")
    station.plug()
    station.tap("TAG", 1)
    while station.calls:
        station.expect(station.calls[0][2])
    assert not station.is_charging() and not station.is_on()


@versions2
def test_TC_G_01_CS_available_to_occupied(version: str) -> None:
    """A cable is plugged: Occupied. [G01.FR.03]"""
    states201.ev_connected_pre_session(Station(version=version))


@versions2
def test_TC_G_02_CS_occupied_to_available(version: str) -> None:
    """The cable is unplugged: Available. [G01.FR.04]"""
    station = Station(version=version)
    states201.ev_connected_pre_session(station)
    states201.ev_disconnected(station)


@versions2
def test_TC_G_03_CS_evse_to_inoperative(version: str) -> None:
    """An EVSE: each of its connectors is told Unavailable. [G03.FR.04, G03.FR.06]"""
    station = Station(board(evses=2), version=version)
    states201.unavailable(station, 1)
    assert station.status[2, 1] == "Available"


@versions2
def test_TC_G_04_CS_evse_to_operative(version: str) -> None:
    """An EVSE: each of its connectors is told Available. [G03.FR.04, G03.FR.07]"""
    make_operative(version, EVSE, [(1, 1)])


@versions2
def test_TC_G_05_CS_station_to_inoperative(version: str) -> None:
    """The station: every connector is told Unavailable. [G04.FR.05, G04.FR.07]"""
    states201.unavailable(Station(board(evses=2), version=version))


@versions2
def test_TC_G_06_CS_station_to_operative(version: str) -> None:
    """The station: every connector is told Available. [G04.FR.05, G04.FR.08]"""
    make_operative(version, STATION, BOTH)


@versions2
def test_TC_G_07_CS_connector_to_inoperative(version: str) -> None:
    """A connector is told Unavailable. [G03.FR.04, G03.FR.06]"""
    states201.unavailable(Station(board(evses=2), version=version), 1, 1)


@versions2
def test_TC_G_08_CS_connector_to_operative(version: str) -> None:
    """A connector is told Available. [G03.FR.04, G03.FR.07]"""
    make_operative(version, CONNECTOR, [(1, 1)])


@versions2
def test_TC_G_09_CS_evse_operative_to_operative(version: str) -> None:
    """[G03.FR.03]"""
    change_nothing(version, "Operative", EVSE)


@versions2
def test_TC_G_10_CS_evse_inoperative_to_inoperative(version: str) -> None:
    """[G03.FR.03]"""
    change_nothing(version, "Inoperative", EVSE)


@stop_points
@versions2
def test_TC_G_11_CS_evse_during_transaction(version: str, stop_point: str) -> None:
    """[G03.FR.05, G03.FR.06]"""
    during_transaction(version, stop_point, EVSE, [])


@versions2
def test_TC_G_12_CS_station_operative_to_operative(version: str) -> None:
    """[G04.FR.04]"""
    change_nothing(version, "Operative", STATION)


@versions2
def test_TC_G_13_CS_station_inoperative_to_inoperative(version: str) -> None:
    """[G04.FR.04]"""
    change_nothing(version, "Inoperative", STATION)


@stop_points
@versions2
def test_TC_G_14_CS_station_during_transaction(version: str, stop_point: str) -> None:
    """The other EVSE is Unavailable at once. [G04.FR.06, G04.FR.07]"""
    during_transaction(version, stop_point, STATION, [(2, 1)])


@versions2
def test_TC_G_15_CS_connector_operative_to_operative(version: str) -> None:
    """[G03.FR.03]"""
    change_nothing(version, "Operative", CONNECTOR)


@versions2
def test_TC_G_16_CS_connector_inoperative_to_inoperative(version: str) -> None:
    """[G03.FR.03]"""
    change_nothing(version, "Inoperative", CONNECTOR)


@stop_points
@versions2
def test_TC_G_17_CS_connector_during_transaction(version: str, stop_point: str) -> None:
    """[G03.FR.05, G03.FR.06]"""
    during_transaction(version, stop_point, CONNECTOR, [])


@pytest.mark.parametrize("power_cut", [False, True], ids=["reset", "power cut"])
@versions2
def test_TC_G_18_CS_evse_inoperative_across_reboot(version: str, power_cut: bool) -> None:
    """An EVSE made inoperative is Unavailable after a reboot; the other one is Available. [G03.FR.08]"""
    station = Station(board(evses=2), version=version)
    states201.unavailable(station, 1)
    rebooted(station, power_cut)
    assert station.status == {(1, 1): "Unavailable", (2, 1): "Available"}


@versions2
def test_TC_G_19_CS_connector_inoperative_across_reboot(version: str) -> None:
    """A connector made inoperative is Unavailable after a reboot. [G03.FR.08]"""
    station = Station(board(evses=2), version=version)
    states201.unavailable(station, 1, 1)
    rebooted(station)
    assert station.status == {(1, 1): "Unavailable", (2, 1): "Available"}


@versions2
def test_TC_G_21_CS_station_inoperative_across_reboot(version: str) -> None:
    """A station made inoperative is Unavailable after a reboot. [G04.FR.09]"""
    station = Station(board(evses=2), version=version)
    states201.unavailable(station)
    rebooted(station)
    assert station.status == dict.fromkeys(BOTH, "Unavailable")


def rebooted(station: Station, power_cut: bool = False) -> None:
    station.status.clear()
    if not power_cut:
        states201.booted(station)
        return
    station.power_cut()
    station.power_up()
    states201.boots(station, "PowerUp")
