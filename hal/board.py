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
    "pilot": {
        "simulated": "hal.simulated.devices:ControlPilot",
        "pwm": "hal.drivers.pwm_pilot:ControlPilot",
        "openevse": "hal.drivers.rapi_pilot:ControlPilot",
        "chargebyte-mcu": "hal.drivers.safety_mcu:ControlPilot",
    },
    "contactor": {
        "simulated": "hal.simulated.devices:Contactor",
        "gpio": "hal.drivers.gpio_contactor:Contactor",
        "openevse": "hal.drivers.rapi_pilot:Contactor",
        "chargebyte-mcu": "hal.drivers.safety_mcu:Contactor",
    },
    "phase_switch": {
        "simulated": "hal.simulated.devices:PhaseSwitch",
        "gpio": "hal.drivers.gpio_phases:PhaseSwitch",
    },
    "lock": {"simulated": "hal.simulated.devices:CableLock", "motor": "hal.drivers.gpio_lock:CableLock"},
    "meter": {"simulated": "hal.simulated.meter:Meter", "modbus": "hal.drivers.modbus_meter:make_meter"},
    "reader": {
        "simulated": "hal.simulated.devices:TokenReader",
        "pn532-uart": "hal.drivers.pn532:Uart",
        "pn532-i2c": "hal.drivers.pn532:I2c",
        "pn532-spi": "hal.drivers.pn532:Spi",
        "mfrc522": "hal.drivers.mfrc522:Mfrc522",
        "keyboard": "hal.drivers.hid_reader:HidReader",
        "serial-line": "hal.drivers.line_reader:LineReader",
        "fifo": "hal.drivers.fifo_reader:FifoReader",
    },
    "sensor": {
        "simulated": "hal.simulated.devices:Sensor",
        "gpio": "hal.drivers.gpio_inputs:Input",
        "rcd": "hal.drivers.gpio_inputs:Rcd",
        "temperature": "hal.drivers.temperature:Temperature",
        "simulated-parking": "hal.simulated.devices:ParkingBay",
        "parking": "hal.drivers.parking_bay:ParkingBay",
    },
    "led": {"gpio": "hal.drivers.led:GpioLed", "class": "hal.drivers.led:ClassLed"},
}
# Vehicles have come to harm by phases that came and went while they charged.
PHASE_PAUSE_S = 10.0
# Options that every meter and reader has besides its driver's own.
_METER = {"on_loss": "stop", "loss_s": 10.0}


class EvseDevices:
    """The devices of one EVSE.

    meter       None on a board without one; `on_loss` ("stop" | "continue"): what follows `loss_s` seconds of silence
    phase_switch  None on a board without one; `phase_pause_s`: how long it keeps the vehicle without power
    locks       by connector id; a tethered cable has none
    connectors  [(id, type, tethered)] in the order of the board file; type is a ConnectorEnum word
    """

    __slots__ = (
        "id", "phases", "max_current_a", "pilot", "contactor", "phase_switch", "phase_pause_s", "meter", "locks",
        "sensors", "connectors", "on_loss", "loss_s",
    )  # fmt: skip

    def __init__(self, id: int, phases: int, max_current_a: float) -> None:
        self.id = id
        self.phases = phases
        self.max_current_a = max_current_a
        self.pilot: Any = None
        self.contactor: Any = None
        self.phase_switch: Any = None
        self.phase_pause_s = PHASE_PAUSE_S
        self.meter: Any = None
        self.locks: dict[int, Any] = {}
        self.sensors: list[Any] = []
        self.connectors: list[tuple[int, str, bool]] = []
        self.on_loss = "stop"
        self.loss_s = 10.0

    @property
    def sees_parking(self) -> bool:
        """A sensor tells whether a vehicle stands in the parking bay."""
        return any(getattr(sensor, "sees_parking", False) for sensor in self.sensors)


class Task:
    """Something that must run at least every `period_s`: `ran(now)` says that it did."""

    __slots__ = ("name", "period_s", "when")

    def __init__(self, name: str, period_s: float) -> None:
        self.name = name
        self.period_s = period_s
        self.when: float | None = None  # None: not running, and nobody waits for it

    def ran(self, now: float | None) -> None:
        self.when = now


class StationSensor:
    """One EVSE's part in a sensor of several: open while any of them uses it; who comes later hears what is present."""

    __slots__ = ("_sensor", "_parts", "_present", "_report", "sees_parking")

    def __init__(self, sensor: Any, parts: list[StationSensor], present: dict[str, str]) -> None:
        self._sensor = sensor
        self._parts = parts  # started ones, of all EVSEs
        self._present = present
        self._report: Any = None
        self.sees_parking = getattr(sensor, "sees_parking", False)

    def start(self, loop: Any, report: Any) -> None:
        self._report = report
        self._parts.append(self)
        if len(self._parts) == 1:
            self._present.clear()
            self._sensor.start(loop, self._hear)
        else:
            for code, detail in self._present.items():
                report("fault", code, detail)

    def _hear(self, event: str, *values: Any) -> None:
        if event == "fault":
            self._present[values[0]] = values[1]
        elif event == "cleared":
            self._present.pop(values[0], None)
        for part in tuple(self._parts):
            part._report(event, *values)

    def close(self) -> None:
        if self in self._parts:
            self._parts.remove(self)
            if not self._parts:
                self._sensor.close()


