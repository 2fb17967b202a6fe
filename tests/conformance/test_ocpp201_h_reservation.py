"""OCPP 2.0.1 test cases, H Reservation, and the one of B that resets a reserved station."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, TOKEN, Station, board, token

OTHER = "OTHER"
MESSAGE_TIMEOUT_S = 30
FAMILY = {"idToken": "FAMILY", "type": "Central"}
OF_THE_FAMILY = {"status": "Accepted", "groupIdToken": FAMILY}
evses = pytest.mark.parametrize("evses", [1, 2])
remotely = pytest.mark.parametrize("remote", [False, True], ids=["card", "remote"])


def make(version: str, evses: int = 1, **options: Any) -> Station:
    station = Station(board(evses=evses), version=version, **options)
    station.put(ReservationCtrlr__Enabled=True)
    return station


def charges(station: Station, id: str = TOKEN, evse: int = 1, remote: bool = False) -> None:
    """Authorized, then EnergyTransferStarted; the reservation's id is told if there was one."""
    states201.authorized(station, id, evse, remote=remote)
    states201.energy_transfer_started(station, id, evse)


def uses_it(station: Station, id: str = TOKEN, remote: bool = False) -> None:
    """The token that the EVSE is kept for charges there: Reserved ends, its id is told. [H01.FR.15, H03.FR.10]"""
    states201.authorized(station, id, remote=remote)
    assert station.status[1, 1] == "Available"
    events = states201.energy_transfer_started(station, id)
    assert events[0]["reservationId"] == 1, events[0]


# -- a specific EVSE ---------------------------------------------------------------------------------------------------


@remotely
@evses
@versions2
def test_TC_H_01_CS_reserve_evse_valid_token(version: str, evses: int, remote: bool) -> None:
    """Reserved for a token, which then charges. [H01.FR.23, H03.FR.01]"""
    station = make(version, evses)
    states201.reserved(station)
    uses_it(station, remote=remote)


@versions2
def test_TC_H_02_CS_reserve_evse_different_token(version: str) -> None:
    """Another token does not charge there, by card or remotely. [H01.FR.23, F01.FR.21]"""
    station = make(version)
    states201.reserved(station)
    station.plug()
    station.hear()
    station.tap(OTHER, 1)
    if station.calls:
        station.expect("Authorize", idToken=token(OTHER))
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and not station.is_charging()
    answer = station.ask("RequestStartTransaction", idToken=token(OTHER), evseId=1, remoteStartId=1)
    assert answer["status"] == "Rejected"
    assert station.hear() == []


@versions2
def test_TC_H_03_CS_reserve_evse_reserved(version: str) -> None:
    """[H01.FR.11]"""
    station = make(version)
    states201.reserved(station)
    assert states201.reserve(station, tag=OTHER, id=2)["status"] == "Occupied"


@versions2
def test_TC_H_04_CS_reserve_evse_occupied(version: str) -> None:
    """[H01.FR.11]"""
    station = make(version)
    states201.energy_transfer_started(station)
    assert states201.reserve(station, tag=OTHER)["status"] == "Occupied"


@versions2
def test_TC_H_06_CS_reserve_evse_unavailable(version: str) -> None:
    """[H01.FR.14]"""
    station = make(version)
    states201.unavailable(station, 1)
    assert states201.reserve(station, tag=OTHER)["status"] == "Unavailable"


@versions2
def test_TC_H_07_CS_reservation_ends_unused(version: str) -> None:
    """It expires: the connector is Available again, the CSMS is told, anybody may charge. [H04.FR.01-H04.FR.02]"""
    station = make(version)
    states201.reserved(station, expires_in_s=60)
    station.advance(60)
    assert station.hear_with_updates() == [(1, "Expired")]
    assert station.status[1, 1] == "Available"
    charges(station, OTHER)


@versions2
def test_TC_H_17_CS_cancel_reservation(version: str) -> None:
    """[H02.FR.02]"""
    station = make(version)
    states201.reserved(station)
    assert station.ask("CancelReservation", reservationId=1) == ACCEPTED
    assert station.hear() == []
    assert station.told == [(1, 1)] and station.status[1, 1] == "Available"


@versions2
def test_TC_H_18_CS_cancel_reservation_rejected(version: str) -> None:
    """[H02.FR.01]"""
    assert make(version).ask("CancelReservation", reservationId=1)["status"] == "Rejected"


@versions2
def test_TC_H_19_CS_reserve_evse_group(version: str) -> None:
    """Reserved with a group; another token of the group charges. [H03.FR.04, H03.FR.08]"""
    station = make(version)
    states201.reserved(station, groupIdToken=FAMILY)
    station.tokens[OTHER] = OF_THE_FAMILY
    uses_it(station, OTHER)


