"""Modbus RTU master: a bus on a serial port where units are asked in turn, never blocking. [Modbus serial line 1.02]

    bus = shared_bus(board, "meterbus")
    unit = bus.unit(1, timeout_s=0.5, attempts=3)
    bus.open(loop)                        counted: every user opens and closes
    unit.read(4, 0x0000, 76, done)        done(registers as bytes, None) or done(None, ModbusError)
    unit.write(0x1B8B, data, done)        function 16; done(b"", None)
    bus.close()

A unit has one request at a time. A request that fails goes to the end of the row for its next attempt, so a silent unit
delays the others by one time-out at a time. Silence of 3.5 characters lies before each request. An answer is what has
the right unit, function, size and CRC, wherever it begins: the echo of the request and noise around it do no harm.
Silence within a frame (1.5 characters) is not judged: no program sees it through a UART's FIFO or a USB adapter.
"""

from __future__ import annotations

from _struct import pack

from hal.interfaces import HalError
from hal.serialport import SerialPort, character_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Table = dict[str, Any]
    Done = Callable[[bytes | None, "ModbusError | None"], Any]

READ_HOLDING, READ_INPUT, WRITE = 3, 4, 16
EXCEPTIONS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure", 5: "acknowledge",
    6: "device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target silent",
}  # fmt: skip
# Said of the request itself: to ask again would change nothing.
FINAL = (1, 2, 3)
# So long after the last byte an answer is over; USB adapters pause for 16 ms within a frame.
GAP_S = 0.05
# A line that is not silent for so long before a request is given up for it.
NOISE_S = 1.0
# After a time-out the line is left alone for so long: an answer that comes too late is not taken for the next one.
GUARD_S = 0.1
# The bytes of a long answer would wake the loop one by one; it sleeps until so long before the last is due.
_NAP_S = 0.003
_LONGEST = 1024


class ModbusError(HalError):
    """A request failed; `code` is "Silent", "Garbled", "Exception" or "Port", `exception` the unit's exception code."""

    def __init__(self, code: str, detail: str, exception: int | None = None) -> None:
        super().__init__(code, detail)
        self.exception = exception


def _tables() -> tuple[bytes, bytes]:
    low, high = bytearray(256), bytearray(256)
    for index in range(256):
        crc = index
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        low[index], high[index] = crc & 255, crc >> 8
    return bytes(low), bytes(high)


_LOW, _HIGH = _tables()


def crc16(data: bytes) -> bytes:
    """The two bytes of the CRC in the order in which they are sent."""
    low = high = 255
    for byte in data:
        index = low ^ byte
        low = high ^ _LOW[index]
        high = _HIGH[index]
    return bytes((low, high))


def find_answer(data: bytes, head: bytes, size: int) -> bytes | None:
    """What follows `head` in the answer of `size` bytes that `data` holds; None if it holds none (yet).

    Raises ModbusError("Exception") if the unit refused instead.
    """
    exception = bytes((head[0], head[1] | 0x80))
    for start, length in ((head, size), (exception, 5)):
        at = data.find(start)
        while at >= 0:
            end = at + length
            if len(data) >= end and crc16(data[at : end - 2]) == data[end - 2 : end]:
                if start is head:
                    return data[at + len(head) : end - 2]
                code = data[at + 2]
                raise ModbusError("Exception", f"exception {code} ({EXCEPTIONS.get(code, 'unknown')})", code)
            at = data.find(start, at + 1)
    return None


def shared_bus(board: Any, port: str) -> Bus:
    """The one bus on a port of the board. Raises HalError("Board") if the board file has no such port."""
    ports = board.resources.get("serial", {})
    if port not in ports:
        raise HalError("Board", f"there is no [serial.{port}]; known: {', '.join(ports) or 'none'}")
    bus: Bus = board.share("modbus " + port, lambda: Bus(ports[port]))
    return bus


