"""Documents: replaced as a whole, damaged ones moved aside, names checked, power cut at every step."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from evse.errors import StoreError, UsageError
from evse.jsontext import JsonError
from evse.store import frame
from evse.store.documents import Documents
from tests.support.logbook import Logbook
from tests.support.powercut import PowerCutFS

DIRECTORY = "/state/documents"


def opened(fs: PowerCutFS, log: Logbook | None = None, **options: Any) -> Documents:
    return Documents(DIRECTORY, fs, log=log or Logbook(), **options)


def put(fs: PowerCutFS, name: str, data: bytes) -> None:
    fd = fs.open(f"{DIRECTORY}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    fs.write(fd, data)
    fs.close(fd)


def test_a_value_comes_back_as_it_was() -> None:
    fs = PowerCutFS()
    documents = opened(fs)
    for value in ({"a": [1, 2.5, "é\n"]}, [], 0, "", False):
        documents.save("profiles-1.json", value)
        assert opened(fs).load("profiles-1.json") == value
    assert documents.names() == ["profiles-1.json"]


def test_what_is_not_there_is_none() -> None:
    documents = opened(PowerCutFS())
    assert documents.load("absent") is None
    documents.delete("absent")
    assert documents.names() == []


def test_a_deleted_document_is_gone_after_a_cut() -> None:
    fs = PowerCutFS()
    documents = opened(fs)
    documents.save("a", 1)
    documents.save("b", 2)
    documents.delete("a")
    for _, disk in fs.cut():
        assert (opened(disk).load("a"), opened(disk).names()) == (None, ["b"])


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "/a", "a\0", "ä", "a.new", "a.bad", "-a", "a" * 65, "a b"]
)
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    documents = opened(PowerCutFS())
    for call in (lambda: documents.load(name), lambda: documents.save(name, 1), lambda: documents.delete(name)):
        with pytest.raises(UsageError, match="is no document name"):
            call()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 20,
        frame("1")[:-1],
        frame('{"a":1}')[:-3],
        frame('{"a":1}').replace(b"1", b"2"),
        frame("1") + b"x",
        frame("not json"),
        frame('"' + "x" * 3000 + '"'),
    ],
)
def test_a_damaged_document_is_moved_aside_and_logged(data: bytes) -> None:
    fs, log = PowerCutFS(), Logbook()
    documents = opened(fs, log, limit_bytes=2000)
    put(fs, "a", data)
    assert documents.load("a") is None
    assert log.texts("error")[-1] == "document damaged, moved aside"
    assert fs.listdir(DIRECTORY) == ["a.bad"]
    assert fs.dump()["documents/a.bad"] == data
    assert (documents.names(), documents.load("a")) == ([], None)
    documents.save("a", "new")
    assert documents.load("a") == "new"


def test_a_value_that_json_cannot_carry_leaves_the_old_one() -> None:
    documents = opened(PowerCutFS())
    documents.save("a", 1)
    with pytest.raises(JsonError):
        documents.save("a", {"b": float("inf")})
    assert documents.load("a") == 1


def test_a_document_beyond_the_limit_is_refused() -> None:
    documents = opened(PowerCutFS(), limit_bytes=100)
    documents.save("a", "x" * 88)
    with pytest.raises(UsageError, match="document a: 101 bytes are more than 100"):
        documents.save("a", "x" * 89)
    assert documents.load("a") == "x" * 88


def test_unfinished_files_are_removed_at_the_start() -> None:
    fs = PowerCutFS()
    opened(fs)
    put(fs, "a.new", b"half")
    assert opened(fs).names() == []
    assert fs.listdir(DIRECTORY) == []


def test_a_cut_anywhere_leaves_the_old_value_or_the_new_one() -> None:
    fs = PowerCutFS()
    allowed: list[Any] = [None]
    checked = 0

    def check(call: str, path: str) -> None:
        nonlocal checked
        for mode, disk in fs.cut():
            log = Logbook()
            documents = opened(disk, log)
            assert documents.load("a") in allowed, mode
            assert not log.lines, mode
            documents.save("a", "after")
            assert opened(next(disk.cut())[1]).load("a") == "after", mode
            checked += 1

    fs.before = check
    documents = opened(fs)
    for n in range(4):
        allowed.append({"n": n, "text": "x" * 50 * n})
        documents.save("a", allowed[-1])
        del allowed[:-1]
        check("saved", "")
    allowed.append(None)
    documents.delete("a")
    allowed.pop(0)
    check("deleted", "")
    assert checked > 60


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_refusal_by_the_disk_leaves_the_old_value_or_the_new_one(code: int) -> None:
    for at in range(1, 8):
        fs = PowerCutFS()
        documents = opened(fs)
        documents.save("a", "old")
        calls = 0

        def fault(call: str, path: str, at: int = at) -> int | None:
            nonlocal calls
            calls += 1
            return code if calls == at else None

        fs.fault = fault
        refused = False
        try:
            documents.save("a", "new")
        except StoreError:
            refused = True
        fs.fault = None
        assert refused == (at <= 6), at
        assert documents.load("a") == ("old" if at < 5 else "new")
        assert all(opened(disk).load("a") in (("old", "new") if refused else ("new",)) for _, disk in fs.cut())
        assert fs.listdir(DIRECTORY) == ["a"]


def test_what_cannot_be_read_or_listed_is_a_store_error() -> None:
    fs = PowerCutFS()
    documents = opened(fs)
    documents.save("a", 1)
    fs.fault = lambda call, path: errno.EIO if call in ("pread", "unlink", "listdir") else None
    with pytest.raises(StoreError, match="cannot read /state/documents/a: Input/output error"):
        documents.load("a")
    with pytest.raises(StoreError, match="cannot delete"):
        documents.delete("a")
    with pytest.raises(StoreError, match="cannot list"):
        documents.names()
    fs.fault = None
    assert documents.load("a") == 1


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    documents = Documents(str(tmp_path / "documents"), log=Logbook())
    documents.save("a", {"b": 1})
    assert documents.load("a") == {"b": 1}
    assert (tmp_path / "documents").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "documents" / "a").stat().st_mode & 0o777 == 0o600
