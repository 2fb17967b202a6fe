"""A certificate authority that signs what a station asks for, well or badly."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from tests.support.certificates import Certificate

PARTS = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O", NameOID.COUNTRY_NAME: "C"}


def read(csr: str) -> dict[str, Any]:
    """What a CSR says: parts of the subject, kind and bits of the key; its signature is checked."""
    request = x509.load_pem_x509_csr(csr.encode())
    assert request.is_signature_valid
    key = request.public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    said: dict[str, Any] = {PARTS[part.oid]: part.value for part in request.subject if part.oid in PARTS}
    return {**said, "kind": "rsa" if isinstance(key, rsa.RSAPublicKey) else "ec", "bits": key.key_size}


def sign(
    csr: str,
    issuer: Certificate,
    *,
    days: tuple[float, float] = (-1, 90),
    utc: float | None = None,
    key: Any = None,
    serial: int | None = None,
    digest: hashes.HashAlgorithm | None = None,
    pss: bool = False,
    extensions: tuple[tuple[Any, bool], ...] = (),
    subject: dict[x509.ObjectIdentifier, str] | None = None,
) -> str:
    """The signed certificate of a CSR, with the intermediates of the issuer; everything can be made wrong."""
    request = x509.load_pem_x509_csr(csr.encode())
    at = datetime.datetime.fromtimestamp(utc, datetime.UTC) if utc else datetime.datetime.now(datetime.UTC)
    name = request.subject
    if subject is not None:
        name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject.items()])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject)
        .public_key(key or request.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(at + datetime.timedelta(days=days[0]))
        .not_valid_after(at + datetime.timedelta(days=days[1]))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    terms: dict[str, Any] = {}
    if pss:
        terms["rsa_padding"] = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    made = builder.sign(issuer.key, digest or hashes.SHA256(), **terms)
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    intermediates = [one for one in issuer.chain if one.issuer != one.subject]
    return text + "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in intermediates)


def hash_data(certificate: x509.Certificate | Certificate, issuer: Certificate | None = None) -> dict[str, str]:
    """CertificateHashData, by OCSP's own way to name a certificate."""
    own = certificate.certificate if isinstance(certificate, Certificate) else certificate
    above = own if issuer is None else issuer.certificate
    request = ocsp.OCSPRequestBuilder().add_certificate(own, above, hashes.SHA256()).build()
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{own.serial_number:x}",
    }


def first(pem: str) -> x509.Certificate:
    """The first certificate of a PEM text."""
    return x509.load_pem_x509_certificates(pem.encode())[0]
