"""The composition root: faults of devices stay where they are, defects end the station with safe outputs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from evse import daemon, stationfile
from evse.app import FAULTS, Station
from evse.charging import metering
from evse.errors import HardwareError, StoreError, UsageError
from evse.model import Token
from evse.shell.log import Log
from evse.shell.loop import Loop
from hal.interfaces import HalError

TWO = '[behaviour]\nstandalone = true\nfree_vending = true\n[[evse]]\nid = 1\n[[evse]]\nid = 2\ncable = "socket"\n'


class Bench:
    """A standalone station in this process, on the real loop; `run(condition)` lets it live."""

    def __init__(self, directory: Path, text: str = TWO) -> None:
        file = directory / "station.toml"
        file.write_text(text)
        self.lines: list[str] = []
        log = Log("debug", lambda line: self.lines.append(line.decode()), journal=True)
        self.loop = Loop(lambda loop, context: daemon._heard(log, context["exception"]))
        self.station = Station(stationfile.load(str(file)), str(directory), str(directory / "c.sock"), self.loop, log)

    def run(self, condition: Any, passes: int = 500) -> None:
        for _ in range(passes):
            if condition():
                return
            self.loop.run_once(0.02)
        raise AssertionError("".join(self.lines[-20:]))

    def close(self) -> None:
        self.station.close()
        self.loop.close()

    @property
    def simulation(self) -> Any:
        return self.station.board.simulation

    def contactor(self, evse: int) -> bool:
        closed: bool = self.simulation.outlet(evse).contactor.closed
        return closed


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_device_that_cannot_start_is_a_fault_of_its_evse_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(loop: Any, report: Any) -> None:
        raise HalError("NoLine", "GPIO26 is in use")

    monkeypatch.setattr(bench.station.board.evses[1].contactor, "start", fail)
    bench.station.start()
    bench.run(lambda: "InternalError" in bench.station.evses[1].faults)
    assert bench.station.evses[1].faults["InternalError"] == "NoLine: GPIO26 is in use"
    bench.simulation.plug(2)
    bench.run(lambda: bench.contactor(2))
    assert not bench.contactor(1)


def test_nobody_can_use_the_station_before_the_meters_spoke(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    station, meter = bench.station, bench.simulation.outlet(2).meter
    started: list[Any] = []
    for reader, _ in station.board.readers:
        monkeypatch.setattr(reader, "start", lambda *_: started.append(1))
    meter.silent = True
    station.start()
    bench.simulation.plug(2)
    for _ in range(5):
        bench.loop.run_once(0.02)
    assert not station.ready and not started and station.evses[2].plugged is None
    meter.silent = False
    meter.set_register(5000)
    bench.run(lambda: station.ready and bench.contactor(2))
    assert started and station.evses[2].register_wh == pytest.approx(5000, abs=1)


def test_a_meter_that_never_speaks_has_its_time_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "FIRST_S", 0.1)
    for evse in (1, 2):
        bench.simulation.outlet(evse).meter.silent = True
    begun = time.monotonic()
    bench.station.start()
    bench.run(lambda: bench.station.ready)
    assert time.monotonic() - begun < 1
    bench.run(lambda: all("MeterSilent" in evse.faults for evse in bench.station.evses.values()))


def test_a_station_that_shuts_down_while_it_waits_for_a_meter_does_not_open(bench: Bench) -> None:
    bench.simulation.outlet(1).meter.silent = True
    bench.station.start()
    bench.station.shut_down(0)
    for _ in range(5):
        bench.loop.run_once(0.02)
    assert not bench.station.ready


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), HalError("Bus", "no answer"), StoreError("full")])
def test_what_fails_outside_ends_nothing(bench: Bench, error: Exception) -> None:
    bench.station.start()

    def fail() -> None:
        raise error

    bench.loop.call_soon(fail)
    bench.loop.run_once(0)
    bench.simulation.plug(1)
    bench.run(lambda: bench.contactor(1))
    assert any("a part failed" in line for line in bench.lines)
    assert isinstance(error, FAULTS)


def test_a_defect_comes_out_of_the_loop_and_outputs_are_made_safe(bench: Bench) -> None:
    bench.station.start()
    bench.simulation.plug(1)
    bench.run(lambda: bench.contactor(1))
    bench.loop.call_soon([].pop)
    with pytest.raises(IndexError):
        bench.loop.run_once(0)
    assert bench.contactor(1)
    bench.station.make_safe()
    assert not bench.contactor(1)


def test_one_device_that_cannot_be_made_safe_does_not_keep_the_others_from_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.station.start()
    for evse in (1, 2):
        bench.simulation.plug(evse)
    bench.run(lambda: bench.contactor(1) and bench.contactor(2))
    monkeypatch.setattr(bench.station.controllers[1], "close", [].pop)
    bench.station.make_safe()
    assert not bench.contactor(2)
    assert any("could not be made safe" in line for line in bench.lines)
    monkeypatch.undo()


def test_shutdown_ends_sessions_before_the_loop_stops(bench: Bench) -> None:
    bench.station.start()
    bench.simulation.plug(1)
    bench.run(lambda: bench.contactor(1))
    bench.station.shut_down(143)
    bench.station.shut_down(130)
    bench.loop.run_forever()
    assert bench.station.exit_code == 143 and not bench.contactor(1)


def test_a_meter_that_can_say_it_is_told_who_charges_before_the_contactor_closes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        type(bench.station.board.evses[1].meter),
        "identify",
        lambda meter, *who: told.append((*who, bench.contactor(1))),
        raising=False,
    )
    bench.station.start()
    bench.run(lambda: bench.station.ready)
    bench.station.side.start(1, "04A2B3C4", "ISO14443")
    bench.station.evses[2].authorized = Token("CENTRAL1", "Central")
    bench.station.runner.effects["authorize"](2)
    bench.simulation.plug(1)
    bench.run(lambda: bench.contactor(1))
    assert told == [("04A2B3C4", "ISO14443", False), ("CENTRAL1", "Central", False)]


def test_unknown_evses_are_named_with_the_known_ones(bench: Bench) -> None:
    for wrong in (3, 0, "1", None, True):
        with pytest.raises(UsageError, match="this station has 1, 2"):
            bench.station.controller(wrong)


def test_a_board_that_cannot_be_is_a_fault_not_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(description: Any, checked: bool) -> Any:
        raise HalError("Board", "no such port")

    monkeypatch.setattr("evse.app.load_board", fail)
    with pytest.raises(HardwareError, match="no such port"):
        Bench(tmp_path)


def test_the_site_limit_is_shared(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO + "[station]\nsite_limit_a = 20\n")
    try:
        bench.station.start()
        for evse in (1, 2):
            bench.simulation.plug(evse)
        bench.run(lambda: bench.contactor(1) and bench.contactor(2), 1000)
        shares = [controller.why() for controller in bench.station.controllers.values()]
        assert [source for source, _ in shares] == ["site", "site"] and sum(limit for _, limit in shares) <= 20
    finally:
        bench.close()


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="start the station by `evse run`"):
        daemon.load(str(tmp_path / "none"))
    (tmp_path / "torn").write_bytes(b"\x00torn")
    with pytest.raises(StoreError):
        daemon.load(str(tmp_path / "torn"))
