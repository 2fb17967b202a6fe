"""An emulated machine as seen from outside: its process, its console, and what an agent in it tells in JSON lines."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Emulator:
    """`run` starts QEMU, whose console goes to a file; the agent's lines are ["word", ...]."""

    def __init__(self, console: Path) -> None:
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *command: object) -> None:
        """Power on: QEMU's command; it gets the console's file as the serial line."""
        self._console.write_bytes(b"")
        words = [*map(str, command), "-nographic", "-serial", f"file:{self._console}"]
        words += [] if "-monitor" in words else ["-monitor", "none"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def console(self) -> str:
        return self._console.read_text(errors="replace").replace("\r", "")

    def told(self, word: str) -> list[list[Any]]:
        """All that the agent told under this word since power came."""
        rows = [json.loads(line) for line in self.console().splitlines() if line.startswith('["') and line[-1] == "]"]
        return [row[1:] for row in rows if row[0] == word]

    def wait_for(self, word: str, count: int = 1, limit_s: float = 240) -> list[Any]:
        """The latest of what the agent told, when it did so `count` times."""
        self.wait(lambda: len(self.told(word)) >= count, f"{word} {count}", limit_s)
        return self.told(word)[-1]

    def wait(self, condition: Callable[[], Any], what: str, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            alive = self._process is not None and self._process.poll() is None
            assert alive and time.monotonic() < end, f"{what} in vain\n{self.console()[-6000:]}"
            time.sleep(0.1)

    def ended(self, limit_s: float = 120) -> None:
        """Waits for the machine to switch itself off."""
        assert self._process is not None
        self._process.wait(limit_s)
        self._process = None

    def kill(self) -> bool:
        """The power goes, without warning; False if the machine was off."""
        if self._process is None:
            return False
        self._process.kill()
        self._process.wait()
        self._process = None
        return True
