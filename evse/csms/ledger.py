"""What a CSMS books: charging sessions, each event counted once however often it is delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REGISTER = "Energy.Active.Import.Register"
# Bound of the book; the oldest session that has ended is forgotten first, else the oldest.
MAX_SESSIONS = 10_000


@dataclass
class Session:
    """One transaction as the CSMS knows it; energy registers in Wh, None where no message told one."""

    identity: str
    version: str
    transaction_id: str
    evse_id: int | None = None
    id_token: str | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    reason: str | None = None
    first_wh: float | None = None
    last_wh: float | None = None
    events: dict[Any, dict[str, Any]] = field(default_factory=dict)
    samples: int = 0

    @property
    def energy_wh(self) -> float:
        """Energy between the first and the last register told; 0 where less than two were."""
        if self.first_wh is None or self.last_wh is None:
            return 0.0
        return self.last_wh - self.first_wh

    @property
    def complete(self) -> bool:
        """It began and it ended, and with sequence numbers none is missing."""
        if self.started_at is None or self.stopped_at is None:
            return False
        numbers = [key for key in self.events if isinstance(key, int)]
        return not numbers or sorted(numbers) == list(range(max(numbers) + 1))

    def register(self, value_wh: float) -> None:
        if self.first_wh is None:
            self.first_wh = value_wh
        self.last_wh = value_wh


class Ledger:
    """The sessions of all stations. `repeated` counts deliveries of an event that was booked before.

    `conflicts` are deliveries under the same identity with another content: an event told twice, differently.
    """

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], Session] = {}
        self.repeated = 0
        self.conflicts: list[str] = []
        self._begun: dict[tuple[Any, ...], int] = {}
        self._number = 0

    def of(self, identity: str) -> list[Session]:
        """The sessions of one station, oldest first."""
        return [session for (name, _), session in self.sessions.items() if name == identity]

    # OCPP 2.x

    def transaction_event(self, identity: str, version: str, payload: dict[str, Any]) -> Session:
        """Books a TransactionEvent; (transactionId, seqNo) is its identity."""
        session = self._session(identity, version, payload["transactionInfo"]["transactionId"])
        if self._known(session, payload["seqNo"], payload):
            return session
        if "evse" in payload:
            session.evse_id = payload["evse"]["id"]
        if "idToken" in payload:
            session.id_token = payload["idToken"]["idToken"]
        if payload["eventType"] == "Started":
            session.started_at = payload["timestamp"]
        elif payload["eventType"] == "Ended":
            session.stopped_at = payload["timestamp"]
            session.reason = payload["transactionInfo"].get("stoppedReason", "Local")
        self._meter_values(session, payload.get("meterValue", ()))
        return session

    # OCPP 1.6

    def start_transaction(self, identity: str, payload: dict[str, Any]) -> Session:
        """Books a StartTransaction; the same content gets the same transactionId again."""
        key = (identity, *sorted((name, str(value)) for name, value in payload.items()))
        number = self._begun.get(key)
        if number is None:
            self._number += 1
            number = self._begun[key] = self._number
        session = self._session(identity, "1.6", str(number))
        if not self._known(session, "start", payload):
            session.evse_id = payload["connectorId"]
            session.id_token = payload["idTag"]
            session.started_at = payload["timestamp"]
            session.register(payload["meterStart"])
        return session

    def meter_values(self, identity: str, payload: dict[str, Any]) -> None:
        """Books MeterValues of a transaction; values outside one are not booked."""
        if "transactionId" not in payload:
            return
        session = self._session(identity, "1.6", str(payload["transactionId"]))
        if not self._known(session, "meter " + repr(payload["meterValue"]), payload):
            self._meter_values(session, payload["meterValue"])

    def stop_transaction(self, identity: str, payload: dict[str, Any]) -> None:
        """Books a StopTransaction; a transaction stops once."""
        session = self._session(identity, "1.6", str(payload["transactionId"]))
        if not self._known(session, "stop", payload):
            session.stopped_at = payload["timestamp"]
            session.reason = payload.get("reason", "Local")
            session.register(payload["meterStop"])

    def _session(self, identity: str, version: str, transaction_id: str) -> Session:
        key = (identity, transaction_id)
        session = self.sessions.get(key)
        if session is None:
            if len(self.sessions) >= MAX_SESSIONS:
                ended = (key for key, session in self.sessions.items() if session.stopped_at is not None)
                del self.sessions[next(ended, next(iter(self.sessions)))]
            session = self.sessions[key] = Session(identity, version, transaction_id)
        return session

    def _known(self, session: Session, key: Any, payload: dict[str, Any]) -> bool:
        """True if the event was booked before."""
        before = session.events.setdefault(key, payload)
        if before is payload:
            return False
        self.repeated += 1
        # A later delivery may say that it was offline meanwhile; all else is the same event.
        if {**before, "offline": None} != {**payload, "offline": None}:
            self.conflicts.append(f"{session.identity} {session.transaction_id} {key}: {before} != {payload}")
        return True

    def _meter_values(self, session: Session, meter_values: Any) -> None:
        for meter_value in meter_values:
            for sample in meter_value["sampledValue"]:
                session.samples += 1
                if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample:
                    session.register(_wh(sample))


def _wh(sample: dict[str, Any]) -> float:
    """The register of a sampled value of any version in Wh."""
    unit = sample.get("unitOfMeasure", {})
    factor = 1000 if sample.get("unit", unit.get("unit", "Wh")) == "kWh" else 1
    return float(sample["value"]) * factor * 10.0 ** int(unit.get("multiplier", 0))
