"""The OCPP engine, sans-I/O: facts and frames go in; frames and effects come out.

    engine.connected("ocpp2.0.1")               the shell tells what happened ...
    engine.fact("plugged", 1, 1)
    engine.receive('[3,"...",{...}]')
    engine.frames, engine.effects               ... and drains what is to be done, after every call
    engine.next_timer(), engine.run_timers()    one timer

The engine is also the context (`ctx`) of the blocks: what they may use is public and documented here.
"""

from __future__ import annotations

from _collections import deque

from evse.errors import CsmsError, StoreError, UsageError
from evse.jsontext import dumps, loads_own
from evse.model import note_fault
from evse.ocpp import registry, rpc
from evse.ocpp.queue import Call, Outbox
from evse.ocpp.schema import SchemaError, rpc_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Clock, Timer, Timers
    from evse.model import Evse
    from evse.ocpp.device_model import DeviceModel
    from evse.ocpp.inbox import Handler, Inbox, Later
    from evse.ocpp.schema import Tables
    from evse.shell.log import Log
    from evse.store.documents import Documents
    from evse.store.journal import Journal

    Done = Callable[[dict[str, Any] | None, CsmsError | None], Any]

VERSIONS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}
# Events that wait in RAM while the flash refuses to take them; beyond, droppable ones go first, then the newest.
UNSAVED_EVENTS = 100
SAVE_AGAIN_S = 5.0


