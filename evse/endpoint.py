"""The CSMS's URL with the charging station's identity at its end. [part 4 §3.1.1]"""

from __future__ import annotations

from urllib.parse import quote, unquote


def with_identity(url: str, identity: str) -> str:
    """The URL that ends in the identity once, whether or not it was there; a query stays at the end.

    Raises ValueError for a URL without scheme, or with a fragment.
    """
    base, mark, query = url.partition("?")
    if "#" in url:
        raise ValueError("a CSMS's URL has no fragment (#...)")
    base = base.rstrip("/")
    start = base.find("/", base.index("://") + 3)
    last = base.rpartition("/")[2] if start >= 0 else ""
    if unquote(last) != identity:
        base += "/" + quote(identity, safe="")
    return base + mark + query
