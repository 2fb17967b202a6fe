"""Log lines: levels, priorities for the journal, masks."""

from __future__ import annotations

import os

import pytest

from evse.shell.log import BURST_LINES, LINE_LIMIT, LINES_PER_S, Log


@pytest.mark.parametrize(("level", "shown"), [("error", 1), ("warning", 2), ("info", 3), ("debug", 4)])
def test_levels(level: str, shown: int) -> None:
    lines: list[bytes] = []
    log = Log(level, lines.append)
    for write in (log.error, log.warning, log.info, log.debug):
        write("text")
    assert len(lines) == shown


def test_nothing_from_outside_commands_the_terminal() -> None:
    lines: list[bytes] = []
    Log("info", lines.append, journal=True).info("refused", why="\x1b[2Jtable\tü\u2028\x00\x9b")
    assert lines == ["<6>refused why=\\x1b[2Jtable\\tü\\u2028\\x00\\x9b\n".encode()]


def test_level_changes_at_run_time_and_an_unknown_one_is_refused() -> None:
    lines: list[bytes] = []
    log = Log("error", lines.append)
    log.set_level("debug")
    log.debug("now")
    with pytest.raises(KeyError):
        log.set_level("loud")
    assert len(lines) == 1 and log.level == "debug"


def test_priority_for_the_journal() -> None:
    lines: list[bytes] = []
    log = Log("debug", lines.append, journal=True)
    for write in (log.error, log.warning, log.info, log.debug):
        write("text", evse=1)
    assert lines == [b"<3>text evse=1\n", b"<4>text evse=1\n", b"<6>text evse=1\n", b"<7>text evse=1\n"]


def test_time_and_level_without_the_journal() -> None:
    lines: list[bytes] = []
    Log("info", lines.append, journal=False).warning("text")
    assert lines[0][10:11] == b"T" and lines[0].endswith(b"Z warning text\n")


@pytest.mark.parametrize("name", ["password", "BasicAuthPassword", "token", "idToken", "idTag", "key", "Authorization"])
def test_secrets_are_masked(name: str) -> None:
    lines: list[bytes] = []
    Log("info", lines.append).info("stored", **{name: "hunter2"})
    assert b"hunter2" not in lines[0] and b"***" in lines[0]


def test_one_line_stays_one_line_and_is_bounded() -> None:
    lines: list[bytes] = []
    Log("info", lines.append, journal=True).info("a\nb\r", why="\ud800" + "x" * 5000)
    assert lines[0].count(b"\n") == 1 and lines[0].startswith(b"<6>a\\nb\\r why=\\ud800xx")
    assert len(lines[0]) < LINE_LIMIT + 20


def test_a_closed_standard_error_is_no_fault() -> None:
    def closed(line: bytes) -> None:
        raise BrokenPipeError

    Log("info", closed).error("text")


def test_standard_error_is_the_default() -> None:
    read, write = os.pipe()
    kept = os.dup(2)
    os.dup2(write, 2)
    try:
        Log("info", journal=True).info("to fd 2")
    finally:
        os.dup2(kept, 2)
    assert os.read(read, 100) == b"<6>to fd 2\n"
    for fd in (read, write, kept):
        os.close(fd)


def test_a_flood_is_thinned_and_counted_but_errors_stay() -> None:
    lines: list[bytes] = []
    now = [0.0]
    log = Log(write=lines.append, journal=True, now=lambda: now[0])
    for _ in range(BURST_LINES + 50):
        log.warning("the CSMS sent no valid frame")
    assert len(lines) == BURST_LINES
    log.error("bad")
    assert lines[-1] == b"<3>bad lines_left_out=50\n"
    now[0] += 10
    for _ in range(1000):
        log.info("more")
    assert len(lines) == BURST_LINES + 1 + 10 * LINES_PER_S


def test_nothing_is_left_out_while_somebody_looks_for_a_defect() -> None:
    lines: list[bytes] = []
    log = Log("debug", write=lines.append, now=lambda: 0.0)
    for _ in range(2 * BURST_LINES):
        log.info("more")
    assert len(lines) == 2 * BURST_LINES
