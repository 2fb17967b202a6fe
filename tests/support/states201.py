"""The whole station in 2.0.1 and 2.1, and the reusable and memory states of the OCA's 2.0.1 test cases as functions.

    station = Station()                                boots, is accepted, has said its statuses
    ev_connected_pre_session(station)
    authorized(station)                                by card; `remote=True`: by RequestStartTransaction
    events = energy_transfer_started(station)
    ended = stop_authorized(station)
    ev_disconnected(station)

A state checks what the tool would check in it and returns the TransactionEvents that were said meanwhile. Statuses and
TransactionEvents may come in any order [general tool rules]; what else is said fails. Rules that hold for all events of
a transaction (seqNo, Started first, nothing after Ended) are checked with every event.
"""

from __future__ import annotations

from typing import Any

from evse.clock import timestamp
from tests.support.wholestation import WholeStation, board

__all__ = ["ACCEPTED", "TOKEN", "Station", "board"]

TOKEN = "TAG"
ACCEPTED = {"status": "Accepted"}
# How long a transaction goes on before it is stopped: <Transaction Duration>.
DURATION_S = 30.0
AUTHORIZATION_POINTS = {"Authorized", "PowerPathClosed", "EnergyTransfer"}

Event = dict[str, Any]


class Station(WholeStation):
    """`tokens`: what the CSMS says of a token (IdTokenInfo); accepted where it is not in there."""

    def __init__(
        self,
        board_description: dict[str, Any] | None = None,
        *,
        version: str = "2.0.1",
        station: dict[str, Any] | None = None,
        variables: list[dict[str, Any]] | None = None,
        boot: bool = True,
    ) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.status: dict[tuple[int, int], str] = {}  # of each connector as told last
        self.told: list[tuple[int, int]] = []  # connectors whose status was told since `hear` began
        self.events: list[Event] = []  # all TransactionEvents, each as often as it was said
        self._next_seq: dict[str, int | None] = {}  # by transaction; None once it has ended
        self._latest: dict[int, str] = {}  # latest transaction of each EVSE
        self.evse = 1  # where the driver is, for a transaction that starts before its EVSE is told
        self._request_id = 0
        super().__init__(board_description, version=version, station=station, variables=variables, boot=boot)

    # -- the CSMS ------------------------------------------------------------------------------------------------------

    def boot(self, interval_s: int = 86_400) -> dict[str, Any]:
        self.connect()
        said = self.expect("BootNotification", answer=self.registration("Accepted", interval_s))
        self.take_all_statuses()
        return said

    def take_all_statuses(self) -> dict[tuple[int, int], str]:
        """The station tells the status of every connector, and nothing else: connector -> status."""
        assert self.hear() == []
        assert sorted(set(self.told)) == self.connectors(), f"statuses of {self.told} only"
        return self.status

    def connectors(self) -> list[tuple[int, int]]:
        return [(evse.id, id) for evse in self.engine.evses.values() for id in evse.connectors]

    def hear(self) -> list[Event]:
        """Answers statuses and TransactionEvents until the station is silent; the latter."""
        self.told.clear()
        first = len(self.events)
        while self.calls:
            action = self.calls[0][2]
            assert action in ("StatusNotification", "TransactionEvent"), f"unexpected {self.calls[0]}"
            self.expect(action)
        return self.events[first:]

    def hear_with_updates(self) -> list[tuple[int, str]]:
        """As `hear`, where no TransactionEvent but ReservationStatusUpdates are due: (reservation, status) of these."""
        updates = []
        self.told.clear()
        while self.calls:
            if self.calls[0][2] == "ReservationStatusUpdate":
                said = self.expect("ReservationStatusUpdate")
                updates.append((said["reservationId"], said["reservationUpdateStatus"]))
            else:
                self.expect("StatusNotification")
        return updates

    def expect(self, action: str, answer: Any = "usual", **fields: Any) -> dict[str, Any]:
        said = self.calls[0][3] if self.calls and self.calls[0][2] == action else {}
        if action == "StatusNotification" and said:
            connector = (said["evseId"], said["connectorId"])
            self.status[connector] = said["connectorStatus"]
            self.told.append(connector)
        elif action == "TransactionEvent" and said:
            self._judge(said)
        self._said = said
        return super().expect(action, answer, **fields)

    def _usual(self, action: str) -> dict[str, Any]:
        if action == "Authorize":
            return {"idTokenInfo": self.tokens.get(self._said["idToken"]["idToken"], ACCEPTED)}
        if action == "TransactionEvent" and "idToken" in self._said:
            return {"idTokenInfo": self.tokens.get(self._said["idToken"]["idToken"], ACCEPTED)}
        return {"currentTime": timestamp(self._utc())} if action == "Heartbeat" else {}

    def _judge(self, event: Event) -> None:
        """Rules for every event; one that is said again is judged once."""
        repeated = event in self.events
        self.events.append(event)
        if repeated:
            return
        id, seq = event["transactionInfo"]["transactionId"], event["seqNo"]
        assert seq == self._next_seq.get(id, 0), f"seqNo: {event}"
        assert (event["eventType"] == "Started") == (seq == 0), f"Started is the first, once: {event}"
        self._next_seq[id] = None if event["eventType"] == "Ended" else seq + 1
        if seq == 0:
            self._latest[event.get("evse", {"id": self.evse})["id"]] = id

    def transaction(self, evse: int = 1) -> str:
        """Id of the latest transaction of an EVSE."""
        return self._latest[evse]

    def is_on(self, evse: int = 1) -> bool:
        """Whether a transaction goes on there, for all the CSMS knows."""
        return evse in self._latest and self._next_seq[self._latest[evse]] is not None

    # -- variables -----------------------------------------------------------------------------------------------------

    def put(self, **variables: Any) -> None:
        """SetVariables of `TxCtrlr__TxStartPoint="Authorized"` or `C__V__instance=...`, which must be accepted."""
        for name, value in variables.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            (result,) = self.ask("SetVariables", setVariableData=[{**variable(name), "attributeValue": text}])[
                "setVariableResult"
            ]
            assert result["attributeStatus"] == "Accepted", result

    def read(self, name: str) -> str:
        """GetVariables of one, which must be accepted."""
        (result,) = self.ask("GetVariables", getVariableData=[variable(name)])["getVariableResult"]
        assert result["attributeStatus"] == "Accepted", result
        value: str = result["attributeValue"]
        return value

    def points(self, name: str) -> set[str]:
        """TxStartPoint or TxStopPoint."""
        return set(self.read(f"TxCtrlr__{name}").split(","))

    def report(self, base: str) -> list[dict[str, Any]]:
        """GetBaseReport, all of its parts."""
        self._request_id += 1
        answer = self.ask("GetBaseReport", requestId=self._request_id, reportBase=base)
        assert answer == {"status": "Accepted"}, answer
        return self.take_report(self._request_id)

    def take_report(self, request_id: int) -> list[dict[str, Any]]:
        """NotifyReports up to the last: requestId, seqNo from 0 and tbc are right in each; what they list."""
        listed: list[dict[str, Any]] = []
        for seq in range(1000):
            part = self.expect("NotifyReport", requestId=request_id, seqNo=seq)
            assert part["generatedAt"]
            listed += part["reportData"]
            if not part.get("tbc"):
                break
        self.quiet()
        return listed


