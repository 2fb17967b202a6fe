"""J. MeterValues; 1.6 §3.16, §4.7 and errata §3.14 to §3.16, §3.46, §3.91."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from evse.clock import parse_timestamp
from evse.ocpp import meter_values
from evse.ocpp.blocks.metering.block import PLANS, UPDATED
from tests.support.bench import NOW_UTC, Bench, FakeClock, versions, versions2
from tests.support.driver import Driver, events, measurands

REGISTER = "Energy.Active.Import.Register"
Said = list[tuple[str, dict[str, Any]]]


def start(version: str, evses: int = 1, clock: FakeClock | None = None, **variables: str) -> tuple[Bench, Driver]:
    """A booted station without samples; variables as SampledDataCtrlr_TxUpdatedInterval="10"."""
    values = {"SampledDataCtrlr_TxUpdatedInterval": "0", "AlignedDataCtrlr_Interval": "0", **variables}
    entries = [
        {"component": name.split("_")[0], "variable": name.split("_")[1], "value": value}
        for name, value in values.items()
    ]
    bench = Bench(evses=evses, variables=entries, clock=clock)
    bench.connect(version)
    return bench, Driver(bench)


def charge(driver: Driver, evse: int = 1) -> None:
    driver.plug(evse)
    driver.tap(f"CARD{evse}", (evse,))
    driver.take()


def times(said: Said) -> list[float]:
    """Seconds since the start of the test, of each message's first meter value."""
    return [parse_timestamp(payload["meterValue"][0]["timestamp"]) - NOW_UTC for _, payload in said]


# -- sampled data --------------------------------------------------------------------------------------------------


@versions
def test_J02_FR_11_samples_come_at_the_interval_from_the_start_of_the_transaction(version: str) -> None:
    _, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="20")
    driver.wait(7)
    charge(driver)
    driver.wait(65)
    said = driver.take()
    assert times(said) == [27, 47, 67]
    payload = said[0][1]
    if version == "1.6":
        assert payload["transactionId"] == 4711
        assert payload["meterValue"][0]["sampledValue"] == [
            {
                "value": "1000",
                "context": "Sample.Periodic",
                "format": "Raw",
                "measurand": REGISTER,
                "unit": "Wh",
            }
        ]
    else:
        assert payload["triggerReason"] == "MeterValuePeriodic"
        assert payload["meterValue"][0]["sampledValue"] == [
            {
                "value": 1000,
                "context": "Sample.Periodic",
                "measurand": REGISTER,
                "unitOfMeasure": {"unit": "Wh"},
            }
        ]


@versions
def test_J02_an_interval_of_0_is_off_and_a_change_takes_effect_at_once(version: str) -> None:
    bench, driver = start(version)
    charge(driver)
    driver.wait(100)
    assert driver.take() == []
    bench.model.set("SampledDataCtrlr", "TxUpdatedInterval", "30")
    driver.wait(60)
    assert times(driver.take()) == [120, 150]
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", "Frequency")
    driver.wait(60)
    assert driver.take() == []  # this meter has none
    bench.model.set("SampledDataCtrlr", "TxUpdatedInterval", "0")
    driver.wait(60)
    assert driver.take() == []


@versions
def test_SampledDataCtrlr_Enabled_false_sends_no_samples(version: str) -> None:
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="10", SampledDataCtrlr_Enabled="false")
    charge(driver)
    driver.wait(30)
    assert driver.take() == []
    bench.model.set("SampledDataCtrlr", "Enabled", "true")
    driver.wait(10)
    assert len(driver.take()) == 1


