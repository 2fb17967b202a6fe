"""Firmware updates: [L01, L02], UpdateFirmware and SignedUpdateFirmware of 1.6; the jobs are answered by the test."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import timestamp
from evse.errors import CsmsError
from evse.ocpp.jobs import AT_ONCE
from tests.support.bench import Bench, versions, versions2

UPDATES = {
    "installer": "executable",
    "unsigned": False,
    "pkcs1v15": False,
    "max_bytes": 1000,
    "install_within_s": 1800.0,
}
UNSIGNED = {**UPDATES, "unsigned": True}
URL = "https://files.example/firmware/2.0.bin"
CERTIFICATE, SIGNATURE = "-----BEGIN CERTIFICATE-----", "c2lnbmF0dXJl"
SHA = "ab" * 32
MINUTE, HOUR = 60, 3600


class Update:
    """A station that is online, the CSMS's words for updates in its version, and the jobs that wait."""

    def __init__(self, version: str, updates: dict[str, Any] | None = UPDATES, evses: int = 1, **options: Any) -> None:
        self.version = version
        self.bench = Bench(evses=evses, station={"updates": updates, "firmware": "1.0"}, **options)
        self.bench.connect(version)
        self.id = 0

    def ask(self, retrieve_s: float = -HOUR, install_s: float | None = None, signed: bool = True, **change: Any) -> Any:
        """The frame that answers an UpdateFirmware, None if there is none yet; `change` members of the firmware."""
        now = self.bench.time.utc
        firmware = {"location": URL, "retrieveDateTime": timestamp(now + retrieve_s)}
        if install_s is not None:
            firmware["installDateTime"] = timestamp(now + install_s)
        if signed:
            firmware.update(signingCertificate=CERTIFICATE, signature=SIGNATURE)
        more = {name: change.pop(name) for name in ("retries", "retryInterval", "requestId") if name in change}
        firmware.update(change)
        firmware = {name: value for name, value in firmware.items() if value is not None}
        if self.version == "1.6" and not signed:
            plain = {"location": firmware["location"], "retrieveDate": firmware["retrieveDateTime"]}
            return self.bench.ask_raw("UpdateFirmware", {**plain, **more})
        self.id += 1
        action = "SignedUpdateFirmware" if self.version == "1.6" else "UpdateFirmware"
        return self.bench.ask_raw(action, {"requestId": self.id, "firmware": firmware, **more})

    def begin(self, **asked: Any) -> str:
        """An update that is accepted, certificate and all: the answer's status."""
        frame = self.ask(**asked)
        if asked.get("signed", True):
            self.done("verify")
            frame = self.bench.reply()
        assert frame[0] == 3, frame
        return str(frame[2].get("status"))

    def job(self, name: str) -> tuple[Any, ...]:
        jobs = self.bench.take_effects("job")
        assert [job[2] for job in jobs] == [name], f"expected {name}, got {jobs}"
        return jobs[0]

    def done(self, name: str, answer: dict[str, Any] | None = None) -> dict[str, Any]:
        """The job that waits is `name`, and succeeds: its request."""
        _, number, _, request, _ = self.job(name)
        self.bench.engine.job_ended(number, answer or {}, None)
        self.bench.advance(0)
        return request

    def failed(self, name: str, code: str, text: str = "why") -> None:
        self.bench.engine.job_ended(self.job(name)[1], None, CsmsError(code, text))
        self.bench.advance(0)

    def download(self, free: int = 10_000) -> dict[str, Any]:
        """The image arrives: the request of the job."""
        name = self.done("firmware_room", {"bytes": free})["keep"]
        return self.done("download", {"path": f"/state/{name}", "bytes": 999, "sha256": SHA})

    def said(self) -> list[str]:
        """What was told of updates, and the security events, each as its word."""
        words = []
        for action, payload in self.bench.settle():
            if action.endswith("FirmwareStatusNotification"):
                signed = action.startswith("Signed")
                words.append(payload["status"])
                assert signed == (self.version == "1.6" and "requestId" in payload)
            elif action == "SecurityEventNotification":
                words.append(payload["type"])
        return words

    def restart(self, firmware: str) -> None:
        """The restart that was asked for; `firmware` runs then."""
        self.bench.advance(10)
        assert self.bench.take_effects("reboot") == [("reboot", "FirmwareUpdate")]
        self.power_cut(firmware)

    def power_cut(self, firmware: str = "1.0") -> None:
        self.bench.cut()
        self.bench.effects.clear()
        self.bench._station["firmware"] = firmware
        self.bench.restart()

    def statuses(self) -> set[str]:
        return {self.bench.engine.block("availability").status(evse, 1) for evse in self.bench.engine.evses.values()}


