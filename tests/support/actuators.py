"""The world around actuators: a contactor, a lock, a vehicle's pilot, boards behind serial lines, as drivers meet them.

Each holds a board with one real driver (`board` or `devices`), `start()`s it, and keeps what it reported: `told()`.
"""

from __future__ import annotations

import os
import tty
from pathlib import Path
from typing import Any

from hal import mcuframes
from hal.board import load_board
from hal.mcuframes import CHARGE_CONTROL, CHARGE_STATE
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.openevse import OpenEvse
from tests.support.outlets import board_file

Heard = list[tuple[Any, ...]]


def bench(**contactor: Any) -> dict[str, Any]:
    """A simulated board with a real contactor and real inputs."""
    board = board_file("simulated-ac-1")
    board["gpio"] = {
        "coil": {"line": "COIL", "direction": "out", "active": "low", "safe": "inactive"},
        "mirror": {"line": "MIRROR", "direction": "in", "active": "low", "bias": "pull_up", "debounce_ms": 10},
        "stop": {"line": "STOP", "direction": "in", "active": "high"},
        "trip": {"line": "TRIP", "direction": "in"},
        "test": {"line": "TEST", "direction": "out", "safe": "inactive"},
        "reset": {"line": "RESET", "direction": "out", "safe": "inactive"},
    }
    options = {"driver": "gpio", "coil": "coil", "feedback": "mirror", **contactor}
    board["evse"][0]["contactor"] = {name: value for name, value in options.items() if value is not None}
    board["evse"][0]["sensor"] = [
        {"driver": "gpio", "line": "stop", "fault": "EmergencyStop", "detail": "pressed"},
        {"driver": "rcd", "line": "trip", "test": "test", "reset": "reset"},
    ]
    return board


class Plant:
    """The contactor of the world outside: 20 ms after the coil its contacts move, the mirror contact (nc) with them."""

    def __init__(self, root: Path, **contactor: Any) -> None:
        self.loop = FakeLoop()
        self.kernel = FakeKernel(root)
        self.kernel.chip("chip", dict(enumerate(("COIL", "MIRROR", "STOP", "TRIP", "TEST", "RESET"))))
        wires = self.kernel.wires
        self.coil, self.mirror, self.stop = wires["COIL"], wires["MIRROR"], wires["STOP"]
        self.trip, self.test, self.reset = wires["TRIP"], wires["TEST"], wires["RESET"]
        self.contacts = self.welded = self.dead = False
        self.rcd = True  # works
        self.breaks = contactor.get("feedback_contact", "nc") == "nc"
        self.coil.moved = lambda high: self.loop.call_later(0.02, self.move)
        self.test.moved = lambda high: self.loop.call_later(0.05, self.trip.drive, high and self.rcd)
        self.board = load_board(bench(**contactor), kernel=self.kernel)
        self.contactor = self.board.evses[1].contactor
        self.heard: Heard = []

    def move(self) -> None:
        driven = not self.coil.high
        if driven and not self.dead:
            self.contacts = True
        elif not driven and not self.welded:
            self.contacts = False
        self.mirror.drive(self.contacts == self.breaks)  # active = low: where it is closed it pulls the line down

    def start(self, first_s: float = 10.0) -> Plant:
        self.contactor.start(self.loop, self.hear)
        self.loop.advance(first_s)
        return self

    def hear(self, *event: Any) -> None:
        self.heard.append(event)

    def told(self) -> Heard:
        heard, self.heard = self.heard, []
        return heard


