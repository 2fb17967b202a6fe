"""Files over HTTP and HTTPS: fetched with resume, sent by PUT or POST; redirects followed within bounds.

No proxy of the environment, no cookies, no encodings: `http.client` and nothing around it.
"""

from __future__ import annotations

import http.client
import os
import ssl
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evse.shell.children.main import JobError
from evse.shell.children.pace import STALL_S, Pace
from evse.shell.children.refusal import Refusal
from evse.shell.children.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from evse.shell.children.partial import Partial

REDIRECTS = 5
READ_BYTES = 65536
_MOVED = (301, 302, 307, 308)
_NOT_THIS_METHOD = (404, 405, 501)
# Status of an upload -> error of the job, where that is not Failed.
_REFUSALS = {
    **dict.fromkeys((401, 403, 407), "PermissionDenied"),
    **dict.fromkeys((400, 406, 411, 414, 415, 417, 422, 431), "BadMessage"),
    **dict.fromkeys((405, 501), "NotSupported"),
    **dict.fromkeys((*_MOVED, 303), "Redirected"),
}


def fetch(target: Target, context: ssl.SSLContext, part: Partial, pace: Pace) -> None:
    """Brings what is missing of `part`. Raises Refusal, JobError, OSError, HTTPException."""
    for _ in range(REDIRECTS + 1):
        headers = _headers(target)
        if part.size and part.validator is not None:
            headers.update({"Range": f"bytes={part.size}-", "If-Range": part.validator})
        with _connection(target, context) as connection:
            connection.request("GET", target.path, headers=headers)
            response = connection.getresponse()
            if response.status in (*_MOVED, 303):
                target = target.redirected(response.headers.get("Location", ""))
                continue
            if response.status == 416 and part.size:
                if response.headers.get("Content-Range", "") == f"bytes */{part.size}":
                    part.total = part.size  # all had arrived before
                    return
                part.restart(None)
                raise OSError("the server has another file now")
            _take(target, response, part, pace)
            return
    raise JobError("Refused", f"{target}: more than {REDIRECTS} redirects")


def _take(target: Target, response: http.client.HTTPResponse, part: Partial, pace: Pace) -> None:
    if response.status == 206 and part.size:
        begin, total = _range(response.headers.get("Content-Range", ""))
        if begin != part.size:
            part.restart(None)
            raise OSError("the server resumes elsewhere than it was asked")
        part.expect(total)
    elif response.status == 200:
        part.restart(_validator(response))
        length = response.headers.get("Content-Length", "")
        part.expect(int(length) if length.isascii() and length.isdigit() and not response.chunked else None)
    else:
        raise Refusal("Refused", f"{target} answers {response.status}")
    while data := response.read1(READ_BYTES):
        part.add(data)
        pace.moved(len(data), part.size, part.total)
    if not part.is_whole:
        raise OSError(f"the connection ended after {part.size} of {part.total} bytes")


def send(target: Target, context: ssl.SSLContext, file: BinaryIO, name: str, pace: Pace) -> None:
    """Sends `file` from its beginning: PUT, and POST to a server that has no use for PUT. [N01.FR.18, N01.FR.19]

    The name is appended to a URL that ends in "/", others are used as they are [N01.FR.21, N01.FR.29]; redirects are
    not followed [N01.FR.30]. Raises Refusal, OSError, HTTPException.
    """
    target = target.inside(name)
    status = _send("PUT", target, context, file, name, pace)
    if status in _NOT_THIS_METHOD:
        status = _send("POST", target, context, file, name, pace)
    if not 200 <= status < 300:
        raise Refusal(_REFUSALS.get(status, "Failed"), f"{target} answers {status}")


def _send(method: str, target: Target, context: ssl.SSLContext, file: BinaryIO, name: str, pace: Pace) -> int:
    """The status of the answer."""
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    headers = _headers(target)
    headers.update(
        {
            "Content-Length": str(total),
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'form-data; name="uploadfile"; filename="{name}"',
        }
    )
    with _connection(target, context) as connection:
        connection.putrequest(method, target.path, skip_accept_encoding=True)
        for header in headers.items():
            connection.putheader(*header)
        try:
            connection.endheaders()
            while data := file.read(READ_BYTES):
                connection.send(data)
                pace.moved(len(data), file.tell(), total)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough: the answer says why, if there is one
        return connection.getresponse().status


@contextmanager
def _connection(target: Target, context: ssl.SSLContext) -> Iterator[http.client.HTTPConnection]:
    if target.is_secure:
        made: Any = http.client.HTTPSConnection(target.host, target.port, timeout=STALL_S, context=context)
    else:
        made = http.client.HTTPConnection(target.host, target.port, timeout=STALL_S)
    try:
        yield made
    finally:
        made.close()


def _headers(target: Target) -> dict[str, str]:
    headers = {"User-Agent": "evse", "Accept-Encoding": "identity", "Connection": "close"}
    if target.user is not None:
        secret = f"{target.user}:{target.password or ''}".encode()
        headers["Authorization"] = "Basic " + b64encode(secret).decode()
    return headers


def _validator(response: http.client.HTTPResponse) -> str | None:
    """What If-Range takes: a strong entity tag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    if tag.startswith('"') and tag.endswith('"') and tag.isascii() and tag.isprintable() and len(tag) < 200:
        return tag
    date = response.headers.get("Last-Modified", "")
    return date if date.isascii() and date.isprintable() and 0 < len(date) < 100 else None


def _range(text: str) -> tuple[int | None, int | None]:
    """(first byte, total) of a Content-Range; a total that it does not say is where it ends, None without an end."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    begin, _, last = span.partition("-")
    if unit != "bytes" or not (begin.isascii() and begin.isdigit()):
        return None, None
    if total.isascii() and total.isdigit():
        return int(begin), int(total)
    return int(begin), int(last) + 1 if last.isascii() and last.isdigit() else None
