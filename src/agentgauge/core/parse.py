"""A tool's arguments: aliases, nulls, JSON text, unknown words, and errors in our own words.

Above: the faces parse here and nowhere else. Below: pydantic. Models send null for what they leave out and JSON text
for lists; both are undone before validation. An unknown word is refused, because a dropped filter answers another
question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from agentgauge.core.errors import CallerError, InvalidValue, quote, unknown_name
from agentgauge.core.query import LISTS, OPERATORS, Filter, Operator, Scalar, check_filter

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from agentgauge.core.catalog import Dataset
    from agentgauge.core.catalog import Field as DataField

P = TypeVar("P", bound="Params")


class Params(BaseModel):
    """A tool's arguments. Every field is honoured by the tool, or it is not there."""

    # Built at the first call: nine tools would add 40 ms to a start that needs none of them.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names for a word: those on the contract's page."""
    converts: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """How to read the value of an alias whose unit or form is not the word's."""
    hints: ClassVar[Mapping[str, str]] = {}
    """What to say to somebody who gives a word that the vendor's wire has and the tool has not."""


def _words(value: Any) -> Any:
    """A list word: a list, a JSON string of one, or a comma-separated string."""
    if isinstance(value, str):
        decoded = _json(value)
        if isinstance(decoded, list):
            return decoded  # type: ignore[reportUnknownVariableType]  # pydantic checks what is in it
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _object(value: Any) -> Any:
    decoded = _json(value) if isinstance(value, str) else value
    return value if decoded is None else decoded


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


Words = Annotated[list[str], BeforeValidator(_words), WithJsonSchema({"type": "array", "items": {"type": "string"}})]
Objects = Annotated[
    list[dict[str, Any]], BeforeValidator(_object), WithJsonSchema({"type": "array", "items": {"type": "object"}})
]
Object = Annotated[dict[str, Any], BeforeValidator(_object), WithJsonSchema({"type": "object"})]
Conditions = Annotated[
    dict[str, Any] | list[dict[str, Any]],
    BeforeValidator(_object),
    WithJsonSchema({"type": "object", "description": "{field: value | [values] | {OPERATOR: value}}"}),
]
Time = Annotated[str | int | float, WithJsonSchema({"type": "string"})]

TIMES = {"from": "start", "to": "end", "timezone": "tz", "groupBy": "group_by"}
"""Aliases that several contracts share."""


LEAST_BUDGET = 100
"""The smallest budget an answer may have, in tokens."""


class Common(Params):
    """The words most tools take. A tool inherits only the groups of words that it honours."""

    budget: int = Field(800, ge=LEAST_BUDGET, le=8_000, description="tokens, 100-8000")
    source: Words | None = None


class Zoned(Common):
    """A tool whose answer depends on a zone."""

    tz: str | None = None


class Windowed(Zoned):
    """A tool that looks at a window."""

    start: Time | None = Field(None, description="ISO 8601, now-24h, today, epoch")
    end: Time | None = None


class Limited(Params):
    """A tool that can show many series."""

    limit: int = Field(10, ge=1, le=200, description="series, 1-200")


class Bucketed(Windowed, Limited):
    """A tool that can cut its window into buckets."""

    interval: str | None = Field(None, description="5m, 1h, 1d")


class Compared(Params):
    """A tool that can compare with the window before."""

    compare_to: Literal["prior_period"] | None = None


def parse(tool: str, kind: type[P], given: Mapping[str, Any] | None) -> P:
    """The arguments of a call, checked.

    Raises:
        UnknownName: an argument or an enum value that does not exist, with the valid ones and the nearest.
        InvalidValue: a value of the wrong type or range, or a word given together with its alias.
    """
    raw = _renamed(tool, kind, {name: value for name, value in (given or {}).items() if value is not None})
    for name, value in raw.items():
        if isinstance(value, bool):
            raise InvalidValue(f"{name} of {tool} does not take true or false.", hint=_takes(kind, name))
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise _in_our_words(tool, kind, error.errors(include_url=False)[0]) from None


