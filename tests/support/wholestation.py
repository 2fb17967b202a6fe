"""The whole station on a fake clock, without sockets: engine, charging controllers, simulated hardware; a test drives.

    station = WholeStation()                                    boots and is accepted, its first statuses are taken
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")                    answered as a friendly CSMS would
    station.expect("StartTransaction", answer={...})            or as the test says
    station.expect("StopTransaction", answer=None)              or later, by `answer()`
    assert station.ask("RemoteStopTransaction", transactionId=1) == {"status": "Accepted"}
    station.advance(60)
    station.drop(); station.connect()
    station.power_cut(); station.power_up()

The CSMS hears in order: `expect` takes the CALL in flight and no other; `quiet` demands silence. What the station does
between two lines takes no time unless a device of the board needs some.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from evse.clock import Clock, timestamp
from evse.errors import CsmsError
from evse.ocpp.engine import Engine
from evse.store.documents import Documents
from evse.store.journal import Journal
from tests.support.assembly import Assembly
from tests.support.bench import NOW_UTC, STATION, FakeLog, scratch, tables
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file

USUAL = "usual"
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
REFUSED = {"idTagInfo": {"status": "Invalid"}}


def board(evses: int = 1, socket: bool = False, parking: bool = False, **devices: dict[str, Any]) -> dict[str, Any]:
    """A simulated board.

    `socket`: loose cables and locks. `parking`: sensors of the bays. `devices`: options, as `meter={"interval_s": 60}`.
    """
    made = copy.deepcopy(board_file("simulated-ac-1"))
    one, meter = made["evse"][0], made["meter"][0]
    one["sensor"] += [{"driver": "simulated-parking"}] if parking else []
    one["connector"][0].update({"type": "sType2", "tethered": False, "lock": "simulated"} if socket else {})
    meter.update(devices.get("meter", {}))
    for name in ("pilot", "contactor"):
        one[name].update(devices.get(name, {}))
    ids = range(1, evses + 1)
    made["evse"] = [{**copy.deepcopy(one), "id": id, "meter": f"meter{id}"} for id in ids]
    made["meter"] = [{**meter, "id": f"meter{id}"} for id in ids]
    made["reader"] = [{"id": "all", "driver": "simulated", "evses": list(ids)}]
    if evses > 1:
        made["reader"] += [{"id": f"reader{id}", "driver": "simulated", "evses": [id]} for id in ids]
    return made


class WholeStation:
    """See the module. `station`: its description; `variables`: overrides as the station file's `[[ocpp.variables]]`."""

    def __init__(
        self,
        board_description: dict[str, Any] | None = None,
        *,
        version: str = "1.6",
        station: dict[str, Any] | None = None,
        variables: list[dict[str, Any]] | None = None,
        boot: bool = True,
    ) -> None:
        self.version = version
        self.loop = FakeLoop()
        self.log: Any = FakeLog()
        self.calls: list[list[Any]] = []  # CALLs of the station that nobody expected yet
        self.replies: dict[str, list[Any]] = {}
        self.displays: list[str] = []
        self.security_events: list[dict[str, Any]] = []  # answered at once: they belong to no case of the core
        self.effects: list[tuple[Any, ...]] = []  # those that leave the station: reboot, reconnect, clock
        self.jobs: dict[int, tuple[str, dict[str, Any]]] = {}  # those given to child processes: number -> name, request
        self._open_id: str | None = None
        self.asked = 0  # CALLs of the CSMS so far
        self._random = 0
        self._board_description = board_description or board()
        self._variables = variables or []
        self._description = {**STATION, **(station or {})}
        self.directory = scratch(self)
        self._running = False
        self._next_transaction = 4711
        self.transaction_id = 0  # that the CSMS gave last
        self.power_up()
        if boot:
            self.boot()

    # -- life of the process ---------------------------------------------------------------------------------------

    def power_up(self) -> None:
        """Starts the station on what is in its store; vehicles and meters are as they were left."""
        before = getattr(self, "board", None)
        self.clock = Clock(self.loop.time, self._utc, boot="bench")
        directory = self.directory
        self.journal = Journal(directory + "/journal", log=self.log, droppable=Engine.is_droppable)
        made = Assembly(
            board=self._board_description,
            loop=self.loop,
            clock=self.clock,
            log=self.log,
            documents=Documents(directory + "/documents", log=self.log),
            journal=self.journal,
            variables=self._variables,
            station=self._description,
            random=self._bytes,
            send=self._hear,
            hear=self._emit,
            displays=self.displays,
        )
        self.board, self.sim, self.model = made.board, made.board.simulation, made.model
        self.engine, self.runner, self.controllers = made.engine, made.runner, made.controllers
        self.runner.effects.update(
            job=lambda number, name, request, within_s: self.jobs.update({number: (name, request)}),
            job_stop=lambda number: self.jobs.pop(number, None),
            **{name: lambda *args, name=name: self.effects.append((name, *args)) for name in OUTWARD},
        )
        self._running = True
        if before is not None:
            self._carry_over(before)
        made.start()
        self.loop.settle()

    def power_cut(self) -> None:
        """The power goes, and with it all that is not on flash. Contactors fall open."""
        self.engine.is_connected = False
        self._running = False
        for controller in self.controllers.values():
            controller.close()
        for reader, _ in self.board.readers:
            reader.close()
        self.runner.close()
        self.journal.close()
        self.loop.settle()
        self.calls.clear()
        self.jobs.clear()
        self._open_id = None

    def reboot(self) -> None:
        """The restart that the station asked for by its effect."""
        assert [effect[0] for effect in self.effects] == ["reboot"], self.effects
        self.effects.clear()
        self.power_cut()
        self.power_up()

    def _carry_over(self, before: Any) -> None:
        """What does not depend on the power: vehicles at their places, registers of the meters."""
        for id in self.board.evses:
            old, new = before.simulation.outlet(id), self.sim.outlet(id)
            new.meter.register_wh = old.meter.register_wh
            vehicle = old.vehicle
            if vehicle.plugged:
                new.vehicle.plugged, new.vehicle.letter = True, "B"
                new.vehicle.phases, new.vehicle.current_a = vehicle.phases, vehicle.current_a

    # -- the person and the vehicle --------------------------------------------------------------------------------

    def plug(self, evse: int = 1, phases: int = 3, current: float = 16) -> None:
        """A vehicle plugs in and charges as soon as it may."""
        self.sim.plug(evse, phases=phases, current=current)
        self.loop.settle()

    def unplug(self, evse: int = 1) -> None:
        """The vehicle is gone."""
        self.sim.unplug(evse)
        self.loop.settle()

    def tap(self, token: str = "TAG", *evses: int) -> None:
        """A card at the reader of all EVSEs, or of these."""
        self.sim.swipe(token, evses=list(evses) or None)
        self.loop.settle()

    def do(self, verb: str, *args: Any) -> None:
        """Any other verb of the simulated hardware: do("fault", 1, "GroundFailure"), do("lock", 1, False)."""
        getattr(self.sim, verb)(*args)
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)

    def is_charging(self, evse: int = 1) -> bool:
        """Energy flows."""
        return bool(self.sim.outlet(evse).contactor.closed)

    def is_locked(self, evse: int = 1) -> bool:
        """The cable cannot be taken from the socket."""
        return bool(self.sim.outlet(evse).locks[0].locked)

    def job_done(
        self, name: str, answer: dict[str, Any] | None = None, error: CsmsError | None = None
    ) -> dict[str, Any]:
        """The only job under way must be `name`: it ends so. Its request."""
        assert [each for each, _ in self.jobs.values()] == [name], f"expected job {name}, got {self.jobs}"
        number, (_, request) = self.jobs.popitem()
        self.runner.tell(self.engine.job_ended, number, None if error else answer or {}, error)
        self.loop.settle()
        return request

    # -- the CSMS --------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The connection opens."""
        self.runner.tell(self.engine.connected, "ocpp" + self.version)
        self.loop.settle()

    def drop(self) -> None:
        """The connection breaks."""
        self.calls.clear()
        self._open_id = None
        self.runner.tell(self.engine.disconnected)
        self.loop.settle()

    def boot(self, interval_s: int = 86_400) -> dict[str, Any]:
        """Connects, accepts BootNotification (its payload) and takes the statuses that follow."""
        self.connect()
        said = self.expect("BootNotification", answer=self.registration("Accepted", interval_s))
        self.statuses = self.take_statuses()
        return said

    def registration(self, status: str, interval_s: int) -> dict[str, Any]:
        """BootNotification.conf."""
        return {"status": status, "currentTime": timestamp(self._utc()), "interval": interval_s}

    def take(self, **answers: Any) -> dict[str, list[dict[str, Any]]]:
        """Answers all that the station has to say, where the order is free: action -> payloads."""
        said: dict[str, list[dict[str, Any]]] = {}
        while self.calls:
            action = self.calls[0][2]
            said.setdefault(action, []).append(self.expect(action, answer=answers.get(action, USUAL)))
        return said

    def take_statuses(self) -> dict[int, str]:
        """Answers the StatusNotifications that the station has to say and nothing else: connector -> last status."""
        statuses = {}
        while self.calls:
            said = self.expect("StatusNotification")
            statuses[said["connectorId"]] = said["status"]
        return statuses

    def expect(self, action: str, answer: Any = USUAL, **fields: Any) -> dict[str, Any]:
        """The CALL in flight must be `action` with these members; it is answered. Its payload.

        `answer`: the payload, None to answer later by `answer()`; without one what a friendly CSMS says.
        """
        assert self.calls, f"expected {action}, but the station says nothing"
        frame = self.calls.pop(0)
        assert frame[2] == action, f"expected {action}, got {frame[2]} {frame[3]}"
        said: dict[str, Any] = frame[3]
        found = {name: said.get(name) for name in fields}
        assert found == fields, f"expected {action} with {fields}, got {said}"
        self._open_id = frame[1]
        if answer is not None:
            self.answer(self._usual(action) if answer == USUAL else answer)
        return said

    def expect_status(self, *statuses: str, connector: int = 1, error: str = "NoError", **fields: Any) -> None:
        """StatusNotifications of a connector, one after the other; `error` and `fields` hold for all of them."""
        for status in statuses:
            self.expect("StatusNotification", connectorId=connector, status=status, errorCode=error, **fields)

    def answer(self, payload: dict[str, Any]) -> None:
        """Answers the CALL that was expected last."""
        id, self._open_id = self._open_id, None
        assert id is not None, "no CALL waits for an answer"
        self.receive([3, id, payload])

    def refuse(self, code: str = "InternalError") -> None:
        """Answers the CALL that was expected last by a CALLERROR."""
        id, self._open_id = self._open_id, None
        assert id is not None, "no CALL waits for an answer"
        self.receive([4, id, code, "", {}])

    def quiet(self) -> None:
        """The station must have nothing to say."""
        assert not self.calls, f"expected nothing, got {[(call[2], call[3]) for call in self.calls]}"

    def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        """A CALL of the CSMS: the answer's payload. Fails on a CALLERROR, or without an answer."""
        self.send(action, **payload)
        reply = self.reply()
        assert reply is not None and reply[0] == 3, f"{action} was answered by {reply}"
        answer: dict[str, Any] = reply[2]
        return answer

    def send(self, action: str, **payload: Any) -> None:
        """A CALL of the CSMS; `reply()` gives the frame that answers it."""
        self.asked += 1
        self.receive([2, f"csms-{self.asked}", action, payload])

    def reply(self) -> list[Any] | None:
        """The frame that answered the last CALL of the CSMS, None if there is none yet."""
        return self.replies.pop(f"csms-{self.asked}", None)

    def configure(self, **keys: Any) -> None:
        """ChangeConfiguration for each key, which must be accepted."""
        for key, value in keys.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            answer = self.ask("ChangeConfiguration", key=key, value=text)
            assert answer == {"status": "Accepted"}, f"{key}={text}: {answer}"

    def key(self, name: str) -> str | None:
        """The value of one configuration key."""
        (known,) = self.ask("GetConfiguration", key=[name])["configurationKey"]
        value: str | None = known.get("value")
        return value

    def receive(self, frame: list[Any]) -> None:
        """Any frame from the CSMS."""
        self.runner.tell(self.engine.receive, json.dumps(frame))
        self.loop.settle()

    def _usual(self, action: str) -> dict[str, Any]:
        if action == "Authorize":
            return ACCEPTED
        if action == "StartTransaction":
            self._next_transaction += 1
            self.transaction_id = self._next_transaction
            return {"transactionId": self.transaction_id, **ACCEPTED}
        if action == "Heartbeat":
            return {"currentTime": timestamp(self._utc())}
        if action == "DataTransfer":
            return {"status": "Accepted"}
        return {}

    # -- scenes that many cases begin or end with ------------------------------------------------------------------

    def charge(self, token: str = "TAG", evse: int = 1, plugged: bool = False) -> int:
        """A session that charges, started by cable and card: its transactionId."""
        if not plugged:
            self.plug(evse)
            self.expect_status("Preparing", connector=evse)
        self.tap(token, evse)
        self.expect("Authorize", idTag=token)
        self.expect("StartTransaction", connectorId=evse, idTag=token)
        self.expect_status("Charging", connector=evse)
        self.quiet()
        return self.transaction_id

    def leave(self, evse: int = 1) -> None:
        """The vehicle of a finished session leaves."""
        self.unplug(evse)
        self.expect_status("Available", connector=evse)
        self.quiet()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _emit(self, fact: str, evse_id: int | None, *values: Any) -> None:
        if self._running:
            self.runner.tell(self.engine.fact, fact, evse_id, *values)

    def _hear(self, *texts: str) -> None:
        for frame in map(json.loads, texts):
            if frame[0] != 2:
                self.replies[frame[1]] = frame
                continue
            tables(self.version).check(frame[2], frame[3])
            if frame[2] == "SecurityEventNotification":
                self.security_events.append(frame[3])
                self.runner.tell(self.engine.receive, json.dumps([3, frame[1], {}]))
            else:
                self.calls.append(frame)

    def _utc(self) -> float:
        return NOW_UTC + self.loop.now

    def _bytes(self, count: int) -> bytes:
        self._random += 1
        return self._random.to_bytes(8, "big").rjust(count, b"\0")[-count:]


# Effects that the bench only notes.
OUTWARD = ("reboot", "reconnect", "clock")
