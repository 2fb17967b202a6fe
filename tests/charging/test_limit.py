"""The least limit and its source."""

from __future__ import annotations

import pytest

from evse.charging.limit import Limits
from evse.charging.pilot import vehicle_state
from evse.errors import UsageError


def test_the_least_limit_wins_and_says_why() -> None:
    limits = Limits(32)
    limits.set("schedule", 10)
    limits.set("site", 16)
    assert limits.why() == ("schedule", 10.0)
    limits.set("schedule", None)
    assert limits.why() == ("site", 16.0)
    assert limits.why(without="site") == ("board", 32.0)


def test_of_equal_limits_the_first_is_named() -> None:
    limits = Limits(16)
    limits.set("schedule", 16)
    assert limits.why() == ("board", 16.0)


@pytest.mark.parametrize(("limit_a", "offer_a"), [(0, 0), (5.99, 0), (6, 6), (40, 32)])
def test_what_no_duty_cycle_can_say_is_no_offer(limit_a: float, offer_a: float) -> None:
    limits = Limits(32)
    limits.set("schedule", limit_a)
    assert limits.offer_a() == offer_a


def test_set_says_whether_something_changed() -> None:
    limits = Limits(32)
    assert limits.set("schedule", 10) and not limits.set("schedule", 10.0)
    assert limits.set("schedule", None) and not limits.set("schedule", None)


@pytest.mark.parametrize("limit_a", [-0.1, float("nan"), float("inf")])
def test_limits_that_are_none_are_refused(limit_a: float) -> None:
    with pytest.raises(UsageError, match="of 'schedule'"):
        Limits(32).set("schedule", limit_a)


def test_letters() -> None:
    assert [vehicle_state(letter) for letter in "ABCD"] == ["A", "B", "C", "C"]
    assert [vehicle_state(letter) for letter in ("E", "F", None)] == [None, None, None]
