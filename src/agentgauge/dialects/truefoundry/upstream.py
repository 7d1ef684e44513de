"""TrueFoundry's API in place of a store: a question turned back into the body of its metrics query.

Semantics: contract `truefoundry` 3.2, 3.3 and 3.7. Buckets are in UTC. Those of another zone are made of smaller ones
where every measure can be added up of parts, and refused where one cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import gcd
from typing import TYPE_CHECKING, Any

from agentgauge.core.asking import DAY
from agentgauge.core.catalog import dataset
from agentgauge.core.query import ADDS, OPERATORS
from agentgauge.core.time import FIXED, MAX_BUCKETS, Bucket, edges, iso_z
from agentgauge.core.upstream import Plan, Upstream, cannot
from agentgauge.dialects.truefoundry.columns import DATASOURCES, FULL, Column, Datasource
from agentgauge.dialects.truefoundry.contract import AGGREGATIONS, MetricsQuery
from agentgauge.dialects.truefoundry.operations import QUERY_METRICS, TRUTHS
from agentgauge.dialects.truefoundry.translate import TOTAL

if TYPE_CHECKING:
    from agentgauge.core.errors import Unsupported
    from agentgauge.core.query import Filter, Measure, Query

VENDOR = "TrueFoundry"
METADATA = "metadata."
PERCENTILES = {int(word[1:]) * 100: word for word in AGGREGATIONS if word[1:].isdecimal()}
"""A quantile's percent in hundredths -> the vendor's word for it."""
COMBINED = ADDS | {"min", "max"}
"""The measures that can be had of a bucket's parts."""
COUNTED_AGAIN = (
    "a request to a virtual model counts once for it and once for each model it tried: "
    "virtualModelName IS_NULL true sees the models alone"
)
"""What the vendor says about these rows (3.3, modelMetrics)."""


def plan(queries: Sequence[Query], now: int) -> Plan:
    """The one request that answers a question.

    Raises:
        Unsupported: for what the wire cannot say, with what it can.
    """
    if len(queries) != 1:
        raise cannot(VENDOR, "answer several questions at once", "Ask query_datapoints.")
    query = queries[0]
    name, of = _datasource(query)
    words = {each.label: _aggregation(each, name, of) for each in query.measures}
    body: dict[str, Any] = {
        "startTs": iso_z(query.window.start, milliseconds=True),
        "endTs": iso_z(query.window.end, milliseconds=True),
        "datasource": name,
        "type": "timeseries" if query.bucket else "distribution",
        "interval": _interval(query, query.bucket) if query.bucket else None,
        "aggregations": list({_key(each): each for each in words.values() if each}.values()),
        "groupBy": [_column(each, name, of, "group {} by {}") for each in query.group_by],
        "filters": [_filter(each, name, of) for each in query.where if each not in of.implied],
    }
    return Plan(
        endpoint=QUERY_METRICS,
        request=MetricsQuery.model_validate({key: value for key, value in body.items() if value}),
        columns={label: _key(word) if word else TOTAL.label for label, word in words.items()},
        notes=(COUNTED_AGAIN,) if _mixes(query) else (),
    )


def _datasource(query: Query) -> tuple[str, Datasource]:
    """The datasource over the dataset; the narrowest one whose implied conditions the question has.

    Raises:
        Unsupported: if the vendor has no such dataset.
    """
    fitting = [
        (name, of)
        for name, of in DATASOURCES.items()
        if of.dataset == query.dataset and set(of.implied) <= set(query.where)
    ]
    if not fitting:
        held = ", ".join(f"{name} ({of.dataset})" for name, of in DATASOURCES.items())
        raise cannot(VENDOR, f"be asked about {query.dataset}", f"It has {held}.")
    return max(fitting, key=lambda each: len(each[1].implied))


def _aggregation(each: Measure, name: str, of: Datasource) -> dict[str, str] | None:
    """The aggregation of a measure; None for the count of rows, which every answer has.

    Raises:
        Unsupported: if the wire has no such aggregation or column.
    """
    if each.field is None:
        return None
    word = {"count_distinct": "countDistinct", "quantile": PERCENTILES.get(each.ppnn, "")}.get(each.how, each.how)
    truth = dataset(of.dataset).find(each.field).type == "boolean"
    if word not in AGGREGATIONS or (truth and word not in (*TRUTHS, "count", "countDistinct")):
        asked = f"p{each.ppnn / 100:g}" if each.how == "quantile" else each.how
        hint = "The share of a boolean is its avg." if each.how == "rate" else f"It takes {', '.join(AGGREGATIONS)}."
        raise cannot(VENDOR, f"give {asked} of {each.field}", hint)
    return {"type": word, "column": _column(each.field, name, of, "aggregate {} over {}")}


