"""Trace: the last frames to and from the CSMS, in RAM and, if wanted, in a JSON-lines file; passwords are masked.

Bounds: so many frames, 2048 characters of each and 1024 bytes on the average in RAM; the file is renamed to `<file>.1`
when it is full. The frames share one buffer, in which the newest replaces the oldest: kept one by one, objects of many
sizes scatter over the heap, which then grows for days. They are stamped with the monotonic clock, and have UTC as it is
known when they are read: also those from before the CSMS gave the time.
"""

from __future__ import annotations

import posix
from _collections import deque

from evse import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Row = tuple[float, str, str]  # monotonic time, direction, text

KEPT_CHARACTERS = 2048
KEPT_BYTES = 1024
# Monotonic microseconds, direction, text; the longest has characters of four bytes.
ROW = f"%d %s %.{KEPT_CHARACTERS}s"
LONGEST_ROW = 4 * KEPT_CHARACTERS + 64
# Frames among which the call of an answer is looked for, to tell about it at once.
RECENT = 50
MASK = "***"
# Variables and keys whose values are passwords.
PASSWORDS = ("BasicAuthPassword", "AuthorizationKey", "basicAuthPassword", "apnPassword", '"password"')


class Trace:
    """Notes frames as they pass. `follow(entry)` is called with each one; set it only while somebody listens."""

    __slots__ = (
        "follow", "_clock", "_log", "_rows", "_kept", "_room", "_next", "_rounds", "_path", "_limit_bytes", "_fd",
        "_size",
    )  # fmt: skip

    def __init__(
        self, clock: Any, log: Any, messages: int = 50, path: str | None = None, limit_bytes: int = 10_000_000
    ) -> None:
        self.follow: Callable[[dict[str, Any]], Any] | None = None
        self._clock = clock
        self._log = log
        # Where each frame begins, counted over all rounds of the buffer, and its length in the last 16 bits.
        self._rows: deque[int] = deque(maxlen=messages)
        self._kept = bytearray()
        self._room = max(messages * KEPT_BYTES, LONGEST_ROW) if messages else 0
        self._next = 0  # where the next one begins
        self._rounds = 0  # bytes of the rounds before
        self._path = path
        self._limit_bytes = limit_bytes
        self._fd = -1
        self._size = 0

    def note(self, direction: str, text: str) -> None:
        """A frame of ours went "out", or one of the CSMS came "in"."""
        if "assword" in text or "AuthorizationKey" in text:  # as all of PASSWORDS
            text = _masked(text)
        if "@" in text:
            text = _without_user(text)
        now = self._clock.now()
        if self.follow is not None or self._path is not None:
            self._tell((now, direction, text))
        data = (ROW % (now * 1e6, direction, text)).encode("utf-8", "replace")
        begin = self._next
        end = begin + len(data)
        if end > self._room:  # from the front again, over the oldest
            if not self._room:
                return
            self._rounds += self._room
            begin, end = 0, len(data)
        self._kept[begin:end] = data
        self._next = end
        self._rows.append((self._rounds + begin) << 16 | end - begin)

    def entries(self, action: str | None = None) -> list[dict[str, Any]]:
        """The frames kept, oldest first: at (UTC seconds or None), dir ("in" from the CSMS), action, ms, frame.

        An answer has the action and the latency of its call, as long as that is kept, too.
        """
        entries = _entries(self._read(self._rows), self._offset())
        return [entry for entry in entries if action in (None, entry["action"])]

    def _tell(self, row: Row) -> None:
        """The follower and the file get the whole frame."""
        entry = _entries([*self._read([*self._rows][-RECENT:]), row], self._offset())[-1]
        if self.follow is not None:
            self.follow(entry)
        if self._path is not None:
            self._write(jsontext.dumps(entry).encode("utf-8", "backslashreplace") + b"\n")

    def _offset(self) -> float | None:
        """UTC minus monotonic time, None while UTC is unknown."""
        at = self._clock.utc()
        return None if at is None else at - self._clock.now()

    def _read(self, rows: Iterable[int]) -> Iterator[Row]:
        """Those of the rows that no later one has replaced."""
        oldest = self._rounds + self._next - self._room
        for row in rows:
            begin, size = row >> 16, row & 0xFFFF
            if begin >= oldest:
                begin %= self._room
                kept = self._kept[begin : begin + size].decode("utf-8", "replace")
                when_us, direction, text = kept.split(" ", 2)
                yield int(when_us) / 1e6, direction, text

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


def _entries(rows: Iterable[Row], offset_s: float | None) -> list[dict[str, Any]]:
    entries = []
    calls: dict[tuple[str, str], tuple[str, float]] = {}  # (direction of the answer, id) -> action, when
    for when, direction, text in rows:
        kind, id, action = _head(text)
        ms = None
        if kind == "2":
            calls["in" if direction == "out" else "out", id] = action, when
        elif kind in "345" and (call := calls.pop((direction, id), None)) is not None:
            action = call[0]
            ms = round((when - call[1]) * 1000, 1)
        at = None if offset_s is None else round(when + offset_s, 6)
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
    """The frame without the values of passwords; one that cannot be read is not shown at all."""
    if not any(word in text for word in PASSWORDS):
        return text
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
