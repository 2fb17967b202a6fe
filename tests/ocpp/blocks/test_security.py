"""A04: security events, their log and their notification."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import StoreError
from tests.support.bench import Bench, FakeClock, versions

# Appendix 1 of part 2, 2.1 edition.
CRITICAL = (
    "FirmwareUpdated SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared MemoryExhaustion"
    " TamperDetectionActivated InvalidFirmwareSignature InvalidFirmwareSigningCertificate InvalidCsmsCertificate"
    " InvalidChargingStationCertificate DiscardedRenewedClientCertificate InvalidTLSVersion InvalidTLSCipherSuite"
    " MaintenanceLoginAccepted MaintenanceLoginFailed"
).split()
NOT_CRITICAL = (
    "FailedToAuthenticateAtCsms CsmsFailedToAuthenticate ReconfigurationOfSecurityParameters InvalidMessages"
    " AttemptedReplayAttacks"
).split()
NAMES_16 = {
    "InvalidCsmsCertificate": "InvalidCentralSystemCertificate",
    "InvalidChargingStationCertificate": "InvalidChargePointCertificate",
}


def station(version: str, **options: Any) -> tuple[Bench, Any]:
    """A station that is connected, accepted and silent, and its security block."""
    bench = Bench(**options)
    bench.connect(version)
    return bench, bench.engine.block("security")


def notified(bench: Bench) -> list[dict[str, Any]]:
    bench.engine.pump()
    bench.fact("cleared", 1, "none")
    return [payload for action, payload in bench.settle() if action == "SecurityEventNotification"]


@versions
@pytest.mark.parametrize("type", CRITICAL)
def test_a04_fr_01_a_critical_event_is_notified(version: str, type: str) -> None:
    bench, security = station(version)
    at = bench.utc_text()
    bench.advance(60)
    security.event(type, bench.time.utc - 60, "what happened")
    name = NAMES_16.get(type, type) if version == "1.6" else type
    assert notified(bench) == [{"type": name, "timestamp": at, "techInfo": "what happened"}]
    assert security.entries()[-1]["type"] == type


@versions
@pytest.mark.parametrize("type", NOT_CRITICAL)
def test_a04_fr_04_an_event_that_is_not_critical_is_logged_only(version: str, type: str) -> None:
    bench, security = station(version)
    security.event(type)
    assert notified(bench) == []
    assert security.entries()[-1] == {"type": type, "timestamp": bench.utc_text()}


@versions
def test_an_event_of_a_vendor_is_notified(version: str) -> None:
    bench, security = station(version)
    security.event("com.acme.DoorOpen")
    assert [each["type"] for each in notified(bench)] == ["com.acme.DoorOpen"]


@versions
def test_a04_fr_02_events_wait_for_the_csms_in_order_and_over_a_power_cut(version: str) -> None:
    bench, security = station(version)
    bench.drop()
    security.event("MaintenanceLoginFailed", tech_info="1")
    security.event("MaintenanceLoginAccepted", tech_info="2")
    bench.cut()
    bench.restart()
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer(bench.usual("BootNotification"))
    assert [each["type"] for each in notified(bench)] == [
        "MaintenanceLoginFailed",
        "MaintenanceLoginAccepted",
        "StartupOfTheDevice",
    ]


@versions
@pytest.mark.parametrize(
    ("reason", "type"),
    [(None, "StartupOfTheDevice"), ("RemoteReset", "ResetOrReboot"), ("ScheduledReset", "ResetOrReboot")],
)
def test_a_start_is_an_event(version: str, reason: str | None, type: str) -> None:
    bench = Bench()
    bench.engine.keep(**{"boot:reason": reason})
    bench.cut()
    bench.restart()
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer(bench.usual("BootNotification"))
    assert (notified(bench)[-1]["type"], notified(bench)) == (type, [])


@versions
def test_an_event_before_the_time_is_known_gets_its_time_later(version: str) -> None:
    bench = Bench(clock=FakeClock(utc=0.0))
    bench.advance(100)
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "2026-01-01T00:01:40Z", "interval": 60})
    said = {each["type"]: each["timestamp"] for each in notified(bench)}
    assert said == {"StartupOfTheDevice": "2026-01-01T00:00:00.000Z", "SettingSystemTime": "2026-01-01T00:01:40.000Z"}


@versions
@pytest.mark.parametrize("code", ["NotSupported", "NotImplemented", "FormationViolation"])
def test_a_csms_that_does_not_know_the_notification_is_asked_once(version: str, code: str) -> None:
    bench, security = station(version)
    security.event("MemoryExhaustion")
    bench.fact("cleared", 1, "none")
    bench.expect("SecurityEventNotification")
    bench.refuse(code)
    bench.advance(1000)
    assert "SecurityEventNotification" not in [action for action, _ in bench.settle()]
    assert not bench.journal.pending


@versions
def test_another_error_is_retried(version: str) -> None:
    bench, security = station(version)
    security.event("MemoryExhaustion")
    bench.fact("cleared", 1, "none")
    bench.expect("SecurityEventNotification")
    bench.refuse("InternalError")
    bench.advance(601)
    assert "SecurityEventNotification" in [action for action, _ in bench.settle()]


@versions
def test_tampering_is_an_event(version: str) -> None:
    bench, _ = station(version)
    bench.fact("fault", None, "Tamper", "door")
    bench.fact("fault", 1, "GroundFailure", "6 mA")
    assert [(each["type"], each["techInfo"]) for each in notified(bench)] == [("TamperDetectionActivated", "door")]


@versions
def test_messages_that_are_no_ocpp_are_logged_and_repetitions_counted(version: str) -> None:
    bench, security = station(version)
    for _ in range(50):
        bench.receive("nonsense")
    entries = [each for each in security.entries() if each["type"] == "InvalidMessages"]
    assert len(entries) == 1
    bench.advance(61)
    bench.settle()
    bench.receive("nonsense")
    entries = [each for each in security.entries() if each["type"] == "InvalidMessages"]
    assert len(entries) == 2 and entries[1]["techInfo"].startswith("49 more before; ")


@versions
def test_the_log_rolls(version: str) -> None:
    security = station(version)[1]
    for number in range(110):
        security.event("MaintenanceLoginFailed", tech_info=str(number))
    infos = [each["techInfo"] for each in security.entries()]
    assert infos == [str(number) for number in range(10, 110)]


@versions
def test_texts_that_are_too_long_are_cut(version: str) -> None:
    bench, security = station(version)
    security.event("T" * 60, tech_info="i" * 300)
    assert [(each["type"], each["techInfo"]) for each in notified(bench)] == [("T" * 50, "i" * 255)]


@versions
def test_a_full_disk_is_logged_and_the_csms_still_hears_of_the_event(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, security = station(version)

    def full(*_: Any) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(type(bench.engine.documents), "save", full)
    security.event("MemoryExhaustion")
    assert any("security log" in text for text in bench.log.texts("error"))
    assert [each["type"] for each in notified(bench)] == ["MemoryExhaustion"]


@versions
@pytest.mark.parametrize(
    ("threshold", "seconds", "told"),
    [(None, 10, False), (None, 30, True), ("60", 59, False), ("60", 61, True), ("60", -61, True)],
)
def test_a_change_of_the_clock_beyond_the_threshold_is_an_event(
    version: str, threshold: str | None, seconds: int, told: bool
) -> None:
    """[Appendix 1, SettingSystemTime]"""
    variable = {"component": "ClockCtrlr", "variable": "TimeAdjustmentReportingThreshold", "value": threshold}
    bench, _ = station(version, variables=[] if threshold is None else [variable])
    bench.advance(3601)
    bench.expect("Heartbeat")
    bench.time.utc += seconds
    text = bench.utc_text()
    bench.time.utc -= seconds
    bench.answer({"currentTime": text})
    said = [(each["type"], each["techInfo"]) for each in notified(bench)]
    assert said == ([("SettingSystemTime", f"changed by {seconds:+.1f} s")] if told else [])
