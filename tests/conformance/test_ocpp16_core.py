"""OCPP 1.6, profile Core: boot and charging sessions by cable and card."""

from __future__ import annotations

import pytest

from tests.support.wholestation import WholeStation, board

INTERVAL_S = 120


# -- boot -------------------------------------------------------------------------------------------------------------


def test_TC_CP_V16_001_cold_boot() -> None:
    """A start: BootNotification, then a StatusNotification of the charge point and of each connector, then Heartbeats.

    HeartbeatInterval becomes what the answer says. [1.6 §4.2, §4.6]
    """
    station = WholeStation(board(evses=2), boot=False)
    station.connect()
    said = station.expect("BootNotification", answer=station.registration("Accepted", INTERVAL_S))
    assert said["chargePointVendor"] == "Acme" and said["chargePointModel"] == "Bench"
    for connector in (0, 1, 2):
        station.expect_status("Available", connector=connector)
    station.quiet()
    assert station.key("HeartbeatInterval") == str(INTERVAL_S)
    for _ in range(2):
        station.advance(INTERVAL_S - 1)
        station.quiet()
        station.advance(1)
        station.expect("Heartbeat")


def test_TC_CP_V16_002_cold_boot_pending() -> None:
    """Pending: the CSMS may read and change settings, nothing is started and nothing is said until it accepts.

    The next BootNotification follows after the interval, or at once when it is triggered. [1.6 §4.2, §5.17]
    """
    station = WholeStation(boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Pending", INTERVAL_S))
    station.quiet()
    assert station.key("MeterValueSampleInterval") is not None
    station.configure(MeterValueSampleInterval=60)
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1) == {"status": "Rejected"}
    assert station.ask("RemoteStopTransaction", transactionId=1) == {"status": "Rejected"}
    station.plug()
    station.advance(INTERVAL_S - 1)
    station.quiet()
    station.advance(1)
    station.expect("BootNotification", answer=station.registration("Pending", INTERVAL_S))
    assert station.ask("TriggerMessage", requestedMessage="BootNotification") == {"status": "Accepted"}
    station.expect("BootNotification", answer=station.registration("Accepted", INTERVAL_S))
    station.expect_status("Available", connector=0)
    station.expect_status("Preparing")
    station.quiet()


