"""A request as a vendor spells it: the models of wire requests, their codecs, and what is wrong with one in our words.

Above: dialects' `contract` modules declare requests; the REST face reads them, the upstream desk writes them.
Below: pydantic. A codec stands on its field, where every vendor's differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from agentgauge.core.errors import InvalidRequest, Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
W = TypeVar("W", bound="Wire")


class Wire(BaseModel):
    """A wire request. Unknown parameters are ignored: vendors add them over time."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", defer_build=True)


def blank(value: Any) -> Any:
    """None for a parameter that was given empty; before a field's own validation."""
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(blank)]
"""A string that may be left out; given empty, it is left out too."""


def written(request: Wire) -> dict[str, Any]:
    """The parameters that were set, as the vendor spells them; the reverse of `read`. What is None is left out."""
    return request.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)


def number(given: Any) -> int | float | None:
    """A number of a vendor's answer, also where it comes as a string; None for null and for what is not finite.

    Raises:
        TypeError, ValueError: if it is no number.
    """
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if isinstance(given, str) and given.strip().lstrip("-").isdecimal():
        return int(given)
    if not isinstance(given, str | float):
        raise TypeError(f"{type(given).__name__} in place of a number")
    found = float(given)
    if not isfinite(found):
        return None
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def instant(given: str, *, in_utc: bool = False) -> int:
    """An ISO 8601 time of a vendor's answer, in ms UTC; one without an offset is refused, or read as UTC.

    Raises:
        TypeError, ValueError: if it is no such time.
    """
    moment = datetime.fromisoformat(given)
    if moment.tzinfo is None:
        if not in_utc:
            raise ValueError("an instant without offset")
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MS


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
