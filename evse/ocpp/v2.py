"""Forms of 2.0.1 and 2.1 that the wire forms of several blocks share."""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.meter_values import CONTEXTS, MEASURANDS, REGISTER, unit, values

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


def meter_values(samples: list[list[Any]], stamp: Any, ctx: Any) -> list[dict[str, Any]]:
    """Packed samples (`evse.ocpp.meter_values`) as MeterValueType; one without a stamp of its own has `stamp`."""
    said = []
    for packed in samples:
        signed = packed[2]
        if signed and ctx.version == "2.0.1" and max(len(signed[0]), len(signed[3])) > _SIGNED_201:
            ctx.log.warning("signed meter data are too long for OCPP 2.0.1 and were left out", length=len(signed[0]))
            signed = 0
        sampled = [
            _sampled(measurand, phase, value, CONTEXTS[packed[1]], signed)
            for measurand, phase, value in values(packed)
            if measurand not in _NOT_SAID and (ctx.version == "2.1" or measurand in MEASURANDS)
        ]
        if sampled:
            at = ctx.clock.resolve(packed[0] or stamp)
            said.append({"timestamp": timestamp(at), "sampledValue": sampled})
    return said


def _sampled(measurand: str, phase: str | None, value: float, context: str, signed: Any) -> dict[str, Any]:
    """What is the default goes without saying: the outlet, and a multiplier of 0."""
    said: dict[str, Any] = {"value": value, "measurand": measurand, "context": context}
    if phase is not None:
        said["phase"] = phase
    if measurand == "SoC":
        said["location"] = "EV"
    if word := unit(measurand):
        said["unitOfMeasure"] = {"unit": word}
    if signed and measurand == REGISTER and phase is None:
        data, method, encoding, key = signed
        said["signedMeterValue"] = {
            "signedMeterData": data, "signingMethod": method, "encodingMethod": encoding, "publicKey": key,
        }  # fmt: skip
    return said
