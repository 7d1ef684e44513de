"""AgentMessage's answers, read into tables: the reverse of `operations.encode`. Pure and lenient.

Source: contract `agentmessage` 1.3 and 1.6. What the vendor has not aggregated yet comes as null and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from agentgauge.core.query import Measure
from agentgauge.core.table import gathered
from agentgauge.core.time import Bucket, Window, edges
from agentgauge.core.wire import instant, number
from agentgauge.dialects.agentmessage.contract import MOST

if TYPE_CHECKING:
    from agentgauge.core.table import Key, Table
    from agentgauge.dialects.agentmessage.contract import MetricsRequest

R = TypeVar("R", bound="MetricsRequest")
VALUE = Measure("sum", "value", "value")
"""The one column of its answers; counts and cents both add up."""
UNSTATED = "the vendor did not state its as_of: it is the end of the last bucket that has a value"


def decode(request: MetricsRequest, pages: Sequence[Any]) -> Table:
    """The pages' buckets as one table; a bucket that is null is left out, and so is one at `to` or after (1.6, 4).

    Raises:
        KeyError, TypeError, ValueError: for what is not as documented, a bucket off the stated grid among it.
    """
    first = pages[0]["data"]
    grouped: str | None = getattr(request, "group_by")  # noqa: B009  # each route has its own
    start, end = instant(first["from"]), instant(first["to"])
    bucket = Bucket(first["granularity"])
    window = Window(start, end)
    grid = edges(window, bucket)
    place = {edge: index for index, edge in enumerate(grid[:-1])}
    rows: list[tuple[int, Key, dict[str, Any]]] = []
    known: int | None = None
    for page in pages:
        for each in page["data"]["buckets"]:
            begins = instant(each["bucket_start"])
            if begins < end:
                at = place[begins]
                rows += [(at, key, {VALUE.label: value}) for key, value in _values(each, grouped)]
                if each["groups" if grouped else "value"] is not None:
                    known = grid[at + 1]
    stated = pages[-1]["meta"].get("as_of")
    return gathered(
        window,
        grid,
        (VALUE,),
        rows,
        bucket=bucket,
        group_by=(grouped,) if grouped else (),
        as_of=known if stated is None else instant(stated),
        notes=(UNSTATED,) if stated is None else (),
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
    found = number(value)
    if found is None:
        raise ValueError("a value that is no number")
    return int(found) if found == int(found) else found


def next_page(request: R, body: Any) -> R | None:
    """The request of the next page: the same with its cursor, which pins the query.

    Raises:
        ValueError: for a full page that has no word for the cursor: whether more follow is not known.
    """
    meta = body["meta"]
    cursor = meta.get("next_cursor")
    if "next_cursor" not in meta and len(body["data"]["buckets"]) >= meta.get("limit", MOST):
        raise ValueError("a full page without next_cursor")
    return None if cursor is None else request.model_copy(update={"cursor": cursor})
