"""Logs for the CSMS: what is in them, what never is, and what becomes of parts that cannot be had."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from time import gmtime
from typing import Any
from zipfile import ZipFile

import pytest

from evse.shell.children import logs
from evse.shell.children.masking import masked, plain

ENTRIES = [{"type": "StartupOfTheDevice", "timestamp": "2026-01-01T00:00:00Z", "techInfo": "PowerUp"}]
EVERYTHING = {"about.json", "status.json", "variables.txt", "trace.jsonl", "log.txt", "network.txt", "system.txt"}


def made(places: dict[str, Any], kind: str = "DiagnosticsLog", **log: Any) -> dict[str, str]:
    """The files of a log: name -> text."""
    file = io.BytesIO()
    asked = {"kind": kind, "from": None, "to": None, "entries": ENTRIES, "about": {"serial": "S1"}, **log}
    logs.write(asked, places, file)
    with ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


class FakeStation:
    """A control socket that answers as the daemon would."""

    answers: dict[str, Any] = {
        "status": {"identity": "EVSE-1", "network": {"url": "wss://me:hidden@csms.example/x?token=hidden"}},
        "vars": [
            {"vars": [{"name": "TxCtrlr.EVConnectionTimeOut", "value": "30"}], "next": 40},
            {"vars": [{"name": "SecurityCtrlr.BasicAuthPassword", "value": "***"}]},
        ],
        "trace": {
            "frames": [
                {"at": 100.0, "dir": "out", "action": "Authorize", "ms": None, "frame": '[2,"1","Authorize",'
                 '{"idToken":{"idToken":"04AABBCCDD1122","type":"ISO14443"}}]'},
                {"at": 200.0, "dir": "in", "action": "GetLog", "ms": 1.0, "frame": '[2,"2","GetLog",{"log":'
                 '{"remoteLocation":"ftp://me:hidden@host/x"}}]'},
                {"at": 300.0, "dir": "in", "action": "X", "ms": None, "frame": '[2,"3","X",{"password":"hid'},
                {"at": None, "dir": "in", "action": "Y", "ms": None, "frame": '[3,"4",{}]'},
            ]
        },
    }  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    answer = self.answers[request["cmd"]]
                    if isinstance(answer, list):
                        answer = answer[0 if request["start"] == 0 else 1]
                    client.sendall(json.dumps({"ok": True, **answer}).encode() + b"\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, Any]]:
    station = FakeStation(tmp_path / "control.sock")
    yield {"state": str(tmp_path), "control": station.path, "trace": None, "log": None}
    station.close()


def test_a_security_log_is_the_security_events(places: dict[str, Any]) -> None:
    files = made(places, "SecurityLog")
    assert list(files) == ["security.jsonl"]
    assert [json.loads(line) for line in files["security.jsonl"].splitlines()] == ENTRIES


def test_diagnostics_tell_the_state_of_the_station(places: dict[str, Any]) -> None:
    files = made(places)
    assert set(files) == {"security.jsonl", *EVERYTHING}
    about = json.loads(files["about.json"])
    assert about["serial"] == "S1"
    assert about["software"].startswith("evse ")
    assert json.loads(files["status.json"])["identity"] == "EVSE-1"
    assert files["variables.txt"].splitlines() == [
        "TxCtrlr.EVConnectionTimeOut = 30",
        "SecurityCtrlr.BasicAuthPassword = ***",
    ]
    assert "interface 1 lo" in files["network.txt"]
    assert "MemTotal" in files["system.txt"]
    assert "Rss:" in files["system.txt"]


def test_no_secret_and_no_whole_token_leaves(places: dict[str, Any]) -> None:
    """A frame that was cut may hold anything: that there was one is told, not what."""
    files = made(places)
    text = "".join(files.values())
    assert "hidden" not in text
    assert "04AABBCCDD1122" not in text
    assert "04AA***" in text
    frames = {entry["action"]: entry["frame"] for entry in map(json.loads, files["trace.jsonl"].splitlines())}
    assert frames["X"] is None


def test_frames_within_the_time_asked_for(places: dict[str, Any]) -> None:
    def actions(**window: float) -> list[str]:
        return [json.loads(line)["action"] for line in made(places, **window)["trace.jsonl"].splitlines()]

    assert actions() == ["Authorize", "GetLog", "X", "Y"]
    assert actions(**{"from": 200.0}) == ["GetLog", "X", "Y"]
    assert actions(to=200.0) == ["Authorize", "GetLog", "Y"]
    assert actions(**{"from": 150.0, "to": 250.0}) == ["GetLog", "Y"]


def test_frames_of_the_trace_file(places: dict[str, Any], tmp_path: Path) -> None:
    places["trace"] = str(tmp_path / "trace.jsonl")
    for name, action in (("trace.jsonl.1", "Old"), ("trace.jsonl", "New")):
        entry = {"at": 1.0, "dir": "in", "action": action, "ms": None, "frame": "[3]"}
        (tmp_path / name).write_text(json.dumps(entry) + "\nnonsense\n[]\n")
    lines = made(places)["trace.jsonl"].splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["Old", "New"]


def test_a_frame_that_nests_without_end_hides_the_others_not(places: dict[str, Any], tmp_path: Path) -> None:
    frames = ["[" * 100_000, '[3,"4",{}]']
    (tmp_path / "deep").write_text("".join(json.dumps({"at": 100.0, "frame": frame}) + "\n" for frame in frames))
    places["trace"] = str(tmp_path / "deep")
    shown = [json.loads(line)["frame"] for line in made(places)["trace.jsonl"].splitlines()]
    assert shown == [None, [3, "4", {}]]


def test_lines_of_the_log_file(places: dict[str, Any], tmp_path: Path) -> None:
    places["log"] = str(tmp_path / "evse.log")
    (tmp_path / "evse.log.1").write_text("1970-01-01T00:01:40Z info    first\n")
    (tmp_path / "evse.log").write_text("1970-01-01T00:03:20Z error   second url=ftp://me:hidden@host\nnonsense\n")
    assert made(places)["log.txt"].splitlines() == [
        "1970-01-01T00:01:40Z info    first",
        "1970-01-01T00:03:20Z error   second url=ftp://***@host",
    ]
    assert made(places, to=150.0)["log.txt"].splitlines() == ["1970-01-01T00:01:40Z info    first"]


def test_the_journal_of_systemd(places: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journalctl = tmp_path / "journalctl"
    journalctl.write_text('#!/bin/sh\nfor word; do echo "$word"; done\necho "password=hidden"\n')
    journalctl.chmod(0o700)
    monkeypatch.setattr(logs, "JOURNALCTL", str(journalctl))
    monkeypatch.setattr(logs, "_unit", lambda: "evse.service")
    lines = made(places, **{"from": 100.0, "to": 200.5})["log.txt"].splitlines()
    assert lines[-4:] == ["--unit=evse.service", "--since=@100", "--until=@200", "password=***"]


def test_without_a_log_the_file_says_so(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_unit", lambda: None)
    assert made(places)["log.txt"].startswith("not available: ")


def test_what_cannot_be_had_says_so(places: dict[str, Any]) -> None:
    places["control"] = "/nonexistent.sock"
    files = made(places)
    for name in ("status.json", "variables.txt", "trace.jsonl"):
        assert files[name] == "not available: No such file or directory\n", name
    places["control"] = None
    assert made(places)["status.json"] == "not available: no control socket\n"


def test_of_a_log_that_is_too_long_the_newest_end_is_sent(
    places: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MEMBER_BYTES", 1000)
    places["log"], places["trace"] = str(tmp_path / "evse.log"), str(tmp_path / "trace")
    lines = [f"1970-01-01T00:{number // 60:02}:{number % 60:02}Z info    line" for number in range(1000)]
    (tmp_path / "evse.log.1").write_text("\n".join(lines[:990]) + "\n")
    (tmp_path / "evse.log").write_text("\n".join(lines[990:]) + "\n")
    frames = [json.dumps({"at": number, "frame": '[3,"é",{}]'}) for number in range(1000)]
    (tmp_path / "trace").write_text("\n".join(frames) + "\n")
    windows: list[tuple[int, dict[str, Any]]] = [(999, {}), (899, {"to": 899.0}), (999, {"from": 100.0})]
    for last, window in windows:
        files = made(places, **window)
        logged, framed = files["log.txt"].splitlines(), files["trace.jsonl"].splitlines()
        assert all(900 < len(files[name]) <= 1000 for name in ("log.txt", "trace.jsonl"))
        assert logged == lines[last + 1 - len(logged) : last + 1]
        assert [json.loads(line)["at"] for line in framed] == list(range(last + 1 - len(framed), last + 1))


def test_a_file_of_the_archive_has_an_end(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MEMBER_BYTES", 1000)
    assert 1000 <= len(made(places, entries=ENTRIES * 1000)["security.jsonl"]) < 1100


def test_a_clock_that_nobody_has_set(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 5.0)
    monkeypatch.setattr(logs, "gmtime", lambda *at: gmtime(*at or (5.0,)))
    assert "1970-01-01T00:00:05Z" in made(places)["about.json"]


def test_the_archive_needs_a_place(places: dict[str, Any]) -> None:
    with open("/dev/full", "r+b", buffering=0) as full, pytest.raises(OSError):
        asked = {"kind": "SecurityLog", "from": None, "to": None, "entries": [{"techInfo": os.urandom(9).hex()}]}
        logs.write(asked, places, full)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"idTag": "12345678"}, {"idTag": "***"}),
        ({"parentIdTag": "123456789"}, {"parentIdTag": "1234***"}),
        ({"idToken": {"idToken": "ABCDEFGHIJ", "type": "eMAID"}}, {"idToken": {"idToken": "ABCD***", "type": "eMAID"}}),
        ({"basicAuthPassword": "hidden", "url": "ws://x"}, {"basicAuthPassword": "***", "url": "ws://x"}),
        ({"simPin": 1234, "ping": 5}, {"simPin": "***", "ping": 5}),
        ({"server": "s", "user": "u", "key": "hidden"}, {"server": "s", "user": "u", "key": "***"}),
        ({"key": "AuthorizationKey", "value": "hidden"}, {"key": "AuthorizationKey", "value": "***"}),
        ({"key": "HeartbeatInterval", "value": "60"}, {"key": "HeartbeatInterval", "value": "60"}),
        (
            [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": "hidden"}],
            [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": "***"}],
        ),
        ({"data": "anything", "vendorId": "V"}, {"data": "***", "vendorId": "V"}),
        ({"data": {"licence": "hidden", "n": 1}}, {"data": "***"}),
        ({"data": ["hidden", 1]}, {"data": "***"}),
        ({"data": 1234}, {"data": "***"}),
        ({"data": None}, {"data": None}),
        (["http://u:p@h/x?q=1", None, True, 1.5], ["http://***@h/x?***", None, True, 1.5]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_masks(value: Any, shown: Any) -> None:
    assert masked(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("connect url=wss://me:p%40ss@host:1/x?y=z why=no", "connect url=wss://***@host:1/x?*** why=no"),
        ("url=ftp://me:p@ss@host/a@b", "url=ftp://***@host/a@b"),
        ("card token=ABCDEF evse=1", "card token=*** evse=1"),
        ("a -----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY----- b", "a *** b"),
        ("-----BEGIN PRIVATE KEY-----\\nMHcC", "***"),
        ("nothing to hide: key figures", "nothing to hide: key figures"),
    ],
)
def test_texts_without_secrets(text: str, shown: str) -> None:
    assert plain(text) == shown
