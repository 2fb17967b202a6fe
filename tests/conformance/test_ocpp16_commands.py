"""OCPP 1.6, profile Core: remote start and stop, unlock, reset."""

from __future__ import annotations

import pytest

from tests.support.wholestation import WholeStation, board

# -- remote start and stop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorizes", [True, False])
def test_TC_CP_V16_010_remote_start_cable_plugged_in_first(authorizes: bool) -> None:
    """Cable, then RemoteStartTransaction: Authorize only with AuthorizeRemoteTxRequests, then the transaction."""
    station = WholeStation()
    station.configure(AuthorizeRemoteTxRequests=authorizes)
    station.plug()
    station.expect_status("Preparing")
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1) == {"status": "Accepted"}
    if authorizes:
        station.expect("Authorize", idTag="TAG")
    station.expect("StartTransaction", connectorId=1, idTag="TAG")
    station.expect_status("Charging")
    station.quiet()
    assert station.is_charging()


@pytest.mark.parametrize("authorizes", [True, False])
def test_TC_CP_V16_011_1_remote_start_first(authorizes: bool) -> None:
    """RemoteStartTransaction, then the cable: Preparing meanwhile, the transaction begins with the cable."""
    station = WholeStation()
    station.configure(AuthorizeRemoteTxRequests=authorizes)
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1) == {"status": "Accepted"}
    if authorizes:
        station.expect("Authorize", idTag="TAG")
    station.expect_status("Preparing")
    station.quiet()
    station.plug()
    station.expect("StartTransaction", connectorId=1, idTag="TAG")
    station.expect_status("Charging")
    station.quiet()


def test_TC_CP_V16_011_2_remote_start_time_out() -> None:
    """RemoteStartTransaction, and no cable within ConnectionTimeOut: Available, and nothing starts later."""
    station = WholeStation()
    station.configure(ConnectionTimeOut=20, AuthorizeRemoteTxRequests=False)
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1) == {"status": "Accepted"}
    station.expect_status("Preparing")
    station.advance(20)
    station.expect_status("Available")
    station.plug()
    station.expect_status("Preparing")
    station.quiet()


def test_TC_CP_V16_012_remote_stop_charging_session() -> None:
    """RemoteStopTransaction: StopTransaction with the reason Remote, Finishing; the cable is freed. [1.6 §5.12]"""
    station = WholeStation(board(socket=True))
    id = station.charge()
    assert station.ask("RemoteStopTransaction", transactionId=id) == {"status": "Accepted"}
    said = station.expect("StopTransaction", transactionId=id, reason="Remote")
    assert "idTag" not in said
    station.expect_status("Finishing")
    station.quiet()
    assert not station.is_charging() and not station.is_locked()
    station.leave()


def test_TC_CP_V16_026_remote_start_rejected() -> None:
    """RemoteStartTransaction for a connector with a transaction: Rejected, and the transaction goes on."""
    station = WholeStation()
    station.charge()
    assert station.ask("RemoteStartTransaction", idTag="OTHER", connectorId=1) == {"status": "Rejected"}
    station.quiet()
    assert station.is_charging()


def test_TC_CP_V16_027_remote_start_connector_0() -> None:
    """RemoteStartTransaction for connector 0: Rejected. [1.6 §5.11: connectorId > 0]"""
    station = WholeStation()
    station.plug()
    station.expect_status("Preparing")
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=0) == {"status": "Rejected"}
    station.quiet()


def test_TC_CP_V16_028_remote_stop_rejected() -> None:
    """RemoteStopTransaction with an id that is not running: Rejected, and the transaction goes on. [1.6 §5.12]"""
    station = WholeStation()
    id = station.charge()
    assert station.ask("RemoteStopTransaction", transactionId=id + 1) == {"status": "Rejected"}
    station.quiet()
    assert station.is_charging()


# -- unlock -----------------------------------------------------------------------------------------------------------