def variable(name: str) -> dict[str, Any]:
    """`component__variable` or `component__variable__instance` as a member of SetVariables and GetVariables."""
    component, wanted, *instance = name.split("__")
    said = {"name": wanted, "instance": instance[0]} if instance else {"name": wanted}
    return {"component": {"name": component}, "variable": said}


def token(id: str = TOKEN) -> dict[str, str]:
    """IdTokenType of a card."""
    return {"idToken": id, "type": "ISO14443"}


def triggers(events: list[Event]) -> list[str]:
    return [event["triggerReason"] for event in events]


def state_of(event: Event) -> str | None:
    state: str | None = event["transactionInfo"].get("chargingState")
    return state


def only(events: list[Event], trigger: str, kind: str | None = None, **info: Any) -> Event:
    """The one event in there: with this trigger and eventType and these members of transactionInfo."""
    assert len(events) == 1, f"one event with {trigger}, not {events}"
    check(events[0], trigger, kind, **info)
    return events[0]


def check(event: Event, trigger: str, kind: str | None = None, **info: Any) -> None:
    """An event has this trigger, eventType and these members of transactionInfo."""
    found = {name: event["transactionInfo"].get(name) for name in info}
    assert event["triggerReason"] == trigger and found == info, event
    assert kind in (None, event["eventType"]), event


