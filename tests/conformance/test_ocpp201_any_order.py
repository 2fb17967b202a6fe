"""2.0.1 and 2.1: whatever people, CSMS and outages do in whatever order, no energy flows untold and all books close.

Random walks over the whole station on a fake clock; tests/support/randomwalk.py says what must hold. EVSE_LONG=1 walks
1,000 times; EVSE_SEED=7 begins with seed 7, which repeats a walk that failed.
"""

from __future__ import annotations

import os

import pytest

from tests.support.randomwalk import walk

FIRST = int(os.environ.get("EVSE_SEED", "41"))
CASES = 4
WALKS = 125 if os.environ.get("EVSE_LONG") else 5  # of each case


@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("outages", [False, True], ids=["connected", "outages"])
def test_no_energy_is_untold_and_all_books_close(outages: bool, case: int) -> None:
    for seed in range(FIRST + case * WALKS, FIRST + (case + 1) * WALKS):
        walk(seed, outages=outages)
