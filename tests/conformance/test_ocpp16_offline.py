"""OCPP 1.6, profile Core: power failures, faults, and what happens without a connection."""

from __future__ import annotations

from typing import Any

from evse.clock import timestamp
from tests.support.wholestation import ACCEPTED, REFUSED, WholeStation, board


def at(station: WholeStation) -> str:
    """The time as the station writes it."""
    return timestamp(station.clock.utc() or 0.0)


# -- power ------------------------------------------------------------------------------------------------------------


def test_TC_CP_V16_032_1_power_failure_stops_transactions_before_going_down() -> None:
    """The mains fail, the station runs on for a moment: StopTransaction with PowerLoss goes out before it is down.

    After the next start nothing is left to be said of it. [1.6 §7.36]
    """
    station = WholeStation()
    id = station.charge()
    station.advance(30)
    station.do("power", "loss")
    station.expect_status("Faulted", error="OtherError", vendorErrorCode="PowerLoss")
    station.expect("StopTransaction", transactionId=id, reason="PowerLoss", meterStop=92)
    station.quiet()
    assert not station.is_charging()
    station.power_cut()
    station.advance(600)
    station.power_up()
    station.boot()
    assert station.statuses == {0: "Available", 1: "Preparing"}
    station.quiet()


def test_TC_CP_V16_032_2_power_failure_stops_transactions_after_boot() -> None:
    """The power goes at once: after the next start StopTransaction with PowerLoss. [1.6 §7.36]"""
    station = WholeStation()
    id = station.charge()
    station.advance(30)
    station.power_cut()
    station.advance(600)
    station.power_up()
    assert not station.is_charging()
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    said = station.take()
    (stop,) = said["StopTransaction"]
    assert (stop["transactionId"], stop["reason"], stop["meterStop"]) == (id, "PowerLoss", 92)
    # Who is at the connector now is not known.
    assert {each["connectorId"]: each["status"] for each in said["StatusNotification"]} == {
        0: "Available",
        1: "Preparing",
    }
    station.leave()


def test_power_failure_of_a_station_that_resumes() -> None:
    """power_loss = "resume": the transaction goes on after the start, and is stopped as any other."""
    station = WholeStation(station={"power_loss": "resume"})
    id = station.charge()
    station.power_cut()
    station.advance(30)
    station.power_up()
    station.boot()
    assert station.statuses == {0: "Available", 1: "Charging"}
    assert station.is_charging()
    station.advance(10)
    station.take()
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=id, reason="Local")
    station.expect_status("Finishing")
    station.leave()


def test_power_failure_and_the_vehicle_left_meanwhile() -> None:
    """As above, but nobody is there after the start: the transaction ends as if the vehicle left now."""
    station = WholeStation(station={"power_loss": "resume"})
    id = station.charge()
    station.advance(30)
    station.power_cut()
    station.sim.unplug(1)
    station.power_up()
    station.boot()
    station.advance(10)
    said = station.take()
    (stop,) = said["StopTransaction"]
    assert (stop["transactionId"], stop["reason"], stop["meterStop"]) == (id, "EVDisconnected", 92)
    station.tap("OTHER")
    station.expect("Authorize")
    station.expect_status("Preparing")
    station.quiet()


def test_TC_CP_V16_034_power_failure_with_unavailable_status() -> None:
    """Unavailable by ChangeAvailability, charge point and connector: so it stays over a power failure. [1.6 §5.2]"""
    station = WholeStation(board(evses=2))
    assert station.ask("ChangeAvailability", connectorId=2, type="Inoperative") == {"status": "Accepted"}
    station.expect_status("Unavailable", connector=2)
    station.power_cut()
    station.power_up()
    station.boot()
    assert station.statuses == {0: "Available", 1: "Available", 2: "Unavailable"}
    assert station.ask("ChangeAvailability", connectorId=0, type="Inoperative") == {"status": "Accepted"}
    assert station.take_statuses() == {0: "Unavailable", 1: "Unavailable"}
    station.power_cut()
    station.power_up()
    station.boot()
    assert station.statuses == {0: "Unavailable", 1: "Unavailable", 2: "Unavailable"}
    station.plug(1)
    station.tap("TAG", 1)
    station.expect("Authorize")
    station.quiet()
    assert not station.is_charging(1)
    station.unplug(1)
    assert station.ask("ChangeAvailability", connectorId=0, type="Operative") == {"status": "Accepted"}
    assert station.take_statuses() == {0: "Available", 1: "Available", 2: "Available"}


# -- faults -----------------------------------------------------------------------------------------------------------


def test_TC_CP_V16_041_fault_behavior() -> None:
    """A fault of an idle connector: Faulted with its error code; gone: Available. [1.6 §4.9, A9, I1]"""
    station = WholeStation()
    station.do("fault", 1, "GroundFailure")
    station.expect_status("Faulted", error="GroundFailure")
    station.plug()
    station.tap("TAG")
    station.expect("Authorize")
    station.quiet()
    assert not station.is_charging()
    station.unplug()
    station.do("clear", 1, "GroundFailure")
    station.expect_status("Available")
    station.quiet()