def test_cold_boot_rejected() -> None:
    """Rejected: the charge point sends and answers nothing until BootNotification is due again. [1.6 §4.2]"""
    station = WholeStation(boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Rejected", INTERVAL_S))
    station.send("GetConfiguration")
    assert station.reply() is None
    station.plug()
    station.tap("TAG")
    station.advance(INTERVAL_S - 1)
    station.quiet()
    station.advance(1)
    station.expect("BootNotification", answer=station.registration("Accepted", INTERVAL_S))
    assert station.take_statuses() == {0: "Available", 1: "Preparing"}
    assert station.key("HeartbeatInterval") == str(INTERVAL_S)


# -- a session by cable and card --------------------------------------------------------------------------------------


def test_TC_CP_V16_003_regular_charging_session_plugin_first() -> None:
    """Cable, then card: Preparing, Authorize, StartTransaction, Charging; card, then cable: Finishing, Available."""
    station = WholeStation()
    station.configure(MeterValueSampleInterval=0)
    station.plug()
    station.expect_status("Preparing")
    station.quiet()
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect("StartTransaction", connectorId=1, idTag="TAG", meterStart=0)
    station.expect_status("Charging")
    station.quiet()
    assert station.is_charging()
    station.advance(3600)
    station.tap("TAG")
    station.expect(
        "StopTransaction", transactionId=station.transaction_id, idTag="TAG", reason="Local", meterStop=11040
    )
    station.expect_status("Finishing")
    station.quiet()
    assert not station.is_charging()
    station.leave()


def test_TC_CP_V16_004_1_regular_charging_session_identification_first() -> None:
    """Card, then cable: Authorize, Preparing; the transaction begins with the cable."""
    station = WholeStation()
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect_status("Preparing")
    station.quiet()
    station.advance(30)
    station.plug()
    station.expect("StartTransaction", connectorId=1, idTag="TAG")
    station.expect_status("Charging")
    station.quiet()


def test_TC_CP_V16_004_2_identification_first_connection_time_out() -> None:
    """Card, and no cable within ConnectionTimeOut: Available again; a cable plugged in later starts nothing."""
    station = WholeStation()
    station.configure(ConnectionTimeOut=20)
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect_status("Preparing")
    station.advance(19)
    station.quiet()
    station.advance(1)
    station.expect_status("Available")
    station.plug()
    station.expect_status("Preparing")
    station.quiet()


def ev_side_disconnected(unlocks: bool) -> WholeStation:
    """A transaction that ends as its EV is disconnected, up to the status Finishing."""
    station = WholeStation(board(socket=True))
    station.configure(
        MinimumStatusDuration=0,
        StopTransactionOnEVSideDisconnect=True,
        UnlockConnectorOnEVSideDisconnect=unlocks,
    )
    id = station.charge()
    assert station.is_locked()
    station.unplug()
    station.expect("StopTransaction", transactionId=id, reason="EVDisconnected")
    station.expect_status("Finishing", info="EV side disconnected")
    return station


def test_TC_CP_V16_005_1_ev_side_disconnected_stops_and_unlocks() -> None:
    """StopTransactionOnEVSideDisconnect and UnlockConnectorOnEVSideDisconnect: the transaction ends, the cable is free.

    The status is Finishing, with a word why. [1.6 §4.10, §4.9]
    """
    station = ev_side_disconnected(unlocks=True)
    assert not station.is_locked()
    station.expect_status("Available")
    station.quiet()


def test_TC_CP_V16_005_2_ev_side_disconnected_stops_and_keeps_locked() -> None:
    """Without UnlockConnectorOnEVSideDisconnect: the transaction ends, the cable waits for its owner's card.

    Until then the connector is not available for anybody else. [1.6 §4.10]
    """
    station = ev_side_disconnected(unlocks=False)
    station.quiet()
    assert station.is_locked()
    station.tap("TAG")
    assert not station.is_locked()
    station.expect_status("Available")
    station.quiet()


def test_TC_CP_V16_005_3_ev_side_disconnected_goes_on() -> None:
    """Without StopTransactionOnEVSideDisconnect: SuspendedEV with a word why, the cable locked; reconnected: Charging.

    [1.6 §4.10, §4.9]
    """
    station = WholeStation(board(socket=True))
    station.configure(StopTransactionOnEVSideDisconnect=False, UnlockConnectorOnEVSideDisconnect=False)
    id = station.charge()
    station.unplug()
    station.expect_status("SuspendedEV", info="EV side disconnected")
    station.quiet()
    assert station.is_locked() and not station.is_charging()
    station.advance(50)
    station.plug()
    station.expect_status("Charging")
    station.quiet()
    assert station.is_charging()
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=id, reason="Local")
    station.expect_status("Finishing")
    station.leave()


def test_stopped_while_disconnected() -> None:
    """005_3 and the CSMS ends the transaction while the EV is away: the cable is freed, the connector available."""
    station = WholeStation(board(socket=True))
    station.configure(StopTransactionOnEVSideDisconnect=False)
    id = station.charge()
    station.unplug()
    station.expect_status("SuspendedEV", info="EV side disconnected")
    assert station.ask("RemoteStopTransaction", transactionId=id) == {"status": "Accepted"}
    station.expect("StopTransaction", transactionId=id, reason="Remote")
    assert not station.is_locked()
    assert station.take_statuses() == {1: "Available"}


def test_TC_CP_V16_006_one_reader_for_multiple_connectors() -> None:
    """One reader for two connectors: a card means the connector that is plugged and free; each stops its own."""
    station = WholeStation(board(evses=2))
    station.plug(1)
    station.expect_status("Preparing", connector=1)
    station.tap("ONE")
    station.expect("Authorize", idTag="ONE")
    station.expect("StartTransaction", connectorId=1, idTag="ONE")
    one = station.transaction_id
    station.expect_status("Charging", connector=1)
    station.plug(2)
    station.expect_status("Preparing", connector=2)
    station.tap("TWO")
    station.expect("Authorize", idTag="TWO")
    station.expect("StartTransaction", connectorId=2, idTag="TWO")
    two = station.transaction_id
    station.expect_status("Charging", connector=2)
    station.tap("ONE")
    station.expect("StopTransaction", transactionId=one, idTag="ONE", reason="Local")
    station.expect_status("Finishing", connector=1)
    station.quiet()
    assert station.is_charging(2)
    station.tap("TWO")
    station.expect("StopTransaction", transactionId=two, idTag="TWO", reason="Local")
    station.expect_status("Finishing", connector=2)
    station.leave(1)
    station.leave(2)


