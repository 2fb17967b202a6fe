"""H. Reservation: an EVSE, one with a certain type of connector, or any, is kept for a token or its group.

Each reservation needs an EVSE of its own, so there are at most as many as EVSEs. An EVSE is held ("Reserved") while the
reservations could not all be served without it: one that is reserved by its id always, the others as soon as there are
as many reservations as EVSEs left for them. [H01.FR.07, H01.FR.09, H01.FR.20, H01.FR.24]

A reservation ends when its token is presented, at its expiry, by the CSMS, or when a fault or the CSMS takes the EVSE
away. It survives a power cut as kept state "reservation:<id>"; its end is one journal line with what the CSMS is told.
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.model import Token
from evse.ocpp.status_info import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from evse.clock import Timer
    from evse.model import Evse

CONTROLLER = "ReservationCtrlr"
EVENT = "ReservationStatusUpdate"


class Reservation:
    """`evse_id` and `type` (of connector) are None where any will do; `at` is the UTC of its expiry."""

    __slots__ = ("id", "evse_id", "type", "token", "group", "at")

    def __init__(
        self, id: int, evse_id: int | None, type: str | None, token: Token, group: str | None, at: float
    ) -> None:
        self.id = id
        self.evse_id = evse_id
        self.type = type
        self.token = token
        self.group = group
        self.at = at

    def fits(self, evse: Evse) -> bool:
        """Whether the EVSE is what was reserved."""
        types = [connector.type for connector in evse.connectors.values()]
        return self.evse_id in (None, evse.id) and (self.type is None or self.type in types)

    def is_for(self, token: Token, group: str | None) -> bool:
        """[H03.FR.01-06]"""
        return self.token == token or (bool(group and self.group) and str(group).lower() == str(self.group).lower())

    def kept(self) -> list[Any]:
        """As kept state."""
        return [self.evse_id, self.type, self.token.id_token, self.token.kind, self.group, self.at]


class Block:
    """The reservations of the station, oldest first, and the EVSEs that are held for them."""

    name = "reservation"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self._all: list[Reservation] = []
        self._held: set[int] = set()
        # Reservations that were used, by EVSE, as long as no transaction has begun.
        self._used: dict[int, int] = {}
        self._timer: Timer | None = None
        for key, kept in sorted(ctx.journal.state.items()):
            if key.startswith(self.name + ":"):
                evse_id, type, id_token, kind, group, at = kept
                id = int(key.partition(":")[2])
                self._all.append(Reservation(id, evse_id, type, Token(id_token, kind), group, at))

    # -- for other blocks ------------------------------------------------------------------------------------------

    def admits(self, evse: Evse, token: Token, group: str | None) -> bool:
        """Whether a token may charge there as far as reservations go."""
        return evse.id not in self._held or self._match(evse, token, group) is not None

    def place(self, token: Token, group: str | None) -> int | None:
        """Id of the EVSE that is reserved for a token, None if none is in particular."""
        return next((each.evse_id for each in self._all if each.evse_id and each.is_for(token, group)), None)

    def use(self, evse: Evse | None, token: Token, group: str | None) -> int | None:
        """The token is accepted at the EVSE (None: at one that is not known yet): id of its reservation, now used up.

        The CSMS hears of it by the reservationId of the transaction. [H01.FR.15, H03.FR.09-10]
        """
        found = self._match(evse, token, group)
        if found is None:
            return None
        transactions = self.ctx.block("transactions")
        if evse is not None and (transactions is None or transactions.current(evse.id) is None):
            self._used[evse.id] = found.id
        self._end([found])
        return found.id

    def unused(self, id: int) -> None:
        """The token was presented, but nobody came to charge. [H03.FR.11]"""
        self.ctx.record(self, EVENT, [id, "NoTransaction"])

    def of(self, token: Token) -> list[Reservation]:
        """The reservations of a token."""
        return [each for each in self._all if each.token == token]

    def forget(self, token: Token) -> None:
        """Ends the reservations of a token. [N10.FR.03]"""
        self._end(self.of(token), "Removed")

    # -- use cases -------------------------------------------------------------------------------------------------

    def reserve_now(self, request: dict[str, Any]) -> dict[str, Any]:
        """[H01] A reservation with the same id is replaced, or stays if the new one cannot be made."""
        boolean = self.ctx.model.boolean
        evse_id, type = request.get("evseId"), request.get("connectorType")
        if not boolean(CONTROLLER, "Enabled"):
            return refusal("NotEnabled")  # [H01.FR.01]
        if evse_id is None and not boolean(CONTROLLER, "NonEvseSpecific"):
            return refusal("UnsupportedRequest")  # [H01.FR.19]
        try:
            at = parse_timestamp(request["expiryDateTime"])
        except ValueError as error:
            return refusal("InvalidValue", str(error)[:250])
        utc = self.ctx.clock.utc()
        if utc is not None and at <= utc:
            return refusal("InvalidValue", "the expiry has passed")
        id_token, group = request["idToken"], request.get("groupIdToken", {}).get("idToken")
        token = Token(id_token["idToken"], id_token["type"])
        new = Reservation(request["id"], evse_id, type, token, group or None, at)
        targets = [evse for evse in self.ctx.evses.values() if new.fits(evse)]
        if not targets:
            return refusal("UnknownEvse" if type is None else "UnknownConnectorType")
        others = [each for each in self._all if each.id != new.id]
        free = [evse for evse in self.ctx.evses.values() if self._state(evse) == "Available" or self._is_kept(evse)]
        if len(_served([*others, new], free)) <= len(others):
            return {"status": self._status(targets)}
        self._all = [*others, new]
        self.ctx.keep(**{_key(new): new.kept()})
        self._look()
        self._plan()
        return {"status": "Accepted"}

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """[H02] The CSMS knows, so it is not told."""
        found = [each for each in self._all if each.id == request["reservationId"]]
        self._end(found)
        return {"status": "Accepted"} if found else refusal("NotFound")

    def delivered(self, event: str, row: list[Any], action: str, answer: dict[str, Any] | None) -> None:
        """Nothing hangs on the answer."""
        if answer is None:
            self.ctx.log.error("the CSMS never took the end of a reservation", reservation=row[0], status=row[1])

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        """Takes up the reservations that outlived the process, if their EVSE did."""
        self.on_availability_changed()
        self._expire()

    def on_availability_changed(self, *_: Any) -> None:
        """An EVSE may have been taken away, or be occupied or free now."""
        out = {evse.id for evse in self.ctx.evses.values() if self._is_out(evse)}
        usable = [evse for evse in self.ctx.evses.values() if evse.id not in out]
        gone = [each for each in self._all if not any(each.fits(evse) for evse in usable)]
        if out:
            # Those that have no EVSE left for them, as others need or use it; never for another reason than a loss.
            open = [evse for evse in usable if not self._is_in_session(evse)]
            served = _served(self._all, open)
            gone = [each for each in self._all if each not in served]
        if gone:
            self._end(gone, "Removed")  # [H01.FR.16, H01.FR.17]
        else:
            self._look()

    on_fault = on_cleared = on_plugged = on_authorized = on_availability_changed
    on_charging_state = on_transaction_ended = on_lock = on_availability_changed

    def on_transaction_started(self, tx: Any) -> None:
        self._used.pop(tx.evse.id, None)
        self._look()

    def on_stopped(self, evse: Evse, reason: str = "") -> None:
        """The authorization has ended; a reservation that no transaction took up ends with it. [H03.FR.11]"""
        id = self._used.pop(evse.id, None)
        if id is not None:
            self.unused(id)
        self._look()

    on_connection_timeout = on_stopped

    def on_unplugged(self, evse: Evse, connector_id: int) -> None:
        """Without a transaction the authorization ends with the cable."""
        if evse.authorized is None:
            self.on_stopped(evse)
        self._look()

    def on_clock_changed(self, *_: Any) -> None:
        self._expire()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _match(self, evse: Evse | None, token: Token, group: str | None) -> Reservation | None:
        """The reservation by which a token may charge there; the token's own comes before one of its group."""
        free = self._free()
        for each in sorted(self._all, key=lambda each: (each.token != token, each.evse_id is None)):
            if not each.is_for(token, group):
                continue
            if evse is None:
                if each.evse_id is None:
                    return each
            elif each.fits(evse):
                others = [other for other in self._all if other is not each]
                if len(_served(others, [other for other in free if other is not evse])) == len(others):
                    return each
        return None

    def _free(self) -> list[Evse]:
        """EVSEs that can be kept for somebody: Available ones, or if these are too few, all that nobody uses.

        So one that is held remains so when a cable is plugged. [G01.FR.09]
        """
        available = [evse for evse in self.ctx.evses.values() if self._state(evse) == "Available"]
        if len(_served(self._all, available)) == len(self._all):
            return available
        return [evse for evse in self.ctx.evses.values() if not self._is_in_session(evse) and not self._is_out(evse)]

    def _is_kept(self, evse: Evse) -> bool:
        """Held, and still of use for a reservation."""
        return evse.id in self._held and not self._is_in_session(evse) and not self._is_out(evse)

    def _state(self, evse: Evse) -> str:
        """ConnectorStatusEnum of an EVSE, as it would be without reservations."""
        availability = self.ctx.block("availability")
        found = {"Available"}
        if availability is not None:
            if availability.is_faulted(evse):
                return "Faulted"
            if not availability.is_operative(evse):
                return "Unavailable"
            found = {availability.status(evse, id) for id in evse.connectors}
        if evse.plugged is not None or "Occupied" in found or self._is_in_session(evse):
            return "Occupied"
        return "Available"

    def _status(self, targets: list[Evse]) -> str:
        """Why none of the EVSEs can be reserved. [H01.FR.11, H01.FR.12, H01.FR.14]"""
        found = {self._state(evse) for evse in targets}
        if found.isdisjoint(("Available", "Occupied")):
            return max(found)  # Unavailable before Faulted
        return "Occupied"

    def _is_in_session(self, evse: Evse) -> bool:
        """Somebody is authorized there, or was in the transaction that is going on."""
        transactions = self.ctx.block("transactions")
        transaction = None if transactions is None else transactions.current(evse.id)
        return evse.authorized is not None or (transaction is not None and transaction.token is not None)

    def _is_out(self, evse: Evse) -> bool:
        """A fault or the CSMS took the EVSE away; a reset does not."""
        availability = self.ctx.block("availability")
        return availability is not None and (availability.is_faulted(evse) or availability.is_withdrawn(evse))

    def _look(self) -> None:
        """Holds the EVSEs that are needed, and no other."""
        free = self._free()
        needed = len(_served(self._all, free))
        held = {
            evse.id for evse in free if len(_served(self._all, [other for other in free if other is not evse])) < needed
        }
        availability = self.ctx.block("availability")
        changed = self._held ^ held
        self._held = held
        if availability is not None:
            for id in sorted(changed):
                if id in held:
                    availability.hold(self.name, id, "Reserved")
                else:
                    availability.release(self.name, id)

    def _end(self, ended: Iterable[Reservation], status: str | None = None) -> None:
        """Forgets reservations, durably; `status` is what the CSMS is told, after the new status of the EVSEs."""
        ended = list(ended)
        if not ended:
            return
        self._all = [each for each in self._all if each not in ended]
        self._look()
        for each in ended:
            if status is None:
                self.ctx.keep(**{_key(each): None})
            else:
                self.ctx.record(self, EVENT, [each.id, status], keep={_key(each): None})
        self._plan()

    def _expire(self) -> None:
        """[H04.FR.01]"""
        utc = self.ctx.clock.utc()
        if utc is not None:
            self._end([each for each in self._all if each.at <= utc], "Expired")
        self._plan()

    def _plan(self) -> None:
        """One timer, for what expires first; while the time is unknown there is none to wait for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        utc = self.ctx.clock.utc()
        if self._all and utc is not None:
            wait_s = min(each.at for each in self._all) - utc
            self._timer = self.ctx.timers.at(self.ctx.clock.now() + max(0.0, wait_s), self._expire)


def _served(reservations: Iterable[Reservation], evses: list[Evse]) -> list[Reservation]:
    """The reservations that can have an EVSE each, older ones first (augmenting paths)."""
    taken: dict[int, Reservation] = {}

    def find(reservation: Reservation, tried: set[int]) -> bool:
        for evse in evses:
            if evse.id in tried or not reservation.fits(evse):
                continue
            tried.add(evse.id)
            if evse.id not in taken or find(taken[evse.id], tried):
                taken[evse.id] = reservation
                return True
        return False

    return [each for each in reservations if find(each, set())]


def _key(reservation: Reservation) -> str:
    return f"{Block.name}:{reservation.id}"
