"""JSON text: what comes in is one value or one JsonError; what goes out is JSON."""

import importlib.util
import json
import random
import subprocess
import sys

import pytest

import evse.jsontext


def _without_c_codec():
    """evse.jsontext as it loads where the interpreter has no `_json`."""
    spec = importlib.util.spec_from_file_location("jsontext_public", evse.jsontext.__file__)
    module = importlib.util.module_from_spec(spec)
    present = sys.modules.get("_json")
    sys.modules["_json"] = None
    try:
        spec.loader.exec_module(module)
    finally:
        if present is None:
            del sys.modules["_json"]
        else:
            sys.modules["_json"] = present
    return module


@pytest.fixture(params=["c", "public"])
def jsontext(request):
    return evse.jsontext if request.param == "c" else _without_c_codec()


def test_the_two_codecs_are_different_code(jsontext):
    assert (evse.jsontext._scan is jsontext._scan) == (jsontext is evse.jsontext)
    assert type(evse.jsontext._scan).__module__ == "_json"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1, -2, 0.5, true, false, null, "x"]} \r\n', {"a": [1, -2, 0.5, True, False, None, "x"]}),
        ("0", 0),
        ('"\\ud83d\\ude00 \\u00e9 \\"[{"', '\U0001f600 \xe9 "[{'),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        (b'"\xc3\xa9"', "\xe9"),
        ("1e300", 1e300),
    ],
)
def test_loads(jsontext, text, value):
    assert jsontext.loads(text) == value


def test_a_number_without_fraction_is_an_int(jsontext):
    values = jsontext.loads("[5.0, 5e0, -0.0, 9007199254740992.0, 0.5, 1e17]")
    assert values == [5, 5, 0, 2**53, 0.5, 1e17]
    assert [type(value) for value in values] == [int, int, int, int, float, float]


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("", "not JSON", 0),
        ("   ", "not JSON", 3),
        ("[", "not JSON", 1),
        ("{'a':1}", "not JSON", 1),
        ('{"a" 1}', "not JSON", 5),
        ('"secret', "not JSON", 0),
        ('"\x01"', "not JSON", 1),
        ('"\\x"', "not JSON", None),
        ("nul", "not JSON", 0),
        ("[1] x", "more text after the value", 3),
        ("[NaN]", "NaN and Infinity are no JSON", None),
        ("Infinity", "NaN and Infinity are no JSON", None),
        ("[-Infinity]", "NaN and Infinity are no JSON", None),
        ("1e999", "a number beyond all floats", None),
        ("-1e999", "a number beyond all floats", None),
        ("9223372036854775808", "an integer beyond 64 bits", None),
        ("-9223372036854775809", "an integer beyond 64 bits", None),
        ("[" + "1" * 5000 + "]", "an integer beyond 64 bits", None),
        ('{"a":1,"b":{"c":1,"c":1}}', "a name stands twice in one object", None),
        ('{"a":1,"\\u0061":1}', "a name stands twice in one object", None),
        ('"\\ud800"', "a surrogate without its other half", None),
        ('{"a\\udc00":1}', "a surrogate without its other half", None),
        ('{"a":["\\udfff\\ud800"]}', "a surrogate without its other half", None),
        ('"\ud800"', "a surrogate without its other half", None),
        (b'"\xff"', "not UTF-8", 1),
        (b'"\xed\xa0\x80"', "not UTF-8", 1),
        (b"\xef\xbb\xbf[]", "not JSON", 0),
        ("\ufeff[]", "not JSON", 0),
        ("[]".encode("utf-16"), "not UTF-8", 0),
        ("[]".encode("utf-16-le"), "not JSON", 1),
    ],
)
def test_loads_refuses(jsontext, text, reason, position):
    with pytest.raises(jsontext.JsonError) as caught:
        jsontext.loads(text)
    error = caught.value
    assert error.reason == reason
    assert position is None or error.position == position
    assert "secret" not in str(error)
    assert error.__cause__ is None and error.__context__ is None


def test_depth_is_bounded_before_parsing(jsontext, monkeypatch):
    monkeypatch.setattr(jsontext, "_scan", lambda text, start: pytest.fail("parsed"))
    for text in ("[" * 33 + "]" * 33, '{"a":' * 33 + "1" + "}" * 33, "[" * 100_000):
        with pytest.raises(jsontext.JsonError, match="deeper than 32"):
            jsontext.loads(text)


def test_depth_counts_brackets_outside_strings_only(jsontext):
    deep = "[" * 32 + "]" * 32
    assert jsontext.loads(deep)
    assert jsontext.loads(json.dumps(["[" * 99, '"[{' * 50, "\\" * 7 + '"' + "[" * 50, "\\"])) is not None
    assert jsontext.loads("[" + "[],{}," * 50 + "1]") is not None
    with pytest.raises(jsontext.JsonError, match="deeper than 3"):
        jsontext.loads('["\\\\",[[[0]]]]', max_depth=3)
    assert jsontext.loads('["\\\\",[[0]]]', max_depth=3) == ["\\", [[0]]]


