"""Payloads made from the JSON schemas: valid ones, and ones with a member changed for better or worse."""

import copy

TIMES = [
    "2024-02-29T23:59:59Z", "2025-01-31t00:00:00.123456z", "1999-12-01T12:30:00.5+02:00", "2100-03-31T01:02:03-23:59",
]  # fmt: skip
URIS = [
    "https://user:pw@example.com:8443/a/b%20c?x=1&y=/?#top", "ftp://10.0.0.1/", "mailto:a@b.c", "urn:x:y", "h:",
    "s3:///k", "http://[2001:db8::1]:80/", "http://[::ffff:1.2.3.4]", "http://[v1.a:b]/", "dummy://dummy",
    "http://h:/p;x=1,2",
]  # fmt: skip
BAD_TIMES = [
    "", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-00-10T00:00:00Z", "2024-13-10T00:00:00Z",
    "0000-01-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:60Z",
    "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+0200", "2024-01-01T00:00:00+02", "2024-01-01", "2024-1-01T00:00:00Z", "24-01-01T00:00:00Z",
    "2024-01-01T00:00Z", "+024-01-01T00:00:00Z", "\u0662024-01-01T00:00:00Z", "2024-01-32T00:00:00Z",
    "2024-04-31T00:00:00Z", "2024-01-01T00:00:00.1x5Z", "2024-01-01T00:00:00+02:60", "1900-02-29T00:00:00Z",
    "2024-01-01T00:00:00ZZ", "2024-01-01T0a:00:00Z", "2024-01-01T00:00:00.\u0661Z", " 2024-01-01T00:00:00Z",
    "2000-02-29T00:00:00Z",
]  # fmt: skip
BAD_URIS = [
    "", "example.com", "/path", "//host/path", "1a://x", "ht tp://x", "http://a b", "http://x/%zz", "http://x/%2",
    "http://x/<a>", ":x", "http://[::1", "http://[::1]x/", "http://[1:2:3]/", "http://[1::2::3]/", "http://[g::]/",
    "http://h:8a/", "http://a@b@c/", "a://x#y#z", "http://[v.x]/", "http://[v1.]/", "http://[::1.2.3]/",
    "http://[::256.1.1.1]/", "http://h/[x]", "x:\u00e9", "http://[12345::]/", "http://[1:2:3:4:5:6:7:8:9]/",
    "http://[1:2:3:4:5:6:7::8]/", "http://[1:2:3:4:5:6:1.2.3.4]/", "http://[1.2.3.4::]/", "a\\b:c", "x:{}",
]  # fmt: skip
ODD = [None, True, False, 0, -1, 1.0, 0.5, -0.25, 1e300, "", "x", "Accepted", [], {}, [None], {"vendorId": "x"}, 2**40]


def valid(schema, rng, root=None, depth=0):
    """A payload that the schema accepts; the deeper, the fewer optional members."""
    root = root or schema
    if "$ref" in schema:
        return valid(root["definitions"][schema["$ref"].rpartition("/")[2]], rng, root, depth)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", [])
        keep = 0.7 if depth < 2 else 0.3
        members = schema.get("properties", {}).items()
        made = {
            key: valid(rule, rng, root, depth + 1) for key, rule in members if key in required or rng.random() < keep
        }
        if schema.get("additionalProperties") is not False and rng.random() < 0.5:
            made["anything"] = rng.choice(ODD)
        return made
    if kind == "array":
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 3), least + rng.choice([0, 1, 3]))
        return [valid(schema["items"], rng, root, depth + 1) for _ in range(rng.randint(least, max(least, most)))]
    return _simple(schema, kind, rng)


def _simple(schema, kind, rng):
    if kind == "string":
        if "format" in schema:
            return rng.choice(TIMES if schema["format"] == "date-time" else URIS)
        most = schema.get("maxLength", 40)
        return "".join(rng.choices("aZ09 .-\u00e9\U0001f600", k=rng.choice([0, 1, min(8, most), min(most, 40), most])))
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "number"):
        least, most = schema.get("minimum", -1000), schema.get("maximum", 100_000)
        if kind == "integer":
            return rng.choice([int(max(least, -1000)), int(most), rng.randint(int(least), int(most))])
        if "multipleOf" in schema:
            return rng.choice([rng.randint(-99, 9999) / 10, 16.1, 0.3, 32, 1234567.9])
        return rng.choice([least, most, rng.uniform(least, most)])
    return rng.choice(ODD)


def _places(value, found):
    """Every (container, key) in the payload."""
    if isinstance(value, dict):
        for key, item in value.items():
            found.append((value, key))
            _places(item, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found.append((value, index))
            _places(item, found)
    return found


def mutated(payload, rng):
    """A copy with one to three members changed: often invalid, sometimes still valid."""
    holder = [copy.deepcopy(payload)]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        container, key = rng.choice(_places(holder, []))
        change = rng.randrange(10)
        if container is holder and change < 8:  # the payload itself: mostly a change inside it
            if isinstance(holder[0], dict):
                holder[0][rng.choice(["extra", "customData", "status", "", "\u00e9"])] = rng.choice(ODD)
        elif change < 2 and container is not holder:
            del container[key]
        elif change < 7:
            container[key] = _near(container[key], rng)
        else:
            container[key] = copy.deepcopy(rng.choice(ODD))
    return holder[0]


def _near(value, rng):
    """Something of the same type close to a limit of it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return rng.choice([float(value), value + 0.5, -value, value + 1, value - 1, str(value), value * 1000])
    if isinstance(value, float):
        return rng.choice([value + 0.05, value + 0.1, -value, round(value, 1), round(value, 2), value * 1000])
    if isinstance(value, str):
        return rng.choice(
            [value + "x", value * 2, value.lower(), value[:-1], value + " ", " " + value, value + "x" * 10_000,
             rng.choice(TIMES), rng.choice(BAD_TIMES), rng.choice(BAD_TIMES), rng.choice(URIS), rng.choice(BAD_URIS),
             rng.choice(BAD_URIS)]
        )  # fmt: skip
    if isinstance(value, list):
        return rng.choice([[], value * 2, value[:1] * rng.choice([2, 11, 101, 1025]), [*value, None], value[1:]])
    if isinstance(value, dict):
        return {**value, rng.choice(["extra", "customData", "value", "unit", "type"]): rng.choice(ODD)}
    return rng.choice(ODD)
