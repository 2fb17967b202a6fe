"""The real station as a process: `evse run` with a station file, and its control socket.

with Station(tmp_path, url, "2.0.1") as station:
    station.control("plug", evse=1)
    station.control("swipe", token="CARD01")
    station.wait(lambda: seen("TransactionEvent"))
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support import compiled

ROOT = Path(__file__).resolve().parents[2]
SUBPROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}

STATION_FILE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "{identity}"
ocpp_versions = [{versions}]
security_profile = 0

[station]
vendor = "Acme"
model = "Test"
serial = "S1"
firmware = "1.0"
{more}
"""
SAMPLES = """
[[ocpp.variables]]
component = "SampledDataCtrlr"
variable = "TxUpdatedInterval"
value = "1"
"""


class Refused(Exception):
    """The control socket answered `ok: false`."""


class Station:
    """One station process; `directory` holds its file, state and log, and survives it."""

    def __init__(
        self,
        directory: Path,
        url: str,
        *versions: str,
        identity: str = "CS001",
        more: str = SAMPLES,
        text: str | None = None,
    ) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.log = directory / "station.log"
        self.file = directory / "station.toml"
        names = ", ".join(f'"{version}"' for version in versions)
        self.file.write_text(text or STATION_FILE.format(url=url, identity=identity, versions=names, more=more))
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lines: Any = None
        self._ids = 0

    def start(self, *arguments: str) -> Station:
        """Starts the process and waits until its control socket answers."""
        self.state.mkdir(exist_ok=True)
        compiled.lay(self.state)
        command = [sys.executable, "-m", "evse", "run", "--config", str(self.file), "--state-dir", str(self.state)]
        return self.start_as([*command, *arguments], compiled.environment())

    def start_as(self, command: list[str], environment: dict[str, str] | None = None) -> Station:
        """Starts the process by a command line of its own and waits until its control socket answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment or {**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.wait(self._try_connect, 20)
        except BaseException:
            self.kill()  # nobody will: the block of a `with` is never entered
            raise
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Station:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ends the process: its exit code."""
        self._close()
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the station does not stop\n{self.tail()}") from None

    def kill(self) -> None:
        """As a power cut."""
        self.stop(signal.SIGKILL)

    def ended(self, limit_s: float = 10) -> int:
        """Waits for the process to end by itself: its exit code."""
        assert self.process is not None
        code = self.process.wait(limit_s)
        self._close()
        self.process = None
        return code

    def control(self, command: str, **fields: Any) -> dict[str, Any]:
        """One command over the control socket: its answer. Raises Refused."""
        assert self._socket is not None
        self._ids += 1
        self._socket.sendall(json.dumps({"id": self._ids, "cmd": command, **fields}).encode() + b"\n")
        while True:
            line = self._lines.readline()
            assert line, f"the control socket closed\n{self.tail()}"
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == self._ids:
                break
        if not answer.get("ok"):
            raise Refused(answer.get("error"))
        return answer

    def booted(self) -> bool:
        """The CSMS accepted the station."""
        status = self.control("status")
        return status["connection"] == "connected" and status["registration"] == "Accepted"

    def wait(self, condition: Callable[[], Any], limit_s: float = 10) -> Any:
        """Waits for something to become true in the real world."""
        end = time.monotonic() + limit_s
        while not (value := condition()):
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the station ended with {self.process.returncode}\n{self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"waited {limit_s} s in vain\n{self.tail()}")
            time.sleep(0.01)
        return value

    def tail(self, lines: int = 40) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _try_connect(self) -> bool:
        path = self.state / "control.sock"
        if not path.exists():
            return False
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            return False
        connection.settimeout(10)
        self._socket = connection
        self._lines = connection.makefile("rb")
        return True

    def _close(self) -> None:
        if self._socket is not None:
            self._lines.close()
            self._socket.close()
            self._socket = None
