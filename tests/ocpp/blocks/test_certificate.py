"""Certificates: requests, repetitions, what is taken and what is refused; with the child's own functions."""

from __future__ import annotations

import os
from typing import Any

import pytest

from evse.shell.children.main import JobError
from tests.support import signing
from tests.support.bench import Bench, versions, versions2
from tests.support.certificates import Certificate
from tests.support.certified import ACCEPTED, CS, INTERVAL_S, V2G, Certified
from tests.support.signing import hash_data

WAIT = {"component": "SecurityCtrlr", "variable": "CertSigningWaitMinimum", "value": "10"}
TIMES = {"component": "SecurityCtrlr", "variable": "CertSigningRepeatTimes", "value": "2"}
CHECK = {"component": "SecurityCtrlr", "variable": "AdditionalRootCertificateCheck", "value": "true"}
DAY_S = 86_400.0
INVALID = {"1.6": "InvalidChargePointCertificate"}


def iso15118(evse: int | None = None, **more: str) -> list[dict[str, Any]]:
    place = {} if evse is None else {"evse": evse}
    return [{"component": "ISO15118Ctrlr", "variable": name, "value": value, **place} for name, value in more.items()]


def effects(station: Certified, name: str) -> int:
    return len(station.bench.take_effects(name))


# -- requests ----------------------------------------------------------------------------------------------------------


@versions
def test_a02_fr_03_the_subject_is_serial_number_and_operator(version: str) -> None:
    operator = {"component": "SecurityCtrlr", "variable": "OrganizationName", "value": "Operator"}
    station = Certified(version, operator)
    assert signing.read(station.trigger()) == {"CN": "S1", "O": "Operator", "kind": "ec", "bits": 256}
    assert station.use == CS


@versions
def test_without_an_operator_the_vendor_owns_and_without_a_serial_number_the_identity_names(version: str) -> None:
    station = Certified(version, serial=None, identity="CS001")
    said = signing.read(station.trigger())
    assert (said["CN"], said["O"]) == ("CS001", "Acme")


@versions
def test_a02_fr_08_an_accepted_certificate_leads_to_a_new_connection(version: str) -> None:
    station = Certified(version)
    station.renew()
    assert effects(station, "credentials") == 1


@versions
def test_a02_fr_07_a_bad_certificate_is_refused_and_told(version: str) -> None:
    station = Certified(version)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr, Certificate("Stranger", ca=True))) == {"status": "Rejected"}
    event = station.bench.expect("SecurityEventNotification")
    assert event["type"] == INVALID.get(version, "InvalidChargingStationCertificate")
    assert "leads to none" in event["techInfo"]
    station.bench.answer()
    assert effects(station, "credentials") == 0
    station.bench.advance(7 * DAY_S)  # [A02.FR.20]
    assert "SignCertificate" not in [action for action, _ in station.rest()]


