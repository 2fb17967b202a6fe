"""E01.FR.03: a transaction that begins with a card at a reader of several EVSEs, before it is known at which."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import timestamp
from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Event, Station, board, check, only, token
from tests.support.wholestation import WholeStation

FROM_AUTHORIZED = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "Authorized"}]
TIMEOUT_S = 60
TIMED_OUT = "EVConnectTimeout", "Timeout"


def begun(version: str, **variables: Any) -> tuple[Station, Event]:
    """A station of two EVSEs, a card at the reader of both: (station, Started event)."""
    station = Station(board(evses=2), version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", TxCtrlr__EVConnectionTimeOut=TIMEOUT_S, **variables)
    return station, tap(station)


def tap(station: Station, card: str = "TAG") -> Event:
    station.evse = 2
    station.tap(card)
    station.expect("Authorize", idToken=token(card))
    started = only(station.hear(), "Authorized", "Started", chargingState="Idle")
    assert started["idToken"] == token(card) and "evse" not in started
    return started


def ended(events: list[Event], trigger: str, reason: str) -> Event:
    event = only(events, trigger, "Ended", stoppedReason=reason)
    assert "evse" not in event
    return event


@versions2
def test_E01_FR_03_begins_with_the_card_and_is_placed_by_the_cable(version: str) -> None:
    """E01.FR.16: the EVSE is named once it is known. E02.FR.21: and then the meter's word at the beginning."""
    station, started = begun(version)
    assert station.told == [] and not station.is_charging(1) and not station.is_charging(2)
    station.plug(2)
    plugged, charging = station.hear()
    check(plugged, "CablePluggedIn", "Updated", chargingState="EVConnected")
    assert plugged["evse"] == {"id": 2, "connectorId": 1} and "idToken" not in plugged
    assert plugged["meterValue"][0]["sampledValue"][0]["context"] == "Transaction.Begin"
    check(charging, "ChargingStateChanged", "Updated", chargingState="Charging")
    assert "Transaction.Begin" not in str(charging)
    states201.stop_authorized(station, evse=2)
    states201.ev_disconnected(station, 2)
    assert {event["transactionInfo"]["transactionId"] for event in station.events} == {
        started["transactionInfo"]["transactionId"]
    }


@pytest.mark.parametrize("point", ["EVConnected,Authorized", "Authorized,PowerPathClosed"])
@versions2
def test_the_cable_begins_no_second_transaction(version: str, point: str) -> None:
    station, _ = begun(version)
    station.put(TxCtrlr__TxStartPoint=point)
    station.plug(1)
    assert [event["eventType"] for event in station.hear()] == ["Updated", "Updated"]
    station.plug(2)
    events = station.hear()
    assert [event["eventType"] for event in events] == (["Started"] if "EVConnected" in point else [])


@versions2
def test_E03_FR_05_ends_without_a_cable_in_time(version: str) -> None:
    station, _ = begun(version)
    station.advance(TIMEOUT_S)
    ended(station.hear(), "EVConnectTimeout", "Timeout")
    station.plug(1)
    assert station.hear() == []


@versions2
def test_the_same_card_ends_it(version: str) -> None:
    station, _ = begun(version)
    station.tap("TAG")
    assert ended(station.hear(), "StopAuthorized", "Local")["idToken"] == token()


@versions2
def test_another_card_at_the_reader_takes_its_place(version: str) -> None:
    station, _ = begun(version)
    station.tap("OTHER")
    station.expect("Authorize", idToken=token("OTHER"))
    over, started = station.hear()
    ended([over], "AbnormalCondition", "Other")
    check(started, "Authorized", "Started")
    station.plug(1)
    station.hear()
    assert station.engine.evses[1].authorized.id_token == "OTHER"  # type: ignore[union-attr]


@versions2
def test_the_master_pass_ends_it(version: str) -> None:
    station, _ = begun(version, AuthCtrlr__MasterPassGroupId="MASTERS")
    station.tokens["MASTER"] = {"status": "Accepted", "groupIdToken": {"idToken": "MASTERS", "type": "Central"}}
    station.tap("MASTER")
    station.expect("Authorize", idToken=token("MASTER"))
    ended(station.hear(), "StopAuthorized", "MasterPass")


@versions2
def test_F03_FR_02_the_csms_ends_it(version: str) -> None:
    station, started = begun(version)
    id = started["transactionInfo"]["transactionId"]
    assert station.ask("GetTransactionStatus", transactionId=id)["ongoingIndicator"] is True
    assert station.ask("RequestStopTransaction", transactionId=id) == ACCEPTED
    ended(station.hear(), "RemoteStop", "Remote")
    assert station.ask("GetTransactionStatus", transactionId=id)["ongoingIndicator"] is False
    station.plug(1)
    assert station.hear() == []


@versions2
def test_F06_FR_07_it_can_be_triggered(version: str) -> None:
    station, started = begun(version)
    assert station.ask("TriggerMessage", requestedMessage="TransactionEvent") == ACCEPTED
    event = only(station.hear(), "Trigger", "Updated", chargingState="Idle")
    assert event["transactionInfo"]["transactionId"] == started["transactionInfo"]["transactionId"]