def charge(bench: Bench, evse: int = 1) -> None:
    bench.fact("plugged", evse, 1)
    bench.tap("TAG", (evse,))
    bench.settle()
    bench.fact("power_path", evse, True)
    bench.fact("charging_state", evse, "Charging")
    bench.settle()


def leave(bench: Bench, evse: int = 1) -> None:
    bench.fact("power_path", evse, False)
    bench.fact("stopped", evse, "EVDisconnected")
    bench.fact("charging_state", evse, "Idle")
    bench.fact("unplugged", evse, 1)


@versions
def test_from_the_request_to_installed(version: str) -> None:
    """L01.FR.01, .04, .05, .10, .21, .28, .31, .32: every status once, in order; the new firmware confirms it."""
    update = Update(version)
    assert update.ask(retries=2, retryInterval=10) is None
    checked = update.done("verify")
    assert checked["certificate"] == CERTIFICATE and "path" not in checked
    assert update.bench.reply()[2] == {"status": "Accepted"}
    got = update.download()
    assert (got["url"], got["max_bytes"], got["attempts"], got["interval_s"]) == (URL, 1000, 3, 10)
    assert got["to"].startswith("firmware/")
    verified = update.done("verify")
    assert verified["path"] == f"/state/{got['to']}" and verified["signature"] == SIGNATURE
    assert update.statuses() == {"Unavailable"}
    assert update.done("install", {"restart": True}) == {"path": f"/state/{got['to']}", "sha256": SHA}
    words = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"]
    assert update.said() == words
    update.restart("2.0")
    update.bench.open(version)
    boot = update.bench.expect("BootNotification")
    if version != "1.6":
        assert boot["reason"] == "FirmwareUpdate" and boot["chargingStation"]["firmwareVersion"] == "2.0"
    update.bench.answer({"status": "Accepted", "currentTime": update.bench.utc_text(), "interval": 3600})
    assert update.said()[-2:] == ["Installed", "FirmwareUpdated"]
    assert update.statuses() == {"Available"}
    assert update.done("firmware_room") == {"keep": None}
    assert not any(key.startswith("firmware") for key in update.bench.journal.state)


@versions
def test_a_new_firmware_that_nobody_accepts_is_not_reported_as_installed(version: str) -> None:
    update = rebooting(version)
    update.restart("2.0")
    update.bench.open(version)
    update.bench.expect("BootNotification")
    update.bench.answer({"status": "Pending", "currentTime": update.bench.utc_text(), "interval": 60})
    assert "Installed" not in update.said()
    assert update.bench.journal.state["firmware:update"]["phase"] == "Rebooting"


@versions
def test_the_old_firmware_started_again(version: str) -> None:
    """The roll-back is told as soon as the CSMS hears it."""
    update = rebooting(version)
    update.restart("1.0")
    update.bench.open(version)
    assert update.said()[-1] == "InstallationFailed"
    assert update.bench.ask(*trigger(version)) == {"status": "Accepted"}
    assert update.said() == ["InstallationFailed"]


def rebooting(version: str, answer: dict[str, Any] | None = None, **updates: Any) -> Update:
    """Up to the restart; `answer` of the installer."""
    update = Update(version, {**UPDATES, **updates})
    update.begin()
    update.download()
    update.done("verify")
    update.done("install", {"restart": True, **(answer or {})})
    update.said()
    return update


def trigger(version: str) -> tuple[str, dict[str, Any]]:
    action = "ExtendedTriggerMessage" if version == "1.6" else "TriggerMessage"
    return action, {"requestedMessage": "FirmwareStatusNotification"}


