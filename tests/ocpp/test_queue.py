"""Delivery: order, attempts, intervals, outages. [E13; 1.6 §3.7.1; part 4 §4.1]"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import Bench, versions, versions2

SAMPLE = {"data_transfer": "tests.support.sampleblock:Block"}


class Station(Bench):
    """A bench whose data_transfer block talks and records at will."""

    def __init__(self, version: str | None = None, **options: Any) -> None:
        super().__init__(blocks=SAMPLE, **options)
        if version:
            self.connect(version)

    @property
    def sample(self) -> Any:
        return self.engine.block("data_transfer")

    def say(self, text: str, **options: Any) -> None:
        self.sample.say(text, **options)
        self.run()

    def keep(self, text: str, **options: Any) -> None:
        self.sample.keep(text, **options)
        self.run()

    def run(self) -> None:
        self.engine.pump()
        self._drain()

    def hear(self) -> str:
        """Data of the DataTransfer in flight."""
        data: str = self.expect("DataTransfer")["data"]
        return data

    def accept(self) -> None:
        self.answer({"status": "Accepted"})


def settle_boot(b: Station) -> None:
    """Answers what a fresh connection brings, up to the first DataTransfer."""
    while b.sent and b.sent[0][2] != "DataTransfer":
        action = b.sent[0][2]
        b.expect(action)
        b.answer(b.usual(action))


@versions
def test_one_call_is_in_flight(version: str) -> None:
    """[part 4 §4.1.1] no other CALL before the first one was answered or timed out."""
    b = Station(version)
    b.say("one")
    b.say("two")
    assert b.hear() == "one"
    b.quiet()
    b.accept()
    assert b.hear() == "two"


@versions
def test_message_ids_are_never_used_twice(version: str) -> None:
    b = Station(version)
    ids = set()
    for _count in range(50):
        b.say("x")
        b.keep("y")
        for _ in range(2):
            b.hear()
            assert b.open_id and len(b.open_id) <= 36
            ids.add(b.open_id)
            b.accept()
    assert len(ids) == 100


@versions
def test_events_come_in_order_and_each_once(version: str) -> None:
    b = Station(version)
    for text in "abc":
        b.keep(text)
    for text in "abc":
        assert b.hear() == text
        b.accept()
    b.quiet()
    assert b.journal.pending == 0


@versions
def test_a_call_waits_for_the_events_that_happened_before_it(version: str) -> None:
    b = Station(version)
    b.keep("event")
    b.keep("event 2")
    b.say("status")
    order = []
    for _ in range(3):
        order.append(b.hear())
        b.accept()
    assert order == ["event", "event 2", "status"]


@versions
def test_a_call_does_not_wait_for_the_backlog_of_an_outage(version: str) -> None:
    b = Station(version)
    b.drop()
    for count in range(5):
        b.keep(f"offline {count}")
    b.open(version)
    settle_boot(b)
    b.say("now")
    assert b.hear() == "offline 0", "it was in flight already"
    b.accept()
    assert b.hear() == "now"
    b.accept()
    assert [b.hear()] == ["offline 1"]


@versions
def test_an_event_in_flight_when_the_connection_breaks_is_sent_again(version: str) -> None:
    b = Station(version)
    b.keep("event")
    assert b.hear() == "event"
    first = b.open_id
    b.drop()
    b.open(version)
    b.settle({"DataTransfer": lambda payload: {"status": "Accepted"}})
    assert b.sample.heard == [("Event", "event", "DataTransfer", {"status": "Accepted"})]
    assert first is not None


@versions2
def test_the_id_of_an_event_that_was_not_answered_stays(version: str) -> None:
    """[2.1 part 4 §4.1.4; 2.0.1 errata] the id of a retried message may be that of the original, so a CSMS can tell."""
    b = Station(version)
    b.keep("event")
    b.hear()
    first = b.open_id
    b.drop()
    b.open(version)
    settle_boot(b)
    b.hear()
    assert b.open_id == first


def test_16_uses_a_new_id_for_every_attempt() -> None:
    """[1.6J errata] different from all message ids previously used."""
    b = Station("1.6")
    b.keep("event")
    b.hear()
    first = b.open_id
    b.refuse()
    b.advance(100_000)
    b.hear()
    assert b.open_id != first


@versions
def test_E13_FR_02_a_refused_event_is_sent_again_after_growing_intervals_and_then_given_up(version: str) -> None:
    """Attempt n+1 comes MessageAttemptInterval * n after the refusal; after MessageAttempts the event is given up."""
    b = Station(version)
    b.model.set("OCPPCommCtrlr", "MessageAttempts", "3", instance="TransactionEvent")
    b.model.set("OCPPCommCtrlr", "MessageAttemptInterval", "10", instance="TransactionEvent")
    b.keep("event")
    b.keep("next")
    for wait_s in (10, 20):
        assert b.hear() == "event"
        b.refuse()
        b.advance(wait_s - 1)
        b.quiet()
        b.advance(1)
    assert b.hear() == "event"
    b.refuse()
    assert b.hear() == "next", "what follows must not wait for ever"
    assert b.log.texts("error"), "a lost event is an error"


@versions
def test_E13_FR_01_an_event_without_answer_is_sent_again_on_the_same_connection(version: str) -> None:
    b = Station(version)
    b.model.set("OCPPCommCtrlr", "MessageAttemptInterval", "5", instance="TransactionEvent")
    b.keep("event")
    b.hear()
    b.advance(b.model.integer("OCPPCommCtrlr", "MessageTimeout", "Default") + 5)
    assert b.hear() == "event"
    assert not b.take_effects("reconnect")
    b.accept()


@versions
def test_a_call_without_answer_ends_with_a_timeout_and_asks_for_a_new_connection(version: str) -> None:
    b = Station(version)
    b.say("hello")
    b.hear()
    b.advance(b.model.integer("OCPPCommCtrlr", "MessageTimeout", "Default"))
    assert b.sample.ends[0][2].code == "Timeout"
    assert b.take_effects("reconnect")


@versions
def test_each_call_has_its_whole_time_whatever_was_answered_before(version: str) -> None:
    b = Station(version)
    for _ in range(3):
        b.say("answered")
        b.hear()
        b.advance(20)
        b.accept()
    b.say("never answered")
    b.hear()
    b.advance(29)
    assert [end[2] for end in b.sample.ends] == [None] * 3
    b.advance(1)
    assert b.sample.ends[3][2].code == "Timeout"
    b.advance(100)
    assert len(b.take_effects("reconnect")) == 1


@versions
def test_a_new_time_limit_holds_from_the_next_call_on(version: str) -> None:
    b = Station(version)
    b.say("answered")
    b.hear()
    b.accept()
    b.model.set("OCPPCommCtrlr", "MessageTimeout", "5", instance="Default")
    b.say("one")
    b.hear()
    b.model.set("OCPPCommCtrlr", "MessageTimeout", "60", instance="Default")
    b.advance(4)
    assert len(b.sample.ends) == 1
    b.advance(1)
    assert b.sample.ends[1][2].code == "Timeout"
    b.say("two")
    b.hear()
    b.advance(59)
    assert len(b.sample.ends) == 2
    b.advance(1)
    assert b.sample.ends[2][2].code == "Timeout"


@versions
def test_a_time_limit_of_the_station_file_holds(version: str) -> None:
    b = Station(
        version,
        variables=[
            {"component": "OCPPCommCtrlr", "variable": "MessageTimeout", "variable_instance": "Default", "value": "7"}
        ],
    )
    b.say("hello")
    b.hear()
    b.advance(6)
    assert not b.sample.ends
    b.advance(1)
    assert b.sample.ends[0][2].code == "Timeout"


@versions
def test_answered_calls_leave_no_timers(version: str) -> None:
    b = Station(version)
    timers = len(b.engine.timers._heap)
    for _ in range(100):
        b.say("hello")
        b.hear()
        b.accept()
        assert len(b.engine.timers._heap) <= timers + 1


@versions
def test_calls_end_when_the_connection_breaks(version: str) -> None:
    b = Station(version)
    b.say("one")
    b.say("two")
    b.drop()
    assert [end[2].code for end in b.sample.ends] == ["Disconnected", "Disconnected"]


@versions
def test_a_call_made_offline_ends_at_once(version: str) -> None:
    b = Station()
    b.say("hello")
    assert b.sample.ends[0][2].code == "Disconnected"


@versions
def test_waiting_calls_are_bounded(version: str) -> None:
    b = Station(version)
    for count in range(200):
        b.sample.say(str(count))
    b.run()
    overflown = [end for end in b.sample.ends if end[2] is not None and end[2].code == "Overflow"]
    assert len(overflown) == 200 - 128
    assert overflown[0][0] == "0", "the oldest goes first"


@versions
def test_a_row_that_cannot_be_written_does_not_stop_the_queue(version: str) -> None:
    b = Station(version)
    for text in ("broken", "silent", "fine"):
        b.keep(text)
    assert b.hear() == "fine"
    assert any("cannot be sent" in text for text in b.log.texts("error"))


@versions
def test_one_row_may_take_two_messages(version: str) -> None:
    """As 1.6 needs a StartTransaction before the StopTransaction of a transaction that began under 2.x."""
    b = Station(version)
    b.keep("twice")
    assert b.hear() == "first"
    b.accept()
    assert b.hear() == "twice"
    b.accept()
    b.quiet()
    assert b.journal.pending == 0


@versions
def test_an_error_that_is_final_for_the_block_is_not_retried(version: str) -> None:
    b = Station(version)
    b.keep("event")
    b.hear()
    b.refuse("NotSupported")
    b.advance(100_000)
    assert not [frame for frame in b.sent if frame[2] == "DataTransfer"]


def test_what_16_has_no_words_for_counts_as_said() -> None:
    b = Station("1.6")
    b.say("2.x only")
    b.say("both")
    assert b.hear() == "both"
    assert b.sample.ends == [("2.x only", {}, None)]


def test_an_answer_is_read_into_the_words_of_21() -> None:
    b = Station("1.6")
    b.say("hello")
    b.hear()
    b.accept()
    assert b.sample.ends[0][1] == {"16": "Accepted"}


@pytest.mark.parametrize("first", ["1.6", "2.0.1", "2.1"])
@versions
def test_what_was_journaled_under_one_version_is_delivered_in_another(first: str, version: str) -> None:
    b = Station(first)
    b.drop()
    b.keep("event")
    b.cut()
    b.restart()
    b.connect(version)
    assert b.journal.pending == 0
    assert b.sample.heard[0][1] == "event"


@versions
def test_nothing_but_early_calls_before_the_csms_accepts(version: str) -> None:
    b = Station()
    b.open(version)
    b.expect("BootNotification")
    b.answer({"status": "Pending", "currentTime": b.utc_text(), "interval": 100})
    b.say("not yet")
    b.keep("neither")
    b.quiet()
    b.say("early", early=True)
    assert b.hear() == "early"


@versions
def test_an_event_waits_in_memory_while_the_flash_refuses_it(version: str) -> None:
    """A full or broken flash loses nothing that fits into memory."""
    from evse.errors import StoreError

    b = Station(version)
    write = b.journal.write
    refused = []

    def refuse(*args: Any, **options: Any) -> None:
        refused.append(args)
        raise StoreError("disk full")

    b.engine.journal = _Wrapped(b.journal, refuse)
    b.keep("event")
    b.quiet()
    assert refused
    b.engine.journal.write = write
    b.advance(6)
    assert b.hear() == "event"


class _Wrapped:
    def __init__(self, journal: Any, write: Any) -> None:
        self._journal = journal
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@versions
def test_an_answer_with_a_time_without_zone_is_taken(version: str) -> None:
    """Seen with systems that write datetime.utcnow().isoformat(); no zone is read as UTC."""
    b = Bench()
    b.open(version)
    b.expect("BootNotification")
    b.answer({"status": "Accepted", "currentTime": b.utc_text().rstrip("Z"), "interval": 300})
    assert b.engine.online


@versions
def test_an_expiry_that_is_no_time_is_survived(version: str) -> None:
    info = {"status": "Accepted", "expiryDate" if version == "1.6" else "cacheExpiryDateTime": "tomorrow"}
    b = Bench()
    b.connect(version)
    b.fact("plugged", 1, 1)
    b.tap("CARD")
    b.settle({"Authorize": {"idTagInfo": info} if version == "1.6" else {"idTokenInfo": info}})
    assert ("authorize", 1) in b.effects
    assert any("no time" in text for text in b.log.texts("warning"))


@versions
def test_what_waited_is_on_the_disk_before_it_is_sent(version: str) -> None:
    """Else a power cut could take what the CSMS has, and a seqNo would be given a second time."""
    b = Station()
    b.keep("offline", durable=False)
    assert b.journal.unsynced
    b.open(version)
    b.expect("BootNotification")
    b.answer(b.usual("BootNotification"))
    assert not b.journal.unsynced
    settle_boot(b)
    assert b.hear() == "offline"
