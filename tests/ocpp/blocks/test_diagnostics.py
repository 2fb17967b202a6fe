"""N01 logs: what is asked of the child process, what is told meanwhile, and what becomes of it when something fails."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import CsmsError
from evse.ocpp.jobs import AT_ONCE, WAITING
from tests.support.bench import Bench, versions, versions2

URL = "https://files.example/logs/"


def bench(version: str = "2.0.1", **options: Any) -> Bench:
    made = Bench(**options)
    made.connect(version)
    return made


def get_log(station: Bench, id: int = 7, kind: str = "DiagnosticsLog", url: str = URL, **more: Any) -> dict[str, Any]:
    times = {name: more.pop(name) for name in ("oldestTimestamp", "latestTimestamp") if name in more}
    log = {"remoteLocation": url, **times}
    return station.ask("GetLog", {"logType": kind, "requestId": id, "log": log, **more})


def job(station: Bench) -> tuple[int, dict[str, Any], float]:
    """The upload that was begun: number, request, seconds."""
    ((_, number, name, request, within_s),) = station.take_effects("job")
    assert name == "upload"
    return number, request, within_s


def end(station: Bench, number: int, code: str | None = None) -> None:
    """The child ends: with success, or the code of an error."""
    error = None if code is None else CsmsError(code, "https://files.example:443 answers 404")
    station.engine.job_ended(number, None if error else {"name": "x", "bytes": 5}, error)
    station._drain()


def told(station: Bench, action: str = "LogStatusNotification") -> dict[str, Any]:
    said = station.expect(action)
    station.answer()
    return said


@versions
def test_a_log_is_uploaded_and_the_csms_hears_of_it(version: str) -> None:
    """[N01.FR.01, N01.FR.02, N01.FR.07-09]"""
    station = bench(version)
    answer = get_log(station, retries=3, retryInterval=10)
    assert answer == {"status": "Accepted", "filename": "diagnostics-S1-1767225600-7.zip"}
    number, request, within_s = job(station)
    assert request["url"] == URL
    assert request["name"] == answer["filename"]
    assert (request["attempts"], request["interval_s"]) == (4, 10)
    assert within_s == 4 * 900 + 3 * 10
    assert request["log"]["kind"] == "DiagnosticsLog"
    assert request["log"]["about"] == {
        "ocpp": version, "vendor": "Acme", "model": "Bench", "serial": "S1", "firmware": "1.0",
    }  # fmt: skip
    assert told(station) == {"status": "Uploading", "requestId": 7}
    station.quiet()
    end(station, number)
    assert told(station) == {"status": "Uploaded", "requestId": 7}
    station.quiet()


@versions
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Failed", "UploadFailure"),
        ("Timeout", "UploadFailure"),
        ("InternalError", "UploadFailure"),
        ("PermissionDenied", "PermissionDenied"),
        ("BadMessage", "BadMessage"),
        ("NotSupported", "NotSupportedOperation"),
    ],
)
def test_a_failure_is_told_as_precisely_as_it_is_known(version: str, code: str, status: str) -> None:
    """[N01.FR.10]"""
    station = bench(version)
    get_log(station)
    told(station)
    end(station, job(station)[0], code)
    said = told(station)
    info = said.pop("statusInfo", None)
    assert said == {"status": status, "requestId": 7}
    assert (info is not None) == (version == "2.1")
    station.quiet()


@pytest.mark.parametrize(
    ("code", "reason"), [("Redirected", "RedirectNotAllowed"), ("BadUrl", "InvalidURL"), ("Failed", "Unspecified")]
)
def test_the_reason_of_a_failure(code: str, reason: str) -> None:
    """[2.1 N01.FR.30]"""
    station = bench("2.1")
    get_log(station)
    told(station)
    end(station, job(station)[0], code)
    said = told(station)
    assert said["status"] == "UploadFailure"
    assert said["statusInfo"] == {"reasonCode": reason, "additionalInfo": "https://files.example:443 answers 404"}


@versions
def test_a_newer_request_cancels_the_upload(version: str) -> None:
    """[N01.FR.12, N01.FR.20]; 1.6 has no word for it."""
    station = bench(version)
    get_log(station, 1)
    told(station)
    first = job(station)[0]
    assert get_log(station, 2, "DiagnosticsLog")["status"] == "AcceptedCanceled"
    assert station.take_effects("job_stop") == [("job_stop", first)]
    if version != "1.6":
        assert told(station) == {"status": "AcceptedCanceled", "requestId": 1}
    assert told(station) == {"status": "Uploading", "requestId": 2}
    end(station, first)
    station.quiet()
    end(station, job(station)[0])
    assert told(station) == {"status": "Uploaded", "requestId": 2}
    station.quiet()


@versions
def test_the_security_log_holds_the_events_of_the_time_asked_for(version: str) -> None:
    """[N01.FR.03]"""
    station = bench(version)
    station.advance(100)
    station.fact("fault", None, "Tamper", "door")
    station.settle()
    answer = get_log(station, kind="SecurityLog", oldestTimestamp="2026-01-01T00:01:00Z")
    assert answer["filename"].startswith("security-S1-")
    _, request, _ = job(station)
    assert [entry["type"] for entry in request["log"]["entries"]] == ["TamperDetectionActivated"]
    assert request["log"]["from"] == 1_767_225_660.0
    assert request["log"]["to"] is None
    told(station)
    get_log(station, kind="SecurityLog", latestTimestamp="2026-01-01T00:01:00Z")
    _, request, _ = job(station)
    assert [entry["type"] for entry in request["log"]["entries"]] == ["StartupOfTheDevice"]


@versions
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"kind": "SecurityLog", "latestTimestamp": "2020-01-01T00:00:00Z"}, "NotFound"),
        ({"url": "sftp://files.example/logs"}, "UnsupportedParam"),
        ({"url": "dummy:"}, "UnsupportedParam"),
        (
            {"oldestTimestamp": "2026-01-02T00:00:00Z", "latestTimestamp": "2026-01-01T00:00:00Z"},
            "InvalidValue",
        ),
    ],
)
def test_a_log_that_is_not_available_is_rejected(version: str, request_: dict[str, Any], reason: str) -> None:
    """[N01.FR.05]"""
    station = bench(version)
    answer = get_log(station, **request_)
    assert answer["status"] == "Rejected"
    assert "filename" not in answer
    assert answer.get("statusInfo", {}).get("reasonCode") == (None if version == "1.6" else reason)
    assert station.take_effects("job") == []
    station.quiet()


def test_there_is_no_data_collector() -> None:
    """[2.1 N01.FR.05, N01.FR.24]"""
    answer = get_log(bench("2.1"), kind="DataCollectorLog")
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnsupportedParam")


def test_only_the_protocols_that_are_told() -> None:
    """OCPPCommCtrlr.FileTransferProtocols is what counts."""
    variable = {"component": "OCPPCommCtrlr", "variable": "FileTransferProtocols", "value": "HTTPS"}
    station = bench(variables=[variable])
    assert get_log(station, url="http://files.example/")["status"] == "Rejected"
    assert get_log(station, url="HTTPS://files.example/")["status"] == "Accepted"


def test_the_end_of_an_upload_reaches_the_csms_after_an_outage() -> None:
    station = bench()
    get_log(station)
    told(station)
    number = job(station)[0]
    station.drop()
    end(station, number)
    station.open("2.0.1")
    said = station.settle()
    assert ("LogStatusNotification", {"status": "Uploaded", "requestId": 7}) in said


def test_an_upload_that_a_restart_cuts_short_has_failed() -> None:
    station = bench()
    get_log(station)
    told(station)
    station.cut()
    station.restart()
    station.open("2.0.1")
    said = station.settle()
    statuses = [payload for action, payload in said if action == "LogStatusNotification"]
    assert statuses == [{"status": "UploadFailure", "requestId": 7}]
    station.cut()
    station.restart()
    station.open("2.0.1")
    assert not any(action == "LogStatusNotification" for action, _ in station.settle())


def test_a_refused_status_is_not_said_again() -> None:
    station = bench()
    get_log(station)
    station.expect("LogStatusNotification")
    station.refuse("InternalError")
    station.advance(600)
    assert not any(call[2] == "LogStatusNotification" for call in station.sent)


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (None, 3), (1000, 20), (-5, 1)])
def test_how_often_is_bounded(retries: int | None, attempts: int) -> None:
    """Nor does a child wait for hours: each try has one of its own then."""
    station = bench()
    get_log(station, **({} if retries is None else {"retries": retries, "retryInterval": 10**9}))
    for attempt in range(attempts):
        number, request, _ = job(station)
        in_child = 3 if retries is None else 1
        assert (request["attempts"], request["interval_s"]) == (in_child, 60 if retries is None else 86_400)
        end(station, number, "Failed")
        if in_child == 3 or attempt == attempts - 1:
            break
        station.advance(86_399)
        assert station.take_effects("job") == []
        station.advance(1)
    station.advance(86_400 * 2)
    assert station.take_effects("job") == []


def test_names_of_files_are_plain() -> None:
    station = bench(station={"identity": "Straße 1/a"})
    assert get_log(station)["filename"] == "diagnostics-Stra_e_1_a-1767225600-7.zip"


def test_too_many_children_are_a_failure() -> None:
    station = bench()
    for _ in range(AT_ONCE + WAITING):
        station.engine.job("hang", {}, lambda *_: None)
    assert get_log(station)["status"] == "Accepted"
    assert told(station)["status"] == "Uploading"
    station.advance(0)
    assert told(station)["status"] == "UploadFailure"


def test_the_wait_for_another_try_is_part_of_the_upload() -> None:
    station = bench()
    get_log(station, 1, retries=1, retryInterval=600)
    told(station)
    end(station, job(station)[0], "Failed")
    station.quiet()
    station.ask("TriggerMessage", {"requestedMessage": "LogStatusNotification"})
    assert told(station) == {"status": "Uploading", "requestId": 1}
    assert get_log(station, 2)["status"] == "AcceptedCanceled"
    assert told(station) == {"status": "AcceptedCanceled", "requestId": 1}
    assert told(station) == {"status": "Uploading", "requestId": 2}
    number = job(station)[0]
    station.advance(600)
    assert station.take_effects("job") == []
    end(station, number)
    assert told(station) == {"status": "Uploaded", "requestId": 2}


def test_another_try_that_succeeds() -> None:
    station = bench()
    get_log(station, retries=1, retryInterval=600)
    told(station)
    end(station, job(station)[0], "Failed")
    station.fact("fault", None, "Tamper", "door")
    station.settle()
    station.advance(600)
    number, request, _ = job(station)
    assert [entry["type"] for entry in request["log"]["entries"]] == ["StartupOfTheDevice", "TamperDetectionActivated"]
    end(station, number)
    assert told(station) == {"status": "Uploaded", "requestId": 7}


@pytest.mark.parametrize("code", ["BadUrl", "Invalid"])
def test_what_another_try_would_not_mend_is_not_tried_again(code: str) -> None:
    station = bench()
    get_log(station, retries=5, retryInterval=600)
    told(station)
    end(station, job(station)[0], code)
    assert told(station)["status"] == "UploadFailure"
    station.advance(600)
    assert station.take_effects("job") == []


# -- GetDiagnostics of 1.6 ---------------------------------------------------------------------------------------------


def test_diagnostics_of_1_6() -> None:
    """[1.6 §5.9, §4.4]"""
    station = bench("1.6")
    window = {"startTime": "2026-01-01T00:00:00Z", "stopTime": "2026-01-01T00:01:00Z"}
    answer = station.ask("GetDiagnostics", {"location": "ftp://files.example/logs", "retries": 1, **window})
    assert answer == {"fileName": "diagnostics-S1-1767225600.zip"}
    number, request, _ = job(station)
    assert request["attempts"] == 2
    assert (request["log"]["from"], request["log"]["to"]) == (1_767_225_600.0, 1_767_225_660.0)
    assert told(station, "DiagnosticsStatusNotification") == {"status": "Uploading"}
    end(station, number)
    assert told(station, "DiagnosticsStatusNotification") == {"status": "Uploaded"}
    station.quiet()


@pytest.mark.parametrize("code", ["Failed", "PermissionDenied", "BadMessage"])
def test_diagnostics_of_1_6_that_fail(code: str) -> None:
    station = bench("1.6")
    station.ask("GetDiagnostics", {"location": URL})
    told(station, "DiagnosticsStatusNotification")
    end(station, job(station)[0], code)
    assert told(station, "DiagnosticsStatusNotification") == {"status": "UploadFailed"}


def test_diagnostics_of_1_6_that_cannot_be_sent_have_no_name() -> None:
    station = bench("1.6")
    assert station.ask("GetDiagnostics", {"location": "sftp://files.example/"}) == {}
    station.quiet()


def test_diagnostics_and_logs_of_1_6_take_turns() -> None:
    station = bench("1.6")
    station.ask("GetDiagnostics", {"location": URL})
    assert told(station, "DiagnosticsStatusNotification") == {"status": "Uploading"}
    assert get_log(station, 3)["status"] == "AcceptedCanceled"
    assert told(station, "DiagnosticsStatusNotification") == {"status": "UploadFailed"}
    assert told(station) == {"status": "Uploading", "requestId": 3}
    station.ask("GetDiagnostics", {"location": URL})
    assert told(station, "DiagnosticsStatusNotification") == {"status": "Uploading"}
    station.quiet()


def test_diagnostics_of_1_6_are_not_told_to_a_csms_of_2() -> None:
    station = bench("1.6")
    station.ask("GetDiagnostics", {"location": URL})
    told(station, "DiagnosticsStatusNotification")
    number = job(station)[0]
    station.drop()
    end(station, number)
    station.open("2.0.1")
    assert not any("Log" in action or "Diag" in action for action, _ in station.settle())


# -- trigger -----------------------------------------------------------------------------------------------------------


@versions2
def test_the_status_that_is_asked_for(version: str) -> None:
    """[F06.FR.14, F06.FR.15, N01.FR.13]"""
    station = bench(version)
    trigger = {"requestedMessage": "LogStatusNotification"}
    assert station.ask("TriggerMessage", trigger)["status"] == "Accepted"
    assert told(station) == {"status": "Idle"}
    get_log(station)
    told(station)
    assert station.ask("TriggerMessage", trigger)["status"] == "Accepted"
    assert told(station) == {"status": "Uploading", "requestId": 7}
    end(station, job(station)[0])
    told(station)
    station.ask("TriggerMessage", trigger)
    assert told(station) == {"status": "Idle"}
    station.quiet()


def test_the_status_that_is_asked_for_in_1_6() -> None:
    """Diagnostics by TriggerMessage [1.6 §5.17], logs by ExtendedTriggerMessage [whitepaper N01.FR.12]."""
    station = bench("1.6")

    def asked() -> list[dict[str, Any]]:
        statuses = []
        for ask, message in (
            ("TriggerMessage", "DiagnosticsStatusNotification"),
            ("ExtendedTriggerMessage", "LogStatusNotification"),
        ):
            assert station.ask(ask, {"requestedMessage": message}) == {"status": "Accepted"}
            statuses.append(told(station, message))
        return statuses

    assert asked() == [{"status": "Idle"}, {"status": "Idle"}]
    station.ask("GetDiagnostics", {"location": URL})
    told(station, "DiagnosticsStatusNotification")
    assert asked() == [{"status": "Uploading"}, {"status": "Idle"}]
    get_log(station)
    station.settle()
    assert asked() == [{"status": "Idle"}, {"status": "Uploading", "requestId": 7}]
