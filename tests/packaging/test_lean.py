"""What a read-only image holds: byte code alone, small enough, and a whole station in it."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.station import ROOT

LEAN = ROOT / "yocto" / "lean"
MOST_BYTES = 800_000
PACKAGES = ("evse", "hal", "board_configs")
DEMO = "import sys; sys.path.insert(0, sys.argv.pop(1)); from evse.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lean(tmp_path_factory.mktemp("lean"))


def lean(directory: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, LEAN, directory], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (directory / "told").write_text(done.stdout)
    return directory


def test_the_whole_program_is_small(tree: Path) -> None:
    files = [path for name in PACKAGES for path in (tree / name).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert size == int((tree / "told").read_text()) <= MOST_BYTES
    assert {path.suffix for path in files} == {".pyc", ".toml", ".z"}
    for name in ("evse/daemon.pyc", "evse/cli.pyc", "hal/outputs_off.pyc", "evse/ocpp/tables/v21.txt.z"):
        assert (tree / name).exists()


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    again = lean(tmp_path)
    for path in (tree / "evse").rglob("*.pyc"):
        assert path.read_bytes() == (again / path.relative_to(tree)).read_bytes(), path


def test_no_place_of_the_build_is_in_it(tree: Path) -> None:
    for path in (tree / "evse").rglob("*.pyc"):
        assert str(tree).encode() not in path.read_bytes()


@pytest.mark.slow
def test_a_whole_session_without_sources(tree: Path) -> None:
    command = [sys.executable, "-I", "-c", DEMO, tree, "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert not list(tree.rglob("__pycache__"))


@pytest.mark.slow
def test_an_interpreter_runs_on_a_packed_library(tree: Path, tmp_path: Path) -> None:
    library = tmp_path / "lib" / f"python3.{sys.version_info.minor}"
    ignored = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "test", "config-*", "idlelib")
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignored)
    for name in ("dataclasses", "enum"):  # as Buildroot leaves them: byte code alone
        path = library / f"{name}.py"
        py_compile.compile(str(path), str(path) + "c", doraise=True)
        path.unlink()
    command = [sys.executable, LEAN, "--library", library]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert not list(library.rglob("*.py")) and 1_000_000 < int(done.stdout) < 8_000_000
    interpreter = os.path.realpath(sys.executable)
    environment = {**os.environ, "PYTHONHOME": str(tmp_path), "PYTHONPATH": str(tree)}
    code = "import argparse, asyncio, dataclasses, ssl; from evse.cli import main; print(argparse.__file__); main()"
    done = subprocess.run(
        [interpreter, "-S", "-c", code, "config", "init"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert str(library / "argparse.pyc") in done.stdout and "[csms]" in done.stdout


def test_another_directory_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, LEAN, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "DIRECTORY" in done.stderr