@versions2
def test_the_installer_says_which_version_to_expect(version: str) -> None:
    """So the same version may be installed again."""
    update = rebooting(version, {"version": "1.0"})
    update.restart("1.0")
    update.bench.connect(version)
    assert update.bench.model.get("ChargingStation", "FirmwareVersion") == "1.0"
    update.done("firmware_room")
    assert "firmware:update" not in update.bench.journal.state


@pytest.mark.parametrize(("booted", "last"), [("rootfs.1", "FirmwareUpdated"), ("rootfs.0", "InstallationFailed")])
@versions2
def test_slots_tell_what_started(version: str, booted: str, last: str) -> None:
    """Versions do not count then; the boot loader has time to take the slot back that fails at once."""
    update = rebooting(version, {"slot": "rootfs.1"}, installed_after_s=60.0)
    update.restart("1.0")
    update.done("booted_slot", {"slot": booted})
    update.bench.open(version)
    words = update.said()
    if booted == "rootfs.1":
        assert "Installed" not in words
        update.bench.advance(50)
        assert update.said() == []
        update.bench.advance(10)
        words = update.said()
    assert words[-1] == last


@versions2
def test_slots_that_cannot_be_told_leave_the_version(version: str) -> None:
    update = rebooting(version, {"slot": "rootfs.1"}, installed_after_s=60.0)
    update.restart("2.0")
    update.failed("booted_slot", "Failed")
    update.bench.open(version)
    update.said()
    update.bench.advance(60)
    assert update.said() == ["Installed", "FirmwareUpdated"]


def test_a_start_of_the_program_alone_is_no_start_of_the_machine() -> None:
    """It is asked for again; where it never comes, the update has failed."""
    update = rebooting("2.0.1", {"slot": "rootfs.1"}, restart="machine")
    for _ in range(4):
        update.restart("1.0")
        update.done("booted_slot", {"slot": "rootfs.0"})
    update.bench.open("2.0.1")
    assert update.said()[-1] == "InstallationFailed"
    assert not update.bench.take_effects("reboot")


def test_a_start_of_the_machine_with_the_old_slot_is_a_failure_at_once() -> None:
    update = rebooting("2.0.1", {"slot": "rootfs.1"}, restart="machine")
    state = update.bench.journal.state["firmware:update"]
    assert state["boot"] == "bench"
    update.bench.engine.keep(**{"firmware:update": {**state, "boot": "the start before"}})
    update.restart("1.0")
    update.done("booted_slot", {"slot": "rootfs.0"})
    update.bench.open("2.0.1")
    assert update.said()[-1] == "InstallationFailed"


@versions
def test_an_installer_that_needs_no_restart(version: str) -> None:
    update = Update(version)
    update.begin()
    update.download()
    update.done("verify")
    update.done("install", {"restart": False, "version": "2.0"})
    said = update.bench.settle()
    told = [payload.get("status") or payload["type"] for action, payload in said if action != "StatusNotification"]
    assert told[-3:] == ["Installing", "Installed", "FirmwareUpdated"]
    assert [payload["techInfo"] for _, payload in said if "techInfo" in payload] == ["2.0"]
    assert update.bench.model.get("ChargingStation", "FirmwareVersion") == "2.0"
    assert not update.bench.take_effects("reboot")
    assert update.statuses() == {"Available"}


@versions
def test_a_step_waits_its_turn_where_other_jobs_are_under_way(version: str) -> None:
    update = Update(version)
    update.begin()
    engine, room = update.bench.engine, update.job("firmware_room")[1]
    others = [engine.job("certificates", {}, lambda *_: None) for _ in range(AT_ONCE)]
    engine.job_ended(room, {"bytes": 10_000}, None)
    assert update.said() == ["Downloading"]
    update.bench.advance(HOUR)
    assert {job[2] for job in update.bench.take_effects("job")} == {"certificates"}
    engine.job_ended(others[0], {}, None)
    update.bench.advance(0)
    update.done("download", {"path": "/state/image", "bytes": 999, "sha256": SHA})
    assert "Downloaded" in update.said()


# -- times ---------------------------------------------------------------------------------------------------------