def _key(word: Mapping[str, str]) -> str:
    """The key of an aggregation in the answer (3.4)."""
    column = word["column"]
    return f"{word['type']}{column[0].upper()}{column[1:]}"


def _column(field: str, name: str, of: Datasource, doing: str) -> str:
    """What groupBy and aggregations call a field.

    Raises:
        Unsupported: naming the columns there are.
    """
    if field.startswith(METADATA):
        return field
    found = _wire_name(field, of.columns)
    if found is None:
        raise _lacks(doing.format(name, field), field, of, lambda each: each.columns)
    return found


def _wire_name(field: str, columns: Mapping[str, Column]) -> str | None:
    return next((wire for wire, column in columns.items() if column.field == field), None)


def _lacks(what: str, field: str, of: Datasource, held: Callable[[Datasource], Mapping[str, Column]]) -> Unsupported:
    """The refusal of a field that a datasource has not; another over the same dataset may have it."""
    others = [
        name for name, each in DATASOURCES.items() if each.dataset == of.dataset and _wire_name(field, held(each))
    ]
    elsewhere = f"{' and '.join(others)} has it." if others else "source=local takes every field."
    return cannot(VENDOR, what, f"It takes {', '.join((*held(of), METADATA + '<key>'))}. {elsewhere}")


def _filter(each: Filter, name: str, of: Datasource) -> dict[str, Any]:
    """A filter as the wire spells it; EQUAL where only IN is taken is IN of one value.

    Raises:
        Unsupported: naming the fields, or the operators that the field takes.
    """
    if each.field.startswith(METADATA):
        said, takes = {"metadataKey": each.field.removeprefix(METADATA)}, FULL
    else:
        wire = _wire_name(each.field, of.filters)
        if wire is None:
            raise _lacks(f"filter {name} by {each.field}", each.field, of, lambda each: each.filters)
        said, takes = {"fieldName": wire}, of.filters[wire].operators
    operator, value = each.operator, each.value
    alone = {"EQUAL": "IN", "NOT_EQUAL": "NOT_IN"}.get(operator, "")
    if operator not in takes and alone in takes and not isinstance(value, tuple):
        return {**said, "operator": alone, "value": [value]}
    if operator not in takes:
        valid = ", ".join(word for word in OPERATORS if word in takes)
        raise cannot(VENDOR, f"filter {name} by {operator} on {each.field}", f"It takes {valid}.")
    return {**said, "operator": operator, "value": list(value) if isinstance(value, tuple) else value}


def _interval(query: Query, bucket: Bucket) -> str:
    """The interval whose buckets are the question's, or the largest of which its buckets are made.

    Raises:
        Unsupported: if a measure cannot be had of parts.
    """
    grid = edges(query.window, bucket)
    unit, n = ("month", bucket.n * 12) if bucket.unit == "year" else (bucket.unit, bucket.n)
    if list(edges(query.window, Bucket(unit, n))) == list(grid):
        return f"{n} {unit}"
    if whole := [each.label for each in query.measures if each.how not in COMBINED]:
        what = f"give {', '.join(whole)} per {bucket} of {bucket.zone}: its buckets are in UTC"
        raise cannot(VENDOR, what, "Take tz=UTC, or counts, sums, min and max alone, or leave interval out.")
    width = gcd(DAY, *grid)
    if query.window.length > MAX_BUCKETS * width:
        what = f"cut so long a window into buckets of {bucket.zone}: its own are in UTC"
        raise cannot(VENDOR, what, "Take tz=UTC or a shorter window.")
    unit = next((each for each in ("hour", "minute", "second") if width % FIXED[each] == 0), "second")
    return f"{max(width // FIXED[unit], 1)} {unit}"


def _mixes(query: Query) -> bool:
    """Whether rows of virtual models are counted beside those of the models they tried."""
    named = (*query.group_by, *(each.field for each in query.where))
    return query.dataset == "model_calls" and "virtual_model_name" not in named


UPSTREAM = Upstream(
    base_url="",
    offers={
        "query_datapoints": f"{', '.join(DATASOURCES)} with the vendor's columns and operators; buckets in UTC",
    },
    datasets=tuple(dict.fromkeys(each.dataset for each in DATASOURCES.values())),
    plan=plan,
    check=(
        QUERY_METRICS,
        MetricsQuery.model_validate(
            {
                "startTs": "2026-01-01T00:00:00.000Z",
                "endTs": "2026-01-01T00:01:00.000Z",
                "datasource": "agentMetrics",
                "type": "distribution",
            }
        ),
    ),
)
