"""Pilot and contactor that are one microcontroller's: two devices of an EVSE behind one link."""

from __future__ import annotations

from hal.drivers.driver import Driver
from hal.interfaces import HalError
from hal.pilot import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _shared(evse_id: int | None, board: Any, make: Any) -> Any:
    return board.share(f"pilot and contactor of EVSE {evse_id}", make)


class LinkedPilot(Driver):
    """`LINK(options, evse_id, board)` makes the link, which is started once and closed by whichever part is first.

    It has `start(loop)`, `close()`, `offer(limit_a)` with None for the steady pilot, `switch(closed)`, and `closed`;
    what it hears it reports by its `pilot` and `contactor`, this and the next class.
    """

    LINK: Any

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.link: Any = _shared(evse_id, board, lambda: self.LINK(options, evse_id, board))
        self.link.pilot = self
        self._offer = Offer(self.link.offer)

    def start(self, loop: Any, report: Any) -> None:
        """Nothing is offered yet. A microcontroller that does not answer is reported, and found when it comes."""
        super().start(loop, report)
        self.link.start(loop)

    def offer(self, limit_a: float | None) -> None:
        """See hal.pilot.Offer."""
        if self._loop is not None:
            self._offer.set(limit_a, self._loop)

    def close(self) -> None:
        self._offer.cancel()
        self.link.close()
        super().close()


class LinkedContactor(Driver):
    """The relay there; its microcontroller has the last word and says what it does."""

    autonomous = True

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.link: Any = _shared(evse_id, board, _no_pilot)
        self.link.contactor = self

    @property
    def closed(self) -> bool | None:
        """None while the microcontroller does not answer."""
        closed: bool | None = self.link.closed
        return closed

    def switch(self, closed: bool) -> None:
        if self._report is not None:
            self.link.switch(closed)

    def close(self) -> None:
        self.link.close()
        super().close()


def _no_pilot() -> Any:
    raise HalError("Board", "this contactor is part of a microcontroller: the EVSE's pilot has the same driver")
