"""Plug and charge: certificates of the SECC and of contracts; within DataTransfer in 1.6, as messages in 2.x."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evse.model import Token
from tests.support import signing
from tests.support.bench import versions2
from tests.support.certificates import Certificate
from tests.support.certified import ACCEPTED, V2G, Certified
from tests.support.signing import hash_data

VENDOR = "org.openchargealliance.iso15118pnc"
EMAID = "NLTNM123456789"


def variable(name: str, value: str, type: str = "boolean") -> dict[str, Any]:
    return {"component": "ISO15118Ctrlr", "variable": name, "value": value, "type": type}


ON = (variable("PnCEnabled", "true"), variable("SeccId", "NLACME01", "string"))


class Station(Certified):
    """A station with plug and charge."""

    def __init__(self, *variables: dict[str, Any], version: str = "1.6") -> None:
        super().__init__(version, *(variables or ON))

    def pump(self) -> None:
        """What a block was asked for from outside is said."""
        self.bench.engine.pump()
        self.bench.advance(0)

    def transfer(self, message: str, data: dict[str, Any] | str) -> dict[str, Any]:
        text = data if isinstance(data, str) else json.dumps(data)
        return self.ask("DataTransfer", {"vendorId": VENDOR, "messageId": message, "data": text})

    def asked(self, message: str, data: dict[str, Any]) -> Any:
        """The data of an accepted message."""
        answer = self.transfer(message, data)
        assert answer["status"] == "Accepted", answer
        return json.loads(answer["data"])

    def heard(self, message: str) -> dict[str, Any]:
        """The data of a message that the station sends now."""
        said = self.bench.expect("DataTransfer")
        assert (said["vendorId"], said["messageId"]) == (VENDOR, message)
        data: dict[str, Any] = json.loads(said["data"])
        return data

    def ask_keys(self, request: dict[str, Any]) -> dict[str, str]:
        shown = self.bench.ask("GetConfiguration", request)["configurationKey"]
        return {each["key"]: each["value"] for each in shown}

    def reply(self, data: dict[str, Any] | None, status: str = "Accepted") -> None:
        self.bench.answer({"status": status} if data is None else {"status": status, "data": json.dumps(data)})


@pytest.fixture
def station() -> Station:
    return Station()


def test_the_secc_gets_its_certificate(station: Station) -> None:
    assert station.asked("InstallCertificate", install(station.root)) == ACCEPTED
    assert station.asked("TriggerMessage", {"requestedMessage": "SignV2GCertificate"}) == ACCEPTED
    station.jobs.run()
    said = station.heard("SignCertificate")
    assert said["certificateType"] == V2G
    assert signing.read(said["csr"])["CN"] == "NLACME01"
    station.reply(ACCEPTED)
    chain = station.sign(said["csr"])
    assert station.asked("CertificateSigned", {"certificateChain": chain}) == ACCEPTED
    listed = station.asked("GetInstalledCertificateIds", {"certificateType": ["V2GCertificateChain"]})
    assert listed["status"] == "Accepted"
    assert len(listed["certificateHashDataChain"]) == 1


def test_a_refused_request_is_given_up(station: Station) -> None:
    station.asked("TriggerMessage", {"requestedMessage": "SignV2GCertificate"})
    station.jobs.run()
    station.heard("SignCertificate")
    station.reply(None, "UnknownVendorId")
    assert "the CSMS does not get a certificate signed" in station.bench.log.texts("warning")


def install(root: Certificate, kind: str = "V2GRootCertificate") -> dict[str, Any]:
    return {"certificateType": kind, "certificate": root.pem()}


def test_roots_are_installed_listed_and_deleted(station: Station) -> None:
    root = Certificate("V2G Root", ca=True, days=(-100, 1000))
    assert station.asked("InstallCertificate", install(root)) == ACCEPTED
    listed = station.asked("GetInstalledCertificateIds", {"certificateType": ["V2GRootCertificate"]})
    assert [chain["certificateHashData"] for chain in listed["certificateHashDataChain"]] == [hash_data(root)]
    assert station.asked("DeleteCertificate", {"certificateHashData": hash_data(root)}) == ACCEPTED
    assert station.asked("DeleteCertificate", {"certificateHashData": hash_data(root)}) == {"status": "NotFound"}
    assert station.asked("GetInstalledCertificateIds", {"certificateType": ["V2GRootCertificate"]}) == {
        "status": "NotFound"
    }


def test_only_the_certificate_of_the_secc_can_be_triggered(station: Station) -> None:
    said = station.asked("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert said == {"status": "NotImplemented"}


@pytest.mark.parametrize("message", ["InstallCertificate", "CertificateSigned", "DeleteCertificate", "TriggerMessage"])
@pytest.mark.parametrize("data", ["", "[]", "{", "{}", '{"certificate":5,"certificateType":"V2GRootCertificate"}'])
def test_data_that_is_not_as_the_note_says_is_rejected(station: Station, message: str, data: str) -> None:
    assert station.transfer(message, data) == {"status": "Rejected"}


def test_an_unknown_type_of_certificate_is_rejected(station: Station) -> None:
    data = {"certificateType": "../../root", "certificate": "x"}
    assert station.transfer("InstallCertificate", data) == {"status": "Rejected"}
    assert station.transfer("GetInstalledCertificateIds", {"certificateType": [5]}) == {"status": "Rejected"}


def test_everything_is_rejected_while_plug_and_charge_is_off() -> None:
    station = Station(variable("PnCEnabled", "false"))
    assert station.transfer("TriggerMessage", {"requestedMessage": "SignV2GCertificate"}) == {"status": "Rejected"}
    assert station.transfer("GetInstalledCertificateIds", {}) == {"status": "Rejected"}


def test_the_keys_are_there_with_the_controller_only() -> None:
    asked = {"key": ["ISO15118PnCEnabled", "ContractValidationOffline", "CentralContractValidationAllowed"]}
    more = (variable("ContractValidationOffline", "false"), variable("CentralContractValidationAllowed", "true"))
    shown = Station(*ON, *more).ask_keys(asked)
    assert shown == {
        "ISO15118PnCEnabled": "true",
        "ContractValidationOffline": "false",
        "CentralContractValidationAllowed": "true",
    }
    plain = Certified("1.6").bench.ask("GetConfiguration", asked)
    assert plain["configurationKey"] == [{"key": "ISO15118PnCEnabled", "readonly": True, "value": "false"}]


def test_a_contract_certificate_is_authorized_by_its_data(station: Station) -> None:
    """Authorize of 2.0.1 within DataTransfer; what the CSMS says of the certificate comes along."""
    decided: list[dict[str, Any]] = []
    hashes = [{**hash_data(station.root), "responderURL": "http://ocsp.example"}]
    authorization = station.bench.engine.block("authorization")
    authorization.check(Token(EMAID, "eMAID"), decided.append, extra={"iso15118CertificateHashData": hashes})
    station.pump()
    said = station.heard("Authorize")
    assert said == {"idToken": {"idToken": EMAID, "type": "eMAID"}, "iso15118CertificateHashData": hashes}
    station.reply({"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"})
    assert [info["status"] for info in decided] == ["Accepted"]


@pytest.mark.parametrize("status", ["UnknownVendorId", "Rejected"])
def test_a_csms_that_knows_no_plug_and_charge_authorizes_nobody(station: Station, status: str) -> None:
    decided: list[dict[str, Any]] = []
    authorization = station.bench.engine.block("authorization")
    authorization.check(Token(EMAID, "eMAID"), decided.append, extra={"certificate": "x"})
    station.pump()
    station.heard("Authorize")
    station.reply(None, status)
    assert [info["status"] for info in decided] == ["Unknown"]


def test_the_vehicle_gets_its_contract_certificate(station: Station) -> None:
    ended: list[Any] = []
    block = station.bench.engine.block("iso15118")
    block.ev_certificate("urn:iso:15118:2:2013:MsgDef", "ZXhp", lambda answer, error: ended.append(answer), update=True)
    station.pump()
    said = station.heard("Get15118EVCertificate")
    assert said["action"] == "Update"
    station.reply({"status": "Accepted", "exiResponse": "cmVz"})
    assert ended == [{"status": "Accepted", "exiResponse": "cmVz"}]


@pytest.mark.parametrize("reply", ["no json", "[]", ""])
def test_an_answer_that_is_none_counts_as_failed(station: Station, reply: str) -> None:
    ended: list[Any] = []
    block = station.bench.engine.block("iso15118")
    block.certificate_status({**hash_data(station.root), "responderURL": "u"}, lambda *end: ended.append(end[0]))
    station.pump()
    station.heard("GetCertificateStatus")
    station.bench.answer({"status": "Accepted", "data": reply})
    assert ended == [{"status": "Failed"}]


@versions2
def test_2_x_has_messages_of_its_own(version: str) -> None:
    station = Station(*ON, version=version)
    ended: list[Any] = []
    block = station.bench.engine.block("iso15118")
    block.ev_certificate("urn:iso:15118:2:2013:MsgDef", "ZXhp", lambda answer, error: ended.append(answer))
    station.pump()
    said = station.bench.expect("Get15118EVCertificate")
    assert said == {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": "ZXhp"}
    station.bench.answer({"status": "Accepted", "exiResponse": "cmVz"})
    assert ended == [{"status": "Accepted", "exiResponse": "cmVz"}]
    answer = station.bench.ask("DataTransfer", {"vendorId": VENDOR, "messageId": "TriggerMessage", "data": {}})
    assert answer == {"status": "UnknownVendorId"}
