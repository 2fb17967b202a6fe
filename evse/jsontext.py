"""JSON text, guarded: the one way in and out for frames, the control socket and documents.

Built on the interpreter's C scanner and encoder, without the package `json` around them, which costs the resident
process more than a megabyte; where they are absent or have changed, `json` itself takes their place.
"""

from __future__ import annotations

import sys
from _thread import _count as _python_threads

from evse.errors import EvseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 32  # the deepest OCPP message has 11 levels with its frame; customData and control answers need few more
MAX_BYTES = 1 << 20
INT_LEAST, INT_MOST = -(1 << 63), (1 << 63) - 1
_EXACT = 1 << 53  # up to here every integer has a float of its own
_SPACE = " \t\n\r"


class JsonError(EvseError, ValueError):
    """Text that is no JSON, or a value that JSON cannot carry.

    `position` is the character in the text, None where there is no single one; `reason` is short and quotes no input.
    """

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason, position)
        self.reason = reason
        self.position = position

    def __str__(self) -> str:
        return self.reason if self.position is None else f"{self.reason} at character {self.position}"


def loads(text: str | bytes, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> Any:
    """The value that the text stands for; bytes are UTF-8.

    A number without a fraction is an int however it is spelled (5, 5.0, 5e0), so that what a table calls an integer is
    one. `max_depth` counts nested arrays and objects; `max_bytes` bounds bytes, or characters of a str. Raises
    JsonError for anything but one JSON value, and for NaN, Infinity, numbers beyond a float, integers beyond 64 bits, a
    name twice in one object, a surrogate without its other half, a byte order mark.
    """
    if len(text) > max_bytes:
        raise JsonError(f"longer than {max_bytes}")
    if not isinstance(text, str):
        text = _decoded(text)
    if text.count("[") + text.count("{") > max_depth:
        _bound_depth(text, max_depth)
    value, end = _scanned(text, len(text) - len(text.lstrip(_SPACE)), _scan)
    if end != len(text) and text[end:].strip(_SPACE):
        raise JsonError("more text after the value", end)
    if not text.isascii() or "\\u" in text:
        _refuse_surrogates(text)
        if "\\u" in text:
            _refuse_surrogates("".join(_encode(value, 0)))
    return value


def loads_own(text: str) -> Any:
    """The value of text that `dumps` made: read quicker, as names and integers need no guard. Raises JsonError."""
    value, end = _scanned(text, 0, _scan_own)
    if end != len(text):
        raise JsonError("more text after the value", end)
    return value


def as_read(text: str) -> Any:
    """The value of text that `dumps` has just made: a copy of what it was given, as it will be read again.

    Without any guard against bad text: never for text from elsewhere. Raises JsonError for endless nesting.
    """
    try:
        return _scan_own(text, 0)[0]
    except RecursionError:
        raise JsonError("nested too deep") from None


def dumps(value: Any) -> str:
    """The value as JSON on one line, without spaces; characters beyond ASCII stand as they are, for UTF-8.

    Raises JsonError for NaN, Infinity, a surrogate without its other half, endless nesting, types that JSON lacks.
    """
    try:
        text = "".join(_encode(value, 0))
    except RecursionError:
        raise JsonError("nested too deep") from None
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, JsonError) else JsonError("not a JSON value") from None
    if not text.isascii():
        _refuse_surrogates(text)
    return text


def _decoded(text: bytes) -> str:
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        position = error.start
    raise JsonError("not UTF-8", position)  # outside the except clause: its error would keep the whole text


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return
    raise JsonError("a surrogate without its other half")


def _bound_depth(text: str, max_depth: int) -> None:
    """Raises JsonError where brackets outside strings nest deeper than `max_depth`; looks at nothing else."""
    depth = at = 0
    while at >= 0:
        quote = text.find('"', at)
        between = text[at:quote] if quote >= 0 else text[at:]
        if between not in (":", ","):
            for character in between:
                if character in "[{":
                    depth += 1
                    if depth > max_depth:
                        raise JsonError(f"nested deeper than {max_depth}")
                elif character in "]}":
                    depth -= 1
        at = _string_end(text, quote) if quote >= 0 else -1


