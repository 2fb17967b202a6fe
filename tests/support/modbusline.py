"""Meters on a line for tests: pymodbus as the server, two pseudo terminals and a thread in between as the wire.

    with ModbusLine({1: {4: {0x0000: 0x4366, 0x0001: 0x3334}}}) as line:        unit -> function -> address -> register
        bus = Bus({"device": line.device, "baud": 115200})
        line.to_master = lambda data: data[:-1] + b"?"                          what the wire does to each answer

Registers that are not there are refused with exception 2. `registers` may be changed at any time; what is written to
holding registers is kept in `written` as (unit, address, [registers]) and goes through `on_write` if that is set.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
import tomllib
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymodbus.client import ModbusSerialClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hal.meterfile import DIRECTORY

Registers = dict[int, dict[int, dict[int, int]]]
HOLDING, INPUT = 3, 4
BAUD = 115200


def unchanged(data: bytes) -> bytes:
    return data


class Wire:
    """Two pseudo terminals and what goes between them: `device` for the one side, `server_device` for the other.

    character_s   paces what goes to the master, as a line does; 0 for none
    """

    def __init__(self, character_s: float = 0.0) -> None:
        self.to_server: Callable[[bytes], bytes] = unchanged
        self.to_master: Callable[[bytes], bytes] = unchanged
        self.echo = False
        self.character_s = character_s
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for slave in self._slaves:
            tty.setraw(slave)
        self.device, self.server_device = (os.ttyname(slave) for slave in self._slaves)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(5)
        for fd in (*self._masters, *self._slaves, self._stop, self._stopped):
            os.close(fd)

    def _carry(self) -> None:
        near, far = self._masters
        while True:
            ready, _, _ = select.select([near, far, self._stop], [], [])
            if self._stop in ready:
                return
            if near in ready:
                data = self._read(near)
                if self.character_s:
                    time.sleep(len(data) * self.character_s)
                if self.echo:
                    os.write(near, data)
                self._write(far, self.to_server(data) if self.hears(data) else b"")
            if far in ready:
                self._pace(near, self.to_master(self._read(far)))

    def hears(self, data: bytes) -> bool:
        """Whether a request is for anybody on the line."""
        return True

    def _read(self, fd: int) -> bytes:
        """All of one frame: the writer wrote it at once."""
        data = os.read(fd, 1024)
        while select.select([fd], [], [], 0.0005)[0]:
            data += os.read(fd, 1024)
        return data

    def _write(self, fd: int, data: bytes) -> None:
        if data:
            os.write(fd, data)

    def _pace(self, fd: int, data: bytes) -> None:
        if not self.character_s:
            self._write(fd, data)
            return
        for start in range(0, len(data), 8):  # as a UART's FIFO hands it over
            part = data[start : start + 8]
            time.sleep(len(part) * self.character_s)
            os.write(fd, part)


class ModbusLine(Wire):
    """The wire with a pymodbus server at its end."""

    def __init__(self, registers: Registers, *, parity: str = "N", character_s: float = 0.0) -> None:
        super().__init__(character_s)
        self.registers = registers
        self.written: list[tuple[int, int, list[int]]] = []
        self.on_write: Callable[[int, int, list[int]], Any] | None = None
        self.refuse: dict[int, ExcCodes] = {}  # unit -> exception to each request
        self.asked: list[tuple[int, int, int, int]] = []  # unit, function, address, count
        self._parity = parity
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._ready = threading.Event()
        self._server_thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> ModbusLine:
        self.start()
        self._server_thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        return self

    def __exit__(self, *_: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._server_thread.join(5)
        self._loop.close()
        self.close()

    def hears(self, data: bytes) -> bool:
        return data[0] in self.registers  # pymodbus would answer for those that are not there

    async def _serve(self) -> None:
        # One span for all: what is not in `registers` is refused by the action.
        everything = [SimData(0, count=0xFFFF, values=0, datatype=DataType.REGISTERS)]
        devices = [SimDevice(unit, simdata=everything, action=self._action(unit)) for unit in self.registers]
        self._server = ModbusSerialServer(devices, port=self.server_device, baudrate=115200, parity=self._parity)
        await self._server.serve_forever(background=True)

    def _action(self, unit: int) -> Any:
        async def act(
            function: int, start: int, address: int, count: int, current: list[int], values: list[int] | None
        ) -> ExcCodes | None:
            self.asked.append((unit, function, address, count))
            if unit in self.refuse:
                return self.refuse[unit]
            table = self.registers[unit].get(HOLDING if values is not None else function, {})
            if any(place not in table for place in range(address, address + count)):
                return ExcCodes.ILLEGAL_ADDRESS
            if values is not None:
                self.written.append((unit, address, list(values)))
                table.update(zip(range(address, address + count), values, strict=True))
                if self.on_write is not None:
                    self.on_write(unit, address, list(values))
            for offset in range(count):
                current[address - start + offset] = table[address + offset]
            return None

        return act


_DATATYPES = {
    name.lower(): getattr(ModbusSerialClient.DATATYPE, name)
    for name in ("INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "FLOAT32", "FLOAT64")
}


def encode(value: float, type: str, words: str = "big") -> list[int]:
    """The registers of a number, made by pymodbus; `decimal32` (exponent and 24 bits), by hand."""
    if type.endswith("decimal32"):
        exponent = -3
        amount = round(value * 1000)
        return [(exponent & 0xFF) << 8 | (amount >> 16 & 0xFF), amount & 0xFFFF]
    number = value if type.startswith("float") else round(value)
    return ModbusSerialClient.convert_to_registers(number, _DATATYPES[type], word_order=words)  # type: ignore[arg-type]


def map_source(model: str) -> dict[str, Any]:
    """The file of a model, as it is written."""
    return tomllib.loads((Path(DIRECTORY) / f"{model}.toml").read_text())


def fill(model: str, truth: dict[str, float]) -> dict[int, dict[int, int]]:
    """What the registers of a meter hold when it measures `truth` (name in the file -> value)."""
    table = map_source(model)
    registers: dict[int, dict[int, int]] = {3: {}, 4: {}}
    for name, value in table["values"].items():
        function = value.get("function", table.get("function", 3))
        raw = truth[name] / value.get("scale", 1)
        if "scale_at" in value:
            registers[function][value["scale_at"]] = encode(-1, "int16")[0]
            raw *= 10
        words = encode(raw, value.get("type", table.get("type")), table.get("words", "big"))
        registers[function].update(enumerate(words, value["at"]))
    if table.get("gap"):
        for spots in registers.values():
            for first in sorted(spots):
                for gap in range(first + 1, first + 1 + table["gap"]):
                    spots.setdefault(gap, 0)
    return registers


def pass_time(loop: Any, bus: Any) -> None:
    """Moves the clock: quickly, but not while an answer may be on its way."""
    asking = bus._active is not None
    loop.run_once(0.002 if asking else 0)
    loop.advance(0.004 if asking else 0.02)