@versions2
def test_TC_H_21_CS_reservation_of_unavailable_evse_removed(version: str) -> None:
    """The EVSE is taken away: the reservation is Removed; operative again, anybody may charge. [H01.FR.17]"""
    station = make(version)
    states201.reserved(station)
    assert station.ask("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1}) == ACCEPTED
    assert station.hear_with_updates() == [(1, "Removed")]
    assert station.status[1, 1] == "Unavailable"
    assert station.ask("ChangeAvailability", operationalStatus="Operative", evse={"id": 1}) == ACCEPTED
    assert station.hear() == []
    assert station.status[1, 1] == "Available"
    charges(station, OTHER)


@versions2
def test_TC_H_22_CS_reserve_evse_configured_to_reject(version: str) -> None:
    """[H01.FR.01]"""
    station = make(version)
    station.put(ReservationCtrlr__Enabled=False)
    assert states201.reserve(station)["status"] == "Rejected"
    assert station.hear() == []


@versions2
def test_TC_H_23_CS_reservation_replaced(version: str) -> None:
    """The same id for another token: that one charges. [H01.FR.02]"""
    station = make(version)
    states201.reserved(station)
    assert states201.reserve(station, tag=OTHER) == ACCEPTED
    assert station.hear() == []
    assert station.status[1, 1] == "Reserved"
    uses_it(station, OTHER)


@versions2
def test_TC_B_24_CS_reset_reserved_persists(version: str) -> None:
    """Reset Immediate [errata 2025-02]: the connector is Reserved after the restart, the other Available. [B11]"""
    station = make(version, 2)
    states201.reserved(station)
    assert states201.booted(station) == {(1, 1): "Reserved", (2, 1): "Available"}
    uses_it(station)


# -- an unspecified EVSE -----------------------------------------------------------------------------------------------


@remotely
@versions2
def test_TC_H_08_CS_reserve_any_evse(version: str, remote: bool) -> None:
    """The only EVSE is Reserved, its token charges [errata 2025-02]. [H01.FR.04, H01.FR.20, H03.FR.03]"""
    station = make(version)
    states201.reserved(station, None)
    uses_it(station, remote=remote)


@versions2
def test_TC_H_08_CS_reserve_any_evse_of_two(version: str) -> None:
    """With another EVSE free no connector is told Reserved. [H01.FR.04, H01.FR.07]"""
    station = make(version, 2)
    assert states201.reserve(station, None) == ACCEPTED
    assert station.hear() == [] and station.told == []
    charges(station)


@versions2
def test_TC_H_09_CS_reserve_any_evse_reserved(version: str) -> None:
    """[H01.FR.11]"""
    station = make(version, 2)
    assert states201.reserve(station, 1, "ONE", id=1) == ACCEPTED
    assert states201.reserve(station, 2, "TWO", id=2) == ACCEPTED
    station.hear()
    assert set(station.status.values()) == {"Reserved"}
    assert states201.reserve(station, None, id=3)["status"] == "Occupied"


@versions2
def test_TC_H_10_CS_reserve_any_evse_occupied(version: str) -> None:
    """[H01.FR.11]"""
    station = make(version, 2)
    states201.energy_transfer_started(station, "ONE", 1)
    states201.energy_transfer_started(station, "TWO", 2)
    assert states201.reserve(station, None)["status"] == "Occupied"


@versions2
def test_TC_H_12_CS_reserve_any_evse_unavailable(version: str) -> None:
    """[H01.FR.14]"""
    station = make(version, 2)
    states201.unavailable(station)
    assert states201.reserve(station, None)["status"] == "Unavailable"


@versions2
def test_TC_H_13_CS_reserve_any_evse_rejected(version: str) -> None:
    """A station whose file declares that it reserves no unspecified EVSE. [H01.FR.19]"""
    unspecific = {"component": "ReservationCtrlr", "variable": "NonEvseSpecific", "value": "false"}
    station = make(version, variables=[unspecific])
    assert station.read("ReservationCtrlr__NonEvseSpecific") == "false"
    assert states201.reserve(station, None)["status"] == "Rejected"


@versions2
def test_TC_H_14_CS_reserve_any_evse_all_reserved(version: str) -> None:
    """As many reservations as EVSEs: all connectors are Reserved. [H01.FR.20]"""
    station = make(version, 3)
    for id in (1, 2, 3):
        assert states201.reserve(station, None, f"DRIVER{id}", id=id) == ACCEPTED
    station.hear()
    assert station.status == {(1, 1): "Reserved", (2, 1): "Reserved", (3, 1): "Reserved"}


@versions2
def test_TC_H_24_CS_reserve_any_evse_group(version: str) -> None:
    """Reserved with a group, no EVSE named; another token of the group charges. [H03.FR.06, H03.FR.08]"""
    station = make(version)
    states201.reserved(station, None, groupIdToken=FAMILY)
    station.tokens[OTHER] = OF_THE_FAMILY
    uses_it(station, OTHER)


# -- a type of connector -----------------------------------------------------------------------------------------------


@remotely
@versions2
def test_TC_H_15_CS_reserve_connector_type(version: str, remote: bool) -> None:
    """The only connector of a type is Reserved, its token charges. [H01.FR.06, H01.FR.24, H03.FR.02]"""
    station = make(version)
    states201.reserved(station, None, connectorType="cType2")
    uses_it(station, remote=remote)


@versions2
def test_TC_H_16_CS_reserve_connector_type_all_reserved(version: str) -> None:
    """[H01.FR.11, H01.FR.24]"""
    station = make(version, 2)
    for id in (1, 2):
        assert states201.reserve(station, None, f"DRIVER{id}", connectorType="cType2", id=id) == ACCEPTED
    station.hear()
    assert set(station.status.values()) == {"Reserved"}
    assert states201.reserve(station, None, connectorType="cType2", id=3)["status"] == "Occupied"
