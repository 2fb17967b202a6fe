"""Keyboard readers: key events become lines, lines tokens; the device is grabbed, lost and found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.drivers import hid_reader
from hal.drivers.hid_reader import EVENT, GRAB, LINE_LIMIT, PLAIN, SHIFTED, Typist
from hal.drivers.reader import REOPEN_S, UNREADABLE
from tests.support.fakeloop import FakeLoop
from tests.support.readers import Reading

ENTER, TAB, KEYPAD_ENTER, SHIFT = 28, 15, 96, 42
CARD = "04A22B3C4D5E6F"


def event(kind: int, code: int, value: int) -> bytes:
    return EVENT.pack(1_700_000_000, 123456, kind, code, value)


def key(code: int, shift: bool = False) -> bytes:
    """A key pressed and released, as the kernel tells it: the scan code and a report end around each."""
    press = event(4, 4, 458782) + event(1, code, 1) + event(0, 0, 0) + event(1, code, 0) + event(0, 0, 0)
    return event(1, SHIFT, 1) + event(0, 0, 0) + press + event(1, SHIFT, 0) + event(0, 0, 0) if shift else press


def typed(text: str, end: int = ENTER) -> bytes:
    return b"".join(key(PLAIN.index(sign)) if sign in PLAIN else key(SHIFTED.index(sign), True) for sign in text) + key(
        end
    )


@pytest.mark.parametrize("end", [ENTER, TAB, KEYPAD_ENTER])
@pytest.mark.parametrize("text", ["0012345678", "04a22b3c", "04A22B3C", "fob-7@Home_1", "1234567890"])
def test_line_ends_with_enter_or_tab(text: str, end: int) -> None:
    assert Typist().feed(typed(text, end)) == [text]


def test_keypad_digits() -> None:
    codes = (82, 79, 80, 81, 75, 76, 77, 71, 72, 73)
    assert Typist().feed(b"".join(map(key, codes)) + key(ENTER)) == ["0123456789"]


def test_keys_of_the_kernel_table() -> None:
    """[linux/input-event-codes.h]"""
    for code, sign in (
        (2, "1"),
        (11, "0"),
        (16, "q"),
        (25, "p"),
        (30, "a"),
        (38, "l"),
        (44, "z"),
        (50, "m"),
        (57, " "),
    ):
        assert PLAIN[code] == sign and len(PLAIN) == len(SHIFTED) == 84
    evdev = pytest.importorskip("evdev")
    for digit in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        assert PLAIN[evdev.ecodes.ecodes[f"KEY_{digit}"]] == digit.lower()
        assert digit.isalpha() is (SHIFTED[evdev.ecodes.ecodes[f"KEY_{digit}"]] == digit)
    for digit in "0123456789":
        assert PLAIN[evdev.ecodes.ecodes[f"KEY_KP{digit}"]] == digit


def test_repeated_and_released_keys_are_not_pressed_ones() -> None:
    held = event(1, 30, 1) + event(1, 30, 2) * 5 + event(1, 30, 0)
    assert Typist().feed(held + key(ENTER)) == ["a"]


def test_both_shifts() -> None:
    typist = Typist()
    typist.feed(event(1, 42, 1) + event(1, 54, 1) + event(1, 42, 0))
    assert typist.feed(key(30) + event(1, 54, 0) + key(30) + key(ENTER)) == ["Aa"]


def test_overflow_of_the_kernels_buffer_loses_that_line_only() -> None:
    typist = Typist()
    assert typist.feed(typed("123")[: -5 * EVENT.size] + event(0, 3, 0) + typed("456") + typed("789")) == ["789"]


def test_line_that_is_too_long_is_lost_alone() -> None:
    assert Typist().feed(typed("1" * LINE_LIMIT) + typed("2" * (LINE_LIMIT + 1)) + typed("3")) == [
        "1" * LINE_LIMIT,
        "3",
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.binary(max_size=100)
        | st.builds(event, st.integers(0, 31), st.integers(0, 0xFFFF), st.integers(-(2**31), 2**31 - 1))
        | st.builds(typed, st.text("0123456789abcdef", max_size=20)),
        max_size=10,
    )
)
def test_any_events_are_survived_in_bounded_memory(parts: list[bytes]) -> None:
    typist = Typist()
    for part in parts:
        assert all(0 < len(line) <= LINE_LIMIT for line in typist.feed(part))
    typist.end()
    typist.feed(event(1, SHIFT, 0) + event(1, 54, 0))
    assert typist.feed(typed("0123")) == ["0123"]


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, 10_000))
def test_no_beginning_of_a_line_is_one(cut: int) -> None:
    events = typed(CARD)
    typist = Typist()
    at = min(cut * EVENT.size, len(events) - 4 * EVENT.size)  # Enter itself is the fourth from the end
    assert typist.feed(events[:at]) == []
    assert typist.feed(events[at:]) == [CARD]


# The driver


class Keyboard:
    """A named pipe in the place of /dev/input/event*."""

    def __init__(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.grabbed: list[tuple[int, int]] = []
        self.busy = False
        self.fd = -1
        self.plug()
        monkeypatch.setattr(hid_reader.fcntl, "ioctl", self._ioctl)

    def _ioctl(self, fd: int, request: int, value: int) -> int:
        if self.busy:
            raise OSError(16, "busy")
        self.grabbed.append((request, value))
        return 0

    def plug(self) -> None:
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def unplug(self) -> None:
        os.unlink(self.path)
        os.close(self.fd)
        self.fd = -1

    def type(self, events: bytes) -> None:
        os.write(self.fd, events)


@pytest.fixture
def keyboard(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    keyboard = Keyboard(str(tmp_path / "event-kbd"), monkeypatch)
    yield keyboard
    if keyboard.fd >= 0:
        os.close(keyboard.fd)


def start(keyboard: Keyboard, **options: Any) -> Reading:
    return Reading(FakeLoop(), "keyboard", {"device": keyboard.path, **options}).start()


def test_card_is_one_token_from_a_grabbed_device(keyboard: Keyboard) -> None:
    reading = start(keyboard)
    keyboard.type(typed(CARD) + typed(CARD))
    reading.loop.settle()
    assert keyboard.grabbed == [(GRAB, 1)] == [(0x40044590, 1)]
    assert reading.events == [("token", CARD, "ISO14443")]
    reading.loop.advance(1)
    keyboard.type(typed(CARD.lower()))
    reading.loop.settle()
    assert reading.tokens == [CARD, CARD]


def test_decimal_reader_gives_the_token_of_the_card(keyboard: Keyboard) -> None:
    reading = start(keyboard, format="dec", byte_order="reversed")
    keyboard.type(typed(str(int.from_bytes(bytes.fromhex("ca73b1d4"), "little")).zfill(10)))
    reading.loop.settle()
    assert reading.tokens == ["CA73B1D4"]


def test_pause_between_keys_begins_anew(keyboard: Keyboard) -> None:
    reading = start(keyboard)
    keyboard.type(typed("ffff")[: -5 * EVENT.size])
    reading.loop.advance(0.4)
    keyboard.type(key(33))
    reading.loop.advance(0.6)
    keyboard.type(typed(CARD))
    reading.loop.settle()
    assert reading.tokens == [CARD]


def test_reader_without_enter_ends_by_a_pause(keyboard: Keyboard) -> None:
    reading = start(keyboard, end="pause", key_timeout_s=0.2)
    keyboard.type(typed(CARD)[: -5 * EVENT.size])
    reading.loop.advance(0.1)
    assert reading.tokens == []
    reading.loop.advance(0.2)
    assert reading.tokens == [CARD]


def test_code_typed_by_hand(keyboard: Keyboard) -> None:
    reading = start(keyboard, format="text", key_timeout_s=10)
    for digit in "4711":
        keyboard.type(key(PLAIN.index(digit)))
        reading.loop.advance(3)
    keyboard.type(key(ENTER))
    reading.loop.settle()
    assert reading.events == [("token", "4711", "KeyCode")]


def test_lines_that_are_no_token_become_a_fault(keyboard: Keyboard) -> None:
    reading = start(keyboard)
    for _ in range(UNREADABLE + 2):
        keyboard.type(typed("hello"))
        reading.loop.settle()
    assert reading.events == [("fault", "ReaderFailure", "3 inputs that are no token: not hexadecimal")]
    keyboard.type(typed(CARD))
    reading.loop.settle()
    assert reading.events[1:] == [("cleared", "ReaderFailure"), ("token", CARD, "ISO14443")]


def test_device_that_another_program_has(keyboard: Keyboard) -> None:
    keyboard.busy = True
    reading = start(keyboard)
    assert reading.faults == [f"{keyboard.path}: in use by another program or driver"]
    keyboard.busy = False
    reading.loop.advance(REOPEN_S)
    assert reading.faults[1:] == [None]


def test_half_a_line_before_an_unplugging_is_forgotten(keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = start(keyboard)
    keyboard.type(typed("ab")[: -5 * EVENT.size])
    reading.loop.settle()
    real = os.read
    lost: dict[str, Any] = {"read": lambda fd, size: (_ for _ in ()).throw(OSError(19, "gone"))}
    monkeypatch.setattr(hid_reader.posix, "read", lambda fd, size: lost.get("read", real)(fd, size))
    keyboard.type(key(30))
    reading.loop.run_once(0)
    lost.clear()
    assert reading.faults == [f"{keyboard.path}: the device is gone"]
    os.read(keyboard.fd, 10_000)
    reading.loop.advance(REOPEN_S)
    keyboard.type(typed(CARD))
    reading.loop.settle()
    assert reading.faults[1:] == [None] and reading.tokens == [CARD]


def test_another_kind_of_device_is_refused(tmp_path: Any) -> None:
    loop = FakeLoop()
    before = len(os.listdir("/proc/self/fd"))
    reading = Reading(loop, "keyboard", {"device": "/dev/null"}).start()
    assert reading.faults == ["/dev/null: not a device of this kind"]
    reading.device.close()
    assert len(os.listdir("/proc/self/fd")) <= before
