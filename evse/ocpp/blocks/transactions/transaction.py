"""One transaction: what is known of it, and what of that survives a power cut."""

from __future__ import annotations

from evse.model import REGISTER, Token
from evse.ocpp.meter_values import exact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.model import Evse


class Transaction:
    """A transaction on an EVSE, from its Started to its Ended event.

    id             transactionId of 2.x, 36 characters
    seq            seqNo of the next event
    started        its stamp (Clock.stamp); `started_when` the monotonic time
    begin_wh       register at the start in Wh, None as long as the meter is silent
    token, group   who is authorized, or was first: Token and the id of its group; None before any authorization
    state          ChargingStateEnum as told last
    reason         ReasonEnum of what began to stop it, while TxStopPoint lets it go on
    stop           (trigger, reason, token) once it must end; it does when the charging side has stopped
    reservation_id the reservation that it uses
    cost, message  totalCost and updatedPersonalMessage of the CSMS's last answer
    kept           the value in the journal's state that says what `live()` says, and the `facts()` it was made of
    """

    __slots__ = (
        "id", "evse", "seq", "started", "started_when", "begin_wh", "token", "group", "remote_start_id",
        "reservation_id", "state", "reason", "stop", "connector", "begun", "samples", "stride", "spent_s",
        "charging_when", "phases", "limit_wh", "limited", "cost", "message", "guard", "resuming", "kept",
    )  # fmt: skip

    def __init__(self, id: str, evse: Evse, started: Any, started_when: float) -> None:
        self.id = id
        self.evse = evse
        self.seq = 0
        self.started = started
        self.started_when = started_when
        self.begin_wh: float | None = None
        self.token: Token | None = None
        self.group: str | None = None
        self.remote_start_id: int | None = None
        self.reservation_id: int | None = None
        self.state: str | None = None
        self.reason: str | None = None
        self.stop: tuple[str, str, Token | None] | None = None
        self.connector: int | None = None  # told to the CSMS
        self.begun = False  # Transaction.Begin values were told
        self.samples: list[list[Any]] = []  # for the Ended event, packed; every `stride`-th of the interval
        self.stride = 1
        self.spent_s = 0.0
        self.charging_when: float | None = None
        self.phases: int | None = None
        self.limit_wh: float | None = None  # energy allowed after the CSMS refused the token
        self.limited = False
        self.cost: float | None = None
        self.message: dict[str, Any] | None = None
        self.guard: Timer | None = None
        self.resuming = False
        self.kept: tuple[Any, tuple[Any, ...]] = None, ()

    def energy_wh(self) -> float | None:
        """Energy since the start in Wh, None while the meter is silent."""
        register = self.evse.register_wh
        return None if register is None or self.begin_wh is None else register - self.begin_wh

    def charging_s(self, now: float) -> int:
        """Whole seconds in which energy flowed."""
        running = 0.0 if self.charging_when is None else now - self.charging_when
        return int(self.spent_s + running)

    def note_state(self, state: str, now: float) -> None:
        """Counts the time of energy flow."""
        if state == "Charging":
            if self.charging_when is None:
                self.charging_when = now
        elif self.charging_when is not None:
            self.spent_s += now - self.charging_when
            self.charging_when = None

    def facts(self) -> tuple[Any, ...]:
        """All that `live()` is made of, but `id` and `started`, which never change."""
        token = self.token
        return (
            self.begin_wh, self.group, self.remote_start_id, self.reservation_id, self.connector, self.reason,
            self.limit_wh, self.begun, token and token.id_token, token and token.kind,
        )  # fmt: skip

    def live(self) -> dict[str, Any]:
        """What a power cut must not take, and what seldom changes; compact."""
        kept = {
            "t": self.id, "w": self.started, "b": self.begin_wh, "g": self.group, "r": self.remote_start_id,
            "v": self.reservation_id, "x": self.connector, "s": self.reason, "l": self.limit_wh,
        }  # fmt: skip
        kept = {key: value for key, value in kept.items() if value is not None}
        if self.token is not None:
            kept["k"] = [self.token.id_token, self.token.kind]
        if self.begun:
            kept["m"] = 1
        return kept

    def counters(self, now: float, stamp: Any) -> list[Any]:
        """What changes with each event: next seqNo, register, seconds of energy flow, state, stamp."""
        register = self.evse.values.get(REGISTER)
        return [self.seq, None if register is None else exact(register), self.charging_s(now), self.state, stamp]


def revive(evse: Evse, kept: dict[str, Any], counters: list[Any], now: float) -> Transaction:
    """The transaction as it was kept."""
    tx = Transaction(kept["t"], evse, kept["w"], now)
    tx.begin_wh = kept.get("b")
    tx.group = kept.get("g")
    tx.remote_start_id = kept.get("r")
    tx.reservation_id = kept.get("v")
    tx.connector = kept.get("x")
    tx.reason = kept.get("s")
    tx.limit_wh = kept.get("l")
    tx.begun = "m" in kept
    if "k" in kept:
        tx.token = Token(*kept["k"])
    tx.seq, tx.spent_s, tx.state = counters[0], float(counters[2]), counters[3]
    return tx
