"""Job "certificates": the store, its limits, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evse.shell.children import crypto_own
from evse.shell.children.crypto_store import job
from evse.shell.children.main import JobError
from tests.support import signing
from tests.support.certificates import Certificate
from tests.support.signing import hash_data, sign

CS, V2G = "ChargingStationCertificate", "V2GCertificate"
SUBJECT = {"CN": "S1", "O": "Operator"}


class Shelf:
    """The certificate store of one station, spoken to as a block does."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "certificates"
        self.places: dict[str, Any] = {"certificates": str(self.root), "ca": None, "cert": None, "key": None}
        self.authority = Certificate("Operator Root", ca=True, days=(-10, 1000))

    def do(self, op: str, **request: Any) -> dict[str, Any]:
        if op in ("install", "signed", "check"):
            request.setdefault("utc", time.time())
        return job({"op": op, **request}, self.places, lambda news: None)

    def refused(self, op: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(JobError) as error:
            self.do(op, **request)
        return error.value.code, str(error.value)

    def install(self, root: Certificate | str, kind: str = "CSMSRootCertificate", **more: Any) -> dict[str, Any]:
        return self.do("install", **self.installation(root, kind, **more))

    @staticmethod
    def installation(root: Certificate | str, kind: str = "CSMSRootCertificate", **more: Any) -> dict[str, Any]:
        text = root if isinstance(root, str) else root.pem()
        return {"type": kind, "pem": text, "most": 50, "check": False, **more}

    def ids(self, *types: str) -> list[dict[str, Any]]:
        chains: list[dict[str, Any]] = self.do("ids", types=list(types) or None)["chains"]
        return chains

    def csr(self, use: str = CS, **more: Any) -> str:
        text: str = self.do("csr", use=use, subject=SUBJECT, again=False, **more)["csr"]
        return text

    def renew(self, use: str = CS, **how: Any) -> str:
        """A certificate asked for, signed and taken: its PEM."""
        text = sign(self.csr(use), self.authority, **how)
        self.do("signed", use=use, chain=text)
        return text

    def files(self, directory: str = "client/csms") -> list[str]:
        return sorted(os.listdir(self.root / directory))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.install(shelf.authority)
    shelf.install(shelf.authority, "V2GRootCertificate")
    return shelf


# -- root certificates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ec", "rsa2048"])
def test_hash_data_are_those_of_ocsp(shelf: Shelf, key: str) -> None:
    root = Certificate("Root", ca=True, key=key)
    shelf.install(root, "MORootCertificate")
    ((entry),) = shelf.ids("MORootCertificate")
    assert entry == {"certificateType": "MORootCertificate", "certificateHashData": hash_data(root)}
    name = root.certificate.issuer.public_bytes()
    assert entry["certificateHashData"]["issuerNameHash"] == hashlib.sha256(name).hexdigest()
    form = (
        (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        if key == "ec"
        else (serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    )
    bits = root.key.public_key().public_bytes(*form)  # the bare bits, without tag and length
    assert entry["certificateHashData"]["issuerKeyHash"] == hashlib.sha256(bits).hexdigest()


def test_a_serial_number_has_no_leading_zeros(shelf: Shelf) -> None:
    text = sign(shelf.csr(), shelf.authority, serial=0x0A12)
    shelf.do("signed", use=CS, chain=text)
    wanted = {**hash_data(signing.first(text), shelf.authority), "serialNumber": "00A12"}
    assert shelf.refused("delete", hash=wanted)[0] == "InUse"


@pytest.mark.parametrize(
    "kind",
    [
        "CSMSRootCertificate",
        "ManufacturerRootCertificate",
        "MORootCertificate",
        "V2GRootCertificate",
        "OEMRootCertificate",
    ],
)
def test_every_type_of_root_is_kept_for_itself(shelf: Shelf, kind: str) -> None:
    root = Certificate("Another", ca=True)
    before = shelf.do("ids")["entries"]
    assert shelf.install(root, kind)["entries"] == before + 1
    assert hash_data(root) in [entry["certificateHashData"] for entry in shelf.ids(kind)]
    assert {entry["certificateType"] for entry in shelf.ids(kind)} == {kind}
    assert shelf.do("delete", hash=hash_data(root))["entries"] == before
    assert hash_data(root) not in [entry["certificateHashData"] for entry in shelf.ids(kind)]
    assert shelf.refused("delete", hash=hash_data(root))[0] == "NotFound"


def test_m05_fr_17_one_that_is_there_is_replaced(shelf: Shelf) -> None:
    before = shelf.do("ids")["entries"]
    assert shelf.install(shelf.authority, most=before)["entries"] == before


def test_m05_fr_06_a_full_store_refuses(shelf: Shelf) -> None:
    entries = shelf.do("ids")["entries"]
    assert shelf.refused("install", **shelf.installation(Certificate("More", ca=True), most=entries))[0] == "Full"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"days": (-10, -1)}, "has expired"),
        ({"days": (1, 10)}, "valid only from"),
        ({"ca": False}, "not made for signing"),
        ({"key": "rsa1024"}, "too weak"),
    ],
)
def test_m05_fr_07_a_root_that_is_no_good(shelf: Shelf, made: dict[str, Any], says: str) -> None:
    root = Certificate("Bad", **{"ca": True, **made})
    code, text = shelf.refused("install", **shelf.installation(root))
    assert code == "Invalid"
    assert says in text


