"""An ARM machine in QEMU with a lean image: Debian's kernel, a read-only root in memory, data on a disk of its own.

    image = build()                           kernel, modules, a root for armhf; fetched once, kept
    machine = Machine(image, tmp, station_file)
    machine.start("boot"); machine.wait_for("booted"); machine.cut()      the power goes, without warning

BusyBox init, SysV script and evse-data start the station, as on a board without systemd. The agent in the guest prints
JSON lines; `mode` says what it does (tests/packaging/guest_agent.py). The host is 10.0.2.2. Needs root, mmdebstrap,
qemu-system-arm, and to be run by the Python version of Debian 12 (3.11). Raises OSError with what is missing.
"""

from __future__ import annotations

import lzma
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import devicetree
from tests.support.armroot import cache
from tests.support.emulator import Emulator
from tests.support.station import ROOT
from tests.support.tarragon import Ramdisk
from tests.support.volatiledisk import VolatileDisk

SUITE = "bookworm"
KERNEL = devicetree.PACKAGES["armhf"]
MODULES = ("virtio_mmio", "virtio_blk", "virtio_net", "crc32c_generic", "ext4", "softdog")
LIBRARIES = ("ld-linux", "libc.", "libm.", "libz.", "libexpat", "libssl", "libcrypto", "libgcc_s", "libffi", "libuuid")
PYTHON = "python3.11"
SERVICE = ROOT / "yocto" / "service"
GNU = "arm-linux-gnueabihf"
DATA_BYTES = 64 << 20
INIT = """#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
for name in $(cat /modules/order); do insmod /modules/$name.ko; done
for word in $(cat /proc/cmdline); do
    case $word in evse.mode=*) mode=${word#*=} ;; evse.utc=*) date -s @${word#*=} >/dev/null ;; esac
done
mount -t ext4 -o noatime /dev/vda /data || poweroff -f
syslogd -n -O /dev/console &
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
/usr/lib/evse/evse-data
/etc/init.d/evse start
python3 -I /agent.py $mode
sync
poweroff -f
"""
EVSE = "#!/usr/bin/python3 -I\nimport sys\nsys.path.insert(0, '/app')\nfrom evse.cli import main\nsys.exit(main())\n"
OFF = EVSE.replace("evse.cli", "hal.outputs_off")


