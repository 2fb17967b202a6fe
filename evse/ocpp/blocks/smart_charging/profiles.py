"""Charging profiles: what the station can execute of them, and the store that keeps them over power cuts."""

from __future__ import annotations

from evse.clock import parse_timestamp, timestamp
from evse.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

MAX, DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"
PURPOSES = (MAX, DEFAULT, TX)
CYCLES_S = {"Daily": 86_400, "Weekly": 604_800}
DOCUMENT = "smart_charging."
# Longer times and greater numbers are not meant; they would only slow the arithmetic down.
MOST_S = 1 << 31
MOST_LIMIT = 1e9
# Members of 2.1 and of ISO 15118 that this station cannot execute, and the reason code of the refusal.
_OF_PROFILE = {
    "dynUpdateInterval": "InvalidProfile",  # [K01.FR.122]
    "dynUpdateTime": "InvalidProfile",
    "maxOfflineDuration": "InvalidProfile",
    "invalidAfterOfflineDuration": "InvalidProfile",
    "priceScheduleSignature": "InvalidProfile",
}
_OF_SCHEDULE = (
    "limitAtSoC", "useLocalTime", "randomizedDelay",  # [K01.FR.123 to K01.FR.125]
    "powerTolerance", "signatureId", "digestValue", "salesTariff", "absolutePriceSchedule", "priceLevelSchedule",
)  # fmt: skip
_OF_PERIOD = (
    "dischargeLimit", "dischargeLimit_L2", "dischargeLimit_L3", "setpoint", "setpoint_L2", "setpoint_L3",
    "setpointReactive", "setpointReactive_L2", "setpointReactive_L3", "preconditioningRequest", "evseSleep",
    "v2xBaseline", "v2xFreqWattCurve", "v2xSignalWattCurve", "phaseToUse",
)  # fmt: skip


