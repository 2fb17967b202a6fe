"""Plant: the whole station but for sockets, on a clock that stands until it is moved and a disk whose power can be cut.

    plant = Plant(version="2.0.1")
    plant.connect()
    plant.tap("CARD"); plant.sim.plug(1, phases=3, current=16); plant.advance(10)
    plant.ask("Reset", {"type": "Immediate"})
    later = plant.after_cut(disk)             the next start, on what a power cut left

Engine, runner, charging controllers, simulated board, journal and documents are the real ones, put together as
evse/app.py does it; the CSMS is tests/support/modelcsms.py, half a tenth of a second away. What no station may ever do
is checked after every step by `check`: contactor closed without authorization or under a fault, a defect in the log.
"""

from __future__ import annotations

import posix
from typing import Any

from evse.clock import Clock, Timers, timestamp
from evse.csms.ledger import Session
from evse.ocpp.engine import Engine
from evse.store.documents import Documents
from evse.store.journal import Journal
from tests.support.assembly import Assembly
from tests.support.bench import NOW_UTC, STATION, FakeLog
from tests.support.modelcsms import IDENTITY, ModelCsms
from tests.support.outlets import board_file
from tests.support.powercut import PowerCutFS

LATENCY_S = 0.05
# Lines of the log that mean a defect, whatever happened.
DEFECTS = ("breaks the schema and was not sent", "a defect", "cannot be sent", "nobody carries", "an answer of this")


