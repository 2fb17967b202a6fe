"""End points for tests of the connection: two CSMSs at 127.0.0.1 and 127.0.0.2, deaf ones, TLS; the station a process.

with end_points("2.0.1") as (csms, other), station(tmp_path, "2.0.1", csms.url) as under_test:
    wait_booted(csms, under_test)
    migrate(csms, profile(url(other)))
    restart(csms, under_test)
    wait_booted(other, under_test)
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

from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.states201 import variable
from tests.support.station import Station

IDENTITY = "CS001"
PASSWORD = "Password-01234567"
RESTART = 75
# A machine that is busy with other tests takes its time.
LIMIT_S = 40.0
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
backoff_random_s = 0
{security}
{slots}

[behaviour]
reset_delay_s = 0

[ocpp.variables]
OCPPCommCtrlr.RetryBackOffWaitMinimum = 0
SecurityCtrlr.AdditionalRootCertificateCheck = {check}
"""


def station(directory: Path, version: str, url: str, check: bool = False, slots: str = "", **security: Any) -> Station:
    """`check`: AdditionalRootCertificateCheck; `slots`: tables [csms.slot.N]; `security`: settings of [csms]."""
    lines = "\n".join(f"{name} = {value!r}" for name, value in security.items())
    checked = str(check).lower()
    text = FILE.format(url=url, identity=IDENTITY, version=version, security=lines, slots=slots, check=checked)
    return Station(directory, url, version, text=text)


@contextlib.contextmanager
def by_tls(
    directory: Path, version: str, authority: Authority, check: bool = False
) -> Iterator[tuple[CsmsThread, CsmsThread, Station]]:
    """The end points, and a booted station that has authenticated the first one by TLS (security profile 2)."""
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, authority.server(), "127.0.0.1")
        address = url(csms, "127.0.0.1", "wss")
        under_test = station(directory, version, address, check, security_profile=2, password=PASSWORD)
        authority.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            yield csms, other, under_test


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
    csms.expect("BootNotification", limit_s=LIMIT_S)
    under_test.wait(under_test.booted, LIMIT_S)
    available = lambda said: "Available" in (said.get("connectorStatus"), said.get("status"))  # noqa: E731
    csms.expect("StatusNotification", available, limit_s=LIMIT_S)
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
    assert under_test.ended(LIMIT_S) == RESTART
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
