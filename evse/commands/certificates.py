"""evse cert: what is in the certificate store, a request for a certificate, and putting certificates there."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from evse.commands.client import show, state_dir, table
from evse.errors import UsageError

# Word of --type -> type of root; "station" is the station's own certificate.
TYPES = {
    "csms": "CSMSRootCertificate",
    "manufacturer": "ManufacturerRootCertificate",
    "mo": "MORootCertificate",
    "v2g": "V2GRootCertificate",
    "oem": "OEMRootCertificate",
}
USES = {"station": "ChargingStationCertificate", "vehicle": "V2GCertificate"}
STORE_HOLDS = 50
WITHIN_S = 60
# The work is done by the child that does it for the station, too; cryptography is not loaded here.
_CHILD = (
    "import sys; sys.path[:] = sys.argv[1].split(':'); from evse.shell.children.main import main; main('certificates')"
)


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse cert show|csr|install ..."""
    cert = commands.add_parser("cert", help="the certificate store of a station")
    verbs = cert.add_subparsers(metavar="VERB", required=True)
    shown = verbs.add_parser("show", help="what is installed, and until when it is valid", parents=[shared])
    shown.set_defaults(call=_show)
    csr = verbs.add_parser("csr", help="a new key pair, and the request to sign it", parents=[shared])
    csr.add_argument("--name", help="common name (default: serial number of the station file, else the identity)")
    csr.add_argument("--organization", help="owner (default: vendor of the station file)")
    csr.set_defaults(call=_csr)
    install = verbs.add_parser("install", help="a root, or the signed certificate of the last csr", parents=[shared])
    install.add_argument("file", help="PEM file")
    install.add_argument("--type", choices=TYPES, help="root of these; without it the station's own certificate")
    install.set_defaults(call=_install)
    for verb in (shown, csr, install):
        verb.add_argument("--config", metavar="FILE", help="station file")
        verb.add_argument("--state-dir", metavar="DIR", help="state directory of the station (default: EVSE_STATE_DIR)")
        if verb is not shown:
            verb.add_argument("--vehicle", action="store_true", help="for ISO 15118, not for the CSMS")


def _show(args: argparse.Namespace) -> int:
    answer = _do(args, _config(args), {"op": "show"})
    rows = [[each["kind"], each["subject"], each["until"], each["note"], each["path"]] for each in answer["shown"]]
    text = table(rows, ["what", "subject", "valid until", "", "file"]) if rows else "no certificates are installed"
    return show(args, answer["shown"], text)


def _csr(args: argparse.Namespace) -> int:
    config = _config(args)
    station, csms = config["station"], config["csms"]
    name = args.name or station["serial"] or csms["identity"]
    if not name:
        raise UsageError("cert csr: whom is it for? Say --name, or serial in [station] of the station file")
    subject = {"CN": name, "O": args.organization or station["vendor"]}
    request = {"op": "csr", "use": _use(args), "subject": subject, "again": False}
    answer = _do(args, config, request)
    return show(args, {"csr": answer["csr"]}, answer["csr"].rstrip())


def _install(args: argparse.Namespace) -> int:
    try:
        with open(args.file, encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError as error:
        raise UsageError(f"{args.file}: {error.strerror}") from None
    request: dict[str, Any] = {"op": "signed", "use": _use(args), "chain": text, "utc": time.time()}
    if args.type:
        kind = TYPES[args.type]
        request = {"op": "install", "type": kind, "pem": text, "utc": time.time(), "most": STORE_HOLDS, "check": False}
    answer = _do(args, _config(args), request)
    return show(args, answer, f"installed; the store holds {answer['entries']} certificates")


def _use(args: argparse.Namespace) -> str:
    return USES["vehicle" if args.vehicle else "station"]


def _config(args: argparse.Namespace) -> dict[str, Any]:
    from evse import stationfile

    config: dict[str, Any] = stationfile.load(args.config)
    return config


def _do(args: argparse.Namespace, config: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the child. Raises UsageError with its words."""
    csms, store = config["csms"], config["certificates"]
    places = {
        "certificates": store["root"] or os.path.join(state_dir(args), "certificates"),
        "store": store,
        **{name: csms[name] for name in ("ca", "cert", "key")},
    }
    command = [sys.executable, "-I", "-S", "-B", "-c", _CHILD, ":".join(sys.path)]
    text = json.dumps({"request": request, "places": places})
    try:
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, timeout=WITHIN_S, check=False)
        said = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError) as error:
        raise UsageError(f"cert: the store could not be worked on: {type(error).__name__}") from None
    if "error" in said:
        raise UsageError(f"cert: {said['error'][1]}")
    answer: dict[str, Any] = said["answer"]
    return answer
