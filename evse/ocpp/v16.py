"""Forms of 1.6 that the wire forms of several blocks share."""

from __future__ import annotations

from evse.clock import timestamp
from evse.jsontext import JsonError, dumps, loads
from evse.ocpp.meter_values import CONTEXTS, MEASURANDS, REGISTER, form, register_at, unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ID_TAG_LENGTH = 20
# idTag of a transaction that was started without a token; the IdTokenEnum word of 2.x.
NO_TOKEN = "NoAuthorization"
# Vendor of the application note "ISO 15118 plug and charge".
PNC_VENDOR = "org.openchargealliance.iso15118pnc"
CHARGE_POINT_MAX = "ChargePointMaxProfile"
# The measurands of 1.6 are the first of the table; what follows came later.
_MEASURANDS = MEASURANDS[: MEASURANDS.index("RPM") + 1]
_LOCATIONS = {"SoC": "EV", "Temperature": "Body", "RPM": "Body"}
_UNITS = ("Wh", "varh", "W", "var", "A", "V", "Celsius", "Percent")


def id_tag(token: str, ctx: Any) -> str:
    """A token as idTag: at most 20 characters, what is longer is cut and logged; none has a name. [1.6 §7.28]"""
    if len(token) > ID_TAG_LENGTH:
        ctx.log.warning("a token is too long for OCPP 1.6 and was cut", length=len(token))
    return token[:ID_TAG_LENGTH] or NO_TOKEN


def token_info(info: dict[str, Any]) -> dict[str, Any]:
    """IdTagInfo as IdTokenInfoType."""
    said = {"status": info["status"]}
    if "expiryDate" in info:
        said["cacheExpiryDateTime"] = info["expiryDate"]
    if info.get("parentIdTag"):
        said["groupIdToken"] = {"idToken": info["parentIdTag"], "type": "Central"}
    return said


def answer(payload: dict[str, Any]) -> dict[str, Any]:
    """An answer that carries idTagInfo, in 2.1 words."""
    return {"idTokenInfo": token_info(payload["idTagInfo"])} if "idTagInfo" in payload else {}


def charging_profile(payload: dict[str, Any]) -> dict[str, Any]:
    """ChargingProfile as ChargingProfileType; one without startSchedule is relative to the start of charging. [§7.13]

    That cannot be for a ChargePointMaxProfile, nor for one that recurs; and a relative one has no startSchedule.
    """
    purpose, kind = payload["chargingProfilePurpose"], payload["chargingProfileKind"]
    schedule = dict(payload["chargingSchedule"], id=payload["chargingProfileId"])
    if kind == "Relative":
        schedule.pop("startSchedule", None)
    elif kind == "Absolute" and "startSchedule" not in schedule and purpose != CHARGE_POINT_MAX:
        kind = "Relative"
    said = dict(payload)
    del said["chargingProfileId"]
    said["id"] = payload["chargingProfileId"]
    said["chargingProfilePurpose"] = "ChargingStationMaxProfile" if purpose == CHARGE_POINT_MAX else purpose
    said["chargingProfileKind"] = kind
    said["chargingSchedule"] = [schedule]
    if "transactionId" in payload:
        said["transactionId"] = str(payload["transactionId"])
    if kind != "Recurring":
        said.pop("recurrencyKind", None)  # only used with that kind [errata 3.56]
    return said


def transfer(
    vendor: str, message: str, data: dict[str, Any], otherwise: dict[str, Any]
) -> tuple[str, dict[str, Any], Any]:
    """A message of 2.0.1 within DataTransfer: action, payload, reader of the answer.

    `otherwise` is the answer where the CSMS has none: it does not know the vendor or the message, or refuses.
    """

    def read(answer: dict[str, Any]) -> dict[str, Any]:
        if answer["status"] == "Accepted":
            try:
                said = loads(answer.get("data") or "")
                if isinstance(said, dict):
                    return said
            except JsonError:
                return otherwise
        return otherwise

    return "DataTransfer", {"vendorId": vendor, "messageId": message, "data": dumps(data)}, read


def meter_values(samples: list[list[Any]], at: str, ctx: Any) -> str:
    """Packed samples (`evse.ocpp.meter_values`) as JSON, a list of MeterValue; "" for an empty one.

    `at` is the time of a sample without a stamp of its own.
    """
    said = []
    for packed in samples:
        sampled = form(packed, "1.6", _entry) % tuple(packed[5::3])
        if sampled:
            if packed[2] and register_at(packed) is not None:
                sampled += "," + _signed(packed)
            time = timestamp(ctx.clock.resolve(packed[0])) if packed[0] else at
            said.append(f'{{"timestamp":"{time}","sampledValue":[{sampled}]}}')
    return f"[{','.join(said)}]" if said else ""


def _entry(measurand: str, phase: str | None, context: str, version: str) -> str:
    """SampledValue as `form` wants it; that it was taken at the outlet goes without saying."""
    if measurand not in _MEASURANDS:
        return "%.0s"
    said = {"context": context, "format": "Raw", "measurand": measurand}
    if phase is not None:
        said["phase"] = phase
    if measurand in _LOCATIONS:
        said["location"] = _LOCATIONS[measurand]
    if (word := unit(measurand)) in _UNITS:
        said["unit"] = word
    return ',{"value":"%s",' + dumps(said)[1:].replace("%", "%%")


def _signed(packed: list[Any]) -> str:
    """The signed form of the register, after the plain values. [OCA application note "Signed Meter Values" 3.2.1]"""
    data, method, encoding, key = packed[2]
    value = dumps({"signedMeterData": data, "signingMethod": method, "encodingMethod": encoding, "publicKey": key})
    context = CONTEXTS[packed[1]]
    return dumps({"value": value, "context": context, "format": "SignedData", "measurand": REGISTER})
