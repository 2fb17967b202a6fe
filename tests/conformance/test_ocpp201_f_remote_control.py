"""OCPP 2.0.1 test cases, F Remote Control: remote start and stop, unlock, trigger."""

from __future__ import annotations

from typing import Any

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Station, board, check, only, token

TIMEOUT_S = 20

# -- start and stop ----------------------------------------------------------------------------------------------------


@versions2
def test_TC_F_01_CS_remote_start_cable_first(version: str) -> None:
    """Cable, then RequestStartTransaction: the transaction starts by RemoteStart. [F02]"""
    station = Station(version=version)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, remote=True)


@versions2
def test_TC_F_01_CS_remote_start_cable_first_transaction_on(version: str) -> None:
    """01 where the cable started the transaction: its id is in the answer. [F01.FR.13, F02.FR.05]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="EVConnected")
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, remote=True)


@versions2
def test_TC_F_02_CS_remote_start_first_authorized(version: str) -> None:
    """AuthorizeRemoteStart: the CSMS is asked for the token before; then the cable. [F01.FR.01]"""
    station = Station(version=version)
    station.put(AuthCtrlr__AuthorizeRemoteStart=True)
    states201.authorized(station, remote=True)
    (started, *_) = states201.energy_transfer_started(station)
    check(started, "RemoteStart", "Started", remoteStartId=77)
    assert started["idToken"] == token()


@versions2
def test_TC_F_03_CS_remote_start_first_not_authorized(version: str) -> None:
    """Without AuthorizeRemoteStart nobody is asked. [F01.FR.02]"""
    station = Station(version=version)
    station.put(AuthCtrlr__AuthorizeRemoteStart=False)
    states201.authorized(station, remote=True)
    (started, *_) = states201.energy_transfer_started(station)
    check(started, "RemoteStart", "Started", remoteStartId=77)


@versions2
def test_TC_F_04_CS_remote_start_first_cable_plugin_timeout(version: str) -> None:
    """No cable within EVConnectionTimeOut: the transaction ends; the EVSE is ready for the next one. [F02, E03]"""
    station = Station(version=version)
    station.put(TxCtrlr__EVConnectionTimeOut=TIMEOUT_S, TxCtrlr__TxStartPoint="Authorized")
    states201.authorized(station, remote=True)
    station.advance(TIMEOUT_S - 1)
    assert station.hear() == []
    station.advance(1)
    only(station.hear(), "EVConnectTimeout", "Ended", stoppedReason="Timeout")
    states201.authorized(station, remote=True)


@versions2
def test_TC_F_08_CS_remote_stop(version: str) -> None:
    """RequestStopTransaction ends the transaction. [F03]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    states201.stop_authorized(station, remote=True)


