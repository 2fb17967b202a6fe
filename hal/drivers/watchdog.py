"""Hardware watchdog: resets the machine unless it is fed, and it is fed only while everything runs.

[watchdog] `device` ("/dev/watchdog0"), `timeout_s`. Closed in order it is switched off, where the hardware can; after a
crash it is not, and the next start has `timeout_s` to come. [kernel: Documentation/watchdog/watchdog-api.rst]
"""

from __future__ import annotations

import posix
from _struct import pack, unpack

from hal.drivers.driver import Driver
from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SET_TIMEOUT = 0xC0045706
FEEDS = 3  # in each timeout


class Watchdog(Driver):
    """`start(loop, report, hangs)`: fed while `hangs()` is None; a text names what hangs, and the machine resets."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.timeout_s: int = options["timeout_s"]
        self._fd = -1
        self._hangs: Callable[[], str | None] | None = None

    def start(self, loop: Any, report: Any, hangs: Callable[[], str | None] | None = None) -> None:
        """From here on the machine resets without us; `report("hangs", name)` is called before it happens.

        Raises HalError("Watchdog") where there is none, it is another program's, or it cannot do `timeout_s`.
        """
        super().start(loop, report)
        self._hangs = hangs
        kernel, device = self.board.kernel, self.options["device"]
        try:
            self._fd = kernel.open(device, posix.O_WRONLY)
            answer = bytearray(pack("i", self.timeout_s))
            kernel.ioctl(self._fd, SET_TIMEOUT, answer)
        except OSError as error:
            self.close()
            why = "in use by another program" if error.errno == 16 else error.strerror
            raise HalError("Watchdog", f"{device}: {why}") from None
        (given_s,) = unpack("i", answer)
        if given_s < self.timeout_s:
            self.close()
            raise HalError("Watchdog", f"{device}: {self.timeout_s} s is more than it can do: {given_s} s")
        self.timeout_s = given_s
        self._feed()

    def _feed(self) -> None:
        hangs = self._hangs() if self._hangs is not None else None
        if hangs is None:
            self._write(b"\0")
        else:
            self.report("hangs", hangs)
        self._after(self.timeout_s / FEEDS, self._feed)

    def _write(self, data: bytes) -> None:
        try:
            posix.write(self._fd, data)
        except OSError as error:
            self.report("hangs", f"the watchdog itself: {error.strerror}")

    def close(self, orderly: bool = True) -> None:
        """Switches it off; not `orderly`: leaves it running. May be called twice."""
        if self._fd >= 0:
            if orderly:
                self._write(b"V")
            posix.close(self._fd)
            self._fd = -1
        super().close()
