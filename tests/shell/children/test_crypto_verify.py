"""Job "verify": signatures over files, by certificates of the manufacturer."""

from __future__ import annotations

import base64
import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from evse.shell.children import main
from evse.shell.children.crypto_verify import job
from evse.shell.children.main import JobError
from tests.support.certificates import Certificate

SHA256 = hashes.SHA256()


class Maker:
    """A manufacturer with its root, and the store of a station that trusts it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = Certificate("Maker Root", ca=True)
        self.places = {"certificates": str(directory / "certificates"), "state": str(directory)}
        self.trust(self.root)
        self.file = directory / "firmware.bin"
        self.file.write_bytes(b"firmware" * 100_000)

    def trust(self, *roots: Certificate) -> None:
        path = self.directory / "certificates/ca/mf/MF_ROOT_CA.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(root.pem() for root in roots))

    def verify(self, signer: Certificate, signature: bytes | None = None, **more: Any) -> dict[str, Any]:
        request: dict[str, Any] = {"certificate": signer.pem(chain=True), "utc": None}
        if signature is not None:
            request |= {"path": str(self.file), "signature": base64.b64encode(signature).decode()}
        return job({**request, **more}, self.places, lambda news: None)

    def refused(self, signer: Certificate, signature: bytes | None = None, **more: Any) -> tuple[str, str]:
        with pytest.raises(JobError) as error:
            self.verify(signer, signature, **more)
        return error.value.code, str(error.value)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def sign(signer: Certificate, data: bytes, pss: bool = True) -> bytes:
    if isinstance(signer.key, rsa.RSAPrivateKey):
        pad = padding.PSS(padding.MGF1(SHA256), padding.PSS.DIGEST_LENGTH) if pss else padding.PKCS1v15()
        return signer.key.sign(data, pad, SHA256)
    return signer.key.sign(data, ec.ECDSA(SHA256))


@pytest.mark.parametrize(("key", "algorithm"), [("ec", "ECDSA"), ("rsa2048", "RSA-PSS")])
def test_L01_FR_04_a_signature_over_the_whole_file(maker: Maker, key: str, algorithm: str) -> None:
    signer = Certificate("Signer", maker.root, key=key)
    signature = sign(signer, maker.file.read_bytes())
    answer = maker.verify(signer, signature)
    assert answer == {
        "subject": "Signer",
        "not_after": signer.certificate.not_valid_after_utc.timestamp(),
        "algorithm": algorithm,
    }
    assert maker.verify(signer, signature, path="firmware.bin") == answer
    with maker.file.open("ab") as file:
        file.write(b"!")
    assert maker.refused(signer, signature)[0] == "InvalidSignature"


def test_pkcs1_counts_only_where_it_is_asked_for(maker: Maker) -> None:
    signer = Certificate("Signer", maker.root, key="rsa2048")
    signature = sign(signer, maker.file.read_bytes(), pss=False)
    assert maker.refused(signer, signature)[0] == "InvalidSignature"
    assert maker.verify(signer, signature, pkcs1v15=True)["algorithm"] == "RSA-PKCS1v15"


def test_the_signature_of_another_key_does_not_count(maker: Maker) -> None:
    signer, other = Certificate("Signer", maker.root), Certificate("Other", maker.root)
    assert maker.refused(signer, sign(other, maker.file.read_bytes()))[0] == "InvalidSignature"


def test_intermediates_follow_the_certificate(maker: Maker) -> None:
    middle = Certificate("Middle", maker.root, ca=True)
    signer = Certificate("Signer", middle)
    assert maker.verify(signer)["algorithm"] is None
    assert maker.refused(signer, certificate=signer.pem())[0] == "InvalidCertificate"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"days": (-10, -1)}, "has expired"),
        ({"days": (1, 10)}, "valid only from"),
        ({"key": "rsa1024"}, "too weak"),
    ],
)
def test_L01_FR_22_a_certificate_that_is_no_good(maker: Maker, made: dict[str, Any], says: str) -> None:
    signer = Certificate("Signer", maker.root, **made)
    code, text = maker.refused(signer, utc=time.time())
    assert code == "InvalidCertificate"
    assert says in text


def test_a_certificate_of_somebody_else(maker: Maker) -> None:
    stranger = Certificate("Stranger Root", ca=True)
    assert "leads to none" in maker.refused(Certificate("Signer", stranger))[1]
    assert "leads to none" in maker.refused(Certificate("Self", None))[1]
    maker.trust()
    assert "no root certificate" in maker.refused(Certificate("Signer", maker.root))[1]


def test_an_authority_must_be_one(maker: Maker) -> None:
    leaf = Certificate("No authority", maker.root)
    code, text = maker.refused(Certificate("Signer", leaf))
    assert code == "InvalidCertificate"
    assert "not made for signing certificates" in text


@pytest.mark.parametrize("signature", ["", "nonsense!", "QUJD", "A" * 9000, None])
def test_nonsense_for_a_signature(maker: Maker, signature: str | None) -> None:
    signer = Certificate("Signer", maker.root)
    with pytest.raises(JobError) as error:
        job(
            {"certificate": signer.pem(), "path": str(maker.file), "signature": signature}, maker.places, lambda _: None
        )
    assert error.value.code == "InvalidSignature"


def test_a_file_that_is_not_there(maker: Maker) -> None:
    signer = Certificate("Signer", maker.root)
    maker.file.unlink()
    assert maker.refused(signer, b"x")[0] == "Failed"


def test_an_unknown_hash_is_refused(maker: Maker) -> None:
    assert maker.refused(Certificate("Signer", maker.root), b"x", hash="MD5")[0] == "Invalid"


def test_memory_does_not_depend_on_the_size_of_the_file(maker: Maker) -> None:
    signer = Certificate("Signer", maker.root)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with maker.file.open("wb") as file:
        file.truncate(64 << 20)
    assert maker.refused(signer, b"x")[0] == "InvalidSignature"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_the_job_is_known_by_its_name(maker: Maker) -> None:
    request = {"request": {"certificate": Certificate("Signer", maker.root).pem()}, "places": maker.places}
    assert main.run("verify", json.dumps(request).encode(), lambda news: None)["answer"]["subject"] == "Signer"
