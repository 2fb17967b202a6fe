"""Composite schedule: what charging profiles allow over a window of time, as pure functions.

Times are whole seconds of one timeline. Among the profiles of one purpose the first in the stack that has a period at a
moment leads there; among the leading ones the lowest limit holds. [2.1 part 2 K 3.5, 3.6; 1.6 §3.13.2, §3.13.3]

A span is (from, to, limit, profile), `to` excluded; a step is (from, limit, profile) and holds until the next one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from evse.ocpp.blocks.smart_charging.profiles import Profile

    Span = tuple[int, int, float, Any]
    Step = tuple[int, float, Any]
    Pick = Callable[[list[tuple[float, Any]]], tuple[float, Any]]
    Limit = Callable[[float, Profile], float]


def spans(profile: Profile, begin: int, end: int, ready: int | None, of: str = "periods") -> Iterator[Span]:
    """The periods of one profile that reach into the window, in order, cut to it.

    `ready`: when the EVSE was ready to deliver energy, from which relative schedules count; None: the window's begin.
    `of`: what they say, "periods" or "counts" of the profile.
    """
    start = profile.start
    if start is None:
        start = begin if ready is None else ready
    if profile.valid_from is not None:
        begin = max(begin, profile.valid_from)  # [K01.FR.36]
    if profile.valid_to is not None:
        end = min(end, profile.valid_to)  # [K01.FR.37]
    length, cycle = profile.duration, profile.cycle_s
    if not cycle:
        yield from _periods(profile, of, start, None if length is None else start + length, begin, end)
        return
    length = cycle if length is None else min(length, cycle)  # [1.6 errata 3.43]
    if start < begin:
        start += (begin - start) // cycle * cycle
    while start < end:
        yield from _periods(profile, of, start, start + length, begin, end)
        start += cycle


def _periods(profile: Profile, of: str, start: int, stop: int | None, begin: int, end: int) -> Iterator[Span]:
    """The periods of one run of a schedule from `start` to `stop` (None: without end) within a window."""
    if stop is not None and stop < end:
        end = stop  # [K01.FR.11]
    periods: Sequence[tuple[int, float]] = getattr(profile, of)
    last = len(periods) - 1
    for index, (offset, limit) in enumerate(periods):
        since = max(begin, start + offset)
        if since >= end:
            return
        until = end if index == last else min(end, start + periods[index + 1][0])  # [K01.FR.12]
        if since < until:
            yield since, until, limit, profile


def leading(
    stack: Sequence[Profile], begin: int, end: int, ready: int | None, of: str = "periods"
) -> list[Span]:
    """The spans that lead in a stack whose first profile overrules the next; there may be gaps. [K01.FR.17]"""
    taken: list[Span] = []
    free = [(begin, end)]
    for profile in stack:
        if not free:
            break
        left: list[tuple[int, int]] = []
        own = list(spans(profile, begin, end, ready, of))
        first = 0
        for since, until in free:
            while first < len(own) and own[first][1] <= since:
                first += 1
            index = first
            while index < len(own) and own[index][0] < until:
                span = own[index]
                if span[0] > since:
                    left.append((since, span[0]))
                    since = span[0]
                stop = min(span[1], until)
                taken.append((since, stop, span[2], profile))
                since = stop
                index += 1
            if since < until:
                left.append((since, until))
        free = left
    taken.sort(key=_since)
    return taken


def composite(
    stacks: Sequence[tuple[Sequence[Profile], Limit]],
    begin: int,
    end: int,
    most: float,
    ready: int | None = None,
    default: float | None = None,
) -> list[Step]:
    """The steps that follow from the stacks of all purposes in a window that is not empty; equal neighbours are one.

    Each stack has the function that gives a period's limit in the unit asked for; `most` is what holds besides, in that
    unit, and `default` where no profile applies. A step's profile is None where one of these two holds.
    """

    def lowest(here: list[tuple[float, Any]]) -> tuple[float, Any]:
        if default is not None and len(here) == 1:
            return min(default, most), None
        return min(here, key=_value)

    rows: list[list[Span]] = [[(begin, end, most, None)]]
    for stack, limit in stacks:
        found = leading(stack, begin, end, ready)
        rows.append([(since, until, limit(value, of), of) for since, until, value, of in found])
    return combined(rows, lowest)


def combined(rows: Sequence[Sequence[Span]], pick: Pick) -> list[Step]:
    """Rows of spans as one: `pick` makes one (limit, profile) of those that hold at a moment."""
    edges = sorted({edge for row in rows for span in row for edge in span[:2]})
    places = [0] * len(rows)
    steps: list[Step] = []
    for at in edges[:-1]:
        here: list[tuple[float, Any]] = []
        for index, row in enumerate(rows):
            place = places[index]
            while place < len(row) and row[place][1] <= at:
                place += 1
            places[index] = place
            if place < len(row) and row[place][0] <= at:
                here.append(row[place][2:])
        limit, profile = pick(here)
        if not steps or steps[-1][1] != limit:
            steps.append((at, limit, profile))
    return steps


def as_spans(steps: Sequence[Step], end: int) -> list[Span]:
    """Steps as spans, the last until `end`."""
    ends = [step[0] for step in steps[1:]] + [end]
    return [(since, until, limit, profile) for (since, limit, profile), until in zip(steps, ends, strict=True)]


def _since(span: Span) -> int:
    return span[0]


def _value(item: tuple[float, Any]) -> float:
    return item[0]
