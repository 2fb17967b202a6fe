"""The journal: order, numbers, state, segments, damage, overflow, what it costs."""

from __future__ import annotations

import errno
import json
import os
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from evse.errors import StoreError, UsageError
from evse.jsontext import JsonError
from evse.store.journal import KEYS, RESERVE, VALUE_CHARACTERS, Journal
from tests.support.logbook import Logbook
from tests.support.powercut import PowerCutFS

DIRECTORY = "/state/journal"


def opened(fs: Any, log: Logbook | None = None, **options: Any) -> Journal:
    return Journal(DIRECTORY, fs, log=log or Logbook(), **options)


def events(journal: Journal) -> list[Any]:
    """All that is to be delivered, without delivering it."""
    found, place = [], journal.head()
    while place is not None:
        found.append(place[1])
        place = journal.after(place[0])
    return found


def lines(fs: PowerCutFS) -> list[bytes]:
    return [line for _, content in sorted(fs.dump().items()) for line in content.splitlines()]


def patch(fs: PowerCutFS, path: str, offset: int, data: bytes) -> None:
    """Damages a file behind the journal's back."""
    fd = fs.open(path, os.O_RDWR)
    content = fs.pread(fd, 1 << 20, 0)
    fs.ftruncate(fd, 0)
    fs.write(fd, content[:offset] + data + content[offset + len(data) :])
    fs.close(fd)


# -- order, numbers, state --------------------------------------------------------------------------------------------


def test_events_come_out_in_order_with_rising_numbers() -> None:
    journal = opened(PowerCutFS())
    assert [journal.write({"n": n}) for n in range(3)] == [1, 2, 3]
    assert (journal.pending, journal.last_seq, journal.head()) == (3, 3, (1, {"n": 0}))
    assert (journal.after(1), journal.after(2), journal.after(3)) == ((2, {"n": 1}), (3, {"n": 2}), None)
    journal.done(1)
    assert (journal.pending, journal.done_seq, journal.head()) == (2, 1, (2, {"n": 1}))
    journal.done(3)
    assert (journal.pending, journal.head(), journal.after(0)) == (0, None, None)


def test_any_json_value_is_an_event() -> None:
    journal = opened(PowerCutFS())
    values: list[Any] = [0, False, "", [], {}, "Zähler\n", {"event": None, "group": 1}, -1.5]
    for value in values:
        journal.write(value, durable=False)
    assert events(journal) == values


def test_numbers_and_identity_go_on_after_a_restart_and_none_comes_again() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    assert len(journal.identity) == 8 and int(journal.identity, 16) >= 0
    journal.write("a")
    for _ in range(3):
        fs = fs.kill()
        before, journal = journal, opened(fs)
        assert journal.identity == before.identity
        assert journal.last_seq == before.last_seq + RESERVE
        assert journal.write("b") == before.last_seq + RESERVE + 1


def test_another_journal_has_another_identity() -> None:
    assert opened(PowerCutFS()).identity != opened(PowerCutFS()).identity


def test_the_state_is_kept_and_none_forgets() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    value = {"register_wh": 5}
    assert journal.write(keep={"transaction": value, "other": 0}) is None
    value["register_wh"] = 6
    assert journal.state == {"transaction": {"register_wh": 5}, "other": 0}
    journal.write({"n": 1}, {"transaction": None, "flag": False})
    journal.done(1, {"empty": ""})
    assert journal.state == {"other": 0, "flag": False, "empty": ""}
    assert opened(fs).state == journal.state


def test_what_is_delivered_stays_delivered_after_a_restart() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    for n in range(4):
        journal.write(n)
    journal.done(2)
    again = opened(fs)
    assert (again.pending, events(again), again.done_seq) == (2, [2, 3], 2)


def test_done_below_the_mark_only_changes_the_state() -> None:
    journal = opened(PowerCutFS())
    journal.write("a")
    journal.write("b")
    journal.done(2)
    size = journal.bytes
    journal.done(1)
    assert journal.bytes == size
    journal.done(1, {"k": 1})
    assert (journal.done_seq, journal.pending, journal.state) == (2, 0, {"k": 1})


