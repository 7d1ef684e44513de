"""AgentMessage as a source: the same numbers as from the store, its seed samples, and what it cannot do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from served import MINUTE, NOW, at, event, known_until, sent

from agentgauge.core.errors import Unsupported
from agentgauge.core.query import Filter, Query
from agentgauge.core.time import Bucket, Window
from agentgauge.desks.requests import spelled
from agentgauge.dialects.agentmessage.contract import MessagesRequest
from agentgauge.dialects.agentmessage.decode import UNSTATED, decode, next_page
from agentgauge.dialects.agentmessage.translate import COUNTED
from agentgauge.dialects.agentmessage.upstream import UPSTREAM, plan

if TYPE_CHECKING:
    from pair import Pair

DAY = {"start": "2026-05-19", "end": "2026-05-19"}


def traffic(pair: Pair) -> None:
    """Two days of messages on three channels, some of them failed."""
    start = at("2026-05-18")
    events: list[dict[str, Any]] = []
    for index in range(300):
        when = start + index * 9 * MINUTE + 1
        channel = ("sms", "mms", None)[index % 3]
        events.append(sent(when, channel, cost_cents=index % 7, message_id=f"m{index}"))
        if index % 4 == 0:
            failed: dict[str, Any] = {"status": "failed", "error_code": ("30003", "30005")[index % 8 // 4]}
            events.append(sent(when + MINUTE, channel, **failed))
    events.append(event("webhook", at("2026-05-19T03:00"), endpoint_id="e1", kind="org", status="delivered"))
    pair.vendor.give(*events, known_until("messages", NOW), known_until("webhooks", NOW))


QUESTIONS: tuple[dict[str, Any], ...] = (
    {"metric": "sent", "interval": "1h", **DAY},
    {"metric": "sent", "interval": "1h", "group_by": "channel", **DAY},
    {"metric": "failed", "interval": "6h", "group_by": "error_code", **DAY},
    {"metric": "cost_cents", "interval": "1d", "start": "2026-05-18", "end": "2026-05-19"},
    {"metric": "sent", "interval": "1d", "tz": "America/New_York", "start": "2026-05-18", "end": "2026-05-19"},
    {"metric": "sent", "interval": "15m", "start": "2026-05-19T06:00Z", "end": "2026-05-19T08:00Z"},
    {"metric": "sent", "interval": "1h", "compare_to": "prior_period", **DAY},
    {"metric": "delivered", "traffic": "webhooks", "interval": "1h", "group_by": "endpoint_id", **DAY},
)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_numbers_through_the_wire_are_those_of_the_store(pair: Pair, question: dict[str, Any]) -> None:
    traffic(pair)
    there = (await pair.upstream("get_message_metrics", "msg", **question)).structured()
    here = (await pair.local("get_message_metrics", **question)).structured()
    assert there == here


SEED = json.loads("""
{ "success": true,
  "data": { "metric": "messages.inbound.received", "granularity": "hour",
            "from": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z",
            "buckets": [ { "bucket_start": "2026-05-05T00:00:00Z", "value": 14 },
                         { "bucket_start": "2026-05-05T01:00:00Z", "value": 9 },
                         { "bucket_start": "2026-05-06T00:00:00Z", "value": null } ] },
  "meta": { "as_of": "2026-05-05T23:59:43Z", "limit": 1000, "next_cursor": null } }
""")
"""The vendor's page, to the letter: its last bucket begins where the window ends."""
SENT = MessagesRequest.model_validate({"metric": "sent"})
BY_CHANNEL = MessagesRequest.model_validate({"metric": "sent", "group_by": "channel"})


def test_the_seed_sample_is_read_without_the_bucket_at_its_end() -> None:
    table = decode(SENT, [SEED])
    assert (len(table.edges) - 1, list(table.at), table.values) == (24, [0, 1], {"value": [14, 9]})
    assert table.total == {"value": 23}
    assert table.as_of == at("2026-05-05T23:59") + 43_000
    assert table.exact is None


def shaped(*buckets: Any, as_of: str | None = "2026-05-06T00:00:00Z") -> Any:
    """A page of those buckets."""
    return SEED | {"data": {**SEED["data"], "buckets": list(buckets)}, "meta": {"as_of": as_of, "next_cursor": None}}


@pytest.mark.parametrize(
    "groups",
    [
        [{"key": "sms", "value": 3}, {"key": None, "value": 1}],
        {"sms": 3, None: 1},
        [{"key": "sms", "value": "3"}, {"key": None, "value": "1"}],
    ],
    ids=["a list", "a map", "numbers as strings"],
)
def test_groups_are_read_in_every_form(groups: Any) -> None:
    table = decode(BY_CHANNEL, [shaped({"bucket_start": "2026-05-05T02:00:00Z", "groups": groups})])
    assert table.groups == [("sms",), (None,)]
    assert table.totals == {"value": [3, 1]}


