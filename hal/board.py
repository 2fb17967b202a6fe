"""Board file -> devices: which driver, which line, which port serves which EVSE.

`load_board()` takes the tables of a board file as plain values and makes the devices; none is opened before its
`start()`. What a board file may say is checked in hal/boardfile.py. DRIVERS names the classes; a module is imported
when a board asks for it. A driver outside this project is named "module:Class" in the file. A driver is called with
`(options, evse_id, board)`: its own table without `driver` and `id`, the EVSE (None for readers), and the board, where
`board.share(name, make)` holds what several use.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Table = dict[str, Any]

DRIVERS = {
    "pilot": {"simulated": "hal.simulated.devices:ControlPilot"},
    "contactor": {"simulated": "hal.simulated.devices:Contactor"},
    "lock": {"simulated": "hal.simulated.devices:CableLock"},
    "meter": {"simulated": "hal.simulated.meter:Meter"},
    "reader": {"simulated": "hal.simulated.devices:TokenReader"},
    "sensor": {"simulated": "hal.simulated.devices:Sensor"},
}
# Options that every meter and reader has besides its driver's own.
_METER = {"on_loss": "stop", "loss_s": 10.0}


class EvseDevices:
    """The devices of one EVSE.

    meter       None on a board without one; `on_loss` ("stop" | "continue"): what follows `loss_s` seconds of silence
    locks       by connector id; a tethered cable has none
    connectors  [(id, type, tethered)] in the order of the board file; type is a ConnectorEnum word
    """

    __slots__ = (
        "id", "phases", "max_current_a", "pilot", "contactor", "meter", "locks", "sensors", "connectors", "on_loss",
        "loss_s",
    )  # fmt: skip

    def __init__(self, id: int, phases: int, max_current_a: float) -> None:
        self.id = id
        self.phases = phases
        self.max_current_a = max_current_a
        self.pilot: Any = None
        self.contactor: Any = None
        self.meter: Any = None
        self.locks: dict[int, Any] = {}
        self.sensors: list[Any] = []
        self.connectors: list[tuple[int, str, bool]] = []
        self.on_loss = "stop"
        self.loss_s = 10.0


class Board:
    """What is soldered and wired: `evses` by id, `readers` with the EVSEs they belong to.

    `simulation` is None on a real board, else the object with the verbs of the control socket. `bench_only`: nothing
    but this program stands between mains and vehicle; not for the road. `resources`: the tables of lines and ports as
    the board file has them, `resources["serial"]["meterbus"]`.
    """

    def __init__(self, id: str, description: str = "", bench_only: bool = False) -> None:
        self.id = id
        self.description = description
        self.bench_only = bench_only
        self.evses: dict[int, EvseDevices] = {}
        self.readers: list[tuple[Any, tuple[int, ...]]] = []
        self.simulation: Any = None
        self.resources: Table = {}
        self._shared: dict[str, Any] = {}

    def share(self, name: str, make: Callable[[], Any]) -> Any:
        """The one object of this name on the board, made at the first call: a bus, a port, the simulation."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]


def load_board(description: Table, checked: bool = False) -> Board:
    """The board of a parsed board file, its devices made and not yet started.

    `checked`: `hal.boardfile.check()` found nothing in another process; it is neither run nor loaded here.
    Raises HalError("Board", all problems).
    """
    if not checked:
        from hal.boardfile import require

        require(description)
    table = description["board"]
    board = Board(table["id"], table.get("description", ""), table.get("bench_only", False))
    board.resources = {kind: description.get(kind, {}) for kind in ("serial", "gpio", "pwm", "adc")}
    meters = {meter["id"]: meter for meter in description.get("meter", ())}
    for table in description["evse"]:
        evse = board.evses[table["id"]] = EvseDevices(table["id"], table["phases"], float(table["max_current_a"]))
        for connector in table["connector"]:
            evse.connectors.append((connector["id"], connector["type"], connector.get("tethered", True)))
            if connector.get("lock", "none") != "none":
                options = {"driver": connector["lock"], "connector": connector["id"]}
                evse.locks[connector["id"]] = _make("lock", options, evse.id, board)
        evse.pilot = _make("pilot", table["pilot"], evse.id, board)
        evse.contactor = _make("contactor", table["contactor"], evse.id, board)
        evse.sensors = [_make("sensor", options, evse.id, board) for options in table.get("sensor", ())]
        if "meter" in table:
            meter = {**_METER, **meters[table["meter"]]}
            evse.on_loss, evse.loss_s = meter.pop("on_loss"), float(meter.pop("loss_s"))
            evse.meter = _make("meter", meter, evse.id, board)
    for table in description.get("reader", ()):
        options = {name: value for name, value in table.items() if name != "evses"}
        evses = tuple(table.get("evses", board.evses))
        board.readers.append((_make("reader", options, None, board), evses))
    return board


def _make(kind: str, options: Table, evse_id: int | None, board: Board) -> Any:
    name: str = options["driver"]
    module, _, attribute = DRIVERS[kind].get(name, name).partition(":")
    __import__(module)
    return getattr(sys.modules[module], attribute)(
        {key: value for key, value in options.items() if key not in ("driver", "id")}, evse_id, board
    )
