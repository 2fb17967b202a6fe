"""Reading a meter: latency and CPU of a request beside minimalmodbus and pymodbus, and the memory of the driver.

    python bench/modbus.py [--json] [--requests 200] [--baud 9600]

Each client has a meter of its own, a process behind a pseudo terminal, and they ask in turn. With a pace the bytes come
as fast as a line of that speed carries them, eight at a time as from a UART's FIFO. Patterns: `spaced`, as a station
asks (the line was silent, and what counts is the answer), and `in a row`, where the silence of 3.5 characters before
each request counts (pymodbus' asynchronous client keeps none). CPU is that of the asking process. Memory is what a
driver with one meter adds to a process started as the station's is: private pages, byte code as for the daemon.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import marshal
import os
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from evse.shell.loop import Loop  # noqa: E402
from hal.modbus import Bus, crc16  # noqa: E402

# Registers of a request: a value, and all that a three-phase meter measures.
SIZES = (2, 76)
SPACE_S = 0.02
Samples = dict[str, list[float]]


def meter(fd: int, character_s: float) -> None:
    """The process at the other end: answers every request at once, its bytes paced if the line has a speed."""
    data = b""
    while True:
        data += os.read(fd, 256)
        while len(data) >= 8:
            question, data = data[:8], data[8:]
            unit, function, address, count = struct.unpack(">BBHH", question[:6])
            if character_s:
                time.sleep(8 * character_s)
            registers = struct.pack(f">{count}H", *range(address, address + count))
            body = bytes((unit, function, 2 * count)) + registers
            answer = body + crc16(body)
            if not character_s:
                os.write(fd, answer)
                continue
            due = time.monotonic()
            for start in range(0, len(answer), 8):
                part = answer[start : start + 8]
                due += len(part) * character_s
                time.sleep(max(0.0, due - time.monotonic()))
                os.write(fd, part)


class Line:
    """A pseudo terminal with the meter's process at its other end."""

    def __init__(self, character_s: float) -> None:
        near, far = os.openpty()
        tty.setraw(far)
        self.device = os.ttyname(far)
        self._fds = (near, far)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                meter(near, character_s)
            finally:
                os._exit(0)

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        for fd in self._fds:
            os.close(fd)


def measure(
    asks: dict[str, Callable[[int], list[int]]], size: int, requests: int, space_s: float
) -> dict[str, dict[str, float]]:
    """Milliseconds of a request by client: median and 95th of latency, mean of CPU.

    They ask in turn, so that whatever else the machine does hits all of them alike.
    """
    wanted = list(range(size))
    taken: dict[str, list[float]] = {name: [] for name in asks}
    cpu = dict.fromkeys(asks, 0.0)
    for count in range(-3, requests):
        for name, ask in asks.items():
            if space_s:
                select.select([], [], [], space_s)
            else:
                ask(size)  # the line was just in use: what follows has to keep its silence
            used, start = time.process_time(), time.monotonic()
            got = ask(size)
            if count >= 0:
                taken[name].append(1000 * (time.monotonic() - start))
                cpu[name] += time.process_time() - used
            assert got == wanted
    return {name: _summary(sorted(taken[name]), cpu[name]) for name in asks}


def _summary(taken: list[float], cpu_s: float) -> dict[str, float]:
    return {
        "ms": round(statistics.median(taken), 3),
        "p95_ms": round(taken[int(len(taken) * 0.95)], 3),
        "cpu_ms": round(1000 * cpu_s / len(taken), 3),
    }


def ours(device: str, baud: int) -> tuple[Callable[[int], list[int]], Callable[[], Any]]:
    loop = Loop()
    bus = Bus({"device": device, "baud": baud})
    bus.open(loop)
    unit = bus.unit(1)
    answers: list[Any] = []

    def done(data: bytes | None, error: Any) -> None:
        answers.append(data if error is None else error)
        loop.stop()

    def ask(size: int) -> list[int]:
        unit.read(4, 0, size, done)
        loop.run_forever()
        return list(struct.unpack(f">{size}H", answers.pop()))

    return ask, bus.close


def with_minimalmodbus(device: str, baud: int) -> tuple[Callable[[int], list[int]], Callable[[], Any]]:
    import minimalmodbus

    instrument = minimalmodbus.Instrument(device, 1)
    instrument.serial.baudrate = baud
    instrument.serial.timeout = 1
    return lambda size: list(instrument.read_registers(0, size, 4)), instrument.serial.close


def with_pymodbus(device: str, baud: int) -> tuple[Callable[[int], list[int]], Callable[[], Any]]:
    from pymodbus.client import ModbusSerialClient

    client = ModbusSerialClient(device, baudrate=baud, timeout=1)
    client.connect()
    return lambda size: client.read_input_registers(0, count=size, device_id=1).registers, client.close


