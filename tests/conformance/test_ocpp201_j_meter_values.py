"""OCPP 2.0.1 test cases, J Meter Values: clock-aligned and sampled ones, idle and in transactions, signed."""

from __future__ import annotations

import itertools
from typing import Any

from evse.clock import parse_timestamp
from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import Event, Station, board, check, triggers

INTERVAL_S = 20
REGISTER = "Energy.Active.Import.Register"
SEVERAL = "Energy.Active.Import.Register,Current.Import,Voltage"
KEY = {"data": "c2lnbmVk", "method": "ECDSA", "encoding": "OCMF", "public_key": "a2V5"}


def samples(said: dict[str, Any], context: str, measurands: str) -> list[float]:
    """Times of the meter values of a message; each has this context and these measurands, where they belong."""
    for value in said["meterValue"]:
        assert {sample["context"] for sample in value["sampledValue"]} == {context}, said
        assert {sample["measurand"] for sample in value["sampledValue"]} == set(measurands.split(",")), said
        at_ev = {sample["measurand"] for sample in value["sampledValue"] if sample.get("location") == "EV"}
        assert at_ev <= {"SoC"}  # [errata 2024-09]
    return [parse_timestamp(value["timestamp"]) for value in said["meterValue"]]


def spaced(times: list[float], count: int) -> None:
    """So many times, INTERVAL_S apart."""
    assert len(times) == count
    assert [later - sooner for sooner, later in itertools.pairwise(times)] == [INTERVAL_S] * (count - 1)


def by_context(ended: Event, context: str) -> dict[str, Any]:
    """The part of an Ended event whose meter values have this context."""
    values = [value for value in ended["meterValue"] if value["sampledValue"][0]["context"] == context]
    return {"meterValue": values}


def ended_of(station: Station, seconds: float) -> Event:
    """The Ended event of a transaction that goes on for so long."""
    station.advance(seconds)
    station.hear()
    event = states201.parking_bay_unoccupied(station)[-1]
    check(event, "StopAuthorized", "Ended")
    return event


# -- clock-aligned -----------------------------------------------------------------------------------------------------


@versions2
def test_TC_J_01_CS_aligned_without_transaction(version: str) -> None:
    """MeterValues of each EVSE, at the same aligned times. [J01]"""
    station = Station(board(evses=2), version=version)
    measurands = "Energy.Active.Import.Register,Voltage"
    station.put(AlignedDataCtrlr__Measurands=measurands, AlignedDataCtrlr__Interval=INTERVAL_S)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        station.advance(INTERVAL_S)
        while station.calls:
            said = station.expect("MeterValues")
            times[said["evseId"]] += samples(said, "Sample.Clock", measurands)
    assert times[1] == times[2] and times[1][0] % INTERVAL_S == 0
    spaced(times[1], 3)


@versions2
def test_TC_J_02_CS_aligned_during_transaction(version: str) -> None:
    """The EVSE that charges says them as TransactionEvents, on all phases; the idle one as MeterValues. [J01]"""
    station = Station(board(evses=2), version=version)
    measurands = "Energy.Active.Import.Register,Current.Import"
    station.put(SampledDataCtrlr__RegisterValuesWithoutPhases=False, SampledDataCtrlr__TxUpdatedInterval=0)
    states201.energy_transfer_started(station)
    station.put(AlignedDataCtrlr__Measurands=measurands, AlignedDataCtrlr__Interval=INTERVAL_S)
    idle, charging = [], []
    for _ in range(3):
        station.advance(INTERVAL_S)
        event = station.expect("TransactionEvent", triggerReason="MeterValueClock")
        charging += samples(event, "Sample.Clock", measurands)
        values = [each for each in event["meterValue"][0]["sampledValue"] if each["measurand"] == "Current.Import"]
        assert {each["phase"] for each in values} == {"L1", "L2", "L3"}
        idle += samples(station.expect("MeterValues", evseId=2), "Sample.Clock", measurands)
        station.quiet()
    spaced(charging, 3)
    assert idle == charging


@versions2
def test_TC_J_03_CS_aligned_ended(version: str) -> None:
    """The Ended event has the aligned values of the transaction. [J01.FR.11]"""
    station = Station(version=version)
    measurands = "Energy.Active.Import.Register,Voltage"
    station.put(AlignedDataCtrlr__TxEndedInterval=INTERVAL_S, AlignedDataCtrlr__TxEndedMeasurands=measurands)
    station.put(SampledDataCtrlr__TxEndedMeasurands="", SampledDataCtrlr__TxUpdatedInterval=0)
    states201.energy_transfer_started(station)
    times = samples(ended_of(station, 2 * INTERVAL_S), "Sample.Clock", measurands)
    assert times[0] % INTERVAL_S == 0
    spaced(times, 3)


@versions2
def test_TC_J_04_CS_aligned_signed(version: str) -> None:
    """J_03 with SignReadings: the register values are signed. [J01.FR.21]"""
    station = signing(version)
    station.put(AlignedDataCtrlr__TxEndedInterval=INTERVAL_S, AlignedDataCtrlr__TxEndedMeasurands=REGISTER)
    station.put(SampledDataCtrlr__TxEndedMeasurands="", AlignedDataCtrlr__SignReadings=True)
    states201.energy_transfer_started(station)
    ended = ended_of(station, 2 * INTERVAL_S)
    spaced(samples(ended, "Sample.Clock", REGISTER), 3)
    signed(ended)


