"""The external tree for Buildroot as far as Debian's tools can run it: its text, and the image that it makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import evse
from tests.support.outlets import BOARDS
from tests.support.station import ROOT

TREE = ROOT / "yocto" / "buildroot"
CONFIGS = sorted((TREE / "configs").glob("*_evse_defconfig"))
MACHINES = {
    "raspberrypi3_64", "raspberrypi4_64", "raspberrypi5", "raspberrypizero2w_64", "imx28evk", "imx6ullevk", "imx8mmevk",
    "imx93evk",
}  # fmt: skip
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
TOOLS = ("genimage", "mkimage", "rauc", "mcopy", "mkdosfs", "mke2fs", "openssl", "mksquashfs")


def test_the_package_is_of_this_version_and_names_files_that_exist() -> None:
    text = (TREE / "package" / "evse" / "evse.mk").read_text()
    assert f"EVSE_VERSION = {evse.__version__}\n" in text
    for path in re.findall(r"\$\(@D\)/(yocto/[\w./-]+)", text):
        if not path.endswith("/"):
            assert (ROOT / path).exists(), path
    for name in re.findall(r"for name in ([\w -]+);", text):
        for part in name.split():
            assert any((ROOT / "yocto" / folder / part).exists() for folder in ("service", "rauc")), part
    for name in re.findall(r"[\w/]+\.pyc", text):
        folder = "" if "/" in name or (ROOT / "evse" / name).with_suffix(".py").exists() else "commands"
        assert (ROOT / "evse" / folder / name).with_suffix(".py").exists(), name


def test_every_board_has_a_defconfig_with_all_that_a_station_needs() -> None:
    assert {path.name.removesuffix("_evse_defconfig") for path in CONFIGS} == MACHINES
    common = [line for line in (TREE / "configs" / "evse.fragment").read_text().splitlines() if "BR2_" in line]
    for path in CONFIGS:
        lines = path.read_text().splitlines()
        assert set(common) <= set(lines), path.name
        names = [line.removeprefix("# ").split("=")[0].split()[0] for line in lines]
        assert len(set(names)) == len(names), path.name
        for line in lines:
            if line.startswith("BR2_PACKAGE_EVSE_BOARD="):
                assert (BOARDS / (line.split('"')[1] + ".toml")).exists(), line


@pytest.mark.parametrize(
    "script", ["board/evse/post-build.sh", "board/evse/post-image.sh", "package/evse/S97evse-mark-good"]
)
def test_scripts_are_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", TREE / script], check=True)
    assert os.access(TREE / script, os.X_OK)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", TREE / script], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def run(*command: object, **environment: object) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "PATH": PATH, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["raspberrypi4_64", "imx6ullevk"])
def test_the_image_has_two_systems_a_data_partition_and_a_bundle(machine: str, tmp_path: Path) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    host, images, target = tmp_path / "host" / "bin", tmp_path / "images", tmp_path / "target"
    for directory in (host, images, target / "etc"):
        directory.mkdir(parents=True)
    for tool in ("genimage", "mkimage", "rauc"):
        (host / tool).symlink_to(str(shutil.which(tool)))
    (target / "etc" / "fstab").write_text("/dev/root / auto rw 0 1\n")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "9", "-subj", "/CN=station", "-addext", "extendedKeyUsage=codeSigning", "-keyout", key,
        "-out", certificate)  # fmt: skip
    settings = {
        "HOST_DIR": host.parent, "EVSE_VERSION": "1.2.3", "EVSE_KEYRING": certificate, "EVSE_SIGNING_KEY": key,
        "EVSE_SIGNING_CERT": certificate, "BR2_CONFIG": TREE / "configs" / f"{machine}_evse_defconfig",
    }  # fmt: skip
    if machine.startswith("imx"):
        (images / "u-boot.imx").write_bytes(b"loader" * 1000)
        settings |= {"EVSE_UBOOT": "u-boot.imx", "EVSE_UBOOT_KB": 1}
    else:
        (images / "rpi-firmware").mkdir()
        (images / "rpi-firmware" / "config.txt").write_text("kernel=u-boot.bin\n")
        (images / "u-boot.bin").write_bytes(b"loader")
    run(TREE / "board" / "evse" / "post-build.sh", target, **settings)
    run(TREE / "board" / "evse" / "post-build.sh", target, **settings)
    assert (target / "etc" / "fstab").read_text().count("LABEL=data") == 1
    conf = (target / "etc" / "rauc" / "system.conf").read_text()
    assert "min-bundle-version=1.2.3" in conf and "@" not in conf.partition("[system]")[2]
    run("truncate", "-s", "4M", images / "rootfs.ext4")
    (target / "program").write_bytes(os.urandom(100_000))
    run("mke2fs", "-q", "-t", "ext4", "-F", "-d", target, images / "rootfs.ext4")
    run(TREE / "board" / "evse" / "post-image.sh", images, **settings)
    script = (images / "boot.cmd").read_text()
    assert not re.search(r"@[A-Z_]+@", script)
    assert ("booti" in script) == (machine == "raspberrypi4_64")
    assert ("imx6ull-14x14-evk.dtb" in script) == (machine == "imx6ullevk")
    with (images / "sdcard.img").open("rb") as image:
        table = image.read(512)[446:510]
    assert [table[at + 4] for at in range(0, 64, 16)] == [0x0C, 0x83, 0x83, 0x83] and table[0] == 0x80
    if machine.startswith("imx"):
        with (images / "sdcard.img").open("rb") as image:
            image.seek(1024)
            assert image.read(6) == b"loader"
    else:
        assert "U-BOOT" in run("mdir", "-i", images / "boot.vfat", "::").upper()
    # Debian 12's RAUC does not know min-bundle-version, which images use.
    known = target / "etc" / "rauc" / "known.conf"
    known.write_text(conf.replace("min-bundle-version=1.2.3\n", ""))
    told = run("rauc", f"--conf={known}", "info", images / "evse.raucb")
    assert "1.2.3" in told and "verity" in told.lower()
