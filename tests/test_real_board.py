"""A station on a real board over a false kernel: lights, watchdog, the bench's warning, problems with their lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from evse import daemon, stationfile
from evse.app import Station
from evse.errors import UsageError
from evse.shell.log import Log
from evse.shell.loop import Loop
from tests.support.fakekernel import FakeKernel
from tests.support.outlets import BOARDS

STATION = 'board = "board.toml"\n[behaviour]\nstandalone = true\nfree_vending = true\n'


class Kit:
    """The Raspberry Pi kit with a relay that works and a simulated meter and reader."""

    def __init__(self, directory: Path) -> None:
        self.kernel = FakeKernel(directory / "root")
        self.kernel.chip("pinctrl-bcm2711", {26: "GPIO26", 16: "GPIO16", 6: "GPIO6", 5: "GPIO5", 21: "GPIO21"})
        wires = self.kernel.wires
        self.coil, self.mirror, self.stop, self.lamp = (wires[f"GPIO{number}"] for number in (26, 16, 6, 21))
        self.coil.moved = lambda high: self.mirror.drive(not high)
        os.mkfifo(directory / "root/dev/watchdog0")
        self._dog = os.open(directory / "root/dev/watchdog0", os.O_RDONLY | os.O_NONBLOCK)
        text = (BOARDS / "rpi-devkit.toml").read_text().replace("min_close_interval_s = 10", "min_close_interval_s = 0")
        meter = 'driver = "modbus"\nmodel = "eastron-sdm630"\nport = "meterbus"\nunit = 1\n'
        text = text.replace(meter, 'driver = "simulated"\n')
        text = text.replace('driver = "pn532-uart"\nport = "nfc"', 'driver = "simulated"')
        (directory / "board.toml").write_text(text)
        (directory / "station.toml").write_text(STATION)
        self.lines: list[str] = []
        log = Log("debug", lambda line: self.lines.append(line.decode()), journal=True)
        self.loop = Loop(lambda loop, context: daemon._heard(log, context["exception"]))
        config = stationfile.load(str(directory / "station.toml"))
        self.station = Station(config, str(directory), str(directory / "c.sock"), self.loop, log)
        self.station.board._kernel = self.kernel

    def run(self, condition: Any, passes: int = 300) -> None:
        for _ in range(passes):
            if condition():
                return
            self.loop.run_once(0.02)
        raise AssertionError("".join(self.lines[-20:]))

    def fed(self) -> bytes:
        try:
            return os.read(self._dog, 100)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.station.close()
        self.loop.close()
        os.close(self._dog)


@pytest.fixture
def kit(tmp_path: Path) -> Any:
    kit = Kit(tmp_path)
    yield kit
    kit.close()


def test_a_session_with_a_real_relay_light_and_watchdog(kit: Kit) -> None:
    kit.station.start()
    assert kit.fed() == b"\0"
    kit.station.board.simulation.plug(1)
    kit.run(lambda: not kit.coil.high)
    kit.run(lambda: kit.lamp.high)
    kit.stop.drive(True)  # the loop of the emergency stop is opened
    kit.run(lambda: kit.coil.high)
    levels = len(kit.lamp.levels)
    kit.run(lambda: len(kit.lamp.levels) > levels)  # it blinks
    kit.station.shut_down(143)
    kit.loop.run_forever()
    kit.station.close()
    assert kit.fed().endswith(b"V") and kit.coil.high and not kit.lamp.high
    assert not any(wire.user for wire in kit.kernel.wires.values())


def test_a_bench_board_says_so_at_the_start(kit: Kit) -> None:
    kit.station.start()
    words = "<4>bench only: nothing but this program stands between mains and vehicle board=rpi-devkit"
    assert any(line.startswith(words) for line in kit.lines)


def test_a_task_that_hangs_starves_both_watchdogs(kit: Kit) -> None:
    kit.station.start()
    kit.station.board.task("pilot of EVSE 1", 0.5).ran(kit.loop.time() - 1)
    assert kit.station.hangs() == "pilot of EVSE 1"
    kit.fed()
    kit.station.board.watchdog._feed()
    assert kit.fed() == b""
    assert any("the machine's watchdog is not fed, a part hangs part=pilot of EVSE 1" in line for line in kit.lines)


def test_after_a_failure_the_watchdog_goes_on(kit: Kit) -> None:
    kit.station.start()
    kit.fed()
    kit.station.close()
    assert kit.fed() == b""


def test_a_light_or_a_watchdog_that_is_missing_stops_nothing(kit: Kit) -> None:
    kit.lamp.user = "leds-gpio"
    os.unlink(kit.kernel.root + "/dev/watchdog0")
    kit.station.start()
    kit.station.board.simulation.plug(1)
    kit.run(lambda: not kit.coil.high)
    assert sum("a device could not be started" in line for line in kit.lines) == 2


def test_a_mistake_in_the_board_file_is_told_with_its_line(tmp_path: Path) -> None:
    text = (BOARDS / "rpi-devkit.toml").read_text().replace('line = "rcd_fault"', 'line = "rcd_fualt"')
    (tmp_path / "board.toml").write_text(text)
    (tmp_path / "station.toml").write_text(STATION)
    line = text.splitlines().index('line = "rcd_fualt"') + 1
    with pytest.raises(UsageError) as caught:
        stationfile.load(str(tmp_path / "station.toml"))
    place = f"{tmp_path}/board.toml:{line}: "
    assert f"{place}[[evse]] 1 sensor: there is no [gpio.rcd_fualt]; did you mean 'rcd_fault'?" in str(caught.value)


def test_a_board_on_the_command_line_stands_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "station.toml").write_text('board = "simulated-ac-2"\n[behaviour]\nstandalone = true\n')
    assert stationfile.load(str(tmp_path / "station.toml"), board="imx93-evk")["board"]["board"]["id"] == "imx93-evk"
    assert stationfile.load(None, board="rpi-devkit")["board"]["board"]["id"] == "rpi-devkit"
    monkeypatch.setattr("hal.machine.detect", lambda: "imx8mm-evk")
    assert stationfile.load(None, board="auto")["board"]["board"]["id"] == "imx8mm-evk"