class Engine:
    """One charging station's OCPP, for every version: see the module's text.

    station   static description: vendor, model, serial, firmware, ... and behaviour settings; unknown ones are absent
    tables    callable: version -> Tables (loaded when that version is first spoken)
    blocks    block name -> "module:Class" that replaces it, "" switches it off
    """

    def __init__(
        self,
        *,
        clock: Clock,
        timers: Timers,
        journal: Journal,
        documents: Documents,
        model: DeviceModel,
        station: dict[str, Any],
        evses: dict[int, Evse],
        tables: Callable[[str], Tables],
        log: Log,
        random: Callable[[int], bytes],
        blocks: dict[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self.timers = timers
        self.journal = journal
        self.documents = documents
        self.model = model
        self.station = station
        self.evses = evses
        self.log = log
        self.random = random
        self.faults: dict[str, str] = {}
        self.frames: deque[str] = deque()
        self.effects: deque[tuple[Any, ...]] = deque()
        self.version: str | None = None
        self.tables: Tables = None  # type: ignore[assignment]  # set by the first connected()
        self.is_connected = False
        self.online = False
        self.spoke_when = 0.0  # monotonic time of our last CALL
        self._tables_of = tables
        self._overrides = blocks or {}
        self._blocks: dict[str, Any] = {}
        self._dialects: dict[str, Any] = {}
        self._unsaved: list[tuple[list[Any], dict[str, Any] | None, bool]] = []
        self._save_timer: Timer | None = None
        self._busy = False
        self._due = False  # something must be on the disk before anything leaves
        self._jobs: Any = None
        self._inbox: Inbox | None = None
        self._outbox = Outbox(self)

    # -- facts and frames in ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Once, after construction: blocks with kept state take up what a power cut interrupted."""
        for key in sorted(self.journal.state):
            if (name := key.partition(":")[0]) in registry.ACTIONS:
                self.block(name)
        for name, variable in registry.SWITCHED.items():
            if self.model.boolean(*variable):
                self.block(name)
        self._enter(self._tell, "started")

    def fact(self, name: str, *args: Any) -> None:
        """A fact from the charging side or from a block; `args[0]` is an EVSE id, or None for the station.

        An unknown EVSE id is logged and ignored.
        """
        if args and isinstance(args[0], int):
            evse = self.evses.get(args[0])
            if evse is None:
                self.log.error("a fact about an EVSE that does not exist", fact=name, evse=args[0])
                return
            evse.note(name, args[1:], self.clock.now())
            args = (evse, *(() if name == "reading" else args[1:]))
        elif name in ("fault", "cleared") and args[0] is None:
            note_fault(name, self.faults, args[1:])
        self._enter(self._tell, name, *args)

    def token_presented(self, evse_ids: tuple[int, ...], id_token: str, kind: str = "ISO14443") -> None:
        """A token at a reader that belongs to these EVSEs."""
        evses = [self.evses[id] for id in evse_ids if id in self.evses]
        self._enter(self._tell, "token", evses, id_token, kind)

    def connected(self, subprotocol: str) -> None:
        """The WebSocket is open and speaks `subprotocol`. Raises CsmsError for one that we do not speak."""
        version = VERSIONS.get(subprotocol)
        if version is None:
            raise CsmsError("NotSupported", f"subprotocol {subprotocol!r}")
        if version != self.version:
            self.version = version
            self.tables = self._tables_of(version)
            self._dialects.clear()
        self.is_connected = True
        self._outbox.connected()
        self._enter(self._tell, "connected")

    def disconnected(self) -> None:
        """The WebSocket is gone."""
        self.is_connected = False
        self.online = False
        self.frames.clear()
        if self._inbox is not None:
            self._inbox.disconnected()
        self._enter(self._outbox.disconnected)
        self._enter(self._tell, "disconnected")

    def accepted(self) -> None:
        """The boot block: the CSMS accepted our BootNotification; everything may be said from now on.

        What is sent is on the disk before: else a power cut could take it, and its seqNo would be given again.
        """
        try:
            self.journal.sync()
        except StoreError as error:
            self.log.error("the journal could not be synced", why=str(error))
        self.online = True
        self._tell("accepted")

    def receive(self, text: str) -> None:
        """A frame from the CSMS. Never raises for what is in it."""
        if self.is_connected:
            self._enter(self._receive, text)

    def job_said(self, number: int, news: dict[str, Any]) -> None:
        """A job tells how far it is."""
        self._enter(self._jobs.said, number, news)

    def job_ended(self, number: int, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """A job has its answer, or `error` says why there is none."""
        self._enter(self._jobs.ended, number, answer, error)

    def next_timer(self) -> float | None:
        """Monotonic time at which `run_timers()` wants to be called, None for never."""
        return self.timers.next()

    def run_timers(self) -> None:
        """Runs what is due."""
        self._enter(self.timers.run, self.clock.now())

    def on(self, action: str, handler: Handler | None) -> None:
        """Message mode: `handler(payload) -> payload | Later` answers `action` before its block; None removes it."""
        self._requests().on(action, handler)

    def request(self, action: str, payload: dict[str, Any], done: Done | None = None) -> None:
        """Message mode: sends any CALL in the words of the version spoken; `done(answer, error)`."""
        self._outbox.add(Call(None, action, payload, done, False, True, self.journal.last_seq))
        self._enter(int)

    def send(self, action: str, payload: dict[str, Any]) -> None:
        """Message mode, 2.1: a SEND. Raises SchemaError; dropped while there is no connection."""
        if self.version == "2.1" and self.is_connected:
            self.tables.check(action, payload)
            self.frames.append(rpc.send(self._outbox.unsolicited_id(), action, payload))

    # -- what blocks use -------------------------------------------------------------------------------------------

    def block(self, name: str) -> Any:
        """The block of that name, loaded when first asked for; None if there is none or it is switched off."""
        block = self._blocks.get(name, self)
        if block is self:
            block = None
            if name in registry.ACTIONS:
                target = self._overrides.get(name, f"evse.ocpp.blocks.{name}.block:Block")
                if target:
                    module, _, cls = target.partition(":")
                    block = getattr(_import(module), cls)(self)
            self._blocks[name] = block
        return block

    def loaded(self, name: str) -> Any:
        """As block(), but None for one that has had nothing to do: no kept state, no action, no fact that loads it."""
        return self.block(name) if name in self._overrides else self._blocks.get(name)

    def call(
        self,
        block: Any,
        event: str,
        data: dict[str, Any],
        done: Done | None = None,
        *,
        urgent: bool = False,
        early: bool = False,
    ) -> None:
        """Queues a CALL that may be lost. `event` and `data` are in 2.1 words; `done(answer, error)` hears the end.

        `early`: also before BootNotification was accepted. `urgent`: ahead of the journal's events.
        """
        self._outbox.add(Call(block.name, event, data, done, urgent, early, self.journal.last_seq))

    def record(
        self,
        block: Any,
        event: str,
        row: Any,
        *,
        droppable: bool = False,
        durable: bool = True,
        keep: dict[str, Any] | None = None,
    ) -> None:
        """Journals an event that must not be lost, and what is to be kept, as one atomic write; delivered in order.

        Durable: on the disk before any frame or effect of this turn leaves the engine, all of a turn by one sync.
        """
        entry = [block.name, event, row, 1] if droppable else [block.name, event, row]
        if self._unsaved or not self._save(entry, keep, durable):
            self._keep_unsaved(entry, keep, durable)

    def keep(self, **state: Any) -> None:
        """Keeps small state over a power cut: name -> JSON value, None forgets it. Names begin with the block's."""
        try:
            self.journal.write(keep=state, durable=self._syncs_at_once())
        except StoreError as error:
            self.log.error("the store refused state", why=str(error))

    @property
    def is_backlog(self) -> bool:
        """Whether the journaled event that is said now was already waiting when this connection opened. [E11.FR.07]"""
        head = self.journal.head()
        return head is not None and head[0] <= self._outbox.backlog_end

    def effect(self, name: str, *args: Any) -> None:
        """Asks the shell or the charging side for something."""
        self.effects.append((name, *args))

    def job(
        self,
        name: str,
        request: dict[str, Any],
        done: Done,
        news: Callable[[dict[str, Any]], Any] | None = None,
        within_s: float = 60.0,
    ) -> int | None:
        """Gives work to a child process (evse/shell/children); `done(answer, error)` hears the end, `news` the way.

        Its number, for `stop_job()`; None if too many are under way, which `done` hears too. What the child needs of
        the station's directories it is told by the shell.
        """
        if self._jobs is None:
            self._jobs = _import("evse.ocpp.jobs").Jobs(self)
        number: int | None = self._jobs.start(name, request, done, news, within_s)
        return number

    def stop_job(self, number: int | None) -> None:
        """Ends a job that is no longer wanted; its `done` is not called."""
        if number is not None:
            self._jobs.stop(number)

    def later(self) -> Later:
        """An answer that a block returns now and gives later."""
        later: Later = _import("evse.ocpp.inbox").Later()
        return later

    @staticmethod
    def is_droppable(entry: Any) -> bool:
        """Whether a journal entry may go when the flash is full: intermediate samples only."""
        return len(entry) > 3

    # -- the words of the version ----------------------------------------------------------------------------------

    def say(self, block: str | None, event: str, data: dict[str, Any]) -> tuple[str, dict[str, Any], Any] | None:
        """(action, payload, reader of the answer) of an event, None if this version has no words for it.

        Raises SchemaError if the payload breaks the schema.
        """
        if block is None:
            self.tables.check(event, data)
            return event, data, None
        said = self.dialect(block).EVENTS.get(event) if self.dialect(block) else None
        if said is None:
            if self.version == "1.6":
                return None
            said = (event, None, None)
        action, write, read = said
        payload = write(data, self) if write else data
        if payload is None:
            return None
        if isinstance(payload, tuple):  # this one in other words than its event has as a rule
            action, payload, read = payload
        return action, self.outgoing(action, payload), read

    def say_record(self, block: str, event: str, row: Any) -> tuple[str, str, Any, bool] | None:
        """(action, payload as JSON, reader of the answer, whether that says it all) of a journaled row; None: nothing.

        The writer gives the payload as a dict or as JSON; the reader takes action and answer. Raises SchemaError,
        JsonError.
        """
        dialect = self._dialects.get(block) or self.dialect(block)
        write, read = (dialect and dialect.RECORDS.get(event)) or (None, None)
        said = write(row, self) if write else None
        if said is None:
            return None
        action, payload, final = said
        text = payload if type(payload) is str else dumps(payload)
        try:
            self.tables.check_said(action, text)
        except SchemaError:
            text = dumps(self.outgoing(action, loads_own(text)))
        return action, text, read, final

    def outgoing(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A payload as it may be said: what 2.0.1 does not have is left out. Raises SchemaError."""
        try:
            self.tables.check(name, payload)
        except SchemaError:
            if self.version != "2.0.1":
                raise
            payload = self.tables.trim(name, payload)
            self.tables.check(name, payload)
        return payload

    def dialect(self, block: str) -> Any:
        """The wire forms of a block in the version spoken; None if it has none there."""
        if block not in self._dialects:
            suffix = "v16" if self.version == "1.6" else "v2"
            package = self._overrides.get(block, "").partition(":")[0]
            own = _import(package) if package else None
            self._dialects[block] = getattr(own, suffix, None) or _import(f"evse.ocpp.blocks.{block}.{suffix}")
        return self._dialects[block]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _enter(self, call: Callable[..., Any], *args: Any) -> None:
        """Every way in ends here: does the work, then sends what became possible."""
        if self._busy:
            call(*args)
            return
        self._busy = True
        try:
            call(*args)
            self._outbox.pump()
            if self._due:
                self.journal.sync()
                self._due = False
        except StoreError as error:
            self.log.error("the store refused a write", why=str(error))
        finally:
            self._busy = False

    def pump(self) -> None:
        """Sends what became possible outside of the ways in (a retry)."""
        self._enter(int)

    def _tell(self, name: str, *args: Any) -> None:
        must = registry.FACTS.get(name, ())
        method = "on_" + name
        for block_name in must:
            if (hear := getattr(self.block(block_name), method, None)) is not None:
                hear(*args)
        for block_name in registry.HEARS.get(name, ()):
            block = self._blocks.get(block_name)
            if block is not None and block_name not in must and (hear := getattr(block, method, None)) is not None:
                hear(*args)

    def _receive(self, text: str) -> None:
        try:
            frame = rpc.parse(text)
        except rpc.RpcError as error:
            self._malformed(error)
            return
        kind = frame[0]
        if kind == rpc.RESULT:
            if not self._outbox.answered(frame[1], frame[2]):
                self.log.debug("an answer that nobody waits for", id=frame[1])
        elif kind == rpc.CALL:
            self._requests().called(frame[1], frame[2], frame[3])
        elif kind == rpc.ERROR:
            if not self._outbox.refused(frame[1], frame[2], frame[3]):
                self.log.warning("the CSMS reports an error", id=frame[1], code=frame[2][:50], why=frame[3][:255])
        elif kind == rpc.RESULT_ERROR:
            self.log.warning("the CSMS rejects our answer", id=frame[1], code=frame[2][:50], why=frame[3][:255])
        else:
            self._requests().sent(frame[2], frame[3])

    def _requests(self) -> Inbox:
        """The Inbox, loaded when there is a first use for it."""
        if self._inbox is None:
            self._inbox = _import("evse.ocpp.inbox").Inbox(self, self._enter)
        return self._inbox

    def _malformed(self, error: rpc.RpcError) -> None:
        self.log.warning("the CSMS sent no valid frame", why=str(error))
        self.security_event("InvalidMessages", error.code)
        if not error.answer:
            # The answer to our own call, but unreadable: do not wait for its time-out.
            self._outbox.refused(error.id, error.code, error.description)
        elif (refusal := rpc.refusal(error, self.version)) is not None:
            self.frames.append(refusal)

    def invalid_answer(self, id: str, action: str, error: SchemaError) -> None:
        """The CSMS's answer to our call breaks the schema: 2.1 tells it so by a CALLRESULTERROR. [2.1 part 4 §4.2.3]"""
        self.log.warning("an answer of the CSMS breaks the schema", action=action, why=str(error))
        self.security_event("InvalidMessages", f"{action}Response: {error}")
        if self.version == "2.1":
            self.frames.append(rpc.result_error(id, rpc_code("2.1", error.rule), str(error)))

    def security_event(self, type: str, tech_info: str) -> None:
        """Tells the security block of an attack, or of what may be one."""
        security = self.block("security")
        if security is not None:
            security.event(type, tech_info=tech_info)

    def _syncs_at_once(self) -> bool:
        """Whether what must be durable is so at once; inside a turn it is at its end."""
        self._due = self._due or self._busy
        return not self._busy

    def _save(self, entry: list[Any], keep: dict[str, Any] | None, durable: bool) -> bool:
        try:
            self.journal.write(entry, keep, durable and self._syncs_at_once())
        except StoreError as error:
            self.log.error("an event could not be journaled and waits in memory", why=str(error))
            return False
        except UsageError as error:
            self.log.error("an event is lost: the journal cannot hold it", record=entry[1], why=str(error))
        return True

    def _keep_unsaved(self, entry: list[Any], keep: dict[str, Any] | None, durable: bool) -> None:
        if len(self._unsaved) >= UNSAVED_EVENTS:
            for index, (waiting, kept, _) in enumerate(self._unsaved):
                if self.is_droppable(waiting) and not kept:
                    del self._unsaved[index]
                    break
            else:
                self.log.error("an event is lost: the store takes nothing", record=entry[1])
                return
        self._unsaved.append((entry, keep, durable))
        if self._save_timer is None:
            self._save_timer = self.timers.at(self.clock.now() + SAVE_AGAIN_S, self._save_again)

    def _save_again(self) -> None:
        self._save_timer = None
        while self._unsaved and self._save(*self._unsaved[0]):
            del self._unsaved[0]
        if self._unsaved:
            self._save_timer = self.timers.at(self.clock.now() + SAVE_AGAIN_S, self._save_again)


def _import(name: str) -> Any:
    """The module of a dotted name. Raises ImportError."""
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module
