"""Servers that are no good: each is refused in the handshake, before a byte of HTTP, and each is named.

By a security event, by the sentence of the log, and by `evse check`. [A00.FR.309]-[A00.FR.323]
"""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.shell.test_connection import Station, profile
from tests.support.certificates import Certificate
from tests.support.fakeloop import FakeLoop
from tests.support.server import Server
from tests.test_check import Csms, check

PASSWORD = "Password-01234567"
NAMES = ("127.0.0.1",)
EVENT = {"cert": "InvalidCsmsCertificate", "version": "InvalidTLSVersion", "cipher": "InvalidTLSCipherSuite"}
# Of the refusals here that are no certificate's fault.
VERSION, CIPHER = "no TLS version from 1.2 on", "no TLS cipher suite in common"


class Pki:
    """The root that the station trusts, and what goes wrong below it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = Certificate("Root", ca=True)
        self.ca = str(directory / "root.pem")
        Path(self.ca).write_text(self.root.pem())

    def leaf(self, issuer: Certificate | None = None, name: str = "127.0.0.1", **more: Any) -> Certificate:
        return Certificate(name, issuer or self.root, **{"names": NAMES, **more})

    def below(self, leaf: dict[str, Any] | None = None, **sub: Any) -> Certificate:
        """A server certificate under an intermediate with these properties."""
        return self.leaf(Certificate("Sub", self.root, **{"ca": True, **sub}), **(leaf or {}))

    def serving(self, certificate: Certificate) -> ssl.SSLContext:
        """A server that uses whatever it is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(*certificate.write(self.directory, f"server-{id(certificate)}"))
        return context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def usage(**set_: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: set_.get(name, False) for name in names})


def without_intermediate(pki: Pki) -> Certificate:
    made = pki.below()
    del made.chain[1:]
    return made


def limited_to(pki: Pki, network: str) -> Certificate:
    """Below an intermediate that may only issue for a network."""
    constraint = x509.NameConstraints([x509.IPAddress(ipaddress.ip_network(network))], None)
    return pki.below(extensions=((constraint, True),))


def too_deep(pki: Pki) -> Certificate:
    return pki.leaf(Certificate("Deeper", Certificate("Sub", pki.root, ca=True, path_length=0), ca=True))


SHA256_RSA, SHA1_RSA, MD5_RSA = (bytes.fromhex("2a864886f70d0101" + last) for last in ("0b", "05", "04"))


def hashed(pki: Pki, oid: bytes, digest: hashes.HashAlgorithm) -> Certificate:
    """Signed by an algorithm that nobody would use for it any more, and no library either."""
    made = pki.below({"days": (-2, 20)}, key="rsa2048")
    issuer = made.issuer
    assert issuer is not None and isinstance(issuer.key, rsa.RSAPrivateKey)
    body = made.certificate.tbs_certificate_bytes.replace(SHA256_RSA, oid)
    signature = issuer.key.sign(body, padding.PKCS1v15(), digest)
    whole = made.certificate.public_bytes(serialization.Encoding.DER).replace(SHA256_RSA, oid)
    made.certificate = x509.load_der_x509_certificate(whole[: -len(signature)] + signature)
    made.chain[0] = made.certificate
    return made


def usages(*purposes: Any) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.ExtendedKeyUsage(list(purposes)), True),)


UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

# What is wrong -> (the certificate that does it, words of the sentence).
CERTIFICATES: dict[str, tuple[Callable[[Pki], Certificate], str]] = {
    "expired": (lambda pki: pki.leaf(days=(-30, -1)), "has expired"),
    "not yet valid": (lambda pki: pki.leaf(days=(1, 30)), "not valid yet"),
    "expired intermediate": (lambda pki: pki.below(days=(-30, -1)), "has expired"),
    "intermediate not yet valid": (lambda pki: pki.below(days=(1, 30)), "not valid yet"),
    "unknown root": (lambda pki: pki.leaf(Certificate("Other", ca=True)), "somebody who is not trusted"),
    "root of the same name": (lambda pki: pki.leaf(Certificate("Root", ca=True)), "cannot be verified"),
    "self-signed": (lambda pki: Certificate("127.0.0.1", names=NAMES), "signed by itself"),
    "intermediate left out": (without_intermediate, "somebody who is not trusted"),
    "another name": (lambda pki: pki.leaf(name="csms.example", names=("csms.example",)), "not made out to 127.0.0.1"),
    "another address": (lambda pki: pki.leaf(name="127.0.0.2", names=("127.0.0.2",)), "not made out to 127.0.0.1"),
    "address as a name": (lambda pki: pki.leaf(name="x", names=("127.0.0.1.example",)), "not made out to 127.0.0.1"),
    "wildcard for an address": (lambda pki: pki.leaf(name="*.0.0.1", names=("*.0.0.1",)), "not made out to 127.0.0.1"),
    "no name at all": (lambda pki: pki.leaf(name="CSMS", names=()), "not made out to 127.0.0.1"),
    "RSA key of 1024 bits": (lambda pki: pki.leaf(key="rsa1024"), "too weak"),
    "weak intermediate": (lambda pki: pki.below(key="rsa1024"), "too weak"),
    "SHA-1": (lambda pki: hashed(pki, SHA1_RSA, hashes.SHA1()), "too weak"),
    "MD5": (lambda pki: hashed(pki, MD5_RSA, hashes.MD5()), "too weak"),
    "for clients only": (lambda pki: pki.leaf(extensions=usages(CLIENT)), "cannot be verified"),
    "for signing code": (
        lambda pki: pki.leaf(extensions=usages(ExtendedKeyUsageOID.CODE_SIGNING)),
        "cannot be verified",
    ),
    "key for signing certificates": (
        lambda pki: pki.leaf(extensions=((usage(key_cert_sign=True), True),)),
        "cannot be verified",
    ),
    "intermediate that is none": (lambda pki: pki.below(ca=False), "cannot be verified"),
    "intermediate that may not sign": (
        lambda pki: pki.below(extensions=((usage(digital_signature=True), True),)),
        "cannot be verified",
    ),
    "more intermediates than allowed": (too_deep, "cannot be verified"),
    "issued outside its limits": (lambda pki: limited_to(pki, "10.0.0.0/8"), "cannot be verified"),
    "signed by another key": (lambda pki: pki.leaf(signer=Certificate("Thief")), "cannot be verified"),
    "critical extension that nobody knows": (lambda pki: pki.leaf(extensions=((UNKNOWN, True),)), "cannot be verified"),
}