@versions
def test_16_3_16_3_all_phases_units_and_locations(version: str) -> None:
    names = "Energy.Active.Import.Register,Current.Import,Voltage,SoC,Frequency,Power.Factor,Temperature"
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="10")
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", names)
    charge(driver)
    reading = {
        (REGISTER, None): 123456.789,
        ("Current.Import", "L1"): 15.5,
        ("Current.Import", "L2"): 0.0,
        ("Voltage", "L1-N"): 230.0,
        ("SoC", None): 55.0,
        ("Frequency", None): 49.98,
        ("Power.Factor", None): 0.99,
        ("Temperature", None): 31.0,
    }
    bench.fact("reading", 1, reading, None)
    bench.advance(10)
    driver.settle()
    sampled = driver.take()[0][1]["meterValue"][0]["sampledValue"]
    said = {(each["measurand"], each.get("phase")): each for each in sampled}
    if version == "1.6":
        assert [(key, each["value"], each.get("unit"), each.get("location")) for key, each in said.items()] == [
            ((REGISTER, None), "123456.789", "Wh", None),
            (("Current.Import", "L1"), "15.5", "A", None),
            (("Current.Import", "L2"), "0", "A", None),
            (("Voltage", "L1-N"), "230", "V", None),
            (("SoC", None), "55", "Percent", "EV"),
            (("Frequency", None), "49.98", None, None),  # errata 3.86
            (("Power.Factor", None), "0.99", None, None),
            (("Temperature", None), "31", "Celsius", "Body"),
        ]
    else:
        units = [(key, each["value"], each.get("unitOfMeasure", {}).get("unit")) for key, each in said.items()]
        assert units == [
            ((REGISTER, None), 123456.789, "Wh"),
            (("Current.Import", "L1"), 15.5, "A"),
            (("Current.Import", "L2"), 0, "A"),
            (("Voltage", "L1-N"), 230, "V"),
            (("SoC", None), 55, "Percent"),
            (("Frequency", None), 49.98, "Hz"),
            (("Power.Factor", None), 0.99, None),
        ]
        assert said["SoC", None]["location"] == "EV"


def test_16_9_1_17_a_measurand_may_name_its_phase() -> None:
    bench, _ = start("1.6")
    names = "Voltage.L2,Current.Import.L2,Voltage.L1-N,Voltage.L3"
    assert bench.ask("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": names})["status"] == "Accepted"
    evse = bench.engine.evses[1]
    evse.values = {("Voltage", "L1-N"): 231.0, ("Voltage", "L2-N"): 232.0, ("Current.Import", "L2"): 6.0}
    assert taken(bench) == [
        ("Voltage", "L1-N", 231),
        ("Voltage", "L2-N", 232),
        ("Current.Import", "L2", 6),
    ]


@versions
def test_a_stale_reading_is_not_sent_as_a_fresh_one(version: str) -> None:
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="50", AlignedDataCtrlr_Interval="300")
    charge(driver)
    driver.draw(77)
    read_at = bench.time.utc
    for _ in range(31):  # and the meter says nothing more
        bench.advance(10)
        driver.settle()
    said = driver.take()
    assert times(said) == [50]
    assert bench.log.texts("warning").count("the meter is silent: samples are left out") == 1
    bench.tap("CARD1")
    bench.take_effects()
    bench.fact("stopped", 1, "Local")
    driver.settle()
    payload = driver.take()[-1][1]
    end = payload["transactionData" if version == "1.6" else "meterValue"][-1]
    assert parse_timestamp(end["timestamp"]) == pytest.approx(read_at, abs=0.001)
    assert end["sampledValue"][0]["context"] == "Transaction.End"
    if version == "1.6":
        assert payload["meterStop"] == 1077


@versions
def test_J02_samples_go_on_offline_and_are_told_later(version: str) -> None:
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="60")
    charge(driver)
    bench.drop()
    driver.wait(180)
    bench.open(version)
    driver.settle()
    said = driver.take()
    assert times(said) == [60, 120, 180]
    if version != "1.6":
        assert all(payload["offline"] for _, payload in said)


