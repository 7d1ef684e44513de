"""What the tools ask a vendor, which states names, tags and sums, but neither kinds nor numbers of points.

Semantics: contract `voicerun` 4.2. Above: `tools`, where a store is asked for more. Below: `operations`, `decode`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import isclose
from typing import TYPE_CHECKING, Any

import anyio

from agentgauge.core.errors import GaugeError
from agentgauge.core.reshape import added
from agentgauge.core.upstream import cannot
from agentgauge.dialects.voicerun.contract import NamesRequest, SessionRequest, TagsRequest
from agentgauge.dialects.voicerun.decode import OWN
from agentgauge.dialects.voicerun.operations import NAMES, SESSION, TAGS
from agentgauge.dialects.voicerun.translate import SUM

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk
    from agentgauge.core.query import Filter, Query
    from agentgauge.core.series import Ask
    from agentgauge.core.table import Cell, Table

TagValues = dict[str, list[str]]
"""Tag -> its values."""
TAGGED = 40
"""The most metrics whose tags are asked for: each costs a request."""
AT_ONCE = 8
"""How many requests are under way at a time."""
NO_KINDS = "this source does not state kinds"
ONLY_SUMS = "this source states sums only: no kinds and no numbers of points"
UNTOLD = "value is a sum, an average or a p95, by the metric's kind, which could not be found out"
OWN_WORDS = "value is an average (of a gauge) or a p95 (of a histogram); this source does not state which"
NO_TOTAL = "sums of several metrics do not add up to a total; name one in metric_names for a total and a comparison"


async def listed(
    metric_name: str | None, agent_id: str | None, desk: Desk
) -> tuple[list[str], dict[str, TagValues | None], tuple[str, ...]]:
    """The names; per name its tags, or None where they were not asked for; and what is to be noted.

    Raises:
        Unsupported: for an empty agent, which would be no filter at all.
        GaugeError: the first that a request came to.
    """
    if agent_id == "":
        raise cannot(desk.name, "filter by an empty agent_id", "Leave it out.")
    own = {"agentId": agent_id} if agent_id is not None else {}
    table = await desk.call(NAMES, NamesRequest.model_validate(own))
    names = [str(key[0]) for key in table.groups if metric_name in (None, key[0])]
    tags: dict[str, TagValues | None] = dict.fromkeys(names)
    turn = anyio.CapacityLimiter(AT_ONCE)
    failed: list[GaugeError] = []

    async def ask(name: str) -> None:
        try:
            async with turn:
                found = await desk.call(TAGS, TagsRequest.model_validate(own | {"metricName": name}))
        except GaugeError as error:
            failed.append(error)
            tasks.cancel_scope.cancel()
            return
        tags[name] = values = TagValues()
        for tag, value in found.groups:
            values.setdefault(str(tag), []).append(str(value))

    async with anyio.create_task_group() as tasks:
        for name in names[:TAGGED]:
            tasks.start_soon(ask, name)
    if failed:
        raise failed[0]
    left = len(names) - TAGGED
    notes = (f"the tags of {left} metrics were not asked for: name one in metric_name",) if left > 0 else ()
    return names, tags, (NO_KINDS, *notes)


async def session_points(session_id: str, where: Sequence[Filter], desk: Desk) -> list[dict[str, Any]]:
    """The points of a session that pass the filters, oldest first; no kind is stated.

    Raises:
        Unsupported: for a filter on what the points are not told with.
    """
    table = await desk.call(SESSION, SessionRequest(sessionId=session_id))
    points: list[dict[str, Any]] = []
    for (name, agent, labels, ts), value in zip(table.groups, table.totals[SUM.label], strict=True):
        own: dict[str, str] = json.loads(str(labels))
        points.append({"name": name, "kind": None, "ts": ts, "value": value, "agent_id": agent, "labels": own})
    return [point for point in points if all(_passes(point, each, desk) for each in where)]


def _passes(point: dict[str, Any], each: Filter, desk: Desk) -> bool:
    label = each.field.removeprefix("labels.")
    if label == each.field and each.field not in ("name", "agent_id"):
        raise cannot(desk.name, f"filter the points of a session by {each.field}", "Filter by tags or agent_id.")
    found = point["labels"].get(label) if label != each.field else point[each.field]
    return found in (each.value if isinstance(each.value, tuple) else (each.value,))


async def timeseries(query: Query, desk: Desk) -> tuple[Query, Ask, tuple[str, ...]]:
    """A timeseries as far as it can be told: the query, how to put it, and what is to be noted.

    The vendor aggregates by a kind that it does not state. Where one step over the whole window comes to the metric's
    sum, and so do all steps together, they are sums (no average and no p95 of several points does both), and a step
    without points is zero. Else the values are shown as they are, and such a step is null. So they are where the
    vendor does not answer for the whole window.
    """
    own = await desk.ask(replace(query, measures=(OWN,)))
    in_one_step, in_steps = own.total[OWN.label], added(own.values[OWN.label])
    told = in_one_step is not None or not in_steps
    whole = await desk.ask(replace(query, measures=(SUM,), bucket=None, group_by=())) if told else None
    adds = whole is not None and all(_same(each, whole.total[SUM.label]) for each in (in_one_step or 0, in_steps))

    async def ask(asked: Query) -> Table:
        if adds and asked.bucket is None:
            return await desk.ask(replace(asked, measures=(SUM,)))
        table = await desk.ask(replace(asked, measures=(OWN,)))
        return _as_sums(table) if adds else table

    shown = replace(query, measures=(SUM if adds else OWN,), bucket=None)
    return shown, ask, () if adds else (OWN_WORDS if told else UNTOLD,)


def _same(one: Cell, other: Cell) -> bool:
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def _as_sums(table: Table) -> Table:
    """The table of one metric with its values as sums."""
    values = table.values[OWN.label]
    total = added(values)
    return replace(
        table,
        measures=(SUM,),
        values={SUM.label: values},
        totals={SUM.label: [total for _ in table.groups]},
        total={SUM.label: total},
    )


def summed(answer: Answer, *, several: bool) -> Answer:
    """Totals of sums alone; those of several metrics do not add up to anything."""
    if not several:
        return replace(answer, notes=(*answer.notes, ONLY_SUMS))
    rest = answer.other and replace(answer.other, total=None)
    notes = (*answer.notes, ONLY_SUMS, NO_TOTAL)
    return replace(answer, total=None, has_total=False, prior=None, other=rest, notes=notes)
