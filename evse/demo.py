"""A whole charging session in seconds: the real daemon, simulated hardware, the built-in CSMS, no network."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from evse.csms import Csms, Message, Session
from evse.errors import EvseError

IDENTITY = "DEMO-1"
CARD = "04A2B6C8DEMO"
SHUTDOWN_S = 10.0
STEP_S = 10.0
# The first start compiles, which takes its time on a small machine.
START_S = 240.0
# Long enough for three samples a second apart: about 18 Wh at 22 kW.
CHARGE_S = 3.0
STATION_FILE = """\
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "{identity}"
security_profile = 0
ocpp_versions = ["{version}"]

[station]
vendor = "evse"
model = "Demo station"
serial = "0001"

[ocpp.variables]
SampledDataCtrlr.TxUpdatedInterval = 1
"""


class DemoError(EvseError):
    """The demonstration did not come to its end; the text says at which step and shows the station's last words."""


class Demo:
    """One station and one CSMS in a directory of their own. `say(text)` tells steps, `show(message)` each message."""

    def __init__(
        self, directory: str, version: str, say: Callable[[str], Any], show: Callable[[Message], Any] | None = None
    ) -> None:
        self.directory = directory
        self.version = version
        self.csms = Csms(versions=(version,), on_message=show)
        self.state_dir = os.path.join(directory, "state")
        self._say = say
        self._log_path = os.path.join(directory, "station.log")
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> Session:
        """Boot, plug in, card, charge, card, unplug: the session as the CSMS booked it. Raises DemoError."""
        self._say(f"the CSMS starts and speaks OCPP {self.version}")
        await self.csms.start()
        await self._start_station()
        self._say("the station starts")
        await self._step("BootNotification", self.csms.expect("BootNotification", timeout_s=2 * STEP_S))
        self._say("a vehicle plugs in")
        await self.control("plug", evse=1, phases=3, current=32)
        self._say("a card is shown")
        await self.control("swipe", token=CARD)
        await self._step("the session to begin", self._until(lambda session: session.started_at is not None))
        self._say(f"the vehicle charges for {CHARGE_S:g} s")
        await asyncio.sleep(CHARGE_S)
        self._say("the card is shown again, the vehicle leaves")
        await self.control("swipe", token=CARD)
        await asyncio.sleep(0.2)
        await self.control("unplug", evse=1)
        session: Session = await self._step("the session to end", self._until(lambda session: session.complete))
        return session

    async def close(self) -> int | None:
        """Ends the station (orderly) and the CSMS; the station's exit code."""
        code = None
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.terminate()
            try:
                code = await asyncio.wait_for(self._process.wait(), SHUTDOWN_S)
            except TimeoutError:
                self._process.kill()
                code = await self._process.wait()
        await self.csms.stop()
        return code

    async def control(self, cmd: str, **members: Any) -> dict[str, Any]:
        """One command over the control socket. Raises DemoError if it is refused."""
        assert self._reader is not None and self._writer is not None
        self._writer.write(json.dumps({"cmd": cmd, **members}).encode() + b"\n")
        answer = json.loads(await self._step(f"{cmd} to be answered", self._reader.readline()) or b"{}")
        if not answer.get("ok"):
            raise DemoError(f"the station refused {cmd}: {answer.get('error')}\n{self._last_words()}")
        return dict(answer)

    async def _start_station(self) -> None:
        path = os.path.join(self.directory, "station.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(STATION_FILE.format(url=self.csms.url, identity=IDENTITY, version=self.version))
        command = [sys.executable, "-m", "evse", "run", "--config", path, "--state-dir", self.state_dir]
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        environment = {**os.environ, "PYTHONPATH": package}
        with open(self._log_path, "wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._reader, self._writer = await self._step("the station to start", self._connect(), START_S)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = os.path.join(self.state_dir, "control.sock")
        while True:
            try:
                return await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0.02)

    async def _until(self, reached: Callable[[Session], bool]) -> Session:
        while True:
            for session in self.csms.ledger.of(IDENTITY):
                if reached(session):
                    return session
            await asyncio.sleep(0.02)

    def _check_alive(self) -> None:
        if self._process is not None and self._process.returncode is not None:
            raise DemoError(f"the station ended with exit code {self._process.returncode}\n{self._last_words()}")

    async def _step(self, what: str, waiting: Any, within_s: float = STEP_S) -> Any:
        """What is waited for, unless the station ends or that time passes before. Raises DemoError."""
        task = asyncio.ensure_future(waiting)
        ended = asyncio.ensure_future(self._process.wait()) if self._process is not None else task
        try:
            await asyncio.wait({task, ended}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            self._check_alive()
            raise DemoError(f"waited {within_s:g} s in vain for {what}\n{self._last_words()}")
        finally:
            task.cancel()
            ended.cancel()

    def _last_words(self) -> str:
        try:
            with open(self._log_path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-20:]).rstrip()
        except OSError as error:
            return f"no log of the station: {error.strerror}"


class Result:
    """What a demonstration showed; `ok` only if the CSMS saw one whole session with energy and no message was wrong."""

    def __init__(self, demo: Demo, session: Session, seconds: float) -> None:
        self.session = session
        self.seconds = seconds
        self.errors = [*demo.csms.errors, *demo.csms.ledger.conflicts]
        self.messages = list(demo.csms.messages)
        self.ok = session.complete and session.energy_wh > 0 and not self.errors

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        session = self.session
        return {
            "ok": self.ok,
            "version": session.version,
            "seconds": round(self.seconds, 2),
            "transaction": session.transaction_id,
            "energy_wh": round(session.energy_wh, 3),
            "reason": session.reason,
            "meter_samples": session.samples,
            "errors": self.errors,
            "messages": [
                {
                    "direction": message.direction,
                    "kind": message.kind,
                    "action": message.action,
                    "payload": message.payload,
                }
                for message in self.messages
            ],
        }


async def demonstrate(
    directory: str,
    version: str,
    say: Callable[[str], Any],
    show: Callable[[Message], Any] | None,
    keep: Callable[[Demo], Any] | None,
) -> Result:
    """Runs the demonstration; `keep(demo)` is awaited before everything ends."""
    began = time.monotonic()
    demo = Demo(directory, version, say, show)
    try:
        session = await demo.run()
        result = Result(demo, session, time.monotonic() - began)
        if keep is not None:
            await keep(demo)
        return result
    finally:
        await demo.close()