@versions2
def test_TC_J_06_CS_aligned_during_idle_only(version: str) -> None:
    """SendDuringIdle: no meter values while a transaction is on. [J01.FR.19]"""
    station = Station(version=version)
    station.put(AlignedDataCtrlr__Measurands=REGISTER, AlignedDataCtrlr__SendDuringIdle=True)
    station.put(SampledDataCtrlr__TxUpdatedInterval=0, AlignedDataCtrlr__Interval=INTERVAL_S)
    station.put(SampledDataCtrlr__TxStartedMeasurands="", SampledDataCtrlr__TxEndedMeasurands="")
    station.advance(INTERVAL_S)
    samples(station.expect("MeterValues", evseId=1), "Sample.Clock", REGISTER)
    states201.energy_transfer_started(station)
    station.advance(INTERVAL_S + 5)
    assert station.hear() == []
    station.tap("TAG", 1)
    assert triggers(station.hear()) == ["StopAuthorized"]
    assert not any("meterValue" in event for event in station.events)
    station.unplug()
    station.hear()
    station.advance(INTERVAL_S)
    samples(station.expect("MeterValues", evseId=1), "Sample.Clock", REGISTER)


# -- sampled -----------------------------------------------------------------------------------------------------------


@versions2
def test_TC_J_07_CS_sampled_started(version: str) -> None:
    """The Started event has Transaction.Begin values where the EVSE is known. [J02.FR.01, E01.FR.09]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="EVConnected", SampledDataCtrlr__TxStartedMeasurands=SEVERAL)
    (event,) = states201.ev_connected_pre_session(station)
    samples(event, "Transaction.Begin", SEVERAL)
    states201.energy_transfer_started(station)


@versions2
def test_TC_J_08_CS_sampled_begin_evse_not_known(version: str) -> None:
    """The first event with the EVSE has the Transaction.Begin values where it was not known before. [E01.FR.17]"""
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", SampledDataCtrlr__TxStartedMeasurands=SEVERAL)
    started, plugged, *_ = states201.energy_transfer_started(station)
    assert "evse" not in started and "meterValue" not in started
    assert "evse" in plugged
    samples(plugged, "Transaction.Begin", SEVERAL)


@versions2
def test_TC_J_09_CS_sampled_updated(version: str) -> None:
    """Updated events at TxUpdatedInterval. [J02.FR.11]"""
    station = Station(version=version)
    measurands = SEVERAL + ",SoC"
    station.put(SampledDataCtrlr__TxUpdatedInterval=INTERVAL_S, SampledDataCtrlr__TxUpdatedMeasurands=measurands)
    states201.energy_transfer_started(station)
    times = []
    for _ in range(3):
        station.advance(INTERVAL_S)
        (event,) = station.hear()
        check(event, "MeterValuePeriodic", "Updated")
        times += samples(event, "Sample.Periodic", measurands)
    spaced(times, 3)


@versions2
def test_TC_J_10_CS_sampled_ended(version: str) -> None:
    """The Ended event has samples at TxEndedInterval, and Transaction.End values. [J02.FR.10, E06.FR.11]"""
    station = Station(version=version)
    station.put(SampledDataCtrlr__TxEndedInterval=INTERVAL_S, SampledDataCtrlr__TxEndedMeasurands=SEVERAL)
    station.put(AlignedDataCtrlr__TxEndedMeasurands="", SampledDataCtrlr__TxUpdatedInterval=0)
    states201.energy_transfer_started(station)
    ended = ended_of(station, 2 * INTERVAL_S)
    spaced(samples(by_context(ended, "Sample.Periodic"), "Sample.Periodic", SEVERAL), 3)
    assert len(samples(by_context(ended, "Transaction.End"), "Transaction.End", SEVERAL)) == 1


@versions2
def test_TC_J_11_CS_sampled_signed(version: str) -> None:
    """J_10 with SignReadings: the register values are signed. [J02.FR.05, J02.FR.21]"""
    station = signing(version)
    station.put(SampledDataCtrlr__TxEndedInterval=INTERVAL_S, SampledDataCtrlr__TxEndedMeasurands=REGISTER)
    station.put(AlignedDataCtrlr__TxEndedMeasurands="", SampledDataCtrlr__SignReadings=True)
    states201.energy_transfer_started(station)
    ended = ended_of(station, 2 * INTERVAL_S)
    spaced(samples(by_context(ended, "Sample.Periodic"), "Sample.Periodic", REGISTER), 3)
    assert len(samples(by_context(ended, "Transaction.End"), "Transaction.End", REGISTER)) == 1
    signed(ended)


def signing(version: str) -> Station:
    """A station whose meter signs every reading."""
    station = Station(version=version)
    station.put(OCPPCommCtrlr__PublicKeyWithSignedMeterValue="EveryMeterValue", SampledDataCtrlr__TxUpdatedInterval=0)
    meter: Any = station.sim.outlet(1).meter
    meter.signed, meter._signature = KEY, lambda: KEY
    station.advance(1)
    return station


def signed(event: Event) -> None:
    """Every register value is signed, with the key."""
    for value in event["meterValue"]:
        for sample in value["sampledValue"]:
            assert sample["signedMeterValue"]["signedMeterData"] == KEY["data"]
            assert sample["signedMeterValue"]["publicKey"] == KEY["public_key"]
