"""The trace: what was said, by whom, and how long the answer took; never a password."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from random import Random
from typing import Any

from evse.clock import Clock
from evse.shell import trace
from evse.shell.trace import Trace


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, **fields: Any) -> None:
        self.lines.append(text)


class Time:
    now = 100.0


def make(**settings: Any) -> tuple[Trace, Time, Log]:
    time, log = Time(), Log()
    return Trace(Clock(lambda: time.now, lambda: 2e9 + time.now, "b"), log, **settings), time, log


def test_answers_carry_their_action_and_latency_in_both_directions() -> None:
    kept, time, _ = make()
    kept.note("out", '[2,"1","Heartbeat",{}]')
    kept.note("in", '[2, "1", "Reset", {"type":"Soft"}]')
    time.now += 0.25
    kept.note("in", '[3,"1",{"currentTime":"..."}]')
    time.now += 0.75
    kept.note("out", '[4,"1","NotSupported","",{}]')
    rows = [(entry["dir"], entry["action"], entry["ms"]) for entry in kept.entries()]
    assert rows == [
        ("out", "Heartbeat", None),
        ("in", "Reset", None),
        ("in", "Heartbeat", 250.0),
        ("out", "Reset", 1000.0),
    ]
    assert [entry["frame"] for entry in kept.entries("Reset")][1] == '[4,"1","NotSupported","",{}]'
    assert kept.entries()[0]["at"] == 2e9 + 100


def test_the_ring_forgets_the_oldest_and_cuts_what_is_long() -> None:
    kept, _, _ = make(messages=2)
    for number in range(3):
        kept.note("out", f'[2,"{number}","Heartbeat",{{"x":"{"y" * 5000}"}}]')
    assert [entry["frame"][:4] for entry in kept.entries()] == ['[2,"', '[2,"']
    assert [len(entry["frame"]) for entry in kept.entries()] == [trace.KEPT_CHARACTERS] * 2


def test_an_answer_whose_call_is_forgotten_has_no_action() -> None:
    kept, _, _ = make(messages=3)
    for number in range(2):
        kept.note("in", f'[2,"{number}","Reset",{{}}]')
    kept.note("out", '[3,"0",{}]')
    kept.note("out", '[3,"1",{}]')
    assert [(entry["action"], entry["ms"]) for entry in kept.entries()] == [("Reset", None), ("?", None), ("Reset", 0)]


def test_what_is_no_frame_is_shown_as_it_is() -> None:
    kept, _, _ = make()
    for text in ("", "{}", "[2", '["', "[3,5]", "[2,5,6]"):
        kept.note("in", text)
    assert {entry["action"] for entry in kept.entries()} == {"?"}


def test_user_and_password_of_an_address_are_masked(tmp_path: Path) -> None:
    """GetLog and UpdateFirmware bring them; PHP writes the slashes as it likes."""
    kept, _, _ = make(path=str(tmp_path / "trace"))
    kept.note("in", '[2,"1","GetDiagnostics",{"location":"ftp://someone:p@ss@host:21/a@b"}]')
    kept.note("in", '[2,"2","GetDiagnostics",{"location":"ftp:\\/\\/someone:p@ss@host\\/x"}]')
    kept.note("in", '[2,"3","X",{"a":"http://host/a@b","b":"me@example.com","c":"ws://u:p@h"}]')
    frames = [entry["frame"] for entry in kept.entries()]
    assert [json.loads(frame)[3] for frame in frames] == [
        {"location": "ftp://***@host:21/a@b"},
        {"location": "ftp://***@host/x"},
        {"a": "http://host/a@b", "b": "me@example.com", "c": "ws://***@h"},
    ]
    kept.close()
    assert "p@ss" not in (tmp_path / "trace").read_text()


def test_passwords_are_masked() -> None:
    kept, _, _ = make()
    kept.note(
        "in",
        '[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","component":{"name":"SecurityCtrlr"},'
        '"variable":{"name":"BasicAuthPassword"}},{"attributeValue":"300","component":{"name":"OCPPCommCtrlr"},'
        '"variable":{"name":"HeartbeatInterval"}}]}]',
    )
    kept.note("in", '[2,"2","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]')
    kept.note(
        "in",
        '[2,"3","SetNetworkProfile",{"connectionData":{"basicAuthPassword":"s3cret","apn":{"apnPassword":"s3cret"}}}]',
    )
    kept.note("in", '[2,"4","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}')
    text = json.dumps(kept.entries())
    assert "s3cret" not in text and "300" in text and text.count(trace.MASK) >= 5


def test_what_only_sounds_like_a_password_is_shown() -> None:
    kept, _, _ = make()
    kept.note("out", '[4,"1","InternalError","the Password is too short",{}')
    assert kept.entries()[0]["frame"] == '[4,"1","InternalError","the Password is too short",{}'


def test_followers_get_whole_frames() -> None:
    kept, _, _ = make(messages=1)
    seen: list[dict[str, Any]] = []
    kept.follow = seen.append
    kept.note("out", f'[2,"1","Heartbeat",{{"x":"{"y" * 5000}"}}]')
    kept.note("in", '[3,"1",{}]')
    assert len(seen[0]["frame"]) > 5000
    assert (seen[1]["action"], seen[1]["ms"]) == ("Heartbeat", 0)


def test_the_file_is_json_lines_for_its_owner_and_rolls(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    kept, _, _ = make(path=str(path), limit_bytes=300)
    for number in range(4):
        kept.note("out", f'[2,"{number}","Heartbeat",{{}}]')
    kept.close()
    entries = [
        json.loads(line) for name in ("t.jsonl.1", "t.jsonl") for line in (tmp_path / name).read_text().splitlines()
    ]
    assert [json.loads(entry["frame"])[1] for entry in entries] == ["0", "1", "2", "3"][-len(entries) :]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and path.stat().st_size <= 300


def test_a_file_that_cannot_be_written_is_given_up_with_a_word(tmp_path: Path) -> None:
    kept, _, log = make(path=str(tmp_path / "no" / "t.jsonl"))
    kept.note("out", '[2,"1","Heartbeat",{}]')
    kept.note("out", '[2,"2","Heartbeat",{}]')
    assert log.lines == ["the trace file is given up"] and len(kept.entries()) == 2


def test_the_buffer_holds_the_newest_frames_whole_whatever_their_lengths() -> None:
    """Begin and end of each are where they were put, over many rounds of the buffer."""
    kept, _, _ = make(messages=8)
    lengths = Random(1)
    said: list[str] = []
    for number in range(2000):
        text = f'[2,"{number}","Heartbeat",{{"x":"{"yäö"[number % 3] * lengths.choice((0, 10, 300, 1500))}"}}]'
        kept.note("out", text)
        said.append(text)
        frames = [entry["frame"] for entry in kept.entries()]
        assert frames == said[len(said) - len(frames) :] and len(frames) >= min(len(said), 1)
        assert len(kept._kept) <= kept._room


def test_without_frames_to_keep_nothing_is_kept() -> None:
    kept, _, _ = make(messages=0)
    for _ in range(100):
        kept.note("out", '[2,"1","Heartbeat",{}]')
    assert kept.entries() == [] and not kept._kept


def test_the_longest_frame_fits_where_only_one_is_kept() -> None:
    kept, time, _ = make(messages=1)
    time.now = 1e9
    for _ in range(3):
        kept.note("out", "𝄞" * 5000)
        assert [entry["frame"] for entry in kept.entries()] == ["𝄞" * trace.KEPT_CHARACTERS]


def test_frames_from_before_the_time_was_known_have_it_afterwards() -> None:
    """BootNotification is what brings it."""
    clock = Clock(lambda: 100.0, lambda: 0.0, "b")
    kept = Trace(clock, Log())
    kept.note("out", '[2,"1","BootNotification",{}]')
    assert kept.entries()[0]["at"] is None
    clock.learn(2e9)
    assert kept.entries()[0]["at"] == 2e9
