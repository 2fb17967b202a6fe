"""What the images' recipes ship, made by their own shell lines: station file, RAUC's configuration, account."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evse import stationfile
from tests.support.outlets import BOARDS
from tests.support.station import ROOT

LAYER = ROOT / "yocto" / "meta-evse"
EVSE = next(LAYER.glob("recipes-evse/evse/evse_*.bb"))
CONF = next(LAYER.rglob("evse-rauc-conf_*.bb"))
MAKEFILE = ROOT / "yocto" / "buildroot" / "package" / "evse" / "evse.mk"
POST_BUILD = ROOT / "yocto" / "buildroot" / "board" / "evse" / "post-build.sh"
GROUPS = {"gpio", "spi", "i2c", "dialout", "input", "systemd-journal"}


class Recipe:
    """A recipe of the layer, as far as it is needed here: `${X}`, `${@python}`, and one shell function."""

    def __init__(self, path: Path, **settings: str) -> None:
        self.text = path.read_text()
        lines = re.sub(r"\\\n\s*", " ", self.text)
        defaults = dict(re.findall(r'^(\w+)\s*\?=\s*"(.*)"\s*$', lines, re.M))
        self.variables = {"sysconfdir": "/etc", "prefix": "/usr", "datadir": "/usr/share", "localstatedir": "/var"}
        self.variables |= {"systemd_system_unitdir": "/usr/lib/systemd/system", "nonarch_base_libdir": "/usr/lib"}
        self.variables |= {"S": str(ROOT), "PYTHON": sys.executable, "MACHINE": "m", "DISTRO_VERSION": "1.0"}
        self.variables |= {**defaults, **settings}
        self.bb = SimpleNamespace(
            utils=SimpleNamespace(contains=self._contains), parse=SimpleNamespace(SkipRecipe=Skip)
        )

    def getVar(self, name: str) -> str | None:
        value = self.variables.get(name)
        return None if value is None else self.expanded(value)

    def _contains(self, name: str, word: str, true: str, false: str, d: Any) -> str:
        return true if word in (self.getVar(name) or "").split() else false

    def expanded(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1].startswith("@"):
                return str(eval(match[1][1:], {"bb": self.bb, "d": self, "int": int}))
            found = self.getVar(match[1])
            assert found is not None, f"nobody sets {match[1]}"
            return found

        return re.sub(r"\$\{(@?[^{}]+)\}", value, text)

    def parse(self) -> None:
        """The anonymous function that bitbake runs. Raises Skip."""
        found = re.search(r"^python \(\) \{\n(.*?)^\}", self.text, re.M | re.S)
        assert found
        body = "".join(line[4:] for line in found[1].splitlines(keepends=True))
        exec(compile(body, "recipe", "exec"), {"bb": self.bb, "d": self})

    def install(self, directory: Path, function: str) -> Path:
        """What the function installs, below `directory`; accounts and packing are left out."""
        target, build = directory / "image", directory / "build"
        for path in (target, build):
            path.mkdir()
        self.variables |= {"D": str(target), "B": str(build), "PYTHON_SITEPACKAGES_DIR": "/site"}
        found = re.search(rf"^{function}\(\) \{{\n(.*?)^\}}", self.text, re.M | re.S)
        assert found
        lines = re.sub(r"^.*(/yocto/lean |chgrp ).*$", "", found[1], flags=re.M).replace("-g evse ", "")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["sh", "-e", "-c", self.expanded(lines)], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return target


class Skip(Exception):
    """bitbake leaves the recipe out, for this reason."""


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "root.pem"
    path.write_text("root\n")
    path.chmod(0o600)
    return path


def updates(path: Path) -> tuple[Any, ...]:
    config = stationfile.load(str(path))
    return config["firmware"]["installer"], config["firmware"]["unsigned"], config["station"]["firmware_file"]


RAUC = ("rauc", True, "/etc/rauc/version")
NONE = (None, False, None)


@pytest.mark.parametrize(
    ("board", "layers", "ring", "expected"),
    [
        ("auto", "core rauc", "", NONE),
        ("auto", "core", "/k", NONE),
        *((board, "core rauc", "/k", RAUC) for board in ("auto", "rpi-devkit", "chargebyte-tarragon")),
    ],
)
def test_yoctos_station_file_takes_updates_where_rauc_has_a_keyring(
    board: str, layers: str, ring: str, expected: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(EVSE, EVSE_BOARD=board, BBFILE_COLLECTIONS=layers, **({"EVSE_KEYRING": ring} if ring else {}))
    image = recipe.install(tmp_path, "do_install:append")
    monkeypatch.setattr(stationfile, "this_board", lambda: "simulated-ac-1")
    for name in ("etc/evse/station.toml", "usr/share/evse/station.toml"):
        assert f'board = "{board}"' in (image / name).read_text()
        assert updates(image / name) == expected
    assert (image / "etc/evse/station.toml").stat().st_mode & 0o777 == 0o640


def test_yoctos_configuration_of_rauc(tmp_path: Path, keyring: Path) -> None:
    recipe = Recipe(CONF, EVSE_KEYRING=str(keyring), EVSE_VERSION="1.2.3")
    recipe.parse()
    etc = recipe.install(tmp_path, "do_install") / "etc" / "rauc"
    conf = (etc / "system.conf").read_text()
    assert "min-bundle-version=1.2.3\n" in conf and "device=/dev/mmcblk0p3\n" in conf and "compatible=evse-m\n" in conf
    assert "@" not in conf.partition("[system]")[2]
    assert (etc / "version").read_text() == "1.2.3\n"
    assert (etc / "keyring.pem").stat().st_mode & 0o777 == 0o644  # the station asks `rauc info`


@pytest.mark.parametrize("board", [path.stem for path in BOARDS.glob("*.toml")])
def test_the_lines_on_updates_fit_every_boards_station_file(board: str, tmp_path: Path) -> None:
    """They begin within the last table."""
    path = tmp_path / "station.toml"
    path.write_text(stationfile.template(board) + (ROOT / "yocto" / "rauc" / "station.toml").read_text())
    assert updates(path) == RAUC


def post_build(target: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOST_DIR": "/", **settings}
    return subprocess.run([POST_BUILD, target], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("with_keyring", [True, False])
def test_buildroots_image_takes_updates_where_it_has_a_keyring(
    with_keyring: bool, tmp_path: Path, keyring: Path
) -> None:
    files = [tmp_path / "target" / name for name in ("etc/evse/station.toml", "usr/share/evse/station.toml")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(stationfile.template("rpi-devkit"))
    (tmp_path / "target" / "etc" / "fstab").touch()
    for _ in range(2):
        done = post_build(tmp_path / "target", **({"EVSE_KEYRING": str(keyring)} if with_keyring else {}))
        assert done.returncode == 0, done.stderr
    assert [updates(file) for file in files] == [RAUC if with_keyring else NONE] * 2
    if with_keyring:
        assert (tmp_path / "target/etc/rauc/keyring.pem").stat().st_mode & 0o777 == 0o644


# What RAUC 1.13 says of min-bundle-version: Major[.Minor[.Patch]][-pre_release], and what a build may add to it.
@pytest.mark.parametrize("version", ["1", "1.2", "1.2.3", "2025.02", "1.2-rc1", "5.0+snapshot-abc"])
def test_versions_that_rauc_compares(version: str, tmp_path: Path, keyring: Path) -> None:
    Recipe(CONF, EVSE_KEYRING=str(keyring), EVSE_VERSION=version).parse()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "fstab").touch()
    assert post_build(tmp_path, EVSE_KEYRING=str(keyring), EVSE_VERSION=version).returncode == 0


@pytest.mark.parametrize("version", ["nodistro.0", "1.2.3.4", "v1.2", "1.2 3"])
def test_a_version_that_rauc_does_not_take_ends_the_build(version: str, tmp_path: Path, keyring: Path) -> None:
    """Else RAUC's service would not start on the station, and no update would ever be marked good."""
    with pytest.raises(Skip, match="set EVSE_VERSION"):
        Recipe(CONF, EVSE_KEYRING=str(keyring), EVSE_VERSION=version).parse()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "fstab").touch()
    done = post_build(tmp_path, EVSE_KEYRING=str(keyring), EVSE_VERSION=version)
    assert done.returncode != 0 and f"EVSE_VERSION={version}" in done.stderr


def test_the_account_is_in_the_same_groups_everywhere() -> None:
    """Its devices, and the journal that it sends when the CSMS asks for the log."""
    yocto = re.search(r"--groups (\S+) evse", EVSE.read_text())
    created = re.search(r'GROUPADD_PARAM:\$\{PN\} = "(.*)"', EVSE.read_text())
    buildroot = re.search(
        r"^EVSE_GROUPS = (\S+)\$\(if \$\(BR2_INIT_SYSTEMD\),\$\(comma\)(\S+)\)$", MAKEFILE.read_text(), re.M
    )
    debian = re.search(r"for group in (.*); do\n\s+if getent", (ROOT / "yocto/debian/postinst").read_text())
    assert yocto and created and buildroot and debian
    assert set(yocto[1].split(",")) == set(debian[1].split()) == {*buildroot[1].split(","), buildroot[2]} == GROUPS
    # What base-passwd does not bring has to be made.
    assert set(re.findall(r"--system (\S+?)(?:;|$)", created[1])) == GROUPS - {"dialout", "input"}
    assert "SupplementaryGroups" not in (ROOT / "yocto/service/evse.service").read_text()