def test_an_intermediate_is_no_root(shelf: Shelf) -> None:
    code, text = shelf.refused("install", **shelf.installation(Certificate("Sub", shelf.authority, ca=True)))
    assert (code, "is no root" in text) == ("Invalid", True)


def test_one_root_at_a_time(shelf: Shelf) -> None:
    two = Certificate("One", ca=True).pem() + Certificate("Two", ca=True).pem()
    assert shelf.refused("install", **shelf.installation(two))[0] == "Invalid"


def test_a_type_that_is_none(shelf: Shelf) -> None:
    assert shelf.refused("install", **shelf.installation(shelf.authority, "../../etc"))[0] == "Invalid"


def test_line_ends_do_not_matter(shelf: Shelf) -> None:
    root = Certificate("Windows", ca=True)
    shelf.install(root.pem().replace("\n", "\r\n"), "MORootCertificate")
    assert shelf.ids("MORootCertificate")[0]["certificateHashData"] == hash_data(root)


def test_a_root_of_the_station_file_counts_until_the_store_has_its_own(shelf: Shelf, tmp_path: Path) -> None:
    os.unlink(shelf.root / "ca/csms/CSMS_ROOT_CA.pem")
    named = Certificate("Named", ca=True)
    path, _ = named.write(tmp_path, "named")
    shelf.places["ca"] = path
    assert [entry["certificateHashData"] for entry in shelf.ids("CSMSRootCertificate")] == [hash_data(named)]
    shelf.install(shelf.authority)
    own = [entry["certificateHashData"] for entry in shelf.ids("CSMSRootCertificate")]
    assert own == [hash_data(named), hash_data(shelf.authority)]
    shelf.do("delete", hash=hash_data(named))
    shelf.do("delete", hash=hash_data(shelf.authority))
    assert shelf.ids("CSMSRootCertificate") == []
    assert Path(path).read_text() == named.pem()


def test_the_root_that_the_connection_stands_on_stays(shelf: Shelf) -> None:
    shelf.places["trusted"] = shelf.authority.pem()
    assert shelf.refused("delete", hash=hash_data(shelf.authority))[0] == "InUse"
    assert len(shelf.ids("CSMSRootCertificate")) == 1


def test_installations_at_the_same_time_are_both_kept(shelf: Shelf) -> None:
    roots = [Certificate(f"Root {n}", ca=True) for n in range(6)]
    threads = [threading.Thread(target=shelf.install, args=(root, "MORootCertificate")) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.ids("MORootCertificate")) == 6


