"""What the installed profiles allow on an EVSE and on the whole station, over a window of time."""

from __future__ import annotations

from evse.ocpp.blocks.smart_charging.profiles import DEFAULT, MAX, TX
from evse.ocpp.blocks.smart_charging.schedule import as_spans, combined, composite, leading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.blocks.smart_charging.profiles import Profile, Profiles
    from evse.ocpp.blocks.smart_charging.schedule import Limit, Span, Step

SUPPLY_VOLTAGE_V = 230.0
# Least current that can be offered to a vehicle [IEC 61851-1].
MINIMUM_A = 6.0


class Limits:
    """Reads the profiles, and beside them:

    prepared  EVSE id -> profile of a remote start whose transaction has not begun
    ready     EVSE id -> monotonic time since when it is authorized with an EV; in the order of authorization
    """

    __slots__ = ("_profiles", "ctx", "prepared", "ready")

    def __init__(self, ctx: Any, profiles: Profiles) -> None:
        self.ctx = ctx
        self._profiles = profiles
        self.prepared: dict[int, Profile] = {}
        self.ready: dict[int, float] = {}

    def time(self) -> tuple[int, float]:
        """The present in whole seconds of the timeline, and in UTC: they differ while UTC is unknown."""
        at = self.ctx.clock.resolve(self.ctx.clock.stamp())
        return int(self.ctx.clock.now() if self.ctx.clock.utc() is None else at), at

    def _ready_at(self, evse_id: int, begin: int) -> int | None:
        """When the EVSE was ready to deliver energy, None if it is not. [K01.FR.42]"""
        when = self.ready.get(evse_id)
        if when is None:
            return None
        utc, now = self.ctx.clock.utc(), self.ctx.clock.now()
        return min(begin, int((now if utc is None else utc) - (now - when)))

    def _stack(self, *purposes: str, evse_id: int = 0) -> list[Profile]:
        """The profiles of these purposes, the earlier first, for an EVSE or the station: highest level first."""
        known = self.ctx.clock.utc() is not None
        found = [
            profile
            for profile in (*self._profiles, *self.prepared.values())
            if profile.purpose in purposes and profile.evse in (0, evse_id) and (known or not profile.waits())
        ]
        found.sort(key=lambda profile: (purposes.index(profile.purpose), -profile.level, -profile.evse))
        return found

    def reported(self, evse: Evse, unit: str, begin: int, end: int) -> list[Step]:
        """As of_evse(); where no profile applies, what the station file wants to be reported."""
        return self.of_evse(evse, unit, begin, end, default_a=self.ctx.station.get("default_limit_a"))

    def of_evse(
        self,
        evse: Evse,
        unit: str,
        begin: int,
        end: int,
        share: tuple[int, int] = (0, 1),
        default_a: float | None = None,
    ) -> list[Step]:
        """What an EVSE may draw; `share`: its place among those that share the station's maximum, and their number."""
        ready = self._ready_at(evse.id, begin)
        ready = begin if ready is None else ready
        steps: list[Step] = []
        for since, until, count, _ in as_spans(self.phases(evse, begin, end), end):
            steps += self._with(int(count), evse, unit, since, until, share, default_a, ready)
        return steps

    def phases(self, evse: Evse, begin: int, end: int) -> list[Step]:
        """How many phases an EVSE may use: the fewest of all profiles that hold. [K 3.8]"""
        most: list[Span] = [(begin, end, evse.phases, None)]
        if not evse.switches_phases:
            return [(begin, evse.phases, None)]
        ready = self._ready_at(evse.id, begin)
        stacks = (self._stack(TX, DEFAULT, evse_id=evse.id), self._stack(MAX))
        rows = [most, *(leading(stack, begin, end, ready, "counts") for stack in stacks)]
        return combined(rows, lambda here: min(here, key=lambda one: one[0]))

    def _with(
        self,
        count: int,
        evse: Evse,
        unit: str,
        begin: int,
        end: int,
        share: tuple[int, int],
        default_a: float | None,
        ready: int,
    ) -> list[Step]:
        """of_evse() while so many phases are in use."""
        own = self._limit(unit, count)
        place, number = share
        default = default_a if default_a is None or unit == "A" else self._watts(default_a, count)

        def part(limit: float, profile: Profile) -> float:
            whole = own(limit, profile)
            least = MINIMUM_A if unit == "A" else self._watts(MINIMUM_A, count)
            fit = min(number, int(whole / least))
            return whole if number == 1 else whole / fit if place < fit else 0.0

        stacks = [(self._stack(TX, DEFAULT, evse_id=evse.id), own), (self._stack(MAX), part)]
        most = evse.max_current_a if unit == "A" else self._watts(evse.max_current_a, count)
        return composite(stacks, begin, end, most, ready, default)

    def of_station(self, unit: str, begin: int, end: int) -> list[Step]:
        """What the station may draw from the grid: all EVSEs, below its maximum. [K08.FR.03]"""
        evses = self.ctx.evses.values()
        rows = [as_spans(self.reported(evse, unit, begin, end), end) for evse in evses]
        total = combined(rows, lambda here: (sum(limit for limit, _ in here), None))
        most = self._limit(unit, max(evse.phases for evse in evses))
        station = composite([(self._stack(MAX), most)], begin, end, sum(limit for _, limit, _ in total))
        return combined([as_spans(total, end), as_spans(station, end)], lambda here: min(here, key=lambda one: one[0]))

    def _watts(self, current_a: float, phases: int) -> float:
        return current_a * phases * float(self.ctx.station.get("supply_voltage_v") or SUPPLY_VOLTAGE_V)

    def _limit(self, unit: str, phases: int) -> Limit:
        """Makes a limit one in `unit`: amperes are per phase, watts of all phases in use. [K01.FR.50, K01.FR.51]"""

        def limit(value: float, profile: Profile) -> float:
            if profile.unit == unit:
                return float(value)
            return self._watts(value, phases) if unit == "W" else value / self._watts(1, phases)

        return limit
