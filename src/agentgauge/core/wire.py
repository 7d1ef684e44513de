"""A request as a vendor spells it: the models of wire requests, their codecs, and what is wrong with one in our words.

Above: dialects' `contract` modules declare requests; the REST face reads them, the upstream client will write them.
Below: pydantic. The codec stands on the field, so that `model_dump` gives the wire back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from agentgauge.core.errors import InvalidRequest, Problem

W = TypeVar("W", bound="Wire")


class Wire(BaseModel):
    """A wire request. Unknown parameters are ignored: vendors add them over time."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", defer_build=True)


def _split(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


def _loads(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("must be valid JSON") from None


def _blank(value: Any) -> Any:
    return None if value == "" else value


Csv = Annotated[list[str], BeforeValidator(_split), PlainSerializer(",".join)]
"""A comma-separated list."""
JsonObject = Annotated[dict[str, Any], BeforeValidator(_loads), PlainSerializer(json.dumps)]
"""A JSON object in one parameter."""
Optional = Annotated[str | None, BeforeValidator(_blank)]
"""A string that may be left out; given empty, it is left out too."""


def read(kind: type[W], given: Mapping[str, Any], *, where: str = "query", paths: frozenset[str] = frozenset()) -> W:
    """The request that was given. A parameter that was repeated comes as a list, so scalar fields refuse it.

    Raises:
        InvalidRequest: with every problem there is.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [
            Problem(
                name=".".join(str(part) for part in each["loc"]) or "body",
                message=each["msg"].removeprefix("Value error, "),
                kind=each["type"],
                where="path" if each["loc"] and each["loc"][0] in paths else where,
                given=each["input"],
            )
            for each in error.errors(include_url=False)
        ]
        raise InvalidRequest(problems) from None
