"""Readings: exact energy, age, fresh ones, and a register that jumps back."""

from __future__ import annotations

import pytest

from evse.charging.metering import Metering
from evse.clock import Clock
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import Post

REGISTER = "Energy.Active.Import.Register"


@pytest.mark.parametrize(("phases", "current", "energy_wh"), [(1, 32, 7360), (3, 16, 11040), (2, 6, 2760)])
def test_energy_of_an_hour_is_exact(phases: int, current: float, energy_wh: float) -> None:
    post = Post()
    post.sim.meter(1, 12345)
    post.charge(phases=phases, current=current)
    post.advance(1800.25)
    post[1].limit("schedule", 0)
    post.advance(500)
    post[1].limit("schedule", None)
    post.advance(1799.75)
    post[1].stop("Local")
    post.settle()
    assert post.reading(1, REGISTER) == pytest.approx(12345 + energy_wh, abs=0.001)


def test_age_of_the_latest_reading() -> None:
    post = Post()
    post.advance(5)
    post.sim.outlet(1).meter.silent = True
    post.advance(3.5)
    assert post[1].metering.age_s() == pytest.approx(3.5)


def test_register_that_jumps_back_in_a_session_is_logged_and_the_energy_goes_on() -> None:
    post = Post()
    post.sim.meter(1, 5000)
    post.charge(current=16)
    post.advance(3600)
    assert post.reading(1, REGISTER) == pytest.approx(5000 + 3680)
    post.sim.meter(1, 100)
    assert post.reading(1, REGISTER) == pytest.approx(5000 + 3680)
    text, fields = post.log.lines[0]
    assert text == "meter register jumped back"
    assert fields == {"before_wh": pytest.approx(8680), "now_wh": 100}
    post.advance(3600)
    assert post.reading(1, REGISTER) == pytest.approx(5000 + 2 * 3680)
    post[1].stop("Local")
    post.settle()
    post.advance(2)
    assert post.reading(1, REGISTER) == pytest.approx(100 + 3680), "the meter's own register once the session is over"


def test_register_that_jumps_forward_is_taken_as_it_is() -> None:
    post = Post()
    post.charge()
    post.sim.meter(1, 1_000_000)
    assert post.reading(1, REGISTER) == 1_000_000
    assert post.log.lines == []


def test_register_set_back_without_a_session_is_logged_and_shown() -> None:
    post = Post()
    post.sim.meter(1, 500)
    post.sim.meter(1, 400)
    assert post.reading(1, REGISTER) == 400
    assert len(post.log.lines) == 1


def test_without_a_meter_nothing_is_waited_for() -> None:
    loop = FakeLoop()
    metering = Metering(None, loop._timers, Clock(monotonic=loop.time), lambda silent: None, 10.0)
    metering.watch(list)
    done: list[float] = []
    metering.fresh(lambda: done.append(loop.time()))
    loop.advance(100)
    assert done == [1000.0]
    assert metering.age_s() is None and metering.phases() is None and metering.peak_a() == 0


def test_phases_that_carry_current() -> None:
    post = Post()
    assert post[1].metering.phases() is None
    post.charge(phases=2)
    assert post[1].metering.phases() == 2
