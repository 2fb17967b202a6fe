"""What a hostile or broken CSMS sends: frames with the answer that the specification wants, and a line to send them on.

frames(version)             (text, answer): None for no answer, a code for CALLERROR, RESULT for any CALLRESULT
line = HostileLine(csms, "CS001")
line.say(text)              raw text; line.raw(data) for bytes below WebSocket
line.replies(id)            the station's answering frames to this message id
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterator
from typing import Any

from tests.support.csms import CsmsThread

RESULT = "CALLRESULT"
# The message id that a CALLERROR has where none could be read. [part 4 §4.2.3]
UNKNOWN = "-1"
LIMIT_BYTES = 65_536


class HostileLine:
    """The CSMS's end of a station's connection, with everything allowed."""

    def __init__(self, csms: CsmsThread, identity: str) -> None:
        self.csms = csms
        self.identity = identity
        self.heard: list[list[Any]] = []
        self.tap()

    def tap(self) -> None:
        """Listens to the present connection of the station; again after each reconnection."""
        self.connection = self.csms.run(self.csms.now.connected, self.identity, timeout_s=20)
        receive = self.connection._receive

        def tapped(text: bytes) -> None:
            frame = json.loads(text)
            if frame[0] in (3, 4, 5) and frame[1] not in self.connection._calls:
                self.heard.append(frame)
            else:
                receive(text)

        self.connection._receive = tapped

    def say(self, *texts: str) -> None:
        """Sends texts as they are, surrogates included."""

        async def send() -> None:
            for text in texts:
                self.connection.write_text(text)
            await self._drained()

        self.csms.run(send)

    def raw(self, data: bytes) -> None:
        """Sends bytes below WebSocket."""

        async def send() -> None:
            self.connection._transport.write(data)
            await self._drained()

        self.csms.run(send)

    async def _drained(self) -> None:
        while self.connection._transport.get_write_buffer_size() > 1 << 16:
            await asyncio.sleep(0.001)

    def sync(self) -> None:
        """Everything sent so far has been handled."""
        call = {"1.6": ("GetConfiguration", {"key": ["x"]})}.get(
            self.connection.version, ("GetVariables", {"getVariableData": [{"component": X, "variable": X}]})
        )
        self.csms.call(self.identity, *call)

    def replies(self, id: str) -> list[list[Any]]:
        """The station's answers to a message id, which are then forgotten."""
        found = [frame for frame in self.heard if frame[1] == id]
        self.heard = [frame for frame in self.heard if frame[1] != id]
        return found

    def is_gone(self) -> bool:
        return self.csms.now.connections.get(self.identity) is not self.connection


X = {"name": "x"}


