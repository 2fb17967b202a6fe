"""Composite schedule against a reference that asks, second by second, what holds; and its edges one by one."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from evse.clock import timestamp
from evse.ocpp.blocks.smart_charging.profiles import Profile, Refusal
from evse.ocpp.blocks.smart_charging.schedule import as_spans, combined, composite, leading

DAY = 86_400
T0 = 20_454 * DAY  # 2026-01-01T00:00:00Z
MOST = 32.0


def profile(
    *periods: tuple[int, float],
    id: int = 1,
    level: int = 0,
    start: int | None = T0,
    cycle: str | None = None,
    duration: int | None = None,
    valid: tuple[int | None, int | None] = (None, None),
    unit: str = "A",
    purpose: str = "TxDefaultProfile",
) -> Profile:
    """A profile of (start in s, limit) periods; `start` None: relative."""
    schedule: dict[str, Any] = {
        "id": 1,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    payload: dict[str, Any] = {
        "id": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative" if start is None else "Recurring" if cycle else "Absolute",
        "chargingSchedule": [schedule],
    }
    if start is not None:
        schedule["startSchedule"] = timestamp(start)
    if duration is not None:
        schedule["duration"] = duration
    if cycle is not None:
        payload["recurrencyKind"] = cycle
    for name, at in zip(("validFrom", "validTo"), valid, strict=True):
        if at is not None:
            payload[name] = timestamp(at)
    return Profile(1 if purpose == "TxProfile" else 0, payload)


def amperes(value: float, of: Profile) -> float:
    """230 V, three phases."""
    return value if of.unit == "A" else value / 690


def steps(*stack: Profile, begin: int = T0, seconds: int = 100, ready: int | None = None) -> list[tuple[int, float]]:
    """What one stack allows: [(seconds from the window's begin, limit)]."""
    found = composite([(stack, amperes)], begin, begin + seconds, MOST, ready)
    return [(start - begin, limit) for start, limit, _ in found]


# -- the reference ----------------------------------------------------------------------------------------------------


def limit_at(profile: Profile, at: int, begin: int, ready: int | None) -> float | None:
    """What a profile says at one second, None if nothing."""
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    start = profile.start if profile.start is not None else begin if ready is None else ready
    if at < start:
        return None
    elapsed = at - start
    if profile.recurrency == "Daily":
        elapsed %= DAY
    if profile.recurrency == "Weekly":
        elapsed %= 7 * DAY
    if profile.duration is not None and elapsed >= profile.duration:
        return None
    limit = None
    for offset, value in profile.periods:
        if offset <= elapsed:
            limit = value
    return limit


def reference(stacks: list[list[Profile]], begin: int, end: int, ready: int | None) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for at in range(begin, end):
        lowest = MOST
        for stack in stacks:
            for member in stack:
                limit = limit_at(member, at, begin, ready)
                if limit is not None:
                    lowest = min(lowest, amperes(limit, member))
                    break
        if not found or found[-1][1] != lowest:
            found.append((at, lowest))
    return found


def a_profile(chance: random.Random, begin: int, level: int) -> Profile:
    """A random profile whose edges lie near the window."""
    starts = [0, *sorted(chance.sample(range(1, 50), chance.randrange(5)))]
    unit = chance.choice("AAW")
    limits = [chance.choice((0, 6, 8, 10, 16, 20, 40)) * (690 if unit == "W" else 1) for _ in starts]
    kind = chance.choice(("Absolute", "Relative", "Daily", "Weekly"))
    near = begin + chance.randrange(-40, 30)
    if kind in ("Daily", "Weekly"):
        near -= chance.choice((0, 1, 2, 7, 8)) * DAY
    if chance.random() < 0.1:
        starts = [start * 5000 for start in starts]  # beyond the cycle
    return profile(
        *zip(starts, limits, strict=True),
        id=level,
        level=level,
        start=None if kind == "Relative" else near,
        cycle=kind if kind in ("Daily", "Weekly") else None,
        duration=chance.choice((None, None, 0, 1, 17, 40, DAY, 8 * DAY)),
        valid=tuple(chance.choice((None, None, begin + chance.randrange(-10, 50))) for _ in range(2)),  # type: ignore[arg-type]
        unit=unit,
    )


@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_random_stacks_second_by_second(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(1000):
        begin = T0 + chance.choice((0, DAY - 20, 7 * DAY - 20, 12_345))
        end = begin + chance.choice((1, 2, 40))
        ready = chance.choice((None, begin, begin - 15, begin - 1000))
        stacks = [[a_profile(chance, begin, level) for level in range(chance.randrange(4))] for _ in range(2)]
        found = composite([(stack, amperes) for stack in stacks], begin, end, MOST, ready)
        assert [(start, limit) for start, limit, _ in found] == reference(stacks, begin, end, ready), (stacks, begin)


# -- edges ------------------------------------------------------------------------------------------------------------


def test_without_profiles_the_local_limit_holds() -> None:
    assert steps() == [(0, MOST)]


def test_equal_neighbours_are_one() -> None:
    assert steps(profile((0, 10), (10, 10), (20, 8), (30, 8), (40, 10))) == [(0, 10), (20, 8), (40, 10)]


def test_equal_neighbours_of_different_profiles_are_one() -> None:
    short = profile((0, 10), level=1, duration=30)
    assert steps(short, profile((0, 10), (50, 6))) == [(0, 10), (50, 6)]


def test_a_limit_above_the_local_one_does_not_count() -> None:
    assert steps(profile((0, 40), (10, 16), (20, 63))) == [(0, MOST), (10, 16), (20, MOST)]


def test_a_period_that_begins_within_the_window_counts() -> None:
    assert steps(profile((0, 10), (99, 6)), seconds=100) == [(0, 10), (99, 6)]
    assert steps(profile((0, 10), (100, 6)), seconds=100) == [(0, 10)]


def test_the_window_begins_within_a_period() -> None:
    assert steps(profile((0, 10), (60, 6)), begin=T0 + 59) == [(0, 10), (1, 6)]
    assert steps(profile((0, 10), (60, 6)), begin=T0 + 60) == [(0, 6)]


def test_k01_fr_11_periods_beyond_the_duration_are_not_executed() -> None:
    assert steps(profile((0, 10), (20, 6), (50, 8), duration=50)) == [(0, 10), (20, 6), (50, MOST)]
    assert steps(profile((0, 10), duration=0)) == [(0, MOST)]


def test_k01_fr_30_nothing_before_start_schedule() -> None:
    assert steps(profile((0, 10), start=T0 + 30)) == [(0, MOST), (30, 10)]
    assert steps(profile((0, 10), start=T0 + 30, cycle="Daily")) == [(0, MOST), (30, 10)]


def test_k01_fr_36_37_validity() -> None:
    assert steps(profile((0, 10), valid=(T0 + 10, T0 + 20))) == [(0, MOST), (10, 10), (20, MOST)]


def test_a_profile_that_is_not_valid_yet_lets_the_lower_one_lead() -> None:
    upper = profile((0, 20), level=1, valid=(T0 + 10, T0 + 20))
    assert steps(upper, profile((0, 10))) == [(0, 10), (10, 20), (20, 10)]


def test_a_higher_level_may_allow_more() -> None:
    assert steps(profile((0, 20), level=5), profile((0, 6))) == [(0, 20)]


def test_daily_and_weekly_at_the_time_of_start_schedule() -> None:
    """[1.6 errata 3.79]"""
    daily = profile((0, 6), (10, 10), start=T0 - 3 * DAY + 50, cycle="Daily", duration=20)
    assert steps(daily) == [(0, MOST), (50, 6), (60, 10), (70, MOST)]
    weekly = profile((0, 6), start=T0 - 7 * DAY + 50, cycle="Weekly", duration=20)
    assert steps(weekly) == [(0, MOST), (50, 6), (70, MOST)]
    assert steps(weekly, begin=T0 + DAY) == [(0, MOST)]


def test_what_is_longer_than_the_cycle_is_not_executed() -> None:
    """[1.6 errata 3.43]"""
    daily = profile((0, 6), (DAY + 10, 10), cycle="Daily", duration=2 * DAY)
    assert steps(daily, begin=T0 + DAY - 50) == [(0, 6)]


def test_relative_counts_from_when_the_evse_was_ready() -> None:
    relative = profile((0, 10), (60, 6), start=None)
    assert steps(relative, ready=T0 - 50) == [(0, 10), (10, 6)]
    assert steps(relative) == [(0, 10), (60, 6)]


def test_watts_and_amperes_in_one_stack() -> None:
    assert steps(profile((0, 6900), unit="W"), begin=T0) == [(0, 10)]


def test_the_step_names_the_profile_behind_it() -> None:
    low, high = profile((0, 10), id=1), profile((0, 8), id=2, duration=50)
    found = composite([([low], amperes), ([high], amperes)], T0, T0 + 100, MOST)
    assert [(start - T0, of.id) for start, _, of in found] == [(0, 2), (50, 1)]


def test_spans_of_a_stack_have_gaps_where_no_profile_speaks() -> None:
    found = leading([profile((0, 10), start=T0 + 10, duration=5)], T0, T0 + 100, None)
    assert [(since - T0, until - T0, limit) for since, until, limit, _ in found] == [(10, 15, 10)]


def test_sums_of_steps() -> None:
    one = composite([([profile((0, 10), (50, 6))], amperes)], T0, T0 + 100, MOST)
    other = composite([([profile((0, 16), (70, 20))], amperes)], T0, T0 + 100, MOST)
    total = combined(
        [as_spans(one, T0 + 100), as_spans(other, T0 + 100)], lambda here: (sum(limit for limit, _ in here), None)
    )
    assert [(start - T0, limit) for start, limit, _ in total] == [(0, 26), (50, 22), (70, 26)]


def test_a_hundred_profiles_of_24_periods_over_a_day_are_quick() -> None:
    """Within 50 ms on an idle machine; the bound leaves room for a busy one."""
    stack = [
        profile(
            *[(hour * 3600, 6 + (hour + level) % 20) for hour in range(24)],
            level=level,
            start=T0 - level * 600,
            cycle="Daily",
            duration=DAY - 600 * (level + 1) if level else None,
        )
        for level in reversed(range(100))
    ]
    before = time.process_time()
    found = composite([(stack, amperes)], T0, T0 + DAY, MOST)
    spent = time.process_time() - before
    assert len(found) > 20
    assert spent < 0.25


# -- what cannot be executed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"periods": ()}, "InvalidSchedule"),
        ({"periods": ((5, 10),)}, "InvalidSchedule"),  # K01.FR.31
        ({"periods": ((0, 10), (20, 8), (20, 6))}, "InvalidSchedule"),  # K01.FR.35
        ({"periods": ((0, 10), (20, 8), (10, 6))}, "InvalidSchedule"),
        ({"periods": ((0, -1),)}, "InvalidSchedule"),
        ({"periods": ((0, float("inf")),)}, "InvalidSchedule"),
        ({"periods": ((0, 10),), "duration": -1}, "InvalidSchedule"),
        ({"periods": ((0, 10),), "start": None, "purpose": "ChargingStationMaxProfile"}, "InvalidProfile"),  # K01.FR.38
        ({"periods": ((0, 10),), "purpose": "ChargingStationExternalConstraints"}, "UnsupportedPurpose"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(made: dict[str, Any], code: str) -> None:
    periods = made.pop("periods")
    with pytest.raises(Refusal) as refusal:
        profile(*periods, **made)
    assert refusal.value.code == code