# -- reusable states ---------------------------------------------------------------------------------------------------


def booting(station: Station) -> None:
    """Booting: Reset, Immediate, and the station is down and up again, not connected yet."""
    assert station.ask("Reset", type="Immediate") == {"status": "Accepted"}
    station.advance(1)
    station.reboot()


def booted(station: Station, reason: str = "RemoteReset") -> dict[tuple[int, int], str]:
    """Booted: Reset, BootNotification with its reason, all statuses, the security event; the statuses."""
    station.security_events.clear()
    booting(station)
    return boots(station, reason)


def boots(station: Station, reason: str) -> dict[tuple[int, int], str]:
    """The steps of Booted after the restart."""
    said = station.boot()
    assert said["reason"] == reason, said
    kinds = [event["type"] for event in station.security_events]
    assert kinds and kinds[-1] in ("StartupOfTheDevice", "ResetOrReboot"), kinds
    return station.status


def parking_bay_occupied(station: Station, evse: int = 1) -> list[Event]:
    """ParkingBayOccupied: a vehicle stops before the EVSE."""
    station.evse = evse
    starts = not station.is_on(evse) and "ParkingBayOccupancy" in station.points("TxStartPoint")
    station.do("park", evse)
    events = station.hear()
    if starts or station.is_on(evse):
        only(events, "EVDetected", "Started" if starts else "Updated")
    else:
        assert events == []
    return events


def unavailable(station: Station, evse: int | None = None, connector: int | None = None) -> None:
    """Unavailable: ChangeAvailability is Accepted, each connector of the scope is told Unavailable."""
    place = {} if evse is None else {"evse": {"id": evse}}
    if connector is not None:
        place["evse"]["connectorId"] = connector
    assert station.ask("ChangeAvailability", operationalStatus="Inoperative", **place) == ACCEPTED
    assert station.hear() == []
    scope = [each for each in station.connectors() if evse in (None, each[0]) and connector in (None, each[1])]
    assert sorted(station.told) == scope
    assert {station.status[each] for each in scope} == {"Unavailable"}


def reserve(
    station: Station, evse: int | None = 1, tag: str = TOKEN, expires_in_s: float = 3600.0, **fields: Any
) -> dict[str, Any]:
    """ReserveNow with the id 1 if no other is said; `evse` None: any. The answer."""
    expiry = timestamp(station._utc() + expires_in_s)
    place = {} if evse is None else {"evseId": evse}
    return station.ask("ReserveNow", **{"id": 1, "idToken": token(tag), "expiryDateTime": expiry, **place, **fields})


def reserved(station: Station, evse: int | None = 1, tag: str = TOKEN, **fields: Any) -> None:
    """Reserved: accepted, and the connectors of the EVSE (None: of the only one left) are told Reserved."""
    assert reserve(station, evse, tag, **fields) == ACCEPTED
    assert station.hear() == []
    scope = [each for each in station.connectors() if each[0] == (evse or 1)]
    assert station.told == scope
    assert {station.status[each] for each in scope} == {"Reserved"}


