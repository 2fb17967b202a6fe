"""The message tables: what generates them, what compiles them, and the compiled file."""

import marshal
import os
import random
import shutil

import pytest

from evse.errors import StoreError
from evse.ocpp.schema import ACTIONS, STRING_MOST, SchemaError, Tables
from evse.ocpp.tables import compile, generate
from evse.shell.tablefile import TableFile
from tests.support import payloads

VERSIONS = ("1.6", "2.0.1", "2.1")


def test_the_committed_files_are_the_generated_ones():
    for path, text in generate.generated().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run python -m evse.ocpp.tables.generate"


def test_a_change_to_a_committed_file_is_noticed(monkeypatch, tmp_path, capsys):
    for directory in ("tables", "typed"):
        (tmp_path / directory).mkdir()
    shutil.copy(generate.HERE / "errata.txt", tmp_path / "tables")
    monkeypatch.setattr(generate, "HERE", tmp_path / "tables")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    capsys.readouterr()
    with open(tmp_path / "tables/v21.txt", "a") as file:
        file.write("\n")
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == f"differs: {os.path.join('tables', 'v21.txt')}\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_line_says_from_what_and_by_what(version):
    first = compile.text(version).decode().splitlines()[0]
    assert "generate.py" in first and "PyPI package ocpp" in first


def test_errata_change_what_the_package_says():
    meter_values = generate.schemas("1.6")["MeterValuesRequest"]["properties"]["meterValue"]
    sampled = meter_values["items"]["properties"]["sampledValue"]
    assert "Hertz" not in sampled["items"]["properties"]["unit"]["enum"]
    assert "Celcius" in sampled["items"]["properties"]["unit"]["enum"]
    assert "minItems" not in sampled and "minItems" not in meter_values
    assert generate.schemas("2.0.1")["Get15118EVCertificateResponse"]["properties"]["exiResponse"]["maxLength"] == 5600
    assert generate.schemas("2.1")["Get15118EVCertificateResponse"]["properties"]["exiResponse"]["maxLength"] == 17000


@pytest.mark.parametrize("line", ["a maxLength 5", "a maxLength -", "b maxLength 6", "c enum -w"])
def test_an_erratum_that_changes_nothing_is_an_error(line):
    schema = {"properties": {"a": {"maxLength": 5}, "b": {}, "c": {"enum": ["v"]}}}
    if line == "a maxLength -":
        generate._correct(schema, *line.split())
    with pytest.raises((ValueError, KeyError)):
        generate._correct(schema, *line.split())


def test_a_keyword_that_the_tool_does_not_know_is_an_error():
    for schema in (
        {"type": "object", "patternProperties": {}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}},
        {"type": "object", "properties": {"a": {"type": "integer", "exclusiveMinimum": 5}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}},
    ):
        with pytest.raises(ValueError, match="does not know"):
            generate._Tabulator().message("X", {"$schema": "http://json-schema.org/draft-06/schema#", **schema})


def test_a_type_with_two_meanings_is_an_error():
    tabulator = generate._Tabulator()
    draft = {"$schema": "http://json-schema.org/draft-06/schema#", "type": "object"}
    tabulator.message("X", {**draft, "definitions": {"T": {"type": "string", "enum": ["a"]}}})
    with pytest.raises(ValueError, match="two meanings"):
        tabulator.message("Y", {**draft, "definitions": {"T": {"type": "string", "enum": ["b"]}}})


