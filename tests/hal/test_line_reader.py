"""Serial line readers and the named pipe of integrators: text becomes tokens."""

from __future__ import annotations

import os
import pty
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.drivers.fifo_reader import CHECK_S
from hal.drivers.fifo_reader import LINE_LIMIT as FIFO_LIMIT
from hal.drivers.line_reader import GAP_S, LINE_LIMIT, Lines
from tests.support.fakeloop import FakeLoop
from tests.support.readers import Reading, board

CARD = "04A22B3C4D5E6F"
FRAMED = {"start": 2, "stop": 3, "checksum": "xor"}
# As 125 kHz modules send it: STX, ten digits, two of the checksum, CR LF, ETX.
MODULE = b"\x020100ABCDEF88\r\n\x03"


@pytest.mark.parametrize(
    ("options", "data", "texts"),
    [
        ({}, b"04A22B3C\r\n04A22B3D\n\n\r\r04A22B3E\r", ["04A22B3C", "04A22B3D", "04A22B3E"]),
        ({}, b"04 A2 2B 3C \n", ["04 A2 2B 3C"]),
        ({}, b"\x0204A22B3C\x03\r\n", ["04A22B3C"]),
        ({"start": 2, "stop": 3}, b"noise\x0204A22B3C\x03noise\x02FF\x0204A22B3D\r\n\x03", ["04A22B3C", "04A22B3D"]),
        ({"stop": 0}, b"04A22B3C\x0004A22B3D\x00", ["04A22B3C", "04A22B3D"]),
        (FRAMED, MODULE, ["0100abcdef"]),
        (FRAMED, MODULE.replace(b"88", b"89"), [""]),
        (FRAMED, b"\x02xy\x03", [""]),
        ({}, b"1" * LINE_LIMIT + b"\n" + b"2" * (LINE_LIMIT + 1) + b"\n3\n", ["1" * LINE_LIMIT, "", "3"]),
    ],
)
def test_texts_in_what_arrives(options: dict[str, Any], data: bytes, texts: list[str]) -> None:
    assert Lines(options).feed(data) == texts
    lines = Lines(options)
    assert [text for byte in data for text in lines.feed(bytes((byte,)))] == texts


@settings(max_examples=300, deadline=None)
@given(
    options=st.sampled_from(({}, FRAMED, {"stop": 13}, {"start": 58, "checksum": "xor"})),
    parts=st.lists(st.binary(max_size=80) | st.sampled_from((MODULE, MODULE[:-1], b":0100ABCDEF88\r")), max_size=8),
)
def test_any_bytes_are_survived_in_bounded_memory(options: dict[str, Any], parts: list[bytes]) -> None:
    lines = Lines(options)
    for part in parts:
        assert all(len(text) <= LINE_LIMIT for text in lines.feed(part))
    lines.clear()
    good = {2: MODULE, 58: b":0100ABCDEF88\r"}.get(options.get("start"), b"0100abcdef\r")
    assert lines.feed(good) == ["0100abcdef"]


@settings(deadline=None)
@given(st.integers(0, len(MODULE) - 2))
def test_no_beginning_of_a_token_is_one(cut: int) -> None:
    lines = Lines(FRAMED)
    assert lines.feed(MODULE[:cut]) == []
    assert lines.feed(MODULE[cut:]) == ["0100abcdef"]


class Line:
    """A pseudo terminal with the reader's end."""

    def __init__(self, directory: Any) -> None:
        self.device = str(directory / "port")
        self.far, near = pty.openpty()
        os.symlink(os.ttyname(near), self.device)
        os.close(near)

    def start(self, **options: Any) -> Reading:
        on = board(serial={"rfid": {"device": self.device}})
        return Reading(FakeLoop(), "serial-line", {"port": "rfid", **options}, on).start()


@pytest.fixture
def line(tmp_path: Any) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    os.close(line.far)


def test_card_of_a_module_with_a_checksum(line: Line) -> None:
    reading = line.start(**FRAMED)
    os.write(line.far, MODULE)
    reading.loop.until(lambda: reading.tokens)
    assert reading.events == [("token", "0100ABCDEF", "Local")]


def test_incomplete_token_is_forgotten_after_a_while(line: Line) -> None:
    reading = line.start()
    os.write(line.far, b"ffff")
    reading.loop.until(lambda: reading.device.lines._line)
    reading.loop.advance(GAP_S)
    os.write(line.far, CARD.encode() + b"\r\n")
    reading.loop.until(lambda: reading.tokens)
    assert reading.tokens == [CARD]