def ev_connected_pre_session(station: Station, evse: int = 1) -> list[Event]:
    """EVConnectedPreSession: a cable where nobody is authorized yet."""
    starts = "EVConnected" in station.points("TxStartPoint")
    station.plug(evse)
    events = station.hear()
    assert station.told == [(evse, 1)] and station.status[evse, 1] == "Occupied"
    if starts:
        only(events, "CablePluggedIn", "Started", chargingState="EVConnected")
        assert events[0]["evse"] == {"id": evse, "connectorId": 1}
    else:
        assert events == []
    return events


def present(station: Station, id: str = TOKEN, evse: int = 1, asked: bool = True) -> list[Event]:
    """A card at the reader of an EVSE; `asked`: Authorize follows, answered as `station.tokens` says."""
    station.tap(id, evse)
    if asked:
        station.expect("Authorize", idToken=token(id))
    return station.hear()


def authorized(
    station: Station, id: str = TOKEN, evse: int = 1, *, remote: bool = False, asked: bool = True
) -> list[Event]:
    """Authorized, A by card, B by RequestStartTransaction; with the cable plugged energy flows at once."""
    station.evse = evse
    plugged = station.engine.evses[evse].plugged is not None
    points, was_on = station.points("TxStartPoint"), station.is_on(evse)
    if remote:
        answer = station.ask("RequestStartTransaction", idToken=token(id), evseId=evse, remoteStartId=77)
        assert answer["status"] == "Accepted", answer
        assert answer.get("transactionId") == (station.transaction(evse) if was_on else None)
        if asked and station.read("AuthCtrlr__AuthorizeRemoteStart") == "true":
            station.expect("Authorize", idToken=token(id))
        events = station.hear()
    else:
        events = present(station, id, evse, asked)
    if was_on or "Authorized" in points or (plugged and "PowerPathClosed" in points):
        check(events[0], "RemoteStart" if remote else "Authorized", "Updated" if was_on else "Started")
        _identified(events[0], id, remote)
    if not plugged:
        assert len(events) == (was_on or "Authorized" in points)
    return events


def _identified(event: Event, id: str, remote: bool) -> None:
    assert event["idToken"] == token(id), event
    assert event["transactionInfo"].get("remoteStartId") == (77 if remote else None), event


def energy_transfer_started(
    station: Station, id: str = TOKEN, evse: int = 1, *, remote: bool = False, asked: bool = True
) -> list[Event]:
    """EnergyTransferStarted: what of card and cable is still missing, then energy flows; the events of all this."""
    first = len(station.events)
    if station.engine.evses[evse].authorized is None:
        authorized(station, id, evse, remote=remote, asked=asked)
    if station.engine.evses[evse].plugged is None:
        was_on = station.is_on(evse)
        station.plug(evse)
        events = station.hear()
        assert (evse, 1) in station.told and station.status[evse, 1] == "Occupied"
        assert events[0]["evse"] == {"id": evse, "connectorId": 1}
        if was_on:
            check(events[0], "CablePluggedIn", "Updated", chargingState="EVConnected")
    events = station.events[first:]
    assert state_of(station.events[-1]) == "Charging", station.events[-1]
    assert station.is_charging(evse)
    return events


def energy_transfer_suspended(station: Station, evse: int = 1) -> list[Event]:
    """EnergyTransferSuspended: the EV wants no more energy."""
    station.advance(DURATION_S)
    station.hear()
    station.do("suspend", evse)
    station.advance(5)
    events = station.hear()
    check(events[0], "ChargingStateChanged")
    assert state_of(events[0]) in ("EVConnected", "SuspendedEV")
    if events[0]["eventType"] == "Ended":
        assert events[0]["transactionInfo"]["stoppedReason"] == "StoppedByEV"
    return events


