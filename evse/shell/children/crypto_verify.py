"""Job "verify": is a file signed with a certificate of the manufacturer, is that certificate good at all? [L01.FR.04]

    request  {"certificate": PEM,       the firmware signing certificate; intermediates may follow it
              "utc": seconds or None,   None: unknown
              "path": file,             in the state directory or absolute; absent: the certificate alone [L01.FR.21]
              "signature": base64,      over the whole file
              "pkcs1v15": false,        whether RSA signatures of the old kind count, too
              "hash": "SHA256"}         SHA256, SHA384 or SHA512
    answer   {"subject": text, "not_after": UTC seconds, "algorithm": "RSA-PSS" | "ECDSA" | "RSA-PKCS1v15" | None}
    errors   "InvalidCertificate"       unreadable, expired, weak, or not below a root of ca/mf/MF_ROOT_CA.pem
             "InvalidSignature"         no signature of this certificate over this file
             "Failed"                   the file cannot be read
             "Invalid"                  the request itself

The file is read in pieces: memory does not depend on its size. What the specification calls EC-Schnorr no library has;
keys on elliptic curves sign with ECDSA.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from evse.shell.children import crypto, crypto_layout
from evse.shell.children.main import JobError

READ_BYTES = 1 << 20
SIGNATURE_BYTES = 4096


def job(request: dict[str, Any], places: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """See the module's text."""
    when = crypto.When(request.get("utc"), crypto_layout.last_utc(places))
    try:
        leaf, *others = crypto.load(request["certificate"])
        roots = crypto_layout.read(crypto_layout.paths(places)["ManufacturerRootCertificate"])
        if not roots:
            raise JobError("Invalid", "no root certificate of the manufacturer is installed")
        crypto.path(leaf, others, roots, when)
        usage = crypto.extension(leaf, x509.KeyUsage)
        if usage is not None and not usage.digital_signature:
            raise crypto.invalid(leaf, "is not made for signatures")
    except JobError as error:
        raise JobError("InvalidCertificate", str(error)) from None
    algorithm = None
    if request.get("path") is not None:
        digest = crypto.HASHES.get(request.get("hash", "SHA256"))
        if digest is None:
            raise JobError("Invalid", f"no hash algorithm: {str(request['hash'])[:20]!r}")
        hashed = _hash(os.path.join(places["state"], request["path"]), digest)
        algorithm = _verify(leaf.public_key(), _signature(request), hashed, digest, bool(request.get("pkcs1v15")))
    return {
        "subject": crypto.title(leaf),
        "not_after": leaf.not_valid_after_utc.timestamp(),
        "algorithm": algorithm,
    }


def _signature(request: dict[str, Any]) -> bytes:
    try:
        signature = binascii.a2b_base64("".join((request.get("signature") or "").split()), strict_mode=True)
    except ValueError:
        raise JobError("InvalidSignature", "the signature is not base64") from None
    if not 0 < len(signature) <= SIGNATURE_BYTES:
        raise JobError("InvalidSignature", f"a signature of {len(signature)} bytes")
    return signature


def _hash(path: str, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    try:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(READ_BYTES):
                digest.update(piece)
    except OSError as error:
        raise JobError("Failed", f"{path}: {error.strerror}") from None
    return digest.finalize()


def _verify(key: Any, signature: bytes, hashed: bytes, digest: hashes.HashAlgorithm, pkcs1v15: bool) -> str:
    """Name of the algorithm by which the signature holds. Raises JobError "InvalidSignature"."""
    tries: list[tuple[str, tuple[Any, ...]]] = []
    prehashed = utils.Prehashed(digest)
    if isinstance(key, rsa.RSAPublicKey):
        tries.append(("RSA-PSS", (padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), prehashed)))
        if pkcs1v15:
            tries.append(("RSA-PKCS1v15", (padding.PKCS1v15(), prehashed)))
    elif isinstance(key, ec.EllipticCurvePublicKey):
        tries.append(("ECDSA", (ec.ECDSA(prehashed),)))
    for name, terms in tries:
        try:
            key.verify(signature, hashed, *terms)
        except (InvalidSignature, *crypto.UNREADABLE):
            continue
        return name
    kinds = " or ".join(name for name, _ in tries) or "a kind of key that signs no firmware"
    raise JobError("InvalidSignature", f"no signature of this certificate over this file ({kinds})")
