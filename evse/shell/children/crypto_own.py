"""The station's own certificates: key pairs that never leave it, requests for signing, what comes back signed. [A02]

A key waits as pending-*.key beside its pending-*.csr until the signed certificate arrives; then both get the name of
that: when it begins, and its serial number. The newest counts; the others stay until it has served.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evse.shell import certificatefiles
from evse.shell.certificatefiles import SERVED
from evse.shell.children import crypto, crypto_layout
from evse.shell.children.crypto_layout import CLIENTS
from evse.shell.children.main import JobError

# use -> (directories of the finished pair, curve, types of root that it may stand on, purpose in extended key usage).
# ISO 15118-2 demands secp256r1, ISO 15118-20 secp521r1; "" serves for both connections [A00.FR.428].
USES: dict[str, tuple[tuple[str, ...], ec.EllipticCurve, tuple[str, ...], Any]] = {
    "ChargingStationCertificate": (
        ("ChargingStationCertificate",), ec.SECP256R1(), ("CSMSRootCertificate",), ExtendedKeyUsageOID.CLIENT_AUTH),
    "V2GCertificate": (("V2GCertificate",), ec.SECP256R1(), ("V2GRootCertificate",), ExtendedKeyUsageOID.SERVER_AUTH),
    "V2G20Certificate": (("V2GCertificate",), ec.SECP521R1(), ("V2GRootCertificate",), ExtendedKeyUsageOID.SERVER_AUTH),
    "": (tuple(CLIENTS), ec.SECP256R1(), ("V2GRootCertificate", "CSMSRootCertificate"), None),
}  # fmt: skip
SUBJECT = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "C": NameOID.COUNTRY_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
}
RSA_BITS = 3072
# Pairs of one kind; the oldest beyond go, but never the one that the connection uses. Each EVSE may have its V2G one.
PAIRS, V2G_PAIRS = 4, 32


def pairs(places: dict[str, Any], use: str) -> list[tuple[str, str]]:
    """(certificate file, key file) of one kind, the newest first; what the station file names comes last."""
    directory = crypto_layout.place(places, CLIENTS[use])
    found = [(_begins(f"{path}.pem"), path) for path in certificatefiles.pairs(directory)]
    files = [(f"{path}.pem", f"{path}.key") for _, path in sorted(found, reverse=True)]
    named = places.get("cert"), places.get("key")
    if use == "ChargingStationCertificate" and all(named) and not (files and os.path.exists(f"{directory}/{SERVED}")):
        files.append(named)  # type: ignore[arg-type]
    return files


def all_pairs(places: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Use -> pairs."""
    return {use: pairs(places, use) for use in CLIENTS}


def _begins(path: str) -> float:
    try:
        return crypto_layout.read(path)[0].not_valid_before_utc.timestamp()
    except (JobError, IndexError):
        return 0.0


def _pending(places: dict[str, Any], use: str) -> str:
    return f"{crypto_layout.place(places, CLIENTS[USES[use][0][0]])}/pending-{use or 'Combined'}"


