"""Current limit of an EVSE: the least of what cable, board, schedule, site and others allow, and which one it was."""

from __future__ import annotations

from evse.charging.pilot import MINIMUM_A
from evse.errors import UsageError


class Limits:
    """Limits in amperes per phase by source; the EVSE's own maximum ("board") always holds.

    phases   the fewest that any source wants to be used, None: as many as there are
    """

    __slots__ = ("phases", "_sources", "_phases")

    def __init__(self, max_current_a: float) -> None:
        self._sources = {"board": float(max_current_a)}
        self._phases: dict[str, int] = {}
        self.phases: int | None = None

    def set(self, source: str, limit_a: float | None, phases: int | None = None) -> bool:
        """Sets a source's limit and phases, None removes it, 0 suspends; True if that changed it. Raises UsageError."""
        before = self._sources.get(source), self._phases.get(source)
        if limit_a is None:
            if source == "board":
                raise UsageError("the board's own limit cannot be removed")
            self._sources.pop(source, None)
        elif not 0 <= limit_a < 10_000:
            raise UsageError(f"limit {limit_a!r} A of {source!r} is not from 0 to 9999")
        else:
            self._sources[source] = float(limit_a)
        self._set_phases(source, phases)
        return before != (self._sources.get(source), self._phases.get(source))

    def _set_phases(self, source: str, phases: int | None) -> None:
        if phases is None:
            self._phases.pop(source, None)
        else:
            self._phases[source] = phases
        self.phases = min(self._phases.values(), default=None)

    def why(self, without: str | None = None) -> tuple[str, float]:
        """The source that limits most and its limit, of equal ones the first; `without` a source: as if it were not."""
        return min(((name, limit) for name, limit in self._sources.items() if name != without), key=_limit)

    def why_phases(self) -> str | None:
        """The source that wants the fewest phases, None where none wants fewer than there are."""
        return min(self._phases, key=self._phases.__getitem__, default=None)

    def offer_a(self) -> float:
        """What can be offered to a vehicle: the least limit, or 0 where that is too little for any duty cycle."""
        limit_a = min(self._sources.values())
        return limit_a if limit_a >= MINIMUM_A else 0.0


def _limit(item: tuple[str, float]) -> float:
    return item[1]
