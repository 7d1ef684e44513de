"""Comparison with the window just before, for any Query.

Above: `series` and tools that join tables. Below: `time`, `query`. The same number of calendar buckets just before, in
the zone (a window without buckets: the same length); only what is finished in both is compared (design section 4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agentgauge.core.answer import Prior, change
from agentgauge.core.time import EARLIEST, Bucket, Window, edges_before

if TYPE_CHECKING:
    from agentgauge.core.query import Query
    from agentgauge.core.table import Table


async def compare(
    query: Query, shown: Table, ask: Callable[[Query], Awaitable[Table]], now: int, period: Bucket | None = None
) -> Prior | None:
    """The totals of the window before, and the change; None when there is nothing finished to compare.

    `shown` is the table of this window, in the buckets that were asked for; `period` says which calendar period the
    window is, where it is one.
    """
    as_of = now if shown.as_of is None else shown.as_of
    if period:
        pair = elapsed_in_both(query.window, edges_before((query.window.start, query.window.end), period)[0], as_of)
    else:
        pair = finished_in_both(query.window, shown.bucket, shown.edges, as_of)
    if pair is None:
        return None
    now_part, prior_part = pair
    asked = replace(query, bucket=None, group_by=(), top=None)
    before = await ask(replace(asked, window=prior_part))
    current = await ask(replace(asked, window=now_part))
    labels = [each.label for each in shown.measures]
    now_total = {name: current.total[name] for name in labels} if len(labels) > 1 else current.total[labels[0]]
    prior_total = {name: before.total[name] for name in labels} if len(labels) > 1 else before.total[labels[0]]
    whole = now_part == query.window
    return Prior(prior_part, prior_total, change(now_total, prior_total), None if whole else now_total)


def finished_in_both(
    window: Window, bucket: Bucket | None, grid: Sequence[int], as_of: int
) -> tuple[Window, Window] | None:
    """The part of this window and of the one before that can be compared, or None."""
    if bucket is None:
        return elapsed_in_both(window, window.start - window.length, as_of)
    whole = [i for i in range(len(grid) - 1) if grid[i] >= window.start and grid[i + 1] <= min(window.end, as_of)]
    before = edges_before(grid, bucket)
    if not whole or before[whole[0]] < EARLIEST:
        return None
    first, last = whole[0], whole[-1] + 1
    return Window(grid[first], grid[last]), Window(before[first], before[last])


def elapsed_in_both(window: Window, prior_start: int, as_of: int) -> tuple[Window, Window] | None:
    """What has passed of this window, and as much of the one that started at `prior_start`, or None."""
    end = min(window.end, as_of)
    if end <= window.start or prior_start < EARLIEST:
        return None
    return Window(window.start, end), Window(prior_start, min(prior_start + end - window.start, window.start))
