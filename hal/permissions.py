"""What of the machine a board's devices open: for the sandbox of the service. Front end and tools only.

    print(drop_in(description, "rpi-devkit"))      a drop-in for systemd's unit

[systemd.resource-control(5): DeviceAllow; systemd.exec(5): ReadWritePaths]
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

Table = dict[str, Any]
# Where device nodes come and go, or are found by looking at all: the kernel's classes of /proc/devices instead.
_CLASSES = {
    "/dev/input/": ("char-input",),
    "/dev/ttyUSB": ("char-ttyUSB",),
    "/dev/ttyACM": ("char-ttyACM",),
    "/dev/serial/": ("char-ttyUSB", "char-ttyACM"),
}
# The unit lets the station write there anyway.
_OWN = ("/run/evse/", "/var/lib/evse/")


def devices(description: Table) -> list[str]:
    """Device nodes and classes that a checked board file asks for, each once, in order."""
    found = ["char-gpiochip"] if description.get("gpio") else []
    for node in _nodes(description):
        if node.startswith("/dev/"):
            found += next((words for start, words in _CLASSES.items() if node.startswith(start)), (node,))
    return list(dict.fromkeys(found))


def writable(description: Table) -> list[str]:
    """Directories that it writes besides: attributes of PWMs and lights, pipes of readers."""
    lights = any(led.get("driver") == "class" for led in description.get("led", ()))
    found = ["/sys/devices"] if lights or description.get("pwm") else []
    for node in _nodes(description):
        if not node.startswith(("/dev/", *_OWN)):
            found.append(posixpath.dirname(node))
    return list(dict.fromkeys(found))


def drop_in(description: Table, name: str) -> str:
    """The drop-in of a checked board file, `name` in its first line."""
    lines = [f"# Board {name}; made by `evse hw service`, to be made again when the board changes.", "[Service]"]
    lines += [f"DeviceAllow={_escaped(device)} rw" for device in devices(description)]
    lines += [f"ReadWritePaths=-{_escaped(path)}" for path in writable(description)]
    return "\n".join(lines) + "\n"


def _nodes(description: Table) -> Iterator[str]:
    """Every path that a part of the board opens."""
    if "watchdog" in description:
        yield description["watchdog"]["device"]
    for port in description.get("serial", {}).values():
        yield port["device"]
    for reader in description.get("reader", ()):
        for member in ("device", "path"):
            if member in reader:
                yield reader[member]


def _escaped(path: str) -> str:
    """With systemd's specifiers and spaces written so that they stay what they are."""
    return path.replace("%", "%%").replace(" ", r"\x20")
