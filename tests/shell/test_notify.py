"""What systemd is told, over a real notification socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from evse.shell.notify import Notify
from tests.support.fakeloop import FakeLoop


class Log:
    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []

    def error(self, text: str, **fields: Any) -> None:
        self.errors.append(fields)

    warning = error


def environment(**variables: str) -> dict[bytes, bytes]:
    """As `posix.environ` has it."""
    return {name.encode(): value.encode() for name, value in variables.items()}


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_status_and_watchdog(tmp_path: Path, abstract: bool) -> None:
    name = f"@evse-{os.getpid()}-notify" if abstract else str(tmp_path / "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(name.replace("@", "\0"))
    manager.setblocking(False)

    def told() -> list[str]:
        lines = []
        try:
            while True:
                lines.append(manager.recv(4096).decode())
        except BlockingIOError:
            return lines

    loop, log = FakeLoop(), Log()
    hangs: list[str | None] = [None]
    notify = Notify(loop, log, environment(NOTIFY_SOCKET=name, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())))
    notify.status("connecting")
    notify.status("connecting")
    notify.ready(lambda: hangs[0])
    assert told() == ["STATUS=connecting", "READY=1", "WATCHDOG=1"]
    loop.advance(10)
    assert told() == ["WATCHDOG=1"]
    hangs[0] = "timers"
    loop.advance(30)
    assert told() == [] and log.errors == [{"part": "timers"}] * 3
    hangs[0] = None
    loop.advance(10)
    assert told() == ["WATCHDOG=1"]
    notify.stopping()
    notify.close()
    loop.advance(60)
    assert told() == ["STOPPING=1"]
    manager.close()


def test_the_watchdog_of_another_process_is_not_fed(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "n"))
    manager.settimeout(5)
    loop = FakeLoop()
    notify = Notify(
        loop, Log(), environment(NOTIFY_SOCKET=str(tmp_path / "n"), WATCHDOG_USEC="30000000", WATCHDOG_PID="1")
    )
    notify.ready(lambda: None)
    assert manager.recv(100) == b"READY=1"
    manager.setblocking(False)
    loop.advance(100)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    notify.close()
    manager.close()


def test_nobody_asked_and_nobody_listens(tmp_path: Path) -> None:
    silent = Notify(FakeLoop(), Log(), {})
    silent.ready(lambda: None)
    silent.close()
    log = Log()
    lost = Notify(FakeLoop(), log, environment(NOTIFY_SOCKET=str(tmp_path / "gone")))
    lost.ready(lambda: None)
    lost.close()
    assert len(log.errors) == 1
