"""The station put together: the only module that knows the hardware (`hal`) and everything else (`evse`).

hardware --events--> charging controllers --facts--> engine (OCPP) or the standalone rules --effects--> controllers
CSMS <--frames--> connection <--> engine; control socket --verbs--> all of it
"""

from __future__ import annotations

import posix
import time

from evse.charging.session import ChargingController
from evse.clock import Clock, Timers
from evse.errors import EvseError, HardwareError, UsageError
from evse.model import Connector, Evse
from evse.shell.control import ControlServer
from evse.shell.notify import Notify
from evse.shell.runner import Runner
from evse.shell.verbs import Verbs
from evse.store.documents import Documents
from hal.board import load_board
from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.shell.log import Log

RESTART, REBOOT = 75, 76
# What a failing device, CSMS or disk raises: none of it ends the process. All else is a defect.
FAULTS = (OSError, EvseError, HalError)
# An orderly shutdown waits so long for sessions to end, and then for the CSMS to take what is to be said.
SESSIONS_END_S = 2.0
FAREWELL_S = 1.0
# The meters' first readings are waited for; a controller gives up on its own a little earlier.
METERS_S = 2.5
# A contactor of a real board does not close more often than this where the board file says nothing.
MIN_CLOSE_INTERVAL_S = 10.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def check_board(description: dict[str, Any], path: str | None = None) -> list[str]:
    """Everything that is wrong with a board, in words; the maps of its meters are put in. For the front end.

    `path`: the board file, so that the words begin with file and line.
    """
    from evse.tomllines import place_of
    from hal.boardfile import problems
    from hal.meterfile import compile_meters

    found = problems(description)
    if found:
        return [f"{place_of(path, where)}{text}" for where, text in found]
    return [f"{place_of(path, ())}{text}" for text in compile_meters(description)]


def this_board() -> str:
    """The name of the board that this machine is, by its device tree; for the front end. Raises UsageError."""
    from hal.machine import detect

    try:
        return detect()
    except HalError as error:
        raise UsageError(error.detail) from None


