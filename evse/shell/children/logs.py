"""Logs for the CSMS: a ZIP archive of text files, made line by line, bounded, without secrets.

    {"kind": "SecurityLog", "from": UTC seconds or None, "to": ..., "entries": [{"type", "timestamp", "techInfo"}]}
    {"kind": "DiagnosticsLog", "from", "to", "entries", "about": {...}}

A security log holds security.jsonl; diagnostics hold beside it

    about.json      the station, its software, the machine
    status.json     what `evse status` shows
    variables.txt   the device model as `evse vars list` shows it; what cannot be read is masked
    trace.jsonl     frames to and from the CSMS, within the time asked for
    log.txt         the station's own log, within the time asked for
    network.txt     addresses, routes, name servers
    system.txt      memory, load, space

What cannot be had says so in its file. `places`: "control" the control socket, "trace" and "log" files, or None.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import zipfile
from calendar import timegm
from collections.abc import Callable, Iterator
from time import gmtime, strftime, strptime
from typing import Any, BinaryIO

import evse
from evse.shell.children.masking import masked, plain

# Of one file in the archive; of a longer log or trace the newest end.
MEMBER_BYTES = 16 << 20
LINE_BYTES = 1 << 20
# ZIP knows no date before, which a clock may show that nobody has set.
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
SOCKET_WITHIN_S = 10.0
JOURNAL_LINES = 20_000
JOURNALCTL = "/usr/bin/journalctl"
_NETWORK = ("/proc/net/dev", "/proc/net/route", "/proc/net/if_inet6", "/proc/net/wireless", "/etc/resolv.conf")
_SYSTEM = ("/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/version", "/etc/os-release")

NEWEST = ("trace.jsonl", "log.txt")

Lines = Iterator[str]
Make = Callable[[], Lines]


def write(log: dict[str, Any], places: dict[str, Any], file: BinaryIO) -> None:
    """Writes the archive to `file`. Raises OSError if that cannot take it."""
    members: list[tuple[str, Make]] = [("security.jsonl", lambda: _security(log))]
    if log["kind"] == "DiagnosticsLog":
        members += [
            ("about.json", lambda: _about(log)),
            ("status.json", lambda: _status(places)),
            ("variables.txt", lambda: _variables(places)),
            ("trace.jsonl", lambda: _trace(log, places)),
            ("log.txt", lambda: _log(log, places)),
            ("network.txt", lambda: _network()),
            ("system.txt", lambda: _system(places)),
        ]
    made = max(gmtime()[:6], FIRST_DATE)
    with zipfile.ZipFile(file, "w") as archive:
        for name, lines in members:
            member = zipfile.ZipInfo(name, made)
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as opened:
                _fill(opened, lines, newest=name in NEWEST)


def _fill(member: Any, make: Make, newest: bool) -> None:
    """The lines of one file. Where the newest are wanted they are made twice, as none is kept in memory."""
    surplus = sum(map(len, _encoded(make))) - MEMBER_BYTES if newest else 0
    left = MEMBER_BYTES
    for data in _encoded(make):
        if surplus > 0:
            surplus -= len(data)
        elif left > 0:
            member.write(data)
            left -= len(data)
        else:
            return


def _encoded(make: Make) -> Iterator[bytes]:
    """The lines as they are written; those of a file that fails end with why."""
    lines = make()
    while True:
        try:
            line = next(lines, None)
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
            yield f"not available: {getattr(error, 'strerror', None) or type(error).__name__}\n".encode()
            return
        if line is None:
            return
        yield line.encode("utf-8", "backslashreplace") + b"\n"


def _security(log: dict[str, Any]) -> Lines:
    for entry in log["entries"]:
        yield json.dumps({name: plain(str(value)) for name, value in entry.items()})


def _about(log: dict[str, Any]) -> Lines:
    machine = os.uname()
    about = {
        "made_at": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()),
        "from": _text(log["from"]),
        "to": _text(log["to"]),
        "software": f"evse {evse.__version__}",
        "python": platform.python_version(),
        "machine": f"{machine.sysname} {machine.release} {machine.machine}",
        "host": machine.nodename,
        **log["about"],
    }
    yield json.dumps(masked(about), indent=2)


class _Control:
    """Asks the station by its control socket. Raises OSError, ValueError."""

    def __init__(self, places: dict[str, Any]) -> None:
        path = places.get("control")
        if not path:
            raise FileNotFoundError(2, "no control socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(SOCKET_WITHIN_S)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> _Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self._file.readline(LINE_BYTES))
        if not answer.pop("ok"):
            raise ValueError("refused")
        return dict(answer)


def _status(places: dict[str, Any]) -> Lines:
    with _Control(places) as control:
        yield json.dumps(masked(control.ask(cmd="status")), indent=2)


def _variables(places: dict[str, Any]) -> Lines:
    with _Control(places) as control:
        start: int | None = 0
        while start is not None:
            part = control.ask(cmd="vars", op="list", start=start)
            for variable in part["vars"]:
                shown = masked({"key": variable["name"], "value": variable["value"]})
                yield f"{shown['key']} = {shown['value']}"
            start = part.get("next")


def _trace(log: dict[str, Any], places: dict[str, Any]) -> Lines:
    """From the file, if there is one, else what the station has in memory."""
    path = places.get("trace")
    if path:
        for line in _lines(path):
            yield from _frame(log, line)
        return
    with _Control(places) as control:
        for entry in control.ask(cmd="trace")["frames"]:
            yield from _frame(log, json.dumps(entry))


def _frame(log: dict[str, Any], line: str) -> Lines:
    """One entry of the trace, masked; a frame that cannot be read, as one that was cut, is left out of its entry."""
    try:
        entry = json.loads(line)
        at = entry["at"]
    except (ValueError, KeyError, TypeError):
        return
    if not _within(log, at):
        return
    try:
        frame = json.loads(entry["frame"])
        entry["frame"] = masked(frame)
    except (ValueError, KeyError, TypeError, RecursionError):
        entry["frame"] = None
    yield json.dumps(entry)


def _log(log: dict[str, Any], places: dict[str, Any]) -> Lines:
    """From the file, if there is one, else from the journal of systemd."""
    if places.get("log"):
        for line in _lines(places["log"]):
            try:
                at = timegm(strptime(line[:20], "%Y-%m-%dT%H:%M:%SZ"))
            except ValueError:
                continue
            if _within(log, at):
                yield plain(line)
        return
    unit = _unit()
    if unit is None or not os.access(JOURNALCTL, os.X_OK):
        yield "not available: the log goes to standard error; [log] in the station file keeps one"
        return
    command = [JOURNALCTL, "--no-pager", "--quiet", "--utc", "--output=short-iso", f"--lines={JOURNAL_LINES}"]
    command.append(f"--unit={unit}")
    for option, at in (("since", log["from"]), ("until", log["to"])):
        if at is not None:
            command.append(f"--{option}=@{int(at)}")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as made:
        said: Any = made.stdout
        try:
            while line := said.readline(LINE_BYTES):
                yield plain(line.decode("utf-8", "backslashreplace").rstrip("\n"))
        finally:
            made.kill()


def _unit() -> str | None:
    """The unit of systemd that this station runs as."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            names = [part for line in file for part in line.strip().split("/") if part.endswith(".service")]
    except OSError:
        return None
    return names[-1] if names else None


