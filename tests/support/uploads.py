"""Uploads done for real: the child's own function sends what the station under test gave away to a test's server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evse.errors import CsmsError
from evse.shell.children import main, transfer
from tests.support.wholestation import WholeStation


class Uploads:
    """`done(station)` does the upload under way; between two tries the time of the station passes, not ours."""

    def __init__(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._places = {"state": str(state), "certificates": str(state), "ca": None}
        self._monkeypatch = monkeypatch

    def done(self, station: WholeStation) -> dict[str, Any]:
        """Request of the job, which has ended."""
        ((number, (name, request)),) = station.jobs.items()
        assert name == "upload"
        self._monkeypatch.setattr(transfer.time, "sleep", station.advance)
        asked = json.dumps({"request": request, "places": self._places}).encode()
        tell, engine = station.runner.tell, station.engine
        line = main.run(name, asked, lambda news: tell(engine.job_said, number, news))
        del station.jobs[number]
        tell(engine.job_ended, number, line.get("answer"), CsmsError(*line["error"]) if "error" in line else None)
        station.loop.settle()
        return dict(request)


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """Uploads into servers of the test."""
    return Uploads(tmp_path, monkeypatch)
