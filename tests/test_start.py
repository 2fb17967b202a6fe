"""What the interpreter runs: modules of ours are found where they were compiled, all others as ever."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from evse.bytecode import compile_file
from evse.start import Compiled

ROOT = Path(__file__).parents[1]
TAG = importlib.util.cache_from_source("start.py", optimization=2).rpartition("/")[2]
# Where the byte code of evse/start.py lies: in a state directory, beside the source, instead of it.
LAYOUTS = [f"state/place/evse/{TAG}", f"place/evse/__pycache__/{TAG}", "place/evse/start.pyc"]
SOURCES = {"hal/__init__.py": "", "hal/thing.py": "SIZE = 3\n", "hal/bus/__init__.py": "SIZE = 4\n"}


@pytest.fixture(params=LAYOUTS)
def finder(request: pytest.FixtureRequest, tmp_path: Path) -> Compiled:
    for name, text in SOURCES.items():
        source = tmp_path / "place" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        compile_file(str(source), str(tmp_path / "made"))
        made = Path(f"{tmp_path}/made{source}").with_name(TAG.replace("start", source.stem))
        start = Path(request.param)
        target = (tmp_path / start.parent).parent / name
        if start.parent.name == "__pycache__":
            target = source.parent / "__pycache__" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        made.rename(target.with_name(start.name.replace("start", source.stem)))
        source.unlink()
    return Compiled(str(tmp_path / request.param))


def loaded(finder: Compiled, name: str) -> ModuleType:
    spec = finder.find_spec(name)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    finder.exec_module(module)
    return module


def test_modules_and_packages_are_found_in_each_layout(finder: Compiled) -> None:
    module, package = loaded(finder, "hal.thing"), loaded(finder, "hal.bus")
    assert (module.SIZE, package.SIZE) == (3, 4)
    assert not hasattr(module, "__path__") and package.__path__ == [] and loaded(finder, "hal").__path__ == []


def test_how_a_module_was_found_is_forgotten(finder: Compiled) -> None:
    sys.path_importer_cache["/nowhere"] = None
    module = loaded(finder, "hal.thing")
    assert module.__spec__ is None and not hasattr(module, "__file__")
    assert sys.path_importer_cache == {}


def test_what_is_not_there_is_left_to_others(finder: Compiled) -> None:
    for name in ("hal.nothing", "halves", "halves.thing", "json", "acme.hal.thing"):
        assert finder.find_spec(name) is None


def test_a_module_that_fails_is_not_there(tmp_path: Path) -> None:
    """And the next attempt fails as the first did."""
    (tmp_path / "evse").mkdir()
    (tmp_path / "hal").mkdir()
    for name, text in {"hal/__init__": "", "hal/bad": "1 / 0", "evse/start": ""}.items():
        (tmp_path / f"{name}.py").write_text(text)
        compile_file(str(tmp_path / f"{name}.py"), str(tmp_path / "made"))
    start = f"{tmp_path}/made{tmp_path}/evse/{TAG}"
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from evse.start import find; find({start!r}, [])\n"
        "for _ in range(2):\n"
        "    try: import hal.bad\n"
        "    except ZeroDivisionError: print('hal' in sys.modules, 'hal.bad' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "True False\n" * 2, done.stderr


def test_all_character_sets_of_the_program_are_known_without_their_other_names() -> None:
    names = set()
    for path in [*(ROOT / "evse").rglob("*.py"), *(ROOT / "hal").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                named = [word.value for word in node.keywords if word.arg == "encoding"]
                if isinstance(node.func, ast.Attribute) and node.func.attr in ("encode", "decode"):
                    named += node.args[:1]
                names |= {value.value for value in named if isinstance(value, ast.Constant)}
    assert {"utf-8", "ascii", "latin-1"} <= names
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from evse.start import find; find('', [])\n"
        f"import codecs\nfor name in {sorted(names)!r}: print(codecs.lookup(name).name)\n"
        "codecs.lookup('u8')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30)
    assert len(done.stdout.split()) == len(names) and "unknown encoding: u8" in done.stderr