def test_fault_during_transaction() -> None:
    """041 with a transaction: it ends with the reason Other; the fault gone, the cable is still there: Finishing."""
    station = WholeStation()
    id = station.charge()
    station.do("fault", 1, "GroundFailure")
    said = station.take()
    (stop,), (status,) = said["StopTransaction"], said["StatusNotification"]
    assert (stop["transactionId"], stop["reason"]) == (id, "Other")
    assert (status["status"], status["errorCode"]) == ("Faulted", "GroundFailure")
    assert not station.is_charging()
    station.do("clear", 1, "GroundFailure")
    station.expect_status("Finishing")
    station.leave()


def test_pilot_error_during_transaction() -> None:
    """The vehicle shorts the pilot: a warning where 1.6 allows it, never with the status Charging. [1.6 §4.9]"""
    station = WholeStation()
    id = station.charge()
    station.do("misbehave", 1, "short")
    station.expect("StopTransaction", transactionId=id)
    station.expect_status("Finishing", error="EVCommunicationError")
    station.quiet()


# -- offline ----------------------------------------------------------------------------------------------------------


def test_TC_CP_V16_035_idle_charge_point() -> None:
    """The connection is lost while nobody charges: no BootNotification afterwards; what changed is reported.

    [1.6J §5.4, 1.6 §4.9]
    """
    station = WholeStation(board(evses=2))
    station.drop()
    station.plug(1)
    station.advance(30)
    station.connect()
    station.expect_status("Preparing", connector=1)
    station.quiet()


def test_TC_CP_V16_036_connection_loss_during_transaction() -> None:
    """The connection is lost during a transaction: charging goes on, the meter values of the meantime come later."""
    station = WholeStation()
    station.configure(MeterValueSampleInterval=10)
    id = station.charge()
    station.drop()
    begin = station.clock.utc() or 0.0
    station.advance(35)
    assert station.is_charging()
    station.connect()
    for number in (1, 2, 3):
        (sample,) = station.expect("MeterValues", connectorId=1, transactionId=id)["meterValue"]
        assert sample["timestamp"] == timestamp(begin + 10 * number)
        assert sample["sampledValue"][0]["context"] == "Sample.Periodic"
    station.quiet()
    station.advance(5)
    station.expect("MeterValues", connectorId=1, transactionId=id)
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=id, reason="Local")
    station.expect_status("Finishing")
    station.leave()


def offline_start(**keys: Any) -> tuple[WholeStation, str]:
    """A session that began without a connection; the connection is back, StartTransaction waits for its answer."""
    station = WholeStation()
    station.configure(LocalAuthorizeOffline=True, AllowOfflineTxForUnknownId=True, MeterValueSampleInterval=0, **keys)
    station.drop()
    station.plug()
    station.tap("TAG")
    began = at(station)
    assert station.is_charging()
    station.advance(50)
    station.connect()
    return station, began


def test_TC_CP_V16_037_1_offline_start_transaction() -> None:
    """A transaction began offline: StartTransaction with the time at which it did; accepted, it goes on. [1.6 §3.5]"""
    station, began = offline_start()
    said = station.take()
    (start,), (status,) = said["StartTransaction"], said["StatusNotification"]
    assert (start["timestamp"], start["idTag"], start["meterStart"]) == (began, "TAG", 0)
    assert status["status"] == "Charging"
    station.advance(60)
    station.quiet()
    assert station.is_charging()


def test_TC_CP_V16_037_2_offline_start_transaction_invalid_id_stops() -> None:
    """StartTransaction.conf refuses the card, StopTransactionOnInvalidId: the transaction ends, DeAuthorized."""
    station, _ = offline_start(StopTransactionOnInvalidId=True)
    refuse_start(station)
    station.expect("StopTransaction", transactionId=7, reason="DeAuthorized")
    station.expect_status("Finishing")
    station.quiet()
    assert not station.is_charging()
    station.leave()


def test_TC_CP_V16_037_3_offline_start_transaction_invalid_id_suspends() -> None:
    """Without StopTransactionOnInvalidId the transaction stays, without energy: SuspendedEVSE, until it is stopped.

    [1.6 §4.8, §9.1.24: MaxEnergyOnInvalidId]
    """
    station, _ = offline_start(StopTransactionOnInvalidId=False, MaxEnergyOnInvalidId=0)
    refuse_start(station)
    station.expect_status("SuspendedEVSE")
    station.advance(60)
    station.quiet()
    assert not station.is_charging()
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=7, reason="Local")
    station.expect_status("Finishing")
    station.leave()


