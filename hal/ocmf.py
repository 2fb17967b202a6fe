"""OCMF records: what a meter signed, byte for byte, and how OCPP carries it. [OCMF 1.4]

    OCMF|{payload}|{signature}          both JSON objects; the signature is over the bytes of the payload

Nothing here reads the JSON and writes it again: that would break the signature.
"""

from __future__ import annotations

from binascii import b2a_base64, hexlify

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEAD = b"OCMF|"
# Beginning of a SubjectPublicKeyInfo of secp256r1, up to the mark of an uncompressed point [RFC 5480].
SECP256R1 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def split(record: bytes) -> tuple[bytes, bytes]:
    """Payload and signature of a record as they stand in it. Raises HalError("Ocmf")."""
    if not record.startswith(_HEAD):
        raise HalError("Ocmf", "a record begins with OCMF|")
    middle = _object_end(record, len(_HEAD))
    if record[middle : middle + 1] != b"|":
        raise HalError("Ocmf", f"no | behind the payload, at byte {middle}")
    end = _object_end(record, middle + 1)
    if end != len(record):
        raise HalError("Ocmf", f"{len(record) - end} bytes behind the signature")
    return record[len(_HEAD) : middle], record[middle + 1 :]


def _object_end(data: bytes, start: int) -> int:
    """Where the JSON object that begins at `start` ends; a | or a brace within its strings does not count."""
    depth, quoted, at = 0, False, start
    while at < len(data):
        byte = data[at]
        if quoted:
            if byte == 0x5C:  # a backslash: the next byte is the string's
                at += 1
            quoted = byte != 0x22
        elif byte == 0x22:
            quoted = True
        elif byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
        at += 1
        if depth <= 0 and not quoted:
            break
    if depth or quoted or data[start : start + 1] != b"{" or at > len(data):
        raise HalError("Ocmf", f"no JSON object at byte {start}")
    return at


def join(payload: bytes, signature: bytes, method: str) -> bytes:
    """A record of a payload and the signature that a meter gives beside it: DER, or r and s in 64 bytes."""
    if len(signature) == 64:
        signature = der(signature)
    said = b'{"SA":"%s","SD":"%s"}' % (method.encode(), hexlify(signature))
    return (payload if payload.startswith(_HEAD) else _HEAD + payload) + b"|" + said


def der(signature: bytes) -> bytes:
    """ECDSA-Sig-Value of r and s, each half of the bytes. [RFC 3279 2.2.3]"""
    half = len(signature) // 2
    body = b""
    for number in (signature[:half], signature[half:]):
        number = number.lstrip(b"\0") or b"\0"
        if number[0] & 0x80:
            number = b"\0" + number
        body += bytes((2, len(number))) + number
    return bytes((0x30, len(body))) + body


def _method(record: bytes) -> str | None:
    """What the signature says of itself (SA), None if it says nothing."""
    parts = split(record)[1].partition(b'"SA"')[2].split(b'"', 2)
    if len(parts) < 3 or parts[0].strip() != b":" or not parts[1].isascii():
        return None
    return parts[1].decode()


def signed_value(record: bytes, method: str, public_key: str) -> dict[str, Any]:
    """What a reading carries: the record in base64, the key (hexadecimal DER, "" for none) as the OCA writes it.

    `method`: where the record does not name its own. Raises HalError("Ocmf") for what is no record.

    [OCA application note "Signed Meter Values" 3.2]
    """
    key = b"oca:base16:asn1:" + public_key.encode() if public_key else b""
    return {
        "data": b2a_base64(record, newline=False).decode(),
        "method": _method(record) or method,
        "encoding": "OCMF",
        "public_key": b2a_base64(key, newline=False).decode(),
    }
