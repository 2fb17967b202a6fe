"""evse hw: what is listed, and how parts are tried; refused while a station runs and without a yes."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from evse import cli, hardware
from hal import inventory
from tests.support.fakekernel import FakeKernel
from tests.support.modbusline import BAUD, ModbusLine, fill, map_source

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nobody_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVSE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("EVSE_CONTROL", raising=False)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    kernel = FakeKernel(tmp_path / "root")
    kernel.chip("pinctrl-bcm2711", {26: "GPIO26", 16: "GPIO16", 6: "GPIO6", 5: "GPIO5", 21: "GPIO21"})
    kernel.wires["GPIO16"].drive(False)
    monkeypatch.setattr(hardware, "Kernel", lambda: kernel)
    monkeypatch.setattr("hal.kernel.Kernel", lambda: kernel)
    return kernel


def hw(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["hw", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_list_shows_lines_with_their_users_ports_and_converters(kernel: FakeKernel, capsys: Capture) -> None:
    root = Path(kernel.root)
    kernel.wires["GPIO26"].user = "evse"
    kernel.pwm("20fc000.pwm", 0)
    kernel.adc("2198000.adc", {2: 1, 3: 1})
    kernel.led("green:boot")
    for name in ("ttyUSB0", "ttyS7", "spidev0.0", "i2c-1", "watchdog0", "null"):
        (root / "dev" / name).touch()
    (root / "dev/serial/by-id").mkdir(parents=True)
    (root / "dev/serial/by-id/usb-FTDI_A1").symlink_to("../../ttyUSB0")
    code, out, _ = hw(capsys, "list", "--json")
    found = json.loads(out)
    assert code == 0
    lines = {line["name"]: line["user"] for line in found["gpio"][0]["lines"] if line["name"]}
    assert lines["GPIO26"] == "evse" and lines["GPIO16"] is None
    assert [(port["path"], port["names"]) for port in found["serial"]] == [
        ("/dev/ttyUSB0", ["/dev/serial/by-id/usb-FTDI_A1"])
    ]
    assert found["pwm"][0]["device"] == "20fc000.pwm" and found["adc"][0]["channels"] == [2, 3]
    assert [entry["path"] for kind in ("spi", "i2c", "watchdog", "led") for entry in found[kind]] == [
        "/dev/spidev0.0", "/dev/i2c-1", "/dev/watchdog0", "/sys/class/leds/green:boot",
    ]  # fmt: skip
    _, out, _ = hw(capsys, "list")
    assert "     26 GPIO26  used by evse" in out and "  /dev/gpiochip0  pinctrl-bcm2711" in out
    assert "2198000.adc  channels 2, 3" in out and "input: none" in out


def test_what_may_not_be_opened_says_which_group_to_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ttyUSB0"
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    path.chmod(0o600)
    alone = "no permission: it belongs to root alone; a udev rule must give it to a group"
    assert inventory.permission(str(path)) == alone
    path.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(path, -1, 20)  # dialout on Debian; another account's file has the group of that account
    words = inventory.permission(str(path), "pi")
    assert words is not None and words.startswith("no permission: sudo usermod -aG ") and " pi, then log in" in words
    assert inventory.permission(str(tmp_path / "none")) == os.strerror(errno.ENOENT)


def test_a_test_is_refused_while_a_station_runs(tmp_path: Path, capsys: Capture) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(state / "control.sock"))
        server.listen()
        code, _, err = hw(capsys, "test", "relay", "--board", "simulated-ac-1", "--yes")
        assert code == 1 and "a station runs" in err and "stop it first" in err
        code, _, err = hw(capsys, "meter", "--detect", "--port", "/dev/null")
        assert code == 1 and "a station runs" in err


@pytest.mark.parametrize("part", ["relay", "lock", "led", "pilot"])
def test_what_moves_something_wants_a_yes(part: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))
    code, _, err = hw(capsys, "test", part, "--board", "simulated-ac-2", "--limit", "16")
    assert code == 1 and "say --yes if that is safe" in err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("no\n", 1), ("", 1)])
def test_a_person_is_asked(answer: str, code: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    os.write(master, answer.encode() or b"\x04")
    with os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr(hardware, "_HOLD_S", 0.01)
        got, _, err = hw(capsys, "test", "relay", "--board", "simulated-ac-1")
    os.close(master)
    assert got == code and "Is that safe?" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("relay", "--board", "simulated-ac-1", "--yes"), "its mirror contact said so"),
        (("lock", "--board", "simulated-ac-2", "--evse", "2", "--yes"), "locked and unlocked"),
        (("meter", "--board", "simulated-ac-1", "--seconds", "0.1"), "1 readings"),
        (("pilot", "--board", "simulated-ac-1", "--seconds", "0.05"), "letters seen: A"),
    ],
)
def test_parts_that_work(
    arguments: tuple[str, ...], words: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_HOLD_S", 0.01)
    code, out, _ = hw(capsys, "test", *arguments)
    last = out.splitlines()[-1]
    assert code == 0 and last.startswith("passed: ") and last.endswith(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lock", "--board", "simulated-ac-1", "--yes"), "FAILED: EVSE 1 has no lock"),
        (("led", "--board", "simulated-ac-1", "--yes"), "FAILED: this board has no lights"),
        (("rfid", "--board", "simulated-ac-1", "--seconds", "0.01"), "FAILED: no card was read"),
        (("relay", "--board", "openevse", "--yes"), "FAILED: this board closes its relay by itself"),
        (("relay", "--board", "imx93-evk", "--evse", "3", "--yes"), "there is no EVSE 3; this board has 1"),
        (("relay", "--board", "nonesuch", "--yes"), "there is no board 'nonesuch'"),
    ],
)
def test_parts_that_do_not(arguments: tuple[str, ...], words: str, capsys: Capture) -> None:
    code, out, err = hw(capsys, "test", *arguments)
    assert code == 1 and words in out + err


def test_a_real_relay_is_tried_and_left_open(
    kernel: FakeKernel, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    coil, mirror = kernel.wires["GPIO26"], kernel.wires["GPIO16"]
    coil.moved = lambda high: mirror.drive(not high)  # both active low, the mirror contact breaks
    monkeypatch.setattr(hardware, "_HOLD_S", 0.01)
    board = Path(hardware.__file__).parents[1] / "board_configs/rpi-devkit.toml"
    own = Path(kernel.root) / "own.toml"
    own.write_text(board.read_text().replace("min_close_interval_s = 10", "min_close_interval_s = 0"))
    code, out, _ = hw(capsys, "test", "relay", "--board", str(own), "--yes", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["ok"] and ["contactor", True] in answer["events"]
    assert coil.high and not coil.user and coil.levels.count(False) == 1


def test_a_relay_without_a_mirror_contact_that_answers_fails(kernel: FakeKernel, capsys: Capture) -> None:
    board = Path(hardware.__file__).parents[1] / "board_configs/rpi-devkit.toml"
    own = Path(kernel.root) / "own.toml"
    own.write_text(board.read_text().replace("min_close_interval_s = 10", "min_close_interval_s = 0"))
    code, out, _ = hw(capsys, "test", "relay", "--board", str(own), "--yes")
    assert code == 1 and "FAILED: the contactor did not close" in out
    assert kernel.wires["GPIO26"].high


def test_a_mistake_in_a_board_file_is_named_with_its_line(tmp_path: Path, capsys: Capture) -> None:
    board = Path(hardware.__file__).parents[1] / "board_configs/rpi-devkit.toml"
    own = tmp_path / "own.toml"
    own.write_text(board.read_text().replace('coil = "contactor"', 'coil = "contacter"'))
    line = own.read_text().splitlines().index('coil = "contacter"') + 1
    code, _, err = hw(capsys, "test", "relay", "--board", str(own), "--yes")
    assert code == 1
    assert f"{own}:{line}: [[evse]] 1 contactor: there is no [gpio.contacter]; did you mean 'contactor'?" in err


def test_a_meter_is_found_by_its_answers(capsys: Capture) -> None:
    truth = dict.fromkeys(map_source("eastron-sdm630")["values"], 0.5)
    truth |= {"Energy.Active.Import.Register": 5000.0, "Frequency": 50.0, "Voltage.L1-N": 231.0, "Voltage.L2-N": 230.0}
    registers: dict[int, Any] = {3: fill("eastron-sdm630", truth)}
    with ModbusLine(registers) as line:
        port = ("--port", line.device, "--baud", str(BAUD))
        code, out, _ = hw(capsys, "meter", "--detect", *port, "--units", "2-4", "--json")
    found = json.loads(out)["meters"]
    assert code == 0 and [meter["unit"] for meter in found] == [3] and "eastron-sdm630" in found[0]["models"][:3]


def test_nothing_on_the_line_is_said(capsys: Capture) -> None:
    master, slave = os.openpty()
    code, out, _ = hw(capsys, "meter", "--detect", "--port", os.ttyname(slave), "--baud", "9600", "--units", "1")
    os.close(master)
    os.close(slave)
    assert code == 1 and "nothing answers: check A and B" in out


@pytest.mark.parametrize("units", ["0-3", "a", "5-2", "1-300", ""])
def test_addresses_that_are_none(units: str, capsys: Capture) -> None:
    code, _, err = hw(capsys, "meter", "--detect", "--port", "/dev/null", "--units", units)
    assert code == 1 and "--units is an address or a range from 1 to 247" in err


def test_a_port_that_is_not_there(capsys: Capture) -> None:
    code, _, err = hw(capsys, "meter", "--detect", "--port", "/dev/nonesuch", "--units", "1")
    assert code == 1 and "/dev/nonesuch: there is no such device" in err
