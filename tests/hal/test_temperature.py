"""Heat within the station: less current, then none, and back with hysteresis; sensors of hwmon and of IIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse.charging.session import ChargingController
from evse.clock import Clock
from hal.board import load_board
from hal.interfaces import HalError
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import Settings, board_file

HEAT = {"driver": "temperature", "source": "hwmon", "device": "1-0048"}


class Cabinet:
    """A station with one sensor, at 25 degrees."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.loop = FakeLoop()
        self.kernel = FakeKernel(root)
        self.file = self.kernel.hwmon("1-0048", "lm75", 25_000)
        board = board_file("simulated-ac-1")
        board["evse"][0]["sensor"] = [{**HEAT, **options}]
        self.board = load_board(board, kernel=self.kernel)
        self.sensor = self.board.evses[1].sensors[0]
        self.heard: list[tuple[Any, ...]] = []

    def start(self) -> Cabinet:
        self.sensor.start(self.loop, lambda *event: self.heard.append(event))
        return self

    def at(self, celsius: float) -> list[tuple[Any, ...]]:
        """What the next measurement says."""
        self.file.write_text(f"{celsius * 1000:.0f}\n")
        self.heard.clear()
        self.loop.advance(5)
        return self.heard


@pytest.fixture
def cabinet(tmp_path: Path) -> Any:
    cabinet = Cabinet(tmp_path)
    yield cabinet
    cabinet.sensor.close()
    cabinet.loop.close()


def test_cool_it_says_nothing(cabinet: Cabinet) -> None:
    cabinet.start()
    assert cabinet.heard == [] and cabinet.at(59.9) == []


def test_warm_it_limits_evenly_down_to_the_least_and_hot_it_stops(cabinet: Cabinet) -> None:
    cabinet.start()
    seen = [cabinet.at(celsius)[-1] for celsius in (60, 62.5, 65, 69.9)]
    assert seen == [("temperature", limit_a) for limit_a in (32, 25, 19, 6)]
    assert cabinet.at(70) == [("fault", "HighTemperature", "70.0 degrees Celsius at 1-0048"), ("temperature", 6.0)]


def test_more_current_comes_back_only_when_it_is_cooler_by_the_hysteresis(cabinet: Cabinet) -> None:
    cabinet.start()
    assert cabinet.at(66)[-1] == ("temperature", 16.0)
    assert [cabinet.at(celsius)[-1] for celsius in (65, 62, 61, 66)] == [("temperature", 16.0)] * 4
    assert cabinet.at(58)[-1] == ("temperature", 24.0)
    assert cabinet.at(54.9) == [("temperature", None)]
    assert cabinet.at(50) == []


def test_the_fault_stays_until_it_is_cooler_by_the_hysteresis(cabinet: Cabinet) -> None:
    cabinet.start()
    cabinet.at(75)
    assert [event for event in cabinet.at(65.1) if event[0] != "temperature"] == []
    assert ("cleared", "HighTemperature") in cabinet.at(65)


@given(st.lists(st.floats(-40, 120), min_size=1, max_size=30))
def test_whatever_the_course_the_limit_is_never_above_what_the_temperature_allows(course: list[float]) -> None:
    from hal.drivers.temperature import Temperature

    board = load_board(board_file("simulated-ac-1"))
    sensor = Temperature({**HEAT, "driver": None}, 1, board)
    sensor._most_a = 32.0
    for celsius in course:
        sensor._limit(celsius)
        allowed = sensor._allowed(celsius)
        assert allowed is None or (sensor.limit_a is not None and 6 <= sensor.limit_a <= allowed)


def test_a_sensor_that_cannot_be_read_is_a_fault_after_the_third_time(cabinet: Cabinet) -> None:
    cabinet.start()
    cabinet.file.write_text("hot\n")
    cabinet.loop.advance(10)
    assert cabinet.heard == []
    cabinet.loop.advance(5)
    ((event, code, detail),) = cabinet.heard
    assert (event, code) == ("fault", "OtherError") and detail.startswith("temperature sensor 1-0048: ")
    assert cabinet.at(25) == [("cleared", "OtherError")]


