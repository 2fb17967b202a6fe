"""Documents: one JSON value per file, replaced as a whole; the previous one stays until the next is on the disk."""

from __future__ import annotations

import posix

from evse.errors import UsageError
from evse.jsontext import JsonError, dumps, loads
from evse.store import UNFINISHED, failed, frame, make_directory, sync_directory, unframe, unlink, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DAMAGED = ".bad"
NAME_LENGTH = 64
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


class Documents:
    """Named JSON values in one directory (0700, files 0600), each file one line: checksum, space, JSON.

    A name has 1 to 64 ASCII letters, digits, `_`, `-` and `.`, begins with a letter or digit and does not end in `.new`
    or `.bad`. A document larger than `limit_bytes` is refused; the number of documents is the caller's to bound.
    `log` has the methods of `evse.shell.log.Log`.
    """

    __slots__ = ("_directory", "_fs", "_limit_bytes", "_log")

    def __init__(self, directory: str, fs: Any = posix, *, log: Any, limit_bytes: int = 1 << 20) -> None:
        """Creates the directory if its parent exists. Raises StoreError."""
        self._directory, self._fs, self._log, self._limit_bytes = directory, fs, log, limit_bytes
        make_directory(fs, directory)
        for name in self._list():
            if name.endswith(UNFINISHED):
                unlink(fs, f"{directory}/{name}")

    def load(self, name: str) -> Any:
        """The value, None if there is none. A damaged file is logged, moved to `name.bad` and None as well.

        Raises UsageError (name), StoreError (the file cannot be read).
        """
        path = self._path(name)
        try:
            data = self._read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failed("read", path, error) from error
        body = unframe(data[:-1]) if data.endswith(b"\n") else None
        if body is not None:
            try:
                return loads(body, max_bytes=self._limit_bytes)
            except JsonError as error:
                self._log.error("document unreadable", file=path, error=error)
        self._log.error("document damaged, moved aside", file=path + DAMAGED)
        try:
            self._fs.rename(path, path + DAMAGED)
        except OSError as error:
            raise failed("move aside", path, error) from error
        sync_directory(self._fs, self._directory)
        return None

    def save(self, name: str, value: Any) -> None:
        """The value is durable on return.

        Raises UsageError (name, size), JsonError, StoreError: the previous value stands, or if only the last step
        failed the new one, until a power cut decides between the two.
        """
        path = self._path(name)
        data = frame(dumps(value))
        if len(data) > self._limit_bytes:
            raise UsageError(f"document {name}: {len(data)} bytes are more than {self._limit_bytes}")
        write_file(self._fs, path, (data,))
        sync_directory(self._fs, self._directory)

    def delete(self, name: str) -> None:
        """The document is durably gone on return; no error if there was none. Raises UsageError, StoreError."""
        path = self._path(name)
        error = unlink(self._fs, path)
        if error is not None:
            raise failed("delete", path, error) from error
        sync_directory(self._fs, self._directory)

    def names(self) -> list[str]:
        """The names of all documents, sorted; damaged ones are not among them. Raises StoreError."""
        return sorted(name for name in self._list() if _sound(name))

    def _path(self, name: str) -> str:
        if not _sound(name):
            raise UsageError(f"{name!r} is no document name")
        return f"{self._directory}/{name}"

    def _list(self) -> list[str]:
        try:
            names: list[str] = self._fs.listdir(self._directory)
        except OSError as error:
            raise failed("list", self._directory, error) from error
        return names

    def _read(self, path: str) -> bytes:
        fd = self._fs.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            data = b""
            while len(data) <= self._limit_bytes and (chunk := self._fs.read(fd, 65536)):
                data += chunk  # what is longer than the limit is cut, and so found damaged
        finally:
            self._fs.close(fd)
        return data


def _sound(name: str) -> bool:
    return (
        0 < len(name) <= NAME_LENGTH
        and name[0] not in "._-"
        and LETTERS.issuperset(name)
        and not name.endswith((UNFINISHED, DAMAGED))
    )
