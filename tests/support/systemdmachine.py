"""An ARM machine in QEMU much as a Raspberry Pi: 64 bits, Debian with systemd on a disk, the Debian package installed.

    image = build()                                     kernel, modules, a root for arm64; fetched once, kept
    machine = SystemdMachine(image, tmp, station_file)
    machine.start(); machine.wait_for("booted"); machine.kill()
    machine.wires                                       what is wired to its GPIO controller (tests/support/pl061.py)

The package is installed by dpkg in the root, run by qemu-user: its scripts make account, unit and allow-list of
devices. The agent in the guest is a service (tests/packaging/guest_agent.py). The host is 10.0.2.2. Needs what
tests/support/armroot.py and armmachine.py need. Raises OSError with what is missing.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import armroot, devicetree
from tests.support.armmachine import modules, which
from tests.support.emulator import Emulator
from tests.support.pl061 import Wires
from tests.support.station import ROOT
from tests.support.tarragon import Ramdisk

KERNEL = devicetree.PACKAGES["arm64"]
MODULES = ("virtio_mmio", "virtio_blk", "virtio_net", "crc32c_generic", "ext4", "softdog")
PACKAGES = (
    # What is essential to Debian is not implied here.
    "base-files", "base-passwd", "bsdutils", "coreutils", "dash", "diffutils", "dpkg", "findutils", "grep", "gzip",
    "hostname", "libc-bin", "perl-base", "sed", "sysvinit-utils", "tar", "util-linux",
    "systemd-sysv", "udev", "kmod", "mount", "passwd", "procps", "init-system-helpers", "busybox-static",
    "python3", "python3-cryptography", "python3-websockets", "ca-certificates",
)  # fmt: skip
DISK_BYTES = 600 << 20
# Loads the disk's driver and gives the network an address, then leaves all to systemd.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for name in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$name.ko; done
/bin/busybox ip link set eth0 up
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox ip route add default via 10.0.2.2
/bin/busybox mount -t ext4 /dev/vda /root || /bin/busybox poweroff -f
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
"""
AGENT = """[Service]
ExecStart=/usr/bin/python3 -I /agent.py systemd
Restart=no
StandardOutput=file:/dev/ttyAMA0
StandardError=inherit
[Install]
WantedBy=multi-user.target
"""
# What base-passwd's and systemd's own scripts would have left.
FILES = {
    "etc/shadow": "root:*:1::::::\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/hostname": "evse\n",
    "etc/fstab": "",
    "var/lib/dpkg/status": "",
    "var/lib/dpkg/available": "",
    "etc/systemd/system/agent.service": AGENT,
}


def build() -> Path:
    """The directory with `vmlinuz`, `modules` and `root-arm64`, without the program."""
    if not which("qemu-system-aarch64"):
        raise OSError("needs qemu-system-aarch64")
    directory = armroot.cache() / "machine-arm64"
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        made = work / "made"
        (made / "modules").mkdir(parents=True)
        armroot.fetch("arm64", PACKAGES, made / "root-arm64")
        package = devicetree.archives("arm64", [KERNEL], work / "packages")[KERNEL]
        subprocess.run(["dpkg-deb", "-x", package, work / "kernel"], check=True)
        shutil.copy(next((work / "kernel" / "boot").glob("vmlinuz-*")), made / "vmlinuz")
        modules(work / "kernel", made / "modules", MODULES)
        made.rename(directory)
    finally:
        shutil.rmtree(work)
    return directory


class SystemdMachine(Emulator):
    """One machine with its disk."""

    def __init__(self, image: Path, scratch: Path, station_file: str, files: dict[str, str] | None = None) -> None:
        super().__init__(scratch / "console")
        self._image = image
        self._disk = scratch / "root.img"
        self._sockets = scratch / "monitor", scratch / "qtest"
        self.wires = Wires(*self._sockets)
        self._initrd = scratch / "initrd"
        self._initrd.write_bytes(_ramdisk(image))
        root = scratch / "root-arm64"
        subprocess.run(["cp", "-a", image / root.name, root], check=True)
        _install(root, {**FILES, "etc/evse/station.toml": station_file, **(files or {})})
        with self._disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        command = [str(which("mke2fs")), "-q", "-t", "ext4", "-L", "root", "-d", root, self._disk]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(root)

    def start(self) -> None:
        """Power on. A reboot ends the emulator: QEMU 7.2 takes minutes for the second start of a kernel by itself."""
        command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "512M", "-no-reboot"]
        command += ["-kernel", self._image / "vmlinuz", "-initrd", self._initrd]
        options = "console=ttyAMA0 rdinit=/init quiet net.ifnames=0 panic=-1"
        command += ["-append", options, "-drive", f"if=none,id=root,format=raw,file={self._disk}"]
        command += ["-device", "virtio-blk-device,drive=root"]
        command += ["-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"]
        sockets = [f"unix:{path},server=on,wait=off" for path in self._sockets]
        self.run(*command, "-monitor", sockets[0], "-qtest", sockets[1], "-qtest-log", "none")
        self.wires.connect()


def _install(root: Path, files: dict[str, str]) -> None:
    """The files, and the Debian package of this tree as dpkg installs it."""
    for name in ("passwd", "group"):
        shutil.copy(root / "usr" / "share" / "base-passwd" / f"{name}.master", root / "etc" / name)
    for name in ("info", "updates", "triggers"):
        (root / "var" / "lib" / "dpkg" / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755 if text.startswith("#!") else 0o644)
    shutil.copy(ROOT / "tests" / "packaging" / "guest_agent.py", root / "agent.py")
    command = [sys.executable, ROOT / "yocto" / "debian" / "build-deb", "--out", root]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    # systemd's accounts come first, as on every Debian; the packages that evse depends on are unpacked, not configured.
    script = (
        "set -e; rmdir /var/run; ln -s /run /var/run; systemd-sysusers;"
        "systemctl mask -q systemd-firstboot.service serial-getty@ttyAMA0.service getty.target getty-static.service;"
        "systemctl enable -q agent.service; systemctl set-default -q multi-user.target;"
        "dpkg --force-depends --install /evse_*.deb; rm /evse_*.deb"
    )
    done = armroot.run(root, "sh", "-c", script)
    if done.returncode:
        raise OSError(f"the package cannot be installed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    (root / "etc" / ".updated").touch()  # else systemd makes its data bases anew at the first start


def _ramdisk(image: Path) -> bytes:
    disk = Ramdisk()
    for name in ("proc", "dev", "root"):
        disk.add(name, mode=stat.S_IFDIR | 0o755)
    disk.add("bin/busybox", (image / "root-arm64" / "usr" / "bin" / "busybox").read_bytes())
    for path in sorted((image / "modules").iterdir()):
        disk.add(f"modules/{path.name}", path.read_bytes())
    disk.add("init", INIT.encode())
    return disk.done()
