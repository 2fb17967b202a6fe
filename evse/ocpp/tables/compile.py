"""Compiles the message tables to one file a version, of which the daemon reads one type at a time.

A compiled file: 32 bytes of header (magic with the Python version, because marshal differs between them; checksum of
the text table; checksum of what follows the header; place and length of the index), the marshalled types, the index.
A marshalled type is what `evse.ocpp.schema` describes under "Shapes"; `evse.shell.tablefile` reads the file.
"""

from __future__ import annotations

import functools
import marshal
import os
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any

from evse.ocpp.schema import ACTIONS, ANY, BOOL, DATE_TIME, INT, NUMBER, STRING, STRING_MOST, URI, WHOLE
from evse.shell.tablefile import MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
HEADER = struct.Struct("<16sIIII")
_SIMPLE = {"any": ANY, "bool": BOOL, "number": NUMBER, "string": STRING, "date-time": DATE_TIME, "uri": URI}


def text(version: str) -> bytes:
    """The text table of one version: "1.6", "2.0.1" or "2.1"."""
    return source(FILES[version] + ".txt")


def source(name: str) -> bytes:
    """A file beside this module; a lean image has it compressed (yocto/lean)."""
    path = os.path.join(os.path.dirname(__file__), name)
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        with open(path + ".z", "rb") as file:
            return zlib.decompress(file.read())


def parse(table: bytes) -> dict[str, Any]:
    """Name -> type, in the shapes of `evse.ocpp.schema`; a request goes by its action, under ACTIONS stand all actions.

    Raises ValueError with the line that has no meaning, names a type that is not there, or contains itself.
    """
    types: dict[str, Any] = {}
    integer = INT
    for number, line in enumerate(table.decode().splitlines(), 1):
        words = line.split()
        try:
            if not words or line.startswith("#"):
                continue
            if words[0] in types:
                raise ValueError("stands there twice")
            if words[0] == "draft":
                integer = {"4": INT, "6": WHOLE}[words[1]]
            elif words[1:2] == ["="]:
                types[words[0]] = f" {' '.join(words[2:])} "
            else:
                types[words[0]] = _members(words[1:], integer)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"line {number}: {line[:60]}: {error}") from None
    for name in types:
        _depth(types, name, ())
    requests = {name.removesuffix("Request") for name in types if name.endswith("Request")}
    answers = {name.removesuffix("Response") for name in types if name.endswith("Response")}
    if answers != requests:
        raise ValueError(f"a request without response or the reverse: {sorted(answers ^ requests)}")
    named = {_target(rule) for type_ in types.values() if type(type_) is tuple for rule in type_[0].values()}
    alone = {name for name in types if name not in named and not name.endswith(("Request", "Response"))}
    types = {name.removesuffix("Request"): type_ for name, type_ in types.items()}
    types[ACTIONS] = f" {' '.join(sorted(requests | alone))} "
    return types


def _members(words: list[str], integer: int) -> tuple[dict[str, Any], tuple[str, ...], bool]:
    members: dict[str, Any] = {}
    required = []
    open_ = words[-1:] == ["*"]
    for word in words[:-1] if open_ else words:
        name, colon, rule = word.partition(":")
        if not colon:
            raise ValueError(f"{word} is no member")
        name = sys.intern(name)  # one copy of a name for all types that the daemon keeps
        if rule.endswith("!"):
            required.append(name)
        members[name] = _rule(rule.removesuffix("!"), integer)
    return members, tuple(required), open_


def _rule(word: str, integer: int) -> Any:
    if word.endswith("]"):
        item, _, bounds = word[:-1].rpartition("[")
        least, most = _bounds(bounds)
        return (_rule(item, integer), int(least or 0), None if most is None else int(most))
    kind, bracket, bounds = word.partition("(")
    if kind == "string" and bracket:
        return STRING_MOST + int(bounds[:-1])
    if kind in ("int", "number"):
        base = integer if kind == "int" else NUMBER
        if not bracket:
            return base
        if bounds.startswith("/"):
            parts = round(1 / float(bounds[1:-1]))
            if float(bounds[1:-1]) != 1 / parts:
                raise ValueError(f"{word}: the step must be one over a whole number")
            return (base, None, None, parts)
        return (base, *_bounds(bounds[:-1]), None)
    return _SIMPLE[word] if word in _SIMPLE else sys.intern(word)


def _bounds(word: str) -> tuple[float | None, float | None]:
    if not word:
        return None, None
    least, dots, most = word.partition("..")
    if not dots:
        raise ValueError(f"{word} is no range")
    return (float(least) if least else None), (float(most) if most else None)


def _target(rule: Any) -> Any:
    return _target(rule[0]) if type(rule) is tuple else rule


def _depth(types: dict[str, Any], name: str, above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"{name} contains itself")
    if name not in types:
        raise ValueError(f"{above[-1]} names {name}, which is not there")
    if type(types[name]) is tuple:
        for rule in types[name][0].values():
            if type(target := _target(rule)) is str:
                _depth(types, target, (*above, name))


def blobs(version: str) -> dict[str, bytes]:
    """The marshalled types of one version in memory; `Tables(version, blobs(version).get)` checks with them."""
    return _marshalled(text(version))


def _marshalled(source: bytes) -> dict[str, bytes]:
    return {name: marshal.dumps(type_) for name, type_ in parse(source).items()}


def compile_tables(directory: str, versions: tuple[str, ...] = tuple(FILES)) -> dict[str, str]:
    """Brings `<directory>/<file>.tables` up to date for each version; version -> path.

    The directory must exist. Raises OSError where a file cannot be written.
    """
    paths = {}
    for version in versions:
        paths[version] = path = os.path.join(directory, FILES[version] + ".tables")
        source = text(version)
        bring_up_to_date(path, source, functools.partial(_marshalled, source))
    return paths


def bring_up_to_date(path: str, source: bytes, make: Callable[[], dict[str, bytes]]) -> None:
    """Writes the entries that `make` gives, unless the file is whole and made from the same source by the same Python.

    The names of entries are identifiers. Raises OSError where it cannot be written.
    """
    stamp = zlib.crc32(source)
    if _is_current(path, stamp):
        return
    at = HEADER.size
    index = "\n"
    body = b""
    for name, blob in make().items():
        index += f"{name} {at} {len(blob)}\n"
        body += blob
        at += len(blob)
    body += index.encode()
    with open(path + ".new", "wb") as file:
        file.write(HEADER.pack(MAGIC, stamp, zlib.crc32(body), at, len(index)) + body)
    os.replace(path + ".new", path)


def _is_current(path: str, stamp: int) -> bool:
    try:
        with open(path, "rb") as file:
            content = file.read()
        magic, of, crc, _, _ = HEADER.unpack_from(content)
    except (OSError, struct.error):
        return False
    return bool(magic == MAGIC and of == stamp and crc == zlib.crc32(content[HEADER.size :]))
