"""F01 to F06: remote start and stop, unlock, trigger."""

from __future__ import annotations

from typing import Any

import pytest

from evse.model import Connector
from tests.support.bench import Bench, versions, versions2

QUIET = {"security": ""}


def station(version: str, evses: int = 1, **options: Any) -> Bench:
    """A station that is connected, accepted and has told its status."""
    bench = Bench(evses=evses, **{"blocks": QUIET, **options})
    bench.connect(version)
    for evse in range(1, evses + 1):
        bench.reading(evse, 1000)
    bench.take_effects()
    return bench


def start(bench: Bench, version: str, evse: int | None = 1, kind: str = "ISO14443", **more: Any) -> dict[str, Any]:
    """A remote start for the token "T": the answer."""
    if version == "1.6":
        return bench.ask(
            "RemoteStartTransaction", {"idTag": "T", **({"connectorId": evse} if evse is not None else {}), **more}
        )
    request = {"idToken": {"idToken": "T", "type": kind}, "remoteStartId": 42, **more}
    return bench.ask("RequestStartTransaction", request if evse is None else {"evseId": evse, **request})


def charging(bench: Bench, evse: int = 1) -> None:
    """The charging side follows an authorization up to the flow of energy."""
    bench.fact("power_path", evse, True)
    bench.fact("charging_state", evse, "Charging")


def said(bench: Bench, action: str, **answers: Any) -> list[dict[str, Any]]:
    """What the station says until it is silent, of one action."""
    return [payload for each, payload in bench.settle(answers) if each == action]


def event(version: str) -> str:
    return "StartTransaction" if version == "1.6" else "TransactionEvent"


# -- start ----------------------------------------------------------------------------------------------------------


