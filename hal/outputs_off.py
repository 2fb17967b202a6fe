"""evse-outputs-off: every output of the board to its safe level, pilots to state F, controllers asleep; then it ends.

For `ExecStopPost=` of the service: on most machines a relay stays as it is when the program that drove it is killed.

    evse-outputs-off [--board NAME | --config STATION_FILE]

Without either the board is told by the device tree. Exit code 0: all outputs are safe; 1: some could not be reached,
each is named on standard error. One that is in use is still driven by a running station.
"""

from __future__ import annotations

import argparse
import os
import sys
import termios
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from hal import machine
from hal.analogue import Pwm
from hal.boardfile import require
from hal.gpio import Gpio
from hal.interfaces import HalError
from hal.kernel import Kernel
from hal.rapi import frame
from hal.serialport import close_port, open_port

Table = dict[str, Any]
SIMULATED = "simulated-ac-1"


def main(argv: list[str] | None = None, kernel: Kernel | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="evse-outputs-off", description="Brings all outputs of a board to safety.")
    parser.add_argument("--board", metavar="NAME", help="board, or path of a board file")
    parser.add_argument("--config", metavar="FILE", help="station file, which names the board")
    args = parser.parse_args(argv)
    try:
        description = machine.load(_board_path(args))
        require(description)
    except (HalError, OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        print(f"evse-outputs-off: {error}", file=sys.stderr)
        return 1
    problems = list(switch_off(description, kernel or Kernel()))
    for problem in problems:
        print(f"evse-outputs-off: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _board_path(args: argparse.Namespace) -> str:
    if args.config is None:
        return machine.path_of(args.board or machine.detect())
    with open(args.config, "rb") as file:
        name: str = args.board or tomllib.load(file).get("board", SIMULATED)
    if "/" in name or name.endswith(".toml"):
        return os.path.join(os.path.dirname(os.path.abspath(args.config)), os.path.expanduser(name))
    return machine.path_of(machine.detect() if name == "auto" else name)


def switch_off(description: Table, kernel: Kernel) -> Iterator[str]:
    """Brings all that a checked board file names to safety; yields what could not be, in words, and goes on."""
    gpio = Gpio(description.get("gpio", {}), kernel)
    steps: list[Callable[[], Any]] = []
    for name, table in description.get("gpio", {}).items():
        if table["direction"] == "out":
            steps.append(lambda name=name: gpio.output(name).close())  # type: ignore[misc]
    for name, table in description.get("pwm", {}).items():
        steps.append(lambda name=name, table=table: Pwm(name, table, kernel, 1000.0))  # type: ignore[misc]
    for evse in description["evse"]:
        if evse["pilot"]["driver"] == "openevse":
            port = description["serial"][evse["pilot"]["port"]]
            steps.append(lambda port=port: _sleep(port))  # type: ignore[misc]
    for step in steps:
        try:
            step()
        except (HalError, OSError) as error:
            yield str(error)


def _sleep(port: Table) -> None:
    fd = open_port({"baud": 115200, **port})
    try:
        os.write(fd, b"\r" + frame("FS"))
        termios.tcdrain(fd)
    finally:
        close_port(fd)


if __name__ == "__main__":
    sys.exit(main())
