"""Roots of Debian for ARM, run by qemu-user: packages unpacked, the Debian package of this tree in them.

    root = build("armhf")                   about ten seconds and 60 MB; kept beside the device trees
    done = run(root, "evse", "demo")        as in a chroot on such a machine

Needs root, mmdebstrap and qemu-user-static, which is registered with the kernel's binfmt_misc where it is not yet.
Raises OSError with what is missing. An emulated program is ten to twenty times slower, and its process holds the
emulator's memory as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.station import ROOT

SUITE = "trixie"
# The processor that each is meant for; armel on the ARM9 of an i.MX28. Without one, qemu emulates costly extensions.
PROCESSORS = {"arm64": "cortex-a53", "armhf": "cortex-a7", "armel": "arm926"}
BINFMT = {"arm64": "qemu-aarch64", "armhf": "qemu-arm", "armel": "qemu-arm"}
PACKAGES = ("python3", "python3-cryptography", "python3-websockets", "ca-certificates", "busybox-static")


def cache() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evse-devicetrees"
    return Path(os.environ.get("EVSE_DEVICETREES") or default) / "roots"


def build(architecture: str) -> Path:
    """A root with the program installed as of now."""
    root = cache() / f"{SUITE}-{architecture}"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=root.parent))
        try:
            fetch(architecture, PACKAGES, work / "root")
            (work / "root").rename(root)
        finally:
            shutil.rmtree(work)
    install(root)
    return root


def fetch(architecture: str, packages: tuple[str, ...], root: Path) -> None:
    """Unpacks packages of Debian and what they depend on; no script of theirs runs."""
    missing = [tool for tool in ("mmdebstrap", "dpkg-deb") if shutil.which(tool) is None]
    if missing or os.geteuid():
        raise OSError(f"needs root and {', '.join(missing) or 'nothing else'}")
    source = f"deb http://deb.debian.org/debian {SUITE} main"
    command = ["mmdebstrap", "--mode=root", "--variant=extract", f"--architectures={architecture}"]
    command += [f"--include={','.join(packages)}", SUITE, str(root), source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise OSError(f"mmdebstrap: {done.stderr.strip()[-300:]}")


def register(name: str) -> None:
    """Tells the kernel which emulator runs the programs of an architecture, as systemd-binfmt does at a start."""
    formats, line = Path("/proc/sys/fs/binfmt_misc"), Path("/usr/lib/binfmt.d", f"{name}.conf")
    if not (formats / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", formats], check=False, capture_output=True)
    if (formats / name).exists():
        return
    if not (formats / "register").exists() or not line.exists():
        raise OSError(f"needs the kernel's binfmt_misc and {line} (qemu-user-static)")
    (formats / "register").write_text(line.read_text().strip())


def install(root: Path) -> None:
    """Unpacks the Debian package of this tree over what was there; no script of it runs."""
    shutil.rmtree(root / "usr" / "lib" / "evse", ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, ROOT / "yocto" / "debian" / "build-deb", "--out", scratch]
        package = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    for name in ("bin", "lib", "sbin"):  # what base-files would do in its script
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "run", "etc"):
        (root / name).mkdir(exist_ok=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")


def run(root: Path, *command: str, limit_s: float = 600) -> subprocess.CompletedProcess[str]:
    """Runs a command in the root, with /proc and the device nodes that a program needs."""
    architecture = root.name.rpartition("-")[2]
    register(BINFMT[architecture])
    mounts = "mount -t proc proc proc && mount -t devtmpfs dev dev && mount -t tmpfs tmp tmp && mount -t tmpfs run run"
    script = f'cd "$0" && {mounts} && exec chroot . "$@"'
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LC_ALL": "C.UTF-8",
        "QEMU_CPU": PROCESSORS[architecture],
    }  # fmt: skip
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(root), *command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=limit_s)
