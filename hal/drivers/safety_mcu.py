"""Pilot and contactor of chargebyte's Charge SOM and Charge Control Y: a safety controller that must hear us.

Options of the pilot: `port`, a [serial.*] (115200 Bd); `reset`, the output that takes the controller out of its safe
state; and where in ChargeState stands what it says, as `[lowest bit, bits]` of its data read as one big-endian number:
`letter_bits` and `letters`, the letter of each value ("." for none), `contactor_bits` and `closed_value`,
`diode_bits`. These come from the vendor's DBC file for the firmware in use.

Hearing nothing from us the controller opens the contactor and puts the pilot in state F; so it does after our end.
Frames and ChargeControl are tested against the vendor's encoding, nothing here was run against the controller itself.
"""

from __future__ import annotations

from hal.drivers.linked import LinkedContactor, LinkedPilot
from hal.mcuframes import CHARGE_CONTROL, CHARGE_STATE, Parser, charge_control, frame
from hal.pilot import duty
from hal.serialport import SerialPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPEAK_S = 0.1
SILENCE_S = 1.0
RESET_S = 0.02
LOST = "EVCommunicationError"


class Link:
    """The controller of one EVSE."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        self.port = SerialPort({"baud": 115200, **board.resources["serial"][options["port"]]})
        self.pilot: Any = None
        self.contactor: Any = None
        self.duty = 1.0
        self.permitted = False
        self.closed: bool | None = None
        self.letter: str | None = None
        self._options = options
        self._board = board
        self._task = board.task(f"safety controller of EVSE {evse_id}", 5 * SILENCE_S)
        self._loop: Any = None
        self._timer: Any = None
        self._reset: Any = None
        self._parser = Parser()
        self._heard = 0.0

    def start(self, loop: Any) -> None:
        if self._loop is not None:
            return
        if "reset" in self._options:
            self._reset = self._board.gpio.output(self._options["reset"])
            self._reset.set(True)
            loop.call_later(RESET_S, self._end_reset)
        self._loop = loop
        self._heard = loop.time()
        self.closed = self.letter = None
        self.duty, self.permitted = 1.0, False
        self.port.start(loop, self._received)
        self._timer = loop.call_later(SPEAK_S, self._speak)

    def _end_reset(self) -> None:
        if self._reset is not None:
            self._reset.set(False)

    def close(self) -> None:
        """One last frame that opens; then silence, which opens as well."""
        if self._loop is None:
            return
        self.duty, self.permitted = 0.0, False
        self._send()
        if self._timer is not None:
            self._timer.cancel()
        self.port.close()
        if self._reset is not None:
            self._reset.close()
            self._reset = None
        self._task.ran(None)
        self._loop = None

    def offer(self, limit_a: float | None) -> None:
        """Told at once."""
        self.duty = duty(limit_a)
        self._send()

    def switch(self, closed: bool) -> None:
        """Told at once."""
        self.permitted = closed
        self._send()
        if self.closed == closed:
            self.contactor.report("contactor", closed)

    def _send(self) -> None:
        self.port.write(frame(CHARGE_CONTROL, charge_control(self.duty, self.permitted)))

    def _speak(self) -> None:
        now = self._loop.time()
        self._task.ran(now)
        self._timer = self._loop.call_later(SPEAK_S, self._speak)
        self._send()
        if now - self._heard > SILENCE_S and LOST not in self.pilot.faults:
            self.closed = self.letter = None
            self.pilot.fault(LOST, "the safety controller is silent")

    def _received(self, data: bytes) -> None:
        for id, content in self._parser.feed(data):
            if id == CHARGE_STATE and self._loop is not None:
                self._heard = self._loop.time()
                self.pilot.clear(LOST)
                self._show(int.from_bytes(content, "big"))

    def _show(self, value: int) -> None:
        options = self._options
        at = _field(value, options["letter_bits"])
        letters: str = options["letters"]
        letter = letters[at] if at < len(letters) and letters[at] in "ABCDEF" else None
        if "diode_bits" in options and _field(value, options["diode_bits"]):
            self.pilot.fault("DiodeFault", "reported by the safety controller")
        elif letter == "A":
            self.pilot.clear("DiodeFault")
        if letter != self.letter:
            self.letter = letter
            self.pilot.report("pilot", letter)
        closed = _field(value, options["contactor_bits"]) == options.get("closed_value", 1)
        if closed != self.closed:
            self.closed = closed
            self.contactor.report("contactor", closed)


def _field(value: int, bits: list[int]) -> int:
    return value >> bits[0] & (1 << bits[1]) - 1


class ControlPilot(LinkedPilot):
    """Tenths of a percent of duty cycle."""

    LINK = Link


class Contactor(LinkedContactor):
    """Permission to close; the controller closes where its own state allows it too."""
