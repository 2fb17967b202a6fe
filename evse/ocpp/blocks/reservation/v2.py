"""Wire forms of reservations in 2.0.1 and 2.1."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _update(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool] | None:
    """Nothing in 2.0.1 of a reservation that was used without a transaction: it has no word for that."""
    id, status = row
    if ctx.version == "2.0.1" and status == "NoTransaction":
        return None
    return "ReservationStatusUpdate", {"reservationId": id, "reservationUpdateStatus": status}, True


CALLS = {"ReserveNow": ("reserve_now", None, None), "CancelReservation": ("cancel", None, None)}
EVENTS: dict[str, Any] = {}
RECORDS = {"ReservationStatusUpdate": (_update, None)}
