"""Tokens: what a reader makes of a card becomes the idToken that a CSMS knows, the same from every reader.

The idToken of a card is its UID in hexadecimal, in the order of ISO 14443-3 (the byte that the card sends first comes
first; of ISO 15693 the one that is E0), high nibble first [1.6 §3.9, 2.1 part 2 IdTokenType]: 8, 14 or 20 characters
for the 4, 7 or 10 bytes of ISO 14443, 16 for the 8 bytes of ISO 15693.

Settings of a reader in the board file say what it delivers, `case` and `kind` what the station makes of it:

    format      "hex" (the default) | "dec" (the UID as one number) | "text" (kept as it is: a code, a key fob's name)
    byte_order  "normal" | "reversed": the reader gives the last byte first
    length      bytes of the UID, for readers that drop leading zeros; a longer one is refused
    case        "upper" (the default) | "lower"
    kind        an IdTokenEnum word; otherwise told from the length: 4, 7, 10 ISO14443; 8 ISO15693; Local; text KeyCode
"""

from __future__ import annotations

from binascii import Error, hexlify, unhexlify

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = ("Central", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "eMAID")
FORMATS = ("hex", "dec", "text")
# Fewer bytes are noise; more do not fit the 36 characters of an idToken [2.0.1 part 2 IdTokenType].
SHORTEST, LONGEST, TEXT_LIMIT = 3, 18, 36
# Besides letters and digits [2.x part 2, identifierString].
_SIGNS = "*-_=:+|@."
_BETWEEN = str.maketrans("", "", " \t:-.")
_HEX = "0123456789abcdefABCDEF"
_UID_LENGTHS = (4, 7, 8, 10)
REMEMBERED = 4


class TokenRules:
    """How one reader's cards are read."""

    __slots__ = ("format", "reversed", "upper", "length", "kind")

    def __init__(self, options: dict[str, Any]) -> None:
        self.format: str = options.get("format", "hex")
        self.reversed: bool = options.get("byte_order", "normal") == "reversed"
        self.upper: bool = options.get("case", "upper") == "upper"
        self.length: int | None = options.get("length")
        self.kind: str | None = options.get("kind")

    def of_uid(self, uid: bytes) -> tuple[str, str]:
        """(idToken, kind) of the bytes of a UID, in the order in which the reader gave them.

        Raises HalError("Token") without the token in its words, here as below.
        """
        length = len(uid)
        if not SHORTEST <= length <= LONGEST or not any(uid) or (self.length and length != self.length):
            raise HalError("Token", f"{length} bytes are no UID here" if any(uid) else "no bytes, or zeros only")
        if self.reversed:
            uid = uid[::-1]
        if length == 8 and uid[0] != 0xE0 and uid[7] == 0xE0:  # [ISO 15693-3 4.1]: sent last byte first
            uid = uid[::-1]
        kind = "ISO14443" if length in (4, 7, 10) else "ISO15693" if length == 8 else "Local"
        text = hexlify(uid).decode()
        return text.upper() if self.upper else text, self.kind or kind

    def of_text(self, text: str) -> tuple[str, str]:
        """(idToken, kind) of a line that a reader wrote, without its end."""
        if self.format == "text":
            if not 0 < len(text) <= TEXT_LIMIT or not text.isascii():
                raise HalError("Token", f"not 1 to {TEXT_LIMIT} ASCII characters")
            if not all(sign.isalnum() or sign in _SIGNS for sign in text):
                raise HalError("Token", f"other characters than letters, digits and {_SIGNS}")
            return text, self.kind or "KeyCode"
        digits = text.translate(_BETWEEN)
        return self.of_uid(self._decimal(digits) if self.format == "dec" else self._hexadecimal(digits))

    def _hexadecimal(self, digits: str) -> bytes:
        if self.length:
            digits = digits.rjust(2 * self.length, "0")
        try:
            return unhexlify(digits)
        except (Error, ValueError):
            why = "not hexadecimal" if digits.strip(_HEX) else "an odd number of digits; set length"
            raise HalError("Token", why) from None

    def _decimal(self, digits: str) -> bytes:
        """A number is written with leading zeros up to the digits of its largest: 10 for 4 bytes, 17 for 7."""
        if not digits.isascii() or not digits.isdigit() or len(digits) > 25:
            raise HalError("Token", "not a decimal number of at most 25 digits")
        number = int(digits)
        for length in (self.length,) if self.length else _UID_LENGTHS:
            if number < 1 << 8 * length and (self.length or len(digits) <= len(str((1 << 8 * length) - 1))):
                return number.to_bytes(length, "big")
        raise HalError("Token", "the number is too large for a UID of this length")


class Debounce:
    """A card that stays, or comes and goes at the edge of the field, is one token.

    The same token counts again after it was away for `away_s` seconds; others count at once. Of those that are about,
    REMEMBERED are kept; the one seen longest ago is forgotten for a new one.
    """

    __slots__ = ("away_s", "_seen")

    def __init__(self, away_s: float) -> None:
        self.away_s = away_s
        self._seen: dict[Any, float] = {}

    def fresh(self, token: Any, now: float) -> bool:
        """True for a token to report; to be asked at every sight of it."""
        before = self._seen.pop(token, None)
        if len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[token] = now
        return before is None or now - before >= self.away_s
