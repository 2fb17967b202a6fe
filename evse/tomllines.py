"""Where each table and key of a TOML file stands: tomllib gives values, people want lines."""

from __future__ import annotations

import re
from typing import Any

Path = tuple[Any, ...]

_HEADER = re.compile(r"\s*(\[\[?)(.*?)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def place_of(file: str | None, path: Path) -> str:
    """ "file:line: " of what stands at `path` or around it; "file: " where no line is known, "" without a file."""
    if file is None:
        return ""
    try:
        with open(file, encoding="utf-8") as source:
            lines = lines_of(source.read())
    except (OSError, UnicodeDecodeError):
        lines = {}
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"{file}:{lines[path[:length]]}: "
    return f"{file}: "


def lines_of(source: str) -> dict[Path, int]:
    """Path of each table and key -> its line; members of arrays of tables are counted from 0."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    closing = None  # what ends the multi-line string that we are in
    depth = 0  # open brackets of a value
    for number, line in enumerate(source.splitlines(), 1):
        rest = line
        if closing is None and depth == 0:
            if header := _HEADER.match(line):
                table = _table(header[1], _parts(header[2]), counts)
                lines.setdefault(table, number)
                continue
            key = _KEY.match(line)
            if key:
                parts = _parts(key[1])
                for length in range(1, len(parts) + 1):
                    lines.setdefault((*table, *parts[:length]), number)
                rest = line[key.end() :]
        closing, depth = _skip_value(rest, closing, depth)
    return lines


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") if part[0] in "\"'" else part for part in _PART.findall(dotted))


def _table(bracket: str, parts: Path, counts: dict[Path, int]) -> Path:
    """The path of a header, with the index of the present member after each array of tables."""
    path: Path = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if bracket == "[[" and index == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _skip_value(text: str, closing: str | None, depth: int) -> tuple[str | None, int]:
    """How a line of a value leaves off: the mark that ends an open multi-line string, and the open brackets."""
    at = 0
    while at < len(text):
        if closing is not None:
            end = text.find(closing, at)
            if end < 0:
                return (closing, depth) if len(closing) == 3 else (None, depth)
            at = end + len(closing)
            closing = None
            continue
        three, one = text[at : at + 3], text[at]
        if three in ('"""', "'''"):
            closing, at = three, at + 3
        elif one in "\"'":
            closing, at = one, at + 1
        elif one == "#":
            break
        else:
            depth += (one in "[{") - (one in "]}")
            at += 1
    return (closing if closing is not None and len(closing) == 3 else None), max(depth, 0)
