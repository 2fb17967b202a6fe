"""Transfers over HTTP and HTTPS: whole files in spite of servers that break off, lie, drip, redirect or never end."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from evse.shell.children import pace, partial, transfer, webfile
from evse.shell.children.main import JobError, run
from evse.shell.children.target import Target
from tests.support.certificates import Certificate
from tests.support.fileservers import CHANGED, CONTENT, Authority, Handler, HttpFiles, Transfers, http_files

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


@pytest.fixture
def station(tmp_path: Path, authority: Authority) -> Transfers:
    return Transfers(tmp_path, authority.root)


# -- download ----------------------------------------------------------------------------------------------------------


def test_a_file_arrives_whole_under_its_name_only(station: Transfers, http: HttpFiles) -> None:
    answer = station.download(http.url + "/image.bin")
    assert answer == {"path": str(station.file), "bytes": len(CONTENT), "sha256": SHA256}
    assert station.file.read_bytes() == CONTENT
    assert station.parts() == ["image.bin"]
    assert station.file.stat().st_mode & 0o777 == 0o600


def test_https_to_a_trusted_server(station: Transfers, https: HttpFiles) -> None:
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_https_to_a_server_that_nobody_vouches_for(station: Transfers, https: HttpFiles) -> None:
    station.places["ca"] = "/nonexistent.pem"
    code, says = station.refused(https.url + "/image.bin")
    assert code == "Failed"
    assert "TLS: unable to get local issuer certificate" in says
    assert https.seen == []


def test_the_roots_of_the_store_are_trusted_too(station: Transfers, https: HttpFiles, authority: Authority) -> None:
    station.places["ca"] = None
    store = station.state / "certificates" / "ca" / "mf"
    store.mkdir(parents=True)
    (store / "broken.pem").write_text("no certificate")
    (store / "MF_ROOT_CA.pem").write_text(authority.root.read_text())
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_the_roots_of_the_operating_system_are_trusted_where_that_is_set(
    station: Transfers, https: HttpFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[N01.FR.16]"""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    station.places.update(ca=None, store={"system_roots": False})
    assert station.refused(https.url + "/image.bin")[0] == "Failed"
    station.places["store"]["system_roots"] = True
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_roots_at_places_of_their_own(station: Transfers, https: HttpFiles, authority: Authority) -> None:
    station.places.update(ca=None, store={"manufacturer_root": str(authority.root), "csms_root": None})
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_roots_in_a_directory(station: Transfers, https: HttpFiles, authority: Authority, tmp_path: Path) -> None:
    """As /etc/ssl/certs: what the connection with the CSMS takes, a transfer takes, too."""
    directory = tmp_path / "roots"
    directory.mkdir()
    (directory / "one.crt").write_text(authority.root.read_text())
    station.places["ca"] = str(directory)
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_a_root_that_was_replaced_vouches_for_nobody(
    station: Transfers, https: HttpFiles, authority: Authority
) -> None:
    """Neither what [csms] names, once the CSMS has installed another, nor one kept for its key only. [M05.FR.13]"""
    root = station.state / "certificates/ca/csms/CSMS_ROOT_CA.pem"
    root.parent.mkdir(parents=True)
    root.write_text(Certificate("new root", ca=True).pem())
    assert station.places["ca"] == str(authority.root)
    assert station.refused(https.url + "/image.bin")[0] == "Failed"
    root.with_name("CSMS_ROOT_CA.issuer.pem").write_text(authority.root.read_text())
    assert station.refused(https.url + "/image.bin")[0] == "Failed"
    root.with_name("CSMS_ROOT_CA.old.pem").write_text(authority.root.read_text())  # the new one has not served yet
    assert station.download(https.url + "/image.bin")["sha256"] == SHA256


