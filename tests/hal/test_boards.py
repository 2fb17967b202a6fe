"""Board files against the device trees that Debian's kernels ship: each line, port, PWM, converter, light is there."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hal.board import load_board
from hal.boardfile import check
from tests.support import devicetree
from tests.support.devicetree import Tree
from tests.support.outlets import BOARDS, board_file

TREES = {
    "armhf": [
        "imx6ull-tarragon-master.dtb", "imx6ull-tarragon-slave.dtb", "imx6ull-tarragon-slavext.dtb",
        "imx6ull-tarragon-micro.dtb", "imx6ul-14x14-evk.dtb", "imx6ull-14x14-evk.dtb", "imx28-evachargese.dtb",
    ],
    "arm64": [
        "bcm2837-rpi-3-b.dtb", "bcm2837-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb", "bcm2712-rpi-5-b.dtb",
        "imx8mm-evk.dtb", "imx8mm-evkb.dtb", "imx93-11x11-evk.dtb", "imx93-14x14-evk.dtb",
    ],
}  # fmt: skip
REAL = {
    "rpi-devkit": ["bcm2837-rpi-3-b", "bcm2837-rpi-zero-2-w", "bcm2711-rpi-4-b", "bcm2712-rpi-5-b"],
    "rpi-devkit-rc522": ["bcm2837-rpi-3-b", "bcm2837-rpi-zero-2-w", "bcm2711-rpi-4-b", "bcm2712-rpi-5-b"],
    "chargebyte-tarragon": ["imx6ull-tarragon-master", "imx6ull-tarragon-slavext"],
    "evacharge-se": ["imx28-evachargese"],
    "imx6ul-evk": ["imx6ul-14x14-evk", "imx6ull-14x14-evk"],
    "imx8mm-evk": ["imx8mm-evk", "imx8mm-evkb"],
    "imx93-evk": ["imx93-11x11-evk", "imx93-14x14-evk"],
}  # fmt: skip
CASES = [(board, tree) for board, trees in REAL.items() for tree in trees]
# What only an overlay brings.
OVERLAYS = {"/dev/ttySC0", "/dev/serial0"}


@functools.cache
def blobs(architecture: str) -> dict[str, bytes]:
    try:
        return devicetree.blobs(architecture, TREES[architecture])
    except OSError as error:
        pytest.skip(f"the kernel packages of {architecture} cannot be had: {error}")


def tree_of(name: str) -> Tree:
    architecture = next(arch for arch, names in TREES.items() if f"{name}.dtb" in names)
    blob = blobs(architecture).get(f"{name}.dtb")
    if blob is None:
        pytest.skip(f"Debian's {devicetree.PACKAGES[architecture]} has no {name}.dtb")
    return devicetree.load(blob)


def contradictions(board: dict[str, Any], tree: Tree) -> list[str]:
    """What the board file names and the tree does not have."""
    found = []
    for name, table in board.get("gpio", {}).items():
        if "line" in table and table["line"] not in tree.line_names:
            found.append(f"[gpio.{name}]: {table['line']}")
    for kind in ("pwm", "adc"):
        tables = board.get(kind, {})
        found += [f"[{kind}.{name}]" for name, table in tables.items() if table["device"] not in tree.devices]
    for name, table in board.get("serial", {}).items():
        device = Path(table["device"]).name
        number = re.search(r"\d+$", device)
        known = number is not None and tree.serials.get(int(number[0]), ("", False))[1]
        if table["device"] not in OVERLAYS and not known:
            found.append(f"[serial.{name}]: {device}")
    lights = [table["name"] for table in board.get("led", ()) if "name" in table]
    found += [f"[[led]]: {name}" for name in lights if name not in tree.leds]
    if "watchdog" in board and not any("watchdog" in device for device in tree.devices):
        found.append("[watchdog]")
    return found


@pytest.mark.parametrize(("name", "tree_name"), CASES)
def test_what_a_board_file_names_is_in_the_kernels_device_tree(name: str, tree_name: str) -> None:
    tree = tree_of(tree_name)
    if not tree.line_names and board_file(name).get("gpio"):
        pytest.skip(f"{tree_name}.dtb of this kernel does not describe the header")
    assert contradictions(board_file(name), tree) == []


@pytest.mark.parametrize(("name", "tree_name"), [case for case in CASES if "rc522" not in case[0]])
def test_a_board_is_known_by_its_compatible(name: str, tree_name: str) -> None:
    wanted = board_file(name)["board"]["compatible"]
    assert set(wanted) & set(tree_of(tree_name).compatible)


def test_a_wrong_name_would_be_found() -> None:
    tree = tree_of("bcm2837-rpi-3-b")
    board = board_file("rpi-devkit")
    board["gpio"]["contactor"]["line"] = "GPIO4"  # the header's GPIO4 is GPIO_GCLK there
    board["pwm"] = {"x": {"device": "1f00098000.pwm", "channel": 0}}
    assert contradictions(board, tree) == ["[gpio.contactor]: GPIO4", "[pwm.x]"]


def test_no_two_boards_answer_to_the_same_machine() -> None:
    seen: dict[str, str] = {}
    for path in sorted(BOARDS.glob("*.toml")):
        for compatible in tomllib.loads(path.read_text())["board"].get("compatible", []):
            assert compatible not in seen, f"{path.stem} and {seen[compatible]}"
            seen[compatible] = path.stem


def test_every_real_board_is_compared() -> None:
    others = {path.stem for path in BOARDS.glob("*.toml")} - set(REAL)
    assert others == {"simulated-ac-1", "simulated-ac-2", "openevse"}


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_board_without_a_gate_says_that_it_is_for_the_bench(path: Path) -> None:
    description = tomllib.loads(path.read_text())
    assert check(description) == []
    board = load_board(prepared(description), checked=True)
    assert board.bench_only == (path.stem != "openevse")
    for evse in board.evses.values():
        assert evse.pilot is not None and evse.contactor is not None


def prepared(description: dict[str, Any]) -> dict[str, Any]:
    """As the front end hands it to the daemon: with the maps of its meters."""
    from hal.meterfile import compile_meters

    compile_meters(description)
    return description
