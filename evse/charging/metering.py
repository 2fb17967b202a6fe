"""Readings of one EVSE's meter: the latest, its age, a fresh one on demand; silence; a register that jumps back."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Clock, Timer, Timers

    Values = dict[tuple[str, str | None], float]

_REGISTER = ("Energy.Active.Import.Register", None)
FRESH_S = 1.0
# The first reading is waited for so long, and nothing may begin before it.
FIRST_S = 2.0


class Metering:
    """What the meter said last; `silent(True)` is called after `loss_s` without a reading, `silent(False)` at the next.

    A meter that said nothing yet is silent after FIRST_S.

    values, signed  the latest reading, empty and None before the first
    when            its monotonic time, None before the first
    """

    __slots__ = (
        "values", "signed", "when",
        "_meter", "_timers", "_clock", "_log", "_silent", "_loss_s", "_watch", "_quiet", "_raw_wh", "_lost_wh",
        "_fresh", "_limit",
    )  # fmt: skip

    def __init__(
        self, meter: Any, timers: Timers, clock: Clock, silent: Callable[[bool], Any], loss_s: float, log: Any = None
    ) -> None:
        self.values: Values = {}
        self.signed: dict[str, Any] | None = None
        self.when: float | None = None
        self._meter = meter
        self._timers = timers
        self._clock = clock
        self._log = log
        self._silent = silent
        self._loss_s = loss_s
        self._watch: Timer | None = None
        self._quiet = False
        self._raw_wh: float | None = None
        self._lost_wh = 0.0
        self._fresh: Callable[[], Any] | None = None
        self._limit: Timer | None = None

    def watch(self, ready: Callable[[], Any]) -> None:
        """Begins to expect readings; calls `ready()` with the first, or without one after FIRST_S."""
        now = self._clock.now()
        if self._meter is None or self.when is not None:
            ready()
        else:
            self._fresh = ready
        if self._meter is not None:
            self._watch = self._timers.at(now + (FIRST_S if self.when is None else self._loss_s), self._check)

    def close(self) -> None:
        for timer in (self._watch, self._limit):
            if timer is not None:
                timer.cancel()
        self._fresh = None

    def take(self, values: Values, signed: dict[str, Any] | None, in_session: bool) -> None:
        """A reading arrived. Within a session the register goes on where it was if it jumps back. [J02.FR.16]

        The signed form stays as the meter made it. Outside a session the register is the meter's own. [J02.FR.17]
        """
        raw_wh = values.get(_REGISTER)
        if raw_wh is not None:
            if not in_session:
                self._lost_wh = 0.0
            if self._raw_wh is not None and raw_wh < self._raw_wh:
                if self._log is not None:
                    self._log.warning("meter register jumped back", before_wh=self._raw_wh, now_wh=raw_wh)
                if in_session:
                    self._lost_wh += self._raw_wh - raw_wh
            self._raw_wh = raw_wh
            if self._lost_wh:
                values = {**values, _REGISTER: raw_wh + self._lost_wh}
        self.values = values
        self.signed = signed
        self.when = self._clock.now()
        if self._quiet:
            self._quiet = False
            self._silent(False)

    def age_s(self) -> float | None:
        """Seconds since the latest reading, None before the first."""
        return None if self.when is None else self._clock.now() - self.when

    def phases(self) -> int | None:
        """On how many phases current flows now, None while none does: what a limit in watts is divided by."""
        currents = [amps for (name, phase), amps in self.values.items() if name == "Current.Import" and phase]
        return sum(amps > 1 for amps in currents) or None

    def peak_a(self) -> float:
        """The greatest current of any phase in the latest reading, 0 before the first."""
        return max((amps for (name, _), amps in self.values.items() if name == "Current.Import"), default=0.0)

    def begin(self) -> None:
        """Energy may flow from now on: a meter that signs makes its first record."""
        if hasattr(self._meter, "begin"):
            self._meter.begin()

    def fresh(self, done: Callable[[], Any]) -> None:
        """Calls `done()` once a reading newer than now was taken (see `taken`), or after FRESH_S without one.

        A meter that signs makes its last record for it, and is waited for so much longer.
        """
        self._fresh = done
        if self._meter is None:
            self._limit = self._timers.at(self._clock.now(), self.taken)
            return
        limit_s = FRESH_S + getattr(self._meter, "signing_s", 0.0)
        self._limit = self._timers.at(self._clock.now() + limit_s, self.taken)
        getattr(self._meter, "end", self._meter.read)()

    def why(self) -> str:
        """What the meter's driver knows of its last failure, "" for nothing."""
        problem = getattr(self._meter, "problem", None)
        return f": {problem}" if problem else ""

    def taken(self) -> None:
        """Ends the wait for a fresh reading; to be called after each reading."""
        done, self._fresh = self._fresh, None
        if done is not None:
            if self._limit is not None:
                self._limit.cancel()
            done()

    def _check(self) -> None:
        """One timer for all readings: it sleeps until the latest would be too old."""
        now = self._clock.now()
        due = now if self.when is None else self.when + self._loss_s
        if due <= now:
            due = now + self._loss_s
            if not self._quiet:
                self._quiet = True
                self._silent(True)
            if self.when is None:
                self.taken()
        self._watch = self._timers.at(due, self._check)
