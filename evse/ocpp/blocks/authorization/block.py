"""C. Authorization: who may charge, where, and who may stop.

A token is decided by the local list, the cache, the CSMS, or the offline rules, in bounded time: the CSMS has its
MessageTimeout, then the offline rules speak. One decision per EVSE at a time: the same token again is ignored meanwhile
and another one is asked to wait. Every decision ends on the display, and in a grant, a stop or a refusal.

Which EVSE a token is meant for, at a reader of several: one that the same token started (stop); a plugged one without
authorization; one of the same group (stop); the only free one, or the only one with a vehicle in its bay; else
whichever is plugged first within EVConnectionTimeOut. A transaction whose TxStartPoint is Authorized begins with the
token all the same. [E01.FR.03]
"""

from __future__ import annotations

from evse.model import Token
from evse.ocpp.blocks.authorization.cache import Cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Timer
    from evse.errors import CsmsError
    from evse.model import Evse

    Info = dict[str, Any]
    Done = Callable[[Info], Any]

TOKEN_LENGTH = 255
DEFAULT_CONNECTION_TIMEOUT_S = 60
ACCEPTED: dict[str, Any] = {"status": "Accepted"}
UNDECIDED: dict[str, Any] = {"status": "Unknown"}  # to the station itself: the CSMS did not say
# Kinds of token that the CSMS or nobody gave: there is nothing to ask. [C02.FR.01, C05.FR.01]
UNASKED = ("Central", "NoAuthorization")


class Grant:
    """A live authorization: who, since which event, and what the CSMS must hear about it."""

    __slots__ = ("token", "group", "trigger", "remote_start_id", "reservation_id", "evses", "timer", "tx")

    def __init__(self, token: Token, info: Info, trigger: str, remote_start_id: int | None) -> None:
        self.token = token
        self.group = _group(info)
        self.trigger = trigger
        self.remote_start_id = remote_start_id
        self.reservation_id: int | None = None
        # For one that waits for its EVSE: where it may go, and how long.
        self.evses: list[Evse] = []
        self.timer: Timer | None = None
        self.tx: Any = None  # the transaction that began with the token, before its EVSE was known


