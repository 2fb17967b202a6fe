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
# Variables that the connection follows; the last two by connecting anew.
FOLLOWED = (
    ("OCPPCommCtrlr", "WebSocketPingInterval"),
    ("OCPPCommCtrlr", "RetryBackOffWaitMinimum"),
    ("OCPPCommCtrlr", "RetryBackOffRandomRange"),
    ("OCPPCommCtrlr", "RetryBackOffRepeatTimes"),
    ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
    ("SecurityCtrlr", "SecurityProfile"),
    ("SecurityCtrlr", "BasicAuthPassword"),
)
# The answer to the change is sent on the old connection.
CREDENTIALS_AFTER_S = 1.0
ROOT_CA = "ca/csms/CSMS_ROOT_CA.pem"
GOING_AWAY = 1001


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
        behaviour = config["behaviour"]
        description = {name: value for name, value in config["station"].items() if value is not None}
        description["identity"] = config["csms"]["identity"]
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
            self.model, station=description, evses=station.evses, clock=station.clock, faults=self.engine.faults
        )
        self.connection = Connection(
            station.loop, log, on_open=self._opened, on_text=self._received, on_close=self._closed, trace=self._traced
        )
        self._children: Any = None
        self._up = True

    # What the station asks of its side

    def begin(self) -> None:
        """The engine takes up what a power cut interrupted. Once, before the hardware starts."""
        runner = self._station.runner
        runner.send = self.connection.send
        runner.effects.update(
            reconnect=lambda why: self.connection.close(reason=why[:100], reconnect=True),
            clock=lambda at: self._station.log.info("the CSMS gave the time", utc=at),
            settings=self._configure,
            job=self._job,
            job_stop=self._job_stop,
        )
        self.connection.on_failure = self._failed
        self.connection.on_state = self._state_changed
        self.connection.on_profile = self._profile_changed
        runner.tell(self.engine.start)
        for component, variable in FOLLOWED:
            credentials = component == "SecurityCtrlr"
            self.model.watch(
                component, variable, self._new_credentials if credentials else lambda *_: self._configure()
            )

    def connect(self) -> None:
        """Connects, and stays connected; what the CSMS changed must not keep the station from connecting at all."""
        try:
            self.connection.configure(self._profiles())
        except UsageError as error:
            self._station.log.error("the connection begins as the station file says", why=str(error))
            self.connection.configure(self._profiles(changed=False))
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
            "network": self.connection.status(),
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

            tell, engine = self._station.runner.tell, self.engine
            self._children = Children(
                self._station.loop,
                self._station.log,
                self._places(),
                lambda number, news: tell(engine.job_said, number, news),
                lambda number, answer, error: tell(engine.job_ended, number, answer, error),
            )
        self._children.start(number, name, request, within_s)

    def _job_stop(self, number: int) -> None:
        self._children.stop(number)

    def _places(self) -> dict[str, Any]:
        """Where children find what they work on."""
        csms = self._config["csms"]
        root = self._certificates()
        return {
            "state": self._state_dir,
            "certificates": root,
            "ca": csms["ca"] or f"{root}/{ROOT_CA}",
            "cert": csms["cert"],
            "key": csms["key"],
        }

    def _certificates(self) -> str:
        """Root of the certificate store."""
        return self._config["certificates"]["root"] or f"{self._state_dir}/certificates"

    # Connection

    def network(self, up: bool) -> None:
        """Loses the network, or finds it again at once."""
        self._up = up
        self.connection.network(up)

    def _profiles(self, changed: bool = True) -> list[dict[str, Any]]:
        """The network profiles in their order: [csms], then its slots; `changed` with what the CSMS changed."""
        csms = self._config["csms"]
        model = self.model
        root = self._certificates()
        shared: dict[str, Any] = {
            "identity": csms["identity"],
            "ca": csms["ca"] or f"{root}/{ROOT_CA}",
            **{
                name: csms[name]
                for name in ("cert", "key", "verify_hostname", "connect_timeout_s", "max_message_bytes", "deflate")
            },
            "ping_interval_s": model.integer("OCPPCommCtrlr", "WebSocketPingInterval") or 0,
            "attempts": max(1, model.integer("OCPPCommCtrlr", "NetworkProfileConnectionAttempts") or 1),
            "backoff": {
                "wait_minimum_s": model.integer("OCPPCommCtrlr", "RetryBackOffWaitMinimum") or 0,
                "random_range_s": model.integer("OCPPCommCtrlr", "RetryBackOffRandomRange") or 0,
                "repeat_times": model.integer("OCPPCommCtrlr", "RetryBackOffRepeatTimes") or 0,
            },
        }
        first = {
            "url": csms["url"],
            "subprotocols": ["ocpp" + version for version in csms["ocpp_versions"]],
            "security_profile": csms["security_profile"],
            "password": csms["password"],
        }
        if changed:
            first["security_profile"] = model.integer("SecurityCtrlr", "SecurityProfile") or 0
            first["password"] = model.get("SecurityCtrlr", "BasicAuthPassword") or None
        slots = [
            {
                "url": slot["url"],
                "subprotocols": ["ocpp" + version for version in slot["ocpp_versions"]],
                "security_profile": slot["security_profile"],
                "password": slot["password"],
            }
            for _, slot in sorted(csms["slots"].items())
        ]
        return [{**shared, **own} for own in (first, *slots)]

    def _configure(self) -> None:
        """Takes over what changed in the device model, from the next attempt or ping on."""
        profile = self.connection.profile
        try:
            self.connection.configure(self._profiles())
        except UsageError as error:
            self._station.log.error("the connection keeps its old settings", why=str(error))
            return
        self.connection.select(profile)

    def _new_credentials(self, *_: Any) -> None:
        """Another password or security profile: connects anew with it once the answer is out. [A01.FR.11, A05.FR.06]"""
        self._configure()
        self._station.loop.call_later(CREDENTIALS_AFTER_S, self._connect_anew)

    def _connect_anew(self) -> None:
        if self._up and self.connection.state == "open":
            self.connection.close(reason="new credentials", reconnect=True)

    def _opened(self, subprotocol: str) -> None:
        self._station.runner.tell(self.engine.connected, subprotocol)

    def _received(self, text: str) -> None:
        self._station.runner.tell(self.engine.receive, text)

    def _closed(self, why: str) -> None:
        self._station.runner.tell(self.engine.disconnected)

    def _traced(self, direction: str, text: str) -> None:
        if direction == "out":
            self.trace.sent(text)
        else:
            self.trace.received(text)

    def _failed(self, code: str, sentence: str, security_event: str | None) -> None:
        self._station.notify.status("no CSMS: " + sentence)
        if security_event is not None:
            security = self.engine.block("security")
            if security is not None:
                self._station.runner.tell(security.event, security_event, None, sentence)

    def _state_changed(self, state: str) -> None:
        if state == "open":
            self._station.notify.status(f"connected to {self._config['csms']['url']}")
        self._station.control.publish("events", {"event": "connection", "state": state})

    def _profile_changed(self, index: int) -> None:
        slots = [1, *sorted(self._config["csms"]["slots"])]
        self._station.log.info("network slot", slot=slots[index] if index < len(slots) else index)
        boot = self.engine.block("boot")
        if boot is not None:
            boot.register_again()
