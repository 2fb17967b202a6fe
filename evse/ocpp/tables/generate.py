"""Writes the message tables and typing stubs from the JSON schemas in the PyPI package `ocpp`; for developers.

    python -m evse.ocpp.tables.generate            writes the tables and the stubs
    python -m evse.ocpp.tables.generate --check    exit code 1 where a committed file differs
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.resources
import json
import sys
from pathlib import Path
from typing import Any

from evse.ocpp.tables import stubs

HERE = Path(__file__).parent
FILES = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
SENDS = ("NotifyPeriodicEventStream",)  # an unconfirmed message has no Response, and no suffix in the schema's name
ANNOTATIONS = {"$id", "$schema", "additionalItems", "comment", "default", "description", "id", "javaType", "title"}
LEGEND = """\
# A line is a message, a type (members after the name) or an enumeration (words after "="). `!` required;
# `string(most)`; `int(least..most)`, `number(least..most)`, `number(/step)` a multiple of the step; `Type[least..most]`
# a list; a last `*`: other members may be there. Under `draft 4` the number 1.0 is no int, under `draft 6` it is.
"""

# The JSON schemas of 1.6 have no names for inner types; these are the specification's own [1.6 §7].
NAMES_16 = {
    "AuthorizeResponse.idTagInfo": "IdTagInfo",
    "IdTagInfo.status": "AuthorizationStatus",
    "BootNotificationResponse.status": "RegistrationStatus",
    "CancelReservationResponse.status": "GenericStatus",
    "ChangeAvailabilityRequest.type": "AvailabilityType",
    "ChangeAvailabilityResponse.status": "AvailabilityStatus",
    "ChangeConfigurationResponse.status": "ConfigurationStatus",
    "ClearChargingProfileRequest.chargingProfilePurpose": "ChargingProfilePurposeType",
    "ClearChargingProfileResponse.status": "ClearChargingProfileStatus",
    "DataTransferResponse.status": "DataTransferStatus",
    "DiagnosticsStatusNotificationRequest.status": "DiagnosticsStatus",
    "FirmwareStatusNotificationRequest.status": "FirmwareStatus",
    "GetCompositeScheduleRequest.chargingRateUnit": "ChargingRateUnitType",
    "GetCompositeScheduleResponse.chargingSchedule": "ChargingSchedule",
    "ChargingSchedule.chargingSchedulePeriod": "ChargingSchedulePeriod",
    "GetConfigurationResponse.configurationKey": "KeyValue",
    "MeterValuesRequest.meterValue": "MeterValue",
    "MeterValue.sampledValue": "SampledValue",
    "SampledValue.context": "ReadingContext",
    "SampledValue.format": "ValueFormat",
    "SampledValue.measurand": "Measurand",
    "SampledValue.phase": "Phase",
    "SampledValue.location": "Location",
    "SampledValue.unit": "UnitOfMeasure",
    "RemoteStartTransactionRequest.chargingProfile": "ChargingProfile",
    "ChargingProfile.chargingProfileKind": "ChargingProfileKindType",
    "ChargingProfile.recurrencyKind": "RecurrencyKindType",
    "ReserveNowResponse.status": "ReservationStatus",
    "ResetRequest.type": "ResetType",
    "SendLocalListRequest.localAuthorizationList": "AuthorizationData",
    "SendLocalListRequest.updateType": "UpdateType",
    "SendLocalListResponse.status": "UpdateStatus",
    "SetChargingProfileResponse.status": "ChargingProfileStatus",
    "StatusNotificationRequest.errorCode": "ChargePointErrorCode",
    "StatusNotificationRequest.status": "ChargePointStatus",
    "StopTransactionRequest.reason": "Reason",
    "TriggerMessageRequest.requestedMessage": "MessageTrigger",
    "TriggerMessageResponse.status": "TriggerMessageStatus",
    "UnlockConnectorResponse.status": "UnlockStatus",
}


def schemas(version: str) -> dict[str, dict[str, Any]]:
    """The JSON schema of each message, corrected by errata.txt; a request is `<Action>Request` in every version."""
    found: dict[str, dict[str, Any]] = {}
    for file in importlib.resources.files(f"ocpp.{FILES[version]}").joinpath("schemas").iterdir():
        if not file.name.endswith(".json"):
            continue
        name = file.name.removesuffix(".json")
        if not name.endswith(("Request", "Response")) and name not in SENDS:
            name += "Request"
        found[name] = json.loads(file.read_text("utf-8-sig"))
    for line in (HERE / "errata.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            line_version, message, path, keyword, value = line.split()
            if line_version == version:
                _correct(found[message], path, keyword, value)
    return dict(sorted(found.items()))


def _correct(schema: dict[str, Any], path: str, keyword: str, value: str) -> None:
    """Applies one line of errata.txt; one that changes nothing is an error, so that it goes once it is out of date."""
    for step in path.split("."):
        schema = schema["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            schema = schema["items"]
    if value == "-":
        del schema[keyword]
    elif keyword == "enum":
        schema["enum"].remove(value.removeprefix("-"))
    elif schema[keyword] == int(value):
        raise ValueError(f"errata.txt: {path} {keyword} is {value} already")
    else:
        schema[keyword] = int(value)


class _Tabulator:
    """Turns the schemas of one version into lines, each type once under one name."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, str]] = {}  # draft -> name -> line
        self._draft = ""
        self._names: dict[str, str] = {}  # content of an unnamed inner type -> its name

    def message(self, name: str, schema: dict[str, Any]) -> None:
        self._draft = schema["$schema"].partition("draft-0")[2][0]
        for type_name, definition in schema.get("definitions", {}).items():
            self._type(type_name, definition)
        self._type(name, schema)

    def _type(self, name: str, schema: dict[str, Any]) -> None:
        known = {"additionalProperties", "definitions", "enum", "properties", "required", "type"}
        if unknown := set(schema) - ANNOTATIONS - known:
            raise ValueError(f"{name}: this tool does not know {sorted(unknown)}")
        if "enum" in schema:
            line = f"{name} = {' '.join(schema['enum'])}"
        else:
            required = schema.get("required", [])
            members = schema.get("properties", {})
            order = sorted(members, key=lambda key: (key not in required, key == "customData"))
            words = [f"{key}:{self._rule(name, key, members[key])}{'!' * (key in required)}" for key in order]
            line = " ".join([name, *words, *["*"] * (schema.get("additionalProperties") is not False)])
        lines = self.lines.setdefault(self._draft, {})
        if lines.setdefault(name, line) != line:
            raise ValueError(f"{name} has two meanings in one version")

    def _rule(self, owner: str, key: str, schema: dict[str, Any]) -> str:
        rule = {word: value for word, value in schema.items() if word not in ANNOTATIONS}
        kind = rule.pop("type", "any")
        match kind:
            case "object" | "string" if "properties" in rule or "enum" in rule:
                return self._inner(owner, key, schema)
            case "array":
                text = self._rule(owner, key, rule.pop("items"))
                text += _bounds("[", rule.pop("minItems", None), rule.pop("maxItems", None), "]")
            case "any" if "$ref" in rule:
                text = rule.pop("$ref").removeprefix("#/definitions/")
            case "string" if "format" in rule:
                text = rule.pop("format")
            case "string" if "maxLength" in rule:
                text = f"string({rule.pop('maxLength')})"
            case "integer" | "number":
                text = {"integer": "int", "number": "number"}[kind]
                least, most = rule.pop("minimum", None), rule.pop("maximum", None)
                step = rule.pop("multipleOf", None)
                if step is not None:
                    text += f"(/{step})"
                elif (least, most) != (None, None):
                    text += _bounds("(", least, most, ")")
            case "boolean":
                text = "bool"
            case _:
                text = kind
        if rule:
            raise ValueError(f"{owner}.{key}: this tool does not know {sorted(rule)}")
        return text

    def _inner(self, owner: str, key: str, schema: dict[str, Any]) -> str:
        content = json.dumps(schema, sort_keys=True)
        if content not in self._names:
            self._names[content] = NAMES_16[f"{owner}.{key}"]
            self._type(self._names[content], schema)
        return self._names[content]


