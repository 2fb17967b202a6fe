"""The message tables at work: check() of a payload against its version, trim() of a newer payload to an older version.

Shapes. A type is what compile.py makes of one line of a table:
    " Accepted Rejected "             an enumeration: its words between single spaces
    (members, required, open)         an object: {name: rule}, (name, ...), whether other members may be there
A rule is
    a number                          ANY ... URI below, or STRING_MOST plus the greatest length of a string
    a string                          the name of a type
    (rule, least, most or None)       a list of this rule and its lengths
    (kind, least, most, parts)        INT, WHOLE or NUMBER with bounds or None, and a multiple of 1/parts or None
No type contains itself (compile.py sees to that), so the table bounds the depth of every walk.
"""

from __future__ import annotations

import marshal

from evse.errors import EvseError
from evse.jsontext import loads_own
from evse.ocpp.datetext import is_date_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ANY, BOOL, INT, WHOLE, NUMBER, STRING, DATE_TIME, URI, STRING_MOST = range(9)
ACTIONS = "actions"  # the entry of a table that lists its actions, like an enumeration
# So many shapes of messages that were good are remembered.
SHAPES = 16

# The RPC error code of a broken rule [part 4 §4.3], PropertyConstraintViolation where none is given; and the two
# spellings of 1.6 that were never mended [1.6-J §4.2.3, errata 5.1, 5.2].
_CODES = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
    "unknown": "NotImplemented",
}
_CODES_16 = {"OccurrenceConstraintViolation": "OccurenceConstraintViolation", "FormatViolation": "FormationViolation"}


def rpc_code(version: str, rule: str) -> str:
    """The RPC error code with which `version` ("1.6", "2.0.1", "2.1") answers a payload that breaks `rule`."""
    code = _CODES.get(rule, "PropertyConstraintViolation")
    return _CODES_16.get(code, code) if version == "1.6" else code


class SchemaError(EvseError, ValueError):
    """A payload breaks its table.

    `path` is where, "evse.id" or "meterValue[0].sampledValue"; "" is the payload itself. `rule` is the JSON schema's
    word for what is broken: type, required, enum, maxLength, minItems, maxItems, minimum, maximum, multipleOf, format,
    additionalProperties; or unknown for a message that the version does not have. `detail` quotes no value.
    """

    def __init__(self, path: str, rule: str, detail: str) -> None:
        super().__init__(path, rule, detail)
        self.path = path
        self.rule = rule
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.path or 'payload'}: {self.detail}"

    def _within(self, step: str) -> None:
        self.path = step + ("." if self.path and self.path[0] != "[" else "") + self.path


