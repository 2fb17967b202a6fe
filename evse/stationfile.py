"""The station file (TOML): read, checked as a whole, and compiled to plain values for the daemon. Front end only."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from evse import boards, settings
from evse.app import check_board, this_board
from evse.errors import UsageError
from evse.ocpp import registry
from evse.ocpp.tables.compile_variables import station_overrides
from evse.ocpp.variable_row import key_of, place_of
from evse.profiles import SLOTS
from evse.settings import REQUIRED, Setting
from evse.shell.endpoint import Endpoint
from evse.tomllines import Path, lines_of

# Component[instance]@evse/connector.Variable[instance]:Attribute
NAME = re.compile(
    r"(?P<component>[^][@.:]{1,50})(?:\[(?P<instance>[^][]{1,50})\])?"
    r"(?:@(?P<evse>\d{1,3})(?:/(?P<connector>\d{1,3}))?)?"
    r"\.(?P<variable>[^][@.:]{1,50})(?:\[(?P<variable_instance>[^][]{1,50})\])?"
    r"(?::(?P<attribute>Actual|Target|MinSet|MaxSet))?"
)
TOP = ("csms", "station", "evse", "board", "ocpp", "behaviour", "certificates", "firmware", "trace", "log")
OCPP = ("variables", "keys", "blocks")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Problem(NamedTuple):
    """One thing that is wrong: the line (None where there is none to name), what it is about, and what to do."""

    line: int | None
    where: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.where}: {self.text}" if self.line else f"{self.where}: {self.text}"


class StationFileError(UsageError):
    """The station file cannot be used; `problems` are all that are wrong, in the order of the file."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


def load(path: str | None, csms: dict[str, Any] | None = None, board: str | None = None) -> dict[str, Any]:
    """The checked configuration of a station file; without one, a simulated AC station for a CSMS on this machine.

    `csms` are settings that stand over those of [csms]; None takes one away. `board` stands over the file's.

    Shape: csms (with slots: {n: ...}), station, board: the tables of the board file, board_file: its path,
    overrides: entries of the device model, blocks: {...}, behaviour, certificates, firmware, trace, log. Paths are
    absolute.
    Raises StationFileError, UsageError.
    """
    if path is None:
        source = DEFAULT if board is None else DEFAULT.partition("[[evse]]")[0]
        return _Reader("built-in defaults", os.getcwd(), source).read(csms, board)
    try:
        with open(path, "rb") as file:
            source = file.read().decode()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; `evse config init` writes a station file to begin with") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    return _Reader(path, os.path.dirname(os.path.abspath(path)), source).read(csms, board)


DEFAULT = """\
# A station file; docs/configuration.md explains every setting.

[csms]
url = "ws://localhost:9000/ocpp"    # the identity is appended
identity = "EVSE-1"
security_profile = 0                # 0 and 1 without TLS; use wss:// and 2 or 3 outside a laboratory
ocpp_versions = ["2.1", "2.0.1", "1.6"]

[station]
vendor = "evse"
model = "AC station"

[[evse]]
id = 1
phases = 3
max_current_a = 32
"""


def template(board: str | None = None) -> str:
    """A station file to begin with, for a board ("auto": the one that this machine is). Raises UsageError."""
    if board is None:
        return DEFAULT
    name = this_board() if board == "auto" else board
    boards.find(os.path.abspath(name) if "/" in name else name)
    head, blank, tables = DEFAULT.partition("\n\n")
    return f"{head}\n\nboard = {json.dumps(name, ensure_ascii=False)}{blank}" + tables.partition("\n[[evse]]")[0]


def parse_name(text: str) -> dict[str, Any] | None:
    """The selectors of `Component[instance]@evse/connector.Variable[instance]:Attribute`, None for another shape."""
    match = NAME.fullmatch(text)
    if match is None:
        return None
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    for name in ("evse", "connector"):
        if name in parts:
            parts[name] = int(parts[name])
    return parts


