"""Scripts that want what is not here are judged with a little of it: OE's manifest of Python, a root of Debian."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def script(name: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "yocto" / name), *(str(argument) for argument in arguments)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["check-metadata.sh", "check-buildroot.sh", "check-debian.sh"])
@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_a_script_that_wants_a_tree_says_so(name: str, arguments: list[str]) -> None:
    done = script(name, *arguments)
    assert done.returncode == 2 and f"yocto/{name} " in done.stdout and done.stderr == ""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Metadata:
    """Trees of openembedded-core and layers, as far as the script looks; its bitbake writes down how it is called."""

    def __init__(self, directory: Path) -> None:
        self.core, self.oe, self.rauc = directory / "core", directory / "oe", directory / "rauc"
        self.build, self.calls = directory / "build", directory / "calls"
        self.build.mkdir()
        manifest = self.core / "meta/recipes-devtools/python/python3/python3-manifest.json"
        manifest.parent.mkdir(parents=True)
        named = "core compression crypt datetime difflib fcntl io json math netclient shell tomllib".split()
        manifest.write_text(json.dumps({name: {"rdepends": [], "files": [], "cached": []} for name in named}))
        for name in ("bitbake", "bitbake-layers", "yocto-check-layer"):
            text = f'#!/bin/sh\necho "${{MACHINE:-}} {name} $*" >>{self.calls}\n[ "$1 $2" != "$FAILS" ]\n'
            executable(self.core / "bitbake" / "bin" / name, text)
        (self.core / "oe-init-build-env").write_text(f'PATH="{self.core}/bitbake/bin:$PATH"\ncd "$1"\n')
        for layer in (self.oe / "meta-oe", self.oe / "meta-python", self.rauc):
            (layer / "conf").mkdir(parents=True)
            (layer / "conf" / "layer.conf").touch()

    def check(self, *trees: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {"BUILD": str(self.build), "CHECK_AS_ROOT": "yes", "FAILS": "", **environment}
        return script("check-metadata.sh", *trees, **settings)


@pytest.fixture
def metadata(tmp_path: Path) -> Metadata:
    return Metadata(tmp_path)


def test_the_layer_is_parsed_for_each_machine_with_the_recipes_for_updates(metadata: Metadata) -> None:
    done = metadata.check(metadata.core, metadata.oe, metadata.rauc, MACHINES="imx28evk raspberrypi5")
    assert done.returncode == 0, done.stderr
    post = f"-R {metadata.build}/evse-check.conf"
    assert [line.strip() for line in metadata.calls.read_text().splitlines()] == [
        f"bitbake-layers add-layer {metadata.oe}/meta-oe",
        f"bitbake-layers add-layer {metadata.oe}/meta-python",
        f"bitbake-layers add-layer {metadata.rauc}",
        f"bitbake-layers add-layer {LAYER}",
        f"imx28evk bitbake {post} -p",
        f"imx28evk bitbake {post} -g evse-image",
        f"raspberrypi5 bitbake {post} -p",
        f"raspberrypi5 bitbake {post} -g evse-image",
        f"bitbake-layers remove-layer {LAYER}",
        f"yocto-check-layer {LAYER} --dependency {metadata.oe}/meta-oe {metadata.oe}/meta-python --no-auto-dependency",
    ]
    assert "EVSE_KEYRING = " in (metadata.build / "evse-check.conf").read_text()


def test_a_layer_that_does_not_parse_ends_the_check(metadata: Metadata) -> None:
    done = metadata.check(metadata.core, metadata.oe, FAILS=f"add-layer {LAYER}")
    assert done.returncode == 1 and "bitbake -R" not in metadata.calls.read_text()


def test_a_tree_that_is_another_is_named(metadata: Metadata) -> None:
    for trees, words in (
        ((metadata.oe, metadata.oe), f"{metadata.oe} is no openembedded-core"),
        ((metadata.core, metadata.core), f"{metadata.core} is no meta-openembedded: it has no meta-oe/conf"),
        ((metadata.core, metadata.oe, metadata.oe), f"{metadata.oe} is no layer"),
    ):
        done = metadata.check(*trees)
        assert done.returncode == 2 and words in done.stderr and not metadata.calls.exists()


# Buildroot as far as the script looks: a defconfig is copied but for the options that this release does not know.
MAKEFILE = """
%_defconfig:
\tgrep -v "^BR2_$(UNKNOWN)=" $(BR2_EXTERNAL)/configs/$@ >$(O)/.config
evse-show-info:
\techo '$(SHOWN)'
"""


@pytest.fixture
def buildroot(tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (tmp_path / "support" / "kconfig").mkdir(parents=True)
    (tmp_path / "Config.in").touch()
    (tmp_path / "Makefile").write_text(MAKEFILE)
    executable(tmp_path / "utils" / "check-package", "#!/bin/sh\nexit ${WARNINGS:-0}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "failed"),
    [
        ({}, None),
        ({"UNKNOWN": "PACKAGE_RAUC_JSON"}, "imx28evk: not kept:\nBR2_PACKAGE_RAUC_JSON=y"),
        ({"SHOWN": "no JSON"}, "show-info"),
        ({"WARNINGS": "1"}, "check-package"),
    ],
)
def test_what_a_release_of_buildroot_drops_is_named(
    settings: dict[str, str], failed: str | None, buildroot: Path
) -> None:
    done = script("check-buildroot.sh", buildroot, "imx28evk", **{"UNKNOWN": "-", "SHOWN": "{}", **settings})
    assert done.returncode == (0 if failed is None else 1), done.stderr
    if failed is None:
        assert done.stdout.split() == "ok imx28evk ok show-info ok check-package".split()
    else:
        assert f"FAILED  {failed}" in done.stdout


def test_no_buildroot_and_no_board_are_named(buildroot: Path) -> None:
    done = script("check-buildroot.sh", buildroot / "support")
    assert done.returncode == 2 and f"{buildroot}/support is no Buildroot: it has no Config.in" in done.stderr
    done = script("check-buildroot.sh", buildroot, "imx99")
    assert done.returncode == 2 and "there is no configs/imx99_evse_defconfig" in done.stderr
