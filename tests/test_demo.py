"""evse demo: a whole session in each version, and what is said when it fails."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evse import demo as demonstration
from evse.csms import Message
from evse.demo import Demo, DemoError, Result
from tests.support import compiled
from tests.support.station import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evse", "demo", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def cpu_of_children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_whole_session_in_under_ten_seconds(version: str) -> None:
    """On a machine that does nothing else: what it computes, the charging, and a second of waiting for one another."""
    before_s = cpu_of_children_s()
    done = run("--version", version, "--json")
    assert done.returncode == 0, done.stderr
    assert cpu_of_children_s() - before_s + demonstration.CHARGE_S + 1 < 10, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] and result["version"] == version and result["errors"] == []
    assert 10 < result["energy_wh"] < 40 and result["meter_samples"] >= 3 and result["reason"] == "Local"
    actions = [
        message["action"] for message in result["messages"] if message["direction"] == "in" and message["kind"] == 2
    ]
    assert actions[0] == "BootNotification" and "Authorize" in actions
    assert ("StopTransaction" if version == "1.6" else "TransactionEvent") in actions
    assert "* a vehicle plugs in" in done.stderr and "station -> CSMS  BootNotification" in done.stderr


@pytest.mark.slow
def test_a_session_without_energy_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "CHARGE_S", 0.0)
    seen: list[Message] = []
    compiled.lay(tmp_path / "state")

    async def scenario() -> Result:
        demo = Demo(str(tmp_path), "2.0.1", lambda text: None, seen.append)
        control = demo.control

        async def without_current(cmd: str, **members: Any) -> dict[str, Any]:
            return await control(cmd, **({**members, "current": 0} if cmd == "plug" else members))

        demo.control = without_current  # type: ignore[method-assign]
        try:
            return Result(demo, await demo.run(), 1.0)
        finally:
            assert await demo.close() == 143

    result = asyncio.run(scenario())
    assert result.session.complete and not result.ok and result.errors == [] and seen


def test_a_station_that_cannot_start_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.lay(tmp_path / "state")
    monkeypatch.setattr(demonstration, "STATION_FILE", 'board = "none" # {url}{identity}{version}\n')

    async def scenario() -> None:
        demo = Demo(str(tmp_path), "2.0.1", lambda text: None)
        try:
            await demo.run()
        finally:
            await demo.close()

    with pytest.raises(DemoError, match="the station ended with exit code 1") as failed:
        asyncio.run(scenario())
    assert "there is no board 'none'" in str(failed.value)


def test_an_unknown_version_is_wrong_usage() -> None:
    assert run("--version", "3.0").returncode == 2
