"""What token readers share: a token once, a failure once, and tried again until it works.

Settings of every reader, besides those of hal/tokens.py: `debounce_s` (1.0), how long a card must be away before it
counts again; 0 reports every sight of it.
"""

from __future__ import annotations

from hal.drivers.driver import Driver
from hal.interfaces import HalError
from hal.tokens import Debounce, TokenRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REOPEN_S = 2.0
# So many inputs in a row that are no token are a failure: a wrong setting, or a reader that is broken.
UNREADABLE = 3
_WHY = {
    1: "not permitted",
    2: "there is no such device",
    6: "there is no device behind this name",
    13: "no permission; its group must be one of the station's account",
    16: "in use by another program or driver",
    19: "the device is gone",
    25: "not a device of this kind",
}


class Reader(Driver):
    """A reader; a driver adds `_open()` and `_shut()`.

    `_open()` opens, or raises OSError or HalError, and is then called again every REOPEN_S; `_shut()` may be called at
    any time and any number of times. One that works by the clock says by `_ran()` that it does, and the watchdog
    waits for it PERIOD_S; the others wait for input, and there is nothing to watch.
    """

    PERIOD_S: float | None = None

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.rules = TokenRules(options)
        self.debounce = Debounce(float(options.get("debounce_s", 1.0)))
        self._unreadable = 0
        self._task: Any = None
        if self.PERIOD_S is not None:
            self._task = board.task(f"reader {options.get('device') or options.get('port')}", self.PERIOD_S)

    def start(self, loop: Any, report: Any) -> None:
        """Begins to read. A reader that is not there is reported, and found when it comes."""
        super().start(loop, report)
        self._try()

    def close(self) -> None:
        """Gives the device back."""
        super().close()
        self._shut()
        self._ran(False)

    def _ran(self, running: bool = True) -> None:
        """Not `running`: nothing is done until the device is there again."""
        if self._task is not None:
            self._task.ran(self._loop.time() if running else None)

    def _open(self) -> None:
        raise NotImplementedError

    def _shut(self) -> None:
        raise NotImplementedError

    def _try(self) -> None:
        self._ran()
        try:
            self._open()
        except (OSError, HalError) as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        """The device cannot be opened or is gone: reported, and tried again."""
        self._shut()
        detail = str(error)
        if isinstance(error, OSError):
            where = self.options.get("device") or self.options.get("path")
            detail = f"{where}: {_WHY.get(error.errno or 0, error.strerror or error)}"
        if self._report is not None:
            self._after(REOPEN_S, self._try)
            self.fault("ReaderFailure", detail)

    def _good(self) -> None:
        """The reader works."""
        self._unreadable = 0
        self.clear("ReaderFailure")

    def _token(self, rule: Any, given: Any) -> None:
        """Reports what was read, unless it is there since before. What is no token is counted.

        `rule` is a method of TokenRules, `given` what it takes.
        """
        try:
            id_token, kind = rule(given)
        except HalError as error:
            self._unreadable += 1
            if self._unreadable >= UNREADABLE:
                self.fault("ReaderFailure", f"{UNREADABLE} inputs that are no token: {error.detail}")
            return
        self._good()
        if self.debounce.fresh(id_token, self._loop.time()):
            self.report("token", id_token, kind)
