"""Hardware tools: what the machine has, one part of a board tried at a time, the meter on a line found.

For `evse hw`; with evse/app.py the only place where `evse` and `hal` meet. Front end only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from evse.app import check_board, this_board
from evse.commands.client import Client, NotRunning, socket_path
from evse.errors import HardwareError, UsageError
from evse.shell.loop import Loop
from hal import permissions
from hal.board import Board, EvseDevices, load_board
from hal.interfaces import HalError
from hal.inventory import inventory, text
from hal.kernel import Kernel

# What happens in the world, for whoever is to say yes.
_WARNINGS = {
    "relay": "the contactor of EVSE {evse} will close for a second: mains on the cable, nobody and no vehicle at it",
    "pilot": "the pilot of EVSE {evse} will offer {limit:g} A: no vehicle may be plugged in unless you mean it",
    "lock": "the lock of EVSE {evse} will close and open: no fingers in the socket",
    "led": "every light of the board will be lit for a second",
}
_HOLD_S = 1.0
_START_S = 1.0


# evse hw list


def show(args: argparse.Namespace) -> int:
    """`evse hw list`: the exit code."""
    found = inventory(Kernel())
    print(json.dumps(found) if args.json else text(found))
    return 0


# evse hw test


class Bench:
    """One board on one loop, for a moment."""

    def __init__(self, board: Board, quiet: bool = False) -> None:
        self.board = board
        self.loop = Loop()
        self.heard: list[tuple[str, Any]] = []
        self._quiet = quiet
        self._started: list[Any] = []
        self._begun = time.monotonic()

    def start(self, device: Any) -> None:
        """Starts a device; what it reports is shown."""
        self._started.append(device)
        device.start(self.loop, self._hear)

    def _hear(self, event: str, *values: Any) -> None:
        self.heard.append((event, values))
        self.say(f"{event} {' '.join(map(_shown, values))}")

    def say(self, words: str) -> None:
        if not self._quiet:
            print(f"{time.monotonic() - self._begun:7.3f} s  {words}", flush=True)

    def wait(self, seconds: float, condition: Callable[[], Any] = lambda: False) -> bool:
        """Runs until the condition holds; False if it does not in that time."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.loop.run_once(min(left, 0.05))
        return True

    def settles(self, seconds: float, event: str, value: Any) -> bool:
        """Waits for a value, or a fault: False."""
        self.wait(seconds, lambda: self.has(event, value) or self.has("fault"))
        return self.has(event, value) and not self.has("fault")

    def has(self, event: str, *values: Any) -> bool:
        """The latest word of this event is these values."""
        latest = [said for name, said in self.heard if name == event]
        return bool(latest) and latest[-1][: len(values)] == values

    def close(self) -> None:
        for device in reversed(self._started):
            device.close()
        self.loop.close()


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}{'.' + phase if phase else ''} {number:g}" for (name, phase), number in value.items())
    return str(value)


def test(args: argparse.Namespace) -> int:
    """`evse hw test`: the exit code. Raises UsageError, HardwareError."""
    _refuse_while_running(args)
    board = _board(args)
    if args.evse not in board.evses:
        raise UsageError(f"there is no EVSE {args.evse}; this board has {', '.join(map(str, board.evses))}")
    if args.part in _WARNINGS and (args.part != "pilot" or args.limit):
        _ask(_WARNINGS[args.part].format(evse=args.evse, limit=args.limit or 0), args.yes)
    bench = Bench(board, args.json)
    try:
        good, why = _TESTS[args.part](bench, board.evses[args.evse], args)
    except HalError as error:
        good, why = False, str(error)
    finally:
        bench.close()
    if args.json:
        heard = [[name, *(_plain(value) for value in values)] for name, values in bench.heard]
        print(json.dumps({"ok": good, "part": args.part, "result": why, "events": heard}))
    else:
        print(f"{'passed' if good else 'FAILED'}: {why}")
    return 0 if good else 1


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {f"{name}.{phase}" if phase else name: number for (name, phase), number in value.items()}


def _refuse_while_running(args: argparse.Namespace) -> None:
    """A running station owns the hardware, and its session must not be disturbed. Raises UsageError."""
    path = socket_path(args)
    try:
        with Client(path):
            raise UsageError(f"a station runs (control socket {path}); stop it first: systemctl stop evse")
    except NotRunning:
        return


def _description(args: argparse.Namespace) -> dict[str, Any]:
    """The checked board file that is meant. Raises UsageError."""
    from evse import boards, stationfile

    if args.config is not None:
        named: dict[str, Any] = stationfile.load(args.config, board=args.board)["board"]
        return named
    name = args.board or "auto"
    name = this_board() if name == "auto" else name
    path = boards.find(os.path.abspath(name) if "/" in name or name.endswith(".toml") else name)
    description = boards.load(path)
    problems = check_board(description, path)
    if problems:
        raise UsageError("\n".join(problems))
    return description


def _board(args: argparse.Namespace) -> Board:
    try:
        return load_board(_description(args), checked=True)
    except HalError as error:
        raise HardwareError(error.code, error.detail) from None


