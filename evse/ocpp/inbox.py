"""What the CSMS asks: its CALLs and SENDs, answered by a message-mode handler, else by a block.

Loaded when the first of them arrives. Bound: 32 answers that are not known yet, one more request is refused; one that
is not known within 30 s is an InternalError.
"""

from __future__ import annotations

from evse.errors import CsmsError, StoreError
from evse.ocpp import registry, rpc
from evse.ocpp.schema import SchemaError, rpc_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Timer
    from evse.ocpp.engine import Engine

    Handler = Callable[[dict[str, Any]], Any]

ANSWER_WITHIN_S = 30.0
OPEN_ANSWERS = 32


class Later:
    """An answer to the CSMS that is not known yet: `set(answer)` or `refuse(code, detail)` gives it, once."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done: Callable[[Any], None] | None = None

    def when_set(self, done: Callable[[Any], None]) -> None:
        self._done = done

    def set(self, answer: dict[str, Any]) -> None:
        """Answers; nothing happens if it was answered before, or the connection is gone."""
        done, self._done = self._done, None
        if done is not None:
            done(answer)

    def refuse(self, code: str, detail: str = "") -> None:
        """Answers with a CALLERROR."""
        done, self._done = self._done, None
        if done is not None:
            done(CsmsError(code, detail))


class Inbox:
    """Requests of the CSMS to one engine; `turn(call, *args)` is its way in for answers that come later."""

    __slots__ = ("_ctx", "_turn", "_handlers", "_open")

    def __init__(self, ctx: Engine, turn: Callable[..., None]) -> None:
        self._ctx = ctx
        self._turn = turn
        self._handlers: dict[str, Handler] = {}
        self._open: dict[str, Timer] = {}  # message id of a request without its answer -> its time limit

    def on(self, action: str, handler: Handler | None) -> None:
        """`handler(payload) -> payload | Later` answers `action` before its block; None removes it."""
        if handler is None:
            self._handlers.pop(action, None)
        else:
            self._handlers[action] = handler

    def disconnected(self) -> None:
        """The connection is gone: nobody waits for an answer any more."""
        for timer in self._open.values():
            timer.cancel()
        self._open.clear()

    def called(self, id: str, action: str, payload: dict[str, Any]) -> None:
        """A CALL: answered now or later, whatever is in it."""
        ctx = self._ctx
        if id in self._open:
            code = "GenericError" if ctx.version == "1.6" else "RpcFrameworkError"
            ctx.frames.append(rpc.error(id, code, "this message id is in use"))
            return
        try:
            answer = self._handle(action, payload)
        except SchemaError as error:
            ctx.security_event("InvalidMessages", f"{action}: {error}")
            answer = CsmsError(rpc_code(ctx.version or "", error.rule), str(error))
        except CsmsError as error:
            answer = error
        except StoreError as error:
            answer = CsmsError("InternalError", str(error))
        except Exception as error:  # a defect of a block must not become a way to stop the station from outside
            ctx.log.error("a defect while a request was handled", action=action, why=type(error).__name__)
            answer = CsmsError("InternalError", "the request could not be processed")
        if not isinstance(answer, tuple):
            self._answer(id, action, None, answer)
            return
        result, write = answer
        if not isinstance(result, Later):
            self._answer(id, action, write, result)
        elif len(self._open) >= OPEN_ANSWERS:
            self._answer(id, action, None, CsmsError("InternalError", "too many requests are open"))
        else:
            when = ctx.clock.now() + ANSWER_WITHIN_S
            self._open[id] = ctx.timers.at(when, result.refuse, "InternalError", "no result in time")
            result.when_set(lambda known: self._turn(self._answer_later, id, action, write, known))

    def _handle(self, action: str, payload: dict[str, Any]) -> Any:
        """(answer, writer of the answer). Raises SchemaError and CsmsError."""
        ctx = self._ctx
        handler = self._handlers.get(action)
        boot = None if ctx.online or handler is not None else ctx.block("boot")
        if boot is not None and (refusal := boot.admits(action)) is not None:
            raise CsmsError(refusal, "the charging station is not accepted by the CSMS")
        if not ctx.tables.knows(action):
            raise CsmsError("NotImplemented", f"{action[:50]} is not known in OCPP {ctx.version}")
        if handler is not None:
            ctx.tables.check(action, payload)
            return handler(payload), None
        name = registry.block_of(action)
        block = ctx.block(name) if name else None
        dialect = ctx.dialect(name) if name and block is not None else None
        route = dialect.CALLS.get(action) if dialect is not None else None
        profile = getattr(dialect, "PROFILES", {}).get(action)
        if profile is not None and profile not in (ctx.model.members("OCPP16Ctrlr", "SupportedFeatureProfiles") or ()):
            route = None
        if route is None:
            raise CsmsError("NotSupported", f"{action} is not supported by this charging station")
        ctx.tables.check(action, payload)
        method, read, write = route
        return getattr(block, method)(read(payload) if read else payload), write

    def _answer_later(self, id: str, action: str, write: Any, known: Any) -> None:
        timer = self._open.pop(id, None)
        if timer is not None:
            timer.cancel()
            self._answer(id, action, write, known)

    def _answer(self, id: str, action: str, write: Any, answer: Any) -> None:
        """Sends the CALLRESULT or CALLERROR; an answer of ours that breaks the schema is an InternalError."""
        ctx = self._ctx
        if not isinstance(answer, CsmsError):
            try:
                payload = ctx.outgoing(action + "Response", write(answer) if write else answer)
                ctx.frames.append(rpc.result(id, payload))
                return
            except SchemaError as error:
                ctx.log.error("an answer of this station breaks the schema", action=action, why=str(error))
                answer = CsmsError("InternalError", "the answer could not be written")
        if answer.code:  # "": the version says not to answer
            ctx.frames.append(rpc.error(id, answer.code, answer.detail))

    def sent(self, action: str, payload: dict[str, Any]) -> None:
        """A SEND: no answer, whatever it is; only message mode can use it."""
        ctx = self._ctx
        handler = self._handlers.get(action)
        if handler is None or ctx.version != "2.1":
            ctx.log.info("a SEND that nobody listens to", action=action[:50])
            return
        try:
            ctx.tables.check(action, payload)
        except SchemaError as error:
            ctx.log.warning("a SEND breaks the schema", action=action, why=str(error))
            return
        handler(payload)
