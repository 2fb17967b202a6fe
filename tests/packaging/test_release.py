"""What is handed on: wheel and source archive are the same bytes from two places, and the bill of materials is true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import evse
from tests.support.station import ROOT

ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
IGNORED = shutil.ignore_patterns(
    "__pycache__", ".git", "*.egg-info", "build", "dist", ".*_cache", ".hypothesis", ".venv", "node_modules"
)


def release(root: Path, out: Path) -> list[Path]:
    command = [sys.executable, root / "yocto" / "release", "--out", out]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    if "pip" in done.stderr and done.returncode:
        pytest.skip(f"the build tools cannot be had: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return sorted(Path(line) for line in done.stdout.split())


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("EVSE_RELEASE"), reason="EVSE_RELEASE is not set; yocto/check.sh sets it")
@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_two_places_and_two_accounts_give_the_same_bytes(tmp_path: Path) -> None:
    for source, place, mode in ((ROOT, "one", 0o022), (tmp_path / "one", "another/much/deeper", 0o077)):
        before = os.umask(mode)
        try:
            shutil.copytree(source, tmp_path / place, ignore=IGNORED)
        finally:
            os.umask(before)
    first = release(tmp_path / "one", tmp_path / "a")
    second = release(tmp_path / "another/much/deeper", tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second] and len(first) == 4
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    wheel = next(path for path in first if path.suffix == ".whl")
    assert wheel.name.endswith("-py3-none-any.whl")  # nothing to compile
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
    assert {"evse/cli.py", "hal/board.py", "board_configs/rpi-devkit.toml", "evse/ocpp/tables/variables.txt"} <= names
    with tarfile.open(next(path for path in first if path.name.endswith(".tar.gz"))) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    assert {"tests/test_cli.py", "yocto/debian/build-deb", "docs/cli.md", "pyproject.toml", "LICENSE"} <= held


def sbom(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, ROOT / "yocto" / "sbom", "--out", tmp_path, *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(Path(done.stdout.strip()).read_text())
    return content


def test_the_bill_names_what_the_project_asks_for(tmp_path: Path) -> None:
    content = sbom(tmp_path)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.5")
    assert content["metadata"]["component"]["version"] == evse.__version__
    assert content["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    told = {f"{part['name']}>={part['properties'][0]['value']}" for part in content["components"]}
    assert told == set(asked)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", content["serialNumber"])
    assert sbom(tmp_path) == content


def test_the_bill_of_an_environment_without_the_program_is_refused(tmp_path: Path) -> None:
    stranger = tmp_path / "python"
    stranger.write_text('#!/bin/sh\necho "[]"\n')
    stranger.chmod(0o755)
    command = [sys.executable, ROOT / "yocto" / "sbom", "--python", stranger, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "does not hold the program" in done.stderr


def test_the_bill_of_an_environment_holds_what_is_installed_and_reached(tmp_path: Path) -> None:
    found = [
        {"name": "evse", "version": "0.1.0", "licence": None, "requires": ["Web_Sockets>=12", "pytest ; extra == 't'"]},
        {"name": "web-sockets", "version": "17.4", "licence": "BSD", "requires": ["deep"], "summary": "frames"},
        {"name": "deep", "version": "2", "licence": None, "requires": []},
        {"name": "pytest", "version": "9", "licence": "MIT", "requires": []},
    ]
    (tmp_path / "answer").write_text(json.dumps([{"summary": None, **part} for part in found]))
    environment = tmp_path / "python"
    environment.write_text(f"#!/bin/sh\ncat {tmp_path / 'answer'}\n")
    environment.chmod(0o755)
    content = sbom(tmp_path, "--python", str(environment))
    assert [part["purl"] for part in content["components"]] == ["pkg:pypi/deep@2", "pkg:pypi/web-sockets@17.4"]
    edges = {row["ref"]: row["dependsOn"] for row in content["dependencies"]}
    assert edges[f"pkg:pypi/evse@{evse.__version__}"] == ["pkg:pypi/web-sockets@17.4"]
    assert edges["pkg:pypi/web-sockets@17.4"] == ["pkg:pypi/deep@2"] and edges["pkg:pypi/deep@2"] == []
