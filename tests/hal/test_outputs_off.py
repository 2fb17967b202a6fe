"""evse-outputs-off: after a kill every output is at its safe level, also where one of them fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hal import machine
from hal.interfaces import HalError
from hal.outputs_off import main, switch_off
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.openevse import OpenEvse
from tests.support.outlets import board_file


@pytest.fixture
def tarragon(tmp_path: Path) -> FakeKernel:
    """As a killed station left it: the relay on, the pilot running."""
    kernel = FakeKernel(tmp_path)
    lines = [table["line"] for table in board_file("chargebyte-tarragon")["gpio"].values()]
    kernel.chip("209c000.gpio", dict(enumerate(lines)))
    for wire in kernel.wires.values():
        wire.high = True
    pwm = kernel.pwm("20fc000.pwm", 0)
    for name, value in (("period", "1000000"), ("duty_cycle", "533333"), ("enable", "1")):
        (pwm / name).write_text(value)
    return kernel


def test_every_output_is_safe_afterwards(tarragon: FakeKernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--board", "chargebyte-tarragon"], tarragon) == 0
    for table in board_file("chargebyte-tarragon")["gpio"].values():
        wire = tarragon.wires[table["line"]]
        if table["direction"] == "out":
            assert wire.high == (table.get("active") == "low") and not wire.user, table["line"]
        else:
            assert wire.levels == []
    assert (Path(tarragon.root) / "sys/class/pwm/pwmchip0/pwm0/duty_cycle").read_text() == "0"
    assert capsys.readouterr().err == ""


def test_one_that_fails_does_not_keep_the_others(tarragon: FakeKernel, capsys: pytest.CaptureFixture[str]) -> None:
    tarragon.wires["RELAY_1_ENABLE"].user = "evse"
    assert main(["--board", "chargebyte-tarragon"], tarragon) == 1
    assert "[gpio.relay1] RELAY_1_ENABLE: in use by another program or driver" in capsys.readouterr().err
    assert tarragon.wires["CP_INVERT"].levels == [False, False]


def test_an_openevse_board_is_sent_to_sleep() -> None:
    loop = FakeLoop()
    peer = OpenEvse(loop)
    board = board_file("openevse")
    board["serial"]["controller"]["device"] = peer.path
    assert list(switch_off(board, FakeKernel.__new__(FakeKernel))) == []
    loop.until(lambda: peer.asleep)
    peer.close()
    loop.close()


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        ('board = "simulated-ac-2"', [], 0, ""),
        ("", [], 0, ""),
        ('board = "rpi-devkitt"', [], 1, "there is no board 'rpi-devkitt'"),
        ('board = "own.toml"', [], 1, "No such file"),
        ("board = ", [], 1, "Invalid value"),
        ('board = "rpi-devkitt"', ["--board", "simulated-ac-1"], 0, ""),
    ],
)
def test_the_board_is_the_station_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], code: int, words: str
) -> None:
    file = tmp_path / "station.toml"
    file.write_text(text)
    assert main(["--config", str(file), *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_board_file_with_a_mistake_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[board]\nid = "x"\n')
    assert main(["--board", str(file)]) == 1
    assert "evse is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("compatible", "name"),
    [
        (b"raspberrypi,4-model-b\0brcm,bcm2711\0", "rpi-devkit"),
        (b"chargebyte,imx6ull-tarragon-master\0fsl,imx6ull\0", "chargebyte-tarragon"),
        (b"fsl,imx93-11x11-evk\0fsl,imx93\0", "imx93-evk"),
    ],
)
def test_the_device_tree_names_the_board(tmp_path: Path, compatible: bytes, name: str) -> None:
    (tmp_path / "compatible").write_bytes(compatible)
    assert machine.detect(str(tmp_path / "compatible")) == name


def test_a_machine_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "compatible").write_bytes(b"acme,box\0")
    with pytest.raises(HalError, match="no board file is for acme,box; write one"):
        machine.detect(str(tmp_path / "compatible"))
    with pytest.raises(HalError, match="no device tree to tell its board by"):
        machine.detect(str(tmp_path / "none"))


def test_names_of_boards_are_those_of_their_files() -> None:
    for name in machine.names():
        table: dict[str, Any] = machine.load(machine.path_of(name))
        assert table["board"]["id"] == name, json.dumps(table["board"])
