"""evse sim: what happens to a simulated station."""

from __future__ import annotations

import argparse
from typing import Any

from evse.commands.client import ask, show


def add(commands: Any, *parents: argparse.ArgumentParser) -> None:
    """evse sim VERB ..."""
    sim = commands.add_parser("sim", help="act on a simulated station: plug, swipe, faults, network, power, clock")
    verbs = sim.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        result: argparse.ArgumentParser = verbs.add_parser(name, help=text, parents=parents)
        result.set_defaults(call=_call, cmd=name.replace("-", "_"))
        return result

    def evse(name: str, text: str) -> argparse.ArgumentParser:
        result = verb(name, text)
        result.add_argument("evse", type=int, help="number of the EVSE")
        return result

    evse("park", "a vehicle stops in the parking bay")
    evse("leave", "it drives out of the parking bay")
    plug = evse("plug", "a vehicle plugs in and asks for energy")
    plug.add_argument("--phases", type=int, choices=(1, 2, 3), help="phases that the vehicle uses (default 1)")
    plug.add_argument("--current", type=float, metavar="A", help="amperes that it draws at most (default 32)")
    evse("unplug", "the vehicle leaves")
    evse("suspend", "the vehicle asks for no energy for now")
    evse("resume", "the vehicle asks again")
    swipe = verb("swipe", "a card is held to a reader")
    swipe.add_argument("token", help="what is on the card")
    swipe.add_argument("--kind", help="IdTokenEnum word (default ISO14443)")
    swipe.add_argument(
        "--evse", type=int, action="append", dest="evses", metavar="N", help="EVSE of the reader; default all"
    )
    for name, text in (("fault", "a hardware fault appears"), ("clear", "it is gone")):
        fault = evse(name, text)
        fault.add_argument(
            "code", help="OCPP error code, or DiodeFault, WeldedContactor, LockFailure, MeterSilent, ..."
        )
    meter = evse("meter", "set the energy register")
    meter.add_argument("energy_wh", type=float, metavar="WH")
    network = verb("network", "lose the CSMS, or find it again at once")
    network.add_argument("state", choices=("up", "down"))
    power = verb("power", "lose the mains, or get them back")
    power.add_argument("state", choices=("loss", "restore"))
    lock = evse("lock", "the cable lock works, or jams")
    lock.add_argument("state", choices=("ok", "fail"))
    clock = verb("clock", "set the clock, or let it jump")
    clock.add_argument("how", choices=("set", "jump"))
    clock.add_argument("value", help="set: 2025-01-31T23:59:59Z; jump: seconds, forward or back")
    stop = verb("emergency-stop", "press the emergency stop, or release it")
    stop.add_argument("state", choices=("press", "release"), nargs="?", default="press")


def _call(args: argparse.Namespace) -> int:
    names = ("evse", "phases", "current", "token", "kind", "evses", "code", "energy_wh")
    members = {name: getattr(args, name) for name in names if hasattr(args, name)}
    state = getattr(args, "state", None)
    if args.cmd == "network":
        members["up"] = state == "up"
    elif args.cmd == "emergency_stop":
        members["pressed"] = state == "press"
    elif args.cmd == "clock":
        members[args.how] = args.value if args.how == "set" else _seconds(args.value)
    elif state is not None:
        members["state"] = state
    answer = ask(args, args.cmd, **members)
    return show(args, answer, "")


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SystemExit(f"evse sim clock jump: {text!r} is no number of seconds") from None
