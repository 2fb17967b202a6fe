"""B. Provisioning: BootNotification and what the CSMS thinks of us; G02 Heartbeat; the clock learnt from both."""

from __future__ import annotations

from evse.clock import UTC_FLOOR_S, parse_timestamp
from evse.errors import EvseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.errors import CsmsError
    from evse.model import Evse
    from evse.ocpp.engine import Engine

DAY_S = 86_400.0
# Our own waiting interval where the CSMS gives none: doubled up to the most, plus up to a quarter at random.
OWN_INTERVAL_S = 10.0
OWN_INTERVAL_MOST_S = 600.0
# A CSMS that accepted the station so short a time ago means something else by SecurityError than to have forgotten it.
ACCEPTED_HOLDS_S = 60.0


class Block:
    """Registers the station after every start; not after a mere reconnection. [B01.FR.03; part 4 §5.4; 1.6J §5.4]

    A reconnection that speaks another version registers again: what BootNotification says has changed with it.
    `status` is the RegistrationStatus that the CSMS gave last, None before it answered; `reason` a BootReasonEnum.
    """

    name = "boot"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        self.status: str | None = None
        self.reason: str = ctx.journal.state.get("boot:reason") or "PowerUp"
        self._version: str | None = None
        self._asked = False
        self._refused = 0
        self._not_before = 0.0
        self._accepted_when = 0.0
        self._timer: Timer | None = None
        self._heartbeat: Timer | None = None
        self._beating = False
        self._synced_when = ctx.clock.now()
        ctx.model.watch("OCPPCommCtrlr", "HeartbeatInterval", self._plan_heartbeat)

    # -- registration ----------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        """The kept reason was for this start; the next one without a reason of its own is a PowerUp."""
        if "boot:reason" in self.ctx.journal.state:
            self.ctx.keep(**{"boot:reason": None})

    def on_connected(self) -> None:
        """Registers, or goes on as registered."""
        ctx = self.ctx
        if self.status == "Accepted" and self._version == ctx.version:
            overdue = self._due() <= ctx.clock.now()
            ctx.accepted()
            if overdue:
                self._beat()  # [B04, step 5]
            else:
                self._plan_heartbeat()
            return
        if self._version != ctx.version:
            self.status = None
        self._wait_until(self._not_before)

    def on_disconnected(self) -> None:
        """Nothing is to be sent until the next connection."""
        self._timer = _cancel(self._timer)
        self._heartbeat = _cancel(self._heartbeat)

    def admits(self, action: str) -> str | None:
        """Whether a request is handled before the station is accepted: None, or the RPC error code of its refusal.

        Pending answers everything (the remote block refuses to start and stop) [B02.FR.01, B02.FR.05]; Rejected answers
        nothing but SecurityError [B03.FR.08], in 1.6 nothing at all: the code is "" there. [1.6 §4.2]
        """
        if self.status == "Rejected":
            refusal: str = self.ctx.dialect(self.name).REFUSAL
            return refusal
        return None

    def trigger(self, message: str, evse: Evse | None = None) -> bool:
        """TriggerMessage for BootNotification (refused once accepted [F06.FR.17; 1.6 errata 3.35]) or Heartbeat."""
        if message == "Heartbeat":
            self._beat(early=True)
        elif self.status == "Accepted":
            return False
        else:
            self._register("Triggered")
        return True

    def register_again(self) -> None:
        """The next connection is one to another network profile: it registers. [2.1 errata B10.FR.10]"""
        self.status = None
        self._not_before = 0.0

    def forgotten(self) -> bool:
        """The CSMS answered a call by SecurityError: it does not know the station as accepted. [B01.FR.10]

        True if the station registers again; False if it has only just done so.
        """
        ctx = self.ctx
        if ctx.clock.now() < self._accepted_when + ACCEPTED_HOLDS_S:
            return False
        ctx.log.warning("the CSMS does not know this station as accepted any more, it registers again")
        self.status = None
        ctx.online = False
        self._heartbeat = _cancel(self._heartbeat)
        self._register(self.reason)
        return True

    def _wait_until(self, when: float) -> None:
        """Sends BootNotification at `when`, a monotonic time."""
        self._timer = _cancel(self._timer)
        if when <= self.ctx.clock.now():
            self._register(self.reason)
        else:
            self._timer = self.ctx.timers.at(when, self._register, self.reason)

    def _register(self, reason: str) -> None:
        self._timer = _cancel(self._timer)
        if self._asked:
            return
        self._asked = True
        self._version = self.ctx.version
        self.ctx.call(
            self,
            "BootNotification",
            {"reason": reason, "chargingStation": self._description()},
            self._registered,
            urgent=True,
            early=True,
        )

    def _description(self) -> dict[str, Any]:
        station = self.ctx.station
        known = {
            wire: station[name]
            for wire, name in (
                ("vendorName", "vendor"),
                ("model", "model"),
                ("serialNumber", "serial"),
                ("firmwareVersion", "firmware"),
            )
            if station.get(name)
        }
        modem = {name: station[name] for name in ("iccid", "imsi") if station.get(name)}
        if modem:
            known["modem"] = modem
        return known

    def _registered(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """The CSMS answered BootNotification, or did not."""
        self._asked = False
        ctx = self.ctx
        if answer is None:
            ctx.log.warning("BootNotification was not answered", why=str(error))
            if error is None or error.code != "Disconnected":
                self._register_later(0)
            return
        self.status = answer["status"]
        self._learn(answer["currentTime"])
        interval_s: int = answer["interval"]
        if self.status != "Accepted":
            ctx.log.info("the CSMS does not accept this station yet", status=self.status, interval_s=interval_s)
            self._register_later(interval_s)
            return
        ctx.log.info("the CSMS accepted this station", interval_s=interval_s)
        self._refused = 0
        self._not_before = 0.0
        self._accepted_when = ctx.clock.now()
        if interval_s > 0:
            self._adjust_heartbeat(interval_s)
        availability = ctx.block("availability")
        if availability is not None:
            availability.tell_anew()  # [B01.FR.05; 1.6 errata 3.22]
        ctx.accepted()
        self._plan_heartbeat()

    def _adjust_heartbeat(self, interval_s: int) -> None:
        """[B01.FR.04, G02.FR.01]"""
        try:
            self.ctx.model.set("OCPPCommCtrlr", "HeartbeatInterval", str(interval_s))
        except EvseError as error:
            self.ctx.log.warning("the heartbeat interval of the CSMS is not taken", why=str(error))

    def _register_later(self, interval_s: float) -> None:
        """After the CSMS's interval [B02.FR.04, B02.FR.08, B03.FR.06], or one of our own [B02.FR.07, B03.FR.05]."""
        if interval_s <= 0:
            interval_s = min(OWN_INTERVAL_S * 2**self._refused, OWN_INTERVAL_MOST_S)
            interval_s *= 1 + self.ctx.random(1)[0] / 1024
            self._refused = min(self._refused + 1, 16)
        self._not_before = self.ctx.clock.now() + interval_s
        if self.ctx.is_connected:
            self._wait_until(self._not_before)

    # -- heartbeat and clock ---------------------------------------------------------------------------------------

    def _plan_heartbeat(self, *_: Any) -> None:
        """A Heartbeat after HeartbeatInterval without a call of ours, but at least daily. [G02.FR.05, G02.FR.07]"""
        self._heartbeat = _cancel(self._heartbeat)
        if self.ctx.online and not self._beating:
            self._heartbeat = self.ctx.timers.at(self._due(), self._beat_if_silent)

    def _due(self) -> float:
        interval_s = self.ctx.model.integer("OCPPCommCtrlr", "HeartbeatInterval") or DAY_S
        return min(self.ctx.spoke_when + max(interval_s, 1), self._synced_when + DAY_S)

    def _beat_if_silent(self) -> None:
        if self._due() <= self.ctx.clock.now():
            self._beat()
        else:
            self._plan_heartbeat()

    def _beat(self, early: bool = False) -> None:
        if not self._beating:
            self._beating = True
            self.ctx.call(self, "Heartbeat", {}, self._beaten, urgent=True, early=early)

    def _beaten(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        self._beating = False
        self._synced_when = self.ctx.clock.now()
        if answer:
            self._learn(answer["currentTime"])
        self._plan_heartbeat()

    def _learn(self, text: str) -> None:
        """Sets the clock by the CSMS, if ClockCtrlr.TimeSource has Heartbeat first, or nothing before it gave the time.

        [B01.FR.06, G02.FR.06]
        """
        ctx = self.ctx
        sources = ctx.model.members("ClockCtrlr", "TimeSource") or ["Heartbeat"]
        if "Heartbeat" not in sources or (sources[0] != "Heartbeat" and ctx.clock.utc() is not None):
            return
        try:
            at = parse_timestamp(text)
        except ValueError as error:
            ctx.log.warning("the CSMS's time is not understood", why=str(error))
            return
        if at < UTC_FLOOR_S:
            ctx.log.warning("the CSMS's clock is not set", time=text)
        elif ctx.clock.learn(at):
            ctx.effect("clock", at)
            ctx.fact("clock_changed")


def _cancel(timer: Timer | None) -> Timer | None:
    """None, in place of the timer that was to run."""
    if timer is not None:
        timer.cancel()
    return None