class Socket:
    """A bolt that the motor moves; 300 ms of driving brings it from one end to the other."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.loop = FakeLoop()
        self.kernel = FakeKernel(root)
        self.kernel.chip("chip", dict(enumerate(("IN1_N", "IN2", "SWITCH"))))
        wires = self.kernel.wires
        self.out, self.home, self.switch = wires["IN2"], wires["IN1_N"], wires["SWITCH"]
        self.adc = self.kernel.adc("2198000.adc", {0: 3000, 4: 12000})
        self.stuck = False
        self.both = False
        self.driven: list[tuple[bool, float]] = []
        self.since: tuple[bool, float] | None = None
        self.out.moved = lambda high: self.motor(True, high)
        self.home.moved = lambda high: self.motor(False, not high)
        board = board_file("simulated-ac-2")
        board["gpio"] = {
            "forward": {"line": "IN2", "direction": "out", "safe": "inactive"},
            "reverse": {"line": "IN1_N", "direction": "out", "active": "low", "safe": "inactive"},
            "switch": {"line": "SWITCH", "direction": "in"},
        }
        board["adc"] = {
            "wiper": {"device": "2198000.adc", "channel": 0},
            "store": {"device": "2198000.adc", "channel": 4},
        }
        lock = {"driver": "motor", "forward": "forward", "reverse": "reverse", "profile": "hella", **options}
        board["evse"][1]["connector"][0]["lock"] = lock
        self.lock = load_board(board, kernel=self.kernel).evses[2].locks[1]
        self.heard: list[tuple[Any, ...]] = []

    def motor(self, forward: bool, on: bool) -> None:
        self.both = self.both or (self.out.high and not self.home.high)
        if on:
            self.since = (forward, self.loop.time())
        elif self.since and self.since[0] == forward:
            lasted_s, self.since = self.loop.time() - self.since[1], None
            self.driven.append((forward, round(lasted_s, 3)))
            if lasted_s >= 0.3 and not self.stuck:
                self.move(forward)

    def move(self, locked: bool) -> None:
        self.switch.drive(locked)
        (self.adc / "in_voltage0_raw").write_text("1000" if locked else "3000")

    def start(self) -> Socket:
        self.lock.start(self.loop, lambda *event: self.heard.append(event))
        self.loop.settle()
        return self

    def told(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard


VOLTS = {"A": 12, "B": 9, "C": 6, "D": 3, "E": 0, "F": -12}


class Contact:
    """Pilot and proximity contact of a socket, in millivolts; peaks are there once the detectors were emptied."""

    def __init__(self, root: Path, loop: FakeLoop, exported: bool = True, **options: Any) -> None:
        self.loop = loop
        self.kernel = FakeKernel(root)
        self.pwm = self.kernel.pwm("20fc000.pwm", 0, number=3, exported=exported)
        self.adc = self.kernel.adc("2198000.adc", {2: 28013, 3: 16013, 5: 2700})
        self.kernel.chip("chip", {0: "RST_P", 1: "RST_N"})
        board = board_file("simulated-ac-1")
        out = {"direction": "out", "safe": "inactive"}
        board["gpio"] = {"p": {"line": "RST_P", **out}, "n": {"line": "RST_N", **out}}
        board["pwm"] = {"pilot": {"device": "20fc000.pwm", "channel": 0}}
        board["adc"] = {
            name: {"device": "2198000.adc", "channel": channel, "offset_mv": offset_mv}
            for name, channel, offset_mv in (("pos", 2, -16013), ("neg", 3, -16013), ("prox", 5, 0))
        }
        pilot = {"driver": "pwm", "pwm": "pilot", "positive": "pos", "negative": "neg", **options}
        board["evse"][0]["pilot"] = pilot | {"positive_reset": "p", "negative_reset": "n"}
        self.board = load_board(board, kernel=self.kernel)
        self.pilot = self.board.evses[1].pilot
        self.heard: list[tuple[Any, ...]] = []
        self.show("A")

    def start(self) -> Contact:
        self.pilot.start(self.loop, lambda *event: self.heard.append(event))
        self.loop.advance(0.3)
        return self

    def show(self, letter: str, negative: float | None = None, volts: float | None = None) -> None:
        positive = VOLTS[letter] if volts is None else volts
        running = 0 < self.duty() < 1
        negative = (-12 if running else positive) if negative is None else negative
        for channel, value in ((2, positive), (3, negative)):
            (self.adc / f"in_voltage{channel}_raw").write_text(str(round(value * 1000) + 16013))

    def duty(self) -> float:
        if not self.pwm.exists() or not (period := int((self.pwm / "period").read_text())):
            return 0.0
        return int((self.pwm / "duty_cycle").read_text()) / period

    def told(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard


class Post:
    """A station's pilot and contactor at an OpenEVSE board."""

    def __init__(self, loop: FakeLoop, **options: Any) -> None:
        self.loop = loop
        self.peer = OpenEvse(loop)
        board = board_file("openevse")
        board["serial"]["controller"]["device"] = self.peer.path
        board["evse"][0]["pilot"].update(options)
        for name in ("meter", "reader"):
            del board[name]
        del board["evse"][0]["meter"]
        self.board = load_board(board)
        self.devices = self.board.evses[1]
        self.heard: list[tuple[Any, ...]] = []

    def start(self) -> Post:
        for device in (self.devices.contactor, self.devices.pilot):
            device.start(self.loop, lambda *event: self.heard.append(event))
        self.until(lambda: ("contactor", False) in self.heard and self.peer.asleep)
        self.run(0.1)
        return self

    def until(self, condition: Any) -> None:
        self.loop.until(condition)

    def run(self, seconds: float) -> None:
        """Time passes in steps in which the two can talk."""
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.advance(min(0.1, end - self.loop.now))
            self.loop.breathe()

    def told(self) -> list[tuple[Any, ...]]:
        heard, self.heard = self.heard, []
        return heard

    def close(self) -> None:
        for device in (self.devices.contactor, self.devices.pilot):
            device.close()
        self.peer.close()


