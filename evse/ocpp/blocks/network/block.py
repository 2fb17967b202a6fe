"""A01, A05, B09, B10. Network profiles: what the CSMS may set up, in which order, and what a connection leads to."""

from __future__ import annotations

from evse.errors import EvseError, StoreError
from evse.ocpp.status_info import refusal
from evse.ocpp.variable_row import VALUES
from evse.ocpp.variable_value import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.engine import Engine

    Changes = list[tuple[str, str, str | None, str | None]]

COMPONENT = "NetworkConfiguration"
PRIORITY = "NetworkConfigurationPriority"
# What tells one way to connect from another.
WAY = ("url", "security_profile", "password")
# Field of NetworkConnectionProfileType, variable that holds it.
FIELDS = (
    ("ocppCsmsUrl", "OcppCsmsUrl"),
    ("ocppInterface", "OcppInterface"),
    ("ocppVersion", "OcppVersion"),
    ("messageTimeout", "MessageTimeout"),
    ("securityProfile", "SecurityProfile"),
    ("identity", "Identity"),
    ("basicAuthPassword", "BasicAuthPassword"),
)
# Versions of OCPP that this station does not speak; of the others the WebSocket handshake chooses.
OLD_VERSIONS = ("OCPP12", "OCPP15")
# Reason codes. [B09.FR.02, B09.FR.04, B09.FR.05, B09.FR.22; errata 2025-09]
INVALID, DOWNGRADE = "InvalidNetworkConf", "NoSecurityDowngrade"
NO_SLOT, IN_USE = "InvalidConfSlot", "ActiveNetworkConf"


