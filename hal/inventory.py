"""What this machine has for hardware: GPIO lines and their users, ports, buses, converters; and who may open them.

For `evse hw list`; front end only.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import Any

from hal import gpio
from hal.analogue import IIO_DEVICES, PWM_CLASS
from hal.drivers.led import CLASS as LEDS
from hal.kernel import Kernel

Entry = dict[str, Any]
# Directories of names that stay the same from start to start.
_STABLE = ("/dev/serial/by-id", "/dev/serial/by-path")
_TTYS = ("ttyS", "ttyUSB", "ttyACM", "ttyAMA", "ttymxc", "ttyLP", "ttyAPP", "ttySC", "ttyO", "serial0", "serial1")


def inventory(kernel: Kernel) -> dict[str, Any]:
    """gpio, serial, spi, i2c, pwm, adc, led, input, watchdog: lists of {"path", "problem", ...}; usable with None."""
    dev = kernel.names("/dev")
    return {
        "gpio": [_chip(kernel, f"/dev/{name}") for name in dev if name.startswith("gpiochip")],
        "serial": _serial_ports(kernel, dev),
        "spi": [_device(kernel, f"/dev/{name}") for name in dev if name.startswith("spidev")],
        "i2c": [_device(kernel, f"/dev/{name}") for name in dev if name.startswith("i2c-")],
        "pwm": [_pwm(kernel, name) for name in kernel.names(PWM_CLASS)],
        "adc": [_adc(kernel, name) for name in kernel.names(IIO_DEVICES) if name.startswith("iio:")],
        "led": [_attribute(kernel, f"{LEDS}/{name}", "brightness") for name in kernel.names(LEDS)],
        "input": [_device(kernel, f"/dev/input/{name}") for name in kernel.names("/dev/input") if "event" in name],
        "watchdog": [_device(kernel, f"/dev/{name}") for name in dev if name.startswith("watchdog")],
    }


def permission(path: str, user: str | None = None) -> str | None:
    """Why this account may not open `path` for reading and writing, and what helps; None if it may."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.strerror or str(error)
    if os.access(path, os.R_OK | os.W_OK):
        return None
    account = user or pwd.getpwuid(os.geteuid()).pw_name
    if status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) == stat.S_IRGRP | stat.S_IWGRP and status.st_gid:
        try:
            group = grp.getgrgid(status.st_gid).gr_name
        except KeyError:
            group = str(status.st_gid)
        return f"no permission: sudo usermod -aG {group} {account}, then log in again"
    return "no permission: it belongs to root alone; a udev rule must give it to a group"


def _device(kernel: Kernel, path: str) -> Entry:
    return {"path": path, "problem": permission(kernel.root + path)}


def _attribute(kernel: Kernel, path: str, name: str) -> Entry:
    return {"path": path, "problem": permission(f"{kernel.root}{path}/{name}")}


def _chip(kernel: Kernel, path: str) -> Entry:
    entry = _device(kernel, path)
    found = [] if entry["problem"] else [chip for chip in gpio.chips(kernel) if chip[0] == path]
    for _, label, count in found:
        entry["label"] = label
        entry["lines"] = [
            {"offset": offset, "name": name or None, "user": user or None}
            for offset, (name, user, _) in enumerate(gpio.lines(kernel, path, count))
        ]
    return entry


def _serial_ports(kernel: Kernel, dev: list[str]) -> list[Entry]:
    entries = []
    names: dict[str, list[str]] = {}
    for directory in _STABLE:
        for name in kernel.names(directory):
            target = os.path.basename(os.path.realpath(f"{kernel.root}{directory}/{name}"))
            names.setdefault(target, []).append(f"{directory}/{name}")
    for name in dev:
        if not name.startswith(_TTYS):
            continue
        # A port of the 8250 driver that has no chip behind it has no device either.
        if name.startswith("ttyS") and not kernel.link(f"/sys/class/tty/{name}/device/driver"):
            continue
        entries.append({**_device(kernel, f"/dev/{name}"), "names": names.get(name, [])})
    return entries


def _pwm(kernel: Kernel, name: str) -> Entry:
    path = f"{PWM_CLASS}/{name}"
    return {**_attribute(kernel, path, "export"), "device": "".join(kernel.link(f"{path}/device")[-1:])}


def _adc(kernel: Kernel, name: str) -> Entry:
    path = f"{IIO_DEVICES}/{name}"
    channels = [
        int(number)
        for file in kernel.names(path)
        if file.startswith("in_voltage") and file.endswith("_raw")
        if (number := file.removeprefix("in_voltage").removesuffix("_raw")).isdigit()
    ]
    parts = kernel.link(path)
    problem = None if os.access(kernel.root + path, os.R_OK) else "no permission"
    return {"path": path, "problem": problem, "device": parts[-2] if len(parts) > 1 else None, "channels": channels}


def text(found: dict[str, Any]) -> str:
    """The inventory as a technician reads it."""
    lines = []
    for kind, entries in found.items():
        lines.append(f"{kind}: {'' if entries else 'none'}".rstrip())
        for entry in entries:
            words = [entry["path"]]
            for name in ("label", "device"):
                if entry.get(name):
                    words.append(entry[name])
            if entry.get("channels"):
                words.append("channels " + ", ".join(map(str, sorted(entry["channels"]))))
            words += entry.get("names", [])
            if entry["problem"]:
                words.append(f"({entry['problem']})")
            lines.append("  " + "  ".join(words))
            for line in entry.get("lines", ()):
                if line["name"] or line["user"]:
                    user = f"  used by {line['user']}" if line["user"] else ""
                    lines.append(f"    {line['offset']:3} {line['name'] or '-'}{user}")
    return "\n".join(lines)
