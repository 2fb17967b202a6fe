"""Temperature of the station from a sensor of the kernel: less current when it is warm, none when it is hot.

Options: `source`, "hwmon" (LM75, TMP102, an NTC, the processor's own ...) or "iio"; `device`, the bus name of the chip,
for hwmon also the chip's own name; `channel` (hwmon: 1; iio: none); `limit_from_c` (60), from where on the current is
limited: evenly from the EVSE's maximum down to 6 A just below `stop_c` (70), where charging stops with the fault
HighTemperature; `hysteresis_c` (5), by how much it must be cooler for more current; `interval_s` (5). A sensor that
cannot be read three times in a row is a fault: what is not measured may be too hot. One that takes long to read is
refused, as everything else would have to wait for it (DS18B20: 750 ms, MAX31865: 60 ms).

Reports `temperature`, limit_a or None, with every measurement that limits, and when it limits no more.
[linux: Documentation/hwmon/sysfs-interface.rst, Documentation/ABI/testing/sysfs-bus-iio]
"""

from __future__ import annotations

from hal.analogue import IIO_DEVICES
from hal.drivers.driver import Driver
from hal.interfaces import HalError
from hal.pilot import MINIMUM_A

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HWMON_CLASS = "/sys/class/hwmon"
LIMIT_FROM_C, STOP_C = 60.0, 70.0
UNREADABLE = 3
SLOW_S = 0.01
HOT, BROKEN = "HighTemperature", "OtherError"


class Temperature(Driver):
    """One sensor, for one EVSE or for all of the station."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.limit_a: float | None = None
        self._from_c: float = options.get("limit_from_c", LIMIT_FROM_C)
        self._stop_c: float = options.get("stop_c", STOP_C)
        self._hysteresis_c: float = options.get("hysteresis_c", 5.0)
        self._interval_s: float = options.get("interval_s", 5.0)
        self._task = board.task(f"temperature {options['device']}", 6 * self._interval_s)
        self._most_a = 0.0
        self._files: tuple[str, ...] = ()
        self._unreadable = 0

    def start(self, loop: Any, report: Any) -> None:
        """Raises HalError if the machine has no such sensor."""
        super().start(loop, report)
        evses = self.board.evses
        self._most_a = max(evse.max_current_a for id, evse in evses.items() if self.evse_id in (None, id))
        self.faults.clear()
        self.limit_a = None
        self._unreadable = 0
        self._files = self._find()
        took_s = min(self._time() for _ in range(3))
        if took_s > SLOW_S:
            raise HalError("Temperature", f"{self.options['device']} takes {took_s * 1000:.0f} ms to read, 10 at most")
        self._look()

    def close(self) -> None:
        super().close()
        self._task.ran(None)

    def _time(self) -> float:
        """How long a reading takes; the loop stands meanwhile."""
        begun = self._loop.time()
        try:
            self._celsius()
        except (OSError, ValueError):
            return 0.0  # it may come
        taken_s: float = self._loop.time() - begun
        return taken_s

    def _look(self) -> None:
        self._task.ran(self._loop.time())
        self._after(self._interval_s, self._look)
        try:
            celsius = self._celsius()
        except (OSError, ValueError) as error:
            self._unreadable += 1
            if self._unreadable >= UNREADABLE:
                self.fault(BROKEN, f"temperature sensor {self.options['device']}: {error}")
            return
        self._unreadable = 0
        self.clear(BROKEN)
        if celsius >= self._stop_c:
            self.fault(HOT, f"{celsius:.1f} degrees Celsius at {self.options['device']}")
        elif celsius <= self._stop_c - self._hysteresis_c:
            self.clear(HOT)
        self._limit(celsius)

    def _limit(self, celsius: float) -> None:
        """Down at once, up when it is cooler by the hysteresis."""
        before = self.limit_a
        less, more = self._allowed(celsius), self._allowed(celsius + self._hysteresis_c)
        if _amps(less) < _amps(before):
            self.limit_a = less
        elif _amps(more) > _amps(before):
            self.limit_a = more
        if self.limit_a is not None or before is not None:
            self.report("temperature", self.limit_a)

    def _allowed(self, celsius: float) -> float | None:
        """Whole amperes, None for all."""
        if celsius < self._from_c:
            return None
        part = max(self._stop_c - celsius, 0.0) / (self._stop_c - self._from_c)
        return float(int(MINIMUM_A + (self._most_a - MINIMUM_A) * part))

    # The kernel's files

    def _celsius(self) -> float:
        """What the sensor says now. Raises OSError, ValueError."""
        raw, *rest = (float(self.board.kernel.get(path)) for path in self._files)
        scale = rest[0] if rest else 1.0
        offset = rest[1] if len(rest) > 1 else 0.0
        value = (raw + offset) * scale
        if not -100_000 < value < 1_000_000:
            raise ValueError(f"{value:g} thousandths of a degree cannot be")
        return value / 1000

    def _find(self) -> tuple[str, ...]:
        """The files to read: one with thousandths of a degree; or a raw value, its scale, and its offset if any."""
        kernel, device, channel = self.board.kernel, self.options["device"], self.options.get("channel")
        if self.options["source"] == "hwmon":
            entries = [f"{HWMON_CLASS}/{entry}" for entry in kernel.names(HWMON_CLASS)]
            named = [entry for entry in entries if device in _names(kernel, entry)]
            stem = f"temp{1 if channel is None else channel}"
        else:
            entries = [f"{IIO_DEVICES}/{entry}" for entry in kernel.names(IIO_DEVICES)]
            named = [entry for entry in entries if device in kernel.link(entry)]
            stem = "in_temp" if channel is None else f"in_temp{channel}"
        if len(named) != 1:
            count = f"{len(named)} sensors have" if named else "no sensor of this machine has"
            raise HalError("Temperature", f"{count} the {self.options['source']} name {device}")
        return self._files_of(named[0], stem)

    def _files_of(self, directory: str, stem: str) -> tuple[str, ...]:
        there = self.board.kernel.names(directory)

        def first(*names: str) -> str | None:
            return next((f"{directory}/{name}" for name in names if name in there), None)

        whole, raw = first(f"{stem}_input"), first(f"{stem}_raw")
        scale, offset = first(f"{stem}_scale", "in_temp_scale"), first(f"{stem}_offset", "in_temp_offset")
        if whole is not None:
            return (whole,)
        if raw is None or scale is None:
            raise HalError("Temperature", f"{self.options['device']} has no {stem}_input")
        return (raw, scale) if offset is None else (raw, scale, offset)


def _names(kernel: Any, entry: str) -> list[str]:
    """On the bus, and its own."""
    names: list[str] = kernel.link(f"{entry}/device")[-1:]
    try:
        return [*names, kernel.get(f"{entry}/name")]
    except OSError:
        return names


def _amps(limit_a: float | None) -> float:
    return float("inf") if limit_a is None else limit_a
