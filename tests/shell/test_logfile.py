"""The log's own file: what is written, how it rolls, and what becomes of lines that the disk refuses."""

from __future__ import annotations

from pathlib import Path

from evse.shell.log import Log
from evse.shell.logfile import LogFile


def test_lines_are_appended_and_the_file_rolls(tmp_path: Path) -> None:
    path = tmp_path / "evse.log"
    path.write_bytes(b"before\n")
    file = LogFile(str(path), 20)
    for line in (b"first\n", b"second\n", b"third\n", b"x" * 30 + b"\n", b"last\n"):
        file.write(line)
    file.close()
    file.close()
    assert path.read_bytes() == b"last\n"
    assert (tmp_path / "evse.log.1").read_bytes() == b"x" * 30 + b"\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_log_has_a_copy_with_date_and_level(tmp_path: Path) -> None:
    for journal in (True, False):
        lines: list[bytes] = []
        log = Log("info", lines.append, journal=journal)
        copies: list[bytes] = []
        log.copy = copies.append
        log.warning("hello", password="hidden", evse=1)
        log.debug("not shown")
        (copy,) = copies
        assert copy[20:] == b" warning hello password=*** evse=1\n"
        assert copy[:2] == b"20"
        assert lines == ([b"<4>hello password=*** evse=1\n"] if journal else copies)


def test_a_disk_that_refuses_does_not_stop_the_log(tmp_path: Path) -> None:
    lines: list[bytes] = []
    log = Log("info", lines.append, journal=True)
    file = LogFile(str(tmp_path / "missing" / "evse.log"), 10_000)
    log.copy = file.write
    log.info("one")
    (tmp_path / "missing").mkdir()
    log.info("two")
    assert lines == [b"<6>one\n", b"<6>two\n"]
    assert (tmp_path / "missing" / "evse.log").read_bytes().endswith(b"two\n")
