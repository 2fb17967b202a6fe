"""OCPP 2.0.1 test cases about certificates that end in a new connection; by the station as a process, real sockets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import signing
from tests.support.bench import versions, versions2
from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.signing import hash_data, sign
from tests.support.station import Station

IDENTITY = "CS001"
ACCEPTED = {"status": "Accepted"}
# What the resident process must not load, whatever is done with certificates.
FORBIDDEN = {"cryptography", "ssl", "subprocess", "json", "datetime"}
PASSWORD = "OldPassword-0123456"
FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]
backoff_minimum_s = 1
backoff_random_s = 0
{security}

[station]
vendor = "Acme"
serial = "S1"

[ocpp.variables]
SecurityCtrlr.AdditionalRootCertificateCheck = {check}
SecurityCtrlr.OrganizationName = "Operator"
OCPPCommCtrlr.NetworkProfileConnectionAttempts = 1
"""


class World:
    """A CSMS that speaks TLS and a station that trusts its root, by the certificate store alone."""

    def __init__(self, directory: Path, csms: CsmsThread, version: str) -> None:
        self.directory = directory
        self.csms = csms
        self.version = version
        self.store = directory / "state/certificates"
        self.root = Certificate("Operator Root", ca=True)
        self.put("ca/csms/CSMS_ROOT_CA.pem", self.root.pem())
        self.before: Any = None
        self.clients = str(directory / "clients.pem")
        Path(self.clients).write_text(self.root.pem())

    def put(self, name: str, text: str) -> None:
        path = self.store / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def serve(self, root: Certificate, clients: str | None = None) -> str:
        """The CSMS has a certificate of this root from now on: its URL."""
        context = Certificate("csms", root, names=("127.0.0.1",)).server(self.directory, clients)
        self.before = self.csms.now.connections.get(IDENTITY)
        self.csms.run(self.csms.now.stop)
        self.csms.run(self.csms.now.start, port=self.csms.now.port, tls=context)
        return self.csms.url.replace("ws:", "wss:")

    def station(self, url: str, check: bool = False, **security: Any) -> Station:
        lines = "\n".join(f"{name} = {value!r}" for name, value in security.items())
        text = FILE.format(url=url, version=self.version, security=lines, check=str(check).lower())
        return Station(self.directory, url, self.version, text=text)

    def reconnected(self, station: Station) -> None:
        """The station is connected anew after `serve`."""
        station.wait(lambda: self.csms.now.connections.get(IDENTITY) not in (None, self.before), 40)

    def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        before = time.monotonic()
        answer = self.csms.call(IDENTITY, action, payload)
        assert time.monotonic() - before < 20  # of a busy machine
        return answer

    def booted(self) -> None:
        self.csms.expect("StatusNotification", limit_s=30)

    def roots(self) -> list[dict[str, str]]:
        kind = "CSMSRootCertificate"
        answer = self.ask("GetInstalledCertificateIds", certificateType=[kind])
        assert answer["status"] == "Accepted"
        return [entry["certificateHashData"] for entry in answer["certificateHashDataChain"]]

    def own(self) -> list[str]:
        return sorted(path.name for path in (self.store / "client/csms").glob("*.pem"))


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    version = request.getfixturevalue("version")
    with CsmsThread(versions=[version], passwords=None) as csms:
        yield World(tmp_path, csms, version)


def factory(world: World) -> None:
    """The station has a certificate of the maker's, which the CSMS knows, too."""
    made = Certificate("S1", world.root, organization="Acme", days=(-2, 60))
    (world.store / "client/csms").mkdir(parents=True)
    made.write(world.store / "client/csms", "factory")


def peer(world: World) -> str:
    """Serial number of the client certificate that the CSMS sees now."""
    connection = world.csms.now.connections[IDENTITY]
    tls = connection._transport.get_extra_info("ssl_object")
    serial: str = tls.getpeercert()["serialNumber"]
    return serial


def renew(world: World, **how: Any) -> str:
    """RenewChargingStationCertificate; the certificate."""
    trigger = {"requestedMessage": "SignChargingStationCertificate"}
    if world.version == "1.6":
        assert world.ask("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate") == ACCEPTED
    else:
        assert world.ask("TriggerMessage", **trigger) == ACCEPTED
    said = world.csms.expect("SignCertificate").payload
    text = sign(said["csr"], world.root, **how)
    kind = {} if world.version == "1.6" else {"certificateType": "ChargingStationCertificate"}
    id = {"requestId": said["requestId"]} if "requestId" in said else {}
    assert world.ask("CertificateSigned", certificateChain=text, **kind, **id) == ACCEPTED
    return text


