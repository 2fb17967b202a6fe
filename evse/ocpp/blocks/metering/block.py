"""J. MeterValues: which measurands are sampled when; values at the start, during and at the end of a transaction.

Sampled data belong to a transaction and run from its start; aligned data follow the clock from midnight UTC on. Every
setting takes effect at once. A reading older than STALE_S is not sent as a fresh one: periodic and aligned samples are
left out then, and the values at the end of a transaction bear the time at which they were read.

Bound: the samples collected for the end of a transaction make at most about ENDED_BYTES of JSON (300 values). When they
would make more, every second one after the first goes, and from then on only every second one is taken: they stay
evenly spaced over the whole transaction (`meter_values.thin`, `Transaction.stride`).
"""

from __future__ import annotations

from evse.ocpp import meter_values
from evse.ocpp.meter_values import REGISTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.model import Evse

STALE_S = 60.0
ENDED_BYTES = 40_000
DAY_S = 86_400
# An aligned sample is taken within this time of its moment, or not at all.
LATE_S = 5.0
# The wall clock may jump: it is looked at so often while an aligned sample is awaited.
LOOK_S = 60.0

_SAMPLED = ("TxUpdatedMeasurands", "TxUpdatedInterval", "TxEndedMeasurands", "TxEndedInterval", "Enabled")
_ALIGNED = ("Measurands", "Interval", "TxEndedMeasurands", "TxEndedInterval", "Enabled")

# What is sampled: component, its list of measurands, what beside SignReadings says whether it is signed (a variable).
STARTED = ("SampledDataCtrlr", "TxStartedMeasurands", "SignStartedReadings")
UPDATED = ("SampledDataCtrlr", "TxUpdatedMeasurands", "SignUpdatedReadings")
COLLECTED = ("SampledDataCtrlr", "TxEndedMeasurands", "SignUpdatedReadings")
ENDED = ("SampledDataCtrlr", "TxEndedMeasurands", None)
CLOCK = ("AlignedDataCtrlr", "Measurands", "SignUpdatedReadings")
CLOCK_ENDED = ("AlignedDataCtrlr", "TxEndedMeasurands", None)
# So many plans are remembered; then all are made anew.
PLANS = 16


