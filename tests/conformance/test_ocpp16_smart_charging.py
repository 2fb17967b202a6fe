"""OCPP 1.6, profile SmartCharging: what the CSMS allows reaches the pilot, and the meter agrees."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import timestamp
from tests.support.bench import NOW_UTC
from tests.support.wholestation import WholeStation, board

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
HOUR_S = 3600


def profile(
    purpose: str, *periods: tuple[int, float], id: int = 1, level: int = 0, start: float | None = None, **more: Any
) -> dict[str, Any]:
    """ChargingProfile in amperes for three phases; without `start` it is relative."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": begin, "limit": limit, "numberPhases": 3} for begin, limit in periods
        ],
    }
    if start is not None:
        schedule["startSchedule"] = timestamp(start)
    if "duration" in more:
        schedule["duration"] = more.pop("duration")
    return {
        "chargingProfileId": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative" if start is None else "Absolute",
        "chargingSchedule": schedule,
        **more,
    }


def station_with(**options: Any) -> WholeStation:
    """A station whose vehicle takes up to 32 A; no samples, so that nothing is said between the steps."""
    station = WholeStation(board(**options))
    station.configure(MeterValueSampleInterval=0)
    return station


def put(station: WholeStation, connector: int, charging_profile: dict[str, Any]) -> dict[str, Any]:
    return station.ask("SetChargingProfile", connectorId=connector, csChargingProfiles=charging_profile)


def charge(station: WholeStation) -> int:
    """A session with a vehicle that takes what it gets: its transactionId."""
    station.plug(current=32)
    station.expect_status("Preparing")
    return station.charge(plugged=True)


def offered(station: WholeStation, evse: int = 1) -> tuple[float, float]:
    """What the pilot offers, and what flows by the meter, in A a phase."""
    return station.sim.outlet(evse).vehicle.offer_a, station.engine.evses[evse].values["Current.Import", "L1"]


def schedule(station: WholeStation, connector: int = 1, duration: int = 300) -> list[tuple[int, float]]:
    """The composite schedule: [(start, limit in A)]."""
    answer = station.ask("GetCompositeSchedule", connectorId=connector, duration=duration, chargingRateUnit="A")
    assert answer["status"] == "Accepted" and answer["connectorId"] == connector
    found = answer["chargingSchedule"]
    assert (found["chargingRateUnit"], found["duration"]) == ("A", duration)
    return [(period["startPeriod"], period["limit"]) for period in found["chargingSchedulePeriod"]]


def energy_wh(station: WholeStation, seconds: float) -> float:
    """What flows in the next seconds."""
    meter = station.sim.outlet(1).meter
    meter.read()
    station.loop.settle()
    before = station.engine.evses[1].register_wh
    station.advance(seconds)
    meter.read()
    station.loop.settle()
    after = station.engine.evses[1].register_wh
    assert before is not None and after is not None
    return after - before


def wh(current_a: float, seconds: float) -> float:
    """Energy of a current on three phases at 230 V."""
    return current_a * 690 * seconds / HOUR_S


def test_TC_CP_V16_056_tx_default_profile() -> None:
    """A TxDefaultProfile holds for the next transaction, from its first moment: pilot, energy, composite schedule."""
    station = station_with()
    assert (
        put(station, 1, profile("TxDefaultProfile", (0, 10.0), (600, 6.0), start=NOW_UTC + station.loop.now))
        == ACCEPTED
    )
    charge(station)
    assert offered(station) == (10, 10)
    assert energy_wh(station, 300) == pytest.approx(wh(10, 300))
    assert schedule(station, duration=600) == [(0, 10.0), (300, 6.0)]
    station.advance(300)
    assert offered(station) == (6, 6)
    assert energy_wh(station, 300) == pytest.approx(wh(6, 300))
    assert station.is_charging()
    station.quiet()