def test_depth_agrees_with_the_value(jsontext):
    """Over generated texts, `max_depth` refuses exactly what nests deeper."""
    rng = random.Random(1)

    def value(levels):
        if levels == 0 or rng.random() < 0.3:
            return rng.choice([1, "a", '"', '\\"[', "}{", "\\", "\\\\", ""])
        inner = [value(levels - 1) for _ in range(rng.randrange(4))]
        return inner if rng.random() < 0.5 else {f'"{{{i}': item for i, item in enumerate(inner)}

    def depth(item):
        if not isinstance(item, (list, dict)):
            return 0
        return 1 + max(map(depth, item.values() if isinstance(item, dict) else item), default=0)

    for _ in range(500):
        item = value(6)
        text = json.dumps(item)
        assert jsontext.loads(text, max_depth=depth(item)) == item
        if depth(item):
            with pytest.raises(jsontext.JsonError, match="deeper"):
                jsontext.loads(text, max_depth=depth(item) - 1)


def test_size_is_bounded(jsontext):
    assert jsontext.loads("[1]", max_bytes=3) == [1]
    with pytest.raises(jsontext.JsonError, match="longer than 2"):
        jsontext.loads(b"[1]", max_bytes=2)


def test_dumps_is_compact_and_readable(jsontext):
    assert jsontext.dumps({"a": [1, 2.5, None, True], "b": "\xe9\"\\\n\u2028"}) == (
        '{"a":[1,2.5,null,true],"b":"\xe9\\"\\\\\\n\u2028"}'
    )


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], "\ud800", {"\udc00": 1}, b"bytes", {1, 2}, {(1, 2): 3}, {"a": object()}],
    ids=lambda value: type(value).__name__,
)
def test_dumps_refuses(jsontext, value):
    with pytest.raises(jsontext.JsonError):
        jsontext.dumps(value)


def test_dumps_refuses_a_value_inside_itself(jsontext):
    value = []
    value.append(value)
    with pytest.raises(jsontext.JsonError, match="nested too deep"):
        jsontext.dumps(value)


def test_the_lean_process_never_loads_json():
    """Bad text leaves neither the package nor the stand-in behind, and json can be imported afterwards."""
    program = """
import sys
from evse import jsontext
for text in ('[', '"x', '{"a" 1}', '"\\x01"', '', '[1,]', '[NaN]', '1e999'):
    try:
        jsontext.loads(text)
    except jsontext.JsonError as error:
        continue
    raise SystemExit(f"accepted {text}")
loaded = [name for name in sys.modules if name.split('.')[0] in ('json', 're', 'enum')]
assert not loaded, loaded
import json
assert json.loads('[1]') == [1]
try:
    json.loads('[')
except json.JSONDecodeError as error:
    assert error.pos == 1
try:
    jsontext.loads('[')
except jsontext.JsonError as error:
    assert error.position == 1
"""
    subprocess.run([sys.executable, "-S", "-c", program], check=True, timeout=60)


def test_a_process_with_threads_meets_no_stand_in():
    program = """
import sys, _thread
from evse import jsontext
lock = _thread.allocate_lock()
lock.acquire()
_thread.start_new_thread(lock.acquire, ())
while not _thread._count():
    pass
try:
    jsontext.loads('[')
except jsontext.JsonError:
    pass
lock.release()
assert hasattr(sys.modules['json.decoder'], 'JSONDecoder')
"""
    subprocess.run([sys.executable, "-S", "-c", program], check=True, timeout=60)


def test_any_text_is_a_value_that_json_agrees_with_or_a_json_error(jsontext):
    rng = random.Random(6)
    seeds = ['[2,"id",{"a":[1,-2.5e3,true,null],"b\\"":"\\u00e9\\ud83d\\ude00 x"}]', '{"k":{"l":[[],{},""]}}', "-0.5"]
    pieces = ["", *'[]{}",:\\ 0-.eEu\x00\t\xe9\ud800', "NaN"]
    accepted = 0
    for _ in range(5000):
        text = rng.choice(seeds)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(pieces) + text[at + rng.randrange(3) :]
        try:
            value = jsontext.loads(text)
        except jsontext.JsonError:
            continue
        assert value == json.loads(text)
        assert jsontext.loads(jsontext.dumps(value)) == value
        accepted += 1
    assert 100 < accepted < 4000


def test_own_text_is_read_without_guards_but_not_without_sense(jsontext):
    value = {"a": [1 << 70, 5, 0.5, "\u00e9", None, True], "b": {}}
    assert jsontext.loads_own(jsontext.dumps(value)) == value
    assert jsontext.as_read(jsontext.dumps(value)) == value
    with pytest.raises(jsontext.JsonError, match="too deep"):
        jsontext.as_read("[" * 200_000)
    for text in ('{"a":1', '{"a":1}x', "", "nonsense"):
        with pytest.raises(jsontext.JsonError):
            jsontext.loads_own(text)
