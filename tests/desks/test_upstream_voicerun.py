"""VoiceRun as a source: the same numbers as from the store, its seed samples, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from faults import misbehaving, reply
from served import DAY, HOUR, MINUTE, NOW, at, event, known_until

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.errors import InvalidValue, UnknownName, Unsupported
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import Bucket, Window
from agentgauge.core.wire import written
from agentgauge.desks.requests import spelled
from agentgauge.dialects.voicerun.contract import (
    NamesRequest,
    SessionRequest,
    SumsRequest,
    TagsRequest,
    TimeseriesRequest,
)
from agentgauge.dialects.voicerun.decode import (
    OWN,
    decode_aggregate,
    decode_daily,
    decode_names,
    decode_session,
    decode_tags,
    decode_timeseries,
)
from agentgauge.dialects.voicerun.operations import AGGREGATE, NAMES, SESSION, TAGS, TIMESERIES
from agentgauge.dialects.voicerun.operations import DAILY as DAILY_SUMS
from agentgauge.dialects.voicerun.translate import SUM
from agentgauge.dialects.voicerun.upstream import UPSTREAM, plan
from agentgauge.dialects.voicerun.vendor import UNTOLD

if TYPE_CHECKING:
    from pathlib import Path

    from pair import Pair

    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Endpoint
    from agentgauge.core.table import Table

LIST, QUERY = "list_custom_metrics", "query_custom_metrics"
APRIL: dict[str, Any] = {"start": "2026-04-01", "end": "2026-04-03"}
TIMES: dict[str, Any] = {"start": "2026-04-01T00:00Z", "end": "2026-04-02T00:00Z"}
SPAN: dict[str, Any] = {"start": "2026-04-01", "end": "2026-04-06"}
"""Six days, of which the fourth and the last are empty."""
SECOND_DAY: dict[str, Any] = {"start": "2026-04-02", "end": "2026-04-02"}
ODD: dict[str, Any] = {"start": at("2026-04-01") + 1, "end": at("2026-04-01") + 1 + 70 * MINUTE}
FAQ: dict[str, Any] = {"metric_names": "faq"}
QUEUE: dict[str, Any] = {"metric_names": "queue"}
WAIT: dict[str, Any] = {"metric_names": "wait"}


def point(when: int, name: str, value: float = 1, kind: str = "counter", /, **fields: Any) -> dict[str, Any]:
    """A point of a custom metric; other words are its labels unless they are fields of a point."""
    own = {key: fields.pop(key) for key in ("agent_id", "session_id", "environment_id") if key in fields}
    return event("point", when, name=name, kind=kind, value=value, labels=fields) | own


def metrics(pair: Pair) -> None:
    """Days of a counter, a gauge and a histogram with tags, agents, environments and sessions."""
    start = at("2026-04-01")
    points: list[dict[str, Any]] = []
    for index in range(240):
        when = start + index * 17 * MINUTE
        own = {"agent_id": ("x", "y")[index % 2], "session_id": f"s{index % 7}"}
        tags = {"topic": ("price", "hours", "other")[index % 3]} | ({"origin": "web"} if index % 5 else {})
        points.append(point(when, "faq", 1 + index % 4, **own, **tags, environment_id=("prod", "dev")[index % 4 // 2]))
        if index % 3 == 0:
            points.append(point(when + 1, "queue", index / 8, "gauge", **own))
            points.append(point(when + 2, "wait", index * 10, "histogram", **own, **tags))
    points += [point(start + 4 * DAY, "faq", 3), point(start + 4 * DAY, "queue", 3, "gauge")]
    pair.vendor.give(*points, known_until("points", NOW))


def numbers(answer: Answer) -> dict[str, Any]:
    """What both sources can say of an answer."""
    apart = ("source", "as_of", "title", "notes", "finer")
    return {name: value for name, value in answer.structured().items() if name not in apart}


DAILY: tuple[dict[str, Any], ...] = (
    {"metric_names": ["faq", "queue"], **APRIL},
    APRIL,
    {"tz": "Asia/Singapore", **FAQ, **APRIL},
    {"group_by": ["topic", "agent_id"], **FAQ, **APRIL},
    {"group_by": "origin", "tags": {"topic": "price"}, **FAQ, **APRIL},
    {"tags": {"topic": ["price"], "session_id": "s3"}, "agent_id": "x", "environment_id": "prod", **APRIL},
    {"compare_to": "prior_period", **FAQ, "start": "2026-04-02", "end": "2026-04-03"},
    {**FAQ, "start": "2026-04-01T10:30Z", "end": "2026-04-03T07:00Z"},
    {"start": "2026-01-01", "end": "2026-04-03", "budget": 200},
)
SERIES: tuple[dict[str, Any], ...] = (
    {**FAQ, "interval": "1h", **TIMES},
    {**FAQ, "interval": "1d", "tz": "Asia/Singapore", **APRIL},
    {**FAQ, "interval": "6h", **SPAN},
    {**FAQ, "interval": "7m", **ODD},
    {**FAQ, "interval": "1h", "tags": {"topic": "hours"}, "agent_id": "x", **TIMES},
    {**FAQ, "interval": "1h", "environment_id": "dev", **TIMES},
    {**FAQ, "interval": "5m", **TIMES, "budget": 300},
    {**FAQ, "interval": "1h", "compare_to": "prior_period", **SECOND_DAY},
    {**QUEUE, "interval": "1h", **TIMES},
    {**QUEUE, "interval": "6h", **SPAN},
    {**QUEUE, "interval": "1h", "compare_to": "prior_period", **SECOND_DAY},
    {**WAIT, "interval": "2h", **TIMES},
    {**WAIT, "interval": "1d", **APRIL},
)
QUESTIONS = (*({"view": "daily", **each} for each in DAILY), *({"view": "timeseries", **each} for each in SERIES))


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, question: dict[str, Any]) -> None:
    metrics(pair)
    there = await pair.upstream(QUERY, "voice", **question)
    here = await pair.local(QUERY, **question)
    assert there.as_of is None
    assert numbers(there) == numbers(here)


TOTALS: tuple[dict[str, Any], ...] = (
    APRIL,
    {"metric_names": ["faq", "wait"], **APRIL},
    {"group_by": "topic", **FAQ, **APRIL},
    {"group_by": ["origin", "environment_id", "session_id"], **FAQ, **APRIL, "budget": 8_000, "limit": 200},
    {"tags": {"topic": "price", "origin": "web"}, **APRIL},
    {"agent_id": "y", "tz": "Asia/Singapore", **APRIL},
    {**FAQ, "start": "2026-04-01T10:30:00.250Z", "end": "2026-04-03T07:00Z"},
)


@pytest.mark.parametrize("question", TOTALS, ids=str)
async def test_totals_have_the_sums_of_the_store_and_say_that_they_have_no_more(
    pair: Pair, question: dict[str, Any]
) -> None:
    metrics(pair)
    there = await pair.upstream(QUERY, "voice", **question)
    here = await pair.local(QUERY, **question)
    places = [here.columns.index(name) for name in there.columns]
    assert [list(row) for row in there.rows] == [[row[place] for place in places] for row in here.rows]
    assert there.rows
    assert "this source states sums only: no kinds and no numbers of points" in there.notes


async def test_the_total_of_one_metric_is_its_sum_and_is_compared(pair: Pair) -> None:
    metrics(pair)
    asked_: dict[str, Any] = {**FAQ, "compare_to": "prior_period", **SECOND_DAY}
    there = (await pair.upstream(QUERY, "voice", **asked_)).structured()
    here = (await pair.local(QUERY, **asked_)).structured()
    assert there["total"] == here["total"]["sum"]
    assert there["prior"] == {"total": here["prior"]["total"]["sum"], "change": here["prior"]["change"]["sum"]}


async def test_sums_of_several_metrics_have_no_total(pair: Pair) -> None:
    metrics(pair)
    answer = await pair.upstream(QUERY, "voice", compare_to="prior_period", limit=1, **APRIL)
    found = answer.structured()
    assert not {"total", "prior"} & set(found)
    assert found["other"] == {"groups": 2, "total": None}
    assert any("name one in metric_names" in note for note in answer.notes)


async def test_a_window_that_steps_do_not_fill_is_widened_to_whole_steps(pair: Pair) -> None:
    metrics(pair)
    hourly: dict[str, Any] = {"view": "timeseries", "interval": "1h", **FAQ}
    answer = await pair.upstream(QUERY, "voice", start="2026-04-01T00:10Z", end="2026-04-01T02:40Z", **hourly)
    assert (answer.structured()["start"], answer.structured()["end"]) == ("2026-04-01T00:10Z", "2026-04-01T03:10Z")
    whole = await pair.local(QUERY, start="2026-04-01T00:10Z", end="2026-04-01T03:10Z", **hourly)
    assert answer.structured()["rows"] == whole.structured()["rows"]


async def test_without_an_interval_one_is_chosen(pair: Pair) -> None:
    metrics(pair)
    answer = await pair.upstream(QUERY, "voice", view="timeseries", **FAQ, **SPAN)
    assert (answer.structured()["interval"], answer.total) == ("3h", 603)


@pytest.mark.parametrize(("metric", "title", "noted"), [(FAQ, "sum", False), (QUEUE, "value", True)], ids=str)
async def test_what_is_no_sum_is_shown_as_the_sources_own_value(
    pair: Pair, metric: dict[str, Any], title: str, noted: bool
) -> None:
    metrics(pair)
    answer = await pair.upstream(QUERY, "voice", view="timeseries", interval="6h", **metric, **SPAN)
    assert answer.title == f"custom metrics, {title}"
    assert any("does not state which" in note for note in answer.notes) == noted


async def test_a_gauge_that_does_not_fit_is_asked_in_longer_steps(pair: Pair) -> None:
    metrics(pair)
    gauge: dict[str, Any] = {"view": "timeseries", **QUEUE, **TIMES}
    answer = await pair.upstream(QUERY, "voice", interval="5m", budget=250, **gauge)
    found = answer.structured()
    here = (await pair.local(QUERY, interval=found["interval"], **gauge)).structured()
    assert found["interval"] in ("1h", "2h")
    assert (found["total"], found["rows"][0][-1]) == (here["total"], here["rows"][0][-1])


async def test_a_gauge_with_one_point_a_step_is_no_sum(pair: Pair) -> None:
    pair.vendor.give(*(point(at("2026-04-01") + hour * HOUR, "queue", 4, "gauge") for hour in range(4)))
    answer = await pair.upstream(QUERY, "voice", view="timeseries", interval="1h", **QUEUE, **TIMES)
    assert (answer.total, answer.rows[0][-1][:6]) == (4, [4, 4, 4, 4, None, None])


async def test_the_list_is_that_of_the_store_without_kinds(pair: Pair) -> None:
    metrics(pair)
    for words in ({}, {"agent_id": "x"}, {"metric_name": "faq"}):
        there = await pair.upstream(LIST, "voice", **words)
        here = await pair.local(LIST, **words)
        tags = [{tag: sorted(values) for tag, values in row[2].items()} for row in here.rows]
        names = [row[0] for row in here.rows]
        assert [list(row) for row in there.rows] == [
            [*each] for each in zip(names, [None] * len(names), tags, strict=True)
        ]
        assert "this source does not state kinds" in there.notes


async def test_tags_of_very_many_metrics_are_not_asked_one_by_one(pair: Pair) -> None:
    pair.vendor.give(*(point(NOW, f"m{index:03}", origin="web") for index in range(45)))
    answer = await pair.upstream(LIST, "voice", budget=8_000)
    assert [row[2] for row in answer.rows] == [{"origin": ["web"]}] * 40 + [None] * 5
    assert "the tags of 5 metrics were not asked for: name one in metric_name" in answer.notes


@pytest.mark.parametrize("words", [{}, FAQ, {"tags": {"topic": "price"}}, {"agent_id": "x"}], ids=str)
async def test_a_session_has_the_points_of_the_store_without_kinds(pair: Pair, words: dict[str, Any]) -> None:
    metrics(pair)
    session: dict[str, Any] = {"view": "session", "session_id": "s3", "budget": 8_000, **words}
    there = await pair.upstream(QUERY, "voice", **session)
    here = await pair.local(QUERY, **session)
    assert [list(row) for row in there.rows] == [[row[0], None, *row[2:]] for row in here.rows]
    assert there.rows


async def test_an_unknown_session_is_empty_and_says_so(pair: Pair) -> None:
    metrics(pair)
    answer = await pair.upstream(QUERY, "voice", view="session", session_id="nobody")
    assert (answer.rows, answer.notes[0]) == ([], "no point has that session and those filters")


@pytest.mark.parametrize("session", ["../names", "..", "a/./b", ""])
async def test_a_session_that_would_lead_elsewhere_is_refused(pair: Pair, session: str) -> None:
    with pytest.raises(InvalidValue, match="another address"):
        await pair.upstream(QUERY, "voice", view="session", session_id=session)


async def test_an_empty_agent_is_not_a_list_of_everything(pair: Pair) -> None:
    metrics(pair)
    with pytest.raises(Unsupported, match="empty agent_id"):
        await pair.upstream(LIST, "voice", agent_id="")


async def test_an_unknown_metric_is_refused_with_the_nearest(pair: Pair) -> None:
    metrics(pair)
    with pytest.raises(UnknownName, match='"quue" is not a metric') as refused:
        await pair.upstream(QUERY, "voice", metric_names="quue")
    assert refused.value.hint == 'Did you mean "queue"?'


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"view": "timeseries", **APRIL}, "timeseries of several metrics.*metric_names"),
    ({"view": "timeseries", "metric_names": ["faq", "wait"], **APRIL}, "timeseries of several metrics"),
    ({"view": "timeseries", "group_by": "topic", **FAQ, **APRIL}, "group a timeseries by tags"),
    ({"view": "timeseries", "interval": "1mo", **FAQ, "start": "2026-01-01", "end": "2026-04-30"}, "in equal steps"),
    ({"group_by": "kind", **APRIL}, "group by kind. It groups by tags and by agent_id, environment_id, session_id"),
    ({"group_by": "labels.agent_id", **APRIL}, "a tag called agent_id"),
    ({"view": "daily", "group_by": "labels.date", **APRIL}, "a tag called date"),
    ({"group_by": ["a,b"], **APRIL}, "separated by commas"),
    ({"tags": {"topic": ["price", "hours"]}, **APRIL}, "one value. Ask once for each"),
    ({"tags": {"topic": ""}, **APRIL}, "an empty value"),
    ({"agent_id": "", **APRIL}, "an empty value"),
    ({"tags": {"agent_id": "y"}, "agent_id": "x", **APRIL}, "two values of agent_id"),
    ({"tags": {"kind": "counter"}, **APRIL}, "filter points by kind"),
    ({"view": "session", "session_id": "s1", "environment_id": "prod"}, "filter the points of a session by"),
)


@pytest.mark.parametrize(("words", "refusal"), REFUSED, ids=str)
async def test_what_the_vendor_cannot_say_is_refused_with_what_it_can(
    pair: Pair, words: dict[str, Any], refusal: str
) -> None:
    metrics(pair)
    with pytest.raises(Unsupported, match=refusal):
        await pair.upstream(QUERY, "voice", **words)


async def test_a_name_with_a_comma_cannot_be_asked_for(pair: Pair) -> None:
    pair.vendor.give(point(NOW - 1, "a,b"))
    with pytest.raises(Unsupported, match="separated by commas"):
        await pair.upstream(QUERY, "voice", metric_names=["a,b"])


FIRST, FIFTEENTH = at("2025-04-01"), at("2025-04-15")
TWO = ("booking_attempt", "booking_completed")
XYZ = Filter("agent_id", "EQUAL", "agent_xyz")
FORTNIGHT = Query("points", Window(FIRST, FIFTEENTH), (SUM,), group_by=("name",))


def about(*names: str) -> tuple[Filter, ...]:
    """The filter of a question about those metrics."""
    return (Filter("name", "IN", names),)


DATES = {"startDate": "2025-04-01", "endDate": "2025-04-14"}
REQUESTS: tuple[tuple[Query, str, dict[str, str]], ...] = (
    (
        replace(FORTNIGHT, where=(*about(*TWO), XYZ)),
        "aggregate",
        {"metricNames": "booking_attempt,booking_completed", "agentId": "agent_xyz"} | DATES,
    ),
    (replace(FORTNIGHT, group_by=("name", "labels.company_id")), "aggregate", DATES | {"groupBy": "company_id"}),
    (
        replace(FORTNIGHT, group_by=("name", "labels.topic"), where=(*about("faq_query"), XYZ)),
        "aggregate",
        {"metricNames": "faq_query", "agentId": "agent_xyz", "groupBy": "topic"} | DATES,
    ),
    (
        replace(
            FORTNIGHT,
            window=Window(FIRST, at("2025-04-08")),
            bucket=Bucket("day"),
            where=(*about("sessions_handled", *TWO), XYZ),
        ),
        "daily",
        {
            "metricNames": "sessions_handled,booking_attempt,booking_completed",
            "agentId": "agent_xyz",
            "startDate": "2025-04-01",
            "endDate": "2025-04-07",
        },
    ),
    (
        replace(
            FORTNIGHT,
            window=Window(FIRST, at("2025-04-02")),
            measures=(OWN,),
            bucket=Bucket("hour"),
            where=about("booking_attempt"),
        ),
        "timeseries",
        {
            "metricName": "booking_attempt",
            "startDate": "2025-04-01T00:00:00Z",
            "endDate": "2025-04-02T00:00:00Z",
            "step": "1h",
        },
    ),
    (
        replace(
            FORTNIGHT,
            window=Window(FIRST - 8 * HOUR, FIFTEENTH - 8 * HOUR),
            bucket=Bucket("day", 1, "Asia/Singapore"),
        ),
        "daily",
        DATES | {"timezone": "Asia/Singapore"},
    ),
    (
        replace(
            FORTNIGHT, where=(Filter("labels.origin", "EQUAL", "phone"), Filter("labels.company_id", "IN", ("abc",)))
        ),
        "aggregate",
        DATES | {"tags": '{"origin":"phone","company_id":"abc"}'},
    ),
)


@pytest.mark.parametrize(("query", "path", "parameters"), REQUESTS, ids=str)
def test_requests_are_spelled_as_the_page_has_them(query: Query, path: str, parameters: dict[str, str]) -> None:
    made = plan([query], NOW)
    method, address, given, body = spelled(UPSTREAM.base_url, made.endpoint, made.request)
    assert (method, address, body) == ("GET", f"https://api.voicerun.com/v1/custom-metrics/{path}", b"")
    assert given == parameters == written(made.request)


@pytest.mark.parametrize(
    ("endpoint", "request_", "path", "parameters"),
    [
        (NAMES, NamesRequest(agentId="agent_xyz"), "names", {"agentId": "agent_xyz"}),
        (TAGS, TagsRequest(metricName="faq_query", agentId="a"), "tags", {"metricName": "faq_query", "agentId": "a"}),
        (SESSION, SessionRequest(sessionId="session_abc123"), "sessions/session_abc123", {}),
    ],
)
def test_listings_are_asked_as_the_page_has_them(
    endpoint: Endpoint[Any], request_: Any, path: str, parameters: dict[str, str]
) -> None:
    address = f"https://api.voicerun.com/v1/custom-metrics/{path}"
    assert spelled(UPSTREAM.base_url, endpoint, request_) == ("GET", address, parameters, b"")


def sums(**own: Any) -> SumsRequest:
    """A request of the page, with these words too."""
    return SumsRequest.model_validate(DATES | own)


def totals(table: Table) -> dict[Any, Any]:
    """Group -> its total of the only measure."""
    (column,) = table.totals.values()
    return dict(zip(table.groups, column, strict=True))


def test_the_pages_aggregate_is_read() -> None:
    table = decode_aggregate(sums(), [{"data": {"booking_attempt": 5, "booking_completed": 3}}])
    assert totals(table) == {("booking_attempt",): 5, ("booking_completed",): 3}
    assert (table.window, table.as_of, table.exact) == (Window(FIRST, FIFTEENTH), None, None)


def test_numbers_as_strings_are_read() -> None:
    assert totals(decode_aggregate(sums(), [{"data": {"a": "5", "b": "2.5", "c": None}}])) == {
        ("a",): 5,
        ("b",): 2.5,
        ("c",): 0,
    }


def test_the_pages_grouped_aggregate_is_read() -> None:
    rows = [
        {"company_id": "abc", "metrics": {"booking_attempt": 3, "booking_completed": 2, "sessions_handled": 5}},
        {"company_id": "def", "metrics": {"booking_attempt": 2, "booking_completed": 1, "sessions_handled": 4}},
    ]
    table = decode_aggregate(sums(groupBy="company_id"), [{"data": rows}])
    assert table.group_by == ("name", "labels.company_id")
    assert totals(table) == {
        ("booking_attempt", "abc"): 3,
        ("booking_completed", "abc"): 2,
        ("sessions_handled", "abc"): 5,
        ("booking_attempt", "def"): 2,
        ("booking_completed", "def"): 1,
        ("sessions_handled", "def"): 4,
    }


@pytest.mark.parametrize("missing", [{}, {"topic": None}, {"topic": ""}], ids=str)
def test_a_label_that_is_missing_null_or_empty_is_none(missing: dict[str, Any]) -> None:
    rows = [{"topic": "pricing", "metrics": {"faq_query": 12}}, {**missing, "metrics": {"faq_query": 8}}]
    found = totals(decode_aggregate(sums(groupBy="topic"), [{"data": rows}]))
    assert found == {("faq_query", "pricing"): 12, ("faq_query", None): 8}


def test_the_pages_days_are_read_and_days_it_leaves_out_are_gaps() -> None:
    rows = [
        {"date": "2025-04-01", "metrics": {"sessions_handled": 12, "booking_attempt": 5, "booking_completed": 3}},
        {"date": "2025-04-02", "metrics": {"sessions_handled": 8, "booking_attempt": 4, "booking_completed": 2}},
        {"date": "2025-04-03", "metrics": {"sessions_handled": 15, "booking_attempt": 7, "booking_completed": 6}},
    ]
    table = decode_daily(sums(endDate="2025-04-07"), [{"data": rows}])
    assert dict(zip(table.groups, table.wide("sum"), strict=True)) == {
        ("sessions_handled",): [12, 8, 15, 0, 0, 0, 0],
        ("booking_attempt",): [5, 4, 7, 0, 0, 0, 0],
        ("booking_completed",): [3, 2, 6, 0, 0, 0, 0],
    }


def test_days_are_those_of_the_zone_and_others_are_left_out() -> None:
    rows = [{"date": f"2025-04-{day:02}", "metrics": {"m": day}} for day in (1, 2, 3)]
    table = decode_daily(sums(endDate="2025-04-02", timezone="Asia/Singapore"), [{"data": rows}])
    assert table.wide("sum") == [[1, 2]]
    assert table.edges[0] == FIRST - 8 * HOUR


HOURLY = TimeseriesRequest.model_validate(
    {
        "metricName": "booking_attempt",
        "startDate": "2025-04-01T00:00:00Z",
        "endDate": "2025-04-02T00:00:00Z",
        "step": "1h",
    }
)


def matrix(*values: Any) -> dict[str, Any]:
    """A timeseries as the page has it."""
    series = {"metric": {"metric_name": "booking_attempt"}, "values": [*values]}
    return {"data": {"resultType": "matrix", "result": [series]}}


def test_the_pages_timeseries_is_read_from_the_start_of_each_step() -> None:
    table = decode_timeseries(HOURLY, [matrix([1743465600, "2"], [1743469200, "1"], [1743472800, "3"])])
    assert table.groups == [("booking_attempt",)]
    assert table.values == {"value": [2, 1, 3]}
    assert [table.edges[place] for place in table.at] == [FIRST, FIRST + HOUR, FIRST + 2 * HOUR]


@pytest.mark.parametrize("value", ["NaN", "+Inf", None])
def test_a_value_that_is_no_number_is_null(value: Any) -> None:
    assert decode_timeseries(HOURLY, [matrix([1743465600.0, value])]).values == {"value": [None]}


def test_the_pages_session_is_read() -> None:
    labels = {"metric_name": "booking_completed", "agent_id": "agent_xyz", "company_id": "abc"}
    body = {"data": {"resultType": "vector", "result": [{"metric": labels, "value": [1743465600, "1"]}]}}
    table = decode_session(SessionRequest(sessionId="session_abc123"), [body])
    assert list(table.groups) == [("booking_completed", "agent_xyz", '{"company_id": "abc"}', FIRST)]
    assert table.totals == {"sum": [1]}


def test_the_pages_names_and_tags_are_read() -> None:
    names = ["booking_attempt", "booking_completed", "cancellation_attempt"]
    assert decode_names(NamesRequest.model_validate({}), [{"data": names}]).groups == [(name,) for name in names]
    tags = {"origin": ["phone", "web"], "company_id": ["abc", "def"], "branch_id": ["branch-1"]}
    assert decode_tags(TagsRequest.model_validate({}), [{"data": tags}]).groups == [
        ("origin", "phone"),
        ("origin", "web"),
        ("company_id", "abc"),
        ("company_id", "def"),
        ("branch_id", "branch-1"),
    ]


UNREADABLE: tuple[tuple[Endpoint[Any], Any, Any], ...] = (
    (AGGREGATE, sums(groupBy="topic"), {"faq_query": 3}),
    (AGGREGATE, sums(), {"faq_query": True}),
    (AGGREGATE, sums(), None),
    (DAILY_SUMS, sums(), [{"metrics": {"m": 1}}]),
    (TIMESERIES, HOURLY, {"result": [{"values": [(1743465601, "2")]}]}),
    (TIMESERIES, HOURLY, "matrix"),
    (SESSION, SessionRequest(sessionId="s"), {"result": [{"metric": {"a": "b"}, "value": (1743465600, "1")}]}),
)


@pytest.mark.parametrize(("endpoint", "request_", "data"), UNREADABLE)
def test_what_cannot_be_read_is_an_error_and_not_a_guess(endpoint: Endpoint[Any], request_: Any, data: Any) -> None:
    assert endpoint.decode
    with pytest.raises((LookupError, TypeError, ValueError)):
        endpoint.decode(request_, [{"data": data}])


async def test_a_timeseries_whose_total_the_vendor_garbles_is_shown_without_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own sample as the answer to every step: one over the whole window cannot be read from it."""
    monkeypatch.setenv("VOICE_KEY", "key")
    sample = matrix([1743465600, "2"], [1743469200, "1"], [1743472800, "3"])
    with misbehaving(reply(200, {"data": ["booking_attempt"]}), reply(200, sample)) as vendor:
        lines = ["[sources.voice]", 'dialect = "voicerun"', f'base_url = "{vendor.address}"', 'secret = "VOICE_KEY"']
        (tmp_path / "sources.toml").write_text("\n".join(lines))
        words = {"metric_names": "booking_attempt", "view": "timeseries", "interval": "1h", "source": "voice"}
        async with App(Settings(home=tmp_path), clock=lambda: NOW).open() as app:
            answer = await app.call(QUERY, words | {"start": "2025-04-01T00:00Z", "end": "2025-04-01T03:00Z"})
    found = answer.structured()
    assert (found["total"], found["rows"][0][-1]) == (None, [2, 1, 3])
    assert UNTOLD in found["notes"]
    assert any("the total of value is not known" in note for note in found["notes"])