class _Reader:
    """Checks one station file and collects what is wrong."""

    def __init__(self, path: str, directory: str, source: str) -> None:
        self._path = path
        self._directory = directory
        self._problems: list[Problem] = []
        self._places: dict[str, Path] = {}  # name of a variable -> where it stands
        self._lines = lines_of(source)
        try:
            self._data = tomllib.loads(source)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r" \(at line (\d+), column \d+\)", str(error))
            text = str(error).replace(found[0], "") if found else str(error)
            problem = Problem(int(found[1]) if found else None, "TOML", text[0].lower() + text[1:])
            raise StationFileError(path, [problem]) from None

    def read(self, csms: dict[str, Any] | None = None, board: str | None = None) -> dict[str, Any]:
        """The configuration. Raises StationFileError with all problems."""
        data = self._data
        if csms and isinstance(table := data.setdefault("csms", {}), dict):
            table.update(csms)
            data["csms"] = {name: value for name, value in table.items() if value is not None}
        if board is not None:
            data["board"] = board
        self._unknown((), data, TOP, "table")
        ocpp = self._expect_table(("ocpp",), data.get("ocpp", {}))
        self._unknown(("ocpp",), ocpp, OCPP, "table")
        behaviour = self._settings(("behaviour",), data.get("behaviour", {}), settings.BEHAVIOUR)
        config: dict[str, Any] = {
            "csms": self._csms(data.get("csms", {}), behaviour["standalone"]),
            "station": self._settings(("station",), data.get("station", {}), settings.STATION),
            "blocks": self._blocks(ocpp.get("blocks", {})),
            "behaviour": behaviour,
            "certificates": self._settings(("certificates",), data.get("certificates", {}), settings.CERTIFICATES),
            "firmware": self._settings(("firmware",), data.get("firmware", {}), settings.FIRMWARE),
            "trace": self._settings(("trace",), data.get("trace", {}), settings.TRACE),
            "log": self._settings(("log",), data.get("log", {}), settings.LOG),
        }
        self._updates(config["firmware"], config["station"])
        config["overrides"] = self._overrides(config["csms"], ocpp)
        config["board"], config["board_file"] = self._board(data.get("board"), self._evses(data.get("evse", [])))
        if self._problems:
            raise StationFileError(self._path, sorted(self._problems, key=lambda problem: problem.line or 0))
        return config

    # Problems

    def _problem(self, path: Path, text: str) -> None:
        line = None
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                break
        self._problems.append(Problem(line, _dotted(path) or "file", text))

    def _unknown(self, path: Path, table: dict[str, Any], known: Any, what: str) -> None:
        for name in table:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.5)
                hint = f"did you mean {near[0]!r}?" if near else "known here: " + settings.words(known)
                self._problem((*path, name), f"there is no such {what}; {hint}")

    def _expect_table(self, path: Path, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._problem(path, "must be a table")
        return {}

    # Tables

    def _settings(
        self, path: Path, value: Any, known: dict[str, Setting], also: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The checked settings of a table, defaults for those that it leaves out."""
        table = self._expect_table(path, value)
        self._unknown(path, table, (*known, *also), "setting")
        result = settings.defaults(known)
        for name, setting in known.items():
            if name in table:
                result[name] = self._checked((*path, name), setting, table[name])
            elif setting.default is REQUIRED:
                self._problem((*path, name), "is missing")
        return result

    def _checked(self, path: Path, setting: Setting, value: Any) -> Any:
        try:
            result = setting.check(value)
        except ValueError as error:
            self._problem(path, f"must be {error}; it is {_shown(path, value)}")
            return None if setting.default is REQUIRED else setting.default
        if setting.check is settings.file_path:
            return os.path.normpath(os.path.join(self._directory, os.path.expanduser(result)))
        return result

    def _csms(self, value: Any, standalone: bool) -> dict[str, Any]:
        path = ("csms",)
        csms = self._settings(path, value, settings.CSMS, ("slot", "interfaces"))
        csms["slots"] = {}
        interfaces = value.get("interfaces", {}) if isinstance(value, dict) else {}
        named = self._settings((*path, "interfaces"), interfaces, settings.INTERFACES)
        csms["interfaces"] = {word: name for word, name in named.items() if name is not None}
        if standalone:
            return csms
        for name in ("url", "identity"):
            if csms[name] is None and not any(problem.where == f"csms.{name}" for problem in self._problems):
                self._problem((*path, name), 'is missing; without a CSMS set "standalone = true" in [behaviour]')
        self._connection(path, csms, csms["identity"])
        slots = self._expect_table((*path, "slot"), value.get("slot", {}) if isinstance(value, dict) else {})
        for number, slot in slots.items():
            where = (*path, "slot", number)
            if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 9:
                self._problem(where, "slots are numbered from 1 to 9: [csms.slot.2]")
                continue
            slot = self._settings(where, slot, settings.SLOT)
            slot["ocpp_versions"] = slot["ocpp_versions"] or csms["ocpp_versions"]
            self._connection(where, slot, csms["identity"])
            csms["slots"][int(number)] = slot
        return csms

    def _connection(self, path: Path, table: dict[str, Any], identity: str | None) -> None:
        """What depends on several settings of a connection: password, profile, and whether an end point comes of it."""
        before = len(self._problems)
        if table["password_file"] is not None:
            self._password_file(path, table)
        if table["url"] is None or identity is None:
            return
        if table["security_profile"] is None:
            self._profile(path, table)
        if len(self._problems) > before or table["security_profile"] is None:
            return
        tls = {name: table.get(name) or self._data["csms"].get(name) for name in ("cert", "key")}
        if not any(tls.values()):
            tls = dict.fromkeys(tls, "in the certificate store")
        try:
            Endpoint({**table, **tls, "identity": identity, "subprotocols": table["ocpp_versions"]})
        except UsageError as error:
            self._problem(path, str(error))

    def _password_file(self, path: Path, table: dict[str, Any]) -> None:
        if table["password"] is not None:
            self._problem((*path, "password_file"), "stands beside password; keep one of them")
        try:
            with open(table["password_file"], encoding="utf-8") as file:
                table["password"] = settings.CSMS["password"].check(file.readline().rstrip("\r\n"))
        except OSError as error:
            self._problem((*path, "password_file"), f"{table['password_file']}: {error.strerror}")
        except ValueError as error:
            self._problem((*path, "password_file"), f"its first line must be {error}")

    def _profile(self, path: Path, table: dict[str, Any]) -> None:
        """The security profile that goes with the rest; none is chosen that would be unsafe without being asked for."""
        parts = urlsplit(table["url"])
        if parts.scheme.lower() == "wss":
            table["security_profile"] = 3 if table.get("cert") and table.get("key") else 2
        elif table["password"] is not None:
            table["security_profile"] = 1
        elif parts.hostname in LOOPBACK:
            table["security_profile"] = 0
        else:
            text = "neither TLS nor a password: use wss:// and a password, or say security_profile = 0 if that is meant"
            self._problem((*path, "url"), text)

    def _updates(self, firmware: dict[str, Any], station: dict[str, Any]) -> None:
        """What updates need: an installer, and a version that the installed image tells."""
        path, installer, command = ("firmware",), firmware["installer"], firmware["command"]
        if station["firmware"] is not None and station["firmware_file"] is not None:
            self._problem(("station", "firmware_file"), "stands beside firmware; keep one of them")
        if installer is None:
            if command is not None:
                self._problem((*path, "command"), 'is for an installer; set installer to "executable" or "rauc"')
            return
        if installer == "executable" and (command is None or not command[0].startswith("/")):
            self._problem((*path, "command"), "an executable installer needs one that begins with an absolute path")
        if station["firmware_file"] is None:
            text = "needs [station] firmware_file, so that the version reported is that of the image which runs"
            self._problem((*path, "installer"), text)
        for name, value, other in (("restart", "machine", "station"), ("installed_after_s", 60.0, 0.0)):
            if firmware[name] is None:
                firmware[name] = value if installer == "rauc" else other

    def _evses(self, value: Any) -> list[dict[str, Any]]:
        """The EVSEs that the file speaks of, by number."""
        if not isinstance(value, list):
            self._problem(("evse",), "is an array of tables: write [[evse]]")
            return []
        evses = [self._settings(("evse", index), table, settings.EVSE) for index, table in enumerate(value)]
        ids = [evse["id"] for evse in evses]
        for index, evse in enumerate(evses):
            if evse["id"] is not None and ids.index(evse["id"]) != index:
                self._problem(("evse", index, "id"), f"{evse['id']} is taken by another EVSE")
        return sorted(evses, key=lambda evse: evse["id"] or 0)

    def _board(self, value: Any, evses: list[dict[str, Any]]) -> tuple[dict[str, Any], str | None]:
        """The board file's tables, with the EVSEs of this file applied, and its path."""
        name = str(settings.BOARD.default if value is None else self._checked(("board",), settings.BOARD, value))
        if "/" in name or name.endswith(".toml"):
            name = os.path.normpath(os.path.join(self._directory, os.path.expanduser(name)))
        try:
            name = this_board() if name == "auto" else name
            path = boards.find(name)
            board = boards.load(path)
        except UsageError as error:
            self._problem(("board",), str(error))
            return {}, None
        problems = [] if self._problems else boards.fit(board, evses, name) or check_board(board, path)
        for problem in problems:
            self._problem(("board",), problem)
        numbers = sorted(table.get("id", 0) for table in board.get("evse", ()))
        if not problems and numbers != list(range(1, len(numbers) + 1)):
            self._problem(("evse",), f"EVSEs are numbered from 1 without gaps, not {settings.words(map(str, numbers))}")
        return board, path

    # OCPP

    def _overrides(self, csms: dict[str, Any], ocpp: dict[str, Any]) -> list[dict[str, Any]]:
        """What the file says about the device model: settings of [csms] that are variables, then variables and keys."""
        entries = []
        for name, (component, variable, instance) in settings.CSMS_VARIABLES.items():
            if csms[name] is not None:
                entry = {"component": component, "variable": variable, "value": settings.value_text(csms[name])}
                entries.append(entry if instance is None else {**entry, "variable_instance": instance})
        if csms["slots"]:
            order = [0 if 1 in csms["slots"] else 1, *sorted(csms["slots"])]
            values = sorted({*order, *SLOTS})
            priority = {"component": "OCPPCommCtrlr", "variable": "NetworkConfigurationPriority"}
            entries.append({**priority, "value": settings.value_text(order), "values": settings.value_text(values)})
        keys = {key: entry for key, entry in self._keys(ocpp.get("keys", {})).items() if entry["value"] is not None}
        variables = self._variables(ocpp.get("variables", {}))
        stated, problems = station_overrides(variables, keys)
        problems += [
            (_name_of(entry), "network slots are set up in [csms] and [csms.slot.N]")
            for entry in variables
            if entry["component"].lower() == "networkconfiguration"
        ]
        for name, text in problems:
            self._problem(self._places.get(name, ("ocpp", "keys", name)), text)
        return entries + stated

    def _variables(self, value: Any) -> list[dict[str, Any]]:
        """Selectors and what is stated, a variable attribute each; `Component.Variable = value` or a list of tables."""
        path: Path = ("ocpp", "variables")
        if isinstance(value, list):
            known = {**settings.SELECTORS, **settings.VARIABLE}
            entries = [_stated(self._settings((*path, index), table, known)) for index, table in enumerate(value)]
            entries = [entry for entry in entries if "component" in entry and "variable" in entry]
            self._places.update((_name_of(entry), (*path, index)) for index, entry in enumerate(entries))
            return entries
        result = []
        for component, table in self._expect_table(path, value).items():
            if not isinstance(table, dict):
                text = "write Component.Variable = value, as in OCPPCommCtrlr.HeartbeatInterval = 300"
                self._problem((*path, component), text)
                continue
            for variable, stated in table.items():
                result += self._variable((*path, component, variable), f"{component}.{variable}", stated)
        return result

    def _variable(self, path: Path, name: str, stated: Any) -> list[dict[str, Any]]:
        parts = parse_name(name)
        if parts is None:
            text = 'is no variable; write "Component[instance]@evse/connector"."Variable[instance]:Attribute"'
            self._problem(path, text)
            return []
        if isinstance(stated, dict):
            entry = {**parts, **_stated(self._settings(path, stated, settings.VARIABLE))}
        else:
            entry = {**parts, **_stated({"value": self._checked(path, settings.VARIABLE["value"], stated)})}
        self._places[_name_of(entry)] = path
        return [entry]

    def _keys(self, value: Any) -> dict[str, dict[str, Any]]:
        """1.6 key -> value and read_only."""
        result = {}
        for key, stated in self._expect_table(("ocpp", "keys"), value).items():
            path = ("ocpp", "keys", key)
            if not 1 <= len(key) <= 50:
                self._problem(path, "a key has 1 to 50 characters")
            elif isinstance(stated, dict):
                result[key] = self._settings(path, stated, settings.KEY)
            else:
                result[key] = {"value": self._checked(path, settings.KEY["value"], stated), "read_only": False}
        return result

    def _blocks(self, value: Any) -> dict[str, str]:
        """Block -> "module:Class", "" for off."""
        path = ("ocpp", "blocks")
        table = self._expect_table(path, value)
        self._unknown(path, table, registry.ACTIONS, "block")
        for name in settings.NEEDED_BLOCKS:
            if table.get(name) is False:
                text = 'cannot be switched off: no session goes without it; "module:Class" replaces it'
                self._problem((*path, name), text)
        setting = Setting(settings.block)
        return {
            name: self._checked((*path, name), setting, item)
            for name, item in table.items()
            if name in registry.ACTIONS
        }


def _name_of(entry: dict[str, Any]) -> str:
    """The name of a variable that the file states."""
    row = (entry["variable"], entry.get("variable_instance"))
    return key_of(entry["component"], place_of(entry), row, entry.get("attribute", "Actual"))


def _stated(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in entry.items() if item is not None}


def _dotted(path: Path) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path)


def _shown(path: Path, value: Any) -> str:
    """A wrong value in a message; secrets are not quoted."""
    return "not" if path[-1] == "password" else repr(value)[:60]
