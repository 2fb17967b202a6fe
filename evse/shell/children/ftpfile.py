"""Files over FTP and FTPS, always passive: fetched and sent with resume.

`ftps` is explicit TLS for both connections; on port 990 TLS comes first.
"""

from __future__ import annotations

import ftplib
import os
import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from evse.shell.children.main import JobError
from evse.shell.children.pace import STALL_S, Pace
from evse.shell.children.refusal import Refusal
from evse.shell.children.target import IMPLICIT_FTPS_PORT, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from evse.shell.children.partial import Partial

READ_BYTES = 65536
# Of one connection: greeting and replies together.
REPLY_LINES = 1000
_NO_FILE = ("550", "553")
_DENIED = (*_NO_FILE, "530", "532", "534", "535", "536", "537")
_BAD_MESSAGE = ("500", "501", "503")
_NOT_SUPPORTED = ("502", "504")


class _Ftp(ftplib.FTP):
    """FTP whose replies have an end."""

    lines = 0

    def getline(self) -> str:
        self.lines += 1
        if self.lines > REPLY_LINES:
            raise OSError("the server talks without end")
        return super().getline()


class _Tls(_Ftp, ftplib.FTP_TLS):
    """FTP over TLS; the data connections resume the control connection's session, as many servers demand."""

    def open(self, target: Target) -> None:
        """Connects; the login secures the connection before it says the password."""
        if target.port != IMPLICIT_FTPS_PORT:
            self.connect(target.host, target.port)
            return
        self.host, self.port = target.host, target.port
        plain = socket.create_connection((target.host, target.port), STALL_S)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=target.host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(self, cmd: str, rest: Any = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        control: Any = self.sock
        return self.context.wrap_socket(plain, server_hostname=self.host, session=control.session), size


def fetch(target: Target, context: ssl.SSLContext, part: Partial, pace: Pace) -> None:
    """Brings what is missing of `part`. Raises Refusal, JobError, OSError, EOFError."""
    with _login(target, context, "Refused") as ftp:
        path = _path(target)
        ftp.voidcmd("TYPE I")
        total = _optional(ftp.size, path)
        changed = _optional(ftp.voidcmd, f"MDTM {path}")
        validator = None if total is None or changed is None else f"{total} {changed[4:]}"
        if validator is None or validator != part.validator:
            part.restart(validator)
        part.expect(total)
        if part.size == total and total:
            return
        data_connection = _begin(ftp, f"RETR {path}", part)
        with data_connection:
            while data := data_connection.recv(READ_BYTES):
                part.add(data)
                pace.moved(len(data), part.size, part.total)
            _bid_farewell(data_connection)
        if not part.is_whole:
            raise OSError(f"the connection ended after {part.size} of {part.total} bytes")
        ftp.voidresp()


def _begin(ftp: ftplib.FTP, command: str, part: Partial) -> socket.socket:
    """The data connection, from where we are, or from the first byte if the server cannot resume."""
    if part.size:
        try:
            return ftp.transfercmd(command, part.size)
        except ftplib.error_perm as error:
            if str(error)[:3] not in (*_BAD_MESSAGE, *_NOT_SUPPORTED):
                raise
            part.restart(part.validator)
    return ftp.transfercmd(command)


def send(target: Target, context: ssl.SSLContext, file: BinaryIO, name: str, pace: Pace, begun: set[str]) -> None:
    """Stores `file` as `name` in the directory of the URL, or, if there is none such, as the URL itself says.

    `begun`: paths that an earlier try began to store; it is gone on there. Raises Refusal, JobError, OSError, EOFError.
    """
    with _login(target, context, "PermissionDenied") as ftp:
        path = _path(target)
        ftp.voidcmd("TYPE I")
        try:
            _store(ftp, f"{path}/{name}" if path and not path.endswith("/") else path + name, file, pace, begun)
        except ftplib.error_perm as error:
            if str(error)[:3] not in _NO_FILE or not path or path.endswith("/"):
                raise
            _store(ftp, path, file, pace, begun)


def _store(ftp: ftplib.FTP, path: str, file: BinaryIO, pace: Pace, begun: set[str]) -> None:
    total = file.seek(0, os.SEEK_END)
    there = (_optional(ftp.size, path) or 0) if path in begun else 0
    file.seek(there if there <= total else 0)
    try:
        data_connection = ftp.transfercmd(f"STOR {path}", file.tell() or None)
    except ftplib.error_perm as error:
        if not file.tell() or str(error)[:3] not in (*_BAD_MESSAGE, *_NOT_SUPPORTED):
            raise
        file.seek(0)
        data_connection = ftp.transfercmd(f"STOR {path}")
    begun.add(path)
    with data_connection:
        while data := file.read(READ_BYTES):
            data_connection.sendall(data)
            pace.moved(len(data), file.tell(), total)
        _bid_farewell(data_connection)
    ftp.voidresp()


def _bid_farewell(connection: socket.socket) -> None:
    """Ends TLS as some servers want it before they say that all is well; others close without the courtesy."""
    if isinstance(connection, ssl.SSLSocket):
        with suppress(OSError):
            connection.unwrap()


@contextmanager
def _login(target: Target, context: ssl.SSLContext, denied: str) -> Iterator[ftplib.FTP]:
    """A connection that is logged in; what the server refuses becomes Refusal, `denied` is its word for no access."""
    ftp = _Tls(timeout=STALL_S, context=context) if target.is_secure else _Ftp(timeout=STALL_S)
    try:
        if isinstance(ftp, _Tls):
            ftp.open(target)
        else:
            ftp.connect(target.host, target.port)
        ftp.login(target.user or "anonymous", target.password or "")
        if isinstance(ftp, _Tls):
            ftp.prot_p()
        yield ftp
        with suppress(OSError, EOFError, ftplib.Error):
            ftp.quit()
    except ftplib.Error as error:
        reply = str(error)[:3]
        code = "Failed"
        if reply in _DENIED:
            code = denied
        elif denied == "PermissionDenied" and reply in _BAD_MESSAGE:
            code = "BadMessage"
        elif denied == "PermissionDenied" and reply in _NOT_SUPPORTED:
            code = "NotSupported"
        elif denied == "Refused" and reply[:1] == "5":
            code = "Refused"
        raise Refusal(code, f"{target} answers {reply}") from None
    finally:
        ftp.close()


def _path(target: Target) -> str:
    """The path of the URL below the directory of the login; "%2F" in front leads to the root. [RFC 1738 §3.2.2]"""
    path = unquote(target.path.partition("?")[0][1:].partition(";")[0])
    if any(character < " " or character == "\x7f" for character in path):
        raise JobError("BadUrl", "the URL has characters that no path has")
    return path


def _optional(ask: Any, *args: Any) -> Any:
    """What the server says; None if it does not know the question."""
    try:
        return ask(*args)
    except (ftplib.error_perm, ValueError):
        return None