def _ask(warning: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{warning}; say --yes if that is safe")
    print(f"{warning}\nIs that safe? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was done")


def _relay(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    """Refused with a vehicle at the pilot; waits for the contactor's least interval."""
    if getattr(evse.contactor, "autonomous", False):
        return False, "this board closes its relay by itself, and only for a vehicle that asks: try a session"
    bench.start(evse.contactor)
    if not type(evse.pilot).__module__.startswith("hal.simulated"):
        bench.start(evse.pilot)
        bench.wait(_START_S, lambda: bench.has("pilot"))
        if not bench.has("pilot", "A"):
            return False, "a vehicle is plugged in, or the pilot says nothing"
    bench.wait(_START_S, lambda: bench.has("contactor"))
    least_s = getattr(evse.contactor, "options", {}).get("min_close_interval_s", 10)
    for closed in (True, False):
        begun = time.monotonic()
        bench.say(f"told to {'close' if closed else 'open'}")
        evse.contactor.switch(closed)
        if not bench.settles(least_s + 2, "contactor", closed):
            return False, f"the contactor did not {'close' if closed else 'open'}"
        bench.say(f"confirmed after {(time.monotonic() - begun) * 1000:.0f} ms, the least interval included")
        bench.wait(_HOLD_S if closed else 0)
    return True, "the contactor closed and opened, and its mirror contact said so"


def _pilot(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    bench.start(evse.contactor)
    bench.start(evse.pilot)
    if args.limit:
        evse.pilot.offer(args.limit)
    bench.wait(args.seconds)
    evse.pilot.offer(None)
    if bench.has("fault"):
        return False, "the pilot reported a fault"
    letters = [values[0] for event, values in bench.heard if event == "pilot"]
    return bool(letters) and letters[-1] is not None, f"letters seen: {', '.join(map(str, letters)) or 'none'}"


def _meter(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    if evse.meter is None:
        return False, f"EVSE {evse.id} has no meter"
    bench.start(evse.meter)
    bench.wait(args.seconds, lambda: sum(event == "reading" for event, _ in bench.heard) >= 3)
    count = sum(event == "reading" for event, _ in bench.heard)
    problem = getattr(evse.meter, "problem", None)
    return count > 0, f"{count} readings" + (f"; {problem}" if problem else "")


def _rfid(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    readers = [reader for reader, served in bench.board.readers if evse.id in served]
    if not readers:
        return False, f"no reader belongs to EVSE {evse.id}"
    for reader in readers:
        bench.start(reader)
    bench.say(f"hold a card to the reader within {args.seconds:g} s")
    seen = bench.wait(args.seconds, lambda: bench.has("token"))
    return seen, "a card was read" if seen else "no card was read"


def _lock(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    if not evse.locks:
        return False, f"EVSE {evse.id} has no lock"
    for connector, lock in evse.locks.items():
        bench.start(lock)
        bench.wait(0.1)
        for locked in (True, False):
            bench.heard.clear()
            (lock.lock if locked else lock.unlock)()
            if not bench.settles(15, "lock", locked):
                return False, f"connector {connector} did not {'lock' if locked else 'unlock'}"
    return True, "locked and unlocked"


def _led(bench: Bench, evse: EvseDevices, args: argparse.Namespace) -> tuple[bool, str]:
    if not bench.board.leds:
        return False, "this board has no lights"
    for led in bench.board.leds:
        led.options = {**led.options, "on": ["available"], "blink": []}
        bench.start(led)
        led.show(led.evse_id or evse.id, "available")
    bench.wait(_HOLD_S)
    return True, f"{len(bench.board.leds)} lights were lit"


_TESTS = {"relay": _relay, "pilot": _pilot, "meter": _meter, "rfid": _rfid, "lock": _lock, "led": _led}


# evse hw meter --detect


def detect(args: argparse.Namespace) -> int:
    """`evse hw meter --detect`: the exit code. Raises UsageError, HardwareError."""
    from hal.meterscan import Scan, speeds

    _refuse_while_running(args)
    units = _numbers(args.units)
    found: list[dict[str, Any]] = []
    for speed in _speeds(args, speeds()):
        loop = Loop()
        words = f"{speed['baud']} Bd 8{speed['parity']}{speed['stop_bits']}"
        print(f"asking at {words} ...", file=sys.stderr, flush=True)
        with Scan(loop, {"device": args.port, "rs485": args.rs485, **speed}) as scan:
            if scan.problem is not None:
                raise HardwareError("Port", scan.problem.removeprefix("Port: "))
            for unit in scan.units(units):
                models = scan.models(unit)
                found.append({"unit": unit, **speed, "models": [model for model, _, _ in models]})
                _show_meter(args, unit, words, models)
        loop.close()
        if found:
            break
    if args.json:
        print(json.dumps({"ok": bool(found), "meters": found}))
    elif not found:
        print("nothing answers: check A and B, the address and speed in the meter's menu, and --units")
    return 0 if found else 1


def _speeds(args: argparse.Namespace, usual: list[dict[str, Any]]) -> list[dict[str, Any]]:
    fitting = [
        speed
        for speed in usual
        if args.baud in (None, speed["baud"]) and args.parity in (None, speed["parity"])
    ]
    return fitting or [{"baud": args.baud or 9600, "parity": args.parity or "N", "stop_bits": 1}]


def _show_meter(args: argparse.Namespace, unit: int, words: str, models: list[Any]) -> None:
    if args.json:
        return
    print(f"unit {unit} at {words}: {'no known map fits' if not models else ''}")
    for model, score, values in models[:5]:
        print(f"  {model} ({score} points)\n    {_shown(values)}")


def _numbers(given: str) -> list[int]:
    first, _, last = given.partition("-")
    try:
        numbers = list(range(int(first), int(last or first) + 1))
    except ValueError:
        numbers = []
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 247:
        raise UsageError(f"--units is an address or a range from 1 to 247, as in 1-10, not {given!r}")
    return numbers


# evse hw service


def service(args: argparse.Namespace) -> int:
    """`evse hw service`: the exit code. Raises UsageError."""
    description = _description(args)
    if args.json:
        print(json.dumps({"devices": permissions.devices(description), "writable": permissions.writable(description)}))
    else:
        print(permissions.drop_in(description, description["board"]["id"]), end="")
    return 0
