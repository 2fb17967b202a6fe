"""What surrounds a firmware update: manufacturer, file server, installer; the certificate and signature are real.

world = World(station)
assert world.update() == "Accepted"              the answer's status, after the certificate was checked
assert world.hear() == ["Downloading"]           what the station tells of the update, as words; statuses aside
world.download(); world.verify(); world.install()
world.restart("2.0")                             the station restarts with that firmware: what is told then
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from evse.clock import timestamp
from evse.errors import CsmsError
from evse.shell.children import main
from tests.support.certificates import Certificate
from tests.support.wholestation import WholeStation

UPDATES = {
    "installer": "executable",
    "unsigned": False,
    "pkcs1v15": False,
    "max_bytes": 1 << 20,
    "install_within_s": 1800.0,
}
IMAGE = b"firmware 2.0"
LONG_AGO = -7200.0
LIFE = (-3650, 3650)
NOTIFICATIONS = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")


class World:
    """See the module. A station of the conformance bench whose description has `updates`."""

    def __init__(self, station: WholeStation) -> None:
        self.station = station
        self.id = 0
        self.root = Certificate("Maker", ca=True, days=LIFE)
        self.signer = Certificate("Firmware", self.root, days=LIFE)
        self.state = Path(station.directory)
        self.image = self.state / "image"
        self.image.write_bytes(IMAGE)
        store = self.state / "certificates" / "ca" / "mf"
        store.mkdir(parents=True)
        (store / "MF_ROOT_CA.pem").write_text(self.root.pem())
        station.security_events.clear()

    # -- the CSMS --------------------------------------------------------------------------------------------------

    def sign(self, image: bytes = IMAGE) -> str:
        """Signature of the manufacturer."""
        assert isinstance(self.signer.key, ec.EllipticCurvePrivateKey)
        return base64.b64encode(self.signer.key.sign(image, ec.ECDSA(hashes.SHA256()))).decode()

    def at(self, seconds: float) -> str:
        """The time so many seconds from now."""
        return timestamp(self.station._utc() + seconds)

    def firmware(self, retrieve_s: float = LONG_AGO, install_s: float | None = LONG_AGO, **members: Any) -> Any:
        """FirmwareType; members that are None are left out."""
        said = {
            "location": "https://files.example/2.0.bin",
            "retrieveDateTime": self.at(retrieve_s),
            "installDateTime": None if install_s is None else self.at(install_s),
            "signingCertificate": self.signer.pem(),
            "signature": self.sign(),
            **members,
        }
        return {name: value for name, value in said.items() if value is not None}

    def update(self, **said: Any) -> str:
        """UpdateFirmware, or SignedUpdateFirmware of 1.6: the status that answers it."""
        self.id += 1
        action = "SignedUpdateFirmware" if self.station.version == "1.6" else "UpdateFirmware"
        self.station.send(action, requestId=self.id, firmware=self.firmware(**said))
        if "verify" in (name for name, _ in self.station.jobs.values()):
            self.verify()
        reply = self.station.reply()
        assert reply is not None and reply[0] == 3, reply
        return str(reply[2]["status"])

    def hear(self) -> list[str]:
        """What the station tells of the update, and its security events, as words; connector statuses are taken."""
        words = []
        while self.station.calls:
            action = self.station.calls[0][2]
            assert action in (*NOTIFICATIONS, "StatusNotification", "TransactionEvent"), self.station.calls[0]
            said = self.station.expect(action)
            if action in NOTIFICATIONS:
                signed = self.station.version != "1.6" or action.startswith("Signed")
                assert said.get("requestId") == (self.id if signed and said["status"] != "Idle" else None), said
                words.append(said["status"])
        words += [event["type"] for event in self.station.security_events]
        self.station.security_events.clear()
        return words

    # -- jobs ------------------------------------------------------------------------------------------------------

    def download(self, error: CsmsError | None = None) -> dict[str, Any]:
        """The file server gives the image, or does not: what was asked of it."""
        self.station.job_done("firmware_room", {"bytes": 1 << 30})
        return self.station.job_done("download", {"path": str(self.image), "bytes": 12, "sha256": "0" * 64}, error)

    def verify(self) -> None:
        """Certificate, or certificate and signature, are checked for real."""
        number, request = next(
            (number, request) for number, (name, request) in self.station.jobs.items() if name == "verify"
        )
        places = {"state": str(self.state), "certificates": str(self.state / "certificates"), "ca": None}
        text = json.dumps({"request": request, "places": places}).encode()
        line = main.run("verify", text, lambda news: None)
        del self.station.jobs[number]
        error = CsmsError(*line["error"]) if "error" in line else None
        self.station.runner.tell(self.station.engine.job_ended, number, line.get("answer"), error)
        self.station.loop.settle()

    def install(self, error: CsmsError | None = None, **answer: Any) -> None:
        """The installer ends; a restart activates the firmware unless `answer` says otherwise."""
        self.station.job_done("install", {"restart": True, **answer}, error)

    def restart(self, firmware: str) -> list[str]:
        """The restart that was asked for; the words from then on. `firmware` is the version that starts."""
        station = self.station
        words = self.hear()
        station.advance(1)
        station._description["firmware"] = firmware
        station.reboot()
        station.connect()
        boot = station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
        if station.version == "1.6":
            assert boot["firmwareVersion"] == firmware
        else:
            assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == ("FirmwareUpdate", firmware)
        return words + [word for word in self.hear() if word not in ("StartupOfTheDevice", "ResetOrReboot")]
