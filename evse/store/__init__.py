"""Files that survive a power cut: lines with a checksum, files replaced as a whole, names made durable.

`fs` is the module `os` or anything with the same functions (tests cut the power of a simulated one).
"""

from __future__ import annotations

import posix
from binascii import crc32

from evse.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# What a file is called until it is complete; such files are left-overs after a power cut.
UNFINISHED = ".new"


def frame(text: str) -> bytes:
    """One line: the CRC-32 of the text in eight hexadecimal digits, a space, the text (one line of JSON)."""
    body = text.encode()
    return b"%08x %s\n" % (crc32(body), body)


def unframe(line: bytes) -> bytes | None:
    """The text of a line (given without its newline); None if it is damaged."""
    body = line[9:]
    return body if line[:9] == b"%08x " % crc32(body) else None


def failed(what: str, path: str, error: OSError) -> StoreError:
    """The StoreError for an operation that the operating system refused."""
    return StoreError(f"cannot {what} {path}: {error.strerror or error}")


def write_all(fs: Any, fd: int, data: bytes) -> None:
    """Writes every byte; the operating system may take them in pieces. Raises OSError."""
    while data:
        data = data[fs.write(fd, data) :]


def write_file(fs: Any, path: str, chunks: Iterable[bytes]) -> None:
    """Replaces `path` (mode 0600) by the chunks at once: readers and power cuts see the old or the new content.

    The new name is durable only after `sync_directory()`. Raises StoreError; the old file is then untouched.
    """
    unfinished = path + UNFINISHED
    try:
        fd = fs.open(unfinished, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            for chunk in chunks:
                write_all(fs, fd, chunk)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.rename(unfinished, path)
    except OSError as error:
        unlink(fs, unfinished)
        raise failed("write", path, error) from error


def unlink(fs: Any, path: str) -> OSError | None:
    """Removes a file; an error is returned, not raised, None if the file is gone."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return None


def sync_directory(fs: Any, path: str) -> None:
    """Makes created, renamed and removed names in a directory durable. Raises StoreError."""
    try:
        fd = fs.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            fs.fsync(fd)
        finally:
            fs.close(fd)
    except OSError as error:
        raise failed("sync", path, error) from error


def make_directory(fs: Any, path: str) -> None:
    """Creates a directory (mode 0700) in an existing one, durably, if it is not there. Raises StoreError."""
    try:
        fs.mkdir(path, 0o700)
    except FileExistsError:
        pass  # perhaps of a start that was cut short: its name may not be durable yet
    except OSError as error:
        raise failed("create", path, error) from error
    sync_directory(fs, path.rstrip("/").rpartition("/")[0] or ("/" if path.startswith("/") else "."))
