"""What this station declares of the optional features of part 5, Table 2, and where its device model says so.

id: (feature, evidence). The evidence is one of

    "writable Component.Variable"         the CSMS may write it
    "offers Component.Variable=Value"     Value is among its values
    "is Component.Variable=Value"         its value, which cannot be written
    "absent Component.Variable"           there is no such variable: not declared
    "always", "never"                     declared or not, without a variable; the test that it names shows it

`declared()` reads it from a station, so a declaration that the station does not keep cannot stand.
"""

from __future__ import annotations

from typing import Any

Inventory = list[dict[str, Any]]

FEATURES: dict[str, tuple[str, str]] = {
    "C-01": ("offline authorization", "writable AuthCtrlr.LocalAuthorizeOffline"),
    "C-02": ("unknown ids offline", "writable AuthCtrlr.OfflineTxForUnknownIdEnabled"),
    "C-03": ("energy for invalid ids", "writable TxCtrlr.MaxEnergyOnInvalidId"),
    "C-04": ("limited StatusNotifications", "writable EVSE.MinimumStatusDuration"),
    "C-06": ("authorization kept or not when the EV leaves", "writable TxCtrlr.StopTxOnEVSideDisconnect"),
    "C-07": ("master pass with a user interface", "never"),
    "C-08": ("master pass without one", "writable AuthCtrlr.MasterPassGroupId"),
    "C-09.1": ("start point EVConnected", "offers TxCtrlr.TxStartPoint=EVConnected"),
    "C-09.2": ("start point Authorized", "offers TxCtrlr.TxStartPoint=Authorized"),
    "C-09.3": ("start point DataSigned", "offers TxCtrlr.TxStartPoint=DataSigned"),
    "C-09.4": ("start point PowerPathClosed", "offers TxCtrlr.TxStartPoint=PowerPathClosed"),
    "C-09.5": ("start point EnergyTransfer", "offers TxCtrlr.TxStartPoint=EnergyTransfer"),
    "C-09.6": ("start point ParkingBayOccupancy, with a sensor", "offers TxCtrlr.TxStartPoint=ParkingBayOccupancy"),
    "C-10.1": ("stop point EVConnected", "offers TxCtrlr.TxStopPoint=EVConnected"),
    "C-10.2": ("stop point Authorized", "offers TxCtrlr.TxStopPoint=Authorized"),
    "C-10.3": ("stop point PowerPathClosed", "offers TxCtrlr.TxStopPoint=PowerPathClosed"),
    "C-10.4": ("stop point EnergyTransfer", "offers TxCtrlr.TxStopPoint=EnergyTransfer"),
    "C-10.5": ("stop point ParkingBayOccupancy, with a sensor", "offers TxCtrlr.TxStopPoint=ParkingBayOccupancy"),
    "C-12": ("unlocking or not when the EV leaves, with a socket", "writable OCPPCommCtrlr.UnlockOnEVSideDisconnect"),
    "C-13": ("reset of one EVSE", "is EVSE.AllowReset=true"),
    "C-21": ("all messages queued", "is OCPPCommCtrlr.QueueAllMessages=false"),
    "C-23": ("time source Heartbeat", "offers ClockCtrlr.TimeSource=Heartbeat"),
    "C-25": ("TimeOffset", "absent ClockCtrlr.TimeOffset"),
    "C-26": ("TimeZone", "absent ClockCtrlr.TimeZone"),
    "C-28": ("aligned values while idle", "writable AlignedDataCtrlr.SendDuringIdle"),
    "C-29": ("triggers of all messages", "always"),  # test_ocpp201_f_remote_control.py
    "C-30": ("local start by ISO14443", "always"),
    "C-31": ("local start by ISO15693", "always"),
    "C-32": ("local start by KeyCode", "always"),
    "C-34": ("local start by MacAddress", "never"),
    "C-35": ("local start without authorization", "always"),  # [behaviour] free_vending
    "C-36": ("remote start by ISO14443", "always"),
    "C-37": ("remote start by ISO15693", "always"),
    "C-38": ("remote start by an id of the CSMS", "always"),
    "C-39": ("remote start without authorization", "always"),
    "C-42": ("signed meter values, with such a meter", "writable SampledDataCtrlr.SignReadings"),
    "C-48": ("remote start authorized or not", "writable AuthCtrlr.AuthorizeRemoteStart"),
    "C-49": ("authorization cache", "writable AuthCacheCtrlr.Enabled"),
    "C-51": ("TxStartPoint can be configured", "writable TxCtrlr.TxStartPoint"),
    "C-52": ("TxStopPoint can be configured", "writable TxCtrlr.TxStopPoint"),
    "C-53": ("life time of cached tokens", "writable AuthCacheCtrlr.LifeTime"),
    "C-54": ("cached tokens replaced least recently used first", "offers AuthCacheCtrlr.Policy=LRU"),
    "C-56": ("SummaryInventory", "always"),  # test_TC_B_14_CS
    "C-58": ("no remote authorization", "writable AuthCtrlr.DisableRemoteAuthorization"),
    "C-59": ("the cache's refusal is final", "writable AuthCacheCtrlr.DisablePostAuthorize"),
    "SC-2.1": ("limits in A", "offers SmartChargingCtrlr.RateUnit=A"),
    "SC-2.2": ("limits in W", "offers SmartChargingCtrlr.RateUnit=W"),
    "R-2": ("reservation of any EVSE", "is ReservationCtrlr.NonEvseSpecific=true"),
    "R-3": ("reservations can be switched off", "writable ReservationCtrlr.Enabled"),
    "LA-1": ("local list can be switched off", "writable LocalAuthListCtrlr.Enabled"),
    "LA-3": ("the list's refusal is final", "writable LocalAuthListCtrlr.DisablePostAuthorize"),
}  # fmt: skip
# Declared with the value that the evidence names, where that value means "no".
NEGATIVE = ("C-21",)


def evidence(feature: str, inventory: Inventory) -> bool:
    """Whether a full inventory bears the evidence of a feature out."""
    how, _, rest = FEATURES[feature][1].partition(" ")
    if not rest:
        return True
    name, _, wanted = rest.partition("=")
    component, _, variable = name.partition(".")
    found = [
        item
        for item in inventory
        if (item["component"]["name"], item["variable"]["name"]) == (component, variable)
    ]  # fmt: skip
    if how == "absent":
        return not found
    if not found:
        return False
    attribute = found[0]["variableAttribute"][0]
    if how == "writable":
        return bool(attribute["mutability"] == "ReadWrite")
    if how == "is":
        return bool(attribute["value"] == wanted and attribute["mutability"] == "ReadOnly")
    return wanted in found[0]["variableCharacteristics"]["valuesList"].split(",")


def declared(feature: str) -> bool:
    """Whether the station declares a feature."""
    how = FEATURES[feature][1].partition(" ")[0]
    return how not in ("never", "absent") and feature not in NEGATIVE
