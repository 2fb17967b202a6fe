"""The Yocto layer as far as it can be judged without a build: files, versions, licences, and that the packages fit."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evse
from tests.support.station import ROOT

LAYER = ROOT / "yocto" / "meta-evse"
RECIPES = sorted(LAYER.rglob("*.bb"))
EVSE = next(path for path in RECIPES if path.name.startswith("evse_"))


def variables(path: Path) -> dict[str, str]:
    """Assignments of a recipe, lines joined, the last for each name; `=`, `?=` and `+=` alike."""
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    return dict(re.findall(r'^([\w:{}$+-]+)\s*[?+]*=\s*"(.*)"\s*$', text, re.M))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_says_what_it_is_and_finds_its_sources(recipe: Path) -> None:
    found = variables(recipe)
    if not recipe.read_text().startswith("require"):
        assert found["LICENSE"] == "Apache-2.0" and found["SUMMARY"] and len(found["SUMMARY"]) <= 80
    for source in re.findall(r"file://(\S+?);", found.get("SRC_URI", "")):
        assert (ROOT / source).exists(), source
    if "LIC_FILES_CHKSUM" in found:
        digest = hashlib.md5((ROOT / "LICENSE").read_bytes()).hexdigest()
        assert found["LIC_FILES_CHKSUM"] == f"file://LICENSE;md5={digest}"
    # wrynose refuses WORKDIR in S, scarthgap has no UNPACKDIR but the layer's own.
    if "SRC_URI" in found:
        assert found["S"] == "${UNPACKDIR}/${BPN}-src"


def test_the_recipe_is_of_this_version() -> None:
    assert EVSE.name == f"evse_{evse.__version__}.bb"


def test_what_yocto_check_layer_asks_of_a_layer() -> None:
    readme = (LAYER / "README.md").read_text().lower()
    for word in ("maintainer", "patch", "@"):
        assert word in readme
    assert (LAYER / "SECURITY.md").exists() and (LAYER / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    conf = (LAYER / "conf" / "layer.conf").read_text()
    assert 'LAYERSERIES_COMPAT_evse = "scarthgap wrynose"' in conf and 'UNPACKDIR ??= "${WORKDIR}"' in conf


def test_everything_that_is_installed_is_in_a_package_and_in_the_source() -> None:
    text = EVSE.read_text()
    fetched = re.findall(r"file://(\S+?);", text)
    for path in re.findall(r"\$\{S\}/(yocto/\S+)", text):
        assert (ROOT / path).exists(), path
        assert any(path.startswith(source) for source in fetched), path


def packages() -> dict[str, list[str]]:
    """Package -> patterns below site-packages, as the recipe splits the program."""
    found = variables(EVSE)
    functions: dict[str, object] = {}
    source = re.sub(r"\\\n\s*", " ", EVSE.read_text())
    for body in re.findall(r"^def .*?(?=^\S|\Z)", EVSE.read_text(), re.M | re.S):
        exec(compile(ast.parse(body), "recipe", "exec"), functions)
    assert "cli_files" in functions and source
    result = {}
    for name in ("rauc", "csms", "cli", "hal"):
        value = re.sub(r"\$\{@(\w+)\(d\)\}", lambda match: functions[match[1]](None), found[f"FILES:${{PN}}-{name}"])  # type: ignore[operator]
        result[name] = re.findall(r"\$\{SITE\}/(\S+)", value)
    return result


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    for name in ("evse", "hal", "board_configs"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, ROOT / "yocto" / "lean", directory], check=True, capture_output=True, timeout=120)
    return directory


def without(tree: Path, target: Path, *names: str) -> Path:
    shutil.copytree(tree, target)
    for name in names:
        for pattern in packages()[name]:
            path = target / pattern
            assert path.exists() or pattern.endswith("/typed"), f"{name}: {pattern} is not in the program"
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return target


STATION = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from hal import outputs_off
assert outputs_off.main(["--board", "simulated-ac-1"]) == 0
from evse import prepare, stationfile
from evse.cli import parser
arguments = parser().parse_args(["run", "--config", sys.argv[1], "--state-dir", sys.argv[2]])
prepared = prepare.prepare(arguments.config, arguments.state_dir)
import evse.daemon, marshal
with open(prepared.config, "rb") as file:
    config = marshal.load(file)
from evse.app import Station
from evse.shell.log import Log
from evse.shell.loop import Loop
station = Station(config, arguments.state_dir, sys.argv[2] + "/control.sock", Loop(), Log("error"))
if station.board.simulation is not None:
    station.start()  # of a real board nothing is opened here: a watchdog would reset this machine
station.close()
print("made", *sorted(parser()._subparsers._group_actions[0].choices))
"""


def start(tree: Path, tmp_path: Path, board: str) -> str:
    (tmp_path / "state").mkdir()
    (tmp_path / "station.toml").write_text(
        f'board = "{board}"\n[csms]\nurl = "ws://127.0.0.1:9"\nidentity = "X"\nsecurity_profile = 0\n'
    )
    command = [sys.executable, "-I", "-c", STATION, tree, tmp_path / "station.toml", tmp_path / "state"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_smallest_image_runs_a_station(lean: Path, tmp_path: Path) -> None:
    tree = without(lean, tmp_path / "tree", "rauc", "csms", "cli", "hal")
    assert start(tree, tmp_path, "simulated-ac-1") == "made config run\n"


def test_a_station_on_a_real_board_needs_no_tools(lean: Path, tmp_path: Path) -> None:
    tree = without(lean, tmp_path / "tree", "rauc", "csms", "cli")
    assert start(tree, tmp_path, "chargebyte-tarragon") == "made config run\n"
