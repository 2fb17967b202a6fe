"""Device trees as the kernel ships them: what a board really has, read from the compiled files of Debian's kernels.

    tree = load(blob)
    tree.compatible            ["chargebyte,imx6ull-tarragon-master", "fsl,imx6ull"]
    tree.line_names            {"RELAY_1_ENABLE", ...}, the gpio-line-names of every GPIO controller
    tree.devices               {"20fc000.pwm", ...}, bus names of what is switched on
    tree.serials               {0: ("2020000.serial", True), ...}: by their aliases, and whether they are switched on
    tree.leds                  {"green:boot", ...}, as /sys/class/leds names them

`blobs(names)` fetches the packages once and keeps what was asked for in a cache; see there.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGES = {"armhf": "linux-image-armmp", "arm64": "linux-image-arm64"}
SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_BEGIN, _END, _PROP, _NOP = 1, 2, 3, 4
_COLOURS = ("white", "red", "green", "blue", "amber", "violet", "yellow")  # <dt-bindings/leds/common.h>


class Node:
    def __init__(self, name: str, parent: Node | None) -> None:
        self.name = name
        self.parent = parent
        self.properties: dict[str, bytes] = {}
        self.children: list[Node] = []

    def words(self, name: str) -> list[str]:
        return [word.decode() for word in self.properties.get(name, b"").split(b"\0")][:-1]

    def all(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.all()

    @property
    def enabled(self) -> bool:
        node: Node | None = self
        while node is not None:
            if node.words("status")[:1] not in ([], ["okay"], ["ok"]):
                return False
            node = node.parent
        return True

    @property
    def path(self) -> str:
        return "" if self.parent is None else f"{self.parent.path}/{self.name}"

    def _cells(self, name: str, default: int) -> int:
        value = self.properties.get(name)
        return struct.unpack(">I", value)[0] if value else default

    def bus_name(self) -> str | None:
        """As the kernel names a platform device: translated address, dot, node name."""
        if "reg" not in self.properties or self.parent is None:
            return None
        name, _, _ = self.name.partition("@")
        size = 4 * self.parent._cells("#address-cells", 2)
        address = int.from_bytes(self.properties["reg"][:size], "big")
        node = self.parent
        while node.parent is not None:
            ranges = node.properties.get("ranges")
            if ranges is None:
                return None
            child, above = node._cells("#address-cells", 2), node.parent._cells("#address-cells", 2)
            length = node._cells("#size-cells", 1)
            row = 4 * (child + above + length)
            for at in range(0, len(ranges), row):
                base = int.from_bytes(ranges[at : at + 4 * child], "big")
                target = int.from_bytes(ranges[at + 4 * child : at + 4 * (child + above)], "big")
                extent = int.from_bytes(ranges[at + 4 * (child + above) : at + row], "big")
                if base <= address < base + extent:
                    address += target - base
                    break
            node = node.parent
        return f"{address:x}.{name}"


class Tree:
    def __init__(self, root: Node) -> None:
        self.compatible = root.words("compatible")
        nodes = list(root.all())
        paths = {node.path: node for node in nodes}
        self.controllers = {name: node for node in nodes if "gpio-controller" in node.properties
                            and (name := node.bus_name())}  # fmt: skip
        self.line_names = {word for node in nodes for word in node.words("gpio-line-names") if word}
        self.devices = {name for node in nodes if node.enabled and (name := node.bus_name())}
        self.leds = {
            _led(child)
            for node in nodes
            if node.enabled and "gpio-leds" in node.words("compatible")
            for child in node.children
        }
        aliases = next((node for node in root.children if node.name == "aliases"), Node("aliases", None))
        self.serials = {
            int(alias[6:]): (paths[target].bus_name(), paths[target].enabled)
            for alias in aliases.properties
            if alias.startswith("serial") and (target := aliases.words(alias)[0]) in paths
        }


def _led(node: Node) -> str:
    if node.words("label"):
        return node.words("label")[0]
    if not node.words("function"):
        return node.name
    colour = node.properties.get("color")
    return f"{_COLOURS[int.from_bytes(colour, 'big')] if colour else ''}:{node.words('function')[0]}"


def load(blob: bytes) -> Tree:
    """A flattened device tree. [devicetree.org specification, chapter 5]"""
    magic, _, structure, strings, *_ = struct.unpack_from(">10I", blob)
    if magic != 0xD00DFEED:
        raise ValueError("no device tree")
    root = node = Node("", None)
    at, depth = structure, 0
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == _BEGIN:
            end = blob.index(b"\0", at)
            if depth:
                child = Node(blob[at:end].decode(), node)
                node.children.append(child)
                node = child
            depth += 1
            at = (end + 4) & ~3
        elif token == _END:
            depth -= 1
            if not depth:
                return Tree(root)
            assert node.parent is not None
            node = node.parent
        elif token == _PROP:
            length, name = struct.unpack_from(">II", blob, at)
            at += 8
            key = blob[strings + name : blob.index(b"\0", strings + name)].decode()
            node.properties[key] = blob[at : at + length]
            at = (at + length + 3) & ~3
        elif token != _NOP:
            raise ValueError(f"token {token} at {at}")


def blobs(architecture: str, names: list[str]) -> dict[str, bytes]:
    """Compiled device trees by file name; those that the package does not hold are left out.

    Kept in $EVSE_DEVICETREES, else in the user's cache. Raises OSError with the reason if they cannot be had.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evse-devicetrees"
    cache = Path(os.environ.get("EVSE_DEVICETREES") or default) / SUITE / architecture
    wanted = [name for name in names if not (cache / name).exists()]
    if wanted:
        if os.environ.get("EVSE_OFFLINE"):
            raise OSError("EVSE_OFFLINE is set and the device trees are not in the cache")
        cache.mkdir(parents=True, exist_ok=True)
        _fetch(architecture, wanted, cache)
    return {name: blob for name in names if (blob := (cache / name).read_bytes())}


