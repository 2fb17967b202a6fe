"""A flashed machine: what the image's build ships, where it ships it, takes an update without being edited.

A root of its own above this machine's (overlay, chroot, mount namespace) with the configuration that Buildroot's script
makes, RAUC's service as root on a system bus, and the station as another account. Of the shipped lines these are
others: the slots are loop devices, bundles are plain (verity needs device mapper in the kernel), the URL of
the CSMS, and before RAUC 1.13 there is no min-bundle-version. U-Boot's environment is a directory. Skipped with the
reason elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.test_updates import Authority, ok, rauc_version, run, wait
from tests.support.csms import CsmsThread
from tests.support.station import ROOT, Station
from tests.system.test_firmware import Files

POST_BUILD = ROOT / "yocto" / "buildroot" / "board" / "evse" / "post-build.sh"
COMPATIBLE = "evse-buildroot"
SLOT_BYTES = 1 << 20
ACCOUNT = 65534
IDENTITY = "EVSE-1"  # that of the shipped file
BUS = """<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow user="*"/>
<allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true"/><allow receive_type="*"/>
</policy><policy user="root"><allow own="de.pengutronix.rauc"/></policy></busconfig>
"""
FAILED = ("InstallationFailed", "InstallVerificationFailed")
PROGRAMS = {
    "fw_printenv": '[ -e "/data/uboot/$1" ] && echo "$1=$(cat "/data/uboot/$1")"',
    "fw_setenv": 'echo "$2" >"/data/uboot/$1"',
    "reboot": "touch /data/rebooted",
    "rauc": f'exec {shutil.which("rauc")} "$@"',
}


class Flashed:
    """The machine; `upper` is what it has that this one has not."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.upper, self.root = directory / "upper", directory / "root"
        self.state = directory / "state"
        self.authority = Authority(directory / "keys", "station")
        self.loops: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.rauc_service: subprocess.Popen[bytes] | None = None
        for path in (self.upper / "data" / "uboot", self.upper / "run" / "dbus", self.root, directory / "work"):
            path.mkdir(parents=True)
        self.state.mkdir()
        os.chown(self.state, ACCOUNT, ACCOUNT)
        self._ship()
        for name, text in PROGRAMS.items():
            self.program(name, text)

    def program(self, name: str, text: str) -> None:
        path = self.upper / "usr" / "local" / "sbin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def _ship(self) -> None:
        """The station file as evse.mk begins it, the rest by the image's script, and the handlers."""
        etc, share = self.upper / "etc", self.upper / "usr" / "share" / "evse"
        for path in (etc / "evse", share):
            path.mkdir(parents=True)
        shutil.copy("/etc/fstab", etc / "fstab") if os.path.exists("/etc/fstab") else (etc / "fstab").touch()
        shipped = ok(sys.executable, "-m", "evse", "config", "init", "--board", "simulated-ac-1")
        for path in (share / "station.toml", etc / "evse" / "station.toml"):
            path.write_text(shipped)
        settings = {"HOST_DIR": "/", "EVSE_VERSION": "1.2.0", "EVSE_KEYRING": str(self.authority.root)}
        done = run(POST_BUILD, self.upper, env={**os.environ, **settings})
        assert done.returncode == 0, done.stderr
        for name in ("pre-install", "post-install"):
            place = self.upper / "usr" / "lib" / "evse" / "rauc" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "yocto" / "rauc" / name, place)
        text = (etc / "rauc" / "system.conf").read_text()
        edits = {"=verity": "=plain", "type=ext4": "type=raw"}
        edits |= {f"/dev/mmcblk0p{number}": self._slot(name) for number, name in ((2, "A"), (3, "B"))}
        if rauc_version() < (1, 13):
            edits["min-bundle-version=1.2.0\n"] = ""
        for old, new in edits.items():
            assert old in text, f"system.conf has no {old}"
            text = text.replace(old, new)
        (etc / "rauc" / "system.conf").write_text(text)
        (etc / "bus.conf").write_text(BUS)

    def _slot(self, name: str) -> str:
        image = self.directory / f"slot-{name}"
        image.write_bytes(b"empty".ljust(SLOT_BYTES, b"\0"))
        done = run("losetup", "--find", "--show", image)
        if done.returncode:
            pytest.skip(f"loop devices cannot be used here: {done.stderr.strip()}")
        self.loops.append(done.stdout.strip())
        return self.loops[-1]

    def start(self) -> None:
        layers = f"lowerdir=/,upperdir={self.upper},workdir={self.directory}/work"
        mounts = f"mount -t overlay overlay -o {layers} {self.root}"
        for place in ("proc", "sys", "dev"):
            mounts += f" && mount --rbind /{place} {self.root}/{place}"
        mounts += f" && mkdir -p {self.root}/var/lib/evse && mount --bind {self.state} {self.root}/var/lib/evse"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
        holder = subprocess.Popen([*command, f"{mounts} && echo made && exec sleep 600"], stdout=subprocess.PIPE)
        self.processes.append(holder)
        assert holder.stdout is not None
        if holder.stdout.readline() != b"made\n":
            pytest.skip("no overlay above the root of this machine")
        self.namespace = f"--mount=/proc/{holder.pid}/ns/mnt"
        self.popen("dbus-daemon", "--config-file=/etc/bus.conf", "--nofork", "--nosyslog")
        wait((self.upper / "run" / "dbus" / "system_bus_socket").exists, "the D-Bus daemon")

    def inside(self, *command: object, account: int = 0) -> list[str]:
        words = ["nsenter", self.namespace, "chroot", f"--userspec={account}:{account}", self.root, *command]
        return [str(word) for word in words]

    def do(self, *command: object) -> str:
        """What a command of the machine's root says. It must succeed."""
        return ok(*self.inside("env", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", *command))

    def popen(self, *command: object) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(self.inside(*command), stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def boot(self, slot: str) -> None:
        """The machine starts from a slot: RAUC's service sees it by the kernel's command line."""
        if self.rauc_service is not None:
            self.rauc_service.terminate()
            self.rauc_service.wait(10)
        rauc = "/usr/local/sbin/rauc"
        self.rauc_service = self.popen(rauc, "service", f"--override-boot-slot={slot}")
        wait(lambda: run(*self.inside(rauc, "status")).returncode == 0, "RAUC's service")

    def mark_good(self, healthy: bool) -> None:
        """evse-mark-good with a station that is healthy, or is not."""
        self.do("ln", "-sf", "/bin/true" if healthy else "/bin/false", "/usr/local/sbin/evse")
        self.do(ROOT / "yocto" / "service" / "evse-mark-good")

    def uboot(self, name: str) -> str:
        return self.do("cat", f"/data/uboot/{name}").strip()

    def content(self, name: str) -> bytes:
        return (self.directory / f"slot-{name}").read_bytes().rstrip(b"\0")

    def find_python(self) -> None:
        """One that an account without rights may read, together with this tree: this one, or the system's."""
        for python in (sys.executable, "/usr/bin/python3"):
            self.evse = ["env", f"PYTHONPATH={ROOT}", "PYTHONDONTWRITEBYTECODE=1", python, "-m", "evse"]
            if run(*self.inside(*self.evse, "--version", account=ACCOUNT)).returncode == 0:
                return
        pytest.skip("an account without rights cannot read this tree, or no Python from 3.11 on")

    def station(self) -> list[str]:
        """The command line of the unit, as an account without rights."""
        words = ["run", "--config", "/etc/evse/station.toml", "--state-dir", "/var/lib/evse"]
        return self.inside(*self.evse, *words, account=ACCOUNT)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(10)
        for device in self.loops:
            run("losetup", "--detach", device)


@pytest.fixture
def flashed(tmp_path: Path) -> Iterator[Flashed]:
    tools = ("rauc", "openssl", "losetup", "dbus-daemon", "mksquashfs", "unshare", "nsenter", "chroot")
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing or os.geteuid():
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    machine = Flashed(tmp_path)
    try:
        machine.start()
        machine.find_python()
        machine.boot("A")
        yield machine
    finally:
        machine.close()


def update(csms: CsmsThread, url: str) -> None:
    version = csms.now.versions[0]
    firmware = {"location": url, "retrieveDateTime": "2026-01-01T00:00:00Z"}
    if version == "1.6":
        asked = {"location": url, "retrieveDate": "2026-01-01T00:00:00Z"}
        assert csms.call(IDENTITY, "UpdateFirmware", asked) == {}
    else:
        answer = csms.call(IDENTITY, "UpdateFirmware", {"requestId": 1, "firmware": firmware, "retries": 0})
        assert answer["status"] == "Accepted", answer


def versions(csms: CsmsThread) -> list[str]:
    """What the BootNotifications said, in their order."""
    payloads = [
        message.payload or {}
        for message in csms.now.messages
        if message.direction == "in" and message.action == "BootNotification"
    ]
    return [said.get("firmwareVersion") or said["chargingStation"]["firmwareVersion"] for said in payloads]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_the_csms_updates_a_flashed_machine(flashed: Flashed, version: str, tmp_path: Path) -> None:
    files = Files()
    bundle = flashed.authority.sign(tmp_path, "1.10.0", compatible=COMPATIBLE).read_bytes()
    older = flashed.authority.sign(tmp_path, "1.1.9", compatible=COMPATIBLE).read_bytes()
    files.content |= {"new": bundle, "older": older, "altered": bundle[:-9] + b"\0" + bundle[-8:]}
    with CsmsThread(versions=[version]) as csms:
        flashed.do("sed", "-i", f"s#ws://localhost:9000/ocpp#{csms.url}#", "/etc/evse/station.toml")
        station = Station(tmp_path, csms.url, text="# the machine has its own\n")
        station.start_as(flashed.station())
        try:
            station.wait(station.booted)
            for name in ("altered", "older"):
                update(csms, files.url(name))
                csms.expect("FirmwareStatusNotification", lambda said: said["status"] in FAILED, limit_s=30)
                assert flashed.content("B") == b"empty" and station.booted()
                csms.now.messages.clear()
            update(csms, files.url("new"))
            assert station.ended(30) == 76, station.tail()
            assert flashed.content("B") == b"new system" and flashed.uboot("BOOT_ORDER") == "B A"
            flashed.do("sh", "-c", "echo 1.10.0 >/etc/rauc/version")  # as the new image has it
            flashed.boot("B")
            station.start_as(flashed.station())
            station.wait(station.booted)
            assert versions(csms)[-1] == "1.10.0"
        finally:
            station.stop()
            files.server.shutdown()
            files.server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("healthy", [True, False])
def test_a_flashed_machine_keeps_an_update_or_goes_back(flashed: Flashed, healthy: bool) -> None:
    bundle = flashed.authority.sign(flashed.upper, "1.10.0", compatible=COMPATIBLE)
    flashed.do("rauc", "install", f"/{bundle.name}")
    flashed.boot("B")
    flashed.mark_good(healthy)
    assert flashed.uboot("BOOT_ORDER") == ("B A" if healthy else "A")
    assert int(flashed.uboot("BOOT_B_LEFT")) == (3 if healthy else 0)
    rebooted = flashed.do("ls", "/data").split().count("rebooted")
    assert rebooted == (0 if healthy else 1)
    result = flashed.do("cat", "/var/lib/evse-update/update-result")
    assert result.startswith("good 1.10.0" if healthy else "failed 1.10.0")