@versions
def test_the_download_waits_for_its_time(version: str) -> None:
    """L01.FR.13, L02.FR.07"""
    update = Update(version)
    update.begin(retrieve_s=HOUR)
    assert update.said() == ["DownloadScheduled"]
    update.bench.advance(HOUR - 1)
    assert not update.bench.take_effects("job") and update.said() == []
    update.bench.advance(1)
    update.download()
    assert update.said() == ["Downloading", "Downloaded"]


@versions
def test_the_installation_waits_for_its_time(version: str) -> None:
    """L01.FR.16, L02.FR.10; drivers charge until then."""
    update = Update(version)
    update.begin(install_s=HOUR)
    update.download()
    update.done("verify")
    assert update.said()[-2:] == ["SignatureVerified", "InstallScheduled"]
    assert update.statuses() == {"Available"}
    update.bench.advance(HOUR)
    assert update.said() == ["Installing"]
    update.done("install", {"restart": True})


@versions
def test_an_unknown_clock_has_reached_no_time(version: str) -> None:
    update = Update(version)
    update.begin(retrieve_s=HOUR)
    update.said()
    update.bench.time.utc = 0.0
    update.power_cut()
    update.bench.advance(2 * HOUR)
    assert not update.bench.take_effects("job")
    update.bench.time.utc = 1_767_225_600.0 + 3 * HOUR
    update.bench.fact("clock_changed")
    assert update.job("firmware_room")


# -- transactions --------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("allowed", [False, True])
def test_the_installation_waits_until_nobody_charges(version: str, allowed: bool) -> None:
    """L01.FR.06, .07, .34, L02.FR.03, .04: meanwhile new sessions begin only where the variable allows them."""
    update = Update(version, evses=2)
    update.bench.model.set("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate", "true" if allowed else "false")
    charge(update.bench, 1)
    update.begin()
    update.download()
    update.done("verify")
    assert update.said()[-2:] == ["SignatureVerified", "InstallScheduled"]
    assert update.statuses() == {"Occupied", "Available" if allowed else "Unavailable"}
    assert (("permit", 2, False) in update.bench.effects) is not allowed
    if allowed:
        charge(update.bench, 2)
        leave(update.bench, 1)
        update.bench.settle()
        assert not update.bench.take_effects("job")
        leave(update.bench, 2)
    else:
        leave(update.bench, 1)
    assert update.job("install")
    update.bench.settle()
    assert update.statuses() == {"Unavailable"}
    assert ("permit", 1, False) in update.bench.effects


@versions
def test_a_session_that_is_only_authorized_counts_as_one(version: str) -> None:
    update = Update(version)
    update.bench.tap("TAG")
    update.bench.settle()
    update.begin()
    update.download()
    update.done("verify")
    assert not update.bench.take_effects("job")
    update.bench.fact("connection_timeout", 1)
    assert update.job("install")


# -- failures ------------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("code", ["BadUrl", "Refused", "Failed", "TooLarge", "Timeout"])
def test_a_download_that_fails(version: str, code: str) -> None:
    """L01.FR.30, L02.FR.19; 2.1 says why."""
    update = Update(version)
    update.begin()
    update.done("firmware_room", {"bytes": 10_000})
    update.failed("download", code, "404 Not Found")
    told = [payload for action, payload in update.bench.settle() if payload.get("status") == "DownloadFailed"]
    info = told[0].pop("statusInfo", None)
    assert told == [{"status": "DownloadFailed", "requestId": 1}]
    assert (info and info["additionalInfo"]) == ("404 Not Found" if version == "2.1" else None)
    assert update.done("firmware_room") == {"keep": None}
    assert update.begin() == "Accepted"


@versions2
def test_a_flash_without_room_gets_no_image(version: str) -> None:
    update = Update(version)
    update.begin()
    update.done("firmware_room", {"bytes": 0})
    assert update.said() == ["Downloading", "DownloadFailed"]


@versions
@pytest.mark.parametrize("code", ["InvalidSignature", "InvalidCertificate", "Failed", "Timeout"])
def test_a_signature_that_is_not_shown_to_be_good(version: str, code: str) -> None:
    """L01.FR.03"""
    update = Update(version)
    update.begin()
    update.download()
    update.failed("verify", code)
    assert update.said() == ["Downloading", "Downloaded", "InvalidSignature", "InvalidFirmwareSignature"]
    assert update.done("firmware_room") == {"keep": None}


