"""Scripts that want what is not here are judged with a little of it: OE's manifest of Python, a root of Debian."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.station import ROOT

LAYER = ROOT / "yocto" / "meta-evse"


def rdepends(tmp_path: Path, **parts: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """The script's verdict on a manifest in which everything else is in core."""
    named = "compression crypt datetime difflib fcntl io json math netclient shell tomllib"
    manifest = {name: {"rdepends": ["core"], "files": [], "cached": []} for name in named.split()}
    manifest["core"] = {"rdepends": [], "files": ["${libdir}/python3.12/argparse.py"], "cached": []}
    for name, part in parts.items():
        manifest[name] = {"rdepends": ["core"], "cached": [], **part}  # type: ignore[dict-item]
    path = tmp_path / "python3-manifest.json"
    path.write_text("# DO NOT EDIT\n# comments come first\n" + json.dumps(manifest))
    command = [sys.executable, ROOT / "yocto" / "rdepends", path, LAYER]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_parts_that_hold_what_is_imported_are_enough(tmp_path: Path) -> None:
    done = rdepends(tmp_path, json={"files": ["${libdir}/python3.12/json"]})
    assert done.returncode == 0 and done.stdout.startswith("ok: "), done.stdout


def test_a_part_that_nobody_names_is_missed(tmp_path: Path) -> None:
    part = {"files": ["${libdir}/python3.12/subprocess.py", "${libdir}/python3.12/lib-dynload/zlib.*.so"]}
    done = rdepends(tmp_path, odd=part)
    assert done.returncode == 1
    assert "python3-odd is missing: " in done.stdout and "zlib (" in done.stdout


def test_what_a_named_part_brings_is_there(tmp_path: Path) -> None:
    part = {"files": ["${libdir}/python3.12/subprocess.py"]}
    assert rdepends(tmp_path, odd=part, io={"files": [], "rdepends": ["odd"]}).returncode == 0


def test_flash_wants_a_root_of_its_own_python(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "yocto" / "flash", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and f"holds no usr/bin/python3.{sys.version_info.minor}" in done.stderr
