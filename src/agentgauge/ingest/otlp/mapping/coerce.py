"""Attribute values as the fields of an event want them; None for what does not fit, never an error.

Above: `convention`, which names the coercion of each field, and the engine. Below: nothing. The same concept arrives
as an integer, a numeric string, a boolean, the word "true" or a JSON list in a string, by program and even by record
(facts/telemetry.md 0, rule 7).
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite
from typing import Any, cast

import orjson

from agentgauge.core.catalog import VALUE_LENGTH

MOST = 2**63
"""Counts are below it."""
LONGEST_JSON = 65_536
"""The longest string that is read as JSON: what is read takes twenty times its memory."""
NO_MODEL = frozenset({"", "unknown"})
"""What instrumentations write when they do not know the model (facts 0, rule 8)."""
DOTTED_PROVIDERS = ("aws.", "az.", "azure.", "gcp.", "ibm.")
"""The beginnings of the provider names that have a dot of their own (facts 2.2)."""
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_VARIANT = re.compile(r"\[[^\[\]]*\]$")


def count(value: Any) -> int | None:
    """A whole number from 0 to 2^63 - 1, exact however it was written."""
    if type(value) is str:
        try:
            value = int(value) if len(value) < 20 else None
        except ValueError:
            value = number(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST else None


def number(value: Any) -> float | int | None:
    """A finite number that is not negative."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) is int:
        return value if 0 <= value < MOST else None
    return value if type(value) is float and isfinite(value) and value >= 0 else None


def text(value: Any) -> str | None:
    """A string that says something, no longer than a field may be; numbers are taken as their digits."""
    if type(value) is str:
        return value[:VALUE_LENGTH] if value and not value.isspace() else None
    return str(value) if type(value) is int and abs(value) < MOST else None


def flag(value: Any) -> bool | None:
    """True or false, also as a word or a digit."""
    return value if type(value) is bool else _FLAGS.get(str(value).lower()) if type(value) in (str, int) else None


def words(value: Any) -> str | None:
    """A list of words with commas between them: of a list, of a JSON list in a string, of a single word."""
    if type(value) is str and value.startswith("[") and len(value) <= LONGEST_JSON:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return text(value)
    if type(value) is not list:
        return text(value)
    found = [each for each in cast("list[object]", value) if isinstance(each, str) and each]
    return text(",".join(found))


def http_status(value: Any) -> int | None:
    """A status code of HTTP."""
    found = count(value)
    return found if found is not None and 100 <= found < 600 else None


def refused_status(value: Any) -> int | None:
    """A status code of HTTP that is an error's."""
    found = http_status(value)
    return found if found is not None and found >= 400 else None


def raw_model(value: Any) -> str | None:
    """The name of a model as the source spells it."""
    found = text(value)
    return None if found is None or found.lower() in NO_MODEL else found


@lru_cache(maxsize=4096)
def model(raw: str) -> str:
    """The name of a model without its variant: `claude-opus-4-8[1m]` is `claude-opus-4-8` (facts 0, rule 8)."""
    return _VARIANT.sub("", raw) or raw


def provider(value: Any) -> str | None:
    """The provider of a model, in one spelling."""
    found = text(value)
    return None if found is None else _provider(found)


@lru_cache(maxsize=4096)
def _provider(name: str) -> str:
    """`OpenAI` and Vercel's `openai.chat` are openai; `aws.bedrock` is itself (facts 2.4, provider)."""
    lower = name.strip().lower()
    return lower if lower.startswith(DOTTED_PROVIDERS) else lower.partition(".")[0] or lower


def json_object(value: Any) -> dict[str, Any]:
    """An object, or one written as JSON in a string; an empty one for anything else."""
    if type(value) is str and len(value) <= LONGEST_JSON:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return cast("dict[str, Any]", value) if type(value) is dict else {}
