"""OCPP 2.0.1 test cases, E Transactions: start and stop points, local start and stop, a cable taken by the EV."""

from __future__ import annotations

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import TOKEN, Event, Station, board, check, only, state_of, token

TIMEOUT_S = 20
SIGNED = {
    "interval_s": 0.2,
    "signed": {"start": "c3RhcnQ=", "end": "ZW5k", "method": "ECDSA", "encoding": "OCMF", "public_key": "a2V5"},
}


# -- start points ------------------------------------------------------------------------------------------------------


@versions2
def test_TC_E_01_CS_start_point_power_path_closed(version: str) -> None:
    """Authorized, then a cable: the transaction starts with both. [E01.FR.05]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="PowerPathClosed")
    assert states201.authorized(station) == []
    started, charging = states201.energy_transfer_started(station)
    check(started, "CablePluggedIn", "Started")
    assert state_of(started) in ("EVConnected", "SuspendedEVSE") and started["idToken"] == token()
    check(charging, "ChargingStateChanged", "Updated", chargingState="Charging")


@versions2
def test_TC_E_02_CS_start_point_energy_transfer(version: str) -> None:
    """The transaction starts when energy flows. [E01.FR.06]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="EnergyTransfer")
    assert states201.authorized(station) == []
    started = only(states201.energy_transfer_started(station), "ChargingStateChanged", "Started")
    assert started["idToken"] == token() and started["evse"] == {"id": 1, "connectorId": 1}
    assert state_of(started) == "Charging"


@versions2
def test_TC_E_09_CS_start_point_ev_connected(version: str) -> None:
    """The transaction starts with the cable; the card follows in it. [E01.FR.02, errata 2025-02]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="EVConnected")
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)


@versions2
def test_TC_E_10_CS_start_point_authorized_local(version: str) -> None:
    """The transaction starts with the card. [E01.FR.03, errata 2025-02]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized")
    only(states201.authorized(station), "Authorized", "Started")
    states201.energy_transfer_started(station)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@versions2
def test_TC_E_11_CS_start_point_data_signed(version: str, remote: bool) -> None:
    """The transaction starts with the first signed reading, which it carries. [E01.FR.04]"""
    station = Station(board(meter=SIGNED, contactor={"delay_s": 0.5}), version=version)
    station.put(TxCtrlr__TxStartPoint="DataSigned", SampledDataCtrlr__SignReadings=True)
    station.put(OCPPCommCtrlr__PublicKeyWithSignedMeterValue="EveryMeterValue")
    assert states201.authorized(station, remote=remote) == []
    station.plug()
    station.advance(2)
    started, charging = station.hear()
    check(started, "SignedDataReceived", "Started")
    assert started["idToken"] == token() and started["evse"] == {"id": 1, "connectorId": 1}
    (sample,) = started["meterValue"][0]["sampledValue"]
    assert sample["context"] == "Transaction.Begin"
    assert sample["signedMeterValue"] == {
        "signedMeterData": "c3RhcnQ=",
        "signingMethod": "ECDSA",
        "encodingMethod": "OCMF",
        "publicKey": "a2V5",
    }
    check(charging, "ChargingStateChanged", "Updated", chargingState="Charging")


