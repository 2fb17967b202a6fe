"""Control pilot made by this computer: a PWM output, and a converter that measures both sides of the pilot.

Options: `pwm`; `positive` and `negative`, the [adc.*] of the two sides, in millivolts at the contact; `positive_reset`
and `negative_reset`, outputs that empty the peak detectors, where the board has such; `proximity`, the [adc.*] of the
proximity contact of a socket, and `proximity_mv`, rows `[from millivolts, amperes]`, rising, 0 A for no plug.

A process on Linux cannot promise the 100 ms in which the contactor must open when the vehicle lets go [IEC 61851-1 A.5,
sequence 8.1]: it takes about 60 ms here as long as it runs. A board for the road needs something besides.
"""

from __future__ import annotations

from hal.drivers.driver import Driver
from hal.pilot import Letters, Offer, cable, diode_missing, duty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FREQUENCY_HZ = 1000.0
# Often while power is offered or drawn; else there is time.
FAST_S, SLOW_S = 0.02, 0.1
RESET_S = 0.002
PROXIMITY_S = 0.5
FAILURES = 3
# Duty cycles on the way into a peak detector make one measurement worthless.
SETTLE = 2
LOST = "EVCommunicationError"


class ControlPilot(Driver):
    """Steady pilot from the start on; state F (-12 V) from `close` on: without a program the station is out of service.
    """

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self._letters = Letters()
        self._offer = Offer(self._apply)
        self._pwm: Any = None
        self._adcs: dict[str, Any] = {}
        self._resets: list[Any] = []
        self._emptied: Any = None
        self._task = board.task(f"pilot of EVSE {evse_id}", 2.0)
        self._settle = 0
        self._diode = 0
        self._failures = 0
        self._plug: tuple[float | None, int] = (None, 0)
        self._cable_a: Any = ()
        self._plug_when = 0.0

    def start(self, loop: Any, report: Any) -> None:
        """Raises HalError if a line, the converter or the PWM cannot be had."""
        super().start(loop, report)
        board, options = self.board, self.options
        self.faults.clear()
        self._letters = Letters()
        self._cable_a = ()
        try:
            self._pwm = board.pwm(options["pwm"], FREQUENCY_HZ)
            for name in ("positive", "negative", "proximity"):
                if name in options:
                    self._adcs[name] = board.adc(options[name])
            for name in ("positive_reset", "negative_reset"):
                if name in options:
                    self._resets.append(board.gpio.output(options[name]))
        except ValueError:
            self.close()
            raise
        self._offer.set(None, loop)
        self._empty()
        self._after(FAST_S, self._measure)

    def close(self) -> None:
        super().close()
        self._offer.cancel()
        self._task.ran(None)
        if self._emptied is not None:
            self._emptied.cancel()
            self._emptied = None
        for line in self._resets:
            line.close()
        self._resets.clear()
        self._adcs.clear()
        pwm, self._pwm = self._pwm, None
        if pwm is not None:
            try:
                pwm.set(0.0)
            except OSError:
                return  # the device is gone, and its pilot with it

    def offer(self, limit_a: float | None) -> None:
        """See hal.pilot.Offer."""
        if self._pwm is not None:
            self._offer.set(limit_a, self._loop)

    def _apply(self, limit_a: float | None) -> None:
        self._settle = SETTLE
        self._diode = 0
        try:
            self._pwm.set(duty(limit_a))
        except OSError as error:
            self.fault(LOST, f"the pilot's PWM cannot be set: {error.strerror}")
        else:
            self.clear(LOST)

    def _measure(self) -> None:
        now = self._loop.time()
        self._task.ran(now)
        fast = self._offer.limit_a is not None or self._letters.letter not in ("A", "B")
        self._after(FAST_S if fast else SLOW_S, self._measure)
        try:
            positive_v = self._adcs["positive"].millivolts() / 1000
            negative_v = self._adcs["negative"].millivolts() / 1000
        except (OSError, ValueError):
            self._failures += 1
            if self._failures == FAILURES:
                self._letters = Letters()
                self.report("pilot", None)
            return
        self._failures = 0
        self._empty()
        if self._letters.measure(positive_v):
            letter = self._letters.letter
            if letter == "A":
                self.clear("DiodeFault")
            self.report("pilot", letter)
        self._check_diode(positive_v, negative_v)
        if "proximity" in self._adcs and now >= self._plug_when and self._pwm is not None:
            self._plug_when = now + PROXIMITY_S
            self._measure_plug()

    def _check_diode(self, positive_v: float, negative_v: float) -> None:
        """Two measurements in a row, the PWM running; gone only with the vehicle."""
        if self._settle:
            self._settle -= 1
        elif self._offer.limit_a is not None and diode_missing(positive_v, negative_v, self._letters.letter):
            self._diode += 1
            if self._diode == 2:
                self.fault("DiodeFault", f"the pilot swings from {negative_v:.1f} to {positive_v:.1f} V")
        else:
            self._diode = 0

    def _empty(self) -> None:
        """Peak detectors hold the last peak: empties them for the next measurement."""
        if not self._resets:
            return
        try:
            for line in self._resets:
                line.set(True)
        except OSError:
            return  # the measurements that follow tell
        self._emptied = self._loop.call_later(RESET_S, self._fill)

    def _fill(self) -> None:
        self._emptied = None
        try:
            for line in self._resets:
                line.set(False)
        except OSError:
            self.report("pilot", None)

    def _measure_plug(self) -> None:
        try:
            millivolts = self._adcs["proximity"].millivolts()
            limit_a = cable(millivolts, self.options["proximity_mv"])
        except (OSError, ValueError) as error:
            self.fault("OtherError", f"proximity contact: {error}")
            return
        self.clear("OtherError")
        times = self._plug[1] + 1 if self._plug[0] == limit_a else 1
        self._plug = (limit_a, times)
        if times >= 2 and limit_a != self._cable_a:
            self._cable_a = limit_a
            self.report("cable", limit_a)