def _renamed(tool: str, kind: type[Params], given: Mapping[str, Any]) -> dict[str, Any]:
    valid, found, said = kind.model_fields, dict[str, Any](), dict[str, str]()
    for name, value in given.items():
        word = kind.aliases.get(name, name) if name not in valid else name
        if word not in valid:
            error = unknown_name("an argument", name, valid, where=tool)
            error.hint = kind.hints.get(name, error.hint)
            raise error
        if word in found:
            raise InvalidValue(f"{quote(said[word])} and {quote(name)} are the same word.", hint=f"Give only {word!r}.")
        found[word], said[word] = kind.converts.get(name, lambda given: given)(value), name
    return found


def _in_our_words(tool: str, kind: type[Params], error: ErrorDetails) -> CallerError:
    name = str(error["loc"][0]) if error["loc"] else ""
    given = error["input"]
    if error["type"] == "missing":
        return InvalidValue(f"{tool} needs {name!r}.", hint=_takes(kind, name))
    if error["type"] == "literal_error":
        return unknown_name(f"a value of {name!r}", str(given), _choices(kind, name))
    limits = error.get("ctx", {})
    if error["type"] in ("greater_than_equal", "less_than_equal"):
        return InvalidValue(f"{name} of {tool} is out of range: {given!r}.", hint=_takes(kind, name) or str(limits))
    return InvalidValue(f"{name} of {tool} cannot be {_short(given)}.", hint=_takes(kind, name))


def _short(given: Any) -> str:
    if isinstance(given, Mapping | list):
        return "a list" if isinstance(given, list) else "an object"
    return quote(str(given))


def _choices(kind: type[Params], name: str) -> list[str]:
    """The values a Literal field takes."""
    annotation: Any = kind.model_fields[name].annotation
    options = [annotation, *get_args(annotation)]
    return [str(value) for option in options if get_origin(option) is Literal for value in get_args(option)]


def _takes(kind: type[Params], name: str) -> str:
    """One sentence on what an argument takes."""
    if name not in kind.model_fields:
        return ""
    if choices := _choices(kind, name):
        return f"It takes one of: {', '.join(choices)}."
    schema = kind.model_json_schema()["properties"][name]
    schema = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    word = {"integer": "a whole number", "string": "a string", "array": "a list", "object": "an object"}
    said = word.get(schema.get("type", ""), "another value")
    if "minimum" in schema and "maximum" in schema:
        said += f" from {schema['minimum']:,} to {schema['maximum']:,}"
    return f"It takes {said}."


SYNONYMS: Mapping[str, Operator] = {
    "=": "EQUAL",
    "==": "EQUAL",
    "EQ": "EQUAL",
    "EQUALS": "EQUAL",
    "!=": "NOT_EQUAL",
    "NE": "NOT_EQUAL",
    ">": "GREATER_THAN",
    "GT": "GREATER_THAN",
    ">=": "GREATER_THAN_EQUAL",
    "GTE": "GREATER_THAN_EQUAL",
    "<": "LESS_THAN",
    "LT": "LESS_THAN",
    "<=": "LESS_THAN_EQUAL",
    "LTE": "LESS_THAN_EQUAL",
    "CONTAINS": "STRING_CONTAINS",
    "NOT_CONTAINS": "STRING_NOT_CONTAINS",
    "STARTS_WITH": "STRING_STARTS_WITH",
    "ENDS_WITH": "STRING_ENDS_WITH",
}


_FILTER_FORM = 'For example [{"field":"channel","operator":"IN","value":["sms"]}] or {"channel":"sms"}.'


def operator(word: Any) -> Operator:
    """The operator of a word; case does not count and the usual signs are taken.

    Raises:
        UnknownName: with the valid ones and the nearest.
    """
    text = str(word).strip().upper()
    text = SYNONYMS.get(text, text)
    for each in OPERATORS:
        if each == text:
            return each
    raise unknown_name("an operator", str(word), OPERATORS)