@versions
def test_TC_A_11_CS_a_new_certificate_by_request_of_the_csms(version: str, world: World) -> None:
    """Trigger, CSR, signed certificate, and a connection with it; the old one is gone then.

    [A02.FR.02, A02.FR.03, A02.FR.06, A02.FR.08, A02.FR.10; 1.6: TC_CP_V16_074]
    """
    factory(world)
    world.csms.now.script["SignCertificate"] = ACCEPTED
    with world.station(world.serve(world.root, world.clients), security_profile=3) as station:
        world.booted()
        old = peer(world)
        text = renew(world)
        serial = f"{signing.first(text).serial_number:X}"
        station.wait(lambda: IDENTITY in world.csms.now.connections and peer(world).lstrip("0") == serial, 30)
        assert old.lstrip("0") != serial
        station.wait(lambda: len(world.own()) == 1, 10)
        assert "factory.pem" not in world.own()
        assert not FORBIDDEN & set(station.control("modules")["modules"])
        key = next((world.store / "client/csms").glob("*.key")).read_text()
        told = [str(message) for message in csms_messages(world)]
        secret = key.splitlines()[1]
        assert len(secret) > 40
        assert not [text for text in (*told, station.log.read_text(errors="replace")) if secret in text]


def test_a02_fr_28_back_to_the_old_certificate(tmp_path: Path) -> None:
    """The CSMS takes no connection with the new certificate: the old one serves again, the new one is given up."""
    with CsmsThread(versions=["2.0.1"], passwords=None) as csms:
        world = World(tmp_path, csms, "2.0.1")
        other = Certificate("Old Operator Root", ca=True)
        made = Certificate("S1", other, organization="Acme", days=(-2, 60))
        (world.store / "client/csms").mkdir(parents=True)
        made.write(world.store / "client/csms", "factory")
        Path(world.clients).write_text(other.pem())  # never knows certificates of the new root
        csms.now.script["SignCertificate"] = ACCEPTED
        with world.station(world.serve(world.root, world.clients), security_profile=3) as station:
            world.booted()
            renew(world)
            csms.expect(
                "SecurityEventNotification",
                lambda said: said["type"] == "DiscardedRenewedClientCertificate",
                limit_s=40,
            )
            station.wait(lambda: world.own() == ["factory.pem"], 10)


def csms_messages(world: World) -> list[Any]:
    return list(world.csms.now.messages)


def replaced_root(world: World) -> Certificate:
    """A new CSMS root that the old one signed is installed."""
    new = Certificate("New Root", world.root, ca=True)
    answer = world.ask("InstallCertificate", certificateType="CSMSRootCertificate", certificate=new.pem())
    assert answer == ACCEPTED
    return new


@versions2
def test_TC_M_30_CS_a_connection_by_the_new_root(version: str, world: World) -> None:
    """The server has a certificate of the new root: the connection stands, and the old root is gone. [M05.FR.13]"""
    with world.station(world.serve(world.root), check=True, security_profile=2, password=PASSWORD) as station:
        world.booted()
        new = replaced_root(world)
        assert len(world.roots()) == 2
        bare = Certificate("New Root, as a root")
        bare.certificate, bare.key, bare.chain = new.certificate, new.key, [new.certificate]
        world.serve(bare)
        world.reconnected(station)
        station.wait(lambda: world.roots() == [hash_data(new, world.root)], 10)


@versions2
def test_TC_M_31_CS_back_to_the_old_root(version: str, world: World) -> None:
    """The server keeps its certificate of the old root: the new one fails, the old one serves. [M05.FR.14]"""
    with world.station(world.serve(world.root), check=True, security_profile=2, password=PASSWORD) as station:
        world.booted()
        replaced_root(world)
        world.serve(world.root)
        world.reconnected(station)
        assert hash_data(world.root) in world.roots()
        assert "certificate" in station.tail()


def test_the_root_that_the_connection_stands_on_is_not_deleted(tmp_path: Path) -> None:
    with CsmsThread(versions=["2.0.1"], passwords=None) as csms:
        world = World(tmp_path, csms, "2.0.1")
        with world.station(world.serve(world.root), security_profile=2, password=PASSWORD):
            world.booted()
            other = Certificate("Other Root", ca=True)
            answer = world.ask("InstallCertificate", certificateType="CSMSRootCertificate", certificate=other.pem())
            assert answer == ACCEPTED
            entries = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "CertificateEntries"}}
            (result,) = world.ask("GetVariables", getVariableData=[entries])["getVariableResult"]
            assert result["attributeValue"] == "2"
            refused = world.ask("DeleteCertificate", certificateHashData=hash_data(world.root))
            assert refused["status"] == "Failed"
            assert world.ask("DeleteCertificate", certificateHashData=hash_data(other)) == ACCEPTED
