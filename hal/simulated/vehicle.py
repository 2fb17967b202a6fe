"""Simulated electric vehicle: plugs in (B), asks (C) as soon as power is offered, draws current within the offer."""

from __future__ import annotations

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a vehicle can do wrong, until it is unplugged:
# diode     its diode is missing: a fault as soon as a duty cycle runs, until it is gone
# greedy    draws its current, whatever is offered
# stubborn  keeps asking, and drawing, when the offer is withdrawn
# short     shorts the pilot: state E
TRAITS = ("diode", "greedy", "stubborn", "short")
BATTERY_WH = 60_000.0
ARRIVAL_SOC = 20.0


class Vehicle:
    """The vehicle at one EVSE, or its absence. `answer_s` is the time it takes to follow the pilot."""

    __slots__ = (
        "outlet", "plugged", "phases", "current_a", "suspended", "traits", "letter", "offer_a", "charged_wh",
        "answer_s", "_answer", "_diode_fault",
    )  # fmt: skip

    def __init__(self, outlet: Any) -> None:
        self.outlet = outlet
        self.answer_s = 0.0
        self.letter = "A"
        self.offer_a = 0.0
        self._answer: Any = None
        self._diode_fault = False
        self._leave()

    def _leave(self) -> None:
        self.plugged = False
        self.suspended = False
        self.traits: tuple[str, ...] = ()
        self.phases = 0
        self.current_a = 0.0
        self.charged_wh = 0.0

    def plug(self, phases: int, current_a: float, cable_a: float | None) -> None:
        """Plugs in and reports B; `cable_a` is what the proximity resistor of a loose cable says."""
        if self.plugged:
            raise HalError("Occupied", f"a vehicle is plugged into EVSE {self.outlet.id} already")
        if phases not in (1, 2, 3) or isinstance(phases, bool):
            raise HalError("Phases", f"phases must be 1, 2 or 3, not {phases!r}")
        if isinstance(current_a, bool) or not isinstance(current_a, (int, float)) or not 0 <= current_a <= 1000:
            raise HalError("Current", f"current must be from 0 to 1000 A, not {current_a!r}")
        self.plugged = True
        self.phases = phases
        self.current_a = float(current_a)
        if cable_a is not None:
            self.outlet.pilot.report("cable", cable_a)
        self._show("B")
        self.think()

    def unplug(self) -> None:
        """Goes away and reports A; its bad habits go with it. Nothing happens without a vehicle."""
        if not self.plugged:
            return
        self._leave()
        self._show("A")
        self.outlet.pilot.report("cable", None)
        if self._diode_fault:
            self._diode_fault = False
            self.outlet.pilot.clear("DiodeFault")

    def suspend(self, suspended: bool) -> None:
        """Stops (C to B) or resumes asking for power."""
        self._must_be_here()
        self.suspended = suspended
        self._follow()

    def misbehave(self, trait: str, active: bool) -> None:
        """Takes up a bad habit of TRAITS, or drops it."""
        if trait not in TRAITS:
            raise HalError("Trait", f"{trait!r} is none of {', '.join(TRAITS)}")
        self._must_be_here()
        self.traits = tuple(other for other in self.traits if other != trait) + ((trait,) if active else ())
        self._follow()

    def _must_be_here(self) -> None:
        if not self.plugged:
            raise HalError("NoVehicle", f"no vehicle is plugged into EVSE {self.outlet.id}")

    def offered(self, limit_a: float) -> None:
        """The pilot changed; 0 is no offer."""
        self.offer_a = limit_a
        self.think()

    def think(self) -> None:
        """Follows the pilot after `answer_s`."""
        if self._answer is not None:
            self._answer.cancel()
        self._answer = self.outlet.later(self.answer_s, self._follow)

    def _follow(self) -> None:
        if not self.plugged:
            return
        if "diode" in self.traits and self.offer_a:
            self._diode_fault = True
            self.outlet.pilot.fault("DiodeFault", "no negative half-wave")
        if "short" in self.traits:
            self._show("E")
        elif self.suspended:
            self._show("B")
        else:
            self._show("C" if self.offer_a or ("stubborn" in self.traits and self.letter == "C") else "B")

    def _show(self, letter: str) -> None:
        if letter != self.letter:
            self.letter = letter
            self.outlet.pilot.report("pilot", letter)
        self.outlet.update()

    def drawn_a(self) -> float:
        """Amperes per phase that it draws where the contactor is closed."""
        if self.letter != "C" or self.suspended:
            return 0.0
        if "greedy" in self.traits or ("stubborn" in self.traits and not self.offer_a):
            return self.current_a
        return min(self.current_a, self.offer_a)

    def soc(self) -> float:
        """Percent."""
        return min(100.0, ARRIVAL_SOC + 100.0 * self.charged_wh / BATTERY_WH)
