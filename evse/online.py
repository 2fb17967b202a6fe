"""The OCPP side of a station: journal, device model, engine, connection, and what the outside may ask of them."""

from __future__ import annotations

import posix

from evse.errors import UsageError
from evse.model import Token
from evse.ocpp.device_model import DeviceModel
from evse.ocpp.engine import Engine
from evse.ocpp.schema import Tables
from evse.ocpp.station_facts import provide_facts
from evse.shell.connection import Connection
from evse.shell.endpoint import common
from evse.shell.tablefile import TableFile
from evse.shell.trace import Trace
from evse.store.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TABLES = {"1.6": "v16.tables", "2.0.1": "v201.tables", "2.1": "v21.tables"}
# Charging settings that are variables.
SETTINGS = {
    "connection_timeout_s": ("integer", "TxCtrlr", "EVConnectionTimeOut"),
    "stop_on_disconnect": ("boolean", "TxCtrlr", "StopTxOnEVSideDisconnect"),
    "unlock_on_disconnect": ("boolean", "OCPPCommCtrlr", "UnlockOnEVSideDisconnect"),
}
# Variables that the connection follows.
FOLLOWED = (
    ("OCPPCommCtrlr", "WebSocketPingInterval"),
    ("OCPPCommCtrlr", "RetryBackOffWaitMinimum"),
    ("OCPPCommCtrlr", "RetryBackOffRandomRange"),
    ("OCPPCommCtrlr", "RetryBackOffRepeatTimes"),
    ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
)
GOING_AWAY = 1001
# The answer to a change of credentials is sent on the old connection.
CREDENTIALS_AFTER_S = 1.0


