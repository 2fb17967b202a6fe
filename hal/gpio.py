"""GPIO lines by the character device of the kernel, found by their names; an output opens at its safe level.

    gpio = Gpio(board.resources["gpio"], kernel)
    relay = gpio.output("relay1")          is at its safe level from the request on
    relay.set(True)                        active: whether that is high or low says the board file
    sense = gpio.input("relay1_sense", loop, changed)      changed(active) at each edge, and once for the level at first

What [gpio.NAME] of a board file may say is in docs/boards.md. The kernel inverts lines with `active = "low"` and
debounces inputs; a line is one owner's: the second opener is refused by the kernel.
[linux/gpio.h, version 2 of the interface, from Linux 5.10]
"""

from __future__ import annotations

import posix
from _struct import Struct, unpack_from

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hal.kernel import Kernel

    Table = dict[str, Any]

# ioctl numbers of <linux/gpio.h> (a test compares them with the header)
GET_CHIPINFO = 0x8044B401
GET_LINEINFO = 0xC100B405
GET_LINE = 0xC250B407
GET_VALUES = 0xC010B40E
SET_VALUES = 0xC010B40F
CHIPINFO = Struct("=32s32sI")
LINEINFO = Struct("=32s32sIIQ176x")
# offsets[64], consumer, flags, num_attrs, 10 x (id, padding, value, mask), num_lines, event_buffer_size, fd
REQUEST = Struct("=I252x32sQI20x" + "IIQQ" * 2 + "192xII20xi")
VALUES = Struct("=QQ")
EVENT = Struct("=QIIII24x")
ACTIVE_LOW, INPUT, OUTPUT = 1 << 1, 1 << 2, 1 << 3
EDGES = 1 << 4 | 1 << 5
DRIVES = {"push_pull": 0, "open_drain": 1 << 6, "open_source": 1 << 7}
BIASES = {"as_is": 0, "pull_up": 1 << 8, "pull_down": 1 << 9, "disabled": 1 << 10}
OUTPUT_VALUES, DEBOUNCE = 2, 3
RISING = 1
BUFFERED = 64
CONSUMER = b"evse"

_WHY = {
    1: "no permission; its group, mostly gpio, must be one of the station's account",
    13: "no permission; its group, mostly gpio, must be one of the station's account",
    6: "it cannot report edges (no interrupt)",
    16: "in use by another program or driver",
    22: "the kernel cannot do what the board file asks of it",
}


class Output:
    """A line that is driven; `active` is what it was told last."""

    __slots__ = ("name", "active", "_kernel", "_fd", "_safe")

    def __init__(self, name: str, kernel: Kernel, fd: int, safe: bool) -> None:
        self.name = name
        self.active = safe
        self._kernel = kernel
        self._fd = fd
        self._safe = safe

    def set(self, active: bool) -> None:
        """Drives the line. Raises OSError."""
        self._kernel.ioctl(self._fd, SET_VALUES, bytearray(VALUES.pack(active, 1)))
        self.active = active

    def close(self) -> None:
        """Safe level, then gives the line back; may be called twice. A line that is gone does not keep others open."""
        if self._fd < 0:
            return
        try:
            self.set(self._safe)
        except OSError:
            self.active = self._safe  # nothing is left to do here; what watches from outside has to
        self._kernel.close(self._fd)
        self._fd = -1


class Input:
    """A line that is heard; `active` is its level."""

    __slots__ = ("name", "active", "_kernel", "_fd", "_loop", "_changed", "_told")

    def __init__(self, name: str, kernel: Kernel, fd: int, loop: Any, changed: Callable[[bool], Any] | None) -> None:
        self.name = name
        self._kernel = kernel
        self._fd = fd
        self._loop = loop
        self._changed = changed
        self._told = False
        self.active = self.level()
        if changed is not None:
            loop.add_reader(fd, self._read)
            loop.call_soon(self._first)

    def level(self) -> bool:
        """Asks the kernel. Raises OSError."""
        values = bytearray(VALUES.pack(0, 1))
        self._kernel.ioctl(self._fd, GET_VALUES, values)
        return bool(values[0] & 1)

    def _first(self) -> None:
        if not self._told:
            self._tell(self.active)

    def _read(self) -> None:
        """Every edge is told, so that no short pulse is missed; then the level, should edges have been lost."""
        try:
            data = self._kernel.read(self._fd, BUFFERED * EVENT.size)
        except BlockingIOError:
            return
        for at in range(0, len(data) - EVENT.size + 1, EVENT.size):
            self._tell(unpack_from("=I", data, at + 8)[0] == RISING)
        if len(data) >= BUFFERED * EVENT.size:
            return  # there is more
        if self._fd >= 0 and (level := self.level()) != self.active:
            self._tell(level)

    def _tell(self, active: bool) -> None:
        self.active = active
        self._told = True
        if self._changed is not None:
            self._changed(active)

    def close(self) -> None:
        """Gives the line back; may be called twice."""
        if self._fd >= 0:
            if self._changed is not None:
                self._loop.remove_reader(self._fd)
                self._changed = None
            self._kernel.close(self._fd)
            self._fd = -1