@versions
def test_a02_fr_17_to_19_the_request_is_repeated_with_doubled_waits(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    csr = station.trigger()
    for wait_s in (10, 20, 40):
        station.bench.answer(ACCEPTED)
        station.bench.advance(wait_s - 1)
        station.jobs.run()
        station.bench.quiet()
        station.bench.advance(1)
        station.jobs.run()
        assert station.request() == csr
    station.bench.answer(ACCEPTED)
    station.bench.advance(3600)
    assert station.jobs.run() == 0
    station.bench.quiet()
    assert station.signed(station.sign(csr)) == ACCEPTED  # late, but asked for


@versions
def test_a_request_that_is_lost_is_repeated_too(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    csr = station.trigger()
    station.bench.refuse("InternalError")
    station.bench.advance(10)
    station.jobs.run()
    assert station.request() == csr


@versions
def test_an_outage_uses_up_no_repetition(version: str) -> None:
    """Else a renewal that an hour without connection interrupts would be given up, and with it the station."""
    station = Certified(version, WAIT, TIMES)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    station.bench.drop()
    station.bench.advance(3600)
    assert station.jobs.run() == 0
    station.bench.connect(version, INTERVAL_S)
    station.rest()
    for _ in range(3):
        station.bench.advance(40)
        station.jobs.run()
        assert station.request() == csr
        station.bench.answer(ACCEPTED)
    station.bench.advance(3600)
    assert station.jobs.run() == 0


@versions
@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
def test_a_csms_that_knows_no_certificates_is_not_asked_again(version: str, code: str) -> None:
    station = Certified(version, WAIT, TIMES)
    station.trigger()
    station.bench.refuse(code)
    station.bench.advance(3600)
    assert station.jobs.run() == 0
    station.bench.quiet()


@versions
def test_a_rejected_request_is_not_repeated(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    station.trigger()
    station.bench.answer({"status": "Rejected"})
    station.bench.advance(3600)
    assert station.jobs.run() == 0
    station.bench.quiet()


@versions
def test_another_trigger_begins_anew(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    first = station.trigger()
    station.bench.answer(ACCEPTED)
    second = station.trigger()
    station.bench.answer(ACCEPTED)
    assert first != second
    station.bench.advance(10)
    station.jobs.run()
    assert station.request() == second
    station.bench.answer(ACCEPTED)
    station.bench.advance(19)
    assert station.jobs.run() == 0  # the first one's wait is over and forgotten
    assert station.signed(station.sign(first)) == {"status": "Rejected"}


@versions
def test_a_power_cut_ends_no_wait(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    station.bench.cut()
    station.bench.restart()
    station.bench.connect(version, INTERVAL_S)
    station.rest()
    station.bench.advance(10)
    station.jobs.run()
    assert station.request() == csr
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr)) == ACCEPTED
    station.bench.cut()
    station.bench.restart()
    station.bench.connect(version, INTERVAL_S)
    station.rest()
    station.bench.advance(1000)
    assert station.jobs.run() == 0


@versions
def test_a_power_cut_before_the_request_was_made_ends_no_wait_either(version: str) -> None:
    station = Certified(version, WAIT, TIMES)
    assert station.triggered() == ACCEPTED
    station.bench.take_effects("job")
    station.bench.cut()
    station.bench.restart()
    station.bench.connect(version, INTERVAL_S)
    station.rest()
    station.bench.advance(10)
    station.jobs.run()
    csr = station.request()
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr)) == ACCEPTED


@versions
def test_a_child_that_fails_leaves_the_csms_without_a_request(version: str) -> None:
    station = Certified(version)

    def fails(request: dict[str, Any]) -> dict[str, Any]:
        raise JobError("Failed", "no room")

    station.jobs.instead["certificates"] = fails
    assert station.triggered() == ACCEPTED
    station.jobs.run()
    station.bench.quiet()
    assert "no certificate can be asked for" in station.bench.log.texts("error")


@versions
def test_a_store_that_fails_is_no_security_event(version: str) -> None:
    station = Certified(version)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)

    def fails(request: dict[str, Any]) -> dict[str, Any]:
        raise JobError("Failed", "no room")

    station.jobs.instead["certificates"] = fails
    assert station.signed(station.sign(csr)) == {"status": "Rejected"}
    assert station.install(station.root) == {"status": "Failed"}
    assert station.delete(hash_data(station.root)) == {"status": "Failed"}
    station.bench.quiet()
    payload = {"certificateType": "CentralSystemRootCertificate"} if version == "1.6" else {}
    frame = station.bench.ask_raw("GetInstalledCertificateIds", payload)
    assert frame is None
    station.jobs.run()
    reply = station.bench.reply()
    assert reply is not None and reply[:1] + reply[2:3] == [4, "InternalError"]


@versions
def test_a02_fr_16_a_chain_that_is_too_long(version: str) -> None:
    limit = {"component": "SecurityCtrlr", "variable": "MaxCertificateChainSize", "value": "1000"}
    station = Certified(version, limit)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    chain = station.sign(csr)
    assert station.signed(chain + "\n" * 1000) == {"status": "Rejected"}
    station.bench.quiet()
    assert station.signed(chain) == ACCEPTED


def test_2_1_a02_fr_26_an_unknown_request_id() -> None:
    station = Certified("2.1")
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr), requestId=4711) == {"status": "Rejected"}
    assert station.signed(station.sign(csr)) == ACCEPTED


def test_2_1_a_certificate_without_request_id_is_taken_by_its_type() -> None:
    station = Certified("2.1")
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    assert station.ask("CertificateSigned", {"certificateChain": station.sign(csr)}) == ACCEPTED


@versions
def test_certificates_that_nobody_asked_for(version: str) -> None:
    station = Certified(version)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    text = station.sign(csr)
    assert station.signed(text) == ACCEPTED
    station.rest()
    assert station.signed(text) == {"status": "Rejected"}


# -- after the connection ----------------------------------------------------------------------------------------------


def pair(station: Certified, index: int) -> str:
    """The certificate file of that age, the newest is 0."""
    directory = f"{station.jobs.places['certificates']}/client/csms"
    names = sorted((name for name in os.listdir(directory) if name.endswith(".pem")), reverse=True)
    return f"{directory}/{names[index]}"


