"""TLS: what is trusted, what is refused, each refusal with its own word; on the C module and on the public one."""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from evse.shell import tls
from evse.shell.channel import ChannelError, Socket
from tests.support.certificates import Certificate


class Pki:
    """One root, an intermediate, and server certificates below it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = Certificate("Root", ca=True)
        self.sub = Certificate("Sub", self.root, ca=True)
        self.ca = self.file("root.pem", self.root.pem())
        self.good = Certificate("csms.example", self.root, names=("csms.example", "127.0.0.1"))

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_bytes(text.encode())
        return str(path)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=[False, True], ids=["_ssl", "ssl"])
def public(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Wire:
    """A channel under test and a server, both in this thread, over a pair of sockets."""

    def __init__(self, context: tuple[Any, Any], host: str, server: ssl.SSLContext | None, raw: bytes = b"") -> None:
        ours, theirs = socket.socketpair()
        self.theirs = theirs
        for end in (ours, theirs):
            end.setblocking(False)
        self.channel = tls.TlsChannel(Socket(fileno=ours.detach()), *context, host)
        self.server = None
        self.raw = raw
        if server is not None:
            self.server = server.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)

    def shake(self) -> None:
        """Runs both handshakes to the end; raises what the channel raises."""
        for _ in range(20):
            want = self.channel.handshake()
            if self.server is None:
                self.theirs.send(self.raw) if self.raw else self.theirs.close()
            else:
                try:
                    self.server.do_handshake()
                    if want is None:
                        return
                except ssl.SSLWantReadError:
                    continue
                except OSError:
                    want = "read"
        raise AssertionError("no end of the handshake")

    def refused(self) -> str:
        with pytest.raises(ChannelError) as caught:
            self.shake()
        self.close()
        return caught.value.code

    def close(self) -> None:
        self.channel.close()
        (self.server or self.theirs).close()


def wire(pki: Pki, certificate: Certificate, host: str = "csms.example", public: bool = False, **options: Any) -> Wire:
    options.setdefault("ca", pki.ca)
    return Wire(tls.new_context(public=public, **options), host, certificate.server(pki.directory))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_both_ways(pki: Pki, public: bool, version: ssl.TLSVersion) -> None:
    context = pki.good.server(pki.directory)
    context.minimum_version = context.maximum_version = version
    line = Wire(tls.new_context(pki.ca, public=public), "csms.example", context)
    line.shake()
    assert line.server is not None and line.channel.terms().startswith(version.name.replace("_", "."))
    assert line.channel.read(10) is None
    assert line.channel.write(bytearray(b"ping")) == 4 and line.server.read(10) == b"ping"
    line.server.write(b"0123456789")
    assert line.channel.read(4) == b"0123" and line.channel.pending()
    assert line.channel.read(100) == b"456789" and not line.channel.pending()
    line.close()
    line.channel.close()


def test_a_full_pipe_takes_nothing_and_goes_on_where_it_stopped(pki: Pki, public: bool) -> None:
    line = wire(pki, pki.good, public=public)
    line.shake()
    assert line.server is not None
    data = bytearray(b"x" * 3_000_000)
    want, total = len(data), 0
    while data:
        del data[: line.channel.write(data)]
        try:
            while got := len(line.server.read(65536)):
                total += got
        except ssl.SSLWantReadError:
            continue
    while total < want:
        total += len(line.server.read(65536))
    line.close()


def test_the_other_side_ends(pki: Pki, public: bool) -> None:
    line = wire(pki, pki.good, public=public)
    line.shake()
    assert line.server is not None
    line.server.close()
    assert line.channel.read(10) == b""
    line.close()


@pytest.mark.parametrize("name", ["csms.example", "127.0.0.1"])
def test_name_or_address_of_the_certificate(pki: Pki, public: bool, name: str) -> None:
    wire(pki, pki.good, name, public).shake()


@pytest.mark.parametrize(
    ("common_name", "names", "host"),
    [
        ("csms.example", (), "csms.example"),
        ("csms.example", ("10.0.0.1",), "csms.example"),
        ("csms.example", ("other.example",), "csms.example"),
        ("x", ("*.csms.example",), "a.csms.example"),
        ("*.csms.example", (), "a.csms.example"),
    ],
)
def test_common_name_and_wildcard_count(pki: Pki, public: bool, common_name: str, names: Any, host: str) -> None:
    """[A00.FR.309, A00.FR.510]"""
    wire(pki, Certificate(common_name, pki.root, names=names), host, public).shake()


@pytest.mark.parametrize(
    ("common_name", "names", "host"),
    [
        ("csms.example", (), "other.example"),
        ("x", ("*.csms.example",), "a.b.csms.example"),
        ("x", ("c*.example",), "csms.example"),
        ("x", ("10.0.0.1",), "10.0.0.2"),
    ],
)
def test_another_name(pki: Pki, public: bool, common_name: str, names: Any, host: str) -> None:
    certificate = Certificate(common_name, pki.root, names=names)
    assert wire(pki, certificate, host, public).refused() == "cert_hostname"
    wire(pki, certificate, host, public, verify_hostname=False).shake()


def test_life_of_the_certificate(pki: Pki, public: bool) -> None:
    expired = Certificate("csms.example", pki.root, days=(-10, -1))
    early = Certificate("csms.example", pki.root, days=(1, 10))
    assert wire(pki, expired, public=public).refused() == "cert_expired"
    assert wire(pki, early, public=public).refused() == "cert_not_yet_valid"


def test_who_signed_it(pki: Pki, public: bool) -> None:
    stranger = Certificate("csms.example", Certificate("Stranger", ca=True))
    own = Certificate("csms.example")
    below = Certificate("csms.example", pki.sub)
    sub = pki.file("sub.pem", pki.sub.pem())
    assert wire(pki, stranger, public=public).refused() == "cert_unknown_issuer"
    assert wire(pki, own, public=public).refused() == "cert_self_signed"
    wire(pki, below, public=public).shake()
    assert wire(pki, below, public=public, ca=sub).refused() == "cert_intermediate_root"
    wire(pki, own, public=public, ca=pki.file("own.pem", own.pem())).shake()


def test_a_weak_key_is_refused(pki: Pki) -> None:
    """[A00.FR.502]"""
    weak = Certificate("csms.example", pki.root, key="rsa1024")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(*weak.write(pki.directory, "weak"))
    assert Wire(tls.new_context(pki.ca), "csms.example", context).refused() == "cert_weak"


def test_rsa_with_the_suites_of_the_specification(pki: Pki) -> None:
    """[A00.FR.319]"""
    context = Certificate("csms.example", pki.root, key="rsa2048").server(pki.directory)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"):
        context.set_ciphers(suite)
        line = Wire(tls.new_context(pki.ca), "csms.example", context)
        line.shake()
        assert line.channel.terms() == f"TLSv1.2, {suite}"


def test_an_old_version_and_a_foreign_suite_are_refused(pki: Pki, public: bool) -> None:
    """[A00.FR.313, A00.FR.323]"""
    old = pki.good.server(pki.directory)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    assert Wire(tls.new_context(pki.ca, public=public), "csms.example", old).refused() == "tls_version"
    foreign = pki.good.server(pki.directory)
    foreign.maximum_version = ssl.TLSVersion.TLSv1_2
    foreign.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    assert Wire(tls.new_context(pki.ca, public=public), "csms.example", foreign).refused() == "tls_cipher"


def test_what_is_no_tls(pki: Pki, public: bool) -> None:
    def context() -> Any:
        return tls.new_context(pki.ca, public=public)

    assert Wire(context(), "x", None, b"HTTP/1.1 400 Bad Request\r\n\r\n").refused() == "tls_plain_port"
    assert Wire(context(), "x", None, b"").refused() == "tls_eof"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate(pki: Pki, public: bool, version: ssl.TLSVersion) -> None:
    cert, key = Certificate("SN1", pki.root).write(pki.directory, "client", "\r\n")
    context = pki.good.server(pki.directory, clients=pki.ca)
    context.maximum_version = version
    Wire(tls.new_context(pki.ca, cert, key, public=public), "csms.example", context).shake()
    bare = Wire(tls.new_context(pki.ca, public=public), "csms.example", context)
    with pytest.raises(ChannelError) as caught:  # TLS 1.3 tells only after the client's handshake is done
        for _ in range(10):
            want = bare.channel.handshake()
            try:
                assert bare.server is not None
                bare.server.do_handshake()
            except OSError:
                if want is None:
                    bare.channel.read(10)
    assert caught.value.code == "tls_client_certificate"
    bare.close()


def test_roots_in_files_and_directories(pki: Pki, public: bool) -> None:
    crlf = pki.file("crlf.pem", pki.root.pem().replace("\n", "\r\n"))
    wire(pki, pki.good, public=public, ca=crlf).shake()
    several = pki.directory / "several"
    several.mkdir(exist_ok=True)
    (several / "a.pem").write_text(Certificate("Other", ca=True).pem())
    (several / "b.crt").write_text(pki.root.pem())
    (several / "README").write_text("no certificate")
    wire(pki, pki.good, public=public, ca=str(several)).shake()


def test_a_hashed_directory_is_read_on_demand(pki: Pki) -> None:
    import shutil
    import subprocess

    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command")
    command = [openssl, "x509", "-hash", "-noout", "-in", pki.ca]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    hashed = pki.directory / "hashed"
    hashed.mkdir(exist_ok=True)
    shutil.copy(pki.ca, hashed / f"{out.stdout.strip()}.0")
    wire(pki, pki.good, ca=str(hashed)).shake()


@pytest.mark.parametrize("text", [None, "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_no_roots(pki: Pki, public: bool, text: str | None) -> None:
    path = pki.file("bad.pem", text) if text is not None else str(pki.directory / "absent.pem")
    for ca in (path, None):
        with pytest.raises(ChannelError) as caught:
            tls.new_context(ca, public=public)
        assert caught.value.code == "ca"
    empty = pki.directory / "empty"
    empty.mkdir(exist_ok=True)
    with pytest.raises(ChannelError, match="no certificates"):
        tls.new_context(str(empty), public=public)


def test_client_files_that_do_not_fit(pki: Pki, public: bool) -> None:
    cert, key = Certificate("SN1", pki.root).write(pki.directory, "one")
    _, other = Certificate("SN2", pki.root).write(pki.directory, "two")
    for bad in (other, str(pki.directory / "absent"), cert):
        with pytest.raises(ChannelError) as caught:
            tls.new_context(pki.ca, cert, bad, public=public)
        assert caught.value.code == "client_files"
    tls.new_context(pki.ca, cert, key, public=public)


def test_without_the_c_module_as_known_the_public_one_serves(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in (None, type(sys)("_ssl")):
        monkeypatch.setattr(tls, "_lean", known)
        assert tls.new_context(pki.ca)[0].__name__ == "ssl"


def test_m05_fr_12_a_root_that_another_one_signed_counts_where_that_is_meant(pki: Pki, public: bool) -> None:
    """The note on AdditionalRootCertificateCheck: the new root is signed by the old one, which may be gone."""
    context = Certificate("csms.example", pki.sub, names=("csms.example",)).server(pki.directory)
    ca = pki.file("sub.pem", pki.sub.pem())
    assert Wire(tls.new_context(ca, public=public), "csms.example", context).refused() == "cert_intermediate_root"
    wire = Wire(tls.new_context(ca, public=public, partial=True), "csms.example", context)
    wire.shake()
    assert wire.channel.root() == pki.sub.pem()
    wire.close()


def test_the_root_that_a_connection_stands_on_is_told(pki: Pki, public: bool) -> None:
    both = pki.file("two.pem", Certificate("Other", ca=True).pem() + pki.root.pem())
    wire = Wire(tls.new_context(both, public=public), "csms.example", pki.good.server(pki.directory))
    assert wire.channel.root() is None
    wire.shake()
    assert wire.channel.root() == pki.root.pem()
    wire.close()
