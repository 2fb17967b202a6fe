"""Bench: a test plays the CSMS and the charging side of one engine, on a fake clock.

    bench = Bench()
    bench.connect("2.0.1")                          opens the connection and accepts BootNotification
    bench.fact("plugged", 1, 1)
    assert bench.expect("StatusNotification")["connectorStatus"] == "Occupied"
    bench.answer()                                  {} or what is given
    assert bench.ask("Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    bench.advance(60)
    bench.cut(); bench.restart()                    a power cut, and the next start with the same store

`@versions` runs one scenario in 1.6, 2.0.1 and 2.1. Every frame of the station is checked against the tables; every
effect that the charging side would carry out is in `bench.effects`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from evse.clock import Clock, Timers, timestamp
from evse.model import Connector, Evse
from evse.ocpp.device_model import DeviceModel
from evse.ocpp.engine import Engine
from evse.ocpp.schema import Tables
from evse.ocpp.station_facts import provide_facts
from evse.ocpp.tables import compile as table_compiler
from evse.ocpp.tables import compile_variables
from evse.store.documents import Documents
from evse.store.journal import Journal

versions = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
versions2 = pytest.mark.parametrize("version", ["2.0.1", "2.1"])

NOW_UTC = 1_767_225_600.0  # 2026-01-01T00:00:00Z
STATION = {"vendor": "Acme", "model": "Bench", "serial": "S1", "firmware": "1.0"}


class FakeClock:
    """Time that stands until it is moved; `utc` may differ from the truth, or be unset (0)."""

    def __init__(self, now: float = 1000.0, utc: float = NOW_UTC) -> None:
        self.now = now
        self.utc = utc

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.utc += seconds


class FakeLog:
    """Keeps what was logged: `(level, text, fields)`."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        if level not in ("debug", "info", "warning", "error"):
            raise AttributeError(level)
        return lambda text, /, **fields: self.lines.append((level, text, fields))

    def texts(self, level: str) -> list[str]:
        return [text for at, text, _ in self.lines if at == level]


@cache
def tables(version: str) -> Tables:
    """The message tables of a version, compiled once for all tests."""
    return Tables(version, table_compiler.blobs(version).get)


