"""evse healthy: waits until a station that was just updated has shown that it works, or says why it does not."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from evse.commands.client import Client, NotRunning, show, socket_path
from evse.errors import EvseError, UsageError

# Faults that a self-test of the hardware finds; what a vehicle, the mains or a hand at the stop button does is none.
HARDWARE = frozenset(
    (
        "ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "InternalError", "LockFailure", "MeterSilent",
        "PowerMeterFailure", "PowerSwitchFailure", "ReaderFailure", "WeldedContactor",
    )
)  # fmt: skip
ASK_EVERY_S = 2.0


class Unhealthy(EvseError):
    """The station did not prove itself in time."""


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse healthy [--within S] [--hold S] [--standalone S]"""
    text = "wait until the station has shown that it works, as after an update"
    healthy = commands.add_parser("healthy", help=text, parents=[shared, daemon])
    healthy.add_argument("--within", type=float, default=900.0, metavar="S", help="give up after so long (900)")
    healthy.add_argument("--hold", type=float, default=30.0, metavar="S", help="it must last so long (30)")
    healthy.add_argument("--standalone", type=float, default=300.0, metavar="S", help="the same without a CSMS (300)")
    healthy.set_defaults(call=_healthy)


def _healthy(args: argparse.Namespace) -> int:
    limit_s = wait(socket_path(args), args.within, args.hold, args.standalone)
    return show(args, {"healthy": True, "after_s": round(limit_s, 1)}, f"healthy after {limit_s:.0f} s")


def problem(status: dict[str, Any]) -> str | None:
    """Why a station with this answer to `status` is not healthy, None if it is."""
    if not status.get("ready"):
        return "the station is not ready"
    broken = HARDWARE.intersection(status.get("faults", ()))
    if broken:
        return f"the station has {', '.join(sorted(broken))}"
    for evse in status["evses"]:
        broken = HARDWARE.intersection(evse["faults"])
        if broken:
            return f"EVSE {evse['id']} has {', '.join(sorted(broken))}"
    if "registration" in status and status["registration"] != "Accepted":
        return f"the CSMS has not accepted it ({status.get('connection')}, {status['registration'] or 'not yet asked'})"
    return None


def wait(
    path: str,
    within_s: float,
    hold_s: float,
    standalone_s: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    connect: Callable[[str], Any] = Client,
) -> float:
    """Seconds until one process of the station had been healthy for `hold_s` (`standalone_s` without a CSMS).

    Raises Unhealthy with the last reason after `within_s`.
    """
    begun = now()
    why = "no station answers"
    while now() - begun < within_s:
        try:
            with connect(path) as client:  # of one process: a restart ends the connection, and what it had shown
                since = now()
                while now() - begun < within_s:
                    status = client.ask("status")
                    found = problem(status)
                    if found is not None:
                        since, why = now() + ASK_EVERY_S, found
                    else:
                        why = "it was not healthy for long enough"
                        if now() - since >= (hold_s if "registration" in status else standalone_s):
                            return now() - begun
                    sleep(ASK_EVERY_S)
        except (NotRunning, UsageError, OSError) as error:
            why = str(error)
        sleep(ASK_EVERY_S)
    raise Unhealthy(f"not healthy within {within_s:.0f} s: {why}")
