"""Updates by RAUC: a signed bundle reaches the other slot; what is unsigned, wrongly signed or older does not.

Needs root, RAUC, loop devices and a D-Bus daemon of its own; skipped with the reason elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.station import ROOT

RAUC = ROOT / "yocto" / "rauc"
SLOT_BYTES = 1 << 20
COMPATIBLE = "evse-test"
# A boot loader for the test: which slot comes next, and which ones are good, in files.
BOOTLOADER = """#!/bin/sh
cd {state} || exit 1
case $1 in
    get-primary) cat primary ;;
    set-primary) echo "$2" >primary ;;
    get-state) cat "state.$2" ;;
    set-state) echo "$3" >"state.$2" ;;
    get-current) echo A ;;
esac
"""


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def ok(*command: object) -> str:
    done = run(*command)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def rauc_version() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", ok("rauc", "--version")))


class Machine:
    """Two slots on loop devices, a configuration made from the one that images get, and RAUC's service."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.etc = directory / "etc"
        self.marks = directory / "marks"
        self.boot = directory / "boot"
        for path in (self.etc, self.boot, directory / "data"):
            path.mkdir()
        for name, content in (("primary", "A"), ("state.A", "good"), ("state.B", "good")):
            (self.boot / name).write_text(content + "\n")
        self.loops: list[str] = []
        self.bus: subprocess.Popen[bytes] | None = None
        self.authority = Authority(directory / "ours", "station")
        self.service: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ}

    def slot(self, name: str) -> str:
        image = self.directory / f"slot-{name}"
        image.write_bytes(b"empty".ljust(SLOT_BYTES, b"\0"))
        done = run("losetup", "--find", "--show", image)
        if done.returncode:
            pytest.skip(f"loop devices cannot be used here: {done.stderr.strip()}")
        self.loops.append(done.stdout.strip())
        return self.loops[-1]

    def content(self, name: str) -> bytes:
        return (self.directory / f"slot-{name}").read_bytes().rstrip(b"\0")

    def configure(self, keyring: Path, version: str) -> None:
        loader = self.directory / "bootloader"
        loader.write_text(BOOTLOADER.format(state=self.boot))
        loader.chmod(0o755)
        text = (RAUC / "system.conf.in").read_text()
        for word, value in {
            "COMPATIBLE": COMPATIBLE,
            "BOOTLOADER": f"custom\nbundle-formats=plain verity\nmountprefix={self.directory}/mnt",
            "SLOT_A": self.slot("A"),
            "SLOT_B": self.slot("B"),
            "TYPE": "raw",
            "DATA": str(self.directory / "data"),
        }.items():
            text = text.replace(f"@{word}@", value)
        text = text.replace("/usr/lib/evse/rauc/", f"{RAUC}/")
        text = text.replace("[handlers]", f"[handlers]\nbootloader-custom-backend={loader}")
        assert "@" not in text.partition("[system]")[2]
        (self.etc / "system.conf").write_text(text)
        (self.etc / "version").write_text(version + "\n")
        shutil.copy(keyring, self.etc / "keyring.pem")

    def start(self) -> None:
        bus = self.directory / "bus"
        address = f"unix:path={bus}"
        command = ["dbus-daemon", "--session", "--nofork", "--nosyslog", f"--address={address}"]
        with (self.directory / "log").open("wb") as log:
            self.bus = subprocess.Popen(command, stderr=log)
        wait(bus.exists, "the D-Bus daemon")
        self.environment |= {
            "DBUS_SESSION_BUS_ADDRESS": address,
            "DBUS_STARTER_ADDRESS": address,
            "DBUS_STARTER_BUS_TYPE": "session",
            "EVSE_UPDATE_DIR": str(self.marks),
        }
        self.start_from("A")

    def start_from(self, slot: str) -> None:
        """The machine starts from a slot: RAUC's service sees it by the kernel's command line."""
        if self.service is not None:
            self.service.terminate()
            self.service.wait(10)
        command = ["rauc", f"--conf={self.etc / 'system.conf'}", "service", f"--override-boot-slot={slot}"]
        with (self.directory / "log").open("ab") as log:
            self.service = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        wait(lambda: self.rauc("status").returncode == 0, "RAUC's service")

    def rauc(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run("rauc", *arguments, env=self.environment)

    def close(self) -> None:
        for process in (self.service, self.bus):
            if process is not None:
                process.terminate()
                process.wait(10)
        for device in self.loops:
            run("losetup", "--detach", device)


def wait(condition: object, what: str) -> None:
    end = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, f"{what} does not start"
        time.sleep(0.05)


class Authority:
    """A root for firmware, and a certificate below it that may sign."""

    def __init__(self, directory: Path, name: str, usage: str = "codeSigning") -> None:
        directory.mkdir(exist_ok=True)
        self.root = directory / f"{name}-root.pem"
        self.certificate = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        root_key, request = directory / f"{name}-root.key", directory / f"{name}.csr"
        extensions = directory / f"{name}.ext"
        extensions.write_text(f"keyUsage=digitalSignature\nextendedKeyUsage={usage}\n")
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        ok(*new, "-x509", "-days", "3650", "-subj", f"/CN={name} root", "-keyout", root_key, "-out", self.root)
        ok(*new, "-subj", f"/CN={name}", "-keyout", self.key, "-out", request)
        ok("openssl", "x509", "-req", "-in", request, "-CA", self.root, "-CAkey", root_key, "-CAcreateserial",
           "-days", "3650", "-extfile", extensions, "-out", self.certificate)  # fmt: skip

    def sign(self, directory: Path, version: str, content: bytes = b"new system", compatible: str = COMPATIBLE) -> Path:
        source = directory / f"source-{version}"
        source.mkdir()
        (source / "rootfs.img").write_bytes(content)
        (source / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}\n[bundle]\nformat=plain\n"
            "[image.rootfs]\nfilename=rootfs.img\n"
        )
        bundle = directory / f"evse-{version}.raucb"
        ok("rauc", "bundle", f"--cert={self.certificate}", f"--key={self.key}", source, bundle)
        return bundle


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    missing = [tool for tool in ("rauc", "openssl", "losetup", "dbus-daemon", "mksquashfs") if not shutil.which(tool)]
    if missing or os.geteuid():
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    machine = Machine(tmp_path)
    try:
        machine.configure(machine.authority.root, "1.2.0")
        machine.start()
        yield machine
    finally:
        machine.close()


