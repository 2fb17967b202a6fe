"""Byte code for the resident process, without what costs memory and does nothing there. Front end only.

Left out: docstrings and asserts (-OO), annotations and what is imported for them, line tables, qualified names. These
are a third of the resident code; and what is equal in the functions of a module is kept once (evse/marshalled.py). What
a crash needs is kept another way: the daemon prints the function, its first line and the offset in it, `line_of()`
turns these into a line.

Run as a child under the daemon's own flags, with `-X pycache_prefix`: what it writes is what the daemon looks for.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

from evse import marshalled

LEVEL = 2


def compile_packages(root: str, packages: Iterable[str], skip: Iterable[str]) -> None:
    """Compiles every module of the packages below `root` except those in the directories `skip`, relative to it."""
    left_out = {os.path.join(root, name) for name in skip}
    for package in packages:
        for directory, folders, names in os.walk(os.path.join(root, package)):
            folders[:] = [name for name in folders if os.path.join(directory, name) not in left_out]
            for name in names:
                if name.endswith(".py"):
                    compile_file(os.path.join(directory, name))


def compile_file(path: str, prefix: str | None = None) -> None:
    """Writes the byte code of one source where the import system looks for it. Raises SyntaxError, OSError.

    `prefix` is the `pycache_prefix` of the process that will look, None for that of this one.
    """
    status = os.stat(path)
    with open(path, "rb") as file:
        source = file.read()
    code = _lean(strip(source, path))
    before, sys.pycache_prefix = sys.pycache_prefix, prefix or sys.pycache_prefix
    target = importlib.util.cache_from_source(path, optimization=LEVEL)
    sys.pycache_prefix = before
    os.makedirs(os.path.dirname(target), exist_ok=True)
    head = struct.pack(
        "<4sIII", importlib.util.MAGIC_NUMBER, 0, int(status.st_mtime) & 0xFFFFFFFF, len(source) & 0xFFFFFFFF
    )
    with open(target + ".new", "wb") as file:
        file.write(head + marshalled.dumps(code))
    os.replace(target + ".new", target)


def strip(source: bytes, path: str) -> CodeType:
    """The code of a source without docstrings, asserts and annotations."""
    tree = ast.fix_missing_locations(_Strip().visit(ast.parse(source, path)))
    code: CodeType = compile(tree, path, "exec", dont_inherit=True, optimize=LEVEL)
    return code


def line_of(path: str, function: str, first_line: int, offset: int) -> int | None:
    """The line of a source that an instruction of a function came from; None if there is none."""
    with open(path, "rb") as file:
        whole = strip(file.read(), path)
    for code in _codes(whole):
        if code.co_name == function and code.co_firstlineno == first_line:
            for start, end, line in code.co_lines():
                if start <= offset < end:
                    return line
    return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _lean(code: CodeType) -> CodeType:
    constants = tuple(_lean(item) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_linetable=b"", co_qualname=code.co_name, co_consts=constants)


class _Strip(ast.NodeTransformer):
    """Takes annotations away, and the imports that are about nothing else."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                argument.annotation = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef: Any = visit_FunctionDef

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node))

    def visit_If(self, node: ast.If) -> Any:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.module == "__future__" and [name.name for name in node.names] == ["annotations"]:
            return ast.copy_location(ast.Pass(), node)
        return node


def main(root: str, skip: str, *packages: str) -> None:
    """The child: compiles, then imports what the daemon imports, so that the standard library's part is there too."""
    compile_packages(root, packages, skip.split())
    __import__("evse.daemon")


if __name__ == "__main__":
    main(*sys.argv[1:])