def archives(architecture: str, packages: list[str], work: Path) -> dict[str, Path]:
    """Downloads packages of the suite: name -> file below `work`; of a meta package, what it depends on first.

    Raises OSError with the reason.
    """
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "sources.list").write_text(f"deb [arch={architecture} signed-by={KEYRING}] {MIRROR} {SUITE} main\n")
    (work / "apt.conf").write_text(
        f'Dir::State::lists "{work}/lists"; Dir::Cache "{work}/cache"; Dir::Etc::sourcelist "{work}/sources.list";\n'
        f'Dir::Etc::sourceparts "-"; APT::Architecture "{architecture}"; APT::Architectures {{"{architecture}";}};\n'
        'Acquire::Languages "none"; APT::Sandbox::User "root"; Acquire::http::Timeout "10"; Acquire::Retries "1";\n'
    )
    run("apt-get", "-qq", "update", work=work)
    found = {}
    for name in packages:
        package = name
        if name in PACKAGES.values():
            shown = run("apt-cache", "show", name, work=work)
            package = next(line.split()[1] for line in shown.splitlines() if line.startswith("Depends:"))
        run("apt-get", "-qq", "download", package, work=work)
        found[name] = next(work.glob(f"{package.partition(':')[0]}_*.deb"))
    return found


def _fetch(architecture: str, names: list[str], cache: Path) -> None:
    """Keeps the trees of the newest kernel; an empty file says: not in it."""
    work = cache / "work"
    archive = archives(architecture, [PACKAGES[architecture]], work)[PACKAGES[architecture]]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            for member in files:
                name = member.name.rpartition("/")[2]
                content: Any = files.extractfile(member) if name in names and member.isfile() else None
                if content is not None:
                    (cache / name).write_bytes(content.read())
    shutil.rmtree(work)
    for name in names:
        if not (cache / name).exists():
            (cache / name).write_bytes(b"")


def run(*command: str, work: Path) -> str:
    environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OSError(f"{command[0]}: {error}") from None
    if done.returncode:
        raise OSError(f"{' '.join(command[:3])}: {done.stderr.strip()[-300:]}")
    return done.stdout
