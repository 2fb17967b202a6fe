"""Board files: what makes a board, and every way to get one wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hal.board import DRIVERS, load_board
from hal.boardfile import check, problems
from hal.boardschema import COMMON, OPTIONS, RESOURCES, TABLES
from hal.interfaces import HalError
from tests.support.outlets import BOARDS, board_file

Table = dict[str, Any]


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_board_file_is_free_of_problems(path: Any) -> None:
    board = board_file(path.stem)
    assert check(board) == []
    assert board["board"]["id"] == path.stem


def test_simulated_board_with_cable_and_socket() -> None:
    board = load_board(board_file("simulated-ac-2"), checked=True)
    assert sorted(board.evses) == [1, 2]
    assert board.evses[1].connectors == [(1, "cType2", True)] and not board.evses[1].locks
    assert board.evses[2].connectors == [(1, "sType2", False)] and list(board.evses[2].locks) == [1]
    assert [served for _, served in board.readers] == [(1, 2), (1,), (2,)]
    assert board.evses[1].on_loss == "stop" and board.evses[1].loss_s == 10.0
    assert board.simulation is not None and board.bench_only


def test_every_driver_can_be_imported() -> None:
    for names in DRIVERS.values():
        for driver in names.values():
            module, _, name = driver.partition(":")
            assert hasattr(__import__(module, fromlist=[name]), name)


def test_driver_of_another_project() -> None:
    board = board_file("simulated-ac-1")
    board["evse"][0]["pilot"]["driver"] = "hal.simulated.devices:ControlPilot"
    assert type(load_board(board).evses[1].pilot).__name__ == "ControlPilot"


def test_reader_without_evses_serves_all() -> None:
    board = board_file("simulated-ac-2")
    del board["reader"][0]["evses"]
    assert load_board(board).readers[0][1] == (1, 2)


def test_the_same_shared_object_for_the_same_name() -> None:
    board = load_board(board_file("simulated-ac-1"))
    bus = board.share("bus", list)
    assert board.share("bus", dict) is bus


def change(path: str, value: Any) -> Callable[[Table], None]:
    """Sets a value at "evse.0.pilot.driver", deletes it if the value is `...`."""

    def apply(board: Any) -> None:
        *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in parts:
            board = board[part]
        if value is ...:
            del board[last]
        elif path == "gpio":
            board[last] = {name: _without(table) for name, table in value.items()}
        else:
            board[last] = value

    return apply


def _without(table: Any) -> Any:
    return {key: value for key, value in table.items() if value is not ...} if isinstance(table, dict) else table


LINE = {"line": "GPIO5", "direction": "in"}
OUT = {"line": "GPIO6", "direction": "out", "safe": "inactive"}
HEAT = {"driver": "temperature", "source": "hwmon", "device": "lm75"}
WRONG = [
    ("bord", {}, "board file: 'bord' is unknown; did you mean 'board'?"),
    ("board", ..., "board file: board is missing"),
    ("board", 7, "board file: board cannot be 7"),
    ("board.bench_only", "yes", "[board]: bench_only cannot be 'yes'"),
    ("evse", [], "no [[evse]]"),
    ("evse", [3], "each evse must be a table"),
    ("evse.1.id", 1, "[[evse]]: id 1 twice"),
    ("evse.0.id", True, "id cannot be True"),
    ("evse.0.phases", 4, "[[evse]] 1: phases must be 1 or 2 or 3, not 4"),
    ("evse.0.max_current_a", 5, "[[evse]] 1: max_current_a must be from 6 to 80"),
    ("evse.0.max_curent_a", 16, "'max_curent_a' is unknown; did you mean 'max_current_a'?"),
    ("evse.0.pilot.driver", "simulate", "there is no pilot driver 'simulate'; did you mean 'simulated'?"),
    ("evse.0.pilot", {}, "[[evse]] 1 pilot: driver is missing"),
    ("evse.0.pilot", ..., "[[evse]] 1: pilot is missing"),
    ("evse.0.contactor.driver", "gpioo", "there is no contactor driver 'gpioo'"),
    ("evse.0.meter", "rigth", "there is no meter 'rigth'; did you mean 'right'?"),
    ("evse.0.meter", "right", "[[evse]] 2: meter 'right' is in use by [[evse]] 1 already"),
    ("evse.0.connector", [], "no [[evse.connector]]"),
    ("evse.0.connector.0.typ", "cType2", "'typ' is unknown; did you mean 'type'?"),
    ("evse.0.connector.0.lock", "simulated", "a tethered cable has no lock"),
    ("evse.1.connector.0.lock", "motor", "[[evse]] 2 connector 1: forward is missing"),
    ("meter.0.on_loss", "halt", "[[meter]] left: on_loss must be stop or continue, not 'halt'"),
    ("meter.0.driver", "modbuss", "there is no meter driver 'modbuss'"),
    ("meter.0.id", "right", "[[meter]]: id 'right' twice"),
    ("reader.0.evses", [9], "[[reader]] front: there is no EVSE 9"),
    ("reader.0.driver", ..., "[[reader]] front: driver is missing"),
    ("gpio", {"a": LINE, "b": LINE}, "[gpio.b]: line 'GPIO5' is in use by [gpio.a] already"),
    ("gpio", {"a": {}}, "[gpio.a]: line is missing"),
    ("gpio", {"a": {"line": "GPIO5"}}, "[gpio.a]: direction is missing"),
    ("gpio", {"a": {**OUT, "safe": ...}}, "[gpio.a]: safe is missing: the level that does no harm"),
    ("gpio", {"a": {**OUT, "bias": "pull_up"}}, "[gpio.a]: bias is not for this direction"),
    ("gpio", {"a": {**LINE, "safe": "active"}}, "[gpio.a]: safe is not for this direction"),
    ("gpio", {"a": {**LINE, "activ": "low"}}, "[gpio.a]: 'activ' is unknown; did you mean 'active'?"),
    ("gpio", {"a": {**LINE, "active": "up"}}, "[gpio.a]: active must be high or low, not 'up'"),
    ("gpio", {"a": {"chip": "gpiochip4", "offset": 3, "direction": "in"}}, "chip is a number that changes"),
    ("gpio", {"a": {"chip": "209c000.gpio", "direction": "in"}}, "[gpio.a]: offset is missing"),
    ("gpio", {"a": {**LINE, "debounce_ms": -1}}, "[gpio.a]: debounce_ms must be from 0 to 10000"),
    ("gpio", {"a": 5}, "[gpio.a]: must be a table"),
    ("pwm", {"a": {"device": "pwmchip0", "channel": 0}}, "device is a number that changes"),
    ("sensor", [{**HEAT, "device": "hwmon0"}], "[[sensor]] 1: device is a number that changes"),
    ("sensor", [{**HEAT, "stop_c": 55}], "[[sensor]] 1: limit_from_c must be below stop_c (60 and 70 if not given)"),
    ("sensor", [{**HEAT, "source": "gauge"}], "[[sensor]] 1: source must be hwmon or iio, not 'gauge'"),
    ("serial", {"a": {"device": "/dev/ttyS0", "baud": "fast"}}, "[serial.a]: baud cannot be 'fast'"),
    ("serial", {"a": {"device": "/dev/ttyS0", "parity": "X"}}, "[serial.a]: parity must be N or E or O, not 'X'"),
    ("serial", {"a": {"device": "/dev/ttyS0", "stop_bits": 3}}, "[serial.a]: stop_bits must be 1 or 2, not 3"),
    ("serial", {"a": {"device": "p"}, "b": {"device": "p"}}, "[serial.b]: device 'p' is in use by [serial.a] already"),
    ("schema", 2, "schema 2 is not known; this is schema 1"),
    ("board.bench_only", ..., 'bench_only = true is missing; or gate = "what opens the contactor'),
    ("watchdog", {"device": "/dev/watchdog0"}, "[watchdog]: timeout_s is missing"),
    ("watchdog", {"device": "/dev/watchdog0", "timeout_s": 1}, "[watchdog]: timeout_s must be from 2 to 128"),
    ("evse.0.contactor", {"driver": "gpio", "coil": "rely"}, "there is no [gpio.rely]; known: none"),
    ("evse.0.contactor", {"driver": "gpio"}, "[[evse]] 1 contactor: coil is missing"),
    ("evse.0.contactor.colour", "red", "[[evse]] 1 contactor: 'colour' is unknown"),
    ("evse.0.sensor", [{"driver": "gpio", "line": "x", "fault": "Earth"}], "fault cannot be 'Earth'"),
    ("evse.0.pilot", {"driver": "openevse", "port": "x"}, "'openevse' is one device"),
    ("sensor", [{"driver": "simulated", "evses": [7]}], "[[sensor]] 1: there is no EVSE 7"),
    ("led", [{"driver": "class", "name": "x", "on": ["chargin"]}], "no state 'chargin'; did you mean 'charging'?"),
    ("led", [{"driver": "class", "name": "x", "evse": 9}], "[[led]] 1: there is no EVSE 9"),
    ("reader.0.evses", "all", "evses cannot be 'all'"),
    ("pwm", {"a": {"device": "p", "channel": 0}, "b": {"device": "p", "channel": 0}}, "[pwm.b]: device 'p' channel 0"),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_what_is_wrong_is_refused_by_name(path: str, value: Any, words: str) -> None:
    board = board_file("simulated-ac-2")
    change(path, value)(board)
    with pytest.raises(HalError) as caught:
        load_board(board)
    assert words in str(caught.value)
    assert caught.value.code == "Board"


def test_a_problem_says_where_it_stands() -> None:
    board = board_file("simulated-ac-2")
    board["evse"][1]["connector"][0]["typ"] = "x"
    board["evse"][0]["pilot"]["driver"] = "simulate"
    assert [path for path, _ in problems(board)] == [("evse", 0, "pilot", "driver"), ("evse", 1, "connector", 0, "typ")]


def test_an_input_is_no_output() -> None:
    board = board_file("rpi-devkit")
    board["evse"][0]["contactor"]["coil"] = "rcd_fault"
    assert '[[evse]] 1 contactor: coil needs a line with direction = "out"; [gpio.rcd_fault] is none' in check(board)


def test_an_option_of_a_driver_elsewhere_is_its_own_affair() -> None:
    board = board_file("simulated-ac-1")
    board["evse"][0]["pilot"] = {"driver": "acme.pilots:Fine", "colour": "red"}
    assert check(board) == []


def test_whatever_a_file_holds_it_is_answered_in_words() -> None:
    """Each value of a good file replaced by each of these: no exception."""
    for wrong in (None, 3, -1.5, True, "x", "", [], [3], [[]], {}, {"a": 1}, {"a": {}}):
        for path in _paths(board_file("chargebyte-tarragon")):
            board = board_file("chargebyte-tarragon")
            at: Any = board
            for part in path[:-1]:
                at = at[part]
            at[path[-1]] = wrong
            assert all(isinstance(text, str) for text in check(board))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((*path, key), *_paths(item, (*path, key)))]


def test_a_line_used_by_two_devices_is_refused() -> None:
    board = board_file("simulated-ac-2")
    board["gpio"] = {"relay1": {"line": "GPIO26", "direction": "out", "safe": "inactive"}}
    for evse in board["evse"]:
        evse["contactor"] = {"driver": "gpio", "coil": "relay1"}
    assert check(board) == ["[[evse]] 2 contactor: gpio 'relay1' is in use by [[evse]] 1 contactor already"]


def test_a_port_serves_several_units_but_none_twice() -> None:
    board = board_file("simulated-ac-2")
    board["serial"] = {"bus": {"device": "/dev/ttymxc0"}}
    for meter, unit in zip(board["meter"], (1, 2), strict=True):
        meter.update(driver="acme.meters:Meter", port="bus", unit=unit)
    assert check(board) == []
    board["meter"][1]["unit"] = 1
    assert check(board) == ["[[meter]] right: serial 'bus' unit 1 is in use by [[meter]] left already"]


def test_all_problems_are_told_at_once() -> None:
    board = board_file("simulated-ac-2")
    board["evse"][0]["phases"] = 0
    board["evse"][1]["max_current_a"] = 1000
    assert len(check(board)) == 2


def test_every_member_is_documented() -> None:
    """docs/boards.md knows all tables, drivers and options; those of meters and readers have pages of their own."""
    page = (BOARDS.parent / "docs/boards.md").read_text()
    kinds = [*RESOURCES.values(), *TABLES.values(), *COMMON.values()]
    kinds += [options for (kind, _), options in OPTIONS.items() if kind not in ("meter", "reader")]
    names = {name for kind in kinds for name in kind}
    names |= {driver for kind, driver in OPTIONS if kind not in ("meter", "reader")}
    assert [name for name in sorted(names) if f"`{name}`" not in page and f"`[{name}]`" not in page] == []
    for name in (path.stem for path in BOARDS.glob("*.toml")):
        assert f"`{name}`" in page