def conditions(given: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, holder: Dataset) -> tuple[Filter, ...]:
    """The filters of `{field: value}`, `{field: [values]}`, `{field: {OPERATOR: value}}` or a list of
    `{field, operator, value}`; null asks for IS_NULL.

    Raises:
        UnknownName: a field, operator or enum value that does not exist.
        InvalidValue: a value that does not fit the field or the operator.
    """
    found: list[Filter] = []
    for name, word, operand in listed(given):
        each = holder.find(name)
        found.append(condition(each, implied(each, operand) if word is None else operator(word), operand))
    return tuple(found)


def listed(given: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> list[tuple[str, Any, Any]]:
    """Filters in any of their forms, one by one: the field, the operator (None: the one its value implies), the value.

    Raises:
        InvalidValue: an entry of another form.
    """
    found: list[tuple[str, Any, Any]] = []
    if isinstance(given, Mapping):
        for name, value in given.items():
            operators: dict[Any, Any] = dict(value) if isinstance(value, Mapping) else {None: value}  # type: ignore[reportUnknownArgumentType]
            if not operators:
                raise InvalidValue(f"the filter on {quote(name)} is empty.", hint=_FILTER_FORM)
            found += [(name, word, operand) for word, operand in operators.items()]
        return found
    for each in given or ():
        names = [each[key] for key in ("field", "fieldName") if key in each]
        names += [f"metadata.{each['metadataKey']}"] if "metadataKey" in each else []
        extra = set(each) - {"field", "fieldName", "metadataKey", "operator", "value"}
        if len(names) != 1 or not isinstance(names[0], str) or "operator" not in each or extra:
            raise InvalidValue("a filter is {field, operator, value}.", hint=_FILTER_FORM)
        found.append((names[0], each["operator"], each.get("value")))
    return found


def condition(found: DataField, word: Operator, operand: Any, allowed: frozenset[str] | None = None) -> Filter:
    """One checked filter; numbers given as text and text given as numbers are read as the field's type."""
    if word == "IS_NULL":
        operand = True if operand is None else operand
        value: Any = operand
    elif word in LISTS:
        values: Any = _words(operand)
        value = tuple(_as_type(found, each) for each in values) if isinstance(values, list | tuple) else operand  # type: ignore[reportUnknownVariableType]
        if value == ():
            raise InvalidValue(
                f"{word} on {found.name!r} takes at least one value.", hint="Leave the filter out to see all."
            )
    else:
        value = tuple(operand) if isinstance(operand, list) else _as_type(found, operand)  # type: ignore[reportUnknownVariableType]
    made = Filter(found.name, word, value)
    check_filter(found, made, allowed)
    if found.values and word in ("EQUAL", "NOT_EQUAL", "IN", "NOT_IN"):
        for each in made.value if isinstance(made.value, tuple) else (made.value,):
            if each not in found.values:
                raise unknown_name(f"a value of {found.name!r}", str(each), found.values)
    return made


def implied(found: DataField, value: Any) -> Operator:
    """The operator that is meant where only a value is given."""
    if value is None:
        return "IS_NULL"
    if found.type == "strings":
        return "ARRAY_HAS_ANY"
    return "IN" if isinstance(value, list) else "EQUAL"


def _as_type(found: DataField, value: Any) -> Scalar:
    if found.type in ("integer", "number") and isinstance(value, str):
        number = _json(value)
        return number if isinstance(number, int | float) and not isinstance(number, bool) else value
    if found.type == "boolean" and isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    if found.type in ("string", "code", "strings") and isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str | int | float | bool):
        raise InvalidValue(
            f"a filter on {found.name!r} cannot take {'null' if value is None else _short(value)}.",
            hint="IS_NULL asks for null; IN takes a list.",
        )
    return value
