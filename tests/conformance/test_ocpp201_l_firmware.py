"""OCPP 2.0.1 test cases, L Firmware Management, and the triggers of its notification.

This station downloads and verifies while drivers charge, waits to install until nobody does, and restarts to activate.
It can cancel an update until it installs. The file server and the installer are the test's; certificates and
signatures are real.
"""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import CsmsError
from tests.support import states201
from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.states201 import Station, board
from tests.support.updates import IMAGE, LIFE, UPDATES, World

ACTIVATED = ["InstallRebooting", "Installed", "FirmwareUpdated"]


def begin(version: str, evses: int = 1, **variables: Any) -> World:
    station = Station(board(evses=evses), version=version, station={"updates": UPDATES})
    station.put(**variables)
    return World(station)


def finish(world: World) -> None:
    """From Installing on: the connectors are Unavailable, the new firmware starts, it tells Installed."""
    station: Any = world.station
    assert set(station.status.values()) == {"Unavailable"}
    world.install()
    assert world.restart("2.0") == ACTIVATED
    assert set(station.status.values()) == {"Available"}
    station.quiet()


@versions2
def test_TC_L_01_CS_secure_update(version: str) -> None:
    """Downloading, Downloaded, SignatureVerified, Installing, restart, Installed and FirmwareUpdated.

    [L01.FR.01, L01.FR.04, L01.FR.05, L01.FR.10, L01.FR.12, L01.FR.20, L01.FR.21, L01.FR.28, L01.FR.31, L01.FR.32]
    """
    world = begin(version)
    assert world.update() == "Accepted"
    assert world.hear() == ["Downloading"]
    assert world.download()["url"] == "https://files.example/2.0.bin"
    assert world.hear() == ["Downloaded"]
    world.verify()
    assert world.hear() == ["SignatureVerified", "Installing"]
    finish(world)


@versions2
def test_TC_L_02_CS_install_scheduled(version: str) -> None:
    """InstallScheduled until installDateTime; the connectors stay Available until then. [L01.FR.16]"""
    world = begin(version)
    assert world.update(install_s=300) == "Accepted"
    world.download()
    world.verify()
    assert world.hear() == ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"]
    world.station.advance(299)
    world.station.quiet()
    world.station.advance(1)
    assert world.hear() == ["Installing"]
    finish(world)


@versions2
def test_TC_L_03_CS_download_scheduled(version: str) -> None:
    """DownloadScheduled until retrieveDateTime. [L01.FR.13]"""
    world = begin(version)
    assert world.update(retrieve_s=300) == "Accepted"
    assert world.hear() == ["DownloadScheduled"]
    world.station.advance(299)
    world.station.quiet()
    world.station.advance(1)
    assert world.hear() == ["Downloading"]
    world.download()
    world.verify()
    assert world.hear() == ["Downloaded", "SignatureVerified", "Installing"]
    finish(world)


@pytest.mark.parametrize("wrong", ["another maker's", "expired", "no certificate"])
@versions2
def test_TC_L_05_CS_invalid_certificate(version: str, wrong: str) -> None:
    """InvalidCertificate and InvalidFirmwareSigningCertificate; nothing is downloaded. [L01.FR.02, L01.FR.22]"""
    world = begin(version)
    certificate = {
        "another maker's": Certificate("Firmware", Certificate("Maker", ca=True, days=LIFE), days=LIFE).pem(),
        "expired": Certificate("Firmware", world.root, days=(-3650, -3600)).pem(),
        "no certificate": "nonsense",
    }[wrong]
    assert world.update(signingCertificate=certificate) == "InvalidCertificate"
    assert world.hear() == ["InvalidFirmwareSigningCertificate"]
    assert not world.station.jobs


@pytest.mark.parametrize("wrong", ["of another image", "no signature"])
@versions2
def test_TC_L_06_CS_invalid_signature(version: str, wrong: str) -> None:
    """InvalidSignature and InvalidFirmwareSignature; nothing is installed. [L01.FR.03, L01.FR.04]"""
    world = begin(version)
    signature = world.sign(IMAGE + b"?") if wrong == "of another image" else "AAAA"
    assert world.update(signature=signature) == "Accepted"
    assert world.hear() == ["Downloading"]
    world.download()
    assert world.hear() == ["Downloaded"]
    world.verify()
    assert world.hear() == ["InvalidSignature", "InvalidFirmwareSignature"]
    assert [name for name, _ in world.station.jobs.values()] == ["firmware_room"]


@versions2
def test_TC_L_07_CS_download_failed(version: str) -> None:
    """A file that is not there. [L01.FR.01, L01.FR.10, L01.FR.30]"""
    world = begin(version)
    assert world.update(location="https://files.example/none.bin") == "Accepted"
    world.download(CsmsError("Refused", "404 Not Found"))
    assert world.hear() == ["Downloading", "DownloadFailed"]