@versions2
def test_TC_F_09_CS_remote_stop_rejected(version: str) -> None:
    """An unknown transactionId: Rejected, the transaction goes on. [F03.FR.08]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    answer = station.ask("RequestStopTransaction", transactionId="no such transaction")
    assert answer["status"] == "Rejected"
    assert station.hear() == [] and station.is_charging()


# -- unlock ------------------------------------------------------------------------------------------------------------


def unlock(station: Station, connector: int = 1) -> dict[str, Any]:
    """UnlockConnector, and the answer once the lock has moved."""
    station.send("UnlockConnector", evseId=1, connectorId=connector)
    station.advance(2)
    reply = station.reply()
    assert reply is not None and reply[0] == 3, reply
    answer: dict[str, Any] = reply[2]
    return answer


@versions2
def test_TC_F_05_CS_unlock_during_transaction(version: str) -> None:
    """OngoingAuthorizedTransaction, and the cable stays locked. [F05.FR.02]"""
    station = Station(board(socket=True), version=version)
    states201.energy_transfer_started(station)
    assert unlock(station) == {"status": "OngoingAuthorizedTransaction"}
    assert station.hear() == [] and station.is_locked() and station.is_charging()


@versions2
def test_TC_F_06_CS_unlock_without_transaction(version: str) -> None:
    """A cable without a transaction is unlocked. [F05.FR.04]"""
    station = Station(board(socket=True), version=version)
    states201.ev_connected_pre_session(station)
    assert unlock(station) == {"status": "Unlocked"}
    assert station.hear() == [] and not station.is_locked()


@versions2
def test_TC_F_07_CS_unlock_without_cable(version: str) -> None:
    """Without a cable the lock is opened all the same. [F05.FR.06]"""
    station = Station(board(socket=True), version=version)
    assert unlock(station) == {"status": "Unlocked"}
    assert station.hear() == []


@versions2
def test_TC_F_10_CS_unlock_unknown_connector(version: str) -> None:
    """UnknownConnector. [F05.FR.03]"""
    assert unlock(Station(board(socket=True), version=version), 999) == {"status": "UnknownConnector"}


# -- trigger -----------------------------------------------------------------------------------------------------------


def triggered(station: Station, message: str, **evse: Any) -> None:
    """TriggerMessage is Accepted, and nothing was said before the answer."""
    assert station.ask("TriggerMessage", requestedMessage=message, **evse) == ACCEPTED


def context_of(said: dict[str, Any]) -> str:
    context: str = said["meterValue"][0]["sampledValue"][0]["context"]
    return context


@versions2
def test_TC_F_11_CS_trigger_meter_values_of_an_evse(version: str) -> None:
    """MeterValues of the EVSE, context Trigger. [F06.FR.04, F06.FR.06]"""
    station = Station(board(evses=2), version=version)
    triggered(station, "MeterValues", evse={"id": 2})
    assert context_of(station.expect("MeterValues", evseId=2)) == "Trigger"
    station.quiet()


@versions2
def test_TC_F_12_CS_trigger_meter_values_of_all_evses(version: str) -> None:
    """MeterValues of each EVSE. [F06.FR.11]"""
    station = Station(board(evses=2), version=version)
    triggered(station, "MeterValues")
    for evse in (1, 2):
        assert context_of(station.expect("MeterValues", evseId=evse)) == "Trigger"
    station.quiet()


@versions2
def test_TC_F_13_CS_trigger_transaction_event_of_an_evse(version: str) -> None:
    """TransactionEvent with the charging state and the meter values of now. [F06.FR.07]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station)
    triggered(station, "TransactionEvent", evse={"id": 1})
    event = only(station.hear(), "Trigger", "Updated", chargingState="Charging")
    assert event.get("evse") in (None, {"id": 1}, {"id": 1, "connectorId": 1})
    assert context_of(event) == "Trigger"


@versions2
def test_TC_F_14_CS_trigger_transaction_event_of_all_evses(version: str) -> None:
    """TransactionEvent of each transaction, with its EVSE. [F06.FR.07, F06.FR.11]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station, "ONE", 1)
    states201.energy_transfer_started(station, "TWO", 2)
    triggered(station, "TransactionEvent")
    events = station.hear()
    assert [event["evse"]["id"] for event in events] == [1, 2]
    for event in events:
        check(event, "Trigger", "Updated", chargingState="Charging")
        assert context_of(event) == "Trigger"


@versions2
def test_TC_F_20_CS_trigger_heartbeat(version: str) -> None:
    """Heartbeat. [F06.FR.04]"""
    station = Station(version=version)
    triggered(station, "Heartbeat")
    station.expect("Heartbeat")
    station.quiet()


@versions2
def test_TC_F_23_CS_trigger_status_available(version: str) -> None:
    """StatusNotification of a connector that is Available. [F06.FR.04]"""
    station = Station(board(evses=2), version=version)
    triggered(station, "StatusNotification", evse={"id": 1, "connectorId": 1})
    station.expect("StatusNotification", evseId=1, connectorId=1, connectorStatus="Available")
    station.quiet()


@versions2
def test_TC_F_24_CS_trigger_status_occupied(version: str) -> None:
    """StatusNotification of a connector that is Occupied. [F06.FR.04]"""
    station = Station(board(evses=2), version=version)
    states201.ev_connected_pre_session(station)
    triggered(station, "StatusNotification", evse={"id": 1, "connectorId": 1})
    station.expect("StatusNotification", evseId=1, connectorId=1, connectorStatus="Occupied")
    station.quiet()


@versions2
def test_TC_F_26_CS_trigger_boot_notification_rejected(version: str) -> None:
    """BootNotification of a station that is accepted: Rejected. [F06.FR.17]"""
    station = Station(version=version)
    answer = station.ask("TriggerMessage", requestedMessage="BootNotification")
    assert answer["status"] == "Rejected"
    station.quiet()


@versions2
def test_TC_F_27_CS_trigger_not_implemented(version: str) -> None:
    """A message that the station does not send: NotImplemented. [F06.FR.08]"""
    station = Station(version=version)
    answer = station.ask("TriggerMessage", requestedMessage="SignCombinedCertificate")
    assert answer["status"] == "NotImplemented"
    station.quiet()
