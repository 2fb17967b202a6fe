"""What the documentation says is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def generator(name: str) -> Any:
    """The script docs/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_messages_is_up_to_date() -> None:
    page = generator("make_messages").page()
    assert (ROOT / "docs" / "messages.md").read_text() == page, "run python docs/make_messages.py"


@pytest.fixture(scope="module")
def conformance() -> Any:
    """docs/make_conformance.py, and what the tests say they prove."""
    module = generator("make_conformance")
    return module, module.Tests(ROOT / "tests")


def test_every_case_and_requirement_has_a_test_or_a_reason(conformance: Any) -> None:
    module, tests = conformance
    assert module.missing(tests) == []


def test_the_pages_of_conformance_are_up_to_date(conformance: Any) -> None:
    module, tests = conformance
    for path, text in module.pages(tests).items():
        assert path.read_text() == text, f"{path.name}: run python docs/make_conformance.py"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
