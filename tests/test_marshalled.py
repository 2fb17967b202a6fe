"""Marshalled code: what is equal is one object when it is loaded, and nothing else is changed."""

from __future__ import annotations

import marshal
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from evse import marshalled
from evse.bytecode import _codes, _lean, strip

ROOT = Path(__file__).parents[1]
CONSTANTS = (
    "1, True, 1.0, 0.0, -0.0, 1j, 2**15, -(2**70), 10**30, None, ..., 'a', 'ä', 'a b', b'a', '', b'', 'x' * 300, "
    "(1, (True, 1.0)), (1, (1, 1.0)), 'as a name', 'as_a_name'"
)
SOURCE = f"""
def first(a, b=1, *rest, c, **more):
    return [{CONSTANTS}], a, b, c, rest, more

def second(a, b=1, *rest, c, **more):
    return [{CONSTANTS}], a, b, c, rest, more

def kinds(a):
    def inner():
        return a in {{1, 2}}
    return inner()

class Thing:
    def first(self, x): return (self, x, 7000)
    def second(self, x): return (self, x, 7000)
"""


def loaded(source: str = SOURCE) -> tuple[CodeType, CodeType]:
    code = _lean(strip(source.encode(), "thing.py"))
    return code, marshal.loads(marshalled.dumps(code))


def names(code: CodeType) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "thing"}
    exec(code, space)
    return space


def test_constants_stay_what_they_are() -> None:
    before, after = map(names, loaded())
    for name in ("first", "second"):
        expected, found = before[name](1, 2, 3, c=4, d=5), after[name](1, 2, 3, c=4, d=5)
        assert repr(found) == repr(expected)
    assert after["kinds"](1) is True and after["kinds"](3) is False
    assert after["Thing"]().second(1)[1:] == (1, 7000)


def test_what_is_equal_is_one_object() -> None:
    _, after = loaded()
    functions = [code for code in _codes(after) if code.co_name == "first"]
    equal = [code for code in _codes(after) if code.co_name == "second"]
    for one, other in zip(functions, equal, strict=True):
        assert one.co_consts is other.co_consts and one.co_names is other.co_names


def test_the_whole_program_is_written_so_and_smaller() -> None:
    """None of its modules is left as the interpreter writes it, so all of the format is known."""
    plain, shared = 0, 0
    for path in sorted((ROOT / "evse" / "ocpp").rglob("*.py")):
        code = _lean(strip(path.read_bytes(), str(path)))
        written = marshalled.dumps(code)
        assert marshal.loads(written) == code
        if code.co_consts != (None,):  # an empty module
            assert written != marshal.dumps(code), path
        plain += len(marshal.dumps(code))
        shared += len(written)
    assert shared < plain


@pytest.mark.parametrize("data", [b"", b"\xe3", b"?", b"(\x01\x00\x00\x00", b"r\x00\x00\x00\x00", b"i\x01\x00", b"N"])
def test_a_format_that_is_not_known_stays_as_it_is(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile("1", "x", "exec")
    monkeypatch.setattr(marshal, "dumps", lambda code: data)
    assert marshalled.dumps(code) == data
