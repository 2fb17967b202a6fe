"""OCPP 2.0.1, E Transactions: the reusable states in every combination of start point, stop point, order and remote."""

from __future__ import annotations

import itertools

import pytest

from tests.support import states201
from tests.support.states201 import Station

STARTS = ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer", "Authorized,EVConnected"]
STOPS = ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer", "EVConnected,Authorized"]
LOCAL_OR_REMOTE = (False, True)


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("start", STARTS)
def test_every_way_through_a_transaction(start: str, stop: str) -> None:
    """Cable or card first, both by card or remote; stopped by card or remote; then the same once more."""
    for cable_first, remote_start, remote_stop in itertools.product((False, True), LOCAL_OR_REMOTE, LOCAL_OR_REMOTE):
        station = Station()
        station.put(TxCtrlr__TxStartPoint=start, TxCtrlr__TxStopPoint=stop, SampledDataCtrlr__TxUpdatedInterval=0)
        for _ in range(2):
            if cable_first:
                states201.ev_connected_pre_session(station)
            states201.energy_transfer_started(station, remote=remote_start)
            states201.stop_authorized(station, remote=remote_stop)
            events = states201.ev_disconnected(station)
            assert not station.is_on(), (cable_first, remote_start, remote_stop, events)
            if events:
                said = events[0]["transactionInfo"]
                assert said["stoppedReason"] == ("Remote" if remote_stop else "Local")


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("start", STARTS)
def test_every_way_through_a_pause(start: str, stop: str) -> None:
    """The EV pauses: its transaction goes on unless EnergyTransfer is the stop point; then the cable is unplugged."""
    for cable_first, remote in itertools.product((False, True), LOCAL_OR_REMOTE):
        station = Station()
        station.put(TxCtrlr__TxStartPoint=start, TxCtrlr__TxStopPoint=stop, SampledDataCtrlr__TxUpdatedInterval=0)
        if cable_first:
            states201.ev_connected_pre_session(station)
        states201.energy_transfer_started(station, remote=remote)
        states201.energy_transfer_suspended(station)
        assert station.is_on() == (stop != "EnergyTransfer")
        events = states201.ev_disconnected(station)
        assert not station.is_on()
        if events:
            assert events[0]["transactionInfo"]["stoppedReason"] == "EVDisconnected"
