"""OCPP 2.0.1 test cases, A Security: a new certificate for the station, by request of the CSMS."""

from __future__ import annotations

import pytest

from tests.support import signing
from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.certified import ACCEPTED, CS, V2G, Certified

WAIT_S = 30
SECC = {"component": "ISO15118Ctrlr", "variable": "SeccId", "value": "NLACMES1"}
COUNTRY = {"component": "ISO15118Ctrlr", "variable": "CountryName", "value": "NL"}
OWNER = {"component": "ISO15118Ctrlr", "variable": "OrganizationName", "value": "Acme"}


def waits(times: int) -> list[dict[str, str]]:
    named = {"CertSigningWaitMinimum": WAIT_S, "CertSigningRepeatTimes": times}
    return [{"component": "SecurityCtrlr", "variable": name, "value": str(value)} for name, value in named.items()]


@versions2
def test_TC_A_12_CS_v2g_certificate(version: str) -> None:
    """SignV2GCertificate: a CSR with an EC key, named after the SECC; what the V2G hierarchy signed is taken.

    [A02.FR.02, A02.FR.03, A02.FR.06, A02.FR.13, A02.FR.15, F06.FR.04]
    """
    station = Certified(version, SECC, COUNTRY, OWNER)
    root = Certificate("V2G Root", ca=True, days=(-100, 1000))
    authority = Certificate("Sub CA 2", Certificate("Sub CA 1", root, ca=True), ca=True)
    assert station.install(root, "V2GRootCertificate") == ACCEPTED
    csr = station.trigger("SignV2GCertificate")
    station.bench.answer(ACCEPTED)
    said = signing.read(csr)
    assert (said["CN"], said["kind"], said["bits"] >= 256) == ("NLACMES1", "ec", True)
    assert station.use == V2G
    assert station.signed(station.sign(csr, authority), V2G) == ACCEPTED


@versions2
def test_TC_A_14_CS_invalid_certificate(version: str) -> None:
    """A certificate of another hierarchy: Rejected, and InvalidChargingStationCertificate is told. [A02.FR.07]"""
    station = Certified(version)
    csr = station.trigger()
    assert signing.read(csr)["bits"] >= 224
    assert station.use == CS
    station.bench.answer(ACCEPTED)
    wrong = Certificate("Not the operator's", ca=True)
    assert station.signed(station.sign(csr, wrong)) == {"status": "Rejected"}
    said = station.bench.expect("SecurityEventNotification")
    assert said["type"] == "InvalidChargingStationCertificate"
    station.bench.answer()


@versions2
def test_TC_A_15_CS_sign_certificate_rejected(version: str) -> None:
    """The CSMS rejects the request: nothing more is said."""
    station = Certified(version)
    station.trigger()
    station.bench.answer({"status": "Rejected"})
    station.bench.advance(3600)
    assert station.jobs.run() == 0
    station.bench.quiet()


@versions2
@pytest.mark.parametrize("which", [0, 1, 2])
def test_TC_A_23_CS_certificate_signed_timeout(version: str, which: int) -> None:
    """The request is sent again after the wait, and after twice the wait; a certificate for any of them is taken.

    [A02.FR.17, A02.FR.18; errata 2025-02]
    """
    station = Certified(version, *waits(1))
    requests = [(station.trigger(), station.request_id)]
    station.bench.answer(ACCEPTED)
    for wait_s in (WAIT_S, 2 * WAIT_S):
        station.bench.advance(wait_s - 1)
        station.jobs.run()
        station.bench.quiet()
        station.bench.advance(1)
        station.jobs.run()
        requests.append((station.request(), station.request_id))
        station.bench.answer(ACCEPTED)
    csr, station.request_id = requests[which]
    assert station.signed(station.sign(csr)) == ACCEPTED
