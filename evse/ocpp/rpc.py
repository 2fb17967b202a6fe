"""OCPP-J: the RPC frames, as text in and text out.

A frame is a JSON array: CALL [2, id, action, payload], CALLRESULT [3, id, payload],
CALLERROR [4, id, code, description, details], and since 2.1 CALLRESULTERROR [5, ...] and SEND [6, id, action, payload].
[part 4 §4.2]
"""

from __future__ import annotations

from evse import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALL, RESULT, ERROR, RESULT_ERROR, SEND = 2, 3, 4, 5, 6

ID_LENGTH = 36
DESCRIPTION_LENGTH = 255
# What a CALLERROR names when the id could not be read. [part 4 §4.2.3]
UNKNOWN_ID = "-1"

# Codes of a CSMS that does not take the message as such: said again, it would be refused again.
NOT_UNDERSTOOD = ("FormationViolation", "FormatViolation", "NotImplemented", "NotSupported", "ProtocolError")

# Elements by message type; an error may come without its details, as stations and systems in the field send it.
_LENGTHS = {CALL: (4,), RESULT: (3,), ERROR: (5, 4, 3), RESULT_ERROR: (5, 4, 3), SEND: (4,)}


class RpcError(Exception):
    """A frame that is no OCPP-J: `code` is the RPC error code to answer, `id` the message id as far as it was readable.

    `answer` says whether the sender is owed a CALLERROR: what was itself an answer gets none.
    """

    def __init__(self, code: str, description: str, id: str = UNKNOWN_ID, answer: bool = True) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.id = id
        self.answer = answer


def parse(text: str | bytes) -> tuple[Any, ...]:
    """The frame as a tuple, its first element the message type.

    (CALL, id, action, payload) · (RESULT, id, payload) · (ERROR, id, code, description, details) ·
    (RESULT_ERROR, id, code, description, details) · (SEND, id, action, payload)

    Raises RpcError: RpcFrameworkError for what is no frame, MessageTypeNotSupported for an unknown type.
    """
    try:
        frame = jsontext.loads(text)
    except jsontext.JsonError as error:
        raise RpcError("RpcFrameworkError", f"the frame is no valid JSON: {error}") from None
    if not isinstance(frame, list) or not frame:
        raise RpcError("RpcFrameworkError", "the frame is no JSON array")
    kind = frame[0]
    if kind == RESULT and len(frame) == 3:  # what most frames are
        _, id, payload = frame
        if type(id) is str and type(payload) is dict and 0 < len(id) <= ID_LENGTH and id != UNKNOWN_ID:
            return RESULT, id, payload
    id = frame[1] if len(frame) > 1 and isinstance(frame[1], str) and 0 < len(frame[1]) <= ID_LENGTH else UNKNOWN_ID
    if isinstance(kind, bool) or not isinstance(kind, int):
        raise RpcError("RpcFrameworkError", "the message type is no integer", id)
    lengths = _LENGTHS.get(kind)
    if lengths is None:
        raise RpcError("MessageTypeNotSupported", f"message type {kind} is not known", id)
    asks = kind == CALL
    if id == UNKNOWN_ID and not (kind in (ERROR, RESULT_ERROR) and frame[1:2] == [UNKNOWN_ID]):
        raise RpcError("RpcFrameworkError", f"the message id must be a text of 1 to {ID_LENGTH} characters", id, asks)
    if len(frame) not in lengths:
        detail = f"a frame of message type {kind} has {lengths[0]} elements, not {len(frame)}"
        raise RpcError("RpcFrameworkError", detail, id, asks)
    return _fields(kind, id, frame, asks)


def _fields(kind: int, id: str, frame: list[Any], asks: bool) -> tuple[Any, ...]:
    if kind in (ERROR, RESULT_ERROR):
        rest: tuple[Any, ...] = ("", {})
        code, description, details = (*frame[2:], *rest[len(frame) - 3 :])
        if not isinstance(code, str):
            raise RpcError("RpcFrameworkError", "the error code is no text", id, False)
        return kind, id, code, description if isinstance(description, str) else "", details
    payload = {} if frame[-1] is None else frame[-1]
    if not isinstance(payload, dict):
        raise RpcError("FormatViolation", "the payload is no JSON object", id, asks)
    if kind == RESULT:
        return kind, id, payload
    if not isinstance(frame[2], str):
        raise RpcError("RpcFrameworkError", "the action is no text", id, asks)
    return kind, id, frame[2], payload


def call(id: str, action: str, payload: dict[str, Any]) -> str:
    """A CALL frame."""
    return jsontext.dumps([CALL, id, action, payload])


def call_of_text(id: str, action: str, payload: str) -> str:
    """A CALL frame of ours whose payload is JSON already; `id` and `action` hold nothing that JSON escapes."""
    return f'[{CALL},"{id}","{action}",{payload}]'


def result(id: str, payload: dict[str, Any]) -> str:
    """A CALLRESULT frame."""
    return jsontext.dumps([RESULT, id, payload])


def error(id: str, code: str, description: str = "", details: dict[str, Any] | None = None) -> str:
    """A CALLERROR frame; the description is cut to 255 characters."""
    return jsontext.dumps([ERROR, id, code, description[:DESCRIPTION_LENGTH], details or {}])


def refusal(malformed: RpcError, version: str | None) -> str | None:
    """The CALLERROR frame that `version` owes for a frame that is no OCPP-J, None if it owes none.

    What was itself an answer gets none. 1.6 has no framework error, cannot name a message without its id, and ignores
    message types that it does not know. [part 4 §4.2.3; 1.6J §4.1.3, §4.2.3]
    """
    code = malformed.code
    if not malformed.answer:
        return None
    if version == "1.6":
        if malformed.id == UNKNOWN_ID or code == "MessageTypeNotSupported":
            return None
        code = "FormationViolation" if code == "FormatViolation" else "ProtocolError"
    return error(malformed.id, code, malformed.description)


def result_error(id: str, code: str, description: str = "", details: dict[str, Any] | None = None) -> str:
    """A CALLRESULTERROR frame (2.1): the answer to our CALL could not be processed."""
    return jsontext.dumps([RESULT_ERROR, id, code, description[:DESCRIPTION_LENGTH], details or {}])


def send(id: str, action: str, payload: dict[str, Any]) -> str:
    """A SEND frame (2.1): no answer is expected."""
    return jsontext.dumps([SEND, id, action, payload])
