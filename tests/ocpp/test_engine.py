"""The engine: requests in, answers out, whatever the frame; which block, which error, which order."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from evse.errors import CsmsError
from tests.support.bench import Bench, versions, versions2
from tests.support.powercut import PowerCutFS

SAMPLE = {"data_transfer": "tests.support.sampleblock:Block"}
EVERY_VERSION = ["1.6", "2.0.1", "2.1"]


def bench(version: str, **options: Any) -> Bench:
    bench = Bench(blocks=SAMPLE, **options)
    bench.connect(version)
    return bench


def transfer(bench: Bench, wish: str) -> list[Any] | None:
    return bench.ask_raw("DataTransfer", {"vendorId": "V", "messageId": wish})


@versions
def test_a_request_is_answered_by_its_block(version: str) -> None:
    assert bench(version).ask("DataTransfer", {"vendorId": "V"}) == {"status": "Accepted"}


@versions
def test_an_unknown_action_is_not_implemented(version: str) -> None:
    """[part 4 §4.3] NotImplemented: requested action is not known by receiver."""
    reply = bench(version).ask_raw("MakeCoffee", {})
    assert reply is not None and reply[0] == 4 and reply[2] == "NotImplemented"


@pytest.mark.parametrize(
    ("version", "action"), [("2.0.1", "SetDisplayMessage"), ("2.1", "SetDERControl"), ("2.1", "Heartbeat")]
)
def test_a_known_action_without_block_is_not_supported(version: str, action: str) -> None:
    """[part 4 §4.3] NotSupported: requested action is recognized but not supported by the receiver."""
    reply = bench(version).ask_raw(action, {})
    assert reply is not None and reply[0] == 4 and reply[2] == "NotSupported"


@pytest.mark.parametrize(
    ("version", "action"), [("1.6", "SetVariables"), ("2.0.1", "SetDERControl"), ("2.1", "ChangeConfiguration")]
)
def test_an_action_of_another_version_is_not_implemented(version: str, action: str) -> None:
    reply = bench(version).ask_raw(action, {})
    assert reply is not None and reply[2] == "NotImplemented"


@pytest.mark.parametrize(
    ("version", "payload", "code"),
    [
        ("1.6", {}, "OccurenceConstraintViolation"),
        ("2.0.1", {}, "OccurrenceConstraintViolation"),
        ("1.6", {"vendorId": 1}, "TypeConstraintViolation"),
        ("2.1", {"vendorId": 1}, "TypeConstraintViolation"),
        ("1.6", {"vendorId": "x" * 256}, "PropertyConstraintViolation"),
        ("2.0.1", {"vendorId": "x" * 256}, "PropertyConstraintViolation"),
        ("1.6", {"vendorId": "V", "more": 1}, "FormationViolation"),
        ("2.0.1", {"vendorId": "V", "more": 1}, "FormatViolation"),
    ],
)
def test_a_payload_that_breaks_the_schema_is_refused_in_the_words_of_the_version(
    version: str, payload: dict[str, Any], code: str
) -> None:
    reply = bench(version).ask_raw("DataTransfer", payload)
    assert reply is not None and (reply[0], reply[2]) == (4, code)
    assert reply[3], "the refusal says where and what"


@versions
def test_a_block_refuses_by_a_call_error(version: str) -> None:
    reply = transfer(bench(version), "error")
    assert reply is not None and reply[2:4] == ["SecurityError", "no"]


@versions
def test_a_defect_of_a_block_is_an_internal_error_and_the_station_lives(version: str) -> None:
    b = bench(version)
    reply = transfer(b, "defect")
    assert reply is not None and reply[2] == "InternalError"
    assert b.log.texts("error")
    assert b.ask("DataTransfer", {"vendorId": "V"}) == {"status": "Accepted"}


@versions
def test_an_answer_of_ours_that_breaks_the_schema_is_not_sent(version: str) -> None:
    """Field lesson 14: every outgoing message is checked, too."""
    reply = transfer(bench(version), "invalid")
    assert reply is not None and reply[2] == "InternalError"


@versions
def test_an_answer_may_come_later_and_only_once(version: str) -> None:
    b = bench(version)
    assert transfer(b, "later") is None
    later = b.engine.block("data_transfer").later
    later.set({"status": "Accepted"})
    later.set({"status": "Rejected"})
    b.advance(0)
    assert b.reply() == [3, b.last_asked, {"status": "Accepted"}]
    b.advance(60)
    assert b.reply() is None


@versions
def test_an_answer_that_never_comes_is_an_internal_error(version: str) -> None:
    b = bench(version)
    assert transfer(b, "later") is None
    b.advance(31)
    reply = b.reply()
    assert reply is not None and reply[2] == "InternalError"


@versions
def test_a_message_id_in_use_is_refused(version: str) -> None:
    """[part 4 §4.2.3] an existing message with the same unique identifier is being handled already."""
    b = bench(version)
    frame = [2, "same", "DataTransfer", {"vendorId": "V", "messageId": "later"}]
    b.receive(frame)
    b.receive(frame)
    assert b.replies["same"][0] == 4


def test_the_answer_comes_before_what_the_request_makes_the_station_say() -> None:
    b = bench("2.0.1")
    b.engine.receive('[2,"x","DataTransfer",{"vendorId":"V","messageId":"talk"}]')
    assert [frame[:3] for frame in b.engine.frames] == ["[3,", "[2,"]


@versions2
@pytest.mark.parametrize(
    ("frame", "code"), [("nonsense", "RpcFrameworkError"), ('[9,"5",{}]', "MessageTypeNotSupported")]
)
def test_what_is_no_frame_is_answered_in_2x(version: str, frame: str, code: str) -> None:
    b = bench(version)
    b.receive(frame)
    id = "5" if frame.startswith("[") else "-1"
    assert b.replies[id][2] == code


@pytest.mark.parametrize("frame", ["nonsense", '[9,"5",{}]', "[]", '[2,"","X",{}]'])
def test_16_is_silent_about_what_it_cannot_answer(frame: str) -> None:
    """[1.6J §4.1.3] an unknown message type is ignored; without an id there is nothing to answer."""
    b = bench("1.6")
    b.receive(frame)
    assert not b.replies
    assert b.ask("DataTransfer", {"vendorId": "V"}) == {"status": "Accepted"}


@versions
def test_answers_that_nobody_waits_for_change_nothing(version: str) -> None:
    b = bench(version)
    b.receive([3, "unknown", {}])
    b.receive([4, "unknown", "GenericError", "", {}])
    b.receive([5, "unknown", "GenericError", "", {}])
    assert not [id for id in b.replies if id == "unknown" and version == "1.6"]
    assert b.ask("DataTransfer", {"vendorId": "V"}) == {"status": "Accepted"}


def test_21_tells_the_csms_that_its_answer_breaks_the_schema() -> None:
    """[2.1 part 4 §4.2.3] CALLRESULTERROR."""
    b = bench("2.1")
    block = b.engine.block("data_transfer")
    b.engine.fact("cleared", None, "none")
    block.say("hello")
    b.engine.pump()
    b._drain()
    b.expect("DataTransfer")
    id = b.open_id
    b.answer({"status": "Perhaps"})
    assert b.replies[str(id)][0] == 5
    assert isinstance(block.ends[0][2], CsmsError)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_wrong_answer_ends_the_call_with_an_error(version: str) -> None:
    b = bench(version)
    block = b.engine.block("data_transfer")
    block.say("hello")
    b.engine.pump()
    b._drain()
    b.expect("DataTransfer")
    b.answer({"status": "Perhaps"})
    assert block.ends[0][1] is None and block.ends[0][2].code == "FormatViolation"


def test_a_send_frame_is_never_answered() -> None:
    """[2.1 part 4 §4.2.4]"""
    b = bench("2.1")
    got: list[Any] = []
    b.engine.on("NotifyPeriodicEventStream", got.append)
    b.receive([6, "s1", "NotifyPeriodicEventStream", {"wrong": 1}])
    b.receive([6, "s2", "NoSuchThing", {}])
    assert not b.replies and not got


@versions
def test_message_mode_wins_over_the_block_and_can_be_taken_back(version: str) -> None:
    b = bench(version)
    b.engine.on("DataTransfer", lambda payload: {"status": "Rejected"})
    assert b.ask("DataTransfer", {"vendorId": "V"}) == {"status": "Rejected"}
    b.engine.on("DataTransfer", None)
    assert b.ask("DataTransfer", {"vendorId": "V"}) == {"status": "Accepted"}


@versions
def test_message_mode_sends_any_call(version: str) -> None:
    b = bench(version)
    ends: list[Any] = []
    b.engine.request("DataTransfer", {"vendorId": "X"}, lambda *end: ends.append(end))
    b._drain()
    assert b.expect("DataTransfer") == {"vendorId": "X"}
    b.answer({"status": "Accepted"})
    assert ends == [({"status": "Accepted"}, None)]


@versions
def test_a_fact_about_an_unknown_evse_is_logged_and_ignored(version: str) -> None:
    b = bench(version)
    b.fact("plugged", 9, 1)
    assert b.log.texts("error")
    b.quiet()


def test_a_subprotocol_that_we_do_not_speak_is_an_error() -> None:
    b = Bench()
    with pytest.raises(CsmsError):
        b.engine.connected("ocpp1.5")


def test_16_a_feature_profile_that_is_left_out_is_refused() -> None:
    """[1.6 §3.2] its requests are recognized but not supported."""
    b = bench("1.6")
    wish = {"requestedMessage": "Heartbeat"}
    assert b.ask("TriggerMessage", wish) == {"status": "Accepted"}
    b.model.set("OCPP16Ctrlr", "SupportedFeatureProfiles", "Core")
    reply = b.ask_raw("TriggerMessage", wish)
    assert reply is not None and reply[2] == "NotSupported"


class _Turns:
    """A station whose every fdatasync is counted, with what waits to leave the engine then."""

    def __init__(self, version: str) -> None:
        self.fs = PowerCutFS()
        self.bench = Bench(fs=self.fs)
        self.bench.connect(version)
        self.bench.fact("plugged", 1, 1)
        self.bench.tap("CARD")
        self.bench.settle()
        self.bench.fact("power_path", 1, True)
        self.bench.settle()
        self.syncs = 0
        self.writes = 0
        self.fs.before = self._note

    def _note(self, call: str, path: str) -> None:
        self.syncs += call == "fdatasync"
        self.writes += call == "write" and "/journal/" in path


@versions
def test_what_a_turn_journals_is_synced_once_at_its_end(version: str) -> None:
    """Before its frames and effects leave the engine, which is when `receive` returns."""
    turns = _Turns(version)
    bench = turns.bench
    sample = bench.engine.block("security")

    def say_twice(evse: Any, *_: Any) -> None:
        for number in range(3):
            sample.event("SettingSystemTime", tech_info=str(number))

    bench.engine._enter(say_twice, None)
    assert turns.writes == 3 and turns.syncs == 1
    assert bench.engine.frames and not bench.journal.unsynced


@versions
def test_a_sync_that_fails_is_tried_again_by_the_next_turn_and_holds_nothing_up(version: str) -> None:
    turns = _Turns(version)
    bench, fs = turns.bench, turns.fs
    fs.fault = lambda call, path: errno.EIO if call == "fdatasync" else None
    bench.engine._enter(bench.engine.block("security").event, "SettingSystemTime")
    assert bench.engine.frames and "the store refused a write" in bench.log.texts("error")
    fs.fault = None
    bench.engine.pump()
    assert not bench.journal.unsynced
    assert all("SettingSystemTime" in str(disk.dump()) for _, disk in fs.cut())
