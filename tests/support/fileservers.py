"""File servers in threads: HTTP that does what a test says, and FTP by pyftpdlib; both with TLS."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from evse.shell.children import transfer
from evse.shell.children.main import JobError
from tests.support.certificates import Certificate

CONTENT = bytes(range(256)) * 1200  # 300 KiB
CHANGED = "Wed, 21 Oct 2015 07:28:00 GMT"


class Authority:
    """A root that the station trusts, and what a server of 127.0.0.1 shows."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        root = Certificate("root", ca=True)
        leaf = Certificate("files.example", root, names=("127.0.0.1",))
        self.root = directory / "root.pem"
        self.root.write_text(root.pem())
        self.cert, self.key = leaf.write(directory, "files")

    def context(self) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


class Transfers:
    """A state directory, and the jobs `download` and `upload` as a child process does them; `news` is what they say."""

    def __init__(self, state: Path, ca: Path) -> None:
        self.state = state
        self.places: dict[str, Any] = {"state": str(state), "certificates": str(state / "certificates"), "ca": str(ca)}
        self.news: list[dict[str, Any]] = []

    @property
    def file(self) -> Path:
        """Where a download arrives."""
        return self.state / "firmware" / "image.bin"

    def parts(self) -> list[str]:
        """The files beside it."""
        return sorted(path.name for path in self.file.parent.iterdir())

    def download(self, url: str, **request: Any) -> dict[str, Any]:
        """The answer. Raises JobError."""
        asked = {"url": url, "to": "firmware/image.bin", "max_bytes": 1 << 20, **request}
        return transfer.download(asked, self.places, self.news.append)

    def refused(self, url: str, **request: Any) -> tuple[str, str]:
        """Code and text of the error that a download ends with."""
        with pytest.raises(JobError) as caught:
            self.download(url, **request)
        return caught.value.code, str(caught.value)

    def upload(self, url: str, size: int = 0, **request: Any) -> dict[str, Any]:
        """The answer for a security log of one entry, which takes about `size` bytes. Raises JobError."""
        noise = os.urandom(size // 2).hex()
        entry = {"type": "SettingSystemTime", "timestamp": "2026-01-01T00:00:00Z", "techInfo": noise}
        log = {"kind": "SecurityLog", "from": None, "to": None, "entries": [entry]}
        asked = {"url": url, "name": "log-1.zip", "log": log, **request}
        return transfer.upload(asked, self.places, self.news.append)


class Handler(BaseHTTPRequestHandler):
    """GET: the content, in ranges too. PUT and POST: kept. `server.behave[path]` does something else."""

    protocol_version = "HTTP/1.1"
    server: Any

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole response; `Content_Length` in `headers` may lie."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._note()
        behave = self.server.behave.get(self.path.partition("?")[0])
        if behave is not None:
            behave(self)
            return
        self.ranged()

    def ranged(self, limit: int | None = None, etag: str = '"one"') -> None:
        """The content from where the client wants it; after `limit` bytes the connection breaks."""
        begin = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == etag:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(CONTENT):
                self.answer(416, Content_Range=f"bytes */{len(CONTENT)}")
                return
        self.send_response(206 if begin else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[begin:][:limit])
        self.close_connection = True

    def do_PUT(self) -> None:
        self._note()
        behave = self.server.behave.get(self.path.partition("?")[0])
        if behave is not None:
            behave(self)
            return
        self.take()

    do_POST = do_PUT

    def take(self) -> None:
        """Keeps the body."""
        self.server.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201)

    def _note(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))


