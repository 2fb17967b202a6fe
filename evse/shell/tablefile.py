"""A compiled message table on flash, read one type at a time."""

from __future__ import annotations

import posix
import sys

from evse.errors import StoreError

# The digit counts layouts: it changes with the shapes that evse.ocpp.schema describes; older files are made anew.
MAGIC = f"evse-tab1 {sys.version_info[0]}.{sys.version_info[1]}".encode().ljust(16, b"\0")
INDEX_AT = 24  # after the magic and two checksums: where the index is, and how long


class TableFile:
    """Gives `read` to `evse.ocpp.schema.Tables`. Nothing but the descriptor stays in memory.

    The front end has checked the whole file and brought it up to date (`evse.ocpp.tables.compile`). Raises StoreError
    if it is not there or was compiled by another Python, whose marshal format differs.
    """

    __slots__ = ("_fd", "_index_at", "_index_length")

    def __init__(self, path: str) -> None:
        try:
            self._fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        head = posix.pread(self._fd, INDEX_AT + 8, 0)
        if len(head) != INDEX_AT + 8 or not head.startswith(MAGIC):
            self.close()
            raise StoreError(f"{path} is no message table of this Python; start the station by `evse run`")
        self._index_at = int.from_bytes(head[INDEX_AT : INDEX_AT + 4], "little")
        self._index_length = int.from_bytes(head[INDEX_AT + 4 :], "little")

    def read(self, name: str) -> bytes | None:
        """The marshalled type of that name, None if the version has none; `name` may come from outside."""
        if not name.isidentifier():
            return None
        index = posix.pread(self._fd, self._index_length, self._index_at)
        start = index.find(f"\n{name} ".encode())
        if start < 0:
            return None
        _, at, length = index[start : index.index(b"\n", start + 1)].split()
        return posix.pread(self._fd, int(length), int(at))

    def close(self) -> None:
        """Closes the file; may be called again."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1
