"""Meters on a Modbus bus: read in blocks at an interval, decoded by the map of their model (hal/meters/*.toml).

Options: `port` (a [serial.x] of the board), `unit`, `model` (compiled to `map` by the front end), `interval_s` (1.0),
`timeout_s` (as the map says), `attempts` of each request (3), `signing` (true: records of meters that sign).

A reading holds only what was read for it: a round that fails reports nothing, and what follows silence is the charging
controller's (on_loss, loss_s). `problem` says why the last round failed, None after a reading.
"""

from __future__ import annotations

from _struct import unpack

from hal.drivers.driver import Driver
from hal.interfaces import HalError
from hal.modbus import FINAL, shared_bus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from hal.modbus import ModbusError

    Table = dict[str, Any]
    Values = dict[tuple[str, str | None], float]

REGISTER = ("Energy.Active.Import.Register", None)
# A unit that said nothing is asked once, and less often: others share the bus.
SILENT_INTERVAL_S = 2.0
# The watchdog waits so many times as long as a request may take: a bus has other units, and requests have their turn.
PATIENCE = 10


def make_meter(options: Table, evse_id: int | None, board: Any) -> ModbusMeter:
    """The driver for the model: one that signs where the map knows how, unless the board says `signing = false`."""
    if "map" not in options:  # a tool or a test; the station process gets it compiled
        from hal.meterfile import load

        options = {**options, "map": load(options["model"])}
    if options["map"]["signing"] and options.get("signing", True):
        from hal.drivers.signing_meter import DRIVERS

        return DRIVERS[options["map"]["signing"]["driver"]](options, evse_id, board)
    return ModbusMeter(options, evse_id, board)


class ModbusMeter(Driver):
    """One meter of one EVSE."""

    def __init__(self, options: Table, evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.map: Table = options["map"]
        keys = (key for value in self.map["values"] for key in value[5:7] if key is not None)
        self.measurands = tuple(dict.fromkeys(measurand for measurand, _ in keys))
        self.interval_s = float(options.get("interval_s", 1.0))
        self.problem: str | None = None
        self._attempts: int = options.get("attempts", 3)
        self._bus = shared_bus(board, options["port"])
        timeout_s = options.get("timeout_s", self.map["timeout_s"])
        self._unit = self._bus.unit(options["unit"], timeout_s, self._attempts, self.map["silence_s"])
        request_s = (1.0 + timeout_s) * self._attempts
        self._task = board.task(f"meter of EVSE {evse_id}", self.interval_s + PATIENCE * request_s)
        self._answers: list[bytes | None] = []
        self._refused: set[int] = set()  # optional blocks that this meter does not have
        self._busy = False
        self._again = False
        self._due = 0.0

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._bus.open(loop)
        self._due = loop.time()
        self._begin_round()

    def close(self) -> None:
        if self._report is not None:
            self._unit.cancel()
            self._bus.close()
            self._task.ran(None)
        super().close()

    def read(self) -> None:
        """Begins a round now; one under way begins anew, so that nothing in it is older than this call."""
        if self._busy:
            self._again = True
        elif self._report is not None:
            self._begin_round()

    # One round: block after block

    def _begin_round(self) -> None:
        self._task.ran(self._loop.time())
        self._cancel()
        self._busy = True
        self._again = False
        self._answers = []
        self._next_block()

    def _next_block(self) -> None:
        index = len(self._answers)
        while index in self._refused:
            self._answers.append(None)
            index += 1
        if index == len(self.map["blocks"]):
            self._end_round()
            return
        function, address, count, _, _ = self.map["blocks"][index]
        self._unit.read(function, address, count, self._got)

    def _got(self, data: bytes | None, error: ModbusError | None) -> None:
        self._task.ran(self._loop.time())
        if self._again:
            self._begin_round()
            return
        if error is not None:
            index = len(self._answers)
            if not (self.map["blocks"][index][4] and error.exception in FINAL):
                self._fail(error)
                return
            self._refused.add(index)
        self._answers.append(data)
        self._next_block()

    def _end_round(self) -> None:
        values = decode(self.map, self._answers)
        if REGISTER not in values:
            self._fail(HalError("Meter", f"unit {self._unit.id}: the energy register is not available"))
            return
        self.problem = None
        self._unit.attempts = self._attempts
        self._rest(self.interval_s)
        self._take(values)

    def _fail(self, error: HalError) -> None:
        self.problem = error.detail
        self._unit.attempts = 1 if error.code == "Silent" else self._attempts
        self._rest(self.interval_s if error.code != "Silent" else max(self.interval_s, SILENT_INTERVAL_S))

    def _rest(self, interval_s: float) -> None:
        self._busy = False
        now = self._loop.time()
        self._due = max(self._due + interval_s, now)
        self._after(self._due - now, self._begin_round)

    def _take(self, values: Values) -> None:
        self.report("reading", values, None)


def decode(map: Table, answers: Sequence[bytes | None]) -> Values:
    """The values of a round; what the meter marks as not available, and what is no number, is left out."""
    raw: list[Any] = []
    for (_, _, count, form, _), data in zip(map["blocks"], answers, strict=True):
        if data is None:
            raw += [None] * len(unpack(form, bytes(2 * count)))
            continue
        if form[0] == "<":  # low register first: with its bytes swapped the block is one little-endian number
            swapped = bytearray(len(data))
            swapped[::2], swapped[1::2] = data[1::2], data[::2]
            data = bytes(swapped)
        raw += unpack(form, data)
    values: Values = {}
    for index, form, factor, divisor, missing, key, back in map["values"]:
        value = raw[index]
        if value is None or value in missing:
            continue
        kind = form.lower()
        if kind == "e":
            exponent = raw[factor]
            if exponent is None or not -10 <= exponent <= 10:  # [SunSpec]: -32768 is "not available"
                continue
        elif kind != "n":  # eight bits of signed power of ten, 24 of amount
            exponent, value = (value >> 24 ^ 128) - 128, value & 0xFFFFFF
            if kind == "s":
                value = (value ^ 0x800000) - 0x800000
        if kind != "n":
            factor, divisor = (10**exponent, 1) if exponent > 0 else (1, 10**-exponent)
        value = value * factor / divisor
        if value - value != 0:  # infinite, or not a number
            continue
        if form != kind:
            value = abs(value)
        if back is not None:
            values[back] = max(-value, 0.0)
            value = max(value, 0.0)
        values[key] = value
    return values
