"""URIs as the schemas want them: RFC 3986. Loaded by the first message that has one."""

from __future__ import annotations

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PLAIN = _LETTERS + "-._~!$&'()*+,;="
_HEX = "0123456789abcdefABCDEF"


def is_uri(text: str) -> bool:
    """Whether the text is an RFC 3986 URI: it has a scheme, and no character that a URI must escape."""
    scheme, colon, rest = text.partition(":")
    if not (colon and scheme.isascii() and scheme[:1].isalpha() and not scheme.strip(_LETTERS + "+-.")):
        return False
    rest, _, fragment = rest.partition("#")
    path, _, query = rest.partition("?")
    if path.startswith("//"):
        authority, _, path = path[2:].partition("/")
        if not _is_authority(authority):
            return False
    return _made_of(path, ":@/") and _made_of(query, ":@/?") and _made_of(fragment, ":@/?")


def _is_authority(text: str) -> bool:
    user, _, host = text.rpartition("@")
    if host.startswith("["):
        literal, bracket, port = host[1:].partition("]")
        if not bracket or (port and port[0] != ":"):
            return False
        if literal[:1] in ("v", "V"):
            version, _, address = literal[1:].partition(".")
            good = _are_hex(version) and bool(address) and "%" not in address and _made_of(address, ":")
        else:
            good = _is_ipv6(literal)
        port = port[1:]
    else:
        name, _, port = host.partition(":")
        good = _made_of(name, "")
    return good and (not port or _are_digits(port)) and _made_of(user, ":")


def _is_ipv6(text: str) -> bool:
    head, gap, tail = text.partition("::")
    groups = [*(head.split(":") if head else ()), *(tail.split(":") if tail else ())]
    missing = 8 - len(groups)
    if groups and "." in groups[-1]:
        octets = groups.pop().split(".")
        missing -= 1
        if len(octets) != 4 or any(not _are_digits(octet) or len(octet) > 3 or int(octet) > 255 for octet in octets):
            return False
        if gap and not tail:
            return False
    return (missing >= 1 if gap else missing == 0) and all(len(group) <= 4 and _are_hex(group) for group in groups)


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _are_hex(text: str) -> bool:
    return bool(text) and not text.strip(_HEX)


def _made_of(text: str, also: str) -> bool:
    """Whether each character may stand in that part of a URI: unreserved, sub-delimiter, one of `also`, or escaped."""
    plain = _PLAIN + also
    first, *escaped = text.split("%")
    return not first.strip(plain) and all(
        len(part) >= 2 and _are_hex(part[:2]) and not part[2:].strip(plain) for part in escaped
    )
