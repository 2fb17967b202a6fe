"""Forms of 2.0.1 and 2.1 that the wire forms of several blocks share."""

from __future__ import annotations

from evse.clock import timestamp
from evse.jsontext import dumps
from evse.ocpp.meter_values import MEASURANDS, form, register_at, unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Known to our meters, but no measurand of 2.x.
_NOT_SAID = ("Temperature", "RPM")
# Longest signed data and public key, longest token, and kinds of token of 2.0.1. [SignedMeterValueType, IdTokenType]
_SIGNED_201 = 2500
_TOKEN_201 = 36
_KINDS_201 = ("Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization")


def id_token(token: str, kind: str, ctx: Any) -> dict[str, Any]:
    """A token as IdTokenType. In 2.0.1 what is too long is cut, a kind that it lacks is Local; both are logged."""
    kind = kind or "ISO14443"  # one that a 1.6 CSMS named
    if ctx.version == "2.0.1" and not fits_201(token, kind):
        ctx.log.warning("a token that OCPP 2.0.1 cannot say was changed", length=len(token), kind=kind)
        token, kind = token[:_TOKEN_201], kind if kind in _KINDS_201 else "Local"
    return {"idToken": token, "type": kind}


def fits_201(token: str, kind: str) -> bool:
    """Whether 2.0.1 has the words for a token."""
    return len(token) <= _TOKEN_201 and kind in _KINDS_201


def meter_values(samples: list[list[Any]], at: str, ctx: Any) -> str:
    """Packed samples (`evse.ocpp.meter_values`) as JSON, a list of MeterValueType; "" for an empty one.

    `at` is the time of a sample without a stamp of its own.
    """
    said = []
    for packed in samples:
        values = packed[5::3]
        if packed[2]:
            _sign(values, packed, ctx)
        sampled = form(packed, ctx.version, _entry) % tuple(values)
        if sampled:
            time = timestamp(ctx.clock.resolve(packed[0])) if packed[0] else at
            said.append(f'{{"timestamp":"{time}","sampledValue":[{sampled}]}}')
    return f"[{','.join(said)}]" if said else ""


def _entry(measurand: str, phase: str | None, context: str, version: str) -> str:
    """SampledValueType as `form` wants it; nothing if the version lacks the measurand.

    What is the default goes without saying: the outlet, and a multiplier of 0.
    """
    if measurand in _NOT_SAID or not (measurand in MEASURANDS or version == "2.1"):
        return "%.0s"
    said: dict[str, Any] = {"measurand": measurand, "context": context}
    if phase is not None:
        said["phase"] = phase
    if measurand == "SoC":
        said["location"] = "EV"
    if word := unit(measurand):
        said["unitOfMeasure"] = {"unit": word}
    return ',{"value":%s,' + dumps(said)[1:].replace("%", "%%")


def _sign(values: list[Any], packed: list[Any], ctx: Any) -> None:
    """Adds the signed form to the value of the register."""
    data, method, encoding, key = packed[2]
    if ctx.version == "2.0.1" and max(len(data), len(key)) > _SIGNED_201:
        ctx.log.warning("signed meter data are too long for OCPP 2.0.1 and were left out", length=len(data))
        return
    at = register_at(packed)
    if at is not None:
        signed = {"signedMeterData": data, "signingMethod": method, "encodingMethod": encoding, "publicKey": key}
        values[at] = f'{values[at]},"signedMeterValue":{dumps(signed)}'
