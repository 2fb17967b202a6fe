"""The books of a 2.x CSMS that believes nothing: schemas, transactions, statuses; what cannot be so fails at once.

    books = Books("2.0.1")
    books.request("TransactionEvent", payload)      what the station said, as often as it said it
    books.response("Reset", payload)                what it answered
    books.transactions[id].ended; books.told_wh(1); books.statuses[1, 1]

Raises AssertionError.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema.validators import validator_for

from evse.ocpp.tables import generate

REGISTER = "Energy.Active.Import.Register"
# What a TransactionEvent says of its delivery and not of what happened: it may differ where it is said again.
OF_DELIVERY = ("offline",)


@cache
def _validators(version: str) -> dict[str, Any]:
    return {name: validator_for(schema)(schema) for name, schema in generate.schemas(version).items()}


class Told:
    """One transaction as the CSMS was told of it: events by seqNo; None is what was not said."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.evse: int | None = None
        self.begin_wh: float | None = None
        self.end_wh: float | None = None
        self.latest_wh: float | None = None

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1]["eventType"] == "Ended"

    def energy_wh(self) -> float:
        """None was told where either register is missing: 0."""
        return 0.0 if self.begin_wh is None or self.end_wh is None else self.end_wh - self.begin_wh

    def take(self, event: dict[str, Any]) -> bool:
        """Books an event; whether it is new."""
        seq = event["seqNo"]
        if seq < len(self.events):
            assert _happened(event) == _happened(self.events[seq]), f"said again, but differently: {self.events[seq]}"
            return False
        assert seq == len(self.events), f"seqNo {seq} follows {len(self.events) - 1}"
        assert (event["eventType"] == "Started") == (seq == 0), "Started is the first event, and no other"
        assert not self.ended, "an event after Ended"
        self.events.append(event)
        for meter_value in event.get("meterValue", ()):
            for sampled in meter_value["sampledValue"]:
                if sampled.get("measurand", REGISTER) == REGISTER:
                    self._register(sampled["value"], sampled.get("context"), event["eventType"])
        return True

    def _register(self, register_wh: float, context: str | None, kind: str) -> None:
        """Samples of an Ended are those of the whole transaction: they are in order among themselves only."""
        if context == "Transaction.Begin":
            self.begin_wh = register_wh
        elif context == "Transaction.End":
            self.end_wh = register_wh
        if kind != "Ended" and context != "Transaction.Begin":
            assert self.latest_wh is None or register_wh >= self.latest_wh, "the register runs backwards"
            self.latest_wh = register_wh


class Books:
    """See the module."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.transactions: dict[str, Told] = {}
        self.statuses: dict[tuple[int, int], str] = {}

    def request(self, action: str, payload: dict[str, Any]) -> None:
        """A CALL of the station."""
        self._judge(action + "Request", payload)
        if action == "StatusNotification":
            self.statuses[payload["evseId"], payload["connectorId"]] = payload["connectorStatus"]
        elif action == "TransactionEvent":
            told = self.transactions.setdefault(payload["transactionInfo"]["transactionId"], Told())
            if told.take(payload) and "evse" in payload:
                self._place(told, payload["evse"]["id"])

    def response(self, action: str, payload: dict[str, Any]) -> None:
        """What the station answered to a CALL."""
        self._judge(action + "Response", payload)

    def open(self) -> list[str]:
        """Ids of the transactions that began and did not end."""
        return [id for id, told in self.transactions.items() if not told.ended]

    def told_wh(self, evse: int) -> tuple[float, int]:
        """Energy of all transactions of an EVSE, and how many they were."""
        there = [told for told in self.transactions.values() if told.evse == evse]
        return sum(told.energy_wh() for told in there), len(there)

    def _place(self, told: Told, evse: int) -> None:
        assert told.evse in (None, evse), f"begun at EVSE {told.evse}, went on at {evse}"
        told.evse = evse
        here = [id for id, other in self.transactions.items() if other.evse == evse and not other.ended]
        assert len(here) <= 1, f"more than one open transaction at EVSE {evse}: {here}"

    def _judge(self, message: str, payload: dict[str, Any]) -> None:
        faults = [fault.message for fault in _validators(self.version)[message].iter_errors(payload)]
        assert not faults, f"{message} {payload}: {faults}"


def _happened(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in OF_DELIVERY}
