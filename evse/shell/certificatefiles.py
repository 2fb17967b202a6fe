"""The files of the certificate store: where they are, and how many certificates there are, without a look into one."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Setting of [certificates] -> path below the root of the store; the last two are directories.
PATHS = {
    "csms_root": "ca/csms/CSMS_ROOT_CA.pem",
    "manufacturer_root": "ca/mf/MF_ROOT_CA.pem",
    "mo_root": "ca/mo/MO_ROOT_CA.pem",
    "v2g_root": "ca/v2g/V2G_ROOT_CA.pem",
    "oem_root": "ca/oem/OEM_ROOT_CA.pem",
    "cpo_sub_ca1": "ca/cso/CPO_SUB_CA1.pem",
    "cpo_sub_ca2": "ca/cso/CPO_SUB_CA2.pem",
    "client_csms": "client/csms",
    "client_cso": "client/cso",
}
# In the directory of the station's certificates: one of them has served, and that of [csms] has no turn any more.
SERVED = "served"
BEGIN = "-----BEGIN CERTIFICATE-----"
FILE_BYTES = 1 << 20
# A file of more roots is somebody else's, as that of the operating system: trusted, but neither listed nor changed.
ROOTS = 20


def path_of(root: str, settings: dict[str, Any] | None, name: str) -> str:
    """The path of a part of the store, by its setting."""
    return (settings or {}).get(name) or f"{root}/{PATHS[name]}"


def old_root(csms_root: str) -> str:
    """Where the CSMS root is that the present one has replaced and that may still be needed."""
    return csms_root.removesuffix(".pem") + ".old.pem"


def is_there(path: str) -> bool:
    """Whether there is a file or a directory."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def pairs(directory: str) -> list[str]:
    """The names of certificates that have a key beside them, without suffix, with the directory; in no order."""
    try:
        names = posix.listdir(directory)
    except OSError:
        return []
    return [f"{directory}/{name[:-4]}" for name in names if name.endswith(".pem") and name[:-4] + ".key" in names]


def newest_first(directory: str) -> list[tuple[str, str]]:
    """(certificate file, key file) of every pair, by the beginning of their validity."""
    names = pairs(directory)
    if len(names) > 1:
        names.sort(key=_begins, reverse=True)
    return [(f"{name}.pem", f"{name}.key") for name in names]


def _begins(name: str) -> float:
    """UTC seconds; those of the file itself if the certificate cannot be read, 0 if a child has just removed it."""
    from evse.shell.tls import read_certificate, seconds

    try:
        fields = read_certificate(f"{name}.pem")
    except OSError:
        fields = None
    try:
        return posix.stat(f"{name}.pem").st_mtime if fields is None else seconds(fields["notBefore"])
    except OSError:
        return 0.0


def held(path: str) -> int:
    """How many certificates a file holds; 0 if it is not there, or a directory."""
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES).count(BEGIN.encode())
    except OSError:
        return 0


def is_ours(ca: str) -> bool:
    """Whether the roots that [csms] names are the station's to list and to change: one file of a few."""
    return 0 < held(ca) <= ROOTS


def count(root: str, settings: dict[str, Any] | None, csms: dict[str, Any]) -> int:
    """Certificates in the store, or in the place of it as [csms] says. [SecurityCtrlr.CertificateEntries]"""
    *files, own, vehicle = (path_of(root, settings, name) for name in PATHS)
    files.append(old_root(files[0]))
    if csms["ca"] is not None and not is_there(files[0]) and is_ours(csms["ca"]):
        files.append(csms["ca"])
    files += [f"{name}.pem" for directory in (own, vehicle) for name in pairs(directory)]
    if csms["cert"] is not None and not (pairs(own) and is_there(f"{own}/{SERVED}")):
        files.append(csms["cert"])
    return sum(map(held, files))
