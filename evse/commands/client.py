"""The command line's end of the control socket, and how answers are shown."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from evse.errors import EvseError, UsageError

SOCKET_NAME = "control.sock"
ANSWER_WITHIN_S = 10.0


class NotRunning(EvseError):
    """No station answers at the control socket."""


def state_dir(args: argparse.Namespace) -> str:
    """The state directory: --state-dir, EVSE_STATE_DIR, or evse in the user's directory for state."""
    given = args.state_dir or os.environ.get("EVSE_STATE_DIR")
    if given:
        return os.path.abspath(given)
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "evse")


def socket_path(args: argparse.Namespace) -> str:
    """The control socket: --control, EVSE_CONTROL, or the one in the state directory."""
    return args.control or os.environ.get("EVSE_CONTROL") or os.path.join(state_dir(args), SOCKET_NAME)


class Client:
    """A connection to the daemon; use as a context manager. Raises NotRunning if there is none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_WITHIN_S)
        try:
            self._socket.connect(path)
        except PermissionError:
            self._socket.close()
            raise UsageError(f"{path}: no permission; use the account of the station or its group") from None
        except OSError:
            self._socket.close()
            raise NotRunning(
                f"no station answers at {path}; start one with `evse run`, or name it by --state-dir or --control"
            ) from None
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, cmd: str, **members: Any) -> dict[str, Any]:
        """The answer to one command. Raises UsageError with the daemon's words if it refuses."""
        members = {name: value for name, value in members.items() if value is not None}
        self._socket.sendall(json.dumps({"id": 1, "cmd": cmd, **members}).encode() + b"\n")
        for answer in self._lines():
            if "ok" in answer:
                if not answer["ok"]:
                    raise UsageError(explained(cmd, str(answer.get("error"))))
                return {name: value for name, value in answer.items() if name not in ("id", "ok")}
        raise NotRunning(f"the station at {self._path} ended before it answered {cmd}")

    def events(self) -> Iterator[dict[str, Any]]:
        """What comes after a subscription, until the daemon ends."""
        self._socket.settimeout(None)
        yield from self._lines()

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            for line in self._file:
                yield json.loads(line)
        except TimeoutError:
            raise UsageError(f"the station at {self._path} did not answer within {ANSWER_WITHIN_S:.0f} s") from None


# What commands need that not every station has; the others need simulated hardware.
_NEEDED = {
    "tags": "its cards are the CSMS's; only a standalone station keeps its own ([behaviour] standalone = true)",
    **dict.fromkeys(("vars", "trace", "network"), "it is standalone, without OCPP ([behaviour] standalone)"),
}


def explained(cmd: str, error: str) -> str:
    """A refusal of the daemon with what to do about it."""
    if error == "unsupported":
        needed = _NEEDED.get(cmd, 'simulation needs a simulated board (board = "simulated-ac-1")')
        return f"{cmd}: this station cannot do that; {needed}"
    return f"{cmd}: {error}"


def ask(args: argparse.Namespace, cmd: str, **members: Any) -> dict[str, Any]:
    """One command over a connection of its own."""
    with Client(socket_path(args)) as client:
        return client.ask(cmd, **members)


def show(args: argparse.Namespace, answer: Any, text: str) -> int:
    """Prints the answer as JSON if asked for, else the text; exit code 0."""
    if args.json:
        print(json.dumps(answer, indent=2, sort_keys=False, ensure_ascii=False))
    elif text:
        print(text)
    return 0


def colour(code: str, text: str) -> str:
    """The text in a terminal's colour, plain where nobody can see it or NO_COLOR is set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def table(rows: list[list[str]], head: list[str] | None = None) -> str:
    """Columns padded to their widest entry."""
    lines = [*([head] if head else []), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))] if lines else []
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
