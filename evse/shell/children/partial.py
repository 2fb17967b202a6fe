"""A file that arrives in pieces: bounded, resumed after an interruption, complete only under its final name.

<to>.part        what has arrived
<to>.part.of     of what: a fingerprint of the URL, and the validator by which the server knows the same content
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from evse.shell.children.main import JobError

# What the journal and the documents still need when the file has arrived.
FREE_BYTES = 8 << 20
READ_BYTES = 65536


class Partial:
    """The file `to` below the state directory, from `url`.

    Raises JobError: Invalid for a place outside the state directory, TooLarge beyond `max_bytes` or the flash.
    """

    def __init__(self, state: str, to: str, url: str, max_bytes: int) -> None:
        root = os.path.realpath(state)
        self.path = os.path.realpath(os.path.join(root, to))
        if os.path.commonpath((root, self.path)) != root or self.path == root:
            raise JobError("Invalid", "a file is downloaded into the state directory only")
        self._max_bytes = max_bytes
        self._url = hashlib.sha256(url.encode()).hexdigest()
        self.total: int | None = None
        self.validator: str | None = None
        self.size = 0
        self._sha = hashlib.sha256()
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        self._fd = os.open(self.path + ".part", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._take_up()

    def restart(self, validator: str | None) -> None:
        """From the first byte; `validator` is what tells this content from the next."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0
        self._sha = hashlib.sha256()
        self.validator = validator
        if validator is None:
            _unlink(self.path + ".part.of")
            return
        with open(self.path + ".part.of", "w", encoding="ascii") as file:
            json.dump([self._url, validator], file)

    def expect(self, total: int | None) -> None:
        """So many bytes will it be, None if the server does not say."""
        self.total = total
        if total is not None:
            if total > self._max_bytes:
                self._too_large(f"{total} bytes are announced, {self._max_bytes} allowed")
            self._room(total - self.size)

    def add(self, data: bytes) -> None:
        """The next piece."""
        if self.size + len(data) > self._max_bytes:
            self._too_large(f"more than {self._max_bytes} bytes")
        if self.total is None:
            self._room(len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._sha.update(data)
        self.size += len(data)

    @property
    def is_whole(self) -> bool:
        """Whether as much is here as was announced."""
        return self.total is None or self.size == self.total

    def finish(self) -> dict[str, Any]:
        """Gives the file its name, durably."""
        os.fsync(self._fd)
        os.replace(self.path + ".part", self.path)
        _unlink(self.path + ".part.of")
        directory = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return {"path": self.path, "bytes": self.size, "sha256": self._sha.hexdigest()}

    def close(self) -> None:
        """Keeps what has arrived, if the server can go on from there."""
        os.close(self._fd)
        if self.validator is None:
            _unlink(self.path + ".part")

    def _take_up(self) -> None:
        """Goes on with what is there, if it is of the same URL."""
        try:
            with open(self.path + ".part.of", encoding="ascii") as file:
                url, validator = json.load(file)
            known = url == self._url and isinstance(validator, str)
        except (OSError, ValueError, TypeError):
            known = False
        if not known:
            self.restart(None)
            return
        while data := os.read(self._fd, READ_BYTES):
            self._sha.update(data)
            self.size += len(data)
        self.validator = validator
        if self.size > self._max_bytes:
            self.restart(None)

    def _room(self, more: int) -> None:
        free = os.fstatvfs(self._fd)
        if free.f_bavail * free.f_frsize < more + FREE_BYTES:
            self._too_large("the flash has no room for it")

    def _too_large(self, why: str) -> None:
        self.restart(None)
        raise JobError("TooLarge", why)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
