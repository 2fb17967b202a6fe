"""systemd: readiness, status text and watchdog, by the notification socket [sd_notify(3)]."""

from __future__ import annotations

import _socket
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Notify:
    """Tells systemd how the station is; does nothing where nobody asked for it by NOTIFY_SOCKET.

    The watchdog (WATCHDOG_USEC) is fed at a third of its time, and only while `alive()` returns None; a text that it
    returns names the part that hangs, and lets the watchdog bite.
    """

    __slots__ = ("_address", "_socket", "_loop", "_log", "_interval_s", "_alive", "_timer", "_status")

    def __init__(self, loop: Any, log: Any, environ: dict[bytes, bytes] = posix.environ) -> None:
        address = environ.get(b"NOTIFY_SOCKET", b"")
        self._address = b"\0" + address[1:] if address.startswith(b"@") else address
        self._socket: Any = None
        if address:
            flags = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            self._socket = _socket.socket(_socket.AF_UNIX, flags, 0)
        ours = environ.get(b"WATCHDOG_PID") in (None, b"%d" % posix.getpid())
        interval_us = environ.get(b"WATCHDOG_USEC", b"")
        self._interval_s = int(interval_us) / 3e6 if ours and interval_us.isdigit() else 0.0
        self._loop = loop
        self._log = log
        self._alive: Callable[[], str | None] | None = None
        self._timer: Any = None
        self._status = ""

    def ready(self, alive: Callable[[], str | None]) -> None:
        """The station is up: the self-test of the hardware passed and the control socket answers."""
        self._alive = alive
        self._send("READY=1")
        self._feed()

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text)

    def stopping(self) -> None:
        """The orderly shutdown begins."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Ends the feeding; may be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _feed(self) -> None:
        if self._socket is None or self._interval_s <= 0 or self._alive is None:
            return
        hangs = self._alive()
        if hangs is None:
            self._send("WATCHDOG=1")
        else:
            self._log.error("the watchdog is not fed, a part hangs", part=hangs)
        self._timer = self._loop.call_later(self._interval_s, self._feed)

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            self._log.warning("systemd could not be told", why=error.strerror)
