"""OCPP 2.0.1 test cases on network profiles: A_19 to A_22, B_43 to B_50; by the station as a process, real sockets.

Two CSMSs, at 127.0.0.1 and 127.0.0.2, are the two end points of the tool. The station is restarted when it asks for it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.states201 import variable
from tests.support.station import Station

IDENTITY = "CS001"
PASSWORD = "Password-01234567"
RESTART = 75
PRIORITY = variable("OCPPCommCtrlr__NetworkConfigurationPriority")
SECURITY_PROFILE = variable("SecurityCtrlr__SecurityProfile")
ACTIVE = variable("OCPPCommCtrlr__ActiveNetworkProfile")
FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "{identity}"
ocpp_versions = ["{version}"]
connect_timeout_s = 2
backoff_minimum_s = 1
backoff_random_s = 0
{security}

[behaviour]
reset_delay_s = 0

[ocpp.variables]
SecurityCtrlr.AdditionalRootCertificateCheck = {check}
"""


def station(directory: Path, version: str, url: str, check: bool = False, **security: Any) -> Station:
    lines = "\n".join(f"{name} = {value!r}" for name, value in security.items())
    text = FILE.format(url=url, identity=IDENTITY, version=version, security=lines, check=str(check).lower())
    return Station(directory, url, version, text=text)


@contextlib.contextmanager
def end_points(version: str, **passwords: str) -> Iterator[tuple[CsmsThread, CsmsThread]]:
    """The CSMS that the station is connected to, and another one."""
    settings: dict[str, Any] = {"versions": [version], "passwords": passwords or None}
    with CsmsThread(**settings) as first, CsmsThread(**settings) as second:
        move(second)
        yield first, second


def move(csms: CsmsThread, tls: ssl.SSLContext | None = None, host: str = "127.0.0.2") -> None:
    """The CSMS listens there from now on, at the port that it has."""
    csms.run(csms.now.stop)
    csms.run(csms.now.start, host=host, port=csms.now.port, tls=tls)


def url(csms: CsmsThread, host: str = "127.0.0.2", scheme: str = "ws") -> str:
    return f"{scheme}://{host}:{csms.now.port}/ocpp"


def wait_booted(csms: CsmsThread, under_test: Station) -> None:
    """Reusable state Booted."""
    csms.expect("BootNotification")
    under_test.wait(under_test.booted)
    csms.expect("StatusNotification", lambda said: said["connectorStatus"] == "Available")
    csms.now.messages.clear()


def profile(url: str, level: int = 0) -> dict[str, Any]:
    """NetworkConnectionProfileType; OCPP20 stands for 2.0.1."""
    return {
        "messageTimeout": 30,
        "ocppCsmsUrl": url,
        "ocppInterface": "Wired0",
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "securityProfile": level,
    }


def set_profile(csms: CsmsThread, slot: int, connection_data: dict[str, Any]) -> str:
    """SetNetworkProfile: its status."""
    asked = {"configurationSlot": slot, "connectionData": connection_data}
    status: str = csms.call(IDENTITY, "SetNetworkProfile", asked)["status"]
    return status


def set_variable(csms: CsmsThread, named: dict[str, Any], value: str) -> str:
    """SetVariables of one: its status."""
    asked = {"setVariableData": [{**named, "attributeValue": value}]}
    (result,) = csms.call(IDENTITY, "SetVariables", asked)["setVariableResult"]
    status: str = result["attributeStatus"]
    return status


def value(csms: CsmsThread, named: dict[str, Any]) -> str:
    """GetVariables of one: its value."""
    (result,) = csms.call(IDENTITY, "GetVariables", {"getVariableData": [named]})["getVariableResult"]
    text: str = result["attributeValue"]
    return text


