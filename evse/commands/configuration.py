"""evse config: the station file, before anything is started with it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from evse.commands.client import show
from evse.errors import UsageError


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse config check|show|init ..."""
    config = commands.add_parser("config", help="check, show or begin a station file")
    verbs = config.add_subparsers(metavar="VERB", required=True)
    for name, call, text in (
        ("check", _check, "all errors of a station file, with their lines"),
        ("show", _show, "every setting with its value"),
        ("init", _init, "write a station file to begin with"),
    ):
        verb = verbs.add_parser(name, help=text, parents=[shared])
        verb.add_argument(
            "file", nargs="?", help="station file" + ("; without one to standard output" if name == "init" else "")
        )
        verb.add_argument("--config", metavar="FILE", dest="file_option", help="the same")
        verb.set_defaults(call=call)
    verb.add_argument("--board", metavar="NAME", help='name this board in it; "auto": the one that this machine is')


def _file(args: argparse.Namespace) -> str | None:
    name = args.file or args.file_option
    return str(name) if name is not None else None


def _check(args: argparse.Namespace) -> int:
    from evse import stationfile

    path = _file(args)
    if path is None:
        raise UsageError("config check: name the station file, as in `evse config check station.toml`")
    try:
        stationfile.load(path)
    except stationfile.StationFileError as error:
        if not args.json:
            raise
        problems = [problem._asdict() for problem in error.problems]
        print(json.dumps({"ok": False, "file": path, "problems": problems}, indent=2))
        return 1
    return show(args, {"ok": True, "file": path, "problems": []}, f"{path}: no errors")


def _show(args: argparse.Namespace) -> int:
    from evse import stationfile

    config = stationfile.load(_file(args))
    for table in (config["csms"], *config["csms"]["slots"].values()):
        if table["password"] is not None:
            table["password"] = "***"
    for entry in config["overrides"]:
        if entry["variable"] == "BasicAuthPassword":
            entry["value"] = "***"
    return show(args, config, "\n".join(_lines("", config)))


def _lines(path: str, value: Any) -> list[str]:
    """`a.b = value` for each setting."""
    if isinstance(value, dict):
        return [line for name, item in value.items() for line in _lines(f"{path}.{name}" if path else str(name), item)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [line for index, item in enumerate(value, 1) for line in _lines(f"{path}.{index}", item)]
    return [f"{path} = {'(none)' if value is None else json.dumps(value)}"]


def _init(args: argparse.Namespace) -> int:
    from evse import stationfile

    path = _file(args)
    text = stationfile.template(args.board)
    if path is None:
        sys.stdout.write(text)
        return 0
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"config init: {path} exists and is left as it is; name another file") from None
    except OSError as error:
        raise UsageError(f"config init: {path}: {error.strerror}") from None
    return show(
        args, {"file": os.path.abspath(path)}, f"wrote {path}; next: evse run --config {path} --state-dir state"
    )
