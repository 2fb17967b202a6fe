"""Segments: the files of the journal, `00000001.log` and on; lines are appended to the last one, the active segment."""

from __future__ import annotations

import posix

from evse.store import UNFINISHED, failed, make_directory, sync_directory, unframe, unlink, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

CHUNK_BYTES = 4096
# How a line ends that was written while lines before it were not synced yet.
GROUP = b',"group":1}'


class Segment:
    """One file: its number, size, the number of its last event (0: none), droppable events (None: unknown)."""

    __slots__ = ("number", "size", "last", "droppable")

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = self.last = 0
        self.droppable: int | None = None


class Segments:
    """The segments in one directory, oldest first in `all`.

    `closed_bytes` is the size of all but the active one. `unsynced` is True while that holds what a power cut could
    take; `suspect` after the disk refused something, when it is no longer known what it holds: `replace()` the active
    segment before anything else.
    """

    __slots__ = ("all", "closed_bytes", "unsynced", "suspect", "_directory", "_fs", "_log", "_fd")

    def __init__(self, directory: str, fs: Any, log: Any) -> None:
        """Finds the segments, cuts the torn end of the active one, removes unfinished ones. Raises StoreError."""
        self._directory, self._fs, self._log, self._fd = directory, fs, log, -1
        self.suspect = False
        self.all: list[Segment] = []
        make_directory(fs, directory)
        try:
            for name in sorted(fs.listdir(directory)):
                if name.endswith(UNFINISHED):
                    unlink(fs, f"{directory}/{name}")
                elif len(name) == 12 and name.endswith(".log") and name[:8].isdecimal():
                    segment = Segment(int(name[:8]))
                    segment.size = fs.stat(self.path(segment)).st_size
                    self.all.append(segment)
        except OSError as error:
            raise failed("list", directory, error) from error
        # What a killed process left in the cache is not on the disk yet: the names become durable before any file is
        # removed because of them, the lines with the first durable one.
        sync_directory(fs, directory)
        self.unsynced = bool(self.all)
        self._add_up()
        if self.all:
            self._open()
            self._cut_tail()

    def path(self, segment: Segment) -> str:
        """Where a segment lies."""
        return f"{self._directory}/{segment.number:08d}.log"

    def lines(self, segment: Segment, offset: int = 0) -> Iterator[tuple[int, int, bytes | None]]:
        """Begin, end and text of each line from `offset` on; the text is None where a line is damaged or torn.

        Raises StoreError if the file cannot be opened; a block that cannot be read counts as damaged.
        """
        path = self.path(segment)
        try:
            fd = self._fs.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError as error:
            raise failed("read", path, error) from error
        try:
            begin, rest = offset, b""
            while offset < segment.size:
                want = min(CHUNK_BYTES, segment.size - offset)
                try:
                    chunk = self._fs.pread(fd, want, offset)
                except OSError:
                    chunk = bytes(want)
                if not chunk:
                    break
                offset += len(chunk)
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    end = begin + len(line) + 1
                    yield begin, end, unframe(line)
                    begin = end
            if rest:
                yield begin, begin + len(rest), None
        finally:
            self._fs.close(fd)

    def append(self, line: bytes, durable: bool) -> None:
        """Appends a line to the active segment, or nothing. Raises StoreError."""
        active, rest = self.all[-1], line
        try:
            while rest:  # as `write_all()`
                rest = rest[self._fs.write(self._fd, rest) :]
            if durable:
                self._sync()
        except OSError as error:
            self.unsynced = True  # the cut, too, may be lost
            self._truncate(active.size)
            raise failed("write", self.path(active), error) from error
        active.size += len(line)
        self.unsynced = not durable

    def sync(self) -> None:
        """Every line is durable on return. Raises StoreError."""
        try:
            self._sync()
        except OSError as error:
            raise failed("sync", self.path(self.all[-1]), error) from error
        self.unsynced = False

    def replace(self, old: list[Segment], new: Segment, lines: Iterable[bytes]) -> None:
        """Writes segment `new` in place of the neighbours `old` (none: at the end), durably.

        Its number must be that of the last of them. Raises StoreError: the segments are those before or those after.
        """
        write_file(self._fs, self.path(new), lines)
        at = self.all.index(old[0]) if old else len(self.all)
        self.all[at : at + len(old)] = [new]
        self._add_up()
        if new is self.all[-1]:
            self.unsynced = False
            self._open()
        suspect, self.suspect = self.suspect, True
        sync_directory(self._fs, self._directory)
        self.suspect = suspect
        for segment in old[:-1]:
            self._unlink(segment)

    def remove(self, segment: Segment) -> None:
        """Removes a segment; a file that stays is found at the next start."""
        self.all.remove(segment)
        self._add_up()
        self._unlink(segment)

    def _add_up(self) -> None:
        self.closed_bytes = sum(segment.size for segment in self.all[:-1])

    def _unlink(self, segment: Segment) -> None:
        error = unlink(self._fs, self.path(segment))
        if error is not None:
            self._log.warning("journal: cannot remove a segment", file=self.path(segment), error=error)

    def close(self) -> None:
        """Closes the active segment. Idempotent."""
        if self._fd >= 0:
            self._fs.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        """Opens the active segment."""
        path = self.path(self.all[-1])
        self.suspect = True
        try:
            self.close()
            self._fd = self._fs.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
        except OSError as error:
            raise failed("open", path, error) from error
        self.suspect = False

    def _cut_tail(self) -> None:
        """Cuts the active segment at the first damaged line that no line on synced ground follows."""
        active, cut = self.all[-1], None
        for begin, _, body in self.lines(active):
            if body is None:
                cut = begin if cut is None else cut
            elif not body.endswith(GROUP):
                cut = None
        if cut is not None:
            self._log.warning("journal: torn end cut", file=self.path(active), bytes=active.size - cut)
            active.size = cut
            self._truncate(cut)

    def _truncate(self, size: int) -> None:
        try:
            self._fs.ftruncate(self._fd, size)
        except OSError:
            self.suspect = True

    def _sync(self) -> None:
        """After a failure the kernel may have dropped the pages, and would not say so a second time."""
        suspect, self.suspect = self.suspect, True
        self._fs.fdatasync(self._fd)
        self.suspect = suspect
