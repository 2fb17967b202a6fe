"""The command `evse`: arguments, exit codes, and what an error looks like.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 daemon not running, 130 and 143 ended by SIGINT and SIGTERM.
`evse run` has two more: 70 an internal error, 75 the station asks to be started again (a reset).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import evse
from evse.commands.client import NotRunning
from evse.errors import EvseError

NOUNS = (
    "run", "demonstration", "diagnosis", "charging", "configuration", "variables", "simulation", "tag", "hardware",
    "health", "tracing", "certificates",
)  # fmt: skip


def _nouns() -> Iterator[Any]:
    """The modules of the commands; a lean image leaves most of them out."""
    for name in NOUNS:
        module = f"evse.commands.{name}"
        try:
            yield importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise


def parser() -> argparse.ArgumentParser:
    """All commands; docs/cli.md describes each, a test compares."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON")
    daemon = argparse.ArgumentParser(add_help=False)
    daemon.add_argument("--state-dir", metavar="DIR", help="state directory of the station (default: EVSE_STATE_DIR)")
    daemon.add_argument(
        "--control", metavar="SOCKET", help="control socket (default: control.sock in the state directory)"
    )
    result = argparse.ArgumentParser(prog="evse", description="Firmware of an EV charging station.")
    result.add_argument("--version", action="version", version=f"evse {evse.__version__}")
    commands = result.add_subparsers(metavar="COMMAND", required=True)
    for noun in _nouns():
        noun.add(commands, shared, daemon)
    return result


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    args = parser().parse_args(argv)
    try:
        code: int = args.call(args)
        sys.stdout.flush()
        return code
    except NotRunning as error:
        return _failed(args, 3, error)
    except EvseError as error:
        return _failed(args, 1, error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output went away: nothing left to say
        return 1


def _terminated(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _failed(args: argparse.Namespace, code: int, error: EvseError) -> int:
    if args.json:
        print(json.dumps({"ok": False, "error": str(error)}))
    print(f"evse: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