def old(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version

    return change


def only(suites: str) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suites)

    return change


# What is wrong -> (key of the server, what is changed, words of the sentence).
TERMS: dict[str, tuple[str, Callable[[ssl.SSLContext], None], str]] = {
    "TLS 1.0": ("ec", old(ssl.TLSVersion.TLSv1), VERSION),
    "TLS 1.1": ("ec", old(ssl.TLSVersion.TLSv1_1), VERSION),
    "CBC": ("ec", only("ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"), CIPHER),
    "SHA-1 and CBC": ("rsa2048", only("AES128-SHA:@SECLEVEL=0"), CIPHER),
    "no encryption": ("rsa2048", only("NULL-SHA256:@SECLEVEL=0"), CIPHER),
    "no authentication": ("ec", only("aNULL:@SECLEVEL=0"), CIPHER),
    "a suite that the specification does not name": ("ec", only("ECDHE-ECDSA-CHACHA20-POLY1305"), CIPHER),
    "pre-shared key": ("ec", only("PSK-AES128-GCM-SHA256:@SECLEVEL=0"), CIPHER),
}
BAD = [*CERTIFICATES, *TERMS]


def server(pki: Pki, what: str) -> tuple[ssl.SSLContext, str]:
    """The server's context, and words of the sentence that names what is wrong with it."""
    if what in CERTIFICATES:
        make, words = CERTIFICATES[what]
        return pki.serving(make(pki)), words
    key, change, words = TERMS[what]
    context = pki.serving(pki.leaf(key=key))
    change(context)
    return context, words


def event(words: str) -> str:
    return EVENT["version" if words == VERSION else "cipher" if words == CIPHER else "cert"]


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    made = FakeLoop()
    yield made
    made.close()


def test_there_are_enough_of_them() -> None:
    assert len(set(BAD)) >= 25


@pytest.mark.parametrize("what", BAD)
def test_a_bad_server_is_refused_before_a_byte_of_http(what: str, pki: Pki, loop: FakeLoop) -> None:
    context, words = server(pki, what)
    bad, station = Server(loop, context), Station(loop)
    station.connection.configure(profile(bad.url, security_profile=2, password=PASSWORD, ca=pki.ca))
    station.connection.connect()
    loop.until(lambda: station.failures)
    (_, sentence, told) = station.failures[0]
    assert words in sentence and told == event(words)
    assert station.states[:3] == ["resolving", "connecting", "tls"] and "handshake" not in station.states
    station.connection.close()
    loop.until(lambda: all(peer.ended for peer in bad.peers))
    assert [peer.heard for peer in bad.peers] == [b""] and bad.requests == []
    bad.close()


@pytest.mark.parametrize("what", BAD)
def test_a_bad_server_is_named_by_the_check(what: str, pki: Pki) -> None:
    context, words = server(pki, what)
    with Csms(context) as csms:
        code, result = check(csms.server.url, ca=pki.ca, security_profile=2, password=PASSWORD)
        assert csms.server.requests == [] and all(peer.heard == b"" for peer in csms.server.peers)
    assert code == 1 and result["steps"][-1]["step"] == "tls" and not result["steps"][-1]["ok"]
    assert words in result["advice"] and PASSWORD not in str(result)


def test_the_same_server_is_taken_when_nothing_is_wrong(pki: Pki, loop: FakeLoop) -> None:
    """What the others are compared with: else they might be refused for another reason."""
    for certificate in (pki.leaf(), pki.below(), limited_to(pki, "127.0.0.0/8"), pki.leaf(key="rsa2048")):
        good, station = Server(loop, pki.serving(certificate)), Station(loop)
        station.connection.configure(profile(good.url, security_profile=2, password=PASSWORD, ca=pki.ca))
        station.connection.connect()
        until(loop, station, "open")
        assert good.peers[0].heard.startswith(b"GET ")
        station.connection.close()
        until(loop, station, "idle")
        good.close()


def until(loop: FakeLoop, station: Station, state: str) -> None:
    loop.until(lambda: station.state == state)
