"""A02, A03, M03 to M05. Certificates: signed for the station, installed, listed, deleted; a child does the work."""

from __future__ import annotations

from _functools import partial

from evse.ocpp.rpc import NOT_UNDERSTOOD
from evse.ocpp.status_info import refusal
from evse.ocpp.variable_row import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Timer
    from evse.errors import CsmsError
    from evse.model import Evse
    from evse.ocpp.engine import Engine
    from evse.ocpp.inbox import Later

# CertificateSigningUse by the message that TriggerMessage asks for; "" is one certificate for both connections.
USES = {
    "SignChargingStationCertificate": "ChargingStationCertificate",
    "SignV2GCertificate": "V2GCertificate",
    "SignV2G20Certificate": "V2G20Certificate",
    "SignCombinedCertificate": "",
}
STATION_USES = ("ChargingStationCertificate", "")
# Reason codes of the appendix by what the child says.
REASONS = {"Invalid": "InvalidCertificate", "Full": "OutOfStorage", "InUse": "InUse"}
NAME_LENGTH = 64  # of a part of a certificate's subject
DAY_S = 86_400.0
RENEW_DAYS = 30  # [A03.FR.02]
# So long before its end a certificate whose successor was promised and never came is told of, once a day.
LAST_DAYS = 7
# Somebody waits for most answers; a key pair takes its time on a small machine.
WITHIN_S, KEY_WITHIN_S = 25.0, 300.0
DOUBLINGS = 20  # 2 ** 20 times the first wait is more than any CSMS means
KEPT = "certificate:signing"


class _Signing:
    """A certificate that is being signed: id of the request, repetitions so far, the next one."""

    __slots__ = ("id", "evse", "early", "repeats", "timer")

    def __init__(self, id: int, evse: int | None, early: bool, repeats: int = 0) -> None:
        self.id = id
        self.evse = evse
        self.early = early
        self.repeats = repeats
        self.timer: Timer | None = None


