"""Langfuse's answers, read into tables of runs: one row per bucket, whatever they were grouped by. Pure and lenient.

Source: contract `astropods` 5.3.1 and 5.3.2. Whole numbers may be strings; buckets without rows may be filled with
zeros and blank dimensions; `time_dimension` is an instant or a date, in UTC. A table has only the columns that its
generation of metrics states. Above: `upstream`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentgauge.core.errors import clean
from agentgauge.core.query import Measure
from agentgauge.core.table import gathered
from agentgauge.core.time import Bucket, Window, edges
from agentgauge.core.wire import instant
from agentgauge.dialects.langfuse.contract import LAST, ROWS, DailyRequest, MetricsRequest

if TYPE_CHECKING:
    from agentgauge.core.table import Cell, Table

COUNT = Measure("count", None, "trace_count")
LATENCY = Measure("avg", "latency_ms", "avg_latency_ms")
INPUT = Measure("sum", "input_tokens", "input_tokens")
OUTPUT = Measure("sum", "output_tokens", "output_tokens")
ERRORS = Measure("sum", "is_failure", "error_count")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False, "none": False, "": False}
"""A boolean dimension in its JSON forms, the blank of a filled row among them."""
Row = tuple[int, tuple[()], Mapping[str, "Cell"]]
"""A bucket and what was in it; there are no groups."""
UNKNOWN = "no run of that name is in this window"
_WORDS = 200
"""How much of a warning is passed on, in characters."""


def decode_v2(request: MetricsRequest, pages: Sequence[Any]) -> Table:
    """Rows per bucket, root or not, and level: the runs are the roots, the tokens everybody's.

    Raises:
        ValueError: if the rows were cut off at their limit.
    """
    rows: Sequence[Mapping[str, Any]] = pages[0]["data"]
    if len(rows) >= ROWS:
        raise ValueError("cut off at its row limit")
    found = _Runs(request)
    for row in rows:
        at = found.place(row)
        if at is None:
            continue
        found.add(at, INPUT, row["sum_inputTokens"])
        found.add(at, OUTPUT, row["sum_outputTokens"])
        root = _TRUTHS[str(row["isRootObservation"]).lower()]
        count = _whole(row["count_count"]) if root else 0
        found.add(at, COUNT, count)
        found.add(at, ERRORS, count if row["level"] == "ERROR" else 0)
        found.average(at, row["avg_latency"], count)
    return found.table((COUNT, LATENCY, INPUT, OUTPUT, ERRORS), pages)


def decode_v1(request: MetricsRequest, pages: Sequence[Any]) -> Table:
    """First the traces per bucket, then the tokens of their observations; errors of traces are stated nowhere."""
    found = _Runs(request)
    traces, observations = (page["data"] for page in pages)
    for row in traces:
        if (at := found.place(row)) is not None:
            found.add(at, COUNT, row["count_count"])
            found.average(at, row["avg_latency"], _whole(row["count_count"]))
    for row in observations:
        if (at := found.place(row)) is not None:
            found.add(at, INPUT, row["sum_inputTokens"])
            found.add(at, OUTPUT, row["sum_outputTokens"])
    return found.table((COUNT, LATENCY, INPUT, OUTPUT), pages)


def decode_daily(request: DailyRequest, pages: Sequence[Any]) -> Table:
    """Traces and tokens per day; a day without traces has no row."""
    window = Window(instant(request.from_timestamp, in_utc=True), instant(request.to_timestamp, in_utc=True))
    whole = list(edges(window, Bucket("day")))
    place = {start: index for index, start in enumerate(whole[:-1])}
    rows: list[Row] = []
    for page in pages:
        for day in page["data"]:
            usage = day.get("usage") or ()
            cells: dict[str, Cell] = {
                COUNT.label: _whole(day["countTraces"]),
                INPUT.label: sum(_whole(each["inputUsage"]) for each in usage),
                OUTPUT.label: sum(_whole(each["outputUsage"]) for each in usage),
            }
            rows.append((place[instant(day["date"], in_utc=True)], (), cells))
    return _gathered(window, whole, (COUNT, INPUT, OUTPUT), rows, pages)


def next_page_v1(request: MetricsRequest, body: Any) -> MetricsRequest | None:
    """After the traces, the tokens of the same window: the traces view does not tell input from output."""
    asked = request.query
    if asked.view != "traces":
        return None
    named = [{**each, "column": "traceName"} for each in asked.filters]
    metrics = [{"measure": measure, "aggregation": "sum"} for measure in ("inputTokens", "outputTokens")]
    tokens = asked.model_copy(update={"view": "observations", "filters": named, "metrics": metrics})
    return request.model_copy(update={"query": tokens})


def next_page_daily(request: DailyRequest, body: Any) -> DailyRequest | None:
    """The next page of days; None after the last."""
    return request.model_copy(update={"page": request.page + 1}) if request.page < body["meta"]["totalPages"] else None


class _Runs:
    """The buckets of a metrics answer, and what has been found in each."""

    def __init__(self, request: MetricsRequest) -> None:
        asked = request.query
        self.window = Window(
            instant(asked.from_timestamp, in_utc=True), instant(asked.to_timestamp, in_utc=True) + LAST
        )
        self._whole = [self.window.start, self.window.end]
        if asked.time_dimension:
            self._whole = list(edges(self.window, Bucket(asked.time_dimension["granularity"])))
        self._timed = asked.time_dimension is not None
        self._sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._averages: dict[int, list[tuple[float, int]]] = defaultdict(list)

    def place(self, row: Mapping[str, Any]) -> int | None:
        """The bucket of a row; None where it lies past the window, as a vendor's filling may."""
        if not self._timed:
            return 0
        start = instant(row["time_dimension"], in_utc=True)
        return None if start >= self.window.end else self._whole.index(start)

    def add(self, at: int, to: Measure, value: Any) -> None:
        """Adds a number to a bucket."""
        self._sums[at][to.label] += _whole(value)

    def average(self, at: int, value: Any, count: int) -> None:
        """Takes an average over so many runs into account."""
        if value is not None and count:
            self._averages[at].append((float(value), count))

    def table(self, measures: Sequence[Measure], pages: Sequence[Any]) -> Table:
        """What was found, with those columns."""
        none = {each.label: 0 for each in measures if each.adds}
        rows = [(at, (), {**none, **sums, LATENCY.label: _mean(self._averages[at])}) for at, sums in self._sums.items()]
        return _gathered(self.window, self._whole, measures, rows, pages)


