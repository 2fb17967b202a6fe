"""Board files: what makes a board, and every way to get one wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hal.board import DRIVERS, load_board
from hal.boardfile import check
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
        else:
            board[last] = value

    return apply


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
    ("gpio", {"a": {"line": "GPIO5", "direction": "in"}, "b": {"line": "GPIO5", "direction": "in"}}, "[gpio.b]: line 'GPIO5' is in use by [gpio.a] already"),
    ("gpio", {"a": {}}, "[gpio.a]: line is missing"),
    ("pwm", {"a": {"device": "p", "channel": 0}, "b": {"device": "p", "channel": 0}}, "[pwm.b]: device 'p' channel 0"),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG, ids=[path for path, _, _ in WRONG])
def test_what_is_wrong_is_refused_by_name(path: str, value: Any, words: str) -> None:
    board = board_file("simulated-ac-2")
    change(path, value)(board)
    with pytest.raises(HalError) as caught:
        load_board(board)
    assert words in str(caught.value)
    assert caught.value.code == "Board"


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
