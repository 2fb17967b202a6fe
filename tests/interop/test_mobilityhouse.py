"""A session against a CSMS built with mobilityhouse `ocpp`, which checks every message against the official schemas."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, unpack, validate_payload

from tests.interop.profiles import PROFILES, run_profiles, station_with_installer
from tests.interop.session import run_session
from tests.support.station import SUBPROTOCOLS, Station

NOW = "2026-01-01T00:00:00Z"
server = pytest.importorskip("websockets.asyncio.server", reason="websockets 12 has no asyncio server of this kind")


class MobilityHouse:
    """A CSMS in a thread: `ocpp`'s messages and validators over `websockets`' server."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[str] = []
        self.port = 0
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._connection: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> MobilityHouse:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def calls(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.seen if name == action]

    def schema_errors(self) -> list[str]:
        return self.errors

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = asyncio.run_coroutine_threadsafe(self._call(action, payload), self._loop).result(10)
        return dict(answer)

    async def _serve(self) -> None:
        self._server = await server.serve(self._talk, "127.0.0.1", 0, subprotocols=[SUBPROTOCOLS[self.version]])
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def _talk(self, connection: Any) -> None:
        self._connection = connection
        async for text in connection:
            frame = unpack(text)
            if isinstance(frame, Call):
                await self._answer(connection, frame)
            elif frame.unique_id in self._answers:
                self._answers.pop(frame.unique_id).set_result(frame)
            else:
                self.errors.append(f"an answer to nothing: {text!r}")

    async def _answer(self, connection: Any, call: Call) -> None:
        try:
            await validate_payload(call, self.version)
        except OCPPError as error:
            self.errors.append(f"{call.action}: {error} {error.details}")
        self.seen.append((call.action, call.payload))
        result = call.create_call_result(self._payload(call.action))
        await connection.send(result.to_json())

    def _payload(self, action: str) -> dict[str, Any]:
        accepted = (
            {"idTagInfo": {"status": "Accepted"}} if self.version == "1.6" else {"idTokenInfo": {"status": "Accepted"}}
        )
        return {
            "BootNotification": {"status": "Accepted", "currentTime": NOW, "interval": 300},
            "Heartbeat": {"currentTime": NOW},
            "Authorize": accepted,
            "SignCertificate": {"status": "Accepted"},
            "StartTransaction": {"transactionId": 4711, **accepted},
        }.get(action, {})

    async def _call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert self._connection is not None
        id = f"m{len(self.seen)}-{action}"
        answer = self._answers[id] = self._loop.create_future()
        await self._connection.send(Call(id, action, payload).to_json())
        frame = await asyncio.wait_for(answer, 10)
        if isinstance(frame, CallError):
            self.errors.append(f"{action}: {frame.error_code} {frame.error_description}")
            return {}
        assert isinstance(frame, CallResult)
        frame.action = action
        try:
            await validate_payload(frame, self.version)
        except OCPPError as error:
            self.errors.append(f"{action}Response: {error} {error.details}")
        return dict(frame.payload)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_session_with_mobilityhouse(version: str, tmp_path: Path) -> None:
    with MobilityHouse(version) as csms, Station(tmp_path, f"ws://127.0.0.1:{csms.port}/ocpp", version) as station:
        run_session(station, csms, version)


@pytest.mark.parametrize("version", PROFILES)
def test_a_case_of_each_profile_with_mobilityhouse(version: str, tmp_path: Path) -> None:
    with MobilityHouse(version) as csms:
        url = f"ws://127.0.0.1:{csms.port}/ocpp"
        with station_with_installer(tmp_path, url, version) as station:
            run_profiles(station, csms, version)
