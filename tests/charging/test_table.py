"""The state table as a whole: complete against the pairs that cannot be, and always coming to rest."""

from __future__ import annotations

from itertools import product

from evse.charging.states import LIVE, OUTPUTS, TABLE

EDGES = ("authorize", "stop", "timeout", "read")
LEVELS = ("fault", "gone", "away", "B", "C", "opened", "closed", "welded", "locked", "unlocked", "go", "halt")

# The pairs that cannot be, and why.
IMPOSSIBLE = {
    # "timeout" is the timer of a state that has one
    *((state, "timeout") for state in TABLE if OUTPUTS[state][4] is None),
    # "read" answers the question of the state "reading"
    *((state, "read") for state in TABLE if state != "reading"),
    # "welded" is told together with the fault of that name, and "fault" has ended a live session before
    *((state, "welded") for state in LIVE),
}


def test_every_pair_is_in_the_table_or_listed_as_impossible() -> None:
    pairs = set(product(TABLE, EDGES + LEVELS))
    stated = {(state, event) for state, row in TABLE.items() for event in row}
    assert stated <= pairs
    assert pairs - stated == IMPOSSIBLE


def test_every_target_is_a_state_with_outputs_and_can_be_reached() -> None:
    targets = {target for row in TABLE.values() for target in row.values()}
    assert targets == set(TABLE) == set(OUTPUTS)


def test_levels_always_come_to_rest() -> None:
    for start in TABLE:
        for vehicle, contact, lock, offer, fault in product(
            ("gone", "away", "B", "C"), ("opened", "closed"), ("locked", "unlocked"), ("go", "halt"), (False, True)
        ):
            state, seen = start, [start]
            levels = (("fault",) if fault else ()) + (vehicle, contact, lock, offer)
            while True:
                after = next((TABLE[state][level] for level in levels if TABLE[state][level] != state), state)
                if after == state:
                    break
                assert after not in seen, (seen, after, levels)
                seen.append(after)
                state = after


def test_power_is_offered_and_switched_only_where_the_cable_is_locked() -> None:
    for state, (closed, offer, lock, _, _) in OUTPUTS.items():
        if closed or offer:
            assert lock, state


def test_every_live_state_ends_by_stop_fault_and_nothing_else_ends_quietly() -> None:
    for state in LIVE:
        assert TABLE[state]["stop"] == TABLE[state]["fault"] == "ending"
        dead = {target for target in TABLE[state].values() if target not in LIVE}
        assert dead <= {"ending"} | ({"idle"} if state == "waiting" else set())
