"""Whether an object is an event, and what of it is stored: types, ranges and lengths, per field of the catalog.

Above: `run`, for event lines and for events that a decoder derived. Below: `core.catalog`. Knows no file, no line
numbers and no store. The rules are design section 3; a table of checkers per type is made once, when this is imported.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import orjson

from agentgauge.core.catalog import BY_NAME, BY_TYPE, LABELS, NAME_LENGTH, VALUE_LENGTH, Dataset, Field
from agentgauge.core.errors import QUOTED_LENGTH, InvalidValue, clean, quote, unknown_name
from agentgauge.core.time import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AS_OF = "as_of"
"""The type of the line that says up to when a dataset has been sent."""
TYPES = (*BY_TYPE, AS_OF)

KEYS = frozenset({"type", "id", "ts"})
"""What every event has beside its fields."""
INT64 = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_COMMON = len("2026-05-05T14:00:00.000Z")
"""The length of the times that most programs write."""
_SIGNED = frozenset({("points", "value")})
"""The numbers that may be negative."""
_NAMES = frozenset({("points", "name")})
"""The strings that are names: not empty, and no longer than one."""


class Rejected(InvalidValue):
    """Raised by an object that is no event: which field, and what is wrong with it."""

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason, hint=hint)
        self.field = field
        self.reason = f"{reason} {hint}".strip()


@dataclass(slots=True)
class Tally:
    """What a check had to mend."""

    cleaned: bool = False
    """Whether characters were taken out, or an unknown field was cut."""


Checker: TypeAlias = "Callable[[Any, Tally], Any]"


def check(line: object, tally: Tally | None = None) -> dict[str, Any]:
    """The event of an object, ready for a Sink.

    Raises:
        Rejected: naming the field and the reason.
    """
    if not isinstance(line, dict):
        raise Rejected("", "not a JSON object.")
    given = cast("dict[str, Any]", line)
    kind = given.get("type")
    form = FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        return _other(given, kind)
    tally = tally or Tally()
    event: dict[str, Any] = {"type": kind, "id": identity(given.get("id")), "ts": instant(given.get("ts"))}
    extra: dict[str, Any] | None = None
    checkers = form.checkers
    for name, value in given.items():
        if value is None:
            continue
        if (checker := checkers.get(name)) is not None:
            event[name] = checker(value, tally)
        elif name not in KEYS:
            extra = extra or {}
            extra[name] = value
    for name in form.required:
        if name not in event:
            raise Rejected(name, f"missing; a {kind} has one.", form.hints[name])
    if extra:
        _keep(event, extra, tally)
    return event


def _other(given: Mapping[str, Any], kind: object) -> dict[str, Any]:
    """The event of an `as_of` line; everything else has a type that does not exist."""
    if kind == AS_OF:
        dataset = given.get("dataset")
        if not isinstance(dataset, str) or dataset not in BY_NAME:
            raise Rejected("dataset", f"{_shown(dataset)} is not a dataset.", f"Valid: {', '.join(BY_NAME)}.")
        return {"type": AS_OF, "dataset": dataset, "ts": instant(given.get("ts"))}
    if kind is None:
        raise Rejected("type", "missing.", f"Valid: {', '.join(TYPES)}.")
    if not isinstance(kind, str):
        raise Rejected("type", f"{_shown(kind)} is not a string.")
    error = unknown_name("a type of event", kind, TYPES)
    raise Rejected("type", error.message, error.hint)


def identity(value: object) -> str:
    """An event's id.

    Raises:
        Rejected: if it is none.
    """
    if not isinstance(value, str):
        raise Rejected("id", "missing." if value is None else f"{_shown(value)} is not a string.")
    if not 0 < len(value) <= NAME_LENGTH:
        raise Rejected("id", f"{len(value)} characters long; 1 to {NAME_LENGTH} are taken.")
    if not (value.isascii() and value.isprintable()) and clean(value) != value:
        raise Rejected("id", "has control or invisible characters.")
    return value


def instant(value: object) -> int:
    """An event's time, ms UTC.

    Raises:
        Rejected: if it is none.
    """
    if isinstance(value, str):
        found = _parsed(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif value is None:
        raise Rejected("ts", "missing.")
    else:
        raise Rejected("ts", f"{_shown(value)} is neither text nor a whole number of milliseconds.")
    if not EARLIEST <= found <= LATEST:
        raise Rejected("ts", f"{_shown(value)} is not between 1970 and 2100.", "Integers are milliseconds since 1970.")
    return found


def instants(values: Sequence[object]) -> list[int]:
    """The times of many events.

    Raises:
        Rejected: if one of them is none.
    """
    found: list[int] = []
    for value in values:
        ts = _common(value) if type(value) is str and len(value) == _COMMON else None
        found.append(instant(value) if ts is None else ts)
    return found


def _common(text: str) -> int | None:
    """The time that is written as most programs write it, from 1970 on; None where another look is needed."""
    if text[16] == ":" and text[19] == "." and text[23] == "Z":
        within = text[17:19] + text[20:23]
        if within.isdecimal() and within.isascii() and within < "60":
            start = _minute(text[:16])
            return None if start is None else start + int(within)
    return None


def _parsed(text: str) -> int:
    try:
        return _exactly(text)
    except (ValueError, OverflowError):
        reason = f"{_shown(text)} is not a time with its offset."
        raise Rejected("ts", reason, "Write RFC 3339, like 2026-05-05T14:00:00Z or ...+02:00.") from None


@lru_cache(maxsize=4_096)
def _minute(text: str) -> int | None:
    """The start of a minute in UTC, ms; the events of a minute mostly come together. None where it is none, or not all
    of it lies within the times that are taken."""
    try:
        start = _exactly(f"{text}:00Z")
    except (ValueError, OverflowError):
        return None
    return start if EARLIEST <= start <= LATEST - 60_000 else None


def _exactly(text: str) -> int:
    if not _RFC3339.fullmatch(text):
        raise ValueError
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MS


def _string(field: Field) -> Checker:
    name = field.name

    def checker(value: Any, tally: Tally) -> str:
        if type(value) is not str:
            raise Rejected(name, f"{_shown(value)} is not a string.")
        if not (value.isascii() and value.isprintable()):
            value = _cleaned(value, tally)
        if len(value) > VALUE_LENGTH:
            raise _too_long(name, value, VALUE_LENGTH)
        return value

    return checker


def _metric_name(field: Field) -> Checker:
    string = _string(field)

    def checker(value: Any, tally: Tally) -> str:
        found: str = string(value, tally)
        if not 0 < len(found) <= NAME_LENGTH:
            raise _too_long(field.name, found, NAME_LENGTH, least=1)
        return found

    return checker


def _code(field: Field) -> Checker:
    string = _string(field)

    def checker(value: Any, tally: Tally) -> str:
        return str(value) if type(value) is int else string(value, tally)

    return checker


def _choice(field: Field) -> Checker:
    name, values = field.name, frozenset(field.values)

    def checker(value: Any, tally: Tally) -> str:
        if type(value) is not str:
            raise Rejected(name, f"{_shown(value)} is not a string.", f"Valid: {', '.join(field.values)}.")
        if value not in values:
            error = unknown_name(f"a {name}", value, field.values)
            raise Rejected(name, error.message, error.hint)
        return value

    return checker


def _boolean(field: Field) -> Checker:
    def checker(value: Any, tally: Tally) -> bool:
        if type(value) is not bool:
            raise Rejected(field.name, f"{_shown(value)} is not true or false.")
        return value

    return checker


def _integer(field: Field) -> Checker:
    name = field.name

    def checker(value: Any, tally: Tally) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise Rejected(name, f"{_shown(value)} is not a whole number.")
        if not 0 <= value < INT64:
            raise Rejected(name, f"{_shown(value)} is out of range: 0 to 2^63 - 1.")
        return value

    return checker


def _number(field: Field, *, signed: bool) -> Checker:
    name = field.name

    def checker(value: Any, tally: Tally) -> int | float:
        if type(value) is int:
            if not -INT64 <= value < INT64:
                value = _double(name, value)
        elif type(value) is not float:
            raise Rejected(name, f"{_shown(value)} is not a number.")
        elif not isfinite(value):
            raise Rejected(name, f"{value} is not a finite number.")
        if value < 0 and not signed:
            raise Rejected(name, f"{_shown(value)} is negative.")
        return value

    return checker


def _double(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Rejected(name, "is larger than a double.") from None


def _strings(field: Field) -> Checker:
    string = _string(field)

    def checker(value: Any, tally: Tally) -> list[str]:
        if type(value) is not list:
            raise Rejected(field.name, f"{_shown(value)} is not a list of strings.")
        given = cast("list[Any]", value)
        if len(given) > LABELS:
            raise Rejected(field.name, f"has {len(given)} entries; at most {LABELS} are taken.")
        found = [string(each, tally) for each in given]
        return found if len(found) < 2 else list(dict.fromkeys(found))

    return checker


def _map(field: Field) -> Checker:
    """Labels are strings; metadata takes anything and keeps what is not a string as its JSON text."""
    name, loose = field.name, field.name == "metadata"

    def checker(value: Any, tally: Tally) -> dict[str, str]:
        if type(value) is not dict:
            raise Rejected(name, f"{_shown(value)} is not an object.")
        given = cast("dict[str, Any]", value)
        if len(given) > LABELS:
            raise Rejected(name, f"has {len(given)} keys; at most {LABELS} are taken.")
        found: dict[str, str] = {}
        for key, each in given.items():
            if each is not None:
                text = each if type(each) is str else _json(f"{name}.{key}", each) if loose else None
                _put(found, name, key, text, tally)
        return found

    return checker


def _put(found: dict[str, str], name: str, key: str, text: str | None, tally: Tally) -> None:
    if text is None:
        raise Rejected(f"{name}.{_short(key)}", "is not a string.")
    if not (key.isascii() and key.isprintable()):
        key = _cleaned(key, tally)
    if not (text.isascii() and text.isprintable()):
        text = _cleaned(text, tally)
    if len(key) > NAME_LENGTH:
        raise _too_long(f"{name}.{_short(key)}", key, NAME_LENGTH)
    if len(text) > VALUE_LENGTH:
        raise _too_long(f"{name}.{_short(key)}", text, VALUE_LENGTH)
    found.setdefault(key, text)


def _keep(event: dict[str, Any], extra: Mapping[str, Any], tally: Tally) -> None:
    """Puts unknown fields into the event's metadata. They never fail the line, unless there is too much to keep."""
    metadata: dict[str, str] = event.setdefault("metadata", {})
    for key, value in extra.items():
        text = value if isinstance(value, str) else _json(key, value)
        if len(text) > VALUE_LENGTH and not isinstance(value, list | dict):
            text, tally.cleaned = text[:VALUE_LENGTH], True
        if len(key) > NAME_LENGTH:
            key, tally.cleaned = key[:NAME_LENGTH], True
        _put(metadata, "metadata", key, text, tally)
    if len(metadata) > LABELS:
        raise Rejected("metadata", f"has {len(metadata)} keys with the unknown fields; at most {LABELS} are taken.")