@versions
def test_a02_fr_10_the_old_certificate_goes_once_the_new_one_has_served(version: str) -> None:
    station = Certified(version)
    station.renew(days=(-3, 60))
    station.renew(days=(-1, 60))
    old, new = pair(station, 1), pair(station, 0)
    station.bench.engine.block("certificate").proven(new, False)
    assert station.events(station.rest()) == []
    assert pair(station, 0) == new
    with pytest.raises(IndexError):
        pair(station, 1)
    assert old != new


@versions
def test_a02_fr_29_a_new_certificate_that_does_not_serve_is_discarded_and_told(version: str) -> None:
    station = Certified(version)
    station.renew(days=(-3, 60))
    station.renew(days=(-1, 60))
    old = pair(station, 1)
    station.bench.engine.block("certificate").proven(old, False)
    assert station.events(station.rest()) == ["DiscardedRenewedClientCertificate"]
    assert pair(station, 0) == old


@versions
def test_m05_fr_13_the_old_root_goes_once_the_new_one_has_served(version: str) -> None:
    station = Certified(version, CHECK)
    new = Certificate("New", station.root, ca=True)
    assert station.install(new) == ACCEPTED
    assert len(station.hashes("CSMSRootCertificate")) == 2
    station.bench.engine.block("certificate").proven(None, True)
    station.rest()
    (left,) = station.hashes("CSMSRootCertificate")
    assert left["serialNumber"] == hash_data(new)["serialNumber"]


# -- renewal -----------------------------------------------------------------------------------------------------------


@versions
def test_a03_fr_02_a_certificate_is_renewed_a_month_before_it_ends(version: str) -> None:
    station = Certified(version)
    station.renew(days=(-1, 40))
    for _ in range(9):
        station.bench.advance(DAY_S)
        assert "SignCertificate" not in [action for action, _ in station.rest()]
    station.bench.advance(DAY_S)
    station.jobs.run()
    csr = station.request()
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr)) == ACCEPTED
    station.rest()
    station.bench.advance(DAY_S)
    assert "SignCertificate" not in [action for action, _ in station.rest()]


@versions
def test_how_long_before_can_be_set(version: str) -> None:
    station = Certified(version, renew_before_days=10)
    station.renew(days=(-1, 12))
    station.bench.advance(DAY_S)
    assert "SignCertificate" not in [action for action, _ in station.rest()]
    station.bench.advance(DAY_S)
    station.jobs.run()
    station.request()


@versions
def test_a_certificate_that_is_not_used_is_not_renewed(version: str) -> None:
    station = Certified(version, profile=2)
    station.renew(days=(-1, 5))
    assert effects(station, "credentials") == 0
    station.bench.advance(DAY_S)
    assert "SignCertificate" not in [action for action, _ in station.rest()]


@versions
def test_a_renewal_that_the_csms_refuses_is_tried_the_next_day(version: str) -> None:
    station = Certified(version)
    csr = station.trigger()
    station.bench.answer(ACCEPTED)
    station.signed(station.sign(csr, days=(-1, 5)))
    station.jobs.run()
    station.request()
    station.bench.answer({"status": "Rejected"})
    station.bench.advance(DAY_S - 60)
    assert "SignCertificate" not in [action for action, _ in station.rest()]
    station.bench.advance(120)
    station.jobs.run()
    station.request()


@versions
def test_a03_fr_19_a_renewal_that_is_never_delivered_is_told_in_the_last_week_and_not_asked_for_again(
    version: str,
) -> None:
    station = Certified(version, WAIT, TIMES)
    station.renew(days=(-1, 8.5))  # a month ahead is long past: the next one is asked for at once, Accepted
    said = []
    for wait_s in (10, 20, 40, DAY_S):
        station.bench.advance(wait_s)
        said += station.rest()
    assert [action for action, _ in said].count("SignCertificate") == 3
    assert station.events(said) == [] and station.bench.log.texts("error") == []
    said = []
    for _ in range(3):
        station.bench.advance(DAY_S)
        station.bench.fact("clock_changed")  # looks at the certificates, too: told once a day all the same
        said += station.rest()
    assert station.events(said) == ["ChargingStationCertificateExpires"] * 3
    assert "SignCertificate" not in [action for action, _ in said]
    told = [payload["techInfo"] for action, payload in said if action == "SecurityEventNotification"]
    assert told[0] == "ChargingStationCertificate ends in 6 days, the CSMS has not delivered the next one"
    assert len(station.bench.log.texts("error")) == 3
    station.trigger()


