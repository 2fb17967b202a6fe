"""The machine's watchdog, fed only while everything runs; and the lights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hal.board import load_board
from hal.drivers import watchdog
from hal.interfaces import HalError
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file


@pytest.fixture
def loop() -> Any:
    loop = FakeLoop()
    yield loop
    loop.close()


class Dog:
    """A pipe with the name of a watchdog: what was written to it is `eaten`."""

    def __init__(self, root: Path, loop: FakeLoop) -> None:
        self.kernel = FakeKernel(root)
        os.mkfifo(root / "dev/watchdog0")
        self._fd = os.open(root / "dev/watchdog0", os.O_RDONLY | os.O_NONBLOCK)
        board = board_file("simulated-ac-1")
        board["watchdog"] = {"device": "/dev/watchdog0", "timeout_s": 9}
        self.board = load_board(board, kernel=self.kernel)
        self.hung: str | None = None
        self.heard: list[tuple[Any, ...]] = []
        self.loop = loop

    def start(self) -> None:
        self.board.watchdog.start(self.loop, lambda *event: self.heard.append(event), lambda: self.hung)

    def eaten(self) -> bytes:
        try:
            return os.read(self._fd, 100)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.board.watchdog.close()
        os.close(self._fd)


@pytest.fixture
def dog(tmp_path: Path, loop: FakeLoop) -> Any:
    dog = Dog(tmp_path, loop)
    yield dog
    dog.close()


def test_fed_three_times_in_its_time(dog: Dog) -> None:
    dog.start()
    assert dog.kernel.asked == [(watchdog.SET_TIMEOUT, (9).to_bytes(4, "little"))]
    assert dog.eaten() == b"\0"
    dog.loop.advance(9)
    assert dog.eaten() == b"\0" * 3


def test_not_fed_while_a_part_hangs_and_that_is_told(dog: Dog) -> None:
    dog.start()
    dog.eaten()
    dog.hung = "pilot of EVSE 1"
    dog.loop.advance(4)
    assert dog.eaten() == b"" and dog.heard == [("hangs", "pilot of EVSE 1")]
    dog.hung = None
    dog.loop.advance(3)
    assert dog.eaten() == b"\0"


def test_closed_in_order_it_is_switched_off(dog: Dog) -> None:
    dog.start()
    dog.eaten()
    dog.board.watchdog.close()
    dog.board.watchdog.close()
    dog.loop.advance(20)
    assert dog.eaten() == b"V"


def test_after_a_failure_it_goes_on(dog: Dog) -> None:
    dog.start()
    dog.eaten()
    dog.board.watchdog.close(orderly=False)
    assert dog.eaten() == b""


def test_a_time_that_it_cannot_do_is_refused(dog: Dog) -> None:
    dog.kernel.timeout_s = 5
    with pytest.raises(HalError, match="/dev/watchdog0: 9 s is more than it can do: 5 s"):
        dog.start()


def test_a_longer_time_is_taken_as_it_is(dog: Dog) -> None:
    dog.kernel.timeout_s = 30
    dog.start()
    assert dog.board.watchdog.timeout_s == 30


def test_none_there_is_named(dog: Dog, tmp_path: Path) -> None:
    (tmp_path / "dev/watchdog0").unlink()
    with pytest.raises(HalError, match="/dev/watchdog0: No such file or directory"):
        dog.start()


def test_only_tasks_that_run_are_waited_for(dog: Dog) -> None:
    task = dog.board.task("meter", 2.0)
    assert dog.board.hangs(1e9) is None
    task.ran(10.0)
    assert dog.board.hangs(12.0) is None and dog.board.hangs(12.1) == "meter"
    task.ran(None)
    assert dog.board.hangs(1e9) is None


# Lights


def lit(tmp_path: Path, loop: FakeLoop, **options: Any) -> tuple[Any, Path]:
    kernel = FakeKernel(tmp_path)
    brightness = kernel.led("green:boot")
    board = board_file("simulated-ac-2")
    board["led"] = [{"driver": "class", "name": "green:boot", **options}]
    result = load_board(board, kernel=kernel)
    result.leds[0].start(loop, None)
    return result, brightness


def test_a_light_is_on_in_its_states_and_off_in_others(tmp_path: Path, loop: FakeLoop) -> None:
    board, brightness = lit(tmp_path, loop, on=["charging"], evse=1)
    seen = []
    for evse, state in ((1, "available"), (1, "charging"), (2, "fault"), (1, "suspended")):
        board.show(evse, state)
        seen.append(brightness.read_text())
    assert seen == ["0", "255", "255", "0"]


def test_a_light_blinks_once_a_second_whatever_one_evse_needs(tmp_path: Path, loop: FakeLoop) -> None:
    board, brightness = lit(tmp_path, loop, on="available", blink="fault")
    board.show(1, "available")
    board.show(2, "fault")
    seen = []
    for _ in range(4):
        seen.append(brightness.read_text())
        board.show(1, "available")
        loop.advance(0.5)
    assert seen == ["255", "0", "255", "0"]
    board.show(2, "available")
    loop.advance(3)
    assert brightness.read_text() == "255"
    board.leds[0].close()
    assert brightness.read_text() == "0"
    board.show(1, "available")
    assert brightness.read_text() == "0"


def test_a_light_that_is_gone_harms_nobody(tmp_path: Path, loop: FakeLoop) -> None:
    board, brightness = lit(tmp_path, loop, on="charging")
    brightness.unlink()
    board.show(1, "charging")
    brightness.write_text("0")
    board.show(1, "charging")
    assert brightness.read_text() == "255"


def test_a_light_that_is_not_there_is_named(tmp_path: Path, loop: FakeLoop) -> None:
    with pytest.raises(HalError, match="this machine has no /sys/class/leds/red"):
        lit(tmp_path, loop, name="red")


def test_a_light_on_a_line(tmp_path: Path, loop: FakeLoop) -> None:
    kernel = FakeKernel(tmp_path)
    kernel.chip("chip", {0: "LAMP"})
    board = board_file("simulated-ac-1")
    board["gpio"] = {"lamp": {"line": "LAMP", "direction": "out", "active": "low", "safe": "inactive"}}
    board["led"] = [{"driver": "gpio", "line": "lamp", "on": ["charging"]}]
    made = load_board(board, kernel=kernel)
    made.leds[0].start(loop, None)
    made.show(1, "charging")
    assert kernel.wires["LAMP"].levels == [True, False]
    made.leds[0].close()
    assert kernel.wires["LAMP"].high and not kernel.wires["LAMP"].user