@versions2
def test_TC_E_12_CS_start_point_parking_bay_occupied(version: str) -> None:
    """The transaction starts when the EV stops in the bay; card and cable follow in it. [E01.FR.01, errata 2025-02]"""
    station = Station(board(parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy")
    only(states201.parking_bay_occupied(station), "EVDetected", "Started")
    only(states201.authorized(station), "Authorized", "Updated")
    plugged, charging = states201.energy_transfer_started(station)
    check(plugged, "CablePluggedIn", "Updated", chargingState="EVConnected")
    check(charging, "ChargingStateChanged", "Updated", chargingState="Charging")
    states201.parking_bay_unoccupied(station)


@versions2
def test_TC_E_13_CS_start_point_authorized_remote(version: str) -> None:
    """The transaction starts with RequestStartTransaction. [E01.FR.03, errata 2025-02]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized")
    only(states201.authorized(station, remote=True), "RemoteStart", "Started", remoteStartId=77)
    states201.energy_transfer_started(station)


# -- local start -------------------------------------------------------------------------------------------------------


@versions2
def test_TC_E_03_CS_local_start_cable_first(version: str) -> None:
    """Cable, then card. [E02]"""
    station = Station(version=version)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)


@versions2
def test_TC_E_04_CS_local_start_authorization_first(version: str) -> None:
    """Card, then cable. [E03]"""
    station = Station(version=version)
    states201.authorized(station)
    states201.energy_transfer_started(station)


@pytest.mark.parametrize("point", ["Authorized", "PowerPathClosed"])
@versions2
def test_TC_E_05_CS_local_start_authorization_first_timeout(version: str, point: str) -> None:
    """Card, and no cable in time: a transaction ends; the EVSE is ready for another one. [E03.FR.05]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint=point, TxCtrlr__EVConnectionTimeOut=TIMEOUT_S)
    states201.authorized(station)
    station.advance(TIMEOUT_S)
    events = station.hear()
    if point == "Authorized":
        only(events, "EVConnectTimeout", "Ended", stoppedReason="Timeout")
    else:
        assert events == []
    states201.authorized(station)
    states201.energy_transfer_started(station)


@versions2
def test_TC_E_38_CS_local_start_ev_not_ready(version: str) -> None:
    """The EV wants no energy yet: SuspendedEV. [E01.FR.19]"""
    station = Station(version=version)
    states201.authorized(station)
    station.sim.plug(1)
    station.do("suspend", 1)
    station.advance(5)
    events = station.hear()
    assert station.status[1, 1] == "Occupied"
    check(events[0], "CablePluggedIn", "Started", chargingState="EVConnected")
    only(events[1:], "ChargingStateChanged", "Updated", chargingState="SuspendedEV")


@versions2
def test_TC_E_39_CS_deauthorized_timeout(version: str) -> None:
    """No cable in time: Ended, Timeout; a cable that comes later does not charge. [E03.FR.05, errata 2024-11]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", TxCtrlr__TxStopPoint="Authorized")
    station.put(TxCtrlr__EVConnectionTimeOut=TIMEOUT_S)
    states201.authorized(station)
    station.advance(TIMEOUT_S)
    only(station.hear(), "EVConnectTimeout", "Ended", stoppedReason="Timeout")
    states201.ev_connected_pre_session(station)
    station.advance(TIMEOUT_S)
    assert station.hear() == [] and not station.is_charging()


@versions2
def test_TC_E_52_CS_disable_remote_authorization(version: str) -> None:
    """DisableRemoteAuthorization: an unknown card asks nobody and charges nothing. [C01.FR.07, errata 2025-04]"""
    station = Station(version=version)
    station.put(AuthCtrlr__DisableRemoteAuthorization=True)
    station.tap("UNKNOWN", 1)
    station.quiet()
    states201.ev_connected_pre_session(station)
    station.advance(10)
    assert station.hear() == [] and not station.is_charging()


# -- stop points -------------------------------------------------------------------------------------------------------


def charging(version: str, stop_point: str, **variables: object) -> Station:
    """EnergyTransferStarted with this TxStopPoint."""
    station = Station(version=version)
    station.put(TxCtrlr__TxStopPoint=stop_point, **variables)
    states201.energy_transfer_started(station)
    return station


@versions2
def test_TC_E_06_CS_local_stop(version: str) -> None:
    """The card that started stops; then the cable is unplugged. [E07]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    states201.parking_bay_unoccupied(station)


@versions2
def test_TC_E_07_CS_stop_point_power_path_closed_local(version: str) -> None:
    """[E06.FR.05, E07]"""
    states201.stop_authorized(charging(version, "PowerPathClosed"))


@versions2
def test_TC_E_35_CS_stop_point_power_path_closed_remote(version: str) -> None:
    """[E06.FR.05, F03]"""
    states201.stop_authorized(charging(version, "PowerPathClosed"), remote=True)


@versions2
def test_TC_E_08_CS_stop_point_energy_transfer_stop_authorized(version: str) -> None:
    """[E06.FR.06, E07]"""
    states201.stop_authorized(charging(version, "EnergyTransfer"))


@versions2
def test_TC_E_22_CS_stop_point_energy_transfer_suspended_ev(version: str) -> None:
    """The EV wants no more energy: the transaction ends. [E06.FR.06, errata 2025-02]"""
    station = charging(version, "EnergyTransfer")
    ended = only(states201.energy_transfer_suspended(station), "ChargingStateChanged", "Ended")
    assert state_of(ended) in ("EVConnected", "SuspendedEV")
    assert ended["transactionInfo"]["stoppedReason"] == "StoppedByEV"


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@versions2
def test_TC_E_14_CS_stop_point_ev_connected(version: str, remote: bool) -> None:
    """Stopped, the transaction goes on until the cable is unplugged. [E06.FR.02, errata 2025-06]"""
    station = charging(version, "EVConnected")
    for event in states201.stop_authorized(station, remote=remote):
        assert event["eventType"] == "Updated"
    (ended,) = states201.ev_disconnected(station)
    check(ended, "EVCommunicationLost", "Ended", stoppedReason="Remote" if remote else "Local")


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@versions2
def test_TC_E_19_CS_stop_point_parking_bay_unoccupied(version: str, remote: bool) -> None:
    """Neither card nor cable end the transaction, but the EV that drives out of the bay. [E06.FR.01]"""
    station = Station(board(parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy", TxCtrlr__TxStopPoint="ParkingBayOccupancy")
    states201.parking_bay_occupied(station)
    states201.energy_transfer_started(station)
    states201.stop_authorized(station, remote=remote)
    only(states201.ev_disconnected(station), "EVCommunicationLost", "Updated", chargingState="Idle")
    assert station.is_on()
    station.do("leave", 1)
    only(station.hear(), "EVDeparted", "Ended", stoppedReason="Remote" if remote else "Local")


@versions2
def test_TC_E_15_CS_stop_point_authorized_local(version: str) -> None:
    """[E06.FR.03]"""
    events = states201.stop_authorized(charging(version, "Authorized"))
    only(events, "StopAuthorized", "Ended", stoppedReason="Local")


@versions2
def test_TC_E_21_CS_stop_point_authorized_remote(version: str) -> None:
    """[E06.FR.03]"""
    events = states201.stop_authorized(charging(version, "Authorized"), remote=True)
    only(events, "RemoteStop", "Ended", stoppedReason="Remote")


@pytest.mark.parametrize("point", ["Authorized", "PowerPathClosed"])
@versions2
def test_TC_E_16_CS_deauthorized_invalid_id_token(version: str, point: str) -> None:
    """A card taken offline is refused afterwards: the transaction ends, DeAuthorized. [E05.FR.10, C15.FR.04]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStopPoint=point, TxCtrlr__StopTxOnInvalidId=True)
    station.put(AuthCtrlr__OfflineTxForUnknownIdEnabled=True)
    states201.id_token_cached(station)
    station.drop()
    station.tap(TOKEN, 1)
    station.plug()
    assert station.is_charging()
    station.tokens[TOKEN] = {"status": "Invalid"}
    station.connect()
    *queued, ended = station.hear()
    assert queued and all(event["offline"] for event in queued)
    assert any(event.get("idToken") == token() for event in queued)
    check(ended, "Deauthorized", "Ended", stoppedReason="DeAuthorized")
    assert not ended.get("offline") and not station.is_charging()


# -- the EV takes the cable --------------------------------------------------------------------------------------------


def ev_side(version: str, stop_point: str, stops: bool, unlocks: bool = False, socket: bool = True) -> Station:
    """A transaction from which the EV is to be disconnected; `socket`: the cable is locked at the station."""
    station = Station(board(socket=socket), version=version)
    station.put(TxCtrlr__TxStopPoint=stop_point, TxCtrlr__StopTxOnEVSideDisconnect=stops)
    if socket:
        station.put(OCPPCommCtrlr__UnlockOnEVSideDisconnect=unlocks)
    states201.energy_transfer_started(station)
    return station


def takes_cable(station: Station, unlocks: bool) -> None:
    """The driver takes his cable out of the socket; he shows his card before if it is locked."""
    assert station.is_locked() != unlocks
    if not unlocks:
        assert station.status[1, 1] == "Occupied"
        station.tap(TOKEN, 1)
        assert not station.is_locked()
    assert station.hear() == []
    assert station.status[1, 1] == "Available"


def left(station: Station) -> list[Event]:
    """The EV is disconnected at its side."""
    station.unplug()
    events = station.hear()
    check(events[0], "EVCommunicationLost", chargingState="Idle")
    assert len(events) == 1 and not station.is_charging()
    return events


@pytest.mark.parametrize("socket", [True, False], ids=["socket", "fixed cable"])
@versions2
def test_TC_E_17_CS_deauthorized_ev_side_disconnect(version: str, socket: bool) -> None:
    """StopTxOnEVSideDisconnect: the transaction ends; a locked cable waits for its owner. [E09.FR.01, E09.FR.03]"""
    station = ev_side(version, "Authorized", stops=True, socket=socket)
    only(left(station), "EVCommunicationLost", "Ended", stoppedReason="EVDisconnected")
    if socket:
        takes_cable(station, unlocks=False)
    assert station.status[1, 1] == "Available"


@pytest.mark.parametrize("unlocks", [True, False], ids=["unlocks", "keeps locked"])
@versions2
def test_ev_side_disconnect_while_charging(version: str, unlocks: bool) -> None:
    """E_24 and E_25 without a pause before."""
    station = ev_side(version, "Authorized", stops=True, unlocks=unlocks)
    left(station)
    takes_cable(station, unlocks)


@versions2
def test_TC_E_24_CS_ev_side_disconnect_unlocks(version: str) -> None:
    """UnlockOnEVSideDisconnect: the cable is free. [E09.FR.02]"""
    station = ev_side(version, "Authorized", stops=True, unlocks=True)
    states201.energy_transfer_suspended(station)
    left(station)
    takes_cable(station, unlocks=True)


@versions2
def test_TC_E_25_CS_ev_side_disconnect_keeps_locked(version: str) -> None:
    """Without UnlockOnEVSideDisconnect the cable waits for the card. [E09.FR.03]"""
    station = ev_side(version, "Authorized", stops=True, unlocks=False)
    states201.energy_transfer_suspended(station)
    left(station)
    takes_cable(station, unlocks=False)


@pytest.mark.parametrize("socket", [True, False], ids=["socket", "fixed cable"])
@versions2
def test_TC_E_26_CS_ev_side_disconnect_suspends(version: str, socket: bool) -> None:
    """Without StopTxOnEVSideDisconnect the transaction goes on, and charges when the EV is back. [E10]"""
    station = ev_side(version, "Authorized", stops=False, socket=socket)
    states201.energy_transfer_suspended(station)
    only(left(station), "EVCommunicationLost", "Updated")
    assert station.status[1, 1] == ("Occupied" if socket else "Available")
    station.advance(TIMEOUT_S)
    assert station.hear() == []
    station.plug()
    plugged, again = station.hear()
    check(plugged, "CablePluggedIn", "Updated", chargingState="EVConnected")
    check(again, "ChargingStateChanged", "Updated", chargingState="Charging")
    assert station.status[1, 1] == "Occupied" and station.is_charging()


@versions2
def test_TC_E_27_CS_ev_side_disconnect_timeout(version: str) -> None:
    """A fixed cable that is not connected again in time: the transaction ends. [E10.FR.02, errata 2025-04]"""
    station = ev_side(version, "Authorized", stops=False, socket=False)
    station.put(TxCtrlr__EVConnectionTimeOut=TIMEOUT_S)
    states201.energy_transfer_suspended(station)
    only(left(station), "EVCommunicationLost", "Updated")
    assert station.status[1, 1] == "Available"
    station.advance(TIMEOUT_S)
    only(station.hear(), "EVConnectTimeout", "Ended", stoppedReason="Timeout")


@versions2
def test_TC_E_20_CS_stop_point_ev_connected_ev_side(version: str) -> None:
    """[E06.FR.02]"""
    station = ev_side(version, "EVConnected", stops=False)
    states201.energy_transfer_suspended(station)
    only(left(station), "EVCommunicationLost", "Ended", stoppedReason="EVDisconnected")


@versions2
def test_TC_E_54_CS_stop_point_ev_connected_ev_side_suspended(version: str) -> None:
    """The EV wants no more energy and is disconnected at its side: Idle and Ended. [E06.FR.02]"""
    station = ev_side(version, "EVConnected", stops=False)
    states201.energy_transfer_suspended(station)
    (ended,) = left(station)
    check(ended, "EVCommunicationLost", "Ended", chargingState="Idle")
    assert ended["transactionInfo"]["stoppedReason"] in ("StoppedByEV", "EVDisconnected")


@versions2
def test_TC_E_37_CS_stop_point_power_path_closed_ev_side(version: str) -> None:
    """[E06.FR.05]"""
    station = ev_side(version, "PowerPathClosed", stops=False)
    states201.energy_transfer_suspended(station)
    (ended,) = left(station)
    assert ended["eventType"] == "Ended"
    assert ended["transactionInfo"]["stoppedReason"] in ("EVDisconnected", "StoppedByEV")
