"""Fault inputs on GPIO lines: residual current with its self-test, emergency stop, tamper, supply.

Options of `Input`: `line`; `fault`, a code of hal/interfaces.py; `detail` in words; `latch` (false): the fault stays
until the next start, whatever the line does; `clear_after_s` (1): else for how long the line must be quiet.
Options of `Rcd`: besides, with `latch` true and `fault` GroundFailure if nothing else is said: `test`, the output that
makes the sensor see a fault current; `reset`, the output that makes it forget; `test_timeout_ms` (500);
`test_interval_h` (24).
"""

from __future__ import annotations

from hal.drivers.driver import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A self-test that fails is tried again, as the instructions of such sensors ask for.
RETRY_S, RETRIES = 300.0, 6
PULSE_S = 0.1


class Input(Driver):
    """One line, one fault."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.code: str = options.get("fault", "OtherError")
        self.latch: bool = options.get("latch", False)
        self._quiet_s = options.get("clear_after_s", 1.0)
        self._line: Any = None

    def start(self, loop: Any, report: Any) -> None:
        """Raises HalError if the line cannot be had."""
        super().start(loop, report)
        self.faults.clear()
        self._open()

    def _open(self) -> None:
        self._line = self.board.gpio.input(self.options["line"], self._loop, self._changed)
        if self._line.active:
            self._changed(True)

    def close(self) -> None:
        super().close()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _changed(self, active: bool) -> None:
        if active:
            self._cancel()
            self.fault(self.code, self.options.get("detail", f"input {self.options['line']}"))
        elif self.code in self.faults and not self.latch:
            self._after(self._quiet_s, self.clear, self.code)


class Rcd(Input):
    """Residual current device: its own trip opens the contactor in hardware, here it is reported and remembered.

    Where the board has a test output it is tested at the start and every `test_interval_h`, while no contactor is
    closed. A test without a trip is a fault until one succeeds. [IEC 62955]
    """

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        options = {"fault": "GroundFailure", "latch": True, "detail": "residual current", **options}
        super().__init__(options, evse_id, board)
        self._timeout_s = options.get("test_timeout_ms", 500) / 1000
        self._interval_s = options.get("test_interval_h", 24.0) * 3600
        self._outputs: dict[str, Any] = {}
        self._step = ""  # of the self-test: "" none, "trip" and "release" what is waited for
        self._tries = 0

    def _open(self) -> None:
        try:
            for name in ("test", "reset"):
                if name in self.options:
                    self._outputs[name] = self.board.gpio.output(self.options[name])
            super()._open()
        except ValueError:
            self._close_outputs()
            raise
        if "test" in self._outputs and not self.faults:
            self._test()

    def close(self) -> None:
        super().close()
        self._close_outputs()
        self._step = ""

    def _close_outputs(self) -> None:
        for output in self._outputs.values():
            output.close()
        self._outputs.clear()

    def _test(self) -> None:
        """Waits where a contactor is closed: the test would trip it under load."""
        evses = self.board.evses.values() if self.evse_id is None else [self.board.evses[self.evse_id]]
        if any(getattr(evse.contactor, "closed", False) for evse in evses):
            self._after(RETRY_S, self._test)
            return
        self._step = "trip"
        self._outputs["test"].set(True)
        self._after(self._timeout_s, self._failed, "the self-test did not trip")

    def _changed(self, active: bool) -> None:
        if self._step == "trip" and active:
            self._step = "release"
            self._outputs["test"].set(False)
            self._pulse_reset()
            self._after(self._timeout_s, self._failed, "still tripped after the self-test")
        elif self._step == "release" and not active:
            self._step = ""
            self._tries = 0
            self.clear(self.code)
            self._plan()
        elif not self._step:
            super()._changed(active)

    def clear(self, code: str) -> None:
        super().clear(code)
        self._plan()

    def _plan(self) -> None:
        """The next self-test; a trip that is latched has none."""
        if "test" in self._outputs and not self._step:
            self._after(self._interval_s, self._test)

    def _pulse_reset(self) -> None:
        if "reset" in self._outputs:
            self._outputs["reset"].set(True)
            self._loop.call_later(PULSE_S, self._end_reset)

    def _end_reset(self) -> None:
        if "reset" in self._outputs:
            self._outputs["reset"].set(False)

    def _failed(self, why: str) -> None:
        self._step = ""
        self._outputs["test"].set(False)
        self.fault(self.code, f"residual current device: {why}")
        self._tries += 1
        if self._tries <= RETRIES:
            self._after(RETRY_S, self._test)
