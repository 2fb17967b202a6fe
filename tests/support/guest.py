"""A kernel of Debian in QEMU with one script of ours as its first process: uinput and other simulated hardware.

    EVSE_TEST_KERNEL=directory        of an unpacked package linux-image-...-amd64, with boot/vmlinuz-* and lib/modules

    text = run_guest(script, directory, modules=("evdev", "uinput"))

The script finds `mount` done, the modules loaded, and the packages `evse` and `hal`; what it prints is the answer. No
KVM, root or network is needed; ten seconds of one processor.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180
BEGIN, END = "-- guest begins", "-- guest ends"
EXTENSIONS = "_ctypes _heapq _json _posixsubprocess _struct array binascii fcntl math select termios zlib".split()
PACKAGES = ("encodings", "collections", "ctypes", "importlib", "re", "json")
FIRST = f"""
import sys, os, ctypes, time, traceback
sys.path[:0] = ["/app"]
libc = ctypes.CDLL(None, use_errno=True)
for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
print("{BEGIN}", flush=True)
for name in sorted(os.listdir("/modules")):
    if libc.syscall(313, os.open("/modules/" + name, os.O_RDONLY), b"", 0):  # finit_module
        print("cannot load", name, os.strerror(ctypes.get_errno()))
try:
    exec(compile(open("/script.py").read(), "/script.py", "exec"), {{"__name__": "__main__"}})
except BaseException:
    traceback.print_exc(file=sys.stdout)
print("{END}", flush=True)
time.sleep(0.2)
libc.reboot(0x4321FEDC)  # power off
"""


def run_guest(script: str, directory: Path, modules: tuple[str, ...]) -> str:
    """What the script printed. Skips the test where there is no kernel or no QEMU."""
    package = os.environ.get("EVSE_TEST_KERNEL")
    qemu = shutil.which("qemu-system-x86_64")
    if package is None or qemu is None:
        pytest.skip("needs qemu-system-x86_64, and EVSE_TEST_KERNEL with an unpacked linux-image package")
    kernel = next(Path(package).glob("boot/vmlinuz-*"))
    archive = directory / "initrd.gz"
    archive.write_bytes(gzip.compress(_archive(script, Path(package), modules), 1))
    command = [qemu, "-m", "512", "-cpu", "max", "-nographic", "-no-reboot", "-kernel", kernel, "-initrd", archive]
    options = "console=ttyS0 quiet panic=1 random.trust_cpu=on rdinit=/init"
    run = subprocess.run(
        [*command, "-append", options], capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
    )
    text = run.stdout.decode("utf-8", "replace").replace("\r\n", "\n")
    _, begun, rest = text.partition(BEGIN + "\n")
    answer, ended, _ = rest.partition(END)
    assert begun and ended, text[-4000:]
    return answer


def _archive(script: str, package: Path, modules: tuple[str, ...]) -> bytes:
    """An initramfs with this Python, our packages and the modules."""
    python = os.path.realpath(sys.executable)
    stdlib = Path(sysconfig.get_path("stdlib"))
    files: dict[str, tuple[Path | bytes, int]] = {python: (Path(python), 0o755)}
    extensions = [path for name in EXTENSIONS for path in (stdlib / "lib-dynload").glob(f"{name}.*.so")]
    sources = [*stdlib.glob("*.py"), *extensions]
    sources += [path for name in PACKAGES for path in (stdlib / name).rglob("*.py")]
    files.update({str(path): (path, 0o644) for path in sources})
    for path in (python, *extensions):
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        files.update({name: (Path(os.path.realpath(name)), 0o755) for name in re.findall(r"(/\S+) \(0x", listed)})
    for name in ("evse", "hal"):
        for path in (ROOT / name).rglob("*.py"):
            files[f"/app/{path.relative_to(ROOT)}"] = (path, 0o644)
    for number, name in enumerate(modules):
        found = next(package.glob(f"lib/modules/*/kernel/**/{name}.ko"))
        files[f"/modules/{number:02}-{name}.ko"] = (found, 0o644)
    files["/script.py"] = (script.encode(), 0o644)
    files["/init"] = (f"#!{python} -ISs\n{FIRST}".encode(), 0o755)
    return _cpio(files)


def _cpio(files: dict[str, tuple[Path | bytes, int]]) -> bytes:
    """The archive in the form that the kernel unpacks. [Documentation/driver-api/early-userspace/buffer-format.rst]"""
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"/"}
    entries = [(name, b"", 0o040755) for name in sorted(folders | {"/proc", "/sys", "/dev", "/tmp"})]
    for name, (content, mode) in files.items():
        entries.append((name, content if isinstance(content, bytes) else content.read_bytes(), 0o100000 | mode))
    entries.append(("TRAILER!!!", b"", 0))
    out = bytearray()
    for inode, (name, content, mode) in enumerate(entries, 1):
        label = name.lstrip("/").encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(label), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + label
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)
