"""B11, B12. Reset of the station or of one EVSE, at once or when idle; transactions are ended and recorded before."""

from __future__ import annotations

from evse.ocpp.status_info import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.engine import Engine

STATION = 0
# How long the sessions may take to end, and the CSMS to take what is recorded, before the station restarts anyway.
STOP_WITHIN_S = 16.0  # more than a transaction waits for the charging side
DELIVER_WITHIN_S = 10.0
LOOK_EVERY_S = 0.25
# An EVSE that is reset stays unavailable, its outputs off, for this time.
EVSE_RESET_S = 3.0
# Still running so long after the restart was asked for: that was no reset.
RESTART_WITHIN_S = 60.0


class Block:
    """Resets by scope: 0 is the station, else the EVSE of that id. At most one reset a scope."""

    name = "reset"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # Scope -> boot reason of a reset that waits until nothing is going on.
        self._scheduled: dict[int, str] = {}
        # Scope -> (boot reason, monotonic deadline) of one that waits for the sessions that it stopped.
        self._stopping: dict[int, tuple[str, float]] = {}
        self._restarting = False
        self._retries = 0

    def reset(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B11, B12] `reason`, by which transactions end, is what tells 1.6's Soft from Hard."""
        kind = request["type"]
        scope = request.get("evseId")
        if kind == "ImmediateAndResume":
            return refusal("UnsupportedRequest")  # transactions are not resumed: no TxResumptionTimeout [B13.FR.01]
        if scope is None:
            scope = STATION
        elif scope not in self.ctx.evses:
            return refusal("UnknownEvse")
        elif not self.ctx.model.boolean("EVSE", "AllowReset", evse=scope):
            return refusal("UnsupportedRequest")  # [B11.FR.09, B12.FR.09]
        if self._restarting or scope in self._stopping:
            return {"status": "Accepted"}
        firmware = self.ctx.loaded("firmware")
        if scope == STATION and firmware is not None and firmware.is_final:
            return refusal("FwUpdateInProgress")  # [B11.FR.06]
        busy = self._busy(scope)
        if kind == "OnIdle" and busy:
            self._scheduled[scope] = "ScheduledReset"
            self._hold(scope, "Unavailable")
            return {"status": "Scheduled"}  # [B12.FR.01]
        self._hold(scope, "Unavailable" if self._scheduled.pop(scope, None) else None)
        self._stopping[scope] = ("RemoteReset", self.ctx.clock.now() + STOP_WITHIN_S)
        for evse in busy:
            self._stop(evse, request.get("reason", "ImmediateReset"))
        self._advance(scope)
        return {"status": "Accepted"}  # [B11.FR.03, B12.FR.02]

    def restart(self, reason: str) -> None:
        """Another block wants a restart while nobody charges; what is due is told before. `reason`: BootReason."""
        self._stopping[STATION] = (reason, self.ctx.clock.now())
        self._advance(STATION)

    def _stop(self, evse: Evse, reason: str) -> None:
        """[B12.FR.04, B12.FR.08]"""
        transactions = self.ctx.block("transactions")
        transaction = None if transactions is None else transactions.current(evse.id)
        if transaction is not None:
            transactions.stop(transaction, reason, "ResetCommand")
        else:
            self.ctx.effect("stop", evse.id, reason)

    def on_stopped(self, evse: Evse, reason: str) -> None:
        self._look()

    def on_transaction_ended(self, transaction: Any) -> None:
        self._look()

    def on_connection_timeout(self, evse: Evse) -> None:
        self._look()

    def _look(self) -> None:
        """A session is over: goes on with the resets that waited for it."""
        for scope, reason in list(self._scheduled.items()):
            if not self._busy(scope):
                del self._scheduled[scope]
                self._stopping[scope] = (reason, self.ctx.clock.now())
                self._advance(scope)

    def _busy(self, scope: int) -> list[Evse]:
        """The EVSEs of a scope where a transaction is going on, or somebody is authorized."""
        evses = [evse for evse in self.ctx.evses.values() if scope in (STATION, evse.id)]
        transactions = self.ctx.block("transactions")
        if transactions is None:
            return [evse for evse in evses if evse.authorized is not None]
        busy = [evse for evse in evses if evse.authorized is not None or transactions.current(evse.id) is not None]
        return [*busy, *(tx.evse for tx in transactions.unplaced())] if scope == STATION else busy

    def _advance(self, scope: int) -> None:
        """Restarts once the sessions are over, or late."""
        reason, deadline = self._stopping[scope]
        now = self.ctx.clock.now()
        late = now >= deadline
        if self._busy(scope) and not late:
            self.ctx.timers.at(min(now + LOOK_EVERY_S, deadline), self._advance, scope)
            return
        if scope == STATION:
            self._restarting = True
            self._deliver(reason, now + DELIVER_WITHIN_S)
        else:
            self._hold(scope, "Unavailable")
            self.ctx.timers.at(now + EVSE_RESET_S, self._end, scope)

    def _deliver(self, reason: str, deadline: float) -> None:
        """Gives the CSMS time to take the last events; what it does not take is sent after the restart. [B12.FR.05]"""
        now = self.ctx.clock.now()
        if self.ctx.online and self.ctx.journal.pending and now < deadline:
            self.ctx.timers.at(now + LOOK_EVERY_S, self._deliver, reason, deadline)
            return
        self.ctx.keep(**{"boot:reason": reason})
        self._restart(reason)

    def _restart(self, reason: str) -> None:
        self.ctx.fact("restarting")
        self.ctx.effect("reboot", reason)
        self.ctx.timers.at(self.ctx.clock.now() + RESTART_WITHIN_S, self._not_restarted, reason)

    def _not_restarted(self, reason: str) -> None:
        """Tries again as often as ResetRetries says, then gives up."""
        if self._retries < (self.ctx.model.integer("OCPPCommCtrlr", "ResetRetries") or 0):
            self._retries += 1
            self.ctx.log.warning("the station did not restart, once more", attempt=self._retries)
            self._restart(reason)
            return
        self.ctx.log.error("the station does not restart, the reset is given up")
        self._retries = 0
        self._restarting = False
        self.ctx.keep(**{"boot:reason": None})
        self._end(STATION)

    def _end(self, scope: int) -> None:
        del self._stopping[scope]
        availability = self.ctx.block("availability")
        if availability is not None:
            availability.release(self.name, scope)

    def _hold(self, scope: int, status: str | None) -> None:
        availability = self.ctx.block("availability")
        if availability is not None:
            availability.hold(self.name, scope, status)
