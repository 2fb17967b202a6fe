"""The station as facts: EVSEs, connectors and the token that is charging there.

Facts only: what follows from them (status, availability of a connector) is computed where it is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Reading of a meter: (measurand, phase or None) -> value in Wh, W, A, V, Hz, Percent or Celsius.
if TYPE_CHECKING:
    Values = dict[tuple[str, str | None], float]

REGISTER = ("Energy.Active.Import.Register", None)
# Kind of a token that the CSMS named in 1.6, which has no kinds: any.
ANY_KIND = ""


class Connector:
    """One outlet of an EVSE: `type` is a ConnectorEnum word, `tethered` means the cable hangs on the station.

    locked   whether the lock holds a cable, as it said last; None where there is no lock
    """

    __slots__ = ("id", "type", "tethered", "locked")

    def __init__(self, id: int, type: str = "cType2", tethered: bool = True, lock: bool = False) -> None:
        self.id = id
        self.type = type
        self.tethered = tethered
        self.locked: bool | None = False if lock else None


class Token:
    """An identification token: the text and its kind (IdTokenEnum: "ISO14443", "Central", "NoAuthorization", ...)."""

    __slots__ = ("id_token", "kind")

    def __init__(self, id_token: str, kind: str = "ISO14443") -> None:
        self.id_token = id_token
        self.kind = kind

    def payload(self) -> dict[str, Any]:
        """As IdTokenType."""
        return {"idToken": self.id_token, "type": self.kind or "ISO14443"}

    def __eq__(self, other: object) -> bool:
        """The same text, whatever its case, and the same kind, as far as both have one. [C01.FR.25]"""
        return (
            isinstance(other, Token)
            and self.id_token.lower() == other.id_token.lower()
            and (self.kind == other.kind or ANY_KIND in (self.kind, other.kind))
        )

    def __hash__(self) -> int:
        return hash(self.id_token.lower())


class Evse:
    """Facts of one EVSE, as told by the charging side. All but `id` and `connectors` change with time.

    switches_phases it can do with one phase of the three that it has
    measurands      what its meter can say, () without one; None: not known
    parking         a vehicle stands in the parking bay; None where no sensor tells
    plugged         number of the connector whose cable is plugged into a vehicle, None
    authorized      the live authorization (a Token), None
    power_path      the contactor is confirmed closed
    charging_state  ChargingStateEnum: Idle, EVConnected, Charging, SuspendedEV, SuspendedEVSE
    faults          present faults: code -> detail
    values, signed  latest meter reading and its signed form; `values_when` its monotonic time, None before the first
    """

    __slots__ = (
        "id", "connectors", "phases", "max_current_a", "parking", "switches_phases", "measurands",
        "plugged", "authorized", "power_path", "charging_state", "faults", "values", "signed", "values_when",
    )  # fmt: skip

    def __init__(
        self,
        id: int,
        connectors: list[Connector],
        phases: int = 3,
        max_current_a: float = 32.0,
        parking: bool | None = None,
    ) -> None:
        self.id = id
        self.connectors = {connector.id: connector for connector in connectors}
        self.phases = phases
        self.max_current_a = max_current_a
        self.parking = parking
        self.switches_phases = False
        self.measurands: tuple[str, ...] | None = None
        self.plugged: int | None = None
        self.authorized: Token | None = None
        self.power_path = False
        self.charging_state = "Idle"
        self.faults: dict[str, str] = {}
        self.values: Values = {}
        self.signed: dict[str, Any] | None = None
        self.values_when: float | None = None

    @property
    def register_wh(self) -> float | None:
        """The meter's import register in Wh, None before the first reading."""
        return self.values.get(REGISTER)

    def note(self, fact: str, values: tuple[Any, ...], now: float) -> None:
        """Takes down what the charging side tells; `now` in monotonic seconds."""
        if fact == "reading":
            self.values, self.signed = values
            self.values_when = now
        elif fact == "charging_state":
            self.charging_state = values[0]
        elif fact == "parking_bay":
            self.parking = values[0]
        elif fact == "power_path":
            self.power_path = values[0]
        elif fact in ("plugged", "unplugged"):
            self.plugged = values[0] if fact == "plugged" else None
        elif fact in ("fault", "cleared"):
            note_fault(fact, self.faults, values)
        elif fact == "lock":
            connector = self.connectors.get(values[0])
            if connector is not None and connector.locked is not None:
                connector.locked = values[1]
        elif fact == "connection_timeout":
            self.authorized = None


def note_fault(fact: str, faults: dict[str, str], values: tuple[Any, ...]) -> None:
    """Adds a fault (code, detail) or takes a cleared one (code) away."""
    if fact == "fault":
        faults[values[0]] = values[1]
    else:
        faults.pop(values[0], None)