class Board:
    """What is soldered and wired: `evses` by id, `readers` with the EVSEs they belong to.

    `simulation` is None on a real board, else the object with the verbs of the control socket. `bench_only`: nothing
    but this program stands between mains and vehicle; not for the road. `resources`: the tables of lines and ports as
    the board file has them, `resources["serial"]["meterbus"]`. `kernel`: through which drivers reach them.
    """

    def __init__(self, id: str, description: str = "", bench_only: bool = False, kernel: Any = None) -> None:
        self.id = id
        self.description = description
        self.bench_only = bench_only
        self.evses: dict[int, EvseDevices] = {}
        self.readers: list[tuple[Any, tuple[int, ...]]] = []
        self.leds: list[Any] = []
        self.watchdog: Any = None
        self.simulation: Any = None
        self.resources: Table = {}
        self.tasks: list[Task] = []
        self._kernel = kernel
        self._shared: dict[str, Any] = {}

    def share(self, name: str, make: Callable[[], Any]) -> Any:
        """The one object of this name on the board, made at the first call: a bus, a port, the simulation."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    @property
    def kernel(self) -> Any:
        """See hal/kernel.py."""
        if self._kernel is None:
            from hal.kernel import Kernel

            self._kernel = Kernel()
        return self._kernel

    @property
    def gpio(self) -> Any:
        """The lines [gpio.*], see hal/gpio.py."""
        from hal.gpio import Gpio

        return self.share("gpio", lambda: Gpio(self.resources["gpio"], self.kernel))

    def adc(self, name: str) -> Any:
        """The converter's channel [adc.NAME]. Raises HalError."""
        from hal.analogue import Adc

        return Adc(name, self.resources["adc"][name], self.kernel)

    def pwm(self, name: str, frequency_hz: float) -> Any:
        """The output [pwm.NAME]. Raises HalError."""
        from hal.analogue import Pwm

        return Pwm(name, self.resources["pwm"][name], self.kernel, frequency_hz)

    def task(self, name: str, period_s: float) -> Task:
        """Registers a task that the watchdog depends on."""
        task = Task(name, period_s)
        self.tasks.append(task)
        return task

    def hangs(self, now: float) -> str | None:
        """The task that did not run in its period, None if all did."""
        for task in self.tasks:
            if task.when is not None and now - task.when > task.period_s:
                return task.name
        return None

    def show(self, evse_id: int, state: str) -> None:
        """Tells the lights the state of an EVSE, a word of hal.drivers.led.STATES."""
        for led in self.leds:
            led.show(evse_id, state)


def load_board(description: Table, checked: bool = False, kernel: Any = None) -> Board:
    """The board of a parsed board file, its devices made and not yet started.

    `checked`: `hal.boardfile.check()` found nothing in another process; it is neither run nor loaded here. `kernel`:
    another one than this machine's. Raises HalError("Board", all problems).
    """
    if not checked:
        from hal.boardfile import require

        require(description)
    table = description["board"]
    board = Board(table["id"], table.get("description", ""), table.get("bench_only", False), kernel)
    board.resources = {kind: description.get(kind, {}) for kind in ("serial", "gpio", "pwm", "adc")}
    meters = {meter["id"]: meter for meter in description.get("meter", ())}
    for table in description["evse"]:
        _make_evse(board, table, meters)
    for table in description.get("sensor", ()):
        options = {name: value for name, value in table.items() if name != "evses"}
        evses = table.get("evses", list(board.evses))
        sensor = _make("sensor", options, evses[0] if len(evses) == 1 else None, board)
        parts: list[StationSensor] = []
        present: dict[str, str] = {}
        for evse_id in evses:
            board.evses[evse_id].sensors.append(StationSensor(sensor, parts, present))
    for table in description.get("reader", ()):
        options = {name: value for name, value in table.items() if name != "evses"}
        readers = tuple(table.get("evses", board.evses))
        board.readers.append((_make("reader", options, None, board), readers))
    board.leds = [_make("led", options, options.get("evse"), board) for options in description.get("led", ())]
    if "watchdog" in description:
        from hal.drivers.watchdog import Watchdog

        board.watchdog = Watchdog(description["watchdog"], None, board)
    return board


def _make_evse(board: Board, table: Table, meters: dict[str, Table]) -> None:
    evse = board.evses[table["id"]] = EvseDevices(table["id"], table["phases"], float(table["max_current_a"]))
    for connector in table["connector"]:
        evse.connectors.append((connector["id"], connector["type"], connector.get("tethered", True)))
        lock = connector.get("lock", "none")
        if lock != "none":
            options = {"driver": lock} if isinstance(lock, str) else lock
            evse.locks[connector["id"]] = _make("lock", {**options, "connector": connector["id"]}, evse.id, board)
    evse.pilot = _make("pilot", table["pilot"], evse.id, board)
    evse.contactor = _make("contactor", table["contactor"], evse.id, board)
    if "phase_switch" in table:
        switch = dict(table["phase_switch"])
        evse.phase_pause_s = float(switch.pop("pause_s", PHASE_PAUSE_S))
        evse.phase_switch = _make("phase_switch", switch, evse.id, board)
    evse.sensors = [_make("sensor", options, evse.id, board) for options in table.get("sensor", ())]
    if "meter" in table:
        meter = {**_METER, **meters[table["meter"]]}
        evse.on_loss, evse.loss_s = meter.pop("on_loss"), float(meter.pop("loss_s"))
        evse.meter = _make("meter", meter, evse.id, board)


def _make(kind: str, options: Table, evse_id: int | None, board: Board) -> Any:
    name: str = options["driver"]
    module, _, attribute = DRIVERS[kind].get(name, name).partition(":")
    __import__(module)
    return getattr(sys.modules[module], attribute)(
        {key: value for key, value in options.items() if key not in ("driver", "id")}, evse_id, board
    )
