"""G. Availability: what each connector is there for, computed from the facts; ChangeAvailability; StatusNotification.

The status is never stored. What is kept is what the CSMS set to Inoperative: with a transaction going on that takes
effect by itself when the transaction is over, which is what "Scheduled" means.
"""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.status_info import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.errors import CsmsError
    from evse.model import Evse
    from evse.ocpp.engine import Engine

STATION = 0
# Charging states of an EV to which energy flows, or which is told why it does not.
ACTIVE = ("Charging", "SuspendedEV", "SuspendedEVSE")
# Faults with which charging goes on; every other fault makes its EVSE, or all of them, Faulted.
WARNINGS = ("EVCommunicationError", "ReaderFailure", "WeakSignal")
# Errors after which a status counts as told: the CSMS has it, or will not take it.
_NOT_TOLD = ("Disconnected", "Overflow", "Timeout")
LOCK = "ConnectorPlugRetentionLock"


class Block:
    """Reports a status when it changes; says "permit" to the charging side when a new session may start, or no longer.

    `left` remembers what happened to the EV of an EVSE: "Finished" (the session is over, the cable still plugged),
    "Departed" (the EV went while its session was on); nothing else.
    """

    name = "availability"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # "0" the station, "1" an EVSE, "1.2" a connector: what the CSMS made Inoperative. [G03.FR.08, G04.FR.09]
        self._inoperative = set(ctx.journal.state.get("availability:inoperative") or ())
        # (who, EVSE id) -> "Unavailable", "Reserved" or None: see hold().
        self._holds: dict[tuple[str, int], str | None] = {}
        self.left: dict[int, str] = {}
        self._permits: dict[int, bool] = {}
        # By (EVSE id, connector id) as the version counts them: reports the CSMS has, those on their way to it, and
        # those not reported yet with the time since when they hold.
        self._told: dict[tuple[int, int], dict[str, Any]] = {}
        self._sending: set[tuple[int, int]] = set()
        self._changed: dict[tuple[int, int], tuple[dict[str, Any], float]] = {}
        self._locks: set[tuple[int, int]] = set()  # the CSMS was told that they have a problem
        self._events = 0
        self._timer: Timer | None = None
        self._offline_since: float | None = None
        for component in ("ChargingStation", "EVSE", "Connector"):
            ctx.model.provide(component, "AvailabilityState", self.state)

    # -- status ----------------------------------------------------------------------------------------------------

    def status(self, evse: Evse, connector_id: int) -> str:
        """ConnectorStatusEnum of a connector. [G01.FR.01]"""
        if self.is_faulted(evse):
            return "Faulted"
        busy = self._is_busy(evse, connector_id)
        if not busy and self._is_inoperative(evse.id, connector_id):
            return "Unavailable"  # [G03.FR.06, G04.FR.07]
        # A transaction that nobody is authorized for does not end a reservation. [G01.FR.09, H03]
        for status in ("Reserved",) if busy else ("Unavailable", "Reserved"):
            if any(held == status and id in (evse.id, STATION) for (_, id), held in self._holds.items()):
                return status
        return "Occupied" if evse.plugged == connector_id or evse.connectors[connector_id].locked else "Available"

    def state(self, evse_id: int | None, connector_id: int | None) -> str:
        """AvailabilityState of a connector, of an EVSE, or of the station (None, None)."""
        evses = self.ctx.evses.values() if evse_id is None else [self.ctx.evses[evse_id]]
        if connector_id is not None:
            return self.status(self.ctx.evses[evse_id or 0], connector_id)
        found = [self.status(evse, id) for evse in evses for id in evse.connectors]
        if evse_id is not None and "Occupied" in found:
            return "Occupied"  # an EVSE serves one connector at a time
        order = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")
        return min(found, key=order.index)

    def fault(self, evse: Evse | None) -> tuple[str, str] | None:
        """(code, detail) of the fault to report of an EVSE or of the station (None): what prevents charging first."""
        faults = {**self.ctx.faults, **evse.faults} if evse is not None else self.ctx.faults
        code = min(faults, key=lambda code: code in WARNINGS, default=None)
        return None if code is None else (code, faults[code])

    def is_faulted(self, evse: Evse | None) -> bool:
        """Whether a fault prevents charging there; None: at the whole station."""
        fault = self.fault(evse)
        return fault is not None and fault[0] not in WARNINGS

    def transaction(self, evse: Evse) -> Any:
        """The transaction that is going on there, None."""
        transactions = self.ctx.block("transactions")
        return None if transactions is None else transactions.current(evse.id)

    def is_operative(self, evse: Evse) -> bool:
        """Whether a session may be on or begin there: the CSMS allows it, no block but a reservation holds it."""
        return self.transaction(evse) is not None or not (
            self._is_inoperative(evse.id, evse.plugged) or self._is_held(evse.id, "Reserved")
        )

    def is_withdrawn(self, evse: Evse) -> bool:
        """Whether the CSMS made all of an EVSE inoperative, be it only from the end of its transaction on."""
        return self._is_inoperative(evse.id, None)

    def _is_busy(self, evse: Evse, connector_id: int | None) -> bool:
        """Whether a transaction is going on at the connector; None: at any of them."""
        return self.transaction(evse) is not None and (connector_id is None or evse.plugged in (None, connector_id))

    def _is_held(self, evse_id: int, but_for: str = "") -> bool:
        return any(id in (evse_id, STATION) and status != but_for for (_, id), status in self._holds.items())

    def _is_inoperative(self, evse_id: int, connector_id: int | None) -> bool:
        """By the CSMS's word, transactions aside; no connector: only if none of the EVSE's is left."""
        if not self._inoperative.isdisjoint(("0", str(evse_id))):
            return True
        ids = self.ctx.evses[evse_id].connectors if connector_id is None else (connector_id,)
        return all(f"{evse_id}.{id}" in self._inoperative for id in ids)

    # -- use cases -------------------------------------------------------------------------------------------------

    def change_availability(self, request: dict[str, Any]) -> dict[str, Any]:
        """[G03, G04] The station, an EVSE or a connector. `each`: every EVSE by itself, as 1.6 has it."""
        wanted = request.get("evse")
        evses = list(self.ctx.evses.values())
        connector_id = None
        scopes = [*self._inoperative, *(str(evse.id) for evse in evses)] if request.get("each") else ["0"]
        if wanted is not None:
            evse = self.ctx.evses.get(wanted["id"])
            if evse is None:
                return refusal("UnknownEvse")
            evses, scopes = [evse], [str(evse.id)]
            if (connector_id := wanted.get("connectorId")) is not None:
                if connector_id not in evse.connectors:
                    return refusal("UnknownConnectorId")
                scopes = [f"{evse.id}.{connector_id}"]
        if request["operationalStatus"] == "Operative":
            status, inoperative = "Accepted", self._inoperative.difference(scopes)
        else:
            busy = any(self._is_busy(evse, connector_id) for evse in evses)
            status = "Scheduled" if busy else "Accepted"  # [G03.FR.05, G04.FR.06]
            inoperative = self._inoperative.union(scopes)
        if inoperative != self._inoperative:
            self._inoperative = inoperative
            self.ctx.keep(**{"availability:inoperative": sorted(inoperative) or None})
        self.refresh()
        for evse in evses:
            waits = evse.authorized is not None and self.transaction(evse) is None
            if waits and self._is_inoperative(evse.id, evse.plugged):
                self.ctx.effect("stop", evse.id, "Other")  # who was let in, but has not begun, cannot any more
                self.ctx.effect("display", evse.id, "out of service")
        self.ctx.fact("availability_changed")
        return {"status": status}

    def hold(self, who: str, evse_id: int, status: str | None) -> None:
        """Another block keeps an EVSE (0: all) from new sessions until release(); a transaction goes on.

        `status` is what that looks like: "Unavailable", "Reserved", or None for no change.
        """
        self._holds[who, evse_id] = status
        self.refresh()

    def release(self, who: str, evse_id: int) -> None:
        """Ends a hold; nothing happens if there is none."""
        self._holds.pop((who, evse_id), None)
        self.refresh()

    def tell_anew(self) -> None:
        """Every status is to be reported when the station is accepted next: the CSMS knows none."""
        self._told.clear()

    def trigger(self, message: str, evse: Evse | None, connector_id: int | None = None) -> bool:
        """TriggerMessage(StatusNotification): of one connector, or of all that are meant. [F06.FR.11; 1.6 §5.17]

        Connector 0 without an EVSE is the station itself, which has a status in 1.6 only.
        """
        at = STATION if connector_id == 0 else None if evse is None else evse.id
        meant = [
            (key, report)
            for key, report in self._reports().items()
            if at in (None, key[0]) and (not connector_id or key[1] in (0, connector_id))
        ]
        for key, report in meant:
            self._say(key, report, early=True)
        return bool(meant)

    # -- reports ---------------------------------------------------------------------------------------------------

    def refresh(self, *_: Any) -> None:
        """Something changed: tells the charging side and the CSMS what is new for them."""
        for evse in self.ctx.evses.values():
            self._permit(evse)
        if self.ctx.version is None:
            return
        reports = self._reports()
        if self.ctx.online:
            self._report(reports)
            self._report_locks()
        else:
            # What differed once is reported after the outage, even if it is as before by then. [B04.FR.02]
            for key, report in reports.items():
                if self._told.get(key) != report:
                    self._told.pop(key, None)

    def _reports(self) -> dict[tuple[int, int], dict[str, Any]]:
        reports: dict[tuple[int, int], dict[str, Any]] = self.ctx.dialect(self.name).reports(self)
        return reports

    def _report(self, reports: dict[tuple[int, int], dict[str, Any]]) -> None:
        """Sends what is new and has held for MinimumStatusDuration; one report of a connector at a time."""
        now = self.ctx.clock.now()
        due = None
        for key, report in reports.items():
            if self._told.get(key) == report:
                self._changed.pop(key, None)
                continue
            if self._changed.get(key, (None, 0))[0] != report:
                self._changed[key] = (report, now)
            least_s = self.ctx.model.integer("EVSE", "MinimumStatusDuration", evse=key[0]) or 0
            when = self._changed[key][1] + least_s
            if key in self._sending:
                continue
            if when <= now or key not in self._told:
                self._say(key, report)
            elif due is None or when < due:
                due = when
        self._plan(due)

    def _plan(self, when: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when is None else self.ctx.timers.at(when, self.refresh)

    def _say(self, key: tuple[int, int], report: dict[str, Any], early: bool = False) -> None:
        self._sending.add(key)
        at = self.ctx.clock.resolve(self.ctx.clock.stamp())
        data = {**report, "timestamp": timestamp(at)}
        self.ctx.call(self, "StatusNotification", data, lambda _, error: self._said(key, report, error), early=early)

    def _said(self, key: tuple[int, int], report: dict[str, Any], error: CsmsError | None) -> None:
        self._sending.discard(key)
        if error is None or error.code not in _NOT_TOLD:
            self._told[key] = report
            self.refresh()
        elif error.code != "Overflow":
            self._told.pop(key, None)  # the CSMS may have it: what it was told before is no longer what it knows

    def _report_locks(self) -> None:
        """Tells of a plug lock that fails, or works again; 1.6 has no words for it. [G05.FR.02]"""
        for evse in self.ctx.evses.values():
            for id in evse.connectors:
                problem = self.ctx.model.get(LOCK, "Problem", evse=evse.id, connector=id)
                if problem is not None and (problem == "true") != ((evse.id, id) in self._locks):
                    self._locks ^= {(evse.id, id)}
                    self._say_lock(evse.id, id, problem)

    def _say_lock(self, evse_id: int, connector_id: int, problem: str) -> None:
        self._events += 1
        at = timestamp(self.ctx.clock.resolve(self.ctx.clock.stamp()))
        event = {
            "eventId": self._events,
            "timestamp": at,
            "trigger": "Alerting",
            "actualValue": problem,
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": LOCK, "evse": {"id": evse_id, "connectorId": connector_id}},
            "variable": {"name": "Problem"},
        }
        if problem == "false":
            event["cleared"] = True

        def said(_: Any, error: CsmsError | None) -> None:
            if error is not None and error.code in _NOT_TOLD:
                self._locks ^= {(evse_id, connector_id)}

        self.ctx.call(self, "NotifyEvent", {"generatedAt": at, "seqNo": 0, "eventData": [event]}, said)

    def _permit(self, evse: Evse) -> None:
        permitted = self.is_operative(evse) and (self.transaction(evse) is not None or not self._is_held(evse.id))
        if self._permits.get(evse.id, True) != permitted:
            self._permits[evse.id] = permitted
            self.ctx.effect("permit", evse.id, permitted)

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        self.refresh()

    def on_accepted(self) -> None:
        """Everything after a registration or a long outage, else what changed. [B01.FR.05, B04.FR.01, B04.FR.02]"""
        threshold_s = self.ctx.model.integer("OCPPCommCtrlr", "OfflineThreshold")
        since, self._offline_since = self._offline_since, None
        if since is not None and threshold_s is not None and self.ctx.clock.now() - since > threshold_s:
            self._told.clear()
        self.refresh()

    def on_disconnected(self) -> None:
        self._plan(None)
        self._changed.clear()
        if self._offline_since is None:
            self._offline_since = self.ctx.clock.now()

    def on_plugged(self, evse: Evse, connector_id: int) -> None:
        if self.transaction(evse) is None:
            self.left.pop(evse.id, None)
        self.refresh()

    def on_charging_state(self, evse: Evse, state: str) -> None:
        """An EV that came back to its transaction counts from when energy can flow again."""
        if evse.plugged is not None and state in ACTIVE and self.left.get(evse.id) == "Departed":
            del self.left[evse.id]
        self.refresh()

    def on_unplugged(self, evse: Evse, connector_id: int | None = None) -> None:
        if self.transaction(evse) is not None:
            self.left[evse.id] = "Departed"
        else:
            self.left.pop(evse.id, None)
        self.refresh()

    def on_authorized(self, evse: Evse, grant: Any) -> None:
        self.left.pop(evse.id, None)
        self.refresh()

    def on_stopped(self, evse: Evse, reason: str) -> None:
        self.left[evse.id] = "Departed" if reason in ("EVDisconnected", "Timeout") else "Finished"
        self.refresh()

    def on_transaction_ended(self, transaction: Any) -> None:
        left = "Departed" if transaction.reason == "EVDisconnected" else "Finished"
        self.left.setdefault(transaction.evse.id, left)
        self.refresh()

    on_power_path = on_connection_timeout = on_lock = refresh
    on_fault = on_cleared = on_transaction_started = refresh