class StillLoop:
    """What devices and the runner use of a loop, without descriptors; `advance` moves the time."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.timers = Timers()

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Any, *args: Any) -> Any:
        return self.timers.at(self.now, call, *args)

    def call_later(self, delay_s: float, call: Any, *args: Any) -> Any:
        return self.timers.at(self.now + delay_s, call, *args)

    def call_at(self, when: float, call: Any, *args: Any) -> Any:
        return self.timers.at(when, call, *args)

    def advance(self, seconds: float, each: Any = None) -> None:
        end = self.now + seconds
        rounds = 0
        while (when := self.timers.next()) is not None and when <= end:
            rounds = rounds + 1 if when <= self.now else 0
            assert rounds < 1000, "the station never comes to rest"
            self.now = max(self.now, when)
            self.timers.run(self.now)
            if each is not None:
                each()
        self.now = end


class NotedJournal(Journal):
    """A journal that remembers what it was given and what it promised to keep over a power cut."""

    __slots__ = ("given", "keeps_notes", "promised", "tried")

    def __init__(self, *args: Any, **options: Any) -> None:
        self.given: dict[int, Any] = {}
        self.keeps_notes = True
        self.promised: set[int] = set()
        self.tried: Any = None  # the event that is being written, or was written last
        super().__init__(*args, **options)

    def write(self, event: Any = None, keep: dict[str, Any] | None = None, durable: bool = True) -> int | None:
        self.tried = event or self.tried
        seq = super().write(event, keep, durable)
        if seq is not None and self.keeps_notes:
            self.given[seq] = event
        self._note()
        return seq

    def sync(self) -> None:
        super().sync()
        self._note()

    def _note(self) -> None:
        if not self.unsynced:
            self.promised.update(self.given)


class Plant:
    """See the module.

    board      a board of board_configs
    power_loss "end" or "resume", as `[behaviour] power_loss`
    variables  values of the device model that differ: {"Component.Variable[Instance]": value}
    directory  of a real disk, in place of `fs`
    utc_s      UTC in which the plant starts
    """

    def __init__(
        self,
        *,
        version: str = "2.1",
        board: str = "simulated-ac-1",
        fs: PowerCutFS | None = None,
        csms: ModelCsms | None = None,
        power_loss: str = "end",
        variables: dict[str, str] | None = None,
        utc_s: float = NOW_UTC,
        boots: int = 0,
        registers: dict[int, float] | None = None,
        directory: str | None = None,
    ) -> None:
        self.fs = PowerCutFS() if fs is None else fs
        self.directory = directory or self.fs.directory
        self.options: dict[str, Any] = {
            "board": board, "power_loss": power_loss, "variables": variables, "directory": directory,
        }  # fmt: skip
        self.version = version
        self.boots = boots
        self.loop = StillLoop(50.0 + boots)
        self.utc_offset_s = utc_s - self.loop.now
        self.skew_s = 0.0  # how wrong the machine's clock is
        self.log = FakeLog()
        self.csms = csms or ModelCsms(self.utc)
        self.csms.utc = self.utc
        self.latency_s = LATENCY_S
        self.link = 0  # counts connections: what was under way on an older one is lost
        self.up = False
        self.spoke16 = False
        self.reboot: str | None = None
        self.displays: list[str] = []
        self.watch: Any = None  # called after each step
        self._begun: dict[str, tuple[int, Any]] = {}  # before the last start
        self._make(power_loss, variables or {})
        for id, register_wh in (registers or {}).items():
            self.sim.meter(id, register_wh)

    def _make(self, power_loss: str, variables: dict[str, str]) -> None:
        clock = self.clock = Clock(self.loop.time, lambda: self.utc() + self.skew_s, boot=f"boot{self.boots}")
        fs: Any = self.fs if self.options["directory"] is None else posix
        self.journal = NotedJournal(self.directory + "/journal", fs=fs, log=self.log, droppable=Engine.is_droppable)
        overrides = []
        for name, value in variables.items():
            component, _, variable = name.partition(".")
            variable, _, instance = variable.rstrip("]").partition("[")
            entry = {"component": component, "variable": variable, "value": value}
            overrides.append({**entry, "variable_instance": instance} if instance else entry)
        self._count = 0
        made = self._made = Assembly(
            board=board_file(self.options["board"]),
            loop=self.loop,
            clock=clock,
            log=self.log,
            documents=Documents(self.directory + "/documents", fs=fs, log=self.log),
            journal=self.journal,
            variables=overrides,
            station={**STATION, "power_loss": power_loss},
            random=self._random,
            send=self._uplink,
            hear=self._emit,
            displays=self.displays,
        )
        self.board, self.evses, self.model = made.board, made.evses, made.model
        self.sim: Any = made.board.simulation
        self.engine, self.runner, self.controllers = made.engine, made.runner, made.controllers
        self.runner.effects.update(reboot=self._reboot, reconnect=lambda why: self._reconnect(), clock=lambda at: None)

    def start(self) -> Plant:
        """The process begins."""
        self._made.start()
        self.runner.pump()
        self.advance(0)
        return self

    def _random(self, count: int) -> bytes:
        self._count += 1
        return (self.boots << 32 | self._count).to_bytes(16, "big").rjust(count, b"\0")[-count:]

    # -- time and power --------------------------------------------------------------------------------------------

    def utc(self) -> float:
        """The true time."""
        return self.loop.now + self.utc_offset_s

    def advance(self, seconds: float = 0.0) -> None:
        self.loop.advance(seconds, self.check)
        self.check()

    def after_cut(
        self,
        disk: PowerCutFS,
        csms: ModelCsms | None = None,
        *,
        dark_s: float = 30.0,
        version: str | None = None,
        meters: bool = True,
    ) -> Plant:
        """The next start `dark_s` later, on a disk that the power cut left; vehicles are still plugged in.

        The meters counted what went through them and keep it, or (`meters` False) begin at 0 again. The connection is
        not open yet.
        """
        for controller in self.controllers:
            outlet = self.sim.outlet(controller)
            outlet.meter._integrate()
        registers = {id: self.sim.outlet(id).meter.register_wh for id in self.controllers}
        plant = Plant(
            version=version or self.version,
            fs=disk,
            csms=csms,
            utc_s=self.utc() + dark_s,
            boots=self.boots + 1,
            registers=registers if meters else None,
            **self.options,
        )
        plant._begun = self.begun()
        plant.spoke16 = self.spoke16
        plant.skew_s = self.skew_s
        for id in self.controllers:
            vehicle = self.sim.outlet(id).vehicle
            if vehicle.plugged:
                plant.sim.plug(id, phases=vehicle.phases, current=vehicle.current_a)
                if vehicle.suspended:
                    plant.sim.suspend(id)
        return plant.start()

    def begun(self) -> dict[str, tuple[int, Any]]:
        """Every transaction that was ever journaled: id -> EVSE, stamp of its start."""
        events = [*self.journal.given.values(), self.journal.tried]
        rows = [event[2] for event in events if event is not None and event[0] == "transactions"]
        return {**self._begun, **{row["t"]: (row["i"], row["w"]) for row in rows if row.get("e") == 0}}

    def books_of(self, id: str) -> list[Session]:
        """What the CSMS has booked of a transaction: in 2.x under its id, in 1.6 under one that the CSMS gave."""
        evse, stamp = self.begun()[id]
        at = timestamp(self.clock.resolve(stamp))
        return [
            book
            for book in self.csms.ledger.of(IDENTITY)
            if book.transaction_id == id or (book.version == "1.6" and (book.started_at, book.evse_id) == (at, evse))
        ]

    def is_booked(self, row: dict[str, Any]) -> bool:
        """Whether an event of a transaction is in the books, if there is a word for it."""
        books = self.books_of(row["t"])
        if any(row["n"] in book.events for book in books):
            return True
        events = [event for book in books if book.version == "1.6" for event in book.events.values()]
        if row.get("e") == 0:
            return any("meterStart" in event for event in events)
        if row.get("e") == 2:
            return any("meterStop" in event for event in events)
        return self.is_metered(row) if "m" in row else self.spoke16

    def is_metered(self, row: dict[str, Any]) -> bool:
        """Whether 1.6 was told the samples of an event; without a transaction's id where it has none yet."""
        at = timestamp(self.clock.resolve(row["w"]))
        return any(
            value["timestamp"] == at
            for version, action, payload in self.csms.said
            if version == "1.6" and action == "MeterValues" and payload["connectorId"] == row["i"]
            for value in payload["meterValue"]
        )

    def restart(self) -> Plant:
        """An orderly restart, as evse/app.py does it: sessions end or stay to be resumed, outputs are safe."""
        if self.options["power_loss"] == "end":
            for controller in self.controllers.values():
                if controller.authorized:
                    controller.stop("Reboot")
        self.advance(2)
        for controller in self.controllers.values():
            controller.close()
        self.runner.pump()
        self.advance(1)
        self.drop()
        self.runner.close()
        self.journal.close()
        return self.after_cut(self.fs, self.csms, dark_s=2.0)

    def _reboot(self, reason: str) -> None:
        self.reboot = reason

    # -- connection ------------------------------------------------------------------------------------------------

    def connect(self, version: str | None = None) -> None:
        """The connection opens; in another version if one is given."""
        self.version = self.csms.version = version or self.version
        self.spoke16 = self.spoke16 or self.version == "1.6"
        self.link += 1
        self.up = True
        self.runner.tell(self.engine.connected, "ocpp" + self.version)
        self.advance(0)

    def drop(self) -> None:
        """The connection breaks; what was under way is lost."""
        if self.up:
            self.up = False
            self.link += 1
            self.runner.tell(self.engine.disconnected)
            self.advance(0)

    def _reconnect(self) -> None:
        """The station closes the connection itself, and comes back after a while."""
        if self.up:
            self.up = False
            self.link += 1
            self.runner.tell(self.engine.disconnected)
            self.loop.call_later(10.0, self._again, self.link)

    def _again(self, link: int) -> None:
        if link == self.link and not self.up:
            self.link += 1
            self.up = True
            self.runner.tell(self.engine.connected, "ocpp" + self.version)

    def _uplink(self, *frames: str) -> None:
        for frame in frames if self.up else ():
            self.loop.call_later(self.latency_s, self._arrived, self.link, frame)

    def _arrived(self, link: int, frame: str) -> None:
        if link == self.link:
            reply = self.csms.receive(frame)
            if reply is not None:
                self.loop.call_later(self.latency_s, self.downlink, link, reply)

    def downlink(self, link: int, frame: str) -> None:
        """A frame of the CSMS arrives, if the connection is still the one it was sent on."""
        if link == self.link and self.up:
            self.runner.tell(self.engine.receive, frame)

    def ask(self, action: str, payload: dict[str, Any] | None = None) -> list[Any] | None:
        """A CALL of the CSMS: the whole answering frame, None if there is none yet."""
        id, frame = self.csms.call(action, payload or {})
        self.downlink(self.link, frame)
        self.advance(2 * self.latency_s)
        return self.csms.replies.pop(id, None)

    def drain(self, limit_s: float = 3600.0) -> None:
        """Lets time pass until the CSMS has taken everything."""
        end = self.loop.now + limit_s
        while self.journal.head() is not None:
            assert self.loop.now < end, f"the queue does not drain: {self.journal.head()} {self.log.lines[-5:]}"
            self.advance(1.0)

    # -- people ----------------------------------------------------------------------------------------------------

    def tap(self, token: str = "CARD", evses: list[int] | None = None) -> None:
        self.sim.swipe(token, evses=evses)
        self.runner.pump()
        self.advance(0)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _emit(self, fact: str, evse_id: int | None, *values: Any) -> None:
        self.runner.tell(self.engine.fact, fact, evse_id, *values)

    def check(self) -> None:
        """What holds after every step."""
        for id, controller in self.controllers.items():
            outlet = self.sim.outlet(id)
            if controller._told_closed:
                assert controller.authorized, f"EVSE {id}: contactor closed without authorization: {controller.state}"
                assert not controller.faults.stop(), f"EVSE {id}: contactor closed under {controller.faults.present}"
                assert outlet.vehicle.plugged or controller.state == "ending", f"EVSE {id}: closed without a vehicle"
        for level, text, fields in self.log.lines:
            assert level != "error" or not any(word in text for word in DEFECTS), (text, fields)
        if self.watch is not None:
            self.watch()
