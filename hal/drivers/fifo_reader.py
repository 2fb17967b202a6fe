"""FIFO reader: a program of the integrator writes the tokens, one a line, into a named pipe.

    echo "ISO14443:04A22B3C" > /run/evse/cards        kind and token
    echo "04A22B3C" > /run/evse/cards                 token alone: as hal/tokens.py makes of it by the settings

`path`: the pipe is made at the start (mode 0600) and removed at the end; one that is there already is used, if it is
this account's. Writers with another account need a directory and a helper of their own. Lines end with LF; of a line
that is longer than LINE_LIMIT nothing is kept.
"""

from __future__ import annotations

import posix

from hal.drivers.reader import Reader
from hal.interfaces import HalError
from hal.tokens import KINDS, TokenRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINE_LIMIT = 255
CHECK_S = 5.0  # somebody may have removed the pipe
_TYPE, _FIFO = 0o170000, 0o010000


class FifoReader(Reader):
    """The pipe is open for writing too, so that the last writer who leaves does not end it."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.path: str = options["path"]
        self._fd = -1
        self._made = False
        self._line = b""
        self._check: Any = None

    def _open(self) -> None:
        try:
            posix.mkfifo(self.path, 0o600)
            self._made = True
        except FileExistsError:
            self._made = False
        self._require_ours(posix.stat(self.path, follow_symlinks=False))
        flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC | posix.O_NOFOLLOW
        self._fd = posix.open(self.path, flags)
        self._require_ours(posix.fstat(self._fd))
        posix.fchmod(self._fd, 0o600)
        self._line = b""
        self._loop.add_reader(self._fd, self._read)
        self._check = self._loop.call_later(CHECK_S, self._look)
        self._good()

    def _require_ours(self, status: Any) -> None:
        if status.st_mode & _TYPE != _FIFO:
            raise HalError("Reader", f"{self.path}: is there already and no named pipe")
        if status.st_uid != posix.geteuid():
            raise HalError("Reader", f"{self.path}: belongs to another account")

    def _look(self) -> None:
        """A pipe that was removed or replaced is made again."""
        self._check = self._loop.call_later(CHECK_S, self._look)
        try:
            there = posix.stat(self.path, follow_symlinks=False)
        except OSError:
            there = None
        if there is None or there[1:3] != posix.fstat(self._fd)[1:3]:  # st_ino, st_dev
            self._made = False
            self._shut()
            self._try()

    def _read(self) -> None:
        try:
            data = posix.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[: LINE_LIMIT + 1]
        for line in lines:
            if self._report is not None and line.strip():
                self._take(line)

    def _take(self, line: bytes) -> None:
        text = line.decode("ascii", "replace").strip() if len(line) <= LINE_LIMIT else ""
        kind, colon, token = text.partition(":")
        if not colon or kind not in KINDS:
            self._token(self.rules.of_text, text)
            return
        form = {"kind": kind}
        if not kind.startswith("ISO"):
            form["format"] = "text"
        self._token(TokenRules({**self.options, **form}).of_text, token)

    def _shut(self) -> None:
        self._cancel()
        if self._check is not None:
            self._check.cancel()
            self._check = None
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            posix.close(self._fd)
            self._fd = -1
        if self._made:
            self._made = False
            try:
                posix.unlink(self.path)
            except OSError:
                return
