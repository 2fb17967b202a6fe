"""Credentials: whether a connection can come of a network profile before the station gives up the one that it has.

Certificates are tried in a child process, which ends: OpenSSL takes megabytes that a station without TLS does not have.
"""

from __future__ import annotations

import posix

from evse.errors import UsageError
from evse.shell.endpoint import DEFAULTS, Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SAYS_BYTES = 500


def problem(profile: Mapping[str, Any], clock_floor_s: float | None = None, certificates: bool = True) -> str | None:
    """Why the profile (keys as for `Connection.configure`) cannot work, None if nothing is known against it.

    Looks at the settings; with `certificates`, from security profile 2 on also for a root that is valid now, in 3 for
    the station's certificate and its key; without, password and certificates may be missing. `clock_floor_s`: the
    clock was never set, and UTC is at least this.
    """
    complete = {**DEFAULTS, **profile}
    level = complete["security_profile"]
    if not certificates:
        complete.update((name, complete[name] or "?") for name in ("password", "cert", "key"))
    elif level == 3 and not (complete["cert"] and complete["key"]):
        return "no certificate of the station is installed"
    try:
        Endpoint(complete)
    except UsageError as error:
        return str(error)
    return _in_child(complete, clock_floor_s) if certificates and level >= 2 else None


def _in_child(profile: Mapping[str, Any], clock_floor_s: float | None) -> str | None:
    try:
        read, write = posix.pipe2(posix.O_CLOEXEC)
        pid = posix.fork()
    except OSError as error:
        return f"no process to try the certificates in: {error.strerror}"
    if pid == 0:
        try:
            posix.write(write, (certificates_problem(profile, clock_floor_s) or "").encode()[:SAYS_BYTES])
            posix._exit(0)
        finally:
            posix._exit(1)
    posix.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    _, status = posix.waitpid(pid, 0)
    if status:
        return "the certificates could not be tried"
    return said.decode(errors="replace") or None


def certificates_problem(profile: Mapping[str, Any], clock_floor_s: float | None) -> str | None:
    """What is wrong with the root, or with the station's own certificate, None if nothing; loads OpenSSL."""
    from evse.shell.channel import ChannelError
    from evse.shell.tls import new_context, out_of_date, read_certificate

    own = (profile["cert"], profile["key"]) if profile["security_profile"] == 3 else (None, None)
    try:
        _, context = new_context(profile["ca"], *own)
    except ChannelError as error:
        what = "the station's certificate" if error.code == "client_files" else "the root certificate of the CSMS"
        return f"{what} cannot be used: {error.why}"
    if posix.stat(profile["ca"]).st_mode & 0o170000 != 0o040000:  # of a directory OpenSSL takes what it needs later
        roots = context.get_ca_certs()
        if all(out_of_date(root, clock_floor_s) for root in roots):
            return "no root certificate of a CSMS is installed that is valid now"
    leaf = read_certificate(own[0]) if own[0] is not None else None
    if leaf is not None and out_of_date(leaf, clock_floor_s):
        return "the station's certificate is not valid now"
    return None