def test_wrong_checksums_become_a_fault(line: Line) -> None:
    reading = line.start(**FRAMED)
    os.write(line.far, MODULE.replace(b"88", b"00") * 3)
    reading.loop.until(lambda: reading.events)
    assert reading.faults == ["3 inputs that are no token: too long, or a wrong checksum"]
    os.write(line.far, MODULE)
    reading.loop.until(lambda: reading.tokens)
    assert reading.faults[1:] == [None]


# The named pipe


def fifo(path: Any, **options: Any) -> Reading:
    return Reading(FakeLoop(), "fifo", {"path": str(path), **options}).start()


def write(path: Any, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, data)
    os.close(fd)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("04a22b3c", ("04A22B3C", "ISO14443")),
        ("04:A2:2B:3C", ("04A22B3C", "ISO14443")),
        ("ISO14443:44332211", ("44332211", "ISO14443")),
        ("ISO15693:E004010012345678", ("E004010012345678", "ISO15693")),
        ("eMAID:DE8ACC12E46L89", ("DE8ACC12E46L89", "eMAID")),
        ("KeyCode:1234", ("1234", "KeyCode")),
        ("Local:a:b", ("a:b", "Local")),
    ],
)
def test_line_of_the_pipe_is_a_token(tmp_path: Any, text: str, event: tuple[str, str]) -> None:
    reading = fifo(tmp_path / "cards")
    write(tmp_path / "cards", text.encode() + b"\n")
    reading.loop.settle()
    assert reading.events == [("token", *event)]
    reading.device.close()


def test_pipe_is_for_this_account_alone_and_gone_at_the_end(tmp_path: Any) -> None:
    before = os.umask(0)
    try:
        reading = fifo(tmp_path / "cards")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "cards").st_mode) == 0o600
    reading.device.close()
    reading.device.close()
    assert not (tmp_path / "cards").exists()


def test_pipe_that_was_there_before_is_closed_to_others_and_stays(tmp_path: Any) -> None:
    os.mkfifo(tmp_path / "cards")
    os.chmod(tmp_path / "cards", 0o666)
    reading = fifo(tmp_path / "cards")
    assert stat.S_IMODE(os.stat(tmp_path / "cards").st_mode) == 0o600
    reading.device.close()
    assert (tmp_path / "cards").exists()


def test_several_lines_and_pieces_of_lines(tmp_path: Any) -> None:
    reading = fifo(tmp_path / "cards")
    for piece in (b"\n04A22B3C\n04A2", b"2B3D\n", b"x" * (FIFO_LIMIT + 1), b"x\n", b"\xff\xfe\n", b"04A22B3E\n"):
        write(tmp_path / "cards", piece)
        reading.loop.settle()
    assert reading.tokens == ["04A22B3C", "04A22B3D", "04A22B3E"]
    reading.device.close()


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.binary(max_size=600), max_size=5))
def test_any_bytes_in_the_pipe(tmp_path_factory: Any, parts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("pipe") / "cards"
    reading = fifo(path, format="text", debounce_s=0)
    for part in parts:
        if part:
            write(path, part)
        reading.loop.settle()
    write(path, b"\ngood\n")
    reading.loop.settle()
    assert reading.tokens[-1] == "good"
    reading.device.close()
    reading.loop.close()


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_no_pipe_is_left_alone(tmp_path: Any, kind: str) -> None:
    path = tmp_path / "cards"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    reading = fifo(path)
    assert reading.faults == [f"Reader: {path}: is there already and no named pipe"]
    reading.device.close()
    assert path.exists() and (kind != "file" or path.read_text() == "precious")


def test_pipe_of_another_account_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "cards")
    monkeypatch.setattr("hal.drivers.fifo_reader.posix.geteuid", lambda: os.getuid() + 1)
    reading = fifo(tmp_path / "cards")
    assert reading.faults == [f"Reader: {tmp_path}/cards: belongs to another account"]


def test_removed_pipe_is_made_again(tmp_path: Any) -> None:
    reading = fifo(tmp_path / "cards")
    (tmp_path / "cards").unlink()
    reading.loop.advance(CHECK_S)
    write(tmp_path / "cards", b"04A22B3C\n")
    reading.loop.settle()
    assert reading.events == [("token", "04A22B3C", "ISO14443")]
    reading.device.close()
    assert not (tmp_path / "cards").exists()


def test_directory_that_is_not_there(tmp_path: Any) -> None:
    reading = fifo(tmp_path / "run" / "cards")
    assert reading.faults == [f"{tmp_path}/run/cards: there is no such device"]
    (tmp_path / "run").mkdir()
    reading.loop.advance(10)
    assert reading.faults[1:] == [None]
    reading.device.close()