def test_a_root_that_is_signed_by_the_one_before(station: Transfers, tmp_path: Path) -> None:
    """AdditionalRootCertificateCheck: it stands alone as soon as it has served. [M05.FR.12, M05.FR.13]"""
    new = Certificate("new root", Certificate("old root", ca=True), ca=True)
    leaf = Certificate("files.example", new, names=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf.write(tmp_path, "files"))
    root = tmp_path / "new.pem"
    root.write_text(new.pem())
    station.places["ca"] = str(root)
    with http_files(context) as server:
        assert station.refused(server.url + "/image.bin")[0] == "Failed"
        station.places["partial_chain"] = True
        assert station.download(server.url + "/image.bin")["sha256"] == SHA256


def test_user_and_password_of_the_url_are_sent_and_never_told(station: Transfers, http: HttpFiles) -> None:
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


def test_what_broke_off_is_resumed_by_the_next_attempt(station: Transfers, http: HttpFiles) -> None:
    cuts = iter((100_000, 100_000, None))
    http.behave["/image.bin"] = lambda handler: handler.ranged(next(cuts))
    assert station.download(http.url + "/image.bin", attempts=3)["sha256"] == SHA256
    assert [headers.get("Range") for _, _, headers in http.seen] == [None, "bytes=100000-", "bytes=200000-"]
    assert [news["attempt"] for news in station.news if "attempt" in news] == [2, 3]


