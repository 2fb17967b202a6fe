"""A Charge Control C in QEMU: Debian's kernel, the board's device tree, a Python for ARM, and this program in it.

    image = build()                     kernel, device tree and packages; fetched once, kept beside the device trees
    lines = boot(image, script, tmp)    runs the script as the machine's only program: what it printed

Raises OSError where QEMU or the packages cannot be had. The kernel's GPIO, watchdog and device tree are real here; the
PWM is not emulated, and the UARTs lose what they receive.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

from tests.support import devicetree
from tests.support.station import ROOT

TREE = "imx6ull-tarragon-master.dtb"
KERNEL = devicetree.PACKAGES["armhf"]
PYTHON = "python3.13"
PACKAGES = [
    "busybox-static", "libc6", "libexpat1", "libgcc-s1", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib",
    f"{PYTHON}-minimal", "zlib1g",
]  # fmt: skip
MODULES = ("gpio-mxc.ko.xz", "imx2_wdt.ko.xz")
# Directories of the standard library that nobody needs there.
_LEFT_OUT = ("/doc/", "/locale/", "/man/", "/test/", "/idlelib/", "/turtledemo/", "/ensurepip/", "/tkinter/")
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in {" ".join(name.removesuffix(".xz") for name in MODULES)}; do /bin/busybox insmod /$module; done
PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 /usr/bin/{PYTHON} -u /app/guest.py
/bin/busybox poweroff -f
"""


class Ramdisk:
    """A cpio archive in the making. [kernel: Documentation/driver-api/early-userspace/buffer-format.rst]"""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._names: set[str] = set()

    def add(self, name: str, content: bytes = b"", mode: int = stat.S_IFREG | 0o755) -> None:
        name = name.strip("/")
        parent = name.rpartition("/")[0]
        if parent and parent not in self._names:
            self.add(parent, mode=stat.S_IFDIR | 0o755)
        if name not in self._names:
            self._names.add(name)
            self._write(name, content, mode)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        path = name.encode() + b"\0"
        numbers = (len(self._names), mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers)
        for part in (head + path, content):
            self._out.write(part + bytes(-len(part) % 4))

    def done(self) -> bytes:
        self._write("TRAILER!!!", b"", 0)
        return gzip.compress(self._out.getvalue(), 1)


def build() -> Path:
    """The directory with `vmlinuz`, the device tree and `root`, the unpacked packages."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evse-devicetrees"
    directory = Path(os.environ.get("EVSE_DEVICETREES") or default) / "guest"
    if (directory / "root").exists():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    work, root = directory / "work", directory / "unpacked"
    found = devicetree.archives("armhf", [KERNEL, *PACKAGES], work)
    for name in PACKAGES:
        subprocess.run(["dpkg-deb", "-x", found[name], root], check=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", found[KERNEL]], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            for member in files:
                name = member.name.rpartition("/")[2]
                content = files.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                if name in MODULES:
                    (root / name.removesuffix(".xz")).write_bytes(lzma.decompress(content.read()))
                elif name == TREE or name.startswith("vmlinuz"):
                    (directory / name.partition("-6")[0]).write_bytes(content.read())
    shutil.rmtree(work)
    root.rename(directory / "root")
    return directory


def boot(image: Path, script: Path, scratch: Path, limit_s: float = 180) -> list[str]:
    """What the script printed until it ended, or the watchdog reset the machine."""
    if shutil.which("qemu-system-arm") is None:
        raise OSError("qemu-system-arm is not installed")
    disk = Ramdisk()
    root = image / "root"
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if any(part in f"/{name}/" for part in _LEFT_OUT):
            continue
        if path.is_symlink():
            disk.add(name, os.readlink(path).encode(), stat.S_IFLNK | 0o777)
        elif path.is_file():
            disk.add(name, path.read_bytes())
    for name in ("bin", "lib"):
        disk.add(name, f"usr/{name}".encode(), stat.S_IFLNK | 0o777)
    for package in ("hal", "board_configs", "evse"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".toml"):
                disk.add(f"app/{path.relative_to(ROOT).as_posix()}", path.read_bytes())
    disk.add("app/guest.py", script.read_bytes())
    for name in ("proc", "sys", "dev", "tmp"):
        disk.add(name, mode=stat.S_IFDIR | 0o755)
    disk.add("init", INIT.encode())
    (scratch / "initrd").write_bytes(disk.done())
    out = scratch / "console"
    command = ["qemu-system-arm", "-M", "mcimx6ul-evk", "-m", "512M", "-kernel", image / "vmlinuz"]
    command += ["-dtb", image / TREE, "-initrd", scratch / "initrd"]
    command += ["-append", "console=ttymxc3,115200 rdinit=/init quiet panic=-1"]
    command += ["-display", "none", "-no-reboot", "-net", "none", *["-serial", "null"] * 3, "-serial", f"file:{out}"]
    subprocess.run(command, timeout=limit_s, check=True, capture_output=True)
    return out.read_text(errors="replace").replace("\r", "").splitlines()
