"""Jobs done for real, in this process: what a block gives to a child is done by the child's own function.

    bench = Bench(...)
    jobs = JobsDone(bench)
    answer = jobs.ask("GetInstalledCertificateIds", {})     as bench.ask(), with all jobs done that the answer waits for
    jobs.run()                                              or: does what has come up; the number of jobs done

`places` is what the daemon would tell its children; `done` are the jobs so far: (name, request, answer or error).
A job that is not to be done for real has a function in `instead`: name -> function(request) -> answer; JobError counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from evse.errors import CsmsError
from evse.shell.children import main
from tests.support.bench import Bench

Instead = Callable[[dict[str, Any]], dict[str, Any]]


class JobsDone:
    """See the module's text."""

    def __init__(self, bench: Bench, places: dict[str, Any] | None = None) -> None:
        self.bench = bench
        root = f"{bench.directory}/certificates"
        self.places = {
            "state": bench.directory,
            "certificates": root,
            "ca": f"{root}/ca/csms/CSMS_ROOT_CA.pem",
            "cert": None,
            "key": None,
            **(places or {}),
        }
        self.done: list[tuple[str, dict[str, Any], Any]] = []
        self.instead: dict[str, Instead] = {}

    def ask(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a CALL of the CSMS, after all jobs that came up."""
        frame = self.bench.ask_raw(action, payload)
        self.run()
        frame = frame or self.bench.reply()
        assert frame is not None and frame[0] == 3, f"{action} was answered by {frame}"
        answer: dict[str, Any] = frame[2]
        return answer

    def run(self, most: int = 50) -> int:
        """Does the jobs that were given, and those that their answers lead to."""
        count = 0
        while jobs := self.bench.take_effects("job"):
            for job in jobs:
                if ("job_stop", job[1]) in self.bench.effects:
                    continue
                count += 1
                assert count <= most, f"jobs without end: {job}"
                self.one(job)
        return count

    def one(self, effect: tuple[Any, ...]) -> None:
        """Does the job of one effect."""
        _, number, name, request, _ = effect
        engine = self.bench.engine
        text = json.dumps({"request": request, "places": self.places}).encode()
        if name in self.instead:
            line = self._instead(name, request)
        else:
            line = main.run(name, text, lambda news: engine.job_said(number, json.loads(json.dumps(news))))
        line = json.loads(json.dumps(line))
        self.done.append((name, request, line.get("answer", line.get("error"))))
        error = CsmsError(*line["error"]) if "error" in line else None
        engine.job_ended(number, line.get("answer"), error)
        self.bench.advance(0)

    def _instead(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"answer": self.instead[name](request)}
        except main.JobError as error:
            return {"error": [error.code, str(error)]}