class Online:
    """One station's OCPP; `station` is the composition root (evse/app.py)."""

    def __init__(self, station: Any, state_dir: str) -> None:
        config = station.config
        self._station = station
        self._config = config
        self._state_dir = state_dir
        log = station.log
        compiled = f"{state_dir}/compiled"
        self.trace = Trace(
            station.clock, log, config["trace"]["messages"], config["trace"]["file"], config["trace"]["file_bytes"]
        )
        self.journal = Journal(f"{state_dir}/journal", log=log, droppable=Engine.is_droppable)
        read = TableFile(f"{compiled}/variables.tables").read
        self.model = DeviceModel(read, station.documents, evses=station.evses, overrides=config["overrides"])
        self._profiles: Any = None
        behaviour = config["behaviour"]
        description = {name: value for name, value in config["station"].items() if value is not None}
        description["identity"] = config["csms"]["identity"]
        if (firmware_file := description.pop("firmware_file", None)) is not None:
            from evse.shell.imageversion import version

            description["firmware"] = version(firmware_file, log)
        if config["firmware"]["installer"] is not None:
            description["updates"] = config["firmware"]
        description["network"] = self.profiles
        description["renew_before_days"] = config["certificates"]["renew_before_days"]
        description.update((name, behaviour[name]) for name in ("power_loss", "free_vending", "token_before_plug"))
        self.engine = Engine(
            clock=station.clock,
            timers=station.timers,
            journal=self.journal,
            documents=station.documents,
            model=self.model,
            station=description,
            evses=station.evses,
            tables=lambda version: Tables(version, TableFile(f"{compiled}/{TABLES[version]}").read),
            log=log,
            random=posix.urandom,
            blocks=config["blocks"],
        )
        provide_facts(
            self.model,
            station=description,
            evses=station.evses,
            clock=station.clock,
            faults=self.engine.faults,
            blocks=config["blocks"],
        )
        self.model.provide("SecurityCtrlr", "CertificateEntries", self._entries)
        self.connection = Connection(
            station.loop,
            log,
            on_open=self._opened,
            on_text=self._received,
            on_close=self._closed,
            trace=self.trace.note,
        )
        self._children: Any = None
        self._where: dict[str, Any] = {}
        self._up = True
        self._slot: int | None = None  # of the last connection

    # What the station asks of its side

    def begin(self) -> None:
        """The engine takes up what a power cut interrupted. Once, before the hardware starts."""
        runner = self._station.runner
        runner.send = self.connection.send
        runner.effects.update(
            reconnect=lambda why: self.connection.close(reason=why[:100], reconnect=True),
            clock=lambda at: self._station.log.info("the CSMS gave the time", utc=at),
            settings=self._configure,
            profiles=self._configure,
            credentials=self._new_credentials,
            job=self._job,
            job_stop=self._job_stop,
        )
        self.connection.on_failure = self._failed
        self.connection.on_state = self._state_changed
        runner.tell(self.engine.start)
        for component, variable in FOLLOWED:
            self.model.watch(component, variable, lambda *_: self._configure())

    def connect(self) -> None:
        """Connects, and stays connected."""
        if not self._is_plain() and any(row["security_profile"] == 3 for row in self.profiles().rows):
            self.engine.block("certificate")  # it renews what the connection uses
        self.connection.configure(self._ways())
        self.connection.connect()

    def disconnect(self) -> None:
        """Says goodbye to the CSMS."""
        self.connection.close(GOING_AWAY, "the station shuts down")

    def has_to_say(self) -> bool:
        """Something is on its way to the CSMS, or could be."""
        return bool(self.engine.online and self.journal.head() is not None)

    def close(self) -> None:
        """Ends the children, closes connection, trace and journal."""
        if self._children is not None:
            self._children.close()
        self.connection.close()
        self.trace.close()
        self.journal.close()

    def setting(self, name: str) -> Any:
        """A setting of the charging controllers. Raises AttributeError."""
        if name == "free_vending":
            return False  # the authorization block decides, as for any token
        if name not in SETTINGS:
            raise AttributeError(name)
        kind, component, variable = SETTINGS[name]
        return getattr(self.model, kind)(component, variable)

    def fact(self, name: str, evse_id: int | None, *values: Any) -> None:
        """A fact of the charging side."""
        self.engine.fact(name, evse_id, *values)

    def token_presented(self, evse_ids: tuple[int, ...], id_token: str, kind: str) -> None:
        """A token at a reader of these EVSEs."""
        self.engine.token_presented(evse_ids, id_token, kind)

    # What the control socket asks

    def start(self, evse_id: int, id_token: str | None) -> None:
        """As if the token were shown at this EVSE; without one the station itself authorizes."""
        if id_token is not None:
            self.engine.token_presented((evse_id,), id_token, "ISO14443")
            return
        evse = self._station.evses[evse_id]
        grant = self.engine.block("authorization").grant
        if not grant(evse, Token("", "NoAuthorization"), {"status": "Accepted"}):
            raise UsageError(f"EVSE {evse_id}: {self._station.displays.get(evse_id) or 'cannot charge now'}")

    def stop(self, evse_id: int) -> None:
        """Ends the session of an EVSE, and its transaction as TxStopPoint says."""
        self.engine.block("authorization").release(self._station.evses[evse_id], "Local", "StopAuthorized")

    def status(self) -> dict[str, Any]:
        """The part of `status` that is about the CSMS."""
        engine = self.engine
        boot = engine.block("boot")
        return {
            "identity": self._config["csms"]["identity"],
            "connection": "connected" if engine.is_connected else self.connection.state,
            "network": {**self.connection.status(), "slot": self._slot},
            "version": engine.version if engine.is_connected else None,
            "registration": boot.status if boot is not None else None,
            "queued": self.journal.pending,
        }

    def connector_status(self, evse: Any, connector_id: int) -> str:
        """ConnectorStatusEnum word of a connector."""
        status: str = self.engine.block("availability").status(evse, connector_id)
        return status

    def transaction_of(self, evse_id: int) -> str | None:
        """transactionId of the EVSE's transaction, None without one."""
        transactions = self.engine.block("transactions")
        transaction = transactions.current(evse_id) if transactions is not None else None
        return None if transaction is None else str(transaction.id)

    def charging_profile(self, evse_id: int) -> dict[str, Any] | None:
        """The charging profile that limits an EVSE now."""
        smart_charging = self.engine.block("smart_charging")
        profile: dict[str, Any] | None = smart_charging.why(evse_id) if smart_charging is not None else None
        return profile

    def commands(self) -> dict[str, Any]:
        """Verbs of this mode."""
        from evse.shell.ocppverbs import OcppVerbs

        return OcppVerbs(self._station, self).commands()

    # Jobs of child processes

    def _job(self, number: int, name: str, request: dict[str, Any], within_s: float) -> None:
        if self._children is None:
            from evse.shell.jobs import Children

            self._where = self._places()
            tell, engine = self._station.runner.tell, self.engine
            self._children = Children(
                self._station.loop,
                self._station.log,
                self._where,
                lambda number, news: tell(engine.job_said, number, news),
                lambda number, answer, error: tell(engine.job_ended, number, answer, error),
            )
        self._where["partial_chain"] = self.model.boolean("SecurityCtrlr", "AdditionalRootCertificateCheck")
        if name == "certificates":
            self._where.update(self._in_use())
        self._children.start(number, name, request, within_s)

    def _job_stop(self, number: int) -> None:
        self._children.stop(number)

    def _places(self) -> dict[str, Any]:
        """Where children find what they work on."""
        from evse.shell.certificatefiles import path_of

        csms = self._config["csms"]
        root = self._certificates()
        return {
            "state": self._state_dir,
            "certificates": root,
            "store": self._config["certificates"],
            "ca": csms["ca"] or path_of(root, self._config["certificates"], "csms_root"),
            "cert": csms["cert"],
            "key": csms["key"],
            "firmware": self._config["firmware"],
            "firmware_file": self._config["station"]["firmware_file"],
            "control": self._station.control.path,
            "trace": self._config["trace"]["file"],
            "log": self._config["log"]["file"],
        }

    def _in_use(self) -> dict[str, Any]:
        """The root that the connection stands on, as PEM, and the file of the station's certificate that it uses."""
        connection = self.connection
        root = getattr(connection.channel, "root", None) if connection.state == "open" else None
        profile = connection.profiles[connection.profile] if connection.profiles else {}
        return {"trusted": root() if root is not None else None, "used": profile.get("cert")}

    def _entries(self, _: Any, __: Any) -> str:
        """CertificateEntries, as the files are now."""
        from evse.shell.certificatefiles import count

        return str(count(self._certificates(), self._config["certificates"], self._config["csms"]))

    def _certificates(self) -> str:
        """Root of the certificate store."""
        return self._config["certificates"]["root"] or f"{self._state_dir}/certificates"

    # Connection

    def network(self, up: bool) -> None:
        """Loses the network, or finds it again at once."""
        self._up = up
        self.connection.network(up)

    def profiles(self) -> Any:
        """The network slots (evse/profiles.py), loaded when there is more than one address without TLS."""
        if self._profiles is None:
            from evse.profiles import Profiles

            station, config = self._station, self._config
            self._profiles = Profiles(
                config["csms"],
                self.model,
                station.documents,
                station.log,
                self._state_dir,
                self._certificates(),
                config["certificates"],
            )
            self._profiles.begin()
            if self._slot is not None:
                self._profiles.last = self._slot
        return self._profiles

    def _is_plain(self) -> bool:
        """Whether there is but [csms], without TLS, and nothing that the CSMS changed about it."""
        csms, model = self._config["csms"], self.model
        changed = model.changes("OCPPCommCtrlr")
        return not (
            self._profiles is not None
            or csms["slots"]
            or csms["security_profile"] not in (0, 1)
            or model.integer("SecurityCtrlr", "SecurityProfile") != csms["security_profile"]
            or model.changes("NetworkConfiguration[1]")
            or "NetworkConfigurationPriority" in changed
            or "MessageTimeout[Default]" in changed
            or self._station.documents.load("network")
        )

    def _ways(self) -> list[dict[str, Any]]:
        """The network profiles for the connection, the best first."""
        if not self._is_plain():
            profiles: list[dict[str, Any]] = self.profiles().profiles()
            return profiles
        csms = self._config["csms"]
        password = self.model.get("SecurityCtrlr", "BasicAuthPassword") or None
        return [
            {
                **common(csms, self.model),
                "slot": 1,
                "url": csms["url"],
                "subprotocols": ["ocpp" + version for version in csms["ocpp_versions"]],
                "security_profile": csms["security_profile"],
                "password": password,
            }
        ]

    def _configure(self) -> None:
        """Takes over what changed in the device model or in the profiles, from the next attempt or ping on."""
        connection = self.connection
        turn = connection.profiles[connection.profile] if connection.profiles else None
        profiles = self._ways()
        try:
            connection.configure(profiles)
        except UsageError as error:
            self._station.log.error("the connection keeps its old settings", why=str(error))
            return
        if turn is not None:
            ways = [_way(profile) for profile in profiles]
            connection.select(ways.index(_way(turn)) if _way(turn) in ways else 0)

    def _new_credentials(self) -> None:
        """Password, certificate or security profile changed: the slot in use is connected anew by them. [A02.FR.08]"""
        self._configure()
        slots = [profile["slot"] for profile in self.connection.profiles]
        if self._slot in slots:
            self.connection.select(slots.index(self._slot))
        self._station.loop.call_later(CREDENTIALS_AFTER_S, self._connect_anew)

    def _connect_anew(self) -> None:
        if self.connection.state == "open":
            self.connection.close(reason="new credentials", reconnect=True)

    def _opened(self, subprotocol: str) -> None:
        profile = self.connection.profiles[self.connection.profile]
        if profile["slot"] != self._slot:
            boot = self.engine.block("boot")
            if boot is not None and self._slot is not None:
                boot.register_again()  # [B10.FR.10]
            self._slot = profile["slot"]
            if self._profiles is not None:
                self._station.log.info("network slot", slot=self._slot)
        if self._profiles is not None:
            self._worked(profile)
        self._station.runner.tell(self.engine.connected, subprotocol)

    def _worked(self, profile: dict[str, Any]) -> None:
        """What follows from a connection by one of several ways."""
        before = self._profiles.last
        network = self.engine.block("network") if self._profiles.worked(profile) else None
        if network is not None:
            network.connected_by(profile)
        if "unproven" in profile:
            self._proven(profile)
        elif network is not None or before != self._profiles.last:
            self._configure()

    def _proven(self, profile: dict[str, Any]) -> None:
        """A new root or certificate of the station has worked, or the one before it."""
        certificate = self.engine.block("certificate")
        if certificate is not None and profile["unproven"]:
            self._station.runner.tell(certificate.proven, *self._profiles.proven(profile))
        self._configure()

    def _received(self, text: str) -> None:
        self._station.runner.tell(self.engine.receive, text)

    def _closed(self, why: str) -> None:
        self._configure()
        self._station.runner.tell(self.engine.disconnected)

    def _failed(self, code: str, sentence: str, security_event: str | None) -> None:
        self._station.notify.status("no CSMS: " + sentence)
        if security_event is not None:
            security = self.engine.block("security")
            if security is not None:
                self._station.runner.tell(security.event, security_event, None, sentence)

    def _state_changed(self, state: str) -> None:
        if state == "open":
            endpoint = self.connection.endpoint
            self._station.notify.status(f"connected to {endpoint.url if endpoint is not None else None}")
        self._station.control.publish("events", {"event": "connection", "state": state})


def _way(profile: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one network profile from another."""
    return profile["slot"], "before" in profile, profile.get("cert"), profile.get("ca")
