"""StatusInfoType: why the answer is no, with a code of the appendix "reason codes"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TEXT_LENGTH = 512


def status_info(reason: str, text: str = "") -> dict[str, str]:
    """`text` says more; it is cut where the field ends."""
    return {"reasonCode": reason, "additionalInfo": text[:TEXT_LENGTH]} if text else {"reasonCode": reason}


def refusal(reason: str, text: str = "", status: str = "Rejected") -> dict[str, Any]:
    """An answer that refuses and says why."""
    return {"status": status, "statusInfo": status_info(reason, text)}
