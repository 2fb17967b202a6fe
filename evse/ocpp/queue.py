"""Delivery: one CALL in flight; calls that may be lost, and the journal's events that may not.

Order: urgent calls first (Authorize, BootNotification, Heartbeat). A call waits for the events that were journaled
before it while online, so the CSMS sees both in the order in which they happened; it does not wait for the backlog of
an outage. Then the journal, strictly in order.

An event is sent again when the CSMS answers with an error or not at all: up to MessageAttempts times, after
MessageAttemptInterval times the number of tries so far [E13.FR.02, E13.FR.03; 1.6 §3.7.1]; a lost connection is no try.

Bound: 128 waiting calls; beyond, the oldest that is not urgent is given up with the error "Overflow".
"""

from __future__ import annotations

from _collections import deque

from evse.errors import CsmsError
from evse.ocpp import rpc
from evse.ocpp.schema import SchemaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Timer
    from evse.ocpp.engine import Engine

WAITING_CALLS = 128
DEFAULT_TIMEOUT_S = 30
DEFAULT_ATTEMPTS = 3
DEFAULT_INTERVAL_S = 60


class Call:
    """A CALL to be sent once; `block` None means that event and data are already in the words of the version."""

    __slots__ = ("block", "event", "data", "done", "urgent", "early", "after")

    def __init__(
        self,
        block: str | None,
        event: str,
        data: dict[str, Any],
        done: Callable[[dict[str, Any] | None, CsmsError | None], Any] | None,
        urgent: bool,
        early: bool,
        after: int,
    ) -> None:
        self.block = block
        self.event = event
        self.data = data
        self.done = done
        self.urgent = urgent
        self.early = early
        self.after = after

    def finish(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if self.done is not None:
            self.done(answer, error)


class Outbox:
    """What waits to be said to the CSMS."""

    __slots__ = (
        "_ctx", "_calls", "_flight", "_late_when", "_timeout_s", "_timer", "_retry", "_seq", "_attempts", "_refusals",
        "backlog_end", "_count", "_nonce",
    )  # fmt: skip

    def __init__(self, ctx: Engine) -> None:
        self._ctx = ctx
        self._calls: deque[Call] = deque()
        # In flight: (message id, action, read, call | (seq, block, event, row, final)).
        self._flight: tuple[str, str, Any, Any] | None = None
        self._late_when = 0.0  # when the one in flight, or else the last one, is given up without an answer
        self._timeout_s: float = DEFAULT_TIMEOUT_S
        self._timer: Timer | None = None  # one for all: it stays when an answer comes, and looks at the next call
        self._retry: Timer | None = None
        self._seq = 0
        self._attempts = 0
        self._refusals = 0
        self.backlog_end = 0
        self._count = 0
        self._nonce = ctx.random(4).hex()
        ctx.model.watch("OCPPCommCtrlr", "MessageTimeout", self._read_timeout)

    def add(self, call: Call) -> None:
        """Queues a call; it is sent by the next `pump()`."""
        if len(self._calls) >= WAITING_CALLS:
            for victim in self._calls:
                if not victim.urgent:
                    break
            else:
                victim = self._calls[0]
            self._calls.remove(victim)
            self._ctx.log.warning("too many calls wait for the CSMS, one is given up", action=victim.event)
            victim.finish(None, CsmsError("Overflow", "too many calls wait"))
        self._calls.append(call)

    def unsolicited_id(self) -> str:
        """An id never used before."""
        self._count += 1
        return f"{self._nonce}-{self._count:x}"

    @property
    def in_flight(self) -> str | None:
        """Id of the CALL that waits for its answer, None if there is none."""
        return self._flight[0] if self._flight else None

    def connected(self) -> None:
        """A new connection: what is in the journal now is backlog."""
        self.backlog_end = self._ctx.journal.last_seq
        self._read_timeout()
        self._stop_retry()

    def disconnected(self) -> None:
        """The connection is gone: calls are given up, the journal's event in flight will be sent again."""
        self._stop_timer()
        self._stop_retry()
        flight, self._flight = self._flight, None
        calls, self._calls = self._calls, deque()
        error = CsmsError("Disconnected", "the connection to the CSMS is gone")
        if flight is not None and isinstance(flight[3], Call):
            flight[3].finish(None, error)
        elif flight is not None:
            self._attempts -= 1  # a lost connection is no try
        for call in calls:
            call.finish(None, error)

    def pump(self) -> None:
        """Sends what may be sent now."""
        ctx = self._ctx
        if not self._calls and not ctx.journal.pending:
            return  # the usual case: a meter's tick
        if not ctx.is_connected:
            if self._calls:
                self.disconnected()
            return
        while self._flight is None:
            call = self._next_call() if self._calls else None
            if call is not None:
                self._send_call(call)
            elif not (ctx.online and self._retry is None and self._send_record()):
                return

    def _next_call(self) -> Call | None:
        online = self._ctx.online
        head = self._ctx.journal.head() if online else None
        eligible = None
        for call in self._calls:
            if not (online or call.early):
                continue
            if call.urgent:
                eligible = call
                break
            if eligible is None and (head is None or call.after <= self.backlog_end or call.after < head[0]):
                eligible = call
        if eligible is not None:
            self._calls.remove(eligible)
        return eligible

    def _send_call(self, call: Call) -> None:
        try:
            said = self._ctx.say(call.block, call.event, call.data)
        except SchemaError as error:
            self._ctx.log.error(
                "a message of this station breaks the schema and was not sent", action=call.event, why=str(error)
            )
            call.finish(None, CsmsError("FormatViolation", str(error)))
            return
        if said is None:
            call.finish({}, None)
            return
        action, payload, read = said
        id = self.unsolicited_id()
        self._launch(id, action, rpc.call(id, action, payload), read, call)

    def _send_record(self) -> bool:
        """Sends the journal's oldest event; False if there is none."""
        ctx = self._ctx
        head = ctx.journal.head()
        if head is None:
            return False
        seq, entry = head
        if seq != self._seq:
            self._seq, self._attempts, self._refusals = seq, 0, 0
        try:
            block, event, row = entry[0], entry[1], entry[2]
            said = ctx.say_record(block, event, row)
        except (SchemaError, CsmsError, LookupError, TypeError, ValueError) as error:
            # Sending it again would fail again, for ever: what follows it must not wait.
            ctx.log.error(
                "a journaled event cannot be sent and is given up", seq=seq, why=f"{type(error).__name__}: {error}"
            )
            ctx.journal.done(seq)
            return True
        if said is None:
            ctx.journal.done(seq)
            return True
        action, text, read, final = said
        id = f"{ctx.journal.identity}-{seq}"
        # 1.6 wants a new id for every try; 2.x allows the old one where no answer came. [part 4 §4.1.4; 1.6J errata]
        if ctx.version == "1.6":
            id = f"{id}-{ctx.random(4).hex()}"
        elif self._refusals:
            id = f"{id}-{self._refusals}"
        self._attempts += 1
        self._launch(id, action, rpc.call_of_text(id, action, text), read, (seq, block, event, row, final))
        return True

    def _launch(self, id: str, action: str, frame: str, read: Any, what: Any) -> None:
        ctx = self._ctx
        ctx.spoke_when = now = ctx.clock.now()
        self._flight = id, action, read, what
        self._late_when = late_when = now + self._timeout_s
        if self._timer is None or late_when < self._timer.when:
            self._stop_timer()
            self._timer = ctx.timers.at(late_when, self._timed_out)
        ctx.frames.append(frame)

    def answered(self, id: str, payload: dict[str, Any]) -> bool:
        """Takes a CALLRESULT; False if nobody waits for it. In 2.1 an answer that breaks the schema is refused."""
        flight = self._flight
        if flight is None or flight[0] != id:
            return False
        self._flight = None
        _, action, read, what = flight
        try:
            # Systems in the field send times without a zone; refusing such answers would keep us from booting.
            self._ctx.tables.check(action + "Response", payload, False)
            if read is None:
                answer = payload
            else:
                answer = read(payload) if isinstance(what, Call) else read(action, payload)
        except SchemaError as error:
            self._ctx.invalid_answer(id, action, error)
            self._failed(what, CsmsError("FormatViolation", str(error)))
            return True
        if isinstance(what, Call):
            what.finish(answer, None)
        else:
            self._delivered(what, action, answer)
        return True

    def refused(self, id: str, code: str, description: str) -> bool:
        """Takes a CALLERROR; False if nobody waits for it."""
        flight = self._flight
        if flight is None or flight[0] != id:
            return False
        self._flight = None
        self._ctx.log.warning("the CSMS refused a call", action=flight[1], code=code[:50], why=description[:255])
        self._refusals += 1
        if code == "SecurityError" and self._ctx.online:
            boot = self._ctx.block("boot")
            if boot is not None and boot.forgotten() and not isinstance(flight[3], Call):
                self._attempts -= 1  # it is said again once the station is registered
                return True
        self._failed(flight[3], CsmsError(code, description))
        return True

    def _timed_out(self) -> None:
        """The timer: was it set for the call in flight, or for one that was answered?"""
        self._timer = None
        flight = self._flight
        if flight is None:
            return
        if self._late_when > self._ctx.clock.now():
            self._timer = self._ctx.timers.at(self._late_when, self._timed_out)
            return
        self._flight = None
        self._ctx.log.warning("the CSMS did not answer a call in time", action=flight[1])
        what = flight[3]
        self._failed(what, CsmsError("Timeout", "no answer in time"))
        if isinstance(what, Call):
            self._ctx.effect("reconnect", f"{flight[1]} was not answered in time")
        else:
            self._ctx.pump()

    def _failed(self, what: Any, error: CsmsError) -> None:
        if isinstance(what, Call):
            what.finish(None, error)
            return
        ctx = self._ctx
        seq, block, event, row, _ = what
        attempts = ctx.model.integer("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent") or DEFAULT_ATTEMPTS
        final = error.code in getattr(ctx.block(block), "FINAL_ERRORS", ())
        if final or self._attempts >= attempts:
            ctx.log.error(
                "an event is given up after its last attempt",
                record=event,
                seq=seq,
                attempts=self._attempts,
                code=error.code,
            )
            self._delivered((seq, block, event, row, True), event, None)
            return
        interval_s = ctx.model.integer("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent")
        wait_s = (DEFAULT_INTERVAL_S if interval_s is None else interval_s) * self._attempts
        self._retry = ctx.timers.at(ctx.clock.now() + wait_s, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._ctx.pump()

    def _delivered(self, what: Any, action: str, answer: dict[str, Any] | None) -> None:
        ctx = self._ctx
        seq, block, event, row, final = what
        owner = ctx.block(block)
        keep = owner.delivered(event, row, action, answer) if owner is not None else None
        if final:
            ctx.journal.done(seq, keep, bool(keep))
            return
        self._attempts = 0
        if keep:
            ctx.journal.write(keep=keep)

    def _read_timeout(self, *_: Any) -> None:
        self._timeout_s = self._ctx.model.integer("OCPPCommCtrlr", "MessageTimeout", "Default") or DEFAULT_TIMEOUT_S

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
