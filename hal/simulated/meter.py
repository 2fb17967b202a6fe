"""Simulated meter: integrates the simulated current exactly, in the time of the loop."""

from __future__ import annotations

from hal.simulated.devices import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VOLTAGE_V = 230.0
FREQUENCY_HZ = 50.0
_PHASES = tuple(
    (("Current.Import", name), ("Voltage", name + "-N"), ("Power.Active.Import", name)) for name in ("L1", "L2", "L3")
)
_REGISTER = ("Energy.Active.Import.Register", None)
_POWER = ("Power.Active.Import", None)
_CURRENT_OFFERED = ("Current.Offered", None)
_POWER_OFFERED = ("Power.Offered", None)
_FREQUENCY = ("Frequency", None)
_SOC = ("SoC", None)
_TEMPERATURE = ("Temperature", None)
_TOTALS = (_REGISTER, _POWER, _CURRENT_OFFERED, _POWER_OFFERED, _FREQUENCY, _SOC, _TEMPERATURE)


class Meter(Device):
    """Reports every `interval_s`, when asked, and at once when the current changes.

    Options: `interval_s` (1.0), `register_wh` (0), and `signed`, a table with `start` and `end` (the data) and method,
    encoding, public_key: readings carry `start` until energy flows, then nothing, and `end` once it flowed and stopped.
    """

    measurands = tuple(name for name, _ in (*_TOTALS, *_PHASES[0][:2]))

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.outlet.meter = self
        self.interval_s: float = options.get("interval_s", 1.0)
        self.register_wh = float(options.get("register_wh", 0.0))
        self.signed: dict[str, Any] = options.get("signed", {})
        self.silent = False
        self.powered = True
        self._current_a = 0.0
        self._phases = 0
        self._since = 0.0
        self._due = 0.0
        self._tick: Any = None
        self._said: tuple[Any, ...] = ()  # what the latest reading was made of, and the reading
        self._reading: dict[tuple[str, str | None], float] = {}

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._since = self._due = loop.time()
        self._every()

    def close(self) -> None:
        super().close()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _every(self) -> None:
        loop = self.outlet.loop
        self._due = max(self._due + self.interval_s, loop.time())
        self._tick = loop.call_at(self._due, self._every)
        self._speak()

    def read(self) -> None:
        self.outlet.later(self.delay_s, self._speak)

    def change(self, current_a: float, phases: int) -> None:
        """The vehicle draws `current_a` on each of `phases` phases from now on."""
        if current_a != self._current_a or (current_a and phases != self._phases):
            self._integrate()
            self._current_a = current_a
            self._phases = phases
            self._speak()

    def set_register(self, energy_wh: float) -> None:
        self._integrate()
        self.register_wh = energy_wh
        self._speak()

    def fault(self, code: str, detail: str) -> None:
        self.silent = True
        super().fault(code, detail)

    def clear(self, code: str) -> None:
        self.silent = False
        super().clear(code)
        self._speak()

    def _power_w(self) -> float:
        return VOLTAGE_V * self._current_a * self._phases

    def _integrate(self) -> None:
        if self.outlet.loop is None:
            return
        now = self.outlet.loop.time()
        energy_wh = self._power_w() * (now - self._since) / 3600
        self._since = now
        self.register_wh += energy_wh
        self.outlet.vehicle.charged_wh += energy_wh

    def _speak(self) -> None:
        if not self.silent and self._report is not None:
            if self._current_a:
                self._integrate()
            self._report("reading", self._values(), self._signature() if self.signed else None)

    def _values(self) -> dict[tuple[str, str | None], float]:
        """The reading; the same object as before where nothing has changed."""
        vehicle = self.outlet.vehicle
        made_of = (
            self.register_wh, self._current_a, self._phases, self.powered,
            vehicle.offer_a, vehicle.plugged, vehicle.charged_wh,
        )  # fmt: skip
        if made_of == self._said:
            return self._reading
        self._said = made_of
        voltage_v = VOLTAGE_V if self.powered else 0.0
        values: dict[tuple[str, str | None], float] = {
            _REGISTER: self.register_wh,
            _POWER: self._power_w(),
            _FREQUENCY: FREQUENCY_HZ if self.powered else 0.0,
            _CURRENT_OFFERED: vehicle.offer_a,
            _POWER_OFFERED: vehicle.offer_a * VOLTAGE_V * self.outlet.phases,
            _TEMPERATURE: 25.0 + self._current_a / 4,
        }
        if vehicle.plugged:
            values[_SOC] = vehicle.soc()
        for index in range(self.outlet.phases):
            current, voltage, power = _PHASES[index]
            values[voltage] = voltage_v
            values[current] = self._current_a if index < self._phases else 0.0
            values[power] = values[current] * voltage_v
        self._reading = values
        return values

    def _signature(self) -> dict[str, Any] | None:
        if not self.signed or self._current_a:
            return None
        data = self.signed.get("end" if self.outlet.vehicle.charged_wh else "start")
        if data is None:
            return None
        return {"data": data, **{name: self.signed.get(name, "") for name in ("method", "encoding", "public_key")}}