def restart(csms: CsmsThread, under_test: Station, between: Callable[[], Any] | None = None) -> None:
    """Reset on idle: Accepted; the station restarts. `between`: what the tool does meanwhile."""
    assert csms.call(IDENTITY, "Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    assert under_test.ended() == RESTART
    csms.now.messages.clear()
    if between is not None:
        between()
    under_test.start()


def migrate(csms: CsmsThread, connection_data: dict[str, Any], slot: int = 2, present: int = 1) -> None:
    """Steps 1 to 4: the other slot is set up and put first."""
    assert value(csms, ACTIVE) == str(present)
    assert set_profile(csms, slot, connection_data) == "Accepted"
    assert set_variable(csms, PRIORITY, f"{slot},{present}") in ("Accepted", "RebootRequired")


class Deaf:
    """An end point that takes connections and never answers; `attempts` counts them."""

    def __init__(self, host: str = "127.0.0.2", port: int = 0, answer: bytes | None = None) -> None:
        self.attempts = 0
        self.when: list[float] = []
        self._answer = answer
        self._socket = socket.create_server((host, port))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                self.attempts += 1
                self.when.append(time.monotonic())
                if self._answer is None:
                    self._open.append(taken)
                    continue
                taken.recv(4096)
                taken.sendall(self._answer)
                taken.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for one in (*self._open, self._socket):
            one.close()


class Authority:
    """A root of the CSMS, and what it issues."""

    def __init__(self, directory: Path, name: str = "Root", issuer: Certificate | None = None) -> None:
        self.directory = directory
        self.root = Certificate(name, issuer, ca=True)
        self.file = directory / f"{name}.pem"
        self.file.write_text(self.root.pem())

    def server(self, clients: bool = False) -> ssl.SSLContext:
        made = Certificate("csms", self.root, names=("127.0.0.1", "127.0.0.2"))
        return made.server(self.directory, str(self.file) if clients else None)

    def install(self, under_test: Station) -> None:
        """Puts the root into the station's store."""
        store = under_test.state / "certificates/ca/csms"
        store.mkdir(parents=True, exist_ok=True)
        (store / "CSMS_ROOT_CA.pem").write_text(self.root.pem())

    def give(self, under_test: Station) -> None:
        """Puts a certificate of the station into its store."""
        store = under_test.state / "certificates/client/csms"
        store.mkdir(parents=True, exist_ok=True)
        Certificate(IDENTITY, self.root).write(store, "station")


# -- A05: security profiles -------------------------------------------------------------------------------------------


@versions2
@pytest.mark.parametrize("level", [1, 2])
def test_TC_A_19_CS_upgrade_security_profile(level: int, version: str, tmp_path: Path) -> None:
    """The next higher security profile by the other slot; the slot with the lower one is gone. [A05.FR.04]-[A05.FR.06]

    From 1 to 2 the station does not come back to profile 1, though the end point speaks it again. [errata 2025-06]
    """
    authority = Authority(tmp_path)
    with CsmsThread(versions=[version], passwords={IDENTITY: PASSWORD}) as csms:
        here = {"host": "127.0.0.1"}
        if level == 2:
            move(csms, authority.server(), **here)
        first = url(csms, "127.0.0.1", "ws" if level == 1 else "wss")
        under_test = station(tmp_path, version, first, security_profile=level, password=PASSWORD)
        authority.install(under_test)
        authority.give(under_test)
        with under_test:
            wait_booted(csms, under_test)
            migrate(csms, profile(url(csms, "127.0.0.1", "wss"), level + 1))

            def upgrade() -> None:
                if level == 2:
                    csms.now.passwords = None
                move(csms, authority.server(clients=level == 2), **here)

            restart(csms, under_test, upgrade)
            wait_booted(csms, under_test)
            assert value(csms, SECURITY_PROFILE) == str(level + 1)
            assert value(csms, PRIORITY) == "2"
            if level == 1:
                before = csms.now.connections[IDENTITY]
                move(csms, None, **here)
                time.sleep(4)
                assert IDENTITY not in csms.now.connections
                move(csms, authority.server(), **here)
                under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, before))


@versions2
@pytest.mark.parametrize("level", [2, 3])
def test_TC_A_20_CS_no_csms_root_certificate(level: int, version: str, tmp_path: Path) -> None:
    """A slot with TLS while there is no root of the CSMS: it cannot be put first. [A05.FR.02]"""
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        with station(tmp_path, version, csms.url, security_profile=1, password=PASSWORD) as under_test:
            wait_booted(csms, under_test)
            assert set_variable(csms, PRIORITY, "1") == "Accepted"
            assert set_profile(csms, 2, profile(url(other, scheme="wss"), level)) in ("Accepted", "Rejected")
            assert set_variable(csms, PRIORITY, "2,1") == "Rejected"
            assert value(csms, SECURITY_PROFILE) == "1"


@versions2
def test_TC_A_21_CS_no_charging_station_certificate(version: str, tmp_path: Path) -> None:
    """Security profile 3 while there is no certificate of the station: its slot cannot be put first. [A05.FR.03]"""
    authority = Authority(tmp_path)
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, authority.server(), "127.0.0.1")
        under_test = station(tmp_path, version, url(csms, "127.0.0.1", "wss"), security_profile=2, password=PASSWORD)
        authority.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            assert set_profile(csms, 2, profile(url(other, scheme="wss"), 3)) == "Accepted"
            assert set_variable(csms, PRIORITY, "2,1") == "Rejected"


@versions2
def test_TC_A_22_CS_downgrade_security_profile_rejected(version: str, tmp_path: Path) -> None:
    """SetNetworkProfile with security profile 1 over a connection with profile 2: Rejected. [B09.FR.04, B09.FR.31]"""
    authority = Authority(tmp_path)
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, authority.server(), "127.0.0.1")
        under_test = station(tmp_path, version, url(csms, "127.0.0.1", "wss"), security_profile=2, password=PASSWORD)
        authority.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            assert set_profile(csms, 2, profile(url(other), 1)) == "Rejected"


# -- B09, B10: migration ----------------------------------------------------------------------------------------------


@versions2
def test_TC_B_43_CS_set_network_profile_rejected(version: str, tmp_path: Path) -> None:
    """SetNetworkProfile for a slot that is not there: Rejected. [B09.FR.05]"""
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        assert set_profile(csms, 999, profile(csms.url)) == "Rejected"