class Block:
    """Metering of all EVSEs; the transactions block asks for `begin()`, `updated()` and `ended()`."""

    name = "metering"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        # (EVSE id, interval variable) -> timer of a transaction's samples; interval variable -> timer of aligned ones.
        self._timers: dict[Any, Timer] = {}
        self._running: dict[int, Any] = {}  # EVSE id -> its transaction
        self._silent: set[int] = set()  # EVSEs whose meter was found silent
        self._key_given: set[int] = set()  # EVSEs whose transaction has shown the meter's public key
        # (EVSE id, what is sampled) -> what the meter delivered then, what of it is taken, its places, whether to sign.
        # They hold for one generation of the device model, and as long as the meter delivers the same.
        self._plans: dict[Any, tuple[list[Any], list[Any], list[Any], bool]] = {}
        self._generation = -1
        for variable in _SAMPLED:
            ctx.model.watch("SampledDataCtrlr", variable, self._sampling_changed)
        for variable in _ALIGNED:
            ctx.model.watch("AlignedDataCtrlr", variable, self._aligned_changed)
        self._aligned_changed()

    # -- what is sampled -------------------------------------------------------------------------------------------

    def sample(self, evse: Evse, what: tuple[str, str, str | None], context: str, stamp: Any = 0) -> list[Any]:
        """The present values of what is sampled, on all phases, as a packed sample; empty if there are none.

        A measurand may name a phase ("Voltage.L1-N"). [J01.FR.14, 1.6 §3.16.3]
        """
        if self._generation != self.ctx.model.generation:
            self._plans.clear()
            self._generation = self.ctx.model.generation
        values = evse.values
        plan = self._plans.get((evse.id, what))
        if plan is None or plan[0] != list(values):
            plan = self._planned(evse, what)
        _, taken, places, signs = plan
        if not taken:
            return []
        signed = self._signed(evse) if signs else None
        return meter_values.pack(stamp, context, signed, places, map(values.__getitem__, taken))

    def _planned(self, evse: Evse, what: tuple[str, str, str | None]) -> Any:
        component, variable, narrower = what
        boolean = self.ctx.model.boolean
        measurands = self._measurands(component, variable)
        if what is STARTED:  # and those that 1.6 wants: which version will tell them is not known yet
            measurands += self._measurands("OCPP16Ctrlr", "StartTxnSampledData")
        taken = [place for place in evse.values if _asks(measurands, *place)]
        if boolean("SampledDataCtrlr", "RegisterValuesWithoutPhases"):
            taken = [place for place in taken if place[0] != REGISTER or place[1] is None]
        signs = boolean(component, "SignReadings") and (narrower is None or boolean(component, narrower) is not False)
        if len(self._plans) >= PLANS:
            self._plans.clear()
        plan = self._plans[evse.id, what] = list(evse.values), taken, meter_values.places(taken), bool(signs)
        return plan

    def register_wh(self, evse: Evse) -> float | None:
        """The import register as last read, to the thousandth of a Wh; None before the first reading."""
        return None if evse.register_wh is None else meter_values.exact(evse.register_wh)

    def begin(self, evse: Evse) -> list[Any]:
        """Values for the start of a transaction, context Transaction.Begin. [E01.FR.09, J02]"""
        return self.sample(evse, STARTED, "Transaction.Begin") if self._is_fresh(evse) else []

    def updated(self, evse: Evse, context: str) -> list[Any]:
        """Values of TxUpdatedMeasurands, fresh ones only. [J02.FR.11, F06.FR.07]"""
        return self.sample(evse, UPDATED, context) if self._is_fresh(evse) else []

    def ended(self, tx: Any) -> list[list[Any]]:
        """Samples for the end of a transaction: begin, what was collected, end. [E06.FR.11, 1.6 errata §3.14]"""
        samples: list[list[Any]] = tx.samples
        tx.samples = []
        if end := self.sample(tx.evse, ENDED, "Transaction.End", self._read_at(tx.evse)):
            samples.append(end)
        return samples

    # -- life of a transaction -------------------------------------------------------------------------------------

    def on_transaction_started(self, tx: Any) -> None:
        """Sampling begins with the transaction; its first sample for the end is taken at once."""
        self._running[tx.evse.id] = tx
        if not tx.samples and self._is_fresh(tx.evse):
            self._collect(tx, self.sample(tx.evse, ENDED, "Transaction.Begin", self.ctx.clock.stamp()))
        self._arm(tx)

    def on_transaction_ended(self, tx: Any) -> None:
        self._running.pop(tx.evse.id, None)
        self._key_given.discard(tx.evse.id)
        for variable in ("TxUpdatedInterval", "TxEndedInterval"):
            self._cancel((tx.evse.id, variable))

    def on_accepted(self) -> None:
        self._aligned_changed()

    def on_clock_changed(self) -> None:
        self._aligned_changed()

    def trigger(self, message: str, evse: Evse | None) -> bool:
        """TriggerMessage(MeterValues): one MeterValues per EVSE; False if there are no present values. [F06.FR.06]"""
        sent = False
        for each in self.ctx.evses.values() if evse is None else (evse,):
            if self._is_fresh(each) and each.values:
                self.ctx.call(self, "MeterValues", {"evse": each, "stamp": self.ctx.clock.stamp()})
                sent = True
        return sent

    def triggered(self, evse: Evse, component: str, variable: str) -> list[Any]:
        """The sample that a triggered MeterValues carries."""
        return self.sample(evse, (component, variable, None), "Trigger")

    def delivered(self, event: str, row: Any, action: str, answer: Any) -> None:
        """Nothing follows from the answer to MeterValues."""
        return None

    # -- sampled data ----------------------------------------------------------------------------------------------

    def _sampling_changed(self, *_: Any) -> None:
        for tx in self._running.values():
            self._arm(tx)

    def _arm(self, tx: Any) -> None:
        for variable, take in (("TxUpdatedInterval", self._update), ("TxEndedInterval", self._collect_sampled)):
            self._cancel((tx.evse.id, variable))
            self._next(tx, variable, take)

    def _next(self, tx: Any, variable: str, take: Any) -> None:
        """Plans the next sample at a whole number of intervals since the start of the transaction."""
        interval_s = self._interval("SampledDataCtrlr", variable)
        if interval_s:
            now = self.ctx.clock.now()
            when = tx.started_when + (int((now - tx.started_when + 0.001) / interval_s) + 1) * interval_s
            self._timers[tx.evse.id, variable] = self.ctx.timers.at(when, self._due, tx, variable, take)

    def _due(self, tx: Any, variable: str, take: Any) -> None:
        self._next(tx, variable, take)
        if self._is_fresh(tx.evse):
            self._silent.discard(tx.evse.id)
            take(tx)
        elif tx.evse.id not in self._silent:
            self._silent.add(tx.evse.id)
            self.ctx.log.warning("the meter is silent: samples are left out", evse=tx.evse.id)

    def _update(self, tx: Any) -> None:
        sample = self.updated(tx.evse, "Sample.Periodic")
        if sample:
            self.ctx.block("transactions").sampled(tx, sample, "MeterValuePeriodic")

    def _collect_sampled(self, tx: Any) -> None:
        interval_s = self._interval("SampledDataCtrlr", "TxEndedInterval")
        if interval_s and int((self.ctx.clock.now() - tx.started_when) / interval_s + 0.5) % tx.stride == 0:
            self._collect(tx, self.sample(tx.evse, COLLECTED, "Sample.Periodic", self.ctx.clock.stamp()))

    def _collect(self, tx: Any, sample: list[Any]) -> None:
        if sample:
            tx.samples.append(sample)
            if meter_values.thin(tx.samples, ENDED_BYTES):
                tx.stride *= 2

    # -- aligned data ----------------------------------------------------------------------------------------------

    def _aligned_changed(self, *_: Any) -> None:
        for variable in ("Interval", "TxEndedInterval"):
            self._cancel(variable)
            self._align(variable)

    def _align(self, variable: str, at: float | None = None) -> None:
        """Awaits the next moment of an aligned interval after `at` (UTC; None: now); nothing while UTC is unknown."""
        utc = self.ctx.clock.utc()
        interval_s = self._interval("AlignedDataCtrlr", variable)
        if utc is None or not interval_s:
            return
        at = utc if at is None else at
        midnight = at // DAY_S * DAY_S
        due = min(midnight + ((at - midnight) // interval_s + 1) * interval_s, midnight + DAY_S)
        self._look(variable, due)

    def _look(self, variable: str, due: float) -> None:
        wait_s = min(due - self.ctx.clock.utc(), LOOK_S)
        self._timers[variable] = self.ctx.timers.at(self.ctx.clock.now() + wait_s, self._looked, variable, due)

    def _looked(self, variable: str, due: float) -> None:
        late_s = self.ctx.clock.utc() - due
        if -LOOK_S - LATE_S < late_s < -0.001:
            self._look(variable, due)
            return
        self._timers.pop(variable, None)
        if -0.001 <= late_s < LATE_S:
            self._take_aligned(variable, due)
            self._align(variable, due)
        else:
            self._align(variable)

    def _take_aligned(self, variable: str, due: float) -> None:
        stamp = int(due * 1000 + 0.5)
        for evse in self.ctx.evses.values():
            tx = self._running.get(evse.id)
            if not self._is_fresh(evse):
                self.ctx.log.debug("no fresh meter reading, an aligned sample is left out", evse=evse.id)
            elif variable == "Interval":
                self._send_aligned(evse, tx, stamp)
            elif tx is not None and int(due / self._interval("AlignedDataCtrlr", variable)) % tx.stride == 0:
                self._collect(tx, self.sample(evse, CLOCK_ENDED, "Sample.Clock", stamp))

    def _send_aligned(self, evse: Evse, tx: Any, stamp: int) -> None:
        """Aligned values of one EVSE: within its transaction, else as MeterValues. [J01.FR.14, .19, .20, .22]"""
        model = self.ctx.model
        if (self._running and model.boolean("AlignedDataCtrlr", "SendDuringIdle")) or (
            tx is not None and model.boolean("AlignedDataCtrlr", "SendDuringIdle", evse=evse.id)
        ):
            return
        sample = self.sample(evse, CLOCK, "Sample.Clock")
        if not sample:
            return
        if tx is not None:
            self.ctx.block("transactions").sampled(tx, sample, "MeterValueClock", stamp)
        else:
            self.ctx.record(self, "MeterValues", [evse.id, stamp, sample], droppable=True, durable=False)

    # -- settings --------------------------------------------------------------------------------------------------

    def _measurands(self, component: str, variable: str) -> list[str]:
        if self.ctx.model.boolean(component, "Enabled") is False:
            return []
        return [name for name in self.ctx.model.members(component, variable) or () if name]

    def _interval(self, component: str, variable: str) -> int:
        """Seconds between samples; 0 means none.

        Aligned data for the end of a transaction may have an interval of their own, else the common one. [1.6 §3.16.2]
        """
        if self.ctx.model.boolean(component, "Enabled") is False:
            return 0
        interval_s = self.ctx.model.integer(component, variable) or 0
        if (component, variable) == ("AlignedDataCtrlr", "TxEndedInterval"):
            if not self._measurands(component, "TxEndedMeasurands"):
                return 0
            interval_s = interval_s or self.ctx.model.integer(component, "Interval") or 0
        return max(0, interval_s)

    def _signed(self, evse: Evse) -> dict[str, Any] | None:
        """The meter's signed form; its public key as PublicKeyWithSignedMeterValue allows. [J02.FR.21]"""
        signed = evse.signed
        if signed is None:
            return None
        policy = self.ctx.model.get("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue")
        if policy == "EveryMeterValue" or (policy == "OncePerTransaction" and evse.id not in self._key_given):
            self._key_given.add(evse.id)
            return signed
        return {**signed, "public_key": None}

    def _is_fresh(self, evse: Evse) -> bool:
        return evse.values_when is not None and self.ctx.clock.now() - evse.values_when <= STALE_S

    def _read_at(self, evse: Evse) -> Any:
        """Stamp of the latest reading: 0 (the event's) while it is fresh."""
        if self._is_fresh(evse) or evse.values_when is None:
            return 0
        clock = self.ctx.clock
        utc = clock.utc()
        if utc is None:
            return [clock.boot, int(evse.values_when * 1000)]
        return int((utc - clock.now() + evse.values_when) * 1000)

    def _cancel(self, key: Any) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


def _asks(names: list[str], measurand: str, phase: str | None) -> bool:
    """Whether a list of measurands, some with a phase, asks for this one: "Voltage.L1" for L1-N, too. [1.6 §9.1.17]"""
    return measurand in names or f"{measurand}.{phase}" in names or f"{measurand}.{phase}".removesuffix("-N") in names
