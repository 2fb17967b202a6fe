"""Jobs that install firmware: what an installer is given, what its end means, and what RAUC is asked."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evse.shell.children import install
from evse.shell.children.main import JobError

IMAGE = b"firmware 2.0"


class Site:
    """A state directory with an image, and installers that are scripts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.places: dict[str, Any] = {
            "state": str(directory),
            "firmware": {"installer": "executable", "command": None, "install_within_s": 600.0, "min_free_bytes": 0},
            "firmware_file": f"{directory}/version",
        }
        (directory / "version").write_text("1.0\n")
        self.image = directory / "firmware" / "1.image"
        self.image.parent.mkdir(0o700)
        self.image.write_bytes(IMAGE)

    def script(self, text: str) -> str:
        path = self.directory / "installer"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return str(path)

    def executable(self, text: str, *arguments: str, within_s: float = 600.0) -> None:
        self.places["firmware"] |= {"command": [self.script(text), *arguments], "install_within_s": within_s}

    def rauc(self, text: str) -> None:
        self.places["firmware"] |= {"installer": "rauc", "command": [self.script(text)]}

    def install(self, path: str = "firmware/1.image", content: bytes = IMAGE) -> dict[str, Any]:
        request = {"path": path, "sha256": hashlib.sha256(content).hexdigest()}
        return install.install(request, self.places, lambda news: None)

    def refused(self, **changes: Any) -> tuple[str, str]:
        with pytest.raises(JobError) as refusal:
            self.install(**changes)
        return refusal.value.code, str(refusal.value)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- an executable -------------------------------------------------------------------------------------------------


def test_the_executable_gets_its_arguments_then_the_image_and_a_bare_environment(site: Site, tmp_path: Path) -> None:
    os.environ["SECRET"] = "x"
    try:
        site.executable(f'{{ echo "$@"; pwd; cat; env; }} >{tmp_path}/seen; echo done', "--slot", "a b;c")
        assert site.install() == {"restart": True, "version": None, "slot": None}
    finally:
        del os.environ["SECRET"]
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[:2] == [f"--slot a b;c {site.image}", "/"]
    assert {line.partition("=")[0] for line in seen[2:]} <= {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("exit 0", {"restart": True, "version": None, "slot": None}),
        ("echo much; echo version 2.0; echo", {"restart": True, "version": "2.0", "slot": None}),
        ("echo version 2.0; echo all is well", {"restart": True, "version": None, "slot": None}),
        ('echo 2.0 >"${1%/*/*}/version"; exit 10', {"restart": False, "version": "2.0", "slot": None}),
        ('rm "${1%/*/*}/version"; echo version 2.0; exit 10', {"restart": False, "version": "2.0", "slot": None}),
    ],
)
def test_what_a_good_end_means(site: Site, text: str, answer: dict[str, Any]) -> None:
    site.executable(text)
    assert site.install() == answer


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("echo wrong board >&2; exit 20", ("Invalid", "wrong board")),
        ("exit 20", ("Invalid", "the installer refuses the image")),
        ("echo flash is full; exit 1", ("Failed", "flash is full")),
        ("exit 3", ("Failed", "the installer ended with 3")),
        ("kill -9 $$", ("Failed", "the installer ended with -9")),
    ],
)
def test_what_a_bad_end_means(site: Site, text: str, refusal: tuple[str, str]) -> None:
    site.executable(text)
    assert site.refused() == refusal


def test_much_output_costs_no_memory_and_a_long_line_is_cut(site: Site) -> None:
    site.executable("head -c 5000000 /dev/zero | tr '\\0' x; exit 1")
    assert site.refused() == ("Failed", "x" * install.LINE_LENGTH)


def test_an_installer_that_is_late_ends_with_all_that_it_started(site: Site, tmp_path: Path) -> None:
    site.executable(f"(sleep 60; touch {tmp_path}/survived) & echo $! >{tmp_path}/pid; wait", within_s=6.0)
    begun = time.monotonic()
    code, text = site.refused()
    assert code == "Failed" and "not done within 1 s" in text
    assert time.monotonic() - begun < 10
    pid = int((tmp_path / "pid").read_text())
    gone = lambda: not os.path.exists(f"/proc/{pid}") or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"  # noqa: E731
    until(gone)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_installer_that_is_not_there(site: Site) -> None:
    site.places["firmware"]["command"] = ["/nowhere/install"]
    assert site.refused() == ("Failed", "/nowhere/install: No such file or directory")


# -- the image -----------------------------------------------------------------------------------------------------


def test_an_image_that_changed_since_its_download_is_not_installed(site: Site, tmp_path: Path) -> None:
    site.executable(f"touch {tmp_path}/ran")
    assert site.refused(content=b"another")[0] == "Invalid"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "firmware/../journal", "firmware"])
def test_images_lie_in_one_directory_only(site: Site, path: str) -> None:
    site.executable("exit 0")
    assert site.refused(path=path)[0] == "Failed"


