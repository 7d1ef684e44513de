"""AgentMessage's answers, read into tables: the reverse of `operations.encode`. Pure and lenient.

Source: contract `agentmessage` 1.3 and 1.6. What the vendor has not aggregated yet comes as null and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from agentgauge.core.query import Measure
from agentgauge.core.table import gathered
from agentgauge.core.time import Bucket, Window, edges

if TYPE_CHECKING:
    from agentgauge.core.table import Key, Table
    from agentgauge.dialects.agentmessage.contract import MetricsRequest

R = TypeVar("R", bound="MetricsRequest")
VALUE = Measure("sum", "value", "value")
"""The one column of its answers; counts and cents both add up."""


def decode(request: MetricsRequest, pages: Sequence[Any]) -> Table:
    """The pages' buckets as one table; a bucket that is null is left out, and so is one at `to` or after (1.6, 4)."""
    first = pages[0]["data"]
    grouped: str | None = getattr(request, "group_by")  # noqa: B009  # each route has its own
    start, end = _instant(first["from"]), _instant(first["to"])
    bucket = Bucket(first["granularity"])
    window = Window(start, end)
    grid = edges(window, bucket)
    place = {edge: index for index, edge in enumerate(grid[:-1])}
    rows: list[tuple[int, Key, dict[str, Any]]] = []
    for page in pages:
        for each in page["data"]["buckets"]:
            at = place.get(_instant(each["bucket_start"]))
            if at is not None:
                rows += [(at, key, {VALUE.label: value}) for key, value in _values(each, grouped)]
    as_of = pages[-1]["meta"].get("as_of")
    return gathered(
        window,
        grid,
        (VALUE,),
        rows,
        bucket=bucket,
        group_by=(grouped,) if grouped else (),
        as_of=None if as_of is None else _instant(as_of),
    )


def _values(bucket: Any, grouped: str | None) -> list[tuple[Key, int | float]]:
    """A bucket's value, or its groups: a list of key and value, or (an older shape) a map (1.6, 6)."""
    if grouped is None:
        return [] if bucket["value"] is None else [((), _number(bucket["value"]))]
    groups = bucket["groups"]
    if isinstance(groups, dict):
        return [((key,), _number(value)) for key, value in groups.items()]  # type: ignore[reportUnknownVariableType]
    return [((each["key"],), _number(each["value"])) for each in groups or ()]


def _number(value: Any) -> int | float:
    """A number, also where it comes as a string; cents may have a fraction (1.6, 11)."""
    number = float(value)
    return int(number) if number.is_integer() else number


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant without offset")
    return int(moment.timestamp() * 1_000)


def next_page(request: R, body: Any) -> R | None:
    """The request of the next page: the same with its cursor, which pins the query."""
    cursor = body["meta"].get("next_cursor")
    return None if cursor is None else request.model_copy(update={"cursor": cursor})
