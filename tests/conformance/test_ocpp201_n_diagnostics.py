"""OCPP 2.0.1 test cases, N Diagnostics: logs and customer information; and those of F that ask for the log's status.

Logs go to a real server by the function that the child process runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.fileservers import HttpFiles, http_files
from tests.support.states201 import ACCEPTED, TOKEN, Station, board, token
from tests.support.uploads import Uploads, uploads

__all__ = ["uploads"]

ID, NEXT_ID = 71, 72
INTERVAL_S = 20


@pytest.fixture(scope="module")
def server() -> Iterator[HttpFiles]:
    with http_files() as server:
        yield server


@pytest.fixture
def files(server: HttpFiles) -> HttpFiles:
    server.clear()
    return server


def get_log(station: Station, url: str, kind: str = "DiagnosticsLog", id: int = ID, **more: Any) -> dict[str, Any]:
    return station.ask("GetLog", logType=kind, requestId=id, log={"remoteLocation": url}, **more)


def archive(files: HttpFiles, name: str) -> set[str]:
    """The files in a log that was uploaded."""
    with ZipFile(BytesIO(files.kept["/logs/" + name])) as found:
        return set(found.namelist())


# -- logs --------------------------------------------------------------------------------------------------------------


def succeeds(station: Station, files: HttpFiles, uploads: Uploads, kind: str) -> set[str]:
    answer = get_log(station, files.url + "/logs/", kind)
    assert answer["status"] == "Accepted"
    assert answer["filename"]
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    station.quiet()
    uploads.done(station)
    station.expect("LogStatusNotification", status="Uploaded", requestId=ID)
    station.quiet()
    return archive(files, answer["filename"])


@versions2
def test_TC_N_25_CS_diagnostics_log(version: str, files: HttpFiles, uploads: Uploads) -> None:
    """GetLog for diagnostics: a file name, Uploading, the file arrives, Uploaded. [N01.FR.01-04, .07-09]"""
    station = Station(version=version)
    found = succeeds(station, files, uploads, "DiagnosticsLog")
    assert {"about.json", "status.json", "variables.txt", "log.txt"} <= found


@versions2
def test_TC_N_35_CS_security_log(version: str, files: HttpFiles, uploads: Uploads) -> None:
    """The same for the security log. [N01.FR.03]"""
    station = Station(version=version)
    assert succeeds(station, files, uploads, "SecurityLog") == {"security.jsonl"}
    (body,) = files.kept.values()
    with ZipFile(BytesIO(body)) as found:
        events = [json.loads(line) for line in found.read("security.jsonl").splitlines()]
    assert events[0]["type"] == "StartupOfTheDevice"


@versions2
def test_TC_N_26_CS_upload_failed(version: str, files: HttpFiles, uploads: Uploads) -> None:
    """A place that does not exist, 3 retries: Uploading once, a failure once, 3 intervals later. [N01.FR.10]

    [errata 2025-01, 6.2.93]
    """
    station = Station(version=version)
    files.behave["/no/such/place"] = lambda handler: handler.answer(404, Connection="close")
    answer = get_log(station, files.url + "/no/such/place", retries=3, retryInterval=INTERVAL_S)
    assert answer["status"] == "Accepted"
    begun = station.loop.now
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    uploads.done(station)
    said = station.expect("LogStatusNotification", requestId=ID)
    assert said["status"] in ("UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation")
    assert station.loop.now - begun == 3 * INTERVAL_S
    assert [method for method, _, _ in files.seen] == ["PUT", "POST"] * 4
    station.quiet()


@versions2
def test_TC_N_34_CS_log_rejected(version: str) -> None:
    """No log of that time: Rejected, and nothing follows. [N01.FR.05]"""
    station = Station(version=version)
    log = {"remoteLocation": "https://files.example/", "latestTimestamp": "2001-01-01T00:00:00Z"}
    answer = station.ask("GetLog", logType="SecurityLog", requestId=ID, log=log)
    assert answer["status"] == "Rejected"
    assert "filename" not in answer
    station.quiet()
    assert not station.jobs


@versions2
@pytest.mark.parametrize("kind", ["DiagnosticsLog", "SecurityLog"])
def test_TC_N_36_CS_second_request(version: str, kind: str, files: HttpFiles, uploads: Uploads) -> None:
    """A second GetLog cancels the first: AcceptedCanceled twice; then the second one goes. [N01.FR.12, N01.FR.20]"""
    station = Station(version=version)
    assert get_log(station, files.url + "/first/", kind)["status"] == "Accepted"
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    answer = get_log(station, files.url + "/logs/", kind, NEXT_ID)
    assert answer["status"] == "AcceptedCanceled"
    station.expect("LogStatusNotification", status="AcceptedCanceled", requestId=ID)
    station.expect("LogStatusNotification", status="Uploading", requestId=NEXT_ID)
    uploads.done(station)
    station.expect("LogStatusNotification", status="Uploaded", requestId=NEXT_ID)
    station.quiet()
    assert list(files.kept) == ["/logs/" + answer["filename"]]


@versions2
def test_TC_F_15_CS_trigger_log_status_idle(version: str) -> None:
    """TriggerMessage for the log's status without an upload: Idle, without requestId. [F06.FR.15, N01.FR.13]"""
    station = Station(version=version)
    assert station.ask("TriggerMessage", requestedMessage="LogStatusNotification") == ACCEPTED
    assert station.expect("LogStatusNotification") == {"status": "Idle"}
    station.quiet()