class Gpio:
    """The lines of one board. All methods raise HalError("Gpio") that names the line."""

    def __init__(self, tables: Table, kernel: Kernel) -> None:
        self._tables = tables
        self._kernel = kernel
        self._places: dict[str, tuple[str, int]] | None = None

    def output(self, name: str) -> Output:
        """A line at its safe level: the level is part of the request that makes it an output."""
        table = self._tables[name]
        safe = table["safe"] == "active"
        flags = OUTPUT | DRIVES[table.get("drive", "push_pull")]
        return Output(name, self._kernel, self._request(name, flags, (OUTPUT_VALUES, 0, safe, 1)), safe)

    def input(
        self, name: str, loop: Any = None, changed: Callable[[bool], Any] | None = None, debounce_ms: float = 0
    ) -> Input:
        """A line whose edges are told to `changed(active)`; without `changed` only its level can be asked for.

        `debounce_ms`: where the board file does not say.
        """
        table = self._tables[name]
        flags = INPUT | BIASES[table.get("bias", "as_is")] | (EDGES if changed else 0)
        debounce_us = int(table.get("debounce_ms", debounce_ms) * 1000)
        attribute = (DEBOUNCE, 0, debounce_us, 1) if debounce_us else None
        fd = self._request(name, flags, attribute)
        try:
            return Input(name, self._kernel, fd, loop, changed)
        except OSError as error:
            self._kernel.close(fd)
            raise self._failed(name, error) from None

    def _request(self, name: str, flags: int, attribute: tuple[int, int, int, int] | None) -> int:
        """One ioctl: the level of an output and its direction are set together."""
        if self._tables[name].get("active", "high") == "low":
            flags |= ACTIVE_LOW
        try:
            path, offset = self.place(name)
            chip = self._kernel.open(path)
            try:
                none = (0, 0, 0, 0)
                fields = (CONSUMER, flags, attribute is not None, *(attribute or none), *none, 1, BUFFERED, -1)
                request = bytearray(REQUEST.pack(offset, *fields))
                self._kernel.ioctl(chip, GET_LINE, request)
            finally:
                self._kernel.close(chip)
        except OSError as error:
            raise self._failed(name, error) from None
        fd: int = unpack_from("=i", request, REQUEST.size - 4)[0]
        posix.set_blocking(fd, False)
        return fd

    def place(self, name: str) -> tuple[str, int]:
        """(path of the chip, offset) of a line: by its name, or by the chip's label and an offset."""
        if self._places is None:
            self._places = self._find()
        key = _key(self._tables[name])
        if key not in self._places:
            raise HalError("Gpio", f"[gpio.{name}]: this machine has no line {key}; `evse hw list` shows what it has")
        return self._places[key]

    def _find(self) -> dict[str, tuple[str, int]]:
        """Where the board file's lines are; chips are numbered anew at every start of the machine."""
        wanted = {_key(table) for table in self._tables.values()}
        found: dict[str, tuple[str, int]] = {}
        for path, label, count in chips(self._kernel):
            for table in self._tables.values():
                if "chip" in table and label in _labels(table):
                    found[_key(table)] = (path, table["offset"])
            for offset, (name, _, _) in enumerate(lines(self._kernel, path, count)):
                if name in found and name in wanted:
                    raise HalError("Gpio", f"line {name} is on {found[name][0]} and on {path}: say which chip")
                if name:
                    found[name] = (path, offset)
        return {key: found[key] for key in wanted if key in found}

    def _failed(self, name: str, error: OSError) -> HalError:
        why = _WHY.get(error.errno or 0, error.strerror or str(error))
        return HalError("Gpio", f"[gpio.{name}] {_key(self._tables[name])}: {why}")


def _labels(table: Table) -> list[str]:
    chip = table["chip"]
    return [chip] if isinstance(chip, str) else list(chip)


def _key(table: Table) -> str:
    return f"{_labels(table)[0]} {table['offset']}" if "chip" in table else str(table["line"])


def chips(kernel: Kernel) -> list[tuple[str, str, int]]:
    """(path, label, lines) of every GPIO chip that may be opened; a second name of one is left out."""
    found, seen = [], set()
    for name in kernel.names("/dev"):
        if not name.startswith("gpiochip"):
            continue
        path = f"/dev/{name}"
        info = bytearray(CHIPINFO.size)
        try:
            fd = kernel.open(path)
        except PermissionError as error:
            raise HalError("Gpio", f"{path}: {_WHY[error.errno or 1]}") from None
        try:
            kernel.ioctl(fd, GET_CHIPINFO, info)
        finally:
            kernel.close(fd)
        chip, label, count = CHIPINFO.unpack(info)
        if chip not in seen:
            seen.add(chip)
            found.append((path, _text(label), count))
    return found


def lines(kernel: Kernel, path: str, count: int) -> list[tuple[str, str, int]]:
    """(name, user, flags) of every line of a chip; name and user may be ""."""
    fd = kernel.open(path)
    try:
        found = []
        for offset in range(count):
            info = bytearray(LINEINFO.pack(b"", b"", offset, 0, 0))
            kernel.ioctl(fd, GET_LINEINFO, info)
            name, user, _, _, flags = LINEINFO.unpack(info)
            found.append((_text(name), _text(user), flags))
        return found
    finally:
        kernel.close(fd)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