class Tables:
    """The messages of one OCPP version. Each type is read at its first use and kept.

    `read(name)` gives the marshalled type of that name or None: `TableFile(path).read` of a compiled file, or the `get`
    of what `compile.blobs(version)` gives.
    """

    __slots__ = ("_formats", "_read", "_shapes", "_types", "version")

    def __init__(self, version: str, read: Callable[[str], bytes | None]) -> None:
        self.version = version
        self._read = read
        self._types: dict[str, Any] = {}
        self._shapes: set[int] = set()  # hashes of texts without their digits
        self._formats = True

    def actions(self) -> list[str]:
        """Every action of the version, as it stands in a CALL or SEND."""
        actions: str = self._type(ACTIONS)
        return actions.split()

    def knows(self, action: str) -> bool:
        """Whether the version has this action: one that it has is NotSupported, any other NotImplemented."""
        return " " not in action and f" {action} " in self._type(ACTIONS)

    def check(self, name: str, payload: object, formats: bool = True) -> None:
        """Checks a payload against message `name`: an action ("Request" may follow it), or "<Action>Response".

        Without `formats` any text passes for a date-time or URI: some central systems write times without their zone.
        Raises SchemaError at the first member that breaks the table.
        """
        self._formats = formats
        type_ = self._types.get(name) or self._type(self._message(name))
        if type(type_) is tuple:
            self._check_members(type_, payload)
        else:
            _check_word(type_, payload)

    def check_said(self, name: str, text: str) -> None:
        """As check(), of a payload as JSON, for what the station says again and again.

        A text that differs in nothing but digits from one that was good is good: a sample has the shape of the last.
        """
        shape = hash((name, text.encode().translate(None, b"0123456789.")))
        if shape not in self._shapes:
            self.check(name, loads_own(text))
            if len(self._shapes) >= SHAPES:
                self._shapes.clear()
            self._shapes.add(shape)

    def trim(self, name: str, payload: object) -> Any:
        """The payload without what message `name` of this version does not have; the one given is not changed.

        Members that the version lacks are left out. A word that its enumeration lacks takes with it the innermost list
        item around it, else the innermost optional member: a sampled value without its measurand would be read as
        energy. Values of a wrong type or size stay, for check() to name. Raises SchemaError where what must be there
        has such a word.
        """
        return self._trim(self._message(name), payload)

    def _message(self, name: str) -> str:
        return name if name in self._types else name.removesuffix("Request")

    def _type(self, name: str) -> Any:
        type_ = self._types.get(name)
        if type_ is None:
            blob = self._read(name) if name.isidentifier() else None
            if blob is None:
                raise SchemaError("", "unknown", f"OCPP {self.version} has no such message")
            type_ = self._types[name] = marshal.loads(blob)
        return type_

    def _check(self, rule: Any, value: Any) -> None:
        shape = type(rule)
        if shape is int:
            _check_simple(rule, value, self._formats)
        elif shape is str:
            type_ = self._types.get(rule) or self._type(rule)
            if type(type_) is tuple:
                self._check_members(type_, value)
            else:
                _check_word(type_, value)
        elif len(rule) == 4:
            _check_number(rule, value)
        else:
            self._check_list(rule, value)

    def _check_members(self, type_: Any, value: Any) -> None:
        if type(value) is not dict:
            raise SchemaError("", "type", "must be an object")
        members, required, is_open = type_
        for name in required:
            if name not in value:
                raise SchemaError(name, "required", "is missing")
        types, name = self._types, ""
        try:
            for name, item in value.items():
                rule = members.get(name)
                # As `_check`, but without a call where most members are good: every message goes through this loop.
                if type(rule) is str:
                    type_ = types.get(rule) or self._type(rule)
                    if type(type_) is tuple:
                        self._check_members(type_, item)
                    elif type(item) is not str or " " in item or f" {item} " not in type_:
                        _check_word(type_, item)
                elif type(rule) is int:
                    shape = type(item)
                    short = shape is str and rule >= STRING_MOST + len(item)
                    if not (short or (shape is int and INT <= rule <= NUMBER)):
                        _check_simple(rule, item, self._formats)
                elif rule is not None:
                    self._check(rule, item)
                elif not is_open:
                    break
            else:
                return
        except SchemaError as error:
            error._within(name)
            raise
        known = type(name) is str and len(name) <= 50 and name.isidentifier()
        raise SchemaError(name if known else "?", "additionalProperties", "is no member here")

    def _check_list(self, rule: Any, value: Any) -> None:
        item_rule, least, most = rule
        if type(value) is not list:
            raise SchemaError("", "type", "must be a list")
        if len(value) < least:
            raise SchemaError("", "minItems", f"has {len(value)} items, at least {least} wanted")
        if most is not None and len(value) > most:
            raise SchemaError("", "maxItems", f"has {len(value)} items, at most {most} allowed")
        index = 0
        try:
            for item in value:
                self._check(item_rule, item)
                index += 1
        except SchemaError as error:
            error._within(f"[{index}]")
            raise

    def _trim(self, rule: Any, value: Any, in_list: bool = False) -> Any:
        if type(rule) is str:
            type_ = self._types.get(rule) or self._type(rule)
            if type(type_) is str:
                if type(value) is str:
                    _check_word(type_, value)
            elif type(value) is dict:
                return self._trim_members(type_, value, in_list)
        elif type(rule) is tuple and len(rule) == 3 and type(value) is list:
            return self._trim_list(rule, value)
        return value

    def _trim_members(self, type_: Any, value: dict[str, Any], in_list: bool) -> dict[str, Any]:
        members, required, is_open = type_
        kept = {}
        for name, item in value.items():
            rule = members.get(name)
            if rule is not None:
                try:
                    kept[name] = self._trim(rule, item, in_list)
                except SchemaError as error:
                    if in_list or name in required:
                        error._within(name)
                        raise
            elif is_open:
                kept[name] = item
        return kept

    def _trim_list(self, rule: Any, value: list[Any]) -> list[Any]:
        item_rule, least, _ = rule
        kept = []
        refused = None
        for index, item in enumerate(value):
            try:
                kept.append(self._trim(item_rule, item, True))
            except SchemaError as error:
                error._within(f"[{index}]")
                refused = error
        if refused is not None and len(kept) < least:
            raise refused
        return kept


def _check_simple(kind: int, value: Any, formats: bool) -> None:
    if kind >= STRING:
        if type(value) is not str:
            raise SchemaError("", "type", "must be a string")
        if kind >= STRING_MOST:
            if len(value) > kind - STRING_MOST:
                raise SchemaError("", "maxLength", f"has {len(value)} characters, at most {kind - STRING_MOST} allowed")
        elif kind != STRING and formats:
            _check_format(kind, value)
    elif kind == BOOL:
        if type(value) is not bool:
            raise SchemaError("", "type", "must be a boolean")
    elif kind != ANY and type(value) is not int:
        if type(value) is not float or (kind != NUMBER and (kind == INT or not value.is_integer())):
            raise SchemaError("", "type", "must be a number" if kind == NUMBER else "must be an integer")


def _check_format(kind: int, value: str) -> None:
    if kind == DATE_TIME:
        if not is_date_time(value):
            raise SchemaError("", "format", "must be an RFC 3339 date-time with its zone")
        return
    from evse.ocpp.uri import is_uri  # two messages of 1.6 have one

    if not is_uri(value):
        raise SchemaError("", "format", "must be a URI")


def _check_number(rule: Any, value: Any) -> None:
    kind, least, most, parts = rule
    _check_simple(kind, value, False)
    if least is not None and value < least:
        raise SchemaError("", "minimum", f"must be at least {least:g}")
    if most is not None and value > most:
        raise SchemaError("", "maximum", f"must be at most {most:g}")
    # A float is a multiple if it is the one nearest to that decimal: 0.3 / 0.1 is not a whole number in floats.
    # Beyond 2**53 each float is whole.
    if parts is None or value == value // 1:
        return
    if not -1e16 < value < 1e16 or round(value * parts) / parts != value:
        raise SchemaError("", "multipleOf", f"must be a multiple of {1 / parts:g}")


def _check_word(words: str, value: Any) -> None:
    if type(value) is not str:
        raise SchemaError("", "type", "must be a string")
    if " " in value or f" {value} " not in words:
        raise SchemaError("", "enum", "is none of the words of its enumeration")
