"""The verbs of the simulated hardware: what the control socket, the command line and tests do to the station."""

from __future__ import annotations

from hal.interfaces import FAULTS, HalError
from hal.simulated.vehicle import Vehicle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Which simulated device a fault belongs to; all others are the sensor's.
_OWNERS = {
    "DiodeFault": "pilot",
    "EVCommunicationError": "pilot",
    "WeldedContactor": "contactor",
    "PowerSwitchFailure": "contactor",
    "MeterSilent": "meter",
    "PowerMeterFailure": "meter",
}


class Outlet:
    """The simulated devices of one EVSE and the vehicle at it; `path`: phases that are let through."""

    __slots__ = ("id", "phases", "path", "loop", "vehicle", "pilot", "contactor", "meter", "sensor", "parking", "locks")

    def __init__(self, id: int, phases: int) -> None:
        self.id = id
        self.phases = phases
        self.path = 3
        self.loop: Any = None
        self.vehicle = Vehicle(self)
        self.pilot: Any = None
        self.contactor: Any = None
        self.meter: Any = None
        self.sensor: Any = None
        self.parking: Any = None
        self.locks: list[Any] = []

    def later(self, delay_s: float, call: Any, *args: Any) -> Any:
        """A handle of `call(*args)` in `delay_s`, or in the next pass of the loop; None before the loop is known."""
        if self.loop is None:
            return None
        return self.loop.call_later(delay_s, call, *args) if delay_s else self.loop.call_soon(call, *args)

    def update(self) -> None:
        """Tells the meter what the vehicle draws now."""
        if self.meter is not None:
            drawn_a = self.vehicle.drawn_a() if self.contactor is not None and self.contactor.closed else 0.0
            self.meter.change(drawn_a, min(self.vehicle.phases, self.phases, self.path))

    def owner(self, code: str) -> Any:
        """The device that reports a fault."""
        return getattr(self, _OWNERS.get(code, "sensor")) or self.sensor or self.pilot


