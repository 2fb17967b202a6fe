"""OCPP 1.6, profile Firmware Management: diagnostics; and the security log of the security extension.

Logs go to real servers by the function that the child process runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.fileservers import Authority, FtpFiles, HttpFiles, ftp_files, http_files
from tests.support.uploads import Uploads, uploads
from tests.support.wholestation import WholeStation

__all__ = ["uploads"]

ID = 71
INTERVAL_S = 20


@pytest.fixture(scope="module")
def files() -> Iterator[HttpFiles]:
    with http_files() as server:
        yield server


@pytest.fixture(scope="module")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FtpFiles]:
    with ftp_files("ftp", Authority(tmp_path_factory.mktemp("authority"))) as server:
        server.clear()
        yield server


def test_TC_CP_V16_045_1_get_diagnostics(ftp: FtpFiles, uploads: Uploads) -> None:
    """GetDiagnostics: a file name; Uploading; the file is in the directory of the URL; Uploaded. [1.6 §5.9, §4.4]"""
    station = WholeStation()
    answer = station.ask("GetDiagnostics", location=ftp.url + "/", retries=1, retryInterval=INTERVAL_S)
    station.expect("DiagnosticsStatusNotification", status="Uploading")
    station.quiet()
    uploads.done(station)
    station.expect("DiagnosticsStatusNotification", status="Uploaded")
    station.quiet()
    with ZipFile(Path(ftp.directory) / answer["fileName"]) as archive:
        assert {"about.json", "variables.txt", "security.jsonl"} <= set(archive.namelist())


def test_TC_CP_V16_045_2_get_diagnostics_upload_failed(files: HttpFiles, uploads: Uploads) -> None:
    """A server that refuses it: a file name, Uploading, and after all retries UploadFailed. [1.6 errata 3.31, 3.50]"""
    files.clear()
    files.behave["/no/such/place"] = lambda handler: handler.answer(403, Connection="close")
    station = WholeStation()
    location = files.url + "/no/such/place"
    answer = station.ask("GetDiagnostics", location=location, retries=2, retryInterval=INTERVAL_S)
    assert answer["fileName"]
    station.expect("DiagnosticsStatusNotification", status="Uploading")
    begun = station.loop.now
    uploads.done(station)
    station.expect("DiagnosticsStatusNotification", status="UploadFailed")
    assert station.loop.now - begun == 2 * INTERVAL_S
    assert len(files.seen) == 3
    station.quiet()


def test_TC_CP_V16_079_get_security_log(files: HttpFiles, uploads: Uploads) -> None:
    """GetLog for the security log: Accepted with a name, Uploading, Uploaded, and what happened is in it.

    [whitepaper N01.FR.01-03, N01.FR.07-09]
    """
    files.clear()
    station = WholeStation()
    answer = station.ask("GetLog", logType="SecurityLog", requestId=ID, log={"remoteLocation": files.url + "/logs/"})
    assert answer["status"] == "Accepted"
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    uploads.done(station)
    station.expect("LogStatusNotification", status="Uploaded", requestId=ID)
    station.quiet()
    with ZipFile(BytesIO(files.kept["/logs/" + answer["filename"]])) as archive:
        events = [json.loads(line) for line in archive.read("security.jsonl").splitlines()]
    assert [event["type"] for event in events] == ["StartupOfTheDevice"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [("TriggerMessage", "DiagnosticsStatusNotification"), ("ExtendedTriggerMessage", "LogStatusNotification")],
)
def test_the_status_is_idle_without_an_upload(ask: str, message: str) -> None:
    """[1.6 §5.17; whitepaper N01.FR.12]"""
    station = WholeStation()
    assert station.ask(ask, requestedMessage=message) == {"status": "Accepted"}
    assert station.expect(message) == {"status": "Idle"}
    station.quiet()