@versions2
def test_TC_B_45_CS_migrate_same_root(version: str, tmp_path: Path) -> None:
    """The other slot is set up, put first, and used after the reset. [B09.FR.01, B10.FR.01, B10.FR.04, B10.FR.06]"""
    with end_points(version) as (csms, other), station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        migrate(csms, profile(url(other)))
        restart(csms, under_test)
        wait_booted(other, under_test)
        assert value(other, ACTIVE) == "2"
        assert IDENTITY not in csms.now.connections
        # and back, with the slots changed round
        migrate(other, profile(csms.url), slot=1, present=2)
        restart(other, under_test)
        wait_booted(csms, under_test)
        assert value(csms, ACTIVE) == "1"


@versions2
def test_TC_B_46_CS_fall_back_in_the_list(version: str, tmp_path: Path) -> None:
    """The first slot does not answer: after NetworkProfileConnectionAttempts the second one. [B10.FR.03, B10.FR.04]"""
    deaf = Deaf()
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        assert set_variable(csms, variable("OCPPCommCtrlr__NetworkProfileConnectionAttempts"), "2") == "Accepted"
        migrate(csms, profile(f"ws://127.0.0.2:{deaf.port}/ocpp"))
        restart(csms, under_test)
        wait_booted(csms, under_test)
        assert deaf.attempts == 2
        assert value(csms, ACTIVE) == "1"
        assert value(csms, PRIORITY) == "2,1"
    deaf.close()


@versions2
def test_TC_B_49_CS_fall_back_to_the_last_that_worked(version: str, tmp_path: Path) -> None:
    """No slot answers: then the one that worked last is tried again, after RetryBackOffWaitMinimum. [B10.FR.07]"""
    refused = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    deaf = Deaf(answer=refused)
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        for name, text in (
            ("NetworkProfileConnectionAttempts", "1"),
            ("RetryBackOffRepeatTimes", "0"),
            ("RetryBackOffRandomRange", "0"),
            ("RetryBackOffWaitMinimum", "1"),
        ):
            assert set_variable(csms, variable("OCPPCommCtrlr__" + name), text) == "Accepted"
        migrate(csms, profile(f"ws://127.0.0.2:{deaf.port}/ocpp"))
        asked: list[float] = []

        def refuse(request: Any) -> tuple[int, str] | None:
            asked.append(time.monotonic())
            return (503, "not now") if len(asked) == 1 else None

        csms.now.refuse = refuse
        restart(csms, under_test)
        wait_booted(csms, under_test)
        assert deaf.attempts == 1 and len(asked) == 2
        assert 0.9 <= asked[0] - deaf.when[0] <= 4 and 0.9 <= asked[1] - asked[0] <= 4
    deaf.close()


def install(csms: CsmsThread, authority: Authority) -> None:
    """Memory state CertificateInstalled of a root of the CSMS."""
    asked = {"certificateType": "CSMSRootCertificate", "certificate": authority.root.pem()}
    assert csms.call(IDENTITY, "InstallCertificate", asked)["status"] == "Accepted"


@versions2
def test_TC_B_50_CS_migrate_to_a_new_root(version: str, tmp_path: Path) -> None:
    """The other CSMS has a certificate of a root that was installed before. [M05.FR.13]"""
    old, new = Authority(tmp_path, "Old"), Authority(tmp_path, "New")
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, old.server(), "127.0.0.1")
        move(other, new.server())
        under_test = station(tmp_path, version, url(csms, "127.0.0.1", "wss"), security_profile=2, password=PASSWORD)
        old.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            install(csms, new)
            migrate(csms, profile(url(other, scheme="wss"), 2))
            restart(csms, under_test)
            wait_booted(other, under_test)


@versions2
def test_TC_B_47_CS_fall_back_with_the_old_root(version: str, tmp_path: Path) -> None:
    """With AdditionalRootCertificateCheck the new root takes the place of the old one, by which it is signed.

    The other CSMS has a certificate of the old root: the connection fails. The station goes back to the slot before,
    and to the old root. It is still installed. [B10.FR.07, M05.FR.15, M05.FR.16]
    """
    old = Authority(tmp_path, "Old")
    new = Authority(tmp_path, "New", old.root)
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, old.server(), "127.0.0.1")
        move(other, old.server())
        under_test = station(
            tmp_path, version, url(csms, "127.0.0.1", "wss"), True, security_profile=2, password=PASSWORD
        )
        old.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            install(csms, new)
            assert set_variable(csms, variable("OCPPCommCtrlr__NetworkProfileConnectionAttempts"), "1") == "Accepted"
            migrate(csms, profile(url(other, scheme="wss"), 2))
            restart(csms, under_test)
            wait_booted(csms, under_test)
            assert IDENTITY not in other.now.connections
            asked = {"certificateType": ["CSMSRootCertificate"]}
            answer = csms.call(IDENTITY, "GetInstalledCertificateIds", asked)
            assert answer["status"] == "Accepted"
            numbers = [chain["certificateHashData"]["serialNumber"] for chain in answer["certificateHashDataChain"]]
            assert f"{old.root.certificate.serial_number:x}" in numbers
