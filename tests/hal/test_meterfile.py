"""Maps of meters as files: what may stand in them, and how boards come to theirs."""

from __future__ import annotations

import marshal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from evse import boards
from hal import meterfile
from hal.boardfile import check
from hal.drivers.modbus_meter import REGISTER
from hal.interfaces import HalError
from tests.support.outlets import BOARDS, board_file

Table = dict[str, Any]
DIRECTORY = Path(meterfile.DIRECTORY)
MODELS = meterfile.names()


def board_with_meter(**changes: Any) -> Table:
    board = board_file("simulated-ac-1")
    board["serial"] = {"bus": {"device": "/dev/ttyS7"}}
    meter = {"driver": "modbus", "model": "eltako-dsz15", "port": "bus", "unit": 1, **changes}
    board["meter"] = [{"id": board["evse"][0]["meter"], **meter}]
    return board


def compiled(**changes: Any) -> Table:
    table = {"name": "x", "type": "uint16", "values": {REGISTER[0]: {"at": 0}, "Frequency": {"at": 9}}, **changes}
    return meterfile.compile_map(table)


def values(name: str, **value: Any) -> Table:
    return {"values": {REGISTER[0]: {"at": 0}, name: value}}


WRONG = [
    ({"nam": "x"}, "file: 'nam' is unknown; did you mean 'name'?"),
    ({"words": "middle"}, 'words must be "big"'),
    ({"type": "int12"}, "file: there is no type 'int12'; did you mean 'int"),
    ({"type": None}, "file: type cannot be None"),
    ({"function": 5}, "function must be 3 (holding registers) or 4"),
    ({"max_registers": 126}, "max_registers must be from 1 to 125"),
    ({"gap": True}, "gap cannot be True"),
    ({"missing": ["two"]}, "missing holds whole numbers"),
    ({"serial": {"bauds": 1}}, "[serial]: 'bauds' is unknown; did you mean 'baud'?"),
    ({"values": {}}, f"{REGISTER[0]} is missing"),
    ({"values": {REGISTER[0]: {"at": 0, "optional": True}}}, "cannot be optional"),
    ({"values": {REGISTER[0]: 5}}, "must be a table"),
    (values("Voltag.L1-N", at=1), "[values] Voltag.L1-N: no measurand; did you mean 'Voltage'?"),
    (values("Voltage.L1", at=1), "Voltage is between two conductors"),
    (values("Current.L1-N", at=1), "all else on one"),
    (values("Frequency"), "[values] Frequency: at is missing"),
    (values("Frequency", at=65536), "at must be an address"),
    (values("Frequency", at=65535, type="uint32"), "at must be an address"),
    (values("Frequency", at=-1), "at must be an address"),
    (values("Frequency", at=1, scale=10, scale_at=3), "exclude each other"),
    (values("Frequency", at=1, scal=10), "'scal' is unknown; did you mean 'scale'?"),
    ({"identity": [{"at": 1}]}, "[[identity]] 1: type is missing"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_in_a_map(changes: Table, words: str) -> None:
    with pytest.raises(HalError) as caught:
        compiled(**changes)
    assert words in caught.value.detail


def test_value_without_a_type() -> None:
    with pytest.raises(HalError, match="Register: type is missing"):
        meterfile.compile_map({"name": "x", "values": {REGISTER[0]: {"at": 0}}})


def test_requests_are_as_few_as_the_map_allows() -> None:
    blocks = [block[:3] for block in compiled()["blocks"]]
    assert blocks == [(3, 0, 1), (3, 9, 1)]
    assert [block[:3] for block in compiled(gap=8)["blocks"]] == [(3, 0, 10)]
    assert [block[:3] for block in compiled(gap=8, max_registers=9)["blocks"]] == [(3, 0, 1), (3, 9, 1)]


def test_model_that_there_is_not() -> None:
    with pytest.raises(HalError, match="no meter model 'eastron-sdm63'; did you mean 'eastron-sdm630'"):
        meterfile.load("eastron-sdm63")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"name = ", "own.toml: Invalid value"), (b"\xff", "own.toml: 'utf-8'"), (b"name = 1", "name cannot be 1")],
)
def test_file_of_ones_own_that_is_broken(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(HalError, match=words):
        meterfile.load(str(path))
    with pytest.raises(HalError, match=r"none\.toml: No such file"):
        meterfile.load(str(tmp_path / "none.toml"))


def test_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text((DIRECTORY / "abb-b23.toml").read_text())
    assert meterfile.load(str(path)) == meterfile.load("abb-b23")


def test_maps_are_compiled_into_the_board() -> None:
    board = board_with_meter()
    assert meterfile.compile_meters(board) == []
    assert marshal.loads(marshal.dumps(board))["meter"][0]["map"]["name"] == "Eltako DSZ15DZMOD"
    assert check(board) == []
    assert meterfile.compile_meters(board_file("simulated-ac-1")) == []


def test_map_of_ones_own_counts_from_the_board_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text((DIRECTORY / "abb-b23.toml").read_text())
    text = (BOARDS / "rpi-devkit.toml").read_text().replace('"eastron-sdm630"', '"./own.toml"')
    (tmp_path / "board.toml").write_text(text)
    board = boards.load(str(tmp_path / "board.toml"))
    assert [name for name, _ in boards.own_maps(board)] == [str(tmp_path / "own.toml")]
    assert meterfile.compile_meters(board) == []
    assert board["meter"][0]["map"]["name"] == "ABB B23"
    assert boards.own_maps({"meter": 1}) == boards.own_maps({"meter": [1, {"model": 2}]}) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "eltako"}, "no meter model 'eltako'"),
        ({"user_text": "x"}, "user_text is for meters that sign"),
        ({"model": "iskra-wm3m4", "user_text": "x" * 1025}, "user_text can have 1024 bytes"),
        ({"model": "bauer-bsm-ws36a", "public_key": "xyz"}, "public_key must be hexadecimal"),
    ],
)
def test_meters_of_a_board_that_cannot_be(changes: Table, words: str) -> None:
    (problem,) = meterfile.compile_meters(board_with_meter(**changes))
    assert words in problem and problem.startswith("[[meter]] ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": 248}, "unit must be from 1 to 247"),
        ({"port": "bas"}, "there is no [serial.bas]; did you mean 'bus'?"),
        ({"modell": "x"}, "'modell' is unknown; did you mean 'model'?"),
        ({"interval_s": 0}, "interval_s must be from 0.1 to 3600"),
    ],
)
def test_meter_tables_that_cannot_be(changes: Table, words: str) -> None:
    assert any(words in problem for problem in check(board_with_meter(**changes)))


def test_the_page_of_meters_has_every_model() -> None:
    page = (Path(meterfile.DIRECTORY).parents[1] / "docs" / "meters.md").read_text()
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(name for name in rows if "-" in name) == MODELS
    example = page.split("```toml")[2].split("```")[0]
    assert len(meterfile.compile_map(tomllib.loads(example))["values"]) == 5
