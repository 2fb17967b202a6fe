"""evse check: each failure of the interface page against a real server, and the sentence that it ends in."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.check import run_check
from evse.clock import timestamp
from evse.shell.loop import Loop
from tests.support.certificates import Certificate
from tests.support.localhost import needs_localhost
from tests.support.server import Peer, Server


class Csms:
    """A CSMS in a thread of its own; its answer to BootNotification is `boot`."""

    def __init__(self, tls: Any = None, **settings: Any) -> None:
        self.loop = Loop()
        self.server = Server(self.loop, tls)
        for name, value in settings.items():
            setattr(self.server, name, value)
        self.server.on_text = self.answer
        self.boot: Any = {"status": "Accepted", "interval": 300}
        self.clock_ahead_s = 0.0
        self.seen: list[Any] = []
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Csms:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon(self.loop.stop)
        with socket.create_connection(("127.0.0.1", self.server.port)):
            self.thread.join(5)
        assert not self.thread.is_alive()
        self.server.close()
        self.loop.close()

    def answer(self, peer: Peer, text: str) -> None:
        self.seen.append(json.loads(text))
        id = self.seen[-1][1]
        if self.boot is None:
            return
        if self.boot == "close":
            peer.protocol.send_close(1008, "unknown station")
            peer.flush()
        elif isinstance(self.boot, list):
            peer.send(json.dumps([4, id, *self.boot]))
        else:
            peer.send('[2,"x","GetConfiguration",{}]')
            peer.send("noise")
            current = timestamp(time.time() + self.clock_ahead_s)
            peer.send(json.dumps([3, id, {"currentTime": current, **self.boot}]))


def check(url: str, **settings: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON result; the text form must say the same."""
    profile = {"url": url, "identity": "CP1", "subprotocols": ["ocpp2.1", "ocpp1.6"], **settings}
    out = io.StringIO()
    code = run_check(profile, json=True, out=out)
    result = json.loads(out.getvalue())
    assert (code == 0) == result["ok"]
    assert result["advice"].endswith(".") and "\n" not in result["advice"]
    return code, result


def steps(result: dict[str, Any]) -> str:
    return " ".join(f"{step['step']}{'+' if step['ok'] else '-'}" for step in result["steps"])


def refused(url: str, **settings: Any) -> tuple[str, str]:
    """(steps, advice) of a check that must fail."""
    code, result = check(url, **settings)
    assert code == 1
    return steps(result), result["advice"]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Certificate]:
    certificate = Certificate("Root", ca=True)
    (tmp_path / "root.pem").write_text(certificate.pem())
    yield certificate


def test_all_is_well_in_1_6_and_2_1() -> None:
    with Csms() as csms:
        code, result = check(csms.server.url)
        assert code == 0 and result["advice"].startswith("Everything works")
        assert steps(result) == "dns+ tcp+ http+ subprotocol+ boot+"
        assert result["url"] == csms.server.url + "/CP1"
        assert csms.seen[0][2:] == [
            "BootNotification",
            {"reason": "Unknown", "chargingStation": {"vendorName": "evse", "model": "check"}},
        ]
        csms.server.subprotocols = ("ocpp1.6",)
        out = io.StringIO()
        profile = {"url": csms.server.url, "identity": "CP1", "subprotocols": ["ocpp1.6"]}
        assert run_check(profile, out=out, vendor="Acme", model="One") == 0
        assert csms.seen[1][3] == {"chargePointVendor": "Acme", "chargePointModel": "One"}
        lines = out.getvalue().splitlines()
        assert lines[0] == csms.server.url + "/CP1" and len(lines) == 7
        assert "Accepted, heartbeat every 300 s" in lines[5] and lines[6].startswith("Everything works")


def test_over_tls_the_certificate_is_shown(tmp_path: Path, root: Certificate) -> None:
    good = Certificate("127.0.0.1", root, names=("127.0.0.1",))
    with Csms(good.server(tmp_path)) as csms:
        code, result = check(csms.server.url, ca=str(tmp_path / "root.pem"), security_profile=2, password="p" * 16)
    assert code == 0 and steps(result) == "dns+ tcp+ tls+ http+ subprotocol+ boot+"
    detail = result["steps"][2]["detail"]
    assert detail.startswith("TLSv1.3") and "127.0.0.1, issued by Root, until" in detail
    assert "p" * 16 not in str(result)


def test_wrong_path() -> None:
    with Csms(status=404) as csms:
        done, advice = refused(csms.server.url + "/wrong")
    assert done == "dns+ tcp+ http-"
    assert advice.startswith("The CSMS does not know /ocpp/wrong/CP1 (404 Not Found); check the path in the url")


