"""RAPI, the text protocol of OpenEVSE boards: frames `$COMMAND words^XX\r`, answers `$OK` and `$NK`, events `$A...`.

`XX` is the exclusive or of all before `^`; a board may send `*XX` instead, the sum. [OpenEVSE firmware, RAPI]
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 96


def frame(*words: object) -> bytes:
    """A command: `frame("SC", 16, "V")`."""
    text = ("$" + " ".join(map(str, words))).encode("ascii")
    return text + b"^%02X\r" % _xor(text)


def _xor(text: bytes) -> int:
    value = 0
    for byte in text:
        value ^= byte
    return value


class Parser:
    """Takes bytes as they come; noise and frames with a wrong checksum are dropped, the next `$` begins anew."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = bytearray()

    def feed(self, data: bytes) -> Iterator[list[str]]:
        """The words of each whole frame, the first without its `$`."""
        for byte in data:
            if byte == 0x24:
                self._text[:] = b"$"
            elif not self._text:
                continue
            elif byte in b"\r\n":
                words = _words(bytes(self._text))
                self._text.clear()
                if words:
                    yield words
            elif len(self._text) >= LONGEST:
                self._text.clear()
            else:
                self._text.append(byte)


def _words(text: bytes) -> list[str] | None:
    body, check = text[:-3], text[-3:]
    try:
        value = int(check[1:].decode("ascii"), 16)
        words = body[1:].decode("ascii").split()
    except ValueError:
        return None
    expected = {b"^": _xor(body), b"*": sum(body) & 0xFF}.get(check[:1])
    return words if value == expected else None