class HttpFiles:
    """An HTTP server on a free port; `behave` path -> function(handler), `seen` requests, `kept` path -> body."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.behave: dict[str, Callable[[Handler], Any]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.kept: dict[str, bytes] = {}
        server.behave, server.seen, server.kept = self.behave, self.seen, self.kept
        self._server = server
        self.place = f"127.0.0.1:{server.server_address[1]}"
        self.url = f"{'http' if context is None else 'https'}://{self.place}"
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def clear(self) -> None:
        """As at the beginning."""
        for one in (self.behave, self.seen, self.kept):
            one.clear()


@contextmanager
def http_files(context: ssl.SSLContext | None = None) -> Iterator[HttpFiles]:
    """An HTTP server for the time of the block."""
    server = HttpFiles(context)
    try:
        yield server
    finally:
        server.close()


class FtpFiles:
    """An FTP server on a free port with the file image.bin; `kind`: ftp, ftps or implicit.

    `logins` users, `rests` offsets that transfers were resumed from, `secured` whether the last data came over TLS
    """

    def __init__(self, kind: str, authority: Authority, directory: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # asyncore
            from pyftpdlib.authorizers import DummyAuthorizer
            from pyftpdlib.filesystems import AbstractedFS
            from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
            from pyftpdlib.ioloop import IOLoop
            from pyftpdlib.servers import FTPServer

        files = self
        self.kind = kind
        self.directory = directory
        self.logins: list[str] = []
        self.rests: list[int] = []
        self.secured = False
        self._left: int | None = None
        authorizer = DummyAuthorizer()
        authorizer.add_user("someone", "s3cret", str(directory), perm="elradfmwMT")
        authorizer.add_user("reader", "s3cret", str(directory), perm="elr")  # no writing

        class Cut:
            """A file that cannot be read or written any more where a test cut it."""

            def __init__(self, file: Any) -> None:
                self._file = file

            def __getattr__(self, name: str) -> Any:
                return getattr(self._file, name)

            def read(self, count: int) -> bytes:
                data: bytes = self._file.read(files.take(count))
                return data

            def write(self, data: bytes) -> int:
                room = files.take(len(data))
                self._file.write(data[:room])
                return room

        class Files(AbstractedFS):
            def open(self, filename: str, mode: str) -> Any:
                return Cut(super().open(filename, mode))

        tls = kind != "ftp"
        data: Any = TLS_DTPHandler if tls else DTPHandler

        class Data(data):  # type: ignore[misc]
            def close(self) -> None:
                files.secured = tls and bool(getattr(self, "_ssl_established", False))
                super().close()

        control: Any = TLS_FTPHandler if tls else FTPHandler

        class Control(control):  # type: ignore[misc]
            authorizer: Any
            abstracted_fs = Files
            dtp_handler = Data
            use_sendfile = False
            auth_failed_timeout = 0
            log_prefix = ""

            def handle(self) -> None:
                if kind == "implicit":
                    self.secure_connection(self.ssl_context)
                super().handle()

            def on_login(self, username: str) -> None:
                files.logins.append(username)

            def ftp_REST(self, line: str) -> Any:
                files.rests.append(int(line))
                return super().ftp_REST(line)

        Control.authorizer = authorizer
        if tls:
            pair = Path(authority.cert).with_suffix(".both")
            pair.write_text(Path(authority.cert).read_text() + Path(authority.key).read_text())
            Control.certfile = str(pair)
            if kind == "ftps":
                Control.tls_control_required = Control.tls_data_required = True
        self._server = FTPServer(("127.0.0.1", 0), Control, ioloop=IOLoop())
        self.port = self._server.socket.getsockname()[1]
        self.url = f"{'ftps' if tls else 'ftp'}://someone:s3cret@127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._up = True
        self._thread.start()

    def _serve(self) -> None:
        while self._up:
            self._server.serve_forever(timeout=0.01, blocking=False, handle_exit=False)
        self._server.close_all()

    def take(self, count: int) -> int:
        """So many bytes of `count` may pass. Raises OSError at the cut."""
        if self._left is None:
            return count
        if not self._left:
            self._left = None
            raise OSError("cut")
        count = min(count, self._left)
        self._left -= count
        return count

    def cut(self, after: int) -> None:
        """The next transfer breaks off after so many bytes."""
        self._left = after

    def write(self, name: str, content: bytes) -> None:
        """Puts a file there."""
        (self.directory / name).write_bytes(content)

    def clear(self) -> None:
        """As at the beginning."""
        self.logins.clear()
        self.rests.clear()
        self._left = None
        for path in self.directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.write("image.bin", CONTENT)

    def close(self) -> None:
        """Ends it."""
        self._up = False
        self._thread.join()


@contextmanager
def ftp_files(kind: str, authority: Authority) -> Iterator[FtpFiles]:
    """An FTP server for the time of the block."""
    with TemporaryDirectory() as directory:
        server = FtpFiles(kind, authority, Path(directory))
        try:
            yield server
        finally:
            server.close()