def test_a_disk_that_refuses_is_a_failure(shelf: Shelf) -> None:
    (shelf.root / "ca/mo").write_text("in the way")
    assert shelf.refused("install", **shelf.installation(shelf.authority, "MORootCertificate"))[0] == "Failed"


def test_a_damaged_file_hides_nothing_else(shelf: Shelf) -> None:
    path = shelf.root / "ca/mo/MO_ROOT_CA.pem"
    path.parent.mkdir()
    path.write_text("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n")
    assert len(shelf.ids()) == 2
    assert shelf.refused("install", **shelf.installation(shelf.authority, "MORootCertificate"))[0] == "Failed"


def test_each_path_can_be_elsewhere(shelf: Shelf, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shelf.places["store"] = {"mo_root": str(mine / "operators.pem"), "client_csms": str(mine / "own")}
    root = Certificate("Operator", ca=True)
    shelf.install(root, "MORootCertificate")
    assert (mine / "operators.pem").read_text() == root.pem()
    shelf.renew()
    assert len(list((mine / "own").iterdir())) == 2
    assert shelf.do("check")["expires"]


# -- AdditionalRootCertificateCheck ------------------------------------------------------------------------------------


def cross_signed(old: Certificate) -> Certificate:
    """A new root, signed by the old one."""
    return Certificate("New Root", old, ca=True, days=(-1, 500))


def test_m05_fr_11_a_root_of_somebody_else_does_not_replace(shelf: Shelf) -> None:
    stranger = Certificate("Stranger", ca=True)
    code, text = shelf.refused("install", **shelf.installation(stranger, check=True))
    assert (code, "not signed by the root" in text) == ("Invalid", True)
    assert [entry["certificateHashData"] for entry in shelf.ids("CSMSRootCertificate")] == [hash_data(shelf.authority)]


def test_m05_fr_12_the_old_root_stays_until_the_new_one_has_served(shelf: Shelf) -> None:
    new = cross_signed(shelf.authority)
    shelf.install(new, check=True)
    listed = [entry["certificateHashData"] for entry in shelf.ids("CSMSRootCertificate")]
    assert listed == [hash_data(new, shelf.authority), hash_data(shelf.authority)]
    assert shelf.do("trusted")["removed"] is True
    assert [entry["certificateHashData"] for entry in shelf.ids("CSMSRootCertificate")] == listed[:1]
    assert shelf.do("trusted")["removed"] is False


def test_the_roots_of_the_operating_system_are_not_the_stations_to_change(shelf: Shelf, tmp_path: Path) -> None:
    os.unlink(shelf.root / "ca/csms/CSMS_ROOT_CA.pem")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nunreadable\n" + shelf.authority.pem() * 30)
    for named in (tmp_path, bundle):
        shelf.places["ca"] = str(named)
        assert shelf.refused("install", **shelf.installation(Certificate("More", ca=True)))[0] == "Failed"
        assert shelf.ids("CSMSRootCertificate") == []
        shelf.do("signed", use=CS, chain=sign(shelf.csr(), shelf.authority))  # trusted all the same
    shelf.install(Certificate("More", ca=True), "MORootCertificate")


def test_the_certificate_of_the_station_file_counts_until_one_of_the_store_has_served(
    shelf: Shelf, tmp_path: Path
) -> None:
    named = Certificate("S1", shelf.authority, days=(-1, 300))
    shelf.places["cert"], shelf.places["key"] = named.write(tmp_path, "factory")
    shelf.renew(days=(-1, 30))
    path = str(shelf.root / "client/csms" / next(name for name in shelf.files() if name.endswith(".pem")))
    entries = shelf.do("ids")["entries"]
    assert shelf.do("keep", path=path) == {"entries": entries - 1, "discarded": [], "newest": False}
    text = shelf.renew(days=(-1, 60))
    said = shelf.do("keep", path=str(tmp_path / "factory.pem"))  # back to it all the same
    assert (len(said["discarded"]), said["newest"]) == (2, True)
    assert shelf.do("check")["expires"] == {CS: named.certificate.not_valid_after_utc.timestamp()}
    assert text


def test_the_first_root_needs_no_other(shelf: Shelf) -> None:
    shelf.do("delete", hash=hash_data(shelf.authority))
    shelf.install(shelf.authority, check=True)
    assert len(shelf.ids("CSMSRootCertificate")) == 1


# -- the station's own -------------------------------------------------------------------------------------------------


def test_a02_fr_02_a_key_pair_is_made_and_stays(shelf: Shelf) -> None:
    said = shelf.do("csr", use=CS, subject=SUBJECT, again=False)
    assert signing.read(said["csr"]) == {"CN": "S1", "O": "Operator", "kind": "ec", "bits": 256}
    assert "PRIVATE" not in str(said)
    key = shelf.root / "client/csms/pending-ChargingStationCertificate.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_keys_of_the_other_kinds(shelf: Shelf) -> None:
    assert signing.read(shelf.csr(V2G))["bits"] == 256
    assert signing.read(shelf.csr("V2G20Certificate"))["bits"] == 521
    shelf.places["store"] = {"key_type": "rsa"}
    rsa = signing.read(shelf.csr())
    assert (rsa["kind"], rsa["bits"]) == ("rsa", 3072)
    assert signing.read(shelf.csr(V2G))["kind"] == "ec"  # ISO 15118 knows no RSA


def test_a_repeated_request_is_the_same_one(shelf: Shelf) -> None:
    csr = shelf.csr()
    assert shelf.do("csr", use=CS, subject=SUBJECT, again=True)["csr"] == csr
    assert shelf.csr() != csr


def test_a_subject_that_no_certificate_can_have(shelf: Shelf) -> None:
    subject = {"CN": "S1", "C": "Germany"}
    assert shelf.refused("csr", use=V2G, subject=subject, again=False)[0] == "Invalid"


def test_2_1_a02_fr_27_the_root_to_use_is_named(shelf: Shelf) -> None:
    assert shelf.do("csr", use=V2G, subject=SUBJECT, again=False)["root"] == hash_data(shelf.authority)
    assert shelf.do("csr", use=CS, subject=SUBJECT, again=False)["root"] is None


def test_a02_fr_06_a_good_certificate_is_taken_with_its_chain(shelf: Shelf) -> None:
    middle = Certificate("Sub", shelf.authority, ca=True, days=(-1, 100))
    text = sign(shelf.csr(), middle)
    answer = shelf.do("signed", use=CS, chain=text + shelf.authority.pem())
    assert answer["subject"] == "S1"
    (key, pem) = shelf.files()
    assert (shelf.root / "client/csms" / pem).read_text() == text  # without the root
    assert stat.S_IMODE((shelf.root / "client/csms" / key).stat().st_mode) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
        shelf.root / "client/csms" / pem, shelf.root / "client/csms" / key
    )


