"""The built-in CSMS, judged by a bare WebSocket client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from evse.csms import SILENCE, Csms, Refused

BOOT16 = {"chargePointVendor": "Acme", "chargePointModel": "M"}
BOOT2 = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "M"}}


class Client:
    """A station's end: `await ask(...)` sends a CALL and returns the answering frame."""

    def __init__(self, csms: Csms, identity: str, *subprotocols: str, authorization: str | None = None) -> None:
        self.csms = csms
        url = f"ws://127.0.0.1:{csms.port}{identity}" if identity.startswith("/") else f"{csms.url}/{identity}"
        self._protocol = ClientProtocol(parse_uri(url), subprotocols=list(subprotocols) or None)  # type: ignore[arg-type]
        self._authorization = authorization
        self._frames: list[Any] = []
        self.status: int | None = None
        self.closed: int | None = None

    async def open(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.csms.port)
        request = self._protocol.connect()
        if self._authorization is not None:
            request.headers["Authorization"] = self._authorization
        self._protocol.send_request(request)
        self._flush()
        while self.status is None:
            await self._read()
        return self

    async def ask(self, action: str, payload: Any, id: str = "1") -> list[Any]:
        self.say([2, id, action, payload])
        return await self.heard()

    def say(self, frame: Any) -> None:
        text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        self._protocol.send_text(text)
        self._flush()

    async def heard(self) -> list[Any]:
        while not self._frames:
            await self._read()
        frame: list[Any] = self._frames.pop(0)
        return frame

    async def gone(self) -> int | None:
        while self.closed is None:
            await self._read()
        return self.closed

    async def _read(self) -> None:
        data = await asyncio.wait_for(self._reader.read(65536), 5)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            self.closed = self.closed or 1006
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    self._frames.append(json.loads(bytes(event.data)))
                elif event.opcode is Opcode.CLOSE:
                    self.closed = int.from_bytes(bytes(event.data[:2]), "big")
            else:
                self.status = event.status_code  # type: ignore[union-attr]
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)


def with_csms(scenario: Callable[[Csms], Awaitable[None]], **settings: Any) -> Csms:
    """Runs a scenario against a CSMS of its own."""

    async def run() -> Csms:
        csms = Csms(**settings)
        await csms.start()
        try:
            await asyncio.wait_for(scenario(csms), 20)
        finally:
            await csms.stop()
        return csms

    return asyncio.run(run())


@pytest.mark.parametrize(("subprotocol", "boot"), [("ocpp1.6", BOOT16), ("ocpp2.0.1", BOOT2), ("ocpp2.1", BOOT2)])
def test_speaks_each_version_and_checks_it(subprotocol: str, boot: dict[str, Any]) -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", subprotocol).open()
        assert client.status == 101
        answer = await client.ask("BootNotification", boot)
        assert answer[:2] == [3, "1"] and answer[2]["status"] == "Accepted" and answer[2]["interval"] == 300
        assert (await client.ask("Heartbeat", {}, "2"))[2]["currentTime"].endswith("Z")
        assert csms.connections["CS1"].version == subprotocol.removeprefix("ocpp")

    assert with_csms(scenario).errors == []


def test_the_station_s_order_of_versions_decides() -> None:
    async def scenario(csms: Csms) -> None:
        await Client(csms, "CS1", "ocpp1.6", "ocpp2.0.1").open()
        assert (await csms.connected("CS1")).version == "1.6"

    with_csms(scenario)


def test_refuses_wrong_path_missing_subprotocol_and_wrong_password() -> None:
    async def scenario(csms: Csms) -> None:
        good = "Basic " + base64.b64encode(b"CS1:secret").decode()
        bad = "Basic " + base64.b64encode(b"CS1:guess").decode()
        assert (await Client(csms, "/elsewhere/CS1", "ocpp1.6", authorization=good).open()).status == 404
        assert (await Client(csms, "CS1", "ocpp1.6").open()).status == 401
        assert (await Client(csms, "CS1", "ocpp1.6", authorization=bad).open()).status == 401
        assert (await Client(csms, "CS1", "ocpp1.6", authorization="Basic *").open()).status == 401
        assert (await Client(csms, "CS1", "ocpp0.9", authorization=good).open()).status == 400
        assert (await Client(csms, "CS1", "ocpp1.6", authorization=good).open()).status == 101

    with_csms(scenario, passwords={"CS1": "secret"})


def test_scripted_refusal_of_the_handshake() -> None:
    async def scenario(csms: Csms) -> None:
        csms.refuse = lambda request: (503, "later\n")
        assert (await Client(csms, "CS1", "ocpp1.6").open()).status == 503

    with_csms(scenario)


def test_a_message_that_breaks_the_schema_is_counted_and_refused() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp2.0.1").open()
        answer = await client.ask("BootNotification", {"reason": "Boredom", "chargingStation": {}})
        assert answer[0] == 4
        assert await client.ask("Nonsense", {}) == [4, "1", "NotImplemented", answer_text(), {}]

    def answer_text() -> str:
        return "payload: OCPP 2.0.1 has no such message"

    csms = with_csms(scenario)
    assert len(csms.errors) == 2 and csms.errors[0].startswith("CS1 BootNotification: ")


