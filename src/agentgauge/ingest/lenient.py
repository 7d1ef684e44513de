"""Values read leniently out of JSON that another program writes: what does not fit is None, never an error.

Above: the decoders of local logs and exports. Below: only JSON. Those formats are internal to their programs and
change with their versions, so nothing is required of a line but what is read from it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)
MILLISECOND = timedelta(milliseconds=1)
MOST_TOKENS = 2**53
LONGEST_KEY = 128


def load(raw: bytes) -> dict[str, Any]:
    """The object that these bytes are; an empty one when they are none."""
    try:
        return mapping(orjson.loads(raw))
    except orjson.JSONDecodeError:
        pass
    try:
        # JavaScript writes half of an emoji that it cut in two, and orjson refuses the whole line for it.
        return mapping(json.loads(raw.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return {}


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def at(value: object, path: str) -> object:
    """What stands under a dotted path of keys, or None."""
    for name in path.split("."):
        value = mapping(value).get(name)
    return value


def text(value: object) -> str | None:
    """The string if it is one with something in it, fit for UTF-8."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def count(value: object) -> int | None:
    """A number of tokens."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None


def dollars(value: object) -> float | None:
    """A cost, or any other finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MOST_TOKENS else None


def instant(value: object) -> int | None:
    """Epoch milliseconds of a time with an offset."""
    if not isinstance(value, str):
        return None
    try:
        ts = (datetime.fromisoformat(value) - EPOCH) // MILLISECOND
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without an offset is no instant
        return None
    return ts if 0 <= ts < END_OF_TIME else None


def key(value: str | None) -> str | None:
    """The value as an id that the store takes: one too long, or with characters that do not print, by its digest."""
    if value is None or (len(value) <= LONGEST_KEY and value.isprintable()):
        return value
    return digest(value.encode())


def digest(raw: bytes) -> str:
    """32 hex digits, the same for the same bytes."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are known."""
    return {name: value for name, value in fields.items() if value is not None}
