"""Whole answers as a model reads them, in both forms, for the main shapes."""

from __future__ import annotations

from inline_snapshot import snapshot
from world import NOW, World, event, known_until, sent

HOUR_OF_SMS = {"metric": "sent", "start": "2026-05-05T00:00Z", "end": "2026-05-05T04:00Z", "interval": "1h"}


def messages(world: World) -> World:
    """A few messages on three channels, known until half past two."""
    world.give(
        *(
            sent(f"2026-05-05T0{hour}:10", channel)
            for hour, channel in ((0, "sms"), (0, "sms"), (1, "mms"), (2, "sms"))
        ),
        sent("2026-05-05T01:10", None),
        sent("2026-05-04T21:00", "sms"),
        known_until("messages", "2026-05-05T02:30"),
    )
    return world


async def test_series_by_channel_with_an_unfinished_bucket_other_and_a_comparison(world: World) -> None:
    asked = HOUR_OF_SMS | {"group_by": "channel", "limit": 2, "compare_to": "prior_period"}
    answer = await messages(world).ask("get_message_metrics", **asked)
    assert answer.text() == snapshot("""\
messages sent by channel, 2026-05-05 00:00 to 2026-05-05 04:00 UTC, as of 02:30, exact
total 5; prior period 1 (+300.0 %, now 4), 2026-05-04 20:00 to 2026-05-04 22:00 against the same part of this period
channel,total,peak,partial,hourly from 00:00
sms,3,2@00,1,2,0,-,-
mms,1,1@01,0,0,1,-,-
other(1),1,-,0,0,1,-,-\
""")
    assert answer.structured() == snapshot(
        {
            "title": "messages sent by channel",
            "start": "2026-05-05T00:00Z",
            "end": "2026-05-05T04:00Z",
            "interval": "1h",
            "as_of": "2026-05-05T02:30Z",
            "total": 5,
            "prior": {
                "total": 1,
                "change": 3.0,
                "start": "2026-05-04T20:00Z",
                "end": "2026-05-04T22:00Z",
                "compared_with": 4,
            },
            "columns": ["channel", "total", "peak", "partial", "values"],
            "rows": [["sms", 3, "2@00", 1, [2, 0, None, None]], ["mms", 1, "1@01", 0, [0, 1, None, None]]],
            "other": {"groups": 1, "total": 1, "partial": 0, "values": [0, 1, None, None]},
        }
    )


async def test_one_series_coarsened_to_a_small_budget(world: World) -> None:
    asked = {"metric": "sent", "start": "2026-05-05", "end": "2026-05-05", "interval": "5m", "budget": 150}
    answer = await messages(world).ask("get_message_metrics", **asked)
    assert answer.text() == snapshot("""\
messages sent, 2026-05-05 00:00 to 2026-05-06 00:00 UTC, as of 02:30, exact
total 5
total,partial,every 2h from 00:00
5,1,4,-,-,-,-,-,-,-,-,-,-,-
note: interval coarsened from 5m to 2h to fit a budget of 150 tokens
finer: 5m: about 400 tokens\
""")
    assert answer.structured() == snapshot(
        {
            "title": "messages sent",
            "start": "2026-05-05T00:00Z",
            "end": "2026-05-06T00:00Z",
            "interval": "2h",
            "as_of": "2026-05-05T02:30Z",
            "total": 5,
            "columns": ["total", "partial", "values"],
            "rows": [[5, 1, [4, None, None, None, None, None, None, None, None, None, None, None]]],
            "notes": ["interval coarsened from 5m to 2h to fit a budget of 150 tokens"],
            "finer": "5m: about 400 tokens",
        }
    )


async def test_usage_by_agent_with_the_unassigned(world: World) -> None:
    world.give(
        event("agent", NOW, id="a1", name="Support"),
        sent("2026-05-19T10:00", agent_id="a1"),
        event("call", "2026-05-19T10:00", status="completed", duration_seconds=61.5, agent_id="a1"),
        event(
            "model_call", "2026-05-19T10:00", agent_id="a1", input_tokens=1_000, cache_read_tokens=800, cost_usd=0.0125
        ),
        sent("2026-05-19T10:00"),
    )
    answer = await world.ask("usage_by_agent", period="week", tz="America/New_York")
    assert answer.text() == snapshot("""\
usage by agent, this week, 2026-05-18 00:00 to 2026-05-25 00:00 America/New_York, as of 2026-05-19 06:00, exact
total messages 2, calls 1, call_seconds 61.5, model_calls 1, input_tokens 1000, cache_read_tokens 800, cost_usd 0.0125
agent,messages,calls,call_seconds,model_calls,input_tokens,cache_read_tokens,cost_usd
Support,1,1,61.5,1,1000,800,0.0125
-,1,0,0,0,0,0,0
note: the row without agent is the unassigned\
""")
    assert answer.structured() == snapshot(
        {
            "title": "usage by agent, this week",
            "start": "2026-05-18T00:00-04:00",
            "end": "2026-05-25T00:00-04:00",
            "tz": "America/New_York",
            "as_of": "2026-05-19T06:00-04:00",
            "total": {
                "messages": 2,
                "calls": 1,
                "call_seconds": 61.5,
                "model_calls": 1,
                "input_tokens": 1000,
                "cache_read_tokens": 800,
                "cost_usd": 0.0125,
            },
            "columns": [
                "agent",
                "messages",
                "calls",
                "call_seconds",
                "model_calls",
                "input_tokens",
                "cache_read_tokens",
                "cost_usd",
            ],
            "rows": [["Support", 1, 1, 61.5, 1, 1000, 800, 0.0125], [None, 1, 0, 0, 0, 0, 0, 0]],
            "notes": ["the row without agent is the unassigned"],
        }
    )