@versions2
def test_RegisterValuesWithoutPhases_tells_the_total_only(version: str) -> None:
    bench, _ = start(version, SampledDataCtrlr_TxUpdatedMeasurands=f"{REGISTER},Voltage")
    evse = bench.engine.evses[1]
    evse.values = {(REGISTER, None): 9.0, (REGISTER, "L1"): 3.0, ("Voltage", "L1-N"): 230.0}
    assert taken(bench) == [(REGISTER, None, 9), (REGISTER, "L1", 3), ("Voltage", "L1-N", 230)]
    bench.model.set("SampledDataCtrlr", "RegisterValuesWithoutPhases", "true")
    assert taken(bench) == [(REGISTER, None, 9), ("Voltage", "L1-N", 230)]


def taken(bench: Bench, evse: int = 1) -> list[tuple[str, str | None, float]]:
    """What a sample of TxUpdatedMeasurands has now."""
    sample = bench.engine.block("metering").sample(bench.engine.evses[evse], UPDATED, "Other")
    return list(meter_values.values(sample))


def test_a_sample_follows_the_values_that_the_meter_delivers() -> None:
    bench, _ = start("2.1", SampledDataCtrlr_TxUpdatedMeasurands=f"{REGISTER},Voltage")
    evse = bench.engine.evses[1]
    evse.values = {(REGISTER, None): 9.0, ("SoC", None): 50.0}
    assert taken(bench) == [(REGISTER, None, 9)]
    evse.values = {(REGISTER, None): 9.5, ("SoC", None): 51.0}
    assert taken(bench) == [(REGISTER, None, 9.5)]
    evse.values = {(REGISTER, "L1"): 4.0, ("SoC", None): 51.0}  # as many as before, others
    assert taken(bench) == [(REGISTER, "L1", 4)]
    evse.values = {("Voltage", "L1-N"): 231.0, (REGISTER, None): 10.0, ("SoC", None): 51.0}
    assert taken(bench) == [("Voltage", "L1-N", 231), (REGISTER, None, 10)]
    evse.values = {("Voltage", "L1-N"): 232.0, ("SoC", None): 51.0}
    assert taken(bench) == [("Voltage", "L1-N", 232)]
    evse.values = {("SoC", None): 51.0}
    assert taken(bench) == []
    evse.values = {(REGISTER, None): 11.0, ("SoC", None): 51.0}
    assert taken(bench) == [(REGISTER, None, 11)]


def test_a_sample_follows_its_list_of_measurands() -> None:
    bench, _ = start("2.1", SampledDataCtrlr_TxUpdatedMeasurands=REGISTER)
    bench.engine.evses[1].values = {(REGISTER, None): 9.0, ("SoC", None): 50.0}
    assert taken(bench) == [(REGISTER, None, 9)]
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", "SoC")
    assert taken(bench) == [("SoC", None, 50)]
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", "")
    assert taken(bench) == []
    bench.model.reset("SampledDataCtrlr", "TxUpdatedMeasurands")
    assert taken(bench) == [(REGISTER, None, 9)]


def test_a_sample_follows_Enabled() -> None:
    bench, _ = start("2.1", SampledDataCtrlr_TxUpdatedMeasurands=REGISTER)
    bench.engine.evses[1].values = {(REGISTER, None): 9.0}
    assert taken(bench) == [(REGISTER, None, 9)]
    bench.model.set("SampledDataCtrlr", "Enabled", "false")
    assert taken(bench) == []


@pytest.mark.parametrize("variable", ["SignReadings", "SignUpdatedReadings"])
def test_a_sample_follows_the_signing_variables(variable: str) -> None:
    signing = {"SampledDataCtrlr_SignReadings": "true", "SampledDataCtrlr_SignUpdatedReadings": "true"}
    bench, _ = start("2.1", SampledDataCtrlr_TxUpdatedMeasurands=REGISTER, **signing)
    evse = bench.engine.evses[1]
    evse.values, evse.signed = {(REGISTER, None): 9.0}, {"data": "AQ=="}
    metering = bench.engine.block("metering")
    assert metering.sample(evse, UPDATED, "Other")[2][0] == "AQ=="
    bench.model.set("SampledDataCtrlr", variable, "false")
    assert metering.sample(evse, UPDATED, "Other")[2] == 0


