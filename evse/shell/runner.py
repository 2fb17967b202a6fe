"""Runner: carries facts and frames to the engine, its frames and effects out, and keeps its one timer.

Facts are queued and handled one after the other, never inside the part that reports them: a device that answers at once
does not find its controller half way through the last event. The queue is empty before the loop waits again.
"""

from __future__ import annotations

from _collections import deque

from evse.clock import NEVER
from evse.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Clock, Timers

# What is journaled without being synced at once is synced within this time, if nothing else is before: three samples of
# an outage, a minute apart, share a page of flash. A cut before costs these, or a second delivery where it was a mark.
# The kernel writes it by itself after about 30 s.
GROUP_COMMIT_S = 125.0
# A timer this late, or a queue this long, means that a part hangs.
OVERDUE_S = 10.0
# Steps of the machine's clock below this are the slow corrections of NTP.
CLOCK_STEP_S = 1.0
# Steps are looked for before timers run, as some count by UTC, and else no more often than this: what a message says of
# the time is the clock's own.
CLOCK_LOOK_S = 2.0


class Runner:
    """One engine, or none in standalone mode, on one loop.

    effects     name -> callable that carries it out; an effect without one is logged as an error
    send        takes the frames for the CSMS that are ready at the same time

    The engine is told when somebody set the machine's clock.
    """

    __slots__ = (
        "engine", "effects", "send", "_loop", "_clock", "_timers", "_journal", "_log", "_inbox", "_pumping", "_soon",
        "_timer", "_when", "_commit", "_unsynced_when", "_skew_s", "_look_when",
    )  # fmt: skip

    def __init__(
        self,
        loop: Any,
        clock: Clock,
        timers: Timers,
        log: Any,
        engine: Any = None,
        journal: Any = None,
    ) -> None:
        self.engine = engine
        self.effects: dict[str, Callable[..., Any]] = {}
        self.send: Callable[..., Any] | None = None
        self._loop = loop
        self._clock = clock
        self._timers = timers
        self._journal = journal
        self._log = log
        self._inbox: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._pumping = False
        self._soon: Any = None
        self._timer: Any = None
        self._when = NEVER  # the timer's
        self._commit: Any = None
        self._unsynced_when: float | None = None  # since then something is journaled and not synced
        self._skew_s = clock.system() - clock.now()
        self._look_when = 0.0  # at the clock

    def tell(self, call: Callable[..., Any], *args: Any) -> None:
        """Runs `call(*args)` in its turn, at the latest in the loop's next pass."""
        self._inbox.append((call, args))
        if not self._pumping and self._soon is None:
            self._soon = self._loop.call_soon(self._turn)

    def pump(self) -> None:
        """Handles everything that waits, now; then sets the timer anew. Does nothing inside itself."""
        if self._pumping:
            return
        if self._soon is not None:
            self._soon.cancel()
        self._turn()

    def _turn(self) -> None:
        self._pumping = True
        self._soon = None
        engine, inbox = self.engine, self._inbox
        try:
            if self._clock.now() >= self._look_when:
                self.watch_clock()
            while True:
                if inbox:
                    call, args = inbox.popleft()
                    call(*args)
                if engine is not None and (engine.frames or engine.effects):
                    self._drain(engine)
                if not inbox:
                    break
        finally:
            self._pumping = False
            if inbox:  # a part failed: what else waits is still handled
                self._soon = self._loop.call_soon(self._turn)
            self._arm()

    def watch_clock(self) -> None:
        """Tells the engine if somebody set the machine's clock since the last look."""
        now = self._clock.now()
        self._look_when = now + CLOCK_LOOK_S
        skew_s = self._clock.system() - now
        by_s = skew_s - self._skew_s
        if abs(by_s) > CLOCK_STEP_S:
            self._log.info("the clock was set", by_s=round(by_s, 1))
            self._skew_s = skew_s
            if self.engine is not None:
                self.tell(self.engine.fact, "clock_changed")

    def _drain(self, engine: Any) -> None:
        """Sends the frames, queues the effects behind what waits already."""
        if engine.frames:
            frames = list(engine.frames)
            engine.frames.clear()
            if self.send is not None:
                self.send(*frames)
        while engine.effects:
            name, *args = engine.effects.popleft()
            self.effect(name, *args)

    def effect(self, name: str, *args: Any) -> None:
        """Queues one effect."""
        carry_out = self.effects.get(name)
        if carry_out is None:
            self._log.error("an effect that nobody carries out", effect=name)
        else:
            self._inbox.append((carry_out, tuple(args)))

    def _arm(self) -> None:
        """Sets the timers of the loop, as far as they change."""
        when = self._timers.soonest
        if when < self._when:
            if self._timer is not None:
                self._timer.cancel()
            self._when = when
            self._timer = self._loop.call_later(max(0.0, when - self._clock.now()), self._due)
        journal = self._journal
        if journal is None or not journal.unsynced:
            self._unsynced_when = None
        elif self._unsynced_when is None:
            self._unsynced_when = self._clock.now()
            if self._commit is None:
                self._commit = self._loop.call_later(GROUP_COMMIT_S, self._commit_due)

    def _due(self) -> None:
        self._timer = None
        self._when = NEVER
        self.watch_clock()
        if self.engine is not None:
            self._inbox.append((self.engine.run_timers, ()))
        else:
            self._inbox.append((self._timers.run, (self._clock.now(),)))
        self.pump()

    def _commit_due(self) -> None:
        """One timer for all lines: it sleeps until the oldest that is not synced has waited long enough."""
        self._commit = None
        if self._unsynced_when is None:
            return
        left_s = self._unsynced_when + GROUP_COMMIT_S - self._clock.now()
        if left_s > 0:
            self._commit = self._loop.call_later(left_s, self._commit_due)
            return
        self._unsynced_when = None
        try:
            self._journal.sync()
        except StoreError as error:
            self._log.error("the journal could not be synced", why=str(error))

    def hangs(self) -> str | None:
        """Names the part that hangs, None if all goes well: for the watchdog."""
        when = self._timers.next()
        if when is not None and self._clock.now() - when > OVERDUE_S:
            return "timers"
        if self._inbox and not self._pumping and self._soon is None:
            return "facts"
        return None

    def close(self) -> None:
        """Forgets the timers of the loop; may be called twice."""
        for handle in (self._soon, self._timer, self._commit):
            if handle is not None:
                handle.cancel()
        self._soon = self._timer = self._commit = None
        self._when = NEVER
