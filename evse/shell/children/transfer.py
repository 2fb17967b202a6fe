"""Transfers for the CSMS: a firmware comes, a log goes; HTTP, HTTPS, FTP and FTPS, tried as often as was asked.

    download   {"url", "to": below the state directory, "max_bytes", "attempts", "interval_s"}
               -> {"path", "bytes", "sha256"}; goes on with what an earlier try or job brought
    upload     {"url", "name", "attempts", "interval_s", "log": what evse/shell/children/logs.py makes of it}
               -> {"name", "bytes"}
    news       {"bytes", "total": or None}; {"attempt", "attempts", "why"} before another try
    errors     BadUrl      no URL, or a scheme that is not spoken
               Refused     download: the server said no
               Failed      no connection, or a broken one, after all attempts
               TooLarge    download: more than max_bytes, or than the flash has room for
               Invalid     the request itself
               PermissionDenied, BadMessage, NotSupported, Redirected    upload: how the server said no

Whatever a server or the way to it does is tried again, also a refusal: the CSMS says how often [N01.FR.10].

Memory does not grow with the file. Neither user, password, path nor query of a URL is in any error.
"""

from __future__ import annotations

import ftplib
import http.client
import ssl
import tempfile
import time
from collections.abc import Callable
from typing import Any

from evse.shell.children import ftpfile, webfile
from evse.shell.children.main import JobError
from evse.shell.children.pace import Pace
from evse.shell.children.partial import Partial
from evse.shell.children.refusal import Refusal
from evse.shell.children.target import Target, trust

Say = Callable[[dict[str, Any]], None]

ATTEMPTS = 20
INTERVAL_S = 86400.0
NAME_LENGTH = 255
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"


def download(request: dict[str, Any], places: dict[str, Any], say: Say) -> dict[str, Any]:
    """The file of a URL, whole, under its name."""
    target = Target(request["url"])
    context = trust(places)
    part = Partial(places["state"], request["to"], request["url"], int(request["max_bytes"]))
    fetch = webfile.fetch if target.scheme.startswith("http") else ftpfile.fetch
    try:
        _try(lambda: fetch(target, context, part, Pace(say)), target, request, say)
        return part.finish()
    finally:
        part.close()


def upload(request: dict[str, Any], places: dict[str, Any], say: Say) -> dict[str, Any]:
    """A log at the place of the URL, under its name."""
    from evse.shell.children import logs

    target = Target(request["url"])
    name = request["name"]
    if not name or len(name) > NAME_LENGTH or name.strip(_NAME):
        raise JobError("Invalid", "a log's name is made of letters, digits, '-', '.' and '_'")
    context = trust(places)
    begun: set[str] = set()

    def send() -> None:
        if target.scheme.startswith("http"):
            webfile.send(target, context, file, name, Pace(say))
        else:
            ftpfile.send(target, context, file, name, Pace(say), begun)

    with tempfile.TemporaryFile(dir=places["state"]) as file:
        try:
            logs.write(request["log"], places, file)
        except OSError as error:
            raise JobError("Failed", f"the log could not be put together: {error.strerror}") from None
        _try(send, target, request, say)
        return {"name": name, "bytes": file.seek(0, 2)}


def _try(once: Callable[[], None], target: Target, request: dict[str, Any], say: Say) -> None:
    """Does it `attempts` times until it succeeds; raises the last JobError."""
    attempts = min(max(1, int(request.get("attempts") or 1)), ATTEMPTS)
    interval_s = min(max(0.0, float(request.get("interval_s") or 0)), INTERVAL_S)
    for attempt in range(1, attempts + 1):
        try:
            once()
            return
        except Refusal as refusal:
            error: JobError = refusal
        except JobError:
            raise
        except (OSError, EOFError, ValueError, http.client.HTTPException, ftplib.Error) as broken:
            error = JobError("Failed", f"{target}: {_words(broken)}")
        if attempt == attempts:
            raise error
        say({"attempt": attempt + 1, "attempts": attempts, "why": str(error)})
        time.sleep(interval_s)


def _words(error: Exception) -> str:
    """What happened, in words that hold nothing of the URL and nothing that the server wrote."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'the connection ended'}"
    if isinstance(error, TimeoutError):
        return "nothing moves"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    if isinstance(error, (EOFError, http.client.IncompleteRead)):
        return "the connection ended early"
    return "the server does not speak its protocol"