def test_identity_twice() -> None:
    with Csms(status=404) as csms:
        _, advice = refused(csms.server.url + "/cp1")
    assert "the path holds the identity twice: leave it out of the url" in advice


def test_identity_missing() -> None:
    code, result = check("ws://csms.example/ocpp", identity="")
    assert code == 2 and steps(result) == "settings-" and "identity is missing" in result["advice"]


@needs_localhost
def test_localhost_and_refused_port() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    done, advice = refused(f"ws://localhost:{port}/ocpp")
    assert done == "dns+ tcp-" and "localhost means the station itself" in advice


def test_dns() -> None:
    done, advice = refused("ws://csms.invalid/ocpp")
    assert done == "dns-" and advice.startswith("The name csms.invalid cannot be resolved")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "The CSMS wants a password (401 Unauthorized); set security_profile to 1"),
        ({"security_profile": 1, "password": "wrong"}, "The CSMS refused user name and password (401 Unauthorized)"),
    ],
)
def test_401(settings: dict[str, Any], words: str) -> None:
    with Csms(status=401) as csms:
        done, advice = refused(csms.server.url, **settings)
    assert done == "dns+ tcp+ http-" and advice.startswith(words)


def test_400_without_a_version_in_common() -> None:
    with Csms(status=400) as csms:
        done, advice = refused(csms.server.url)
    assert done == "dns+ tcp+ http-" and "none of the versions offered (ocpp2.1, ocpp1.6)" in advice


def test_no_subprotocol_chosen() -> None:
    with Csms(subprotocols=()) as csms:
        done, advice = refused(csms.server.url)
    assert done == "dns+ tcp+ http+ subprotocol-"
    assert advice.startswith("The CSMS speaks none of the versions offered (ocpp2.1, ocpp1.6); set ocpp_versions")


def test_untrusted_certificate(tmp_path: Path, root: Certificate) -> None:
    strange = Certificate("127.0.0.1", Certificate("Stranger", ca=True), names=("127.0.0.1",))
    with Csms(strange.server(tmp_path)) as csms:
        done, advice = refused(csms.server.url, ca=str(tmp_path / "root.pem"))
    assert done == "dns+ tcp+ tls-" and "issued by somebody who is not trusted; install the root" in advice


@pytest.mark.parametrize(
    ("days", "words"), [((-9, -1), "has expired; have it renewed"), ((1, 9), "certificate is not valid yet")]
)
def test_dates_of_the_certificate(tmp_path: Path, root: Certificate, days: tuple[int, int], words: str) -> None:
    """An expired certificate and a wrong clock look alike: both sentences name the clock."""
    certificate = Certificate("127.0.0.1", root, names=("127.0.0.1",), days=days)
    with Csms(certificate.server(tmp_path)) as csms:
        done, advice = refused(csms.server.url, ca=str(tmp_path / "root.pem"))
    assert done == "dns+ tcp+ tls-" and words in advice and "the station's clock says 20" in advice


def test_client_certificate_wanted(tmp_path: Path, root: Certificate) -> None:
    good = Certificate("127.0.0.1", root, names=("127.0.0.1",))
    with Csms(good.server(tmp_path, clients=str(tmp_path / "root.pem"))) as csms:
        done, advice = refused(csms.server.url, ca=str(tmp_path / "root.pem"))
    assert done.startswith("dns+ tcp+ tls") and done.endswith("-") and "security profile 3" in advice


@pytest.mark.parametrize(("ahead_s", "words"), [(3600.0, "3600 s behind"), (-60.0, "60 s ahead of")])
def test_wrong_clock(ahead_s: float, words: str) -> None:
    with Csms() as csms:
        csms.clock_ahead_s = ahead_s
        code, result = check(csms.server.url)
    assert code == 0 and result["code"] == "clock"
    assert words in result["advice"] and "set the clock" in result["advice"]


@pytest.mark.parametrize(
    ("boot", "words"),
    [
        ({"status": "Pending", "interval": 5}, "answers Pending"),
        ({"status": "Rejected", "interval": 5}, "rejects the station: check that CP1 is registered"),
        (["SecurityError", "who are you"], "with an error (SecurityError who are you)"),
        ({"status": "Accepted"}, "is not as OCPP says"),
        ("close", "closed by the CSMS: 1008 unknown station"),
    ],
)
def test_answers_to_boot_notification(boot: Any, words: str) -> None:
    with Csms() as csms:
        csms.boot = boot
        done, advice = refused(csms.server.url)
    assert done == "dns+ tcp+ http+ subprotocol+ boot-" and words in advice


def test_no_answer_to_boot_notification() -> None:
    with Csms() as csms:
        csms.boot = None
        done, advice = refused(csms.server.url, call_timeout_s=0.05)
    assert done.endswith("boot-") and "BootNotification is not answered within 0.05 s" in advice