def test_a_line_is_a_checksum_a_space_and_json() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write({"id": "é"}, {"k": 1})
    journal.done(1)
    records = []
    for line in lines(fs):
        assert int(line[:8], 16) == zlib.crc32(line[9:]) and line[8:9] == b" "
        records.append(json.loads(line[9:]))
    head, both, done = records
    assert head == {"id": journal.identity, "last": 0, "done": 0, "keep": {}}
    assert both == {"keep": {"k": 1}, "seq": 1, "event": {"id": "é"}}
    assert done == {"done": 1}


def test_durable_lines_are_synced_and_others_wait_for_sync() -> None:
    journal = opened(PowerCutFS())
    journal.write("a")
    assert not journal.unsynced
    journal.write("b", durable=False)
    assert journal.unsynced
    journal.sync()
    assert not journal.unsynced
    journal.done(1)
    assert journal.unsynced
    journal.write()
    assert not journal.unsynced
    journal.write(keep={"k": 1}, durable=False)
    assert journal.write(durable=False) is None and journal.unsynced
    journal.done(1, durable=True)
    assert not journal.unsynced


def test_a_sync_that_failed_is_made_good_by_the_next_one() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("a", durable=False)
    fs.fault = lambda call, path: errno.EIO if call == "fdatasync" else None
    with pytest.raises(StoreError, match=r"cannot sync .*: Input/output error"):
        journal.sync()
    assert journal.unsynced
    fs.fault = None
    journal.sync()
    assert not journal.unsynced
    for _, disk in fs.cut():
        assert events(opened(disk)) == ["a"]


def test_no_more_than_the_reserve_is_ever_unsynced() -> None:
    journal = opened(PowerCutFS())
    for n in range(RESERVE):
        journal.write(n, durable=False)
        assert journal.unsynced
    journal.write("one more", durable=False)
    assert not journal.unsynced
    journal.write("the next", durable=False)
    assert journal.unsynced


def test_random_use_agrees_with_a_list() -> None:
    for seed in range(30):
        random = Random(seed)
        fs = PowerCutFS()
        journal = opened(fs, segment_bytes=random.choice([200, 1000, 1 << 18]))
        queue: list[tuple[int, Any]] = []
        for n in range(200):
            action = random.random()
            if action < 0.45:
                event = {"n": n, "text": "x" * random.randrange(60)}
                seq = journal.write(event, {"k": n} if action < 0.1 else None, durable=action < 0.2)
                assert seq is not None
                queue.append((seq, event))
            elif action < 0.65 and queue:
                journal.done(queue[0][0])
                del queue[0]
            elif action < 0.68 and queue:
                count = random.randrange(len(queue))
                journal.done(queue[count][0])
                del queue[: count + 1]
            elif action < 0.85 and queue:
                index = random.randrange(len(queue))
                assert journal.after(queue[index][0]) == (queue[index + 1] if index + 1 < len(queue) else None)
            elif action < 0.95:
                assert journal.head() == (queue[0] if queue else None)
            else:
                fs = fs.kill()
                journal = opened(fs, segment_bytes=300)
            assert journal.pending == len(queue), (seed, n)
            assert journal.bytes == sum(map(len, fs.dump().values())), (seed, n)
        assert events(journal) == [event for _, event in queue]


# -- bad input --------------------------------------------------------------------------------------------------------


def test_done_of_an_event_that_does_not_exist_is_refused() -> None:
    journal = opened(PowerCutFS())
    journal.write("a")
    with pytest.raises(UsageError, match="no event 2, the last is 1"):
        journal.done(2)
    assert journal.pending == 1


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), JsonError),
        (object(), JsonError),
        ("\ud800", JsonError),
        ("x" * VALUE_CHARACTERS, UsageError),
    ],
)
def test_a_value_that_could_not_be_read_again_is_refused(value: Any, error: type[Exception]) -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("a")
    before = fs.dump()
    for call in (
        lambda: journal.write(value),
        lambda: journal.write("b", {"k": value}),
        lambda: journal.done(1, {"k": value}),
    ):
        with pytest.raises(error):
            call()
    assert (fs.dump(), journal.pending, journal.state) == (before, 1, {})
    assert journal.write("b") == 2


