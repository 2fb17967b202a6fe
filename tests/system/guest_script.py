"""Runs as the only program of the emulated Charge Control C (tests/system/test_guest.py); one line of JSON a fact."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from evse.shell.loop import Loop
from hal import gpio, machine, outputs_off
from hal.board import Board
from hal.boardfile import check
from hal.drivers.watchdog import Watchdog
from hal.gpio import Gpio
from hal.interfaces import HalError
from hal.kernel import Kernel

kernel = Kernel()
description: dict[str, Any] = machine.load(machine.path_of(machine.detect()))
lines = Gpio(description["gpio"], kernel)


def tell(name: str, value: Any) -> None:
    print(json.dumps([name, value]), flush=True)


def level(name: str) -> tuple[int, bool]:
    """Of a line, asked for as it is: (wire, whether it is an output)."""
    path, offset = lines.place(name)
    chip = kernel.open(path)
    request = bytearray(gpio.REQUEST.pack(offset, b"look", 0, 0, *[0] * 8, 1, 0, -1))
    kernel.ioctl(chip, gpio.GET_LINE, request)
    line = int.from_bytes(request[-4:], "little")
    values = bytearray(gpio.VALUES.pack(0, 1))
    kernel.ioctl(line, gpio.GET_VALUES, values)
    flags = gpio.lines(kernel, path, offset + 1)[offset][2]
    os.close(line)
    os.close(chip)
    return values[0] & 1, bool(flags & gpio.OUTPUT)


def turn(loop: Loop, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        loop.run_once(0.1)


tell("board", machine.detect())
tell("problems", check(description))
chips = [path for path, _, _ in gpio.chips(kernel)]
tell("missing", [name for name in description["gpio"] if lines.place(name)[0] not in chips])

relay = lines.output("relay1")
try:
    lines.output("relay1")
except HalError as error:
    tell("second owner", str(error))
relay.set(True)
relay.close()
tell("closed", level("relay1"))
lines.output("lock_unlock").close()
tell("safe and active low", level("lock_unlock"))

child = os.fork()
if not child:
    lines.output("relay1").set(True)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
tell("killed", level("relay1"))
tell("could not be switched off", list(outputs_off.switch_off({**description, "pwm": {}}, kernel)))
tell("switched off", level("relay1"))

loop = Loop()
seen: list[bool] = []
sense = lines.input("relay1_sense", loop, seen.append)
turn(loop, 0.3)
tell("input", [seen, sense.active])
sense.close()

hangs: list[str | None] = [None]
dog = Watchdog({"device": "/dev/watchdog0", "timeout_s": 3}, None, Board("guest", kernel=kernel))
dog.start(loop, lambda *event: None, lambda: hangs[0])
turn(loop, 5)
tell("fed", True)
dog.close()
time.sleep(4)
tell("alive after an orderly end", True)
dog.start(loop, lambda *event: tell("hangs", event[1]), lambda: hangs[0])
hangs[0] = "pilot"
turn(loop, 20)
tell("not reset", True)
