"""What the control socket can do: each verb takes a request, has its effect, and returns members of the answer.

Verbs never wait for the CSMS; what it answers later is told to those who subscribed to `events`.
"""

from __future__ import annotations

import sys

from evse.clock import parse_timestamp
from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Request = dict[str, Any]
    Command = Callable[[Request, Any], Request | None]

POWER = ("Power.Active.Import", None)
# Verbs that the simulation has itself, with the members that they take.
SIMULATION = {
    "park": ("evse",),
    "leave": ("evse",),
    "plug": ("evse", "phases", "current"),
    "unplug": ("evse",),
    "suspend": ("evse",),
    "resume": ("evse",),
    "swipe": ("token", "kind", "evses"),
    "fault": ("evse", "code"),
    "clear": ("evse", "code"),
    "meter": ("evse", "energy_wh"),
}
MISBEHAVIOUR = ("evse", "trait", "active")


class Verbs:
    """The verbs of one station; `station` is the composition root (evse/app.py)."""

    def __init__(self, station: Any) -> None:
        self._station = station

    def commands(self) -> dict[str, Command]:
        """Name -> verb; those of the simulation only where there is one."""
        commands: dict[str, Command] = {
            "status": self._status,
            "start": self._start,
            "stop": self._stop,
            "unlock": self._unlock,
            "display": self._display,
            "events": self._events,
            "modules": self._modules,
            **self._station.side.commands(),
        }
        if self._station.board.simulation is not None:
            commands.update(dict.fromkeys(SIMULATION, self._simulate))
            commands.update(
                misbehave=self._simulate_trait,
                power=self._power,
                lock=self._lock,
                clock=self._clock,
                emergency_stop=self._emergency,
            )
        return commands

    # Any station

    def _status(self, request: Request, client: Any) -> Request:
        station = self._station
        return {
            "ready": station.ready,
            **station.side.status(),
            "utc": station.clock.utc(),
            "faults": [] if station.engine is None else list(station.engine.faults),
            "evses": [self._evse(evse) for evse in station.evses.values()],
        }

    def _evse(self, evse: Any) -> Request:
        station = self._station
        controller = station.controllers[evse.id]
        source, limit_a = controller.why()
        return {
            "id": evse.id,
            "connectors": [
                {"id": id, "type": connector.type, "status": station.side.connector_status(evse, id)}
                for id, connector in evse.connectors.items()
            ],
            "plugged": evse.plugged,
            "charging_state": evse.charging_state,
            "power_path": evse.power_path,
            "authorized": controller.authorized,
            "transaction": station.side.transaction_of(evse.id),
            "register_wh": evse.register_wh,
            "power_w": evse.values.get(POWER),
            "limit_a": limit_a,
            "limit_source": source,
            "limit_profile": station.side.charging_profile(evse.id) if source == "schedule" else None,
            "offered_a": controller.offered_a,
            "phases": evse.phases if controller.phases is None else controller.phases.count,
            "phases_source": None if controller.phases is None else controller.limits.why_phases(),
            "faults": list(evse.faults),
        }

    def _start(self, request: Request, client: Any) -> None:
        controller = self._station.controller(request.get("evse"))
        if controller.authorized:
            raise UsageError(f"EVSE {controller.id} is charging or about to; stop it first")
        faults = self._station.evses[controller.id].faults
        if faults:
            raise UsageError(f"EVSE {controller.id} has a fault: {', '.join(faults)}")
        token = request.get("token")
        if token is not None and not (isinstance(token, str) and 1 <= len(token) <= 255):
            raise UsageError("token must be text of 1 to 255 characters")
        self._station.side.start(controller.id, token)

    def _stop(self, request: Request, client: Any) -> None:
        controller = self._station.controller(request.get("evse"))
        if not controller.authorized:
            raise UsageError(f"EVSE {controller.id} has no session to stop")
        self._station.side.stop(controller.id)

    def _unlock(self, request: Request, client: Any) -> None:
        controller = self._station.controller(request.get("evse"))
        if controller.authorized and controller.plugged is not None:
            raise UsageError(f"EVSE {controller.id} is in a session; stop it first")
        controller.unlock(request.get("connector", 1))

    def _display(self, request: Request, client: Any) -> Request:
        return {"display": {str(evse or 0): text for evse, text in self._station.displays.items()}}

    def _events(self, request: Request, client: Any) -> None:
        client.wants |= {"events"}

    def _modules(self, request: Request, client: Any) -> Request:
        """For diagnosis and the memory test: what the process has loaded."""
        return {"modules": sorted(sys.modules)}

    # Simulation

    def _simulate(self, request: Request, client: Any) -> None:
        name = request["cmd"]
        self._call(name, {key: request[key] for key in SIMULATION[name] if key in request})

    def _simulate_trait(self, request: Request, client: Any) -> None:
        self._call("misbehave", {key: request[key] for key in MISBEHAVIOUR if key in request})

    def _power(self, request: Request, client: Any) -> None:
        self._call("power", {"event": _word(request, "state", "loss", "restore")})

    def _lock(self, request: Request, client: Any) -> None:
        self._call("lock", {"evse": request.get("evse"), "ok": _word(request, "state", "ok", "fail") == "ok"})

    def _emergency(self, request: Request, client: Any) -> None:
        pressed = request.get("pressed", True)
        if not isinstance(pressed, bool):
            raise UsageError("pressed must be true or false")
        self._call("emergency_stop", {"active": pressed})

    def _call(self, name: str, members: Request) -> None:
        """One verb of the simulation."""
        try:
            getattr(self._station.board.simulation, name)(**members)
        except TypeError as error:
            raise UsageError(f"{name}: {str(error).rpartition('()')[2].strip()}") from None
        except ValueError as error:  # HalError: this module does not know the hardware
            raise UsageError(str(error)) from None

    def _clock(self, request: Request, client: Any) -> None:
        """`set`: UTC as text or seconds; `jump`: seconds. The clock of the simulated station, not of the machine."""
        station = self._station
        if "jump" in request:
            station.set_utc(station.clock.resolve(station.clock.stamp()) + _number(request, "jump"))
            return
        at = request.get("set")
        if isinstance(at, str):
            try:
                at = parse_timestamp(at)
            except ValueError as error:
                raise UsageError(str(error)) from None
        elif at is None:
            raise UsageError("set or jump is missing")
        else:
            at = _number(request, "set")
        station.set_utc(at)


def _word(request: Request, name: str, *words: str) -> str:
    """The word that a member has, or that is itself a member that is true: {"state": "loss"} or {"loss": true}."""
    word = request.get(name) or next((word for word in words if request.get(word) is True), None)
    if not isinstance(word, str) or word not in words:
        raise UsageError(f"{name} must be one of {', '.join(words)}")
    return word


def _number(request: Request, name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e11:
        raise UsageError(f"{name} must be a number of seconds")
    return value