class Bench:
    """One station under test; see the module's text.

    variables   station file overrides for the device model: list of entries as DeviceModel takes them
    evses       number of EVSEs, each with one tethered connector (connector id 1)
    """

    def __init__(
        self,
        *,
        evses: int = 1,
        variables: list[dict[str, Any]] | None = None,
        station: dict[str, Any] | None = None,
        blocks: dict[str, str] | None = None,
        directory: str | None = None,
        fs: Any = None,
        log: Any = None,
        clock: FakeClock | None = None,
        sockets: bool = False,
    ) -> None:
        self.time = clock or FakeClock()
        self.log = log or FakeLog()
        if directory is None and fs is None:
            directory = scratch(self)
        self.directory = directory or "/state"
        self.fs = fs
        self._evses = evses
        self._tethered = not sockets
        self._variables = variables or []
        self._station = {**STATION, **(station or {})}
        self._blocks = blocks
        self._random = 0
        self.version: str | None = None
        self.sent: list[list[Any]] = []  # CALLs of the station that were not expected yet
        self.replies: dict[str, list[Any]] = {}
        self.open_id: str | None = None
        self.effects: list[tuple[Any, ...]] = []
        self._ids = 0
        self.start()

    # -- life of the process ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the station on what is in the store."""
        store = {} if self.fs is None else {"fs": self.fs}
        clock = Clock(lambda: self.time.now, lambda: self.time.utc, boot="bench")
        timers = Timers()
        documents = Documents(self.directory + "/documents", log=self.log, **store)
        journal = Journal(self.directory + "/journal", log=self.log, droppable=Engine.is_droppable, **store)
        stations = {id: Evse(id, [Connector(1, tethered=self._tethered)]) for id in range(1, self._evses + 1)}
        model = make_model(documents, stations, self._variables, self.log)
        self.engine = Engine(
            clock=clock,
            timers=timers,
            journal=journal,
            documents=documents,
            model=model,
            station=self._station,
            evses=stations,
            tables=tables,
            log=self.log,
            random=self.random,
            blocks=self._blocks,
        )
        provide_facts(
            model,
            station=self._station,
            evses=stations,
            clock=clock,
            faults=self.engine.faults,
            blocks=self._blocks,
        )
        self.model = model
        self.journal = journal
        self.engine.start()
        self._drain()

    def cut(self) -> None:
        """The power goes: nothing in memory survives."""
        self.sent.clear()
        self.open_id = None
        self.version = None

    def restart(self) -> None:
        """The next start after `cut()`."""
        self.start()

    def random(self, count: int) -> bytes:
        """Not random at all, but never twice the same."""
        self._random += 1
        return self._random.to_bytes(8, "big").rjust(count, b"\0")[-count:]

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Lets time pass, running what is due on its way."""
        end = self.time.now + seconds
        while (when := self.engine.next_timer()) is not None and when <= end:
            self.time.advance(max(0.0, when - self.time.now))
            self.engine.run_timers()
            self._drain()
        self.time.advance(end - self.time.now)
        self._drain()

    # -- charging side ---------------------------------------------------------------------------------------------

    def fact(self, name: str, *args: Any) -> None:
        """A fact from the charging side."""
        self.engine.fact(name, *args)
        self._drain()

    def tap(self, id_token: str, evses: tuple[int, ...] = (1,), kind: str = "ISO14443") -> None:
        """A card at the reader of these EVSEs."""
        self.engine.token_presented(evses, id_token, kind)
        self._drain()

    def reading(self, evse: int, register_wh: float, **more: float) -> None:
        """A meter reading; `power_w`, `current_a` for one phase."""
        values = {("Energy.Active.Import.Register", None): float(register_wh)}
        if "power_w" in more:
            values["Power.Active.Import", None] = more["power_w"]
        if "current_a" in more:
            values["Current.Import", "L1"] = more["current_a"]
        self.fact("reading", evse, values, None)

    def take_effects(self, name: str | None = None) -> list[tuple[Any, ...]]:
        """The effects so far (of one name), which are then forgotten."""
        taken = [effect for effect in self.effects if name is None or effect[0] == name]
        self.effects = [effect for effect in self.effects if effect not in taken]
        return taken

    # -- CSMS side -------------------------------------------------------------------------------------------------

    def open(self, version: str) -> None:
        """The connection opens, speaking `version`."""
        self.version = version
        self.engine.connected("ocpp" + version)
        self._drain()

    def connect(self, version: str, interval_s: int = 3600) -> None:
        """Opens the connection, accepts the boot if there is one, and answers until the station has nothing to say."""
        self.open(version)
        if self.sent and self.sent[0][2] == "BootNotification":
            self.expect("BootNotification")
            self.answer({"status": "Accepted", "currentTime": self.utc_text(), "interval": interval_s})
        self.settle()

    def drop(self) -> None:
        """The connection breaks."""
        self.sent.clear()
        self.open_id = None
        self.engine.disconnected()
        self._drain()

    def expect(self, action: str) -> dict[str, Any]:
        """The station's CALL in flight must be `action`: its payload. `answer()` or `refuse()` it next."""
        assert self.sent, f"expected {action}, but the station says nothing"
        frame = self.sent.pop(0)
        assert frame[2] == action, f"expected {action}, got {frame[2]} {frame[3]}"
        self.open_id = frame[1]
        payload: dict[str, Any] = frame[3]
        return payload

    def quiet(self) -> None:
        """The station must have nothing to say."""
        assert not self.sent, f"expected nothing, got {self.sent}"

    def answer(self, payload: dict[str, Any] | None = None) -> None:
        """Answers the CALL that was expected last."""
        id, self.open_id = self.open_id, None
        assert id is not None, "no CALL waits for an answer"
        self.receive([3, id, payload or {}])

    def refuse(self, code: str = "InternalError", description: str = "") -> None:
        """Answers the CALL that was expected last by a CALLERROR."""
        id, self.open_id = self.open_id, None
        assert id is not None, "no CALL waits for an answer"
        self.receive([4, id, code, description, {}])

    def ask(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """A CALL of the CSMS: the answer's payload. Fails on a CALLERROR or if there is no answer yet."""
        reply = self.ask_raw(action, payload)
        assert reply is not None and reply[0] == 3, f"{action} was answered by {reply}"
        answer: dict[str, Any] = reply[2]
        return answer

    def ask_raw(self, action: str, payload: dict[str, Any] | None = None) -> list[Any] | None:
        """A CALL of the CSMS: the whole answering frame, None if there is none yet (`reply()` gives it later)."""
        self._ids += 1
        self.last_asked = f"csms-{self._ids}"
        self.receive([2, self.last_asked, action, payload or {}])
        return self.replies.pop(self.last_asked, None)

    def reply(self) -> list[Any] | None:
        """The late answer to the last CALL."""
        return self.replies.pop(self.last_asked, None)

    def receive(self, frame: Any) -> None:
        """Any frame from the CSMS: a list, or the raw text."""
        self.engine.receive(frame if isinstance(frame, str) else json.dumps(frame))
        self._drain()

    def settle(self, answers: dict[str, Any] | None = None, limit: int = 200) -> list[tuple[str, dict[str, Any]]]:
        """Answers whatever the station says until it is silent: `[(action, payload), ...]`.

        `answers`: action -> payload or function of the request's payload, over the usual ones.
        """
        said = []
        while self.sent:
            assert len(said) < limit, f"the station does not come to rest: {said[-5:]}"
            action = self.sent[0][2]
            payload = self.expect(action)
            said.append((action, payload))
            answer = (answers or {}).get(action)
            self.answer(answer(payload) if callable(answer) else answer if answer is not None else self.usual(action))
        return said

    def usual(self, action: str) -> dict[str, Any]:
        """What a friendly CSMS answers."""
        accepted16 = {"idTagInfo": {"status": "Accepted"}}
        accepted2 = {"idTokenInfo": {"status": "Accepted"}}
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": self.utc_text(), "interval": 3600}
        if action == "Heartbeat":
            return {"currentTime": self.utc_text()}
        if action == "Authorize":
            return accepted16 if self.version == "1.6" else accepted2
        if action == "StartTransaction":
            return {"transactionId": 4711, **accepted16}
        if action in ("DataTransfer", "SignCertificate"):
            return {"status": "Accepted"}
        return {}

    def utc_text(self) -> str:
        """The true time as the CSMS writes it."""
        return timestamp(self.time.utc)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        frames, effects = self.engine.frames, self.engine.effects
        while frames:
            frame = json.loads(frames.popleft())
            if frame[0] == 2:
                tables(str(self.version)).check(frame[2], frame[3])
                self.sent.append(frame)
            else:
                self.replies[frame[1]] = frame
        while effects:
            self.effects.append(effects.popleft())


def ram() -> str | None:
    """A directory in memory if the machine has one: nothing here is to outlive the tests."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def scratch(owner: object) -> str:
    """A new directory that goes when its owner goes."""
    directory = tempfile.mkdtemp(dir=ram())
    weakref.finalize(owner, shutil.rmtree, directory, ignore_errors=True)
    return directory


def make_model(documents: Any, evses: dict[int, Evse], variables: list[dict[str, Any]], log: Any) -> DeviceModel:
    """A device model over the real variable table; `variables` as in the station file's `[[ocpp.variables]]`."""
    return DeviceModel(variable_table().get, documents, evses=evses, overrides=variables)


@cache
def variable_table() -> dict[str, bytes]:
    """The variable table, compiled once for all tests."""
    return compile_variables.blobs()
