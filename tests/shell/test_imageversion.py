"""The version of the firmware that runs, from a file of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from evse.shell.imageversion import version
from tests.support.bench import FakeLog


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("", "2.1.0\nmore\n", "2.1.0"),
        ("", "  2.1.0  ", "2.1.0"),
        (":VERSION_ID", 'NAME=evse\nVERSION_ID="2.1"\n', "2.1"),
        (":VERSION_ID", "VERSION_ID='2.1'", "2.1"),
        (":VERSION", "VERSION_ID=1\nVERSION=2", "2"),
        ("", "x" * 60, "x" * 50),
    ],
)
def test_a_line_of_a_file(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / "version").write_text(content)
    log = FakeLog()
    assert version(f"{tmp_path}/version{name}", log) == expected  # type: ignore[arg-type]
    assert log.lines == []


@pytest.mark.parametrize(("name", "content"), [("", ""), (":VERSION", "NAME=evse"), (":VERSION", 'VERSION=""')])
def test_a_file_without_version_is_logged(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "version").write_text(content)
    log = FakeLog()
    assert version(f"{tmp_path}/version{name}", log) is None  # type: ignore[arg-type]
    assert log.texts("error") == ["the file has no firmware version"]


def test_a_file_that_is_not_there_is_logged(tmp_path: Path) -> None:
    log = FakeLog()
    assert version(f"{tmp_path}/version:NAME", log) is None  # type: ignore[arg-type]
    assert log.texts("error") == ["the firmware version cannot be read"]
