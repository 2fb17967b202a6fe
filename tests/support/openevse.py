"""An OpenEVSE board on a pseudo terminal, written from the protocol's description; not from our driver.

    board = OpenEvse(loop)
    board.path                  what the station opens
    board.plug(); board.ask(True); board.unplug()
    board.commands              every command that arrived with a good checksum
"""

from __future__ import annotations

import os
import tty
from typing import Any


class OpenEvse:
    def __init__(self, loop: Any) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        os.set_blocking(self.master, False)
        self.loop = loop
        self.commands: list[str] = []
        self.mute = False
        self.garble = 0  # answers whose checksum is wrong
        self.plugged = self.asking = False
        self.asleep = False
        self.fault = 0
        self.amperes = 6
        self.interval_s = 0
        self.missed = 0
        self.relay = False
        self._text = b""
        self._listen()

    def _listen(self) -> None:
        self.loop.add_reader(self.master, self._read)

    def close(self) -> None:
        if self.master >= 0:
            self.loop.remove_reader(self.master)
            os.close(self.master)
            os.close(self._slave)
            self.master = -1

    # The world

    def plug(self) -> None:
        self.plugged = True
        self._changed()

    def unplug(self) -> None:
        self.plugged = self.asking = False
        self._changed()

    def ask(self, asking: bool) -> None:
        """What the vehicle would do as soon as power is offered."""
        self.asking = asking
        self._changed()

    def fail(self, state: int) -> None:
        self.fault = state
        self._changed()

    @property
    def pilot(self) -> int:
        if not self.plugged:
            return 1
        return 3 if self.asking and not self.asleep and not self.fault else 2

    @property
    def state(self) -> int:
        return self.fault or (0xFE if self.asleep else self.pilot)

    def _changed(self) -> None:
        self.relay = self.state == 3 or self.fault == 8
        flags = 0x40 * self.relay + 0x100 * self.plugged
        self.send(f"$AT {self.state:02x} {self.pilot:02x} {self.amperes} {flags:04x}")

    # The protocol

    def send(self, text: str) -> None:
        check = 0
        for byte in text.encode():
            check ^= byte
        if self.garble:
            self.garble -= 1
            check ^= 0x10
        if not self.mute and self.master >= 0:
            os.write(self.master, f"{text}^{check:02X}\r".encode())

    def _read(self) -> None:
        try:
            self._text += os.read(self.master, 4096)
        except BlockingIOError:
            return
        while b"\r" in self._text:
            line, _, self._text = self._text.partition(b"\r")
            if not line.startswith(b"$"):
                continue
            body, _, given = line.partition(b"^")
            check = 0
            for byte in body:
                check ^= byte
            if given and int(given, 16) != check:
                self.send("$NK")
                continue
            self.commands.append(body[1:].decode())
            if not self.mute:
                self._obey(*body[1:].decode().split())

    def _obey(self, name: str, *words: str) -> None:
        before = self.state
        if name == "GS":
            flags = 0x40 * self.relay + 0x100 * self.plugged
            self.send(f"$OK {self.state:02x} 0 {self.pilot:02x} {flags:04x}")
            return
        if name == "SC":
            self.amperes = max(6, min(int(words[0]), 80))
            self.send(f"$OK {self.amperes}")
            return
        if name == "SY":
            if words == ("165",):
                self.missed = 0
            elif words:
                self.interval_s = int(words[0])
            self.send(f"$OK {self.interval_s} 6 {self.missed}")
            return
        if name not in ("FE", "FS"):
            self.send("$NK")
            return
        self.asleep = name == "FS"
        self.send("$OK")
        if self.state != before:
            self._changed()

    def restart(self) -> None:
        """As after a brown-out: awake, at its default."""
        self.asleep = False
        self.interval_s = 0
        self.send("$AB 00 7.1.3")
        self._changed()
