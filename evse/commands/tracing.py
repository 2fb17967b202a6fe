"""evse trace: the frames to and from the CSMS, for people and for the vendor of the CSMS."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from evse.commands.client import Client, colour, socket_path


def add(commands: Any, *parents: argparse.ArgumentParser) -> None:
    """evse trace [-f] [--action X]"""
    trace = commands.add_parser("trace", help="frames to and from the CSMS", parents=parents)
    trace.add_argument("-f", "--follow", action="store_true", help="go on as they come")
    trace.add_argument("--action", help="only messages of this action")
    trace.set_defaults(call=_trace)


def _trace(args: argparse.Namespace) -> int:
    with Client(socket_path(args)) as client:
        answer = client.ask("trace", action=args.action, follow=args.follow or None)
        for entry in answer["frames"]:
            _print(args, entry)
        if args.follow:
            for entry in client.events():
                if entry.get("event") == "frame" and args.action in (None, entry["action"]):
                    del entry["event"]
                    _print(args, entry)
    return 0


def _print(args: argparse.Namespace, entry: dict[str, Any]) -> None:
    print(json.dumps(entry, ensure_ascii=False) if args.json else frame_text(entry), flush=True)


def frame_text(entry: dict[str, Any]) -> str:
    """One frame on one line: time, direction, action, what it is, latency, content."""
    at = entry["at"]
    clock = "--:--:--" if at is None else time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03}"
    arrow = colour("36", "-> CSMS") if entry["dir"] == "out" else colour("33", "<- CSMS")
    kind, content = _content(entry["frame"])
    latency = "" if entry["ms"] is None else f" ({entry['ms']:g} ms)"
    return f"{clock} {arrow} {entry['action']}{kind}{latency} {content}"


def _content(frame: str) -> tuple[str, str]:
    """What kind of message it is, and its payload; a frame that was cut is shown as it is."""
    try:
        parts = json.loads(frame)
        kind = parts[0]
        if kind in (4, 5):
            return " refused", colour("31", " ".join(str(part) for part in parts[2:4]))
        return {2: "", 3: " answer", 6: " (send)"}.get(kind, " ?"), json.dumps(parts[-1], ensure_ascii=False)
    except (ValueError, LookupError, TypeError):
        return "", frame