def with_pymodbus_async(device: str, baud: int) -> tuple[Callable[[int], list[int]], Callable[[], Any]]:
    from pymodbus.client import AsyncModbusSerialClient

    loop = asyncio.new_event_loop()

    async def connect() -> Any:
        client = AsyncModbusSerialClient(device, baudrate=baud, timeout=1)
        await client.connect()
        return client

    client = loop.run_until_complete(connect())

    def ask(size: int) -> list[int]:
        answer = loop.run_until_complete(client.read_input_registers(0, count=size, device_id=1))
        registers: list[int] = answer.registers
        return registers

    def close() -> None:
        client.close()
        loop.close()

    return ask, close


CLIENTS = {
    "ours": ours,
    "minimalmodbus": with_minimalmodbus,
    "pymodbus": with_pymodbus,
    "pymodbus async": with_pymodbus_async,
}

_COMPILE = "import sys; sys.path.insert(0, sys.argv[1]); from evse.bytecode import main; main(*sys.argv[1:])"
# What the station's process does with one meter, and what it has loaded before.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import marshal, posix, time, fcntl, select
from evse.shell.loop import Loop
from hal.board import Board
def private_kib():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private"))
loop = Loop()
board = Board("bench")
board.resources = {"serial": {"bus": {"device": sys.argv[3], "baud": 115200}}}
loop.call_later(0.01, loop.stop); loop.run_forever()
private_kib(); before = private_kib()
with open(sys.argv[2], "rb") as file:
    options = marshal.loads(file.read())
from hal.drivers.modbus_meter import make_meter
meter = make_meter(options, 1, board)
readings = []
def hear(event, *values):
    readings.append(1)
    del readings[:-1]
meter.start(loop, hear)
end = time.monotonic() + 3
while time.monotonic() < end:
    loop.run_once(0.1)
assert readings and meter.problem is None, meter.problem
print(private_kib() - before)
"""


def driver_memory(runs: int) -> int:
    """Private KiB that one Modbus meter adds to the station's process, median."""
    from hal import meterfile

    found = []
    with tempfile.TemporaryDirectory() as scratch:
        options = {"port": "bus", "unit": 1, "interval_s": 0.1, "map": meterfile.load("eastron-sdm630")}
        path = Path(scratch) / "options.bin"
        path.write_bytes(marshal.dumps(options))
        flags = [sys.executable, "-I", "-S", "-OO", "-X", f"pycache_prefix={scratch}/pycache"]
        skip = "evse/commands evse/csms evse/ocpp/typed"
        compiling = [*flags, "-c", _COMPILE, str(ROOT), skip, "evse", "hal"]
        subprocess.run(compiling, check=True, stdout=subprocess.DEVNULL)
        for _ in range(runs):
            line = Line(0)
            command = [*flags, "-c", DRIVER, str(ROOT), str(path), line.device]
            found.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            line.close()
    return round(statistics.median(found))


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency, CPU and memory of reading a Modbus meter.")
    parser.add_argument("--json", action="store_true", help="machine-readable result")
    parser.add_argument("--requests", type=int, default=200, help="requests a row without a pace; a fifth with one")
    parser.add_argument("--baud", type=int, default=9600, help="speed of the line")
    parser.add_argument("--memory-runs", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rows = []
    for paced in (False, True):
        lines = {name: Line(10 / arguments.baud if paced else 0) for name in CLIENTS}
        clients = {name: make(lines[name].device, arguments.baud) for name, make in CLIENTS.items()}
        asks = {name: ask for name, (ask, _) in clients.items()}
        requests = max(arguments.requests // 5, 10) if paced else arguments.requests
        for size in SIZES:
            for pattern, space_s in (("spaced", SPACE_S), ("in a row", 0.0)):
                found = measure(asks, size, requests, space_s)
                row = {"paced": paced, "registers": size, "pattern": pattern}
                rows += [{"client": name, **row, **found[name]} for name in CLIENTS]
        for name, (_, close) in clients.items():
            close()
            lines[name].close()
    memory_kib = driver_memory(arguments.memory_runs)
    if arguments.json:
        print(json.dumps({"baud": arguments.baud, "rows": rows, "driver_private_kib": memory_kib}, indent=1))
        return
    print(f"{'client':<16}{'line':<10}{'registers':>9}  {'pattern':<10}{'ms':>9}{'p95 ms':>9}{'CPU ms':>9}")
    for row in rows:
        speed = f"{arguments.baud} Bd" if row["paced"] else "unpaced"
        print(
            f"{row['client']:<16}{speed:<10}{row['registers']:>9}  {row['pattern']:<10}"
            f"{row['ms']:>9.2f}{row['p95_ms']:>9.2f}{row['cpu_ms']:>9.3f}"
        )
    print(f"one meter adds {memory_kib} KiB private to the station's process")


if __name__ == "__main__":
    main()
