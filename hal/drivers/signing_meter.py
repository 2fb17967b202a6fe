"""Meters that sign: a record is made when a session begins and when it is over, and passed on byte for byte.

The charging controller calls `begin()` before the contactor closes and `end()` instead of the last `read()`. The
reading after each carries the record, no other does; the one after `end()` waits for it, `signing_s` at most. A record
that cannot be begun is a PowerMeterFailure until the session is over; one that cannot be ended is told as one. Where
the registers are is said by [signing] of the model's map. Options beside those of other meters: `user_text` (what
the meter's record is to say of who charges, whoever that is) and `public_key` (hexadecimal, for meters that do not
tell theirs).

Known from the makers' documents; not tried on meters.
"""

from __future__ import annotations

import time
from _struct import pack
from binascii import hexlify

from hal import ocmf
from hal.drivers.modbus_meter import ModbusMeter
from hal.interfaces import HalError
from hal.modbus import READ_HOLDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    Steps = Generator[tuple[Any, ...], bytes, Any]
    Table = dict[str, Any]
    Values = dict[tuple[str, str | None], float]

POLL_S = 0.25
RECOVER_S = 5.0
# Registers of one request.
_MOST = 120
# Before this moment the clock of the computer was not set (2024-01-01).
_TIME_SET = 1_704_067_200
_FAULT = "PowerMeterFailure"
# Who charges [OCMF 1.4, user assignment]. That a card was read is hearsay: the meter did not see it.
_NOBODY = '{"FV":"1.0","IS":false,"IL":"NONE","IF":[],"IT":"NONE","ID":""}'
_SOMEBODY = '{"FV":"1.0","IS":true,"IL":"HEARSAY","IF":[%s],"IT":"%s","ID":"%s"}'
# Kinds of tokens of OCPP in OCMF's words; of others only the text is told.
_KINDS = {
    "ISO14443": "ISO14443", "ISO15693": "ISO15693", "eMAID": "EMAID", "EVCCID": "EVCCID", "Central": "CENTRAL",
    "Local": "LOCAL", "KeyCode": "KEY_CODE",
}  # fmt: skip


