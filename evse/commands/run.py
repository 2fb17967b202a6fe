"""evse run: checks everything, prepares the state directory, and becomes the daemon."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from typing import Any, NoReturn

from evse import prepare
from evse.commands.client import SOCKET_NAME, state_dir
from evse.errors import UsageError

LEVELS = ("error", "warning", "info", "debug")


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse run --config FILE --state-dir DIR [--board NAME] [--control SOCKET] [--log-level L]"""
    run = commands.add_parser("run", help="run the station in the foreground", parents=[shared, daemon])
    run.add_argument("--config", metavar="FILE", help="station file; without one a simulated station")
    run.add_argument("--board", metavar="NAME", help='board file instead of the one in the station file, or "auto"')
    run.add_argument("--log-level", choices=LEVELS, default="info", help="lines to show on standard error")
    run.set_defaults(call=_run)


def _run(args: argparse.Namespace) -> NoReturn:
    directory = state_dir(args)
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"state directory {directory}: {error.strerror}; choose another by --state-dir") from None
    lock = _lock(directory)
    board = os.path.abspath(args.board) if args.board and "/" in args.board else args.board
    prepared = prepare.prepare(args.config, directory, board)
    control = os.path.abspath(args.control) if args.control else os.path.join(directory, SOCKET_NAME)
    os.set_inheritable(lock, True)
    sys.stdout.flush()
    command = prepare.daemon_command(prepared, directory, control, args.log_level)
    os.execv(command[0], command)


def _lock(directory: str) -> int:
    """The descriptor that keeps the state directory for one station; it ends with the process."""
    path = os.path.join(directory, "lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; choose another directory by --state-dir") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise UsageError(
            f"state directory {directory}: another station runs there; choose another by --state-dir"
        ) from None
    return lock
