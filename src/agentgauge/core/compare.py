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


async def compare(query: Query, shown: Table, ask: Callable[[Query], Awaitable[Table]], now: int) -> Prior | None:
    """The totals of the window before, and the change; None when there is nothing finished to compare.

    `shown` is the table of this window, in the buckets that were asked for.
    """
    pair = finished_in_both(query.window, shown.bucket, shown.edges, now if shown.as_of is None else shown.as_of)
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
        end, prior_start = min(window.end, as_of), window.start - window.length
        if end <= window.start or prior_start < EARLIEST:
            return None
        return Window(window.start, end), Window(prior_start, prior_start + end - window.start)
    whole = [i for i in range(len(grid) - 1) if grid[i] >= window.start and grid[i + 1] <= min(window.end, as_of)]
    before = edges_before(grid, bucket)
    if not whole or before[whole[0]] < EARLIEST:
        return None
    first, last = whole[0], whole[-1] + 1
    return Window(grid[first], grid[last]), Window(before[first], before[last])
