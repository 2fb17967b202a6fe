"""A session against a CSMS built with npm `ocpp-rpc`, strict validation on."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.interop.profiles import PROFILES, run_profiles, station_with_installer
from tests.interop.session import run_session
from tests.support.station import SUBPROTOCOLS, Station

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """node_modules with `ocpp-rpc`: of EVSE_NODE_MODULES, or installed once for this run."""
    given = os.environ.get("EVSE_NODE_MODULES")
    if given:
        return Path(given)
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    place = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "package.json", place)
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return place / "node_modules"


class OcppRpc:
    """The CSMS process."""

    def __init__(self, version: str, modules: Path) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[str] = []
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._ids = 0
        self._process = subprocess.Popen(
            ["node", str(HERE / "csms.js"), SUBPROTOCOLS[version]],
            env={**os.environ, "NODE_PATH": str(modules)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = json.loads(self._process.stdout.readline())["port"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> OcppRpc:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def calls(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.seen if name == action]

    def schema_errors(self) -> list[str]:
        return self.errors

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._ids += 1
        self._process.stdin.write(json.dumps({"id": self._ids, "action": action, "payload": payload}) + "\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=10)
        assert answer["id"] == self._ids
        if "error" in answer:
            self.errors.append(f"{action}: {answer['error']}")
        result: dict[str, Any] = answer.get("answer") or {}
        return result

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "action" in said:
                self.seen.append((said["action"], said["payload"]))
            elif "invalid" in said:
                self.errors.append(said["invalid"])
            else:
                self._answers.put(said)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_session_with_ocpp_rpc(version: str, tmp_path: Path, modules: Path) -> None:
    with OcppRpc(version, modules) as csms, Station(tmp_path, f"ws://127.0.0.1:{csms.port}/ocpp", version) as station:
        run_session(station, csms, version)


@pytest.mark.parametrize("version", PROFILES)
def test_a_case_of_each_profile_with_ocpp_rpc(version: str, tmp_path: Path, modules: Path) -> None:
    with OcppRpc(version, modules) as csms:
        url = f"ws://127.0.0.1:{csms.port}/ocpp"
        with station_with_installer(tmp_path, url, version) as station:
            run_profiles(station, csms, version)
