"""L01, L02. Firmware updates: download, signature, installing when nobody charges, restart, and what came of it.

Every step is one journal line: the status for the CSMS, and the phase in which a power cut would find the update. The
heavy parts are jobs of evse/shell/children: verify, firmware_room, download, install, booted_slot.

    phase         what goes on                              after a power cut
    Scheduled     waits for retrieveDateTime                waits on
    Downloading   job download                              goes on where the download stopped
    Verifying     job verify                                verifies again
    Waiting       for installDateTime and idle EVSEs        waits on
    Installing    job install                               again when idle, unless the new firmware is what started
    Rebooting     the new firmware is to start              it did: Installed once the CSMS accepts it; else failed
    Failed        nothing; TriggerMessage tells the status
"""

from __future__ import annotations

from evse.errors import CsmsError
from evse.ocpp.blocks.firmware.plan import info, is_signed, read, rejected
from evse.ocpp.rpc import NOT_UNDERSTOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.ocpp.engine import Engine
    from evse.ocpp.inbox import Later

EVENT = "FirmwareStatusNotification"
STATE, PLAN = "firmware:update", "firmware:plan"
STATION = 0
# Time limits of the jobs; a try of the download, and `install` as the station file says.
CERTIFICATE_WITHIN_S = 20.0  # the CSMS waits
VERIFY_WITHIN_S = 600.0
TRY_WITHIN_S = 3600.0
SHORT_WITHIN_S = 60.0
# An installation that a power cut or a crash ends is begun so often.
INSTALLATIONS = 3
# A start of the machine that does not come is asked for so often once more.
RESTARTS = 3