class Block:
    """Authorization of all EVSEs."""

    name = "authorization"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.cache = Cache(ctx)
        self._grants: dict[int, Grant] = {}
        self._waiting: list[Grant] = []
        # EVSEs whose cable stays locked for its owner: who, connector, whether his EV, refused, is still at it.
        # [E05.FR.11, E09.FR.03]
        self._held: dict[int, tuple[Grant, int, bool]] = {}
        self._checking: list[tuple[Token, list[Evse]]] = []

    # -- for other blocks ------------------------------------------------------------------------------------------

    def granted(self, evse_id: int) -> Grant | None:
        """The live authorization of an EVSE."""
        return self._grants.get(evse_id)

    def learn(self, id_token: str, kind: str, info: Info) -> None:
        """An IdTokenInfo of the CSMS, from any message: cached unless the local list knows the token. [1.6 §3.5.3]"""
        token = Token(id_token, kind)
        listed = self._listed(token)
        if listed is None:
            self.cache.learn(token, info)
        else:
            self.ctx.loaded("local_list").compare(listed, info)

    def check(self, token: Token, done: Done, evse: Evse | None = None, extra: dict[str, Any] | None = None) -> None:
        """Decides a token: `done(info)` is called once, now or within MessageTimeout, with an IdTokenInfo.

        `extra` is added to the Authorize request (certificate, iso15118CertificateHashData); what its answer says
        besides is in the info, too (certificateStatus). [C01.FR.02, C10.FR.03, C12, C13, C14, C15]
        """
        boolean = self.ctx.model.boolean
        if boolean("AuthCtrlr", "Enabled") is False or token.kind in UNASKED:
            done(ACCEPTED)
            return
        listed = self._listed(token)
        info = listed if listed is not None else self.cache.find(token)
        if not self.ctx.online:
            done(self._offline(info))
            return
        accepted = info is not None and info["status"] == "Accepted"
        if info is not None and accepted and extra is None and boolean("AuthCtrlr", "LocalPreAuthorize"):
            done(info)
            return
        controller = "AuthCacheCtrlr" if listed is None else "LocalAuthListCtrlr"
        lapsed = info is None or "lapsed" in info  # as if it were not in the list [C14.FR.05]
        final = not lapsed and not accepted and boolean(controller, "DisablePostAuthorize")
        if final or boolean("AuthCtrlr", "DisableRemoteAuthorization"):
            done(info or {"status": "Unknown"})
            return
        request = {"idToken": token.payload(), **(extra or {})}
        self.ctx.call(
            self, "Authorize", request, lambda answer, error: self._answered(token, done, answer, error), urgent=True
        )

    def grant(
        self, evse: Evse, token: Token, info: Info, *, trigger: str = "Authorized", remote_start_id: int | None = None
    ) -> bool:
        """Authorizes an EVSE for an accepted token; False (and a word on the display) if it cannot be.

        `trigger` is the TriggerReasonEnum word of the event that follows.
        """
        refusal = self._refusal(evse, token, info)
        if refusal is not None:
            self._show(evse, f"card refused: {refusal}")
            return False
        self._bind(evse, Grant(token, info, trigger, remote_start_id))
        return True

    def awaits(self, evse: Evse) -> bool:
        """Whether a transaction that has begun takes the next cable that is plugged there."""
        return any(grant.tx is not None and self._takes(grant, evse) for grant in self._waiting)

    def _takes(self, grant: Grant, evse: Evse) -> bool:
        """Where a transaction is there already, only a grant without one of its own goes."""
        taken = grant.tx is not None and self.ctx.block("transactions").current(evse.id) is not None
        return evse in grant.evses and self._is_free(evse) and not taken and self._outage(evse) is None

    def withdraw(self, tx: Any, trigger: str, reason: str, token: Token | None) -> None:
        """A transaction that waits for its EVSE ends, and with it the authorization."""
        for grant in [each for each in self._waiting if each.tx is tx]:
            self._forget_waiting(grant, trigger, reason, token)

    def restore(self, tx: Any) -> None:
        """The authorization of a transaction that goes on after a power cut."""
        info = {"groupIdToken": {"idToken": tx.group}} if tx.group else {}
        self._grants[tx.evse.id] = Grant(tx.token, info, "Authorized", None)
        tx.evse.authorized = tx.token
        self.ctx.effect("authorize", tx.evse.id)

    def release(self, evse: Evse, reason: str, trigger: str | None = None, token: Token | None = None) -> None:
        """Ends the authorization of an EVSE, its transaction as TxStopPoint says; the fact `stopped` completes it."""
        transactions = self.ctx.block("transactions")
        tx = transactions.current(evse.id) if transactions is not None else None
        if tx is not None:
            transactions.stop(tx, reason, trigger, token)
        else:
            self.ctx.effect("stop", evse.id, reason)

    def clear_cache(self, request: dict[str, Any]) -> dict[str, Any]:
        """ClearCache. [C11.FR.03-05]"""
        return {"status": "Accepted" if self.cache.enabled() and self.cache.clear() else "Rejected"}

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_token(self, evses: list[Evse], id_token: str, kind: str) -> None:
        """A token was presented at the reader of these EVSEs."""
        if not evses or not 0 < len(id_token) <= TOKEN_LENGTH:
            self.ctx.log.warning("a token that cannot be used was presented", length=len(id_token), evses=len(evses))
            return
        token = Token(id_token, kind)
        for checking, where in self._checking:
            if any(evse in where for evse in evses):
                if checking != token:
                    self._show(evses[0], "please wait")
                return
        if self._stopped_by(token, evses) or self._withdrawn_by(token, evses) or self._unlocked_by(token, None, evses):
            return
        if self._may_not_charge_yet():
            self._show(evses[0], "card refused: the charging station is not accepted by its operator")
            return
        if self.ctx.station.get("token_before_plug") is False and all(evse.plugged is None for evse in evses):
            self._show(evses[0], "connect the vehicle first")
            return
        if not any(self._is_free(evse) and evse.plugged is not None for evse in evses):
            listed = self._listed(token)
            info = listed if listed is not None else self.cache.find(token)
            if info is not None and info["status"] == "Accepted" and self._ended_by_group(token, info, evses):
                return
        place = (token, evses)
        self._checking.append(place)
        self._show(evses[0], "checking card")
        self.check(token, lambda info: self._decided(place, info))

    def on_plugged(self, evse: Evse, connector: int) -> None:
        """A token that waits for its EVSE has found it; where charging is free nobody is asked. [C02]"""
        if evse.id in self._held:
            self._held[evse.id] = (*self._held[evse.id][:2], False)
        for grant in self._waiting:
            if self._takes(grant, evse):
                self._forget_waiting(grant)
                if grant.tx is not None:
                    self.ctx.block("transactions").place(grant.tx, evse)
                self._bind(evse, grant)
                return
        if self.ctx.station.get("free_vending") and self._is_free(evse):
            self.grant(evse, Token("", "NoAuthorization"), ACCEPTED)

    def on_unplugged(self, evse: Evse, connector: int) -> None:
        """Without a transaction the authorization ends with the cable, on the charging side too. [errata 2.17]"""
        transactions = self.ctx.block("transactions")
        if evse.id in self._grants and (transactions is None or transactions.current(evse.id) is None):
            self._keep_locked(evse, connector, "EVDisconnected")
            self._drop(evse)
            self.ctx.effect("stop", evse.id, "EVDisconnected")

    def on_stopped(self, evse: Evse, reason: str) -> None:
        self._keep_locked(evse, evse.plugged, reason)
        self._drop(evse)

    def _keep_locked(self, evse: Evse, connector: int | None, reason: str) -> None:
        """Whose the cable is that stays locked now, for when he comes to take it."""
        grant = self._grants.get(evse.id)
        refused = reason == "DeAuthorized"
        stays_locked = refused or (
            reason == "EVDisconnected" and self.ctx.model.boolean("OCPPCommCtrlr", "UnlockOnEVSideDisconnect") is False
        )
        if grant is not None and stays_locked and connector and not evse.connectors[connector].tethered:
            self._held[evse.id] = (grant, connector, refused)

    def on_lock(self, evse: Evse, connector: int, locked: bool) -> None:
        if not locked:
            self._held.pop(evse.id, None)

    def on_connection_timeout(self, evse: Evse) -> None:
        """[C01.FR.26]"""
        self._drop(evse)
        self._show(evse, "no vehicle was connected in time")

    def on_restarting(self) -> None:
        """What was learnt last is known after the restart; who waits for a cable has to begin anew. [C10.FR.02]"""
        self.cache.flush()
        for grant in list(self._waiting):
            self._forget_waiting(grant, "ResetCommand", "ImmediateReset")

    # -- stopping --------------------------------------------------------------------------------------------------

    def _stopped_by(self, token: Token, evses: list[Evse]) -> bool:
        """The token that started may always stop, unasked. [C01.FR.03, E07.FR.01, E08.FR.01]"""
        for evse in evses:
            grant = self._grants.get(evse.id)
            if grant is not None and grant.token == token:
                self._show(evse, "stopping")
                self.release(evse, "Local", "StopAuthorized", token)
                return True
        return False

    def _ended_by_group(self, token: Token, info: Info, evses: list[Evse]) -> bool:
        """A valid token of the same group may stop, and take the cable. [C09.FR.03, C09.FR.07]"""
        group = _group(info)
        if not group or group == self._master_group():
            return False
        for evse in evses:
            grant = self._grants.get(evse.id)
            if grant is not None and (grant.group or "").lower() == group.lower():
                self._show(evse, "stopping")
                self.release(evse, "Local", "StopAuthorized", token)
                return True
        return self._unlocked_by(token, group, evses)

    def _unlocked_by(self, token: Token, group: str | None, evses: list[Evse]) -> bool:
        """The owner of a cable that stayed locked takes it; with an EV at it again, his card means a new session."""
        for evse in evses:
            grant, connector, refused = self._held.get(evse.id, (None, 0, False))
            if grant is None or (evse.plugged is not None and not refused):
                continue
            if grant.token == token or (group and (grant.group or "").lower() == group.lower()):
                self._show(evse, "unlocking")
                self.ctx.effect("unlock", evse.id, connector)
                return True
        return False

    def _stop_all(self, token: Token) -> None:
        """The master pass stops every transaction, and starts none. [C16.FR.02-03]"""
        transactions = self.ctx.block("transactions")
        for evse in self.ctx.evses.values():
            if evse.id in self._grants or transactions.current(evse.id) is not None:
                self.release(evse, "MasterPass", "StopAuthorized", token)
        for grant in list(self._waiting):
            self._forget_waiting(grant, "StopAuthorized", "MasterPass", token)
        for evse_id, (_, connector, _) in self._held.items():
            self.ctx.effect("unlock", evse_id, connector)
        self._show(None, "master pass: all charging is stopped")

    def _withdrawn_by(self, token: Token, evses: list[Evse]) -> bool:
        """The same token again while it waits for a cable: it is taken back."""
        for grant in self._waiting:
            if grant.token == token and any(evse in grant.evses for evse in evses):
                self._forget_waiting(grant, "StopAuthorized", "Local", token)
                self._show(evses[0], "card withdrawn")
                return True
        return False

    # -- deciding --------------------------------------------------------------------------------------------------

    def _listed(self, token: Token) -> Info | None:
        """What the local list says, None if it does not know the token. [C13.FR.01]"""
        local_list = self.ctx.loaded("local_list")
        info: Info | None = None if local_list is None else local_list.find(token)
        return info

    def _offline(self, info: Info | None) -> Info:
        """The decision without the CSMS. [C13.FR.02-04, C15.FR.08, 1.6 §3.5.4]"""
        boolean = self.ctx.model.boolean
        unknown = bool(boolean("AuthCtrlr", "OfflineTxForUnknownIdEnabled"))
        if info is None:
            return ACCEPTED if unknown else UNDECIDED
        if boolean("AuthCtrlr", "LocalAuthorizeOffline") is False and not unknown:
            return UNDECIDED
        return info

    def _answered(self, token: Token, done: Done, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if answer is None:
            self.ctx.log.info("no decision from the CSMS, the offline rules apply", why=error.code if error else "")
            listed = self._listed(token)
            done(self._offline(listed if listed is not None else self.cache.find(token)))
            return
        info = answer.get("idTokenInfo")
        if info is None:
            done({"status": "Invalid"})
            return
        self.learn(token.id_token, token.kind, info)
        # The date is for the cache: the CSMS's word of this moment counts. [IdTokenInfoType]
        rest = {key: value for key, value in answer.items() if key not in ("idTokenInfo", "customData")}
        done({**info, **rest})

    def _decided(self, place: tuple[Token, list[Evse]], info: Info) -> None:
        """The verdict on a token at a reader."""
        self._checking.remove(place)
        token, evses = place
        if info["status"] != "Accepted":
            why = "no decision from the CSMS" if info is UNDECIDED else info["status"]
            self._show(evses[0], f"card refused: {why}")
            return
        group = _group(info)
        if group and group == self._master_group():
            self._stop_all(token)
            return
        free = [evse for evse in evses if self._is_free(evse)]
        plugged = [evse for evse in free if evse.plugged is not None]
        if not plugged and self._ended_by_group(token, info, evses):
            return
        possible = plugged or free
        if len(evses) > 1:
            possible = [evse for evse in possible if self._refusal(evse, token, info) is None]
            if not plugged and (reservation := self.ctx.loaded("reservation")) is not None:
                reserved = reservation.place(token, group)
                possible = [evse for evse in possible if evse.id == reserved] or possible
        if not plugged:
            possible = [evse for evse in possible if evse.parking] or possible
        if not possible:
            self._show(evses[0], "card refused: no free connector")
        elif plugged or len(possible) == 1:
            self.grant(possible[0], token, info)
        else:
            self._await_cable(possible, token, info)

    def _await_cable(self, evses: list[Evse], token: Token, info: Info) -> None:
        grant = Grant(token, info, "Authorized", None)
        grant.evses = evses
        if (reservation := self.ctx.loaded("reservation")) is not None:
            grant.reservation_id = reservation.use(None, token, grant.group)
        wait_s = self.ctx.model.integer("TxCtrlr", "EVConnectionTimeOut")
        wait_s = DEFAULT_CONNECTION_TIMEOUT_S if wait_s is None else wait_s
        grant.timer = self.ctx.timers.at(self.ctx.clock.now() + wait_s, self._cable_timeout, grant)
        # Readers are few, and each has one decision at a time; another token at the same reader replaces this one.
        for other in [each for each in self._waiting if any(evse in each.evses for evse in evses)]:
            self._forget_waiting(other, "AbnormalCondition", "Other")
        self._waiting.append(grant)
        transactions = self.ctx.block("transactions")
        if transactions is not None:
            grant.tx = transactions.begin_unplaced(grant)
        self._show(None, "card accepted: connect the vehicle")

    def _cable_timeout(self, grant: Grant) -> None:
        self._forget_waiting(grant, "EVConnectTimeout", "Timeout")
        reservation = self.ctx.loaded("reservation")
        if reservation is not None and grant.reservation_id is not None and grant.tx is None:
            reservation.unused(grant.reservation_id)
        self._show(None, "no vehicle was connected in time")

    def _forget_waiting(self, grant: Grant, trigger: str = "", reason: str = "", token: Token | None = None) -> None:
        """It waits no longer; with a trigger and a reason its transaction ends, if it has one."""
        self._waiting.remove(grant)
        if trigger and grant.tx is not None:
            self.ctx.block("transactions").end(grant.tx, trigger, reason, token)
        if grant.timer is not None:
            grant.timer.cancel()
        grant.evses = []

    def _refusal(self, evse: Evse, token: Token, info: Info) -> str | None:
        """Why an accepted token cannot have this EVSE, None if it can."""
        group = _group(info)
        if group and group == self._master_group():
            return "a master pass starts nothing"  # C16.FR.03
        if info.get("evseId") and evse.id not in info["evseId"]:
            return "not at this connector"  # C01.FR.21
        if evse.id in self._grants or (evse.id in self._held and evse.plugged is None):
            return "in use"
        transactions = self.ctx.block("transactions")
        tx = transactions.current(evse.id) if transactions is not None else None
        if tx is not None and tx.stop is not None:
            return "stopping"
        if tx is not None and tx.token is not None and tx.token != token and not (group and group == tx.group):
            return "in use"  # C01.FR.23
        if (outage := self._outage(evse)) is not None:
            return outage
        reservation = self.ctx.loaded("reservation")
        if reservation is not None and not reservation.admits(evse, token, group):
            return "reserved"
        return None

    def _outage(self, evse: Evse) -> str | None:
        availability = self.ctx.block("availability")
        if availability is not None and (availability.is_faulted(evse) or availability.is_faulted(None)):
            return "out of order"
        if availability is not None and not availability.is_operative(evse):
            return "out of service"
        return None

    def _bind(self, evse: Evse, grant: Grant) -> None:
        evse.authorized = grant.token
        reservation = self.ctx.loaded("reservation")
        if reservation is not None and grant.reservation_id is None:
            grant.reservation_id = reservation.use(evse, grant.token, grant.group)
        self._grants[evse.id] = grant
        self._held.pop(evse.id, None)
        self.ctx.fact("authorized", evse.id, grant)
        self.ctx.effect("authorize", evse.id)
        self._show(evse, "card accepted" if evse.plugged is not None else "card accepted: connect the vehicle")

    def _drop(self, evse: Evse) -> None:
        self._grants.pop(evse.id, None)
        evse.authorized = None

    def _is_free(self, evse: Evse) -> bool:
        return evse.id not in self._grants

    def _may_not_charge_yet(self) -> bool:
        """The CSMS has not accepted the station, and TxBeforeAcceptedEnabled forbids to charge before. [B 1.1]"""
        if self.ctx.model.boolean("TxCtrlr", "TxBeforeAcceptedEnabled") is not False:
            return False
        boot = self.ctx.block("boot")
        return boot is not None and boot.status in ("Pending", "Rejected")

    def _master_group(self) -> str | None:
        return self.ctx.model.get("AuthCtrlr", "MasterPassGroupId") or None

    def _show(self, evse: Evse | None, text: str) -> None:
        self.ctx.effect("display", None if evse is None else evse.id, text)


def _group(info: Info) -> str | None:
    """Id of the group that a token belongs to."""
    group: str | None = (info.get("groupIdToken") or {}).get("idToken")
    return group or None