def test_the_values_of_the_start_follow_the_list_of_1_6() -> None:
    bench, _ = start("2.1", SampledDataCtrlr_TxStartedMeasurands=REGISTER)
    evse = bench.engine.evses[1]
    evse.values = {(REGISTER, None): 9.0, ("SoC", None): 50.0}
    evse.values_when = bench.engine.clock.now()
    metering = bench.engine.block("metering")
    assert list(meter_values.values(metering.begin(evse))) == [(REGISTER, None, 9)]
    bench.model.set("OCPP16Ctrlr", "StartTxnSampledData", f"SoC,{REGISTER}")
    assert list(meter_values.values(metering.begin(evse))) == [(REGISTER, None, 9), ("SoC", None, 50)]


def test_two_meters_that_deliver_different_values_are_sampled_each_for_itself() -> None:
    bench, _ = start("2.1", evses=20, SampledDataCtrlr_TxUpdatedMeasurands=f"{REGISTER},SoC")
    for _ in range(2):
        for evse in bench.engine.evses.values():
            key = (REGISTER, None) if evse.id % 2 else ("SoC", None)
            evse.values = {key: float(evse.id)}
            assert taken(bench, evse.id) == [(*key, evse.id)]
    assert len(bench.engine.block("metering")._plans) <= PLANS


@pytest.mark.parametrize(
    "value, said",
    [(0.0, "0"), (-0.0, "0"), (7, "7"), (230.0, "230"), (15.55, "15.55"), (0.0004, "0"), (0.0006, "0.001"),
     (-5.5, "-5.5"), (-5.0, "-5"), (123456789.1234, "123456789.123"), (9e15, "9000000000000000")],
)  # fmt: skip
def test_a_value_is_told_to_the_thousandth_and_whole_where_it_is(value: float, said: str) -> None:
    assert repr(meter_values.exact(value)) == said


# -- values in the end of a transaction ------------------------------------------------------------------------------


@versions
def test_J02_TxEndedInterval_collects_samples_for_the_end(version: str) -> None:
    _, driver = start(version, SampledDataCtrlr_TxEndedInterval="30")
    charge(driver)
    driver.wait(75)
    driver.tap("CARD1")
    payload = driver.take()[-1][1]
    values = payload["transactionData" if version == "1.6" else "meterValue"]
    assert [each["sampledValue"][0]["context"] for each in values] == [
        "Transaction.Begin",
        "Sample.Periodic",
        "Sample.Periodic",
        "Transaction.End",
    ]
    assert [parse_timestamp(each["timestamp"]) - NOW_UTC for each in values] == [0, 30, 60, 75]


@versions
def test_16_3_16_5_no_measurands_no_meter_data_at_the_end(version: str) -> None:
    _, driver = start(version, SampledDataCtrlr_TxEndedMeasurands="")
    charge(driver)
    driver.tap("CARD1")
    payload = driver.take()[-1][1]
    assert "transactionData" not in payload and "meterValue" not in payload


@versions
def test_AlignedData_TxEndedMeasurands_are_collected_at_their_interval(version: str) -> None:
    variables = {"AlignedDataCtrlr_TxEndedMeasurands": REGISTER, "AlignedDataCtrlr_TxEndedInterval": "60"}
    _, driver = start(version, SampledDataCtrlr_TxEndedMeasurands="", **variables)
    driver.wait(5)
    charge(driver)
    driver.wait(130)
    driver.tap("CARD1")
    payload = driver.take()[-1][1]
    values = payload["transactionData" if version == "1.6" else "meterValue"]
    assert [parse_timestamp(each["timestamp"]) - NOW_UTC for each in values] == [60, 120]
    assert {each["sampledValue"][0]["context"] for each in values} == {"Sample.Clock"}


