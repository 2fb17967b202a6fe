"""The connection over TLS: security profiles 2 and 3, and each refusal in words."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shell.test_connection import Station, failed, opened, profile
from tests.support.certificates import Certificate
from tests.support.fakeloop import FakeLoop
from tests.support.server import Server


class Site:
    """A loop, a station, an authority and servers with certificates of all kinds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = FakeLoop()
        self.station = Station(self.loop, random=lambda count: bytes(count))
        self.root = Certificate("Root", ca=True)
        self.ca = self.file("root.pem", self.root)
        self.servers: list[Server] = []

    def file(self, name: str, certificate: Certificate) -> str:
        path = self.directory / name
        path.write_text(certificate.pem())
        return str(path)

    def server(self, certificate: Certificate | None = None, clients: str | None = None) -> Server:
        certificate = certificate or Certificate("127.0.0.1", self.root, names=("127.0.0.1",))
        self.servers.append(Server(self.loop, certificate.server(self.directory, clients)))
        return self.servers[-1]

    def failed(self, server: Server, **settings: Any) -> str:
        return failed(self.loop, self.station, server.url, **{"ca": self.ca, **settings})

    def event(self) -> str | None:
        return self.station.failures[0][2]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.station.connection.close()
    site.station.connection.network(False)
    for server in site.servers:
        server.close()
    site.loop.close()


def test_profile_2(site: Site) -> None:
    server = site.server()
    peer = opened(site.loop, server, site.station, security_profile=2, password="secret", ca=site.ca)
    assert site.station.states == ["resolving", "connecting", "tls", "handshake", "open"]
    assert peer.request.headers["Authorization"].startswith("Basic ")
    server.on_text = lambda peer, text: peer.send(text * 2)
    text = "x" * 20_000
    site.station.connection.send(text)
    site.loop.until(lambda: site.station.texts)
    assert site.station.texts == [text * 2]
    site.station.connection.close()
    site.loop.until(lambda: site.station.state == "idle" and peer.ended)


def test_profile_3(site: Site) -> None:
    cert, key = Certificate("SN1", site.root).write(site.directory, "client", "\r\n")
    server = site.server(clients=site.ca)
    peer = opened(site.loop, server, site.station, security_profile=3, cert=cert, key=key, ca=site.ca)
    assert "Authorization" not in peer.request.headers
    assert peer.socket.getpeercert() is not None


def test_new_certificates_count_at_the_next_attempt(site: Site) -> None:
    other = Certificate("Other", ca=True)
    ca = site.file("later.pem", other)
    server = site.server()
    assert "not trusted" in site.failed(server, ca=ca)
    site.file("later.pem", site.root)
    site.loop.advance(site.station.waits())
    site.loop.until(lambda: site.station.state == "open")


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)], ids=["expired", "not yet valid"])
def test_dates(site: Site, days: tuple[int, int]) -> None:
    certificate = Certificate("127.0.0.1", site.root, names=("127.0.0.1",), days=days)
    words = site.failed(site.server(certificate))
    assert ("has expired" if days[1] < 0 else "not valid yet") in words and "the station's clock says 20" in words
    assert site.event() == "InvalidCsmsCertificate"


def test_untrusted_and_self_signed(site: Site) -> None:
    strange = Certificate("127.0.0.1", Certificate("Stranger", ca=True), names=("127.0.0.1",))
    assert f"install the root of the CSMS's certificate (ca = {site.ca})" in site.failed(site.server(strange))
    site.station.failures.clear()
    site.station.connection.close()
    assert "signed by itself" in site.failed(site.server(Certificate("127.0.0.1", names=("127.0.0.1",))))


def test_another_name(site: Site) -> None:
    words = site.failed(site.server(Certificate("csms.example", site.root, names=("csms.example",))))
    assert "not made out to 127.0.0.1" in words


def test_an_intermediate_for_a_root(site: Site) -> None:
    sub = Certificate("Sub", site.root, ca=True)
    server = site.server(Certificate("127.0.0.1", sub, names=("127.0.0.1",)))
    assert "holds an intermediate certificate" in site.failed(server, ca=site.file("sub.pem", sub))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate_missing_or_refused(site: Site, version: ssl.TLSVersion) -> None:
    """TLS 1.3 tells when the HTTP answer is due, not in the handshake."""
    server = site.server(clients=site.ca)
    assert server.tls is not None
    server.tls.maximum_version = version
    words = site.failed(server)
    assert "certificate" in words and "security profile 3" in words
    site.station.failures.clear()
    site.station.connection.close()
    cert, key = Certificate("SN1").write(site.directory, "own")
    words = site.failed(server, security_profile=3, cert=cert, key=key)
    assert "refuses the station's client certificate" in words


