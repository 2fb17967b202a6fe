"""Sockets: the cable is locked before power is offered, and opens only when it may."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import UsageError
from tests.support.outlets import Post


@pytest.fixture
def post() -> Post:
    return Post("simulated-ac-2")


def lock_facts(post: Post) -> list[tuple[Any, ...]]:
    return [fact for fact in post.facts(2, readings=True) if fact[0] in ("lock", "fault")]


def lock_of(post: Post) -> Any:
    return post.sim.outlet(2).locks[0]


def test_locked_before_power_is_offered(post: Post) -> None:
    lock_of(post).delay_s = 0.5
    post.sim.plug(2)
    assert not lock_of(post).locked
    post[2].authorize()
    post.advance(0.4)
    assert post[2].offered_a is None
    post.advance(0.2)
    assert lock_of(post).locked and post[2].closed


def test_unlocked_after_the_contactor_opened(post: Post) -> None:
    post.charge(2)
    post.sim.outlet(2).contactor.delay_s = 0.5
    post[2].stop("Local")
    post.advance(0.4)
    assert lock_of(post).locked
    post.advance(0.2)
    assert not lock_of(post).locked


def test_lock_that_reports_a_failure_refuses_the_session(post: Post) -> None:
    post.sim.lock(2, False)
    post.sim.plug(2)
    post[2].authorize()
    post.advance(2)
    told = post.facts(2)
    assert told[:3] == [
        ("plugged", 1), ("charging_state", "EVConnected"), ("fault", "ConnectorLockFailure", "the lock does not lock"),
    ]  # fmt: skip
    assert ("stopped", "Other") in told and not post[2].closed
    post.sim.lock(2, True)
    assert ("cleared", "ConnectorLockFailure") in post.facts(2)
    post[2].authorize()
    post.settle()
    assert post[2].closed


def test_lock_that_says_nothing_refuses_the_session_after_its_time(post: Post) -> None:
    post.settings.lock_timeout_s = 5.0
    lock = lock_of(post)
    lock._move = lambda locked: None
    post.sim.plug(2)
    post[2].authorize()
    post.advance(4.9)
    assert "fault" not in [fact[0] for fact in post.facts(2)]
    post.advance(1.2)
    told = post.facts(2)
    assert told[0] == ("fault", "ConnectorLockFailure", "the lock did not confirm")
    assert ("stopped", "Other") in told
    del lock._move
    lock._move(False)
    assert ("cleared", "ConnectorLockFailure") in post.facts(2)


def test_lock_that_opens_by_itself_ends_the_session(post: Post) -> None:
    post.charge(2)
    lock = lock_of(post)
    post.check = lambda: None  # the socket is open under power for a moment: that is the fault
    lock._move(False)
    post.settle()
    told = post.facts(2)
    assert told[0] == ("fault", "ConnectorLockFailure", "the lock opened by itself")
    assert ("stopped", "Other") in told and not post[2].closed


def test_lock_that_does_not_open_after_the_session_is_tried_again_when_the_vehicle_leaves(post: Post) -> None:
    post.charge(2)
    lock = lock_of(post)
    lock._move = lambda locked: None
    post[2].stop("Local")
    post.advance(6)
    assert ("fault", "ConnectorLockFailure", "the lock did not open") in post.facts(2)
    del lock._move
    post.sim.unplug(2)
    post.settle()
    assert not lock.locked and not post[2].faults.present


def test_unlock_command(post: Post) -> None:
    post.sim.plug(2)
    post[2].unlock(1)
    post.settle()
    assert lock_facts(post) == [("lock", 1, False)]


def test_unlock_command_with_a_broken_lock_is_answered_every_time(post: Post) -> None:
    post.sim.lock(2, False)
    post[2].unlock(1)
    post.settle()
    assert lock_facts(post) == [("fault", "ConnectorLockFailure", "the lock does not unlock")]
    post[2].unlock(1)
    post.settle()
    assert lock_facts(post) == [("lock", 1, True)]


def test_unlock_command_under_a_live_session_is_refused(post: Post) -> None:
    post.charge(2)
    post[2].unlock(1)
    post.settle()
    assert lock_facts(post) == [("lock", 1, True)]
    assert lock_of(post).locked and post[2].closed


def test_unlock_command_right_after_a_stop_is_answered_once_it_may_open(post: Post) -> None:
    post.charge(2)
    post[2].stop("Remote")
    post[2].unlock(1)
    post.settle()
    assert lock_facts(post) == [("lock", 1, False)]
    assert not lock_of(post).locked


def test_unlock_command_for_a_fixed_cable_and_an_unknown_connector(post: Post) -> None:
    post[1].unlock(1)
    assert [fact for fact in post.facts(1, readings=True) if fact[0] == "lock"] == [("lock", 1, True)]
    with pytest.raises(UsageError, match="connector 2"):
        post[1].unlock(2)


def test_welded_contactor_keeps_the_socket_locked(post: Post) -> None:
    post.charge(2)
    post.sim.fault(2, "WeldedContactor")
    post.advance(10)
    assert ("stopped", "Other") in post.facts(2)
    assert lock_of(post).locked, "the socket is live"
    post[2].unlock(1)
    assert lock_facts(post) == [("lock", 1, True)]
    post.sim.clear(2, "WeldedContactor")
    post.settle()
    assert not lock_of(post).locked


def test_E09_FR_02_unlocks_when_the_vehicle_is_unplugged(post: Post) -> None:
    post.settings.unlock_on_disconnect = True
    post.charge(2)
    post.sim.unplug(2)
    post.settle()
    assert not lock_of(post).locked


def test_E09_FR_03_stays_locked_until_the_next_authorization(post: Post) -> None:
    post.settings.unlock_on_disconnect = False
    post.charge(2)
    post.sim.unplug(2)
    post.advance(1000)
    assert ("stopped", "EVDisconnected") in post.facts(2)
    assert lock_of(post).locked
    post[2].authorize()
    post.settle()
    assert not lock_of(post).locked


def test_E10_FR_01_stays_locked_while_the_session_lives_and_has_no_time_limit(post: Post) -> None:
    post.settings.stop_on_disconnect = False
    post.settings.unlock_on_disconnect = True
    post.charge(2)
    post.sim.unplug(2)
    post.advance(1000)
    assert lock_of(post).locked and post[2].authorized
    post[2].stop("Local")
    post.settle()
    assert not lock_of(post).locked


def test_a_fault_releases_a_cable_that_was_kept(post: Post) -> None:
    post.settings.unlock_on_disconnect = False
    post.charge(2)
    post.sim.unplug(2)
    post.settle()
    post.sim.power("loss")
    post.settle()
    assert not lock_of(post).locked


def test_a_lock_on_its_way_counts_only_when_it_confirms(post: Post) -> None:
    post.charge(2)
    lock_of(post).delay_s = 0.5
    post[2].stop("Local")
    post.advance(0.1)
    post[2].authorize()
    post.advance(0.1)
    assert lock_of(post).locked, "still where it was, but told to open and to lock again since"
    assert post[2].offered_a is None
    post.advance(0.5)
    assert post[2].closed