def _json(name: str, value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        raise Rejected(name, "cannot be kept as JSON.") from None


def _cleaned(text: str, tally: Tally) -> str:
    found = clean(text)
    if found != text:
        tally.cleaned = True
    return found


def _too_long(name: str, value: str, most: int, *, least: int = 0) -> Rejected:
    range_text = f"{least} to {most}" if least else f"at most {most:,}"
    return Rejected(name, f"{len(value):,} characters long; {range_text} are taken.")


def _short(key: str) -> str:
    return clean(key)[:QUOTED_LENGTH]


def _shown(value: object) -> str:
    """A value as a reason may quote it."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    try:
        return json.dumps(value)[:QUOTED_LENGTH]
    except (TypeError, ValueError):  # an integer of more digits than Python writes
        return f"a value of type {type(value).__name__}"


def _checker(dataset: Dataset, field: Field) -> Checker:
    if (dataset.name, field.name) in _NAMES:
        return _metric_name(field)
    if field.values:
        return _choice(field)
    if field.type == "number":
        return _number(field, signed=(dataset.name, field.name) in _SIGNED)
    by_type: dict[str, Callable[[Field], Checker]] = {
        "string": _string,
        "code": _code,
        "integer": _integer,
        "boolean": _boolean,
        "strings": _strings,
        "map": _map,
    }
    return by_type[field.type](field)


class Form:
    """What is asked of the events of one type."""

    def __init__(self, dataset: Dataset) -> None:
        self.fields = dataset.by_name
        self.checkers = {field.name: _checker(dataset, field) for field in dataset.fields}
        required = [field for field in dataset.fields if field.required]
        self.required = tuple(field.name for field in required)
        self.hints = {field.name: f"Valid: {', '.join(field.values)}." if field.values else "" for field in required}


FORMS: Mapping[str, Form] = {kind: Form(dataset) for kind, dataset in BY_TYPE.items()}
