"""Trace: the last frames to and from the CSMS, in RAM and, if wanted, in a JSON-lines file; passwords are masked.

Bounds: so many frames, 2048 characters of each and 1024 bytes on the average in RAM; the file is renamed to `<file>.1`
when it is full. The frames share one buffer, in which the newest replaces the oldest: kept one by one, objects of many
sizes scatter over the heap, which then grows for days.
"""

from __future__ import annotations

import posix
from _collections import deque

from evse import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Row = tuple[float | None, float, str, str]  # UTC, monotonic time, direction, text

KEPT_CHARACTERS = 2048
KEPT_BYTES = 1024
# Frames among which the call of an answer is looked for, to tell about it at once.
RECENT = 50
MASK = "***"
# Variables and keys whose values are passwords, and what their names have in common.
PASSWORDS = ("BasicAuthPassword", "AuthorizationKey", "basicAuthPassword", "apnPassword", '"password"')
HINTS = ("assword", "AuthorizationKey")


class Trace:
    """Notes frames as they pass. `follow(entry)` is called with each one; set it only while somebody listens."""

    __slots__ = (
        "follow", "_clock", "_log", "_rows", "_kept", "_next", "_kept_bytes", "_path", "_limit_bytes", "_fd", "_size",
    )  # fmt: skip

    def __init__(
        self, clock: Any, log: Any, messages: int = 50, path: str | None = None, limit_bytes: int = 10_000_000
    ) -> None:
        self.follow: Callable[[dict[str, Any]], Any] | None = None
        self._clock = clock
        self._log = log
        # Where each frame begins in the buffer, and its length in the last 16 bits.
        self._rows: deque[int] = deque(maxlen=messages)
        self._kept = bytearray()  # of each: UTC and monotonic time in microseconds, direction, text
        self._next = 0  # where the next one begins
        self._kept_bytes = max(messages * KEPT_BYTES, 4 * KEPT_CHARACTERS)
        self._path = path
        self._limit_bytes = limit_bytes
        self._fd = -1
        self._size = 0

    def note(self, direction: str, text: str) -> None:
        """A frame of ours went "out", or one of the CSMS came "in"."""
        if (HINTS[0] in text or HINTS[1] in text) and any(word in text for word in PASSWORDS):
            text = _masked(text)
        if "@" in text:
            text = _without_user(text)
        at, when = self._clock.utc(), self._clock.now()
        if self.follow is not None or self._path is not None:
            self._tell((at, when, direction, text))
        at_us = -1 if at is None else int(at * 1e6)
        self._keep(f"{at_us} {int(when * 1e6)} {direction} {text[:KEPT_CHARACTERS]}".encode("utf-8", "replace"))

    def _keep(self, data: bytes) -> None:
        """Puts it into the buffer, over the oldest."""
        rows, begin = self._rows, self._next
        if begin + len(data) > self._kept_bytes:
            while rows and rows[0] >> 16 >= begin:
                rows.popleft()
            begin = 0
        end = self._next = begin + len(data)
        while rows and begin <= rows[0] >> 16 < end:
            rows.popleft()
        self._kept[begin:end] = data
        rows.append(begin << 16 | len(data))

    def entries(self, action: str | None = None) -> list[dict[str, Any]]:
        """The frames kept, oldest first: at (UTC seconds or None), dir ("in" from the CSMS), action, ms, frame.

        An answer has the action and the latency of its call, as long as that is kept, too.
        """
        return [entry for entry in _entries(self._read(self._rows)) if action in (None, entry["action"])]

    def _tell(self, row: Row) -> None:
        """The follower and the file get the whole frame."""
        entry = _entries([*self._read([*self._rows][-RECENT:]), row])[-1]
        if self.follow is not None:
            self.follow(entry)
        if self._path is not None:
            self._write(jsontext.dumps(entry).encode("utf-8", "backslashreplace") + b"\n")

    def _read(self, rows: Iterable[int]) -> Iterator[Row]:
        for row in rows:
            begin = row >> 16
            kept = self._kept[begin : begin + (row & 0xFFFF)].decode("utf-8", "replace")
            at_us, when_us, direction, text = kept.split(" ", 3)
            yield None if at_us == "-1" else int(at_us) / 1e6, int(when_us) / 1e6, direction, text

    def close(self) -> None:
        """Closes the file; may be called twice."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        path = str(self._path)
        try:
            if self._fd >= 0 and self._size + len(line) > self._limit_bytes:
                self.close()
                posix.replace(path, path + ".1")
            if self._fd < 0:
                self._fd = posix.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
                self._size = posix.fstat(self._fd).st_size
            self._size += posix.write(self._fd, line)
        except OSError as error:
            self._log.warning("the trace file is given up", path=path, why=error.strerror)
            self.close()
            self._path = None


def _entries(rows: Iterable[Row]) -> list[dict[str, Any]]:
    entries = []
    calls: dict[tuple[str, str], tuple[str, float]] = {}  # (direction of the answer, id) -> action, when
    for at, when, direction, text in rows:
        kind, id, action = _head(text)
        ms = None
        if kind == "2":
            calls["in" if direction == "out" else "out", id] = action, when
        elif kind in "345" and (call := calls.pop((direction, id), None)) is not None:
            action = call[0]
            ms = round((when - call[1]) * 1000, 1)
        entries.append({"at": at, "dir": direction, "action": action, "ms": ms, "frame": text})
    return entries


def _head(text: str) -> tuple[str, str, str]:
    """Message type, id and, of a call, the action, as far as the text has the shape of a frame."""
    parts = text[:400].split('"', 4)
    kind = parts[0].strip(" \t\r\n[,")
    if kind not in ("2", "3", "4", "5", "6") or len(parts) < 3:
        return "?", "", "?"
    return kind, parts[1], parts[3] if kind in "26" and len(parts) > 3 else "?"


def _masked(text: str) -> str:
    """The frame without the values of passwords; a frame that cannot be read is not shown at all."""
    try:
        frame = jsontext.loads(text)
    except jsontext.JsonError:
        return MASK
    return jsontext.dumps(_mask(frame))


def _without_user(text: str) -> str:
    """The frame without user and password of its URLs; a slash may be escaped."""
    head, *rest = text.replace(":\\/\\/", "://").split("://")
    for part in rest:
        end = len(part.partition("/")[0].partition('"')[0])
        at = part.rfind("@", 0, end)
        head += "://" + (part if at < 0 else MASK + part[at:])
    return head


def _mask(value: Any) -> Any:
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if not isinstance(value, dict):
        return value
    variable = value.get("variable")
    named = value.get("key"), variable.get("name") if isinstance(variable, dict) else None
    secret = any(name in PASSWORDS for name in named)
    return {
        name: MASK if name.lower().endswith("password") or (secret and name.lower().endswith("value")) else _mask(item)
        for name, item in value.items()
    }
