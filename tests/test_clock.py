"""Time: UTC that may be unknown, jump or be corrected; time stamps; timers."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from evse.clock import UTC_FLOOR_S, Clock, Timers, parse_timestamp, timestamp

NOW = 1_767_225_600.0


class Hands:
    """A monotonic and a system clock that are moved by hand."""

    def __init__(self, utc: float) -> None:
        self.now = 100.0
        self.utc = utc
        self.clock = Clock(lambda: self.now, lambda: self.utc, boot="a")

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.utc += seconds


def test_a_system_clock_that_was_never_set_is_no_time() -> None:
    assert Hands(0.0).clock.utc() is None
    assert Hands(UTC_FLOOR_S - 1).clock.utc() is None
    assert Hands(NOW).clock.utc() == NOW


def test_B01_FR_06_the_csms_sets_the_time() -> None:
    hands = Hands(0.0)
    assert hands.clock.learn(NOW)
    hands.advance(10)
    assert hands.clock.utc() == NOW + 10
    assert not hands.clock.learn(NOW + 11), "a second is no difference"
    assert hands.clock.learn(NOW + 60)
    assert hands.clock.utc() == NOW + 60


def test_a_system_clock_that_is_set_after_the_csms_told_the_time_does_no_harm() -> None:
    hands = Hands(0.0)
    hands.clock.learn(NOW)
    hands.utc = NOW + 0.5
    assert hands.clock.utc() == NOW
    hands.clock.learn(NOW)
    hands.utc += 3600
    hands.now += 3600
    assert hands.clock.utc() == NOW + 3600.5, "the system clock agrees, it is trusted again"


def test_a_stamp_made_before_the_time_was_known_is_corrected_later() -> None:
    """Field lesson 12."""
    hands = Hands(0.0)
    stamp = hands.clock.stamp()
    assert isinstance(stamp, list)
    hands.advance(50)
    hands.clock.learn(NOW)
    assert hands.clock.resolve(stamp) == NOW - 50


def test_a_stamp_of_an_earlier_boot_is_no_later_than_this_one() -> None:
    hands = Hands(0.0)
    hands.clock.learn(NOW)
    assert hands.clock.resolve(["b", 5_000_000]) == NOW - hands.now


def test_a_stamp_of_known_time_is_milliseconds() -> None:
    hands = Hands(NOW + 0.25)
    assert hands.clock.stamp() == int((NOW + 0.25) * 1000)
    assert hands.clock.resolve(hands.clock.stamp()) == NOW + 0.25


def test_time_stamps_agree_with_datetime() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        at = round(rng.uniform(0, 4e9), 3)
        there = datetime.fromtimestamp(at, UTC)
        assert timestamp(at)[:19] == there.isoformat()[:19]
        assert abs(parse_timestamp(timestamp(at)) - at) < 0.0011
        assert abs(parse_timestamp(there.isoformat()) - there.timestamp()) < 0.0011


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2025-01-31T23:59:59Z", "2025-01-31T23:59:59+00:00"),
        ("2025-01-31t23:59:59z", "2025-01-31T23:59:59+00:00"),
        ("2025-01-31T23:59:59", "2025-01-31T23:59:59+00:00"),
        ("2025-01-31T23:59:59.123456+01:30", "2025-01-31T23:59:59.123456+01:30"),
        ("2024-02-29T00:00:00-11:00", "2024-02-29T00:00:00-11:00"),
    ],
)
def test_zones_and_fractions_are_read(text: str, same: str) -> None:
    assert abs(parse_timestamp(text) - datetime.fromisoformat(same).timestamp()) < 0.001


@pytest.mark.parametrize(
    "text",
    ["", "now", "2025-01-31", "2025-13-01T00:00:00Z", "2025-01-31T25:00:00Z", "2025-01-31T00:61:00Z",
     "2025/01/31T00:00:00Z", "2025-01-31T00:00:xxZ", "2025-01-31T00:00:00+xx:00", "x" * 10_000],
)  # fmt: skip
def test_what_is_no_time_stamp_is_named(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_timestamp(text)
    assert len(str(caught.value)) < 200


def test_timers_run_in_order_and_what_they_add_for_now_runs_too() -> None:
    timers, ran = Timers(), []

    def first() -> None:
        ran.append("first")
        timers.at(5, ran.append, "added")

    timers.at(5, ran.append, "second")
    timers.at(1, first)
    late = timers.at(9, ran.append, "late")
    assert timers.next() == 1
    timers.run(5)
    assert ran == ["first", "second", "added"]
    late.cancel()
    late.cancel()
    assert timers.next() is None


def test_cancelled_timers_do_not_pile_up() -> None:
    """Memory must not grow with every call that was answered in time."""
    timers = Timers()
    keep = timers.at(1e9, print)
    for _ in range(10_000):
        timers.at(30, print).cancel()
    assert len(timers._heap) < 100
    assert timers.next() == keep.when


def test_nothing_is_due_before_soonest_and_it_is_exact_once_timers_ran() -> None:
    rng = random.Random(2)
    timers, waiting = Timers(), []
    now = 0.0
    for _ in range(5000):
        kind = rng.random()
        if kind < 0.5:
            waiting.append(timers.at(now + rng.randrange(20), int))
        elif kind < 0.8 and waiting:
            waiting.pop(rng.randrange(len(waiting))).cancel()
        elif kind < 0.9:
            timers.next()
        else:
            now += rng.randrange(5)
            due = any(timer.when <= now for timer in waiting)
            assert timers.run(now) == due
            waiting = [timer for timer in waiting if timer.when > now]
            assert now < timers.soonest
        first = min((timer.when for timer in waiting), default=None)
        assert timers.soonest <= (float("inf") if first is None else first)
        if rng.random() < 0.1:
            assert timers.next() == first


def test_a_timer_that_fails_leaves_the_others_due() -> None:
    timers, ran = Timers(), []
    timers.at(1, lambda: {}["missing"])
    timers.at(1, ran.append, "other")
    with pytest.raises(KeyError):
        timers.run(1)
    assert timers.soonest <= 1 and timers.run(1) and ran == ["other"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.000Z"])
def test_years_have_four_digits(text: str) -> None:
    """The least time of .NET among them."""
    assert timestamp(parse_timestamp(text)) == text


def test_a_clock_that_is_set_by_hand_counts_again() -> None:
    system = [1_900_000_000.0]
    clock = Clock(lambda: 100.0, lambda: system[0])
    assert clock.learn(1_800_000_000.0) and clock.utc() == 1_800_000_000.0
    clock.forget()
    assert clock.utc() == system[0]
