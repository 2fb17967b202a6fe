"""The rules of what may import what, read from the source without running it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What the resident station process must never load, each for the memory that it and what it drags along take.
FORBIDDEN = frozenset(
    """
    abc argparse ast asyncio base64 collections concurrent contextlib copy cryptography csv ctypes dataclasses datetime
    decimal email enum fnmatch fractions functools glob gzip hashlib http importlib.metadata inspect json locale logging
    multiprocessing pathlib periphery platform pprint queue random re secrets selectors serial shlex shutil signal
    socket socketserver sqlite3 ssl statistics string subprocess tempfile textwrap threading tomllib traceback typing
    typing_extensions urllib uuid warnings weakref websockets zipfile
    """.split()
)
# Directories and modules of the resident process, without those that only the front end, tools and children load.
RESIDENT = ("evse/", "hal/")
NOT_RESIDENT = (
    "evse/__main__.py",
    "evse/boards.py",
    "evse/bytecode.py",
    "evse/check.py",
    "evse/cli",
    "evse/commands/",
    "evse/csms/",
    "evse/demo.py",
    "evse/hardware.py",
    "evse/marshalled.py",
    "evse/ocpp/messages.py",
    "evse/ocpp/tables/",
    "evse/ocpp/typed/",
    "evse/prepare.py",
    "evse/settings.py",
    "evse/shell/children/",
    "evse/stationfile.py",
    "evse/tomllines.py",
    "hal/boardfile.py",
    "hal/boardschema.py",
    "hal/inventory.py",
    "hal/machine.py",
    "hal/meterfile.py",
    "hal/meterscan.py",
    "hal/outputs_off.py",
    "hal/permissions.py",
)
SANS_IO = ("evse/ocpp/", "evse/charging/", "evse/model.py")
HOST_SIDE = ("evse/ocpp/messages.py", "evse/ocpp/tables/", "evse/ocpp/typed/")
CRYPTO_CHILD = "evse/shell/children/crypto"


class _Imports(ast.NodeVisitor):
    """The modules that a source imports: `all`, and `loaded`, those that importing it loads."""

    def __init__(self, path, source):
        self.package = path.split("/")[:-1]
        self.all = set()
        self.loaded = set()
        self.calls = set()  # dotted names of what is called
        self._loads = True
        self.visit(ast.parse(source))

    def _add(self, names):
        self.all |= names
        if self._loads:
            self.loaded |= names

    def visit_Import(self, node):
        self._add({alias.name for alias in node.names})

    def visit_ImportFrom(self, node):
        base = self.package[: len(self.package) - node.level + 1] if node.level else []
        base = [*base, *(node.module.split(".") if node.module else [])]
        self._add({".".join(base)} | {".".join([*base, alias.name]) for alias in node.names})

    def visit_Call(self, node):
        called = ast.unparse(node.func)
        self.calls.add(called)
        if called in ("__import__", "import_module", "importlib.import_module"):
            self._add({argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)})
        self.generic_visit(node)

    def _later(self, node):
        self._loads, before = False, self._loads
        self.generic_visit(node)
        self._loads = before

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _later
    visit_ExceptHandler = _later  # the fallback where a module of the interpreter is not there

    def visit_If(self, node):
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)


def _of(names, *modules):
    """Those of the names that are one of the modules or within it."""
    return {name for name in names if any(name == module or name.startswith(module + ".") for module in modules)}


def _within(path, places, exceptions=()):
    return path.startswith(tuple(places)) and not path.startswith(tuple(exceptions))


def problems(path, source):
    """What the module at `path` (from the root, with slashes) does against the rules, as text."""
    imports = _Imports(path, source)
    found = []

    def refuse(names, why):
        found.extend(f"{path}: {name}: {why}" for name in sorted(names))

    if _within(path, SANS_IO, HOST_SIDE):
        refuse(_of(imports.all, "asyncio", "websockets", "ssl", "socket", "_socket", "_ssl", "hal"), "is sans-I/O")
        refuse(_of(imports.all, "time.sleep", "io", "select"), "is sans-I/O")
        refuse(imports.calls & {"open", "time.sleep", "io.open", "os.open"}, "is sans-I/O")
    if _within(path, ["hal/"]):
        refuse(_of(imports.all, "evse"), "hal knows nothing of evse")
    if _within(path, ["evse/charging/"]):
        refuse(_of(imports.all, "evse.ocpp"), "charging and ocpp meet in app.py")
    if _within(path, ["evse/ocpp/"]):
        refuse(_of(imports.all, "evse.charging"), "charging and ocpp meet in app.py")
    if _within(path, ["evse/ocpp/blocks/"]) and path.count("/") > 3:
        own = "evse.ocpp.blocks." + path.split("/")[3]
        others = _of(imports.all, "evse.ocpp.blocks") - _of(imports.all, own) - {"evse.ocpp.blocks"}
        refuse(others, "a block asks the engine for another")
        other = {"v16.py": "v2", "v2.py": "v16"}.get(path.rpartition("/")[2])
        refuse({name for name in imports.all if name.split(".")[-1] == other}, "a dialect knows no other")
        if path.endswith("/block.py"):
            refuse({name for name in imports.all if name.split(".")[-1] in ("v16", "v2")}, "a block names no dialect")
    if _within(path, ["evse/", "hal/"], [CRYPTO_CHILD]):
        refuse(_of(imports.all, "cryptography"), "belongs in the crypto child")
    if _within(path, RESIDENT, NOT_RESIDENT):
        refuse(_of(imports.loaded, *FORBIDDEN), "is not for the resident process")
        resident_only = [place.removesuffix(".py").rstrip("/").replace("/", ".") for place in NOT_RESIDENT]
        refuse(_of(imports.loaded, *resident_only), "is not resident, so what imports it is not")
    return found


def _sources():
    for directory in ("evse", "hal"):
        yield from sorted((ROOT / directory).rglob("*.py"))


def test_the_tree_keeps_the_rules():
    paths = list(_sources())
    assert len(paths) > 20
    found = []
    for path in paths:
        found += problems(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    assert not found, "\n".join(found)


def test_each_exception_is_there():
    """A name that no longer exists would hide a later module of that name."""
    for place in {*NOT_RESIDENT, *HOST_SIDE}:
        assert list(ROOT.glob(place.rstrip("/") + "*")), place


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [
        ("evse/ocpp/engine.py", "import asyncio", "asyncio"),
        ("evse/ocpp/engine.py", "def f():\n    import asyncio.streams", "asyncio.streams"),
        ("evse/ocpp/engine.py", "from websockets.client import ClientProtocol", "websockets.client"),
        ("evse/charging/limit.py", "import ssl", "ssl"),
        ("evse/charging/limit.py", "import _ssl", "_ssl"),
        ("evse/model.py", "from hal import board", "hal"),
        ("evse/ocpp/blocks/reset/block.py", "import hal.simulated", "hal.simulated"),
        ("evse/ocpp/engine.py", "import time\ndef f():\n    time.sleep(1)", "time.sleep"),
        ("evse/ocpp/engine.py", "from time import sleep", "time.sleep"),
        ("evse/model.py", "def f(p):\n    with open(p) as file:\n        return file.read()", "open"),
        ("evse/charging/limit.py", "import os\nfd = os.open('x', 0)", "os.open"),
        ("hal/board.py", "from evse.errors import HardwareError", "evse.errors"),
        ("hal/drivers/x/y.py", "def f():\n    import evse", "evse"),
        ("evse/charging/session.py", "from evse.ocpp import engine", "evse.ocpp"),
        ("evse/charging/session.py", "from ..ocpp.engine import Engine", "evse.ocpp.engine"),
        ("evse/ocpp/engine.py", "import evse.charging.limit", "evse.charging.limit"),
        ("evse/ocpp/blocks/reset/v16.py", "from evse.ocpp.blocks.reset import v2", "evse.ocpp.blocks.reset.v2"),
        ("evse/ocpp/blocks/reset/v2.py", "from . import v16", "evse.ocpp.blocks.reset.v16"),
        ("evse/ocpp/blocks/reset/v2.py", "from evse.ocpp.blocks.boot.v2 import read", "evse.ocpp.blocks.boot.v2"),
        ("evse/ocpp/blocks/reset/block.py", "from ..boot import block", "evse.ocpp.blocks.boot"),
        ("evse/ocpp/blocks/reset/block.py", "from evse.ocpp.blocks import boot", "evse.ocpp.blocks.boot"),
        ("evse/ocpp/blocks/reset/block.py", "from evse.ocpp.blocks.reset import v2", "evse.ocpp.blocks.reset.v2"),
        ("evse/shell/tls.py", "from cryptography import x509", "cryptography"),
        ("evse/csms/server.py", "def f():\n    import cryptography.x509", "cryptography.x509"),
        ("hal/board.py", "import cryptography", "cryptography"),
        ("evse/daemon.py", "import json", "json"),
        ("evse/app.py", "from collections import deque", "collections"),
        ("evse/shell/loop.py", "import importlib.metadata", "importlib.metadata"),
        ("evse/store/journal.py", "try:\n    import re\nexcept ImportError:\n    re = None", "re"),
        ("evse/clock.py", "class A:\n    import enum", "enum"),
        ("evse/clock.py", "if True:\n    from typing import Any", "typing"),
        ("evse/clock.py", "if not TYPE_CHECKING:\n    from typing import Any", "typing"),
        ("evse/clock.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import logging", "logging"),
        ("evse/clock.py", "uuid = __import__('uuid')", "uuid"),
        ("hal/simulated/meter.py", "import dataclasses", "dataclasses"),
        ("evse/daemon.py", "from evse.ocpp import messages", "evse.ocpp.messages"),
        ("evse/daemon.py", "from evse.ocpp.tables.compile import blobs", "evse.ocpp.tables.compile"),
        ("evse/app.py", "import evse.stationfile", "evse.stationfile"),
    ],
)
def test_a_breach_is_found(path, source, what):
    assert any(problem.startswith(f"{path}: {what}: ") for problem in problems(path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("evse/ocpp/engine.py", "import time, os\nfrom evse.model import Evse\nfrom time import gmtime"),
        ("evse/ocpp/engine.py", "class A:\n    def open(self): self.open()\n    def f(self, x): x.open()"),
        ("evse/ocpp/messages.py", "import asyncio, websockets, ssl, logging"),
        ("evse/ocpp/tables/generate.py", "import json\nopen('x')"),
        ("evse/ocpp/blocks/reset/v16.py", "from evse.ocpp.blocks.reset.block import Reset\nfrom evse.ocpp import rpc"),
        ("evse/shell/children/crypto.py", "from cryptography import x509"),
        ("evse/jsontext.py", "def f():\n    import json"),
        ("evse/jsontext.py", "try:\n    import _json\nexcept ImportError:\n    import json"),
        ("evse/clock.py", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\n    import logging"),
        ("evse/cli.py", "import argparse, json, logging"),
        ("evse/clock.py", "import importlib, _collections, jsontext_x, os.path, collections_x"),
        ("hal/machine.py", "import tomllib\nfrom hal.interfaces import Meter"),
    ],
)
def test_what_is_allowed_is_not_a_breach(path, source):
    assert problems(path, source) == []
