"""Certificates: read from PEM within bounds, checked as block A of the specification asks, named by hashes.

Whatever is wrong is a JobError "Invalid" whose sentence says what.
"""

from __future__ import annotations

import datetime
import warnings
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from evse.clock import UTC_FLOOR_S
from evse.shell.certificatefiles import BEGIN
from evse.shell.children.main import JobError

# Of one text with certificates: the longest chain of the specification has 10000 characters.
PEM_BYTES = 65536
CHAIN_LENGTH = 10
# From the leaf to the root, both counted.
PATH_LENGTH = 6
RSA_BITS, EC_BITS = 2048, 224  # [A00.FR.502, A00.FR.503]
# A certificate that was made this moment is good though the clocks differ a little. [A02.FR.06, note]
SKEW = datetime.timedelta(seconds=60)
WEAK_HASHES = ("md5", "sha1")
HASHES = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
# Extensions whose meaning is checked here; another that is critical makes a certificate unusable. [RFC 5280 4.2]
KNOWN_EXTENSIONS = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.CertificatePolicies,
    x509.AuthorityKeyIdentifier,
    x509.SubjectKeyIdentifier,
)
# What the cryptography package raises for bytes that are not what they should be.
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

Certificate = x509.Certificate


class When:
    """The time for checks of validity: UTC where it is known, else a floor that has passed for sure."""

    def __init__(self, utc: float | None, floor: float = 0.0) -> None:
        self.known = utc is not None and utc >= UTC_FLOOR_S
        seconds = utc if utc is not None and self.known else max(UTC_FLOOR_S, floor)
        self.at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)

    def check(self, certificate: Certificate) -> None:
        """Raises JobError for a certificate that has expired, or begins later as far as one can know."""
        if certificate.not_valid_after_utc < self.at:
            raise invalid(certificate, f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        if self.known and certificate.not_valid_before_utc > self.at + SKEW:
            raise invalid(certificate, f"is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def invalid(certificate: Certificate, why: str) -> JobError:
    """The error about one certificate."""
    return JobError("Invalid", f"the certificate of {title(certificate)} {why}")


def title(certificate: Certificate) -> str:
    """Common name, else the subject, for people."""
    return (subject(certificate, NameOID.COMMON_NAME) or _text(certificate.subject) or "nobody")[:80]


def _text(name: x509.Name) -> str:
    try:
        return name.rfc4514_string()
    except UNREADABLE:
        return "an unreadable name"


def subject(certificate: Certificate | x509.CertificateSigningRequest, oid: x509.ObjectIdentifier) -> str | None:
    """A part of the subject; None without it."""
    try:
        parts = certificate.subject.get_attributes_for_oid(oid)
    except UNREADABLE:
        return None
    return str(parts[0].value) if parts else None


def load(text: str, most: int = CHAIN_LENGTH) -> list[Certificate]:
    """The certificates of a PEM text in their order, from 1 to `most`. Raises JobError "Invalid"."""
    if len(text) > PEM_BYTES:
        raise JobError("Invalid", f"{len(text)} characters are too long for certificates")
    if "PRIVATE KEY" in text:
        raise JobError("Invalid", "a private key does not belong into a text of certificates")
    count = text.count(BEGIN)
    if not count:
        raise JobError("Invalid", f"no PEM certificate: {BEGIN} is missing")
    if count > most:
        raise JobError("Invalid", f"{count} certificates where there may be {most}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a serial number or a version that only an old reader takes
            found = x509.load_pem_x509_certificates(text.encode("ascii"))
            for certificate in found:
                _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.serial_number
    except (*UNREADABLE, Warning) as error:
        raise JobError("Invalid", f"no valid X.509 certificate: {str(error)[:100]}") from None
    if len(found) != count:
        raise JobError("Invalid", f"{len(found)} of {count} certificates can be read")
    return found


def pem(certificates: list[Certificate]) -> str:
    """PEM text of certificates."""
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def check_properties(certificate: Certificate) -> None:
    """Version, serial number, strength of key and signature. Raises JobError "Invalid". [A00.FR.501 to .508]"""
    if certificate.version is not x509.Version.v3:
        raise invalid(certificate, "is not of X.509 version 3")
    if certificate.serial_number <= 0:
        raise invalid(certificate, "has no serial number")
    try:
        key = certificate.public_key()
        digest = certificate.signature_hash_algorithm
    except UNREADABLE as error:
        raise invalid(certificate, f"has a key or a signature of an unknown kind: {str(error)[:60]}") from None
    check_key(certificate, key)
    if digest is not None and digest.name in WEAK_HASHES:
        raise invalid(certificate, f"is signed with {digest.name.upper()}")
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, KNOWN_EXTENSIONS):
            raise invalid(certificate, f"has a critical extension of unknown meaning, {extension.oid.dotted_string}")


def check_key(certificate: Certificate, key: Any) -> None:
    """Raises JobError for a key below 112 bits of security, or of a kind that is not recommended."""
    if isinstance(key, rsa.RSAPublicKey):
        weak = key.key_size < RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        weak = key.curve.key_size < EC_BITS
    else:
        weak = not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)
    if weak:
        size = getattr(key, "key_size", "")
        raise invalid(certificate, f"has a key that is too weak: {type(key).__name__.removesuffix('PublicKey')} {size}")


def is_authority(certificate: Certificate) -> bool:
    """Whether it may sign certificates: basic constraints, and key usage where there is one."""
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    return bool(constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign))


