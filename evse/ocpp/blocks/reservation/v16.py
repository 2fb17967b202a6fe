"""Wire forms of reservations in 1.6: connector 0 is any connector; how one ends, the status tells."""

from __future__ import annotations

from evse.model import ANY_KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _reserve(payload: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "id": payload["reservationId"],
        "expiryDateTime": payload["expiryDate"],
        "idToken": {"idToken": payload["idTag"], "type": ANY_KIND},
    }
    if payload["connectorId"] != 0:
        request["evseId"] = payload["connectorId"]
    if payload.get("parentIdTag"):
        request["groupIdToken"] = {"idToken": payload["parentIdTag"], "type": "Central"}
    return request


def _status(answer: dict[str, Any]) -> dict[str, Any]:
    return {"status": answer["status"]}


# Feature profile of an action, where that is not Core. [1.6 §3.2]
PROFILES = dict.fromkeys(("CancelReservation", "ReserveNow"), "Reservation")
CALLS = {"ReserveNow": ("reserve_now", _reserve, _status), "CancelReservation": ("cancel", None, _status)}
EVENTS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
