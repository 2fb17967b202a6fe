"""One case of each certification profile against a foreign CSMS, which checks every message of both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.interop.session import Csms
from tests.support.certificates import Certificate
from tests.support.fileservers import http_files
from tests.support.station import Station

STATION_FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]

[station]
vendor = "Acme"
model = "Test"
serial = "S1"
firmware_file = "{directory}/version"

[firmware]
installer = "executable"
command = ["/bin/true"]
unsigned = true
"""
SOON = "2099-01-01T00:00:00Z"
CARD = "CARD0001"
ACCEPTED = {"status": "Accepted"}


def station_with_installer(directory: Path, url: str, version: str) -> Station:
    """A station that would install firmware."""
    (directory / "version").write_text("1.0\n")
    text = STATION_FILE.format(url=url, version=version, directory=directory)
    return Station(directory, url, version, text=text)


def run_profiles(station: Station, csms: Csms, version: str) -> None:
    """Every profile of the version in turn."""
    station.wait(lambda: csms.calls("BootNotification"))
    station.wait(station.booted)
    for case in PROFILES[version]:
        case(station, csms)
    assert not csms.schema_errors(), csms.schema_errors()
    log = station.tail(1000)
    assert "breaks the schema" not in log, log


def _state(csms: Csms, word: str) -> Callable[[], bool]:
    """Whether the status told last of connector 1 is this one."""

    def holds() -> bool:
        told = [each for each in csms.calls("StatusNotification") if each["connectorId"] == 1]
        return bool(told) and word in (told[-1].get("status"), told[-1].get("connectorStatus"))

    return holds


# -- 1.6 ---------------------------------------------------------------------------------------------------------------


def local_list_16(station: Station, csms: Csms) -> None:
    entry = {"idTag": CARD, "idTagInfo": {"status": "Accepted"}}
    sent = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [entry]}
    assert csms.call("SendLocalList", sent) == ACCEPTED
    assert csms.call("GetLocalListVersion", {}) == {"listVersion": 3}


def reservation_16(station: Station, csms: Csms) -> None:
    request = {"connectorId": 1, "expiryDate": SOON, "idTag": CARD, "reservationId": 7}
    assert csms.call("ReserveNow", request) == ACCEPTED
    station.wait(_state(csms, "Reserved"))
    assert csms.call("CancelReservation", {"reservationId": 7}) == ACCEPTED
    station.wait(_state(csms, "Available"))


def smart_charging_16(station: Station, csms: Csms) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    assert csms.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}) == ACCEPTED
    asked = {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
    answer = csms.call("GetCompositeSchedule", asked)
    assert answer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10
    assert csms.call("ClearChargingProfile", {"id": 1}) == ACCEPTED


def remote_trigger_16(station: Station, csms: Csms) -> None:
    before = len(csms.calls("Heartbeat"))
    assert csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"}) == ACCEPTED
    station.wait(lambda: len(csms.calls("Heartbeat")) > before)


def firmware_16(station: Station, csms: Csms) -> None:
    """GetDiagnostics: the file arrives. UpdateFirmware from where nothing is: told so."""
    with http_files() as files:
        answer = csms.call("GetDiagnostics", {"location": f"{files.url}/diagnostics/"})
        assert answer["fileName"]
        station.wait(
            lambda: [each["status"] for each in csms.calls("DiagnosticsStatusNotification")][-1:] == ["Uploaded"]
        )
    update = {"location": "http://127.0.0.1:1/image", "retrieveDate": "2020-01-01T00:00:00Z", "retries": 0}
    assert csms.call("UpdateFirmware", update) == {}
    station.wait(
        lambda: [each["status"] for each in csms.calls("FirmwareStatusNotification")][-1:] == ["DownloadFailed"]
    )


def security_16(station: Station, csms: Csms) -> None:
    root = {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": Certificate("Root", ca=True, days=(-1000, 1000)).pem(),
    }
    assert csms.call("InstallCertificate", root) == ACCEPTED
    listed = csms.call("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"})
    assert len(listed["certificateHashData"]) == 1
    assert csms.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}) == ACCEPTED
    station.wait(lambda: csms.calls("SignCertificate"))
    with http_files() as files:
        log = {"remoteLocation": f"{files.url}/logs/"}
        assert csms.call("GetLog", {"logType": "SecurityLog", "requestId": 5, "log": log})["status"] == "Accepted"
        station.wait(lambda: [each["status"] for each in csms.calls("LogStatusNotification")][-1:] == ["Uploaded"])


# -- 2.0.1 and 2.1 -----------------------------------------------------------------------------------------------------

TOKEN = {"idToken": CARD, "type": "ISO14443"}


def local_list_2(station: Station, csms: Csms) -> None:
    entry = {"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}
    sent = {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [entry]}
    assert csms.call("SendLocalList", sent) == ACCEPTED
    assert csms.call("GetLocalListVersion", {}) == {"versionNumber": 3}


def reservation_2(station: Station, csms: Csms) -> None:
    request = {"id": 7, "expiryDateTime": SOON, "idToken": TOKEN, "evseId": 1}
    assert csms.call("ReserveNow", request) == ACCEPTED
    station.wait(_state(csms, "Reserved"))
    assert csms.call("CancelReservation", {"reservationId": 7}) == ACCEPTED
    station.wait(_state(csms, "Available"))


def smart_charging_2(station: Station, csms: Csms) -> None:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]}
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    assert csms.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile}) == ACCEPTED
    answer = csms.call("GetCompositeSchedule", {"evseId": 1, "duration": 60, "chargingRateUnit": "A"})
    assert answer["schedule"]["chargingSchedulePeriod"][0]["limit"] == 10
    assert csms.call("ClearChargingProfile", {"chargingProfileId": 1}) == ACCEPTED


def security_2(station: Station, csms: Csms) -> None:
    """Advanced security, and certificates, network profiles, logs and customers of Core."""
    root = {
        "certificateType": "CSMSRootCertificate",
        "certificate": Certificate("Root", ca=True, days=(-1000, 1000)).pem(),
    }
    assert csms.call("InstallCertificate", root) == ACCEPTED
    assert len(csms.call("GetInstalledCertificateIds", {})["certificateHashDataChain"]) == 1
    asked = {"requestedMessage": "SignChargingStationCertificate"}
    assert csms.call("TriggerMessage", asked) == ACCEPTED
    station.wait(lambda: csms.calls("SignCertificate"))
    with http_files() as files:
        log = {"remoteLocation": f"{files.url}/logs/"}
        assert csms.call("GetLog", {"logType": "SecurityLog", "requestId": 5, "log": log})["status"] == "Accepted"
        station.wait(lambda: [each["status"] for each in csms.calls("LogStatusNotification")][-1:] == ["Uploaded"])
    customer = {"requestId": 6, "report": True, "clear": False, "idToken": TOKEN}
    assert csms.call("CustomerInformation", customer) == ACCEPTED
    station.wait(lambda: csms.calls("NotifyCustomerInformation"))


PROFILES: dict[str, tuple[Callable[[Station, Csms], None], ...]] = {
    "1.6": (local_list_16, reservation_16, smart_charging_16, remote_trigger_16, firmware_16, security_16),
    "2.0.1": (local_list_2, reservation_2, smart_charging_2, security_2),
}