def test_cable_stays_locked_when_the_id_is_refused() -> None:
    """A transaction that ended DeAuthorized: the cable stays locked until the same card, or the CSMS, asks for it.

    [1.6 §3.5.4, errata 3.5]
    """
    for how in ("card", "CSMS"):
        station = WholeStation(board(socket=True))
        station.plug()
        station.expect_status("Preparing")
        station.tap("TAG")
        station.expect("Authorize")
        station.expect("StartTransaction", answer={"transactionId": 7, **REFUSED})
        station.expect_status("Charging")
        station.expect("StopTransaction", transactionId=7, reason="DeAuthorized")
        station.expect_status("Finishing")
        station.advance(5)
        assert station.is_locked()
        if how == "card":
            station.tap("TAG")
        else:
            assert station.ask("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
        assert not station.is_locked()
        station.quiet()
        station.leave()


def test_cable_stays_locked_after_the_vehicle_left() -> None:
    """As above, but the vehicle leaves first: the connector is available when its cable is gone."""
    station = WholeStation(board(socket=True))
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize")
    station.expect("StartTransaction", answer={"transactionId": 7, **REFUSED})
    station.take()
    station.unplug()
    station.expect_status("Finishing", info="EV side disconnected")
    station.advance(5)
    station.tap("OTHER")
    station.expect("Authorize")
    station.quiet()
    assert station.is_locked()
    station.tap("TAG")
    assert not station.is_locked()
    station.expect_status("Available")
    station.quiet()


def refuse_start(station: WholeStation) -> None:
    """Charging is reported, StartTransaction gets the transactionId 7 and a refusal, in whichever order they come."""
    while station.calls and station.calls[0][2] == "StatusNotification":
        station.expect_status("Charging")
    station.expect("StartTransaction", answer={"transactionId": 7, **REFUSED})


def test_transaction_message_attempts() -> None:
    """A CSMS that fails on StopTransaction gets it TransactionMessageAttempts times, each after a longer time.

    [1.6 §3.7.1, §9.1.30, §9.1.31]
    """
    station = WholeStation()
    station.configure(TransactionMessageAttempts=3, TransactionMessageRetryInterval=10, MeterValueSampleInterval=0)
    id = station.charge()
    station.tap("TAG")
    for wait_s in (10, 20, None):
        station.expect("StopTransaction", answer=None, transactionId=id)
        station.refuse("InternalError")
        station.take()
        if wait_s is not None:
            station.advance(wait_s - 0.1)
            station.quiet()
            station.advance(0.1)
    station.advance(600)
    station.quiet()


def test_unknown_id_refused_offline() -> None:
    """Without AllowOfflineTxForUnknownId a card that nobody knows starts nothing offline; one in the cache does."""
    station = WholeStation()
    station.configure(AllowOfflineTxForUnknownId=False, AuthorizationCacheEnabled=True, LocalAuthorizeOffline=True)
    station.charge("KNOWN")
    station.tap("KNOWN")
    station.expect("StopTransaction")
    station.expect_status("Finishing")
    station.leave()
    station.drop()
    station.plug()
    station.tap("TAG")
    assert not station.is_charging()
    station.tap("KNOWN")
    assert station.is_charging()


def test_TC_CP_V16_038_offline_stop_transaction() -> None:
    """A transaction ended offline: StopTransaction with the time at which it did, after the reconnection."""
    station = WholeStation()
    station.configure(MeterValueSampleInterval=0)
    id = station.charge()
    station.drop()
    station.advance(30)
    station.tap("TAG")
    ended = at(station)
    assert not station.is_charging()
    station.advance(50)
    station.connect()
    said = station.take()
    (stop,), (status,) = said["StopTransaction"], said["StatusNotification"]
    assert (stop["transactionId"], stop["timestamp"], stop["reason"], stop["meterStop"]) == (id, ended, "Local", 92)
    assert status["status"] == "Finishing"
    station.leave()


def test_TC_CP_V16_039_offline_transaction() -> None:
    """A whole transaction offline: StartTransaction, then StopTransaction with the id of its answer, in order."""
    station = WholeStation()
    station.configure(LocalAuthorizeOffline=True, AllowOfflineTxForUnknownId=True, MeterValueSampleInterval=0)
    station.drop()
    station.advance(10)
    station.plug()
    station.tap("TAG")
    began = at(station)
    station.advance(30)
    station.tap("TAG")
    ended = at(station)
    station.unplug()
    station.advance(600)
    station.connect()
    said = station.take(StartTransaction={"transactionId": 7, **ACCEPTED})
    (start,) = said["StartTransaction"]
    assert (start["timestamp"], start["idTag"], start["meterStart"]) == (began, "TAG", 0)
    (stop,) = said["StopTransaction"]
    assert (stop["timestamp"], stop["transactionId"], stop["meterStop"], stop["reason"]) == (ended, 7, 92, "Local")
    assert {each["status"] for each in said["StatusNotification"]} == {"Available"}