@pytest.mark.parametrize("stops", [True, False])
@versions2
def test_E05_a_card_that_the_csms_refuses_in_the_answer(version: str, stops: bool) -> None:
    """StopTxOnInvalidId ends it at once; without that it goes on, and no energy flows at the EVSE."""
    variables = {"AuthCtrlr__LocalPreAuthorize": True, "TxCtrlr__StopTxOnInvalidId": stops}
    station = Station(board(evses=2), version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", TxCtrlr__MaxEnergyOnInvalidId=0, **variables)
    states201.id_token_cached(station)
    station.tokens["TAG"] = {"status": "Blocked"}
    station.evse = 1
    station.tap("TAG")
    first, *rest = station.hear()
    check(first, "Authorized", "Started")
    if stops:
        ended(rest, "Deauthorized", "DeAuthorized")
        station.plug(1)
        assert station.hear() == [] and not station.is_charging(1)
        return
    assert rest == []
    station.plug(1)
    station.advance(5)
    station.hear()
    assert station.is_on(1) and not station.is_charging(1)


@versions2
def test_B11_FR_04_a_reset_ends_it(version: str) -> None:
    station, _ = begun(version)
    assert station.ask("Reset", type="OnIdle") == {"status": "Scheduled"}
    station.hear()
    assert station.ask("Reset", type="Immediate") == ACCEPTED
    ended(station.hear(), "ResetCommand", "ImmediateReset")


@versions2
def test_E17_a_power_cut_ends_it(version: str) -> None:
    station, started = begun(version)
    station.power_cut()
    station.power_up()
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 3600))
    station.advance(10)
    event = ended(station.hear(), "AbnormalCondition", "PowerLoss")
    assert event["transactionInfo"]["transactionId"] == started["transactionInfo"]["transactionId"]
    station.power_cut()
    station.power_up()
    station.boot()


@versions2
def test_a_vehicle_in_the_bay_has_the_transaction_of_its_evse(version: str) -> None:
    """No second one begins by the card: it belongs to the one that the sensor began."""
    station = Station(board(evses=2, parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy,Authorized")
    station.evse = 2
    station.do("park", 2)
    only(station.hear(), "EVDetected", "Started")
    station.tap("TAG")
    station.expect("Authorize", idToken=token())
    only(station.hear(), "Authorized", "Updated")
    station.plug(2)
    assert [event["eventType"] for event in station.hear()] == ["Updated", "Updated"]
    assert station.is_charging(2)


@versions2
def test_a_vehicle_that_parks_while_a_card_waits_begins_no_second_one(version: str) -> None:
    station = Station(board(evses=2, parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy,Authorized")
    tap(station)
    station.do("park", 2)
    assert station.hear() == []
    station.plug(2)
    plugged, _ = station.hear()
    check(plugged, "CablePluggedIn", "Updated")
    assert plugged["evse"]["id"] == 2 and station.is_charging(2)


@versions2
def test_an_evse_that_went_out_of_service_does_not_take_it(version: str) -> None:
    station, _ = begun(version)
    assert station.ask("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1}) == ACCEPTED
    station.hear()
    station.plug(1)
    assert station.hear() == [] and not station.is_charging(1)
    station.plug(2)
    assert [event["eventType"] for event in station.hear()] == ["Updated", "Updated"]
    assert station.is_charging(2) and not station.is_charging(1)


@versions2
def test_offline_it_is_told_later(version: str) -> None:
    station = Station(board(evses=2), version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", AuthCtrlr__OfflineTxForUnknownIdEnabled=True)
    station.drop()
    station.tap("TAG")
    station.plug(2)
    assert station.is_charging(2)
    station.evse = 2
    station.connect()
    station.advance(1)
    started, plugged, charging = station.hear()
    assert "evse" not in started and plugged["evse"] == {"id": 2, "connectorId": 1}
    assert all(event["offline"] for event in (started, plugged, charging))


def test_in_16_it_is_told_with_its_connector() -> None:
    """StartTransaction needs one: it follows with the cable, and bears the time of the card."""
    station = WholeStation(board(evses=2), variables=FROM_AUTHORIZED)
    at = timestamp(station._utc())
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.quiet()
    station.advance(20)
    station.plug(2)
    said = station.take()
    (start,) = said["StartTransaction"]
    assert start["connectorId"] == 2 and start["idTag"] == "TAG" and start["timestamp"] == at
    assert [each["status"] for each in said["StatusNotification"] if each["connectorId"] == 2][-1] == "Charging"
    station.tap("TAG", 2)
    (stop,) = station.take()["StopTransaction"]
    assert stop["transactionId"] == station.transaction_id
    assert station.journal.head() is None


def test_in_16_one_that_never_had_a_cable_was_none() -> None:
    station = WholeStation(board(evses=2), variables=FROM_AUTHORIZED)
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.advance(120)
    station.quiet()
    assert station.journal.head() is None


@versions2
def test_it_is_not_placed_where_another_transaction_began_meanwhile(version: str) -> None:
    """An EVSE that waits for its reset has one by its cable alone; that one must not be forgotten."""
    station, started = begun(version)
    station.put(TxCtrlr__TxStartPoint="Authorized,EVConnected")
    station.engine.block("availability").hold("reset", 1, "Unavailable")
    station.plug(1)
    events = station.hear()
    began = [event for event in events if event["eventType"] == "Started"]
    assert len(began) == 1 and began[0]["transactionInfo"] != started["transactionInfo"]
    waiting = started["transactionInfo"]["transactionId"]
    assert all(event["transactionInfo"]["transactionId"] != waiting for event in events)
    station.advance(TIMEOUT_S)
    ended([event for event in station.hear() if event["transactionInfo"]["transactionId"] == waiting], *TIMED_OUT)
    assert station.engine.block("transactions").current(1).id == began[0]["transactionInfo"]["transactionId"]
