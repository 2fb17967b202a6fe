"""OCPP 1.6, firmware updates: profile Firmware Management, and the signed ones of the security extension."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import CsmsError
from tests.support.updates import IMAGE, LONG_AGO, UPDATES, World
from tests.support.wholestation import WholeStation, board

UNSIGNED = {**UPDATES, "unsigned": True}


def begin(evses: int = 1, **updates: Any) -> World:
    return World(WholeStation(board(evses=evses), station={"updates": {**UNSIGNED, **updates}}))


def update(world: World, retrieve_s: float = LONG_AGO, **more: Any) -> None:
    """UpdateFirmware is answered by {}, as 1.6 has it."""
    said = {"location": "ftp://user:word@files.example/2.0.bin", "retrieveDate": world.at(retrieve_s), **more}
    assert world.station.ask("UpdateFirmware", **said) == {}


def test_TC_CP_V16_044_1_download_and_install() -> None:
    """Downloading, Downloaded, Installing, a restart, Installed by the new firmware.

    The connectors are Unavailable meanwhile. [1.6 §4.5, §5.19, errata 3.47-3.49]
    """
    world = begin(evses=2)
    station = world.station
    update(world, retries=2, retryInterval=30)
    assert world.hear() == ["Downloading"]
    asked = world.download()
    assert (asked["attempts"], asked["interval_s"]) == (3, 30)
    assert station.calls[0][3]["status"] == "Downloaded"
    told: list[Any] = []
    while station.calls:
        told.append(station.expect(station.calls[0][2]))
    assert [said["status"] for said in told if "connectorId" not in said] == ["Downloaded", "Installing"]
    assert {said["connectorId"]: said["status"] for said in told if "connectorId" in said} == {
        0: "Unavailable",
        1: "Unavailable",
        2: "Unavailable",
    }
    world.install()
    assert world.restart("2.0") == ["Installed", "FirmwareUpdated"]
    station.quiet()


def test_TC_CP_V16_044_2_download_failed() -> None:
    """Downloading, then DownloadFailed; the station goes on. [1.6 §4.5]"""
    world = begin()
    update(world, location="ftp://files.example/none.bin")
    world.download(CsmsError("Failed", "no such file"))
    assert world.hear() == ["Downloading", "DownloadFailed"]
    assert world.station.effects == []
    world.station.jobs.clear()
    update(world)
    assert world.hear() == ["Downloading"]


@pytest.mark.parametrize("code", ["Invalid", "Failed"])
def test_TC_CP_V16_044_3_installation_failed(code: str) -> None:
    """Downloaded, Installing, InstallationFailed; 1.6 has one word for both reasons. [1.6 §4.5]"""
    world = begin()
    update(world)
    world.download()
    assert world.hear() == ["Downloading", "Downloaded", "Installing"]
    world.install(CsmsError(code, "for another board"))
    assert world.hear() == ["InstallationFailed"]
    assert world.station.effects == []


def test_the_old_firmware_started_after_the_update() -> None:
    """InstallationFailed, though nothing else went wrong. [1.6 §5.19]"""
    world = begin()
    update(world)
    world.download()
    assert world.hear() == ["Downloading", "Downloaded", "Installing"]
    world.install()
    assert world.restart("1.0") == ["InstallationFailed"]


def test_the_installation_waits_for_the_end_of_the_session() -> None:
    """Free connectors are Unavailable from then on. [1.6 errata 3.49]"""
    world = begin(evses=2)
    station = world.station
    station.charge(evse=1)
    update(world)
    world.download()
    assert station.is_charging()
    said = station.take()
    assert [each["status"] for each in said["FirmwareStatusNotification"]] == ["Downloading", "Downloaded"]
    assert {each["connectorId"]: each["status"] for each in said["StatusNotification"]} == {2: "Unavailable"}
    station.tap()
    station.expect("StopTransaction")
    station.unplug()
    assert [name for name, _ in station.jobs.values()] == ["install"]


def test_whitepaper_l01_fr_20_update_firmware_where_updates_are_signed() -> None:
    """CALLERROR NotSupported, and no update begins."""
    world = begin(unsigned=False)
    world.station.send("UpdateFirmware", location="ftp://files.example/x", retrieveDate=world.at(LONG_AGO))
    reply = world.station.reply()
    assert reply is not None and reply[0] == 4 and reply[2] == "NotSupported"
    world.station.quiet()
    assert not world.station.jobs


def test_probes_are_refused_without_side_effects() -> None:
    """dummy://dummy with a signature that is none, and without one."""
    world = begin()
    assert world.update(location="dummy://dummy", signature="nonsense", signingCertificate="x") == "Rejected"
    world.station.send("UpdateFirmware", location="dummy://dummy", retrieveDate=world.at(0))
    reply = world.station.reply()
    assert reply is not None and reply[0] == 4
    assert world.hear() == [] and not world.station.jobs
    assert world.station.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification") == {"status": "Accepted"}
    world.station.expect("FirmwareStatusNotification", status="Idle")


def test_TC_CP_V16_080_secure_firmware_update() -> None:
    """Certificate, download, signature, installation, restart, Installed. [whitepaper L01.FR.01-FR.26]

    Each status by SignedFirmwareStatusNotification with the request's id; FirmwareUpdated is reported.
    """
    world = begin(unsigned=False)
    assert world.update() == "Accepted"
    assert world.hear() == ["Downloading"]
    world.download()
    assert world.hear() == ["Downloaded"]
    world.verify()
    assert world.hear() == ["SignatureVerified", "Installing"]
    world.install()
    assert world.restart("2.0") == ["InstallRebooting", "Installed", "FirmwareUpdated"]
    assert extended(world) == ["Idle"]


def test_TC_CP_V16_081_invalid_signature() -> None:
    """InvalidSignature and InvalidFirmwareSignature; nothing is installed. [whitepaper L01.FR.03, L01.FR.04]"""
    world = begin(unsigned=False)
    assert world.update(signature=world.sign(IMAGE + b"?")) == "Accepted"
    world.download()
    assert world.hear() == ["Downloading", "Downloaded"]
    world.verify()
    assert world.hear() == ["InvalidSignature", "InvalidFirmwareSignature"]
    assert extended(world) == ["InvalidSignature"]
    assert world.station.effects == []


def test_a_signing_certificate_that_leads_nowhere() -> None:
    """InvalidCertificate and InvalidFirmwareSigningCertificate. [whitepaper L01.FR.02, L01.FR.24]"""
    world = begin(unsigned=False)
    assert world.update(signingCertificate="nonsense") == "InvalidCertificate"
    assert world.hear() == ["InvalidFirmwareSigningCertificate"]


def test_scheduled_and_replaced() -> None:
    """DownloadScheduled, InstallScheduled, AcceptedCanceled. [whitepaper L01.FR.13, L01.FR.16, L01.FR.26]"""
    world = begin(unsigned=False)
    assert world.update(retrieve_s=60) == "Accepted"
    assert world.hear() == ["DownloadScheduled"]
    assert world.update(install_s=3600) == "AcceptedCanceled"
    world.download()
    world.verify()
    assert world.hear() == ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"]
    world.station.advance(60)
    world.station.quiet()


def extended(world: World) -> list[str]:
    """The status that ExtendedTriggerMessage asks for. [whitepaper L01.FR.28, L01.FR.29]"""
    answer = world.station.ask("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert answer == {"status": "Accepted"}
    return world.hear()
