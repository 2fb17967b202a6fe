"""The station's log in a file, for where no journal keeps it: bounded, renamed to `<file>.1` when it is full."""

from __future__ import annotations

import posix


class LogFile:
    """Lines at the end of `path` (mode 0600); it and its predecessor together take at most twice `limit_bytes`.

    Nothing is synced: the kernel writes the lines within half a minute, many of them at once, which spares the flash.
    """

    __slots__ = ("_path", "_limit_bytes", "_fd", "_size")

    def __init__(self, path: str, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._fd = -1
        self._size = 0

    def write(self, line: bytes) -> None:
        """Appends a line. Raises OSError; the next one is tried anew."""
        if self._fd >= 0 and self._size + len(line) > self._limit_bytes:
            self.close()
            posix.replace(self._path, self._path + ".1")
        if self._fd < 0:
            flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
            self._fd = posix.open(self._path, flags, 0o600)
            self._size = posix.fstat(self._fd).st_size
        self._size += posix.write(self._fd, line)

    def close(self) -> None:
        """May be called twice."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1