class Block:
    """Checks what the CSMS sets up in the slots; the shell's `Profiles` (evse/profiles.py) connects by them.

    `ctx.station["network"]()` is that; a station without it has no slots, and refuses.
    """

    name = "network"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        profiles = ctx.station.get("network")
        self._profiles: Any = None if profiles is None else profiles()
        self._own_change = False
        if self._profiles is None:
            return
        model, slots = ctx.model, tuple(map(str, self._profiles.slots))
        model.set_slots(slots)
        offered = {VALUES: ",".join(slots)}
        model.provide("OCPPCommCtrlr", PRIORITY, None, limits=lambda _, __: offered)
        model.provide("OCPPCommCtrlr", "ActiveNetworkProfile", lambda _, __: str(self._active()))
        model.provide("SecurityCtrlr", "Identity", lambda _, __: self._identity())
        model.validate("OCPPCommCtrlr", PRIORITY, self._check_priority)
        model.watch("OCPPCommCtrlr", PRIORITY, self._remove_slots)
        for _, variable in FIELDS:
            self._offer(variable)
        model.validate("SecurityCtrlr", "SecurityProfile", self._check_upgrade)
        model.watch("SecurityCtrlr", "SecurityProfile", self._upgrade)
        model.validate("SecurityCtrlr", "BasicAuthPassword", self._prepare_password)
        model.watch("SecurityCtrlr", "BasicAuthPassword", self._new_password)

    def _offer(self, variable: str) -> None:
        """Lets the CSMS read and write a variable of every slot."""
        model = self.ctx.model
        if variable != "BasicAuthPassword":
            model.provide(COMPONENT, variable, lambda slot, _: self._value(slot, variable))
        model.validate(COMPONENT, variable, lambda value, slot: self._check_variable(variable, value, slot))

    # -- B09: setting up a slot ------------------------------------------------------------------------------------

    def set_network_profile(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B09] Stores a profile; it is used from the next start on, if NetworkConfigurationPriority names its slot."""
        slot, data = request["configurationSlot"], request["connectionData"]
        if self._profiles is None or slot not in self._profiles.slots:
            return refusal(NO_SLOT, f"no slot {slot}")  # [B09.FR.05]
        if (why := self._refusal(slot, data)) is not None:
            return refusal(*why)  # [B09.FR.02, B09.FR.04]
        changes = []
        for field, variable in FIELDS:
            value = data.get(field)
            changes.append((f"{COMPONENT}[{slot}]", variable, None, "" if value is None else str(value)))
        row = self._in_use()
        if row is not None and row["slot"] == slot:
            self._keep(row)
        try:
            self.ctx.model.set_all(changes)  # [B09.FR.01, B09.FR.09]
        except StoreError as error:
            return refusal("OutOfStorage", str(error), "Failed")  # [B09.FR.03]
        except EvseError as error:
            return refusal(INVALID, str(error))
        self.ctx.log.info("the CSMS set up a network slot", slot=slot, url=data["ocppCsmsUrl"])
        self._tell_security(f"NetworkConfiguration[{slot}]")
        return {"status": "Accepted"}

    def _refusal(self, slot: int, data: dict[str, Any]) -> tuple[str, str] | None:
        """(reason code, text) why a NetworkConnectionProfile cannot be stored, None if it can."""
        level: int = data["securityProfile"]
        for field in ("apn", "vpn"):
            if field in data:
                return INVALID, f"{field}: this station does not set up such connections itself"
        if data["ocppTransport"] != "JSON":
            return INVALID, "ocppTransport: only JSON"
        if self._is_downgrade(level):
            return DOWNGRADE, f"security profile {level} is lower than the present one"
        for field, variable in FIELDS:
            wrong = self._check_value(variable, str(data[field])) if data.get(field) not in (None, "") else None
            if wrong is not None:
                return wrong
        # Certificates and passwords may still follow, unless the slot would be used at the next start.
        problem = self._problem(self._candidate(slot, data), certificates=str(slot) in self._priority())
        return None if problem is None else (INVALID, problem)

    def _problem(self, row: dict[str, Any], certificates: bool = True) -> str | None:
        """Why no connection can come of a profile that the CSMS set up, None if one can."""
        if row["security_profile"] < 2 and row["url"][:4].lower() == "wss:":
            return f"security profile {row['security_profile']} is without TLS: the url must begin with ws://"
        problem: str | None = self._profiles.problem(row, certificates)
        return problem

    def _candidate(self, slot: int, data: dict[str, Any]) -> dict[str, Any]:
        """The profile for the connection that a NetworkConnectionProfile would make."""
        password = data.get("basicAuthPassword") or self.ctx.model.get("SecurityCtrlr", "BasicAuthPassword") or None
        row: dict[str, Any] = {
            "slot": slot,
            "url": data["ocppCsmsUrl"],
            "subprotocols": ["any"],
            "security_profile": data["securityProfile"],
            "password": password,
        }
        if data.get("identity"):
            row["identity"] = data["identity"]
        return row

    def _check_variable(self, name: str, value: str, slot: str) -> Any:
        """A SetVariables of NetworkConfiguration[slot]. [B09.FR.22]-[B09.FR.25]"""
        if slot in self._priority():
            return IN_USE, f"slot {slot} is in NetworkConfigurationPriority"
        if name == "SecurityProfile" and self._is_downgrade(int(value)):
            return DOWNGRADE, "lower than the present security profile"  # [B09.FR.32, B09.FR.35]
        return self._check_value(name, value)

    def _check_value(self, name: str, value: str) -> tuple[str, str] | None:
        """What is wrong with one variable of a slot by itself."""
        if name == "OcppCsmsUrl":
            problem: str | None = self._profiles.problem({"url": value, "subprotocols": ["any"]}, False)
            return None if problem is None else (INVALID, problem)
        if name == "OcppInterface" and not self._profiles.has_interface(value):
            return INVALID, f"ocppInterface: this station has no {value}"
        if name == "OcppVersion" and value in OLD_VERSIONS:
            return INVALID, "ocppVersion: this station does not speak it"
        if name == "Identity" and ":" in value:
            return INVALID, "identity: no colon, it would end the user name"
        row = self.ctx.model.row(f"{COMPONENT}[{self._profiles.slots[0]}]", name)
        wrong = None if row is None else check(row, value)[1]
        return None if wrong is None else (INVALID, f"{name}: {wrong[1]}")

    def _value(self, slot: str, name: str) -> str:
        """What a variable of NetworkConfiguration[slot] shows: as the CSMS changed it, or as the station file says."""
        changed = self.ctx.model.changes(f"{COMPONENT}[{slot}]")
        if name in changed:
            return changed[name]
        table = self._profiles.filed(int(slot))
        if not table.get("url"):
            return ""
        if name == "MessageTimeout":
            return self.ctx.model.get("OCPPCommCtrlr", "MessageTimeout", "Default") or ""
        versions = {"2.1": "OCPP21", "2.0.1": "OCPP201", "1.6": "OCPP16"}
        return {
            "OcppCsmsUrl": str(table["url"]),
            "OcppInterface": "Any",
            "OcppVersion": versions[(table.get("ocpp_versions") or ["2.1"])[0]],
            "SecurityProfile": str(table.get("security_profile") or 0),
        }.get(name, "")

    # -- B10, A05: the order of the slots --------------------------------------------------------------------------

    def _priority(self) -> list[str]:
        return self.ctx.model.members("OCPPCommCtrlr", PRIORITY) or []

    def _active(self) -> int:
        """Slot of the connection that there is, or was last."""
        last: int | None = self._profiles.last
        own: int = self._profiles.own
        return own if last is None else last

    def _identity(self) -> str | None:
        """As whom the station connects. [B09.FR.28]"""
        row = self._in_use() or {}
        identity: str | None = row.get("identity") or self.ctx.station.get("identity")
        return identity

    def _level(self) -> int:
        return self.ctx.model.integer("SecurityCtrlr", "SecurityProfile") or 0

    def _is_downgrade(self, level: int) -> bool:
        """Whether a security profile may not be set. [A00.FR.005, A05.FR.08]-[A05.FR.10]"""
        present = self._level()
        allowed = self.ctx.model.boolean("SecurityCtrlr", "AllowSecurityProfileDowngrade")
        return level < present and not (allowed and (present, level) == (3, 2))

    def _check_priority(self, value: str, _: Any) -> Any:
        """[A05.FR.02]-[A05.FR.04, B10.FR.01, B10.FR.02, B09.FR.20, B09.FR.33, B09.FR.34]"""
        present, wanted = self._priority(), value.split(",")
        if [slot for slot in present if slot in wanted] == wanted:
            return None  # only removes
        for slot in wanted:
            row = self._profiles.row(int(slot))
            if row is None:
                return INVALID, f"slot {slot} is not set up"
            if self._is_downgrade(row["security_profile"]):
                return DOWNGRADE, f"slot {slot}: security profile {row['security_profile']}"
            changed = self.ctx.model.changes(f"{COMPONENT}[{slot}]")
            problem = self._problem(row) if changed else self._profiles.problem(row)
            if problem is not None:
                return INVALID, f"slot {slot}: {problem}"
        return "RebootRequired"

    def _remove_slots(self, value: str, _: Any) -> None:
        """What was removed is used no more, so that it can be set up anew; all else waits for the next start."""
        self._profiles.save()  # the way back
        wanted = value.split(",")
        rows = [row for row in self._profiles.rows if str(row["slot"]) in wanted]
        if rows and not self._own_change:
            self._profiles.rows = rows
            self.ctx.effect("profiles")

    # -- A01, A05 of 1.6: changed at once, with a way back ---------------------------------------------------------

    def _in_use(self) -> dict[str, Any] | None:
        """The profile of the active slot as it is used now."""
        active = self._active()
        for row in self._profiles.rows:
            if row["slot"] == active:
                return row  # type: ignore[no-any-return]
        return None

    def _keep(self, row: dict[str, Any]) -> None:
        """Keeps how the station connects now as the way back, until another way has worked.

        What waits for its proof already keeps the way before that; of two slots the one in use counts.
        """
        before = self._profiles.before
        if before is None or before["slot"] != row["slot"]:
            self._profiles.before = {name: row[name] for name in ("slot", *WAY)}
            self._profiles.save()

    def _try(self, row: dict[str, Any], **changed: Any) -> None:
        """Connects anew with these settings."""
        self._keep(row)
        row.update(changed)
        self.ctx.effect("credentials")

    def _prepare_password(self, value: str, _: Any) -> None:
        """The way back is on the disk before the new password is."""
        row = self._in_use()
        if row is not None and row["security_profile"] in (1, 2) and row["password"] != value:
            self._keep(row)

    def _new_password(self, value: str, _: Any) -> None:
        """[A01.FR.01] The slot in use takes it, whatever it had of its own. [B09.FR.27]"""
        row = self._in_use()
        if self._own_change or row is None:
            return
        slot = row["slot"]
        if (self._profiles.row(slot) or row)["password"] != value:
            self._change([(f"{COMPONENT}[{slot}]", "BasicAuthPassword", None, "")])
        before = row["password"]
        if row["security_profile"] in (1, 2) and before != value:
            self._try(row, password=value)
        for other in self._profiles.rows:
            if other["password"] == before:
                other["password"] = (self._profiles.row(other["slot"]) or other)["password"]

    def _check_upgrade(self, value: str, _: Any) -> Any:
        """The 1.6 key SecurityProfile. [1.6 security, A05.FR.01]-[A05.FR.05]"""
        row = self._in_use()
        if row is None or int(value) <= self._level():
            return DOWNGRADE, "it can only be raised"
        if int(value) < 3 and self._check_value("BasicAuthPassword", row["password"] or "") is not None:
            return INVALID, "there is no password"
        problem = self._profiles.problem(self._upgraded(row, int(value)))
        if problem is None:
            self._keep(row)
        return None if problem is None else (INVALID, problem)

    def _upgraded(self, row: dict[str, Any], level: int) -> dict[str, Any]:
        """The profile with another security profile; its URL is that of a slot with this one, or of the same host."""
        url = row["url"]
        if level >= 2 and url[:5].lower() == "ws://":
            url = "wss" + url[2:]
        for slot in self._profiles.slots:
            other = self._profiles.row(slot)
            if other is not None and slot != row["slot"] and other["security_profile"] == level:
                url = other["url"]
                break
        return {**row, "security_profile": level, "url": url}

    def _upgrade(self, value: str, _: Any) -> None:
        """[1.6 security, A05.FR.06, A05.FR.07]"""
        row = self._in_use()
        if self._own_change or row is None:
            return
        mine, new = f"{COMPONENT}[{row['slot']}]", self._upgraded(row, int(value))
        self._try(row, security_profile=new["security_profile"], url=new["url"])
        self._change([(mine, "SecurityProfile", None, value), (mine, "OcppCsmsUrl", None, new["url"])])

    # -- what follows from a connection ----------------------------------------------------------------------------

    def connected_by(self, profile: dict[str, Any]) -> None:
        """A connection came of a profile: what was tried holds, or is taken back; the device model follows.

        [A05.FR.06, B09.FR.28; 1.6 security, A05.FR.08]
        """
        slot, level = profile["slot"], profile["security_profile"]
        mine, before, back = f"{COMPONENT}[{slot}]", self._profiles.before, "before" in profile
        present = self._level()
        changes: Changes = []
        known = before is not None and before["slot"] == slot and (back or any(profile[of] != before[of] for of in WAY))
        if known and back:
            changes += self._taken_back(before)
        elif known:
            present = min(present, before["security_profile"])
        changed = self.ctx.model.changes(mine)
        own = changed.get("BasicAuthPassword")
        if own and not back:
            changes += self._passwords(slot, own)
        changes.append(("OCPPCommCtrlr", "MessageTimeout", "Default", changed.get("MessageTimeout") or None))
        if level > present and (changed or PRIORITY in self.ctx.model.changes("OCPPCommCtrlr")):
            changes += self._without_lower(level)
        if level != self._level():
            changes.append(("SecurityCtrlr", "SecurityProfile", None, str(level)))
            self._tell_security("SecurityCtrlr.SecurityProfile")
        self._change(changes)
        if known:  # only now: a power cut in between must leave the way back
            self._profiles.before = None
            self._profiles.save()
        if known and back:
            self.ctx.log.warning("the CSMS does not take the new credentials, those before hold again", slot=slot)

    def _taken_back(self, before: dict[str, Any]) -> Changes:
        """The slot as it was before what did not work."""
        mine = f"{COMPONENT}[{before['slot']}]"
        changed = self.ctx.model.changes(mine)
        changes: Changes = []
        for row in self._profiles.rows:
            if row["slot"] == before["slot"]:
                row.update(before)
        if "OcppCsmsUrl" in changed or "SecurityProfile" in changed:
            changes.append((mine, "SecurityProfile", None, str(before["security_profile"])))
            changes.append((mine, "OcppCsmsUrl", None, before["url"]))
        if before["password"]:
            changes.append(("SecurityCtrlr", "BasicAuthPassword", None, before["password"]))
        return changes

    def _passwords(self, slot: int, own: str) -> Changes:
        """The slot's own password becomes that of SecurityCtrlr; the slots that had no other keep the one before."""
        model = self.ctx.model
        before = model.get("SecurityCtrlr", "BasicAuthPassword")
        changes: Changes = []
        if before == own:
            return changes
        for other in self._profiles.slots:
            row = self._profiles.row(other)
            if before and other != slot and row is not None and row["password"] == before:
                changes.append((f"{COMPONENT}[{other}]", "BasicAuthPassword", None, before))
        return [*changes, ("SecurityCtrlr", "BasicAuthPassword", None, own)]

    def _without_lower(self, level: int) -> Changes:
        """Removes the profiles with a lower security profile, from the list too. [A05.FR.06]"""
        lower = []
        for slot in self._profiles.slots:
            row = self._profiles.row(slot)
            if row is not None and row["security_profile"] < level:
                lower.append(slot)
        changes: Changes = [(f"{COMPONENT}[{slot}]", variable, None, None) for slot in lower for _, variable in FIELDS]
        for slot in lower:
            if self._profiles.filed(slot).get("url"):
                changes.append((f"{COMPONENT}[{slot}]", "OcppCsmsUrl", None, ""))
        kept = [slot for slot in self._priority() if int(slot) not in lower]
        if lower and kept:
            changes.append(("OCPPCommCtrlr", PRIORITY, None, ",".join(kept)))
        self._profiles.rows = [row for row in self._profiles.rows if row["security_profile"] >= level] or [
            row for row in self._profiles.rows if row["slot"] not in lower
        ]
        self.ctx.log.info("network slots with a lower security profile are removed", slots=lower)
        return changes

    def _change(self, changes: Changes) -> None:
        """Changes variables without taking it for a change of the CSMS's."""
        self._own_change = True
        try:
            self.ctx.model.set_all(changes)
        except EvseError as error:
            self.ctx.log.error("the device model does not follow the connection", why=str(error))
        finally:
            self._own_change = False

    def _tell_security(self, what: str) -> None:
        security = self.ctx.block("security")
        if security is not None:
            security.event("ReconfigurationOfSecurityParameters", tech_info=what)
