"""VoiceRun's words to a Query over `points`, and what its listings are as tables. Pure.

Semantics: contract `voicerun` 4.2 and 4.6. Labels are the user's tags; `agent_id`, `environment_id` and `session_id`
are system labels and can be grouped by as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.catalog import dataset
from agentgauge.core.errors import Forbidden, InvalidValue
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.table import Table
from agentgauge.core.time import EARLIEST, LATEST, Window

if TYPE_CHECKING:
    from agentgauge.core.operation import Principal
    from agentgauge.core.table import Cell, Key

BY_KIND: Mapping[str, Measure] = {
    "counter": Measure("sum", "value", "sum"),
    "gauge": Measure("avg", "value", "avg"),
    "histogram": Measure("quantile", "value", "p95", 9_500),
}
"""What a timeseries shows of each kind of metric (contract 4.2, timeseries)."""
SUM, COUNT = BY_KIND["counter"], Measure("count", None, "count")
EVER = Window(EARLIEST, LATEST)
SYSTEM = ("agent_id", "environment_id", "session_id")
"""The system labels that are stored; every other label is a user's tag."""
HIDDEN = frozenset({*SYSTEM, "organization_id", "metric_name"})
"""What a tag cannot be called where tags are listed (4.2)."""
TAG = ("tag", "value")
POINT = ("name", "agent_id", "labels", "ts")
"""What is told of one point of a session; its labels are JSON text, its `ts` is in ms."""


def wire_label(name: str) -> str:
    """The field of a label as the wire names it."""
    return name if name in SYSTEM else f"labels.{name}"


def listing(
    columns: tuple[str, ...], rows: Sequence[Key], measures: tuple[Measure, ...] = (), **totals: Sequence[Cell]
) -> Table:
    """A table of rows that are no sums over buckets."""
    return Table(
        window=EVER,
        edges=[EVER.start, EVER.end],
        bucket=None,
        group_by=columns,
        measures=measures,
        groups=rows,
        totals=totals,
    )


def label_field(name: str) -> str:
    """The field of a label: a field of points, or `labels.<name>`."""
    known = dataset("points").by_name
    return (
        name
        if name in known or name == "agent" or name.partition(".")[0] in ("labels", "metadata")
        else f"labels.{name}"
    )


def tag_filters(tags: Mapping[str, Any] | None) -> tuple[Filter, ...]:
    """The label filters, joined by AND (contract 4.6, 8); a list means any of its values.

    Raises:
        InvalidValue: a value that is no string.
    """
    found: list[Filter] = []
    for name, value in (tags or {}).items():
        values = cast("Sequence[Any]", value if isinstance(value, list) else [value])
        if not all(isinstance(each, str | int | float | bool) for each in values):
            raise InvalidValue("tags are {label: string}.", hint='For example {"origin":"phone"}.')
        texts = tuple(each if isinstance(each, str) else json.dumps(each) for each in values)
        name = label_field(name)
        found.append(Filter(name, "IN", texts) if isinstance(value, list) else Filter(name, "EQUAL", texts[0]))
    return tuple(found)


def system_filters(**labels: str | None) -> tuple[Filter, ...]:
    """Equality on the system labels that were given."""
    return tuple(Filter(name, "EQUAL", value) for name, value in labels.items() if value is not None)


def guard(query: Query, who: Principal) -> Query:
    """Custom metrics are for admins and owners (contract 4.1).

    Raises:
        Forbidden: for any other role.
    """
    if query.dataset == "points" and who.role not in ("admin", "owner"):
        raise Forbidden("custom metrics need the role admin or owner.", hint="Ask with a key of that role.")
    return query
