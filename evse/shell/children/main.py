"""A child process: reads its request, does the job, answers, ends.

A job is a function `job(request, places, say) -> answer`: dicts of JSON values. `say(news)` tells how far it is.
JobError is the answer of a job that cannot be done; every other exception is a defect, told by its kind.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

# name -> module:function
JOBS: dict[str, str] = {
    "booted_slot": "evse.shell.children.install:booted_slot",
    "firmware_room": "evse.shell.children.install:room",
    "install": "evse.shell.children.install:install",
    "download": "evse.shell.children.transfer:download",
    "upload": "evse.shell.children.transfer:upload",
    "certificates": "evse.shell.children.crypto_store:job",
    "verify": "evse.shell.children.crypto_verify:job",
}
NICE = 5


class JobError(Exception):
    """Why a job cannot be done: `code` for the block, a sentence for the log."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def main(name: str) -> None:
    """Does the job `name` that stdin asks for."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the lock on the state directory must not outlive the station
    # The station itself runs before other programs: a child gives way to those, too.
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    _put(run(name, sys.stdin.buffer.read(), lambda news: _put({"news": news})))


def run(name: str, text: bytes, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The line that ends a job: its answer or its error."""
    try:
        asked = json.loads(text)
        module, _, function = JOBS[name].partition(":")
        return {"answer": getattr(importlib.import_module(module), function)(asked["request"], asked["places"], say)}
    except JobError as error:
        return {"error": [error.code, str(error)]}
    except Exception as error:  # a defect is told by kind and place only: its text may hold a secret
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = "" if trace is None else f" in {trace.tb_frame.f_code.co_name}"
        return {"error": ["InternalError", f"{name}: {type(error).__name__}{where}"]}


def _put(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