class Block:
    """What the CSMS may do with the station's certificates, and what the station asks of the CSMS for its own."""

    name = "certificate"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        self._renewal: Timer | None = None
        self._told: dict[str, float] = {}  # use -> when its end was told
        self._signings = {use: _Signing(*row) for use, row in (ctx.journal.state.get(KEPT) or {}).items()}
        for use, signing in self._signings.items():
            self._wait(use, signing)

    # -- the station asks for a signature --------------------------------------------------------------------------

    def trigger(self, message: str, evse: Evse | None) -> bool | None:
        """TriggerMessage for a certificate; None where the station has no use for one of that kind. [A02.FR.02]"""
        use = USES[message]
        at = None if evse is None else evse.id
        if use != "ChargingStationCertificate":
            if self._secc(at) is None:
                return None  # no ISO 15118 here
            if self.ctx.model.boolean("ISO15118Ctrlr", "V2GCertificateInstallationEnabled", evse=at) is False:
                return False
        self._begin(use, at, early=True)
        return True

    def _begin(self, use: str, evse: int | None, early: bool) -> None:
        """A new key pair, and a request to sign it; one under way for the same use is given up."""
        self._forget(use)
        self._signings[use] = _Signing(int.from_bytes(self.ctx.random(4), "big") >> 1, evse, early)
        self._keep()
        self._ask(use, self._signings[use], again=False)

    def _ask(self, use: str, signing: _Signing, again: bool) -> None:
        request = {"op": "csr", "use": use, "subject": self._subject(use, signing.evse), "again": again}
        self._job(request, partial(self._csr_made, use, signing))

    def _subject(self, use: str, evse: int | None) -> dict[str, str]:
        """Owner and name. [A00.FR.509, A00.FR.511; 1.6 A02.FR.13]"""
        model, station = self.ctx.model, self.ctx.station
        owner = model.get("SecurityCtrlr", "OrganizationName") or station.get("vendor") or ""
        if use == "ChargingStationCertificate":
            name = station.get("serial") or station.get("identity") or ""
            return {"CN": name[:NAME_LENGTH], "O": owner[:NAME_LENGTH]}
        owner = self._iso15118("OrganizationName", evse) or owner
        country = self._iso15118("CountryName", evse) or ""
        return {"CN": (self._secc(evse) or "")[:NAME_LENGTH], "O": owner[:NAME_LENGTH], "C": country, "DC": "CPO"}

    def _secc(self, evse: int | None) -> str | None:
        return self._iso15118("SeccId", evse)

    def _iso15118(self, variable: str, evse: int | None) -> str | None:
        """A variable of the EVSE's controller, else of the station's; None without a value."""
        model = self.ctx.model
        own = model.get("ISO15118Ctrlr", variable, evse=evse) if evse is not None else None
        return own or model.get("ISO15118Ctrlr", variable) or None

    def _csr_made(self, use: str, signing: _Signing, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if self._signings.get(use) is not signing:
            return  # another one was begun meanwhile
        if answer is None:
            self.ctx.log.error("no certificate can be asked for", use=use or "all", why=str(error))
            self._forget(use)
            return
        data = {"csr": answer["csr"], "requestId": signing.id}
        if use:
            data["certificateType"] = use
        if answer["root"] is not None:
            data["hashRootCertificate"] = answer["root"]
        done = partial(self._answered, use, signing)
        self.ctx.call(self, "SignCertificate", data, done, early=signing.early)

    def _answered(self, use: str, signing: _Signing, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """Accepted, or lost on the way: the certificate is waited for. [A02.FR.17]"""
        if self._signings.get(use) is not signing:
            return
        refused = answer is not None and answer.get("status") != "Accepted"
        if refused or (error is not None and error.code in NOT_UNDERSTOOD):
            self.ctx.log.warning("the CSMS does not get a certificate signed", use=use or "all", why=str(error or ""))
            self._forget(use)
        else:
            self._wait(use, signing)

    def _wait(self, use: str, signing: _Signing) -> None:
        """The next repetition; after the last the station waits to be told. [A02.FR.18, A02.FR.19]"""
        model = self.ctx.model
        minimum_s = model.integer("SecurityCtrlr", "CertSigningWaitMinimum")
        repeats = min(model.integer("SecurityCtrlr", "CertSigningRepeatTimes") or 0, DOUBLINGS)
        if minimum_s and signing.repeats <= repeats:
            when = self.ctx.clock.now() + minimum_s * 2**signing.repeats
            signing.timer = self.ctx.timers.at(when, self._repeat, use, signing)
        else:
            self.ctx.log.warning("a signed certificate is waited for, without asking again", use=use or "all")
        self._keep()

    def _repeat(self, use: str, signing: _Signing) -> None:
        signing.timer = None
        if not self.ctx.is_connected:  # nobody would hear it: the same wait again
            self._wait(use, signing)
            return
        signing.repeats += 1
        self._ask(use, signing, again=True)

    def _forget(self, use: str) -> None:
        signing = self._signings.pop(use, None)
        if signing is not None and signing.timer is not None:
            signing.timer.cancel()
        self._keep()

    def _keep(self) -> None:
        """A power cut ends no wait."""
        rows = {use: [one.id, one.evse, one.early, one.repeats] for use, one in self._signings.items()}
        if (rows or None) != self.ctx.journal.state.get(KEPT):
            self.ctx.keep(**{KEPT: rows or None})

    # -- the CSMS brings it ----------------------------------------------------------------------------------------

    def certificate_signed(self, request: dict[str, Any]) -> Any:
        """[A02.FR.06 to A02.FR.08]"""
        chain = request["certificateChain"]
        limit = self.ctx.model.integer("SecurityCtrlr", "MaxCertificateChainSize")
        if limit is not None and len(chain) > limit:
            return refusal("TooLargeElement", f"{len(chain)} characters where {limit} are taken")  # [A02.FR.16]
        use = self._use_of(request)
        if use is None:
            return refusal("InvalidCertificate", "nothing was asked for by this requestId")  # [2.1 A02.FR.26]
        later = self.ctx.later()
        job = {"op": "signed", "use": use, "chain": chain, "utc": self.ctx.clock.utc()}
        self._job(job, partial(self._signed, later, use))
        return later

    def _use_of(self, request: dict[str, Any]) -> str | None:
        """What the certificate is for: by requestId, else by its type, else what was asked for. None: nothing is."""
        if (id := request.get("requestId")) is not None:
            return next((use for use, signing in self._signings.items() if signing.id == id), None)
        use = request.get("certificateType")
        if use is None and len(self._signings) == 1:
            use = next(iter(self._signings))
        return "ChargingStationCertificate" if use is None else str(use)

    def _signed(self, later: Later, use: str, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if answer is not None:
            self._forget(use)
            text = f"certificate of {answer['subject']}, {use or 'all uses'}"
            self._event("ReconfigurationOfSecurityParameters", text)
            if self._is_used(use):
                self.ctx.effect("credentials")  # the next connection proves it [A02.FR.08]
            later.set({"status": "Accepted"})
            self._check()
            return
        why = error.detail if error is not None else ""
        if error is not None and error.code in ("Invalid", "NoRequest"):
            self._forget(use)  # not asked for again before the CSMS says so [A02.FR.20]
            self._event("InvalidChargingStationCertificate", why)  # [A02.FR.07]
        else:
            self.ctx.log.error("a signed certificate could not be stored", why=str(error))
        later.set(refusal("InvalidCertificate", why))

    # -- what stands after a connection ----------------------------------------------------------------------------

    def proven(self, certificate: str | None, new_root: bool) -> None:
        """The connection is open: with this certificate file of the store, and by the new CSMS root or not.

        The other certificates go, and so does the old root. [A02.FR.10, M05.FR.13]
        """
        if certificate is not None:
            self._job({"op": "keep", "path": certificate}, self._kept)
        if new_root:
            self._job({"op": "trusted"}, self._trusted)

    def _kept(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if answer is None:
            self.ctx.log.error("old certificates could not be removed", why=str(error))
        elif answer["newest"]:
            self._event("DiscardedRenewedClientCertificate", ", ".join(answer["discarded"]))  # [A02.FR.29]

    def _trusted(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if answer is None:
            self.ctx.log.error("the old root certificate could not be removed", why=str(error))
        elif answer["removed"]:
            self._event("ReconfigurationOfSecurityParameters", "the old CSMS root certificate was removed")

    # -- renewal ---------------------------------------------------------------------------------------------------

    def on_accepted(self) -> None:
        self._check()

    def on_clock_changed(self) -> None:
        self._check()

    def _check(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = self.ctx.timers.at(self.ctx.clock.now() + DAY_S, self._check)
        self._job({"op": "check", "utc": self.ctx.clock.utc()}, self._checked)

    def _checked(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        """Begins a month before a certificate ends; one that is being signed already is left to that. [A03.FR.02]"""
        at = self.ctx.clock.utc()
        if answer is None or at is None or not self.ctx.online:
            return
        ahead_s = (self.ctx.station.get("renew_before_days") or RENEW_DAYS) * DAY_S
        for use, expires in answer["expires"].items():
            used = self._is_used(use) if use in STATION_USES else self._secc(None) is not None
            if not used or expires - ahead_s > at:
                continue
            signing = self._signings.get(use) or self._signings.get("")
            if signing is None:
                self.ctx.log.info("a certificate ends soon and is renewed", use=use)
                self._begin(use, None, early=False)
            elif signing.repeats or not self.ctx.model.integer("SecurityCtrlr", "CertSigningWaitMinimum"):
                self._missing(use, (expires - at) / DAY_S)

    def _missing(self, use: str, days: float) -> None:
        """The CSMS must trigger a promised certificate that never came [A03.FR.19]: it hears of it while it can."""
        now = self.ctx.clock.now()
        if days <= LAST_DAYS and now - self._told.get(use, -DAY_S) >= DAY_S - 1:
            self._told[use] = now
            text = f"{use} ends in {max(0, int(days))} days, the CSMS has not delivered the next one"
            self.ctx.log.error(text)
            self._event("ChargingStationCertificateExpires", text)

    # -- root certificates -----------------------------------------------------------------------------------------

    def install(self, request: dict[str, Any]) -> Later:
        """[M05]"""
        row = self.ctx.model.row("SecurityCtrlr", "CertificateEntries")
        most = row[MOST] if row is not None else None
        job = {
            "op": "install",
            "type": request["certificateType"],
            "pem": request["certificate"],
            "utc": self.ctx.clock.utc(),
            "most": 50 if most is None else int(most),
            "check": bool(self.ctx.model.boolean("SecurityCtrlr", "AdditionalRootCertificateCheck")),
        }
        later = self.ctx.later()
        self._job(job, partial(self._installed, later, request["certificateType"]))
        return later

    def _installed(self, later: Later, kind: str, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if error is None:
            self._event("ReconfigurationOfSecurityParameters", f"{kind} installed")
            later.set({"status": "Accepted"})
        elif error.code in ("Invalid", "Full"):
            later.set(refusal(REASONS[error.code], error.detail))  # [M05.FR.06, M05.FR.07]
            if kind == "CSMSRootCertificate" and error.code == "Invalid":
                self._event("InvalidCsmsCertificate", error.detail)
        else:
            self.ctx.log.error("a certificate could not be installed", why=str(error))
            later.set(refusal("InternalError", error.detail, "Failed"))  # [M05.FR.03]

    def delete(self, request: dict[str, Any]) -> Later:
        """[M04]"""
        later = self.ctx.later()
        self._job({"op": "delete", "hash": request["certificateHashData"]}, partial(self._deleted, later))
        return later

    def _deleted(self, later: Later, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if error is None:
            self._event("ReconfigurationOfSecurityParameters", "a certificate was deleted")
            later.set({"status": "Accepted"})
        elif error.code == "NotFound":
            later.set({"status": "NotFound"})  # [M04.FR.04]
        else:
            later.set(refusal(REASONS.get(error.code, "InternalError"), error.detail, "Failed"))  # [M04.FR.03]

    def ids(self, request: dict[str, Any]) -> Later:
        """GetInstalledCertificateIds. [M03]"""
        later = self.ctx.later()
        self._job({"op": "ids", "types": request.get("certificateType")}, partial(self._listed, later))
        return later

    def _listed(self, later: Later, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        if answer is None:
            later.refuse("InternalError", "the certificate store cannot be read")
            self.ctx.log.error("the certificate store cannot be read", why=str(error))
        elif answer["chains"]:
            later.set({"status": "Accepted", "certificateHashDataChain": answer["chains"]})
        else:
            later.set({"status": "NotFound"})  # [M03.FR.02]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _job(self, request: dict[str, Any], done: Callable[[dict[str, Any] | None, CsmsError | None], Any]) -> None:
        self.ctx.job("certificates", request, done, within_s=KEY_WITHIN_S if request["op"] == "csr" else WITHIN_S)

    def _is_used(self, use: str) -> bool:
        """Whether the connection with the CSMS is made with a certificate of this use."""
        return use in STATION_USES and self.ctx.model.integer("SecurityCtrlr", "SecurityProfile") == 3

    def _event(self, type: str, tech_info: str) -> None:
        security = self.ctx.block("security")
        if security is not None:
            security.event(type, tech_info=tech_info)
