"""The disk under the power-off tests: it must lose what was not flushed, or these tests prove nothing."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.volatiledisk import VolatileDisk

SIZE = 8192
READ, WRITE, FLUSH = 0, 1, 3


class Guest:
    """As QEMU speaks to the disk."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        hello = self._file.read(152)
        assert hello[:8] == b"NBDMAGIC" and struct.unpack(">Q", hello[16:24]) == (SIZE,)

    def ask(self, kind: int, offset: int = 0, data: bytes = b"", length: int = 0) -> bytes:
        self.send(kind, offset, data, length)
        magic, error, handle = struct.unpack(">IIQ", self._file.read(16))
        assert (magic, error, handle) == (0x67446698, 0, 7)
        return self._file.read(length) if kind == READ else b""

    def send(self, kind: int, offset: int = 0, data: bytes = b"", length: int = 0) -> None:
        self._socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 7, offset, length or len(data)) + data)

    def die(self) -> None:
        self._file.close()
        self._socket.close()


class Fate(random.Random):
    """Draws what the test says."""

    def __init__(self, fate: str, lots: list[float]) -> None:
        super().__init__()
        self.fate, self.lots = fate, lots

    def choice(self, seq: object) -> str:  # type: ignore[override]
        return self.fate

    def random(self) -> float:
        return self.lots.pop(0)


@pytest.fixture
def chance() -> Fate:
    return Fate("nothing", [])


@pytest.fixture
def disk(tmp_path: Path, chance: Fate) -> Iterator[VolatileDisk]:
    (tmp_path / "image").write_bytes(bytes(SIZE))
    disk = VolatileDisk(tmp_path / "image", tmp_path / "nbd", chance)
    yield disk
    disk.close()


def test_only_what_was_flushed_survives(disk: VolatileDisk, tmp_path: Path) -> None:
    guest = Guest(tmp_path / "nbd")
    guest.ask(WRITE, 0, b"a" * 1024)
    guest.ask(FLUSH)
    guest.ask(WRITE, 512, b"b" * 1024)
    assert guest.ask(READ, 0, length=2048) == b"a" * 512 + b"b" * 1024 + bytes(512)
    guest.die()
    assert disk.cut() == "nothing"
    assert disk.content()[:2048] == b"a" * 1024 + bytes(1024)
    assert (disk.flushes, disk.lost) == (1, 2)
    assert Guest(tmp_path / "nbd").ask(READ, 512, length=512) == b"a" * 512


def test_some_sectors_survive_by_chance(disk: VolatileDisk, chance: Fate, tmp_path: Path) -> None:
    chance.fate, chance.lots = "by chance", [0.9, 0.1, 0.9]
    guest = Guest(tmp_path / "nbd")
    guest.ask(WRITE, 0, b"c" * 1536)
    guest.die()
    disk.cut()
    assert disk.content()[:1536] == bytes(512) + b"c" * 512 + bytes(512)


def test_a_held_flush_is_neither_done_nor_answered(disk: VolatileDisk, tmp_path: Path) -> None:
    guest = Guest(tmp_path / "nbd")
    guest.ask(WRITE, 0, b"d" * 512)
    assert not disk.hold(0)
    guest.send(FLUSH)
    assert disk.hold(5)
    guest.die()
    disk.cut()
    assert disk.content() == bytes(SIZE)
    guest = Guest(tmp_path / "nbd")
    guest.ask(WRITE, 0, b"e" * 512)
    guest.ask(FLUSH)
    assert disk.content()[:512] == b"e" * 512
    guest.die()