class Station:
    """One charging station: `start()`, then run the loop until it stops; `exit_code` says why it did.

    `side` decides who may charge: the OCPP side (evse/online.py) or the standalone rules (evse/standalone.py).
    """

    def __init__(self, config: dict[str, Any], state_dir: str, control: str, loop: Any, log: Log) -> None:
        """Opens the store and makes the devices; nothing moves before `start()`. Raises EvseError."""
        self.config = config
        self.loop = loop
        self.log = log
        self.exit_code = 0
        self.ready = False
        self.displays: dict[int | None, str] = {}
        posix.umask(0o077)
        self.clock = Clock(boot=_boot_id())
        self.timers = Timers()
        self.documents = Documents(f"{state_dir}/documents", log=log)
        try:
            self.board = load_board(config["board"], checked=True)
        except HalError as error:
            raise HardwareError(error.code, error.detail) from None
        self.evses = {id: evse_of(devices) for id, devices in self.board.evses.items()}
        self.side = self._make_side(state_dir)
        self.runner = Runner(loop, self.clock, self.timers, log, self.side.engine, self.side.journal)
        self.controllers = {
            id: ChargingController(
                id, devices, self.timers, self.clock, self.emit, _Settings(self.side, _min_close_s(config, id)), log
            )
            for id, devices in self.board.evses.items()
        }
        site_limit_a = config["station"]["site_limit_a"]
        if site_limit_a is not None:
            from evse.charging.site import SiteSharing

            SiteSharing(list(self.controllers.values()), self.timers, self.clock, site_limit_a)
        self.control = ControlServer(loop, control, Verbs(self).commands(), log)
        self.control.settle = self._settle
        self.notify = Notify(loop, log)
        self._barred: set[int] = set()  # EVSEs that nobody may use now
        self._stopping = False
        self._closed = False
        self._deadline: Any = None

    def _make_side(self, state_dir: str) -> Any:
        if self.config["behaviour"]["standalone"]:
            from evse.standalone import Standalone

            return Standalone(self)
        from evse.online import Online

        return Online(self, state_dir)

    @property
    def engine(self) -> Any:
        """The OCPP engine, None in standalone mode."""
        return self.side.engine

    def set_utc(self, at: float) -> None:
        """Sets the simulated clock so that the station believes it to be `at`, until the CSMS says otherwise."""
        ahead_s = at - time.time()
        self.clock.forget()
        self.clock.system = lambda: time.time() + ahead_s
        self.runner.watch_clock()

    # Life

    def start(self) -> None:
        """Starts the control socket, the rules and the EVSEs; then, with the meters, all else. Raises EvseError."""
        self.control.start()
        self.runner.effects.update(
            authorize=self.authorize,
            stop=lambda evse, reason: self.controllers[evse].stop(reason),
            limit=lambda evse, *limit: self.controllers[evse].limit(*limit),
            unlock=lambda evse, connector: self.controllers[evse].unlock(connector),
            permit=self._permit,
            display=self.display,
            reboot=self.restart,
        )
        self.side.begin()
        for id, controller in self.controllers.items():
            self._start_device(id, controller, self.loop)
        self._deadline = self.clock.now() + METERS_S
        self._await_meters()

    def _await_meters(self) -> None:
        """Nobody can begin anything before every meter has spoken, or had its time."""
        if self._stopping:
            return
        if self.clock.now() < self._deadline and not all(controller.ready for controller in self.controllers.values()):
            self.runner.pump()  # the controllers' own time is its timers'
            self.loop.call_later(0.02, self._await_meters)
        else:
            self._open()

    def _open(self) -> None:
        """Cards, lights, the CSMS: the station can be used."""
        for reader, evse_ids in self.board.readers:
            hear = lambda event, *values, ids=evse_ids: self._hear_reader(ids, event, *values)  # noqa: E731
            self._start_device(None, reader, self.loop, hear)
        self._start_board()
        self.runner.pump()
        self.side.connect()
        self.ready = True
        self.notify.ready(self.hangs)
        self.log.info("the station is ready", evses=len(self.evses), board=self.board.id)

    def _start_board(self) -> None:
        """What belongs to no EVSE: lights, then the watchdog, which resets the machine from here on if we hang.

        The station can do without them: one that fails is logged.
        """
        board = self.board
        drivers = [table["contactor"]["driver"] for table in self.config["board"]["evse"]]
        if board.bench_only and drivers != ["simulated"] * len(drivers):
            self.log.warning("bench only: nothing but this program stands between mains and vehicle", board=board.id)
        parts: list[tuple[Any, ...]] = [(led, self.loop, None) for led in board.leds]
        if board.watchdog is not None:
            parts.append((board.watchdog, self.loop, self._unfed, self.hangs))
        for device, *args in parts:
            try:
                device.start(*args)
            except FAULTS as error:
                self.log.error("a device could not be started", why=str(error))
        self._show(None)

    def _unfed(self, event: str, part: str) -> None:
        self.log.error("the machine's watchdog is not fed, a part hangs", part=part)

    def hangs(self) -> str | None:
        """Names the part that hangs, None if all goes well: for the watchdogs of systemd and of the machine."""
        return self.runner.hangs() or self.board.hangs(self.loop.time())

    def _permit(self, evse_id: int, permitted: bool) -> None:
        (self._barred.discard if permitted else self._barred.add)(evse_id)
        self.controllers[evse_id].permit(permitted)
        self._show(evse_id)

    def _show(self, evse_id: int | None) -> None:
        """Lights, where the board has some."""
        if not self.board.leds:
            return
        for id in self.controllers if evse_id is None else (evse_id,):
            controller = self.controllers[id]
            state = {"Charging": "charging", "EVConnected": "occupied", "Idle": "available"}
            word = state.get(controller.charging_state, "suspended")
            if word == "available" and id in self._barred:
                word = "unavailable"
            self.board.show(id, "fault" if controller.faults.stop() else word)

    def _start_device(self, evse_id: int | None, device: Any, *args: Any) -> None:
        """Starts a device; one that fails is made safe and is a fault of its EVSE (None: the station), no more."""
        try:
            device.start(*args)
        except FAULTS as error:
            self.log.error("a device could not be started", evse=evse_id, why=str(error))
            device.close()
            self.emit("fault", evse_id, "ReaderFailure" if evse_id is None else "InternalError", str(error))

    def authorize(self, evse_id: int) -> None:
        """The token that the EVSE is authorized for may charge; a meter whose records say so is told who that is."""
        token = self.evses[evse_id].authorized
        identify = getattr(self.board.evses[evse_id].meter, "identify", None)
        if identify is not None and token is not None:
            identify(token.id_token, token.kind)
        self.controllers[evse_id].authorize()

    def restart(self, reason: str) -> None:
        """Ends the process with the exit code that asks for the next start, after the configured delay.

        New firmware may need a start of the machine.
        """
        delay_s = self.config["behaviour"]["reset_delay_s"]
        machine = reason == "FirmwareUpdate" and self.config["firmware"]["restart"] == "machine"
        self.log.info("the station restarts", reason=reason, delay_s=delay_s)
        self.loop.call_later(delay_s, self.shut_down, REBOOT if machine else RESTART)

    def shut_down(self, exit_code: int) -> None:
        """Orderly: sessions end (or stay to be resumed, as configured), the CSMS hears of it, outputs are safe."""
        if self._stopping:
            return
        self._stopping = True
        self.exit_code = exit_code
        self.notify.stopping()
        self.log.info("the station shuts down", exit_code=exit_code)
        if self.config["behaviour"]["power_loss"] == "end":
            for controller in self.controllers.values():
                if controller.authorized:
                    controller.stop("Reboot")
        self.runner.pump()
        self._deadline = self.clock.now() + SESSIONS_END_S
        self._await_sessions()

    def _await_sessions(self) -> None:
        busy = any(controller.state in ("ending", "reading") for controller in self.controllers.values())
        if busy and self.clock.now() < self._deadline:
            self.loop.call_later(0.02, self._await_sessions)
            return
        self.make_safe()
        self.runner.pump()
        self._deadline = self.clock.now() + FAREWELL_S
        self._await_farewell()

    def _await_farewell(self) -> None:
        if self.side.has_to_say() and self.clock.now() < self._deadline:
            self.loop.call_later(0.02, self._await_farewell)
        else:
            self.side.disconnect()
            self.loop.stop()

    def make_safe(self) -> None:
        """Every contactor open, no current offered; also after a failure of any part. May be called again."""
        devices = [*self.controllers.values(), *(reader for reader, _ in self.board.readers), *self.board.leds]
        for device in devices:
            try:
                device.close()
            except Exception as error:  # the others must be made safe whatever happens here
                self.log.error("a device could not be made safe", kind=type(error).__name__, why=str(error))

    def close(self) -> None:
        """Gives everything back; may be called twice."""
        if not self._closed:
            self._closed = True
            self.make_safe()
            if self.board.watchdog is not None:
                self.board.watchdog.close(self._stopping)  # after a failure it goes on: the next start has its time
            self.side.close()
            self.runner.close()
            self.control.close()
            self.notify.close()

    # Facts

    def emit(self, fact: str, evse_id: int | None, *values: Any) -> None:
        """A fact of a controller."""
        self.runner.tell(self._fact, fact, evse_id, *values)

    def _settle(self) -> None:
        """What a command of the control socket led to, before it is answered."""
        if self.engine is not None:
            self.runner.tell(self.engine.pump)
        self.runner.pump()

    def _fact(self, fact: str, evse_id: int | None, *values: Any) -> None:
        self.side.fact(fact, evse_id, *values)
        if fact == "reading":
            return
        self._show(evse_id)
        if self.control.wanted("events"):
            self.control.publish("events", {"event": fact, "evse": evse_id, "values": list(values)})

    def _hear_reader(self, evse_ids: tuple[int, ...], event: str, *values: Any) -> None:
        if event == "token":
            self.runner.tell(self.token, values[2] if len(values) > 2 else evse_ids, *values[:2])
        else:
            self.emit(event, None, *values)

    def token(self, evse_ids: tuple[int, ...], id_token: str, kind: str) -> None:
        """A token at a reader of these EVSEs; with `token_before_plug = false` only where a cable is plugged in."""
        if not self.config["behaviour"]["token_before_plug"]:
            plugged = tuple(id for id in evse_ids if self.controllers[id].plugged is not None)
            if not plugged:
                self.display(evse_ids[0] if len(evse_ids) == 1 else None, "plug in first, then show the card")
                return
            evse_ids = plugged
        self.side.token_presented(evse_ids, id_token, kind)
        self.control.publish("events", {"event": "token", "evses": list(evse_ids), "kind": kind})

    def display(self, evse_id: int | None, text: str) -> None:
        """What a screen or an LED would show."""
        self.displays[evse_id] = text
        self.log.info("display", evse=evse_id, text=text)
        self.control.publish("events", {"event": "display", "evse": evse_id, "text": text})

    def controller(self, evse: Any) -> ChargingController:
        """The controller of an EVSE that somebody named. Raises UsageError."""
        if isinstance(evse, bool) or not isinstance(evse, int) or evse not in self.controllers:
            known = ", ".join(map(str, self.controllers))
            raise UsageError(f"there is no EVSE {evse!r}; this station has {known}")
        return self.controllers[evse]


