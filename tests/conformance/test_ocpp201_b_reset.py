"""OCPP 2.0.1 test cases, B Provisioning, B11 and B12: reset of the station and of an EVSE, at once and when idle."""

from __future__ import annotations

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Station, board, only


@versions2
def test_TC_B_20_CS_reset_on_idle(version: str) -> None:
    """Reset, OnIdle, while nobody charges: at once. [B11.FR.01, B11.FR.03, B11.FR.04]"""
    station = Station(board(evses=2), version=version)
    assert station.ask("Reset", type="OnIdle") == ACCEPTED
    station.advance(1)
    station.quiet()
    station.reboot()
    assert states201.boots(station, "RemoteReset") == {(1, 1): "Available", (2, 1): "Available"}


@pytest.mark.parametrize("stop_point", ["Authorized", "EVConnected"])
@versions2
def test_TC_B_21_CS_reset_on_idle_during_transaction(version: str, stop_point: str) -> None:
    """Scheduled: the station restarts when the transaction is over; until then it charges. [B12.FR.01, B12.FR.03]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStopPoint=stop_point)
    states201.energy_transfer_started(station)
    assert station.ask("Reset", type="OnIdle") == {"status": "Scheduled"}
    assert station.is_charging() and station.effects == []
    states201.stop_authorized(station)
    if stop_point == "EVConnected":
        station.advance(5)
        assert station.hear() == [] and station.effects == []
        states201.ev_disconnected(station, status="Unavailable")
    station.advance(1)
    station.hear()
    station.security_events.clear()
    station.reboot()
    after = "Occupied" if stop_point == "Authorized" else "Available"
    assert states201.boots(station, "ScheduledReset") == {(1, 1): after}


@versions2
def test_TC_B_22_CS_reset_immediate_during_transaction(version: str) -> None:
    """Immediate: the transaction ends, then the station restarts. [B12.FR.02, B12.FR.04, E07.FR.03]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station)
    assert station.ask("Reset", type="Immediate") == ACCEPTED
    events = station.hear()
    ended = only(events, "ResetCommand", "Ended", chargingState="EVConnected", stoppedReason="ImmediateReset")
    assert "idToken" not in ended
    station.advance(1)
    station.hear()
    station.security_events.clear()
    station.reboot()
    assert states201.boots(station, "RemoteReset") == {(1, 1): "Occupied", (2, 1): "Available"}


@versions2
def test_TC_B_23_CS_unavailable_persists_reset(version: str) -> None:
    """A connector that was made inoperative still is after a reset. [B11.FR.02]"""
    station = Station(board(evses=2), version=version)
    states201.unavailable(station, 1, 1)
    assert station.ask("Reset", type="OnIdle") == ACCEPTED
    station.advance(1)
    station.reboot()
    assert states201.boots(station, "RemoteReset") == {(1, 1): "Unavailable", (2, 1): "Available"}


@versions2
def test_TC_B_25_CS_reset_evse(version: str) -> None:
    """Reset of one EVSE while nobody charges: it goes and comes back, the station stays. [B11.FR.08]"""
    station = Station(board(evses=2), version=version)
    assert station.ask("Reset", type="OnIdle", evseId=1) == ACCEPTED
    assert station.hear() == []
    station.advance(10)
    assert station.hear() == [] and set(station.told) <= {(1, 1)}
    assert station.status == {(1, 1): "Available", (2, 1): "Available"} and station.effects == []
    states201.energy_transfer_started(station)


@versions2
def test_TC_B_26_CS_reset_evse_on_idle_during_transaction(version: str) -> None:
    """Reset of one EVSE during its transaction: Scheduled until that is over. [B12.FR.01, B12.FR.07]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station)
    assert station.ask("Reset", type="OnIdle", evseId=1) == {"status": "Scheduled"}
    assert station.hear() == [] and station.is_charging()
    states201.stop_authorized(station)
    station.advance(10)
    assert station.hear() == []
    states201.ev_disconnected(station)
    assert station.effects == []


@versions2
def test_TC_B_27_CS_reset_evse_immediate_during_transaction(version: str) -> None:
    """Immediate reset of one EVSE: its transaction ends, the station stays. [B12.FR.02, B12.FR.08, E07.FR.03]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station)
    assert station.ask("Reset", type="Immediate", evseId=1) == ACCEPTED
    only(station.hear(), "ResetCommand", "Ended", chargingState="EVConnected", stoppedReason="ImmediateReset")
    station.advance(10)
    assert station.hear() == [] and station.effects == []


FIXED = [{"component": "EVSE", "variable": "AllowReset", "value": "false"}]


@versions2
def test_TC_B_28_CS_reset_evse_not_supported(version: str) -> None:
    """A station that says EVSE.AllowReset=false refuses. [B11.FR.09]"""
    station = Station(version=version, variables=FIXED)
    assert station.ask("Reset", type="OnIdle", evseId=1)["status"] == "Rejected"
    station.quiet()


@versions2
def test_TC_B_29_CS_reset_evse_not_supported_during_transaction(version: str) -> None:
    """As 28, with a transaction, which goes on. [B12.FR.09]"""
    station = Station(version=version, variables=FIXED)
    states201.energy_transfer_started(station)
    assert station.ask("Reset", type="OnIdle", evseId=1)["status"] == "Rejected"
    assert station.hear() == [] and station.is_charging()


@versions2
def test_TC_B_41_CS_reset_on_idle_during_transactions(version: str) -> None:
    """Two transactions: Scheduled until both are over. [B12.FR.01, B12.FR.03, E07.FR.03]"""
    station = Station(board(evses=2), version=version)
    states201.energy_transfer_started(station, "ONE", 1)
    states201.energy_transfer_started(station, "TWO", 2)
    assert station.ask("Reset", type="OnIdle") == {"status": "Scheduled"}
    states201.stop_authorized(station, "ONE", 1)
    station.unplug(1)
    assert station.hear() == []
    station.advance(5)
    assert station.is_charging(2) and station.effects == []
    states201.stop_authorized(station, "TWO", 2)
    station.advance(1)
    station.hear()
    station.security_events.clear()
    station.reboot()
    assert states201.boots(station, "ScheduledReset") == {(1, 1): "Available", (2, 1): "Occupied"}