@versions2
def test_TC_F_16_CS_trigger_log_status_uploading(version: str, files: HttpFiles, uploads: Uploads) -> None:
    """The same during an upload: Uploading. [F06.FR.14]"""
    station = Station(version=version)
    assert get_log(station, files.url + "/logs/")["status"] == "Accepted"
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    assert station.ask("TriggerMessage", requestedMessage="LogStatusNotification") == ACCEPTED
    station.expect("LogStatusNotification", status="Uploading", requestId=ID)
    uploads.done(station)
    station.expect("LogStatusNotification", status="Uploaded", requestId=ID)
    station.quiet()


# -- customer information ----------------------------------------------------------------------------------------------


def customer(station: Station, report: bool, clear: bool, id: int = ID, **who: Any) -> list[str]:
    """CustomerInformation, which must be Accepted: the data of its parts, all of which arrive."""
    who = who or {"idToken": token()}
    answer = station.ask("CustomerInformation", requestId=id, report=report, clear=clear, **who)
    assert answer["status"] == "Accepted"
    told = []
    for seq in range(100):
        part = station.expect("NotifyCustomerInformation", requestId=id, seqNo=seq)
        told.append(part["data"])
        if not part.get("tbc"):
            break
    station.quiet()
    return told


def known(version: str) -> Station:
    """A station that has the token in its cache and its list, and served it."""
    station = Station(board(parking=True), version=version)
    station.put(AuthCacheCtrlr__Enabled=True, AuthCtrlr__LocalPreAuthorize=True)
    states201.id_token_cached(station)
    states201.id_token_local_auth_list(station)
    states201.energy_transfer_started(station, asked=False)
    states201.parking_bay_unoccupied(station)
    return station


@versions2
def test_TC_N_27_CS_customer_information(version: str) -> None:
    """What is known of a token is told. [N09.FR.02, N09.FR.05]"""
    (told,) = customer(known(version), report=True, clear=False)
    assert "authorization cache: " in told
    assert "local authorization list: " in told


@versions2
def test_TC_N_28_CS_no_customer_information(version: str) -> None:
    """After everything was cleared: one message, that there is nothing. [N09.FR.06]"""
    station = Station(version=version)
    states201.id_token_cached(station)
    customer(station, report=False, clear=True)
    assert customer(station, report=True, clear=False, id=NEXT_ID) == ["no data was found"]


@versions2
def test_TC_N_29_CS_customer_information_not_accepted(version: str) -> None:
    """A request that names nobody, or two: Invalid. [N09.FR.09]"""
    station = Station(version=version)
    for who in ({}, {"idToken": token(), "customerIdentifier": "C1"}):
        answer = station.ask("CustomerInformation", requestId=ID, report=True, clear=False, **who)
        assert answer["status"] == "Invalid"
        station.quiet()


@versions2
def test_TC_N_30_CS_clear_and_report(version: str) -> None:
    """What was cleared is told; afterwards only the local list knows the token. [N10.FR.01, N10.FR.03]"""
    station = known(version)
    (told,) = customer(station, report=True, clear=True)
    assert "authorization cache: " in told
    (told,) = customer(station, report=True, clear=False, id=NEXT_ID)
    assert told == "local authorization list: status Accepted"


@versions2
def test_TC_N_31_CS_clear_and_report_nothing(version: str) -> None:
    """Nothing is known: one message says so. [N10.FR.04]"""
    assert customer(Station(version=version), report=True, clear=True) == ["no data was found"]


@versions2
def test_TC_N_32_CS_clear_without_report(version: str) -> None:
    """One message says that the data was cleared. [N10.FR.06]"""
    station = Station(version=version)
    assert customer(station, report=False, clear=True) == ["the data was cleared"]
    states201.id_token_cached(station)
    assert customer(station, report=False, clear=True) == ["the data was cleared"]
    station.put(AuthCtrlr__LocalPreAuthorize=True)
    station.tap(TOKEN)
    station.expect("Authorize", idToken=token())


@versions2
def test_TC_N_33_CS_clear_invalid(version: str) -> None:
    """As TC_N_29, for clearing. [N10.FR.08]"""
    station = Station(version=version)
    answer = station.ask("CustomerInformation", requestId=ID, report=False, clear=True)
    assert answer["status"] == "Invalid"
    station.quiet()