@pytest.mark.parametrize(
    ("code", "status"), [("Invalid", "InstallVerificationFailed"), ("Failed", "InstallationFailed")]
)
@versions2
def test_TC_L_08_CS_install_verification_failed(version: str, code: str, status: str) -> None:
    """A signed image that the installer refuses; the station goes on as it was. [L01.FR.01, L01.FR.10, L01.FR.29]"""
    world = begin(version)
    assert world.update() == "Accepted"
    world.download()
    world.verify()
    assert world.hear() == ["Downloading", "Downloaded", "SignatureVerified", "Installing"]
    world.install(CsmsError(code, "for another board"))
    assert world.hear() == [status]
    station: Any = world.station
    assert set(station.status.values()) == {"Available"}
    assert station.effects == []


@versions2
def test_TC_L_10_CS_accepted_canceled(version: str) -> None:
    """A new request while the first downloads takes its place; from then on only its id is told. [L01.FR.24]"""
    world = begin(version)
    assert world.update() == "Accepted"
    assert world.hear() == ["Downloading"]
    assert world.update() == "AcceptedCanceled"
    assert world.hear() == ["Downloading"]
    world.download()
    world.verify()
    assert world.hear() == ["Downloaded", "SignatureVerified", "Installing"]
    finish(world)


@versions2
def test_TC_L_14_CS_new_sessions_while_the_installation_waits(version: str) -> None:
    """AllowNewSessionsPendingFirmwareUpdate: a second transaction may start; both are waited for. [L01.FR.06]"""
    world = begin(version, 2, ChargingStation__AllowNewSessionsPendingFirmwareUpdate=True)
    station: Any = world.station
    states201.energy_transfer_started(station, evse=1)
    assert world.update() == "Accepted"
    world.download()
    world.verify()
    assert world.hear() == ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"]
    assert station.status[2, 1] == "Available"
    states201.energy_transfer_started(station, "TAG2", evse=2)
    leave(world, 1)
    assert station.status[1, 1] == "Available"
    assert leave(world, 2) == ["Installing"]
    finish(world)


@versions2
def test_TC_L_15_CS_no_new_sessions_while_the_installation_waits(version: str) -> None:
    """Without it the free connectors become Unavailable at once, the last one when its transaction ends. [L01.FR.07]"""
    world = begin(version, 2, ChargingStation__AllowNewSessionsPendingFirmwareUpdate=False)
    station: Any = world.station
    states201.energy_transfer_started(station, evse=1)
    assert world.update() == "Accepted"
    world.download()
    world.verify()
    station.told.clear()
    assert world.hear() == ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"]
    assert station.status == {(1, 1): "Occupied", (2, 1): "Unavailable"}
    station.plug(2)
    station.tap("TAG2", 2)
    station.take()
    assert not station.is_charging(2)
    station.unplug(2)
    assert leave(world, 1) == ["Installing"]
    finish(world)


@versions2
def test_TC_L_18_CS_missing_certificate_and_signature(version: str) -> None:
    """A station that takes signed firmware only: Rejected."""
    world = begin(version)
    assert world.update(signingCertificate=None, signature=None) == "Rejected"
    assert world.hear() == [] and not world.station.jobs


def leave(world: World, evse: int) -> list[str]:
    """The driver ends the transaction, and drives away."""
    station: Any = world.station
    station.tap("TAG" if evse == 1 else "TAG2", evse)
    words = world.hear()
    station.unplug(evse)
    return words + world.hear()


# -- F06 -----------------------------------------------------------------------------------------------------------


@versions2
def test_TC_F_17_CS_trigger_firmware_status_of_an_evse(version: str) -> None:
    """The EVSE is not relevant: Accepted, Idle. [F06.FR.03, F06.FR.04, F06.FR.05, F06.FR.10]"""
    world = begin(version)
    assert triggered(world, evse={"id": 1}) == ["Idle"]


@versions2
def test_TC_F_18_CS_trigger_firmware_status_idle(version: str) -> None:
    """No update: Idle; so too after one that was installed. [F06.FR.16, L01.FR.25]"""
    world = begin(version)
    assert triggered(world) == ["Idle"]
    world.update()
    world.download()
    world.verify()
    world.hear()
    finish(world)
    assert triggered(world) == ["Idle"]


@versions2
def test_TC_F_19_CS_trigger_firmware_status_downloading(version: str) -> None:
    """While it downloads: Downloading, with the id. Then the update ends by its signature. [L01.FR.26]"""
    world = begin(version)
    assert world.update(install_s=None, signature=world.sign(b"?")) == "Accepted"
    assert world.hear() == ["Downloading"]
    assert triggered(world) == ["Downloading"]
    world.download()
    world.verify()
    assert world.hear() == ["Downloaded", "InvalidSignature", "InvalidFirmwareSignature"]
    assert triggered(world) == ["InvalidSignature"]


def triggered(world: World, **said: Any) -> list[str]:
    answer = world.station.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification", **said)
    assert answer == {"status": "Accepted"}
    return world.hear()
