"""Jobs that install firmware: by RAUC (A/B slots and a boot loader that counts), or by an executable of the maker.

    firmware_room  {"keep": path | None} -> {"bytes": n}       removes other images, n bytes may come
    install        {"path", "sha256"} -> {"restart", "version", "slot"}    without restart the version that runs now
    booted_slot    {} -> {"slot"}                              the slot that runs

What is installed with is places["firmware"], the table [firmware] of the station file; places["firmware_file"] tells
the version. Errors: "Invalid" (the image is no good), "Failed", "NotSupported".
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from evse.errors import EvseError
from evse.shell.children.main import JobError
from evse.shell.imageversion import version
from evse.shell.log import Log
from evse.store import make_directory

Say = Callable[[dict[str, Any]], None]

FOLDER = "firmware"
LOCK = "lock"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
# What of an installer's output is kept, and how long its last line may be.
TAIL_BYTES = 4096
LINE_LENGTH = 300
# Of `rauc info`, `rauc status`; the installation itself may take as long as the station file says, and this less.
ASK_WITHIN_S = 30.0
MARGIN_S = 5.0
# The RAUC service may not be up yet when the station starts.
STATUS_TRIES, STATUS_AGAIN_S = 4, 3.0
# Exit codes of an executable installer: a restart activates the firmware, it is active, the image is no good.
RESTART, ACTIVE, INVALID = 0, 10, 20
# Words of RAUC's for an image that was not meant for this station.
REFUSALS = ("compatible", "version", "signature", "verif", "keyring")


class Rauc:
    """The RAUC service, by its command line."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._command = settings["command"] or ["rauc"]
        self._within_s = settings["install_within_s"] - MARGIN_S

    def install(self, path: str, lock: int) -> dict[str, Any]:
        code, said = _run([*self._command, "info", "--output-format=json", path], ASK_WITHIN_S)
        if code != 0:
            raise JobError("Invalid", f"rauc info: {_last_line(said)}")
        code, said = _run([*self._command, "install", path], self._within_s, lock)
        if code != 0:
            why = _last_line(said, "LastError:")
            refused = any(word in why.lower() for word in REFUSALS)
            raise JobError("Invalid" if refused else "Failed", f"rauc install: {why}")
        return {"restart": True, "version": None, "slot": self._status().get("boot_primary")}

    def booted_slot(self) -> str:
        for slots in self._status().get("slots", ()):
            for name, slot in slots.items():
                if slot.get("state") == "booted":
                    return str(name)
        raise JobError("Failed", "rauc status: no slot is booted")

    def _status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads(self._ask("status", "--output-format=json"))
        except ValueError:
            raise JobError("Failed", "rauc status: no JSON") from None
        return status

    def _ask(self, *arguments: str) -> str:
        for tries_left in reversed(range(STATUS_TRIES)):
            code, said = _run([*self._command, *arguments], ASK_WITHIN_S, tail=1 << 20, errors=False)
            if code == 0:
                return said
            if tries_left:
                time.sleep(STATUS_AGAIN_S)
        raise JobError("Failed", f"rauc {' '.join(arguments)}: {_last_line(said)}")


class Executable:
    """An executable of the maker: it gets the path of the image; exit code and last line of output are the result."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._command = settings["command"]
        self._within_s = settings["install_within_s"] - MARGIN_S

    def install(self, path: str, lock: int) -> dict[str, Any]:
        code, text = _run([*self._command, path], self._within_s, lock)
        said = _last_line(text)
        if code == INVALID:
            raise JobError("Invalid", said or "the installer refuses the image")
        if code not in (RESTART, ACTIVE):
            raise JobError("Failed", said or f"the installer ended with {code}")
        version = said.removeprefix("version ").strip() if said.startswith("version ") else None
        return {"restart": code == RESTART, "version": version or None, "slot": None}

    def booted_slot(self) -> str:
        raise JobError("NotSupported", "an executable installer knows no slots")


INSTALLERS: dict[str, type[Rauc] | type[Executable]] = {"rauc": Rauc, "executable": Executable}


def room(request: dict[str, Any], places: dict[str, Any], say: Say) -> dict[str, Any]:
    """Removes images that nobody wants any more; how many bytes one may have beside `min_free_bytes`."""
    folder = _folder(places)
    keep = request["keep"]
    kept = 0
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if keep is not None and name.startswith(os.path.basename(keep)):
            kept += os.path.getsize(path)
        elif name != LOCK:
            os.unlink(path)
    free = os.statvfs(folder)
    return {"bytes": kept + free.f_bavail * free.f_frsize - places["firmware"]["min_free_bytes"]}


def install(request: dict[str, Any], places: dict[str, Any], say: Say) -> dict[str, Any]:
    """Installs an image that lies below the state directory; never two at a time, also not beside a left-over one."""
    path = os.path.realpath(os.path.join(places["state"], request["path"]))
    if os.path.dirname(path) != os.path.realpath(_folder(places)):
        raise JobError("Failed", "the image is not where images lie")
    lock = os.open(f"{_folder(places)}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise JobError("Failed", f"the image cannot be read: {error.strerror}") from None
        if found != request["sha256"]:
            raise JobError("Invalid", "the image is not as it was downloaded")
        answer = _installer(places).install(path, lock)
    finally:
        os.close(lock)
    if not answer["restart"]:
        answer["version"] = version(places["firmware_file"], Log("error")) or answer["version"]
    return answer


def booted_slot(request: dict[str, Any], places: dict[str, Any], say: Say) -> dict[str, Any]:
    """The name of the slot that runs."""
    return {"slot": _installer(places).booted_slot()}


def _installer(places: dict[str, Any]) -> Rauc | Executable:
    settings = places["firmware"]
    return INSTALLERS[settings["installer"]](settings)


def _folder(places: dict[str, Any]) -> str:
    folder = f"{places['state']}/{FOLDER}"
    try:
        make_directory(os, folder)
    except EvseError as error:
        raise JobError("Failed", str(error)) from None
    return folder


def _run(
    command: list[str], within_s: float, lock: int | None = None, tail: int = TAIL_BYTES, errors: bool = True
) -> tuple[int, str]:
    """(exit code, the last `tail` bytes of output and errors); ended with all that it started when it is late."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
        )
    except OSError as error:
        raise JobError("Failed", f"{command[0]}: {error.strerror}") from None
    assert process.stdout is not None
    previous = signal.signal(signal.SIGALRM, lambda *_: _kill(process.pid))
    signal.setitimer(signal.ITIMER_REAL, max(within_s, 1.0))
    said = b""
    try:
        while chunk := os.read(process.stdout.fileno(), 65536):
            said = (said + chunk)[-tail:]
        code = process.wait()
        late = signal.setitimer(signal.ITIMER_REAL, 0)[0] == 0
    except BaseException:
        _kill(process.pid)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        process.stdout.close()
    if late:
        raise JobError("Failed", f"{command[0]}: not done within {within_s:.0f} s")
    return code, said.decode(errors="replace")


def _kill(pid: int) -> None:
    """A process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _last_line(text: str, word: str = "") -> str:
    """The last line with something in it; the last one with `word`, if there is any."""
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    lines = [each for each in lines if word in each] or lines
    return lines[-1][:LINE_LENGTH] if lines else ""
