"""TrueFoundry's metrics query: read whole, every problem stated, answered as data points.

Semantics: contract `truefoundry` 3.2 to 3.4 and 3.7. Above: the REST face. Below: `columns` has what each datasource's
fields take, `translate` what they are called, so that the tool gives the same numbers. Everything is in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, cast, get_args

from agentgauge.core.catalog import Field, dataset
from agentgauge.core.errors import QUOTED_LENGTH, clean
from agentgauge.core.operation import Operation
from agentgauge.core.query import LISTS, Filter, Measure, Operator, Query, Scalar
from agentgauge.core.table import Cell, sort_key
from agentgauge.core.time import EARLIEST, LATEST, ROUGH, Bucket, Unit, Window, edges, iso_z
from agentgauge.dialects.truefoundry.columns import DATASOURCES, FULL, Column, Datasource
from agentgauge.dialects.truefoundry.contract import (
    AGGREGATIONS,
    TYPES,
    UNITS,
    Body,
    DataPoint,
    InvalidQuery,
    MetricsQuery,
)
from agentgauge.dialects.truefoundry.decode import decode
from agentgauge.dialects.truefoundry.translate import TOTAL, Source, aggregations

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Table

ONE_KEY = "groupBy fields userEmail and virtualaccount share one response key"
ANY_TYPE = ("count", "countDistinct")
"""The aggregations that every column takes; the others need numbers."""
TRUTHS = ("sum", "avg")
"""Those that a boolean column takes besides: how many are true, and their share."""
_METADATA = "metadata."
_INTERVAL = re.compile(rf"(\d{{1,9}}) ({'|'.join(UNITS)})s?", re.IGNORECASE | re.ASCII)
_INTERVAL_FORM = f"interval must be '<positive integer> <unit>' with a unit of {', '.join(UNITS)}"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Wrong = list[str]
"""Collects what is wrong with a query, a sentence each."""


async def answer(request: MetricsQuery, desk: Desk) -> Table:
    """The table of the query, in buckets if it is a timeseries."""
    return await desk.ask(query_of(request))


def query_of(request: MetricsQuery) -> Query:
    """The Query that a wire query means.

    Raises:
        InvalidQuery: with everything that is wrong with it.
        WindowTooLarge: if it asks for too many buckets.
    """
    wrong: Wrong = []
    window = _window(request, wrong)
    kind = _chosen("type", request.type, TYPES, wrong)
    bucket = _bucket(request, wrong) if kind == "timeseries" else None
    name = _chosen("datasource", request.datasource, list(DATASOURCES), wrong)
    of = DATASOURCES.get(name)
    groups = _groups(request.group_by, of, wrong)
    measures = _measures(request.aggregations, name, of, wrong)
    where = _filters(request.filters, of, wrong)
    if wrong or window is None or of is None:
        raise InvalidQuery(wrong)
    if bucket is not None:
        edges(window, bucket)
    return Query(of.dataset, window, (TOTAL, *measures), bucket, groups, of.implied + where)


def _chosen(name: str, given: Any, valid: Sequence[str], wrong: Wrong) -> str:
    if isinstance(given, str) and given in valid:
        return given
    wrong.append(f"{name} is required" if given is None else f"{name} must be one of: {', '.join(valid)}")
    return ""


def _window(request: MetricsQuery, wrong: Wrong) -> Window | None:
    start, end = _instant("startTs", request.start_ts, wrong), _instant("endTs", request.end_ts, wrong)
    if start is None or end is None:
        return None
    if start >= end:
        wrong.append("startTs must be before endTs")
        return None
    return Window(start, end)


def _instant(name: str, given: Any, wrong: Wrong) -> int | None:
    """An ISO 8601 time, in UTC where it has no offset; epoch milliseconds are tolerated (3.7, 13)."""
    instant: int | None = None
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            instant = (moment - _EPOCH) // timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            instant = None
    elif _is_number(given):
        instant = int(given)
    if instant is not None and EARLIEST <= instant <= LATEST:
        return instant
    if given is None:
        wrong.append(f"{name} is required")
    elif instant is None:
        wrong.append(f"{name} must be an ISO 8601 timestamp")
    else:
        wrong.append(f"{name} must lie between 1970 and 2100")
    return None


def _is_number(given: Any) -> bool:
    # A whole number is finite however many digits it has, and isfinite fails on the longest.
    return not isinstance(given, bool) and (isinstance(given, int) or (isinstance(given, float) and isfinite(given)))


def _bucket(request: MetricsQuery, wrong: Wrong) -> Bucket | None:
    """The bucket of `interval`, which wins over `intervalInSeconds` (3.7, 5)."""
    seconds = request.interval_in_seconds
    if request.interval is None and seconds is None:
        wrong.append("interval is required for a timeseries")
        return None
    if request.interval is None:
        whole = _is_number(seconds) and seconds == int(seconds)
        return _fitting(int(seconds) if whole else 0, "second", "intervalInSeconds must be a positive integer", wrong)
    match = _INTERVAL.fullmatch(request.interval) if isinstance(request.interval, str) else None
    unit = cast("Unit", match[2].lower()) if match else "second"
    return _fitting(int(match[1]) if match else 0, unit, _INTERVAL_FORM, wrong)


def _fitting(count: int, unit: Unit, form: str, wrong: Wrong) -> Bucket | None:
    if count < 1 or count * ROUGH[unit] > LATEST:
        wrong.append(form if count < 1 else "interval is longer than the time from 1970 to 2100")
        return None
    return Bucket(unit, count)


def _listed(name: str, given: Any, wrong: Wrong) -> list[Any]:
    if given is None or isinstance(given, list):
        return cast("list[Any]", given or [])
    wrong.append(f"{name} must be an array")
    return []


def _shown(name: str) -> str:
    """What the caller called something, as a sentence may quote it."""
    return clean(name)[:QUOTED_LENGTH]


def _column(name: Any, columns: Mapping[str, Column]) -> Column | None:
    """The column of a wire name; a metadata key is one, and is filtered by the full string set (3.3)."""
    if isinstance(name, str) and name.startswith(_METADATA) and len(name) > len(_METADATA):
        return Column(name, FULL)
    return columns.get(name) if isinstance(name, str) else None


def _groups(given: Any, of: Datasource | None, wrong: Wrong) -> tuple[str, ...]:
    found: list[str] = []
    names = _listed("groupBy", given, wrong)
    for name in names:
        if not isinstance(name, str):
            wrong.append("groupBy must be an array of strings")
        elif of and (column := _column(name, of.columns)):
            found.append(column.field)
        elif of:
            wrong.append(f"Unknown groupBy field: {_shown(name)}")
    if "userEmail" in names and "virtualaccount" in names:
        wrong.append(ONE_KEY)
    return tuple(dict.fromkeys(found))


def _measures(given: Any, name: str, of: Datasource | None, wrong: Wrong) -> tuple[Measure, ...]:
    found: dict[str, Measure] = {}
    for each in _listed("aggregations", given, wrong):
        entry = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
        if not isinstance(entry.get("type"), str) or not isinstance(entry.get("column"), str):
            wrong.append("An aggregation must be an object with a type and a column")
        elif of and _can_measure(entry["type"], entry["column"], of, wrong):
            one = {"type": entry["type"], "column": entry["column"]}
            measure = aggregations([one], Source(name, dataset(of.dataset), of))[-1]
            found[measure.label] = measure
    return tuple(found.values())


def _can_measure(how: str, name: str, of: Datasource, wrong: Wrong) -> bool:
    column = _column(name, of.columns)
    if column is None:
        wrong.append(f"Unknown aggregation column: {_shown(name)}")
    if how not in AGGREGATIONS:
        wrong.append(f"Unknown aggregation type: {_shown(how)}")
    if column is None or how not in AGGREGATIONS:
        return False
    field = dataset(of.dataset).find(column.field)
    if how in ANY_TYPE or field.measurable or (field.type == "boolean" and how in TRUTHS):
        return True
    wrong.append(f'Column "{_shown(name)}" does not support aggregation "{how}"')
    return False


def _filters(given: Any, of: Datasource | None, wrong: Wrong) -> tuple[Filter, ...]:
    found: list[Filter] = []
    for each in _listed("filters", given, wrong):
        entry = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
        name = _filtered_name(entry)
        if name is None:
            wrong.append("A filter must be an object with either a fieldName or a metadataKey")
        elif of is not None:
            found += _filter(name, entry, of, wrong)
    return tuple(found)


def _filtered_name(entry: Mapping[str, Any]) -> str | None:
    field, key = entry.get("fieldName"), entry.get("metadataKey")
    if isinstance(field, str) and key is None:
        return field
    if isinstance(key, str) and key and field is None:
        return _METADATA + key
    return None


def _filter(name: str, entry: Mapping[str, Any], of: Datasource, wrong: Wrong) -> list[Filter]:
    """The filter of an entry; none when something is wrong with it."""
    column, word = _column(name, of.filters), entry.get("operator")
    if column is None:
        wrong.append(of.unknown_filter.format(_shown(name)))
    if not isinstance(word, str):
        wrong.append(f'Filter on "{_shown(name)}" must have an operator')
    if column is None or not isinstance(word, str):
        return []
    operator = next((each for each in get_args(Operator) if each == word and each in column.operators), None)
    if operator is None:
        wrong.append(f'Field "{_shown(name)}" does not support operator "{_shown(word)}"')
        return []
    if entry.get("value") is None:
        wrong.append(f'Operator "{operator}" on field "{_shown(name)}" requires a value')
        return []
    field = dataset(of.dataset).find(column.field)
    value = _operand(operator, entry["value"], field)
    if value is None:
        wrong.append(f'Operator "{operator}" on field "{_shown(name)}" requires {_form(operator, field)}')
        return []
    return [Filter(field.name, operator, value)]


def _operand(operator: Operator, given: Any, field: Field) -> Scalar | tuple[Scalar, ...] | None:
    """The value in the form that the operator takes on such a field, or None where it has another."""
    if operator == "IS_NULL":
        return given if isinstance(given, bool) else None
    if operator not in LISTS:
        return _scalar(given, field)
    if not isinstance(given, list) or not given:
        return None
    values = [_scalar(each, field) for each in cast("list[Any]", given)]
    known = tuple(each for each in values if each is not None)
    if len(known) != len(values) or (operator == "BETWEEN" and len(known) != 2):
        return None
    return known


def _scalar(given: Any, field: Field) -> Scalar | None:
    if field.measurable:
        return given if _is_number(given) else None
    if field.type == "boolean":
        return given if isinstance(given, bool) else None
    if field.type == "code" and isinstance(given, int) and not isinstance(given, bool):
        return str(given) if abs(given) < LATEST else None
    return given if isinstance(given, str) else None


def _form(operator: Operator, field: Field) -> str:
    """The value that an operator takes on a field, in words."""
    one = "number" if field.measurable else "boolean" if field.type == "boolean" else "string"
    if operator == "IS_NULL":
        return "a boolean value"
    if operator == "BETWEEN":
        return "an array of two numbers"
    return f"a non-empty array of {one}s" if operator in LISTS else f"a {one} value"


def encode(request: MetricsQuery, table: Table, desk: Desk) -> Body:
    """The table as data points: by bucket, then total descending, then group values ascending, null last (3.7, 4)."""
    response = DATASOURCES[request.datasource].response
    names = [response.get(name, name) for name in dict.fromkeys(request.group_by or ())]
    labels = [(each.label, each.how in ("quantile", "avg")) for each in table.measures]
    stamps = [iso_z(edge, milliseconds=True) for edge in table.edges] if table.bucket else []
    totals: Any = table.values[TOTAL.label]
    keys = [sort_key(key) for key in table.groups]
    order = sorted(range(len(table.at)), key=lambda row: (table.at[row], -totals[row], keys[table.of[row]]))
    points: list[DataPoint] = []
    for row in order:
        point: dict[str, Cell] = {}
        if stamps:
            point["startTimestamp"], point["endTimestamp"] = stamps[table.at[row]], stamps[table.at[row] + 1]
        point.update(zip(names, table.groups[table.of[row]], strict=True))
        for label, fraction in labels:
            point[label] = _number(table.values[label][row], fraction)
        points.append(cast("DataPoint", point))
    return {"data": {"dataPoints": points}}


def _number(value: Cell, fraction: bool) -> Cell:
    """A value as JSON has it: fractions as floats, and null for a sum past every float."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    return float(value) if fraction and isinstance(value, int) else value


QUERY_METRICS = Operation(
    name="queryMetrics",
    summary="Query the gateway's metrics: six datasources, as a distribution or a timeseries",
    method="POST",
    path="/api/svc/v1/llm-gateway/metrics/query",
    request=MetricsQuery,
    body=Body,
    answer=answer,
    encode=encode,
    decode=decode,
)
OPERATIONS = (QUERY_METRICS,)
