"""Charging session of one EVSE: from plug and authorization, in either order, to the contactor and back.

The rules are the tables of evse/charging/states.py; here they are driven. After each edge the levels are put to the
table until none changes the state; only then outputs are set, contactor first, and facts are told. So no state in
between moves hardware, and no level can be missed.
"""

from __future__ import annotations

from _collections import deque

from evse.charging.faults import UNTIL_UNPLUGGED, Faults
from evse.charging.limit import Limits
from evse.charging.locks import Locks
from evse.charging.metering import Metering
from evse.charging.pilot import MINIMUM_A, vehicle_state
from evse.charging.states import CAUSES, HELD_BACK, LIVE, OUTPUTS, TABLE, UNLOCKED
from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Clock, Timer, Timers

OVERCURRENT_S = 7.0
_OFFERED = ("Current.Offered", None)


class ChargingController:
    """One EVSE: hears its devices, obeys the commands below, tells facts by `emit(fact, evse_id, *values)`.

    After every event: contactor told to close implies a live authorization, no fault, and a vehicle that asks.
    Settings are read when they are used: connection_timeout_s (None or 0: none), stop_on_disconnect,
    unlock_on_disconnect, free_vending, min_close_interval_s, lock_timeout_s, contactor_timeout_s.

    state           a key of TABLE; charging_state its ChargingStateEnum word
    plugged         connector id, None without a vehicle
    closed          the mirror contact says so
    offered_a       current offered to the vehicle, None for none
    demand          None, or ("asks" | "rests", most it could be given in A); `demand_changed()` is called on a change
    faults, limits, metering, phases   what their modules say; phases is None without a switch
    ready           nothing of the start is awaited any more: the meter has spoken or had its time
    """

    def __init__(
        self,
        evse_id: int,
        devices: Any,
        timers: Timers,
        clock: Clock,
        emit: Callable[..., Any],
        settings: Any,
        log: Any = None,
    ) -> None:
        self.id = evse_id
        self.state = "idle"
        self.charging_state = "Idle"
        self.plugged: int | None = None
        self.closed = False
        self.ready = False
        self.offered_a: float | None = None
        self.demand: tuple[str, float] | None = None
        self.demand_changed: Callable[[], Any] | None = None
        self.limits = Limits(devices.max_current_a)
        self.metering = Metering(devices.meter, timers, clock, self._silent, devices.loss_s, log)
        self.faults = Faults(devices.on_loss, self._tell)
        self.phases: Any = None
        if devices.phase_switch is not None:
            from evse.charging.phases import Phases

            self.phases = Phases(devices, timers, clock, self._changed)
        self._locks = Locks(devices.locks, timers, clock, settings, self.faults, self._tell)
        self._devices = devices
        self._timers = timers
        self._clock = clock
        self._emit = emit
        self._settings = settings
        self._edges: deque[tuple[str, str]] = deque()
        self._facts: deque[tuple[Any, ...]] = deque()
        self._busy = True  # nothing moves before `ready` and after close()
        self._dirty = True
        self._letter = "A"
        self._connector: int = devices.connectors[0][0]
        self._went = False  # unplugged, and not yet told
        self._permitted = True
        self._started = False  # the contactor was closed in this session
        self._rested = False  # the vehicle did not want the last offer
        self._reason = ""
        self._again = False  # authorized anew while the last session is being ended
        self._vend = True  # free vending may start a session: not once one was stopped with this vehicle
        self._held = False  # the cable stays locked although the session is over [E05.FR.11, E09.FR.03]
        self._told_closed = False
        self._closed_when = 0.0
        self._over_when: float | None = None
        self._moved = False  # the state changed since outputs were set
        self._timer: Timer | None = None
        self._weld_timer: Timer | None = None

    # Commands

    def start(self, loop: Any) -> None:
        """Starts the devices. The contactor counts as closed just now: a crash loop must not hammer it.

        Nothing is told and nothing moves before the meter's first reading (`ready`), or 2 s without one: no session
        begins at a register that nobody knows.
        """
        self._closed_when = self._clock.now()
        devices = self._devices
        for device in (devices.contactor, devices.phase_switch, devices.pilot, *devices.sensors, devices.meter):
            if device is not None:
                device.start(loop, self._hear)
        for connector, lock in devices.locks.items():
            lock.start(loop, lambda event, *values, connector=connector: self._hear_lock(connector, event, *values))
        self.metering.watch(self._get_ready)

    def _get_ready(self) -> None:
        self.ready = True
        self._busy = False
        self._run()

    def close(self) -> None:
        """Opens the contactor, takes the offer back and closes the devices; nothing is told afterwards."""
        self._busy = self.ready = True
        for timer in (self._timer, self._weld_timer):
            if timer is not None:
                timer.cancel()
        self.metering.close()
        if self.phases is not None:
            self.phases.close()
        self._locks.close()
        devices = self._devices
        power = (devices.contactor, devices.phase_switch, devices.pilot)
        for device in (*power, *devices.locks.values(), *devices.sensors, devices.meter):
            if device is not None:
                device.close()

    def authorize(self) -> None:
        """A live authorization exists from now on; it ends with exactly one `stopped` or `connection_timeout`."""
        self._post("authorize")

    def stop(self, reason: str) -> None:
        """Ends the session, contactor first; `stopped(reason)` follows, also where there was no session."""
        self._vend = False
        self._post("stop", reason)

    def limit(self, source: str, limit_a: float | None, phases: int | None = None) -> None:
        """Limits the current: the least source holds, under 6 A is a pause; None removes one. Raises UsageError.

        `phases` 1: one phase is to be used, where a phase switch can see to it.
        """
        if self.limits.set(source, limit_a, phases):
            self._changed()

    def permit(self, permitted: bool) -> None:
        """False: no power may begin to flow in this session or the next; one that was charging goes on."""
        self._permitted = permitted
        self._changed()

    def unlock(self, connector: int) -> None:
        """Opens a cable lock. Answer: `lock(connector, False)`; if it stays locked `lock(connector, True)` or a fault.

        It stays locked under a live session, under a welded contactor, and where the cable is fixed. Raises UsageError.
        """
        if all(connector != known for known, _, _ in self._devices.connectors):
            raise UsageError(f"EVSE {self.id} has no connector {connector!r}")
        in_use = self.state in LIVE and self.state != "waiting"
        if connector not in self._locks or in_use or "WeldedContactor" in self.faults.present:
            self._say("lock", connector, True)
        else:
            self._held = False
            self._locks.ask(connector)
        self._changed()

    def why(self) -> tuple[str, float]:
        """The source of the limit that holds now, and the limit in A."""
        return self.limits.why()

    @property
    def authorized(self) -> bool:
        """A live authorization exists."""
        return self.state in LIVE

    # What devices report

    def _hear(self, event: str, *values: Any) -> None:
        if event == "reading":
            values[0].setdefault(_OFFERED, self.offered_a or 0.0)  # no meter knows it, and every CSMS may ask for it
            self.metering.take(values[0], values[1], self.state not in ("idle", "occupied"))
            tell = self._facts.append if self.ready else self._facts.appendleft  # the first one before all else
            tell(("reading", (self.metering.values, self.metering.signed)))
            if self.closed or self._over_when is not None:
                self._watch_current()
            self.metering.taken()
            if self.state == "idle" and not self._busy:  # nobody is there: it is told, and nothing follows from it
                self._run()
                return
        elif event == "contactor":
            if self.phases is not None:
                self.phases.contactor(values[0])
            if values[0] != self.closed:
                self.closed = values[0]
                self._say("power_path", self.closed)
        elif event == "pilot":
            self._hear_pilot(*values)
        elif event in ("cable", "temperature"):
            self.limits.set(event, values[0])
        elif event == "phases":
            self.phases.heard(values[0])
        elif event == "parking":
            self._say("parking_bay", values[0])
        elif event == "fault":
            self.faults.report(values[0], values[1])
        elif event == "cleared" and not (values[0] == "WeldedContactor" and self.closed and not self._told_closed):
            self.faults.clear(values[0])
        self._changed()

    def _hear_pilot(self, letter: str | None, connector: int | None = None) -> None:
        state = vehicle_state(letter)
        if state is None:
            self.faults.find("EVCommunicationError", f"control pilot {letter or 'lost'}")
            return
        self._letter = state
        if state == "A":
            self._went = self.plugged is not None
            self._vend = True
            self._locks.retry()
            self.faults.clear_own(*UNTIL_UNPLUGGED)
        elif connector is not None:
            self._connector = connector
        self.faults.clear_own("EVCommunicationError")

    def _hear_lock(self, connector: int, event: str, *values: Any) -> None:
        if event == "lock":
            self._locks.confirmed(connector, values[0])
            return
        if event == "fault":
            self._locks.failed(connector)
        self._hear(event, *values)

    def _watch_current(self) -> None:
        """A vehicle that draws more than the offer for long is cut off."""
        if not self.closed or not self.offered_a or self.metering.peak_a() <= self.offered_a * 1.1 + 0.5:
            self._over_when = None
        elif self._over_when is None:
            self._over_when = self._clock.now()
        elif self._clock.now() - self._over_when >= OVERCURRENT_S:
            self.faults.find("OverCurrentFailure", f"{self.metering.peak_a():g} A drawn, {self.offered_a:g} A offered")

    def _silent(self, silent: bool) -> None:
        if silent:
            since = f"for {self._devices.loss_s:g} s" if self.metering.when is not None else "since the start"
            self.faults.find("MeterSilent", f"no reading {since}{self.metering.why()}")
        else:
            self.faults.clear_own("MeterSilent")

    # The machine

    def _say(self, fact: str, *values: Any) -> None:
        """Tells a fact once outputs are set."""
        self._facts.append((fact, values))

    def _tell(self, fact: str, *values: Any) -> None:
        """Tells a fact and lets the machine run on it."""
        self._say(fact, *values)
        self._changed()

    def _post(self, edge: str, value: str = "") -> None:
        self._edges.append((edge, value))
        self._changed()

    def _changed(self) -> None:
        self._dirty = True
        if not self._busy:
            self._run()

    def _run(self) -> None:
        """Runs until nothing is left to do; what is commanded or reported meanwhile joins the queue."""
        self._busy = True
        try:
            while self._dirty or self._edges or self._facts:
                if self._dirty or self._edges:
                    self._dirty = False
                    if self._edges:
                        self._enter(*self._edges.popleft())
                    self._settle()
                    if self._dirty:  # the site's answer to a new demand
                        continue
                    self._set_outputs()
                while self._facts:
                    fact, values = self._facts.popleft()
                    self._emit(fact, self.id, *values)
        finally:
            self._busy = False

    def _settle(self) -> None:
        """Puts the levels to the table until none changes the state."""
        for _ in range(2 * len(TABLE)):
            before = self.state
            for level in self._levels():
                self._enter(level)
                if self.state != before:
                    break
            else:
                if before == "delayed" and self._closed_when + self._settings.min_close_interval_s <= self._clock.now():
                    self._enter("timeout")
                elif before == "occupied" and self._vend and self._settings.free_vending and not self.faults.stop():
                    self._enter("authorize")
                else:
                    self._set_demand()
                    return
        raise RuntimeError(f"EVSE {self.id} never comes to rest in state {self.state}")

    def _levels(self) -> tuple[str, ...]:
        """What holds now, worst first."""
        vehicle = self._letter
        if vehicle == "A":
            vehicle = "gone" if self._settings.stop_on_disconnect else "away"
        contact = "opened"
        if self.closed:
            contact = "welded" if not self._told_closed and "WeldedContactor" in self.faults.present else "closed"
        lock = "locked" if self._locks.is_locked(self._connector) else "unlocked"
        levels = (vehicle, contact, lock, "go" if self._may_offer() else "halt")
        return ("fault", *levels) if self.faults.stop() else levels

    def _may_offer(self) -> bool:
        allowed = self.limits.offer_a() > 0 and (self._permitted or self._started)
        return allowed and (self.phases is None or bool(self.phases.fit(self.limits.phases)))

    def _enter(self, event: str, value: str = "") -> None:
        """One step of the table. Raises RuntimeError, the state unchanged, for a pair that is not in it."""
        before = self.state
        after = TABLE[before].get(event)
        if after is None:
            raise RuntimeError(f"EVSE {self.id}: {event} cannot happen in state {before}")
        if event in ("authorize", "stop"):
            self._held = self._held and event != "authorize"
            self._again = event == "authorize" and before in ("ending", "reading")
        if after == before:
            return
        self.state = after
        self._moved = True
        if after == "ending":
            self._end(before, event, value)
        elif before == "reading":
            self._say("stopped", self.faults.reason() if self._reason == "Other" else self._reason)
            self._started = self._rested = False
            if self._again:
                self._edges.append(("authorize", ""))
        elif after == "idle" and event == "timeout":
            self._say("connection_timeout")
        elif after in ("resting", "delayed"):
            self._rested = after == "resting" and self._may_offer()
        elif after == "charging":
            self._started = True

    def _end(self, before: str, event: str, reason: str) -> None:
        """The session is over: finds the word for it."""
        cause = UNLOCKED if event == "unlocked" else CAUSES.get((before, event))
        if cause is not None:
            self.faults.find(*cause)
            self._vend = False
        if (before, event) == ("absent", "timeout"):
            reason = "Timeout"
        elif event != "stop":
            reason = "EVDisconnected" if cause is None and event != "fault" else self.faults.reason()
        self._reason = reason
        self._held = reason == "DeAuthorized" or (
            reason == "EVDisconnected" and not self._settings.unlock_on_disconnect
        )

    def _set_demand(self) -> None:
        if self.state == "ending" and self.closed:
            return  # it may still draw
        demand = None
        most_a = self.limits.why(without="site")[1]
        there = self.state in LIVE and OUTPUTS[self.state][3] != "Idle"
        if there and most_a >= MINIMUM_A and (self._permitted or self._started):
            demand = ("rests" if self._rested and self._letter == "B" else "asks", most_a)
        if demand != self.demand:
            self.demand = demand
            if self.demand_changed is not None:
                self.demand_changed()

    # Outputs

    def _set_outputs(self) -> None:
        """What OUTPUTS says of the state: the contactor, then the pilot, then the lock, then what is told."""
        closed, offer, lock, word, _ = OUTPUTS[self.state]
        if closed != self._told_closed:
            self._told_closed = closed
            if closed:
                self._closed_when = self._clock.now()
                self.metering.begin()
            self._devices.contactor.switch(closed)
        if not closed and self.phases is not None:
            self.phases.move(self.limits.phases)
        if offer is not None:
            offered_a = self.limits.offer_a() if offer and self._may_offer() else None
            if offered_a != self.offered_a:
                self.offered_a = offered_a
                self._devices.pilot.offer(offered_a)
        if lock:
            self._locks.lock(self._connector)
        elif lock is not None and not self.closed and (not self._held or self.faults.stop()):
            self._locks.unlock()
        self._set_timers()
        if self._went and self.state not in HELD_BACK:
            self._say("unplugged", self.plugged)
            self._went = False
            self.plugged = None
        if self._letter != "A" and self.plugged is None:
            self.plugged = self._connector
            self._say("plugged", self.plugged)
        if word is None and self.plugged is not None and self.charging_state == "Idle":
            word = "EVConnected"
        if word is not None and word != self.charging_state:
            self.charging_state = word
            self._say("charging_state", word)

    def _set_timers(self) -> None:
        now = self._clock.now()
        if self._moved:
            self._moved = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            period = OUTPUTS[self.state][4]
            period_s = getattr(self._settings, period) if isinstance(period, str) else period
            since = self._closed_when if self.state == "delayed" else now
            if self.state == "reading":
                self.metering.fresh(self._read)
            elif period_s and not (self.state == "absent" and self._connector in self._locks):  # [E10.FR.01, E10.FR.02]
                self._timer = self._timers.at(since + period_s, self._post, "timeout")
        stuck = self.closed and not self._told_closed
        if stuck and self._weld_timer is None:
            self._weld_timer = self._timers.at(now + self._settings.contactor_timeout_s, self._weld)
        elif not stuck and self._weld_timer is not None:
            self._weld_timer.cancel()
            self._weld_timer = None

    def _weld(self) -> None:
        self._weld_timer = None
        self.faults.find("WeldedContactor", "told to open, still closed")

    def _read(self) -> None:
        self._post("read")
