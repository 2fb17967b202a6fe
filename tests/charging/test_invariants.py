"""Random sequences of everything that can happen: safe after every event, and every session can be ended."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from evse.charging.faults import NOTICES
from evse.charging.states import LIVE
from hal.interfaces import FAULTS
from hal.simulated.vehicle import TRAITS
from tests.support.outlets import Post, board_file

EVSE = 2  # the socket: it can do all that the fixed cable can, and be locked


def two_evses() -> dict[str, Any]:
    """The first is left alone: that its meter speaks every second is of no use to anybody."""
    board = board_file("simulated-ac-2")
    board["meter"][0]["interval_s"] = 5.0
    return board


class Storm:
    """Does something random, remembers what was promised."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        pick = self.random.choice
        board = two_evses()
        if pick([True, False]):
            switch = {"driver": "simulated", "pause_s": pick([0, 10]), "delay_s": pick([0.0, 0.05, 0.4])}
            board["evse"][EVSE - 1]["phase_switch"] = switch
        self.post = Post(
            board,
            stop_on_disconnect=pick([True, False]),
            unlock_on_disconnect=pick([True, False]),
            free_vending=pick([True, False, False, False]),
            min_close_interval_s=pick([0.0, 0.0, 10.0]),
            connection_timeout_s=pick([None, 30.0]),
        )
        self.outlet = self.post.sim.outlet(EVSE)
        for device in (self.outlet.contactor, *self.outlet.locks):
            device.delay_s = pick([0.0, 0.0, 0.05, 0.4])
        self.outlet.vehicle.answer_s = pick([0.0, 0.3])
        self.switch = self.post.board.evses[EVSE].phase_switch
        if self.switch is not None:
            self.switch._move = self.moved
        self.faults: set[str] = set()
        self.done: list[str] = []

    def moved(self, phases: int) -> None:
        """The phase switch moves: under an open contactor alone."""
        assert not self.outlet.contactor.closed or phases == self.outlet.path
        type(self.switch)._move(self.switch, phases)

    def step(self) -> None:
        name = self.random.choice(self.VERBS)
        self.done.append(name)
        getattr(self, name)()
        self.post.check()
        if self.random.random() < 0.7:
            self.post.advance(self.random.choice([0, 0, 0.01, 0.1, 0.5, 3, 20]))

    VERBS = (
        "plug plug plug unplug suspend resume authorize authorize authorize stop limit limit permit unlock "
        "fault clear misbehave lock meter pilot setting emergency power glitch"
    ).split()

    def plug(self) -> None:
        if not self.outlet.vehicle.plugged:
            self.post.sim.plug(EVSE, phases=self.random.choice([1, 3]), current=self.random.choice([0, 6, 32]))

    def unplug(self) -> None:
        self.post.sim.unplug(EVSE)

    def suspend(self) -> None:
        if self.outlet.vehicle.plugged:
            self.post.sim.suspend(EVSE)

    def resume(self) -> None:
        if self.outlet.vehicle.plugged:
            self.post.sim.resume(EVSE)

    def misbehave(self) -> None:
        if self.outlet.vehicle.plugged:
            self.post.sim.misbehave(EVSE, self.random.choice(TRAITS), self.random.choice([True, False]))

    def authorize(self) -> None:
        self.post[EVSE].authorize()

    def stop(self) -> None:
        self.post[EVSE].stop("Local")

    def limit(self) -> None:
        source = self.random.choice(["schedule", "site"])
        phases = self.random.choice([None, None, 1])
        self.post[EVSE].limit(source, self.random.choice([None, 0, 3, 6, 10.5, 32, 80]), phases)

    def permit(self) -> None:
        self.post[EVSE].permit(self.random.choice([True, True, False]))

    def unlock(self) -> None:
        self.post[EVSE].unlock(1)

    def fault(self) -> None:
        code = self.random.choice(FAULTS)
        self.faults.add(code)
        self.post.sim.fault(EVSE, code)

    def clear(self) -> None:
        for code in sorted(self.faults):
            self.post.sim.clear(EVSE, code)
        self.faults.clear()

    def lock(self) -> None:
        self.post.sim.lock(EVSE, self.random.choice([True, True, False]))

    def meter(self) -> None:
        self.post.sim.meter(EVSE, self.random.randint(0, 10_000))

    def pilot(self) -> None:
        self.outlet.pilot.report("pilot", self.random.choice(["E", "F", None, self.outlet.vehicle.letter]))

    def setting(self) -> None:
        name = self.random.choice(["stop_on_disconnect", "unlock_on_disconnect"])
        setattr(self.post.settings, name, self.random.choice([True, False]))

    def emergency(self) -> None:
        self.post.sim.emergency_stop(self.random.choice([True, False]))

    def power(self) -> None:
        self.post.sim.power(self.random.choice(["loss", "restore", "restore"]))

    def glitch(self) -> None:
        """The contactor falls open by itself."""
        self.outlet.contactor._move(False)

    def calm(self) -> None:
        """Everything is repaired and the vehicle is gone."""
        self.post.sim.lock(EVSE, True)
        self.post.sim.power("restore")
        self.post.sim.emergency_stop(False)
        self.clear()
        self.post.sim.unplug(EVSE)
        self.outlet.pilot.report("pilot", "A")
        for name, value in (("stop_on_disconnect", True), ("unlock_on_disconnect", True), ("free_vending", False)):
            setattr(self.post.settings, name, value)
        self.post[EVSE].permit(True)
        for source in ("schedule", "site"):
            self.post[EVSE].limit(source, None)
        self.post.advance(30)


