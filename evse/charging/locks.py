"""Cable locks of one EVSE: told what to do once, watched until they confirm, told again when it matters."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.charging.faults import Faults
    from evse.clock import Clock, Timer, Timers

FAILURE = "ConnectorLockFailure"


class Locks:
    """Locks by connector; one without a lock has a fixed cable. `tell("lock", connector, locked)` for every answer."""

    __slots__ = (
        "_locks", "_timers", "_clock", "_settings", "_faults", "_tell", "_locked", "_told", "_moving", "_asked",
        "_timer",
    )  # fmt: skip

    def __init__(
        self,
        locks: dict[int, Any],
        timers: Timers,
        clock: Clock,
        settings: Any,
        faults: Faults,
        tell: Callable[..., Any],
    ) -> None:
        self._locks = locks
        self._timers = timers
        self._clock = clock
        self._settings = settings
        self._faults = faults
        self._tell = tell
        self._locked: dict[int, bool] = {}
        self._told: dict[int, bool] = {}
        self._moving: set[int] = set()  # told, and not yet confirmed: where it was before counts for nothing
        self._asked: int | None = None
        self._timer: Timer | None = None

    def __contains__(self, connector: int) -> bool:
        return connector in self._locks

    def is_locked(self, connector: int) -> bool:
        """Confirmed locked; a fixed cable always is."""
        return connector not in self._locks or (connector not in self._moving and self._locked.get(connector, False))

    def lock(self, connector: int) -> None:
        """Locks the cable unless it was told to before."""
        self._command(connector, True)

    def unlock(self) -> None:
        """Unlocks all cables unless they were told to before."""
        for connector in self._locks:
            self._command(connector, False)

    def ask(self, connector: int) -> None:
        """Somebody waits for the answer: the next `unlock()` tells this lock again."""
        self._asked = connector
        self._told.pop(connector, None)

    def retry(self) -> None:
        """The next command also goes to locks that did not do what they were told."""
        self._told = {connector: told for connector, told in self._told.items() if self._locked.get(connector) == told}

    def _command(self, connector: int, locked: bool) -> None:
        if connector not in self._locks or self._told.get(connector) == locked:
            return
        self._told[connector] = locked
        self._moving.add(connector)
        if not locked and self._settings.lock_timeout_s:
            self._cancel()
            self._timer = self._timers.at(self._clock.now() + self._settings.lock_timeout_s, self._late, connector)
        device = self._locks[connector]
        (device.lock if locked else device.unlock)()

    def confirmed(self, connector: int, locked: bool) -> None:
        """The limit switch says where the lock is."""
        self._locked[connector] = locked
        if self._told.setdefault(connector, locked) == locked:
            self._moving.discard(connector)
        self._faults.clear_own(FAILURE)
        if not locked:
            self._asked = None
            self._cancel()
        self._tell("lock", connector, locked)

    def failed(self, connector: int) -> None:
        """The lock reports a failure: whoever waits gets an answer, even if the fault is known already."""
        self._cancel()
        if self._asked == connector:
            self._asked = None
            if FAILURE in self._faults.present:
                self._tell("lock", connector, True)

    def _late(self, connector: int) -> None:
        self._timer = None
        self.failed(connector)
        self._faults.find(FAILURE, "the lock did not open")

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Forgets what was asked."""
        self._cancel()