def build() -> Path:
    """The directory with `vmlinuz`, `modules` and `root`."""
    if f"python3.{sys.version_info.minor}" != PYTHON:
        raise OSError(f"byte code for {PYTHON} is made by that version, not by {sys.version.split()[0]}")
    missing = [tool for tool in ("mmdebstrap", "dpkg-deb", "qemu-system-arm", "mke2fs") if not which(tool)]
    if missing or os.geteuid():
        raise OSError(f"needs root and {', '.join(missing) or 'nothing else'}")
    directory = cache() / "machine-armhf"
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        made = work / "made"
        (made / "modules").mkdir(parents=True)
        command = ["mmdebstrap", "--mode=root", "--variant=extract", "--architectures=armhf"]
        command += ["--include=python3,busybox-static", SUITE, str(made / "root")]
        done = subprocess.run(
            [*command, f"deb http://deb.debian.org/debian {SUITE} main"], capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            raise OSError(f"mmdebstrap: {done.stderr.strip()[-300:]}")
        package = devicetree.archives("armhf", [KERNEL], work / "packages")[KERNEL]
        subprocess.run(["dpkg-deb", "-x", package, work / "kernel"], check=True)
        shutil.copy(next((work / "kernel" / "boot").glob("vmlinuz-*")), made / "vmlinuz")
        modules(work / "kernel", made / "modules", MODULES)
        made.rename(directory)
    finally:
        shutil.rmtree(work)
    return directory


def which(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def modules(kernel: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copies modules of an unpacked kernel and what they need, and writes the order in which they load."""
    paths = {path.name.partition(".")[0].replace("-", "_"): path for path in kernel.glob("**/kernel/**/*.ko.xz")}
    order: list[str] = []

    def add(name: str) -> None:
        if name in order or name not in paths:
            return  # built in
        content = lzma.decompress(paths[name].read_bytes())
        found = re.search(rb"depends=([\w,-]*)\0", content)
        soft = re.findall(rb"softdep=pre: ([\w -]+)\0", content)
        words = (found[1].decode() if found else "").split(",")
        for need in [*words, *(part for line in soft for part in line.decode().split())]:
            add(need.replace("-", "_"))
        (target / f"{name}.ko").write_bytes(content)
        order.append(name)

    for name in names:
        add(name)
    (target / "order").write_text("\n".join(order) + "\n")


class Machine(Emulator):
    """One machine with its disk, whose write cache `chance` spoils at a cut; see VolatileDisk."""

    def __init__(
        self, image: Path, scratch: Path, station_file: str, files: dict[str, bytes] | None = None,
        chance: random.Random | None = None,
    ) -> None:  # fmt: skip
        super().__init__(scratch / "console")
        self._image = image
        self._socket = scratch / "disk"
        self._initrd = scratch / "initrd"
        data = scratch / "data.img"
        with data.open("wb") as file:
            file.truncate(DATA_BYTES)
        command = [str(which("mke2fs")), "-q", "-t", "ext4", "-L", "data", str(data)]
        subprocess.run(command, check=True, capture_output=True)
        self.disk = VolatileDisk(data, self._socket, chance or random.Random(0))
        self._initrd.write_bytes(_ramdisk(image, scratch, station_file, files or {}))

    def start(self, mode: str) -> None:
        """Power on."""
        command = ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a7", "-m", "512M", "-no-reboot"]
        command += ["-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._initrd)]
        options = f"console=ttyAMA0 rdinit=/init quiet panic=-1 evse.mode={mode} evse.utc={int(time.time())}"
        command += ["-append", options, "-drive", f"if=none,id=data,format=raw,file=nbd:unix:{self._socket}"]
        command += ["-device", "virtio-blk-device,drive=data"]
        self.run(*command, "-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net")

    def cut(self) -> str:
        """The power goes, and with it what the disk had not written yet; returns what became of that."""
        return self.disk.cut() if self.kill() else "off"

    def close(self) -> None:
        """Ends the machine and its disk."""
        self.cut()
        self.disk.close()


def _ramdisk(image: Path, scratch: Path, station_file: str, files: dict[str, bytes]) -> bytes:
    disk, root = Ramdisk(), image / "root"
    for name in ("bin", "lib", "sbin"):
        disk.add(name, f"usr/{name}".encode(), stat.S_IFLNK | 0o777)
    for name in ("proc", "sys", "dev", "tmp", "run", "data", "etc/evse", "var/lib/evse", "var/lib/evse-update"):
        disk.add(name, mode=stat.S_IFDIR | 0o755)
    for path in sorted((root / "usr" / "lib" / GNU).glob("*.so*")):
        if path.name.startswith(LIBRARIES):
            disk.add(f"usr/lib/{GNU}/{path.name}", path.read_bytes())
    for path in sorted((root / "lib" / GNU).glob("*.so*")):
        if path.name.startswith(LIBRARIES):
            disk.add(f"usr/lib/{GNU}/{path.name}", path.read_bytes())
    disk.add("usr/lib/ld-linux-armhf.so.3", f"{GNU}/ld-linux-armhf.so.3".encode(), stat.S_IFLNK | 0o777)
    disk.add(f"usr/bin/{PYTHON}", (root / "usr" / "bin" / PYTHON).read_bytes())
    disk.add("usr/bin/python3", PYTHON.encode(), stat.S_IFLNK | 0o777)
    busybox = next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())
    disk.add("usr/bin/busybox", busybox.read_bytes())
    library = scratch / "library"
    shutil.copytree(root / "usr" / "lib" / PYTHON, library / PYTHON, symlinks=False, ignore_dangling_symlinks=True)
    _lean("--library", library / PYTHON)
    for name in ("evse", "hal", "board_configs"):
        shutil.copytree(ROOT / name, scratch / "app" / name, ignore=shutil.ignore_patterns("__pycache__"))
    _lean(scratch / "app")
    for base, prefix in ((library, "usr/lib"), (scratch / "app", "app"), (image / "modules", "modules")):
        for path in sorted(base.rglob("*")):
            if path.is_file():
                disk.add(f"{prefix}/{path.relative_to(base).as_posix()}", path.read_bytes())
    for name in ("evse-supervise", "evse-data", "evse-attributes"):
        disk.add(f"usr/lib/evse/{name}", (SERVICE / name).read_bytes())
    texts = {
        "init": INIT, "usr/bin/evse": EVSE, "usr/bin/evse-outputs-off": OFF,
        "usr/share/evse/station.toml": station_file,
        "etc/init.d/evse": (SERVICE / "evse.init").read_text(),
        "etc/passwd": "root:x:0:0::/:/bin/sh\nevse:x:900:900::/var/lib/evse:/bin/false\n",
        "etc/group": "root:x:0:\nevse:x:900:\ngpio:x:901:evse\n", "etc/hosts": "127.0.0.1 localhost\n",
        "agent.py": (ROOT / "tests" / "packaging" / "guest_agent.py").read_text(),
    }  # fmt: skip
    for name, text in texts.items():
        disk.add(name, text.encode())
    for name, content in files.items():
        disk.add(name, content)
    return disk.done()


def _lean(*arguments: object) -> None:
    command = [sys.executable, ROOT / "yocto" / "lean", *arguments]
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=300)
