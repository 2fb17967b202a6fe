"""Lock of a socket: a motor behind an H-bridge, pulsed either way, with a limit switch or a potentiometer.

Options: `forward` and `reverse`, the outputs that lock and unlock; `profile` or `pulse_ms`, how long the motor runs;
`feedback`, an input that is active while locked, or `feedback_adc` with `locked_mv` and `unlocked_mv`, each
`[least, most]`; `capacitor_adc` and `capacitor_least_v` (10): the motor only runs with so much in store, so that it can
still unlock when the mains fail.
Without a feedback an order counts as done when the pulse is over.
"""

from __future__ import annotations

from hal.drivers.driver import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROFILES_MS = {"kuester-02s": 600, "kuester-04s": 600, "hella": 400, "scame": 500}
FAILURE = "ConnectorLockFailure"
ATTEMPTS = 3
# Between two pulses: the motor stands still before it turns back; after one: the contact settles.
PAUSE_S = 0.1
CHARGE_S, CHARGE_TRIES = 1.0, 10
POLL_S = 0.5


class CableLock(Driver):
    """Tells where the lock is at the start, after every order, and when it moves by itself. The latest order counts."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.locked: bool | None = None  # None: between its ends, or not known yet
        self._pulse_s = options.get("pulse_ms", PROFILES_MS.get(options.get("profile", ""), 500)) / 1000
        self._wanted: bool | None = None
        self._tries = 0
        self._waits = 0
        self._moving = False
        self._motor: tuple[Any, Any] | None = None
        self._sense: Any = None
        self._wiper: Any = None
        self._store: Any = None
        self._poll: Any = None

    def start(self, loop: Any, report: Any) -> None:
        """The motor stands still. Raises HalError if a line or converter cannot be had."""
        super().start(loop, report)
        self.locked = self._wanted = None
        gpio, options = self.board.gpio, self.options
        try:
            reverse = gpio.output(options["reverse"])
            self._motor = (reverse, reverse)
            self._motor = (reverse, gpio.output(options["forward"]))
            if "feedback" in options:
                self._sense = gpio.input(options["feedback"], loop, self._sensed)
            if "feedback_adc" in options:
                self._wiper = self.board.adc(options["feedback_adc"])
            if "capacitor_adc" in options:
                self._store = self.board.adc(options["capacitor_adc"])
        except ValueError:
            self.close()
            raise
        if self._wiper is not None:
            self._watch()

    def close(self) -> None:
        """Stops the motor; the lock stays where it is."""
        super().close()
        if self._poll is not None:
            self._poll.cancel()
        for line in (*(self._motor or ()), self._sense):
            if line is not None:
                line.close()
        self._motor = self._sense = self._poll = None
        self._moving = False

    def lock(self) -> None:
        self._order(True)

    def unlock(self) -> None:
        self._order(False)

    def _order(self, locked: bool) -> None:
        if self._motor is None or (self._moving and self._wanted == locked):
            return
        turning, self._wanted = self._moving, locked
        self._tries = self._waits = 0
        if turning:
            self._halt()
            self._after(PAUSE_S, self._drive)
        else:
            self._after(0, self._drive)

    def _drive(self) -> None:
        self._timer = None
        if self._has_feedback() and self._position() == self._wanted:
            self._arrived()
            return
        if not self._charged():
            self._waits += 1
            if self._waits > CHARGE_TRIES:
                self._fail("its capacitor does not charge")
            else:
                self._after(CHARGE_S, self._drive)
            return
        assert self._motor is not None
        self._moving = True
        self._tries += 1
        try:
            self._motor[bool(self._wanted)].set(True)
        except OSError as error:
            self._fail(f"the motor cannot be driven: {error.strerror}")
            self._halt()
            return
        self._after(self._pulse_s, self._end)

    def _end(self) -> None:
        self._halt()
        self._after(PAUSE_S, self._settled)

    def _halt(self) -> None:
        self._cancel()
        self._moving = False
        for line in self._motor or ():
            try:
                line.set(False)
            except OSError as error:
                self.fault(FAILURE, f"the motor cannot be stopped: {error.strerror}")

    def _settled(self) -> None:
        self._timer = None
        if not self._has_feedback() or self._position() == self._wanted:
            self._arrived()
        elif self._tries < ATTEMPTS:
            self._drive()
        else:
            self._fail(f"the lock does not {'lock' if self._wanted else 'unlock'}")

    def _arrived(self) -> None:
        self.locked = self._wanted
        self.clear(FAILURE)
        self.report("lock", self.locked)

    def _fail(self, detail: str) -> None:
        self._wanted = None
        self.faults.pop(FAILURE, None)  # whoever asked again is answered again
        self.fault(FAILURE, detail)

    def _has_feedback(self) -> bool:
        return self._sense is not None or self._wiper is not None

    def _position(self) -> bool | None:
        """Locked, unlocked, or neither."""
        if self._sense is not None:
            active: bool = self._sense.active
            return active
        try:
            millivolts = self._wiper.millivolts()
        except OSError:
            return None
        for locked, name in ((True, "locked_mv"), (False, "unlocked_mv")):
            least, most = self.options[name]
            if least <= millivolts <= most:
                return locked
        return None

    def _charged(self) -> bool:
        if self._store is None:
            return True
        try:
            return bool(self._store.millivolts() >= self.options.get("capacitor_least_v", 10.0) * 1000)
        except OSError:
            return False

    def _watch(self) -> None:
        """A potentiometer tells nothing by itself."""
        self._poll = self._loop.call_later(POLL_S, self._watch)
        position = self._position()
        if position is not None:
            self._sensed(position)

    def _sensed(self, locked: bool) -> None:
        if self._timer is None and locked != self.locked:
            self.locked = locked
            self.report("lock", locked)