def stop_authorized(
    station: Station, id: str = TOKEN, evse: int = 1, *, remote: bool = False, asked: bool = False
) -> list[Event]:
    """StopAuthorized, A by card, B by RequestStopTransaction: no energy any more."""
    station.advance(DURATION_S)
    station.hear()
    if remote:
        assert station.ask("RequestStopTransaction", transactionId=station.transaction(evse)) == {"status": "Accepted"}
        events = station.hear()
    else:
        events = present(station, id, evse, asked)
    check(events[0], "RemoteStop" if remote else "StopAuthorized")
    if not remote:
        assert events[0].get("idToken") in (None, token(id))
    for event in events[1:]:
        check(event, "ChargingStateChanged", chargingState="EVConnected")
    if station.points("TxStopPoint") & AUTHORIZATION_POINTS:
        assert events[-1]["eventType"] == "Ended"
        assert events[-1]["transactionInfo"].get("stoppedReason") == ("Remote" if remote else "Local")
        assert state_of(events[-1]) == "EVConnected"
    assert not station.is_charging(evse)
    return events


def ev_disconnected(station: Station, evse: int = 1, status: str = "Available") -> list[Event]:
    """EVDisconnected: the cable is unplugged after the session."""
    was_on = station.is_on(evse)
    station.unplug(evse)
    events = station.hear()
    assert (evse, 1) in station.told and station.status[evse, 1] == status
    if was_on:
        only(events, "EVCommunicationLost", chargingState="Idle")
    else:
        assert events == []
    return events


def parking_bay_unoccupied(station: Station, evse: int = 1) -> list[Event]:
    """ParkingBayUnoccupied from EnergyTransferStarted on; the events since, the last of the transaction Ended."""
    first = len(station.events)
    if station.engine.evses[evse].authorized is not None:
        stop_authorized(station, evse=evse)
    if station.engine.evses[evse].plugged is not None:
        ev_disconnected(station, evse)
    if station.engine.evses[evse].parking:
        station.do("leave", evse)
        if station.is_on(evse):
            check(station.hear()[-1], "EVDeparted", "Ended", stoppedReason="Local")
    assert not station.is_on(evse)
    return station.events[first:]


# -- memory states -----------------------------------------------------------------------------------------------------


def id_token_cached(station: Station, id: str = TOKEN, info: dict[str, Any] | None = None, evse: int = 1) -> None:
    """IdTokenCached: the card was shown once, the CSMS said `info`; the EVSE is free again."""
    station.tokens[id] = info or ACCEPTED
    station.tap(id, evse)
    station.expect("Authorize", idToken=token(id))
    if station.engine.evses[evse].authorized is not None:
        station.tap(id, evse)
    station.hear()
    assert station.engine.evses[evse].authorized is None


def id_token_local_auth_list(
    station: Station, *listed: tuple[str, dict[str, Any]], version: int = 1, full: bool = True
) -> None:
    """IdTokenLocalAuthList: SendLocalList with these tokens and their IdTokenInfo, which must be accepted."""
    station.put(LocalAuthListCtrlr__Enabled=True)
    items = [{"idToken": token(id), "idTokenInfo": info} for id, info in listed or ((TOKEN, ACCEPTED),)]
    kind = "Full" if full else "Differential"
    answer = station.ask("SendLocalList", versionNumber=version, updateType=kind, localAuthorizationList=items)
    assert answer == ACCEPTED, answer


def transaction_events_in_queue_ended(station: Station, id: str = TOKEN) -> None:
    """TransactionEventsInQueueEnded: a whole transaction without a connection; the connection is open again."""
    id_token_cached(station, id)
    station.put(AuthCtrlr__OfflineTxForUnknownIdEnabled=True)
    station.drop()
    station.plug()
    station.tap(id, 1)
    assert station.is_charging()
    station.advance(DURATION_S)
    station.tap(id, 1)
    station.unplug()
    assert not station.is_charging()
    station.connect()
