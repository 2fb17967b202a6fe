"""evse check: why a station cannot connect, step by step and in one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from evse.commands.client import state_dir
from evse.errors import UsageError

# Options that stand over the settings of [csms] with the same name.
OPTIONS = {
    "url": "--csms",
    "identity": "--identity",
    "security_profile": "--security-profile",
    "password_file": "--password-file",
    "ca": "--ca",
    "cert": "--cert",
    "key": "--key",
}


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse check [--config FILE] [--csms URL] ..."""
    check = commands.add_parser("check", help="find out why a station cannot connect", parents=[shared])
    check.add_argument("--config", metavar="FILE", help="station file")
    check.add_argument(
        "--state-dir", metavar="DIR", help="certificates of this state directory (default: EVSE_STATE_DIR)"
    )
    check.add_argument("--csms", metavar="URL", dest="url", help="connect there instead")
    check.add_argument("--slot", type=int, metavar="N", help="connect by [csms.slot.N] of the station file")
    check.add_argument("--identity", help="as this station")
    check.add_argument("--security-profile", type=int, choices=(0, 1, 2, 3), help="with this security profile")
    check.add_argument("--password-file", metavar="FILE", help="with the password in the first line of a file")
    check.add_argument("--ca", metavar="FILE", help="trusting the certificates in this file")
    check.add_argument("--cert", metavar="FILE", help="with this certificate of the station")
    check.add_argument("--key", metavar="FILE", help="and its private key")
    check.add_argument("--ocpp-version", metavar="V", action="append", dest="versions", help="offering this version")
    check.set_defaults(call=_check)


def _check(args: argparse.Namespace) -> int:
    from evse import stationfile
    from evse.check import run_check
    from evse.shell.certificatefiles import newest_first, path_of

    given = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    for name in ("password_file", "ca", "cert", "key"):
        if name in given:
            given[name] = os.path.abspath(given[name])
    if args.versions:
        given["ocpp_versions"] = args.versions
    if args.config is None and "url" in given:
        given.setdefault("security_profile", None)
    try:
        config = stationfile.load(args.config, given)
    except stationfile.StationFileError as error:
        raise UsageError("\n".join(_named(each, args.config, given) for each in error.problems)) from None
    csms = config["csms"]
    if args.slot is not None:
        if args.slot not in csms["slots"]:
            raise UsageError(f"there is no [csms.slot.{args.slot}] in the station file")
        csms.update({name: value for name, value in csms["slots"][args.slot].items() if name != "password_file"})
    taken = (
        "url",
        "identity",
        "security_profile",
        "password",
        "ca",
        "cert",
        "key",
        "verify_hostname",
        "connect_timeout_s",
    )
    profile = {name: csms[name] for name in taken}
    profile["subprotocols"] = ["ocpp" + version for version in csms["ocpp_versions"]]
    store = config["certificates"]
    root = store["root"] or os.path.join(state_dir(args), "certificates")
    if profile["ca"] is None:
        profile["ca"] = path_of(root, store, "csms_root")
    if profile["security_profile"] == 3 and profile["cert"] is None:
        own = newest_first(path_of(root, store, "client_csms"))
        profile["cert"], profile["key"] = own[0] if own else (None, None)
    station = config["station"]
    return run_check(profile, out=sys.stdout, json=args.json, vendor=station["vendor"], model=station["model"])


def _named(problem: Any, file: str | None, given: dict[str, Any]) -> str:
    """What is wrong, by the option that it was given by; without a station file everything was."""
    name = problem.where.removeprefix("csms.")
    if name in given and name in OPTIONS:
        return f"{OPTIONS[name]}: {problem.text}"
    return str(problem.text) if file is None else f"{file}: {problem}"
