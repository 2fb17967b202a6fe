"""evse demo: a simulated station, the built-in CSMS and one whole charging session, in one command."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from evse.commands.client import colour

if TYPE_CHECKING:
    from evse.csms import Message
    from evse.demo import Demo

VERSIONS = ("1.6", "2.0.1", "2.1")


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse demo [--version V] [--keep] [--json]"""
    demo = commands.add_parser("demo", help="watch a simulated station charge, without any network", parents=[shared])
    demo.add_argument("--version", choices=VERSIONS, default="2.0.1", help="OCPP version (default 2.0.1)")
    demo.add_argument("--keep", action="store_true", help="leave station and CSMS running until interrupted")
    demo.set_defaults(call=_demo)


def _demo(args: argparse.Namespace) -> int:
    import asyncio

    from evse.demo import demonstrate

    show = _Show(sys.stderr if args.json else sys.stdout)
    directory = tempfile.mkdtemp(prefix="evse-demo-")
    try:
        keep = show.keep if args.keep else None
        result = asyncio.run(demonstrate(directory, args.version, show.say, show.message, keep))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if args.json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        for error in result.errors:
            print(colour("31", f"wrong: {error}"))
        session = result.session
        print(
            f"\n{'A whole session' if result.ok else 'NOT a whole session'}: transaction {session.transaction_id}, "
            f"{session.energy_wh:.1f} Wh, {session.samples} meter samples, stopped by {session.reason}, "
            f"{len(result.errors)} errors, {result.seconds:.1f} s, OCPP {session.version}"
        )
    return 0 if result.ok else 1


class _Show:
    """Lines for people: steps, and each message with its answer."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._began = time.time()
        self._width = max(60, shutil.get_terminal_size((160, 24)).columns)

    def say(self, text: str) -> None:
        self._print(colour("1", f"{time.time() - self._began:6.2f}  * {text}"))

    def message(self, message: Message) -> None:
        arrow = "station -> CSMS" if message.direction == "in" else "station <- CSMS"
        what = {2: "", 3: " answer", 4: " refused", 5: " answer refused", 6: ""}[message.kind]
        payload = (
            message.payload if isinstance(message.payload, str) else json.dumps(message.payload, ensure_ascii=False)
        )
        line = f"{message.at - self._began:6.2f}  {arrow}  {message.action}{what}  {payload}"
        self._print(line if len(line) <= self._width else line[: self._width - 3] + "...")
        if message.problem is not None:
            self._print(colour("31", f"        wrong: {message.problem}"))

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    async def keep(self, demo: Demo) -> None:
        """Waits until the user interrupts."""
        import asyncio

        self.say(f"everything keeps running; try: evse status --state-dir {demo.state_dir}   (Ctrl-C ends it)")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.say("the end")
