"""B01 to B04, G02: registration, what is said before it, heartbeat and clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import NOW_UTC, Bench, FakeClock, versions, versions2

QUIET = {"security": ""}  # no start-up event in between


def boot(bench: Bench, status: str = "Accepted", interval: int = 300, **more: Any) -> dict[str, Any]:
    """The station's BootNotification, answered."""
    payload = bench.expect("BootNotification")
    bench.answer({"status": status, "currentTime": bench.utc_text(), "interval": interval, **more})
    return payload


def start_transaction(version: str) -> tuple[str, dict[str, Any]]:
    if version == "1.6":
        return "RemoteStartTransaction", {"idTag": "T"}
    return "RequestStartTransaction", {"idToken": {"idToken": "T", "type": "Central"}, "remoteStartId": 1}


@versions2
def test_b01_fr_01_fr_09_the_station_describes_itself_and_says_why_it_boots(version: str) -> None:
    bench = Bench(station={"iccid": "89", "imsi": "26201", "serial": None})
    bench.open(version)
    assert boot(bench) == {
        "reason": "PowerUp",
        "chargingStation": {
            "vendorName": "Acme",
            "model": "Bench",
            "firmwareVersion": "1.0",
            "modem": {"iccid": "89", "imsi": "26201"},
        },
    }


def test_16_boot_notification_has_the_names_of_1_6() -> None:
    bench = Bench(station={"iccid": "89", "meter_type": "MT", "meter_serial": "M1"})
    bench.open("1.6")
    assert boot(bench) == {
        "chargePointVendor": "Acme",
        "chargePointModel": "Bench",
        "chargePointSerialNumber": "S1",
        "firmwareVersion": "1.0",
        "iccid": "89",
        "meterType": "MT",
        "meterSerialNumber": "M1",
    }


@versions
def test_b01_fr_03_every_start_registers_and_a_reconnection_does_not(version: str) -> None:
    """[part 4 §5.4; 1.6J §5.4]"""
    bench = Bench(blocks=QUIET)
    bench.connect(version)
    bench.drop()
    bench.advance(5)
    bench.open(version)
    bench.quiet()
    bench.cut()
    bench.restart()
    bench.open(version)
    assert bench.expect("BootNotification")


