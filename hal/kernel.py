"""The kernel as drivers see it: files below a root, descriptors, ioctl. Tests put a root and an ioctl of their own."""

from __future__ import annotations

import fcntl
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIZE = 65536


class Kernel:
    """Plain calls that raise OSError; `root` stands before every path."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def open(self, path: str, flags: int = posix.O_RDWR) -> int:
        """A non-blocking descriptor that no child inherits."""
        return posix.open(self.root + path, flags | posix.O_NONBLOCK | posix.O_CLOEXEC | posix.O_NOCTTY)

    def read(self, fd: int, size: int) -> bytes:
        return posix.read(fd, size)

    def close(self, fd: int) -> None:
        posix.close(fd)

    def ioctl(self, fd: int, request: int, argument: Any) -> Any:
        """As fcntl.ioctl; a bytearray is changed in place."""
        return fcntl.ioctl(fd, request, argument)

    def names(self, path: str) -> list[str]:
        """What a directory holds, in order; empty if there is none."""
        try:
            return sorted(posix.listdir(self.root + path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def get(self, path: str) -> str:
        """The content of a small file, without the white space around it."""
        fd = posix.open(self.root + path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return posix.read(fd, _SIZE).decode("utf-8", "replace").strip()
        finally:
            posix.close(fd)

    def put(self, path: str, text: str) -> None:
        """Writes an attribute of the kernel in one call."""
        fd = posix.open(self.root + path, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, text.encode())
        finally:
            posix.close(fd)

    def link(self, path: str) -> list[str]:
        """The parts of what a symbolic link points to; empty if it is none."""
        try:
            return posix.readlink(self.root + path).split("/")
        except OSError:
            return []
