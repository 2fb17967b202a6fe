"""Job "certificates": everything that is done with the certificate store (its layout: crypto_layout.py).

    {"op": "show"}                                             -> {"shown": [...]}  for people
    {"op": "ids", "types": [...] or None}                      -> {"chains": [CertificateHashDataChain, ...]}
    {"op": "install", "type", "pem", "utc", "most", "check"}   -> {}      [M05]  check: AdditionalRootCertificateCheck
    {"op": "delete", "hash": CertificateHashData}              -> {}      [M04]
    {"op": "trusted"}                                          -> {"removed": bool}      the new CSMS root has served
    {"op": "csr", "use", "subject", "again"}                   -> {"csr": PEM, "root": CertificateHashData or None}
    {"op": "signed", "use", "chain", "utc"}                    -> {"subject", "not_after"}            [A02.FR.06]
    {"op": "keep", "path"}                                     -> {"discarded": [...], "newest": bool}   [A02.FR.10]
    {"op": "check", "utc"}                                     -> {"expires": {use: UTC seconds}}        [A03.FR.02]

`use` is a CertificateSigningUse, or "" for one that serves for all. Every answer has "entries", the number of
certificates in the store. Errors: "Invalid" (the certificate), "Full", "NotFound", "InUse", "NoRequest" (nothing was
asked to be signed), "Failed" (the store). One such job works at a time; another waits for it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from typing import Any

from evse.shell.certificatefiles import is_ours
from evse.shell.children import crypto, crypto_layout, crypto_own
from evse.shell.children.crypto_layout import ROOTS
from evse.shell.children.main import JobError

# The one type of GetInstalledCertificateIds that is not a root.
V2G_CHAIN = "V2GCertificateChain"
CHILDREN = 4  # childCertificateHashData: at most


def job(request: dict[str, Any], places: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """See the module's text."""
    root = places["certificates"]
    crypto_layout.make_directories(root)
    with open(f"{root}/lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        crypto_layout.note_utc(places, request.get("utc"))
        answer = OPERATIONS[request["op"]](request, places)
        return {"entries": entries(places), **answer}


def entries(places: dict[str, Any]) -> int:
    """How many certificates there are: roots, intermediates, the station's own and their chains. [SecurityCtrlr]"""
    return sum(len(_readable(path)) for path in _files(places))


def _files(places: dict[str, Any]) -> list[str]:
    own = [path for pairs in crypto_own.all_pairs(places).values() for path, _ in pairs]
    return [*(path for paths in _roots(places).values() for path in paths), *crypto_layout.intermediates(places), *own]


def _readable(path: str) -> list[crypto.Certificate]:
    """The certificates of a file; one that cannot be read does not hide the others."""
    try:
        return crypto_layout.read(path)
    except JobError:
        return []


# -- what is there ---------------------------------------------------------------------------------------------------


def _ids(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """[M03.FR.04, M03.FR.05]"""
    wanted = request.get("types") or [*ROOTS, V2G_CHAIN]
    issuers = _issuers(places)
    chains = [
        {"certificateType": kind, "certificateHashData": crypto.hash_data(one, issuers)}
        for kind, files in _roots(places).items()
        if kind in wanted
        for path in files
        for one in _readable(path)
    ]
    if V2G_CHAIN in wanted:
        for path, _ in crypto_own.pairs(places, "V2GCertificate"):
            chain = _readable(path)
            hashed = [crypto.hash_data(one, [*chain, *issuers]) for one in chain]
            if hashed:
                entry: dict[str, Any] = {"certificateType": V2G_CHAIN, "certificateHashData": hashed[0]}
                if hashed[1:]:
                    entry["childCertificateHashData"] = hashed[1 : 1 + CHILDREN]
                chains.append(entry)
    return {"chains": chains}


def _show(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """Every file of the store with its first certificates; what is wrong with one stands in its note."""
    roots = [(kind, path) for kind, paths in _roots(places).items() for path in paths]
    middle = [("intermediate", path) for path in crypto_layout.intermediates(places)]
    own = [(use, path) for use, pairs in crypto_own.all_pairs(places).items() for path, _ in pairs]
    shown = []
    for kind, path in (*roots, *middle, *own):
        try:
            found = crypto_layout.read(path)
        except JobError as error:
            shown.append({"kind": kind, "subject": "", "until": "", "note": str(error), "path": path})
            continue
        shown += [_shown(kind, path, one) for one in found[: 1 if (kind, path) in own else None]]
    return {"shown": shown}


def _shown(kind: str, path: str, certificate: crypto.Certificate) -> dict[str, str]:
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
    try:
        crypto.check_properties(certificate)
        crypto.When(time.time()).check(certificate)
        note = ""
    except JobError as error:
        note = str(error)
    return {"kind": kind, "subject": crypto.title(certificate), "until": until, "note": note, "path": path}


def _roots(places: dict[str, Any]) -> dict[str, list[str]]:
    """Type of root -> its files; the CSMS root before the present one counts while it is kept."""
    files = {kind: [path] for kind, path in crypto_layout.paths(places).items()}
    files["CSMSRootCertificate"].append(crypto_layout.old_root(places))
    return files


def _issuers(places: dict[str, Any]) -> list[crypto.Certificate]:
    files = [path for paths in _roots(places).values() for path in paths]
    files += [*crypto_layout.intermediates(places), crypto_layout.root_issuer(places)]
    return [one for path in files for one in _readable(path)]


# -- root certificates -------------------------------------------------------------------------------------------------


def _install(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    kind = request["type"]
    if kind not in ROOTS:
        raise JobError("Invalid", f"no type of root certificate: {str(kind)[:50]!r}")
    (new,) = crypto.load(request["pem"], 1)
    crypto.check_properties(new)
    crypto.When(request.get("utc"), crypto_layout.last_utc(places)).check(new)
    if not crypto.is_authority(new):
        raise crypto.invalid(new, "is not made for signing certificates")
    if kind == "CSMSRootCertificate" and not os.path.exists(crypto_layout.place(places, ROOTS[kind])):
        named = places.get("ca")
        if named and os.path.exists(named) and not is_ours(named):  # a file of its own would stand in the place of all
            raise JobError("Failed", "the roots of the CSMS are not the station's to change: [csms] ca")
    present = crypto_layout.read(crypto_layout.paths(places)[kind])
    if request.get("check") and kind == "CSMSRootCertificate" and present:
        _replace(new, present, places)
        return {}
    if not crypto.is_self_signed(new):
        raise crypto.invalid(new, "is no root: it is not signed by itself")
    others = [one for one in present if one != new]
    if len(others) == len(present) and entries(places) >= request["most"]:
        raise JobError("Full", f"the store holds {request['most']} certificates, its limit")  # [M05.FR.06]
    _write(kind, [*others, new], places)  # one that was there is replaced [M05.FR.17]
    return {}


def _replace(new: crypto.Certificate, present: list[crypto.Certificate], places: dict[str, Any]) -> None:
    """AdditionalRootCertificateCheck: one CSMS root, signed by the one that it replaces. [M05.FR.09 to M05.FR.12]"""
    old = next((one for one in present if new == one or crypto.is_issued_by(new, one)), None)
    if old is None:
        raise crypto.invalid(new, "is not signed by the root certificate that it would replace")
    if new != old:
        crypto_layout.write(crypto_layout.old_root(places), crypto.pem([old]))
    _write("CSMSRootCertificate", [new], places)


def _write(kind: str, certificates: list[crypto.Certificate], places: dict[str, Any]) -> None:
    crypto_layout.write(crypto_layout.place(places, ROOTS[kind]), crypto.pem(certificates))


def _trusted(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """The connection stands on the new root: the old one goes. [M05.FR.13]"""
    return {"removed": _retire(places)}


def _retire(places: dict[str, Any]) -> bool:
    """The old CSMS root is trusted no more."""
    path = crypto_layout.old_root(places)
    text = crypto_layout.read_text(path)
    if text is not None:
        crypto_layout.write(crypto_layout.root_issuer(places), text)
        crypto_layout.remove(path)
    return text is not None


# -- deletion ----------------------------------------------------------------------------------------------------------


def _delete(request: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    wanted = request["hash"]
    issuers = _issuers(places)
    for path, _ in crypto_own.pairs(places, "ChargingStationCertificate"):
        chain = _readable(path)
        if chain and _is(chain[0], wanted, [*chain, *issuers]):
            raise JobError("InUse", "the station's own certificate is not deleted by a message")  # [M04.FR.06]
    found = False
    for kind, files in _roots(places).items():
        for path in files:
            present = _readable(path)
            left = [one for one in present if not _is(one, wanted, issuers)]
            if len(left) < len(present):
                if kind == "CSMSRootCertificate":
                    _check_use([one for one in present if one not in left], places)
                _without(kind, path, left, places)
                found = True
    for path, key in crypto_own.pairs(places, "V2GCertificate"):
        chain = _readable(path)
        if any(_is(one, wanted, [*chain, *issuers]) for one in chain):  # below a deleted authority: [M04.FR.08]
            crypto_layout.remove(path, key)
            found = True
    if not found:
        raise JobError("NotFound", "no such certificate is installed")
    return {}


def _without(kind: str, path: str, left: list[crypto.Certificate], places: dict[str, Any]) -> None:
    """What is left of a file of roots; the store's own is kept though empty, for it counts before the station file."""
    if path == crypto_layout.old_root(places):
        _retire(places)
    else:
        _write(kind, left, places)


def _check_use(gone: list[crypto.Certificate], places: dict[str, Any]) -> None:
    """Raises JobError if the present connection stands on one of them. [1.6 M04.FR.06]"""
    trusted = places.get("trusted")
    if trusted and any(one in gone for one in crypto.load(trusted)):
        raise JobError("InUse", "the connection with the CSMS stands on this root certificate")


def _is(certificate: crypto.Certificate, wanted: dict[str, str], issuers: list[crypto.Certificate]) -> bool:
    serial = wanted["serialNumber"].lower().lstrip("0")
    if f"{certificate.serial_number:x}" != serial:
        return False
    own = crypto.hash_data(certificate, issuers, wanted["hashAlgorithm"])
    return all(wanted[name].lower() == own[name] for name in ("issuerNameHash", "issuerKeyHash"))


OPERATIONS: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "show": _show,
    "ids": _ids,
    "install": _install,
    "delete": _delete,
    "trusted": _trusted,
    "csr": crypto_own.csr,
    "signed": crypto_own.signed,
    "keep": crypto_own.keep,
    "check": crypto_own.check,
}
