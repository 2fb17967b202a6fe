"""Time stamps as the schemas want them: date-time of RFC 3339."""

from __future__ import annotations

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_date_time(text: str) -> bool:
    """Whether the text is an RFC 3339 date-time with its zone; no leap seconds (:60), which no clock here shows."""
    if len(text) < 20 or text[4] != "-" or text[7] != "-" or text[10] not in "Tt" or text[13] != ":" or text[16] != ":":
        return False
    zone = text[-1]
    fraction = text[19:-1]
    zone_digits = "0000"
    if zone not in "Zz":
        zone = text[-6:]
        if len(text) < 25 or zone[0] not in "+-" or zone[3] != ":":
            return False
        fraction = text[19:-6]
        zone_digits = zone[1:3] + zone[4:]
    if fraction and (fraction[0] != "." or len(fraction) == 1):
        return False
    digits = text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19] + zone_digits
    if not _are_digits(digits + fraction[1:]):
        return False
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    if not (year and 1 <= month <= 12 and 1 <= day):
        return False
    leap_day = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (
        day <= _DAYS[month - 1] + leap_day
        and digits[8:10] < "24"
        and digits[10:12] < "60"
        and digits[12:14] < "60"
        and digits[14:16] < "24"
        and digits[16:18] < "60"
    )


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