def extension(certificate: Certificate, kind: Any) -> Any:
    """The value of an extension, None without it."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether names and signature say so."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def is_self_signed(certificate: Certificate) -> bool:
    """Whether it is signed with its own key."""
    return certificate.subject == certificate.issuer and is_issued_by(certificate, certificate)


def path(leaf: Certificate, others: list[Certificate], roots: list[Certificate], when: When) -> list[Certificate]:
    """The certification path from the leaf to one of the roots, both included. [RFC 5280 section 6]

    Raises JobError "Invalid" that tells why the most promising path fails.
    """
    trail = _extend([leaf], others, roots)
    if trail is None:
        raise invalid(leaf, "leads to none of the installed root certificates")
    for below, certificate in enumerate(trail):
        check_properties(certificate)
        when.check(certificate)
        if below:
            if not is_authority(certificate):
                raise invalid(certificate, "is not made for signing certificates")
            limit = extension(certificate, x509.BasicConstraints).path_length
            if limit is not None and below - 1 > limit:
                raise invalid(certificate, f"allows {limit} authorities below it, not {below - 1}")
    return trail


def _extend(trail: list[Certificate], others: list[Certificate], roots: list[Certificate]) -> list[Certificate] | None:
    last = trail[-1]
    for root in roots:
        if last == root or is_issued_by(last, root):
            return trail if last == root else [*trail, root]
    if len(trail) + 1 < PATH_LENGTH:
        for other in others:
            if other not in trail and is_issued_by(last, other):
                longer = _extend([*trail, other], others, roots)
                if longer is not None:
                    return longer
    return None


def same_key(certificate: Certificate, key: Any) -> bool:
    """Whether the certificate is for the public part of `key`."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        own = certificate.public_key()
    except UNREADABLE:
        return False
    return bool(own.public_bytes(*form) == key.public_key().public_bytes(*form))


def hash_data(certificate: Certificate, issuers: list[Certificate], algorithm: str = "SHA256") -> dict[str, str]:
    """CertificateHashData: the hashes are those of OCSP; the key hash is "" while the issuer is unknown. [RFC 6960]"""
    issuer = next((one for one in (certificate, *issuers) if is_issued_by(certificate, one)), None)
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer or certificate, HASHES[algorithm])
    request = builder.build()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex() if issuer is not None else "",
        "serialNumber": f"{certificate.serial_number:x}",
    }
