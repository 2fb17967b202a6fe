"""Control pilot arithmetic against the tables of IEC 61851-1."""

from __future__ import annotations

import pytest

from hal import pilot


@pytest.mark.parametrize(
    ("limit_a", "percent"),
    [(6, 10), (10, 16.667), (16, 26.667), (32, 53.333), (51, 85), (52, 85), (52.5, 85), (55, 86), (63, 89.2), (80, 96)],
)
def test_amperes_to_duty_cycle(limit_a: float, percent: float) -> None:
    assert pilot.duty(limit_a) * 100 == pytest.approx(percent, abs=0.001)


@pytest.mark.parametrize("limit_a", [None, 0])
def test_no_offer_is_a_steady_pilot(limit_a: float | None) -> None:
    assert pilot.duty(limit_a) == 1.0


@pytest.mark.parametrize("limit_a", [0.1, 5.9, 80.1, -6])
def test_what_no_duty_cycle_can_say_is_refused(limit_a: float) -> None:
    with pytest.raises(ValueError, match=f"{limit_a:g} A cannot be offered"):
        pilot.duty(limit_a)


@pytest.mark.parametrize(
    ("percent", "limit_a"),
    [(0, 0), (5, None), (7.5, 0), (9, 6), (10, 6), (50, 30), (85, 51), (90, 65), (96, 80), (97, 80), (98, 0), (100, 0)],
)
def test_duty_cycle_to_amperes(percent: float, limit_a: float | None) -> None:
    assert pilot.limit(percent / 100) == (None if limit_a is None else pytest.approx(limit_a))


def test_there_and_back() -> None:
    for tenths in range(60, 801):
        limit_a = tenths / 10
        if not 51 < limit_a <= 52.5:  # no duty cycle says these: 51 A is offered
            assert pilot.limit(pilot.duty(limit_a)) == pytest.approx(limit_a)


@pytest.mark.parametrize(
    ("volts", "letter"),
    [
        (12, "A"), (11, "A"), (13, "A"), (9, "B"), (6, "C"), (3, "D"), (0, "E"), (-12, "F"),
        (13.5, None), (-5, None), (10.5, None),
    ],
)  # fmt: skip
def test_letters_of_levels(volts: float, letter: str | None) -> None:
    assert pilot.letter(volts) == letter


@pytest.mark.parametrize(
    ("volts", "before", "letter"),
    [
        (10.5, "A", "A"), (10.5, "B", None), (7.5, "B", "B"), (7.5, "A", "B"), (7.5, "C", None), (4.5, "C", "C"),
        (4.5, "B", "C"), (4.5, "D", None), (-1.5, "E", "E"), (-1.5, "A", None), (-10.5, "F", "F"), (-10.5, "E", None),
    ],
)  # fmt: skip
def test_near_a_border_the_letter_holds_on(volts: float, before: str, letter: str | None) -> None:
    assert pilot.letter(volts, before) == letter


@pytest.mark.parametrize(
    ("positive_v", "negative_v", "missing"),
    [(9, -12, False), (6, -12, False), (9, -9, True), (6, -6.5, True), (12, -12, False)],
)
def test_diode(positive_v: float, negative_v: float, missing: bool) -> None:
    assert pilot.diode_missing(positive_v, negative_v) is missing
