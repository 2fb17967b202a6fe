"""Log lines on standard error: priorities for the journal of systemd, else time and level; secrets are masked."""

from __future__ import annotations

import posix
import time
from _functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Level -> syslog priority, as journald reads it at the start of a line.
LEVELS = {"error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}
# A field is masked if its name contains one of these words, or is "key".
SECRETS = ("password", "token", "idtag", "authorization", "secret")
LINE_LIMIT = 2000
# A flood from outside must not fill the disk: so many lines of information and warning at once, then so many a second.
BURST_LINES = 200
LINES_PER_S = 2.0


class Log:
    """`error`, `warning`, `info` and `debug` take a text and fields: `log.info("connected", url=url)`.

    A level that is off costs one call that does nothing. Lines longer than `LINE_LIMIT` characters are cut. In a flood
    of information and warnings lines are left out, unless `debug` is on; the next one says how many. Errors all stay.
    `copy`, if there is one, is called with each line too; what it raises as OSError is nobody's.
    """

    __slots__ = (
        "debug",
        "error",
        "info",
        "warning",
        "level",
        "copy",
        "_write",
        "_journal",
        "_now",
        "_when",
        "_room",
        "_left_out",
    )

    debug: Callable[..., None]
    info: Callable[..., None]
    warning: Callable[..., None]
    error: Callable[..., None]

    def __init__(
        self,
        level: str = "info",
        write: Callable[[bytes], Any] | None = None,
        journal: bool | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = partial(posix.write, 2) if write is None else write
        self.copy: Callable[[bytes], Any] | None = None
        if journal is None:
            journal = b"JOURNAL_STREAM" in posix.environ or b"INVOCATION_ID" in posix.environ
        self._journal = journal
        self._now = now
        self._when = now()
        self._room: float = BURST_LINES
        self._left_out = 0
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Shows lines of `level` ("error", "warning", "info", "debug") and above. Raises KeyError for another word."""
        limit = LEVELS[level]
        self.level = level
        for name, priority in LEVELS.items():
            setattr(self, name, partial(self._line, name) if priority <= limit else _off)

    def _line(self, level: str, text: str, /, **fields: Any) -> None:
        if level in ("info", "warning") and self.level != "debug" and not self._has_room():
            self._left_out += 1
            return
        if self._left_out:
            fields["lines_left_out"] = self._left_out
            self._left_out = 0
        for name, value in fields.items():
            text += f" {name}={'***' if _secret(name.lower()) else value}"
        text = text[:LINE_LIMIT]
        if not text.isprintable():  # what ends lines, or commands a terminal
            text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)[:LINE_LIMIT]
        dated = "" if self._journal and self.copy is None else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
        dated += f"{level:7} "
        try:
            self._write(f"{LEVELS[level] if self._journal else dated}{text}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # nobody reads standard error: there is nowhere to say so
        if self.copy is not None:
            try:
                self.copy(f"{dated}{text}\n".encode("utf-8", "backslashreplace"))
            except OSError:
                return  # nor is there for a disk that takes nothing

    def _has_room(self) -> bool:
        """Takes the room of one line, if there is any."""
        now = self._now()
        self._room = min(BURST_LINES, self._room + (now - self._when) * LINES_PER_S)
        self._when = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


def _secret(name: str) -> bool:
    return name == "key" or any(word in name for word in SECRETS)


def _off(text: str, /, **fields: Any) -> None:
    """A level that is off."""