def test_TC_CP_V16_017_1_unlock_no_session_socket() -> None:
    """UnlockConnector without a session: Unlocked, nothing else happens."""
    station = WholeStation(board(socket=True))
    assert station.ask("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    station.quiet()


def test_TC_CP_V16_017_2_unlock_no_session_fixed_cable() -> None:
    """UnlockConnector where the cable is fixed: NotSupported. [1.6 §7.44, errata 3.87]"""
    station = WholeStation()
    assert station.ask("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
    station.quiet()


def test_TC_CP_V16_018_1_unlock_with_session_socket() -> None:
    """UnlockConnector during a transaction ends it first, with the reason UnlockCommand. [1.6 §5.18]"""
    station = WholeStation(board(socket=True))
    id = station.charge()
    station.send("UnlockConnector", connectorId=1)
    assert station.reply() == [3, "csms-1", {"status": "Unlocked"}]
    station.expect("StopTransaction", transactionId=id, reason="UnlockCommand")
    station.expect_status("Finishing")
    station.quiet()
    assert not station.is_charging() and not station.is_locked()
    station.leave()


def test_TC_CP_V16_018_2_unlock_with_session_fixed_cable() -> None:
    """UnlockConnector where the cable is fixed: NotSupported, and the transaction goes on."""
    station = WholeStation()
    station.charge()
    assert station.ask("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
    station.quiet()
    assert station.is_charging()


def test_TC_CP_V16_030_unlock_failure() -> None:
    """UnlockConnector, and the lock does not move: UnlockFailed; the fault is reported."""
    station = WholeStation(board(socket=True))
    station.do("lock", 1, False)
    assert station.ask("UnlockConnector", connectorId=1) == {"status": "UnlockFailed"}
    station.expect_status("Faulted", error="ConnectorLockFailure")
    station.quiet()


def test_TC_CP_V16_031_unlock_unknown_connector() -> None:
    """UnlockConnector for a connector that is not there: NotSupported. [1.6 errata 3.87]"""
    station = WholeStation(board(socket=True))
    assert station.ask("UnlockConnector", connectorId=9) == {"status": "NotSupported"}
    station.quiet()


# -- reset ------------------------------------------------------------------------------------------------------------


def reset_without_transaction(kind: str) -> None:
    station = WholeStation()
    assert station.ask("Reset", type=kind) == {"status": "Accepted"}
    station.reboot()
    station.boot()
    assert station.statuses == {0: "Available", 1: "Available"}
    station.quiet()


def test_TC_CP_V16_013_hard_reset_without_transaction() -> None:
    """Hard Reset: Accepted, the station restarts and registers; each connector is reported. [1.6 §5.14]"""
    reset_without_transaction("Hard")


def test_TC_CP_V16_014_soft_reset_without_transaction() -> None:
    """Soft Reset: Accepted, the station restarts and registers; each connector is reported. [1.6 §5.14]"""
    reset_without_transaction("Soft")


def reset_with_transaction(kind: str) -> None:
    station = WholeStation()
    id = station.charge()
    assert station.ask("Reset", type=kind) == {"status": "Accepted"}
    station.expect("StopTransaction", transactionId=id, reason=kind + "Reset")
    assert not station.is_charging()
    station.expect_status("Finishing")
    station.advance(1)
    station.reboot()
    station.boot()
    assert station.statuses == {0: "Available", 1: "Preparing"}
    station.quiet()
    assert not station.is_charging()


def test_TC_CP_V16_015_hard_reset_with_transaction() -> None:
    """Hard Reset: the transaction ends with the reason HardReset, then the station restarts.

    The vehicle is still there afterwards and takes part in no session. [1.6 §5.14, §7.36]
    """
    reset_with_transaction("Hard")


def test_reset_without_an_answer_to_stop_transaction() -> None:
    """Reset, and the CSMS does not answer StopTransaction: the station restarts in the end and sends it again.

    [1.6 §5.14]
    """
    station = WholeStation()
    id = station.charge()
    assert station.ask("Reset", type="Soft") == {"status": "Accepted"}
    station.expect("StopTransaction", answer=None, transactionId=id)
    station.advance(20)
    station.reboot()
    station.advance(60)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    said = station.take()
    assert [(stop["transactionId"], stop["reason"]) for stop in said["StopTransaction"]] == [(id, "SoftReset")]


def test_TC_CP_V16_016_soft_reset_with_transaction() -> None:
    """Soft Reset: as a hard one, with the reason SoftReset. [1.6 §5.14, §7.36]"""
    reset_with_transaction("Soft")
