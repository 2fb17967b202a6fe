"""The sandbox of the service follows the board file: what a board opens is allowed, and nothing else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse import cli
from hal import permissions
from tests.support.outlets import BOARDS

FILES = sorted(BOARDS.glob("*.toml"))


def paths_in(value: Any) -> Iterator[str]:
    """Every text of a board file that is a path below /dev."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from paths_in(item)
    elif isinstance(value, str) and value.startswith("/dev/"):
        yield value


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_that_a_board_file_names_is_allowed(file: Path) -> None:
    description = tomllib.loads(file.read_text())
    allowed = permissions.devices(description)
    for path in paths_in(description):
        assert path in allowed or any(path.startswith(start) for start in permissions._CLASSES), path
    assert ("char-gpiochip" in allowed) == bool(description.get("gpio"))
    assert len(set(allowed)) == len(allowed)


def test_a_simulated_board_opens_nothing() -> None:
    description = tomllib.loads((BOARDS / "simulated-ac-1.toml").read_text())
    assert permissions.drop_in(description, "simulated-ac-1").endswith("\n[Service]\n")


def test_what_comes_and_goes_is_allowed_by_its_class() -> None:
    description = {
        "serial": {"a": {"device": "/dev/ttyUSB0"}, "b": {"device": "/dev/serial/by-id/usb-x"}},
        "reader": [{"driver": "keyboard", "device": "/dev/input/by-id/usb-y"}],
    }
    assert permissions.devices(description) == ["char-ttyUSB", "char-ttyACM", "char-input"]


def test_pwm_lights_and_pipes_are_written_outside_of_dev() -> None:
    assert permissions.writable({"pwm": {"pilot": {}}}) == ["/sys/devices"]
    assert permissions.writable({"led": [{"driver": "class", "name": "red"}]}) == ["/sys/devices"]
    assert permissions.writable({"led": [{"driver": "gpio", "line": "light"}]}) == []
    pipes = [{"driver": "fifo", "path": path} for path in ("/run/evse/cards", "/srv/cards/in")]
    assert permissions.writable({"reader": pipes}) == ["/srv/cards"]


def test_what_systemd_would_read_otherwise_is_written_out() -> None:
    text = permissions.drop_in({"serial": {"a": {"device": "/dev/odd 100%"}}}, "odd")
    assert r"DeviceAllow=/dev/odd\x20100%% rw" in text


def test_the_command_prints_the_drop_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["hw", "service", "--board", "chargebyte-tarragon"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "[Service]"
    assert {"DeviceAllow=/dev/ttymxc0 rw", "ReadWritePaths=-/sys/devices"} <= set(lines)
    assert cli.main(["hw", "service", "--board", "openevse", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"devices": ["char-ttyUSB"], "writable": []}
    assert cli.main(["hw", "service", "--board", "nonsense"]) == 1
    assert "there is no board 'nonsense'" in capsys.readouterr().err


def test_a_station_file_begins_with_the_board_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "station.toml")
    assert cli.main(["config", "init", "--board", "rpi-devkit", path]) == 0
    assert tomllib.loads(Path(path).read_text())["board"] == "rpi-devkit"
    assert cli.main(["config", "check", path]) == 0
    assert cli.main(["config", "init", "--board", "rpi", str(tmp_path / "other.toml")]) == 1
    assert "did you mean 'rpi-devkit'?" in capsys.readouterr().err and not (tmp_path / "other.toml").exists()