class SigningMeter(ModbusMeter):
    """The course of records: "recover" (one left open by a power failure or a restart), "begin" and "end", in turn.

    What the meter is told stands in `_steps_of(job)`, a generator: it yields ("read", address, registers), which gives
    bytes, ("write", address, bytes) and ("sleep", seconds), and returns the record, None if there is none.
    """

    if TYPE_CHECKING:

        def _steps_of(self, job: str) -> Steps: ...

    def __init__(self, options: Table, evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.signing: Table = self.map["signing"]
        self.signing_s = float(self.signing["within_s"])
        self.public_key: str = options.get("public_key", "")
        self._signer = self._bus.unit(options["unit"], self._unit.timeout_s, self._attempts, self._unit.silence_s)
        self._jobs: list[str] = []
        self._steps: Steps | None = None
        self._begun = False
        self._ending = False
        self._signed: Table | None = None
        self._sleep: Any = None

    def start(self, loop: Any, report: Any) -> None:
        super().start(loop, report)
        self._ask("recover")

    def close(self) -> None:
        self._signer.cancel()
        if self._sleep is not None:
            self._sleep.cancel()
        self._jobs.clear()
        self._steps = None
        super().close()

    def begin(self) -> None:
        """A session's energy begins to flow: the first record is made; nothing if that was done already."""
        if not self._begun and self._report is not None:
            self._begun = True
            self._ask("begin")

    def end(self) -> None:
        """The session is over: the reading that follows carries the last record, if there is one."""
        if not self._begun:
            self.read()
        elif not self._ending:
            self._ending = True
            self._ask("end")

    def _take(self, values: Values) -> None:
        if not self._ending:
            signed, self._signed = self._signed, None
            self.report("reading", values, signed)

    # Running steps

    def _ask(self, job: str) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._run()

    def _run(self) -> None:
        self._steps = self._steps_of(self._jobs[0])
        self._step(None, None)

    def _step(self, data: bytes | None, error: HalError | None) -> None:
        steps = self._steps
        if steps is None:
            return
        try:
            todo = steps.throw(error) if error is not None else steps.send(data)  # type: ignore[arg-type]
        except StopIteration as done:
            self._finished(done.value, None)
        except HalError as problem:
            self._finished(None, problem)
        else:
            if todo[0] == "read":
                self._signer.read(READ_HOLDING, todo[1], todo[2], self._step)
            elif todo[0] == "write":
                self._signer.write(todo[1], todo[2], self._step)
            else:
                self._sleep = self._loop.call_later(todo[1], self._step, None, None)

    def _finished(self, record: bytes | None, problem: HalError | None) -> None:
        self._steps = None
        job = self._jobs.pop(0)
        if job != "recover":
            self._signed = None
        if record is not None:
            self._signed = ocmf.signed_value(record, self.signing["method"], self.public_key)
        if job == "end":
            self._ending = self._begun = False
            if problem is not None:
                self.fault(_FAULT, f"the session has no record: {problem.detail}")
            self.clear(_FAULT)
        elif problem is not None and job == "begin":
            self.fault(_FAULT, f"the meter does not sign: {problem.detail}")
        elif problem is not None and not self._jobs:
            self._sleep = self._loop.call_later(RECOVER_S, self._recover)
        if self._jobs:
            self._run()
        elif record is not None or job == "end":
            self.read()

    def _recover(self) -> None:
        """Another attempt, unless a session began: its first record closes the old one."""
        if not self._jobs and not self._begun:
            self._ask("recover")

    # What steps are made of

    def _registers(self, address: int, count: int) -> Steps:
        """Any number of registers."""
        data = b""
        while len(data) < 2 * count:
            data += yield "read", address + len(data) // 2, min(_MOST, count - len(data) // 2)
        return data

    def _sized(self, address: int, size_at: int, most: int) -> Steps:
        """Bytes whose number is in a register."""
        size = int.from_bytes((yield "read", size_at, 1), "big")
        if not 0 < size <= most:
            raise HalError("Signature", f"{size} bytes at register {address} cannot be")
        return (yield from self._registers(address, (size + 1) // 2))[:size]

    def _until_signed(self, address: int) -> Steps:
        """Polls a status until the record is signed."""
        end = self._loop.time() + self.signing_s
        while True:
            status = int.from_bytes((yield "read", address, 1), "big")
            if status == self.signing["good"]:
                return
            if status >= self.signing["failed_from"] or self._loop.time() >= end:
                raise HalError("Signature", f"status {status} at register {address}")
            yield "sleep", POLL_S


class IskraMeter(SigningMeter):
    """Iskra WM3M4 and WM3M4C: clock and text are written, then a command; payload and signature stand apart."""

    def __init__(self, options: Table, evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        # Of the session that runs, and of the one that begins next.
        self._who = self._next_who = self._nobody = options.get("user_text", _NOBODY)

    def identify(self, id_token: str, kind: str) -> None:
        """Who charges from the next `begin()` on; `kind` is an IdTokenEnum word, "" where it is not known."""
        if "user_text" in self.options:
            return
        self._next_who = self._nobody
        if id_token and id_token.isascii() and id_token.isprintable():
            flag = '"RFID_PLAIN"' if kind in ("ISO14443", "ISO15693") else ""
            quoted = id_token.replace("\\", "\\\\").replace('"', '\\"')
            self._next_who = _SOMEBODY % (flag, _KINDS.get(kind, "UNDEFINED"), quoted)

    def begin(self) -> None:
        if not self._begun:
            self._who = self._next_who
        super().begin()

    def _steps_of(self, job: str) -> Steps:
        state = int.from_bytes((yield "read", self.signing["state"], 1), "big")
        record = None
        if job != "begin" or state:  # one that is open is ended first
            if not state:
                return None
            if state in self.signing["forgot"]:
                yield from self._prepare(self._who if job == "end" else self._nobody)
            record = yield from self._command(self.signing["end"])
        if job == "begin":
            yield from self._prepare(self._who)
            record = yield from self._command(self.signing["begin"])
        return record

    def _prepare(self, who: str) -> Steps:
        """Clock and text; a meter forgets both when its power fails."""
        at = int(time.time())
        if at >= _TIME_SET:
            yield "write", self.signing["clock"], pack(">hI", 0, at)  # offset to UTC in minutes, seconds
        text = who.encode()[: self.signing["text_bytes"]]
        yield "write", self.signing["text_size"], pack(">H", len(text))
        text += bytes(len(text) % 2)
        for start in range(0, len(text), 2 * _MOST):
            yield "write", self.signing["text"] + start // 2, text[start : start + 2 * _MOST]

    def _command(self, command: int) -> Steps:
        places = self.signing
        yield "write", places["command"], pack(">H", command)
        yield from self._until_signed(places["status"])
        payload = yield from self._sized(places["record"], places["record_size"], places["record_bytes"])
        signature = yield from self._sized(places["signature"], places["signature_size"], places["signature_bytes"])
        if not self.public_key:
            point = yield from self._registers(places["key"], 32)
            self.public_key = hexlify(ocmf.SECP256R1 + point).decode()
        record = ocmf.join(payload, signature, places["method"])
        ocmf.split(record)
        return record


class BauerMeter(SigningMeter):
    """Bauer BSM: a snapshot is asked for by its status register, and then holds a whole record."""

    def _steps_of(self, job: str) -> Steps:
        places = self.signing
        if job == "recover":  # a snapshot leaves nothing open
            return None
        status = places[job] + places["status"]
        yield "write", status, pack(">H", places["ask"])
        yield from self._until_signed(status)
        data = yield from self._registers(places[job] + places["text"], places["registers"])
        record = data[max(data.find(b"OCMF|"), 0) :].partition(b"\0")[0]
        ocmf.split(record)
        return record


DRIVERS = {"iskra-wm3m4": IskraMeter, "bauer-bsm": BauerMeter}
