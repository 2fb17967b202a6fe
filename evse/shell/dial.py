"""Dial: from an endpoint to a channel that carries plaintext: DNS, TCP to one address after the other, TLS."""

from __future__ import annotations

import _socket
from posix import strerror

from evse.shell.channel import Channel, ChannelError, Socket
from evse.shell.resolver import Lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from evse.shell.endpoint import Endpoint
    from evse.shell.resolver import Address
    from evse.shell.tls import TlsChannel

# What the kernel does about a peer that has gone: probes after a minute of silence, and gives up unacknowledged data.
_TCP = _socket.IPPROTO_TCP
SOCKET_OPTIONS = (
    (_TCP, _socket.TCP_NODELAY, 1),
    (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1),
    (_TCP, _socket.TCP_KEEPIDLE, 60),
    (_TCP, _socket.TCP_KEEPINTVL, 20),
    (_TCP, _socket.TCP_KEEPCNT, 3),
    (_TCP, _socket.TCP_USER_TIMEOUT, 90_000),
)


class Dial:
    """One way to the CSMS, begun at once: `ready(channel)` or `failed(code, why)`, a word of the advice table, ends it.

    `step(state)` tells of "connecting" and "tls". Each step may take `connect_timeout_s`, all addresses together.
    `cancel()` forgets everything and closes what is open. `addresses` are those still to be tried.
    """

    __slots__ = (
        "_loop", "_endpoint", "_profile", "_step", "_ready", "_failed", "_lookup", "addresses", "_share_s", "channel",
        "_fd", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        loop: Any,
        endpoint: Endpoint,
        profile: Mapping[str, Any],
        step: Callable[[str], Any],
        ready: Callable[[Any], Any],
        failed: Callable[[str, str], Any],
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._profile = profile
        self._step, self._ready, self._failed = step, ready, failed
        self.addresses: list[Address] = []
        self._share_s: float = profile["connect_timeout_s"]
        self.channel: Any = None
        self._fd = -1
        self._timer: Any = None
        self._lookup: Lookup | None = Lookup(loop, endpoint.host, endpoint.port, self._resolved, self._share_s)

    def cancel(self) -> None:
        """Forgets everything; neither `ready` nor `failed` is called any more."""
        if self._lookup is not None:
            self._lookup.cancel()
            self._lookup = None
        self.addresses = []
        self._unwatch()
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1

    def _fail(self, code: str, why: str) -> None:
        self.cancel()
        self._failed(code, why)

    def _resolved(self, addresses: list[Address], error: str | None) -> None:
        self._lookup = None
        if error is not None:
            self._fail("dns", error)
            return
        self.addresses = addresses
        self._share_s /= max(1, len(addresses))
        self._step("connecting")
        self._next("unreachable", "the name has no address")

    def _next(self, code: str, why: str) -> None:
        """Tries the next address; with none left, `code` and `why` tell of the last."""
        while self.addresses:
            self._unwatch()
            try:
                self._connect(*self.addresses.pop(0))
            except BlockingIOError:
                self._fd = self.channel.socket.fileno()
                self._timer = self._loop.call_later(self._share_s, self._next, "late_connecting", "")
                self._loop.add_writer(self._fd, self._connected)
                return
            except ChannelError as problem:
                self._fail(problem.code, problem.why)
                return
            except OSError as problem:
                code, why = _refusal(problem)
        self._fail(code, why)

    def _connect(self, family: int, address: tuple[Any, ...]) -> None:
        """Begins to connect; always raises an OSError, BlockingIOError where it has begun, or ChannelError."""
        if self.channel is not None:
            self.channel.close()
        sock = Socket(family, _socket.SOCK_STREAM)
        self.channel = Channel(sock)
        sock.setblocking(False)
        for option in SOCKET_OPTIONS:
            sock.setsockopt(*option)
        if self._profile["interface"] is not None:
            from evse.shell.interface import bind

            bind(sock, family, self._profile["interface"])
        sock.connect(address)
        raise BlockingIOError  # connected already: the writer is called at once

    def _connected(self) -> None:
        error = self.channel.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if error:
            self._next(*_refusal(OSError(error, strerror(error))))
            return
        self.addresses = []
        self._unwatch()
        if self._endpoint.secure:
            self._begin_tls()
        else:
            self._done()

    def _begin_tls(self) -> None:
        self._step("tls")
        profile = self._profile
        own = (profile["cert"], profile["key"]) if profile["security_profile"] == 3 else (None, None)
        try:
            from evse.shell.tls import TlsChannel, new_context

            floor_s = profile["clock_floor_s"]
            hostname, partial = profile["verify_hostname"], profile["partial_chain"]
            context = new_context(profile["ca"], own[0], own[1], hostname, dates=floor_s is None, partial=partial)
            self.channel = TlsChannel(self.channel.socket, *context, self._endpoint.host, floor_s)
        except ChannelError as problem:
            self._fail(problem.code, problem.why)
            return
        self._fd = self.channel.socket.fileno()
        self._timer = self._loop.call_later(profile["connect_timeout_s"], self._fail, "late_tls", "")
        self._negotiate(self.channel)

    def _negotiate(self, channel: TlsChannel) -> None:
        try:
            wants = channel.handshake()
        except ChannelError as problem:
            self._fail(problem.code, problem.why)
            return
        if wants is None:
            self._unwatch()
            self._done()
        elif wants == "read":
            self._loop.remove_writer(self._fd)
            self._loop.add_reader(self._fd, self._negotiate, channel)
        else:
            self._loop.add_writer(self._fd, self._negotiate, channel)

    def _done(self) -> None:
        channel, self.channel = self.channel, None
        self._ready(channel)


def _refusal(problem: OSError) -> tuple[str, str]:
    """(word of the advice table, words of the system) for what connect() raised."""
    if isinstance(problem, ConnectionRefusedError):
        return "refused", ""
    return "late_connecting" if isinstance(problem, TimeoutError) else "unreachable", problem.strerror or str(problem)