def test_TC_CP_V16_057_tx_profile() -> None:
    """A TxProfile for the transaction under way overrules the default one, and is gone after it."""
    station = station_with()
    assert put(station, 1, profile("TxDefaultProfile", (0, 16.0), id=1)) == ACCEPTED
    id = charge(station)
    assert offered(station) == (16, 16)
    tx = profile("TxProfile", (0, 8.0), (120, 12.0), id=2, transactionId=id)
    assert put(station, 1, tx) == ACCEPTED
    assert offered(station) == (8, 8)
    assert schedule(station) == [(0, 8.0), (120, 12.0)]
    assert energy_wh(station, 240) == pytest.approx(wh(8, 120) + wh(12, 120))
    station.tap("TAG")
    station.expect("StopTransaction", transactionId=id)
    station.expect_status("Finishing")
    station.leave()
    assert schedule(station) == [(0, 16.0)]
    assert station.ask("ClearChargingProfile", id=2) == {"status": "Unknown"}


def test_a_limit_below_6_a_suspends_and_a_higher_one_resumes() -> None:
    """SuspendedEVSE while the schedule allows too little for any vehicle. [1.6 §4.9]"""
    station = station_with()
    id = charge(station)
    assert put(station, 1, profile("TxProfile", (0, 0.0), (60, 16.0), transactionId=id)) == ACCEPTED
    station.advance(1)
    station.expect_status("SuspendedEVSE")
    assert not station.is_charging()
    assert energy_wh(station, 58) == 0
    station.advance(5)
    station.take_statuses()
    assert station.is_charging()
    assert offered(station) == (16, 16)


def test_TC_CP_V16_058_1_no_ongoing_transaction() -> None:
    """A TxProfile without a transaction is rejected and limits nothing."""
    station = station_with()
    assert put(station, 1, profile("TxProfile", (0, 8.0), transactionId=1)) == REJECTED
    assert schedule(station) == [(0, 32.0)]


def test_TC_CP_V16_058_2_wrong_transaction_id() -> None:
    """A TxProfile for another transaction than the one under way is rejected and limits nothing."""
    station = station_with()
    id = charge(station)
    assert put(station, 1, profile("TxProfile", (0, 8.0), transactionId=id + 1)) == REJECTED
    assert offered(station) == (32, 32)


def test_TC_CP_V16_059_remote_start_with_charging_profile() -> None:
    """The profile of a RemoteStartTransaction holds for the transaction that it starts. [1.6 §5.16.2]"""
    station = station_with()
    station.configure(AuthorizeRemoteTxRequests=False)
    station.plug(current=32)
    station.expect_status("Preparing")
    tx = profile("TxProfile", (0, 7.0), (60, 9.0), id=4)
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1, chargingProfile=tx) == ACCEPTED
    station.expect("StartTransaction", connectorId=1, idTag="TAG")
    station.expect_status("Charging")
    assert offered(station) == (7, 7)
    assert energy_wh(station, 120) == pytest.approx(wh(7, 60) + wh(9, 60))
    replacing = profile("TxProfile", (0, 20.0), id=5, transactionId=station.transaction_id)
    assert put(station, 1, replacing) == ACCEPTED
    assert offered(station) == (20, 20)
    assert station.ask("ClearChargingProfile", id=4) == {"status": "Unknown"}  # replaced [1.6 errata 3.42]


def test_TC_CP_V16_060_remote_start_with_charging_profile_rejected() -> None:
    """A RemoteStartTransaction whose profile is no TxProfile is rejected; nothing starts."""
    station = station_with()
    station.plug(current=32)
    station.expect_status("Preparing")
    wrong = profile("TxDefaultProfile", (0, 7.0))
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1, chargingProfile=wrong) == REJECTED
    station.advance(10)
    station.quiet()
    assert not station.is_charging()


def test_TC_CP_V16_066_get_composite_schedule() -> None:
    """The lowest of ChargePointMaxProfile, TxDefaultProfile and TxProfile, from the request on. [1.6 §5.7]"""
    station = station_with()
    now = NOW_UTC + station.loop.now
    assert put(station, 0, profile("ChargePointMaxProfile", (0, 20.0), id=1, start=now, duration=86_400)) == ACCEPTED
    default = profile("TxDefaultProfile", (0, 6.0), (80, 12.0), (180, 25.0), id=2, start=now, duration=300)
    assert put(station, 1, default) == ACCEPTED
    id = charge(station)
    tx = profile("TxProfile", (0, 16.0), (60, 8.0), id=3, start=now, duration=120, transactionId=id)
    assert put(station, 1, tx) == ACCEPTED
    assert schedule(station, duration=400) == [(0, 16.0), (60, 8.0), (120, 12.0), (180, 20.0)]
    found = station.ask("GetCompositeSchedule", connectorId=1, duration=400)
    assert found["scheduleStart"] == found["chargingSchedule"]["startSchedule"]
    assert schedule(station, connector=0, duration=400)[0] == (0, 16.0)
    expected = wh(16, 60) + wh(8, 60) + wh(12, 60) + wh(20, 60)
    assert energy_wh(station, 240) == pytest.approx(expected, rel=1e-3)