def test_parse():
    table = b"""
# a comment
draft 4
ARequest one:int! list:string(5)[1..3]! step:number(/0.1) range:int(-1..) low:number(..0) sub:T[] *
AResponse
T word:Words when:date-time where:uri free:any flag:bool text:string
draft 6
BRequest one:int!
BResponse
Words = a b.c d-e
Alone t:T
"""
    types = compile.parse(table)
    assert types["A"] == (
        {"one": 2, "list": (STRING_MOST + 5, 1, 3), "step": (4, None, None, 10), "range": (2, -1.0, None, None),
         "low": (4, None, 0.0, None), "sub": ("T", 0, None)},
        ("one", "list"), True,
    )  # fmt: skip
    assert types["B"] == ({"one": 3}, ("one",), False)
    assert types["Words"] == " a b.c d-e "
    assert types["T"][0] == {"word": "Words", "when": 6, "where": 7, "free": 0, "flag": 1, "text": 5}
    assert types[ACTIONS] == " A Alone B "


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("draft 6\nARequest x\nAResponse", "line 2"),
        ("draft 5", "line 1"),
        ("draft", "line 1"),
        ("A x:string(abc)", "line 1"),
        ("A x:int(5)", "line 1"),
        ("A x:int[3]", "line 1"),
        ("A x:number(/0.3)", "line 1"),
        ("A x:B\nB y:A", "contains itself"),
        ("A x:A[]", "contains itself"),
        ("A x:Nowhere", "names Nowhere"),
        ("ARequest", "without response"),
        ("AResponse", "without response"),
        ("A\nA x:int", "line 2.*twice"),
    ],
)
def test_parse_refuses(table, words):
    with pytest.raises(ValueError, match=words):
        compile.parse(table.encode())


@pytest.fixture
def compiled(tmp_path):
    return compile.compile_tables(str(tmp_path))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_compiled_file_gives_the_same_types_as_the_text(compiled, version):
    file = TableFile(compiled[version])
    blobs = compile.blobs(version)
    types = compile.parse(compile.text(version))
    for name, blob in blobs.items():
        assert file.read(name) == blob
        assert marshal.loads(blob) == types[name]
    for name in ("", "Nonsense", "Reset 5", "\n", "Rese", "\u00e9", "\ud800", "x" * 10_000):
        assert file.read(name) is None
    file.close()
    file.close()


def test_check_over_a_file(compiled):
    tables = Tables("2.0.1", TableFile(compiled["2.0.1"]).read)
    rng = random.Random(5)
    for name, schema in generate.schemas("2.0.1").items():
        tables.check(name, payloads.valid(schema, rng))
    with pytest.raises(SchemaError):
        tables.check("Reset", {"type": "Later"})
    assert tables.knows("Reset") and not tables.knows("Reset 5")


def test_a_current_file_is_left_alone(compiled, tmp_path):
    before = {path: os.stat(path).st_mtime_ns for path in compiled.values()}
    assert compile.compile_tables(str(tmp_path), ("1.6",)) == {"1.6": compiled["1.6"]}
    compile.compile_tables(str(tmp_path))
    assert {path: os.stat(path).st_mtime_ns for path in compiled.values()} == before
    assert sorted(os.listdir(tmp_path)) == ["v16.tables", "v201.tables", "v21.tables"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content[:100] + b"\0" + content[101:],
        lambda content: b"evse-tab1 3.10".ljust(16, b"\0") + content[16:],
        lambda content: content[:16] + b"\0\0\0\0" + content[20:],  # another text
        lambda content: content + b"\0",
    ],
)
def test_a_damaged_or_stale_file_is_made_anew(compiled, tmp_path, damage):
    path = compiled["2.1"]
    with open(path, "rb") as file:
        good = file.read()
    assert damage(good) != good
    with open(path, "wb") as file:
        file.write(damage(good))
    compile.compile_tables(str(tmp_path))
    with open(path, "rb") as file:
        assert file.read() == good


def test_the_daemon_refuses_a_file_of_another_python(compiled):
    with open(compiled["1.6"], "r+b") as file:
        file.write(b"evse-tab1 2.7\0\0\0")
    with pytest.raises(StoreError, match="this Python"):
        TableFile(compiled["1.6"])


def test_the_daemon_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match=r"v16\.tables"):
        TableFile(str(tmp_path / "v16.tables"))


def test_compiling_into_nowhere_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        compile.compile_tables(str(tmp_path / "nowhere"))