def test_what_is_no_ocpp_is_an_error_and_the_connection_lives() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp2.0.1").open()
        for frame in (b"{", b"[]", b"[2]", b'[9,"1",{}]', b'{"a":1}', b'[3,"nobody asked",{}]'):
            client.say(frame)
        assert (await client.ask("Heartbeat", {}))[0] == 3

    assert len(with_csms(scenario).errors) == 6


def test_calls_wait_for_each_other_and_bring_answers_refusals_and_silence() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp1.6").open()
        await csms.connected("CS1")
        first = asyncio.ensure_future(csms.call("CS1", "Reset", {"type": "Soft"}))
        second = asyncio.ensure_future(csms.call("CS1", "ClearCache", {}))
        reset = await client.heard()
        assert reset[0] == 2 and reset[2:] == ["Reset", {"type": "Soft"}]
        client.say([3, reset[1], {"status": "Accepted"}])
        assert await first == {"status": "Accepted"}
        cache = await client.heard()
        client.say([4, cache[1], "NotSupported", "no cache", {}])
        with pytest.raises(Refused) as refused:
            await second
        assert (refused.value.code, refused.value.description) == ("NotSupported", "no cache")
        with pytest.raises(TimeoutError, match="CS1 did not answer ClearCache"):
            await csms.call("CS1", "ClearCache", {}, timeout_s=0.05)
        with pytest.raises(ValueError, match="type: is missing"):
            await csms.call("CS1", "Reset", {})
        with pytest.raises(KeyError):
            await csms.call("CS2", "ClearCache", {})

    with_csms(scenario)


def test_a_lost_connection_ends_the_calls_that_wait() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp1.6").open()
        await csms.connected("CS1")
        waiting = asyncio.ensure_future(csms.call("CS1", "ClearCache", {}))
        await client.heard()
        client._writer.close()
        with pytest.raises(ConnectionError):
            await waiting
        assert "CS1" not in csms.connections

    with_csms(scenario)


def test_a_newer_connection_of_a_station_replaces_the_older() -> None:
    async def scenario(csms: Csms) -> None:
        old = await Client(csms, "CS1", "ocpp1.6").open()
        new = await Client(csms, "CS1", "ocpp2.0.1").open()
        assert await old.gone() == 1000
        assert (await new.ask("Heartbeat", {}))[0] == 3
        assert csms.connections["CS1"].version == "2.0.1"

    with_csms(scenario)


def test_scripted_answers_stand_over_the_usual_ones() -> None:
    async def late(connection: Any, payload: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"currentTime": "2026-01-01T00:00:00Z"}

    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp1.6").open()
        csms.script["BootNotification"] = Refused("InternalError", "not now")
        assert await client.ask("BootNotification", BOOT16) == [4, "1", "InternalError", "not now", {}]
        csms.script["BootNotification"] = lambda connection, payload: None
        assert (await client.ask("BootNotification", BOOT16))[2]["status"] == "Accepted"
        csms.script["Heartbeat"] = late
        assert (await client.ask("Heartbeat", {}))[2] == {"currentTime": "2026-01-01T00:00:00Z"}
        csms.script["StatusNotification"] = SILENCE
        client.say([2, "s", "StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": "Available"}])
        csms.tokens["BLOCKED"] = "Blocked"
        assert (await client.ask("Authorize", {"idTag": "BLOCKED"}, "a"))[1:] == [
            "a",
            {"idTagInfo": {"status": "Blocked"}},
        ]

    with_csms(scenario)


def test_expect_finds_what_came_and_waits_for_what_comes() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp1.6").open()
        await client.ask("Authorize", {"idTag": "A"})
        assert (await csms.expect("Authorize")).payload == {"idTag": "A"}
        waiting = asyncio.ensure_future(csms.expect("Authorize", lambda payload: payload["idTag"] == "B"))
        await client.ask("Authorize", {"idTag": "B"})
        assert (await waiting).payload == {"idTag": "B"}
        with pytest.raises(TimeoutError, match=r"no Heartbeat within 0.01 s; the last messages were \['Authorize'"):
            await csms.expect("Heartbeat", timeout_s=0.01)

    with_csms(scenario)


def test_sends_of_2_1_are_neither_answered_nor_waited_for() -> None:
    async def scenario(csms: Csms) -> None:
        client = await Client(csms, "CS1", "ocpp2.1").open()
        stream = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 1.0, "v": "2"}]}
        client.say([6, "s1", "NotifyPeriodicEventStream", stream])
        assert (await client.ask("Heartbeat", {}))[1] == "1"
        assert (await csms.expect("NotifyPeriodicEventStream")).payload == stream

    assert with_csms(scenario).errors == []
