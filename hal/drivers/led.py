"""Lights: an LED on a GPIO line or of the kernel's LED class, on or blinking in given states of the EVSEs.

Options: `on` and `blink`, the STATES in which it does so; `evse`, without which the state of any counts; `line`, or
`name` in /sys/class/leds.
"""

from __future__ import annotations

from hal.drivers.driver import Driver
from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATES = ("available", "occupied", "charging", "suspended", "unavailable", "fault")
BLINK_S = 0.5
CLASS = "/sys/class/leds"


class Led(Driver):
    """`show(evse_id, state)` after `start`; off after `close`."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self._states: dict[int, str] = {}
        self._mode = "off"
        self._lit = False

    def show(self, evse_id: int, state: str) -> None:
        """The state of an EVSE; those of others do not matter to a light that belongs to one."""
        if self._loop is None or self.evse_id not in (None, evse_id):
            return
        self._states[evse_id] = state
        mode = "off"
        for name in ("on", "blink"):
            wanted = self.options.get(name, ())
            if any(state in ((wanted,) if isinstance(wanted, str) else wanted) for state in self._states.values()):
                mode = name
        if mode != self._mode:
            self._mode = mode
            self._cancel()
            self._light(mode != "off")
            if mode == "blink":
                self._after(BLINK_S, self._blink)

    def _blink(self) -> None:
        self._light(not self._lit)
        self._after(BLINK_S, self._blink)

    def _light(self, lit: bool) -> None:
        self._lit = lit
        try:
            self._set(lit)
        except OSError:
            self._mode = ""  # a light that is gone harms nobody: tried again with the next state

    def _set(self, lit: bool) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._loop is not None:
            self._light(False)
            self._loop = None
        self._mode = "off"
        super().close()


class GpioLed(Led):
    """Options besides: `line`."""

    _line: Any = None

    def start(self, loop: Any, report: Any) -> None:
        self._line = self.board.gpio.output(self.options["line"])
        super().start(loop, report)

    def close(self) -> None:
        super().close()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _set(self, lit: bool) -> None:
        self._line.set(lit)


class ClassLed(Led):
    """Options besides: `name`."""

    def start(self, loop: Any, report: Any) -> None:
        """Raises HalError if there is no such light."""
        name = self.options["name"]
        if name not in self.board.kernel.names(CLASS):
            raise HalError("Led", f"this machine has no {CLASS}/{name}")
        super().start(loop, report)

    def _set(self, lit: bool) -> None:
        directory, kernel = f"{CLASS}/{self.options['name']}", self.board.kernel
        kernel.put(f"{directory}/brightness", kernel.get(f"{directory}/max_brightness") if lit else "0")
