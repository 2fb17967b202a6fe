"""Where a transfer goes: the URL that the CSMS gave, taken apart, and whom TLS trusts there.

What is said of a target in errors and logs is its scheme, host and port: user, password, path and query may be secrets.
"""

from __future__ import annotations

import glob
import os
import ssl
from copy import copy
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from evse.shell.certificatefiles import is_there, path_of
from evse.shell.children.main import JobError
from evse.shell.tls import CIPHERS, root_files

# Scheme -> port. SFTP would need a library that is not among the dependencies.
PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21}
IMPLICIT_FTPS_PORT = 990
URL_LENGTH = 2000
# The CSMS's chain [N01.FR.15]; a manufacturer's file server may stand below his own root.
TRUSTED = ("ca/csms/*.pem", "ca/mf/*.pem")


class Target:
    """A URL of a scheme that we speak. Raises JobError BadUrl for any other text.

    host, port, user, password    None for the last two if the URL has none
    path                          with the query, percent-encoded, at least "/"
    """

    __slots__ = ("scheme", "host", "port", "user", "password", "path")

    def __init__(self, url: str) -> None:
        if len(url) > URL_LENGTH or any(character <= " " or character == "\x7f" for character in url):
            raise JobError("BadUrl", "the URL has characters that no URL has, or is too long")
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError:
            raise JobError("BadUrl", "the URL cannot be read") from None
        self.scheme = parts.scheme
        if self.scheme not in PORTS:
            known = ", ".join(PORTS)
            raise JobError("BadUrl", f"{self.scheme[:20] or 'no scheme'}: the station transfers by {known}")
        if not host:
            raise JobError("BadUrl", "the URL names no host")
        self.host = host
        self.port = PORTS[self.scheme] if port is None else port
        self.user = None if parts.username is None else unquote(parts.username)
        self.password = None if parts.password is None else unquote(parts.password)
        if any(character < " " or character == "\x7f" for character in (self.user or "") + (self.password or "")):
            raise JobError("BadUrl", "the URL has characters that no name or password has")
        # "%" is safe: what is encoded stays so.
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/"
        self.path = f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else path

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        """Whether the way is encrypted."""
        return self.scheme in ("https", "ftps")

    def inside(self, name: str) -> Target:
        """The file `name` in the directory that a "/" at the end of the URL names; the target itself without it."""
        target: Target = copy(self)
        if self.path.endswith("/"):
            target.path += name
        return target

    def redirected(self, location: str) -> Target:
        """Where an HTTP redirect leads, with our credentials only to the same place. Raises JobError.

        Never from TLS to plain text, and never to another protocol.
        """
        target = Target(urljoin(f"{self}{self.path}", location))
        if not target.scheme.startswith("http"):
            raise JobError("Refused", f"{self} redirects to {target.scheme}")
        if self.is_secure and not target.is_secure:
            raise JobError("Refused", f"{self} redirects from TLS to plain text")
        if target.user is None and str(target) == str(self):
            target.user, target.password = self.user, self.password
        return target


def trust(places: dict[str, Any]) -> ssl.SSLContext:
    """TLS 1.2 or above to a server whose chain ends in a root of the station's store, for its own host name.

    `places`: "certificates" the store, "store" its settings; "system_roots" in these: also those of the operating
    system [N01.FR.15, N01.FR.16]. "ca": a file or directory with the CSMS's roots, until the store has its own.
    "partial_chain": a root may be signed by another one that is not there [M05.FR.12].
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    if places.get("partial_chain"):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for path in _trusted(places):
        try:
            for file, directory in root_files(path):
                context.load_verify_locations(file, directory)
        except (OSError, ssl.SSLError):  # missing or no certificate: what it would vouch for is not trusted
            continue
    if (places.get("store") or {}).get("system_roots"):
        context.set_default_verify_paths()
    return context


def _trusted(places: dict[str, Any]) -> list[str]:
    """Files of roots; one that a newer root has replaced, and that is kept for its key only, is none."""
    store = places.get("store")
    own, maker = (path_of(places["certificates"], store, name) for name in ("csms_root", "manufacturer_root"))
    files = {own if is_there(own) else places.get("ca") or own, maker}
    for pattern in TRUSTED:
        files.update(glob.glob(os.path.join(places["certificates"], pattern)))
    return sorted(path for path in files if not path.endswith(".issuer.pem"))
