"""evse healthy: what counts as a station that works, and for how long it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evse import cli
from evse.commands import health
from evse.commands.client import NotRunning
from tests.support.csms import CsmsThread
from tests.support.station import Station


def status(**changes: Any) -> dict[str, Any]:
    good = {
        "ready": True, "faults": [], "connection": "connected", "registration": "Accepted",
        "evses": [{"id": 1, "faults": []}],
    }  # fmt: skip
    return {**good, **changes}


STANDALONE = {name: value for name, value in status().items() if name not in ("registration", "connection")}


class Daemons:
    """Stations one after the other: lists of answers; a list that is used up is a process that ended."""

    def __init__(self, *lives: list[dict[str, Any] | None]) -> None:
        self.lives = [list(life) for life in lives]
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def __call__(self, path: str) -> Daemons:
        if not self.lives:
            raise NotRunning("no station answers")
        return self

    def __enter__(self) -> Daemons:
        return self

    def __exit__(self, *_: object) -> None:
        del self.lives[0]

    def ask(self, cmd: str) -> dict[str, Any]:
        if not self.lives[0]:
            raise NotRunning("ended")
        answer = self.lives[0].pop(0)
        assert answer is not None
        return answer

    def wait(self, within_s: float = 900, hold_s: float = 30, standalone_s: float = 300) -> float:
        return health.wait("", within_s, hold_s, standalone_s, self.now, self.sleep, self)


def test_healthy_after_it_held() -> None:
    assert Daemons([status()] * 100).wait() == 30


def test_the_hold_begins_when_the_csms_accepts() -> None:
    waiting = status(registration="Pending")
    assert Daemons([waiting] * 10 + [status()] * 100).wait() == 50


def test_a_fault_in_between_begins_it_again() -> None:
    broken = status(evses=[{"id": 1, "faults": ["WeldedContactor"]}])
    assert Daemons([status()] * 10 + [broken] + [status()] * 100).wait() == 52


def test_a_restart_begins_it_again() -> None:
    assert Daemons([status()] * 10, [status()] * 100).wait() > 50


def test_standalone_takes_longer() -> None:
    assert Daemons([STANDALONE] * 300).wait() == 300


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(ready=False), "the station is not ready"),
        (status(registration="Rejected"), "has not accepted it (connected, Rejected)"),
        (status(registration=None, connection="waiting"), "has not accepted it (waiting, not yet asked)"),
        (status(faults=["ReaderFailure"]), "the station has ReaderFailure"),
        (status(evses=[{"id": 2, "faults": ["MeterSilent", "EmergencyStop"]}]), "EVSE 2 has MeterSilent"),
    ],
)
def test_what_is_not_healthy_is_said(answer: dict[str, Any], why: str) -> None:
    with pytest.raises(health.Unhealthy, match="not healthy within 100 s") as caught:
        Daemons([answer] * 1000).wait(within_s=100)
    assert why in str(caught.value)


def test_what_a_vehicle_or_a_hand_does_rolls_nothing_back() -> None:
    for code in ("EmergencyStop", "DiodeFault", "OverCurrentFailure", "UnderVoltage", "Tamper"):
        assert health.problem(status(evses=[{"id": 1, "faults": [code]}])) is None


def test_nobody_answers() -> None:
    with pytest.raises(health.Unhealthy, match="no station answers"):
        Daemons().wait(within_s=10)


def test_a_real_station_proves_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["healthy", "--state-dir", str(tmp_path / "state"), "--hold", "0", "--within", "10"]
    with CsmsThread() as csms, Station(tmp_path, csms.url, "2.0.1"):
        assert cli.main(arguments) == 0
    assert "healthy after" in capsys.readouterr().out