@pytest.mark.parametrize(("before", "version"), [("1.6", "2.0.1"), ("2.0.1", "2.1"), ("2.1", "2.0.1")])
def test_a_reconnection_in_another_version_registers_again(before: str, version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(before)
    bench.drop()
    bench.open(version)
    boot(bench)
    assert [action for action, _ in bench.settle()] == ["StatusNotification"]


@versions
def test_b10_fr_10_a_connection_to_another_network_profile_registers_again(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version)
    bench.drop()
    bench.engine.block("boot").register_again()
    bench.open(version)
    boot(bench)
    assert len(bench.settle()) == (2 if version == "1.6" else 1), "the other CSMS knows no status"


@versions
@pytest.mark.parametrize("before", ["Heartbeat", "SecurityEventNotification"])
def test_b01_fr_10_a_csms_that_has_forgotten_the_station_is_told_again(version: str, before: str) -> None:
    """SecurityError to a call: the station registers again, says its statuses, and what was refused is not lost."""
    bench = Bench()
    bench.connect(version, interval_s=300)
    bench.advance(299)
    if before == "Heartbeat":
        bench.advance(1)
    else:
        bench.engine.block("security").event("TamperDetectionActivated")
        bench.engine.pump()
        bench.advance(0)
    refused = bench.expect(before)
    bench.refuse("SecurityError", "who are you?")
    assert not bench.engine.online
    bench.expect("BootNotification")
    bench.quiet()
    bench.answer({"status": "Accepted", "currentTime": bench.utc_text(), "interval": 300})
    said = bench.settle()
    assert "StatusNotification" in [action for action, _ in said]
    if before != "Heartbeat":
        assert (before, refused) in said


@versions
def test_b01_fr_10_security_error_right_after_a_registration_is_an_error_like_others(version: str) -> None:
    """Else station and CSMS would go round for ever."""
    bench = Bench()
    bench.connect(version, interval_s=10)
    bench.advance(10)
    bench.expect("Heartbeat")
    bench.refuse("SecurityError")
    assert bench.engine.online
    bench.quiet()
    bench.advance(10)
    bench.expect("Heartbeat")


@versions2
def test_b01_fr_09_a_kept_reason_serves_for_one_start(version: str) -> None:
    bench = Bench()
    bench.engine.keep(**{"boot:reason": "ScheduledReset"})
    bench.cut()
    bench.restart()
    bench.open(version)
    assert bench.expect("BootNotification")["reason"] == "ScheduledReset"
    bench.cut()
    bench.restart()
    bench.open(version)
    assert bench.expect("BootNotification")["reason"] == "PowerUp"


@versions
def test_b01_fr_05_accepted_is_followed_by_the_status_of_every_connector(version: str) -> None:
    bench = Bench(evses=2, blocks=QUIET)
    bench.open(version)
    boot(bench)
    said = bench.settle()
    assert {action for action, _ in said} == {"StatusNotification"}
    ids = [payload.get("evseId", payload["connectorId"]) for _, payload in said]
    assert ids == ([0, 1, 2] if version == "1.6" else [1, 2])


@versions
def test_b01_fr_08_nothing_is_said_before_the_answer_to_boot_notification(version: str) -> None:
    bench = Bench()
    bench.open(version)
    bench.fact("plugged", 1, 1)
    assert bench.expect("BootNotification")
    bench.quiet()


@versions
def test_b01_no_answer_is_retried_at_growing_intervals(version: str) -> None:
    """B01, error handling 2: a waiting interval of our own that does not flood the CSMS."""
    bench = Bench()
    bench.open(version)
    waits = []
    for _ in range(9):
        bench.expect("BootNotification")
        bench.refuse("InternalError")
        before = bench.time.now
        while not bench.sent:
            bench.advance(1)
        waits.append(bench.time.now - before)
    assert 10 <= waits[0] <= 14
    assert waits[:6] == sorted(waits[:6]) and waits[5] > 300
    assert waits[-1] <= 752


@versions
def test_b01_an_unanswered_boot_notification_is_not_repeated_at_once_by_a_fast_reconnection(version: str) -> None:
    """Field lesson 2: after a fast reconnect some systems never answer BootNotification."""
    bench = Bench()
    bench.open(version)
    bench.expect("BootNotification")
    bench.advance(31)
    assert any(effect[0] == "reconnect" for effect in bench.effects)
    bench.drop()
    bench.open(version)
    bench.quiet()
    bench.advance(15)
    boot(bench)
    assert bench.settle()


@versions
def test_a_connection_lost_during_boot_registers_at_once_on_the_next(version: str) -> None:
    bench = Bench()
    bench.open(version)
    bench.expect("BootNotification")
    bench.drop()
    bench.open(version)
    assert bench.expect("BootNotification")


@versions
@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_b02_fr_04_fr_08_b03_fr_06_the_next_boot_notification_comes_after_the_interval(
    version: str, status: str
) -> None:
    bench = Bench()
    bench.open(version)
    boot(bench, status, 120)
    bench.fact("plugged", 1, 1)
    bench.advance(119.9)
    bench.quiet()
    bench.drop()
    bench.open(version)
    bench.quiet()
    bench.advance(0.2)
    boot(bench)
    assert bench.settle()


@versions
@pytest.mark.parametrize("interval", [0, -1])
def test_b02_fr_07_b03_fr_05_an_interval_of_0_means_one_of_our_own(version: str, interval: int) -> None:
    bench = Bench()
    bench.open(version)
    boot(bench, "Pending", interval)
    bench.advance(9)
    bench.quiet()
    bench.advance(5)
    boot(bench, "Pending", interval)
    bench.advance(15)
    bench.quiet()
    bench.advance(15)
    assert bench.expect("BootNotification")


@versions
def test_b02_fr_01_fr_05_pending_answers_requests_but_starts_nothing(version: str) -> None:
    bench = Bench()
    bench.open(version)
    boot(bench, "Pending", 120)
    assert bench.ask("DataTransfer", {"vendorId": "V"}) == {"status": "UnknownVendorId"}
    assert bench.ask(*start_transaction(version))["status"] == "Rejected"
    stop = {"transactionId": 1 if version == "1.6" else "x"}
    action = "RemoteStopTransaction" if version == "1.6" else "RequestStopTransaction"
    assert bench.ask(action, stop)["status"] == "Rejected"
    assert not bench.take_effects("authorize")


@versions2
def test_b03_fr_08_rejected_answers_every_request_by_security_error(version: str) -> None:
    bench = Bench()
    bench.open(version)
    boot(bench, "Rejected", 120)
    for action, payload in (("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}), ("NoSuchAction", {})):
        reply = bench.ask_raw(action, payload)
        assert reply is not None and (reply[0], reply[2]) == (4, "SecurityError")
    bench.quiet()


def test_16_rejected_does_not_respond_to_any_request() -> None:
    """[1.6 §4.2] While Rejected, the charge point shall not respond to any message of the central system."""
    bench = Bench()
    bench.open("1.6")
    boot(bench, "Rejected", 120)
    assert bench.ask_raw("GetConfiguration", {}) is None
    assert bench.ask_raw("NoSuchAction", {}) is None
    bench.advance(60)
    assert bench.reply() is None


@versions
def test_f06_fr_17_boot_notification_can_be_triggered_until_it_is_accepted(version: str) -> None:
    """And before the interval has passed. [B02.FR.04]"""
    bench = Bench(blocks=QUIET)
    bench.open(version)
    boot(bench, "Pending", 120)
    trigger = {"requestedMessage": "BootNotification"}
    assert bench.ask("TriggerMessage", trigger) == {"status": "Accepted"}
    payload = boot(bench)
    assert version == "1.6" or payload["reason"] == "Triggered"
    bench.settle()
    assert bench.ask("TriggerMessage", trigger) == {"status": "Rejected"}
    bench.advance(200)
    assert "BootNotification" not in [action for action, _ in bench.settle()]


@versions
def test_a_trigger_while_boot_notification_is_under_way_sends_no_second_one(version: str) -> None:
    """[F06.FR.10] The message that is on its way complies with the request."""
    bench = Bench()
    bench.open(version)
    assert bench.ask("TriggerMessage", {"requestedMessage": "BootNotification"}) == {"status": "Accepted"}
    boot(bench, "Pending", 60)
    bench.quiet()


@versions
def test_b01_fr_04_the_interval_of_the_answer_becomes_the_heartbeat_interval(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=77)
    assert bench.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 77
    bench.advance(76)
    bench.quiet()
    bench.advance(1.1)
    assert bench.expect("Heartbeat") == {}


@versions
def test_b01_fr_04_an_interval_of_0_leaves_the_heartbeat_interval_alone(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=0)
    assert bench.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 3600
    assert not bench.log.texts("warning")


@versions
def test_g02_fr_02_a_heartbeat_follows_the_other(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=60)
    for _ in range(3):
        bench.advance(60.5)
        bench.expect("Heartbeat")
        bench.answer({"currentTime": bench.utc_text()})
    bench.quiet()


@versions
def test_g02_fr_05_a_call_of_ours_puts_the_heartbeat_off(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=60)
    bench.advance(50)
    bench.fact("plugged", 1, 1)
    bench.settle()
    bench.advance(59)
    bench.quiet()
    bench.advance(2)
    assert bench.expect("Heartbeat") == {}


@versions
def test_g02_fr_07_one_heartbeat_a_day_at_least(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=3600)
    said = []
    for half_hour in range(1, 51):
        bench.advance(1800)
        bench.fact("plugged" if half_hour % 2 else "unplugged", 1, 1)
        said += [action for action, _ in bench.settle()]
    assert said.count("Heartbeat") == 1


@versions
def test_g02_a_changed_interval_takes_effect_at_once(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=3600)
    bench.model.set("OCPPCommCtrlr", "HeartbeatInterval", "30")
    bench.advance(31)
    assert bench.expect("Heartbeat") == {}


@versions
def test_g02_heartbeats_stop_with_the_connection_and_go_on_with_the_next(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=60)
    bench.drop()
    bench.advance(600)
    bench.quiet()
    bench.open(version)
    assert "Heartbeat" in [action for action, _ in bench.settle()]


@versions
def test_a_refused_heartbeat_is_followed_by_the_next(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=60)
    bench.advance(61)
    bench.expect("Heartbeat")
    bench.refuse()
    bench.advance(61)
    assert bench.expect("Heartbeat") == {}


@versions
def test_b01_fr_06_the_clock_is_set_by_the_csms(version: str) -> None:
    bench = Bench(clock=FakeClock(utc=0.0), blocks=QUIET)
    assert bench.engine.clock.utc() is None
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 60})
    assert bench.engine.clock.utc() == NOW_UTC
    assert bench.take_effects("clock") == [("clock", NOW_UTC)]


@versions
def test_g02_fr_06_a_heartbeat_corrects_the_clock(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.connect(version, interval_s=60)
    bench.advance(61)
    bench.expect("Heartbeat")
    bench.answer({"currentTime": "2026-01-01T01:00:00.000+00:00"})
    assert bench.engine.clock.utc() == NOW_UTC + 3600


@versions
@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "2026-01-01T00:00:01.500Z"])
def test_a_time_that_is_no_time_or_no_correction_changes_nothing(version: str, time: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": time, "interval": 60})
    assert bench.engine.clock.utc() == NOW_UTC
    assert not bench.take_effects("clock")


@versions
@pytest.mark.parametrize(("sources", "learnt"), [("NTP", False), ("NTP,Heartbeat", False), ("Heartbeat,NTP", True)])
def test_b01_fr_06_time_source_decides_whether_the_csms_sets_the_clock(
    version: str, sources: str, learnt: bool
) -> None:
    bench = Bench(
        blocks=QUIET,
        variables=[
            {"component": "ClockCtrlr", "variable": "TimeSource", "value": sources, "values": "NTP,Heartbeat"},
        ],
    )
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "2026-01-01T12:00:00Z", "interval": 60})
    assert bool(bench.take_effects("clock")) == learnt


@versions
def test_an_answer_that_breaks_the_schema_is_as_none(version: str) -> None:
    bench = Bench()
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Perhaps", "currentTime": bench.utc_text(), "interval": 5})
    bench.advance(9)
    bench.quiet()
    bench.advance(5)
    assert bench.expect("BootNotification")