def _bounds(left: str, least: float | None, most: float | None, right: str) -> str:
    if least is None and most is None:
        return left + right
    return left + "..".join("" if bound is None else f"{bound:g}" for bound in (least, most)) + right


def table(version: str) -> str:
    """The text table of one version, as `compile.parse()` reads it."""
    tabulator = _Tabulator()
    for name, schema in schemas(version).items():
        tabulator.message(name, schema)
    source = f"the JSON schemas in the PyPI package ocpp {importlib.metadata.version('ocpp')}, corrected by errata.txt"
    text = f"# OCPP {version}: generated by generate.py from {source}\n" + LEGEND
    for draft, lines in tabulator.lines.items():
        text += f"\ndraft {draft}\n"
        enumerations = sorted(name for name, line in lines.items() if line.startswith(f"{name} = "))
        messages = sorted(name for name in lines if name.endswith(("Request", "Response")) or name in SENDS)
        types = sorted(set(lines) - set(messages) - set(enumerations))
        for group in (messages, types, enumerations):
            text += "".join(f"{lines[name]}\n" for name in group)
    return text


def generated() -> dict[Path, str]:
    """Every file that this tool writes, with its text."""
    files: dict[Path, str] = {}
    for version, file in FILES.items():
        files[HERE / f"{file}.txt"] = text = table(version)
        files[HERE.parent / "typed" / f"{file}.pyi"] = stubs.stub(version, file, text)
    return files


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing")
    check = parser.parse_args(arguments).check
    found = 0
    for path, text in generated().items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        found = 1
        print(("differs: " if check else "written: ") + str(path.relative_to(HERE.parent)))
        if not check:
            path.write_text(text, "utf-8")
    return found if check else 0


if __name__ == "__main__":
    sys.exit(main())
