"""Parking bay sensor on a GPIO line: a vehicle stands before this EVSE (loop detector, ultrasonic or radar switch).

Options: `line`; `settle_s` (2): how long the line must show a state before it is told: who walks by is no vehicle.
"""

from __future__ import annotations

from hal.drivers.driver import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ParkingBay(Driver):
    """Reports `parking` at the start, and each change that lasts."""

    sees_parking = True

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self._settle_s: float = options.get("settle_s", 2.0)
        self._occupied = False
        self._line: Any = None

    def start(self, loop: Any, report: Any) -> None:
        """Raises HalError if the line cannot be had."""
        super().start(loop, report)
        self._line = self.board.gpio.input(self.options["line"], loop, self._changed)
        self._tell(self._line.active)

    def close(self) -> None:
        super().close()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _changed(self, active: bool) -> None:
        self._cancel()
        if active != self._occupied:
            self._after(self._settle_s, self._tell, active)

    def _tell(self, occupied: bool) -> None:
        self._occupied = occupied
        self.report("parking", occupied)