class Block:
    """At most one update at a time: `_state` says how far it is, `_plan` what the CSMS asked for; {} without one.

    What the station file says of updates is `ctx.station["updates"]`; without it there is no installer.
    """

    name = "firmware"
    # The same notification would be refused again.
    FINAL_ERRORS = NOT_UNDERSTOOD

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        kept = ctx.journal.state
        self._state: dict[str, Any] = dict(kept.get(STATE) or {})
        self._plan: dict[str, Any] = dict(kept.get(PLAN) or {})
        self._settings: dict[str, Any] = ctx.station.get("updates") or {}
        self._job: int | None = None
        self._timer: Timer | None = None
        self._asked: Later | None = None  # a request whose certificate is being checked
        self._runs_new = False  # the new firmware runs, and the CSMS has not accepted it yet

    # -- for other blocks ------------------------------------------------------------------------------------------

    @property
    def is_final(self) -> bool:
        """The point is passed from which an update cannot be cancelled: no reset, no other update until it is over."""
        return self._phase in ("Installing", "Rebooting")

    @property
    def _phase(self) -> str | None:
        return self._state.get("phase")

    # -- use cases -------------------------------------------------------------------------------------------------

    def update(self, request: dict[str, Any]) -> Any:
        """[L01, L02] UpdateFirmware; a new request cancels the one before as long as that is possible."""
        schemes = self.ctx.model.members("OCPPCommCtrlr", "FileTransferProtocols") or ()
        plan, refusal = read(request, self._settings, schemes)
        if refusal is not None:
            return refusal
        if self.is_final or self._asked is not None:
            return rejected("FwUpdateInProgress")  # [L01.FR.27, L02.FR.18]
        if not is_signed(plan):
            return {"status": self._accept(plan)}
        return self._check_certificate(plan)  # [L01.FR.21]

    def update_unsigned(self, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateFirmware of 1.6, which has no status to answer: a refusal is a CALLERROR. [1.6 §5.19]"""
        answer: dict[str, Any] = self.update(request)
        if answer["status"] != "Rejected":
            return answer
        reason = answer["statusInfo"]["reasonCode"]
        code = {"InvalidURL": "PropertyConstraintViolation", "FwUpdateInProgress": "GenericError"}.get(reason)
        raise CsmsError(code or "NotSupported", reason)  # [whitepaper L01.FR.20]

    def publish(self, request: dict[str, Any]) -> dict[str, Any]:
        """[L03] Publishing is a Local Controller's."""
        return rejected("UnsupportedRequest", "this is no Local Controller")

    def unpublish(self, request: dict[str, Any]) -> dict[str, Any]:
        """[L04.FR.03]"""
        return {"status": "NoFirmware"}

    def trigger(self, message: str, evse: Any = None) -> bool:
        """TriggerMessage: the status that was told last, Idle after Installed or without one. [L01.FR.25, L01.FR.26]"""
        data: dict[str, Any] = {"status": self._state.get("status", "Idle")}
        if self._state.get("id") is not None:
            data["requestId"] = self._state["id"]
        self.ctx.call(self, message, data, early=True)
        return True

    def delivered(self, event: str, row: list[Any], action: str, answer: dict[str, Any] | None) -> None:
        """Nothing hangs on the answer."""

    # -- asking and cancelling -------------------------------------------------------------------------------------

    def _check_certificate(self, plan: dict[str, Any]) -> Any:
        if not plan["certificate"]:
            return self._bad_certificate("InvalidCertificate", "there is none")
        self._asked = later = self.ctx.later()

        def checked(_: Any, error: CsmsError | None) -> None:
            self._asked = None
            if error is None and self.is_final:  # the update before went on meanwhile
                later.set(rejected("FwUpdateInProgress"))
            elif error is None:
                later.set({"status": self._accept(plan)})
            elif error.code in ("InvalidCertificate", "RevokedCertificate"):
                later.set(self._bad_certificate(error.code, error.detail))
            else:
                self.ctx.log.error("a certificate could not be checked", why=str(error))
                later.set(rejected("InternalError"))

        request = {"certificate": plan["certificate"], "utc": self.ctx.clock.utc()}
        self.ctx.job("verify", request, checked, within_s=CERTIFICATE_WITHIN_S)
        return later

    def _bad_certificate(self, status: str, why: str) -> dict[str, Any]:
        """[L01.FR.02, L01.FR.22; whitepaper L01.FR.25]"""
        self._security_event("InvalidFirmwareSigningCertificate", why)
        return {"status": status, "statusInfo": info(status, why)}

    def _accept(self, plan: dict[str, Any]) -> str:
        """Begins an update; the answer's status. [L01.FR.24]"""
        cancelled = self._phase in ("Scheduled", "Downloading", "Verifying", "Waiting")
        self._rest()
        self._plan = plan
        self._state = {
            "id": plan["id"],
            "signed": is_signed(plan),
            "file": f"firmware/{self.ctx.random(4).hex()}.image",
        }
        if self._is_due(plan["retrieve_at"]):
            self._tell("Downloading", "Downloading", keep={PLAN: plan})
        else:
            self._tell("DownloadScheduled", "Scheduled", keep={PLAN: plan})  # [L01.FR.13]
        self._go_on()
        return "AcceptedCanceled" if cancelled else "Accepted"

    def _rest(self) -> None:
        """Ends what is going on, and lets drivers charge again."""
        self.ctx.stop_job(self._job)
        self._job = None
        self._wake_at(None)
        availability = self.ctx.block("availability")
        if availability is not None:
            availability.release(self.name, STATION)

    # -- phases ----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Does what the phase is about."""
        phase = self._phase
        if phase == "Scheduled":
            if self._is_due(self._plan["retrieve_at"]):
                self._tell("Downloading", "Downloading")
                self._go_on()
        elif phase == "Downloading":
            self._run("firmware_room", {"keep": self._state["file"]}, self._measured)
        elif phase == "Verifying":
            self._verify()
        elif phase == "Waiting":
            self._wait()
        elif phase == "Rebooting":
            self._find_out()

    def _measured(self, answer: dict[str, Any]) -> None:
        """The room on the flash is known."""
        plan = self._plan
        request = {
            "url": plan["url"],
            "to": self._state["file"],
            "max_bytes": min(self._settings["max_bytes"], answer["bytes"]),
            "attempts": plan["attempts"],
            "interval_s": plan["interval_s"],
            "utc": self.ctx.clock.utc(),
        }
        if request["max_bytes"] <= 0:
            self._fail("DownloadFailed", "OutOfStorage", "no room for an image")
            return
        within_s = plan["attempts"] * (TRY_WITHIN_S + plan["interval_s"])
        self._run("download", request, self._downloaded, within_s)

    def _downloaded(self, answer: dict[str, Any]) -> None:
        signed = self._state["signed"]
        self._tell("Downloaded", "Verifying" if signed else "Waiting", file=answer["path"], sha256=answer["sha256"])
        self._go_on()

    def _verify(self) -> None:
        """[L01.FR.04, L01.FR.12] The certificate once more: time has passed since it was checked."""
        plan = self._plan
        if not plan["signature"]:
            self._fail("InvalidSignature", "MissingParam", "signature")
            return
        request = {
            "path": self._state["file"],
            "signature": plan["signature"],
            "pkcs1v15": self._settings.get("pkcs1v15", False),
            "certificate": plan["certificate"],
            "utc": self.ctx.clock.utc(),
        }
        self._run("verify", request, self._verified, VERIFY_WITHIN_S)

    def _verified(self, _: dict[str, Any]) -> None:
        self._tell("SignatureVerified", "Waiting")
        self._go_on()

    def _wait(self) -> None:
        """Installs at installDateTime, or as soon as nobody charges after it. [L01.FR.05-07, L01.FR.16, L01.FR.34]"""
        if self._job is not None:
            return
        due = self._is_due(self._plan["install_at"])
        if due and not self._is_busy():
            self._install()
            return
        if due and not self.ctx.model.boolean("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate"):
            self._hold()
        if self._state["status"] != "InstallScheduled":
            self._tell("InstallScheduled", "Waiting")

    def _install(self) -> None:
        self._wake_at(None)
        self._hold()
        tries = self._state.get("tries", 0) + 1
        if tries > INSTALLATIONS:
            self._fail("InstallationFailed", "InternalError", f"ended {INSTALLATIONS} times before it was done")
            return
        self._tell("Installing", "Installing", tries=tries, before=self.ctx.station.get("firmware"))
        request = {"path": self._state["file"], "sha256": self._state["sha256"]}
        self._run("install", request, self._installed, self._settings["install_within_s"])

    def _installed(self, answer: dict[str, Any]) -> None:
        """[L01.FR.28, L01.FR.32]"""
        if not answer["restart"]:
            self.ctx.station["firmware"] = answer.get("version") or self.ctx.station.get("firmware")
            self._succeed()
            return
        self._tell(
            "InstallRebooting",
            "Rebooting",
            keep={"boot:reason": "FirmwareUpdate"},
            version=answer.get("version"),
            slot=answer.get("slot"),
            boot=self.ctx.clock.boot,
        )
        self._restart()

    def _restart(self) -> None:
        reset = self.ctx.block("reset")
        if reset is not None:
            reset.restart("FirmwareUpdate")
        else:
            self.ctx.effect("reboot", "FirmwareUpdate")

    # -- after the restart -----------------------------------------------------------------------------------------

    def _find_out(self) -> None:
        """Which firmware started: told by the slot of the boot loader, where there is one, else by the version."""
        wanted, runs = self._state.get("version"), self.ctx.station.get("firmware")
        by_version = runs == wanted if wanted is not None else runs != self._state["before"]
        slot = self._state.get("slot")
        if slot is None:
            self._found(by_version)
            return

        def told(answer: dict[str, Any] | None, error: CsmsError | None) -> None:
            self._job = None
            if answer is None:
                self.ctx.log.error("the boot loader does not tell which slot started", why=str(error))
            self._found(by_version if answer is None else answer["slot"] == slot)

        self._job = self.ctx.job("booted_slot", {}, told, within_s=SHORT_WITHIN_S)

    def _found(self, new: bool) -> None:
        if not new and not self._is_early():
            self._fail("InstallationFailed", "Unspecified", "the firmware from before the update started")
        if not new:
            return
        self._runs_new = True
        if self.ctx.online:
            self.on_accepted()

    def _is_early(self) -> bool:
        """Whether only this program was started again, where the machine was to be: asks once more, a few times."""
        state = self._state
        if self._settings.get("restart") != "machine" or state.get("boot") != self.ctx.clock.boot:
            return False
        asked = state.get("asked", 0) + 1
        if asked > RESTARTS:
            return False
        self.ctx.log.error("the machine was not started again to activate the firmware", asked=asked)
        state["asked"] = asked
        self.ctx.keep(**{STATE: state})
        self._restart()
        return True

    def on_accepted(self) -> None:
        """The CSMS accepted the new firmware's BootNotification; a boot loader may still take it back. [L01.FR.32]"""
        wait_s: float = self._settings.get("installed_after_s") or 0.0
        if self._runs_new and not wait_s:
            self._succeed()
        elif self._runs_new and self._timer is None:
            self._wake_at(self.ctx.clock.now() + wait_s)

    # -- ends ------------------------------------------------------------------------------------------------------

    def _succeed(self) -> None:
        """[L01.FR.28, L01.FR.31]"""
        self._rest()
        self._runs_new = False
        self._tell("Installed", None)
        self._security_event("FirmwareUpdated", self.ctx.station.get("firmware"))
        self._clean()

    def _fail(self, status: str, reason: str, why: str) -> None:
        self.ctx.log.error("the firmware update failed", status=status, why=why)
        self._rest()
        self._state = {name: self._state[name] for name in ("id", "signed")}
        self._tell(status, "Failed", keep={PLAN: None}, why=info(reason, why))
        if status == "InvalidSignature":
            self._security_event("InvalidFirmwareSignature", why)  # [L01.FR.03]
        self._clean()

    def _clean(self) -> None:
        """Gives the flash back."""
        self._plan = {}
        self._job = self.ctx.job("firmware_room", {"keep": None}, self._cleaned, within_s=SHORT_WITHIN_S)

    def _cleaned(self, answer: Any, error: Any) -> None:
        self._job = None

    def _went_wrong(self, name: str, error: CsmsError) -> None:
        if name in ("firmware_room", "download"):
            self._fail("DownloadFailed", "InvalidURL" if error.code == "BadUrl" else "Unspecified", error.detail)
        elif name == "verify":
            self._fail("InvalidSignature", "Unspecified", error.detail)
        elif error.code == "Invalid":
            self._fail("InstallVerificationFailed", "Unspecified", error.detail)  # [L01.FR.29]
        else:
            self._fail("InstallationFailed", "Unspecified", error.detail)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tell(
        self,
        status: str,
        phase: str | None,
        keep: dict[str, Any] | None = None,
        why: dict[str, Any] | None = None,
        **facts: Any,
    ) -> None:
        """A new status and phase, as one journal line; without a phase the update is over. [L01.FR.01, L01.FR.10]"""
        state = {**self._state, **facts, "status": status, "phase": phase}
        row = [status, state["id"], state["signed"], *([why] if why else ())]
        self._state = {} if phase is None else state
        kept = {STATE: self._state, **(keep or {})} if phase else {STATE: None, PLAN: None}
        self.ctx.record(self, EVENT, row, keep=kept)

    def _run(self, name: str, request: dict[str, Any], done: Any, within_s: float = SHORT_WITHIN_S) -> None:
        """A job of the update; one that fails is the end of it."""

        def ended(answer: dict[str, Any] | None, error: CsmsError | None) -> None:
            self._job = None
            if error is None:
                done(answer)
            else:
                self._went_wrong(name, error)

        self._job = self.ctx.job(name, request, ended, within_s=within_s)

    def _is_due(self, at: float | None) -> bool:
        """Whether a time has come; if not, the timer is set. While UTC is unknown none has come."""
        utc = self.ctx.clock.utc()
        if at is None or (utc is not None and utc >= at):
            return True
        self._wake_at(None if utc is None else self.ctx.clock.now() + at - utc)
        return False

    def _wake_at(self, when: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when is None else self.ctx.timers.at(when, self._look)

    def _is_busy(self) -> bool:
        """Whether somebody charges, or is about to. [L01.FR.06, L01.FR.33]"""
        transactions = self.ctx.block("transactions")
        return any(
            evse.authorized is not None or (transactions is not None and transactions.current(evse.id) is not None)
            for evse in self.ctx.evses.values()
        )

    def _hold(self) -> None:
        """[L01.FR.07]"""
        availability = self.ctx.block("availability")
        if availability is not None:
            availability.hold(self.name, STATION, "Unavailable")

    def _security_event(self, type: str, why: str | None) -> None:
        security = self.ctx.block("security")
        if security is not None:
            security.event(type, tech_info=why)

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        """Takes up what the last start left."""
        if self._phase not in (None, "Failed") and not self._settings:
            self._fail("InstallationFailed", "NotEnabled", "the station file names no installer any more")
        elif self._phase == "Installing":
            before = self._state["before"]
            if before is not None and self.ctx.station.get("firmware") != before:
                self._state["phase"] = "Rebooting"  # the power went when it was installed already
            else:
                self._state["phase"] = "Waiting"
        self._go_on()

    def _look(self, *_: Any) -> None:
        """Time has passed, or a session is over."""
        if self._runs_new:
            if self._timer is not None and self._timer.when <= self.ctx.clock.now():
                self._succeed()
        elif self._phase in ("Scheduled", "Waiting"):
            self._go_on()

    on_stopped = on_transaction_ended = on_connection_timeout = on_unplugged = on_clock_changed = _look
