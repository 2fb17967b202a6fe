"""F. Remote control: the CSMS starts and stops transactions, unlocks connectors and asks for messages."""

from __future__ import annotations

from evse.model import Token
from evse.ocpp import registry
from evse.ocpp.status_info import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.engine import Engine

# The lock, and before it the session that is stopped, must answer in this time; both together stay below 30 s.
UNLOCK_WITHIN_S = 10.0
STOP_WITHIN_S = 15.0
# Messages that are about an EVSE; for the others the EVSE of TriggerMessage is ignored. [F06.FR.03]
_OF_AN_EVSE = ("MeterValues", "StatusNotification", "TransactionEvent", "SignV2GCertificate", "SignV2G20Certificate")


class _Unlock:
    """An UnlockConnector that waits for the lock, or first for the end of the session."""

    __slots__ = ("later", "timer", "stopping")

    def __init__(self, later: Any) -> None:
        self.later = later
        self.timer: Any = None
        self.stopping = False


class Block:
    """Answers first; what follows from a request is sent after its answer, as the engine orders it."""

    name = "remote"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # EVSEs whose remote start waits for its authorization.
        self._starting: set[int] = set()
        # At most one a connector.
        self._unlocks: dict[tuple[int, int], _Unlock] = {}

    # -- transactions ----------------------------------------------------------------------------------------------

    def request_start(self, request: dict[str, Any]) -> dict[str, Any]:
        """[F01, F02] Accepted if an EVSE is there for it; the token is authorized after it if AuthorizeRemoteStart."""
        if not self.ctx.online:
            return refusal("CSNotAccepted")  # [B02.FR.05; 1.6 §4.2]
        wanted = request.get("evseId")
        if wanted is None:
            evses = list(self.ctx.evses.values())
            reservation = self.ctx.loaded("reservation")
            reserved = None if reservation is None else reservation.place(*_tokens(request))  # [H03.FR.09]
            # Where a cable is plugged somebody waits. [F01.FR.20]
            evses.sort(key=lambda evse: (evse.id != reserved, evse.plugged is None))
        elif wanted in self.ctx.evses:
            evses = [self.ctx.evses[wanted]]
        else:
            return refusal("UnknownEvse")
        refusals = [self._refusal(evse, request) for evse in evses]
        if None not in refusals:
            return refusals[0] or {}
        evse = evses[refusals.index(None)]
        if (reason := self._profile(evse, request)) is not None:
            return refusal(reason)
        transaction = self._transaction(evse)
        if not self._start(evse, request):
            self._withdraw(evse, request)
            return refusal("Unspecified", "the EVSE is not free")
        if transaction is None:
            return {"status": "Accepted"}
        return {"status": "Accepted", "transactionId": transaction.id}  # [F01.FR.13]

    def _refusal(self, evse: Evse, request: dict[str, Any]) -> dict[str, Any] | None:
        """Why nothing can be started there, None if it can."""
        transaction = self._transaction(evse)
        authorized = evse.authorized is not None or (transaction is not None and transaction.token is not None)
        if authorized or evse.id in self._starting:
            return refusal("TxInProgress")  # [F01.FR.24, F02.FR.26]
        availability = self.ctx.block("availability")
        ids = evse.connectors if evse.plugged is None else (evse.plugged,)
        found = {"Available"} if availability is None else {availability.status(evse, id) for id in ids}
        if not found.isdisjoint(("Available", "Occupied")):
            return None
        if "Reserved" in found:
            token, group = _tokens(request)
            reservation = self.ctx.loaded("reservation")
            if reservation is not None and reservation.admits(evse, token, group):
                return None
        return refusal("Unspecified", f"the EVSE is {min(found)}")  # [F01.FR.21 to F01.FR.23]

    def _profile(self, evse: Evse, request: dict[str, Any]) -> str | None:
        """Hands the charging profile on; why it is no good, or None. Ignored without smart charging. [F01.FR.12]"""
        profile = request.get("chargingProfile")
        smart_charging = self.ctx.block("smart_charging") if profile is not None else None
        if profile is None or smart_charging is None:
            return None
        if profile["chargingProfilePurpose"] != "TxProfile" or "transactionId" in profile:
            return "InvalidProfile"  # [F01.FR.09, F01.FR.11, F01.FR.26]
        reason: str | None = smart_charging.prepare(evse, profile)
        return reason

    def _withdraw(self, evse: Evse, request: dict[str, Any]) -> None:
        """The start came to nothing, and with it the charging profile."""
        smart_charging = self.ctx.block("smart_charging") if "chargingProfile" in request else None
        if smart_charging is not None:
            smart_charging.withdraw(evse)

    def _start(self, evse: Evse, request: dict[str, Any]) -> bool:
        """Authorizes the EVSE for the token, or begins to find out whether it may be; False if it cannot be."""
        authorization = self.ctx.block("authorization")
        if authorization is None:
            return False
        token, group = _tokens(request)
        known = {"status": "Accepted", "groupIdToken": request["groupIdToken"]} if group else {"status": "Accepted"}

        def grant(info: dict[str, Any]) -> bool:
            id = request.get("remoteStartId")
            granted: bool = authorization.grant(evse, token, info, trigger="RemoteStart", remote_start_id=id)
            return granted

        def checked(info: dict[str, Any]) -> None:
            self._starting.discard(evse.id)
            if info["status"] == "Accepted":
                if not grant({**known, **info}):
                    self._withdraw(evse, request)
            else:
                self._withdraw(evse, request)
                self.ctx.effect("display", evse.id, f"remote start refused: {info['status']}")

        if not self.ctx.model.boolean("AuthCtrlr", "AuthorizeRemoteStart"):
            return grant(known)  # [F01.FR.02, F02.FR.10]
        self._starting.add(evse.id)
        authorization.check(token, checked, evse)  # [F01.FR.01, F02.FR.09]
        return True

    def request_stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """[F03] Stops the session; what becomes of the transaction is up to TxStopPoint."""
        if not self.ctx.online:
            return refusal("CSNotAccepted")
        transactions = self.ctx.block("transactions")
        transaction = None if transactions is None else transactions.find(request["transactionId"])
        if transaction is None:
            return refusal("TxNotFound")  # [F03.FR.08]
        transactions.stop(transaction, "Remote")
        return {"status": "Accepted"}  # [F03.FR.07]

    def _transaction(self, evse: Evse) -> Any:
        transactions = self.ctx.block("transactions")
        return None if transactions is None else transactions.current(evse.id)

    # -- unlock ----------------------------------------------------------------------------------------------------

    def unlock_connector(self, request: dict[str, Any]) -> Any:
        """[F05] Tries the lock, cable or not; never during a transaction that was authorized."""
        return self._unlock(request, stop_first=False)

    def stop_and_unlock(self, request: dict[str, Any]) -> Any:
        """As unlock_connector(), but a transaction is ended first; the connector may be left to us. [1.6 §5.18]"""
        return self._unlock(request, stop_first=True)

    def _unlock(self, request: dict[str, Any], stop_first: bool) -> Any:
        evse = self.ctx.evses.get(request["evseId"])
        if evse is None:
            return {"status": "UnknownConnector"}  # [F05.FR.03]
        connector = evse.connectors.get(request.get("connectorId", evse.plugged or min(evse.connectors)))
        if connector is None:
            return {"status": "UnknownConnector"}
        transaction = self._transaction(evse)
        there = evse.plugged == connector.id or (evse.plugged is None and transaction is not None)
        on = there and evse.authorized is not None
        if on and not stop_first:
            return {"status": "OngoingAuthorizedTransaction"}  # [F05.FR.02]
        if connector.tethered:
            return refusal("FixedCable", status="UnlockFailed")
        key = evse.id, connector.id
        if key in self._unlocks:
            return refusal("InvalidMessageSeq", status="UnlockFailed")
        self._unlocks[key] = unlock = _Unlock(self.ctx.later())
        if not on:
            self._try_lock(key)
            return unlock.later
        unlock.stopping = True
        self._wait(key, STOP_WITHIN_S)
        if transaction is not None:
            self.ctx.block("transactions").stop(transaction, "Other", "UnlockCommand")
        else:
            self.ctx.effect("stop", evse.id, "Other")
        return unlock.later

    def _try_lock(self, key: tuple[int, int]) -> None:
        self._unlocks[key].stopping = False
        self._wait(key, UNLOCK_WITHIN_S)
        self.ctx.effect("unlock", *key)

    def _wait(self, key: tuple[int, int], seconds: float) -> None:
        unlock = self._unlocks[key]
        if unlock.timer is not None:
            unlock.timer.cancel()
        unlock.timer = self.ctx.timers.at(self.ctx.clock.now() + seconds, self._unlocked, key, False)

    def _unlocked(self, key: tuple[int, int], success: bool) -> None:
        unlock = self._unlocks.pop(key, None)
        if unlock is not None:
            unlock.timer.cancel()
            unlock.later.set({"status": "Unlocked" if success else "UnlockFailed"})  # [F05.FR.04, F05.FR.05]

    def on_lock(self, evse: Evse, connector_id: int, locked: bool) -> None:
        unlock = self._unlocks.get((evse.id, connector_id))
        if unlock is not None and not unlock.stopping:
            self._unlocked((evse.id, connector_id), not locked)

    def on_fault(self, evse: Evse | None, code: str, detail: str) -> None:
        if evse is not None and code in ("ConnectorLockFailure", "LockFailure"):
            for key in [key for key in self._unlocks if key[0] == evse.id]:
                self._unlocked(key, False)

    def on_stopped(self, evse: Evse, reason: str) -> None:
        for key in [key for key, unlock in self._unlocks.items() if key[0] == evse.id and unlock.stopping]:
            self._try_lock(key)

    # -- trigger ---------------------------------------------------------------------------------------------------

    def trigger_message(self, request: dict[str, Any]) -> dict[str, Any]:
        """[F06] The answer goes out before the message, as every call of ours waits for the end of the request."""
        message = request["requestedMessage"]
        name = registry.TRIGGERS.get(message)
        block = None if name is None else self.ctx.block(name)
        if block is None:
            return {"status": "NotImplemented"}  # [F06.FR.08, F06.FR.19]
        boot = self.ctx.block("boot")
        if message != "BootNotification" and boot is not None and boot.status is None:
            return refusal("CSNotAccepted")  # nothing before the CSMS answered BootNotification [B01.FR.08]
        wanted = request.get("evse") if message in _OF_AN_EVSE else None
        if wanted is None:
            sent = block.trigger(message, None)
        elif message == "StatusNotification" and wanted == {"id": 0, "connectorId": 0}:
            sent = block.trigger(message, None, 0)  # connector 0 of 1.6, the station
        elif wanted["id"] not in self.ctx.evses:
            return refusal("UnknownEvse")
        elif message == "StatusNotification":
            sent = block.trigger(message, self.ctx.evses[wanted["id"]], wanted.get("connectorId"))
        else:
            sent = block.trigger(message, self.ctx.evses[wanted["id"]])
        if sent is None:
            return {"status": "NotImplemented"}  # nothing of that kind in this station
        return {"status": "Accepted" if sent else "Rejected"}


def _tokens(request: dict[str, Any]) -> tuple[Token, str | None]:
    """The token of a RequestStartTransaction, and the id of its group."""
    token = request["idToken"]
    return Token(token["idToken"], token["type"]), request.get("groupIdToken", {}).get("idToken")