def test_TC_CP_V16_067_clear_charging_profile() -> None:
    """By id, and by what all of the criteria match; what is not there is Unknown. [1.6 §5.5]"""
    station = station_with()
    charge(station)
    assert put(station, 1, profile("TxDefaultProfile", (0, 10.0), id=1)) == ACCEPTED
    assert offered(station) == (10, 10)
    assert station.ask("ClearChargingProfile", id=7) == {"status": "Unknown"}
    assert station.ask("ClearChargingProfile", id=1) == ACCEPTED
    assert offered(station) == (32, 32)
    assert put(station, 1, profile("TxDefaultProfile", (0, 10.0), id=1)) == ACCEPTED
    criteria = {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile"}
    assert station.ask("ClearChargingProfile", **criteria, stackLevel=1) == {"status": "Unknown"}
    assert station.ask("ClearChargingProfile", **criteria, stackLevel=0) == ACCEPTED
    assert offered(station) == (32, 32)


def test_TC_CP_V16_072_stacking_charging_profiles() -> None:
    """The highest stack level that is valid leads; after its duration the lower one does. [1.6 §3.13.2]"""
    station = station_with()
    now = NOW_UTC + station.loop.now
    assert put(station, 0, profile("TxDefaultProfile", (0, 6.0), (260, 10.0), id=1, level=0, start=now)) == ACCEPTED
    upper = profile("TxDefaultProfile", (0, 16.0), (60, 8.0), id=2, level=1, start=now, duration=200)
    assert put(station, 0, upper) == ACCEPTED
    charge(station)
    assert schedule(station, duration=350) == [(0, 16.0), (60, 8.0), (200, 6.0), (260, 10.0)]
    expected = wh(16, 60) + wh(8, 140) + wh(6, 60) + wh(10, 40)
    assert energy_wh(station, 300) == pytest.approx(expected, rel=1e-3)


def test_TC_CP_V16_082_a_default_schedule_for_a_transaction_under_way() -> None:
    """The transaction goes on and takes up the new TxDefaultProfile, and a changed one. [1.6 errata 3.8]"""
    station = station_with()
    charge(station)
    assert offered(station) == (32, 32)
    assert put(station, 0, profile("TxDefaultProfile", (0, 14.0), id=1)) == ACCEPTED
    assert offered(station) == (14, 14)
    assert put(station, 0, profile("TxDefaultProfile", (0, 11.0), id=1)) == ACCEPTED
    assert offered(station) == (11, 11)
    assert station.is_charging()
    station.quiet()


def test_profiles_limit_offline_and_after_a_power_cut() -> None:
    """[1.6 §3.13.6, errata 3.37]"""
    station = station_with()
    assert put(station, 0, profile("TxDefaultProfile", (0, 13.0), id=1)) == ACCEPTED
    station.power_cut()
    station.power_up()
    station.boot()
    charge(station)
    assert offered(station) == (13, 13)
    station.drop()
    assert offered(station) == (13, 13)


def test_two_connectors_share_the_maximum_of_the_charge_point() -> None:
    """The energy of all connectors together stays below the ChargePointMaxProfile. [1.6 §3.13.3]"""
    station = station_with(evses=2)
    limit = profile("ChargePointMaxProfile", (0, 20.0), start=NOW_UTC + station.loop.now)
    assert put(station, 0, limit) == ACCEPTED
    charge(station)
    assert offered(station) == (20, 20)
    station.plug(2, current=32)
    station.expect_status("Preparing", connector=2)
    station.charge("TAG2", evse=2, plugged=True)
    assert offered(station, 1) == offered(station, 2) == (10, 10)
