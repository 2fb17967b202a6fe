"""The files of the certificate store: what is counted, and what is a pair."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from evse.settings import CERTIFICATES
from evse.shell import certificatefiles
from evse.shell.certificatefiles import PATHS, SERVED, count, is_ours, newest_first, pairs, path_of
from tests.support.certificates import Certificate

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NOTHING: dict[str, Any] = {"ca": None, "cert": None}


def put(path: Path, text: str = PEM) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_every_part_can_be_set(tmp_path: Path) -> None:
    assert set(PATHS) <= set(CERTIFICATES)
    assert path_of("/store", None, "mo_root") == "/store/ca/mo/MO_ROOT_CA.pem"
    assert path_of("/store", {"mo_root": None}, "mo_root") == "/store/ca/mo/MO_ROOT_CA.pem"
    assert path_of("/store", {"mo_root": "/x.pem"}, "mo_root") == "/x.pem"


def test_an_empty_store_holds_nothing(tmp_path: Path) -> None:
    assert count(str(tmp_path), None, NOTHING) == 0


@pytest.mark.parametrize("name", [name for name in PATHS if not name.startswith("client")])
def test_every_file_counts(tmp_path: Path, name: str) -> None:
    put(tmp_path / PATHS[name], PEM * 2)
    put(tmp_path / "elsewhere.pem")
    assert count(str(tmp_path), None, NOTHING) == 2
    assert count(str(tmp_path), {name: str(tmp_path / "elsewhere.pem")}, NOTHING) == 1


@pytest.mark.parametrize("name", ["client_csms", "client_cso"])
def test_certificates_with_a_key_count_with_their_chains(tmp_path: Path, name: str) -> None:
    put(tmp_path / PATHS[name] / "a.pem", PEM * 3)
    assert count(str(tmp_path), None, NOTHING) == 0
    put(tmp_path / PATHS[name] / "a.key", "")
    put(tmp_path / PATHS[name] / "pending-X.key", "")
    assert pairs(str(tmp_path / PATHS[name])) == [str(tmp_path / PATHS[name] / "a")]
    assert count(str(tmp_path), None, NOTHING) == 3


def test_the_old_root_counts(tmp_path: Path) -> None:
    put(tmp_path / PATHS["csms_root"])
    put(Path(certificatefiles.old_root(str(tmp_path / PATHS["csms_root"]))))
    assert count(str(tmp_path), None, NOTHING) == 2


def test_what_the_station_file_names_counts_until_the_store_has_its_own(tmp_path: Path) -> None:
    csms = {"ca": put(tmp_path / "ca.pem", PEM * 4), "cert": put(tmp_path / "cert.pem", PEM * 2)}
    assert count(str(tmp_path), None, csms) == 6
    put(tmp_path / PATHS["csms_root"])
    assert count(str(tmp_path), None, csms) == 3
    for suffix in ("pem", "key"):
        put(tmp_path / f"{PATHS['client_csms']}/a.{suffix}")
    assert count(str(tmp_path), None, csms) == 4
    put(tmp_path / PATHS["client_csms"] / SERVED, "")
    assert count(str(tmp_path), None, csms) == 2


def test_the_roots_of_the_operating_system_are_not_counted(tmp_path: Path) -> None:
    put(tmp_path / "roots/a.pem")
    put(tmp_path / "bundle.pem", PEM * 130)
    for name in ("roots", "bundle.pem", "nothing"):
        assert count(str(tmp_path), None, {"ca": str(tmp_path / name), "cert": None}) == 0
        assert not is_ours(str(tmp_path / name))


def test_the_newest_certificate_comes_first_whatever_its_file_says(tmp_path: Path) -> None:
    for name, days in (("b", (-3, 9)), ("c", (-1, 9)), ("a", (-2, 9))):
        Certificate(name, days=days).write(tmp_path, name)
    assert [Path(pem).stem for pem, _ in newest_first(str(tmp_path))] == ["c", "a", "b"]
    assert newest_first(str(tmp_path))[0][1] == str(tmp_path / "c.key")
    (tmp_path / "c.pem").write_text("hello")
    os.utime(tmp_path / "c.pem", (0, 0))
    assert [Path(pem).stem for pem, _ in newest_first(str(tmp_path))] == ["a", "b", "c"]
    assert newest_first("/nonexistent") == []


def test_a_certificate_that_goes_while_it_is_looked_at(tmp_path: Path) -> None:
    """A child removes old ones at any time: the daemon must not fall over that."""
    Certificate("a").write(tmp_path, "a")
    (tmp_path / "gone.pem").symlink_to("nowhere")
    (tmp_path / "gone.key").write_text("")
    assert [Path(pem).stem for pem, _ in newest_first(str(tmp_path))] == ["a", "gone"]