def csr(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """A new key pair and the request to sign it; `again`: the request that still waits, if there is one. [A02.FR.02]"""
    use = request["use"]
    path = _pending(places, use)
    text = crypto_layout.read_text(f"{path}.csr") if request.get("again") else None
    if text is None or not os.path.exists(f"{path}.key"):
        key: Any = ec.generate_private_key(USES[use][1])
        if (places.get("store") or {}).get("key_type") == "rsa" and use == "ChargingStationCertificate":
            key = rsa.generate_private_key(65537, RSA_BITS)
        text = _request(key, request["subject"])
        crypto_layout.remove(f"{path}.csr")  # never the old request with the new key
        crypto_layout.write(f"{path}.key", _secret(key))
        crypto_layout.write(f"{path}.csr", text)
    return {"csr": text, "root": _root_hash(places) if use.startswith("V2G") else None}


def _request(key: Any, subject: dict[str, str]) -> str:
    try:
        name = x509.Name([x509.NameAttribute(SUBJECT[part], text) for part, text in subject.items() if text])
        usage = x509.KeyUsage(True, False, not isinstance(key, ec.EllipticCurvePrivateKey), False, False,
                              False, False, False, False)  # fmt: skip
        builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(usage, critical=True)
        signed = builder.sign(key, hashes.SHA256())
    except ValueError as error:
        raise JobError("Invalid", f"no subject for a certificate: {error}") from None
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def _secret(key: Any) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text: bytes = key.private_bytes(*form)
    return text.decode()


def _root_hash(places: dict[str, Any]) -> dict[str, str] | None:
    """The V2G root that the certificate should stand on. [2.1 A02.FR.27]"""
    roots = crypto_layout.read(crypto_layout.paths(places)["V2GRootCertificate"])
    return crypto.hash_data(roots[0], []) if roots else None


def signed(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """Takes a signed certificate and its chain into use, if it is good and for the key that waits. [A02.FR.06]"""
    use = request["use"]
    pending = _pending(places, use)
    secret = crypto_layout.read_text(f"{pending}.key")
    asked = crypto_layout.read_text(f"{pending}.csr")
    if secret is None or asked is None:
        raise JobError("NoRequest", "no certificate was asked to be signed")
    leaf, *others = crypto.load(request["chain"])
    when = crypto.When(request.get("utc"), crypto_layout.last_utc(places))
    if not crypto.same_key(leaf, serialization.load_pem_private_key(secret.encode(), None)):
        raise crypto.invalid(leaf, "is not for the key of the last request")
    _check_leaf(leaf, x509.load_pem_x509_csr(asked.encode()), use)
    trail = crypto.path(leaf, [*others, *_intermediates(places)], _roots(places, use), when)
    kept = trail[:-1] or trail  # without the root, which the other side must have of its own
    name = f"{leaf.not_valid_before_utc:%Y%m%dT%H%M%SZ}-{leaf.serial_number:x}"
    for kind in USES[use][0]:
        path = f"{crypto_layout.place(places, CLIENTS[kind])}/{name}"
        crypto_layout.write(f"{path}.key", secret)  # first: a pair begins to count with its certificate
        crypto_layout.write(f"{path}.pem", crypto.pem(kept))
        _discard_old(places, kind, path)
    crypto_layout.remove(f"{pending}.key", f"{pending}.csr")
    return {"subject": crypto.title(leaf), "not_after": leaf.not_valid_after_utc.timestamp()}


def _check_leaf(leaf: crypto.Certificate, asked: x509.CertificateSigningRequest, use: str) -> None:
    """Owner, name and purpose. [A00.FR.509, .511, .512]"""
    if not crypto.subject(leaf, NameOID.ORGANIZATION_NAME):
        raise crypto.invalid(leaf, "names no organization")
    if crypto.subject(leaf, NameOID.COMMON_NAME) != crypto.subject(asked, NameOID.COMMON_NAME):
        wanted = crypto.subject(asked, NameOID.COMMON_NAME)
        raise crypto.invalid(leaf, f"has another common name than was asked for: {wanted!r}")
    constraints = crypto.extension(leaf, x509.BasicConstraints)
    usage = crypto.extension(leaf, x509.KeyUsage)
    purposes = crypto.extension(leaf, x509.ExtendedKeyUsage)
    wanted_purpose = USES[use][3]
    if constraints is not None and constraints.ca:
        raise crypto.invalid(leaf, "is for an authority")
    if usage is not None and not usage.digital_signature:
        raise crypto.invalid(leaf, "is not made for signatures")
    if purposes is not None and wanted_purpose is not None:
        if wanted_purpose not in purposes and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes:
            raise crypto.invalid(leaf, "is made for another purpose")


def _roots(places: dict[str, Any], use: str) -> list[crypto.Certificate]:
    found = []
    for kind in USES[use][2]:
        csms = kind == "CSMSRootCertificate"
        found += crypto_layout.csms_roots(places) if csms else crypto_layout.read(crypto_layout.paths(places)[kind])
    return found


def _intermediates(places: dict[str, Any]) -> list[crypto.Certificate]:
    return [one for path in crypto_layout.intermediates(places) for one in crypto_layout.read(path)]


def _discard_old(places: dict[str, Any], kind: str, new: str) -> None:
    """A V2G certificate replaces those of the same name and curve [A02.FR.15]; others wait until the new one served."""
    own = [pair for pair in pairs(places, kind) if pair[0] not in (f"{new}.pem", places.get("cert"))]
    if kind == "V2GCertificate":
        others = [pair for pair in own if _names(pair[0]) != _names(f"{new}.pem")]
        gone = [pair for pair in own if pair not in others] + others[V2G_PAIRS - 1 :]
    else:
        gone = [pair for pair in own[PAIRS - 1 :] if pair[0] != places.get("used")]
    crypto_layout.remove(*(path for pair in gone for path in pair))


def _names(path: str) -> tuple[Any, ...] | None:
    """What tells the owners of V2G certificates apart; None for a file that holds none."""
    try:
        leaf = crypto_layout.read(path)[0]
    except (JobError, IndexError):
        return None
    return leaf.subject, getattr(leaf.public_key(), "key_size", 0), leaf.issuer


def keep(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """The connection stands on the certificate in `path`: the others of the store go. [A02.FR.10]"""
    use = "ChargingStationCertificate"
    own = [pair for pair in pairs(places, use) if pair[0] != places.get("cert")]
    gone = [pair for pair in own if pair[0] != request["path"]]
    newest = bool(own) and own[0] in gone
    crypto_layout.remove(*(path for pair in gone for path in pair))
    if places.get("cert") and len(gone) < len(own):
        crypto_layout.write(f"{crypto_layout.place(places, CLIENTS[use])}/{SERVED}", "")
    return {"discarded": [os.path.basename(path) for path, _ in gone], "newest": newest}


def check(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """When the newest certificate of each kind ends."""
    expires = {}
    for use, files in all_pairs(places).items():
        for path, _ in files[:1]:
            try:
                leaf = crypto_layout.read(path)[0]
            except (JobError, IndexError):
                continue
            expires[use] = leaf.not_valid_after_utc.timestamp()
    return {"expires": expires}