def _gathered(
    window: Window, grid: Sequence[int], measures: Sequence[Measure], rows: Sequence[Row], pages: Sequence[Any]
) -> Table:
    """The table of the rows, with zeros where there are none: a generation may leave out what nothing ran in."""
    none = {each.label: 0 for each in measures if each.adds}
    filled = [(at, (), none) for at in sorted(set(range(len(grid) - 1)) - {at for at, _, _ in rows})]
    table = gathered(window, _within(grid, window), measures, [*rows, *filled], notes=_warnings(pages))
    return table if table.total[COUNT.label] else replace(table, notes=(*table.notes, UNKNOWN))


def _mean(parts: Sequence[tuple[float, int]]) -> float | None:
    """The average over all runs of averages over some of them; None of none."""
    if len(parts) <= 1:
        return parts[0][0] if parts else None
    return sum(value * n for value, n in parts) / sum(n for _, n in parts)


def _within(grid: Sequence[int], window: Window) -> list[int]:
    """The edges, of buckets that hold nothing outside the window."""
    return [max(grid[0], window.start), *grid[1:-1], min(grid[-1], window.end)]


def _warnings(pages: Iterable[Any]) -> tuple[str, ...]:
    """What the vendor says about its endpoint's future (v1 on Langfuse's own hosts)."""
    found = [page["_deprecation"] for page in pages if page.get("_deprecation")]
    return tuple(dict.fromkeys(f"Langfuse says: {clean(str(each.get('message', each)))[:_WORDS]}" for each in found))


def _whole(value: Any) -> int:
    return 0 if value is None else int(value) if isinstance(value, int | str) else round(value)
