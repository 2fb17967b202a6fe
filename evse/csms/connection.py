"""One station's connection: WebSocket by the sans-I/O API of `websockets` on asyncio, OCPP-J, table checks."""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import inspect
import json
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from websockets.exceptions import NegotiationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from evse.csms.answers import answer
from evse.ocpp.schema import SchemaError, Tables, rpc_code
from evse.ocpp.tables.compile import blobs

if TYPE_CHECKING:
    from evse.csms.server import Csms

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
SUBPROTOCOLS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}
MAX_MESSAGE_BYTES = 2**20
# Scripted in place of an answer: the station gets none.
SILENCE = object()

Payload = dict[str, Any]


class Refused(Exception):
    """A CALLERROR: raised by `call` when the station answers with one, scripted to answer the station with one."""

    def __init__(self, code: str, description: str = "", details: Payload | None = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = details or {}


class Message(NamedTuple):
    """One OCPP-J message on the wire; `direction` "in" comes from the station. `payload` of an error is its code."""

    at: float
    identity: str
    direction: str
    kind: int
    unique_id: str
    action: str
    payload: Any
    problem: str | None


class Connection(asyncio.Protocol):
    """One station's connection; `version` is None until the handshake is done."""

    def __init__(self, csms: Csms) -> None:
        self.csms = csms
        self.identity = ""
        self.version: str | None = None
        self._protocol = ServerProtocol(
            subprotocols=[name for name in SUBPROTOCOLS if SUBPROTOCOLS[name] in csms.versions],  # type: ignore[misc]
            select_subprotocol=_first_of_the_station,  # type: ignore[arg-type]
            max_size=MAX_MESSAGE_BYTES,
        )
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
        self._calls: dict[str, tuple[str, asyncio.Future[Payload]]] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.csms.made(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.csms.lost(self)
        for _, future in self._calls.values():
            if not future.done():
                future.set_exception(ConnectionError(f"{self.identity} went away before it answered"))
        for task in self._tasks:
            task.cancel()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye as RFC 6455 asks."""
        if self._protocol.state.name == "OPEN":
            self._protocol.send_close(code, reason)
            self._flush()

    def abort(self) -> None:
        """Drops the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
        if self._protocol.close_expected():
            transport.close()

    # Handshake

    def _handshake(self, request: Request) -> None:
        refusal = self._refusal(request)
        response: Response
        if refusal is None:
            response = self._protocol.accept(request)
        else:
            response = self._protocol.reject(HTTPStatus(refusal[0]), refusal[1])
            if refusal[0] == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        self._protocol.send_response(response)
        self._flush()
        if response.status_code == 101:
            self.version = SUBPROTOCOLS[str(self._protocol.subprotocol)]
            self.csms.opened(self)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        """HTTP status and text if this request is refused."""
        if self.csms.refuse is not None and (refusal := self.csms.refuse(request)) is not None:
            return refusal
        path = request.path.partition("?")[0]
        self.identity = unquote(path.rpartition("/")[2])
        if not path.startswith("/ocpp/") or not self.identity:
            return 404, "the path is /ocpp/<identity>\n"
        if self.csms.passwords is None:
            return None
        password = self.csms.passwords.get(self.identity)
        if password is None or _credentials(request) != f"{self.identity}:{password}":
            return 401, "unknown station or wrong password\n"
        return None

    # Messages

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.csms.error(f"{self.identity}: binary frame")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                text = b"".join(self._fragments)
                self._fragments.clear()
                self._receive(text)

    def _receive(self, text: bytes) -> None:
        try:
            message = json.loads(text.decode())
            kind, unique_id = message[0], message[1]
            if kind in (CALL, SEND):
                _, _, action, payload = message
                self._called(kind, unique_id, action, payload)
            elif kind == CALLRESULT:
                self._answered(unique_id, kind, message[2])
            elif kind in (CALLERROR, CALLRESULTERROR):
                self._answered(unique_id, kind, Refused(message[2], message[3], message[4]))
            else:
                raise ValueError(f"message type {kind}")
        except (ValueError, TypeError, LookupError, UnicodeDecodeError) as problem:
            self.csms.error(f"{self.identity}: no OCPP-J message ({problem}): {text[:200]!r}")

    def _called(self, kind: int, unique_id: str, action: str, payload: Payload) -> None:
        problem = self._check(action if kind == SEND else action + "Request", payload)
        self._note("in", kind, unique_id, action, payload, str(problem) if problem is not None else None)
        if kind == SEND:
            return
        if problem is not None:
            self._answer(unique_id, action, Refused(rpc_code(str(self.version), problem.rule), str(problem)))
            return
        reply = self.csms.script.get(action)
        if callable(reply):
            reply = reply(self, payload)
        if inspect.isawaitable(reply):
            task = asyncio.ensure_future(self._answer_later(unique_id, action, payload, reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._answer(unique_id, action, answer(self, action, payload) if reply is None else reply)

    async def _answer_later(self, unique_id: str, action: str, payload: Payload, reply: Any) -> None:
        result = await reply
        self._answer(unique_id, action, answer(self, action, payload) if result is None else result)

    def _answer(self, unique_id: str, action: str, reply: Any) -> None:
        if reply is SILENCE:
            return
        if isinstance(reply, Refused):
            self._note("out", CALLERROR, unique_id, action, reply.code)
            self._write([CALLERROR, unique_id, reply.code, reply.description[:255], reply.details])
        else:
            self._note("out", CALLRESULT, unique_id, action, reply)
            self._write([CALLRESULT, unique_id, reply])

    def _answered(self, unique_id: str, kind: int, result: Payload | Refused) -> None:
        action, future = self._calls.pop(unique_id, ("?", None))
        if future is None:
            self.csms.error(f"{self.identity}: answer to {unique_id!r}, which was not asked or was answered before")
            return
        problem = None if isinstance(result, Refused) else self._check(action + "Response", result)
        shown = result.code if isinstance(result, Refused) else result
        self._note("in", kind, unique_id, action, shown, str(problem) if problem is not None else None)
        if future.done():
            return
        if isinstance(result, Refused):
            future.set_exception(result)
        else:
            future.set_result(result)

    async def call(self, action: str, payload: Payload, *, timeout_s: float = 30.0, check: bool = True) -> Payload:
        """As `Csms.call`; calls wait for each other, one is in flight."""
        if check and (problem := self._check(action + "Request", payload)) is not None:
            raise ValueError(f"{action}: {problem}")
        async with self._turn:
            unique_id = self._unique_id()
            future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._calls[unique_id] = action, future
            self.send(CALL, action, payload, unique_id)
            try:
                return await asyncio.wait_for(future, timeout_s)
            except TimeoutError:
                raise TimeoutError(f"{self.identity} did not answer {action} within {timeout_s} s") from None

    def send(self, kind: int, action: str, payload: Payload, unique_id: str | None = None) -> None:
        """Sends a CALL or SEND without waiting."""
        unique_id = unique_id or self._unique_id()
        self._note("out", kind, unique_id, action, payload)
        self._write([kind, unique_id, action, payload])

    def write_text(self, text: str) -> None:
        """Sends any text as it is: for tests of hostile frames."""
        self._protocol.send_text(text.encode("utf-8", "surrogatepass"))
        self._flush()

    def _write(self, message: list[Any]) -> None:
        if self._protocol.state.name == "OPEN":
            self.write_text(json.dumps(message, separators=(",", ":")))

    def _unique_id(self) -> str:
        return secrets.token_hex(8)

    def _check(self, name: str, payload: Any) -> SchemaError | None:
        try:
            tables(str(self.version)).check(name, payload)
        except SchemaError as error:
            return error
        return None

    def _note(
        self, direction: str, kind: int, unique_id: str, action: str, payload: Any, problem: str | None = None
    ) -> None:
        self.csms.note(Message(time.time(), self.identity, direction, kind, unique_id, action, payload, problem))


@functools.cache
def tables(version: str) -> Tables:
    """The message tables of a version, read once a process."""
    return Tables(version, blobs(version).get)


def _first_of_the_station(protocol: ServerProtocol, offered: Sequence[str]) -> str:
    """The station's order of preference decides."""
    for name in offered:
        if name in (protocol.available_subprotocols or ()):
            return name
    raise NegotiationError("no common OCPP version")


def _credentials(request: Request) -> str | None:
    """`user:password` of basic authentication, None without one that can be read."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
