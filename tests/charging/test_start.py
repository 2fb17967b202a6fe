"""The start of a controller: nothing begins before the meter has said its first register, or had its time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.outlets import Post, board_file


def starting(**settings: Any) -> Post:
    """A post with a vehicle at it, whose meter has not spoken yet."""
    post = Post(start=False, **settings)
    post.sim.outlet(1).meter.silent = True
    for controller in post.controllers.values():
        controller.start(post.loop)
    post.sim.plug(1)
    post.advance(0)
    return post


def speak(post: Post) -> None:
    post.sim.outlet(1).meter.silent = False
    post.sim.meter(1, 5000)


def test_the_first_reading_is_told_before_all_else_and_the_session_begins_with_it() -> None:
    post = starting(free_vending=True)
    post.advance(1.5)
    assert not post[1].ready and post.facts(readings=True) == []
    speak(post)
    post.settle()
    told = post.facts(readings=True)
    fact, values, _ = told[0]
    assert fact == "reading" and values["Energy.Active.Import.Register", None] == 5000
    assert ("plugged", 1) in told and ("charging_state", "Charging") in told
    assert post[1].ready and post[1].state == "charging" and post[1].faults.present == {}


def test_a_meter_that_says_nothing_is_a_fault_after_two_seconds_and_nobody_charges() -> None:
    post = starting(free_vending=True)
    post.advance(2.0)
    assert post[1].ready and post[1].state == "occupied"
    assert ("fault", "MeterSilent", "no reading since the start") in post.facts()
    speak(post)
    post.settle()
    assert ("cleared", "MeterSilent") in post.facts() and post[1].state == "charging"


def test_where_the_board_says_continue_a_session_begins_without_the_meter() -> None:
    board = board_file("simulated-ac-1")
    board["meter"][0]["on_loss"] = "continue"
    post = Post(board, start=False, free_vending=True)
    post.sim.outlet(1).meter.silent = True
    post[1].start(post.loop)
    post.sim.plug(1)
    post.advance(1.9)
    assert post[1].state == "idle"
    post.advance(0.2)
    assert post[1].state == "charging" and "MeterSilent" in post[1].faults.present


def test_what_is_commanded_meanwhile_is_obeyed_then() -> None:
    post = starting()
    post[1].authorize()
    post[1].limit("schedule", 10)
    assert post[1].state == "idle"
    speak(post)
    post.settle()
    assert post[1].state == "charging" and post[1].offered_a == 10


@pytest.mark.parametrize("close_when", [0.5, 2.5])
def test_closed_at_any_time_it_stays_silent(close_when: float) -> None:
    post = starting()
    post.advance(close_when)
    post[1].close()
    post.facts(readings=True)
    speak(post)
    post.advance(10)
    assert post[1].ready and post.facts(readings=True) == []