@pytest.mark.parametrize("value", [1 << 70, json.loads("[" * 40 + "]" * 40), {"a": [0, -1, "", None, 0.5]}])
def test_a_value_of_our_own_is_read_as_it_was_written(value: Any) -> None:
    """The guards against the outside are not for what the station wrote itself."""
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write(value, {"k": value})
    journal.close()
    again = opened(fs)
    assert events(again) == [value] and again.state == {"k": value}


def test_the_state_has_a_bound() -> None:
    journal = opened(PowerCutFS())
    journal.write(keep={str(n): n for n in range(KEYS)})
    with pytest.raises(UsageError, match=f"more than {KEYS} keys"):
        journal.write("event", {"one more": 1})
    journal.write("event", {"0": None, "1": 1})
    journal.write("event", {"one more": 1})
    assert len(journal.state) == KEYS


# -- segments ---------------------------------------------------------------------------------------------------------


def test_segments_whose_events_are_delivered_are_removed() -> None:
    fs = PowerCutFS()
    journal = opened(fs, segment_bytes=500)
    for n in range(100):
        journal.write({"n": n})
    assert len(fs.listdir(DIRECTORY)) > 5
    while head := journal.head():
        journal.done(head[0])
    assert len(fs.listdir(DIRECTORY)) == 1
    for n in range(100):
        journal.done(journal.write({"n": n}, {"k": n}) or 0)
        assert len(fs.listdir(DIRECTORY)) <= 2
        assert journal.bytes == sum(map(len, fs.dump().values())) < 1300
    assert opened(fs).state == {"k": 99}


def test_a_state_larger_than_a_segment_does_not_make_a_segment_of_each_line() -> None:
    fs = PowerCutFS()
    journal = opened(fs, segment_bytes=500)
    journal.write(keep={"large": "x" * 2000})
    for n in range(12):
        journal.write({"n": n})
    assert len(fs.listdir(DIRECTORY)) <= 4


def test_unfinished_files_are_removed_and_foreign_ones_left_alone() -> None:
    fs = PowerCutFS()
    opened(fs).write("a")
    for name in ("00000002.log.new", "notes.txt", "2.log", "abcdefgh.log"):
        fs.close(fs.open(f"{DIRECTORY}/{name}", os.O_WRONLY | os.O_CREAT))
    assert events(opened(fs)) == ["a"]
    assert sorted(fs.listdir(DIRECTORY)) == ["00000001.log", "2.log", "abcdefgh.log", "notes.txt"]


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"), log=Logbook())
    journal.write("a")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "journal" / "00000001.log").stat().st_mode & 0o777 == 0o600


def test_a_real_directory_over_restarts(tmp_path: Path) -> None:
    directory = str(tmp_path / "journal")
    for start in range(4):
        journal = Journal(directory, log=Logbook(), segment_bytes=700)
        assert events(journal) == [[earlier, n] for earlier in range(start) for n in range(8)]
        for n in range(8):
            journal.write([start, n], {"start": start}, durable=n % 4 == 0)
        journal.close()
        journal.close()
    descriptors = len(os.listdir("/proc/self/fd"))
    journal = Journal(directory, log=Logbook(), segment_bytes=700)
    assert events(journal)[-1] == [3, 7] and journal.state == {"start": 3}
    for n in range(50):
        journal.write([4, n])
    assert len(os.listdir("/proc/self/fd")) == descriptors + 1
    journal.close()


def test_a_directory_that_cannot_be_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot create .*journal: No such file"):
        Journal(str(tmp_path / "missing" / "journal"), log=Logbook())


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail", [b"deadbeef", b"00000000 {}\n", b"\0" * 300, b"\n", b'5a5a5a5a {"seq":9,"event":1}\n{"x']
)
def test_a_torn_end_is_cut_with_a_warning(tail: bytes) -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("a", {"k": 1})
    size = journal.bytes
    patch(fs, f"{DIRECTORY}/00000001.log", size, tail)
    log = Logbook()
    again = opened(fs, log)
    assert (events(again), again.state, again.corrupt) == (["a"], {"k": 1}, 0)
    assert log.lines == [
        ("warning", "journal: torn end cut", {"file": f"{DIRECTORY}/00000001.log", "bytes": len(tail)})
    ]
    again.write("b")
    assert events(opened(fs)) == ["a", "b"]


