"""OCPP 2.0.1 test cases, E Transactions: GetTransactionStatus, what happens offline, events that are not answered."""

from __future__ import annotations

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import TOKEN, Event, Station, check, token

INTERVAL_S = 10
MESSAGE_TIMEOUT_S = 30
ATTEMPTS = 3
GROUP = {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}

# -- GetTransactionStatus ----------------------------------------------------------------------------------------------


def offline_samples(version: str) -> tuple[Station, str]:
    """A transaction during which the connection was away for three samples; it is back, nothing is answered yet."""
    station = Station(version=version)
    station.put(SampledDataCtrlr__TxUpdatedInterval=INTERVAL_S)
    station.put(SampledDataCtrlr__TxUpdatedMeasurands="Energy.Active.Import.Register")
    states201.energy_transfer_started(station)
    station.drop()
    station.advance(3 * INTERVAL_S + 5)
    assert station.is_charging()
    station.connect()
    return station, station.transaction()


def all_offline(events: list[Event]) -> None:
    """The queue was emptied: Updated with meter values, offline."""
    assert len(events) == 3
    for event in events:
        check(event, "MeterValuePeriodic", "Updated")
        assert event["offline"] is True and event["meterValue"]


@versions2
def test_TC_E_28_CS_transaction_status_unknown_id(version: str) -> None:
    """[E14.FR.01, E14.FR.05]"""
    answer = Station(version=version).ask("GetTransactionStatus", transactionId="unknown")
    assert answer == {"ongoingIndicator": False, "messagesInQueue": False}


@versions2
def test_TC_E_29_CS_transaction_status_ongoing_with_queue(version: str) -> None:
    """[E14.FR.02, E14.FR.04]"""
    station, id = offline_samples(version)
    answer = station.ask("GetTransactionStatus", transactionId=id)
    assert answer == {"ongoingIndicator": True, "messagesInQueue": True}
    all_offline(station.hear())


@versions2
def test_TC_E_30_CS_transaction_status_ongoing_without_queue(version: str) -> None:
    """[E14.FR.02, E14.FR.05]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    answer = station.ask("GetTransactionStatus", transactionId=station.transaction())
    assert answer == {"ongoingIndicator": True, "messagesInQueue": False}


@versions2
def test_TC_E_31_CS_transaction_status_ended_with_queue(version: str) -> None:
    """[E14.FR.03, E14.FR.04]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    id = station.transaction()
    station.drop()
    station.tap(TOKEN, 1)
    station.unplug()
    station.advance(30)
    station.connect()
    answer = station.ask("GetTransactionStatus", transactionId=id)
    assert answer == {"ongoingIndicator": False, "messagesInQueue": True}
    *_, ended = station.hear()
    check(ended, "StopAuthorized", "Ended", stoppedReason="Local", chargingState="EVConnected")
    assert ended["offline"] is True and station.status[1, 1] == "Available"


@versions2
def test_TC_E_32_CS_transaction_status_ended_without_queue(version: str) -> None:
    """[E14.FR.03, E14.FR.05]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    states201.parking_bay_unoccupied(station)
    answer = station.ask("GetTransactionStatus", transactionId=station.transaction())
    assert answer == {"ongoingIndicator": False, "messagesInQueue": False}


@versions2
def test_TC_E_33_CS_transaction_status_without_id_with_queue(version: str) -> None:
    """[E14.FR.06, E14.FR.07]"""
    station, _ = offline_samples(version)
    assert station.ask("GetTransactionStatus") == {"messagesInQueue": True}
    all_offline(station.hear())


@versions2
def test_TC_E_34_CS_transaction_status_without_id_without_queue(version: str) -> None:
    """[E14.FR.06, E14.FR.08]"""
    assert Station(version=version).ask("GetTransactionStatus") == {"messagesInQueue": False}


# -- offline -----------------------------------------------------------------------------------------------------------


@versions2
def test_TC_E_40_CS_connection_loss_during_transaction(version: str) -> None:
    """The samples of the meantime are said afterwards, as offline. [E04]"""
    station, _ = offline_samples(version)
    all_offline(station.hear())
    station.advance(INTERVAL_S)
    (event,) = station.hear()
    assert not event.get("offline")


@versions2
def test_TC_E_43_CS_transaction_while_offline(version: str) -> None:
    """A whole transaction without a connection. [E12.FR.01, E12.FR.02, E12.FR.06]"""
    station = Station(version=version)
    states201.transaction_events_in_queue_ended(station)
    events = station.hear()
    assert all(event["offline"] is True for event in events)
    kinds = [event["eventType"] for event in events]
    assert (kinds[0], kinds[-1]) == ("Started", "Ended") and not station.is_on()


@versions2
def test_TC_E_44_CS_stop_while_offline(version: str) -> None:
    """A transaction is stopped by its card without a connection. [E08]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    station.drop()
    station.tap(TOKEN, 1)
    assert not station.is_charging()
    station.unplug()
    station.advance(30)
    station.connect()
    events = station.hear()
    assert all(event["offline"] is True for event in events)
    check(events[-1], "StopAuthorized", "Ended", stoppedReason="Local")
    assert station.status[1, 1] == "Available"


