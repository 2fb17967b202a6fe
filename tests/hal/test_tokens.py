"""Tokens: the same card gives the same idToken, however a reader writes its number down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.interfaces import HalError
from hal.tokens import FORMATS, REMEMBERED, Debounce, TokenRules

SINGLE, DOUBLE, TRIPLE = (bytes.fromhex(text) for text in ("ca73b1d4", "04a22b3c4d5e6f", "04112233445566778899"))
VICINITY = bytes.fromhex("e004010012345678")
UIDS = st.sampled_from((4, 7, 10)).flatmap(lambda size: st.binary(min_size=size, max_size=size)).filter(any)


def of_uid(uid: bytes, **options: Any) -> tuple[str, str]:
    return TokenRules(options).of_uid(uid)


def of_text(text: str, **options: Any) -> tuple[str, str]:
    return TokenRules(options).of_text(text)


@pytest.mark.parametrize(
    ("uid", "id_token", "kind"),
    [
        (SINGLE, "CA73B1D4", "ISO14443"),
        (DOUBLE, "04A22B3C4D5E6F", "ISO14443"),
        (TRIPLE, "04112233445566778899", "ISO14443"),
        (VICINITY, "E004010012345678", "ISO15693"),
        (VICINITY[::-1], "E004010012345678", "ISO15693"),
        (bytes.fromhex("0100abcdef"), "0100ABCDEF", "Local"),
    ],
)
def test_first_byte_first_and_high_nibble_first(uid: bytes, id_token: str, kind: str) -> None:
    """[1.6 §3.9, 2.1 part 2 IdTokenType]"""
    assert of_uid(uid) == (id_token, kind)
    assert of_uid(uid, case="lower") == (id_token.lower(), kind)
    assert of_uid(uid, kind="Central") == (id_token, "Central")


@pytest.mark.parametrize("uid", [SINGLE, DOUBLE, TRIPLE, VICINITY])
@pytest.mark.parametrize(
    ("options", "write"),
    [
        ({}, lambda uid: uid.hex()),
        ({}, lambda uid: uid.hex(" ").upper()),
        ({}, lambda uid: uid.hex(":")),
        ({"byte_order": "reversed"}, lambda uid: uid[::-1].hex()),
        ({"format": "dec"}, lambda uid: str(int.from_bytes(uid, "big"))),
        ({"format": "dec"}, lambda uid: str(int.from_bytes(uid, "big")).zfill({4: 10, 7: 17, 8: 20, 10: 25}[len(uid)])),
        ({"format": "dec", "byte_order": "reversed"}, lambda uid: str(int.from_bytes(uid, "little"))),
    ],
)
def test_every_reader_gives_the_same_token(uid: bytes, options: dict[str, Any], write: Any) -> None:
    options = {**options, "length": len(uid)} if options.get("format") == "dec" else options
    assert of_text(write(uid), **options) == of_uid(uid)


@settings(max_examples=200, deadline=None)
@given(uid=UIDS, reverse=st.booleans(), decimal=st.booleans(), case=st.sampled_from(("upper", "lower")))
def test_any_uid_by_any_way(uid: bytes, reverse: bool, decimal: bool, case: str) -> None:
    options = {"byte_order": "reversed" if reverse else "normal", "case": case, "length": len(uid)}
    read = uid[::-1] if reverse else uid
    text = str(int.from_bytes(read, "big")) if decimal else read.hex()
    expected = of_uid(uid, case=case)
    assert of_uid(read, **options) == expected
    assert of_text(text, **options, format="dec" if decimal else "hex") == expected


@pytest.mark.parametrize(
    ("text", "id_token"),
    [
        ("0012345678", "00BC614E"),
        ("12345678", "00BC614E"),
        ("4294967295", "FFFFFFFF"),
        ("4294967296", "00000100000000"),
        ("9999999999", "000002540BE3FF"),
        ("00000004294967295", "000000FFFFFFFF"),
        ("18446744073709551615", "FFFFFFFFFFFFFFFF"),
    ],
)
def test_length_of_a_decimal_number_is_told_from_its_digits(text: str, id_token: str) -> None:
    assert of_text(text, format="dec")[0] == id_token


def test_leading_zeros_that_a_reader_drops_come_back() -> None:
    assert of_text("a2b3", length=4) == ("0000A2B3", "ISO14443")
    assert of_text("4a22b3c4d5e6f", length=7) == ("04A22B3C4D5E6F", "ISO14443")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("04A22B3C", {}),
        ("04:a2:2b:3c", {}),
        ("3C2BA204", {"byte_order": "reversed"}),
        ("0077736764", {"format": "dec"}),
        ("1009492484", {"format": "dec", "byte_order": "reversed"}),
        ("4A22B3C", {"length": 4}),
    ],
)
def test_settings_in_the_documentation(text: str, options: dict[str, Any]) -> None:
    """docs/readers.md"""
    assert of_text(text, **options) == ("04A22B3C", "ISO14443")


@pytest.mark.parametrize(
    ("options", "text", "words"),
    [
        ({}, "", "zeros only"),
        ({}, "00000000", "zeros only"),
        ({}, "4a22b3c", "odd number of digits; set length"),
        ({}, "hello!", "not hexadecimal"),
        ({}, "\u0664\u0664\u0664\u0664\u0664\u0664", "not hexadecimal"),
        ({}, "a1b2", "2 bytes are no UID here"),
        ({}, "11" * 19, "19 bytes are no UID here"),
        ({"length": 4}, DOUBLE.hex(), "7 bytes are no UID here"),
        ({"format": "dec"}, "12ab", "not a decimal number"),
        ({"format": "dec"}, "\u0664" * 8, "not a decimal number"),
        ({"format": "dec"}, "1" * 26, "not a decimal number"),
        ({"format": "dec"}, "", "not a decimal number"),
        ({"format": "dec", "length": 4}, "4294967296", "too large"),
        ({"format": "dec"}, "9" * 25, "too large"),
        ({"format": "text"}, "", "1 to 36"),
        ({"format": "text"}, "x" * 37, "1 to 36"),
        ({"format": "text"}, "schlüssel", "ASCII"),
        ({"format": "text"}, "two words", "other characters"),
    ],
)
def test_what_is_no_token_is_refused_without_repeating_it(options: Any, text: str, words: str) -> None:
    with pytest.raises(HalError, match=words) as caught:
        of_text(text, **options)
    assert not text or text not in str(caught.value)


def test_text_stays_as_it_is() -> None:
    assert of_text("Fob-7@home", format="text") == ("Fob-7@home", "KeyCode")
    assert of_text("1234", format="text", kind="Local") == ("1234", "Local")


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=80), format=st.sampled_from(FORMATS), length=st.none() | st.integers(3, 18))
def test_any_line_is_a_token_or_refused(text: str, format: str, length: int | None) -> None:
    try:
        id_token, _ = of_text(text, format=format, length=length)
    except HalError:
        return
    assert 0 < len(id_token) <= 36 and id_token.isascii()


def test_card_that_stays_is_one_token() -> None:
    debounce = Debounce(1.0)
    assert [debounce.fresh("A", now) for now in (0.0, 0.2, 1.1, 2.0, 2.9)] == [True, False, False, False, False]
    assert debounce.fresh("A", 3.9)


def test_other_card_counts_at_once_and_two_that_alternate_once_each() -> None:
    debounce = Debounce(1.0)
    assert [debounce.fresh(card, now / 10) for now, card in enumerate("ABABBAAB")] == [True, True, *[False] * 6]


def test_number_of_remembered_cards_is_bounded() -> None:
    debounce = Debounce(1.0)
    assert all(debounce.fresh(card, card / 1000) for card in range(100))
    assert not debounce.fresh(99, 0.1)
    assert debounce.fresh(99 - REMEMBERED, 0.1)


def test_without_debouncing_every_sight_counts() -> None:
    debounce = Debounce(0.0)
    assert debounce.fresh("A", 1.0) and debounce.fresh("A", 1.0)
