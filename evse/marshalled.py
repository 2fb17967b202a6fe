"""Code as `marshal` writes it, with equal parts as one object. Front end only.

The compiler makes the constants, the names of variables and their kinds anew for each function, though most are the
same; `marshal` keeps as one only what is one already. Written as one they are loaded as one, by any interpreter.

The format is that of CPython's Python/marshal.c from 3.11 to 3.14: a letter, the value, and in the letter's highest bit
whether later parts may refer to this one by its number.
"""

from __future__ import annotations

import marshal
import struct
from types import CodeType
from typing import Any

_INT = struct.Struct("<i")
_MAY_BE_MEANT = 0x80
_REFERENCE, _CODE, _NUMBER = b"rcl"
_SINGLE = b"NTFS."
_FIXED = {**dict.fromkeys(_SINGLE, 0), ord("i"): 4, ord("g"): 8, ord("y"): 16}
# Their size is in front, in four bytes or in one.
_BYTES, _LIST = b"stuaAzZ", b"([<>)"
_ONE_BYTE = b"zZ)"
# Five numbers; code, constants, names, variables, their kinds, file, two names; first line; line and exception tables.
_NUMBERS_BYTES, _BEFORE_LINE, _AFTER_LINE = 20, 8, 2
_LINE = 0  # no letter

# Letter, value, parts.
_Part = tuple[int, bytes, tuple[Any, ...]]


def dumps(code: CodeType) -> bytes:
    """The code marshalled; of an interpreter whose format is another, as it writes it itself."""
    plain = marshal.dumps(code)
    try:
        text: list[bytes] = []
        _write(_Reader(plain).part(), text, {})
        shared = b"".join(text)
        return shared if marshal.loads(shared) == code else plain
    except (ValueError, EOFError, TypeError, LookupError, struct.error):
        return plain


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._meant: list[Any] = []

    def part(self) -> _Part:
        letter = self._take(1)[0]
        kind = letter & ~_MAY_BE_MEANT
        if kind == _REFERENCE:
            found: _Part = self._meant[self._number(self._take(4))]
            return found
        number = len(self._meant)
        if letter & _MAY_BE_MEANT:
            self._meant.append(None)
        part = self._value(kind)
        if letter & _MAY_BE_MEANT:
            self._meant[number] = part
        return part

    def _value(self, kind: int) -> _Part:
        if kind in _FIXED:
            return kind, self._take(_FIXED[kind]), ()
        if kind == _CODE:
            value = self._take(_NUMBERS_BYTES)
            parts = self._parts(_BEFORE_LINE)
            line: _Part = (_LINE, self._take(4), ())
            return kind, value, (*parts, line, *self._parts(_AFTER_LINE))
        size = self._take(1 if kind in _ONE_BYTE else 4)
        count = size[0] if kind in _ONE_BYTE else self._number(size)
        if kind in _BYTES:
            return kind, size + self._take(count), ()
        if kind == _NUMBER:
            return kind, size + self._take(2 * abs(count)), ()
        if kind in _LIST:
            return kind, size, self._parts(count)
        raise ValueError(f"marshal: {chr(kind)!r} is not known")

    def _parts(self, count: int) -> tuple[_Part, ...]:
        return tuple(self.part() for _ in range(count))

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    @staticmethod
    def _number(data: bytes) -> int:
        number: int = _INT.unpack(data)[0]
        return number


def _write(part: _Part, text: list[bytes], written: dict[_Part, int]) -> None:
    """`written`: the parts that may be meant, by their numbers."""
    kind, value, parts = part
    if kind == _LINE:
        text.append(value)
        return
    if kind not in _SINGLE and kind != _CODE:
        if part in written:
            text.append(bytes([_REFERENCE]) + _INT.pack(written[part]))
            return
        written[part] = len(written)
        kind |= _MAY_BE_MEANT
    text.append(bytes([kind]) + value)
    for inner in parts:
        _write(inner, text, written)