def test_a_damaged_line_costs_that_line_only() -> None:
    for segment_bytes in (300, 1 << 18):
        fs = PowerCutFS()
        journal = opened(fs, segment_bytes=segment_bytes)
        for n in range(20):
            journal.write({"n": n}, {"k": n})
        content = fs.dump()
        for path in sorted(name for name in content if name.endswith(".log")):
            for offset in range(0, len(content[path]), 7):
                line = content[path][content[path].rfind(b"\n", 0, offset) + 1 :].split(b"\n")[0]
                if content[path][offset] == ord("\n"):
                    continue
                disk = fs.kill()
                patch(disk, f"/state/{path}", offset, bytes([content[path][offset] ^ 0x11]))
                log = Logbook()
                again = opened(disk, log)
                lost = json.loads(line[9:]).get("event")
                assert events(again) == [{"n": n} for n in range(20) if {"n": n} != lost], (path, offset)
                if lost == {"n": 19}:
                    assert again.state == {"k": 18} and log.texts("warning") == ["journal: torn end cut"]
                else:
                    assert again.state == {"k": 19}
                    assert again.corrupt > 0
                    assert "journal: damaged line skipped, data lost" in log.texts("error")
                if lost is not None or segment_bytes == 300:
                    assert again.identity == journal.identity


def test_without_any_head_the_events_stay_under_a_new_identity() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("a", {"k": 1})
    journal.write("b")
    patch(fs, f"{DIRECTORY}/00000001.log", 12, b"#")
    log = Logbook()
    again = opened(fs, log)
    assert events(again) == ["a", "b"] and again.last_seq > 2
    assert again.identity != journal.identity and len(again.identity) == 8
    assert "journal: no head readable, state lost, new identity" in log.texts("error")
    log = Logbook()
    assert opened(fs, log).identity == again.identity
    assert log.lines == []


def test_an_empty_segment_is_begun_anew() -> None:
    fs = PowerCutFS()
    fs.mkdir(DIRECTORY)
    fs.close(fs.open(f"{DIRECTORY}/00000004.log", os.O_WRONLY | os.O_CREAT))
    journal = opened(fs)
    journal.write("a")
    assert events(opened(fs)) == ["a"]


def test_a_block_that_cannot_be_read_is_lost_and_the_rest_delivered() -> None:
    fs = PowerCutFS()
    journal = opened(fs, segment_bytes=300)
    for n in range(20):
        journal.write({"n": n})
    fs.fault = lambda call, path: errno.EIO if call == "pread" and path.endswith("00000002.log") else None
    log = Logbook()
    again = opened(fs, log, segment_bytes=300)
    left = events(again)
    assert left[0] == {"n": 0} and left[-1] == {"n": 19} and 10 < len(left) < 20
    assert again.pending == len(left)
    assert log.texts("error")


def test_a_block_that_breaks_while_running_does_not_stop_the_queue() -> None:
    fs = PowerCutFS()
    log = Logbook()
    journal = opened(fs, log)
    journal.write("delivered")
    journal.write("delivered too")
    journal.write("a")
    journal.write("b")
    journal.done(2)
    fs.fault = lambda call, path: errno.EIO if call == "pread" else None
    assert journal.head() is None and journal.pending == 0
    assert "journal: damaged line skipped, data lost" in log.texts("error")
    lines_logged = len(log.lines)
    assert journal.head() is None and len(log.lines) == lines_logged
    fs.fault = None
    journal.write("c")
    journal.write("d")
    delivered = []
    while head := journal.head():
        delivered.append(head[1])
        journal.done(head[0])
    assert (delivered, journal.pending) == (["a", "b", "c", "d"], 0)


def test_a_file_that_cannot_be_opened_is_a_store_error_and_nothing_is_skipped() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("delivered")
    journal.write("delivered too")
    journal.write("a")
    journal.done(2)
    fs.fault = lambda call, path: errno.EMFILE if call == "open" else None
    with pytest.raises(StoreError, match=r"cannot read .*00000001\.log: Too many open files"):
        journal.head()
    fs.fault = None
    assert (journal.head(), journal.pending) == ((3, "a"), 1)