@versions2
def test_TC_E_45_CS_stop_while_offline_same_group(version: str) -> None:
    """A card of the same group, which the cache knows, stops it without a connection. [E08, C09.FR.03]"""
    station = Station(version=version)
    states201.id_token_cached(station, "COUSIN", GROUP)
    station.tokens[TOKEN] = GROUP
    states201.energy_transfer_started(station)
    station.drop()
    station.tap("COUSIN", 1)
    assert not station.is_charging()
    station.unplug()
    station.connect()
    events = station.hear()
    assert all(event["offline"] is True for event in events)
    check(events[-1], "StopAuthorized", "Ended", stoppedReason="Local")
    assert events[-1]["idToken"] == token("COUSIN")


# -- events that are not answered --------------------------------------------------------------------------------------


def said_once(station: Station) -> Event:
    """Statuses are answered; the TransactionEvent among them waits for its answer."""
    while station.calls[0][2] == "StatusNotification":
        station.expect("StatusNotification")
    return station.expect("TransactionEvent", answer=None)


def started(version: str) -> tuple[Station, Event]:
    """Authorized and EVConnectedPreSession: the first event is said and not answered."""
    station = Station(version=version)
    station.put(
        OCPPCommCtrlr__MessageAttempts__TransactionEvent=ATTEMPTS,
        OCPPCommCtrlr__MessageAttemptInterval__TransactionEvent=INTERVAL_S,
    )
    states201.authorized(station)
    station.plug()
    event = said_once(station)
    check(event, "CablePluggedIn", "Started")
    return station, event


def again(station: Station, event: Event, number: int, is_refused: bool) -> None:
    """The event is said again, after the time that this number of tries demands and no sooner."""
    if is_refused:
        station.refuse("InternalError")
    wait_s = INTERVAL_S * number + (0 if is_refused else MESSAGE_TIMEOUT_S)
    station.advance(wait_s - 1)
    assert [call for call in station.calls if call[2] == "TransactionEvent"] == []
    station.advance(1)
    assert said_once(station) == event


def max_retries(version: str, is_refused: bool) -> None:
    station, event = started(version)
    for number in range(1, ATTEMPTS):
        again(station, event, number, is_refused)
    if is_refused:
        station.refuse("InternalError")
    station.advance(INTERVAL_S * ATTEMPTS + MESSAGE_TIMEOUT_S)
    later = station.hear()
    assert later and event not in later
    check(later[0], "ChargingStateChanged", "Updated", chargingState="Charging")
    assert station.is_charging()


def success_on_retry(version: str, is_refused: bool) -> None:
    station, event = started(version)
    again(station, event, 1, is_refused)
    station.answer({})
    station.advance(INTERVAL_S * 2 + MESSAGE_TIMEOUT_S)
    later = station.hear()
    assert later and event not in later
    check(later[0], "ChargingStateChanged", "Updated", chargingState="Charging")


@versions2
def test_TC_E_41_CS_max_retries_no_answer(version: str) -> None:
    """Never answered: said MessageAttempts times, then the next event follows. [E13.FR.02, E13.FR.03]"""
    max_retries(version, is_refused=False)


@versions2
def test_TC_E_42_CS_success_before_max_retries_no_answer(version: str) -> None:
    """Answered at the second time: not said again. [E13.FR.02]"""
    success_on_retry(version, is_refused=False)


@versions2
def test_TC_E_50_CS_max_retries_call_error(version: str) -> None:
    """41 with a CALLERROR each time. [E13.FR.02, E13.FR.03]"""
    max_retries(version, is_refused=True)


@versions2
def test_TC_E_51_CS_success_before_max_retries_call_error(version: str) -> None:
    """42 with a CALLERROR first. [E13.FR.02]"""
    success_on_retry(version, is_refused=True)