@pytest.mark.slow
def test_a_signed_bundle_is_installed_and_has_to_prove_itself(machine: Machine, tmp_path: Path) -> None:
    bundle = machine.authority.sign(tmp_path, "1.10.0")
    done = machine.rauc("install", bundle)
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log").read_text()
    assert machine.content("B") == b"new system" and machine.content("A") == b"empty"
    assert (machine.boot / "primary").read_text() == "B\n"
    assert (machine.marks / "update-pending").read_text() == "B 1.10.0\n"


def refused(machine: Machine, bundle: Path) -> str:
    done = machine.rauc("install", bundle)
    assert done.returncode != 0
    assert machine.content("B") == b"empty" and (machine.boot / "primary").read_text() == "A\n"
    assert not machine.marks.exists()
    return done.stdout + done.stderr + (machine.directory / "log").read_text()


@pytest.mark.slow
def test_an_older_bundle_is_refused_and_the_same_again_is_not(machine: Machine, tmp_path: Path) -> None:
    authority = machine.authority
    assert "older than the installed 1.2.0" in refused(machine, authority.sign(tmp_path, "1.1.9"))
    assert machine.rauc("install", authority.sign(tmp_path, "1.2.0")).returncode == 0


@pytest.mark.slow
def test_rauc_itself_refuses_an_older_bundle_where_it_compares_versions(machine: Machine, tmp_path: Path) -> None:
    """As the images' configuration has it: with the formats verity and crypt no handler may see a bundle's manifest."""
    if rauc_version() < (1, 13):
        pytest.skip("RAUC before 1.13 knows no min-bundle-version")
    conf = machine.etc / "system.conf"
    text = conf.read_text().replace("[keyring]", "min-bundle-version=1.2.0\n[keyring]")
    conf.write_text(text.replace("pre-install=", "# pre-install="))
    machine.start_from("A")
    authority = machine.authority
    said = refused(machine, authority.sign(tmp_path, "1.1.9"))
    assert "Expected at least '1.2.0' but bundle manifest has '1.1.9'" in said
    assert machine.rauc("install", authority.sign(tmp_path, "1.10.0")).returncode == 0


@pytest.mark.slow
def test_unsigned_wrongly_signed_and_altered_bundles_are_refused(machine: Machine, tmp_path: Path) -> None:
    authority = machine.authority
    good = authority.sign(tmp_path, "2.0.0").read_bytes()
    unsigned = tmp_path / "unsigned.raucb"
    ok("mksquashfs", tmp_path / "source-2.0.0", unsigned, "-quiet")
    assert "signature" in refused(machine, unsigned).lower()
    altered = tmp_path / "altered.raucb"
    altered.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    assert "signature" in refused(machine, altered).lower()
    stranger = Authority(tmp_path / "stranger", "stranger").sign(tmp_path, "2.0.1")
    assert "verif" in refused(machine, stranger).lower()


@pytest.mark.slow
def test_a_certificate_for_something_else_signs_no_firmware(machine: Machine, tmp_path: Path) -> None:
    mail = Authority(tmp_path / "ours", "mail", "emailProtection")
    (machine.etc / "keyring.pem").write_text(mail.root.read_text())
    assert "purpose" in refused(machine, mail.sign(tmp_path, "2.0.0")).lower()


@pytest.mark.slow
def test_firmware_of_another_product_is_refused(machine: Machine, tmp_path: Path) -> None:
    bundle = machine.authority.sign(tmp_path, "2.0.0", compatible="fridge")
    assert "compatible" in refused(machine, bundle).lower()
