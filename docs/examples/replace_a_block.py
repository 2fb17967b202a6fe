"""A reset block of one's own: a cabinet whose fans must cool it down before the power stage may restart.

Install it as a package of your own, say `acme/blocks.py`, and name it in the station file:

    [ocpp.blocks]
    reset = "acme.blocks:MyReset"
"""

from __future__ import annotations

from evse.ocpp.blocks.reset.block import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COOL_C = 60.0


class MyReset(Block):
    """Refuses an immediate reset of a hot station, and leaves everything else to the block that it replaces."""

    def reset(self, request: dict[str, Any]) -> dict[str, Any]:
        """Requests and answers are in the words of OCPP 2.1, whatever version is spoken."""
        if request["type"] != "OnIdle" and self.hottest_c() > COOL_C:
            self.ctx.log.warning("a reset was refused: the cabinet is hot", temperature_c=self.hottest_c())
            return {"status": "Rejected", "statusInfo": {"reasonCode": "Unspecified", "additionalInfo": "too hot"}}
        return super().reset(request)

    def hottest_c(self) -> float:
        """Highest temperature that a meter reports, in degrees Celsius; 0 without any."""
        temperatures = [evse.values.get(("Temperature", None), 0.0) for evse in self.ctx.evses.values()]
        return max(temperatures)
