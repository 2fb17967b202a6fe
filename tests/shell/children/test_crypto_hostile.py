"""Whatever comes in the place of a certificate: a clear error, in bounded time, and nothing else."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evse.shell.children import crypto
from evse.shell.children.crypto_store import job
from evse.shell.children.main import JobError
from tests.support.certificates import Certificate
from tests.support.signing import first, sign

ROOT = Certificate("Root", ca=True)
DER = ROOT.certificate.public_bytes(serialization.Encoding.DER)
KEY = ROOT.key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def armoured(data: bytes) -> str:
    return f"{BEGIN}\n{base64.encodebytes(data).decode()}{END}\n"


def why(text: str, most: int = 10) -> str:
    """The sentence of the refusal."""
    with pytest.raises(JobError) as error:
        crypto.load(text, most)
    assert error.value.code == "Invalid"
    assert len(str(error.value)) < 250
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no PEM certificate"),
        ("certificate", "no PEM certificate"),
        (base64.b64encode(DER).decode(), "no PEM certificate"),
        (DER.decode("latin-1"), "no PEM certificate"),
        ("x" * 100_000, "too long"),
        (BEGIN, "no valid X.509"),
        (f"{BEGIN}\n{END}\n", "no valid X.509"),
        (f"{BEGIN}\nnot base64!\n{END}\n", "no valid X.509"),
        (armoured(b""), "no valid X.509"),
        (armoured(DER[:-1]), "no valid X.509"),
        (armoured(DER + b"\0"), "no valid X.509"),
        (armoured(b"\x30\x80" * 2000), "no valid X.509"),
        (armoured(b"\x30\x84\xff\xff\xff\xff" + DER), "no valid X.509"),
        (ROOT.pem() + KEY, "private key"),
        (KEY, "private key"),
        (ROOT.pem() * 11, "11 certificates"),
        (ROOT.pem().replace("CERTIFICATE", "CERTIFICATE REQUEST"), "no PEM certificate"),
        (ROOT.pem().replace("CERTIFICATE", "X509 CRL"), "no PEM certificate"),
        (ROOT.pem() + armoured(b"junk"), "no valid X.509"),
        (ROOT.pem() + "ä", "no valid X.509"),
        (ROOT.pem().replace("\n", "\0"), "no valid X.509"),
    ],
)
def test_what_is_no_certificate_is_refused_in_words(text: str, says: str) -> None:
    assert says in why(text)


def test_several_certificates_where_one_is_wanted() -> None:
    assert "2 certificates where there may be 1" in why(ROOT.pem() * 2, 1)


@pytest.mark.parametrize("before", ["", "subject=CN = Root\n", "\n\n", "# a comment\r\n"])
def test_text_around_a_certificate_does_no_harm(before: str) -> None:
    assert crypto.load(before + ROOT.pem() + before) == [ROOT.certificate]


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=2000))
def test_any_text(text: str) -> None:
    with pytest.raises(JobError):
        crypto.load(text)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=1000))
def test_any_bytes_in_armour(data: bytes) -> None:
    why(armoured(data))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_certificate_with_changed_bytes_is_installed_by_nobody(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(DER)
    for index, byte in changes:
        changed[index] = byte
    if bytes(changed) == DER:
        return
    root = tmp_path_factory.mktemp("store", numbered=True)
    request = {"op": "install", "type": "CSMSRootCertificate", "pem": armoured(bytes(changed)), "utc": None, "most": 50}
    with pytest.raises(JobError) as error:
        job(request, {"certificates": str(root)}, lambda news: None)
    assert error.value.code == "Invalid"
    assert not (Path(root) / "ca/csms/CSMS_ROOT_CA.pem").exists()


def test_a_long_text_is_refused_at_once() -> None:
    before = time.perf_counter()
    why("-----BEGIN CERTIFICATE-----\n" * 1_000_000)
    assert time.perf_counter() - before < 0.5


def test_authorities_that_issue_each_other_do_not_loop() -> None:
    """Nine authorities of one name and key, none of them a root: the search is bounded by the length of a path."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(ROOT.certificate.subject)
    csr = builder.sign(ROOT.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    authority = ((x509.BasicConstraints(True, None), True),)
    others = [first(sign(csr, ROOT, extensions=authority)) for _ in range(9)]
    before = time.perf_counter()
    with pytest.raises(JobError) as error:
        crypto.path(others[0], others[1:], [Certificate("Another", ca=True).certificate], crypto.When(None))
    assert "leads to none" in str(error.value)
    assert time.perf_counter() - before < 5


def test_a_certificate_for_a_key_of_no_known_kind(tmp_path: Path) -> None:
    """[A02.FR.07] It is the certificate that is bad, not the station."""
    places = {"certificates": str(tmp_path), "ca": None, "cert": None, "key": None}
    asked = {"op": "csr", "use": "ChargingStationCertificate", "subject": {"CN": "S1", "O": "Acme"}, "again": False}
    job({**asked}, places, lambda news: None)
    oid = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"  # id-ecPublicKey
    assert oid in DER
    strange = armoured(DER.replace(oid, oid[:-1] + b"\x63"))
    with pytest.raises(JobError) as error:
        job({"op": "signed", "use": asked["use"], "chain": strange, "utc": time.time()}, places, lambda news: None)
    assert error.value.code == "Invalid"