def test_end_on_the_http_answer_means_a_refused_client_certificate(site: Site) -> None:
    """Field lesson: some servers just close."""
    cert, key = Certificate("SN1", site.root).write(site.directory, "client")
    server = site.server()
    server.raw = b""
    words = site.failed(server, security_profile=3, cert=cert, key=key)
    assert "most likely it refuses the station's client certificate" in words and cert in words


def test_tls_to_a_plain_port_and_plain_to_a_tls_port(site: Site) -> None:
    plain = Server(site.loop)
    site.servers.append(plain)
    words = failed(site.loop, site.station, plain.url.replace("ws:", "wss:"), ca=site.ca)
    assert "TLS" in words and ("does not speak TLS" in words or "check the port" in words)
    site.station.failures.clear()
    site.station.connection.close()
    words = failed(site.loop, site.station, site.server().url.replace("wss:", "ws:"))
    assert "must begin with wss://" in words


def test_silence_in_the_handshake(site: Site) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    site.station.connection.configure(profile(f"wss://127.0.0.1:{port}", ca=site.ca, connect_timeout_s=9))
    site.station.connection.connect()
    site.loop.until(lambda: site.station.state == "tls")
    site.loop.advance(9)
    assert "does not answer the TLS handshake within 9 s" in site.station.failures[0][1]
    listener.close()


def test_files_that_are_missing(site: Site) -> None:
    server = site.server()
    assert "no trusted root certificate can be loaded: none is configured" in site.failed(server, ca=None)
    site.station.failures.clear()
    site.station.connection.close()
    words = site.failed(server, security_profile=3, cert="/absent.pem", key="/absent.key")
    assert "own certificate cannot be used" in words


def test_on_asyncio(tmp_path: Path) -> None:
    root = Certificate("Root", ca=True)
    (tmp_path / "root.pem").write_text(root.pem())
    context = Certificate("127.0.0.1", root, names=("127.0.0.1",)).server(tmp_path)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        server, station = Server(loop, context), Station(loop)
        server.on_text = lambda peer, text: peer.send(text * 2)
        station.connection.configure(profile(server.url, ca=str(tmp_path / "root.pem")))
        station.connection._on_open = lambda subprotocol: station.connection.send("x" * 10_000)
        station.connection._on_text = lambda text: (station.texts.append(text), station.connection.close())
        station.connection.connect()
        async with asyncio.timeout(5):
            while station.state != "idle":
                await asyncio.sleep(0.001)
        server.close()
        assert station.texts == ["x" * 20_000]

    asyncio.run(scenario())


def test_old_versions_and_foreign_suites(site: Site) -> None:
    """[A00.FR.316, A00.FR.323]"""
    server = site.server()
    assert server.tls is not None
    server.tls.maximum_version = ssl.TLSVersion.TLSv1_2
    server.tls.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    assert "no TLS cipher suite in common" in site.failed(server)
    assert site.event() == "InvalidTLSCipherSuite"


# A clock that was never set


@pytest.mark.parametrize("public", [False, True], ids=["_ssl", "ssl"])
@pytest.mark.parametrize(
    ("days", "floor_days", "fine"),
    [((-10, 10), -5, True), ((5, 10), -5, True), ((-10, -6), -5, False), ((-10, -4), -5, True), ((-10, 10), 20, True)],
    ids=["valid", "not yet valid", "expired before", "expired since", "what is known of the time is wrong"],
)
def test_a_clock_that_was_never_set(
    site: Site, days: tuple[int, int], floor_days: int, fine: bool, public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what had expired by the last time that is known is refused; nothing of HTTP is sent to it."""
    if public:
        monkeypatch.setattr("evse.shell.tls._lean", None)
    certificate = Certificate("127.0.0.1", site.root, names=("127.0.0.1",), days=days)
    server = site.server(certificate)
    floor_s = time.time() + floor_days * 86_400
    settings = {"security_profile": 2, "password": "p" * 16, "ca": site.ca, "clock_floor_s": floor_s}
    if fine:
        opened(site.loop, server, site.station, **settings)
        return
    assert "has expired" in site.failed(server, **settings)
    assert site.event() == "InvalidCsmsCertificate"
    site.loop.until(lambda: server.peers[0].ended)
    assert server.peers[0].heard == b""


def test_an_expired_root_is_refused_though_the_clock_was_never_set(site: Site) -> None:
    old = Certificate("Old", ca=True, days=(-30, -20))
    ca = site.file("old.pem", old)
    server = site.server(Certificate("127.0.0.1", old, names=("127.0.0.1",), days=(-30, 30)))
    assert "has expired" in site.failed(server, ca=ca, clock_floor_s=time.time() - 86_400)
