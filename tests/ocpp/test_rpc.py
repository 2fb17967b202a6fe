"""OCPP-J frames. [part 4 §4.1-4.2]"""

from __future__ import annotations

import json

import pytest

from evse.ocpp import rpc


def test_frames_are_read_as_they_are_written() -> None:
    assert rpc.parse(rpc.call("1", "Heartbeat", {})) == (rpc.CALL, "1", "Heartbeat", {})
    assert rpc.parse(rpc.result("1", {"a": 0})) == (rpc.RESULT, "1", {"a": 0})
    assert rpc.parse(rpc.error("1", "InternalError", "why", {"x": 1})) == (
        rpc.ERROR,
        "1",
        "InternalError",
        "why",
        {"x": 1},
    )
    assert rpc.parse(rpc.result_error("1", "FormatViolation")) == (rpc.RESULT_ERROR, "1", "FormatViolation", "", {})
    assert rpc.parse(rpc.send("1", "NotifyPeriodicEventStream", {})) == (rpc.SEND, "1", "NotifyPeriodicEventStream", {})


def test_a_payload_of_null_is_an_empty_one() -> None:
    """[part 4 §4.1.5] both notations are allowed."""
    assert rpc.parse('[2,"1","Heartbeat",null]')[3] == {}
    assert rpc.parse('[3,"1",null]')[2] == {}


@pytest.mark.parametrize(
    "text", ['[4,"1","GenericError"]', '[4,"1","GenericError","why"]', '[4,"1","GenericError",null,null]']
)
def test_an_error_without_all_its_elements_is_still_an_error(text: str) -> None:
    """Seen in the field: CALLERROR frames without description or details."""
    assert rpc.parse(text)[:3] == (rpc.ERROR, "1", "GenericError")


def test_descriptions_are_cut_to_255_characters() -> None:
    assert len(json.loads(rpc.error("1", "InternalError", "x" * 300))[3]) == 255


@pytest.mark.parametrize(
    ("text", "code", "id", "answer"),
    [
        ("", "RpcFrameworkError", "-1", True),
        ("{", "RpcFrameworkError", "-1", True),
        ("{}", "RpcFrameworkError", "-1", True),
        ("[]", "RpcFrameworkError", "-1", True),
        ("null", "RpcFrameworkError", "-1", True),
        ('["2","1","Heartbeat",{}]', "RpcFrameworkError", "1", True),
        ('[true,"1","Heartbeat",{}]', "RpcFrameworkError", "1", True),
        ('[2.5,"1","Heartbeat",{}]', "RpcFrameworkError", "1", True),
        ('[9,"1","Heartbeat",{}]', "MessageTypeNotSupported", "1", True),
        ('[-1,"1"]', "MessageTypeNotSupported", "1", True),
        ("[2]", "RpcFrameworkError", "-1", True),
        ('[2,7,"Heartbeat",{}]', "RpcFrameworkError", "-1", True),
        ('[2,"","Heartbeat",{}]', "RpcFrameworkError", "-1", True),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "RpcFrameworkError", "-1", True),
        ('[2,"1","Heartbeat"]', "RpcFrameworkError", "1", True),
        ('[2,"1","Heartbeat",{},1]', "RpcFrameworkError", "1", True),
        ('[2,"1",7,{}]', "RpcFrameworkError", "1", True),
        ('[2,"1","Heartbeat",[]]', "FormatViolation", "1", True),
        ('[2,"1","Heartbeat","x"]', "FormatViolation", "1", True),
        ('[3,"1"]', "RpcFrameworkError", "1", False),
        ('[3,"1",[]]', "FormatViolation", "1", False),
        ('[3,"1",{},{}]', "RpcFrameworkError", "1", False),
        ('[3,"",{}]', "RpcFrameworkError", "-1", False),
        ('[3,"-1",{}]', "RpcFrameworkError", "-1", False),
        ('[3,7,{}]', "RpcFrameworkError", "-1", False),
        (f'[3,"{"x" * 37}",{{}}]', "RpcFrameworkError", "-1", False),
        ('[4,"1"]', "RpcFrameworkError", "1", False),
        ('[4,"1",5,"",{}]', "RpcFrameworkError", "1", False),
        ('[6,"1","X"]', "RpcFrameworkError", "1", False),
        ('[2,"1","Heartbeat",{"a":NaN}]', "RpcFrameworkError", "-1", True),
        ('[2,"1","Heartbeat",{"a":1,"a":2}]', "RpcFrameworkError", "-1", True),
        ("[" * 5000, "RpcFrameworkError", "-1", True),
    ],
)
def test_what_is_no_frame_is_named(text: str, code: str, id: str, answer: bool) -> None:
    """The code to answer, the id as far as it could be read, and whether an answer is owed at all. [part 4 §4.2.3]"""
    with pytest.raises(rpc.RpcError) as caught:
        rpc.parse(text)
    assert (caught.value.code, caught.value.id, caught.value.answer) == (code, id, answer)


def test_an_error_that_names_no_message_is_read() -> None:
    """A CSMS that could not read our id answers with "-1"."""
    assert rpc.parse('[4,"-1","RpcFrameworkError","",{}]')[1] == "-1"


@pytest.mark.parametrize(
    ("text", "code2", "code16"),
    [
        ("nonsense", "RpcFrameworkError", None),
        ('[9,"5",{}]', "MessageTypeNotSupported", None),
        ('[2,"5","Heartbeat"]', "RpcFrameworkError", "ProtocolError"),
        ('[2,"5","Heartbeat",[]]', "FormatViolation", "FormationViolation"),
        ('[3,"5",[]]', None, None),
    ],
)
def test_what_is_no_frame_is_refused_in_the_words_of_the_version(
    text: str, code2: str | None, code16: str | None
) -> None:
    with pytest.raises(rpc.RpcError) as caught:
        rpc.parse(text)
    for version, code in (("1.6", code16), ("2.0.1", code2), ("2.1", code2)):
        frame = rpc.refusal(caught.value, version)
        assert (None if frame is None else json.loads(frame)[:3]) == (code and [4, caught.value.id, code])
