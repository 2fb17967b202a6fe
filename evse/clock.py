"""Time: the monotonic clock for durations, UTC as far as it is known, timers, and time stamps as text.

UTC may be unknown at boot (no battery-backed clock, no network), may jump, and may be corrected by the CSMS.
What happens before UTC is known is stamped with the monotonic clock of this boot and resolved later.
"""

from __future__ import annotations

import time
from _heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# A system clock that shows less than this was never set (2024-01-01T00:00:00Z).
UTC_FLOOR_S = 1_704_067_200
# The CSMS's clock replaces ours when they differ by more than this.
CORRECTION_S = 2.0
# Days from 0000-03-01 (a year that ends with February needs no leap day cases) to 1970-01-01.
_DAYS_TO_1970 = 719_468
TIME_STAMP = "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"
_told_at: float | None = None  # the latest time stamp, and its text
_told = ""
NEVER = float("inf")


class Clock:
    """Monotonic seconds and UTC, the latter corrected by the CSMS.

    Until the CSMS tells the time, UTC is the system clock's, as far as that was ever set. Once it corrected us, UTC
    runs with the monotonic clock from there, so that a system clock that is set later does no harm; as soon as the
    system clock agrees with the CSMS it is trusted again. `system()` gives what that clock shows, `now()` the monotonic
    seconds, for durations and timers only. `boot` identifies this start of the machine (the kernel's boot id):
    monotonic stamps of another one cannot be resolved exactly.
    """

    __slots__ = ("now", "system", "_anchor_s", "boot")

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
        boot: str = "",
    ) -> None:
        self.now = monotonic
        self.system = utc
        self._anchor_s: float | None = None  # UTC minus the monotonic clock, as the CSMS had it
        self.boot = boot

    def utc(self) -> float | None:
        """UTC in seconds since 1970, or None while it is unknown."""
        if self._anchor_s is not None:
            return self.now() + self._anchor_s
        at = self.system()
        return at if at >= UTC_FLOOR_S else None

    def learn(self, at: float) -> bool:
        """Takes `at` (UTC seconds, told by the CSMS) as the time; True if our own was unknown or off. [B01.FR.06]"""
        known = self.utc()
        if abs(self.system() - at) <= CORRECTION_S:
            self._anchor_s = None
        elif known is None or abs(known - at) > CORRECTION_S:
            self._anchor_s = at - self.now()
        return known is None or abs(known - at) > CORRECTION_S

    def forget(self) -> None:
        """Somebody set the system clock on purpose: it counts again, whatever the CSMS said before."""
        self._anchor_s = None

    def stamp(self) -> int | list[str | int]:
        """The present as a value for the journal: UTC milliseconds, or [boot, monotonic milliseconds]."""
        at = self.utc()
        return [self.boot, int(self.now() * 1000)] if at is None else int(at * 1000)

    def resolve(self, stamp: float | list[Any]) -> float:
        """UTC seconds of a stamp; a stamp from an earlier boot becomes the latest time that it can have been."""
        if not isinstance(stamp, list):
            return stamp / 1000
        at = self.utc()
        present = self.system() if at is None else at
        boot, monotonic_ms = stamp
        if boot == self.boot:
            return present - self.now() + float(monotonic_ms) / 1000
        return present - self.now()


class Timer:
    """One pending call; `cancel()` may be called at any time and any number of times."""

    __slots__ = ("when", "call", "args", "heap")

    def __init__(self, when: float, call: Callable[..., Any], args: tuple[Any, ...], heap: Timers) -> None:
        self.when = when
        self.call: Callable[..., Any] | None = call
        self.args = args
        self.heap = heap

    def cancel(self) -> None:
        """Forgets the call; nothing happens if it ran already."""
        if self.call is not None:
            self.call = None
            self.args = ()
            self.heap.cancelled()


class Timers:
    """The engine's timer heap: `next()` says when, `run(now)` runs what is due. Cancelled timers are compacted.

    `soonest`: nothing is due before. Where the first was cancelled, `next()` may be later.
    """

    __slots__ = ("soonest", "_heap", "_order", "_dead")

    def __init__(self) -> None:
        self.soonest = NEVER
        self._heap: list[tuple[float, int, Timer]] = []  # compared without a call: no two orders are equal
        self._order = 0
        self._dead = 0

    def at(self, when: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Calls `call(*args)` once the monotonic clock reaches `when`."""
        self._order += 1
        timer = Timer(when, call, args, self)
        heappush(self._heap, (when, self._order, timer))
        if when < self.soonest:
            self.soonest = when
        return timer

    def cancelled(self) -> None:
        self._dead += 1
        if self._dead > 16 and self._dead * 2 > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].call is not None]
            heapify(self._heap)
            self._dead = 0

    def next(self) -> float | None:
        """Monotonic time of the next call, None if there is none."""
        heap = self._heap
        while heap and heap[0][2].call is None:
            heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def run(self, now: float) -> bool:
        """Runs what is due at `now`, earliest first; what a call adds for `now` runs too. False if nothing was due."""
        heap, ran = self._heap, False
        while heap and heap[0][0] <= now:
            timer = heappop(heap)[2]
            call, args = timer.call, timer.args
            if call is None:
                self._dead -= 1
                continue
            timer.call = None
            timer.args = ()
            ran = True
            call(*args)
        self.soonest = heap[0][0] if heap else NEVER
        return ran


def timestamp(at: float) -> str:
    """UTC seconds as RFC 3339 text with milliseconds and `Z`, as OCPP writes it."""
    global _told_at, _told
    if at != _told_at:  # else an event and its sample
        at_ms = round(at * 1000)
        _told = TIME_STAMP % (*time.gmtime(at_ms // 1000)[:6], at_ms % 1000)
        _told_at = at
    return _told


def parse_timestamp(text: str) -> float:
    """UTC seconds of an RFC 3339 time stamp; no zone means UTC. Raises ValueError that names the text."""
    try:
        day, clock = text[:10], text[11:]
        if text[10] not in "Tt " or day[4] != "-" or day[7] != "-" or clock[2] != ":" or clock[5] != ":":
            raise ValueError
        zone_s, clock = _split_zone(clock)
        year, month, mday = int(day[:4]), int(day[5:7]), int(day[8:])
        hour, minute, second = int(clock[:2]), int(clock[3:5]), float(clock[6:])
        if not (1 <= month <= 12 and 1 <= mday <= 31 and hour < 24 and minute < 60 and 0 <= second < 61):
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(f"{text[:40]!r} is no date and time as in 2025-01-31T23:59:59Z") from None
    return (_days(year, month, mday) * 24 + hour) * 3600 + minute * 60 + second - zone_s


def _split_zone(clock: str) -> tuple[int, str]:
    """The zone's offset in seconds and the time of day without it."""
    if clock[-1] in "Zz":
        return 0, clock[:-1]
    for sign, factor in (("+", 60), ("-", -60)):
        head, found, zone = clock.partition(sign)
        if found:
            hours, _, minutes = zone.partition(":")
            return factor * (int(hours) * 60 + int(minutes or 0)), head
    return 0, clock


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (9 if month <= 2 else -3)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _DAYS_TO_1970
