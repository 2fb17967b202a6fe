"""OCPP 2.0.1 test cases, M Certificate management: which roots a station trusts, and what it tells of them.

The cases of the profile ISO 15118 Support that are about the store alone are here, too; not those of a vehicle.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from tests.support import signing
from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.certified import ACCEPTED, Certified
from tests.support.signing import hash_data

CSMS, MAKER, V2G, MO = (
    "CSMSRootCertificate",
    "ManufacturerRootCertificate",
    "V2GRootCertificate",
    "MORootCertificate",
)
CHAIN = "V2GCertificateChain"
CHECK = {"component": "SecurityCtrlr", "variable": "AdditionalRootCertificateCheck", "value": "true"}
SECC = {"component": "ISO15118Ctrlr", "variable": "SeccId", "value": "NLACMES1"}


def certificate_installed(station: Certified, kind: str) -> Certificate:
    """Memory state CertificateInstalled."""
    root = Certificate(f"Root 2 of {kind}", ca=True)
    assert station.install(root, kind) == ACCEPTED
    return root


def installed_certificates(station: Certified, *kinds: str) -> list[dict[str, Any]]:
    """Reusable state GetInstalledCertificates: the entries, of these types only."""
    answer = station.ids(*kinds)
    assert answer["status"] == "Accepted"
    entries: list[dict[str, Any]] = answer["certificateHashDataChain"]
    assert {entry["certificateType"] for entry in entries} <= set(kinds or (CSMS, MAKER, V2G, MO, CHAIN))
    return entries


def is_listed(entries: list[dict[str, Any]], kind: str, root: Certificate) -> bool:
    return {"certificateType": kind, "certificateHashData": hash_data(root)} in entries


def install_and_list(version: str, kind: str) -> None:
    station = Certified(version)
    root = certificate_installed(station, kind)
    assert is_listed(installed_certificates(station, kind), kind, root)


@versions2
def test_TC_M_01_CS_install_csms_root(version: str) -> None:
    """A second CSMS root is installed, and listed. [M05.FR.01, M05.FR.02]"""
    install_and_list(version, CSMS)


@versions2
def test_TC_M_02_CS_install_manufacturer_root(version: str) -> None:
    """A root of the manufacturer is installed, and listed. [M05.FR.01, M05.FR.02]"""
    install_and_list(version, MAKER)


@versions2
def test_TC_M_03_CS_install_v2g_root(version: str) -> None:
    """A V2G root is installed, and listed. [M05.FR.01, M05.FR.02]"""
    install_and_list(version, V2G)


@versions2
def test_TC_M_04_CS_install_mo_root(version: str) -> None:
    """A root of an e-mobility operator is installed, and listed. [M05.FR.01, M05.FR.02]"""
    install_and_list(version, MO)


@versions2
def test_TC_M_07_CS_install_an_expired_certificate(version: str) -> None:
    """Rejected; what is listed is what was there before. [M05.FR.01, M05.FR.07]"""
    station = Certified(version)
    expired = Certificate("Expired", ca=True, days=(-30, -1))
    assert station.install(expired) == {"status": "Rejected"}
    entries = installed_certificates(station, CSMS)
    assert is_listed(entries, CSMS, station.root)
    assert not is_listed(entries, CSMS, expired)


@versions2
def test_TC_M_09_CS_additional_root_certificate_check_rejected(version: str) -> None:
    """A root that the old one did not sign: Rejected, and the old one stays. [M05.FR.10, M05.FR.11]"""
    station = Certified(version, CHECK)
    assert station.install(Certificate("Not signed by the old one", ca=True)) == {"status": "Rejected"}
    (entry,) = installed_certificates(station, CSMS)
    assert entry == {"certificateType": CSMS, "certificateHashData": hash_data(station.root)}


def list_one(version: str, kind: str) -> None:
    station = Certified(version)
    root = certificate_installed(station, kind)
    certificate_installed(station, MAKER if kind != MAKER else MO)  # another type is not listed
    assert is_listed(installed_certificates(station, kind), kind, root)


@versions2
def test_TC_M_12_CS_list_csms_roots(version: str) -> None:
    """The hash data of the CSMS roots. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    list_one(version, CSMS)


