"""AgentPhone as a source: the same numbers as from the store, its seed samples, older shapes, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from served import HOUR, NOW, at, event, received, sent

from agentgauge.core.errors import Unsupported, UpstreamError
from agentgauge.core.query import Query
from agentgauge.core.reshape import OTHER_PERIOD, shape
from agentgauge.core.time import Bucket, Window
from agentgauge.desks.requests import spelled
from agentgauge.dialects.agentphone.contract import ByAgentRequest, DailyRequest, MonthlyRequest, UsageRequest
from agentgauge.dialects.agentphone.decode import (
    decode_by_agent,
    decode_by_number,
    decode_daily,
    decode_monthly,
    decode_usage,
)
from agentgauge.dialects.agentphone.operations import BY_AGENT, BY_NUMBER, DAILY, MONTHLY, SUMMARY
from agentgauge.dialects.agentphone.translate import AGENT, BY_DAY, COMPLETED_CALLS, MESSAGES, Part
from agentgauge.dialects.agentphone.upstream import UPSTREAM, plan

if TYPE_CHECKING:
    from pair import Pair

    from agentgauge.core.operation import Endpoint
    from agentgauge.core.table import Table

USAGE, ACCOUNT = "usage_by_agent", "get_usage"
AGENTS: tuple[dict[str, Any], ...] = (
    {"agent_id": "a1"},
    {"agent_id": "b2", "agent_name": "B"},
    {},
    {"agent_name": "Gamma"},
)


def traffic(pair: Pair) -> None:
    """A year of messages, calls and webhooks of three agents and of none, on three numbers."""
    events: list[dict[str, Any]] = [
        event("agent", NOW, id="a1", name="Alpha"),
        event("agent", NOW, id="b2", name="Beta"),
        event("number", NOW, id="n1", phone_number="+15550001", country="US", status="active", agent_id="a1"),
        event("number", NOW, id="n2", phone_number="+15550002", status="active"),
        event("number", NOW, id="n3", status="released", agent_id="zz"),
    ]
    for index in range(400):
        when = NOW - index * 21 * HOUR
        own = AGENTS[index % 4] | {"number_id": ("n1", "n2", "n4")[index % 3]}
        events.append((received if index % 5 == 0 else sent)(when, **own, segments=index % 3))
        status = ("completed", "failed")[index % 2]
        events.append(event("call", when + 1, status=status, duration_seconds=index, **own))
        events.append(event("webhook", when + 2, status=("delivered", "failed", "retried")[index % 3]))
    pair.vendor.give(*events)


QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((USAGE, {"period": period}) for period in ("week", "month", "year")),
    (USAGE, {"period": "month", "tz": "America/New_York"}),
    (USAGE, {"period": "week", "tz": "Pacific/Auckland"}),
    (USAGE, {"period": "year", "limit": 2}),
    (ACCOUNT, {}),
    (ACCOUNT, {"breakdown": "daily"}),
    (ACCOUNT, {"breakdown": "daily", "days": 1}),
    (ACCOUNT, {"breakdown": "daily", "days": 365, "budget": 8_000}),
    (ACCOUNT, {"breakdown": "daily", "days": 300, "budget": 400}),
    (ACCOUNT, {"breakdown": "monthly"}),
    (ACCOUNT, {"breakdown": "monthly", "months": 24}),
    (ACCOUNT, {"breakdown": "by_number"}),
    (ACCOUNT, {"breakdown": "by_number", "limit": 1}),
)


@pytest.mark.parametrize(("tool", "question"), QUESTIONS, ids=str)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, tool: str, question: dict[str, Any]) -> None:
    traffic(pair)
    there = (await pair.upstream(tool, "phone", **question)).structured()
    here = (await pair.local(tool, **question)).structured()
    assert there["as_of"] is None
    apart = ["source", "as_of", "notes"]
    if question.get("breakdown") == "by_number":
        apart += ["start", "end"]  # a store knows when its first and last event were
    assert {k: v for k, v in there.items() if k not in apart} == {k: v for k, v in here.items() if k not in apart}


async def test_freshness_and_exactness_are_not_claimed(pair: Pair) -> None:
    traffic(pair)
    for tool, question in QUESTIONS:
        receipt = (await pair.upstream(tool, "phone", **question)).text().splitlines()[0]
        assert "as of: not stated" in receipt
        assert "exact" not in receipt


async def test_traffic_without_a_number_is_not_in_the_vendors_answer_which_says_so(pair: Pair) -> None:
    pair.vendor.give(sent(NOW, number_id="n1"), sent(NOW), sent(NOW))
    here = await pair.local(ACCOUNT, breakdown="by_number")
    there = await pair.upstream(ACCOUNT, "phone", breakdown="by_number")
    assert here.total == {"messages": 3, "calls": 0}
    assert there.total == {"messages": 1, "calls": 0}
    assert "messages and calls without a number are in no row and not in the total" in there.notes


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    (USAGE, {"period": "week", "group_by": "model"}, "cannot group usage by model_name. It groups by agent"),
    (USAGE, {"period": "week", "group_by": ["agent", "session"]}, "cannot group usage by session_id"),
    (USAGE, {"period": "week", "filters": {"agent": "a1"}}, "cannot filter messages by agent. It takes no filters."),
    (USAGE, {"period": "week", "compare_to": "prior_period"}, "running week, month or year. Leave compare_to out"),
    (ACCOUNT, {"breakdown": "daily", "tz": "Europe/Berlin"}, "whole days and months in UTC.*with tz=UTC"),
    (ACCOUNT, {"breakdown": "monthly", "tz": "America/New_York"}, "whole days and months in UTC"),
)


@pytest.mark.parametrize(("tool", "question", "words"), REFUSED, ids=str)
async def test_what_the_vendor_cannot_say_is_refused_with_what_it_can(
    pair: Pair, tool: str, question: dict[str, Any], words: str
) -> None:
    traffic(pair)
    with pytest.raises(Unsupported, match=words):
        await pair.upstream(tool, "phone", **question)


async def test_usage_by_model_of_a_store_without_model_calls_is_nothing(pair: Pair) -> None:
    traffic(pair)
    answer = await pair.local(USAGE, period="week", group_by="model")
    assert (answer.rows, answer.total) == ([], 0)


def asked(parts: tuple[Part, ...], window: Window, **own: Any) -> list[Query]:
    """The parts as questions, as a tool puts them."""
    return [
        Query(
            part.dataset,
            window,
            tuple(replace(each, label=f"{index}:{each.label}") for each in part.measures),
            where=part.where,
            **own,
        )
        for index, part in enumerate(parts)
    ]


MAY = Window(at("2026-05-01"), at("2026-06-01"))
MONTH = Bucket("month")


def test_one_half_of_the_messages_is_refused() -> None:
    for part in MESSAGES:
        with pytest.raises(Unsupported):
            plan(asked((part, COMPLETED_CALLS), MAY, bucket=MONTH, group_by=AGENT), NOW)


@pytest.mark.parametrize(
    "question",
    [
        {"window": Window(at("2026-04-01"), at("2026-05-01")), "bucket": MONTH},
        {"window": MAY, "bucket": None},
        {"window": MAY, "bucket": Bucket("day")},
        {"window": MAY, "bucket": Bucket("month", 1, "Asia/Tokyo")},
        {"window": MAY, "bucket": Bucket("month", 2)},
    ],
)
def test_only_the_running_period_is_asked_for_agents(question: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        plan(asked((*MESSAGES, COMPLETED_CALLS), group_by=AGENT, **question), NOW)


@pytest.mark.parametrize(
    ("start", "end", "bucket"),
    [
        ("2026-05-19", "2026-05-20", Bucket("day")),
        ("2025-05-20", "2026-05-21", Bucket("day")),
        ("2024-05-01", "2026-06-01", MONTH),
        ("2026-05-19", "2026-05-21", Bucket("hour")),
        ("2026-05-19", "2026-05-21", Bucket("day", 1, "Asia/Tokyo")),
    ],
)
def test_days_that_do_not_end_with_today_or_go_too_far_back_are_refused(start: str, end: str, bucket: Bucket) -> None:
    with pytest.raises(Unsupported, match="days up to 365"):
        plan(asked(BY_DAY, Window(at(start), at(end)), bucket=bucket), NOW)


REQUESTS: tuple[tuple[list[Query], str, dict[str, str]], ...] = (
    (
        asked(
            (*MESSAGES, COMPLETED_CALLS),
            Window(at("2026-05-01T04:00"), at("2026-06-01T04:00")),
            bucket=Bucket("month", 1, "America/New_York"),
            group_by=AGENT,
        ),
        "/v1/usage/by-agent",
        {"period": "month", "tz": "America/New_York"},
    ),
    (
        asked(BY_DAY, Window(at("2026-04-21"), at("2026-05-21")), bucket=Bucket("day")),
        "/v1/usage/daily",
        {"days": "30"},
    ),
    (asked(BY_DAY, Window(at("2026-01-01"), at("2026-06-01")), bucket=MONTH), "/v1/usage/monthly", {"months": "5"}),
)


@pytest.mark.parametrize(("queries", "path", "parameters"), REQUESTS, ids=str)
def test_requests_are_spelled_as_the_page_has_them(queries: list[Query], path: str, parameters: dict[str, str]) -> None:
    made = plan(queries, NOW)
    assert spelled(UPSTREAM.base_url, made.endpoint, made.request) == (
        "GET",
        f"https://api.agentphone.ai{path}",
        parameters,
        b"",
    )


@pytest.mark.parametrize(("endpoint", "path"), [(SUMMARY, "/v1/usage"), (BY_NUMBER, "/v1/usage/by-number")])
def test_the_account_and_its_numbers_are_asked_without_parameters(endpoint: Endpoint[Any], path: str) -> None:
    assert spelled(UPSTREAM.base_url, endpoint, UsageRequest()) == ("GET", UPSTREAM.base_url + path, {}, b"")


SEED: dict[str, Any] = {
    "data": [
        {
            "agentId": "a1b2c3d4-e5f6-7890-ab12-cd34ef567890",
            "agentName": "Support Agent Alpha",
            "messages": 152,
            "calls": 47,
            "totalSeconds": 7320,
            "isOrphan": False,
        },
        {
            "agentId": "b2c3d4e5-f678-9012-ab34-cd56ef789012",
            "agentName": "Sales Agent Beta",
            "messages": 98,
            "calls": 30,
            "totalSeconds": 5400,
            "isOrphan": False,
        },
        {
            "agentId": None,
            "agentName": "Unassigned",
            "messages": 25,
            "calls": 5,
            "totalSeconds": 600,
            "isOrphan": True,
        },
    ],
    "period": "month",
    "periodStart": "2024-06-01T00:00:00Z",
    "periodEnd": "2024-06-30T23:59:59Z",
}
"""The body on the seed page, as it stands there."""


def totals(table: Table) -> dict[Any, list[Any]]:
    """Group -> its totals."""
    columns = [table.totals[each.label] for each in table.measures]
    return {key: [column[index] for column in columns] for index, key in enumerate(table.groups)}


ROWS = {
    ("a1b2c3d4-e5f6-7890-ab12-cd34ef567890", "Support Agent Alpha"): [152, 47, 7320],
    ("b2c3d4e5-f678-9012-ab34-cd56ef789012", "Sales Agent Beta"): [98, 30, 5400],
    (None, None): [25, 5, 600],
}


def test_the_seed_pages_body_is_read() -> None:
    table = decode_by_agent(ByAgentRequest(period="month"), [SEED])
    assert [each.label for each in table.measures] == ["messages", "calls", "call_seconds"]
    assert totals(table) == ROWS
    assert table.total == {"messages": 275, "calls": 82, "call_seconds": 13_320}
    assert table.window == Window(at("2024-06-01"), at("2024-07-01"))
    assert (table.as_of, table.exact, table.notes) == (None, None, ())


def test_a_period_dated_from_midnight_in_utc_is_that_of_the_zone_and_noted() -> None:
    table = decode_by_agent(ByAgentRequest(period="month", tz="America/New_York"), [SEED])
    assert totals(table) == ROWS
    assert table.window == Window(at("2024-06-01T04:00"), at("2024-07-01T04:00"))
    assert table.notes == (
        "the vendor dates this month from midnight in UTC: it may not have counted days of America/New_York",
    )


def test_weeks_that_begin_on_sundays_are_not_passed_off_as_ours() -> None:
    body = SEED | {"period": "week", "periodStart": "2024-06-02T00:00:00Z", "periodEnd": "2024-06-08T23:59:59Z"}
    with pytest.raises(UpstreamError, match="weeks begin on Mondays"):
        decode_by_agent(ByAgentRequest(period="week"), [body])


def test_a_period_that_runs_by_the_vendors_clock_alone_is_shown_as_what_it_is_and_noted() -> None:
    queries = asked((*MESSAGES, COMPLETED_CALLS), MAY, bucket=MONTH, group_by=AGENT)
    table = shape(decode_by_agent(ByAgentRequest(period="month"), [SEED]), plan(queries, NOW), queries)
    assert table.window == Window(at("2024-06-01"), at("2024-07-01"))
    assert sorted(value for value in table.total.values() if value) == [82, 275, 13_320]
    assert table.notes == (OTHER_PERIOD,)


def test_days_of_another_time_than_the_one_asked_for_are_an_error_and_not_zero() -> None:
    days = Window(at("2026-05-01"), at("2026-05-21"))
    queries = asked(BY_DAY, days, bucket=Bucket("day"))
    with pytest.raises(UpstreamError, match="another time than was asked"):
        shape(decode_daily(DailyRequest(days=20), [{"data": GUIDE}]), plan(queries, NOW), queries)


def test_numbers_as_strings_and_rows_without_the_optional_flag_are_read() -> None:
    row = {"agentId": "a", "agentName": "A", "messages": "152", "calls": "47", "totalSeconds": "7320.5"}
    table = decode_by_agent(ByAgentRequest(period="month"), [SEED | {"data": [row]}])
    assert totals(table) == {("a", "A"): [152, 47, 7320.5]}


GUIDE = [
    {"date": "2025-01-07", "messages": 12, "calls": 3, "webhooks": 30},
    {"date": "2025-01-08", "messages": 20, "calls": 5, "webhooks": 41},
]


@pytest.mark.parametrize("data", [GUIDE, GUIDE[::-1]])
def test_days_are_read_in_either_order(data: list[Any]) -> None:
    table = decode_daily(DailyRequest(days=2), [{"data": data, "days": 2}])
    assert table.window == Window(at("2025-01-07"), at("2025-01-09"))
    assert {each: table.wide(each)[0] for each in table.total} == {
        "messages": [12, 20],
        "calls": [3, 5],
        "webhooks": [30, 41],
    }


def test_months_are_read_and_a_month_that_is_missing_is_a_gap() -> None:
    rows = [{"month": month, "messages": 1, "calls": 2, "webhooks": 3} for month in ("2024-12", "2025-02")]
    table = decode_monthly(MonthlyRequest(months=3), [{"data": rows, "months": 3}])
    assert (table.window, list(table.at)) == (Window(at("2024-12-01"), at("2025-03-01")), [0, 2])
    assert table.total == {"messages": 2, "calls": 4, "webhooks": 6}


def test_no_days_at_all_are_no_rows() -> None:
    table = decode_daily(DailyRequest(days=7), [{"data": [], "days": 7}])
    assert (list(table.at), table.total["messages"]) == ([], 0)


STATS = {
    "totalMessages": 1_000,
    "messagesLast24h": 10,
    "messagesLast7d": 70,
    "messagesLast30d": 300,
    "totalCalls": 200,
    "callsLast24h": 2,
    "callsLast7d": 14,
    "callsLast30d": 60,
    "totalWebhookDeliveries": 500,
    "successfulWebhookDeliveries": 490,
    "failedWebhookDeliveries": 10,
}
ACCOUNT_BODY: dict[str, Any] = {
    "numbers": {"used": 2, "limit": 5, "remaining": 3},
    "stats": STATS,
    "periodStart": "2025-01-01T00:00:00Z",
    "periodEnd": "2025-01-08T00:00:00Z",
}
"""An answer without what newer or older ones leave out."""


def test_a_summary_without_plan_segments_and_date_is_read() -> None:
    table = decode_usage(UsageRequest(), [ACCOUNT_BODY])
    assert list(table.total.values()) == [1_000, 10, 70, 300, 200, 2, 14, 60, 500, 490, 10, None, 2]
    assert table.notes == ()


def test_a_summary_with_them_says_what_the_plan_allows_and_when_it_was_made() -> None:
    limits = {"numbers": 5, "messagesPerMonth": 10_000, "voiceMinutesPerMonth": 2**31 - 1}
    newer = {"plan": {"name": "pro", "limits": limits}, "reportGeneratedAt": "2025-01-08T10:30:00Z"}
    body = ACCOUNT_BODY | newer | {"stats": STATS | {"smsSegmentsLast30d": 350}}
    table = decode_usage(UsageRequest(), [body])
    assert table.total["sms_segments_last_30d"] == 350
    assert table.notes == (
        "the plan allows 5 numbers, 10,000 messages a month",
        "the vendor made this report at 2025-01-08T10:30Z",
    )


def test_numbers_are_read_with_and_without_their_agent_the_busiest_first() -> None:
    number = {"phoneNumber": "+15551234567", "country": "US", "status": "active"}
    rows = [
        {"numberId": "num_1", **number, "messages": 3, "calls": 1},
        {"numberId": "num_2", **number, "messages": 7, "calls": 0, "agentId": "agent_1", "agentName": "Alpha"},
        {"numberId": "num_3", **number, "messages": 7, "calls": 9, "agentId": None, "agentName": None},
    ]
    assert totals(decode_by_number(UsageRequest(), [{"data": rows}])) == {
        ("num_2", "+15551234567", "US", "active", "agent_1", "Alpha"): [7, 0],
        ("num_3", "+15551234567", "US", "active", None, None): [7, 9],
        ("num_1", "+15551234567", "US", "active", None, None): [3, 1],
    }


UNREADABLE: tuple[tuple[Endpoint[Any], Any], ...] = (
    (BY_AGENT, {"data": [{"agentName": "A"}], "periodStart": "2024-06-01T00:00:00Z"}),
    (BY_AGENT, {"period": "month"}),
    (DAILY, {"data": [{"date": "yesterday", "messages": 1, "calls": 1, "webhooks": 1}]}),
    (MONTHLY, {"data": [{"month": "2025-01", "messages": "many", "calls": 1, "webhooks": 1}]}),
    (SUMMARY, {"stats": STATS}),
    (BY_NUMBER, {"rows": 3}),
)


@pytest.mark.parametrize(("endpoint", "body"), UNREADABLE)
def test_what_cannot_be_read_is_an_error_and_not_a_guess(endpoint: Endpoint[Any], body: Any) -> None:
    request = ByAgentRequest(period="month") if endpoint is BY_AGENT else UsageRequest()
    assert endpoint.decode
    with pytest.raises((LookupError, TypeError, ValueError)):
        endpoint.decode(request, [body])