async def test_a_distribution_with_measures_of_several_kinds(world: World) -> None:
    latencies = {"gpt": (120.5, 480.25, 1_999.5), "opus": (2_400.0,)}
    world.give(
        *(
            event("model_call", "2026-05-05T01:00", model_name=name, latency_ms=latency, cost_usd=latency / 1e6)
            for name, each in latencies.items()
            for latency in each
        )
    )
    aggregations = [{"type": "p95", "column": "latencyMs"}, {"type": "sum", "column": "costInUSD"}]
    asked = {"datasource": "modelMetrics", "groupBy": ["modelName"], "aggregations": aggregations}
    answer = await world.ask("query_datapoints", **asked, start="2026-05-05", end="2026-05-05")
    assert answer.text() == snapshot("""\
modelMetrics by modelName, 2026-05-05 00:00 to 2026-05-06 00:00 UTC, as of 01:00, exact
total total 4, p95LatencyMs 2400, sumCostInUSD 0.005
modelName,total,p95LatencyMs,sumCostInUSD
gpt,3,2000,0.0026
opus,1,2400,0.0024\
""")
    assert answer.structured() == snapshot(
        {
            "title": "modelMetrics by modelName",
            "start": "2026-05-05T00:00Z",
            "end": "2026-05-06T00:00Z",
            "as_of": "2026-05-05T01:00Z",
            "total": {"total": 4, "p95LatencyMs": 2400.0, "sumCostInUSD": 0.0050002499999999995},
            "columns": ["modelName", "total", "p95LatencyMs", "sumCostInUSD"],
            "rows": [["gpt", 3, 1999.5, 0.00260025], ["opus", 1, 2400.0, 0.0024]],
        }
    )


async def test_what_is_here(world: World) -> None:
    answer = await messages(world).ask("describe_metrics", tz="Europe/Berlin")
    assert answer.text() == snapshot("""\
datasets
now: 2026-05-20T14:30+02:00
zone: Europe/Berlin
sources: local
empty: calls, webhooks, requests, model_calls, tool_calls, guardrail_checks, routing_decisions, points
dataset,events,first,last,as_of
messages,6,2026-05-04T23:00+02:00,2026-05-05T04:10+02:00,2026-05-05T04:30+02:00
note: dataset=<name> shows its fields\
""")
    assert answer.structured() == snapshot(
        {
            "title": "datasets",
            "now": "2026-05-20T14:30+02:00",
            "zone": "Europe/Berlin",
            "sources": ["local"],
            "empty": [
                "calls",
                "webhooks",
                "requests",
                "model_calls",
                "tool_calls",
                "guardrail_checks",
                "routing_decisions",
                "points",
            ],
            "columns": ["dataset", "events", "first", "last", "as_of"],
            "rows": [["messages", 6, "2026-05-04T23:00+02:00", "2026-05-05T04:10+02:00", "2026-05-05T04:30+02:00"]],
            "notes": ["dataset=<name> shows its fields"],
        }
    )


async def test_an_axis_of_irregular_buckets_is_listed(world: World) -> None:
    world.give(sent("2011-12-29T12:00"), sent("2011-12-31T12:00"), known_until("messages", NOW))
    asked = {"metric": "sent", "start": "2011-12-28", "end": "2012-01-01", "interval": "2d", "tz": "Pacific/Apia"}
    answer = await world.ask("get_message_metrics", **asked)
    assert answer.text() == snapshot("""\
messages sent, 2011-12-28 00:00 to 2012-01-03 00:00 Pacific/Apia, as of 2026-05-21 01:30, exact
total 2
edges: 2011-12-28T00:00-10:00, 2011-12-31T00:00+14:00, 2012-01-01T00:00+14:00, 2012-01-03T00:00+14:00
total,peak,every 2d from 2011-12-28
2,1@12-28,1,0,1\
""")
    assert answer.structured() == snapshot(
        {
            "title": "messages sent",
            "start": "2011-12-28T00:00-10:00",
            "end": "2012-01-03T00:00+14:00",
            "tz": "Pacific/Apia",
            "interval": "2d",
            "edges": [
                "2011-12-28T00:00-10:00",
                "2011-12-31T00:00+14:00",
                "2012-01-01T00:00+14:00",
                "2012-01-03T00:00+14:00",
            ],
            "as_of": "2026-05-21T01:30+13:00",
            "total": 2,
            "columns": ["total", "peak", "values"],
            "rows": [[2, "1@12-28", [1, 0, 1]]],
        }
    )
