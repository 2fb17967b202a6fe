"""evse check: connects to the CSMS step by step, as the station does, and ends in one sentence of advice.

It runs the very connection of the station, once. A CSMS that allows one connection per identity ends the one of a
running station for it.
"""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Mapping
from typing import Any, TextIO

from evse.clock import parse_timestamp
from evse.errors import UsageError
from evse.shell.connection import Connection
from evse.shell.log import Log
from evse.shell.loop import Loop

CALL_TIMEOUT_S = 30.0
# A difference of the clocks that gets a sentence of its own.
CLOCK_TOLERANCE_S = 10.0
GOODBYE_S = 1.0
# Codes of a check that went well; the CSMS tells the station the time.
FINE = (None, "clock")
NAMES = {
    "settings": "Settings",
    "dns": "DNS",
    "tcp": "TCP",
    "tls": "TLS",
    "http": "HTTP",
    "subprotocol": "Subprotocol",
    "boot": "BootNotification",
}
# State of the connection -> the step that is under way in it.
STEPS = {"resolving": "dns", "connecting": "tcp", "tls": "tls", "handshake": "http", "open": "boot"}

GOOD = "Everything works: the station can connect, and the CSMS accepts it."
PENDING = (
    "The connection works, but the CSMS answers Pending: it has something to set up first; accept or configure the "
    "station {identity} there."
)
REJECTED = (
    "The connection works, but the CSMS rejects the station: check that {identity} is registered and enabled there, "
    "with this vendor and model."
)
CLOCK = (
    "The connection works, but the station's clock is {seconds:.0f} s {direction} the CSMS's: set the clock (NTP), "
    "certificates and tariffs depend on it."
)
NO_ANSWER = "The connection works, but BootNotification is not answered within {seconds:g} s: ask the CSMS's operator."
ENDED = (
    "The CSMS ended the connection when the station sent BootNotification ({why}): check that the identity {identity} "
    "is registered there for OCPP {version}."
)
REFUSED = "The connection works, but BootNotification is answered with an error ({why}): show it to the operator."
NONSENSE = "The connection works, but the answer to BootNotification is not as OCPP says: {why}."


def run_check(
    profile: Mapping[str, Any], *, out: TextIO, json: bool = False, vendor: str = "evse", model: str = "check"
) -> int:
    """Checks one network profile (keys as for `Connection.configure`) and writes the steps and the advice to `out`.

    `vendor` and `model` are told to the CSMS. Returns the exit code: 0 if the CSMS accepts the station, 1 if any step
    fails, 2 if the settings themselves cannot work.
    """
    check = _Check(profile, vendor, model, None if json else out)
    try:
        code = check.run()
    finally:
        check.close()
    if json:
        jsonlib.dump(check.result(), out, ensure_ascii=False)
        out.write("\n")
    return code