@pytest.mark.parametrize("block", range(10))
def test_contactor_closed_implies_live_authorization_and_no_fault_after_every_event(block: int) -> None:
    """2000 sequences of 25 events; `Post` checks after each one, and with every fact that is told."""
    for seed in range(block * 200, (block + 1) * 200):
        storm = Storm(seed)
        try:
            for _ in range(25):
                storm.step()
            end(storm)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {storm.done}") from error


def end(storm: Storm) -> None:
    """Whatever happened: a stop is answered once and in time, promises were kept, and the EVSE works again."""
    post = storm.post
    controller = post[EVSE]
    post.settings.free_vending = False
    post.advance(10)
    post.facts(EVSE)
    controller.stop("Remote")
    post.advance(10)
    stopped = [fact for fact in post.facts(EVSE) if fact[0] == "stopped"]
    assert len(stopped) == 1
    assert controller.state not in LIVE
    assert not controller.closed or storm.outlet.contactor.stuck
    storm.calm()
    assert controller.state == "idle" and controller.plugged is None and controller.charging_state == "Idle"
    assert set(controller.faults.present) <= set(NOTICES), controller.faults.present
    assert not storm.outlet.locks[0].locked
    post.facts(EVSE)
    post.sim.plug(EVSE)
    controller.authorize()
    post.advance(20)
    assert controller.closed, controller.state
    assert post.facts(EVSE)[0] == ("plugged", 1)


def test_every_authorization_ends_with_exactly_one_word() -> None:
    for seed in range(60):
        random = Random(seed)
        post = Post(two_evses(), stop_on_disconnect=random.choice([True, False]))
        given = ended = 0
        for _ in range(20):
            if not post[EVSE].authorized and post[EVSE].state in ("idle", "occupied"):
                post[EVSE].authorize()
                given += 1
            call = random.choice([(post.sim.unplug, EVSE), (post.sim.fault, EVSE, "Tamper"), (post.settle,)])
            if not post.sim.outlet(EVSE).vehicle.plugged and random.random() < 0.5:
                post.sim.plug(EVSE)
            post.advance(random.choice([0, 1, 100]))
            call[0](*call[1:])
            post.sim.clear(EVSE, "Tamper")
            post.advance(2)
            ended += sum(fact[0] in ("stopped", "connection_timeout") for fact in post.facts(EVSE))
            assert given - ended == int(post[EVSE].authorized), seed