def test_a_disk_full_at_the_start_is_logged_and_the_journal_opens() -> None:
    fs = PowerCutFS()
    opened(fs).write("a")
    fs.fault = lambda call, path: errno.ENOSPC if call == "write" else None
    log = Logbook()
    journal = opened(fs, log)
    assert (events(journal), log.texts("error")) == (["a"], ["journal: cannot write at the start"])
    with pytest.raises(StoreError, match="No space left on device"):
        journal.write("b")
    journal.head()
    with pytest.raises(StoreError):
        journal.done(1, {"k": 1})
    assert (journal.pending, journal.state) == (0, {})
    fs.fault = None
    journal.write("c")
    assert events(opened(fs)) == ["c"]


def test_a_segment_that_cannot_be_removed_is_removed_at_the_next_start() -> None:
    fs = PowerCutFS()
    log = Logbook()
    journal = opened(fs, log, segment_bytes=300)
    for n in range(20):
        journal.write(n)
    fs.fault = lambda call, path: errno.EIO if call == "unlink" else None
    journal.done(20)
    assert "journal: cannot remove a segment" in log.texts("warning")
    fs.fault = None
    again = opened(fs)
    assert again.pending == 0 and len(fs.listdir(DIRECTORY)) == 1


# -- overflow ---------------------------------------------------------------------------------------------------------


def sample(event: Any) -> bool:
    return bool(event.get("sample"))


def filled(log: Logbook, count: int, **options: Any) -> tuple[PowerCutFS, Journal]:
    """Sessions of one begin, 18 samples and one end each, never delivered."""
    fs = PowerCutFS()
    journal = opened(fs, log, segment_bytes=1000, limit_bytes=8000, droppable=sample, **options)
    for n in range(count):
        journal.write({"n": n, "sample": 0 < n % 20 < 19}, {"at": n})
    return fs, journal


def test_beyond_the_limit_every_second_intermediate_event_goes_and_nothing_else() -> None:
    log = Logbook()
    fs, journal = filled(log, 150)
    assert journal.bytes <= 8000
    left = events(journal)
    kept = [event["n"] for event in left]
    assert [n for n in kept if n % 20 in (0, 19)] == [n for n in range(150) if n % 20 in (0, 19)]
    assert journal.pending == len(kept) < 150
    gaps = [after - before for before, after in pairwise(kept)]
    assert max(gaps) == 2
    dropped = [fields["count"] for _, text, fields in log.lines if text == "journal full: intermediate events dropped"]
    assert sum(dropped) == 150 - len(kept)
    assert events(opened(fs, droppable=sample)) == left


def test_thinning_goes_round_evenly_over_all_segments() -> None:
    fs, journal = filled(Logbook(), 250)
    kept = [event["n"] for event in events(journal)]
    gaps = [after - before for before, after in pairwise(kept)]
    assert 2 < max(gaps) <= 4
    assert journal.bytes == sum(map(len, fs.dump().values())) <= 8000


