"""The Debian package: what is in it, that the same tree gives the same bytes, and what its scripts do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evse
from tests.support.station import ROOT

DEBIAN = ROOT / "yocto" / "debian"
COPIED = ("evse", "hal", "board_configs", "yocto", "CHANGELOG.md")
EPOCH = "1700000000"

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")


def build(root: Path, out: Path) -> Path:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, root / "yocto" / "debian" / "build-deb", "--out", out]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("deb"))


def dpkg(*arguments: object) -> str:
    return subprocess.run(["dpkg-deb", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def test_the_same_tree_at_another_place_gives_the_same_package(package: Path, tmp_path: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / "copy" / name)
    again = build(tmp_path / "copy", tmp_path)
    assert again.read_bytes() == package.read_bytes()


def test_what_is_in_it(package: Path, tmp_path: Path) -> None:
    listing = {line.split()[5]: line.split() for line in dpkg("--contents", package).splitlines()}
    for path in (
        "./usr/bin/evse", "./usr/bin/evse-outputs-off", "./etc/init.d/evse", "./usr/lib/evse/evse-supervise",
        "./usr/lib/systemd/system/evse.service", "./usr/lib/udev/rules.d/60-evse.rules",
        "./usr/lib/evse/python/board_configs/rpi-devkit.toml", "./usr/lib/evse/python/evse/ocpp/tables/variables.txt",
    ):  # fmt: skip
        assert path in listing, path
    assert {row[1] for row in listing.values()} == {"root/root"}
    assert not [path for path in listing if "__pycache__" in path or path.endswith(".pyc")]
    for module in [path for name in ("evse", "hal") for path in (ROOT / name).rglob("*.py")]:
        assert f"./usr/lib/evse/python/{module.relative_to(ROOT)}" in listing
    assert dpkg("--field", package, "Version").strip() == evse.__version__
    assert dpkg("--field", package, "Architecture").strip() == "all"


def test_its_commands_run_from_where_they_are_installed(package: Path, tmp_path: Path) -> None:
    dpkg("--extract", package, tmp_path)
    for name, arguments in (("evse", ["--version"]), ("evse-outputs-off", ["--board", "simulated-ac-1"])):
        text = (tmp_path / "usr" / "bin" / name).read_text().replace('"/usr/lib', f'"{tmp_path}/usr/lib')
        (tmp_path / name).write_text(text)
        done = subprocess.run(
            [sys.executable, "-I", tmp_path / name, *arguments], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_what_a_password_may_be_in_is_for_root_and_the_station() -> None:
    script = (DEBIAN / "postinst").read_text()
    assert "chmod 0750 /etc/evse" in script and "umask 027" in script


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm", "../service/evse-board"])
def test_scripts_are_plain_shell(name: str) -> None:
    subprocess.run(["sh", "-n", DEBIAN / name], check=True)
    assert os.access(DEBIAN / name, os.X_OK)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-s", "sh", DEBIAN / name], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
