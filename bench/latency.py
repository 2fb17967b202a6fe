"""How quickly the contactor opens: from an edge at an input to the level of the coil, with OCPP traffic meanwhile.

    python bench/latency.py [--json] [--trials 100] [--messages-per-s 50] [--version 2.0.1]

The station runs in a process of its own with the real GPIO drivers over a kernel that pipes stand in for: the edge is
written here and stamped, the coil's level is stamped when the driver sets it. Meanwhile the CSMS asks for variables, so
often a second, and a simulated meter reads each second. What the kernel takes from pin to descriptor is not in it.

stop       emergency stop -> coil released
trip       residual current device -> coil released
unplug     the vehicle goes away (a line on the control socket, parsing included) -> coil released
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import sys
import tempfile
import time
import tomllib
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import ROOT, Central, median

from evse import daemon, prepare
from evse.app import Station
from evse.shell.log import Log
from evse.shell.loop import Loop
from tests.support.fakekernel import FakeKernel

LIMIT_MS = 20.0
LINES = {0: "COIL", 1: "MIRROR", 2: "STOP", 3: "TRIP"}
CONFIG = """
board = "board.toml"
[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]
security_profile = 0
[station]
vendor = "Acme"
model = "Bench"
"""
REQUESTS = {
    "1.6": ("GetConfiguration", {"key": ["HeartbeatInterval", "MeterValueSampleInterval"]}),
    "2.0.1": (
        "GetVariables",
        {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]},
    ),
}
REQUESTS["2.1"] = REQUESTS["2.0.1"]


def board() -> str:
    """The simulated board with a real contactor and real inputs; an RCD that is not latched, to be tried again."""
    text = (ROOT / "board_configs/simulated-ac-1.toml").read_text()
    text = text.replace('[evse.contactor]\ndriver = "simulated"\n', CONTACTOR).replace(
        '[[evse.sensor]]\ndriver = "simulated"\n', SENSORS
    )
    tomllib.loads(text)
    return text + LINES_OF_THE_BOARD


CONTACTOR = """[evse.contactor]
driver = "gpio"
coil = "coil"
feedback = "mirror"
min_close_interval_s = 0
"""
SENSORS = """[[evse.sensor]]
driver = "gpio"
line = "stop"
fault = "EmergencyStop"
clear_after_s = 0.02
[[evse.sensor]]
driver = "rcd"
line = "trip"
latch = false
clear_after_s = 0.02
"""
LINES_OF_THE_BOARD = """
[gpio.coil]
line = "COIL"
direction = "out"
safe = "inactive"
[gpio.mirror]
line = "MIRROR"
direction = "in"
[gpio.stop]
line = "STOP"
direction = "in"
[gpio.trip]
line = "TRIP"
direction = "in"
"""


def live(directory: Path, edges: int, coil: int) -> None:
    """The station's process: levels to set arrive on `edges` as (line, level), the coil's go to `coil` with a stamp."""
    kernel = FakeKernel(directory / "root")
    kernel.chip("bench", LINES)
    kernel.wires["MIRROR"].high = True
    loop = Loop(log=Log("error"))

    def moved(high: bool) -> None:
        os.write(coil, struct.pack("=q?", time.monotonic_ns(), high))
        loop.call_later(0.01, kernel.wires["MIRROR"].drive, not high)

    kernel.wires["COIL"].moved = moved

    def hear() -> None:
        line, level = os.read(edges, 2)
        kernel.wires[LINES[line]].drive(bool(level))

    config = daemon.load(prepare.prepare(str(directory / "station.toml"), str(directory)).config)
    station = Station(config, str(directory), str(directory / "c.sock"), loop, Log("error"))
    station.board._kernel = kernel
    loop.add_reader(edges, hear)
    station.start()
    loop.run_forever()


class Bench:
    """The station in a child, seen from outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        edges, self._edge = os.pipe()
        self._coil, coil = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                live(directory, edges, coil)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        for fd in (edges, coil):
            os.close(fd)
        self.control = socket.socket(socket.AF_UNIX)
        self._until(self._connected)

    def _connected(self) -> bool:
        try:
            self.control.connect(str(self.directory / "c.sock"))
        except OSError:
            return False
        return True

    def _until(self, condition: Any, limit_s: float = 15) -> Any:
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > end:
                raise SystemExit("the station does not do what it is asked to")
            time.sleep(0.005)
        return value

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        self.control.sendall(json.dumps({"id": 1, "cmd": command, **fields}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            data += self.control.recv(65536)
        answer: dict[str, Any] = json.loads(data)
        return answer

    def until_state(self, word: str) -> None:
        """Waits for a charging state, no fault left."""

        def there() -> bool:
            evse = self.ask("status")["evses"][0]
            return evse["charging_state"] == word and not evse["faults"]

        self._until(there)

    def edge(self, line: int, level: bool) -> None:
        os.write(self._edge, bytes((line, level)))

    def coil(self, level: bool) -> int:
        """Waits for the coil to get this level: when it did, in monotonic nanoseconds."""
        while True:
            when, high = struct.unpack("=q?", os.read(self._coil, 9))
            if high == level:
                return int(when)

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def trial(bench: Bench, what: str) -> float:
    """One session and its end: milliseconds from cause to coil."""
    bench.until_state("Idle")
    bench.ask("plug", evse=1)
    bench.ask("swipe", token="CARD0001")
    bench.coil(True)
    bench.until_state("Charging")
    time.sleep(random.uniform(0, 0.06))  # in step with nothing
    begin = time.monotonic_ns()
    if what == "unplug":
        bench.control.sendall(b'{"id": 2, "cmd": "unplug", "evse": 1}\n')
    else:
        bench.edge(2 if what == "stop" else 3, True)
    milliseconds = (bench.coil(False) - begin) / 1e6
    if what == "unplug":
        bench.control.recv(65536)
    else:
        bench.edge(2 if what == "stop" else 3, False)
        bench.ask("unplug", evse=1)
    return milliseconds


async def load(central: Central, version: str, per_s: float, counts: dict[str, int]) -> None:
    """CALLs at this rate, in a steady stream; late ones are not made up for."""
    action, payload = REQUESTS[version]
    while True:
        begin = time.monotonic()
        try:
            await central.csms.call("CS001", action, payload)
            counts["answered"] += 1
        except (KeyError, TimeoutError):
            counts["failed"] += 1
        await asyncio.sleep(max(0.0, begin + 1 / per_s - time.monotonic()))


def measure(trials: int, per_s: float, version: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        central = Central()
        (directory / "board.toml").write_text(board())
        (directory / "station.toml").write_text(CONFIG.format(url=central.url, version=version))
        bench = Bench(directory)
        bench._until(lambda: bench.ask("status")["registration"] == "Accepted")
        counts = {"answered": 0, "failed": 0}
        task = asyncio.run_coroutine_threadsafe(load(central, version, per_s, counts), central._loop)
        begin = time.monotonic()
        found: dict[str, Any] = {}
        for what in ("stop", "trip", "unplug"):
            took = sorted(trial(bench, what) for _ in range(trials))
            found[what] = {"median_ms": median(took), "p99_ms": took[int(len(took) * 0.99)], "worst_ms": took[-1]}
        found["messages_per_s"] = round(counts["answered"] / (time.monotonic() - begin), 1)
        found["failed"] = counts["failed"]
        task.cancel()
        bench.close()
        central.close()
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--messages-per-s", type=float, default=50.0)
    parser.add_argument("--version", choices=REQUESTS, default="2.0.1")
    args = parser.parse_args()
    found = measure(args.trials, args.messages_per_s, args.version)
    if args.json:
        print(json.dumps(found))
    else:
        print(f"{found['messages_per_s']:g} messages a second answered, {found['failed']} not")
        for what in ("stop", "trip", "unplug"):
            words = ", ".join(f"{name.removesuffix('_ms')} {value:.2f} ms" for name, value in found[what].items())
            print(f"{what:7} {words}")
    return 0 if all(found[what]["worst_ms"] <= LIMIT_MS for what in ("stop", "trip", "unplug")) else 1


if __name__ == "__main__":
    sys.exit(main())
