"""Channel: a connected descriptor that carries plaintext. The plain one is here, the one with TLS in `tls`."""

from __future__ import annotations

import _socket


class Socket(_socket.socket):
    """A socket that TLS can refer to."""

    __slots__ = ("__weakref__",)


class ChannelError(Exception):
    """The channel failed; `code` is a word of the advice table, `why` what the layer below said."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class Channel:
    """Plaintext over TCP. No method blocks; all raise ChannelError when the connection is lost."""

    __slots__ = ("socket",)

    def __init__(self, sock: Socket) -> None:
        self.socket = sock

    def read(self, size: int) -> bytes | None:
        """At most `size` bytes; b"" at the end, None if nothing is there now."""
        try:
            return self.socket.recv(size)
        except BlockingIOError:
            return None
        except OSError as problem:
            raise ChannelError("lost", problem.strerror or str(problem)) from None

    def write(self, data: bytes | bytearray) -> int:
        """How many bytes of the beginning of `data` were taken; the rest must be offered again, more may follow it."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as problem:
            raise ChannelError("lost", problem.strerror or str(problem)) from None

    def pending(self) -> bool:
        """True if `read` has something although the descriptor is not ready."""
        return False

    def close(self) -> None:
        """Gives the descriptor back; may be called twice."""
        self.socket.close()