@versions
def test_16_3_16_2_aligned_values_for_the_end_follow_the_common_interval(version: str) -> None:
    bench, driver = start(version, SampledDataCtrlr_TxEndedMeasurands="", AlignedDataCtrlr_Measurands="")
    if version == "1.6":
        for key, value in (("StopTxnAlignedData", REGISTER), ("ClockAlignedDataInterval", "60")):
            assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}
    else:
        bench.model.set("AlignedDataCtrlr", "TxEndedMeasurands", REGISTER)
        bench.model.set("AlignedDataCtrlr", "Interval", "60")
    charge(driver)
    driver.wait(70)
    driver.tap("CARD1")
    payload = driver.take()[-1][1]
    values = payload["transactionData" if version == "1.6" else "meterValue"]
    assert [parse_timestamp(each["timestamp"]) - NOW_UTC for each in values] == [60]


@versions
def test_E06_FR_13_collected_samples_are_bounded_and_keep_begin_and_end(version: str) -> None:
    """1.6 errata §3.91"""
    bench, driver = start(version, SampledDataCtrlr_TxEndedInterval="10")
    charge(driver)
    driver.wait(6000)
    tx = bench.engine.block("transactions").current(1)
    assert len(tx.samples) <= 310
    driver.tap("CARD1")
    payload = driver.take()[-1][1]
    values = payload["transactionData" if version == "1.6" else "meterValue"]
    stamps = [parse_timestamp(each["timestamp"]) - NOW_UTC for each in values]
    assert stamps[0] == 0 and stamps[-1] == 6000
    assert stamps == sorted(stamps)
    assert max(after - before for before, after in pairwise(stamps)) <= 40
    assert values[0]["sampledValue"][0]["context"] == "Transaction.Begin"
    assert values[-1]["sampledValue"][0]["context"] == "Transaction.End"


def test_thinning_drops_every_second_sample_but_the_first() -> None:
    places = meter_values.places([(REGISTER, None)])
    samples = [meter_values.pack(number, "Sample.Periodic", None, places, [1.0]) for number in range(1, 10)]
    meter_values.thin(samples, 10 * 260)
    assert [sample[0] for sample in samples] == list(range(1, 10))
    meter_values.thin(samples, 8 * 260)
    assert [sample[0] for sample in samples] == [1, 3, 5, 7, 9]


# -- aligned data ----------------------------------------------------------------------------------------------------


