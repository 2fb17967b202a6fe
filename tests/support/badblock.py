"""A security block with a defect, for tests of what a defect does to the station process."""

from __future__ import annotations

from typing import Any

from evse.ocpp.blocks.security.block import Block


class Defective(Block):
    """Fails when a vehicle plugs in, which no fault outside can explain."""

    def on_fault(self, *args: Any) -> None:
        raise AssertionError("a defect of this block")
