"""Keyboard readers: USB readers that type a card's number as a keyboard does.

Settings, besides those of hal/drivers/reader.py:

    device         as "/dev/input/by-id/usb-...-event-kbd" (by-id names the reader, by-path its socket)
    end            "enter" (the default; Tab counts too) | "pause": key_timeout_s without a key ends the number
    key_timeout_s  0.5; with "enter", what was typed before such a pause is forgotten

The device is grabbed: its keys reach no console and no other program. Keys are read by their place on a US keyboard,
whatever layout the system has. [linux/input.h, linux/input-event-codes.h]
"""

from __future__ import annotations

import fcntl
import posix
from _struct import Struct

from hal.drivers.reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GRAB = 0x40044590  # EVIOCGRAB
EVENT = Struct("@llHHi")  # time (seconds, microseconds), type, code, value
SYN, KEY, DROPPED = 0, 1, 3
LINE_LIMIT = 64
SHIFTS = (42, 54)
KEYPAD_ENTER = 96
# By key code: \n ends, \0 says nothing.
PLAIN = "\0\x001234567890-=\0\nqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 " + "\0" * 13 + "789-456+1230."
SHIFTED = '\0\0!@#$%^&*()_+\0\nQWERTYUIOP{}\n\0ASDFGHJKL:"~\0|ZXCVBNM<>?\0*\0 ' + "\0" * 13 + "789-456+1230."


class Typist:
    """Key events become lines; neither I/O nor clock."""

    __slots__ = ("_line", "_shift", "_skip")

    def __init__(self) -> None:
        self._line = ""
        self._shift = 0
        self._skip = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that end in these input_event structs, without those that are empty, too long or incomplete."""
        lines = []
        for at in range(0, len(data) - EVENT.size + 1, EVENT.size):
            _, _, kind, code, value = EVENT.unpack_from(data, at)
            if kind == SYN and code == DROPPED:  # the kernel's buffer overflowed: keys are missing
                self._skip = True
            elif kind == KEY and code in SHIFTS:
                self._shift = self._shift | 1 << code if value else self._shift & ~(1 << code)
            elif kind == KEY and value == 1:  # 0 is a release, 2 a repetition
                line = self._press(code)
                if line:
                    lines.append(line)
        return lines

    def _press(self, code: int) -> str:
        keys = SHIFTED if self._shift else PLAIN
        sign = "\n" if code == KEYPAD_ENTER else keys[code] if code < len(keys) else "\0"
        if sign == "\n":
            return self.end()
        if sign != "\0":
            self._skip = self._skip or len(self._line) >= LINE_LIMIT
            self._line += "" if self._skip else sign
        return ""

    def end(self) -> str:
        """What was typed so far; a new line begins."""
        line = "" if self._skip else self._line
        self._line, self._skip = "", False
        return line


class HidReader(Reader):
    """One keyboard."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self._pause_s = float(options.get("key_timeout_s", 0.5))
        self._by_pause: bool = options.get("end", "enter") == "pause"
        self._typist = Typist()
        self._fd = -1

    def _open(self) -> None:
        self._fd = posix.open(self.options["device"], posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        fcntl.ioctl(self._fd, GRAB, 1)
        self._typist = Typist()
        self._loop.add_reader(self._fd, self._read)
        self._good()

    def _read(self) -> None:
        try:
            data = posix.read(self._fd, 64 * EVENT.size)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if not data:
            self._lost(OSError(19, "gone"))
            return
        for line in self._typist.feed(data):
            self._token(self.rules.of_text, line)
        if self._report is not None and self._fd >= 0:
            self._after(self._pause_s, self._pause)

    def _pause(self) -> None:
        line = self._typist.end()
        if line and self._by_pause:
            self._token(self.rules.of_text, line)

    def _shut(self) -> None:
        self._cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            posix.close(self._fd)  # the kernel releases the grab
            self._fd = -1
