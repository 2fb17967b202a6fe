"""N09, N10 customer information: what is told of a token, in parts, and what is forgotten of it."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import StoreError
from evse.model import Token
from evse.store.documents import Documents
from tests.support.bench import Bench, versions2

TOKEN = {"idToken": "04AABBCC", "type": "ISO14443"}
OTHER = {"idToken": "04DDEEFF", "type": "ISO14443"}
CERTIFICATE = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a" * 64,
    "issuerKeyHash": "b" * 64,
    "serialNumber": "01",
}
NOTHING = "no data was found"


def bench(version: str = "2.0.1", **options: Any) -> Bench:
    made = Bench(**options)
    made.connect(version)
    return made


def ask(station: Bench, id: int = 1, report: bool = True, clear: bool = False, **customer: Any) -> dict[str, Any]:
    customer = customer or {"idToken": TOKEN}
    return station.ask("CustomerInformation", {"requestId": id, "report": report, "clear": clear, **customer})


def told(station: Bench, id: int = 1) -> str:
    """The text of a whole report."""
    text = ""
    for seq in range(1000):
        if not station.sent:
            station.advance(0.1)
        said = station.expect("NotifyCustomerInformation")
        assert (said["requestId"], said["seqNo"]) == (id, seq)
        assert said["generatedAt"].startswith("20")
        text += said["data"]
        station.answer()
        if not said["tbc"]:
            return text
    raise AssertionError("a report without end")


def cached(station: Bench, token: dict[str, str] = TOKEN) -> None:
    """The CSMS has told of the token."""
    station.tap(token["idToken"])
    station.settle()
    station.tap(token["idToken"])
    station.settle()


def listed(station: Bench, **info: Any) -> None:
    item = {"idToken": TOKEN, "idTokenInfo": {"status": "Accepted", **info}}
    request = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [item]}
    assert station.ask("SendLocalList", request) == {"status": "Accepted"}


def reserved(station: Bench, token: dict[str, str] = TOKEN) -> None:
    request = {"id": 5, "expiryDateTime": "2026-01-01T01:00:00Z", "idToken": token}
    assert station.ask("ReserveNow", request)["status"] == "Accepted"
    station.settle()


@versions2
def test_all_that_is_known_is_told(version: str) -> None:
    """[N09.FR.02, N09.FR.05]"""
    station = bench(version)
    listed(station, groupIdToken={"idToken": "FLEET", "type": "Central"}, language1="de")
    reserved(station)
    assert ask(station) == {"status": "Accepted"}
    assert told(station).splitlines() == [
        'local authorization list: status Accepted, groupIdToken {"idToken":"FLEET","type":"Central"}, language1 de',
        "reservation 5: any EVSE, expires 2026-01-01T01:00:00.000Z",
    ]
    station.quiet()


@versions2
def test_the_cache_and_a_transaction_are_told(version: str) -> None:
    station = bench(version)
    station.fact("plugged", 1, 1)
    station.tap(TOKEN["idToken"])
    station.settle()
    ask(station)
    lines = told(station).splitlines()
    assert lines[0] == "authorization cache: status Accepted"
    assert lines[1].startswith("transaction ")
    assert lines[1].endswith("EVSE 1, since 2026-01-01T00:00:00.000Z")
    assert len(lines) == 2


def test_events_that_wait_are_counted() -> None:
    station = bench()
    station.drop()
    station.fact("plugged", 1, 1)
    listing = station.engine.block("authorization")
    listing.cache.learn(_token(), {"status": "Accepted"})
    station.tap(TOKEN["idToken"])
    for wh in range(3):
        station.advance(1000)
        station.reading(1, wh)
    station.open("2.0.1")
    while station.sent[0][2] != "TransactionEvent":
        station.expect(station.sent[0][2])
        station.answer()
    station.expect("TransactionEvent")  # not answered yet: it and what follows it wait
    waiting = station.journal.pending
    assert waiting > 0
    assert ask(station) == {"status": "Accepted"}
    station.answer()
    said = [payload for action, payload in station.settle() if action == "NotifyCustomerInformation"]
    assert "events that wait for the CSMS: " in "".join(part["data"] for part in said)


@versions2
@pytest.mark.parametrize("customer", [{"idToken": OTHER}, {"customerIdentifier": "C1"}, {"customerCertificate": 1}])
@pytest.mark.parametrize("clear", [False, True])
def test_where_nothing_is_known_that_is_told(version: str, customer: dict[str, Any], clear: bool) -> None:
    """[N09.FR.06, N10.FR.04]"""
    if "customerCertificate" in customer:
        customer = {"customerCertificate": CERTIFICATE}
    station = bench(version)
    listed(station)
    assert ask(station, clear=clear, **customer) == {"status": "Accepted"}
    assert told(station) == NOTHING
    station.quiet()


@versions2
@pytest.mark.parametrize("report", [False, True])
def test_what_is_cleared_is_gone_but_for_the_local_list(version: str, report: bool) -> None:
    """[N10.FR.01, N10.FR.02, N10.FR.03, N10.FR.06]"""
    station = bench(version)
    listed(station)
    reserved(station)
    station.engine.block("authorization").cache.learn(_token(), {"status": "Accepted"})
    assert ask(station, report=report, clear=True) == {"status": "Accepted"}
    said = station.settle()
    parts = [payload["data"] for action, payload in said if action == "NotifyCustomerInformation"]
    updates = [payload for action, payload in said if action == "ReservationStatusUpdate"]
    assert updates == [{"reservationId": 5, "reservationUpdateStatus": "Removed"}]
    if report:
        assert [line.partition(":")[0] for line in "".join(parts).splitlines()] == [
            "authorization cache", "local authorization list", "reservation 5",
        ]  # fmt: skip
    else:
        assert parts == ["the data was cleared"]
    ask(station, 2)
    assert told(station, 2) == "local authorization list: status Accepted"
    station.cut()
    station.restart()
    station.connect(version)
    ask(station, 3)
    assert told(station, 3) == "local authorization list: status Accepted"


def test_a_long_report_comes_in_parts() -> None:
    """At most 512 characters each. [NotifyCustomerInformationRequest]"""
    station = bench("2.1")
    message = {"format": "UTF8", "content": "ä" * 1024}
    station.engine.block("authorization").cache.learn(_token(), {"status": "Accepted", "personalMessage": message})
    ask(station)
    text = told(station)
    assert "ä" * 1024 in text
    assert len(text) > 1024


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"report": False}, "Rejected"),
        ({"report": True, "customerIdentifier": "C1", "idToken": TOKEN}, "Invalid"),
        ({"report": False, "customerCertificate": CERTIFICATE, "customerIdentifier": "C1"}, "Invalid"),
    ],
)
@versions2
def test_requests_that_make_no_sense(version: str, request_: dict[str, Any], status: str) -> None:
    """[N09.FR.07, N09.FR.09, N10.FR.07]"""
    station = bench(version)
    assert ask(station, **request_)["status"] == status
    station.quiet()


def test_a_request_about_nobody_is_invalid() -> None:
    """[N09.FR.09]"""
    station = bench()
    answer = station.ask("CustomerInformation", {"requestId": 1, "report": True, "clear": False})
    assert answer["status"] == "Invalid"


def test_reports_wait_for_each_other_and_are_bounded() -> None:
    """[N09.FR.03]"""
    station = bench()
    statuses = [ask(station, id)["status"] for id in range(7)]
    assert statuses == ["Accepted"] * 5 + ["Rejected"] * 2
    for id in range(5):
        assert told(station, id) == NOTHING
    station.quiet()
    assert ask(station, 9)["status"] == "Accepted"


def test_a_report_ends_with_the_connection() -> None:
    station = bench()
    ask(station, 1)
    ask(station, 2)
    station.drop()
    station.open("2.0.1")
    assert not any(action == "NotifyCustomerInformation" for action, _ in station.settle())
    ask(station, 3)
    assert told(station, 3) == NOTHING


def test_a_part_that_the_csms_refuses_ends_its_report_only() -> None:
    station = bench("2.1")
    message = {"format": "UTF8", "content": "x" * 1024}
    station.engine.block("authorization").cache.learn(_token(), {"status": "Accepted", "personalMessage": message})
    ask(station, 1)
    ask(station, 2, idToken=OTHER)
    assert station.expect("NotifyCustomerInformation")["tbc"]
    station.refuse()
    assert told(station, 2) == NOTHING
    station.quiet()


def test_a_long_journal_is_looked_through_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evse.ocpp.blocks.customer_information.block.SLICE", 2)
    station = bench()
    station.drop()
    security = station.engine.block("security")
    for index in range(7):
        security.event("Event", tech_info=str(index))
    station.open("2.0.1")
    station.expect("SecurityEventNotification")
    assert ask(station) == {"status": "Accepted"}
    station.answer()
    parts = [payload for action, payload in _settled(station) if action == "NotifyCustomerInformation"]
    assert [part["data"] for part in parts] == [NOTHING]


def test_a_store_that_refuses_clears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    station = bench()
    cache = station.engine.block("authorization").cache
    cache.learn(_token(), {"status": "Accepted"})

    def refuse(*_: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Documents, "save", refuse)
    assert ask(station, clear=True)["status"] == "Rejected"
    station.quiet()


def _token() -> Token:
    return Token(TOKEN["idToken"], TOKEN["type"])


def _settled(station: Bench) -> list[tuple[str, dict[str, Any]]]:
    said = station.settle()
    for _ in range(10):
        station.advance(0.1)
        said += station.settle()
    return said
