"""OCPP 1.6, security: how the station proves who it is, over real sockets, by the station as a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.station import Station

IDENTITY = "CS001"
OLD, NEW = "OldPassword-0123456", "NewPassword-6543210"
FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "{identity}"
ocpp_versions = ["1.6"]
backoff_minimum_s = 1
backoff_random_s = 0
{security}
"""


def station(directory: Path, url: str, **security: Any) -> Station:
    lines = "\n".join(f"{name} = {value!r}" for name, value in security.items())
    return Station(directory, url, "1.6", text=FILE.format(url=url, identity=IDENTITY, security=lines))


def wait_connected(csms: CsmsThread) -> None:
    csms.expect("BootNotification")
    assert csms.call(IDENTITY, "GetConfiguration", {"key": ["SecurityProfile"]})["configurationKey"]


def listen(csms: CsmsThread, certificate: Certificate, directory: Path, clients: str | None = None) -> str:
    """The CSMS speaks TLS from now on: its URL."""
    csms.run(csms.now.stop)
    csms.run(csms.now.start, tls=certificate.server(directory, clients))
    return csms.url.replace("ws:", "wss:")


@pytest.fixture
def root(tmp_path: Path) -> Certificate:
    made = Certificate("Root", ca=True)
    (tmp_path / "root.pem").write_text(made.pem())
    return made


def test_TC_CP_V16_073_update_charge_point_password(tmp_path: Path) -> None:
    """ChangeConfiguration of AuthorizationKey: Accepted, then a new connection with the new password; it is kept.

    The new password cannot be read. [whitepaper A01]
    """
    with (
        CsmsThread(versions=["1.6"], passwords={IDENTITY: OLD}) as csms,
        station(tmp_path, csms.url, security_profile=1, password=OLD) as under_test,
    ):
        wait_connected(csms)
        before = csms.now.connections[IDENTITY]
        answer = csms.call(IDENTITY, "ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW})
        assert answer == {"status": "Accepted"}
        csms.now.passwords = {IDENTITY: NEW}
        under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, before))
        (key,) = csms.call(IDENTITY, "GetConfiguration", {"key": ["AuthorizationKey"]})["configurationKey"]
        assert "value" not in key
        under_test.kill()
        csms.now.messages.clear()
        under_test.start()
        wait_connected(csms)


def test_TC_CP_V16_083_upgrade_security_profile(tmp_path: Path, root: Certificate) -> None:
    """ChangeConfiguration of SecurityProfile to a higher one: Accepted, then a new connection by it; it is kept.

    From 1 to 2, the prerequisites being there. [whitepaper A05.FR.05]-[A05.FR.07]
    """
    serving = Certificate("csms", root, names=("127.0.0.1",)).server(tmp_path)
    with CsmsThread(versions=["1.6"], passwords={IDENTITY: OLD}) as csms:
        settings = {"security_profile": 1, "password": OLD, "ca": str(tmp_path / "root.pem")}
        with station(tmp_path, csms.url, **settings) as under_test:
            wait_connected(csms)
            before = csms.now.connections[IDENTITY]
            answer = csms.call(IDENTITY, "ChangeConfiguration", {"key": "SecurityProfile", "value": "2"})
            assert answer == {"status": "Accepted"}
            csms.run(csms.now.stop)
            csms.run(csms.now.start, port=csms.now.port, tls=serving)
            under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, before), 40)
            (key,) = csms.call(IDENTITY, "GetConfiguration", {"key": ["SecurityProfile"]})["configurationKey"]
            assert key["value"] == "2"
            under_test.kill()
            csms.now.messages.clear()
            under_test.start()
            wait_connected(csms)


def test_TC_CP_V16_085_basic_authentication(tmp_path: Path) -> None:
    """Profile 1: user name and password are in the request; the CSMS refuses it with another password."""
    with CsmsThread(versions=["1.6"], passwords={IDENTITY: NEW}) as csms:
        with station(tmp_path, csms.url, security_profile=1, password=OLD) as under_test:
            under_test.wait(lambda: "401" in under_test.tail())
            assert not csms.now.messages
            csms.now.passwords = {IDENTITY: OLD}
            wait_connected(csms)


def test_TC_CP_V16_086_tls_server_side_certificate(tmp_path: Path, root: Certificate) -> None:
    """Profile 2: the station checks the CSMS's certificate against its root, then names itself by its password.

    Of a server whose certificate is from another root it hears nothing but a closed connection.
    """
    other = Certificate("Other", ca=True)
    with CsmsThread(versions=["1.6"], passwords={IDENTITY: OLD}) as csms:
        url = listen(csms, Certificate("csms", other, names=("127.0.0.1",)), tmp_path)
        settings = {"security_profile": 2, "password": OLD, "ca": str(tmp_path / "root.pem")}
        with station(tmp_path, url, **settings) as under_test:
            under_test.wait(lambda: "certificate" in under_test.tail())
            assert not csms.now.messages
        url = listen(csms, Certificate("csms", root, names=("127.0.0.1",)), tmp_path)
        with station(tmp_path, url, **settings):
            wait_connected(csms)


def test_TC_CP_V16_087_tls_client_side_certificate(tmp_path: Path, root: Certificate) -> None:
    """Profile 3: both sides show certificates; there is no password."""
    cert, key = Certificate(IDENTITY, root).write(tmp_path, "client")
    ca = str(tmp_path / "root.pem")
    with CsmsThread(versions=["1.6"]) as csms:
        url = listen(csms, Certificate("csms", root, names=("127.0.0.1",)), tmp_path, clients=ca)
        with station(tmp_path, url, security_profile=3, ca=ca, cert=cert, key=key):
            wait_connected(csms)
