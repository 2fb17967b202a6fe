"""A disk with a write cache that a power cut empties: what was not flushed is lost, or some of it, in any order.

    disk = VolatileDisk(path, size, socket, chance)     QEMU takes it as `file=nbd:unix:SOCKET`
    disk.cut()                                          after the machine is dead: the cache is gone
    disk.hold(10)                                       waits for a flush and never does it: the power goes just then
    disk.close()

QEMU's own file keeps all that the guest has handed over, for the host's page cache survives a killed emulator; a real
disk keeps only what it was told to flush. Each cut draws one fate: nothing of the cache was written, all of it, or each
sector by chance. Speaks the fixed protocol of NBD without negotiation. [nbd: doc/proto.md, oldstyle]
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

SECTOR = 512
_HELLO = struct.Struct(">8sQQI124x")
_REQUEST = struct.Struct(">IHHQQI")
_ANSWER = struct.Struct(">IIQ")
_FLAGS = 0b101  # flags are given, FLUSH is understood
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3


class VolatileDisk:
    """`flushes` counts what the guest asked for, `lost` the sectors that power cuts took."""

    def __init__(self, image: Path, path: Path, chance: random.Random) -> None:
        """Begins with the content of `image`, which is not written; listens at `path`."""
        self._durable = bytearray(image.read_bytes())
        self._seen = bytearray(self._durable)
        self._cache: list[tuple[int, bytes]] = []
        self._chance = chance
        self._idle = threading.Condition()
        self._served = 0
        self._holds = False
        self._held = threading.Event()
        self.flushes = self.lost = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> str:
        """Loses the cache; returns the fate that was drawn. Waits until the dead machine's connection has ended."""
        with self._idle:
            assert self._idle.wait_for(lambda: not self._served, 10), "the machine still has its disk"
            fate = self._chance.choice(("nothing", "nothing", "all", "by chance"))
            sectors = [
                (at, data[at - offset : at - offset + SECTOR])
                for offset, data in self._cache
                for at in range(offset, offset + len(data), SECTOR)
            ]
            kept = [
                sector for sector in sectors if fate == "all" or (fate == "by chance" and self._chance.random() < 0.5)
            ]
            self._store(kept)
            self.lost += len(sectors) - len(kept)
            self._seen[:] = self._durable
            self._holds = False
            self._held.clear()
            return fate

    def hold(self, limit_s: float) -> bool:
        """From the next flush on nothing is done or answered; returns when that came, False if it did not."""
        self._holds = True
        return self._held.wait(limit_s)

    def close(self) -> None:
        self._listener.close()

    def content(self) -> bytes:
        """What is durable."""
        return bytes(self._durable)

    def _store(self, writes: list[tuple[int, bytes]]) -> None:
        for offset, data in writes:
            self._durable[offset : offset + len(data)] = data
        self._cache.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._idle:
                self._served += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as requests:  # the machine may be killed
            connection.sendall(_HELLO.pack(b"NBDMAGIC", 0x00420281861253, len(self._seen), _FLAGS))
            while len(head := requests.read(_REQUEST.size)) == _REQUEST.size:
                _, _, kind, handle, offset, length = _REQUEST.unpack(head)
                if kind == _DISCONNECT:
                    break
                data = requests.read(length) if kind == _WRITE else b""
                if kind == _WRITE and len(data) < length:
                    break
                if self._holds and kind == _FLUSH:
                    self._held.set()
                if not self._held.is_set():
                    connection.sendall(self._answer(kind, handle, offset, length, data))
        with self._idle:
            self._served -= 1
            self._idle.notify_all()

    def _answer(self, kind: int, handle: int, offset: int, length: int, data: bytes) -> bytes:
        error, out = 0, b""
        if kind == _READ:
            out = bytes(self._seen[offset : offset + length])
        elif kind == _WRITE:
            self._seen[offset : offset + length] = data
            self._cache.append((offset, data))
        elif kind == _FLUSH:
            self.flushes += 1
            self._store(self._cache)
        else:
            error = 22
        return _ANSWER.pack(0x67446698, error, handle) + out
