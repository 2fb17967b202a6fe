"""evse vars: the device model, what each variable is and where its value came from."""

from __future__ import annotations

import argparse
from typing import Any

from evse.commands.client import ask, show, table


def add(commands: Any, *parents: argparse.ArgumentParser) -> None:
    """evse vars list|get|set|reset ..."""
    variables = commands.add_parser("vars", help="configuration variables: values, defaults, where they came from")
    verbs = variables.add_subparsers(metavar="VERB", required=True)
    name_help = "Component[instance]@evse/connector.Variable[instance], or a 1.6 configuration key"
    listed = verbs.add_parser("list", help="all variables", parents=parents)
    listed.add_argument("pattern", nargs="?", help="only names that contain this text")
    listed.add_argument("--changed", action="store_true", help="only those that are not at their default")
    listed.set_defaults(call=_list)
    one = verbs.add_parser("get", help="one value", parents=parents)
    one.add_argument("name", help=name_help)
    one.set_defaults(call=_get)
    new = verbs.add_parser("set", help="change one value, as the CSMS may", parents=parents)
    new.add_argument("name", help=name_help)
    new.add_argument("value")
    new.set_defaults(call=_set)
    reset = verbs.add_parser("reset", help="back to the station file or the default", parents=parents)
    reset.add_argument("name", help=name_help)
    reset.set_defaults(call=_reset)


def _list(args: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        part = ask(args, "vars", op="list", start=start, pattern=args.pattern)
        found += part["vars"]
        start = part.get("next")
    if args.changed:
        found = [entry for entry in found if entry["source"] != "default"]
    rows = [[entry["name"], _text(entry["value"]), _text(entry["default"]), entry["source"]] for entry in found]
    return show(args, found, table(rows, ["name", "value", "default", "source"]) if rows else "no such variables")


def _get(args: argparse.Namespace) -> int:
    answer = ask(args, "vars", op="get", name=args.name)
    return show(args, answer, _text(answer["value"]))


def _set(args: argparse.Namespace) -> int:
    answer = ask(args, "vars", op="set", name=args.name, value=args.value)
    later = " (after a restart)" if answer.get("status") == "RebootRequired" else ""
    return show(args, answer, f"{args.name} = {args.value}{later}")


def _reset(args: argparse.Namespace) -> int:
    answer = ask(args, "vars", op="reset", name=args.name)
    return show(args, answer, f"{args.name} = {_text(answer['value'])}")


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
