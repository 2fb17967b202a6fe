"""OCPP 1.6 test cases, security: certificates of the charge point and its roots. [whitepaper edition 3]"""

from __future__ import annotations

from tests.support import signing
from tests.support.certificates import Certificate
from tests.support.certified import ACCEPTED, Certified
from tests.support.signing import hash_data

SERVER, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"


def test_TC_CP_V16_074_update_charge_point_certificate() -> None:
    """ExtendedTriggerMessage SignChargePointCertificate: a CSR of a new key pair; the certificate is taken, used next.

    The subject holds CpoName and the serial number, the key has at least 2048 (RSA) or 224 bits (EC). [whitepaper A02]
    """
    station = Certified("1.6", {"component": "SecurityCtrlr", "variable": "OrganizationName", "value": "Operator"})
    first = station.trigger()
    said = signing.read(first)
    assert (said["CN"], said["O"], said["bits"] >= 224) == ("S1", "Operator", True)
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(first)) == ACCEPTED
    assert station.bench.take_effects("credentials")
    station.rest()
    assert station.trigger() != first  # another key pair


def test_TC_CP_V16_075_install_a_certificate() -> None:
    """InstallCertificate for both types: Accepted, and listed by GetInstalledCertificateIds. [whitepaper M05, M03]"""
    station = Certified("1.6")
    assert station.ids(MAKER) == {"status": "NotFound"}
    for kind in (SERVER, MAKER):
        root = Certificate(f"New {kind}", ca=True)
        assert station.install(root, kind) == ACCEPTED
        answer = station.ids(kind)
        assert answer["status"] == "Accepted"
        assert hash_data(root) in answer["certificateHashData"]


def test_TC_CP_V16_076_delete_a_certificate() -> None:
    """DeleteCertificate: Accepted, and listed no more; one that is not there: NotFound. [whitepaper M04]

    The root that the connection stands on, and the charge point's own certificate: Failed. [M04.FR.05, M04.FR.06]
    """
    station = Certified("1.6")
    root = Certificate("New Root", ca=True)
    station.install(root)
    assert station.delete(hash_data(root)) == ACCEPTED
    assert station.hashes("CSMSRootCertificate") == [hash_data(station.root)]
    assert station.delete(hash_data(root)) == {"status": "NotFound"}
    own = signing.first(station.renew())
    assert station.delete(hash_data(own, station.root)) == {"status": "Failed"}
    station.jobs.places["trusted"] = station.root.pem()
    assert station.delete(hash_data(station.root)) == {"status": "Failed"}


def test_TC_CP_V16_077_invalid_charge_point_certificate() -> None:
    """A signed certificate that is no good: Rejected, and InvalidChargePointCertificate is told. [A02.FR.07]"""
    station = Certified("1.6")
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr, Certificate("Another Root", ca=True))) == {"status": "Rejected"}
    assert station.bench.expect("SecurityEventNotification")["type"] == "InvalidChargePointCertificate"
    station.bench.answer()


def test_TC_CP_V16_078_invalid_central_system_certificate() -> None:
    """A root of the central system that is no good: Rejected, and InvalidCentralSystemCertificate is told. [M05.FR.06]

    That the connection to a server with a bad certificate is ended and told by the same event is TC_A_05_CS of 2.0.1.
    """
    station = Certified("1.6")
    assert station.install(Certificate("Expired", ca=True, days=(-30, -1))) == {"status": "Rejected"}
    assert station.bench.expect("SecurityEventNotification")["type"] == "InvalidCentralSystemCertificate"
    station.bench.answer()
    assert station.hashes("CSMSRootCertificate") == [hash_data(station.root)]
