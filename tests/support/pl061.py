"""What is wired to the GPIO controller (a PL061) of QEMU's ARM machine, played from outside the machine.

    wires = Wires(monitor, qtest)                  paths of the sockets of QEMU's options -monitor and -qtest
    wires.inputs[4] = lambda levels: not levels >> 5 & 1        what drives line 4: here line 5, inverted
    wires.connect()                                once QEMU runs
    wires.high(5)

A thread looks at the lines fifty times a second, and drives the inputs.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

# All eight lines at once. [PrimeCell GPIO PL061 r1p0, 3.3.1]
DATA_REGISTER = 0x09030000 + 0x3FC
_PROMPT = b"\n(qemu) "


class Wires:
    """`inputs`: line -> what it is driven to (True: high), given the levels of all eight."""

    def __init__(self, monitor: Path, qtest: Path) -> None:
        self.inputs: dict[int, Callable[[int], bool]] = {}
        self._paths = monitor, qtest
        self._levels = 0

    def connect(self) -> None:
        """Returns when every line was driven once."""
        monitor, qtest = (_connected(path) for path in self._paths)
        _until(monitor, b"(qemu) ")
        tree = _asked(monitor, "info qom-tree")
        found = re.search(rb"/(device\[\d+\]) \(pl061\)", tree)
        assert found, "this QEMU has its PL061 elsewhere"
        first = threading.Event()
        words = monitor, qtest, f"/machine/unattached/{found[1].decode()}", first
        threading.Thread(target=self._play, args=words, daemon=True).start()
        assert first.wait(30)

    def high(self, line: int) -> bool:
        return bool(self._levels >> line & 1)

    def _play(self, monitor: socket.socket, qtest: socket.socket, device: str, first: threading.Event) -> None:
        with monitor, qtest:
            try:
                while True:
                    answer = _asked(monitor, f"xp /1wx {DATA_REGISTER:#x}")
                    self._levels = int(re.findall(rb": 0x([0-9a-f]{8})", answer)[-1], 16)
                    for line, wire in self.inputs.items():
                        level = int(wire(self._levels))
                        qtest.sendall(f"set_irq_in {device} unnamed-gpio-in {line} {level}\n".encode())
                        _until(qtest, b"OK\n")
                    first.set()
                    time.sleep(0.02)
            except OSError:
                return  # the machine is off


def _connected(path: Path) -> socket.socket:
    """As soon as QEMU listens. Raises OSError after ten seconds."""
    end = time.monotonic() + 10
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            connection.settimeout(60)
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _asked(monitor: socket.socket, command: str) -> bytes:
    monitor.sendall(command.encode() + b"\n")
    return _until(monitor, _PROMPT)


def _until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to `end`. Raises OSError where the other side goes."""
    text = b""
    while not text.endswith(end):
        part = connection.recv(65536)
        if not part:
            raise OSError("QEMU has gone")
        text += part
    return text
