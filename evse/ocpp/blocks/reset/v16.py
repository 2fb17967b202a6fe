"""Reset in OCPP 1.6: Hard and Soft both end the transactions and restart; they differ in the reason. [1.6 §5.14]"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# ReasonEnum by which the transactions end; HardReset and SoftReset on the wire.
_REASONS = {"Hard": "ImmediateReset", "Soft": "Reboot"}


def _reset(payload: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Immediate", "reason": _REASONS[payload["type"]]}


CALLS = {"Reset": ("reset", _reset, lambda answer: {"status": answer["status"]})}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