@versions2
def test_a_missing_signature_is_an_invalid_one(version: str) -> None:
    """L01, step 5."""
    update = Update(version)
    update.begin(signature=None)
    update.download()
    assert update.said()[-2:] == ["InvalidSignature", "InvalidFirmwareSignature"]


@versions
@pytest.mark.parametrize(
    ("code", "status"), [("Invalid", "InstallVerificationFailed"), ("Failed", "InstallationFailed")]
)
def test_an_installation_that_fails(version: str, code: str, status: str) -> None:
    """L01.FR.29; drivers may charge again."""
    update = Update(version)
    update.begin()
    update.download()
    update.done("verify")
    update.failed("install", code)
    assert update.said()[-1] == status
    assert update.statuses() == {"Available"}


# -- requests that are refused -------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize(
    "url", ["dummy://dummy", "file:///etc/passwd", "sftp://host/x", "https:///x", "https://", "javascript:alert(1)"]
)
@pytest.mark.parametrize("signed", [True, False])
def test_strange_addresses_are_refused_without_side_effects(version: str, url: str, signed: bool) -> None:
    update = Update(version, UNSIGNED)
    update.begin(retrieve_s=HOUR)
    update.said()
    before = dict(update.bench.journal.state)
    frame = update.ask(location=url, signed=signed, signature="nonsense" if signed else None)
    if version == "1.6" and not signed:
        assert frame[0] == 4 and frame[2] == "PropertyConstraintViolation"
    else:
        assert frame[2]["status"] == "Rejected"
    assert update.bench.journal.state == before and update.said() == []
    assert not update.bench.take_effects()


@versions
@pytest.mark.parametrize("status", ["InvalidCertificate", "RevokedCertificate"])
def test_a_bad_certificate_is_refused_and_an_update_under_way_goes_on(version: str, status: str) -> None:
    """L01.FR.02, .22"""
    update = Update(version)
    update.begin(retrieve_s=HOUR)
    update.said()
    assert update.ask() is None
    update.failed("verify", status)
    assert update.bench.reply()[2]["status"] == status
    assert update.said() == ["InvalidFirmwareSigningCertificate"]
    update.bench.advance(HOUR)
    assert update.job("firmware_room")


@versions
def test_a_certificate_that_cannot_be_checked_is_not_accepted(version: str) -> None:
    update = Update(version)
    update.ask()
    update.failed("verify", "Timeout")
    assert update.bench.reply()[2]["status"] == "Rejected"
    assert update.said() == []


@versions2
def test_a_signature_without_certificate(version: str) -> None:
    update = Update(version)
    assert update.ask(signingCertificate=None)[2]["status"] == "InvalidCertificate"
    assert update.said() == ["InvalidFirmwareSigningCertificate"]


@versions
def test_unsigned_firmware_is_refused_unless_the_station_file_allows_it(version: str) -> None:
    """TC_L_18; whitepaper L01.FR.20: UpdateFirmware of 1.6 is NotSupported where updates are signed."""
    frame = Update(version).ask(signed=False)
    assert frame[2] == "NotSupported" if version == "1.6" else frame[2]["status"] == "Rejected"


@versions
def test_without_an_installer_nothing_is_accepted(version: str) -> None:
    update = Update(version, None)
    assert update.ask()[2]["status"] == "Rejected"
    frame = update.ask(signed=False)
    assert frame[2] == "NotSupported" if version == "1.6" else frame[2]["status"] == "Rejected"
    assert not update.bench.take_effects()


@versions2
def test_a_time_that_is_none(version: str) -> None:
    answer = Update(version).ask(retrieveDateTime="2026-02-30T00:00:00Z")
    assert answer[0] == 4 or answer[2]["status"] == "Rejected"


def test_16_a_charge_point_without_firmware_management() -> None:
    profiles = {"component": "OCPP16Ctrlr", "variable": "SupportedFeatureProfiles", "value": "Core"}
    update = Update("1.6", UNSIGNED, variables=[profiles])
    assert update.ask(signed=False)[2] == "NotSupported"


