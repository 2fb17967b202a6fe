"""Phase switch on a GPIO line: a relay for L2 and L3, in series with the contactor, so that it never breaks a current.

Options: those of hal/drivers/gpio_contactor.py; `coil` is active where all phases are let through, else only L1 is;
`feedback` watches it.
"""

from __future__ import annotations

from hal.drivers.gpio_contactor import Contactor
from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PhaseSwitch(Contactor):
    """Reports `phases`, 1 or 3, where its relay is; one that does not follow is found as a contactor's would be."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__({"min_close_interval_s": 0.0, **options}, evse_id, board)

    def report(self, event: str, *values: Any) -> None:
        if event == "contactor":
            event, values = "phases", (3 if values[0] else 1,)
        super().report(event, *values)

    def fault(self, code: str, detail: str) -> None:
        super().fault(code, f"phase switch: {detail}")

    def select(self, phases: int) -> None:
        """Raises HalError under a closed contactor."""
        if getattr(self.board.evses[self.evse_id].contactor, "closed", False):
            raise HalError("PhaseSwitch", "phases are switched only while the contactor is open")
        self.switch(phases > 1)