def test_a_bucket_of_null_is_not_known_and_zero_is_zero() -> None:
    page = shaped(
        {"bucket_start": "2026-05-05T00:00:00Z", "value": 0},
        {"bucket_start": "2026-05-05T01:00:00Z", "value": None},
        as_of=None,
    )
    table = decode(SENT, [page])
    assert (list(table.at), table.values["value"], table.as_of) == ([0], [0], at("2026-05-05T01:00"))
    assert table.notes == (UNSTATED,)


def test_a_bucket_off_the_grid_that_is_stated_is_refused_and_not_dropped() -> None:
    page = shaped({"bucket_start": "2026-05-05T00:30:00Z", "value": 3})
    with pytest.raises(KeyError):
        decode(SENT, [page])


def test_the_next_page_is_asked_with_its_cursor() -> None:
    following = next_page(SENT, SEED | {"meta": {"next_cursor": "abc"}})
    assert following is not None
    _, _, query, _ = spelled(UPSTREAM.base_url, UPSTREAM.check[0], following)
    assert query == {"metric": "sent", "cursor": "abc"}
    assert next_page(SENT, SEED) is None


def test_a_full_page_that_says_nothing_of_a_next_one_is_not_passed_off_as_whole() -> None:
    short = SEED | {"meta": {"as_of": None, "limit": 1000}}
    assert next_page(SENT, short) is None
    with pytest.raises(ValueError, match="a full page without next_cursor"):
        next_page(SENT, short | {"meta": {"limit": len(SEED["data"]["buckets"])}})


def question(what: tuple[Any, Any], bucket: Bucket | None, group: str | None = None, *more: Filter) -> Query:
    """A Query about a metric of 2026-05-05."""
    found = COUNTED[what]
    window = Window(at("2026-05-05"), at("2026-05-06"))
    groups = (group,) if group else ()
    return Query(found.dataset, window, (found.measure,), bucket, groups, (*found.where, *more))


def test_requests_are_spelled_as_the_vendor_documents_them() -> None:
    asked = [
        plan([question(("outbound", "sent"), Bucket("hour"), "channel")], NOW),
        plan([question(("inbound", "received"), Bucket("minute", 5))], NOW),
        plan([question(("webhooks", "retried"), None, "http_status_class")], NOW),
    ]
    assert [spelled(UPSTREAM.base_url, each.endpoint, each.request)[:3] for each in asked] == snapshot(
        [
            (
                "GET",
                "https://api.agentmsg.io/v1/metrics/messages",
                {
                    "from": "2026-05-05T00:00:00Z",
                    "to": "2026-05-06T00:00:00Z",
                    "granularity": "hour",
                    "limit": "5000",
                    "metric": "sent",
                    "group_by": "channel",
                },
            ),
            (
                "GET",
                "https://api.agentmsg.io/v1/metrics/inbound",
                {
                    "from": "2026-05-05T00:00:00Z",
                    "to": "2026-05-06T00:00:00Z",
                    "granularity": "minute",
                    "limit": "5000",
                    "metric": "received",
                },
            ),
            (
                "GET",
                "https://api.agentmsg.io/v1/metrics/webhooks",
                {
                    "from": "2026-05-05T00:00:00Z",
                    "to": "2026-05-06T00:00:00Z",
                    "granularity": "day",
                    "limit": "5000",
                    "metric": "retried",
                    "group_by": "http_status_class",
                },
            ),
        ]
    )


CANNOT: dict[str, tuple[dict[str, Any], str]] = {
    "by agent": ({"metric": "sent", "group_by": "agent_id"}, "cannot group outbound by agent_id"),
    "by two": (
        {"metric": "failed", "group_by": ["channel", "error_code"]},
        "cannot group outbound by channel and error_code",
    ),
    "a filter": ({"metric": "sent", "filters": {"channel": "sms"}}, "cannot filter by channel"),
    "seconds": ({"metric": "sent", "interval": "10s", "start": "now-1h"}, "cannot cut time finer than whole minutes"),
}


@pytest.mark.parametrize(("words", "why"), CANNOT.values(), ids=CANNOT)
async def test_what_the_vendor_cannot_do_is_said(pair: Pair, words: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsupported) as refused:
        await pair.upstream("get_message_metrics", "msg", **words)
    assert refused.value.message == f"AgentMessage {why}."
    assert refused.value.hint


async def test_a_window_that_is_no_whole_buckets_is_widened_and_shown(pair: Pair) -> None:
    traffic(pair)
    answer = (await pair.upstream("get_message_metrics", "msg", metric="sent", start="now-3h")).structured()
    assert (answer["start"], answer["end"], answer["interval"]) == snapshot(
        ("2026-05-20T09:30Z", "2026-05-20T12:30Z", "5m")
    )