class Simulation:
    """All verbs of a simulated board; each has reported its facts when it returns. Raises HalError."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._outlets: dict[int, Outlet] = {}

    def outlet(self, evse: int | None) -> Outlet:
        """The devices of an EVSE. Raises HalError("UnknownEvse")."""
        if evse is None or isinstance(evse, bool) or evse not in self._board.evses:
            raise HalError("UnknownEvse", f"there is no EVSE {evse!r}; known: {', '.join(map(str, self._board.evses))}")
        if evse not in self._outlets:
            self._outlets[evse] = Outlet(evse, self._board.evses[evse].phases)
        return self._outlets[evse]

    def park(self, evse: int) -> None:
        """A vehicle stops in the parking bay of an EVSE that has a sensor for it."""
        self._parking(evse).change(True)

    def leave(self, evse: int) -> None:
        """The parking bay is empty again."""
        self._parking(evse).change(False)

    def _parking(self, evse: int) -> Any:
        parking = self.outlet(evse).parking
        if parking is None:
            raise HalError("NoParkingSensor", f"EVSE {evse} has no parking bay sensor")
        return parking

    def plug(self, evse: int, phases: int = 1, current: float = 32, cable_a: float | None = None) -> None:
        """A vehicle plugs in (B), asks (C) as soon as power is offered and draws `current` A on `phases` phases."""
        self.outlet(evse).vehicle.plug(phases, current, cable_a)

    def unplug(self, evse: int) -> None:
        """The vehicle goes away."""
        self.outlet(evse).vehicle.unplug()

    def suspend(self, evse: int) -> None:
        """The vehicle stops asking (C to B)."""
        self.outlet(evse).vehicle.suspend(True)

    def resume(self, evse: int) -> None:
        """The vehicle asks again."""
        self.outlet(evse).vehicle.suspend(False)

    def misbehave(self, evse: int, trait: str, active: bool = True) -> None:
        """The vehicle takes up a bad habit: "diode", "greedy", "stubborn", "short" (hal/simulated/vehicle.py)."""
        self.outlet(evse).vehicle.misbehave(trait, active)

    def swipe(self, token: str, kind: str = "ISO14443", evses: list[int] | None = None) -> None:
        """A card at the reader of these EVSEs (None: of all), or at one of more EVSEs, but meant for these."""
        if not isinstance(token, str) or not isinstance(kind, str):
            raise HalError("Token", f"token and kind must be text, not {token!r}, {kind!r}")
        wanted = set(self._board.evses) if evses is None else {self.outlet(evse).id for evse in evses}
        for reader, served in sorted(self._board.readers, key=lambda entry: len(entry[1])):
            if wanted and wanted <= set(served):
                reader.present(token, kind, *([tuple(sorted(wanted))] if wanted < set(served) else ()))
                return
        known = ", ".join(str(list(served)) for _, served in self._board.readers) or "none"
        raise HalError("NoReader", f"no reader belongs to the EVSEs {sorted(wanted)}; readers: {known}")

    def fault(self, evse: int, code: str) -> None:
        """A hardware fault of hal.interfaces.FAULTS; the device behaves accordingly until `clear`."""
        self._owner(evse, code).fault(code, "simulated")

    def clear(self, evse: int, code: str) -> None:
        """The fault is gone."""
        self._owner(evse, code).clear(code)

    def _owner(self, evse: int, code: str) -> Any:
        outlet = self.outlet(evse)
        if code not in FAULTS:
            raise HalError("UnknownFault", f"{code!r} is none of {', '.join(FAULTS)}")
        return outlet.owner(code)

    def meter(self, evse: int, energy_wh: float) -> None:
        """Sets the register."""
        meter = self.outlet(evse).meter
        if meter is None:
            raise HalError("NoMeter", f"EVSE {evse} has no meter")
        if isinstance(energy_wh, bool) or not isinstance(energy_wh, (int, float)) or not 0 <= energy_wh < 1e12:
            raise HalError("Energy", f"energy_wh must be a number from 0, not {energy_wh!r}")
        meter.set_register(float(energy_wh))

    def lock(self, evse: int, ok: bool) -> None:
        """Breaks (False) or repairs the lock of a socket: a broken one neither locks nor unlocks."""
        locks = self.outlet(evse).locks
        if not locks:
            raise HalError("NoLock", f"EVSE {evse} has no lock")
        for lock in locks:
            lock.repair(ok)

    def emergency_stop(self, active: bool) -> None:
        """The emergency stop of the station is pressed or released; every EVSE reports it."""
        for evse in self._board.evses:
            (self.fault if active else self.clear)(evse, "EmergencyStop")

    def power(self, event: str) -> None:
        """ "loss": the mains fail under a station that runs on from its reserve. "restore": they are back.

        Every EVSE reports PowerLoss, its contactor falls open and voltage reads 0; the register, kept by the meter, can
        still be read, and locks still open.
        """
        if event not in ("loss", "restore"):
            raise HalError("Power", f'"loss" or "restore", not {event!r}')
        for evse in self._board.evses:
            outlet = self.outlet(evse)
            if event == "loss":
                self.fault(evse, "PowerLoss")
            if outlet.contactor is not None:
                outlet.contactor.power(event == "restore")
            if outlet.meter is not None:
                outlet.meter.powered = event == "restore"
            if event == "restore":
                self.clear(evse, "PowerLoss")


class _Nowhere:
    """What a device that serves no EVSE (a reader) has instead of an outlet."""

    loop: Any = None


def outlet_of(board: Any, evse_id: int | None) -> Any:
    """Where a device of this EVSE belongs; makes the board's simulation at the first call."""
    board.simulation = board.share("simulation", lambda: Simulation(board))
    return _Nowhere() if evse_id is None else board.simulation.outlet(evse_id)
