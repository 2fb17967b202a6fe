"""A firmware update of the real process: HTTP server, signed image, installer, restart, Installed."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from evse.csms import Refused
from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.station import Station

IDENTITY = "CS001"
STATION = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]
security_profile = 0

[station]
firmware_file = "{directory}/os-release:VERSION"

[behaviour]
reset_delay_s = 0.1
"""
FIRMWARE = """
[firmware]
installer = "executable"
command = ["{directory}/install"]
"""
# The image is a shell script that names its version; an older one is refused.
INSTALL = """#!/bin/sh
. "$1" || exit 20
[ "$VERSION" -gt "$(sed s/VERSION=// {directory}/os-release)" ] || {{ echo "version $VERSION is older"; exit 20; }}
cp "$1" {directory}/os-release
echo "version $VERSION"
"""
STEPS = "Downloading Downloaded SignatureVerified Installing InstallRebooting Installed".split()


class Files:
    """An HTTP server that has the images of `content`: name -> bytes."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = files.content.get(self.path[1:])
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"


class Maker:
    """The station's manufacturer: a root that the station knows, and a certificate that signs firmware."""

    def __init__(self, key: str = "ec") -> None:
        self.root = Certificate("Maker", ca=True)
        self.signer = Certificate("Firmware", self.root, key=key)

    def sign(self, image: bytes) -> str:
        key = self.signer.key
        if isinstance(key, rsa.RSAPrivateKey):
            terms = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return base64.b64encode(key.sign(image, terms, hashes.SHA256())).decode()
        return base64.b64encode(key.sign(image, ec.ECDSA(hashes.SHA256()))).decode()


class Rig:
    """The station, the CSMS and the file server of a test."""

    def __init__(self, directory: Path, csms: CsmsThread, version: str, firmware: str = FIRMWARE) -> None:
        self.csms = csms
        self.version = version
        self.files = Files()
        self.maker = Maker()
        self.id = 0
        (directory / "os-release").write_text("VERSION=10\n")
        (directory / "install").write_text(INSTALL.format(directory=directory))
        (directory / "install").chmod(0o755)
        text = (STATION + firmware).format(url=csms.url, version=version, directory=directory)
        self.station = Station(directory, csms.url, text=text)
        roots = directory / "state" / "certificates" / "ca" / "mf"
        roots.mkdir(parents=True)
        (roots / "MF_ROOT_CA.pem").write_text(self.maker.root.pem())
        self.station.start()
        self.station.wait(self.station.booted)

    def update(self, image: bytes, signature: str | None = None, **change: Any) -> dict[str, Any]:
        """The answer to an update by this image, to be done at once."""
        self.id += 1
        self.files.content[f"{self.id}.bin"] = image
        firmware = {
            "location": self.files.url(f"{self.id}.bin"),
            "retrieveDateTime": "2026-01-01T00:00:00Z",
            "signingCertificate": self.maker.signer.pem(),
            "signature": signature or self.maker.sign(image),
            **change,
        }
        action = "SignedUpdateFirmware" if self.version == "1.6" else "UpdateFirmware"
        return self.csms.call(IDENTITY, action, {"requestId": self.id, "firmware": firmware, "retries": 0})

    def expect(self, status: str) -> None:
        action = "SignedFirmwareStatusNotification" if self.version == "1.6" else "FirmwareStatusNotification"
        self.csms.expect(action, lambda said: said == {"status": status, "requestId": self.id}, limit_s=20)

    def event(self, type: str) -> None:
        self.csms.expect("SecurityEventNotification", lambda said: said["type"] == type)

    def told(self) -> list[str]:
        """The statuses of the last update, in their order."""
        return [
            message.payload["status"]
            for message in self.csms.now.messages
            if message.direction == "in"
            and message.action.endswith("FirmwareStatusNotification")
            and message.payload
            and message.payload.get("requestId") == self.id
        ]

    def restart(self) -> None:
        assert self.station.ended(20) == 75
        self.station.start()

    def version_told(self) -> Any:
        boots = [
            message.payload
            for message in self.csms.now.messages
            if message.direction == "in" and message.action == "BootNotification" and message.payload
        ]
        return boots[-1].get("firmwareVersion") or boots[-1]["chargingStation"]["firmwareVersion"]

    def close(self) -> None:
        self.station.stop()
        self.files.server.shutdown()
        self.files.server.server_close()