class _Check:
    """One run: follows the states of a connection and prints each step when it is done."""

    def __init__(self, profile: Mapping[str, Any], vendor: str, model: str, out: TextIO | None) -> None:
        self.profile = profile
        self.vendor, self.model = vendor, model
        self.out = out
        self.steps: list[dict[str, Any]] = []
        self.ok = False
        self.advice = ""
        self.code: str | None = None
        self.version = ""
        self.began = time.monotonic()
        self.state = "idle"
        self.loop = Loop()
        self.connection = Connection(
            self.loop,
            Log("error"),
            on_open=self.opened,
            on_text=self.answered,
            on_close=self.closed,
        )
        self.connection.on_state = self.entered
        self.connection.on_failure = self.failed

    def run(self) -> int:
        try:
            self.connection.configure(self.profile)
        except UsageError as problem:
            self.step("settings", False, str(problem))
            self.finish("settings", f"The settings cannot work: {problem}.")
            return 2
        self.connection.connect()
        self.loop.run_forever()
        return 0 if self.ok else 1

    def close(self) -> None:
        self.connection.network(False)
        self.loop.close()

    def result(self) -> dict[str, Any]:
        url = self.connection.endpoint.url if self.connection.endpoint is not None else self.profile.get("url")
        return {"ok": self.ok, "url": url, "steps": self.steps, "code": self.code, "advice": self.advice}

    # Steps

    def step(self, name: str, ok: bool, detail: str) -> None:
        now = time.monotonic()
        took_ms = round((now - self.began) * 1000, 1)
        self.began = now
        self.steps.append({"step": name, "ok": ok, "ms": took_ms, "detail": detail})
        if self.out is not None:
            line = f"  {NAMES[name]:<17} {'ok' if ok else 'FAILED':<7} {took_ms:>8.1f} ms  {detail}"
            self.out.write(line.rstrip() + "\n")

    def finish(self, code: str | None, advice: str) -> None:
        """The one sentence; only the first counts."""
        if self.advice:
            return
        self.code = code
        self.advice = advice[0].upper() + advice[1:]
        self.ok = code in FINE
        if self.out is not None:
            self.out.write(self.advice + "\n")

    def entered(self, state: str) -> None:
        """The connection goes on: the step before is done."""
        before, self.state = self.state, state
        if state == "resolving" and self.connection.endpoint is not None and self.out is not None:
            self.out.write(self.connection.endpoint.url + "\n")
        if state in ("connecting", "tls", "handshake", "open") and before in STEPS:
            self.step(STEPS[before], True, self.detail(STEPS[before]))

    def detail(self, step: str) -> str:
        """What is worth knowing about a step that went well."""
        connection = self.connection
        if step == "dns" and connection.dial is not None:
            return ", ".join(dict.fromkeys(address[0] for _, address in connection.dial.addresses))
        channel = connection.channel if connection.dial is None else connection.dial.channel
        if step == "tcp":
            host, port, *_ = channel.socket.getpeername()
            return f"{host} port {port}"
        if step == "tls":
            fields = channel.certificate()
            until = fields.get("notAfter", "?")
            return f"{channel.terms()}; {_name(fields, 'subject')}, issued by {_name(fields, 'issuer')}, until {until}"
        return "101 Switching Protocols"

    def failed(self, code: str, sentence: str, event: str | None) -> None:
        name = STEPS.get(self.failed_in, "http")
        if code in ("subprotocol", "no_subprotocol"):
            self.step("http", True, "101 Switching Protocols")
            name = "subprotocol"
        what, _, _ = sentence.partition("; ")
        self.step(name, False, what)
        self.finish(code, sentence + ".")
        self.connection.close()
        self.loop.stop()

    @property
    def failed_in(self) -> str:
        """The state in which the attempt failed; "waiting" has been entered since."""
        done = {step["step"] for step in self.steps}
        for state, step in STEPS.items():
            if step not in done and (step != "tls" or self.secure):
                return state
        return "open"

    @property
    def secure(self) -> bool:
        return self.connection.endpoint is not None and self.connection.endpoint.secure

    # BootNotification

    def opened(self, subprotocol: str) -> None:
        self.version = subprotocol.removeprefix("ocpp")
        self.step("subprotocol", True, subprotocol)
        if subprotocol == "ocpp1.6":
            payload: dict[str, Any] = {"chargePointVendor": self.vendor, "chargePointModel": self.model}
        else:
            payload = {"reason": "Unknown", "chargingStation": {"vendorName": self.vendor, "model": self.model}}
        self.connection.send(jsonlib.dumps([2, "check", "BootNotification", payload]))
        timeout_s = float(self.profile.get("call_timeout_s") or CALL_TIMEOUT_S)
        self.loop.call_later(timeout_s, self.booted, "boot_late", "no answer", NO_ANSWER.format(seconds=timeout_s))

    def answered(self, text: str) -> None:
        try:
            message = jsonlib.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, list) or len(message) < 3 or message[1] != "check":
            return  # calls of the CSMS are not what is waited for
        if message[0] == 4:
            why = " ".join(str(part) for part in message[2:4]).strip()[:200]
            self.booted("boot_error", why, REFUSED.format(why=why))
        elif message[0] == 3:
            self.judge(message[2])

    def judge(self, payload: Any) -> None:
        """The answer to BootNotification."""
        names = {"identity": self.profile["identity"]}
        try:
            status, interval_s = payload["status"], payload["interval"]
            ahead_s = time.time() - parse_timestamp(payload["currentTime"])
        except (KeyError, TypeError, ValueError) as problem:
            self.booted("boot_nonsense", "not as OCPP says", NONSENSE.format(why=str(problem)))
            return
        detail = f"{status}, heartbeat every {interval_s} s, the station's clock differs by {ahead_s:+.1f} s"
        if status == "Accepted" and abs(ahead_s) > CLOCK_TOLERANCE_S:
            direction = "ahead of" if ahead_s > 0 else "behind"
            self.booted("clock", detail, CLOCK.format(seconds=abs(ahead_s), direction=direction))
        elif status == "Accepted":
            self.booted(None, detail, GOOD)
        elif status == "Pending":
            self.booted("boot_pending", detail, PENDING.format_map(names))
        else:
            self.booted("boot_rejected", detail, REJECTED.format_map(names))

    def booted(self, code: str | None, detail: str, advice: str) -> None:
        if self.advice:
            return
        self.step("boot", code in FINE, detail)
        self.finish(code, advice)
        self.connection.close(1000, "check done")
        self.loop.call_later(GOODBYE_S, self.loop.stop)

    def closed(self, why: str) -> None:
        identity = self.profile["identity"]
        self.booted("boot_ended", why, ENDED.format(why=why, identity=identity, version=self.version))
        self.loop.stop()


def _name(certificate: Mapping[str, Any], field: str) -> str:
    """The common name of "subject" or "issuer"."""
    names = {key: value for part in certificate.get(field, ()) for key, value in part}
    return str(names.get("commonName") or names.get("organizationName") or "?")
