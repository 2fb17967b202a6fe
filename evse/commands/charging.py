"""evse status, start, stop, unlock: the station as it is, and what a person in front of it may do."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from evse.commands.client import Client, ask, colour, show, socket_path, table

STATUS_COLOURS = {"Available": "32", "Occupied": "36", "Charging": "36", "Faulted": "31", "Unavailable": "33"}


def add(commands: Any, *parents: argparse.ArgumentParser) -> None:
    """evse status|start|stop|unlock ..."""
    status = commands.add_parser("status", help="connection, EVSEs, meters, transactions, limits", parents=parents)
    status.add_argument("-w", "--watch", action="store_true", help="again every second until interrupted")
    status.set_defaults(call=_status)
    for cmd, text in (
        ("start", "start charging at an EVSE"),
        ("stop", "end the session at an EVSE"),
        ("unlock", "unlock the cable of an EVSE"),
    ):
        verb = commands.add_parser(cmd, help=text, parents=parents)
        verb.add_argument("evse", type=int, help="number of the EVSE")
        if cmd == "start":
            verb.add_argument("--token", help="id token to charge with; without one the station itself authorizes")
        if cmd == "unlock":
            verb.add_argument("--connector", type=int, help="connector of the EVSE (default 1)")
        verb.set_defaults(call=_act, cmd=cmd)


def _act(args: argparse.Namespace) -> int:
    members = {name: getattr(args, name, None) for name in ("token", "connector")}
    answer = ask(args, args.cmd, evse=args.evse, **members)
    return show(args, answer, f"{args.cmd} EVSE {args.evse}: done")


def _status(args: argparse.Namespace) -> int:
    if not args.watch:
        answer = ask(args, "status")
        return show(args, answer, status_text(answer))
    with Client(socket_path(args)) as client:
        while True:
            answer = client.ask("status")
            if sys.stdout.isatty() and not args.json:
                sys.stdout.write("\033[H\033[J")
            show(args, answer, status_text(answer))
            sys.stdout.flush()
            time.sleep(1)


def status_text(answer: dict[str, Any]) -> str:
    """The answer to `status` for people."""
    lines = [_connection(answer)]
    network = answer.get("network") or {}
    if answer["connection"] not in ("connected", "none") and network.get("last_error"):
        again = network.get("next_attempt_in_s")
        lines.append(network["last_error"] + ("" if again is None else f"; tried again in {again:.0f} s"))
    rows = []
    for evse in answer["evses"]:
        for connector in evse["connectors"]:
            word = connector["status"]
            rows.append(
                [
                    f"{evse['id']}.{connector['id']}",
                    colour(STATUS_COLOURS.get(word, "0"), word),
                    evse["charging_state"],
                    _amount(evse["register_wh"], 1000, "kWh", 3),
                    _amount(evse["power_w"], 1000, "kW", 2),
                    _limit(evse),
                    _phases(evse),
                    evse["transaction"] or "",
                    ", ".join(evse["faults"]),
                ]
            )
    heads = ["EVSE", "status", "state", "register", "power", "limit", "phases", "transaction", "faults"]
    lines.append(table(rows, heads))
    if answer.get("faults"):
        lines.append("station faults: " + ", ".join(answer["faults"]))
    return "\n".join(lines)


def _connection(answer: dict[str, Any]) -> str:
    if answer["connection"] == "none":
        return "standalone, without a CSMS"
    version = f" OCPP {answer['version']}" if answer["version"] else ""
    registered = "" if answer["registration"] is None else f", {answer['registration']}"
    waiting = f", {answer['queued']} events wait" if answer.get("queued") else ""
    return f"{answer['identity']}: {answer['connection']}{version}{registered}{waiting}"


def _amount(value: float | None, divisor: float, unit: str, digits: int) -> str:
    return "-" if value is None else f"{value / divisor:.{digits}f} {unit}"


def _limit(evse: dict[str, Any]) -> str:
    limit, source, profile = evse["limit_a"], evse["limit_source"], evse.get("limit_profile")
    if limit is None:
        return "none"
    if profile is not None:
        source += f": {profile['purpose']} {profile['id']}, level {profile['stack_level']}"
    return f"{limit:g} A ({source})"


def _phases(evse: dict[str, Any]) -> str:
    count, source = evse["phases"], evse["phases_source"]
    if count is None:
        return "switching"
    return str(count) if source is None else f"{count} ({source})"
