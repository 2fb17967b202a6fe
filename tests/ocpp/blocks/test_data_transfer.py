"""P01, P02: data of vendors, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import CsmsError
from tests.support.bench import Bench, versions, versions2

QUIET = {"security": ""}


def station(version: str) -> tuple[Bench, Any]:
    """A station that is connected and accepted, and its data transfer block."""
    bench = Bench(blocks=QUIET)
    bench.connect(version)
    return bench, bench.engine.block("data_transfer")


@versions
def test_p01_fr_05_an_unknown_vendor(version: str) -> None:
    bench, _ = station(version)
    answer = bench.ask("DataTransfer", {"vendorId": "com.acme", "messageId": "m", "data": "d"})
    assert answer == {"status": "UnknownVendorId"}


@versions
def test_p01_fr_06_an_unknown_message(version: str) -> None:
    bench, block = station(version)
    block.register("com.acme", "known", lambda message_id, data: ("Accepted", None))
    assert bench.ask("DataTransfer", {"vendorId": "com.acme", "messageId": "m"}) == {"status": "UnknownMessageId"}
    assert bench.ask("DataTransfer", {"vendorId": "com.acme"}) == {"status": "UnknownMessageId"}


@versions
def test_p01_fr_07_the_handler_of_the_message_answers(version: str) -> None:
    bench, block = station(version)
    block.register("com.acme", "m", lambda message_id, data: ("Accepted", f"{message_id}:{data}"))
    block.register("com.acme", None, lambda message_id, data: ("Rejected", None))
    ask = {"vendorId": "com.acme", "messageId": "m", "data": "d"}
    assert bench.ask("DataTransfer", ask) == {"status": "Accepted", "data": "m:d"}
    assert bench.ask("DataTransfer", {"vendorId": "com.acme", "messageId": "other"}) == {"status": "Rejected"}
    assert bench.ask("DataTransfer", {"vendorId": "com.acme"}) == {"status": "Rejected"}


@versions
def test_a_handler_can_be_removed(version: str) -> None:
    bench, block = station(version)
    block.register("com.acme", "m", lambda message_id, data: ("Accepted", None))
    block.register("com.acme", "m", None)
    assert bench.ask("DataTransfer", {"vendorId": "com.acme", "messageId": "m"}) == {"status": "UnknownVendorId"}


@versions2
@pytest.mark.parametrize("data", [{"a": [1, None]}, 0, False, "text", [1]])
def test_p01_fr_04_data_is_any_json_in_2_x(version: str, data: Any) -> None:
    bench, block = station(version)
    block.register("com.acme", None, lambda message_id, data: ("Accepted", data))
    assert bench.ask("DataTransfer", {"vendorId": "com.acme", "data": data}) == {"status": "Accepted", "data": data}


def test_16_data_is_text() -> None:
    bench, block = station("1.6")
    block.register("com.acme", None, lambda message_id, data: ("Accepted", {"a": 1}))
    assert bench.ask("DataTransfer", {"vendorId": "com.acme"}) == {"status": "Accepted", "data": '{"a":1}'}
    block.send("com.acme", None, {"b": 2})
    block.send("com.acme", "m", "text")
    bench.engine.pump()
    bench.fact("cleared", 1, "none")
    assert [payload for _, payload in bench.settle()] == [
        {"vendorId": "com.acme", "data": '{"b":2}'},
        {"vendorId": "com.acme", "messageId": "m", "data": "text"},
    ]


@versions
def test_a_defect_of_a_handler_is_an_internal_error(version: str) -> None:
    bench, block = station(version)
    block.register("com.acme", None, lambda message_id, data: 1 // 0)
    reply = bench.ask_raw("DataTransfer", {"vendorId": "com.acme"})
    assert reply is not None and (reply[0], reply[2]) == (4, "InternalError")


@versions
def test_a_status_that_does_not_exist_is_not_sent(version: str) -> None:
    bench, block = station(version)
    block.register("com.acme", None, lambda message_id, data: ("Perhaps", None))
    reply = bench.ask_raw("DataTransfer", {"vendorId": "com.acme"})
    assert reply is not None and (reply[0], reply[2]) == (4, "InternalError")


@versions
def test_p02_the_answer_of_the_csms_is_told(version: str) -> None:
    bench, block = station(version)
    ends: list[tuple[Any, Any]] = []
    block.send("com.acme", "m", "d", lambda answer, error: ends.append((answer, error)))
    bench.fact("cleared", 1, "none")
    assert bench.expect("DataTransfer") == {"vendorId": "com.acme", "messageId": "m", "data": "d"}
    bench.answer({"status": "Accepted", "data": "x"})
    assert ends == [({"status": "Accepted", "data": "x"}, None)]


@versions
def test_p02_without_a_connection_the_sender_hears_it(version: str) -> None:
    bench, block = station(version)
    bench.drop()
    ends: list[tuple[Any, CsmsError | None]] = []
    block.send("com.acme", done=lambda answer, error: ends.append((answer, error)))
    bench.fact("cleared", 1, "none")
    ((answer, error),) = ends
    assert answer is None and error is not None and error.code == "Disconnected"


@versions
def test_data_that_is_too_long_for_the_schema_is_not_sent(version: str) -> None:
    bench, block = station(version)
    ends: list[Any] = []
    block.send("v" * 256, done=lambda answer, error: ends.append(error.code))
    bench.fact("cleared", 1, "none")
    bench.quiet()
    assert ends == ["FormatViolation"]
