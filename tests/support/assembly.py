"""A station put together as evse/app.py does it, without sockets: simulated board, engine, runner, controllers.

Loop, clock, store and CSMS are the test's. Plant and WholeStation stand on it, each start of the process on a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evse.app import evse_of
from evse.charging.session import ChargingController
from evse.clock import Clock, Timers
from evse.ocpp.device_model import DeviceModel
from evse.ocpp.engine import Engine
from evse.ocpp.station_facts import provide_facts
from evse.online import SETTINGS
from evse.shell.runner import Runner
from evse.store.documents import Documents
from evse.store.journal import Journal
from hal.board import load_board
from tests.support.bench import make_model, tables


class Settings:
    """What a charging controller reads at use, out of the device model."""

    free_vending = False
    min_close_interval_s = 0.0
    lock_timeout_s = 5.0
    contactor_timeout_s = 1.0

    def __init__(self, model: DeviceModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        kind, component, variable = SETTINGS[name]
        return getattr(self._model, kind)(component, variable)


class Assembly:
    """Parts of one station; nothing runs before `start()`.

    board      its description             variables  overrides as the station file's `[[ocpp.variables]]`
    send       hears the frames of the station
    hear       hears the facts of the controllers: (fact, evse id, *values)
    displays   what screens show is added to it
    """

    def __init__(
        self,
        *,
        board: dict[str, Any],
        loop: Any,
        clock: Clock,
        log: Any,
        documents: Documents,
        journal: Journal,
        variables: list[dict[str, Any]],
        station: dict[str, Any],
        random: Callable[[int], bytes],
        send: Callable[..., None],
        hear: Callable[..., None],
        displays: list[str],
    ) -> None:
        timers = Timers()
        self._loop = loop
        self.board = load_board(board)
        self.evses = {id: evse_of(devices) for id, devices in self.board.evses.items()}
        self.model = make_model(documents, self.evses, variables, log)
        self.engine = Engine(
            clock=clock,
            timers=timers,
            journal=journal,
            documents=documents,
            model=self.model,
            station=station,
            evses=self.evses,
            tables=tables,
            log=log,
            random=random,
        )
        provide_facts(self.model, station=station, evses=self.evses, clock=clock, faults=self.engine.faults)
        self.runner = Runner(loop, clock, timers, log, self.engine, journal)
        self.runner.send = send
        settings = Settings(self.model)
        controllers = self.controllers = {
            id: ChargingController(id, devices, timers, clock, hear, settings, log)
            for id, devices in self.board.evses.items()
        }
        self.runner.effects.update(
            authorize=lambda evse: controllers[evse].authorize(),
            stop=lambda evse, reason: controllers[evse].stop(reason),
            limit=lambda evse, *limit: controllers[evse].limit(*limit),
            unlock=lambda evse, connector: controllers[evse].unlock(connector),
            permit=lambda evse, permitted: controllers[evse].permit(permitted),
            display=lambda evse, text: displays.append(text),
            settings=lambda: None,
        )

    def start(self) -> None:
        """As evse/app.py: the engine takes up what was interrupted, then the hardware starts."""
        self.runner.tell(self.engine.start)
        for controller in self.controllers.values():
            controller.start(self._loop)
        for reader, ids in self.board.readers:
            reader.start(self._loop, lambda event, *values, ids=ids: self._read(ids, *values))

    def _read(self, ids: tuple[int, ...], id_token: str, kind: str, evses: tuple[int, ...] | None = None) -> None:
        self.runner.tell(self.engine.token_presented, evses or ids, id_token, kind)
