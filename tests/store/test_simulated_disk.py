"""The simulated disk of the power-cut tests: it must lose what a real one may lose, and nothing else."""

from __future__ import annotations

import errno
import os

import pytest

from tests.support.powercut import PowerCut, PowerCutFS

NEW = os.O_WRONLY | os.O_CREAT


def left(fs: PowerCutFS) -> list[dict[str, bytes]]:
    return [disk.dump() for _, disk in fs.cut()]


def put(fs: PowerCutFS, name: str, data: bytes, *, sync: bool, flags: int = NEW) -> None:
    fd = fs.open(f"/state/{name}", flags)
    fs.write(fd, data)
    if sync:
        fs.fsync(fd)
    fs.close(fd)


def sync_names(fs: PowerCutFS) -> None:
    fd = fs.open("/state", os.O_RDONLY)
    fs.fsync(fd)
    fs.close(fd)


def test_what_is_synced_with_its_name_stays() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"12345678", sync=True)
    sync_names(fs)
    assert left(fs) == [{"a": b"12345678"}]


def test_a_file_without_a_durable_name_may_be_gone() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"12345678", sync=True)
    assert {} in left(fs) and {"a": b"12345678"} in left(fs)


def test_content_that_is_not_synced_may_be_empty_torn_zero_or_garbage() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"12345678", sync=False)
    sync_names(fs)
    contents = [disk["a"] for disk in left(fs)]
    for content in (b"", b"1", b"1234567", b"12345678", bytes(8)):
        assert content in contents
    assert [content for content in contents if len(content) == 8 and content not in (b"12345678", bytes(8))]


def test_an_appended_line_may_reach_the_disk_before_an_earlier_one() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"old.", sync=True)
    sync_names(fs)
    put(fs, "a", b"1111", sync=False, flags=os.O_WRONLY | os.O_APPEND)
    put(fs, "a", b"2222", sync=False, flags=os.O_WRONLY | os.O_APPEND)
    contents = [disk["a"] for disk in left(fs)]
    assert b"old.\0\0\0\x002222" in contents
    assert all(content.startswith(b"old.") for content in contents)


def test_a_rename_without_a_sync_of_the_directory_may_be_undone() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"old", sync=True)
    put(fs, "b", b"new", sync=True)
    sync_names(fs)
    fs.rename("/state/b", "/state/a")
    assert left(fs) == [{"a": b"old", "b": b"new"}, {"a": b"new"}]


def test_removals_may_reach_the_disk_in_any_order() -> None:
    fs = PowerCutFS()
    for name in "abc":
        put(fs, name, b"", sync=True)
    sync_names(fs)
    for name in "abc":
        fs.unlink(f"/state/{name}")
    names = ["".join(sorted(disk)) for disk in left(fs)]
    assert sorted(names) == sorted(["abc", "bc", "c", "", "ac", "ab"])


def test_a_directory_that_was_not_synced_takes_its_files_along() -> None:
    fs = PowerCutFS()
    fs.mkdir("/state/d")
    put(fs, "d/a", b"1", sync=True)
    assert {} in left(fs) and {"d/": b"", "d/a": b"1"} in left(fs)


def test_after_a_refused_sync_the_bytes_never_reach_the_disk() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"", sync=True)
    sync_names(fs)
    fd = fs.open("/state/a", os.O_RDWR)
    fs.write(fd, b"12345678")
    fs.fault = lambda call, path: errno.EIO if call == "fdatasync" else None
    with pytest.raises(OSError, match="Input/output error"):
        fs.fdatasync(fd)
    fs.fault = None
    fs.fdatasync(fd)
    assert fs.pread(fd, 8, 0) == b"12345678"
    assert {"a": b""} in left(fs)


def test_a_refused_write_has_written_half() -> None:
    fs = PowerCutFS()
    fd = fs.open("/state/a", NEW)
    fs.fault = lambda call, path: errno.ENOSPC if call == "write" else None
    with pytest.raises(OSError, match="No space left"):
        fs.write(fd, b"12345678")
    assert fs.dump() == {"a": b"1234"}


def test_a_kill_leaves_the_cache_and_what_is_durable_apart() -> None:
    fs = PowerCutFS()
    put(fs, "a", b"1", sync=False)
    killed = fs.kill()
    assert killed.dump() == {"a": b"1"}
    assert {} in left(killed)
    put(killed, "a", b"2", sync=True)
    assert fs.dump() == {"a": b"1"}


def test_the_power_goes_at_the_operation_asked_for_and_a_cut_changes_nothing() -> None:
    fs = PowerCutFS(stop_at=1)
    with pytest.raises(PowerCut, match="write /state/a"):
        put(fs, "a", b"1", sync=True)
    assert fs.operations == 1
    before = fs.dump()
    assert left(fs) == left(fs) == [{}, {"a": b""}]
    assert fs.dump() == before


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda fs: fs.open("/state/none", os.O_RDONLY), errno.ENOENT),
        (lambda fs: fs.open("/state/a", NEW | os.O_EXCL), errno.EEXIST),
        (lambda fs: fs.open("/state/a", os.O_RDONLY | os.O_DIRECTORY), errno.ENOTDIR),
        (lambda fs: fs.open("/elsewhere", NEW), errno.EACCES),
        (lambda fs: fs.open("/state/none/a", NEW), errno.ENOENT),
        (lambda fs: fs.rename("/state/none", "/state/a"), errno.ENOENT),
        (lambda fs: fs.unlink("/state/none"), errno.ENOENT),
        (lambda fs: fs.unlink("/state/d"), errno.EISDIR),
        (lambda fs: fs.mkdir("/state/d"), errno.EEXIST),
        (lambda fs: fs.listdir("/state/a"), errno.ENOTDIR),
        (lambda fs: fs.stat("/state/none"), errno.ENOENT),
        (lambda fs: fs.close(77), errno.EBADF),
        (lambda fs: fs.write(fs.open("/state/a", os.O_RDONLY), b"1"), errno.EBADF),
        (lambda fs: fs.read(fs.open("/state/a", os.O_WRONLY), 1), errno.EBADF),
    ],
)
def test_errors_are_those_of_the_operating_system(call: object, code: int) -> None:
    fs = PowerCutFS()
    put(fs, "a", b"1", sync=True)
    fs.mkdir("/state/d")
    with pytest.raises(OSError) as caught:
        call(fs)  # type: ignore[operator]
    assert caught.value.errno == code
