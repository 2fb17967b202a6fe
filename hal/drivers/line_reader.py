"""Serial line readers: readers that write a card's number as text on a serial port.

Settings, besides those of hal/drivers/reader.py:

    port      a [serial.*] of the board (9600 Bd unless that says otherwise)
    start     byte that begins a token, as 2 (STX); what comes before it is skipped; without it a token begins at once
    stop      byte that ends it, as 3 (ETX); without it CR or LF
    checksum  "none" (the default) | "xor": the last two hexadecimal digits are all bytes before them, exclusive-ored

Control characters within a token are skipped. What is not complete after GAP_S is forgotten.
"""

from __future__ import annotations

from binascii import Error, unhexlify

from hal.drivers.reader import Reader
from hal.interfaces import HalError
from hal.serialport import SerialPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINE_LIMIT = 64
GAP_S = 1.0
_ENDS = b"\r\n"


class Lines:
    """Bytes of the reader become texts; neither I/O nor clock."""

    __slots__ = ("_start", "_ends", "_checksum", "_line", "_inside")

    def __init__(self, options: dict[str, Any]) -> None:
        start, stop = options.get("start"), options.get("stop")
        self._start: int | None = start
        self._ends = _ENDS if stop is None else bytes((stop,))
        self._checksum: bool = options.get("checksum", "none") == "xor"
        self._line = bytearray()
        self._inside = False
        self.clear()

    def clear(self) -> None:
        """Forgets what has begun."""
        self._line.clear()
        self._inside = self._start is None

    def feed(self, data: bytes) -> list[str]:
        """The texts that end here; "" for one that is too long or whose checksum is wrong."""
        texts = []
        for byte in data:
            if byte == self._start:
                self.clear()
                self._inside = True
            elif self._inside and byte in self._ends:
                if self._line:
                    texts.append(self._text())
                self.clear()
            elif self._inside and byte >= 0x20 and len(self._line) <= LINE_LIMIT:
                self._line.append(byte)
        return texts

    def _text(self) -> str:
        text = self._line.decode("ascii", "replace").strip()
        if len(self._line) > LINE_LIMIT:
            return ""
        if not self._checksum:
            return text
        try:
            content = unhexlify(text.replace(" ", ""))
        except (Error, ValueError):
            return ""
        total = 0
        for byte in content:
            total ^= byte
        return "" if total else content[:-1].hex()


class LineReader(Reader):
    """One reader on its port."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.lines = Lines(options)
        self.port = SerialPort(board.resources["serial"][options["port"]])

    def _open(self) -> None:
        self.port.start(self._loop, self._received, self._changed)

    def _changed(self, problem: str | None) -> None:
        self.lines.clear()
        if problem is None:
            self._good()
        else:
            self.fault("ReaderFailure", problem)

    def _received(self, data: bytes) -> None:
        for text in self.lines.feed(data):
            self._token(self._rule, text)
        if self._report is not None:
            self._after(GAP_S, self.lines.clear)

    def _rule(self, text: str) -> tuple[str, str]:
        if not text:
            raise HalError("Token", "too long, or a wrong checksum")
        return self.rules.of_text(text)

    def _shut(self) -> None:
        self._cancel()
        self.port.close()