class Unit:
    """One station on a bus: waits `timeout_s` for each of `attempts` answers, `silence_s` before each request."""

    __slots__ = ("bus", "id", "timeout_s", "attempts", "silence_s", "frame", "head", "size", "left", "done")

    def __init__(self, bus: Bus, id: int, timeout_s: float, attempts: int, silence_s: float) -> None:
        self.bus = bus
        self.id = id
        self.timeout_s = timeout_s
        self.attempts = attempts
        self.silence_s = silence_s
        self.frame = self.head = b""
        self.size = self.left = 0
        self.done: Done | None = None

    def read(self, function: int, address: int, count: int, done: Done) -> None:
        """Reads `count` registers (1 to 125) from `address` by function 3 or 4."""
        head = bytes((self.id, function, 2 * count))
        self._ask(pack(">BBHH", self.id, function, address, count), head, 5 + 2 * count, done)

    def write(self, address: int, data: bytes, done: Done) -> None:
        """Writes registers (1 to 123, two bytes each) from `address` on by function 16."""
        head = pack(">BBHH", self.id, WRITE, address, len(data) // 2)
        self._ask(head + bytes((len(data),)) + data, head, 8, done)

    def _ask(self, body: bytes, head: bytes, size: int, done: Done) -> None:
        if self.done is not None:
            raise HalError("Busy", f"unit {self.id} was asked before its last answer")
        self.frame, self.head, self.size, self.done = body + crc16(body), head, size, done
        self.left = self.attempts
        self.bus.queue(self)

    def cancel(self) -> None:
        """Forgets the request; its answer, if one is under way, is for nobody."""
        self.done = None


class Bus:
    """The serial port with its units; `problem` says why it is not open, None while it is."""

    __slots__ = (
        "problem", "_port", "_loop", "_users", "_character_s", "_silence_s", "_quiet_when", "_waiting", "_active",
        "_data", "_timer", "_end_when",
    )  # fmt: skip

    def __init__(self, settings: Table) -> None:
        self.problem: str | None = "Port: not opened"
        self._port = SerialPort(settings)
        self._loop: Any = None
        self._users = 0
        self._character_s = character_s(settings)
        # Above 19200 Bd the standard fixes the time, for the sake of slow receivers. [2.5.1.1]
        self._silence_s = 3.5 * self._character_s if settings.get("baud", 9600) <= 19200 else 0.00175
        self._quiet_when = 0.0  # of the last byte on the line
        self._waiting: list[Unit] = []
        self._active: Unit | None = None
        self._data = b""
        self._timer: Any = None
        self._end_when: float | None = None  # of the exchange, or of the wait for silence before it

    def unit(self, id: int, timeout_s: float = 0.5, attempts: int = 3, silence_s: float = 0.0) -> Unit:
        """A unit of this bus, 1 to 247; it can be asked once the bus is open."""
        return Unit(self, id, timeout_s, attempts, silence_s)

    def open(self, loop: Any) -> None:
        """Opens the port for one more user; one that cannot be opened is tried again by itself."""
        self._users += 1
        if self._users == 1:
            self._loop = loop
            self._port.start(loop, self._received, self._changed)

    def close(self) -> None:
        """One user less; with the last the port is closed, and requests are forgotten."""
        self._users -= 1
        if self._users == 0:
            self._wait(None)
            self._port.close()
            self._active = None
            self._waiting.clear()
            self.problem = "Port: not opened"

    def queue(self, unit: Unit) -> None:
        """Puts a unit's request at the end of the row; `Unit` calls it."""
        self._waiting.append(unit)
        if self._active is None:
            self._loop.call_soon(self._next) if self.problem else self._next()

    # One exchange

    def _wait(self, delay_s: float | None, call: Callable[[], Any] | None = None) -> None:
        """The one timer of the bus."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay_s is None else self._loop.call_later(delay_s, call)

    def _next(self) -> None:
        """Sends the request at the head of the row once the line was silent long enough."""
        self._waiting = [unit for unit in self._waiting if unit.done is not None]
        if self._active is not None:
            return
        if not self._waiting or self._users == 0:
            self._end_when = None
            return
        if self.problem is not None:
            waiting, self._waiting = self._waiting, []
            for unit in waiting:
                self._answer(unit, None, ModbusError("Port", self.problem.removeprefix("Port: ")))
            return
        unit = self._waiting[0]
        self._port.read()  # what came meanwhile belongs to nothing
        now = self._loop.time()
        silent_when = self._quiet_when + max(self._silence_s, unit.silence_s)
        if self.problem is not None:
            return  # lost a moment ago; all were told
        if now < silent_when:
            if self._end_when is None:
                self._end_when = silent_when + NOISE_S
            if now < self._end_when:
                self._wait(silent_when - now, self._next)
                return
            del self._waiting[0]
            self._active = unit
            self._finish(None, ModbusError("Garbled", "the line is never silent"))
            return
        del self._waiting[0]
        self._active = unit
        self._data = b""
        overdue_s = len(unit.frame) * self._character_s + unit.timeout_s
        self._end_when = now + overdue_s + 2 * unit.size * self._character_s + 4 * GAP_S
        self._port.write(unit.frame)
        if self._active is unit:  # the port is still there
            self._wait(overdue_s, self._overdue)

    def _received(self, data: bytes) -> None:
        self._quiet_when = now = self._loop.time()
        unit = self._active
        if unit is None:
            return
        self._data += data
        if self._data.startswith(unit.frame):
            self._data = self._data[len(unit.frame) :]
        try:
            body = find_answer(self._data, unit.head, unit.size)
        except ModbusError as error:
            self._finish(None, error)
            return
        missing_s = (unit.size - len(self._data)) * self._character_s
        if body is not None:
            self._finish(body, None)
        elif len(self._data) > _LONGEST or (self._end_when is not None and now > self._end_when):
            self._overdue()
        elif missing_s > 2 * _NAP_S and self._data:
            self._port.pause()
            self._wait(missing_s - _NAP_S, self._look)
        elif self._data:
            self._wait(GAP_S, self._overdue)

    def _look(self) -> None:
        """The end of the answer is near."""
        self._port.resume()
        self._wait(GAP_S, self._overdue)
        self._port.read()

    def _overdue(self) -> None:
        unit = self._active
        if unit is None:
            return
        if self._data:
            self._finish(None, ModbusError("Garbled", f"{len(self._data)} bytes that are no answer"))
        else:
            self._quiet_when = self._loop.time() + GUARD_S
            self._finish(None, ModbusError("Silent", f"no answer within {unit.timeout_s:g} s"))

    def _finish(self, body: bytes | None, error: ModbusError | None) -> None:
        unit, self._active = self._active, None
        self._end_when = None
        self._wait(None)
        if unit is not None:
            unit.left -= 1
            if error is not None and unit.left > 0 and error.exception not in FINAL and error.code != "Port":
                self._waiting.append(unit)
            else:
                self._answer(unit, body, error)
        self._next()

    def _answer(self, unit: Unit, body: bytes | None, error: ModbusError | None) -> None:
        done, unit.done = unit.done, None
        if error is not None:
            error.detail = f"unit {unit.id}: {error.detail}"
            error.args = (f"{error.code}: {error.detail}",)
        if done is not None:
            done(body, error)

    def _changed(self, problem: str | None) -> None:
        """The port was opened or lost."""
        self.problem = problem
        self._quiet_when = self._loop.time()
        self._end_when = None
        if problem is not None and self._active is not None:
            self._finish(None, ModbusError("Port", problem.removeprefix("Port: ")))
        elif problem is not None and self._waiting:
            self._next()
