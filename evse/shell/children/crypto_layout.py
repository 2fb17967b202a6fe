"""The layout of the certificate store: what lies where below its root. PEM files, read anew for every use.

    ca/csms/CSMS_ROOT_CA.pem    roots of the CSMS (CSMS_ROOT_CA.old.pem: the one before, until the new one has served)
    ca/mf/MF_ROOT_CA.pem        roots of the manufacturer          ca/mo/MO_ROOT_CA.pem    of e-mobility operators
    ca/v2g/V2G_ROOT_CA.pem      V2G roots                          ca/oem/OEM_ROOT_CA.pem  of vehicle makers
    ca/cso/CPO_SUB_CA1.pem      intermediates of the operator, and CPO_SUB_CA2.pem
    client/csms/*.pem, *.key    the station's certificate with its chain, and its private key, under the same name
    client/cso/*.pem, *.key     its V2G certificate likewise
    last_utc                    the latest day on which the station knew the time, as UTC seconds

`places` of a job: "certificates" the root; "store" the settings [certificates] of the station file, which may give each
path another place; "ca", "cert", "key" what [csms] names, or None.
"""

from __future__ import annotations

import glob
import os
from typing import Any

from evse import store
from evse.clock import UTC_FLOOR_S
from evse.errors import StoreError
from evse.shell import certificatefiles
from evse.shell.certificatefiles import BEGIN, FILE_BYTES
from evse.shell.children import crypto
from evse.shell.children.main import JobError

# Setting of a file of roots by their type in OCPP 2.1.
ROOTS = {
    "CSMSRootCertificate": "csms_root",
    "ManufacturerRootCertificate": "manufacturer_root",
    "MORootCertificate": "mo_root",
    "V2GRootCertificate": "v2g_root",
    "OEMRootCertificate": "oem_root",
}
INTERMEDIATES = ("cpo_sub_ca1", "cpo_sub_ca2")
# Setting of the directory of the station's own certificates, by CertificateSigningUse.
CLIENTS = {"ChargingStationCertificate": "client_csms", "V2GCertificate": "client_cso"}
LAST_UTC_STEP_S = 86_400.0


def place(places: dict[str, Any], name: str) -> str:
    """The path of a part of the store, by its setting."""
    return certificatefiles.path_of(places["certificates"], places.get("store"), name)


def old_root(places: dict[str, Any]) -> str:
    """Where the CSMS root is that the present one has replaced."""
    return certificatefiles.old_root(place(places, "csms_root"))


def root_issuer(places: dict[str, Any]) -> str:
    """Where a CSMS root stays that signed the present one: no more trusted or listed, but hash data need its key."""
    return place(places, "csms_root").removesuffix(".pem") + ".issuer.pem"


def paths(places: dict[str, Any]) -> dict[str, str]:
    """Type of root -> its file; what [csms] names counts until the store has its own."""
    files = {kind: place(places, name) for kind, name in ROOTS.items()}
    named = places.get("ca")
    if named and certificatefiles.is_ours(named) and not os.path.exists(files["CSMSRootCertificate"]):
        files["CSMSRootCertificate"] = named
    return files


def csms_roots(places: dict[str, Any]) -> list[crypto.Certificate]:
    """All roots by which a CSMS is trusted now: the store's, or those of [csms], be they the operating system's."""
    own = paths(places)["CSMSRootCertificate"]
    named = places.get("ca")
    if not named or own == named or os.path.exists(own):
        return [*read(own), *read(old_root(places))]
    found = []
    for path in sorted(glob.glob(f"{named}/*.pem") + glob.glob(f"{named}/*.crt")) or [named]:
        for block in (read_text(path) or "").split(BEGIN)[1:]:
            try:
                found += crypto.load(BEGIN + block)
            except JobError:
                continue  # one that cannot be read must not hide the others
    return found


def intermediates(places: dict[str, Any]) -> list[str]:
    """The files of the operator's intermediates."""
    return [place(places, name) for name in INTERMEDIATES]


def read(path: str) -> list[crypto.Certificate]:
    """The certificates of a file, none if there is no file. Raises JobError "Failed"."""
    text = read_text(path)
    try:
        return crypto.load(text, FILE_BYTES) if text is not None and "BEGIN" in text else []
    except JobError as error:
        raise JobError("Failed", f"{path}: {error}") from None


def read_text(path: str) -> str | None:
    """A file's text, None if there is no file. Raises JobError "Failed"."""
    try:
        with open(path, encoding="ascii", errors="replace", newline="") as file:
            text = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError("Failed", f"{path}: {error.strerror}") from None
    if len(text) > FILE_BYTES:
        raise JobError("Failed", f"{path}: larger than {FILE_BYTES} bytes")
    return text


def write(path: str, text: str) -> None:
    """Replaces a file durably (mode 0600), making its directories (0700). Raises JobError "Failed"."""
    make_directories(os.path.dirname(path))
    try:
        store.write_file(os, path, (text.encode(),))
        store.sync_directory(os, os.path.dirname(path))
    except StoreError as error:
        raise JobError("Failed", str(error)) from None


def make_directories(path: str) -> None:
    """Creates a directory and those above it, where they are missing. Raises JobError "Failed"."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    try:
        for name in reversed(missing):
            store.make_directory(os, name)
    except StoreError as error:
        raise JobError("Failed", str(error)) from None


def remove(*gone: str) -> None:
    """Removes files, those that are there, durably. Raises JobError "Failed"."""
    for path in gone:
        error = store.unlink(os, path)
        if error is not None:
            raise JobError("Failed", f"{path}: {error.strerror}")
    for directory in {os.path.dirname(path) for path in gone}:
        if os.path.isdir(directory):
            try:
                store.sync_directory(os, directory)
            except StoreError as error:
                raise JobError("Failed", str(error)) from None


def last_utc(places: dict[str, Any]) -> float:
    """The latest time of which the station was sure, to a day; 0 if there never was one."""
    try:
        return float(read_text(f"{places['certificates']}/last_utc") or 0)
    except (ValueError, JobError):
        return 0.0


def note_utc(places: dict[str, Any], utc: float | None) -> None:
    """Remembers a time that is known, once a day at most; one that was corrected backwards counts at once."""
    if utc is not None and utc >= UTC_FLOOR_S and not 0 <= utc - last_utc(places) < LAST_UTC_STEP_S:
        write(f"{places['certificates']}/last_utc", f"{utc:.0f}\n")