@pytest.mark.parametrize("text", ["-273151", "99999999", "nan", ""])
def test_what_is_no_temperature_is_not_taken_for_one(cabinet: Cabinet, text: str) -> None:
    cabinet.start()
    cabinet.file.write_text(text)
    cabinet.loop.advance(15)
    assert [event[:2] for event in cabinet.heard] == [("fault", "OtherError")]


@pytest.mark.parametrize(
    ("files", "celsius"),
    [
        ({"in_temp_input": "41500"}, 41.5),
        ({"in_temp_raw": "1328", "in_temp_scale": "31.25"}, 41.5),
        ({"in_temp_raw": "2000", "in_temp_scale": "125", "in_temp_offset": "-1668"}, 41.5),
        ({"in_temp_raw": "83", "in_temp_scale": "500", "in_temp_input": "41500"}, 41.5),
    ],
)
def test_sensors_of_iio(tmp_path: Path, files: dict[str, str], celsius: float) -> None:
    cabinet = Cabinet(tmp_path, source="iio", device="spi0.1")
    directory = cabinet.kernel.adc("spi0.1", {})
    for name, text in files.items():
        (directory / name).write_text(text + "\n")
    cabinet.start()
    assert cabinet.sensor._celsius() == celsius
    cabinet.sensor.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "1-0049"}, "no sensor of this machine has the hwmon name 1-0049"),
        ({"channel": 2}, "1-0048 has no temp2_input"),
        ({"source": "iio"}, "no sensor of this machine has the iio name 1-0048"),
    ],
)
def test_a_sensor_that_is_not_there_is_named(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(HalError, match=words):
        Cabinet(tmp_path, **options).start()


def test_a_chips_own_name_serves_where_there_is_one_of_it(tmp_path: Path) -> None:
    cabinet = Cabinet(tmp_path, device="lm75").start()
    assert cabinet.at(65) == [("temperature", 19.0)]
    cabinet.sensor.close()
    cabinet.kernel.hwmon("1-0049", "lm75", 25_000, number=1)
    with pytest.raises(HalError, match="2 sensors have the hwmon name lm75"):
        cabinet.start()


def test_a_sensor_that_would_hold_all_else_up_is_refused(cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cabinet.kernel.get

    def slowly(path: str) -> str:
        if path.endswith("temp1_input"):
            cabinet.loop.now += 0.75
        return read(path)

    monkeypatch.setattr(cabinet.kernel, "get", slowly)
    with pytest.raises(HalError, match="1-0048 takes 750 ms to read, 10 at most"):
        cabinet.start()


def test_the_watchdog_waits_for_it(cabinet: Cabinet) -> None:
    cabinet.start()
    cabinet.loop.advance(100)
    assert cabinet.board.hangs(cabinet.loop.now + 29) is None
    assert cabinet.board.hangs(cabinet.loop.now + 31) == "temperature 1-0048"
    cabinet.sensor.close()
    assert cabinet.board.hangs(cabinet.loop.now + 31) is None


def test_a_session_gets_less_then_ends_and_the_reason_is_told(tmp_path: Path) -> None:
    cabinet = Cabinet(tmp_path)
    told: list[tuple[Any, ...]] = []
    clock = Clock(monotonic=cabinet.loop.time)
    evse = ChargingController(
        1, cabinet.board.evses[1], cabinet.loop._timers, clock, lambda *fact: told.append(fact), Settings()
    )
    evse.start(cabinet.loop)
    cabinet.board.simulation.plug(1)
    evse.authorize()
    cabinet.loop.advance(1)
    assert evse.offered_a == 32
    cabinet.at(65)
    assert evse.why() == ("temperature", 19.0) and evse.offered_a == 19 and evse.state == "charging"
    cabinet.at(71)
    assert ("fault", 1, "HighTemperature", "71.0 degrees Celsius at 1-0048") in told
    assert ("stopped", 1, "Other") in told and not evse.closed
    evse.close()
