"""What the station knows about itself, as values of the device model: they are computed when somebody asks."""

from __future__ import annotations

from evse.clock import timestamp
from evse.model import REGISTER
from evse.ocpp.variable_row import MOST, MUTABILITY, VALUES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Clock
    from evse.model import Evse
    from evse.ocpp.device_model import DeviceModel

POWER = ("Power.Active.Import", None)
# Where the station file does not say.
SUPPLY_VOLTAGE_V = 230.0
PROFILES = "SupportedFeatureProfiles"
# block -> the variables that are false without it, and the feature profile of 1.6.
OFF = {
    "authorization": ("AuthCacheCtrlr.Available AuthCacheCtrlr.Enabled", ""),
    "firmware": ("", "FirmwareManagement"),
    "local_list": ("LocalAuthListCtrlr.Available LocalAuthListCtrlr.Enabled", "LocalAuthListManagement"),
    "metering": (
        "SampledDataCtrlr.Available SampledDataCtrlr.Enabled AlignedDataCtrlr.Available AlignedDataCtrlr.Enabled", "",
    ),
    "reservation": ("ReservationCtrlr.Available ReservationCtrlr.Enabled", "Reservation"),
    "reset": ("EVSE.AllowReset", ""),
    "smart_charging": ("SmartChargingCtrlr.Available SmartChargingCtrlr.Enabled", "SmartCharging"),
}  # fmt: skip

# Lists of measurands: of what they may hold, a meter gives only some.
SAMPLED = (
    ("AlignedDataCtrlr", "Measurands"),
    ("AlignedDataCtrlr", "TxEndedMeasurands"),
    ("SampledDataCtrlr", "TxEndedMeasurands"),
    ("SampledDataCtrlr", "TxStartedMeasurands"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    ("OCPP16Ctrlr", "StartTxnSampledData"),
)


def provide_facts(
    model: DeviceModel,
    *,
    station: dict[str, Any],
    evses: dict[int, Evse],
    clock: Clock,
    faults: dict[str, str],
    blocks: dict[str, str] | None = None,
) -> None:
    """Registers what follows from the station's description, the EVSEs' facts and the clock.

    `faults` are those of the station itself: code -> detail. `blocks` as the engine has it: "" is switched off.
    """
    for name, target in (blocks or {}).items():
        if not target:
            _switch_off(model, name)

    def evse_of(evse: int | None) -> Evse:
        return evses[evse or 0]

    def lock_problem(evse: int | None, connector: int | None) -> str | None:
        """Where a plug is locked; a fixed cable is not. [G05.FR.02]"""
        facts = evse_of(evse)
        return None if facts.connectors[connector or 0].tethered else _boolean("ConnectorLockFailure" in facts.faults)

    def most_power(evse: int | None, _: int | None) -> dict[int, Any]:
        voltage_v = station.get("supply_voltage_v") or SUPPLY_VOLTAGE_V
        return {MOST: round(evse_of(evse).phases * voltage_v * evse_of(evse).max_current_a)}

    model.provide("ChargingStation", "Model", lambda _, __: station.get("model"))
    model.provide("ChargingStation", "VendorName", lambda _, __: station.get("vendor"))
    model.provide("ChargingStation", "SerialNumber", lambda _, __: station.get("serial"))
    model.provide("ChargingStation", "FirmwareVersion", lambda _, __: station.get("firmware"))
    model.provide("ChargingStation", "SupplyPhases", lambda _, __: str(max(evse.phases for evse in evses.values())))
    model.provide("ChargingStation", "Problem", lambda _, __: _boolean(faults))
    model.provide("EVSE", "SupplyPhases", lambda evse, _: str(evse_of(evse).phases))
    model.provide("EVSE", "ChargingState", lambda evse, _: evse_of(evse).charging_state)
    model.provide("EVSE", "Problem", lambda evse, _: _boolean(evse_of(evse).faults))
    model.provide("EVSE", "Power", lambda evse, _: _decimal(evse_of(evse).values.get(POWER, 0.0)), limits=most_power)
    model.provide("Connector", "ConnectorType", lambda evse, connector: evse_of(evse).connectors[connector or 0].type)
    model.provide("ConnectorPlugRetentionLock", "Problem", lock_problem)
    model.provide("Connector", "SupplyPhases", lambda evse, _: str(evse_of(evse).phases))
    model.provide(
        "FiscalMetering", "EnergyImportRegister", lambda evse, _: _decimal(evse_of(evse).values.get(REGISTER))
    )
    model.provide("FiscalMetering", "PublicKey", lambda evse, _: (evse_of(evse).signed or {}).get("public_key"))
    model.provide(
        "SmartChargingCtrlr",
        "Phases3to1",
        lambda _, __: _boolean({evse.switches_phases for evse in evses.values() if evse.phases > 1} == {True}),
    )
    model.provide("ClockCtrlr", "DateTime", lambda _, __: timestamp(clock.resolve(clock.stamp())))
    model.provide("SecurityCtrlr", "Identity", lambda _, __: station.get("identity"))
    model.provide(
        "SmartChargingCtrlr",
        "ChargingProfilePersistence",
        lambda _, __: _boolean(station.get("power_loss") == "resume" or model.integer("TxCtrlr", "ResumptionTimeout")),
        "TxProfile",
    )
    for component, variable in SAMPLED:
        model.provide(component, variable, None, limits=lambda _, __: _measurands(evses))
    if all(evse.parking is None for evse in evses.values()):
        # No sensor tells of a parking bay, so it is no point of any transaction.
        for variable in ("TxStartPoint", "TxStopPoint"):
            row = model.row("TxCtrlr", variable)
            offered = {} if row is None else {VALUES: row[VALUES].replace("ParkingBayOccupancy,", "")}
            model.provide("TxCtrlr", variable, None, limits=_always(offered))
    if all(connector.tethered for evse in evses.values() for connector in evse.connectors.values()):
        # "For an EVSE with only fixed cables, ReadOnly and false" [2.1 part 2, UnlockOnEVSideDisconnect]
        model.provide(
            "OCPPCommCtrlr",
            "UnlockOnEVSideDisconnect",
            lambda _, __: "false",
            limits=lambda _, __: {MUTABILITY: "ReadOnly"},
        )


def _switch_off(model: DeviceModel, block: str) -> None:
    """What a block would do is neither available nor enabled, and cannot be enabled."""
    variables, profile = OFF.get(block, ("", ""))
    for name in variables.split():
        component, _, variable = name.partition(".")
        model.provide(component, variable, lambda *_: "false", limits=_always({MUTABILITY: "ReadOnly"}))
    if profile:
        rest = ",".join(name for name in model.members("OCPP16Ctrlr", PROFILES) or () if name != profile)
        model.provide("OCPP16Ctrlr", PROFILES, lambda *_: rest)


def _measurands(evses: dict[int, Evse]) -> dict[int, Any]:
    """What any meter of the station can say, the register without any; no limit where that is not known."""
    known = [evse.measurands for evse in evses.values()]
    if None in known:
        return {}
    return {VALUES: ",".join(sorted({REGISTER[0], *(name for names in known for name in names or ())}))}


def _always(limits: dict[int, Any]) -> Any:
    return lambda evse, connector: limits


def _boolean(present: object) -> str:
    return "true" if present else "false"


def _decimal(number: float | None) -> str | None:
    """Milli-units are enough for every unit of these variables."""
    return None if number is None else f"{number:.3f}".rstrip("0").rstrip(".")
