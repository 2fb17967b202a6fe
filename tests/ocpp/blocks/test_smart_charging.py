"""K. Smart charging: what is accepted, what is kept, what is reported, and the limit that follows."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import timestamp
from evse.errors import StoreError
from evse.store.documents import Documents
from tests.support.bench import NOW_UTC, Bench, FakeClock, versions, versions2
from tests.support.driver import Driver, events

MAX, DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"
DAY = 86_400


def profile(
    purpose: str = DEFAULT,
    *periods: tuple[int, float],
    id: int = 1,
    level: int = 0,
    kind: str = "Absolute",
    **more: Any,
) -> dict[str, Any]:
    """A ChargingProfileType; members of the schedule and of the profile may be given besides."""
    schedule = {
        "id": 1,
        "chargingRateUnit": more.pop("unit", "A"),
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods or ((0, 10.0),)],
    }
    if kind != "Relative":
        schedule["startSchedule"] = timestamp(NOW_UTC)
    for name in ("duration", "startSchedule", "minChargingRate"):
        if name in more:
            schedule[name] = more.pop(name)
    return {
        "id": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
        **more,
    }


def in16(payload: dict[str, Any]) -> dict[str, Any]:
    """The same as ChargingProfile of 1.6."""
    said = dict(payload)
    said["chargingProfileId"] = said.pop("id")
    said["chargingSchedule"] = {name: value for name, value in said["chargingSchedule"][0].items() if name != "id"}
    if said["chargingProfilePurpose"] == MAX:
        said["chargingProfilePurpose"] = "ChargePointMaxProfile"
    return said


def put(bench: Bench, evse: int, payload: dict[str, Any]) -> str:
    """SetChargingProfile in the words of the version: the status, with the reason of 2.x."""
    if bench.version == "1.6":
        answer = bench.ask("SetChargingProfile", {"connectorId": evse, "csChargingProfiles": in16(payload)})
    else:
        answer = bench.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": payload})
    reason = answer.get("statusInfo", {}).get("reasonCode")
    return answer["status"] if reason is None else f"{answer['status']} {reason}"


def schedule(bench: Bench, evse: int = 1, duration: int = 3600, **more: Any) -> list[tuple[int, float]]:
    """GetCompositeSchedule, accepted: [(start, limit)]."""
    id = "connectorId" if bench.version == "1.6" else "evseId"
    answer = bench.ask("GetCompositeSchedule", {id: evse, "duration": duration, **more})
    assert answer["status"] == "Accepted", answer
    found = answer["chargingSchedule" if bench.version == "1.6" else "schedule"]
    assert answer.get("connectorId", found.get("evseId")) == evse
    assert found["duration"] == duration
    return [(period["startPeriod"], period["limit"]) for period in found["chargingSchedulePeriod"]]


def station(version: str, **options: Any) -> Bench:
    bench = Bench(**options)
    bench.connect(version)
    return bench


class Refusing(Documents):
    """A flash that takes nothing."""

    __slots__ = ()

    def save(self, name: str, value: Any) -> None:
        raise StoreError("disk full")


def limits(bench: Bench | Driver) -> list[tuple[int, float | None]]:
    """What was told to the charging side since the last call: [(EVSE, limit in A)]."""
    bench.effects, found = [], [effect for effect in bench.effects if effect[0] == "limit"]
    assert all(effect[2] == "schedule" for effect in found)
    return [(effect[1], effect[3]) for effect in found]


def charging(version: str, **options: Any) -> tuple[Bench, Driver]:
    """A transaction with the card CARD on EVSE 1."""
    bench = station(version, **options)
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    driver.take()
    limits(driver)
    return bench, driver


def transaction_id(bench: Bench) -> Any:
    tx = bench.engine.block("transactions").current(1)
    return 4711 if bench.version == "1.6" else tx.id


# -- the limit --------------------------------------------------------------------------------------------------------


@versions
def test_a_default_profile_limits_from_the_first_moment_and_at_each_boundary(version: str) -> None:
    bench = station(version)
    assert put(bench, 0, profile(DEFAULT, (0, 10.0), (60, 8.0), (120, 40.0))) == "Accepted"
    assert limits(bench) == [(1, 10.0)]
    bench.advance(59)
    assert limits(bench) == []
    bench.advance(2)
    assert limits(bench) == [(1, 8.0)]
    bench.advance(60)
    assert limits(bench) == [(1, None)]  # what is above the board's limit is no limit
    assert schedule(bench) == [(0, 32.0)]


@versions
def test_k02_fr_04_05_08_a_tx_profile_overrules_the_default_one_and_dies_with_its_transaction(version: str) -> None:
    bench, driver = charging(version)
    assert put(bench, 0, profile(DEFAULT, (0, 10.0), id=1)) == "Accepted"
    tx = profile(TX, (0, 20.0), id=2, kind="Relative", duration=100, transactionId=transaction_id(bench))
    assert put(bench, 1, tx) == "Accepted"
    assert limits(bench) == [(1, 10.0), (1, 20.0)]
    assert schedule(bench) == [(0, 20.0), (100, 10.0)]
    driver.wait(101)
    assert limits(driver) == [(1, 10.0)]
    driver.tap()
    driver.unplug()
    assert bench.engine.block("smart_charging").why(1)["id"] == 1
    driver.plug()
    driver.tap()
    assert schedule(bench) == [(0, 10.0)]


@versions
def test_a_relative_profile_counts_from_the_start_of_charging(version: str) -> None:
    """[K01.FR.42] also where it is set later."""
    bench, driver = charging(version)
    driver.wait(40)
    tx = profile(TX, (0, 20.0), (60, 6.0), id=2, kind="Relative", transactionId=transaction_id(bench))
    assert put(bench, 1, tx) == "Accepted"
    assert schedule(bench) == [(0, 20.0), (20, 6.0)]


@versions
def test_the_station_maximum_is_shared_by_those_who_charge(version: str) -> None:
    bench = station(version, evses=3)
    driver = Driver(bench)
    assert put(bench, 0, profile(MAX, (0, 16.0))) == "Accepted"
    assert limits(bench) == [(1, 16.0), (2, 16.0), (3, 16.0)]
    driver.plug(1)
    driver.tap("A", (1,))
    assert dict(limits(driver)) == {2: 8.0, 3: 8.0}
    driver.plug(2)
    driver.tap("B", (2,))
    assert dict(limits(driver)) == {1: 8.0, 3: 0.0}  # three could not have 6 A each
    driver.tap("A", (1,))
    assert dict(limits(driver)) == {2: 16.0, 3: 8.0}  # the first would have 8 A as before


@versions
def test_watts_become_amperes_of_the_supply_voltage_and_phases(version: str) -> None:
    """[K01.FR.50]"""
    bench = station(version, station={"supply_voltage_v": 240})
    assert put(bench, 0, profile(DEFAULT, (0, 7200.0), unit="W")) == "Accepted"
    assert limits(bench) == [(1, 10.0)]
    assert schedule(bench, chargingRateUnit="W") == [(0, 7200.0)]
    assert schedule(bench, chargingRateUnit="A") == [(0, 10.0)]


@versions
def test_an_unknown_clock_stops_absolute_profiles_only(version: str) -> None:
    bench = Bench(clock=FakeClock(utc=0.0))
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "1970-01-01T00:10:00Z", "interval": 3600})
    bench.settle()
    bench.engine.clock.forget()
    assert bench.engine.clock.utc() is None
    assert put(bench, 0, profile(DEFAULT, (0, 6.0), id=1, level=1)) == "Accepted"
    assert put(bench, 0, profile(DEFAULT, (0, 10.0), id=2, level=0, kind="Relative")) == "Accepted"
    assert limits(bench) == [(1, 10.0)]
    bench.engine.clock.learn(NOW_UTC + 5)
    bench.fact("clock_changed")
    assert limits(bench) == [(1, 6.0)]


@versions2
def test_a_changed_rate_is_told_if_it_is_significant(version: str) -> None:
    bench, driver = charging(version)
    bench.model.set("SmartChargingCtrlr", "LimitChangeSignificance", "50")
    assert put(bench, 0, profile(DEFAULT, (0, 20.0), (60, 16.0), (120, 6.0))) == "Accepted"
    driver.wait(100)
    assert "ChargingRateChanged" not in str(events(driver.take()))
    driver.wait(30)
    assert str(events(driver.take())).count("ChargingRateChanged") == 1


# -- what is kept -----------------------------------------------------------------------------------------------------


@versions
def test_profiles_survive_a_power_cut(version: str) -> None:
    bench = station(version)
    weekly = profile(DEFAULT, (0, 10.0), id=7, kind="Recurring", recurrencyKind="Weekly", minChargingRate=6.0)
    assert put(bench, 1, weekly) == "Accepted"
    before = bench.engine.block("smart_charging")._profiles.get(7).payload()
    bench.cut()
    bench.effects.clear()
    bench.restart()
    assert limits(bench) == [(1, 10.0)]
    assert bench.engine.block("smart_charging")._profiles.get(7).payload() == before


@versions
def test_without_profiles_the_block_is_not_loaded(version: str) -> None:
    bench = station(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    driver.unplug()
    assert "smart_charging" not in bench.engine._blocks
    assert put(bench, 0, profile()) == "Accepted"
    assert bench.ask("ClearChargingProfile", {}) == {"status": "Accepted"}
    bench.cut()
    bench.restart()
    assert "smart_charging" not in bench.engine._blocks


@versions
def test_a_tx_profile_dies_with_a_transaction_that_a_power_cut_ends(version: str) -> None:
    bench, _ = charging(version)
    assert put(bench, 1, profile(TX, id=2, kind="Relative", transactionId=transaction_id(bench))) == "Accepted"
    bench.cut()
    bench.restart()
    bench.connect(version)
    bench.advance(10)
    bench.settle()
    assert list(bench.engine.block("smart_charging")._profiles) == []


@versions
def test_a_tx_profile_goes_on_with_a_transaction_that_does(version: str) -> None:
    bench, _ = charging(version, station={"power_loss": "resume"})
    bench.settle()
    tx = profile(TX, (0, 20.0), (300, 6.0), id=2, kind="Relative", transactionId=transaction_id(bench))
    assert put(bench, 1, tx) == "Accepted"
    bench.advance(100)
    bench.cut()
    bench.effects.clear()
    bench.time.advance(100)
    bench.restart()
    assert (1, 20.0) in limits(bench)
    bench.fact("plugged", 1, 1)
    bench.connect(version)
    assert schedule(bench) == [(0, 20.0), (100, 6.0)]


@pytest.mark.parametrize(("power_loss", "told"), [("end", "false"), ("resume", "true")])
def test_k01_fr_55_whether_tx_profiles_persist_is_told(power_loss: str, told: str) -> None:
    bench = station("2.1", station={"power_loss": power_loss})
    variable = {"name": "ChargingProfilePersistence", "instance": "TxProfile"}
    asked = {"getVariableData": [{"component": {"name": "SmartChargingCtrlr"}, "variable": variable}]}
    (found,) = bench.ask("GetVariables", asked)["getVariableResult"]
    assert (found["attributeStatus"], found["attributeValue"]) == ("Accepted", told)


@versions
def test_a_profile_that_the_flash_refuses_is_not_accepted(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = station(version)

    monkeypatch.setattr(bench.engine.documents, "__class__", Refusing)
    asked = {"connectorId": 0, "csChargingProfiles": in16(profile())} if version == "1.6" else {"evseId": 0}
    if version != "1.6":
        asked["chargingProfile"] = profile()
    reply = bench.ask_raw("SetChargingProfile", asked)
    assert reply is not None and reply[2] == "InternalError"
    assert schedule(bench) == [(0, 32.0)]


@versions
def test_the_profile_of_a_remote_start_holds_though_the_flash_refuses_it(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = station(version, station={"power_loss": "resume"})
    driver = Driver(bench)
    assert remote_start(bench, profile(TX, (0, 16.0), id=2, kind="Relative")) == "Accepted"
    driver.settle()
    monkeypatch.setattr(bench.engine.documents, "__class__", Refusing)
    driver.plug()
    assert schedule(bench) == [(0, 16.0)]
    assert "a charging profile could not be stored" in bench.log.texts("error")


@versions
def test_a_damaged_document_is_logged_and_the_others_count(version: str) -> None:
    bench = station(version)
    assert put(bench, 0, profile(id=1)) == "Accepted"
    bench.engine.documents.save("smart_charging.2", {"evse": 1})
    bench.cut()
    bench.effects.clear()
    bench.restart()
    assert limits(bench) == [(1, 10.0)]
    assert "a charging profile could not be read" in bench.log.texts("error")


# -- the place in the stack -------------------------------------------------------------------------------------------


@versions
def test_k01_fr_05_a_known_id_is_replaced(version: str) -> None:
    bench = station(version)
    assert put(bench, 0, profile(DEFAULT, (0, 10.0), level=1)) == "Accepted"
    assert put(bench, 1, profile(DEFAULT, (0, 16.0), level=2)) == "Accepted"
    assert schedule(bench) == [(0, 16.0)]
    assert bench.model.get("SmartChargingCtrlr", "Entries", "ChargingProfiles") == "1"


def test_16_a_profile_of_the_same_level_and_purpose_is_replaced() -> None:
    """[1.6 §3.13.2] and one of a connector hides that of connector 0 there, no more [1.6 §3.13.1]."""
    bench = station("1.6", evses=2)
    for id, connector, limit in ((1, 0, 10.0), (2, 1, 16.0), (3, 1, 20.0)):
        assert put(bench, connector, profile(DEFAULT, (0, limit), id=id)) == "Accepted"
    assert schedule(bench, 1) == [(0, 20.0)]
    assert schedule(bench, 2) == [(0, 10.0)]
    assert bench.model.get("SmartChargingCtrlr", "Entries", "ChargingProfiles") == "2"


@versions2
def test_k01_fr_06_52_53_a_second_profile_of_the_same_level_is_refused(version: str) -> None:
    bench = station(version, evses=2)
    assert put(bench, 1, profile(id=1, validTo=timestamp(NOW_UTC + DAY))) == "Accepted"
    assert put(bench, 1, profile(id=2)) == "Rejected DuplicateProfile"
    assert put(bench, 0, profile(id=2)) == "Rejected DuplicateProfile"
    assert put(bench, 2, profile(id=3)) == "Accepted"
    assert put(bench, 1, profile(id=2, validFrom=timestamp(NOW_UTC + DAY))) == "Accepted"
    assert put(bench, 1, profile(id=4, level=1)) == "Accepted"


@versions
def test_there_are_only_so_many(version: str) -> None:
    entries = {
        "component": "SmartChargingCtrlr",
        "variable": "Entries",
        "variable_instance": "ChargingProfiles",
        "max": 2,
    }
    bench = station(version, variables=[entries])
    refusal = "Rejected" if version == "1.6" else "Rejected OutOfStorage"
    for id, status in ((1, "Accepted"), (2, "Accepted"), (3, refusal), (2, "Accepted")):
        assert put(bench, 0, profile(id=id, level=id)) == status


# -- what is refused --------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize(
    ("evse", "payload", "reason"),
    [
        (1, profile(TX, kind="Relative", transactionId="1"), "TxNotFound"),  # K01.FR.09
        (0, profile(TX, kind="Relative", transactionId="1"), "InvalidProfile"),  # K01.FR.16
        (1, profile(MAX), "InvalidProfile"),
        (0, profile(MAX, kind="Relative"), "InvalidProfile"),  # K01.FR.38
        (0, profile(level=21), "InvalidStackLevel"),
        (0, profile(DEFAULT, *[(second, 10.0) for second in range(97)]), "TooManyElements"),
        (0, profile(DEFAULT, (5, 10.0)), "InvalidSchedule"),  # K01.FR.31
        (0, profile(DEFAULT, (0, 10.0), (20, 8.0), (10, 6.0)), "InvalidSchedule"),  # K01.FR.35
        (0, profile(DEFAULT, (0, -1.0)), "InvalidSchedule"),
        (0, profile(duration=-1), "InvalidSchedule"),
        (0, profile(kind="Recurring"), "InvalidProfile"),
    ],
)
def test_a_profile_that_cannot_be_executed_is_refused(
    version: str, evse: int, payload: dict[str, Any], reason: str
) -> None:
    bench = station(version)
    if version == "1.6" and "transactionId" in payload:
        payload = {**payload, "transactionId": 1}
    assert put(bench, evse, payload) == ("Rejected" if version == "1.6" else "Rejected " + reason)
    assert limits(bench) == []
    assert bench.model.get("SmartChargingCtrlr", "Entries", "ChargingProfiles") == "0"


@versions2
def test_k01_fr_03_33_a_tx_profile_names_the_transaction(version: str) -> None:
    bench, _ = charging(version)
    assert put(bench, 1, profile(TX, kind="Relative")) == "Rejected MissingParam"
    assert put(bench, 1, profile(TX, kind="Relative", transactionId="nonsense")) == "Rejected TxNotFound"
    assert put(bench, 1, profile(TX, kind="Relative", transactionId=transaction_id(bench))) == "Accepted"


@versions
def test_k01_fr_28_an_evse_that_does_not_exist(version: str) -> None:
    """[1.6 errata 3.39] is answered by PropertyConstraintViolation there."""
    bench = station(version)
    if version != "1.6":
        assert put(bench, 9, profile()) == "Rejected UnknownEvse"
        return
    reply = bench.ask_raw("SetChargingProfile", {"connectorId": 9, "csChargingProfiles": in16(profile())})
    assert reply is not None and (reply[0], reply[2]) == (4, "PropertyConstraintViolation")


@versions
def test_k01_fr_26_a_unit_that_is_not_allowed(version: str) -> None:
    bench = station(version, variables=[{"component": "SmartChargingCtrlr", "variable": "RateUnit", "value": "A"}])
    assert put(bench, 0, profile(unit="W")).startswith("Rejected")
    id = "connectorId" if version == "1.6" else "evseId"
    answer = bench.ask("GetCompositeSchedule", {id: 1, "duration": 60, "chargingRateUnit": "W"})
    assert answer["status"] == "Rejected"  # K08.FR.07


@versions
@pytest.mark.parametrize(("phases", "status"), [(1, "Rejected"), (2, "Rejected"), (3, "Accepted")])
def test_k01_fr_43_phases_cannot_be_switched_off(version: str, phases: int, status: str) -> None:
    bench = station(version)
    payload = profile()
    payload["chargingSchedule"][0]["chargingSchedulePeriod"][0]["numberPhases"] = phases
    assert put(bench, 0, payload).split()[0] == status


@pytest.mark.parametrize(
    ("of_profile", "of_schedule", "of_period", "reason"),
    [
        ({"chargingProfileKind": "Dynamic"}, {}, {}, "UnsupportedKind"),  # K01.FR.121
        ({"chargingProfilePurpose": "PriorityCharging"}, {}, {}, "UnsupportedPurpose"),  # K01.FR.120
        ({"chargingProfilePurpose": "LocalGeneration"}, {}, {}, "UnsupportedPurpose"),
        ({"chargingProfilePurpose": "ChargingStationExternalConstraints"}, {}, {}, "UnsupportedPurpose"),
        ({"dynUpdateInterval": 5}, {}, {}, "InvalidProfile"),  # K01.FR.122
        ({"maxOfflineDuration": 5}, {}, {}, "InvalidProfile"),
        ({}, {"useLocalTime": True}, {}, "InvalidSchedule"),  # K01.FR.123
        ({}, {"randomizedDelay": 5}, {}, "InvalidSchedule"),  # K01.FR.124
        ({}, {"limitAtSoC": {"soc": 80, "limit": 6}}, {}, "InvalidSchedule"),  # K01.FR.125
        ({}, {}, {"evseSleep": True}, "InvalidSchedule"),  # K01.FR.126
        ({}, {}, {"operationMode": "CentralSetpoint", "setpoint": 10}, "InvalidOperationMode"),  # K01.FR.115
        ({}, {}, {"setpoint": 10}, "InvalidSchedule"),
        ({}, {}, {"dischargeLimit": -10}, "InvalidSchedule"),
        ({}, {}, {"limit_L2": 10}, "PhaseConflict"),  # K01.FR.144
        ({}, {}, {"numberPhases": 1, "phaseToUse": 2}, "InvalidSchedule"),  # K01.FR.48
        ({}, {}, {"limit": None}, "InvalidSchedule"),
    ],
)
def test_21_what_is_not_supported_is_refused_by_its_reason_code(
    of_profile: dict[str, Any], of_schedule: dict[str, Any], of_period: dict[str, Any], reason: str
) -> None:
    bench = station("2.1")
    payload = profile()
    payload.update(of_profile)
    payload["chargingSchedule"][0].update(of_schedule)
    period = payload["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    period.update(of_period)
    if period["limit"] is None:
        del period["limit"]
    assert put(bench, 0, payload) == "Rejected " + reason


def test_21_members_that_say_nothing_new_are_accepted() -> None:
    bench = station("2.1")
    payload = profile()
    payload["chargingSchedule"][0].update(useLocalTime=False, randomizedDelay=0)
    payload["chargingSchedule"][0]["chargingSchedulePeriod"][0].update(operationMode="ChargingOnly", evseSleep=False)
    assert put(bench, 0, payload) == "Accepted"


def test_16_the_feature_profile_that_is_left_out_is_refused_and_ignored_in_a_remote_start() -> None:
    feature = {"component": "OCPP16Ctrlr", "variable": "SupportedFeatureProfiles", "value": "Core"}
    bench = station("1.6", variables=[feature])
    for action, request in (
        ("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": in16(profile())}),
        ("ClearChargingProfile", {}),
        ("GetCompositeSchedule", {"connectorId": 0, "duration": 60}),
    ):
        reply = bench.ask_raw(action, request)
        assert reply is not None and reply[2] == "NotSupported"
    start = {"idTag": "A", "connectorId": 1, "chargingProfile": in16(profile(TX, kind="Relative", level=99))}
    assert bench.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
    assert "ChargeProfileMaxStackLevel" not in str(bench.ask("GetConfiguration", {}))


def test_16_keys() -> None:
    bench = station("1.6")
    names = [
        "ChargeProfileMaxStackLevel",
        "ChargingScheduleAllowedChargingRateUnit",
        "ChargingScheduleMaxPeriods",
        "MaxChargingProfilesInstalled",
        "ConnectorSwitch3to1PhaseSupported",
    ]
    found = bench.ask("GetConfiguration", {"key": names})["configurationKey"]
    assert [(key["value"], key["readonly"]) for key in found] == [
        ("20", True), ("Current,Power", True), ("96", True), ("20", True), ("false", True),
    ]  # fmt: skip


def test_16_an_absolute_schedule_without_start_counts_from_the_start_of_charging() -> None:
    """[1.6 §7.13] and a maximum of the station from the moment that it is set."""
    bench = station("1.6")
    for purpose in (DEFAULT, MAX):
        payload = profile(purpose, (0, 16.0), (60, 10.0), id=1)
        del payload["chargingSchedule"][0]["startSchedule"]
        assert put(bench, 0, payload) == "Accepted"
        assert schedule(bench) == [(0, 16.0), (60, 10.0)]


# -- composite schedule, reports, removal -----------------------------------------------------------------------------


@versions
def test_k08_fr_03_the_schedule_of_the_station_is_that_of_all_evses_below_its_maximum(version: str) -> None:
    bench = station(version, evses=2)
    assert schedule(bench, 0) == [(0, 64.0)]
    assert put(bench, 1, profile(DEFAULT, (0, 10.0), (60, 16.0), id=1)) == "Accepted"
    assert put(bench, 0, profile(MAX, (0, 63.0), (120, 40.0), id=2)) == "Accepted"
    assert schedule(bench, 0) == [(0, 42.0), (60, 48.0), (120, 40.0)]
    assert schedule(bench, 1) == [(0, 10.0), (60, 16.0)]
    assert schedule(bench, 2) == [(0, 32.0)]
    assert schedule(bench, 0, chargingRateUnit="W")[0] == (0, 42 * 690.0)


@versions
def test_where_no_profile_applies_the_station_file_may_say_what_is_reported(version: str) -> None:
    """And only reported: it limits nothing."""
    bench = station(version, evses=2, station={"default_limit_a": 20})
    assert schedule(bench) == [(0, 20.0)]
    assert put(bench, 1, profile(DEFAULT, (0, 10.0), (60, 25.0), duration=120)) == "Accepted"
    assert schedule(bench) == [(0, 10.0), (60, 25.0), (120, 20.0)]
    assert schedule(bench, 0) == [(0, 30.0), (60, 45.0), (120, 40.0)]
    assert schedule(bench, chargingRateUnit="W")[-1] == (120, 13_800.0)
    bench.advance(130)
    assert limits(bench)[-1] == (1, None)


@versions
def test_a_window_of_no_length_has_the_present_limit(version: str) -> None:
    bench = station(version)
    assert put(bench, 0, profile(DEFAULT, (0, 10.0), (1, 8.0))) == "Accepted"
    assert schedule(bench, duration=0) == [(0, 10.0)]


@versions
def test_k08_fr_05_what_has_no_schedule(version: str) -> None:
    bench = station(version)
    id = "connectorId" if version == "1.6" else "evseId"
    for request in ({id: 9, "duration": 60}, {id: 1, "duration": -1}):
        assert bench.ask("GetCompositeSchedule", request)["status"] == "Rejected"


@versions
def test_a_very_long_window_is_cut(version: str) -> None:
    bench = station(version)
    assert (
        put(bench, 0, profile(DEFAULT, (0, 10.0), (3600, 8.0), kind="Recurring", recurrencyKind="Daily")) == "Accepted"
    )
    id = "connectorId" if version == "1.6" else "evseId"
    answer = bench.ask("GetCompositeSchedule", {id: 1, "duration": 2**31 - 1})
    found = answer["chargingSchedule" if version == "1.6" else "schedule"]
    assert found["duration"] == 7 * DAY
    assert len(found["chargingSchedulePeriod"]) == 14


def test_16_limits_have_one_decimal_place_and_are_not_rounded_up() -> None:
    bench = station("1.6")
    assert put(bench, 0, profile(DEFAULT, (0, 11_000.0), (60, 10_990.0), unit="W")) == "Accepted"
    assert schedule(bench) == [(0, 15.9)]


@versions2
def test_k09_profiles_are_reported_one_a_message(version: str) -> None:
    bench = station(version)
    first = profile(DEFAULT, (0, 10.0), (60, 8.0), id=1, duration=100, minChargingRate=6.0)
    second = profile(MAX, id=2, kind="Recurring", recurrencyKind="Daily", validTo=timestamp(NOW_UTC + DAY))
    assert put(bench, 1, first) == put(bench, 0, second) == "Accepted"
    asked = {"requestId": 5, "chargingProfile": {"chargingLimitSource": ["CSO"]}}
    assert bench.ask("GetChargingProfiles", asked) == {"status": "Accepted"}
    said = [payload for _, payload in bench.settle()]
    assert said == [
        {"requestId": 5, "chargingLimitSource": "CSO", "chargingProfile": [first], "evseId": 1, "tbc": True},
        {"requestId": 5, "chargingLimitSource": "CSO", "chargingProfile": [second], "evseId": 0},
    ]


@versions2
@pytest.mark.parametrize(
    ("criteria", "evse", "ids"),
    [
        ({}, 0, [2]),
        ({}, 1, [1]),
        ({}, 9, []),
        ({"chargingProfileId": [2, 3]}, None, [2]),
        ({"chargingProfilePurpose": DEFAULT}, None, [1]),
        ({"stackLevel": 0}, None, [1, 2]),
        ({"stackLevel": 1}, None, []),
        ({"chargingLimitSource": ["EMS"]}, None, []),
    ],
)
def test_k09_fr_04_05_06_criteria(version: str, criteria: dict[str, Any], evse: int | None, ids: list[int]) -> None:
    bench = station(version)
    assert put(bench, 1, profile(id=1)) == put(bench, 0, profile(MAX, id=2)) == "Accepted"
    asked = {"requestId": 5, "chargingProfile": criteria} | ({} if evse is None else {"evseId": evse})
    assert bench.ask("GetChargingProfiles", asked) == {"status": "Accepted" if ids else "NoProfiles"}
    assert [payload["chargingProfile"][0]["id"] for _, payload in bench.settle()] == ids


@versions2
def test_reports_are_forgotten_with_the_connection_and_bounded(version: str) -> None:
    bench = station(version)
    assert put(bench, 1, profile(id=1)) == put(bench, 0, profile(MAX, id=2)) == "Accepted"
    asked = {"requestId": 5, "chargingProfile": {}}
    for _ in range(5):
        assert bench.ask("GetChargingProfiles", asked) == {"status": "Accepted"}
    reply = bench.ask_raw("GetChargingProfiles", asked)
    assert reply is not None and reply[2] == "InternalError"
    bench.drop()
    bench.connect(version)
    bench.quiet()
    assert bench.ask("GetChargingProfiles", asked) == {"status": "Accepted"}
    assert len(bench.settle()) == 2


@versions
@pytest.mark.parametrize(
    ("purpose", "evse", "level", "left"),
    [(None, None, None, []), (DEFAULT, None, None, [2]), (None, 0, None, [1]), (None, None, 1, [1]), (MAX, 0, 0, None)],
)
def test_k10_fr_04_profiles_that_match_all_criteria_are_cleared(
    version: str, purpose: str | None, evse: int | None, level: int | None, left: list[int] | None
) -> None:
    bench = station(version)
    assert put(bench, 1, profile(DEFAULT, (0, 10.0), id=1)) == "Accepted"
    assert put(bench, 0, profile(MAX, (0, 8.0), id=2, level=1)) == "Accepted"
    limits(bench)
    criteria: dict[str, Any] = {}
    if purpose is not None:
        old = version == "1.6" and purpose == MAX
        criteria["chargingProfilePurpose"] = "ChargePointMaxProfile" if old else purpose
    if evse is not None:
        criteria["connectorId" if version == "1.6" else "evseId"] = evse
    if level is not None:
        criteria["stackLevel"] = level
    request = criteria if version == "1.6" else {"chargingProfileCriteria": criteria}
    answer = bench.ask("ClearChargingProfile", request)
    assert answer == {"status": "Unknown" if left is None else "Accepted"}
    expected = {None: 8.0, 1: 10.0, 2: 8.0}[left[0]] if left else 32.0 if left == [] else 8.0
    assert schedule(bench) == [(0, expected)]
    assert limits(bench) == ([] if expected == 8.0 else [(1, None if expected == 32.0 else expected)])


@versions
def test_k10_fr_01_03_by_id(version: str) -> None:
    bench = station(version)
    assert put(bench, 1, profile(DEFAULT, (0, 10.0), id=1)) == "Accepted"
    name = "id" if version == "1.6" else "chargingProfileId"
    assert bench.ask("ClearChargingProfile", {name: 2}) == {"status": "Unknown"}
    assert bench.ask("ClearChargingProfile", {name: 1}) == {"status": "Accepted"}
    assert bench.ask("ClearChargingProfile", {name: 1}) == {"status": "Unknown"}


# -- remote start -----------------------------------------------------------------------------------------------------


def remote_start(bench: Bench, payload: dict[str, Any] | None, token: str = "CARD") -> str:
    if bench.version == "1.6":
        request: dict[str, Any] = {"idTag": token, "connectorId": 1}
        action = "RemoteStartTransaction"
    else:
        request = {"idToken": {"idToken": token, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
        action = "RequestStartTransaction"
    if payload is not None:
        request["chargingProfile"] = in16(payload) if bench.version == "1.6" else payload
    status: str = bench.ask(action, request)["status"]
    return status


@versions
def test_k05_the_profile_of_a_remote_start_holds_for_its_transaction(version: str) -> None:
    bench = station(version)
    driver = Driver(bench)
    assert put(bench, 0, profile(DEFAULT, (0, 8.0), id=1)) == "Accepted"
    assert remote_start(bench, profile(TX, (0, 16.0), id=2, kind="Relative")) == "Accepted"
    driver.settle()
    assert limits(driver)[-1] == (1, 16.0)
    driver.plug()
    assert schedule(bench) == [(0, 16.0)]
    assert bench.engine.block("smart_charging").why(1) == {"id": 2, "purpose": TX, "stack_level": 0, "evse": 1}
    driver.unplug()
    assert schedule(bench) == [(0, 8.0)]


@versions
@pytest.mark.parametrize("payload", [profile(TX, level=99, kind="Relative"), profile(DEFAULT), profile(TX, (1, 6.0))])
def test_k05_fr_05_an_invalid_profile_starts_nothing(version: str, payload: dict[str, Any]) -> None:
    bench = station(version)
    assert remote_start(bench, payload) == "Rejected"
    assert bench.take_effects("authorize") == []


@versions
def test_the_profile_of_a_refused_remote_start_is_forgotten(version: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    driver = Driver(bench)
    invalid = {"status": "Invalid"}
    driver.answers = {"Authorize": {"idTagInfo": invalid} if version == "1.6" else {"idTokenInfo": invalid}}
    assert remote_start(bench, profile(TX, (0, 16.0), id=2, kind="Relative")) == "Accepted"
    driver.settle()
    assert limits(driver) == [(1, 16.0), (1, None)]


@versions
def test_the_profile_of_a_remote_start_is_not_for_another_driver(version: str) -> None:
    bench = station(version)
    driver = Driver(bench)
    assert remote_start(bench, profile(TX, (0, 16.0), id=2, kind="Relative")) == "Accepted"
    driver.settle()
    bench.fact("connection_timeout", 1)
    driver.authorized.clear()
    driver.plug()
    driver.tap("OTHER")
    assert schedule(bench) == [(0, 32.0)]