def test_what_broke_off_is_resumed_by_the_next_job(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    code, says = station.refused(http.url + "/image.bin")
    assert (code, "after 100000 of 307200 bytes" in says) == ("Failed", True)
    assert station.parts() == ["image.bin.part", "image.bin.part.of"]
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256
    assert http.seen[0][2]["Range"] == "bytes=100000-"
    assert station.parts() == ["image.bin"]


def test_a_file_that_changed_meanwhile_begins_anew(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    http.behave["/image.bin"] = lambda handler: handler.ranged(None, '"two"')
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_another_url_begins_anew(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    station.download(http.url + "/other.bin")
    assert "Range" not in http.seen[-1][2]


def test_a_damaged_note_of_what_arrived_begins_anew(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    (station.state / "firmware" / "image.bin.part.of").write_text('{"no')
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256
    assert "Range" not in http.seen[0][2]


def test_a_file_that_had_arrived_before_the_power_went(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    (station.state / "firmware" / "image.bin.part").write_bytes(CONTENT)
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_without_a_validator_nothing_is_kept(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"half", Content_Length="8", Connection="close")
    assert station.refused(http.url + "/image.bin")[0] == "Failed"
    assert station.parts() == []


@pytest.mark.parametrize(
    "span", ["bytes 5-9/10", "bytes 100001-307199/307200", "", "pages 1-2/3", "bytes x-/y"], ids=lambda span: span[:9]
)
def test_a_server_that_resumes_elsewhere_is_not_believed(station: Transfers, http: HttpFiles, span: str) -> None:
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")
    http.behave["/image.bin"] = lambda handler: handler.answer(206, CONTENT[5:], Content_Range=span)
    code, says = station.refused(http.url + "/image.bin")
    assert code == "Failed"
    assert "elsewhere" in says
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_a_resumed_end_of_which_nobody_knows_whether_it_is_one(station: Transfers, http: HttpFiles) -> None:
    """A server that does not tell the whole size tells at least how far it means to go."""
    http.behave["/image.bin"] = lambda handler: handler.ranged(100_000)
    station.refused(http.url + "/image.bin")

    def broken(handler: Handler) -> None:
        handler.answer(
            206,
            CONTENT[100_000:200_000],
            Content_Length=str(len(CONTENT) - 100_000),
            Content_Range=f"bytes 100000-{len(CONTENT) - 1}/*",
        )
        handler.close_connection = True

    http.behave["/image.bin"] = broken
    code, says = station.refused(http.url + "/image.bin")
    assert (code, "after 200000 of 307200 bytes" in says) == ("Failed", True)
    http.clear()
    assert station.download(http.url + "/image.bin")["sha256"] == SHA256


def test_chunks(station: Transfers, http: HttpFiles) -> None:
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
def test_too_large_by_its_own_word(station: Transfers, http: HttpFiles, announced: str) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"x", Content_Length=announced)
    code, _ = station.refused(http.url + "/image.bin", max_bytes=1000, attempts=3)
    assert code == "TooLarge"
    assert len(http.seen) == 1


def test_a_server_without_end(station: Transfers, http: HttpFiles) -> None:
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


def test_more_than_announced_is_not_taken(station: Transfers, http: HttpFiles) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(200, b"abcdef", Content_Length="3", Connection="close")
    assert station.download(http.url + "/image.bin")["bytes"] == 3


def test_no_room_on_the_flash(station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "FREE_BYTES", 1 << 60)
    code, says = station.refused(http.url + "/image.bin")
    assert code == "TooLarge"
    assert "no room" in says


def test_a_silent_server(station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_way_is_told(station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TELL_S", 0.0)
    station.download(http.url + "/image.bin")
    assert station.news[-1] == {"bytes": len(CONTENT), "total": len(CONTENT)}


def test_redirects_are_followed_within_bounds(station: Transfers, http: HttpFiles, https: HttpFiles) -> None:
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
def test_redirects_that_are_not_followed(station: Transfers, https: HttpFiles, location: str, code: str) -> None:
    https.behave["/a"] = lambda handler: handler.answer(302, Location=location)
    assert station.refused(https.url + "/a", attempts=3)[0] == code
    assert len(https.seen) == 1


@pytest.mark.parametrize("status", [404, 500, 401, 204, 206])
def test_a_refusal_is_tried_again_as_often_as_was_asked(station: Transfers, http: HttpFiles, status: int) -> None:
    http.behave["/image.bin"] = lambda handler: handler.answer(status)
    assert station.refused(http.url + "/image.bin", attempts=3) == ("Refused", f"{http.url} answers {status}")
    assert len(http.seen) == 3


def test_the_interval_passes_between_attempts(
    station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", slept.append)
    http.behave["/image.bin"] = lambda handler: handler.answer(500)
    station.refused(http.url + "/image.bin", attempts=3, interval_s=60)
    assert slept == [60, 60]


def test_nobody_listens(station: Transfers) -> None:
    code, says = station.refused("http://127.0.0.1:1/x", attempts=2)
    assert (code, says) == ("Failed", "http://127.0.0.1:1: Connection refused")


def test_something_else_than_http(station: Transfers, https: HttpFiles, http: HttpFiles) -> None:
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
def test_no_url_that_is_spoken(station: Transfers, url: str) -> None:
    code, says = station.refused(url)
    assert code == "BadUrl"
    assert not station.file.parent.exists()
    assert "word%0d" not in says and "pass%0d" not in says


@pytest.mark.parametrize("to", ["../image.bin", "/etc/image.bin", "", ".", "link/image.bin"])
def test_nothing_is_written_outside_the_state_directory(station: Transfers, http: HttpFiles, to: str) -> None:
    os.symlink("/tmp", station.state / "link")
    assert station.refused(http.url + "/image.bin", to=to)[0] == "Invalid"
    assert http.seen == []


def test_paths_and_hosts_are_encoded() -> None:
    target = Target("http://bücher.example/ä%20ö?q=ü&r=%2F")
    assert target.host == "xn--bcher-kva.example"
    assert target.path == "/%C3%A4%20%C3%B6?q=%C3%BC&r=%2F"
    assert str(Target("https://user@[::1]:8443/x")) == "https://[::1]:8443"


# -- upload ------------------------------------------------------------------------------------------------------------


def test_a_log_is_put_below_a_url_that_ends_in_a_slash(station: Transfers, http: HttpFiles) -> None:
    answer = station.upload(http.url + "/logs/")
    body = http.kept["/logs/log-1.zip"]
    assert answer == {"name": "log-1.zip", "bytes": len(body)}
    assert [line["type"] for line in security_log(body)] == ["SettingSystemTime"]
    ((method, _, headers),) = http.seen
    assert method == "PUT"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == 'form-data; name="uploadfile"; filename="log-1.zip"'
    assert list(station.state.iterdir()) == []


@pytest.mark.parametrize("path", ["/logs", "/logs?signature=a/b%2F", "/a.zip"])
def test_any_other_url_is_used_as_it_is(station: Transfers, http: HttpFiles, path: str) -> None:
    station.upload(http.url + path)
    assert list(http.kept) == [path]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_post_where_put_is_of_no_use(station: Transfers, http: HttpFiles, status: int) -> None:
    http.behave["/logs"] = lambda handler: (
        handler.answer(status, Connection="close") if handler.command == "PUT" else handler.take()
    )
    station.upload(http.url + "/logs")
    assert security_log(http.kept["/logs"])
    assert [method for method, _, _ in http.seen] == ["PUT", "POST"]
    assert "filename=" in http.seen[1][2]["Content-Disposition"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "PermissionDenied"),
        (403, "PermissionDenied"),
        (400, "BadMessage"),
        (411, "BadMessage"),
        (404, "Failed"),
        (405, "NotSupported"),
        (501, "NotSupported"),
        (500, "Failed"),
        (507, "Failed"),
        (307, "Redirected"),
        (303, "Redirected"),
    ],
)
def test_how_a_server_refuses_a_log(station: Transfers, http: HttpFiles, status: int, code: str) -> None:
    """No redirect is followed. [N01.FR.30]"""
    http.behave["/logs"] = lambda handler: handler.answer(status, Connection="close", Location="/elsewhere")
    with pytest.raises(JobError, match=f"answers {status}") as caught:
        station.upload(http.url.replace("://", "://me:hidden@") + "/logs", attempts=2)
    assert caught.value.code == code
    assert "hidden" not in str(caught.value) + str(station.news)
    assert {path for _, path, _ in http.seen} == {"/logs"}
    assert [news["attempt"] for news in station.news] == [2]


def test_a_server_that_has_heard_enough(station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers and closes before all was sent: the answer counts."""

    def refuse(handler: Handler) -> None:
        handler.answer(403, Connection="close")
        handler.close_connection = True

    http.behave["/logs"] = refuse
    with pytest.raises(JobError) as caught:
        station.upload(http.url + "/logs", size=1 << 21)
    assert caught.value.code in ("PermissionDenied", "Failed")


def test_a_log_over_https(station: Transfers, https: HttpFiles) -> None:
    station.upload(https.url + "/logs/")
    assert security_log(https.kept["/logs/log-1.zip"])


@pytest.mark.parametrize("name", ["", "a/b.zip", "a b.zip", "ä.zip", 'a".zip', "a" * 256])
def test_names_that_no_log_has(station: Transfers, http: HttpFiles, name: str) -> None:
    with pytest.raises(JobError) as caught:
        station.upload(http.url + "/logs/", name=name)
    assert caught.value.code == "Invalid"
    assert http.seen == []


def test_a_log_that_cannot_be_put_together(
    station: Transfers, http: HttpFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evse.shell.children.logs.write", full)
    with pytest.raises(JobError, match="put together: No space left") as caught:
        station.upload(http.url + "/logs/")
    assert caught.value.code == "Failed"


def security_log(body: bytes) -> list[dict[str, Any]]:
    """The entries of an archive with a security log."""
    with ZipFile(BytesIO(body)) as archive:
        return [json.loads(line) for line in archive.read("security.jsonl").splitlines()]


def test_as_a_child_process_says_it(station: Transfers, http: HttpFiles) -> None:
    asked = {
        "request": {"url": http.url + "/image.bin", "to": "image.bin", "max_bytes": 1 << 20},
        "places": station.places,
    }
    assert run("download", json.dumps(asked).encode(), station.news.append)["answer"]["sha256"] == SHA256
