"""Load sharing below a site limit."""

from __future__ import annotations

from random import Random

import pytest

from evse.charging.site import TURN_S, YIELD_S, SiteSharing, shares
from evse.errors import UsageError
from tests.support.outlets import Post


@pytest.mark.parametrize(
    ("limit_a", "most_a", "expected"),
    [
        (32, {1: 32, 2: 32}, {1: 16, 2: 16}),
        (32, {1: 10, 2: 32}, {1: 10, 2: 22}),
        (32, {1: 32, 2: 8, 3: 10}, {1: 14, 2: 8, 3: 10}),
        (100, {1: 32, 2: 16}, {1: 32, 2: 16}),
        (11, {1: 32, 2: 32}, {1: 11, 2: 0}),
        (12, {1: 32, 2: 32, 3: 32}, {1: 6, 2: 6, 3: 0}),
        (5, {1: 32}, {1: 0}),
        (32, {}, {}),
    ],
)
def test_shares(limit_a: float, most_a: dict[int, float], expected: dict[int, float]) -> None:
    assert shares(limit_a, most_a) == expected


def test_shares_never_exceed_the_limit_nor_what_one_can_use_nor_fall_below_six() -> None:
    random = Random(7)
    for _ in range(2000):
        limit_a = random.uniform(0, 100)
        most_a = {evse: random.uniform(6, 32) for evse in range(random.randint(0, 8))}
        result = shares(limit_a, most_a)
        assert sum(result.values()) <= limit_a + 1e-9
        assert all(share == 0 or 6 - 1e-9 <= share <= most_a[evse] for evse, share in result.items())
        waiting = [evse for evse, share in result.items() if share == 0]
        if waiting:
            assert limit_a < 6 * len(most_a)
        elif most_a:
            assert sum(result.values()) == pytest.approx(min(limit_a, sum(most_a.values())))


def site(limit_a: float | None, **settings: object) -> tuple[Post, SiteSharing]:
    post = Post("simulated-ac-2", **settings)
    return post, SiteSharing(list(post.controllers.values()), post.loop._timers, post.clock, limit_a)


def test_one_vehicle_gets_all_and_yields_half_to_the_second() -> None:
    post, _ = site(20)
    post.charge(1, current=32)
    assert post[1].offered_a == 20
    assert post[1].why() == ("site", 20.0)
    post.sim.plug(2, current=32)
    post[2].authorize()
    post.settle()
    assert post[1].offered_a == 10
    assert not post[2].closed, "the first has some seconds to yield"
    post.advance(YIELD_S)
    assert post[2].closed and post[2].offered_a == 10
    post.sim.unplug(1)
    post.settle()
    assert post[2].offered_a == 20
    assert post[1].why() == ("board", 32.0)


def test_what_one_cannot_use_goes_to_the_other() -> None:
    post, _ = site(30)
    post[1].limit("schedule", 8)
    post.charge(1, current=32)
    post.sim.plug(2, current=32)
    post[2].authorize()
    post.advance(YIELD_S)
    assert (post[1].offered_a, post[2].offered_a) == (8, 22)
    post[1].limit("schedule", 0)
    post.advance(YIELD_S)
    assert (post[1].offered_a, post[2].offered_a) == (None, 30)


def test_a_vehicle_that_rests_holds_no_more_than_six_amperes() -> None:
    post, _ = site(20)
    post.charge(1, current=32)
    post.sim.plug(2, current=32)
    post[2].authorize()
    post.advance(YIELD_S)
    post.sim.suspend(2)
    post.advance(YIELD_S)
    assert (post[1].offered_a, post[2].offered_a) == (14, 6)
    post.sim.resume(2)
    post.advance(YIELD_S)
    assert (post[1].offered_a, post[2].offered_a) == (10, 10)


def test_too_little_for_both_is_given_in_turn() -> None:
    post, _ = site(11)
    post.charge(1, current=32)
    post.sim.plug(2, current=32)
    post[2].authorize()
    post.advance(60)
    assert post[1].closed and not post[2].closed
    assert post[2].charging_state == "SuspendedEVSE" and post[2].why() == ("site", 0.0)
    post.advance(TURN_S)
    assert not post[1].closed and post[2].closed
    post.advance(TURN_S + YIELD_S)
    assert post[1].closed and not post[2].closed


def test_the_limit_changes_and_goes() -> None:
    post, sharing = site(None)
    post.charge(1, current=32)
    assert post[1].offered_a == 32
    sharing.limit(16)
    assert post[1].offered_a == 16
    sharing.limit(0)
    post.settle()
    assert post[1].charging_state == "SuspendedEVSE"
    sharing.limit(None)
    post.settle()
    assert post[1].offered_a == 32 and post[1].closed
    with pytest.raises(UsageError, match="below 0"):
        sharing.limit(-1)


def test_the_sum_of_what_is_offered_stays_below_the_limit() -> None:
    random = Random(11)
    post, sharing = site(None, stop_on_disconnect=False)
    for _ in range(600):
        limit_a = random.choice([None, None, 11, 16, 20, 40])
        if limit_a is not None:
            sharing.limit(limit_a)
        evse = random.choice([1, 2])
        call = random.choice(["plug", "unplug", "suspend", "resume", "authorize", "stop", "wait"])
        if call == "wait":
            post.advance(random.choice([0, 1, 6, 1000]))
        elif call == "authorize":
            post[evse].authorize()
        elif call == "stop":
            post[evse].stop("Local")
        elif call == "plug" or post.sim.outlet(evse).vehicle.plugged:
            if call != "plug" or not post.sim.outlet(evse).vehicle.plugged:
                getattr(post.sim, call)(evse)
        if sharing._limit_a is not None:
            # Where a session is being ended the contactor was told to open; its duty cycle goes once it did.
            offered = [controller.offered_a or 0 for controller in post.controllers.values() if controller.authorized]
            assert sum(offered) <= sharing._limit_a + 1e-9, (call, offered, sharing._limit_a)
        post.settle()