def frame(opcode: int, data: bytes, final: bool = True) -> bytes:
    """A WebSocket frame of a server."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 1 << 16:
        return head + b"\x7e" + struct.pack(">H", len(data)) + data
    return head + b"\x7f" + struct.pack(">Q", len(data)) + data


def frames(version: str) -> Iterator[tuple[str, str, str | None]]:
    """(text, message id of the answer, answer): RESULT, an RPC error code, or None where nothing may be answered.

    In 1.6 a frame whose message id cannot be read, or whose type is unknown, gets no answer. [1.6J §4.1.3, §4.2.3]
    """
    old = version == "1.6"
    framework = None if old else "RpcFrameworkError"
    missing = "OccurenceConstraintViolation" if old else "OccurrenceConstraintViolation"
    formation = "FormationViolation" if old else "FormatViolation"
    protocol = "ProtocolError" if old else "RpcFrameworkError"
    kinds = ("Soft", "Purple") if old else ("Immediate", "Purple")
    # No JSON, no array, or nothing that can be one safely.
    for text in (
        "", " ", "[", "{", "nul", '"', "[2", "[2,", '[2,"a"', "[2]]", "null", "true", "7", '"text"', "{}", "[]", "\0",
        "[" * 30_000, "[" * 30_000 + "]" * 30_000, '{"a":' * 9_000 + "1" + "}" * 9_000, "[" + "[]," * 20_000 + "[]]",
        '[2,"a","Reset",{"type":NaN}]', '[2,"a","Reset",{"type":Infinity}]', '[2,"a","Reset",{"type":-Infinity}]',
        '[2,"a","Reset",{"type":' + "9" * 5000 + "}]", '[2,"a","Reset",{"type":1e999}]', "\ufeff[]",
        '[2,"a","Reset",{"type":"x","type":"y"}]', '[2,"a","Reset",{"\\udc00":1}]', '[2,"a","Reset",{}] trailing',
        '[2,"a","Reset",{"type":"\\ud800"}]', '[2,"a","Reset",{}][2,"b","Reset",{}]', "[2,'a','Reset',{}]",
        '[2,"a","Reset",{},]', '[2,"a","Reset",{"type":01}]', '[2,"a","Reset",{"type":"\t"}]',
        '[2,"a","Reset",{"type":"\\x"}]',
    ):  # fmt: skip
        yield text, UNKNOWN, framework
    # Arrays that are no frames.
    for start in ("true", "null", '"2"', "2.5", "[2]", "{}"):
        yield f'[{start},"k1","Reset",{{}}]', "k1", protocol
    for start in ("0", "1", "7", "-2", "99999999999"):
        yield f'[{start},"k2","Reset",{{}}]', "k2", None if old else "MessageTypeNotSupported"
    for id in ("1", "null", "true", '""', f'"{"x" * 37}"', '["a"]', "{}"):
        yield f'[2,{id},"Reset",{{}}]', UNKNOWN, framework
    yield '[2,"k3"]', "k3", protocol
    yield '[2,"k4","Reset"]', "k4", protocol
    yield '[2,"k5","Reset",{},5]', "k5", protocol
    yield '[2,"k6",7,{}]', "k6", protocol
    for payload in ("[]", "1", '"x"', "true"):
        yield f'[2,"k7","Reset",{payload}]', "k7", formation
    # CALLs that no schema allows.
    for action in ("NoSuchAction", "", "reset", "Reset ", "__class__", "../../etc/passwd", "x" * 30_000, "é" * 99):
        yield json.dumps([2, "k8", action, {}], ensure_ascii=False), "k8", "NotImplemented"
    yield '[2,"k9","Reset",{}]', "k9", missing
    yield '[2,"k10","Reset",null]', "k10", missing
    for value in ("null", "1", "true", "[]", "{}", '["Soft"]'):
        yield f'[2,"k11","Reset",{{"type":{value}}}]', "k11", "TypeConstraintViolation"
    yield f'[2,"k12","Reset",{{"type":"{kinds[1]}"}}]', "k12", "PropertyConstraintViolation"
    yield f'[2,"k13","Reset",{{"type":"{kinds[0]}","no":1}}]', "k13", formation
    yield json.dumps([2, "k14", "Reset", {"type": "x" * 60_000}]), "k14", "PropertyConstraintViolation"
    yield json.dumps([2, "k15", "DataTransfer", {"vendorId": "x" * 256}]), "k15", "PropertyConstraintViolation"
    # Allowed, just below the limit of a frame.
    size = LIMIT_BYTES - len('[2,"k16","DataTransfer",{"vendorId":"x","data":""}]')
    yield f'[2,"k16","DataTransfer",{{"vendorId":"x","data":"{"x" * size}"}}]', "k16", RESULT
    # Answers to what was never asked, and the words of 2.1, there and elsewhere.
    for text in (
        '[3,"zz",{}]', '[3,"zz",null]', '[3,"zz",[]]', '[3,"zz"]', '[3,"",{}]', '[3,5,{}]', '[3,"zz",{},{}]',
        '[4,"zz","GenericError","",{}]', '[4,"zz","NoSuchError","x",5]', '[4,"zz"]', '[4,"zz",5,"",{}]', "[4]",
        '[4,"-1","RpcFrameworkError","",{}]', '[4,"zz","' + "E" * 20_000 + '","' + "w" * 20_000 + '",{}]',
    ):  # fmt: skip
        yield text, "zz", None
    for text in ('[5,"zz","GenericError","",{}]', '[6,"zz","NotifyPeriodicEventStream",{}]', '[6,"zz","Reset",{}]'):
        yield text, "zz", None
