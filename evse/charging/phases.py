"""Three phases or one: the phase switch of an EVSE moves while its contactor is open, and the vehicle has a pause."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Clock, Timer, Timers

# A relay has bounced for the last time.
SETTLED_S = 1.0


class Phases:
    """The switch. `changed()` is called when the pause is over.

    count   phases that are let through; None while that is not known
    """

    __slots__ = ("count", "_device", "_most", "_pause_s", "_timers", "_clock", "_changed", "_told", "_open_when",
                 "_until", "_timer")  # fmt: skip

    def __init__(self, devices: Any, timers: Timers, clock: Clock, changed: Callable[[], Any]) -> None:
        self._device = devices.phase_switch
        self._most: int = devices.phases
        self._pause_s: float = devices.phase_pause_s
        self._timers = timers
        self._clock = clock
        self._changed = changed
        self.count: int | None = None
        self._told: int | None = None
        self._open_when: float | None = None  # since when the contactor is known to be open
        self._until = 0.0
        self._timer: Timer | None = None

    def contactor(self, closed: bool) -> None:
        """The mirror contact says so."""
        self._open_when = None if closed else self._clock.now() if self._open_when is None else self._open_when

    def heard(self, count: int) -> None:
        """The switch is there now."""
        self.count = count

    def fit(self, wanted: int | None) -> bool:
        """Whether power may flow: the switch is where it is wanted (None: all phases), and the pause is over."""
        return self.count == self._wanted(wanted) and self._clock.now() >= self._until

    def move(self, wanted: int | None) -> None:
        """The contactor is not told to close: moves the switch if it is open and the switch stands elsewhere."""
        count = self._wanted(wanted)
        if self._open_when is None or self._told == count or (self._told is None and self.count == count):
            return
        self._told = count
        self.count = None
        self._until = max(self._open_when + self._pause_s, self._clock.now() + SETTLED_S)
        self.close()
        self._timer = self._timers.at(self._until, self._changed)
        self._device.select(count)

    def _wanted(self, wanted: int | None) -> int:
        """A switch knows one and all."""
        return self._most if wanted is None or wanted >= self._most else 1

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
