"""OCPP 2.0.1 test cases, A Security: how station and CSMS know each other; by the station as a process, real sockets.

And B_57, which is about the connection, too.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.states201 import variable
from tests.support.station import Station

IDENTITY = "CS001"
OLD, NEW = "OldPassword-0123456", "NewPassword-6543210"
PASSWORD = variable("SecurityCtrlr__BasicAuthPassword")
FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "{identity}"
ocpp_versions = ["{version}"]
backoff_minimum_s = 1
backoff_random_s = 0
{security}
"""


def station(directory: Path, version: str, url: str, **security: Any) -> Station:
    lines = "\n".join(f"{name} = {value!r}" for name, value in security.items())
    text = FILE.format(url=url, identity=IDENTITY, version=version, security=lines)
    return Station(directory, url, version, text=text)


def wait_booted(csms: CsmsThread) -> None:
    """BootNotification, the status of the connector, the security event of the start."""
    csms.expect("BootNotification")
    csms.expect("StatusNotification", lambda said: said["connectorStatus"] == "Available")
    security_event(csms, "StartupOfTheDevice", "ResetOrReboot")


def security_event(csms: CsmsThread, *types: str) -> None:
    csms.expect("SecurityEventNotification", lambda said: said["type"] in types)


def listen(csms: CsmsThread, context: ssl.SSLContext) -> str:
    """The CSMS speaks TLS by this context from now on, at the same port: its URL."""
    csms.run(csms.now.stop)
    csms.run(csms.now.start, port=csms.now.port, tls=context)
    return csms.url.replace("ws:", "wss:")


@pytest.fixture
def root(tmp_path: Path) -> Certificate:
    made = Certificate("Root", ca=True)
    (tmp_path / "root.pem").write_text(made.pem())
    return made


def serving(root: Certificate, directory: Path, clients: str | None = None, **certificate: Any) -> ssl.SSLContext:
    """A server's context; its certificate is valid but for what is said."""
    return Certificate("csms", root, **{"names": ("127.0.0.1",), **certificate}).server(directory, clients)