@versions2
def test_l03_l04_this_is_no_local_controller(version: str) -> None:
    bench = Update(version).bench
    request = {"location": URL, "checksum": "0" * 32, "requestId": 1}
    assert bench.ask("PublishFirmware", request)["status"] == "Rejected"
    assert bench.ask("UnpublishFirmware", {"checksum": "0" * 32}) == {"status": "NoFirmware"}


# -- one at a time -------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("phase", ["Scheduled", "Downloading", "Verifying", "Waiting"])
def test_a_new_request_cancels_the_one_before(version: str, phase: str) -> None:
    """L01.FR.24"""
    update = Update(version)
    update.begin(**{"retrieve_s": HOUR} if phase == "Scheduled" else {"install_s": HOUR})
    if phase in ("Verifying", "Waiting"):
        update.download()
    if phase == "Waiting":
        update.done("verify")
    waits = update.bench.take_effects("job")
    update.said()
    assert update.begin() == "AcceptedCanceled"
    assert update.bench.take_effects("job_stop") == [("job_stop", job[1]) for job in waits]
    update.download()
    assert update.said() == ["Downloading", "Downloaded"]
    assert update.bench.journal.state["firmware:update"]["id"] == 2


@versions
def test_an_installation_cannot_be_cancelled(version: str) -> None:
    """L01.FR.27; B11.FR.06: nor does a Reset end it."""
    update = Update(version)
    update.begin()
    update.download()
    update.done("verify")
    assert update.ask()[2]["status"] == "Rejected"
    reset = {"type": "Hard"} if version == "1.6" else {"type": "Immediate"}
    assert update.bench.ask("Reset", reset)["status"] == "Rejected"
    update.done("install", {"restart": True})
    assert update.ask()[2]["status"] == "Rejected"


@versions
def test_two_requests_at_once(version: str) -> None:
    update = Update(version)
    assert update.ask() is None
    first = update.bench.last_asked
    assert update.ask()[2]["status"] == "Rejected"
    update.done("verify")
    assert update.bench.replies[first][2] == {"status": "Accepted"}


@versions
def test_an_update_that_begins_to_install_while_the_next_request_is_checked(version: str) -> None:
    update = Update(version)
    update.begin()
    update.download()
    _, installs, _, _, _ = update.job("verify")
    assert update.ask() is None
    _, checks, _, _, _ = update.job("verify")
    update.bench.engine.job_ended(installs, {}, None)
    update.bench.engine.job_ended(checks, {}, None)
    update.bench.advance(0)
    assert update.bench.reply()[2]["status"] == "Rejected"
    assert update.job("install")


# -- TriggerMessage ------------------------------------------------------------------------------------------------


@versions
def test_the_present_status_is_told_if_asked(version: str) -> None:
    """L01.FR.20, .25, .26: Idle before and after, else the last one with its id."""
    update = Update(version)

    def asked() -> dict[str, Any]:
        assert update.bench.ask(*trigger(version)) == {"status": "Accepted"}
        ((_, payload),) = update.bench.settle()
        return payload

    assert asked() == {"status": "Idle"}
    update.begin()
    update.said()
    assert asked() == {"status": "Downloading", "requestId": 1}
    update.download()
    update.done("verify")
    update.said()
    assert asked() == {"status": "Installing", "requestId": 1}
    update.done("install", {"restart": False})
    update.said()
    assert asked() == {"status": "Idle"}


def test_16_trigger_message_knows_the_words_of_16_only() -> None:
    update = Update("1.6", UNSIGNED)
    ask = "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}
    seen = []
    for step in ("", "begin", "room", "download", "install"):
        if step == "begin":
            update.begin(signed=False, retrieve_s=HOUR)
        elif step == "room":
            update.bench.advance(HOUR)
        elif step == "download":
            update.download()
        elif step == "install":
            update.failed("install", "Failed")
        update.bench.settle()
        assert update.bench.ask(*ask) == {"status": "Accepted"}
        ((action, payload),) = update.bench.settle()
        assert action == "FirmwareStatusNotification"
        seen.append(payload["status"])
    assert seen == ["Idle", "Idle", "Downloading", "Installing", "Idle"]


def test_16_unsigned_update_says_what_16_has_words_for() -> None:
    update = Update("1.6", UNSIGNED)
    update.begin(signed=False, retrieve_s=HOUR)
    assert update.said() == []
    update.bench.advance(HOUR)
    update.download()
    update.failed("install", "Invalid")
    assert update.said() == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]


