"""Forms of 2.0.1 and 2.1 that the wire forms of several blocks share."""

from __future__ import annotations

from evse.clock import timestamp
from evse.ocpp.meter_values import CONTEXTS, MEASURANDS, PHASES, REGISTER, unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Known to our meters, but no measurand of 2.x.
_NOT_SAID = ("Temperature", "RPM")
# Sampled values without their value, by measurand, phase and context; so many are remembered: two samples' worth.
_forms: dict[tuple[Any, Any, int], dict[str, Any]] = {}
_FORMS = 32
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
        context = packed[1]
        sampled = []
        for measurand, phase, value in zip(packed[3::3], packed[4::3], packed[5::3], strict=True):
            form = _forms.get((measurand, phase, context))
            if form is None:
                form = _form(measurand, phase, context, ctx.version)
            if form:
                sampled.append({"value": value, **form})
        if packed[2]:
            _sign(sampled, packed[2], ctx)
        if sampled:
            at = ctx.clock.resolve(packed[0] or stamp)
            said.append({"timestamp": timestamp(at), "sampledValue": sampled})
    return said


def _form(measurand: Any, phase: Any, context: int, version: str) -> dict[str, Any]:
    """SampledValueType without its value, from the places of a packed sample; empty if the version lacks the measurand.

    What is the default goes without saying: the outlet, and a multiplier of 0.
    """
    known = type(measurand) is int
    name = MEASURANDS[measurand] if known else measurand
    if name in _NOT_SAID or not (known or version == "2.1"):
        return {}
    form: dict[str, Any] = {"measurand": name, "context": CONTEXTS[context]}
    if phase != -1:
        form["phase"] = PHASES[phase] if type(phase) is int else phase
    if name == "SoC":
        form["location"] = "EV"
    if word := unit(name):
        form["unitOfMeasure"] = {"unit": word}
    if known:
        if len(_forms) >= _FORMS:
            _forms.clear()
        _forms[measurand, phase, context] = form
    return form


def _sign(sampled: list[dict[str, Any]], signed: list[str], ctx: Any) -> None:
    """Adds the signed form of the register."""
    data, method, encoding, key = signed
    if ctx.version == "2.0.1" and max(len(data), len(key)) > _SIGNED_201:
        ctx.log.warning("signed meter data are too long for OCPP 2.0.1 and were left out", length=len(data))
        return
    for each in sampled:
        if each["measurand"] == REGISTER and "phase" not in each:
            each["signedMeterValue"] = {
                "signedMeterData": data, "signingMethod": method, "encodingMethod": encoding, "publicKey": key,
            }  # fmt: skip