class _Settings:
    """What a charging controller reads at use: from the device model or the standalone rules, and the board."""

    __slots__ = ("_side", "min_close_interval_s", "lock_timeout_s", "contactor_timeout_s")

    def __init__(self, side: Any, min_close_interval_s: float) -> None:
        self._side = side
        self.min_close_interval_s = min_close_interval_s
        self.lock_timeout_s = 5.0
        self.contactor_timeout_s = 1.0

    def __getattr__(self, name: str) -> Any:
        return self._side.setting(name)


def _min_close_s(config: dict[str, Any], evse_id: int) -> float:
    """The least time between two closings of an EVSE's contactor; a simulated one does not wear out."""
    table = next(table for table in config["board"]["evse"] if table["id"] == evse_id)
    contactor = table["contactor"]
    default_s = 0.0 if contactor["driver"] == "simulated" else MIN_CLOSE_INTERVAL_S
    return float(contactor.get("min_close_interval_s", default_s))


def evse_of(devices: Any) -> Evse:
    """What OCPP knows of an EVSE, by its devices."""
    connectors = [Connector(id, kind, tethered, id in devices.locks) for id, kind, tethered in devices.connectors]
    evse = Evse(devices.id, connectors, devices.phases, devices.max_current_a, False if devices.sees_parking else None)
    evse.switches_phases = devices.phase_switch is not None
    measurands = () if devices.meter is None else getattr(devices.meter, "measurands", None)
    evse.measurands = (*measurands, "Current.Offered") if measurands else measurands
    return evse


def _boot_id() -> str:
    """The kernel's id of this start of the machine; where it has none, one that never comes again."""
    try:
        with open(BOOT_ID) as file:
            return file.read().strip()
    except OSError:
        return f"{time.time_ns():x}"