def _network() -> Lines:
    yield f"host {socket.gethostname()}"
    for index, name in socket.if_nameindex():
        yield f"interface {index} {name}"
    yield from _files(_NETWORK)


def _system(places: dict[str, Any]) -> Lines:
    space = os.statvfs(places["state"])
    yield f"free {space.f_bavail * space.f_frsize} of {space.f_blocks * space.f_frsize} bytes for the state directory"
    station = f"/proc/{os.getppid()}"
    yield from _files((*_SYSTEM, f"{station}/status", f"{station}/smaps_rollup", f"{station}/limits"))


def _files(paths: tuple[str, ...]) -> Lines:
    for path in paths:
        yield f"\n# {path}"
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    yield plain(line.rstrip("\n"))
        except OSError as error:
            yield f"not available: {error.strerror}"


def _lines(path: str) -> Lines:
    """The lines of a file that rolls: first those of `<path>.1`."""
    for name in (path + ".1", path):
        try:
            with open(name, "rb") as file:
                while line := file.readline(LINE_BYTES):
                    yield line.decode("utf-8", "backslashreplace").rstrip("\n")
        except FileNotFoundError:
            continue


def _within(log: dict[str, Any], at: float | None) -> bool:
    """Whether a moment is in the time asked for; one that nobody knows is."""
    if at is None:
        return True
    return (log["from"] is None or at >= log["from"]) and (log["to"] is None or at <= log["to"])


def _text(at: float | None) -> str | None:
    return None if at is None else strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at))