@versions2
def test_TC_A_01_CS_basic_authentication(version: str, tmp_path: Path) -> None:
    """Profile 1: identity and password are in the request, the identity is the end of the URL. [A00.FR.202-205]"""
    with CsmsThread(versions=[version], passwords={IDENTITY: OLD}) as csms:
        with station(tmp_path, version, csms.url, security_profile=1, password=OLD):
            wait_booted(csms)


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
def test_TC_A_04_CS_valid_server_certificate(cipher: str, tmp_path: Path, root: Certificate) -> None:
    """Profile 2: the certificate is of a known root; both cipher suites that must be known. [A00.FR.309, A00.FR.318]"""
    context = serving(root, tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with CsmsThread(versions=["2.0.1"], passwords={IDENTITY: OLD}) as csms:
        settings = {"security_profile": 2, "password": OLD, "ca": str(tmp_path / "root.pem")}
        with station(tmp_path, "2.0.1", listen(csms, context), **settings):
            wait_booted(csms)


@pytest.mark.parametrize("what", ["unknown root", "expired", "another name"])
def test_TC_A_05_CS_invalid_server_certificate(what: str, tmp_path: Path, root: Certificate) -> None:
    """The station ends the connection; to a valid one it tells InvalidCsmsCertificate. [A00.FR.310, A00.FR.311]"""
    wrong = {
        "unknown root": lambda: serving(Certificate("Other", ca=True), tmp_path),
        "expired": lambda: serving(root, tmp_path, days=(-30, -1)),
        "another name": lambda: serving(root, tmp_path, names=("127.0.0.2",)),
    }[what]()
    with CsmsThread(versions=["2.0.1"], passwords={IDENTITY: OLD}) as csms:
        settings = {"security_profile": 2, "password": OLD, "ca": str(tmp_path / "root.pem")}
        with station(tmp_path, "2.0.1", listen(csms, wrong), **settings) as under_test:
            under_test.wait(lambda: "certificate" in under_test.tail())
            assert not csms.now.messages
            listen(csms, serving(root, tmp_path))
            wait_booted(csms)
            security_event(csms, "InvalidCsmsCertificate")


# A ServerHello of TLS 1.1 that chooses TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
HELLO_1_1 = bytes.fromhex("160302002a020000260302" + "5a" * 32 + "00c01300")


def speak_tls_1_1(listener: socket.socket) -> None:
    """Answers every ClientHello by HELLO_1_1 until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            connection.recv(4096)
            connection.sendall(HELLO_1_1)
            with contextlib.suppress(OSError):
                connection.recv(4096)


def test_TC_A_06_CS_tls_version_too_low(tmp_path: Path, root: Certificate) -> None:
    """A server of TLS 1.1 is not spoken to; the next one hears InvalidTLSVersion. [A00.FR.316, A00.FR.417]"""
    with CsmsThread(versions=["2.0.1"], passwords={IDENTITY: OLD}) as csms:
        csms.run(csms.now.stop)
        listener = socket.create_server(("127.0.0.1", csms.now.port))
        threading.Thread(target=speak_tls_1_1, args=(listener,), daemon=True).start()
        settings = {"security_profile": 2, "password": OLD, "ca": str(tmp_path / "root.pem")}
        with station(tmp_path, "2.0.1", csms.url.replace("ws:", "wss:"), **settings) as under_test:
            under_test.wait(lambda: "no TLS version from 1.2 on" in under_test.tail())
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            listen(csms, serving(root, tmp_path))
            wait_booted(csms)
            security_event(csms, "InvalidTLSVersion")


def test_TC_A_07_CS_client_certificate(tmp_path: Path, root: Certificate) -> None:
    """Profile 3: the station shows its certificate. [A00.FR.401, A00.FR.402]"""
    cert, key = Certificate(IDENTITY, root).write(tmp_path, "client")
    ca = str(tmp_path / "root.pem")
    with CsmsThread(versions=["2.0.1"]) as csms:
        url = listen(csms, serving(root, tmp_path, clients=ca))
        with station(tmp_path, "2.0.1", url, security_profile=3, ca=ca, cert=cert, key=key):
            wait_booted(csms)


def set_password(csms: CsmsThread, password: str) -> str:
    """SetVariables of BasicAuthPassword: its status."""
    asked = {"setVariableData": [{**PASSWORD, "attributeValue": password}]}
    status: str = csms.call(IDENTITY, "SetVariables", asked)["setVariableResult"][0]["attributeStatus"]
    return status


@versions2
def test_TC_A_09_CS_update_password(version: str, tmp_path: Path) -> None:
    """The station connects with the new password, without a reboot. [A01.FR.01, A01.FR.11]"""
    with CsmsThread(versions=[version], passwords={IDENTITY: OLD}) as csms:
        with station(tmp_path, version, csms.url, security_profile=1, password=OLD) as under_test:
            wait_booted(csms)
            before = csms.now.connections[IDENTITY]
            csms.now.passwords = {IDENTITY: NEW}
            assert set_password(csms, NEW) == "Accepted"
            under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, before))
            asked = {"getVariableData": [PASSWORD]}
            (result,) = csms.call(IDENTITY, "GetVariables", asked)["getVariableResult"]
            assert result["attributeStatus"] == "Rejected" and "attributeValue" not in result


@versions2
def test_TC_A_10_CS_update_password_rejected(version: str, tmp_path: Path) -> None:
    """A password that is too short: Rejected, the old one goes on. [A01.FR.01]"""
    with CsmsThread(versions=[version], passwords={IDENTITY: OLD}) as csms:
        with station(tmp_path, version, csms.url, security_profile=1, password=OLD) as under_test:
            wait_booted(csms)
            assert set_password(csms, "TooShort-012345") == "Rejected"
            under_test.kill()
            csms.now.messages.clear()
            under_test.start()
            wait_booted(csms)


def test_TC_B_57_CS_network_reconnection(tmp_path: Path) -> None:
    """A lost connection is opened again after RetryBackOffWaitMinimum, then after twice that. [part 4, 5.3]"""
    with CsmsThread(versions=["2.0.1"]) as csms:
        with station(tmp_path, "2.0.1", csms.url, security_profile=0) as under_test:
            wait_booted(csms)
            lost = time.monotonic()
            first = csms.now.connections[IDENTITY]
            csms.run(csms.now.stop)
            csms.run(csms.now.start, port=csms.now.port)
            under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, first))
            assert time.monotonic() - lost >= 1
            lost = time.monotonic()
            second = csms.now.connections[IDENTITY]
            csms.run(csms.now.stop)
            time.sleep(1.5)  # the attempt after one second finds nobody
            csms.run(csms.now.start, port=csms.now.port)
            under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, second))
            assert time.monotonic() - lost >= 3
