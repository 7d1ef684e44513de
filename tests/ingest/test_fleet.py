"""What the synthetic fleet and the example lines promise: documented fields, one order, the planted stories."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentgauge.core.catalog import DATASETS
from agentgauge.ingest.fleet import fleet
from agentgauge.ingest.fleet_model import BURST_AGO, BURST_LENGTH, DAY, MINUTE, MOVED_AGO

Event = dict[str, Any]

EXAMPLES = Path(__file__).parents[2] / "examples" / "events.jsonl"
END = 1_777_982_400_000  # 2026-05-05T12:00Z, a Tuesday
ENDS = [END, END + 15 * 3_600_000, END + 4 * DAY + 7 * 3_600_000 + 123]  # noon, the next night, a Saturday evening

# Design section 3, each type's own fields.
_COMMON = "type id ts agent_id agent_name session_id user team virtual_account conversation_id trace_id metadata"
FIELDS = {
    "message": "message_id direction channel status error_code cost_cents number_id segments",
    "call": "direction status duration_seconds number_id cost_cents",
    "webhook": "endpoint_id kind status http_status",
    "request": "account agent_framework agent_server_type is_failure http_status error_type latency_ms input_tokens "
    "output_tokens cost_usd",
    "model_call": "provider model_name provider_model_name virtual_model_name request_type provider_account_type "
    "error_code is_failure http_status latency_ms time_to_first_token_ms inter_token_latency_ms "
    "time_per_output_token_ms input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_1h_tokens "
    "reasoning_tokens cost_usd cost_source cache_status cache_type cache_namespace cache_lookup_latency_ms "
    "potential_cost_savings",
    "tool_call": "mcp_server_name method tool_name is_failure http_status error_code latency_ms",
    "guardrail_check": "guardrail_name applied_on_entity_scope result latency_ms",
    "routing_decision": "config_type status loadbalance_rule_id ratelimit_rule_id budget_rule_id requested_model "
    "target_model loadbalance_target_attempt_count",
    "point": "name kind value labels environment_id",
    "agent": "name account",
    "number": "phone_number country status agent_id",
    "as_of": "dataset",
}
ALLOWED = {kind: {*own.split(), *_COMMON.split()} for kind, own in FIELDS.items()}
VALUES = {
    ("message", "direction"): {"outbound", "inbound"},
    ("message", "status"): {"queued", "sending", "sent", "delivered", "read", "failed", "undelivered", "received"},
    ("call", "status"): {"completed", "failed", "busy", "no_answer", "canceled", "in_progress"},
    ("webhook", "status"): {"delivered", "failed", "retried"},
    ("model_call", "cost_source"): {"reported", "computed"},
    ("guardrail_check", "result"): {"pass", "fail", "error"},
    ("point", "kind"): {"counter", "gauge", "histogram"},
    ("number", "status"): {"active", "released"},
    ("as_of", "dataset"): {dataset.name for dataset in DATASETS},
}


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(fleet(END))


def examples() -> list[Event]:
    return [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]


def of_type(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def check_documented(events: list[Event]) -> None:
    """Nothing but documented fields and values, and nothing sent as null."""
    assert {(event["type"], field) for event in events for field in event.keys() - ALLOWED[event["type"]]} == set()
    for (kind, field), values in VALUES.items():
        assert {event[field] for event in of_type(events, kind) if field in event} <= values, (kind, field)
    assert all(None not in event.values() and next(iter(event)) == "type" for event in events)


def check_unique(events: list[Event]) -> None:
    keys = Counter((event["type"], event["id"], event["ts"]) for event in events)
    assert keys.most_common(1)[0][1] == 1


def test_the_same_arguments_give_the_same_events(events: list[Event]) -> None:
    assert list(fleet(END)) == events


def test_another_seed_gives_other_events(events: list[Event]) -> None:
    assert list(fleet(END, seed=8)) != events


def test_events_carry_documented_fields_and_values_only(events: list[Event]) -> None:
    check_documented(events)


def test_events_are_json(events: list[Event]) -> None:
    assert json.loads(json.dumps(events, allow_nan=False)) == events


def test_ids_are_unique_within_type_and_instant(events: list[Event]) -> None:
    check_unique(events)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("days", [1, 4, 30])
def test_events_come_in_time_order_from_the_start_to_just_before_the_end(end: int, days: int) -> None:
    instants = [event["ts"] for event in fleet(end, days=days) if event["type"] != "as_of"]
    assert instants == sorted(instants)
    assert instants[0] == end - days * DAY
    assert end - MINUTE < instants[-1] < end


def test_the_last_lines_say_that_every_dataset_is_known_up_to_the_end(events: list[Event]) -> None:
    last = events[-len(DATASETS) :]
    assert [(event["type"], event["ts"], event["dataset"]) for event in last] == [
        ("as_of", END, dataset.name) for dataset in DATASETS
    ]


def test_every_dataset_has_events_every_day_and_about_sixty_thousand_in_all(events: list[Event]) -> None:
    counted = [event for event in events if event["type"] not in ("agent", "number", "as_of")]
    assert 55_000 < len(counted) < 70_000
    days = Counter((event["type"], (END - event["ts"] - 1) // DAY) for event in counted)
    assert all(days[kind, day] > 5 for kind in FIELDS.keys() - {"agent", "number", "as_of"} for day in range(30))


def test_the_fleet_is_eight_agents_and_some_traffic_of_nobody(events: list[Event]) -> None:
    registered = {event["id"] for event in of_type(events, "agent")}
    assert len(registered) == 8
    assert {event.get("agent_id") for event in events} == registered | {None}
    assert any("agent_id" not in event for event in of_type(events, "message"))


def test_every_number_is_fictional_and_a_released_one_falls_silent(events: list[Event]) -> None:
    numbers = of_type(events, "number")
    assert all(number["phone_number"][5:10] == "55501" and len(number["phone_number"]) == 12 for number in numbers)
    (released,) = (number for number in numbers if number["status"] == "released")
    used = [
        event["ts"]
        for event in of_type(events, "message")
        if event.get("number_id") == released["id"] and event["status"] == "queued"
    ]
    assert used
    assert max(used) < released["ts"] + 30 * MINUTE  # a conversation begun before it may end after


def test_a_message_lives_from_queued_on_and_costs_only_when_sent(events: list[Event]) -> None:
    lives: dict[str, list[Event]] = {}
    for event in of_type(events, "message"):
        assert event["id"] == f"{event['message_id']}:{event['status']}"
        lives.setdefault(event["message_id"], []).append(event)
    assert {life[0]["status"] for life in lives.values()} == {"queued", "received"}
    assert {event["status"] for life in lives.values() for event in life if "cost_cents" in event} == {
        "sent",
        "received",
    }
    failing = [event["status"] for life in lives.values() for event in life if "error_code" in event]
    assert set(failing) == {"failed", "undelivered"}


def test_a_request_sums_up_the_model_calls_of_its_trace(events: list[Event]) -> None:
    calls: dict[str, list[Event]] = {}
    for call in of_type(events, "model_call"):
        calls.setdefault(call["trace_id"], []).append(call)
        assert call.get("cache_read_tokens", 0) + call.get("cache_write_tokens", 0) <= call.get("input_tokens", 0)
    requests = of_type(events, "request")
    assert {request["trace_id"] for request in requests} == calls.keys()
    for request in requests:
        made = calls[request["trace_id"]]
        assert request["input_tokens"] == sum(call.get("input_tokens", 0) for call in made)
        assert abs(request["cost_usd"] - sum(call.get("cost_usd", 0) for call in made)) < 1e-6


def test_about_two_in_a_hundred_model_calls_fail(events: list[Event]) -> None:
    calls = of_type(events, "model_call")
    failed = [call for call in calls if call["is_failure"]]
    assert 0.01 < len(failed) / len(calls) < 0.03
    assert all("error_code" in call and call["http_status"] >= 400 for call in failed)


def test_weekends_are_quiet_and_night_watch_works_while_support_sleeps(events: list[Event]) -> None:
    runs = [
        (run.get("agent_name"), datetime.fromtimestamp(run["ts"] / 1000, UTC)) for run in of_type(events, "request")
    ]
    assert sum(when.weekday() >= 5 for _, when in runs) / len(runs) < 0.2

    def by_night(agent: str) -> float:
        hours = [when.hour for name, when in runs if name == agent]
        return sum(hour >= 19 or hour < 7 for hour in hours) / len(hours)

    assert by_night("Night watch") > 0.7
    assert by_night("Support Alpha") < 0.2


@pytest.mark.parametrize("end", ENDS)
def test_research_moved_to_a_model_that_made_its_runs_four_times_as_dear(end: int) -> None:
    events, moved = list(fleet(end)), end - MOVED_AGO
    research = [event for event in events if event.get("agent_name") == "Research"]
    calls = of_type(research, "model_call")
    assert {call["model_name"] for call in calls if call["ts"] < moved} == {"claude-haiku-4-5"}
    settled = moved + 10 * MINUTE  # the runs begun before keep their model
    assert {call["model_name"] for call in calls if call["ts"] >= settled} == {"claude-opus-4-6"}
    runs = of_type(research, "request")
    before, after = [run for run in runs if run["ts"] < moved], [run for run in runs if run["ts"] >= moved]

    def a_run(runs: list[Event], field: str) -> float:
        return sum(run[field] for run in runs) / len(runs)

    assert a_run(after, "cost_usd") > 4 * a_run(before, "cost_usd")
    assert 0.75 < a_run(after, "input_tokens") / a_run(before, "input_tokens") < 1.25


@pytest.mark.parametrize("end", ENDS)
def test_whatsapp_failed_with_63016_for_three_hours_and_at_no_other_time(end: int) -> None:
    began = end - BURST_AGO
    last_return = began + BURST_LENGTH + 5 * MINUTE
    whatsapp = [event for event in fleet(end) if event.get("channel") == "whatsapp"]
    returned = [event for event in whatsapp if event.get("error_code") == "63016"]
    assert len(returned) > 100
    assert all(began <= event["ts"] < last_return for event in returned)
    assert {event.get("metadata", {}).get("campaign") for event in returned} >= {"win_back"}

    def failing(events: list[Event]) -> float:
        ends = Counter(event["status"] for event in events)
        return ends["undelivered"] / ends["sent"]

    assert failing([event for event in whatsapp if began <= event["ts"] < last_return]) > 0.7
    assert failing([event for event in whatsapp if not began <= event["ts"] < last_return]) < 0.1


def test_the_examples_show_every_type_and_every_message_status() -> None:
    lines = examples()
    assert {line["type"] for line in lines} == FIELDS.keys()
    assert {line["status"] for line in of_type(lines, "message")} == VALUES["message", "status"]


def test_the_examples_are_documented_lines_of_one_day_with_an_offset() -> None:
    lines = examples()
    check_documented(lines)
    check_unique(lines)
    instants = [datetime.fromisoformat(line["ts"]) for line in lines]
    assert {(instant.date().isoformat(), instant.tzinfo is None) for instant in instants} == {("2026-05-05", False)}
