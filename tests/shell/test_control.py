"""The control socket: one answer a line, in order; bounds; events."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from evse.errors import UsageError
from evse.shell import control
from evse.shell.control import ControlServer
from tests.support.fakeloop import FakeLoop


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, **fields: Any) -> None:
        self.lines.append(text)

    error = warning


class Peer:
    """A client of the server under test, on the same loop."""

    def __init__(self, loop: FakeLoop, path: str) -> None:
        self.loop = loop
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.received = b""
        loop.settle()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.loop.settle()

    def lines(self) -> list[dict[str, Any]]:
        self.loop.settle()
        try:
            while data := self.socket.recv(1 << 20):
                self.received += data
                self.loop.settle()
        except BlockingIOError:
            pass
        *lines, self.received = self.received.split(b"\n")
        return [json.loads(line) for line in lines]

    def is_closed(self) -> bool:
        self.loop.settle()
        try:
            return self.socket.recv(1 << 20) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


class Bench:
    def __init__(self, directory: Path) -> None:
        self.loop = FakeLoop()
        self.path = str(directory / "c.sock")
        self.done: list[Any] = []
        self.log = Log()
        commands = {
            "note": self._note,
            "fail": self._fail,
            "listen": self._listen,
            "defect": lambda request, client: 1 // 0,
            "much": lambda request, client: {"x": "y" * 60000},
        }
        self.server = ControlServer(self.loop, self.path, commands, self.log)
        self.server.start()

    def _note(self, request: dict[str, Any], client: Any) -> None:
        self.done.append(request.get("value"))

    def _fail(self, request: dict[str, Any], client: Any) -> None:
        raise UsageError("there is no EVSE 7")

    def _listen(self, request: dict[str, Any], client: Any) -> None:
        client.wants |= {"events"}

    def connect(self) -> Peer:
        return Peer(self.loop, self.path)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    bench = Bench(tmp_path)
    yield bench
    bench.server.close()
    bench.loop.close()


def test_commands_take_effect_and_are_answered_in_order(bench: Bench) -> None:
    peer = bench.connect()
    peer.say(b"".join(b'{"id":%d,"cmd":"note","value":%d}\n' % (n, n) for n in range(100)))
    assert peer.lines() == [{"id": n, "ok": True} for n in range(100)]
    assert bench.done == list(range(100))


def test_ids_of_any_kind_come_back_and_may_be_left_out(bench: Bench) -> None:
    peer = bench.connect()
    peer.say(b'{"id":null,"cmd":"note"}\n{"id":{"a":[1]},"cmd":"note"}\n{"cmd":"note"}\n\n')
    assert peer.lines() == [{"id": None, "ok": True}, {"id": {"a": [1]}, "ok": True}, {"ok": True}]


def test_refusals_unknown_commands_and_nonsense(bench: Bench) -> None:
    peer = bench.connect()
    peer.say(b'{"id":1,"cmd":"fail"}\n{"id":2,"cmd":"dance"}\n{"id":3}\n[1]\nhello\n\xff\n{"id":4,"cmd":["note"]}\n')
    answers = peer.lines()
    assert [answer["ok"] for answer in answers] == [False] * 7
    assert answers[0] == {"id": 1, "ok": False, "error": "there is no EVSE 7"}
    assert answers[1] == {"id": 2, "ok": False, "error": "unsupported"}
    assert answers[2]["error"] == "cmd is missing"
    assert answers[3]["error"] == "a request is a JSON object"
    assert answers[4]["error"].startswith("no JSON: ")
    assert peer.lines() == [] and not peer.is_closed()


def test_a_defect_of_a_command_does_not_end_the_station(bench: Bench) -> None:
    peer = bench.connect()
    peer.say(b'{"id":1,"cmd":"defect"}\n{"id":2,"cmd":"note"}\n')
    assert [answer["ok"] for answer in peer.lines()] == [False, True]
    assert bench.log.lines == ["a defect while a command was handled"]


def test_a_line_in_pieces_is_one_request(bench: Bench) -> None:
    peer = bench.connect()
    for byte in b'{"id":1,"cmd":"note","value":"\xc3\xa9"}\n':
        peer.say(bytes([byte]))
    assert peer.lines() == [{"id": 1, "ok": True}] and bench.done == ["\u00e9"]


def test_an_endless_line_is_refused_and_ends_the_client(bench: Bench) -> None:
    peer = bench.connect()
    peer.socket.setblocking(True)
    peer.socket.settimeout(5)
    for _ in range(3):
        peer.socket.send(b"x" * 30000)
        bench.loop.settle()
    peer.socket.setblocking(False)
    assert peer.lines() == [{"ok": False, "error": "a line has at most 65536 bytes"}]
    assert peer.is_closed() and not bench.server.clients


def test_the_seventeenth_client_is_sent_away(bench: Bench) -> None:
    peers = [bench.connect() for _ in range(control.CLIENTS)]
    assert bench.connect().is_closed()
    peers[0].socket.close()
    bench.loop.settle()
    assert not bench.connect().is_closed()


def test_a_client_that_does_not_read_is_disconnected(bench: Bench) -> None:
    peer = bench.connect()
    for _ in range(60):
        if not bench.server.clients:
            break
        peer.say(b'{"cmd":"much"}\n')
    assert not bench.server.clients


def test_a_slow_reader_gets_everything(bench: Bench) -> None:
    peer = bench.connect()
    peer.say(b'{"cmd":"much"}\n' * 10)
    assert [len(line["x"]) for line in peer.lines()] == [60000] * 10


def test_events_reach_those_who_subscribed_and_tell_who_left(bench: Bench) -> None:
    left = []
    bench.server.gone = lambda: left.append(bench.server.wanted("events"))
    listener, other = bench.connect(), bench.connect()
    listener.say(b'{"cmd":"listen"}\n')
    bench.server.publish("events", {"event": "plugged", "evse": 1})
    assert listener.lines() == [{"ok": True}, {"event": "plugged", "evse": 1}]
    assert other.lines() == []
    listener.socket.close()
    bench.loop.settle()
    assert left == [False]


def test_mode_is_0660_and_the_path_is_free_afterwards(bench: Bench) -> None:
    assert stat.S_IMODE(os.stat(bench.path).st_mode) == 0o660
    bench.server.close()
    bench.server.close()
    assert not os.path.exists(bench.path)


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(bench: Bench) -> None:
    second = ControlServer(bench.loop, bench.path, {}, bench.log)
    with pytest.raises(UsageError, match="another station answers there"):
        second.start()
    stale = bench.path + "2"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(stale)
    dead.close()
    third = ControlServer(bench.loop, stale, {}, bench.log)
    third.start()
    third.close()


def test_paths_that_cannot_be(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too long"):
        ControlServer(bench.loop, "/" + "x" * 200, {}, bench.log).start()
    with pytest.raises(UsageError, match="No such file or directory"):
        ControlServer(bench.loop, str(tmp_path / "no" / "c.sock"), {}, bench.log).start()