def test_a_link_leads_nowhere_else(site: Site, tmp_path: Path) -> None:
    site.executable("exit 0")
    (site.image.parent / "2.image").symlink_to("/etc/hostname")
    assert site.refused(path="firmware/2.image") == ("Failed", "the image is not where images lie")


def test_an_image_that_is_gone(site: Site) -> None:
    site.executable("exit 0")
    assert site.refused(path="firmware/2.image")[0] == "Failed"


def test_the_installer_holds_the_lock_that_keeps_another_out(site: Site, tmp_path: Path) -> None:
    """One that outlived the station is waited for, by the next installation."""
    lock = site.image.parent / install.LOCK
    site.executable(f"flock -n {lock} true && echo free || echo held; exit 1")
    assert site.refused() == ("Failed", "held")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_room_is_made_and_measured(site: Site) -> None:
    folder = site.image.parent
    for name in ("2.image.part", "2.image.part.of", "old.image"):
        (folder / name).write_bytes(b"1234")
    (folder / install.LOCK).touch()
    answer = install.room({"keep": "firmware/2.image"}, site.places, lambda news: None)
    assert sorted(path.name for path in folder.iterdir()) == ["2.image.part", "2.image.part.of", install.LOCK]
    free = os.statvfs(folder)
    assert abs(answer["bytes"] - free.f_bavail * free.f_frsize) < 1 << 28
    site.places["firmware"]["min_free_bytes"] = 1 << 60
    assert install.room({"keep": None}, site.places, lambda news: None)["bytes"] < 0
    assert [path.name for path in folder.iterdir()] == [install.LOCK]


def test_room_makes_the_directory(tmp_path: Path) -> None:
    places = {"state": str(tmp_path), "firmware": {"min_free_bytes": 0}}
    install.room({"keep": None}, places, lambda news: None)
    assert (tmp_path / "firmware").stat().st_mode & 0o777 == 0o700


# -- RAUC ----------------------------------------------------------------------------------------------------------

STATUS = {
    "compatible": "evse",
    "booted": "A",
    "boot_primary": "rootfs.1",
    "slots": [{"rootfs.0": {"state": "booted", "bootname": "A"}}, {"rootfs.1": {"state": "inactive"}}],
}
RAUC = """echo "$@" >>{calls}
[ -n "$FAIL" ] && exit 1
case "$1" in
    info) {info} ;;
    install) {install} ;;
    status) echo warning >&2; echo '{status}' ;;
esac
"""


def rauc(site: Site, tmp_path: Path, **words: str) -> None:
    defaults = {"info": "true", "install": "true", "status": json.dumps(STATUS), "calls": str(tmp_path / "calls")}
    site.rauc(RAUC.format(**{**defaults, **words}))


def test_rauc_checks_then_installs_and_says_which_slot_is_next(site: Site, tmp_path: Path) -> None:
    rauc(site, tmp_path)
    assert site.install() == {"restart": True, "version": None, "slot": "rootfs.1"}
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"info --output-format=json {site.image}",
        f"install {site.image}",
        "status --output-format=json",
    ]


def test_rauc_tells_the_slot_that_runs(site: Site, tmp_path: Path) -> None:
    rauc(site, tmp_path)
    assert install.booted_slot({}, site.places, lambda news: None) == {"slot": "rootfs.0"}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ({"info": "echo signature verification failed >&2; exit 1"}, "Invalid", "signature verification failed"),
        ({"install": "echo LastError: Compatible mismatch; echo failed; exit 1"}, "Invalid", "Compatible mismatch"),
        ({"install": "echo LastError: No space left; exit 1"}, "Failed", "No space left"),
    ],
)
def test_what_rauc_refuses(site: Site, tmp_path: Path, words: dict[str, str], code: str, text: str) -> None:
    rauc(site, tmp_path, **words)
    refusal = site.refused()
    assert refusal[0] == code and text in refusal[1]


@pytest.mark.parametrize("status", ["no json", "{}"])
def test_a_status_that_says_nothing(site: Site, tmp_path: Path, status: str) -> None:
    rauc(site, tmp_path, status=status)
    with pytest.raises(JobError):
        install.booted_slot({}, site.places, lambda news: None)


def test_rauc_whose_service_is_not_up_yet_is_asked_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "STATUS_AGAIN_S", 0.0)
    site.rauc(f"n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) >{tmp_path}/n; [ $n -ge 2 ] || exit 1\n"
              f"echo '{json.dumps(STATUS)}'")  # fmt: skip
    assert install.booted_slot({}, site.places, lambda news: None) == {"slot": "rootfs.0"}
    site.rauc("echo no service; exit 1")
    with pytest.raises(JobError, match="rauc status"):
        install.booted_slot({}, site.places, lambda news: None)


def test_an_executable_has_no_slots(site: Site) -> None:
    site.executable("exit 0")
    with pytest.raises(JobError, match="slots"):
        install.booted_slot({}, site.places, lambda news: None)
