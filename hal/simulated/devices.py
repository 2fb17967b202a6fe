"""Simulated contactor, control pilot, cable lock, token reader and sensor.

Options of all: `delay_s`, the time until a command is confirmed (0: in the next pass of the loop).
"""

from __future__ import annotations

from hal.interfaces import HalError
from hal.simulated.simulation import outlet_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Device:
    """A simulated device; `fault` and `clear` report at once."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        self.delay_s: float = options.get("delay_s", 0.0)
        self.outlet = outlet_of(board, evse_id)
        self._report: Any = None

    def start(self, loop: Any, report: Any) -> None:
        self.outlet.loop = loop
        self._report = report

    def close(self) -> None:
        self._report = None

    def report(self, event: str, *values: Any) -> None:
        if self._report is not None:
            self._report(event, *values)

    def fault(self, code: str, detail: str) -> None:
        self.report("fault", code, detail)

    def clear(self, code: str) -> None:
        self.report("cleared", code)


class Sensor(Device):
    """Residual current, emergency stop, tamper, temperature: whatever fault belongs to no other device."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.sensor = self


class ParkingBay(Device):
    """Tells whether a vehicle stands there, at the start too."""

    sees_parking = True

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.parking = self
        self.occupied = False

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self.report("parking", self.occupied)

    def change(self, occupied: bool) -> None:
        self.occupied = occupied
        self.report("parking", occupied)


class ControlPilot(Device):
    """What the station offers, and the letter that the vehicle shows."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.pilot = self

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self.offer(None)
        self.report("pilot", self.outlet.vehicle.letter)

    def close(self) -> None:
        if self._report is not None:
            self.offer(None)
        super().close()

    def offer(self, limit_a: float | None) -> None:
        self.outlet.vehicle.offered(limit_a or 0.0)


class Contactor(Device):
    """Moves `delay_s` after the command. A welded one (`stuck`) does not move, a `dead` one does not close."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.contactor = self
        self.closed = False
        self.powered = True
        self.stuck = False
        self.dead = False
        self._pending: Any = None

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._move(False)

    def close(self) -> None:
        super().close()
        self._move(False)

    def switch(self, closed: bool) -> None:
        if self._pending is not None:
            self._pending.cancel()
        self._pending = self.outlet.later(self.delay_s, self._move, closed)

    def _move(self, closed: bool) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if closed and (self.dead or not self.powered):
            return
        self.closed = self.closed if self.stuck else closed
        if self.closed == closed:
            self.report("contactor", closed)
            self.outlet.update()

    def power(self, present: bool) -> None:
        """Without mains the contactor falls open."""
        self.powered = present
        if not present and self.closed:
            self._move(False)

    def fault(self, code: str, detail: str) -> None:
        self.stuck = self.stuck or code == "WeldedContactor"
        self.dead = self.dead or code == "PowerSwitchFailure"
        super().fault(code, detail)

    def clear(self, code: str) -> None:
        if code == "WeldedContactor":
            self.stuck = False
            self._move(False)
        elif code == "PowerSwitchFailure":
            self.dead = False
        super().clear(code)


class PhaseSwitch(Device):
    """Moves `delay_s` after the latest command; the vehicle draws on what it lets through."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self._pending: Any = None

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._move(1)

    def close(self) -> None:
        super().close()
        self._move(1)

    def select(self, phases: int) -> None:
        """Raises HalError under a closed contactor."""
        if self.outlet.contactor.closed:
            raise HalError("PhaseSwitch", "phases are switched only while the contactor is open")
        if self._pending is not None:
            self._pending.cancel()
        self._pending = self.outlet.later(self.delay_s, self._move, phases)

    def _move(self, phases: int) -> None:
        self.outlet.path = phases
        self.report("phases", phases)


class CableLock(Device):
    """Locks and unlocks; a broken one (`ok` False) reports ConnectorLockFailure instead of moving."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.locks.append(self)
        self.locked = False
        self.ok = True
        self._failed = False
        self._pending: Any = None

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._move(False)

    def lock(self) -> None:
        self._order(True)

    def unlock(self) -> None:
        self._order(False)

    def _order(self, locked: bool) -> None:
        """The latest command counts."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending = self.outlet.later(self.delay_s, self._move, locked)

    def _move(self, locked: bool) -> None:
        if self.ok:
            self.locked = locked
            self.report("lock", locked)
        else:
            self._failed = True
            self.fault("ConnectorLockFailure", "the lock does not " + ("lock" if locked else "unlock"))

    def repair(self, ok: bool) -> None:
        """Breaks or repairs the lock."""
        self.ok = ok
        if ok and self._failed:
            self._failed = False
            self.clear("ConnectorLockFailure")


class TokenReader(Device):
    """Reports the cards that `swipe` shows to it."""

    def present(self, id_token: str, kind: str, *evses: tuple[int, ...]) -> None:
        self.report("token", id_token, kind, *evses)