@versions2
def test_TC_M_13_CS_list_manufacturer_roots(version: str) -> None:
    """The hash data of the manufacturer's roots. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    list_one(version, MAKER)


@versions2
def test_TC_M_14_CS_list_v2g_roots(version: str) -> None:
    """The hash data of the V2G roots. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    list_one(version, V2G)


@versions2
def test_TC_M_15_CS_list_v2g_chains(version: str) -> None:
    """A V2G certificate has its authorities as child certificates. [M03.FR.01, M03.FR.03 to M03.FR.05]"""
    station = Certified(version, SECC)
    root = certificate_installed(station, V2G)
    authority = Certificate("Sub CA", root, ca=True)
    csr = station.trigger("SignV2GCertificate")
    station.bench.answer(ACCEPTED)
    chain = station.sign(csr, authority)
    assert station.signed(chain, "V2GCertificate") == ACCEPTED
    (entry,) = installed_certificates(station, CHAIN)
    assert entry["certificateHashData"] == hash_data(signing.first(chain), authority)
    assert entry["childCertificateHashData"] == [hash_data(authority, root)]


@versions2
def test_TC_M_16_CS_list_mo_roots(version: str) -> None:
    """The hash data of the e-mobility operators' roots. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    list_one(version, MO)


@versions2
def test_TC_M_17_CS_list_csms_and_manufacturer_roots(version: str) -> None:
    """Two types in one request. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    station = Certified(version)
    root, maker = certificate_installed(station, CSMS), certificate_installed(station, MAKER)
    certificate_installed(station, MO)
    entries = installed_certificates(station, CSMS, MAKER)
    assert is_listed(entries, CSMS, root) and is_listed(entries, MAKER, maker)


@versions2
def test_TC_M_18_CS_list_all(version: str) -> None:
    """No type in the request: all. [M03.FR.01, M03.FR.03, M03.FR.04]"""
    station = Certified(version)
    root, maker = certificate_installed(station, CSMS), certificate_installed(station, MAKER)
    entries = installed_certificates(station)
    assert is_listed(entries, CSMS, root) and is_listed(entries, MAKER, maker)


@versions2
def test_TC_M_19_CS_list_none(version: str) -> None:
    """A type of which nothing is installed: NotFound, without a list. [M03.FR.01, M03.FR.02]"""
    station = Certified(version)
    assert station.ids(MO) == {"status": "NotFound"}


@versions2
def test_TC_M_20_CS_delete(version: str) -> None:
    """A CSMS root is deleted by its hash data, and listed no more. [M04.FR.01, M04.FR.02]"""
    station = Certified(version)
    root = certificate_installed(station, CSMS)
    wanted = next(data for data in station.hashes(CSMS) if data == hash_data(root))
    assert station.delete(wanted) == ACCEPTED
    assert not is_listed(installed_certificates(station, CSMS), CSMS, root)
    assert is_listed(installed_certificates(station, CSMS), CSMS, station.root)


@versions2
def test_TC_M_22_CS_delete_what_is_not_there(version: str) -> None:
    """Hash data of an unknown certificate: NotFound. [M04.FR.01, M04.FR.04]"""
    station = Certified(version)
    assert installed_certificates(station, CSMS)
    assert station.delete(hash_data(Certificate("Unknown", ca=True))) == {"status": "NotFound"}


@versions2
def test_TC_M_23_CS_delete_the_charging_station_certificate(version: str) -> None:
    """The station's own certificate is not deleted by a message: Failed. [M04.FR.01, M04.FR.06]"""
    station = Certified(version)
    own = signing.first(station.renew())
    wanted = hash_data(own, station.root)
    assert wanted not in station.hashes()
    assert station.delete(wanted) == {"status": "Failed"}


@versions2
@pytest.mark.parametrize("algorithm", ["SHA384", "SHA512"])
def test_m04_fr_07_the_hash_algorithm_is_the_one_that_is_asked_with(version: str, algorithm: str) -> None:
    station = Certified(version)
    own = station.root.certificate
    builder = ocsp.OCSPRequestBuilder().add_certificate(own, own, getattr(hashes, algorithm)())
    request = builder.build()
    said = {
        "hashAlgorithm": algorithm,
        "issuerNameHash": request.issuer_name_hash.hex().upper(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{own.serial_number:X}",
    }
    assert station.delete(said) == ACCEPTED
