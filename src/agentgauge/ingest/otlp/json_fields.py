"""Fields of OTLP's JSON, each read in every spelling that senders use.

Above: `json`. Below: `rules`, whose Unreadable says which field is not of its form. Absent and null are the same: the
field's default. Integers of 64 bits come as numbers or as decimal strings and stay exact.

Source: opentelemetry-proto 1.11, docs/specification.md "JSON Protobuf Encoding"; facts/telemetry.md 1.2.
"""

from __future__ import annotations

import re
from math import inf, nan
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from agentgauge.core.errors import quote
from agentgauge.ingest.otlp.rules import Unreadable, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEPTH = 48
"""How many arrays and maps an attribute may nest; protobuf's own limit allows as many."""

Object: TypeAlias = "dict[str, Any]"
N = TypeVar("N", int, float)

_HEX = re.compile(r"[0-9a-fA-F]*", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|Infinity)|NaN", re.ASCII)
_UINT64 = (1 << 64) - 1

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_SEVERITIES = ("UNSPECIFIED", *(f"{level}{step}" for level in _LEVELS for step in ("", 2, 3, 4)))
_ENUMS: Mapping[str, int] = {
    f"{prefix}_{name}": number
    for prefix, names in (
        ("SPAN_KIND", _KINDS),
        ("STATUS_CODE", ("UNSET", "OK", "ERROR")),
        ("AGGREGATION_TEMPORALITY", ("UNSPECIFIED", "DELTA", "CUMULATIVE")),
        ("SEVERITY_NUMBER", _SEVERITIES),
    )
    for number, name in enumerate(names)
}
"""Senders must write the number; some write protobuf's name."""


def as_object(value: Any, name: str) -> Object:
    """A message; empty where it is absent.

    Raises:
        Unreadable: it is something else, as every reader here says of a field that is not of its form.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{name}: must be an object.")
    return cast("Object", value)


def list_of(holder: Object, name: str) -> list[Any]:
    """A repeated field."""
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{name}: must be a list.")
    return cast("list[Any]", value)


def text_of(holder: Object, name: str) -> str:
    """A string."""
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{name}: must be a string.")
    return value


def id_of(holder: Object, name: str) -> str:
    """An id in lower case, of whatever length."""
    value = text_of(holder, name)
    if not _HEX.fullmatch(value):
        raise Unreadable(f"{name}: must be hexadecimal.")
    return value.lower()


def unsigned_of(holder: Object, name: str) -> int:
    """A time, a count or flags, of either spelling; 0 where it is absent."""
    return _whole(holder.get(name, 0), name, 0, _UINT64)


def signed_of(holder: Object, name: str, bits: int = 64) -> int:
    """An integer with a sign, of either spelling; 0 where it is absent."""
    return _whole(holder.get(name, 0), name, -(1 << bits - 1), (1 << bits - 1) - 1)


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Unreadable(f"{name}: must be an integer from {least} to {most}.")
    return value


def double(value: Any, name: str) -> float:
    """A number; null is how JavaScript writes one that is not finite."""
    if value is None:
        return nan
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return inf
    raise Unreadable(f"{name}: must be a number.")


def optional_of(holder: Object, name: str) -> float | None:
    """A sum, minimum or maximum."""
    return finite(double(holder.get(name), name))


def enum_of(holder: Object, name: str) -> int:
    """The number of an enum's value, known or not; 0 where it is absent."""
    value = holder.get(name)
    if isinstance(value, str) and value in _ENUMS:
        return _ENUMS[value]
    return signed_of(holder, name, 32)


def flag_of(holder: Object, name: str) -> bool:
    """A bool."""
    value = holder.get(name)
    if not isinstance(value, bool | None):
        raise Unreadable(f"{name}: must be true or false.")
    return bool(value)


def numbers_of(holder: Object, name: str, read: Callable[[Any, str], N]) -> tuple[N, ...]:
    """A repeated number; each is read by `double` or `count`."""
    return tuple(read(each, name) for each in list_of(holder, name))


def count(value: Any, name: str) -> int:
    """A number of occurrences."""
    return _whole(value, name, 0, _UINT64)


# Attributes


def attributes_of(holder: Object, name: str = "attributes", depth: int = 0) -> Object:
    """The map that a list of keys and values makes."""
    found: Object = {}
    for pair in list_of(holder, name):
        members = as_object(pair, name)
        key = text_of(members, "key")
        value = as_object(members.get("value"), "value")
        text = value.get("stringValue")
        found[key] = text if isinstance(text, str) else value_of(value, key, depth)
    return found


def value_of(value: Object, key: str, depth: int = 0) -> Any:
    """An attribute's value; None where it has none, or one that is not known."""
    if depth > DEPTH:
        raise Unreadable(f"{quote(key)}: is nested more than {DEPTH} deep.")
    for name, read in _READERS.items():
        if name in value:
            return read(value, name, depth)
    return None


def _array(value: Object, name: str, depth: int) -> list[Any]:
    members = list_of(as_object(value[name], name), "values")
    return [value_of(as_object(each, name), name, depth + 1) for each in members]


def _map(value: Object, name: str, depth: int) -> Object:
    return attributes_of(as_object(value[name], name), "values", depth + 1)


_READERS: Mapping[str, Callable[[Object, str, int], Any]] = {
    "stringValue": lambda value, name, _: text_of(value, name),
    "intValue": lambda value, name, _: signed_of(value, name),
    "boolValue": lambda value, name, _: flag_of(value, name),
    "doubleValue": lambda value, name, _: double(value[name], name),
    "arrayValue": _array,
    "kvlistValue": _map,
    "bytesValue": lambda value, name, _: text_of(value, name),
}
