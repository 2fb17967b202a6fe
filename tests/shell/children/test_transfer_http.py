"""Transfers over HTTP and HTTPS: whole files in spite of servers that break off, lie, drip, redirect or never end."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.shell.children import pace, partial, transfer, webfile
from evse.shell.children.main import JobError, run
from evse.shell.children.target import Target
from tests.support.fileservers import CHANGED, CONTENT, Authority, Handler, HttpFiles, http_files

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def plain_server() -> Iterator[HttpFiles]:
    with http_files() as server:
        yield server


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[HttpFiles]:
    with http_files(authority.context()) as server:
        yield server


@pytest.fixture
def http(plain_server: HttpFiles) -> HttpFiles:
    plain_server.clear()
    return plain_server


@pytest.fixture
def https(tls_server: HttpFiles) -> HttpFiles:
    tls_server.clear()
    return tls_server


class Station:
    """A state directory, and jobs as a child process does them."""

    def __init__(self, state: Path, ca: Path) -> None:
        self.state = state
        self.places: dict[str, Any] = {"state": str(state), "certificates": str(state / "certificates"), "ca": str(ca)}
        self.news: list[dict[str, Any]] = []

    def download(self, url: str, **request: Any) -> dict[str, Any]:
        asked = {"url": url, "to": "firmware/image.bin", "max_bytes": 1 << 20, **request}
        return transfer.download(asked, self.places, self.news.append)

    def refused(self, url: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(JobError) as caught:
            self.download(url, **request)
        return caught.value.code, str(caught.value)

    @property
    def file(self) -> Path:
        return self.state / "firmware" / "image.bin"

    def parts(self) -> list[str]:
        return sorted(path.name for path in (self.state / "firmware").iterdir())


@pytest.fixture
def station(tmp_path: Path, authority: Authority) -> Station:
    return Station(tmp_path, authority.root)


# -- download ----------------------------------------------------------------------------------------------------------


def test_a_file_arrives_whole_under_its_name_only(station: Station, http: HttpFiles) -> None:
    answer = station.download(http.url + "/image.bin")
    assert answer == {"path": str(station.file), "bytes": len(CONTENT), "sha256": SHA256}
    assert station.file.read_bytes() == CONTENT
    assert station.parts() == ["image.bin"]
    assert station.file.stat().st_mode & 0o777 == 0o600


def test_https_to_a_trusted_server(station: Station, https: HttpFiles) -> None:
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_https_to_a_server_that_nobody_vouches_for(station: Station, https: HttpFiles) -> None:
    station.places["ca"] = "/nonexistent.pem"
    code, says = station.refused(https.url + "/image.bin")
    assert code == "Failed"
    assert "TLS: unable to get local issuer certificate" in says
    assert https.seen == []


def test_the_roots_of_the_store_are_trusted_too(station: Station, https: HttpFiles, authority: Authority) -> None:
    station.places["ca"] = None
    store = station.state / "certificates" / "ca" / "mf"
    store.mkdir(parents=True)
    (store / "broken.pem").write_text("no certificate")
    (store / "MF_ROOT_CA.pem").write_text(authority.root.read_text())
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_user_and_password_of_the_url_are_sent_and_never_told(station: Station, http: HttpFiles) -> None:
    url = http.url.replace("://", "://someone:p%40ss@") + "/image.bin?token=hidden"
    station.download(url)
    ((_, path, headers),) = http.seen
    assert path == "/image.bin?token=hidden"
    assert headers["Authorization"] == "Basic c29tZW9uZTpwQHNz"
    http.behave["/image.bin"] = lambda handler: handler.answer(404)
    code, says = station.refused(url, attempts=2)
    assert code == "Refused"
    assert says == f"{http.url} answers 404"
    assert not any(word in str(station.news) for word in ("someone", "p@ss", "p%40ss", "hidden"))


def test_what_broke_off_is_resumed_by_the_next_attempt(station: Station, http: HttpFiles) -> None:
    cuts = iter((100_000, 100_000, None))
    http.behave["/image.bin"] = lambda handler: handler.ranged(next(cuts))
    assert station.download(http.url + "/image.bin", attempts=3)["sha256"] == SHA256
    assert [headers.get("Range") for _, _, headers in http.seen] == [None, "bytes=100000-", "bytes=200000-"]
    assert [news["attempt"] for news in station.news if "attempt" in news] == [2, 3]


def test_what_broke_off_is_resumed_by_the_next_job(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    code, says = station.refused(http.url + "/image.bin")
    assert (code, "after 100000 of 307200 bytes" in says) == ("Failed", True)
    assert station.parts() == ["image.bin.part", "image.bin.part.of"]
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256
    assert http.seen[0][2]["Range"] == "bytes=100000-"
    assert station.parts() == ["image.bin"]


def test_a_file_that_changed_meanwhile_begins_anew(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    http.behave["/image.bin"] = lambda handler: handler.ranged(None, '"two"')
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_another_url_begins_anew(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    station.download(http.url + "/other.bin")
    assert "Range" not in http.seen[-1][2]


def test_a_damaged_note_of_what_arrived_begins_anew(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    (station.state / "firmware" / "image.bin.part.of").write_text('{"no')
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256
    assert "Range" not in http.seen[0][2]


def test_a_file_that_had_arrived_before_the_power_went(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    (station.state / "firmware" / "image.bin.part").write_bytes(CONTENT)
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_without_a_validator_nothing_is_kept(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"half", Content_Length="8", Connection="close")
    assert station.refused(http.url + "/image.bin")[0] == "Failed"
    assert station.parts() == []


@pytest.mark.parametrize(
    "span", ["bytes 5-9/10", "bytes 100001-307199/307200", "", "pages 1-2/3", "bytes x-/y"], ids=lambda span: span[:9]
)
def test_a_server_that_resumes_elsewhere_is_not_believed(station: Station, http: HttpFiles, span: str) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    http.behave["/image.bin"] = lambda handler: handler.answer(206, CONTENT[5:], Content_Range=span)
    code, says = station.refused(http.url + "/image.bin")
    assert code == "Failed"
    assert "elsewhere" in says
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_chunks(station: Station, http: HttpFiles) -> None:
    def chunked(handler: Handler, end: bytes = b"0\r\n\r\n") -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Last-Modified", CHANGED)
        handler.end_headers()
        for at in range(0, len(CONTENT), 50_000):
            piece = CONTENT[at : at + 50_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(end)
        handler.close_connection = True

    http.behave["/image.bin"] = chunked
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256
    for end in (b"", b"nonsense\r\n"):
        http.behave["/image.bin"] = lambda handler, end=end: chunked(handler, end)
        assert station.refused(http.url + "/image.bin")[0] == "Failed"


@pytest.mark.parametrize("announced", [str(1 << 20), str(1 << 60)])
def test_too_large_by_its_own_word(station: Station, http: HttpFiles, announced: str) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"x", Content_Length=announced)
    code, _ = station.refused(http.url + "/image.bin", max_bytes=1000, attempts=3)
    assert code == "TooLarge"
    assert len(http.seen) == 1


def test_a_server_without_end(station: Station, http: HttpFiles) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(CONTENT)

    http.behave["/image.bin"] = endless
    code, says = station.refused(http.url + "/image.bin", attempts=3)
    assert (code, says) == ("TooLarge", "more than 1048576 bytes")
    assert len(http.seen) == 1
    assert station.parts() == []


def test_more_than_announced_is_not_taken(station: Station, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"abcdef", Content_Length="3", Connection="close")
    assert station.download(http.url + "/image.bin")["bytes"] == 3


def test_no_room_on_the_flash(station: Station, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "FREE_BYTES", 1 << 60)
    code, says = station.refused(http.url + "/image.bin")
    assert code == "TooLarge"
    assert "no room" in says


def test_a_silent_server(station: Station, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webfile, "STALL_S", 0.05)
    done = threading.Event()
    http.behave["/image.bin"] = lambda handler: done.wait(5)
    code, says = station.refused(http.url + "/image.bin")
    done.set()
    assert (code, says) == ("Failed", f"{http.url}: nothing moves")


def test_a_dripping_server() -> None:
    now = [0.0]
    told: list[dict[str, Any]] = []
    moving = pace.Pace(told.append, lambda: now[0])
    with pytest.raises(pace.Stalled, match="only 60 bytes in 60 s"):
        for second in range(1, 100):
            now[0] = second
            moving.moved(1, second, None)
    assert len(told) < 40


def test_the_way_is_told(station: Station, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TELL_S", 0.0)
    station.download(http.url + "/image.bin")
    assert station.news[-1] == {"bytes": len(CONTENT), "total": len(CONTENT)}


def test_redirects_are_followed_within_bounds(station: Station, http: HttpFiles, https: HttpFiles) -> None:
    http.behave["/a"] = lambda handler: handler.answer(302, Location="/b")
    http.behave["/b"] = lambda handler: handler.answer(307, Location=https.url + "/image.bin")
    url = http.url.replace("://", "://me:secret@")
    assert station.download(url + "/a")["sha256"] == SHA256
    assert [("Authorization" in headers) for _, _, headers in http.seen] == [True, True]
    assert "Authorization" not in https.seen[0][2]
    http.behave["/loop"] = lambda handler: handler.answer(301, Location="/loop")
    code, says = station.refused(url + "/loop", attempts=3)
    assert (code, says) == ("Refused", f"{http.url}: more than 5 redirects")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1:1/image.bin", "Refused"),
        ("ftp://127.0.0.1/image.bin", "Refused"),
        ("file:///etc/shadow", "BadUrl"),
        ("https://127.0.0.1:99999/", "BadUrl"),
    ],
)
def test_redirects_that_are_not_followed(station: Station, https: HttpFiles, location: str, code: str) -> None:
    https.behave["/a"] = lambda handler: handler.answer(302, Location=location)
    assert station.refused(https.url + "/a", attempts=3)[0] == code
    assert len(https.seen) == 1


@pytest.mark.parametrize(("status", "asked"), [(404, 3), (500, 3), (503, 3), (401, 1), (403, 1)])
def test_a_refused_login_is_not_tried_again(station: Station, http: HttpFiles, status: int, asked: int) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(status)
    assert station.refused(http.url + "/image.bin", attempts=3) == ("Refused", f"{http.url} answers {status}")
    assert len(http.seen) == asked


def test_the_interval_passes_between_attempts(
    station: Station, http: HttpFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", slept.append)
    http.behave["/image.bin"] = lambda handler: handler.answer(500)
    station.refused(http.url + "/image.bin", attempts=3, interval_s=60)
    assert slept == [60, 60]


def test_nobody_listens(station: Station) -> None:
    code, says = station.refused("http://127.0.0.1:1/x", attempts=2)
    assert (code, says) == ("Failed", "http://127.0.0.1:1: Connection refused")


def test_something_else_than_http(station: Station, https: HttpFiles, http: HttpFiles) -> None:
    code, says = station.refused(https.url.replace("https", "http") + "/x")
    assert code == "Failed"
    code, says = station.refused(http.url.replace("http", "https") + "/x")
    assert code == "Failed"
    assert "TLS: " in says


@pytest.mark.parametrize(
    "url",
    [
        "",
        "image.bin",
        "dummy://dummy",
        "file:///etc/passwd",
        "sftp://host/file",
        "http://",
        "http:///file",
        "http://host:port/",
        "http://host:0x50/",
        "http://[::1/file",
        "http://host/a b",
        "http://host/a\r\nX: y",
        "ftp://us%0d%0aer@host/file",
        "ftp://user:pass%0d%0aword@host/file",
        "http://host/" + "a" * 2000,
        "http://a..b/",
    ],
)
def test_no_url_that_is_spoken(station: Station, url: str) -> None:
    code, says = station.refused(url)
    assert code == "BadUrl"
    assert not station.file.parent.exists()
    assert "word%0d" not in says and "pass%0d" not in says


@pytest.mark.parametrize("to", ["../image.bin", "/etc/image.bin", "", ".", "link/image.bin"])
def test_nothing_is_written_outside_the_state_directory(station: Station, http: HttpFiles, to: str) -> None:
    os.symlink("/tmp", station.state / "link")
    assert station.refused(http.url + "/image.bin", to=to)[0] == "Invalid"
    assert http.seen == []


def test_paths_and_hosts_are_encoded() -> None:
    target = Target("http://bücher.example/ä%20ö?q=ü&r=%2F")
    assert target.host == "xn--bcher-kva.example"
    assert target.path == "/%C3%A4%20%C3%B6?q=%C3%BC&r=%2F"
    assert str(Target("https://user@[::1]:8443/x")) == "https://[::1]:8443"


def test_as_a_child_process_says_it(station: Station, http: HttpFiles) -> None:
    asked = {
        "request": {"url": http.url + "/image.bin", "to": "image.bin", "max_bytes": 1 << 20},
        "places": station.places,
    }
    assert run("download", json.dumps(asked).encode(), station.news.append)["answer"]["sha256"] == SHA256