class Controller:
    """The safety controller on a pseudo terminal; silent for 300 ms it opens. Its ChargeState is made up."""

    def __init__(self, loop: FakeLoop, root: Path) -> None:
        self.loop = loop
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.parser = mcuframes.Parser()
        self.letter = 1
        self.diode = False
        self.mute = False
        self.heard: list[bytes] = []
        loop.add_reader(self.master, self.read)
        self.kernel = FakeKernel(root)
        self.kernel.chip("chip", {0: "RESET"})
        board = board_file("openevse")
        board["serial"]["controller"]["device"] = os.ttyname(self.slave)
        board["gpio"] = {"reset": {"line": "RESET", "direction": "out", "active": "low", "safe": "inactive"}}
        for name in ("meter", "reader"):
            del board[name]
        evse = board["evse"][0]
        del evse["meter"]
        evse["pilot"] = {"driver": "chargebyte-mcu", "port": "controller", "reset": "reset", "letter_bits": [40, 3]}
        evse["pilot"] |= {"letters": ".ABCDEF", "contactor_bits": [24, 1], "diode_bits": [47, 1]}
        evse["contactor"] = {"driver": "chargebyte-mcu"}
        self.devices = load_board(board, kernel=self.kernel).evses[1]
        self.told: list[tuple[Any, ...]] = []
        for device in (self.devices.contactor, self.devices.pilot):
            device.start(loop, lambda *event: self.told.append(event))

    def read(self) -> None:
        for id, data in self.parser.feed(os.read(self.master, 4096)):
            assert id == CHARGE_CONTROL
            self.heard.append(data)
            if not self.mute:
                closed = data[2] & 1 and self.letter == 3
                value = self.letter << 40 | closed << 24 | self.diode << 47
                os.write(self.master, mcuframes.frame(CHARGE_STATE, value.to_bytes(8, "big")))

    def run(self, seconds: float) -> None:
        end = self.loop.now + seconds
        while self.loop.now < end:
            self.loop.advance(0.1)
            self.loop.breathe()

    def close(self) -> None:
        for device in (self.devices.contactor, self.devices.pilot):
            device.close()
        self.loop.remove_reader(self.master)
        os.close(self.master)
        os.close(self.slave)