class Refusal(Exception):
    """A profile that this station cannot take: the reason code of the appendix and what is wrong, in words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class Profile:
    """One charging profile; times in whole seconds of UTC.

    evse         EVSE id, 0: the station, or for a TxDefaultProfile all EVSEs
    transaction  id of the transaction that a TxProfile belongs to; None as long as that has not begun
    start        begin of an absolute or recurring schedule; None: it is relative
    cycle_s      after which a recurring schedule begins again, 0: never
    periods      (start within the schedule in s, limit in `unit`), in order, the first at 0
    phases       numberPhases of each period, None where it has none
    """

    __slots__ = (
        "id", "evse", "level", "purpose", "kind", "recurrency", "transaction", "valid_from", "valid_to",
        "schedule_id", "unit", "start", "duration", "minimum", "periods", "phases", "cycle_s",
    )  # fmt: skip

    def __init__(self, evse: int, payload: dict[str, Any]) -> None:
        """From a ChargingProfileType that keeps to its schema. Raises Refusal."""
        self.evse = evse
        self.id: int = payload["id"]
        self.level: int = payload["stackLevel"]
        self.purpose: str = payload["chargingProfilePurpose"]
        self.kind: str = payload["chargingProfileKind"]
        self.recurrency: str | None = payload.get("recurrencyKind")
        self.transaction: str | None = payload.get("transactionId")
        self.valid_from = _seconds(payload.get("validFrom"), "validFrom", "InvalidProfile")
        self.valid_to = _seconds(payload.get("validTo"), "validTo", "InvalidProfile")
        self._check(payload)
        (schedule,) = payload["chargingSchedule"]
        for name in _OF_SCHEDULE:
            if schedule.get(name):
                raise Refusal("InvalidSchedule", f"{name} is not supported")
        self.schedule_id: int = schedule["id"]
        self.unit: str = schedule["chargingRateUnit"]
        self.start = _seconds(schedule.get("startSchedule"), "startSchedule", "InvalidSchedule")
        self.duration: int | None = schedule.get("duration")
        self.minimum: float | None = schedule.get("minChargingRate")
        self.periods = tuple(_period(period) for period in schedule["chargingSchedulePeriod"])
        self.phases = tuple(period.get("numberPhases") for period in schedule["chargingSchedulePeriod"])
        if not any(self.phases):
            self.phases = ()
        self.cycle_s = CYCLES_S[self.recurrency] if self.recurrency is not None else 0
        self._check_schedule()

    def _check(self, payload: dict[str, Any]) -> None:
        if self.purpose not in PURPOSES:
            raise Refusal("UnsupportedPurpose", f"{self.purpose} is not supported")  # [K01.FR.22, K01.FR.120]
        if self.kind == "Dynamic":
            raise Refusal("UnsupportedKind", "dynamic profiles are not supported")  # [K01.FR.121]
        for name, code in _OF_PROFILE.items():
            if name in payload:
                raise Refusal(code, f"{name} is not supported")
        if self.purpose == MAX and (self.evse or self.kind == "Relative"):  # [K01.FR.38]
            raise Refusal("InvalidProfile", f"{MAX} is for EVSE 0 and cannot be relative")
        if self.purpose == TX and not self.evse:
            raise Refusal("InvalidProfile", f"{TX} is for one EVSE")  # [K01.FR.16]
        if self.purpose != TX and self.transaction is not None:
            raise Refusal("InvalidProfile", f"{self.purpose} has no transactionId")
        if (self.kind == "Recurring") != (self.recurrency is not None):
            raise Refusal("InvalidProfile", "recurrencyKind goes with kind Recurring")
        if len(payload["chargingSchedule"]) > 1:
            raise Refusal("InvalidProfile", "more than one schedule without ISO 15118")  # [K01.FR.34]

    def _check_schedule(self) -> None:
        if (self.kind == "Relative") != (self.start is None):
            raise Refusal("InvalidSchedule", f"startSchedule and kind {self.kind}")  # [K01.FR.40, K01.FR.41]
        if self.duration is not None and not 0 <= self.duration <= MOST_S:
            raise Refusal("InvalidSchedule", "duration")
        if self.minimum is not None and not 0 <= self.minimum <= MOST_LIMIT:
            raise Refusal("InvalidSchedule", "minChargingRate")
        starts = [start for start, _ in self.periods]
        if not starts or starts[0] != 0:
            raise Refusal("InvalidSchedule", "the first period does not begin at 0")  # [K01.FR.31]
        if sorted(set(starts)) != starts or starts[-1] > MOST_S:
            raise Refusal("InvalidSchedule", "periods are not in order")  # [K01.FR.35]

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """(start, phases to be used) of each period; 3 where none are given. [K01.FR.49]"""
        return tuple(
            (start, (self.phases[index] if self.phases else None) or 3) for index, (start, _) in enumerate(self.periods)
        )

    def overlaps(self, other: Profile) -> bool:
        """Whether both may be valid at the same time."""
        ends = self.valid_to is not None and other.valid_from is not None and self.valid_to <= other.valid_from
        begins = other.valid_to is not None and self.valid_from is not None and other.valid_to <= self.valid_from
        return not (ends or begins)

    def waits(self) -> bool:
        """Whether it takes the time of day to execute it."""
        return self.start is not None or self.valid_from is not None

    def payload(self) -> dict[str, Any]:
        """As ChargingProfileType."""
        periods: list[dict[str, Any]] = [{"startPeriod": start, "limit": limit} for start, limit in self.periods]
        for period, phases in zip(periods, self.phases, strict=False):
            if phases is not None:
                period["numberPhases"] = phases
        schedule: dict[str, Any] = {
            "id": self.schedule_id,
            "chargingRateUnit": self.unit,
            "chargingSchedulePeriod": periods,
        }
        said: dict[str, Any] = {
            "id": self.id,
            "stackLevel": self.level,
            "chargingProfilePurpose": self.purpose,
            "chargingProfileKind": self.kind,
            "chargingSchedule": [schedule],
        }
        for place, name, value in (
            (schedule, "duration", self.duration),
            (schedule, "minChargingRate", self.minimum),
            (schedule, "startSchedule", self.start if self.start is None else timestamp(self.start)),
            (said, "recurrencyKind", self.recurrency),
            (said, "transactionId", self.transaction),
            (said, "validFrom", self.valid_from if self.valid_from is None else timestamp(self.valid_from)),
            (said, "validTo", self.valid_to if self.valid_to is None else timestamp(self.valid_to)),
        ):
            if value is not None:
                place[name] = value
        return said


class Profiles:
    """The installed profiles by id, in RAM and one document each; `many` says whether there is any, over power cuts.

    `lasts(profile)`: whether it may be needed after a power cut, which the flash is not worn out for otherwise.
    """

    __slots__ = ("_by_id", "_ctx", "_key", "_lasts")

    def __init__(self, ctx: Any, key: str, lasts: Callable[[Profile], bool]) -> None:
        self._ctx = ctx
        self._key = key
        self._lasts = lasts
        self._by_id: dict[int, Profile] = {}
        for name in ctx.documents.names():
            if name.startswith(DOCUMENT):
                self._load(name)

    def _load(self, name: str) -> None:
        try:
            kept = self._ctx.documents.load(name)
            if kept is not None:
                profile = Profile(kept["evse"], kept["profile"])
                self._by_id[profile.id] = profile
        except (StoreError, Refusal, KeyError, TypeError) as error:
            self._ctx.log.error("a charging profile could not be read", document=name, why=str(error))

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: int) -> Profile | None:
        """The profile with that id."""
        return self._by_id.get(id)

    def add(self, profile: Profile) -> None:
        """Installs a profile, instead of the one with its id; durable on return. Raises StoreError."""
        if self._lasts(profile):
            if self._key not in self._ctx.journal.state:
                self._ctx.journal.write(keep={self._key: 1})
            document = {"evse": profile.evse, "profile": profile.payload()}
            self._ctx.documents.save(f"{DOCUMENT}{profile.id}", document)
        elif profile.id in self._by_id:
            self._ctx.documents.delete(f"{DOCUMENT}{profile.id}")
        self._by_id[profile.id] = profile

    def hold(self, profile: Profile) -> None:
        """Installs a profile that the store does not take, until the next power cut."""
        self._by_id[profile.id] = profile

    def remove(self, gone: list[Profile]) -> None:
        """Forgets profiles, durably on return. Raises StoreError."""
        for profile in gone:
            self._ctx.documents.delete(f"{DOCUMENT}{profile.id}")
            self._by_id.pop(profile.id, None)
        if not self._by_id and self._key in self._ctx.journal.state:
            self._ctx.journal.write(keep={self._key: None})


def _seconds(text: str | None, name: str, code: str) -> int | None:
    if text is None:
        return None
    try:
        return int(parse_timestamp(text))
    except ValueError as error:
        raise Refusal(code, f"{name}: {error}") from None


def _period(period: dict[str, Any]) -> tuple[int, float]:
    """(start in s, limit) of a ChargingSchedulePeriodType. Raises Refusal."""
    if period.get("operationMode", "ChargingOnly") != "ChargingOnly":
        raise Refusal("InvalidOperationMode", "only ChargingOnly is supported")  # [K01.FR.115]
    if "limit_L2" in period or "limit_L3" in period:
        raise Refusal("PhaseConflict", "one limit for all phases is supported")  # [K01.FR.144]
    for name in _OF_PERIOD:
        if name in period and period[name] is not False:
            raise Refusal("InvalidSchedule", f"{name} is not supported")  # [K01.FR.48, K01.FR.126]
    limit = period.get("limit")
    if limit is None or not 0 <= limit <= MOST_LIMIT:
        raise Refusal("InvalidSchedule", "a period without a limit, or one below 0")
    return period["startPeriod"], limit