# -- nothing is lost -----------------------------------------------------------------------------------------------


@versions
def test_statuses_of_an_outage_are_told_after_it(version: str) -> None:
    update = Update(version)
    update.begin()
    update.bench.drop()
    update.download()
    update.done("verify")
    update.done("install", {"restart": True})
    update.restart("2.0")
    update.bench.open(version)
    words = [word for word in update.said() if word not in ("StartupOfTheDevice", "ResetOrReboot")]
    assert words == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
        "FirmwareUpdated",
    ]


def test_an_update_of_16_goes_on_under_201() -> None:
    update = Update("1.6", UNSIGNED)
    update.begin(signed=False)
    update.bench.drop()
    update.download()
    update.bench.open("2.0.1")
    update.version = "2.0.1"
    words = update.said()
    assert words == ["Downloading", "Downloaded", "Installing"]


@versions
@pytest.mark.parametrize("cut", range(8))
def test_a_power_cut_before_any_step(version: str, cut: int) -> None:
    """The update goes on and ends well; no status is missing, out of order, or told twice but that of a new try."""
    update = Update(version)
    heard: list[str] = []
    steps = [
        lambda: update.begin(retrieve_s=MINUTE, install_s=HOUR),
        lambda: update.bench.advance(MINUTE),
        lambda: update.done("firmware_room", {"bytes": 10_000}),
        lambda: update.done("download", {"path": "/state/firmware/x", "bytes": 999, "sha256": SHA}),
        lambda: update.done("verify"),
        lambda: update.bench.advance(HOUR - MINUTE),
        lambda: update.done("install", {"restart": True}),
    ]
    for number, step in enumerate(steps):
        if number == cut:
            update.power_cut()
            update.bench.open(version)
            heard += update.said()
            if number == 3:
                update.done("firmware_room", {"bytes": 10_000})
        step()
        heard += update.said()
    update.restart("2.0")
    update.bench.open(version)
    heard += update.said()
    heard = [word for word in heard if word not in ("StartupOfTheDevice", "ResetOrReboot")]
    expected = (
        "DownloadScheduled Downloading Downloaded SignatureVerified InstallScheduled Installing InstallRebooting"
        " Installed FirmwareUpdated"
    ).split()
    assert list(dict.fromkeys(heard)) == expected
    assert [word for word in heard if heard.count(word) > 1] == (["Installing"] * 2 if cut == 6 else [])


@versions2
def test_a_power_cut_after_the_installation_but_before_it_was_known(version: str) -> None:
    update = Update(version)
    update.begin()
    update.download()
    update.done("verify")
    update.said()
    update.power_cut("2.0")
    update.bench.open(version)
    assert update.said()[-2:] == ["Installed", "FirmwareUpdated"]


@versions2
def test_an_installer_that_is_gone_with_the_next_start(version: str) -> None:
    update = Update(version)
    update.begin()
    update.download()
    update.said()
    del update.bench._station["updates"]
    update.power_cut()
    update.bench.open(version)
    assert update.said()[-1] == "InstallationFailed"


@versions
def test_a_station_that_has_no_update_does_not_load_the_block(version: str) -> None:
    bench = Update(version).bench
    charge(bench)
    leave(bench)
    bench.settle()
    assert bench.engine.loaded("firmware") is None


@versions2
def test_an_installation_that_takes_the_station_down_is_not_begun_for_ever(version: str) -> None:
    update = Update(version)
    update.begin()
    update.download()
    update.done("verify")
    for _ in range(3):
        assert update.job("install")
        update.power_cut()
    update.bench.open(version)
    assert update.said()[-1] == "InstallationFailed"


@versions
def test_a_csms_that_does_not_know_the_notification_is_not_asked_for_ever(version: str) -> None:
    update = Update(version)
    update.begin()
    while update.bench.sent:
        action = update.bench.sent[0][2]
        update.bench.expect(action)
        if action.endswith("FirmwareStatusNotification"):
            update.bench.refuse("NotImplemented")
        else:
            update.bench.answer()
    assert update.bench.journal.pending == 0
    assert update.job("firmware_room")