@versions
def test_f01_fr_02_cable_first_starts_without_asking(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    bench.settle()
    assert start(bench, version) == {"status": "Accepted"}
    assert ("authorize", 1) in bench.take_effects()
    (payload, *_) = said(bench, event(version))
    if version == "1.6":
        assert payload["idTag"] == "T"
    else:  # [F01.FR.04, F01.FR.19, F02.FR.01]
        assert payload["idToken"] == {"idToken": "T", "type": "ISO14443"}
        assert payload["triggerReason"] == "RemoteStart"
        assert payload["transactionInfo"]["remoteStartId"] == 42


@versions
def test_f02_fr_21_remote_start_first_then_the_cable(version: str) -> None:
    bench = station(version)
    assert start(bench, version) == {"status": "Accepted"}
    bench.settle()
    bench.fact("plugged", 1, 1)
    (payload, *_) = said(bench, event(version))
    assert version == "1.6" or (payload["triggerReason"], payload["transactionInfo"]["remoteStartId"]) == (
        "RemoteStart",
        42,
    )


@versions
def test_f01_fr_01_f02_fr_09_authorize_remote_start_asks_after_the_answer(version: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    bench.fact("plugged", 1, 1)
    bench.settle()
    assert start(bench, version) == {"status": "Accepted"}
    assert not bench.take_effects("authorize")
    bench.expect("Authorize")
    bench.answer(bench.usual("Authorize"))
    assert bench.take_effects("authorize") == [("authorize", 1)]
    assert said(bench, event(version))


@versions
def test_f01_fr_01_a_token_that_is_refused_then_starts_nothing(version: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    bench.fact("plugged", 1, 1)
    bench.settle()
    start(bench, version)
    info = {"status": "Blocked"}
    bench.expect("Authorize")
    bench.answer({"idTagInfo": info} if version == "1.6" else {"idTokenInfo": info})
    assert not bench.take_effects("authorize")
    assert ("display", 1, "remote start refused: Blocked") in bench.take_effects("display")
    assert start(bench, version)["status"] == "Accepted", "the EVSE is free again"


@versions
def test_a_second_request_while_the_first_is_being_authorized_is_rejected(version: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    start(bench, version)
    assert start(bench, version)["status"] == "Rejected"


@versions2
def test_c05_fr_01_a_token_of_type_central_is_never_authorized(version: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    assert start(bench, version, kind="Central") == {"status": "Accepted"}
    assert ("authorize", 1) in bench.take_effects()
    assert not said(bench, "Authorize")


@versions2
def test_f01_fr_13_fr_25_a_transaction_that_waits_for_its_driver_is_named(version: str) -> None:
    bench = station(version)
    bench.model.set("TxCtrlr", "TxStartPoint", "EVConnected")
    bench.fact("plugged", 1, 1)
    (started,) = said(bench, "TransactionEvent")
    id = started["transactionInfo"]["transactionId"]
    assert start(bench, version) == {"status": "Accepted", "transactionId": id}
    (updated,) = said(bench, "TransactionEvent")
    assert (updated["eventType"], updated["triggerReason"]) == ("Updated", "RemoteStart")
    assert updated["transactionInfo"]["remoteStartId"] == 42
    assert updated["transactionInfo"]["transactionId"] == id


@versions
def test_f01_fr_24_a_transaction_that_was_authorized_cannot_be_started_again(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    start(bench, version)
    bench.settle()
    answer = start(bench, version)
    assert answer["status"] == "Rejected"
    assert version == "1.6" or answer["statusInfo"]["reasonCode"] == "TxInProgress"


@versions
def test_f01_fr_20_without_an_evse_the_one_with_a_cable_is_chosen(version: str) -> None:
    bench = station(version, evses=3)
    bench.fact("plugged", 2, 1)
    bench.settle()
    assert start(bench, version, None)["status"] == "Accepted"
    assert bench.take_effects("authorize") == [("authorize", 2)]
    assert start(bench, version, None)["status"] == "Accepted"
    assert bench.take_effects("authorize") == [("authorize", 1)]


@versions
def test_f01_fr_07_without_an_evse_and_without_a_free_one_it_is_rejected(version: str) -> None:
    bench = station(version)
    start(bench, version)
    assert start(bench, version, None)["status"] == "Rejected"


@versions
@pytest.mark.parametrize("evse", [0, 2, -1])
def test_an_unknown_evse_is_rejected(version: str, evse: int) -> None:
    """[1.6 certification 027] Connector 0 can start nothing."""
    bench = station(version)
    if version == "1.6":
        reply = bench.ask_raw("RemoteStartTransaction", {"idTag": "T", "connectorId": evse})
    else:
        token = {"idToken": "T", "type": "Central"}
        reply = bench.ask_raw("RequestStartTransaction", {"idToken": token, "remoteStartId": 1, "evseId": evse})
    assert reply is not None
    assert reply[0] == 4 or reply[2]["status"] == "Rejected"
    assert not bench.take_effects("authorize")


@versions
def test_f01_fr_23_an_evse_that_is_faulted_or_unavailable_is_rejected(version: str) -> None:
    bench = station(version)
    bench.fact("fault", 1, "GroundFailure", "")
    assert start(bench, version)["status"] == "Rejected"
    bench.fact("cleared", 1, "GroundFailure")
    bench.engine.block("availability").hold("test", 1, "Unavailable")
    assert start(bench, version)["status"] == "Rejected"
    bench.engine.block("availability").hold("test", 1, "Reserved")
    assert start(bench, version)["status"] == "Rejected"  # [F01.FR.21]
    bench.engine.block("availability").release("test", 1)
    assert start(bench, version)["status"] == "Accepted"


@versions
def test_f01_fr_12_a_charging_profile_is_ignored_without_smart_charging(version: str) -> None:
    bench = station(version, blocks={**QUIET, "smart_charging": ""})
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]}
    profile: dict[str, Any] = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
    }
    if version == "1.6":
        profile.update(chargingProfileId=1, chargingSchedule=schedule)
    else:
        profile.update(id=1, chargingSchedule=[{"id": 1, **schedule}])
    assert start(bench, version, chargingProfile=profile)["status"] == "Accepted"


@versions2
@pytest.mark.parametrize("authorize", ["true", "false"])
def test_the_group_of_the_request_may_stop_the_transaction(version: str, authorize: str) -> None:
    bench = station(version)
    bench.model.set("AuthCtrlr", "AuthorizeRemoteStart", authorize)
    bench.fact("plugged", 1, 1)
    start(bench, version, groupIdToken={"idToken": "G", "type": "Central"})
    bench.settle()
    charging(bench)
    bench.settle()
    bench.tap("FRIEND")
    bench.settle(
        {"Authorize": {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": "G", "type": "Central"}}}}
    )
    assert bench.take_effects("stop") == [("stop", 1, "Local")]


@versions
@pytest.mark.parametrize("missing", ["idToken", "remoteStartId"])
def test_a_request_without_what_is_required_is_refused(version: str, missing: str) -> None:
    bench = station(version)
    if version == "1.6":
        reply = bench.ask_raw("RemoteStartTransaction", {"connectorId": 1})
    else:
        request = {"idToken": {"idToken": "T", "type": "Central"}, "remoteStartId": 1}
        del request[missing]
        reply = bench.ask_raw("RequestStartTransaction", request)
    assert reply is not None and reply[0] == 4


# -- stop -----------------------------------------------------------------------------------------------------------


@versions
def test_f03_fr_03_fr_07_a_remote_stop_ends_the_transaction(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    start(bench, version)
    charging(bench)
    (started, *_) = said(bench, event(version))
    id = 4711 if version == "1.6" else started["transactionInfo"]["transactionId"]
    action = "RemoteStopTransaction" if version == "1.6" else "RequestStopTransaction"
    bench.take_effects()
    assert bench.ask(action, {"transactionId": id}) == {"status": "Accepted"}
    assert bench.take_effects("stop") == [("stop", 1, "Remote")]
    bench.fact("power_path", 1, False)
    bench.fact("stopped", 1, "Remote")
    (ended,) = said(bench, "StopTransaction" if version == "1.6" else "TransactionEvent")
    if version == "1.6":
        assert ended["reason"] == "Remote"
    else:
        assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "RemoteStop")
        assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert bench.ask(action, {"transactionId": id})["status"] == "Rejected"


@versions2
def test_f03_fr_02_a_stop_point_that_is_not_reached_goes_on_without_energy(version: str) -> None:
    bench = station(version)
    bench.model.set("TxCtrlr", "TxStopPoint", "EVConnected")
    bench.fact("plugged", 1, 1)
    start(bench, version)
    charging(bench)
    id = said(bench, "TransactionEvent")[0]["transactionInfo"]["transactionId"]
    bench.ask("RequestStopTransaction", {"transactionId": id})
    bench.fact("power_path", 1, False)
    bench.fact("stopped", 1, "Remote")
    kinds = [(each["eventType"], each["triggerReason"]) for each in said(bench, "TransactionEvent")]
    assert kinds[0] == ("Updated", "RemoteStop")
    assert "Ended" not in [kind for kind, _ in kinds]


@versions
def test_f03_fr_08_an_unknown_transaction_is_rejected(version: str) -> None:
    bench = station(version)
    if version == "1.6":
        assert bench.ask("RemoteStopTransaction", {"transactionId": -1}) == {"status": "Rejected"}
    else:
        answer = bench.ask("RequestStopTransaction", {"transactionId": "none"})
        assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}}
    assert not bench.take_effects("stop")


# -- unlock ---------------------------------------------------------------------------------------------------------


def unlock(version: str, evse: int = 1, connector: int = 1) -> tuple[str, dict[str, Any]]:
    return "UnlockConnector", {"connectorId": evse} if version == "1.6" else {"evseId": evse, "connectorId": connector}


@versions
def test_f05_fr_04_fr_06_unlocked_when_the_lock_says_so(version: str) -> None:
    """Cable or not."""
    bench = station(version, sockets=True)
    assert bench.ask_raw(*unlock(version)) is None
    assert bench.take_effects("unlock") == [("unlock", 1, 1)]
    bench.fact("lock", 1, 1, False)
    assert bench.reply() == [3, bench.last_asked, {"status": "Unlocked"}]


@versions
@pytest.mark.parametrize("fact", [("lock", 1, 1, True), ("fault", 1, "ConnectorLockFailure", "jammed")])
def test_f05_fr_05_unlock_failed_when_the_lock_says_so(version: str, fact: tuple[Any, ...]) -> None:
    bench = station(version, sockets=True)
    bench.ask_raw(*unlock(version))
    bench.fact(*fact)
    assert bench.reply() == [3, bench.last_asked, {"status": "UnlockFailed"}]


@versions
def test_f05_fr_05_a_lock_that_says_nothing_has_failed(version: str) -> None:
    bench = station(version, sockets=True)
    bench.ask_raw(*unlock(version))
    bench.advance(9)
    assert bench.reply() is None
    bench.advance(2)
    assert bench.reply() == [3, bench.last_asked, {"status": "UnlockFailed"}]
    bench.fact("lock", 1, 1, False)
    assert bench.reply() is None, "one answer"


@versions
def test_another_lock_is_not_the_answer(version: str) -> None:
    bench = station(version, evses=2, sockets=True)
    bench.ask_raw(*unlock(version, 1))
    bench.fact("lock", 2, 1, False)
    assert bench.reply() is None


@versions
def test_f05_fr_03_an_unknown_connector(version: str) -> None:
    """[1.6 errata 3.87] NotSupported: connectorId is unknown."""
    bench = station(version, sockets=True)
    expected = "NotSupported" if version == "1.6" else "UnknownConnector"
    assert bench.ask(*unlock(version, 2))["status"] == expected
    assert version == "1.6" or bench.ask(*unlock(version, 1, 2))["status"] == expected
    assert not bench.take_effects("unlock")


@versions2
def test_f05_fr_03_connector_0_is_unknown(version: str) -> None:
    bench = station(version, sockets=True)
    assert bench.ask(*unlock(version, 1, 0)) == {"status": "UnknownConnector"}


def test_16_an_evse_unlocks_the_connector_that_is_plugged() -> None:
    """[1.6 §3.8] Connector 1 of 1.6 is the EVSE 1."""
    bench = station("1.6", sockets=True)
    bench.engine.evses[1].connectors[2] = Connector(2, tethered=False)
    bench.fact("plugged", 1, 2)
    bench.settle()
    bench.ask_raw(*unlock("1.6"))
    assert bench.take_effects("unlock") == [("unlock", 1, 2)]


@versions
def test_f05_a_fixed_cable_cannot_be_unlocked(version: str) -> None:
    bench = station(version)
    answer = bench.ask(*unlock(version))
    if version == "1.6":
        assert answer == {"status": "NotSupported"}
    else:
        assert answer == {"status": "UnlockFailed", "statusInfo": {"reasonCode": "FixedCable"}}


@versions2
def test_f05_fr_02_an_authorized_transaction_keeps_its_lock(version: str) -> None:
    bench = station(version, sockets=True)
    bench.fact("plugged", 1, 1)
    start(bench, version)
    bench.settle()
    bench.take_effects()
    assert bench.ask(*unlock(version)) == {"status": "OngoingAuthorizedTransaction"}
    assert not bench.take_effects()


@versions
def test_f05_one_who_was_authorized_and_has_no_cable_does_not_keep_the_lock(version: str) -> None:
    bench = station(version, sockets=True)
    bench.tap("CARD")
    bench.settle()
    assert bench.ask_raw(*unlock(version)) is None
    assert bench.take_effects("unlock") == [("unlock", 1, 1)]
    assert not bench.take_effects("stop")


@versions2
def test_f05_a_cable_that_is_stuck_after_the_stop_can_be_unlocked(version: str) -> None:
    """The transaction goes on until the EV is disconnected, but nobody is authorized any more."""
    bench = station(version, sockets=True)
    bench.model.set("TxCtrlr", "TxStopPoint", "EVConnected")
    bench.fact("plugged", 1, 1)
    start(bench, version)
    charging(bench)
    id = said(bench, "TransactionEvent")[0]["transactionInfo"]["transactionId"]
    bench.ask("RequestStopTransaction", {"transactionId": id})
    bench.fact("power_path", 1, False)
    bench.fact("stopped", 1, "Remote")
    bench.settle()
    assert bench.ask_raw(*unlock(version)) is None
    assert bench.take_effects("unlock") == [("unlock", 1, 1)]


@versions2
def test_f05_fr_02_a_session_whose_ev_departed_keeps_its_lock(version: str) -> None:
    """[E10]"""
    bench = station(version, sockets=True)
    bench.model.set("TxCtrlr", "StopTxOnEVSideDisconnect", "false")
    bench.fact("plugged", 1, 1)
    start(bench, version)
    charging(bench)
    bench.fact("unplugged", 1, 1)
    bench.settle()
    assert bench.ask(*unlock(version)) == {"status": "OngoingAuthorizedTransaction"}


def test_an_unavailable_connector_that_is_plugged_starts_nothing() -> None:
    bench = station("2.0.1")
    bench.engine.evses[1].connectors[2] = Connector(2)
    evse = {"id": 1, "connectorId": 1}
    bench.ask("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": evse})
    bench.fact("plugged", 1, 1)
    assert start(bench, "2.0.1")["status"] == "Rejected"


def test_16_a_transaction_is_stopped_before_the_connector_is_unlocked() -> None:
    """[1.6 §5.18] If there was a transaction in progress, the charge point shall finish it first."""
    bench = station("1.6", sockets=True)
    bench.fact("plugged", 1, 1)
    start(bench, "1.6")
    charging(bench)
    bench.settle()
    bench.take_effects()
    assert bench.ask_raw(*unlock("1.6")) is None
    assert [effect[0] for effect in bench.take_effects()] == ["stop"]
    asked = bench.last_asked
    bench.fact("power_path", 1, False)
    bench.fact("lock", 1, 1, False)
    assert bench.reply() is None, "the end of the session unlocks, too: the answer is that to our own attempt"
    bench.fact("stopped", 1, "Other")
    assert bench.take_effects("unlock") == [("unlock", 1, 1)]
    bench.fact("lock", 1, 1, False)
    assert bench.replies.pop(asked) == [3, asked, {"status": "Unlocked"}]
    assert said(bench, "StopTransaction")[0]["reason"] == "UnlockCommand"


def test_16_a_session_that_does_not_stop_is_not_unlocked() -> None:
    bench = station("1.6", sockets=True)
    bench.fact("plugged", 1, 1)
    start(bench, "1.6")
    charging(bench)
    bench.settle()
    bench.ask_raw(*unlock("1.6"))
    bench.advance(16)
    assert bench.reply() == [3, bench.last_asked, {"status": "UnlockFailed"}]
    assert not bench.take_effects("unlock")


@versions
def test_a_second_request_for_the_same_lock_fails_at_once(version: str) -> None:
    bench = station(version, sockets=True)
    bench.ask_raw(*unlock(version))
    first = bench.last_asked
    assert bench.ask(*unlock(version))["status"] == "UnlockFailed"
    bench.fact("lock", 1, 1, False)
    assert bench.replies.pop(first)[2] == {"status": "Unlocked"}


@versions
def test_an_unlock_outlives_its_connection(version: str) -> None:
    bench = station(version, sockets=True)
    bench.ask_raw(*unlock(version))
    bench.drop()
    bench.fact("lock", 1, 1, False)
    bench.open(version)
    assert bench.reply() is None
    assert bench.ask_raw(*unlock(version)) is None, "the next request is served"


# -- trigger --------------------------------------------------------------------------------------------------------


def triggers(version: str) -> tuple[str, ...]:
    return ("TriggerMessage", "ExtendedTriggerMessage") if version == "1.6" else ("TriggerMessage",)


@versions
def test_f06_fr_04_the_answer_goes_out_before_the_message(version: str) -> None:
    bench = station(version)
    for action in triggers(version):
        bench.engine.receive(f'[2,"t","{action}",{{"requestedMessage":"Heartbeat"}}]')
        frames = [bench.engine.frames.popleft() for _ in range(2)]
        assert frames[0] == '[3,"t",{"status":"Accepted"}]'
        assert '"Heartbeat"' in frames[1]
        id = frames[1].split('"')[1]
        bench.receive([3, id, {"currentTime": bench.utc_text()}])


@versions
def test_f06_fr_06_triggered_meter_values(version: str) -> None:
    bench = station(version)
    for action in triggers(version):
        wanted = {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1}}
        assert bench.ask(action, {"requestedMessage": "MeterValues", **wanted}) == {"status": "Accepted"}
        assert len(said(bench, "MeterValues")) == 1


@versions
def test_1_6_certification_055_meter_values_of_an_unknown_connector_are_rejected(version: str) -> None:
    bench = station(version)
    wanted = {"connectorId": 2} if version == "1.6" else {"evse": {"id": 2}}
    assert bench.ask("TriggerMessage", {"requestedMessage": "MeterValues", **wanted})["status"] == "Rejected"
    bench.quiet()


@versions
def test_f06_fr_03_an_evse_that_is_not_relevant_is_ignored(version: str) -> None:
    bench = station(version)
    wanted = {"connectorId": 9} if version == "1.6" else {"evse": {"id": 9}}
    assert bench.ask("TriggerMessage", {"requestedMessage": "Heartbeat", **wanted}) == {"status": "Accepted"}
    assert said(bench, "Heartbeat") == [{}]


@versions2
def test_f06_fr_07_a_triggered_transaction_event(version: str) -> None:
    bench = station(version)
    trigger = {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}
    assert bench.ask("TriggerMessage", trigger)["status"] == "Rejected"
    bench.fact("plugged", 1, 1)
    start(bench, version)
    charging(bench)
    bench.settle()
    assert bench.ask("TriggerMessage", trigger) == {"status": "Accepted"}
    (payload,) = said(bench, "TransactionEvent")
    assert (payload["triggerReason"], payload["transactionInfo"]["chargingState"]) == ("Trigger", "Charging")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2.0.1", "SignCombinedCertificate"),
        ("2.1", "PublishFirmwareStatusNotification"),
        ("2.1", "CustomTrigger"),
    ],
)
def test_f06_fr_08_fr_19_a_message_without_its_block_is_not_implemented(version: str, message: str) -> None:
    bench = station(version)
    more = {"customTrigger": "x"} if message == "CustomTrigger" else {}
    assert bench.ask("TriggerMessage", {"requestedMessage": message, **more}) == {"status": "NotImplemented"}


def test_a_message_whose_block_is_switched_off_is_not_implemented() -> None:
    bench = Bench(blocks={**QUIET, "diagnostics": ""})
    bench.connect("1.6")
    for action, message in (
        ("TriggerMessage", "DiagnosticsStatusNotification"),
        ("ExtendedTriggerMessage", "LogStatusNotification"),
    ):
        assert bench.ask(action, {"requestedMessage": message}) == {"status": "NotImplemented"}


@versions
def test_b01_fr_08_nothing_can_be_triggered_before_the_first_answer_to_boot_notification(version: str) -> None:
    bench = Bench(blocks=QUIET)
    bench.open(version)
    assert bench.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})["status"] == "Rejected"
    bench.expect("BootNotification")
    bench.answer({"status": "Pending", "currentTime": bench.utc_text(), "interval": 60})
    assert bench.ask("TriggerMessage", {"requestedMessage": "Heartbeat"}) == {"status": "Accepted"}
    assert said(bench, "Heartbeat") == [{}]
