"""Contactor on a GPIO line, watched by its mirror contact.

Options: `coil`; `feedback`, the mirror contact (without one an order counts as done after `feedback_timeout_ms`);
`feedback_contact` "nc" (closed while the main contacts are open) or "no", debounced for 10 ms if its line says nothing;
`feedback_timeout_ms` (250);
`min_close_interval_s` (10) between two closings, and from the start to the first: a program that crashes again and
again must not hammer the contactor.
"""

from __future__ import annotations

from hal.drivers.driver import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# So many closings in a row without an answer, and it is not tried again.
ATTEMPTS = 3
# A contact that bounces while it closes has not fallen open.
BOUNCE_MS = 10
WELDED, DEAD = "WeldedContactor", "PowerSwitchFailure"


class Contactor(Driver):
    """Reports where the mirror contact is, also when it moves by itself.

    Told to open and still closed: WeldedContactor, which stays until the next start; it does not close any more.
    Told to close and still open: the coil is released, PowerSwitchFailure until the next closing is allowed, and for
    good after ATTEMPTS in a row. Falling open by itself releases the coil: it must not close again under load.
    """

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.closed: bool | None = None  # as the mirror contact says; None before its first word
        self._timeout_s = options.get("feedback_timeout_ms", 250) / 1000
        self._interval_s = options.get("min_close_interval_s", 10.0)
        self._inverted = options.get("feedback_contact", "nc") == "nc"
        self._told = False
        self._failures = 0
        self._allowed = 0.0
        self._closing: Any = None  # the order to close that waits for its time
        self._coil: Any = None
        self._sense: Any = None

    def start(self, loop: Any, report: Any) -> None:
        """Opens. Raises HalError if a line cannot be had."""
        super().start(loop, report)
        self.closed = None
        self.faults.clear()
        self._told = False
        self._failures = 0
        self._allowed = loop.time() + self._interval_s
        self._coil = self.board.gpio.output(self.options["coil"])
        try:
            if "feedback" in self.options:
                self._sense = self.board.gpio.input(self.options["feedback"], loop, self._sensed, BOUNCE_MS)
        except ValueError:
            self.close()
            raise
        if self._sense is None:
            self._after(self._timeout_s, self._assume)

    def close(self) -> None:
        """Opens and gives the lines back."""
        super().close()
        self._forget()
        for line in (self._coil, self._sense):
            if line is not None:
                line.close()
        self._coil = self._sense = None

    def switch(self, closed: bool) -> None:
        """Drives the coil; a closing too soon after the last waits for its time, one of a welded contactor is none."""
        if self._coil is None:
            return
        self._forget()
        if not closed:
            self._drive(False)
        elif self._told and self.closed:
            self.report("contactor", True)
        elif not self.faults:
            self._closing = self._loop.call_later(max(0.0, self._allowed - self._loop.time()), self._close)

    def _close(self) -> None:
        self._closing = None
        if not self.faults:
            self._drive(True)

    def _forget(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _drive(self, closed: bool) -> None:
        self._cancel()
        if closed:
            self._allowed = self._loop.time() + self._interval_s
        self._told = closed
        try:
            self._coil.set(closed)
        except OSError as error:
            self._failures = ATTEMPTS
            self.fault(DEAD, f"the coil cannot be driven: {error.strerror}")
        if self._sense is None:
            self._after(self._timeout_s, self._assume)
        elif self.closed == closed:
            self.report("contactor", closed)
        else:
            self._after(self._timeout_s, self._check)

    def _assume(self) -> None:
        """Without a mirror contact it did what it was told."""
        self._timer = None
        self._become(self._told)

    def _sensed(self, active: bool) -> None:
        closed = active != self._inverted
        if closed == self.closed:
            return
        waiting = self._timer is not None
        if closed == self._told:
            if waiting and self.closed is not None:
                self._cancel()
            self._failures = 0 if closed else self._failures
        elif not closed and not waiting:
            self._release()
        elif closed:
            self._after(self._timeout_s, self._check)
        self._become(closed)

    def _become(self, closed: bool) -> None:
        self.closed = closed
        self.report("contactor", closed)

    def _check(self) -> None:
        self._timer = None
        if self.closed == self._told:
            return
        milliseconds = f"{self._timeout_s * 1000:g} ms"
        if not self._told:
            self.fault(WELDED, f"told to open, but the mirror contact still says closed after {milliseconds}")
            return
        self._failures += 1
        self._release()
        self.fault(DEAD, f"told to close, but the mirror contact still says open after {milliseconds}")
        if self._failures < ATTEMPTS:
            self._after(max(0.0, self._allowed - self._loop.time()), self.clear, DEAD)

    def _release(self) -> None:
        self._told = False
        try:
            self._coil.set(False)
        except OSError as error:
            self.fault(DEAD, f"the coil cannot be driven: {error.strerror}")
