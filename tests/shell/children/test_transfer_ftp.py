"""Transfers over FTP and FTPS, with a real server: whole files in spite of broken connections and endless replies."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import pytest

from evse.shell.children import ftpfile
from evse.shell.children.main import JobError
from tests.support.fileservers import CONTENT, Authority, FtpFiles, Transfers, ftp_files

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# Plain FTP, explicit and implicit TLS.
@pytest.fixture(scope="module", params=["ftp", "ftps", "implicit"])
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[FtpFiles]:
    with ftp_files(request.param, authority) as server:
        yield server


@pytest.fixture
def ftp(server: FtpFiles, monkeypatch: pytest.MonkeyPatch) -> FtpFiles:
    server.clear()
    if server.kind == "implicit":
        monkeypatch.setattr("evse.shell.children.ftpfile.IMPLICIT_FTPS_PORT", server.port)
    return server


@pytest.fixture
def station(tmp_path: Path, authority: Authority) -> Transfers:
    return Transfers(tmp_path, authority.root)


def test_a_file_arrives_whole(station: Transfers, ftp: FtpFiles) -> None:
    answer = station.download(f"{ftp.url}/image.bin")
    assert answer == {"path": str(station.state / "firmware" / "image.bin"), "bytes": len(CONTENT), "sha256": SHA256}
    assert (station.state / "firmware" / "image.bin").read_bytes() == CONTENT
    assert ftp.secured == (ftp.kind != "ftp")


def test_what_broke_off_is_resumed(station: Transfers, ftp: FtpFiles) -> None:
    ftp.cut(100_000)
    assert station.download(f"{ftp.url}/image.bin", attempts=2)["sha256"] == SHA256
    assert ftp.rests == [100_000]
    assert [news["attempt"] for news in station.news if "attempt" in news] == [2]


def test_a_file_that_changed_meanwhile_begins_anew(station: Transfers, ftp: FtpFiles) -> None:
    ftp.cut(100_000)
    station.refused(f"{ftp.url}/image.bin")
    ftp.write("image.bin", CONTENT[::-1] + b"more")
    assert station.download(f"{ftp.url}/image.bin")["bytes"] == len(CONTENT) + 4
    assert ftp.rests == []


def test_a_wrong_password_is_never_told(station: Transfers, ftp: FtpFiles) -> None:
    code, says = station.refused(f"{ftp.url.replace('s3cret', 'wr0ng')}/image.bin", attempts=2)
    assert (code, says.endswith("answers 530")) == ("Refused", True)
    assert "wr0ng" not in says + str(station.news)
    assert len(station.news) == 1


def test_a_file_that_is_not_there(station: Transfers, ftp: FtpFiles) -> None:
    code, says = station.refused(f"{ftp.url}/no/such.bin", attempts=2)
    assert (code, says.endswith("answers 550")) == ("Refused", True)
    assert len(station.news) == 1
    assert "such" not in says


@pytest.mark.parametrize("server", ["ftps", "implicit"], indirect=True)
def test_a_server_that_nobody_vouches_for(station: Transfers, ftp: FtpFiles) -> None:
    station.places["ca"] = "/nonexistent.pem"
    code, says = station.refused(f"{ftp.url}/image.bin")
    assert code == "Failed"
    assert "TLS: unable to get local issuer certificate" in says
    assert ftp.logins == []


def test_too_large(station: Transfers, ftp: FtpFiles) -> None:
    code, says = station.refused(f"{ftp.url}/image.bin", max_bytes=1000)
    assert (code, says) == ("TooLarge", f"{len(CONTENT)} bytes are announced, 1000 allowed")


@pytest.mark.parametrize("name", ["a%0d%0aDELE%20b", "%00"])
def test_no_path_that_is_a_command(station: Transfers, ftp: FtpFiles, name: str) -> None:
    assert station.refused(f"{ftp.url}/{name}")[0] == "BadUrl"


def test_a_name_with_spaces(station: Transfers, ftp: FtpFiles) -> None:
    ftp.write("an image.bin", b"small")
    assert station.download(f"{ftp.url}/an%20image.bin")["bytes"] == 5


# -- upload ------------------------------------------------------------------------------------------------------------


def test_a_log_is_stored_in_a_directory(station: Transfers, ftp: FtpFiles) -> None:
    (ftp.directory / "logs").mkdir()
    for place in ("", "/", "/logs", "/logs/"):
        answer = station.upload(ftp.url + place)
        stored = ftp.directory / place.strip("/") / "log-1.zip"
        assert answer == {"name": "log-1.zip", "bytes": stored.stat().st_size}, place
        assert is_zipfile(stored)
        stored.unlink()
    assert ftp.secured == (ftp.kind != "ftp")


def test_a_log_under_the_name_of_the_url(station: Transfers, ftp: FtpFiles) -> None:
    station.upload(f"{ftp.url}/mine.zip")
    assert is_zipfile(ftp.directory / "mine.zip")


@pytest.mark.parametrize("server", ["ftp"], indirect=True)
def test_a_log_is_resumed_where_it_broke_off(station: Transfers, ftp: FtpFiles) -> None:
    ftp.cut(70_000)
    answer = station.upload(f"{ftp.url}/", size=1 << 18, attempts=2)
    assert ftp.rests == [70_000]
    stored = ftp.directory / "log-1.zip"
    assert stored.stat().st_size == answer["bytes"]
    with ZipFile(stored) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("server", ["ftp"], indirect=True)
def test_a_file_of_another_time_is_replaced_not_resumed(
    station: Transfers, ftp: FtpFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the first try did not come so far as to store anything."""
    ftp.write("mine.zip", b"older")
    real, tries = ftpfile.send, []

    def send(*args: Any) -> None:
        tries.append(args)
        if len(tries) == 1:
            raise ConnectionResetError(104, "Connection reset by peer")
        real(*args)

    monkeypatch.setattr(ftpfile, "send", send)
    station.upload(f"{ftp.url}/mine.zip", attempts=2)
    assert ftp.rests == []
    assert is_zipfile(ftp.directory / "mine.zip")
    assert not (ftp.directory / "mine.zip").read_bytes().startswith(b"older")


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        (("s3cret", "wr0ng"), "/", "PermissionDenied"),
        (("someone", "reader"), "/", "PermissionDenied"),
        (("", ""), "/no/such/", "PermissionDenied"),
        (("", ""), "/no/such", "PermissionDenied"),
    ],
)
def test_how_a_server_refuses_a_log(
    station: Transfers, ftp: FtpFiles, change: tuple[str, str], path: str, code: str
) -> None:
    with pytest.raises(JobError) as caught:
        station.upload(ftp.url.replace(*change) + path, attempts=2)
    assert caught.value.code == code
    assert [news["attempt"] for news in station.news] == [2]


# -- servers that are none ---------------------------------------------------------------------------------------------


def test_a_server_that_talks_without_end(station: Transfers) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                while True:
                    peer.sendall(b"220-welcome to a very polite server\r\n" * 100)
            except OSError:
                return

    thread = threading.Thread(target=talk)
    thread.start()
    code, says = station.refused(f"ftp://127.0.0.1:{listener.getsockname()[1]}/x")
    thread.join()
    listener.close()
    assert code == "Failed"
    assert "talks without end" in says


@pytest.mark.parametrize("greeting", [b"\xff\xfe nonsense\r\n", b"", b"500 no\r\n", b"x" * 20_000])
def test_something_else_than_ftp(station: Transfers, greeting: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(greeting)

    thread = threading.Thread(target=talk)
    thread.start()
    code, _ = station.refused(f"ftp://127.0.0.1:{listener.getsockname()[1]}/x")
    thread.join()
    listener.close()
    assert code in ("Failed", "Refused")