def test_intermediates_may_lie_in_the_store(shelf: Shelf) -> None:
    middle = Certificate("Sub", shelf.authority, ca=True)
    (shelf.root / "ca/cso").mkdir()
    (shelf.root / "ca/cso/CPO_SUB_CA1.pem").write_text(middle.pem())
    text = sign(shelf.csr(), middle)
    shelf.do("signed", use=CS, chain=text.removesuffix(middle.pem()))
    (_, pem) = shelf.files()
    assert (shelf.root / "client/csms" / pem).read_text() == text  # the other side may not know it


BAD = {
    "expired": ({"days": (-10, -1)}, "has expired"),
    "not yet": ({"days": (1, 10)}, "valid only from"),
    "other key": ({"key": ec.generate_private_key(ec.SECP256R1()).public_key()}, "not for the key"),
    "other name": ({"subject": {NameOID.COMMON_NAME: "S2", NameOID.ORGANIZATION_NAME: "O"}}, "another common name"),
    "no organization": ({"subject": {NameOID.COMMON_NAME: "S1"}}, "names no organization"),
    "authority": ({"extensions": ((x509.BasicConstraints(True, None), True),)}, "for an authority"),
    "server": ({"extensions": ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),)}, "another purpose"),
    "unknown extension": (
        {"extensions": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)},
        "unknown meaning",
    ),
    "encipherment only": (
        {"extensions": ((x509.KeyUsage(False, False, True, False, False, False, False, False, False), True),)},
        "not made for signatures",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a02_fr_07_a_certificate_that_is_no_good_is_discarded(shelf: Shelf, case: str) -> None:
    how, says = BAD[case]
    text = sign(shelf.csr(), shelf.authority, **how)  # type: ignore[arg-type]
    code, why = shelf.refused("signed", use=CS, chain=text)
    assert code == "Invalid"
    assert says in why
    assert not [name for name in shelf.files() if name.endswith(".pem")]


def test_a_certificate_of_another_authority(shelf: Shelf) -> None:
    text = sign(shelf.csr(), Certificate("Stranger", ca=True))
    assert "leads to none" in shelf.refused("signed", use=CS, chain=text)[1]


def test_the_length_of_a_path_is_limited_by_its_authorities(shelf: Shelf) -> None:
    issuer = shelf.authority
    for depth in range(6):
        issuer = Certificate(f"Sub {depth}", issuer, ca=True)
    assert shelf.refused("signed", use=CS, chain=sign(shelf.csr(), issuer))[0] == "Invalid"


def test_a_certificate_that_nobody_asked_for(shelf: Shelf) -> None:
    text = sign(shelf.csr(), shelf.authority)
    shelf.do("signed", use=CS, chain=text)
    assert shelf.refused("signed", use=CS, chain=text)[0] == "NoRequest"
    assert shelf.refused("signed", use=V2G, chain=text)[0] == "NoRequest"


def test_rsa_pss_is_a_signature_like_any(shelf: Shelf) -> None:
    root = Certificate("PSS Root", ca=True, key="rsa2048")
    shelf.install(root)
    shelf.do("signed", use=CS, chain=sign(shelf.csr(), root, pss=True))


def test_a02_fr_10_the_certificates_that_do_not_serve_go(shelf: Shelf) -> None:
    shelf.renew(days=(-3, 30))
    old = shelf.files()
    shelf.renew(days=(-2, 30))
    new = [name for name in shelf.files() if name not in old]
    assert len(shelf.files()) == 4
    path = str(shelf.root / "client/csms" / new[1])
    assert shelf.do("keep", path=path) == {"entries": 3, "discarded": [old[1]], "newest": False}
    assert shelf.files() == new
    shelf.renew(days=(-1, 30))
    said = shelf.do("keep", path=path)
    assert (said["newest"], shelf.files()) == (True, new)


def test_pairs_do_not_grow_without_bound(shelf: Shelf) -> None:
    for day in range(8):
        shelf.renew(days=(day - 20, 30))
        if day == 0:
            shelf.places["used"] = str(shelf.root / "client/csms" / shelf.files()[1])
    assert len(shelf.files()) == 10
    assert os.path.exists(shelf.places["used"])


def test_m04_fr_06_the_stations_own_certificate_is_not_deleted(shelf: Shelf) -> None:
    text = shelf.renew()
    assert shelf.refused("delete", hash=hash_data(signing.first(text), shelf.authority))[0] == "InUse"


def test_m03_fr_05_a_v2g_chain_has_its_authorities_as_children(shelf: Shelf) -> None:
    first = Certificate("Sub 1", shelf.authority, ca=True)
    second = Certificate("Sub 2", first, ca=True)
    text = sign(shelf.csr(V2G), second)
    shelf.do("signed", use=V2G, chain=text)
    (entry,) = shelf.ids("V2GCertificateChain")
    assert entry["certificateHashData"] == hash_data(signing.first(text), second)
    assert entry["childCertificateHashData"] == [hash_data(second, first), hash_data(first, shelf.authority)]
    shelf.do("delete", hash=hash_data(signing.first(text), second))
    assert shelf.ids("V2GCertificateChain") == []
    assert shelf.files("client/cso") == []


def test_a02_fr_15_a_new_v2g_certificate_replaces_the_old(shelf: Shelf) -> None:
    shelf.renew(V2G, days=(-2, 30))
    shelf.renew(V2G, days=(-1, 30))
    assert len(shelf.ids("V2GCertificateChain")) == 1


def test_v2g_certificates_of_ever_new_owners_do_not_fill_the_flash(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto_own, "V2G_PAIRS", 3)
    for number in range(6):
        owner = {NameOID.COMMON_NAME: SUBJECT["CN"], NameOID.ORGANIZATION_NAME: f"Owner {number}"}
        last = shelf.renew(V2G, days=(-90 + number, 90), subject=owner)
    assert len(shelf.files("client/cso")) == 6
    kept = [(shelf.root / "client/cso" / name).read_text() for name in shelf.files("client/cso")]
    assert last in kept


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_v2g_certificate_keeps_no_other_from_being_taken(shelf: Shelf, text: str) -> None:
    directory = shelf.root / "client/cso"
    directory.mkdir(parents=True)
    for suffix in ("pem", "key"):
        (directory / f"damaged.{suffix}").write_text(text)
    shelf.renew(V2G)
    assert len(shelf.ids("V2GCertificateChain")) == 1
    assert not [name for name in shelf.files("client/cso") if name.startswith("pending")]


def test_a00_fr_428_one_certificate_for_both(shelf: Shelf) -> None:
    shelf.renew("")
    assert shelf.files() == shelf.files("client/cso")


def test_when_certificates_end(shelf: Shelf, tmp_path: Path) -> None:
    shelf.renew(days=(-2, 20))
    text = shelf.renew(days=(-1, 90))
    ends = signing.first(text).not_valid_after_utc.timestamp()
    assert shelf.do("check")["expires"] == {CS: ends}
    named = Certificate("Factory", shelf.authority)
    for name in shelf.files():
        os.unlink(shelf.root / "client/csms" / name)
    shelf.places["cert"], shelf.places["key"] = named.write(tmp_path, "factory")
    assert shelf.do("check")["expires"] == {CS: named.certificate.not_valid_after_utc.timestamp()}


# -- time --------------------------------------------------------------------------------------------------------------


def test_without_the_time_the_last_known_one_is_a_floor(shelf: Shelf) -> None:
    """What had expired then is refused; what seems to begin later may have begun."""
    now = time.time()
    shelf.do("check", utc=now + 20 * 86400)
    assert (
        shelf.refused("install", **shelf.installation(Certificate("Old", ca=True, days=(-5, 5))), utc=None)[0]
        == "Invalid"
    )
    shelf.install(Certificate("New", ca=True, days=(40, 50)), utc=None)


def test_a_time_before_the_build_is_none(shelf: Shelf) -> None:
    shelf.do("check", utc=time.time())
    shelf.install(Certificate("New", ca=True, days=(-1, 50)), utc=86400.0)
    assert (
        shelf.refused("install", **shelf.installation(Certificate("Old", ca=True, days=(-9, -5))), utc=86400.0)[0]
        == "Invalid"
    )


def test_a_time_that_is_corrected_backwards_counts(shelf: Shelf) -> None:
    shelf.do("check", utc=time.time() + 1000 * 86400)
    shelf.do("check", utc=time.time())
    shelf.install(Certificate("New", ca=True), utc=None)


def test_a_weak_signature_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library signs nothing with SHA-1 any more: another hash plays the weak one."""
    monkeypatch.setattr("evse.shell.children.crypto.WEAK_HASHES", ("sha384",))
    text = sign(shelf.csr(), shelf.authority, digest=hashes.SHA384())
    assert "is signed with SHA384" in shelf.refused("signed", use=CS, chain=text)[1]