@pytest.fixture(params=["1.6", "2.0.1"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with CsmsThread(versions=[request.param]) as csms:
        rig = Rig(tmp_path, csms, request.param)
        try:
            yield rig
        finally:
            rig.close()


def test_signed_then_forged_then_older(rig: Rig) -> None:
    """The new version is reported by the firmware that runs; forged and older images change nothing."""
    assert rig.version_told() == "10"
    assert rig.update(b"VERSION=11\n") == {"status": "Accepted"}
    rig.restart()
    rig.expect("Installed")
    assert rig.told() == STEPS
    rig.event("FirmwareUpdated")
    assert rig.version_told() == "11"

    assert rig.update(b"VERSION=12\n", signature=rig.maker.sign(b"VERSION=11\n")) == {"status": "Accepted"}
    rig.expect("InvalidSignature")
    rig.event("InvalidFirmwareSignature")

    assert rig.update(b"VERSION=9\n") == {"status": "Accepted"}
    rig.expect("InstallVerificationFailed")
    assert rig.told() == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallVerificationFailed"]
    assert "version 9 is older" in rig.station.tail()

    assert rig.update(b"", location=rig.files.url("none"), signature="AAAA")["status"] == "Accepted"
    rig.expect("DownloadFailed")
    stranger = Certificate("Firmware", Certificate("Stranger", ca=True))
    assert rig.update(b"", signingCertificate=stranger.pem())["status"] == "InvalidCertificate"
    rig.event("InvalidFirmwareSigningCertificate")
    assert rig.update(b"", location="dummy://dummy", signature="nonsense")["status"] == "Rejected"
    left = [path.name for path in (rig.station.state / "firmware").iterdir()]
    rig.station.wait(lambda: [path.name for path in (rig.station.state / "firmware").iterdir()] == ["lock"])
    assert len(left) <= 2


def test_a_kill_in_the_middle_of_the_installation(rig: Rig, tmp_path: Path) -> None:
    """The installer that outlived the station is waited for, then the image is installed again."""
    install = tmp_path / "install"
    slow = install.read_text().replace("cp ", f"echo begun >>{tmp_path}/begun; sleep 1; cp ")
    install.write_text(slow.replace("-gt", "-ge"))
    assert rig.update(b"VERSION=11\n") == {"status": "Accepted"}
    rig.station.wait((tmp_path / "begun").exists, 20)
    rig.station.kill()
    rig.station.start()
    rig.restart()
    rig.expect("Installed")
    assert rig.told() == [*STEPS[:4], "Installing", *STEPS[4:]]
    assert (tmp_path / "begun").read_text() == "begun\n" * 2


def test_16_unsigned_firmware_where_the_station_file_allows_it(tmp_path: Path) -> None:
    with CsmsThread(versions=["1.6"]) as csms:
        rig = Rig(tmp_path, csms, "1.6", FIRMWARE + "unsigned = true\n")
        try:
            rig.files.content["plain.bin"] = b"VERSION=11\n"
            plain = {"location": rig.files.url("plain.bin"), "retrieveDate": "2026-01-01T00:00:00Z"}
            assert csms.call(IDENTITY, "UpdateFirmware", plain) == {}
            rig.restart()
            csms.expect("FirmwareStatusNotification", lambda said: said["status"] == "Installed", limit_s=20)
            assert rig.version_told() == "11"
            with pytest.raises(Refused):
                csms.call(IDENTITY, "UpdateFirmware", {**plain, "location": "dummy://dummy"})
        finally:
            rig.close()