def test_one_reader_identification_first() -> None:
    """006 with the card first: it waits for whichever connector is plugged first."""
    station = WholeStation(board(evses=2))
    station.tap("ONE")
    station.expect("Authorize", idTag="ONE")
    station.plug(2)
    station.expect_status("Preparing", connector=2)
    station.expect("StartTransaction", connectorId=2, idTag="ONE")
    station.expect_status("Charging", connector=2)
    station.quiet()


def test_TC_CP_V16_007_cached_id() -> None:
    """A card that the CSMS accepted before starts without Authorize, by LocalPreAuthorize. [1.6 §3.5.1, §3.5.3]"""
    station = WholeStation()
    station.configure(AuthorizationCacheEnabled=True, LocalPreAuthorize=True)
    station.charge("TAG")
    station.tap("TAG")
    station.expect("StopTransaction", reason="Local")
    station.expect_status("Finishing")
    station.leave()
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("StartTransaction", idTag="TAG")
    station.expect_status("Charging")
    station.quiet()


def test_free_vending() -> None:
    """Charging without a card: the idTag says so, as an empty one would be nobody's."""
    station = WholeStation(station={"free_vending": True})
    station.plug()
    station.expect_status("Preparing")
    station.expect("StartTransaction", idTag="NoAuthorization")
    station.expect_status("Charging")
    station.quiet()


def test_status_of_a_session_that_pauses() -> None:
    """SuspendedEV while the vehicle wants nothing, SuspendedEVSE while it may have nothing. [1.6 §4.9]"""
    station = WholeStation()
    station.configure(MeterValueSampleInterval=0)
    station.plug()
    station.expect_status("Preparing")
    station.do("suspend", 1)
    station.tap("TAG")
    station.expect("Authorize")
    station.expect("StartTransaction")
    station.advance(5)
    station.expect_status("SuspendedEV")
    station.do("resume", 1)
    station.expect_status("Charging")
    station.controllers[1].limit("test", 0.0)
    station.advance(5)
    station.expect_status("SuspendedEVSE")
    station.do("suspend", 1)
    station.advance(5)
    station.quiet()
    station.controllers[1].limit("test", None)
    station.advance(5)
    station.expect_status("SuspendedEV")
    station.do("resume", 1)
    station.expect_status("Charging")
    station.quiet()


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
def test_TC_CP_V16_023_authorize_refused(status: str) -> None:
    """A card that the CSMS does not accept starts nothing; the driver is told, the connector stays as it is."""
    station = WholeStation()
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize", answer={"idTagInfo": {"status": status}}, idTag="TAG")
    station.quiet()
    assert not station.is_charging()
    assert station.displays[-1] == f"card refused: {status}"
    station.leave()
    station.tap("TAG")
    station.expect("Authorize", answer={"idTagInfo": {"status": status}}, idTag="TAG")
    station.quiet()


def test_TC_CP_V16_024_start_charging_session_lock_failure() -> None:
    """The cable cannot be locked: Faulted with ConnectorLockFailure, and no transaction. Gone with the cable."""
    station = WholeStation(board(socket=True))
    station.do("lock", 1, False)
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect_status("Faulted", error="ConnectorLockFailure")
    station.advance(60)
    station.quiet()
    assert not station.is_charging()
    station.do("lock", 1, True)
    station.expect_status("Finishing")
    station.leave()


def test_TC_CP_V16_068_stop_transaction_same_id_tag() -> None:
    """The card that started stops without Authorize; another card does not. [1.6 §3.5, §4.10]"""
    station = WholeStation()
    id = station.charge("TAG")
    station.tap("OTHER")
    station.expect("Authorize", idTag="OTHER")
    station.quiet()
    assert station.is_charging()
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=id, idTag="TAG", reason="Local")
    station.expect_status("Finishing")
    station.leave()


def test_TC_CP_V16_069_stop_transaction_same_parent_id_tag() -> None:
    """Another card with the parentIdTag of the one that started stops the transaction. [1.6 §3.5, §4.1]"""
    station = WholeStation()
    family = {"idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize", answer=family, idTag="TAG")
    station.expect("StartTransaction", answer={"transactionId": 5, **family}, idTag="TAG")
    station.expect_status("Charging")
    station.tap("COUSIN")
    station.expect("Authorize", answer=family, idTag="COUSIN")
    station.expect("StopTransaction", transactionId=5, idTag="COUSIN", reason="Local")
    station.expect_status("Finishing")
    station.leave()
