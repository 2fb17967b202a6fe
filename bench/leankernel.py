"""A kernel for bench/hardware_ram.py, as small as it can be: lines are pipes, the mirror contact follows the coil.

Loaded by the measured process itself, so what it takes is counted against the drivers.
"""

from __future__ import annotations

import posix
from _struct import pack, pack_into, unpack_from

import hal.kernel

NAMES = {26: b"GPIO26", 16: b"GPIO16", 6: b"GPIO6", 5: b"GPIO5", 21: b"GPIO21"}
COIL, MIRROR = 26, 16
chips: set[int] = set()
lines: dict[int, tuple[int, int]] = {}  # descriptor -> offset, end that edges are written to
active = dict.fromkeys(NAMES, False) | {MIRROR: True}


class LeanKernel(hal.kernel.Kernel):
    def names(self, path: str) -> list[str]:
        return ["gpiochip0"] if path == "/dev" else super().names(path)

    def open(self, path: str, flags: int = posix.O_RDWR) -> int:
        fd = super().open("/dev/null" if path == "/dev/gpiochip0" else path, flags)
        if path == "/dev/gpiochip0":
            chips.add(fd)
        return fd

    def close(self, fd: int) -> None:
        chips.discard(fd)
        if fd in lines:
            posix.close(lines.pop(fd)[1])
        super().close(fd)

    def ioctl(self, fd: int, request: int, argument: bytearray) -> int:
        number = request & 0xFF
        if fd in lines:
            offset, _ = lines[fd]
            if number == 0x0F:
                self._set(offset, bool(argument[0] & 1))
            else:
                argument[:8] = pack("=Q", active[offset])
        elif number == 1:
            argument[:] = pack("=32s32sI", b"gpiochip0", b"pinctrl", 28)
        elif number == 5:
            pack_into("=32s", argument, 0, NAMES.get(unpack_from("=I", argument, 64)[0], b""))
        else:
            near, far = posix.pipe()
            lines[near] = (unpack_from("=I", argument, 0)[0], far)
            pack_into("=i", argument, 588, near)
        return 0

    def _set(self, offset: int, on: bool) -> None:
        active[offset] = on
        if offset == COIL:
            active[MIRROR] = not on
            for other, far in lines.values():
                if other == MIRROR:
                    posix.write(far, pack("=QI36x", 0, 1 if active[MIRROR] else 2))


hal.kernel.Kernel = LeanKernel  # type: ignore[misc]