@versions
@pytest.mark.parametrize("wait_s", ["10", "0"])
def test_a_renewal_that_was_just_asked_for_is_not_missed_yet(version: str, wait_s: str) -> None:
    station = Certified(version, {**WAIT, "value": wait_s}, TIMES)
    station.renew(days=(-1, 5))
    station.bench.log.lines.clear()
    station.bench.fact("clock_changed")
    told = station.events(station.rest())
    assert told == ([] if wait_s == "10" else ["ChargingStationCertificateExpires"])  # 0: there is no second request
    assert len(station.bench.log.texts("error")) == len(told)


@versions
def test_nothing_is_renewed_while_the_time_is_unknown(version: str) -> None:
    station = Certified(version)
    station.renew(days=(-1, 31))
    station.bench.cut()
    station.bench.time.utc = 0.0
    station.bench.restart()
    station.bench.open(version)
    station.bench.engine.block("certificate")
    station.bench.expect("BootNotification")
    station.bench.answer({"status": "Accepted", "currentTime": "1970-01-01T00:00:00Z", "interval": 3600})
    assert "SignCertificate" not in [action for action, _ in station.rest()]


# -- ISO 15118 ---------------------------------------------------------------------------------------------------------


@versions2
def test_f06_fr_08_without_iso_15118_its_certificates_are_not_implemented(version: str) -> None:
    station = Certified(version)
    assert station.triggered("SignV2GCertificate") == {"status": "NotImplemented"}
    assert station.triggered("SignCombinedCertificate") == {"status": "NotImplemented"}


@versions2
def test_a_station_that_may_not_install_v2g_certificates_says_so(version: str) -> None:
    station = Certified(version, *iso15118(SeccId="NLACMES1", V2GCertificateInstallationEnabled="false"))
    assert station.triggered("SignV2GCertificate") == {"status": "Rejected"}


@versions2
def test_a02_a_v2g_certificate_is_named_after_the_secc(version: str) -> None:
    station = Certified(version, *iso15118(SeccId="NLACMES1", CountryName="NL", OrganizationName="Charge"))
    v2g = Certificate("V2G Root", ca=True, days=(-100, 1000))
    assert station.install(v2g, "V2GRootCertificate") == ACCEPTED
    station.rest()
    assert station.triggered("SignV2GCertificate") == ACCEPTED
    station.jobs.run()
    said = station.bench.sent[0][3]
    assert said.get("hashRootCertificate") == (hash_data(v2g) if version == "2.1" else None)
    csr = station.request()
    assert signing.read(csr) == {"CN": "NLACMES1", "O": "Charge", "C": "NL", "kind": "ec", "bits": 256}
    assert station.use == V2G
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr), V2G) == {"status": "Rejected"}  # of the wrong root
    station.rest()
    csr = station.trigger("SignV2GCertificate")
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(csr, v2g), V2G) == ACCEPTED
    assert effects(station, "credentials") == 0  # not the connection's


def test_2_1_a02_fr_23_a_certificate_for_iso_15118_20() -> None:
    station = Certified("2.1", *iso15118(SeccId="NLACMES1"))
    assert signing.read(station.trigger("SignV2G20Certificate"))["bits"] == 521
    assert station.use == "V2G20Certificate"


def test_a00_fr_428_one_certificate_for_both_connections() -> None:
    station = Certified("2.0.1", *iso15118(SeccId="NLACMES1"))
    assert station.triggered("SignCombinedCertificate") == ACCEPTED
    station.jobs.run()
    said = station.bench.expect("SignCertificate")
    assert "certificateType" not in said
    station.bench.answer(ACCEPTED)
    assert station.signed(station.sign(said["csr"]), None) == ACCEPTED
    assert effects(station, "credentials") == 1
    assert len(station.hashes("V2GCertificateChain")) == 1


# -- roots -------------------------------------------------------------------------------------------------------------


@versions
def test_m05_fr_06_a_full_store(version: str) -> None:
    limit = {"component": "SecurityCtrlr", "variable": "CertificateEntries", "max": 1}
    station = Certified(version, limit)
    assert station.install(Certificate("More", ca=True)) == {"status": "Rejected"}
    assert station.install(station.root) == ACCEPTED  # [M05.FR.17]


@versions
def test_m04_what_the_connection_stands_on_stays(version: str) -> None:
    station = Certified(version)
    station.jobs.places["trusted"] = station.root.pem()
    assert station.delete(hash_data(station.root)) == {"status": "Failed"}


@versions
def test_a_station_without_the_block_refuses(version: str) -> None:
    bench = Bench(blocks={"certificate": "", "availability": "", "metering": ""})
    bench.connect(version)
    reply = bench.ask_raw("InstallCertificate", {"certificateType": "ManufacturerRootCertificate", "certificate": "x"})
    assert reply is not None and reply[2] == "NotSupported"
