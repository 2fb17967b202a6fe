"""Sharing a site's current among its EVSEs: equal shares, never more than one can use, what is left goes to the others.

What cannot give everyone 6 A is given in turn: some charge, the others wait for theirs.
"""

from __future__ import annotations

from evse.charging.pilot import MINIMUM_A
from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Clock, Timer, Timers

TURN_S = 900.0
# A vehicle has 5 s to follow a lower offer: what it gives up is given to others only then. [IEC 61851-1 A.3.9]
YIELD_S = 5.0


def shares(limit_a: float, most_a: dict[int, float]) -> dict[int, float]:
    """Share of each EVSE in A, 0 for those that must wait; `most_a` is what each can use, first come first served."""
    count = min(len(most_a), int(limit_a // MINIMUM_A))
    served = sorted(list(most_a)[:count], key=most_a.__getitem__)
    result = dict.fromkeys(most_a, 0.0)
    left_a = limit_a
    for position, evse in enumerate(served):
        result[evse] = min(most_a[evse], left_a / (count - position))
        left_a -= result[evse]
    return result


class SiteSharing:
    """Keeps the sum of what the EVSEs may draw, per phase, below the site's limit: as limit source "site" of each.

    A vehicle that does not want power now is offered 6 A where that leaves 6 A to all that ask; so it can ask again.
    """

    def __init__(self, controllers: list[Any], timers: Timers, clock: Clock, limit_a: float | None) -> None:
        """Takes over `demand_changed` of the controllers. `limit_a` None: no limit. Raises UsageError below 0."""
        self._controllers = {controller.id: controller for controller in controllers}
        self._timers = timers
        self._clock = clock
        self._turn: list[int] = []  # who asks, in the order of being served
        self._turn_when = clock.now()
        self._timer: Timer | None = None
        self._granted: dict[int, float] = {}
        self._yield_when = clock.now()
        self._busy = False
        self._stale = False
        for controller in controllers:
            controller.demand_changed = self.update
        self.limit(limit_a)

    def limit(self, limit_a: float | None) -> None:
        """Changes the site's limit in A per phase; None removes it. Raises UsageError below 0."""
        if limit_a is not None and not limit_a >= 0:
            raise UsageError(f"site limit {limit_a!r} A is below 0")
        self._limit_a = limit_a
        self.update()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def update(self) -> None:
        """Shares anew. A lower share holds at once; what is freed is given to others YIELD_S later."""
        self._stale = True
        if self._busy:
            return
        self._busy = True
        while self._stale:
            self._stale = False
            self._share()
        self._busy = False

    def _share(self) -> None:
        self.close()
        now = self._clock.now()
        wanted = self._shares(now)
        for evse, controller in self._controllers.items():
            share_a = wanted.get(evse)
            if share_a is not None and share_a < self._granted.get(evse, 0.0):
                if controller.closed:
                    self._yield_when = now + YIELD_S
                self._grant(evse, share_a)
        due = self._turn_when + TURN_S if 0.0 in wanted.values() else None
        for evse in self._controllers:
            share_a = wanted.get(evse)
            if share_a is not None and now < self._yield_when and share_a > self._granted.get(evse, 0.0):
                share_a = self._granted.get(evse, 0.0)
                due = self._yield_when
            self._grant(evse, share_a)
        if due is not None:
            self._timer = self._timers.at(max(due, now), self.update)

    def _grant(self, evse: int, share_a: float | None) -> None:
        if share_a is None:
            self._granted.pop(evse, None)
        else:
            self._granted[evse] = share_a
        self._controllers[evse].limit("site", share_a)

    def _shares(self, now: float) -> dict[int, float]:
        """Share of each EVSE with a demand; nothing without a site limit."""
        if self._limit_a is None:
            return {}
        demands = {evse: controller.demand for evse, controller in self._controllers.items() if controller.demand}
        asks = [evse for evse, demand in demands.items() if demand[0] == "asks"]
        self._turn = [evse for evse in self._turn if evse in asks] + [evse for evse in asks if evse not in self._turn]
        places = int(self._limit_a // MINIMUM_A)
        if places >= len(asks):
            self._turn_when = now
        elif now >= self._turn_when + TURN_S:
            self._turn_when = now
            self._turn = self._turn[places:] + self._turn[:places]
        rests = [evse for evse in demands if evse not in asks]
        offered = rests[: max(0, places - len(asks))]
        result = shares(self._limit_a - MINIMUM_A * len(offered), {evse: demands[evse][1] for evse in self._turn})
        result.update((evse, MINIMUM_A if evse in offered else 0.0) for evse in rests)
        return result