@versions
def test_J01_FR_14_aligned_values_follow_the_clock_for_every_evse(version: str) -> None:
    _, driver = start(version, evses=2, clock=FakeClock(utc=NOW_UTC + 851.3), AlignedDataCtrlr_Interval="900")
    driver.wait(960)
    said = driver.take()
    assert [action for action, _ in said] == ["MeterValues"] * 4
    assert times(said) == [900, 900, 1800, 1800]
    assert [payload.get("evseId", payload.get("connectorId")) for _, payload in said] == [1, 2, 1, 2]
    assert said[0][1]["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
    assert "transactionId" not in said[0][1]


@versions
def test_J01_FR_22_aligned_values_of_a_transaction_are_told_with_it(version: str) -> None:
    """1.6 errata §3.16"""
    _, driver = start(version, evses=2, AlignedDataCtrlr_Interval="60")
    driver.wait(10)
    charge(driver, 1)
    driver.wait(60)
    said = driver.take()
    assert times(said) == [60, 60]
    if version == "1.6":
        assert [payload.get("transactionId") for _, payload in said] == [4711, None]
    else:
        assert events(said) == ["Updated MeterValueClock", "MeterValues"]
        assert said[0][1]["timestamp"] == said[0][1]["meterValue"][0]["timestamp"]


@versions
def test_J01_FR_20_SendDuringIdle_keeps_silent_during_a_transaction(version: str) -> None:
    _, driver = start(version, evses=2, AlignedDataCtrlr_Interval="60", AlignedDataCtrlr_SendDuringIdle="true")
    charge(driver, 1)
    driver.wait(60)
    assert driver.take() == []
    driver.tap("CARD1", (1,))
    driver.take()
    driver.wait(60)
    assert len(driver.take()) == 2


@versions
def test_J01_FR_19_SendDuringIdle_of_one_evse(version: str) -> None:
    entries = [
        {"component": "AlignedDataCtrlr", "variable": "Interval", "value": "60"},
        {"component": "AlignedDataCtrlr", "variable": "SendDuringIdle", "evse": 1, "type": "boolean", "value": "true"},
    ]
    bench = Bench(evses=2, variables=entries)
    bench.connect(version)
    driver = Driver(bench)
    charge(driver, 2)
    charge(driver, 1)
    driver.wait(59)
    driver.take()
    driver.wait(1)
    assert len([said for said in driver.take() if "Sample.Clock" in str(said)]) == 1
    driver.tap("CARD1", (1,))
    driver.take()
    driver.wait(60)
    assert len([said for said in driver.take() if "Sample.Clock" in str(said)]) == 2


@versions
def test_an_aligned_interval_changes_at_once_and_0_is_off(version: str) -> None:
    bench, driver = start(version)
    driver.wait(130)
    assert driver.take() == []
    bench.model.set("AlignedDataCtrlr", "Interval", "60")
    driver.wait(120)
    assert times(driver.take()) == [180, 240]
    bench.model.set("AlignedDataCtrlr", "Interval", "0")
    driver.wait(120)
    assert driver.take() == []


@versions
def test_aligned_intervals_begin_anew_at_midnight(version: str) -> None:
    _, driver = start(version, clock=FakeClock(utc=NOW_UTC - 100), AlignedDataCtrlr_Interval="7000")
    driver.wait(7200)
    assert times(driver.take()) == [0, 7000]


@versions
def test_aligned_values_follow_a_clock_that_jumps(version: str) -> None:
    bench, driver = start(version, AlignedDataCtrlr_Interval="600")
    driver.wait(100)
    bench.time.utc += 450  # 550 s after midnight
    driver.wait(70)
    assert times(driver.take()) == [600]
    bench.time.utc -= 300  # back to 320 s
    driver.wait(290)
    assert times(driver.take()) == [600]


@versions
def test_aligned_values_wait_for_the_clock(version: str) -> None:
    entry = {"component": "AlignedDataCtrlr", "variable": "Interval", "value": "60"}
    bench = Bench(clock=FakeClock(utc=0.0), variables=[entry])
    driver = Driver(bench)
    driver.wait(120)
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "2026-01-01T00:00:30.000Z", "interval": 3600})
    driver.settle()
    driver.wait(60)
    assert times(driver.take()) == [60]


@versions
def test_aligned_values_outside_of_transactions_are_kept_during_an_outage(version: str) -> None:
    """1.6 §3.7: clock-aligned MeterValues are queued."""
    bench, driver = start(version, AlignedDataCtrlr_Interval="60")
    bench.drop()
    driver.wait(125)
    bench.open(version)
    driver.settle()
    assert times(driver.take()) == [60, 120]


# -- trigger ---------------------------------------------------------------------------------------------------------


