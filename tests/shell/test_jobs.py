"""Jobs in child processes: answers, news, and what becomes of children that fail, hang or talk without end."""

from __future__ import annotations

import os
import posix
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.shell.children.main import NICE
from evse.shell.jobs import SAYS_BYTES, Children
from evse.shell.log import Log
from tests.support.fakeloop import FakeLoop


class Heard:
    """What the children said, in order."""

    def __init__(self) -> None:
        self.news: list[tuple[int, dict[str, Any]]] = []
        self.ends: list[tuple[int, Any, Any]] = []

    def end(self, number: int, answer: Any, error: Any) -> None:
        self.ends.append((number, answer, error and (error.code, str(error))))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def children(loop: FakeLoop, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """Children whose jobs are the functions of a module made here."""
    source = f"""
        import os, sys, time
        from evse.shell.children.main import JobError

        def echo(request, places, say):
            say({{"bytes": 1}})
            say({{"bytes": 2}})
            nice = os.getpriority(os.PRIO_PROCESS, 0)
            return {{"request": request, "places": places, "modules": sorted(sys.modules), "nice": nice}}

        def refuse(request, places, say):
            raise JobError("Invalid", "the certificate has expired")

        def defect(request, places, say):
            raise ValueError(request["password"])

        def die(request, places, say):
            os._exit(3)

        def hang(request, places, say):
            say({{"hangs": True}})
            time.sleep(1000)

        def chatter(request, places, say):
            say({{"text": "x" * {SAYS_BYTES}}})
            time.sleep(1000)

        def babble(request, places, say):
            sys.stdout.write("hello\\n[1]\\n")
            return {{}}
    """
    (tmp_path / "jobs_of_test.py").write_text(textwrap.dedent(source))
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('a child loads no site')")
    code = (
        "import sys; sys.path[:] = sys.argv[2].split(':'); from evse.shell.children import main;"
        "main.JOBS.update((name, 'jobs_of_test:' + name) for name in "
        "('echo', 'refuse', 'defect', 'die', 'hang', 'chatter', 'babble')); main.main(sys.argv[1])"
    )
    monkeypatch.setattr("evse.shell.jobs._CODE", code)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(Path(__file__).parents[2]), *sys.path])
    children = Children(
        loop, Log("error"), {"state": "/state"}, lambda number, news: heard.news.append((number, news)), heard.end
    )
    yield children
    children.close()


def test_a_child_gives_news_and_an_answer(loop: FakeLoop, heard: Heard, children: Children) -> None:
    request = {"text": "ä" * 100_000}
    children.start(7, "echo", request, 60)
    loop.until(lambda: heard.ends)
    ((number, answer, error),) = heard.ends
    assert (number, error) == (7, None)
    assert heard.news == [(7, {"bytes": 1}), (7, {"bytes": 2})]
    assert answer["request"] == request
    assert answer["places"] == {"state": "/state"}
    assert "site" not in answer["modules"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root goes before others")
def test_the_child_of_a_station_that_goes_before_others_gives_way_to_them(
    loop: FakeLoop, heard: Heard, children: Children
) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    try:
        children.start(1, "echo", {}, 60)
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, ours)
    loop.until(lambda: heard.ends)
    assert heard.ends[0][1]["nice"] == NICE


@pytest.mark.parametrize(
    ("job", "code", "says"),
    [
        ("refuse", "Invalid", "the certificate has expired"),
        ("defect", "InternalError", "defect: ValueError in defect"),
        ("die", "InternalError", "ended without an answer"),
        ("chatter", "InternalError", "says too much"),
        ("nosuch", "InternalError", "KeyError"),
    ],
)
def test_a_child_that_fails_has_one_error(
    job: str, code: str, says: str, loop: FakeLoop, heard: Heard, children: Children
) -> None:
    children.start(1, job, {"password": "secret"}, 60)
    loop.until(lambda: heard.ends)
    ((number, answer, error),) = heard.ends
    assert (number, answer, error[0]) == (1, None, code)
    assert says in error[1]
    assert "secret" not in error[1]


def test_a_late_child_is_killed(loop: FakeLoop, heard: Heard, children: Children) -> None:
    children.start(1, "hang", {}, 30)
    loop.until(lambda: heard.news)
    loop.advance(30)
    loop.settle()
    assert heard.ends == [(1, None, ("Timeout", "Timeout: hang: not done within 30 s"))]


class Stuck:
    """posix.waitpid of a process in the kernel, which a signal does not end before the kernel lets it go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.holds = True
        self.asked = 0
        self._waitpid = posix.waitpid
        monkeypatch.setattr(posix, "waitpid", self)

    def __call__(self, pid: int, options: int) -> tuple[int, int]:
        assert options == posix.WNOHANG
        self.asked += 1
        return (0, 0) if self.holds else self._waitpid(pid, 0)


def test_a_child_that_does_not_die_holds_up_nobody(
    loop: FakeLoop, heard: Heard, children: Children, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stuck = Stuck(monkeypatch)
    children.start(1, "echo", {}, 60)
    loop.until(lambda: heard.ends)
    children.start(2, "hang", {}, 60)
    children.stop(2)
    loop.advance(600)
    assert stuck.asked < 60  # ever more seldom
    assert capfd.readouterr().err.count("does not end") == 1
    stuck.holds = False
    loop.advance(60)
    with pytest.raises(ChildProcessError):
        stuck(-1, posix.WNOHANG)
    asked = stuck.asked
    loop.advance(600)
    assert stuck.asked == asked


def test_the_end_of_the_station_waits_for_no_stuck_child(
    loop: FakeLoop, heard: Heard, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck(monkeypatch)
    monkeypatch.setattr("evse.shell.jobs.CLOSE_WITHIN_S", 0.05)
    children.start(1, "hang", {}, 60)
    children.close()
    assert stuck.asked > 1
    stuck.holds = False
    children.close()


def test_nothing_is_heard_of_a_job_that_was_stopped(loop: FakeLoop, heard: Heard, children: Children) -> None:
    children.start(1, "hang", {}, 30)
    loop.until(lambda: heard.news)
    children.stop(1)
    children.stop(1)
    loop.advance(60)
    loop.settle()
    assert heard.ends == []


def test_what_nobody_understands_is_passed_over(loop: FakeLoop, heard: Heard, children: Children) -> None:
    children.start(1, "babble", {}, 60)
    loop.until(lambda: heard.ends)
    assert heard.ends == [(1, {}, None)]


def test_no_process_is_an_error(
    loop: FakeLoop, heard: Heard, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    children.start(1, "echo", {}, 60)
    ((_, answer, error),) = heard.ends
    assert answer is None
    assert error[0] == "InternalError"
    assert "no process" in error[1]