def test_where_nothing_droppable_is_left_events_are_refused_at_twice_the_limit_only() -> None:
    fs = PowerCutFS()
    journal = opened(fs, segment_bytes=1000, limit_bytes=4000, droppable=sample)
    with pytest.raises(StoreError, match=r"journal full: \d+ bytes, \d+ events to deliver"):
        for n in range(1000):
            journal.write({"n": n})
    count = journal.pending
    assert 7900 <= journal.bytes <= 8000
    for n in range(50):
        journal.write(keep={"still": n})
    assert journal.bytes < 10000
    assert [event["n"] for event in events(journal)] == list(range(count))
    journal.done(count // 2)
    journal.write({"n": "again"})
    assert events(opened(fs, segment_bytes=1000, limit_bytes=4000))[-1] == {"n": "again"}


def test_changes_of_the_state_do_not_fill_the_journal() -> None:
    fs = PowerCutFS()
    journal = opened(fs, segment_bytes=1000, limit_bytes=4000, droppable=sample)
    for n in range(40):
        journal.write({"n": n})
        for step in range(20):
            journal.write(keep={"step": step}, durable=False)
    assert journal.bytes <= 5000
    assert [event["n"] for event in events(journal)] == list(range(40))


@pytest.mark.parametrize("delivered", [0, 1, 2, 3])
def test_the_event_under_way_is_not_dropped(delivered: int) -> None:
    journal = opened(PowerCutFS(), segment_bytes=300, limit_bytes=1200, droppable=lambda event: event != "kept")
    journal.write("kept")
    for n in range(4):
        journal.write(n)
    journal.write("kept")
    journal.done(1 + delivered)
    head = journal.head()
    for n in range(100):
        journal.write(n)
    assert head is not None and journal.head() == head
    pending = journal.pending
    journal.done(head[0])
    assert journal.pending == pending - 1 == len(events(journal))


def test_overflow_that_cannot_make_room_is_logged_and_the_event_still_written() -> None:
    log = Logbook()
    fs, journal = filled(log, 100)
    newest = max(fs.listdir(DIRECTORY)) + ".new"

    def fault(call: str, path: str) -> int | None:
        return errno.ENOSPC if call == "write" and path.endswith(".new") and os.path.basename(path) <= newest else None

    fs.fault = fault
    for n in range(100, 140):
        journal.write({"n": n})
    assert "journal: cannot make room" in log.texts("error")
    assert events(journal)[-1] == {"n": 139}


# -- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look_ahead", [False, True])
def test_delivery_does_not_read_the_log_again_and_again(look_ahead: bool) -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    for n in range(1000):
        journal.write([n, "x" * 100], durable=False)
    reads = 0

    def count(call: str, path: str) -> None:
        nonlocal reads
        reads += call == "pread"

    fs.fault = count
    while head := journal.head():
        if look_ahead:
            journal.after(head[0])
        journal.done(head[0])
    assert reads < 5000


class Unsynced:
    """The module os without the waiting for the disk."""

    fsync = fdatasync = staticmethod(lambda fd: None)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_a_month_of_undelivered_events_costs_less_than_64_kib_of_memory(tmp_path: Path) -> None:
    """300 sessions of 62 events: 18,600, kept on flash, not in memory."""
    directory, fs = str(tmp_path / "journal"), Unsynced()
    journal = Journal(directory, fs, log=Logbook())
    event = {"type": "Updated", "transaction": "0" * 36, "meter": [["Energy.Active.Import.Register", 12345.6]] * 6}
    for n in range(18_600):
        journal.write([n, event], durable=False)
    journal.close()
    journal = None  # type: ignore[assignment]
    tracemalloc.start()
    try:
        journal = Journal(directory, fs, log=Logbook())
        assert journal.pending == 18_600
        assert tracemalloc.get_traced_memory()[0] < 32 * 1024
        for n in range(2000):
            head = journal.head()
            assert head is not None and head[1][0] == n
            journal.done(head[0])
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 80 * 1024
    finally:
        tracemalloc.stop()
        journal.close()


def test_an_event_that_nothing_waits_before_is_not_read_back() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    event = {"a": [1]}
    for n in range(1, 4):
        journal.write(event)
        fs.fault = lambda call, path: errno.EIO if call == "pread" else None
        assert journal.head() == (n, {"a": [1]})
        fs.fault = None
        journal.done(n)
    assert journal.head() is None
    journal.write("b")
    journal.write("c")
    journal.write("d")
    fs.fault = lambda call, path: errno.EIO if call == "pread" else None
    journal.done(4)
    assert journal.head() == (5, "c"), "the one behind the head is kept too"
    fs.fault = None
    journal.done(5)
    assert journal.head() == (6, "d")


def test_what_a_cut_would_take_is_told() -> None:
    journal = opened(PowerCutFS())
    journal.write("a")
    assert not journal.unsynced
    journal.done(1)
    assert journal.unsynced
    journal.write("b")
    assert not journal.unsynced
    journal.write("c", durable=False)
    assert journal.unsynced
    journal.sync()
    assert not journal.unsynced
    journal.write(keep={"k": 1}, durable=False)
    assert journal.unsynced


def test_a_line_that_was_refused_may_yet_be_found_until_the_next_sync() -> None:
    fs = PowerCutFS()
    journal = opened(fs)
    journal.write("a")
    fs.fault = lambda call, path: errno.EIO if call == "write" else None
    with pytest.raises(StoreError):
        journal.write("b")
    assert journal.unsynced