@versions2
def test_F06_FR_06_a_trigger_sends_the_aligned_measurands(version: str) -> None:
    bench, driver = start(version, evses=2, AlignedDataCtrlr_Measurands="Energy.Active.Import.Register")
    driver.meter(0, 2, power_w=1.0)
    request = {"requestedMessage": "MeterValues", "evse": {"id": 2}}
    assert bench.ask("TriggerMessage", request) == {"status": "Accepted"}
    driver.settle()
    said = driver.take()
    assert [(action, payload["evseId"]) for action, payload in said] == [("MeterValues", 2)]
    assert measurands(said[0][1]["meterValue"][0]) == [(REGISTER, None, 1000)]
    assert said[0][1]["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


def test_16_errata_3_46_a_trigger_sends_the_sampled_measurands_with_the_transaction() -> None:
    bench, driver = start("1.6", SampledDataCtrlr_TxUpdatedMeasurands="Power.Active.Import")
    charge(driver)
    driver.meter(0, 1, power_w=7400.0)
    request = {"requestedMessage": "MeterValues", "connectorId": 1}
    assert bench.ask("TriggerMessage", request) == {"status": "Accepted"}
    driver.settle()
    payload = driver.take()[0][1]
    assert payload["transactionId"] == 4711
    assert measurands(payload["meterValue"][0]) == [("Power.Active.Import", None, "7400")]


@versions2
def test_F06_FR_07_a_triggered_transaction_event(version: str) -> None:
    bench, driver = start(version)
    request = {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}
    assert bench.ask("TriggerMessage", request)["status"] != "Accepted"
    charge(driver)
    assert bench.ask("TriggerMessage", request) == {"status": "Accepted"}
    driver.settle()
    said = driver.take()
    assert events(said) == ["Updated Trigger Charging"]
    assert said[0][1]["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


# -- signed values ---------------------------------------------------------------------------------------------------

SIGNED = {"data": "T0NNRg==", "method": "ECDSA-secp256r1-SHA256", "encoding": "OCMF", "public_key": "QUJD"}


@versions
@pytest.mark.parametrize(
    ("policy", "keys"),
    [("Never", ["", ""]), ("OncePerTransaction", ["QUJD", ""]), ("EveryMeterValue", ["QUJD", "QUJD"])],
)
def test_J02_FR_21_signed_values_and_their_public_key(version: str, policy: str, keys: list[str]) -> None:
    entries = [
        {"component": "SampledDataCtrlr", "variable": "SignReadings", "value": "true"},
        {"component": "SampledDataCtrlr", "variable": "TxStartedMeasurands", "value": ""},
        {"component": "OCPPCommCtrlr", "variable": "PublicKeyWithSignedMeterValue", "value": policy},
    ]
    bench = Bench(variables=entries)
    bench.connect(version)
    bench.fact("reading", 1, {(REGISTER, None): 10.0}, SIGNED)
    bench.fact("plugged", 1, 1)
    bench.tap("CARD")
    bench.settle()
    bench.tap("CARD")
    bench.fact("stopped", 1, "Local")
    payload = [payload for action, payload in bench.settle() if action in ("StopTransaction", "TransactionEvent")][-1]
    if version == "1.6":
        values = [each["sampledValue"] for each in payload["transactionData"]]
        assert [each[0]["value"] for each in values] == ["10", "10"]
        assert [each[1]["format"] for each in values] == ["SignedData"] * 2
        assert ['"publicKey":"' + key + '"' in each[1]["value"] for each, key in zip(values, keys, strict=True)] == [
            True
        ] * 2
    else:
        said = [each["sampledValue"][0]["signedMeterValue"] for each in payload["meterValue"]]
        assert [each["publicKey"] for each in said] == keys
        assert said[0]["signedMeterData"] == SIGNED["data"]


@versions2
def test_without_SignReadings_nothing_is_signed(version: str) -> None:
    bench, driver = start(version)
    bench.fact("reading", 1, {(REGISTER, None): 10.0}, SIGNED)
    driver.plug()
    driver.tap()
    assert "signedMeterValue" not in str(driver.take())


def test_signed_data_too_long_for_201_are_left_out_and_logged() -> None:
    entry = {"component": "SampledDataCtrlr", "variable": "SignReadings", "value": "true"}
    for version, fits in (("2.0.1", False), ("2.1", True)):
        bench = Bench(variables=[entry])
        bench.connect(version)
        bench.fact("reading", 1, {(REGISTER, None): 10.0}, {**SIGNED, "data": "A" * 2504})
        bench.fact("plugged", 1, 1)
        bench.tap("CARD")
        said = bench.settle()
        assert ("signedMeterValue" in str(said)) is fits
        assert (
            "signed meter data are too long for OCPP 2.0.1 and were left out" in bench.log.texts("warning")
        ) is not fits


# -- application note "Signed Meter Values", 1.6 -----------------------------------------------------------------------


def _sign(bench: Bench, evse: int = 1) -> None:
    values = {(REGISTER, None): 1000.0, ("Power.Active.Import", None): 0.0}
    bench.fact("reading", evse, values, SIGNED)


def _keys(bench: Bench, **values: str) -> None:
    for key, value in values.items():
        assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}, key


def test_values_of_the_start_follow_the_start_transaction() -> None:
    """3.3.4, 3.3.5: right after StartTransaction.req, with its id, signed if that is wanted."""
    bench, driver = start("1.6")
    driver.settle()
    _keys(
        bench,
        StartTxnSampledData="Energy.Active.Import.Register,Power.Active.Import",
        SampledDataSignReadings="true",
        SampledDataSignStartedReadings="true",
    )
    _sign(bench)
    driver.plug()
    driver.tap()
    said = [(action, payload) for action, payload in driver.take() if action in ("StartTransaction", "MeterValues")]
    assert [action for action, _ in said] == ["StartTransaction", "MeterValues"]
    payload = said[1][1]
    assert payload["transactionId"] == 4711
    sampled = payload["meterValue"][0]["sampledValue"]
    assert {value["context"] for value in sampled} == {"Transaction.Begin"}
    assert [(value["measurand"], value["format"]) for value in sampled] == [
        (REGISTER, "Raw"),
        ("Power.Active.Import", "Raw"),
        (REGISTER, "SignedData"),
    ]


def test_without_the_key_a_start_has_no_values_of_its_own() -> None:
    """What 2.x would say at the start does not become a message of 1.6."""
    _, driver = start("1.6")
    driver.plug()
    driver.tap()
    assert "MeterValues" not in [action for action, _ in driver.take()]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AlignedDataSignReadings", "true"),
        ("AlignedDataSignUpdatedReadings", "true"),
        ("SampledDataSignReadings", "true"),
        ("SampledDataSignStartedReadings", "true"),
        ("SampledDataSignUpdatedReadings", "true"),
        ("PublicKeyWithSignedMeterValue", "Never"),
        ("StartTxnSampledData", REGISTER),
    ],
)
def test_the_keys_of_signed_meter_values(key: str, value: str) -> None:
    bench, driver = start("1.6")
    driver.settle()
    _keys(bench, **{key: value})
    (shown,) = bench.ask("GetConfiguration", {"key": [key]})["configurationKey"]
    assert shown == {"key": key, "readonly": False, "value": value}


def test_the_public_key_of_each_meter_is_a_key() -> None:
    """3.3.1 MeterPublicKey[ConnectorID]; there is none for a meter that does not sign."""
    bench, driver = start("1.6", evses=2)
    driver.settle()
    _sign(bench, 2)
    asked = bench.ask("GetConfiguration", {"key": ["MeterPublicKey1", "MeterPublicKey2", "MeterPublicKey"]})
    assert asked["configurationKey"] == [{"key": "MeterPublicKey2", "readonly": True, "value": SIGNED["public_key"]}]
    assert asked["unknownKey"] == ["MeterPublicKey1", "MeterPublicKey"]
    everything = [each["key"] for each in bench.ask("GetConfiguration")["configurationKey"]]
    assert "MeterPublicKey2" in everything
    assert "MeterPublicKey1" not in everything
    answer = bench.ask("ChangeConfiguration", {"key": "MeterPublicKey2", "value": "x"})
    assert answer == {"status": "Rejected"}