def _string_end(text: str, quote: int) -> int:
    """Where the text goes on after the string that begins at `quote`, -1 if it never ends."""
    while (quote := text.find('"', quote + 1)) >= 0:
        before = quote - 1
        while text[before] == "\\":
            before -= 1
        if (quote - before) % 2:  # an even number of backslashes: the quote is not escaped
            return quote + 1
    return -1


def _whole(digits: str) -> int:
    if len(digits) <= 18:
        return int(digits)
    if len(digits) <= 20 and INT_LEAST <= (number := int(digits)) <= INT_MOST:
        return number
    raise JsonError("an integer beyond 64 bits")


def _number(digits: str) -> float:
    number = float(digits)
    if number.is_integer():
        return int(number) if -_EXACT <= number <= _EXACT else number
    if number - number != 0:
        raise JsonError("a number beyond all floats")
    return number


def _constant(name: str) -> None:
    raise JsonError("NaN and Infinity are no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("a name stands twice in one object")
    return members


def _foreign(value: object) -> None:
    raise JsonError(f"{type(value).__name__} is no JSON type")


class _Syntax(ValueError):
    """What the C scanner raises for bad text, in place of json.decoder.JSONDecodeError."""

    def __init__(self, reason: str, text: str, position: int) -> None:
        self.pos = position


class _Rules:
    """What the C scanner reads its settings from, and the stand-in for the module of which it takes its error."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_int = staticmethod(_whole)
    parse_float = staticmethod(_number)
    parse_constant = staticmethod(_constant)
    JSONDecodeError = _Syntax


class _OwnRules(_Rules):
    object_pairs_hook = None  # type: ignore[assignment]
    parse_int = int  # type: ignore[assignment]


def _scanned(text: str, start: int, scan: Any) -> Any:
    """(the value that begins at `start`, where it ends), by one of the scanners.

    When the text is bad, the C scanner imports json.decoder for its error. While it runs, a stand-in has that place in
    sys.modules; not where json is loaded already, nor where another thread could meet the stand-in.
    """
    modules: dict[str, Any] = sys.modules
    lend = "json" not in modules
    if lend and _python_threads():
        import json  # noqa: F401  # a process with threads is not the lean one

        lend = False
    try:
        if lend:
            modules["json"] = modules["json.decoder"] = _Rules
        return scan(text, start)
    except StopIteration as error:
        position = error.value
    except JsonError:
        raise
    except ValueError as error:  # _Syntax or JSONDecodeError
        position = getattr(error, "pos", start)
    except RecursionError:
        raise JsonError("nested too deep") from None
    finally:
        if lend:
            del modules["json"], modules["json.decoder"]
    raise JsonError("not JSON", position)  # outside the except clause: its error would keep the whole text


def _c_codec() -> tuple[Any, Any, Any]:
    from _json import encode_basestring, make_encoder, make_scanner

    rules: Any = _Rules
    encoder = make_encoder(None, _foreign, encode_basestring, None, ":", ",", False, False, False)
    encoder([{"probe": 1.5}], 0)
    own: Any = _OwnRules
    return make_scanner(rules), make_scanner(own), encoder


def _public_codec() -> tuple[Any, Any, Any]:
    import json

    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_constant
    )
    encoder = json.JSONEncoder(
        check_circular=False, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_foreign
    )
    return (
        decoder.raw_decode,
        json.JSONDecoder(parse_float=_number).raw_decode,
        lambda value, _: encoder.iterencode(value),
    )


try:
    _scan, _scan_own, _encode = _c_codec()
except (ImportError, AttributeError, TypeError):
    _scan, _scan_own, _encode = _public_codec()
