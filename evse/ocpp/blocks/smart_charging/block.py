"""K. Smart charging: charging profiles of the CSMS, their composite schedule, and the limit that follows for each EVSE.

An EVSE without a transaction is limited as if one began now, so that the pilot is right from the first moment.
[K08.FR.06] The station's maximum is shared by the EVSEs that are authorized, in equal parts; those for whom less than
6 A would be left wait. A schedule that needs the time of day waits until the clock is known.
"""

from __future__ import annotations

from evse.clock import timestamp
from evse.errors import CsmsError, StoreError
from evse.ocpp.blocks.smart_charging.limits import Limits
from evse.ocpp.blocks.smart_charging.profiles import TX, Profile, Profiles, Refusal
from evse.ocpp.status_info import refusal
from evse.ocpp.variable_row import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.engine import Engine

KEPT = "smart_charging:installed"
COMPONENT = "SmartChargingCtrlr"
# The limit is looked at anew so often: clocks drift.
HORIZON_S = 900
# Longer windows of GetCompositeSchedule are cut, which the answer's duration says.
MOST_WINDOW_S = 7 * 86_400
# Reports of profiles that wait for the one under way.
WAITING = 4


class Block:
    """Holds the profiles and sets the limit "schedule" of every EVSE, anew at every boundary of a schedule."""

    name = "smart_charging"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        self._profiles = Profiles(ctx, KEPT, self._lasts)
        self._limits = Limits(ctx, self._profiles)
        # EVSE id -> limit in A, phases, and the profile behind it, as told last.
        self._told: dict[int, tuple[float | None, int | None, Profile | None]] = {}
        self._timer: Any = None
        # (request id, payloads still to be sent), the first is under way.
        self._reports: list[tuple[int, list[tuple[int, dict[str, Any]]]]] = []
        ctx.model.provide(COMPONENT, "Entries", lambda *_: str(len(self._profiles)), "ChargingProfiles")
        for evse in ctx.evses.values():
            if evse.authorized is not None and evse.plugged is not None:
                self._limits.ready[evse.id] = self._since(evse)

    # -- for other blocks and the command line -----------------------------------------------------------------------

    def prepare(self, evse: Evse, payload: dict[str, Any]) -> str | None:
        """Takes the TxProfile of a remote start for the transaction to come; a reason code if it is no good. [K05]"""
        feature = getattr(self.ctx.dialect(self.name), "PROFILES", {}).get("SetChargingProfile")
        features = self.ctx.model.members("OCPP16Ctrlr", "SupportedFeatureProfiles") or ()
        if feature is not None and feature not in features:
            return None  # ignored without smart charging [K05.FR.04]
        try:
            profile = self._read(evse.id, payload)
            self._room({profile.id})
        except Refusal as why:
            return why.code
        transaction = self._transaction(evse.id)
        if transaction is None:
            self._limits.prepared[evse.id] = profile
        else:
            profile.transaction = transaction.id
            self._install(profile, self._rivals(profile))
        self._apply()
        return None

    def withdraw(self, evse: Evse) -> None:
        """The remote start came to nothing."""
        if self._limits.prepared.pop(evse.id, None) is not None:
            self._apply()

    def why(self, evse_id: int) -> dict[str, Any] | None:
        """The profile that limits an EVSE now, for people; None if no profile does."""
        profile = self._told.get(evse_id, (None, None, None))[2]
        if profile is None:
            return None
        return {"id": profile.id, "purpose": profile.purpose, "stack_level": profile.level, "evse": profile.evse}

    # -- requests ----------------------------------------------------------------------------------------------------

    def set_profile(self, request: dict[str, Any]) -> dict[str, Any]:
        """[K01] A profile of the same purpose and level that may be valid at the same time is a conflict."""
        if request["evseId"] and request["evseId"] not in self.ctx.evses:
            return refusal("UnknownEvse", "no such EVSE")  # [K01.FR.28]
        return self._set(request, replaces=False)

    def replace_profile(self, request: dict[str, Any]) -> dict[str, Any]:
        """As set_profile(), but a profile of the same EVSE, purpose and level is replaced. [1.6 §3.13.2, §5.16]"""
        if request["evseId"] and request["evseId"] not in self.ctx.evses:
            raise CsmsError("PropertyConstraintViolation", "connectorId: no such connector")  # [1.6 errata 3.39]
        (schedule,) = request["chargingProfile"]["chargingSchedule"]
        if request["chargingProfile"]["chargingProfileKind"] != "Relative":
            # Optional in 1.6; a station's maximum counts from the moment that it is set then. [1.6 §7.13]
            schedule.setdefault("startSchedule", timestamp(self._limits.time()[0]))
        return self._set(request, replaces=True)

    def _set(self, request: dict[str, Any], replaces: bool) -> dict[str, Any]:
        try:
            profile = self._read(request["evseId"], request["chargingProfile"])
            if profile.purpose == TX:
                self._bind(profile, required=not replaces)
            rivals = self._rivals(profile, everywhere=not replaces)
            if rivals and not replaces:
                raise Refusal("DuplicateProfile", f"of profile {rivals[0].id}")  # [K01.FR.06, .39, .52, .53]
            self._room({rival.id for rival in rivals} | {profile.id})
        except Refusal as why:
            return refusal(why.code, why.detail)
        self._install(profile, rivals)
        self._apply()  # [K01.FR.07]
        return {"status": "Accepted"}

    def clear_profiles(self, request: dict[str, Any]) -> dict[str, Any]:
        """[K10] By id, or all that match the criteria."""
        id, wanted = request.get("chargingProfileId"), request.get("chargingProfileCriteria", {})
        if id is not None:
            wanted = {"chargingProfileId": [id]}
        gone = [profile for profile in self._profiles if _matches(profile, wanted, wanted.get("evseId"))]
        if not gone:
            return {"status": "Unknown"}  # [K10.FR.01]
        self._profiles.remove(gone)
        self._apply()  # [K10.FR.05]
        return {"status": "Accepted"}

    def get_profiles(self, request: dict[str, Any]) -> dict[str, Any]:
        """[K09] One profile a message, as a message has its bound."""
        wanted = request["chargingProfile"]
        found = [
            (profile.evse, profile.payload())
            for profile in self._profiles
            if _matches(profile, wanted, request.get("evseId")) and "CSO" in wanted.get("chargingLimitSource", ("CSO",))
        ]
        if not found:
            return {"status": "NoProfiles"}
        if len(self._reports) > WAITING:
            raise CsmsError("InternalError", "too many reports are under way")
        self._reports.append((request["requestId"], found))
        if len(self._reports) == 1:
            self._report()
        return {"status": "Accepted"}

    def _report(self) -> None:
        id, left = self._reports[0]
        evse, payload = left.pop(0)
        report = {"requestId": id, "chargingLimitSource": "CSO", "chargingProfile": [payload], "evseId": evse}
        if left:
            report["tbc"] = True  # [K09.FR.02]
        self.ctx.call(self, "ReportChargingProfiles", report, self._reported)

    def _reported(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if not self.ctx.is_connected:
            self._reports.clear()
        elif self._reports and not self._reports[0][1]:
            del self._reports[0]
        if self._reports:
            self._report()

    def composite_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """[K08] Of an EVSE, or of the station's grid connection; local limits are in it."""
        id, duration = request["evseId"], request["duration"]
        units = self.ctx.model.members(COMPONENT, "RateUnit") or []
        unit = request.get("chargingRateUnit", units[0] if units else "A")
        if id and id not in self.ctx.evses:
            return refusal("UnknownEvse", "no such EVSE")  # [K08.FR.05]
        if unit not in units:
            return refusal("UnsupportedRateUnit", unit)  # [K08.FR.07]
        if duration < 0:
            return refusal("InvalidValue", "duration")
        duration = min(duration, MOST_WINDOW_S)
        begin, at = self._limits.time()
        end = begin + max(1, duration)
        limits = self._limits
        steps = limits.reported(self.ctx.evses[id], unit, begin, end) if id else limits.of_station(unit, begin, end)
        most = max(evse.phases for evse in self.ctx.evses.values())
        counts = limits.phases(self.ctx.evses[id], begin, end) if id else [(begin, most, None)]
        periods = [
            {"startPeriod": start - begin, "limit": round(limit, 3), "numberPhases": _count(counts, start)}
            for start, limit, _ in steps
        ]
        schedule = {
            "evseId": id,
            "duration": duration,
            "scheduleStart": timestamp(int(at)),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }
        return {"status": "Accepted", "schedule": schedule}

    # -- what may be installed ---------------------------------------------------------------------------------------

    def _room(self, without: set[int]) -> None:
        """Raises Refusal if no profile can be added, `without` these ids."""
        row = self.ctx.model.row(COMPONENT, "Entries", "ChargingProfiles")
        most = 0 if row is None else int(row[MOST] or 0)
        if sum(1 for known in self._profiles if known.id not in without) + len(self._limits.prepared) >= most:
            raise Refusal("OutOfStorage", "as many profiles as there may be are installed")

    def _read(self, evse_id: int, payload: dict[str, Any]) -> Profile:
        """The profile, if this station can execute it. Raises Refusal."""
        profile = Profile(evse_id, payload)
        if not 0 <= profile.level <= (self.ctx.model.integer(COMPONENT, "ProfileStackLevel") or 0):
            raise Refusal("InvalidStackLevel", "stackLevel")
        if profile.unit not in (self.ctx.model.members(COMPONENT, "RateUnit") or ()):
            raise Refusal("UnsupportedRateUnit", profile.unit)  # [K01.FR.26]
        if len(profile.periods) > (self.ctx.model.integer(COMPONENT, "PeriodsPerSchedule") or 0):
            raise Refusal("TooManyElements", "chargingSchedulePeriod")
        evses = [self.ctx.evses[evse_id]] if evse_id else self.ctx.evses.values()
        for evse in evses:
            possible = (1, evse.phases) if evse.switches_phases else (evse.phases,)
            if any(count is not None and count < evse.phases and count not in possible for count in profile.phases):
                raise Refusal("InvalidSchedule", f"numberPhases: EVSE {evse.id} can use {possible}")  # [K01.FR.43]
        return profile

    def _bind(self, profile: Profile, required: bool) -> None:
        """Finds the transaction of a TxProfile. Raises Refusal. [K01.FR.03, K01.FR.09, K01.FR.33]"""
        if profile.transaction is None and required:
            raise Refusal("MissingParam", "transactionId")
        current = self._transaction(profile.evse)
        transactions = self.ctx.block("transactions")
        if current is None or (
            profile.transaction is not None and transactions.find(profile.transaction) is not current
        ):
            raise Refusal("TxNotFound", "no such transaction on this EVSE")
        profile.transaction = current.id

    def _rivals(self, profile: Profile, everywhere: bool = False) -> list[Profile]:
        """Profiles with another id at the same place of the stack; `everywhere`: also where EVSE 0 meets another."""
        return [
            known
            for known in self._profiles
            if known.id != profile.id
            and known.purpose == profile.purpose
            and known.level == profile.level
            and (known.evse == profile.evse or (everywhere and not (known.evse and profile.evse)))
            and (not everywhere or profile.purpose == TX or known.overlaps(profile))
        ]

    def _install(self, profile: Profile, rivals: list[Profile]) -> None:
        """Raises StoreError."""
        self._profiles.add(profile)
        if rivals:
            self._profiles.remove(rivals)
        self.ctx.log.info("a charging profile was installed", id=profile.id, purpose=profile.purpose, evse=profile.evse)

    def _lasts(self, profile: Profile) -> bool:
        """A TxProfile is of use after a power cut only where its transaction may go on. [K01.FR.27, K01.FR.55]"""
        return profile.purpose != TX or bool(self.ctx.model.boolean(COMPONENT, "ChargingProfilePersistence", TX))

    def _transaction(self, evse_id: int) -> Any:
        transactions = self.ctx.block("transactions")
        return None if transactions is None else transactions.current(evse_id)

    # -- the limit ---------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        """Tells the charging side the limit of each EVSE, and looks again when the next one begins."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (len(self._profiles) or self._limits.prepared or self._told):
            return
        begin, at = self._limits.time()
        horizon = end = begin + HORIZON_S
        sharing = [id for id, evse in self.ctx.evses.items() if evse.authorized is not None]
        sharing.sort(key=lambda id: self._limits.ready.get(id, self.ctx.clock.now()))
        for id, evse in self.ctx.evses.items():
            others = sharing if id in sharing else [*sharing, id]
            steps = self._limits.of_evse(evse, "A", begin, end, (others.index(id), len(others)))
            if len(steps) > 1:
                horizon = min(horizon, steps[1][0])
            _, limit_a, profile = steps[0]
            _, count, fewer = self._limits.phases(evse, begin, begin + 1)[0]
            phases = int(count) if count < evse.phases else None
            self._tell(evse, None if profile is None else limit_a, phases, profile or fewer)
        if not len(self._profiles) and not self._limits.prepared:
            self._told.clear()
            return
        exact = self.ctx.clock.now() if self.ctx.clock.utc() is None else at
        self._timer = self.ctx.timers.at(self.ctx.clock.now() + max(0.01, horizon - exact), self._boundary)

    def _boundary(self) -> None:
        self._timer = None
        self._apply()

    def _tell(self, evse: Evse, limit_a: float | None, phases: int | None, profile: Profile | None) -> None:
        """`phases` None: all that there are."""
        before, counted, _ = self._told.get(evse.id, (None, None, None))
        self._told[evse.id] = (limit_a, phases, profile)
        if (limit_a, phases) == (before, counted):
            return
        self.ctx.effect("limit", evse.id, "schedule", limit_a, *(() if phases is None else (phases,)))
        transaction = self._transaction(evse.id)
        if transaction is None or not evse.power_path:
            return
        old, new = (evse.max_current_a if value is None else value for value in (before, limit_a))
        percent = self.ctx.model.number(COMPONENT, "LimitChangeSignificance") or 0.0
        if phases != counted or abs(new - old) * 100 > percent * max(old, new):
            self.ctx.block("transactions").rate_changed(transaction)

    # -- facts -------------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        """Profiles of transactions that did not survive go; the limits hold from the start."""
        self._forget([profile for profile in self._profiles if profile.purpose == TX and not self._is_open(profile)])
        self._apply()

    def _is_open(self, profile: Profile) -> bool:
        transaction = self._transaction(profile.evse)
        return transaction is not None and transaction.id == profile.transaction

    def on_plugged(self, evse: Evse, connector: int) -> None:
        self._note_ready(evse)

    def on_authorized(self, evse: Evse, grant: Any) -> None:
        if grant.trigger != "RemoteStart":
            self._limits.prepared.pop(evse.id, None)  # another driver than the one that it was meant for
        self._note_ready(evse)

    def on_transaction_started(self, tx: Any) -> None:
        """The profile of its remote start is its own now. [K05.FR.03]"""
        profile = self._limits.prepared.pop(tx.evse.id, None)
        if profile is not None:
            profile.transaction = tx.id
            try:
                self._install(profile, self._rivals(profile))
            except StoreError as error:
                self._profiles.hold(profile)
                self.ctx.log.error("a charging profile could not be stored", id=profile.id, why=str(error))
        self._note_ready(tx.evse)

    def on_transaction_ended(self, tx: Any) -> None:
        """[K02.FR.05]"""
        self._forget([profile for profile in self._profiles if profile.transaction == tx.id])
        self._note_ready(tx.evse)

    def on_stopped(self, evse: Evse, reason: str) -> None:
        self._limits.prepared.pop(evse.id, None)
        self._note_ready(evse)

    def on_unplugged(self, evse: Evse, connector: int) -> None:
        self._note_ready(evse)

    def on_connection_timeout(self, evse: Evse) -> None:
        self._limits.prepared.pop(evse.id, None)
        self._note_ready(evse)

    def on_clock_changed(self) -> None:
        self._apply()

    def _forget(self, gone: list[Profile]) -> None:
        try:
            self._profiles.remove(gone)
        except StoreError as error:
            self.ctx.log.error("a charging profile could not be removed", why=str(error))

    def _note_ready(self, evse: Evse) -> None:
        """Takes down since when an EVSE could deliver energy, as far as that is known."""
        if evse.authorized is None or evse.plugged is None:
            self._limits.ready.pop(evse.id, None)
        elif evse.id not in self._limits.ready:
            self._limits.ready[evse.id] = self._since(evse)
        self._apply()

    def _since(self, evse: Evse) -> float:
        """The present; the start of the transaction if energy flowed in it before, and nobody was here to see it."""
        now, tx = self.ctx.clock.now(), self._transaction(evse.id)
        if tx is None or not (tx.spent_s or tx.charging_when is not None):
            return now
        clock = self.ctx.clock
        return now - max(0.0, clock.resolve(clock.stamp()) - clock.resolve(tx.started))


def _matches(profile: Profile, wanted: dict[str, Any], evse_id: int | None) -> bool:
    """Whether a profile keeps to all criteria that are given. [K09.FR.04 to K09.FR.06, K10.FR.04]"""
    ids = wanted.get("chargingProfileId")
    return (
        (evse_id is None or profile.evse == evse_id)
        and (ids is None or profile.id in ids)
        and wanted.get("stackLevel", profile.level) == profile.level
        and wanted.get("chargingProfilePurpose", profile.purpose) == profile.purpose
    )


def _count(counts: list[Any], at: int) -> int:
    """The phases in use at a moment, of the steps of Limits.phases()."""
    return int([count for since, count, _ in counts if since <= at][-1])
