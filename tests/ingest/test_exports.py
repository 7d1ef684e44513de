"""Exports of LangSmith, Langfuse and Helicone: told by their content, in any form, and each call counted once."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from agentgauge.ingest import helicone, langfuse, langsmith
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.formats import FORMATS, Format, recognised
from agentgauge.ingest.imports import import_sources
from agentgauge.ingest.sources import Source
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SENT_SCORES = Path(__file__).parents[1] / "fixtures/langfuse/scores.json"

Record = dict[str, Any]


def run(run_id: str, run_type: str, **fields: Any) -> Record:
    return {
        "id": run_id,
        "name": run_id,
        "run_type": run_type,
        "start_time": "2026-11-20T12:00:00.000000",
        "end_time": "2026-11-20T12:00:01.500000",
        "status": "success",
        "error": None,
        "trace_id": "trace-1",
        "dotted_order": f"20261120T120000000000Z{run_id}",
        "parent_run_id": "agent",
    } | fields


LANGSMITH = [
    run(
        "model",
        "llm",
        first_token_time="2026-11-20T12:00:00.250000",
        prompt_tokens=1_500,
        completion_tokens=25,
        total_cost="0.0001632",
        outputs={"usage_metadata": {"input_token_details": {"cache_read": 1_024}}},
        extra={
            "metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "thread_id": "t1", "user_id": "u1"}
        },
    ),
    run(
        "unpriced",
        "llm",
        outputs={"usage_metadata": {"input_tokens": 1_500, "output_tokens": 25}},
        extra={"invocation_params": {"model": "gpt-4o-mini"}, "metadata": {"ls_provider": "openai"}},
    ),
    run("search", "tool", status="error", error="no such page"),
    run("format", "parser"),
    run("unfinished", "llm", status="pending", end_time=None),
    run("agent", "chain", parent_run_id=None, prompt_tokens=3_000, completion_tokens=50, session_name="shop"),
]


def observation(observation_id: str, kind: str, **fields: Any) -> Record:
    return {
        "id": observation_id,
        "traceId": "trace-1",
        "type": kind,
        "name": observation_id,
        "startTime": "2026-11-20T12:00:00.000Z",
        "endTime": "2026-11-20T12:00:01.500Z",
        "parentObservationId": "root",
        "level": "DEFAULT",
    } | fields


def score(score_id: str, name: str, value: object, kind: str, **fields: Any) -> Record:
    about = {"id": score_id, "name": name, "value": value, "dataType": kind, "source": "API"}
    return about | {"timestamp": "2026-11-20T12:00:02.000Z", "traceId": "trace-1"} | fields


LANGFUSE = [
    observation("root", "SPAN", parentObservationId=None, isRootObservation=True),
    observation(
        "model",
        "GENERATION",
        providedModelName="gpt-4o-mini",
        usageDetails={"input": 476, "cache_read_input_tokens": 1_024, "output": 25, "total": 1_525},
        totalCost=0.0001632,
        timeToFirstToken=0.25,
        sessionId="s1",
        userId="u1",
    ),
    observation("search", "TOOL", level="ERROR", statusMessage="no such page"),
    observation("step", "SPAN"),
    observation("moderation", "GUARDRAIL"),
]
SCORES = [
    score("s1", "helpful", 0.9, "NUMERIC"),
    score("s2", "correct", False, "BOOLEAN"),
    score("s3", "tone", "friendly", "CATEGORICAL"),
]

HELICONE = [
    {
        "request_id": "r1",
        "request_created_at": "2026-11-20 12:00:00.000",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "provider": "OPENAI",
        "response_status": 200,
        "delay_ms": 1_500,
        "time_to_first_token": 250,
        "prompt_tokens": 1_500,
        "prompt_cache_read_tokens": 1_024,
        "prompt_cache_write_tokens": 0,
        "completion_tokens": 25,
        "total_tokens": 1_525,
        "cost": 0.0001632,
        "request_user_id": "u1",
        "request_properties": {"Helicone-Session-Id": "s1", "Helicone-Session-Name": "concierge", "plan": "pro"},
    },
    {
        "request_id": "r2",
        "request_created_at": "2026-11-20T12:00:05.000Z",
        "request_model": "claude-sonnet-4-5",
        "provider": "ANTHROPIC",
        "response_status": 200,
        "prompt_tokens": 12,
        "prompt_cache_read_tokens": 20_000,
        "prompt_cache_write_tokens": 150,
        "completion_tokens": 40,
        "total_tokens": 20_202,
    },
    {
        "request_id": "r3",
        "request_created_at": "2026-11-20T12:00:09.000Z",
        "request_model": "gpt-4o-mini",
        "provider": "OPENAI",
        "response_status": 429,
    },
    {
        "request_id": "r4",
        "request_created_at": "2026-11-20T12:00:10.000Z",
        "request_model": "gpt-4o-mini",
        "provider": "OPENAI",
        "response_status": -3,
    },
]


def lines(records: Iterable[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def events(decode: Callable[..., Iterable[Any]], records: Iterable[Record]) -> list[Record]:
    found = list(decode([("export.jsonl", lines(records).splitlines(keepends=True))]))
    assert not [each for each in found if isinstance(each, Rejected)]
    return [{name: value for name, value in each.items() if name != "call_rank"} for each in found]


def test_langsmith_runs() -> None:
    assert events(langsmith.decode, LANGSMITH) == snapshot(
        [
            {
                "type": "model_call",
                "id": "model",
                "ts": 1795176000000,
                "source": "langsmith",
                "call_key": "langsmith:model",
                "session_id": "t1",
                "user": "u1",
                "trace_id": "trace-1",
                "is_failure": False,
                "latency_ms": 1500,
                "provider": "openai",
                "model_name": "gpt-4o-mini",
                "input_tokens": 1500,
                "output_tokens": 25,
                "cache_read_tokens": 1024,
                "cost_usd": 0.0001632,
                "cache_write_tokens": 0,
                "cost_source": "reported",
                "request_type": "chat",
                "time_to_first_token_ms": 250,
                "metadata": {"name": "model", "run_type": "llm", "parent_run_id": "agent"},
                "agent_id": "agent",
                "agent_name": "agent",
            },
            {
                "type": "model_call",
                "id": "unpriced",
                "ts": 1795176000000,
                "source": "langsmith",
                "call_key": "langsmith:unpriced",
                "trace_id": "trace-1",
                "is_failure": False,
                "latency_ms": 1500,
                "provider": "openai",
                "model_name": "gpt-4o-mini",
                "input_tokens": 1500,
                "output_tokens": 25,
                "cache_read_tokens": 0,
                "cache_write_tokens": 0,
                "cost_usd": 0.00024,
                "cost_source": "computed",
                "request_type": "chat",
                "metadata": {"name": "unpriced", "run_type": "llm", "parent_run_id": "agent"},
                "agent_id": "agent",
                "agent_name": "agent",
            },
            {
                "type": "tool_call",
                "id": "search",
                "ts": 1795176000000,
                "source": "langsmith",
                "call_key": "langsmith:search",
                "trace_id": "trace-1",
                "is_failure": True,
                "latency_ms": 1500,
                "tool_name": "search",
                "metadata": {"name": "search", "run_type": "tool", "parent_run_id": "agent"},
                "agent_id": "agent",
                "agent_name": "agent",
            },
            {
                "type": "point",
                "id": "format",
                "ts": 1795176000000,
                "source": "langsmith",
                "call_key": "langsmith:format",
                "trace_id": "trace-1",
                "name": "langsmith.run.duration_ms",
                "kind": "histogram",
                "value": 1500,
                "labels": {"name": "format", "run_type": "parser"},
                "metadata": {"name": "format", "run_type": "parser", "parent_run_id": "agent"},
                "agent_id": "agent",
                "agent_name": "agent",
            },
            {
                "type": "request",
                "id": "agent",
                "ts": 1795176000000,
                "source": "langsmith",
                "call_key": "langsmith:agent",
                "trace_id": "trace-1",
                "is_failure": False,
                "latency_ms": 1500,
                "input_tokens": 3000,
                "output_tokens": 50,
                "account": "default",
                "agent_framework": "langsmith",
                "agent_id": "agent",
                "agent_name": "agent",
                "metadata": {"name": "agent", "project": "shop", "run_type": "chain"},
            },
        ]
    )


def test_langfuse_observations() -> None:
    assert events(langfuse.decode, LANGFUSE) == snapshot(
        [
            {
                "type": "model_call",
                "id": "model",
                "ts": 1795176000000,
                "source": "langfuse",
                "call_key": "langfuse:model",
                "session_id": "s1",
                "user": "u1",
                "trace_id": "trace-1",
                "latency_ms": 1500,
                "is_failure": False,
                "model_name": "gpt-4o-mini",
                "input_tokens": 1500,
                "output_tokens": 25,
                "cache_read_tokens": 1024,
                "cost_usd": 0.0001632,
                "cache_write_tokens": 0,
                "cost_source": "reported",
                "request_type": "chat",
                "time_to_first_token_ms": 250.0,
                "metadata": {
                    "name": "model",
                    "type": "GENERATION",
                    "level": "DEFAULT",
                    "parent_observation_id": "root",
                },
                "agent_id": "root",
                "agent_name": "root",
            },
            {
                "type": "tool_call",
                "id": "search",
                "ts": 1795176000000,
                "source": "langfuse",
                "call_key": "langfuse:search",
                "trace_id": "trace-1",
                "latency_ms": 1500,
                "is_failure": True,
                "tool_name": "search",
                "metadata": {
                    "name": "search",
                    "type": "TOOL",
                    "level": "ERROR",
                    "status_message": "no such page",
                    "parent_observation_id": "root",
                },
                "agent_id": "root",
                "agent_name": "root",
            },
            {
                "type": "request",
                "id": "root",
                "ts": 1795176000000,
                "source": "langfuse",
                "call_key": "langfuse:root",
                "trace_id": "trace-1",
                "latency_ms": 1500,
                "is_failure": False,
                "account": "default",
                "agent_framework": "langfuse",
                "agent_id": "root",
                "agent_name": "root",
                "metadata": {"name": "root", "type": "SPAN", "level": "DEFAULT"},
            },
            {
                "type": "point",
                "id": "step",
                "ts": 1795176000000,
                "source": "langfuse",
                "call_key": "langfuse:step",
                "trace_id": "trace-1",
                "name": "langfuse.observation.duration_ms",
                "kind": "histogram",
                "value": 1500,
                "labels": {"name": "step", "type": "SPAN"},
                "metadata": {"name": "step", "type": "SPAN", "level": "DEFAULT", "parent_observation_id": "root"},
                "agent_id": "root",
                "agent_name": "root",
            },
            {
                "type": "guardrail_check",
                "id": "moderation",
                "ts": 1795176000000,
                "source": "langfuse",
                "call_key": "langfuse:moderation",
                "trace_id": "trace-1",
                "latency_ms": 1500,
                "guardrail_name": "moderation",
                "metadata": {
                    "name": "moderation",
                    "type": "GUARDRAIL",
                    "level": "DEFAULT",
                    "parent_observation_id": "root",
                },
                "agent_id": "root",
                "agent_name": "root",
            },
        ]
    )


def test_langfuse_scores() -> None:
    assert [(each["name"], each["value"], each.get("labels")) for each in events(langfuse.decode, SCORES)] == [
        ("helpful", 0.9, None),
        ("correct", 0, None),
        ("tone", 1, {"value": "friendly"}),
    ]


def test_an_agent_below_the_root_of_a_trace_is_its_run() -> None:
    records = [*LANGFUSE, observation("concierge", "AGENT"), observation("other", "SPAN", traceId="trace-2")]
    found = events(langfuse.decode, records)
    assert [each["agent_name"] for each in found if each["type"] == "request"] == ["concierge"]
    (call,) = (each for each in found if each["type"] == "model_call")
    assert call["agent_name"] == "concierge"


def test_helicone_requests() -> None:
    assert events(helicone.decode, HELICONE) == snapshot(
        [
            {
                "type": "model_call",
                "id": "r1",
                "ts": 1795176000000,
                "source": "helicone",
                "call_key": "helicone:r1",
                "request_type": "chat",
                "provider": "openai",
                "model_name": "gpt-4o-mini-2024-07-18",
                "http_status": 200,
                "latency_ms": 1500.0,
                "time_to_first_token_ms": 250.0,
                "input_tokens": 1500,
                "output_tokens": 25,
                "cache_read_tokens": 1024,
                "cache_write_tokens": 0,
                "cost_usd": 0.0001632,
                "user": "u1",
                "session_id": "s1",
                "agent_name": "concierge",
                "agent_id": "concierge",
                "metadata": {"Helicone-Session-Id": "s1", "Helicone-Session-Name": "concierge", "plan": "pro"},
                "is_failure": False,
                "cost_source": "reported",
            },
            {
                "type": "model_call",
                "id": "r2",
                "ts": 1795176005000,
                "source": "helicone",
                "call_key": "helicone:r2",
                "request_type": "chat",
                "provider": "anthropic",
                "model_name": "claude-sonnet-4-5",
                "http_status": 200,
                "input_tokens": 20162,
                "output_tokens": 40,
                "cache_read_tokens": 20000,
                "cache_write_tokens": 150,
                "is_failure": False,
                "cost_usd": 0.0071985,
                "cost_source": "computed",
            },
            {
                "type": "model_call",
                "id": "r3",
                "ts": 1795176009000,
                "source": "helicone",
                "call_key": "helicone:r3",
                "request_type": "chat",
                "provider": "openai",
                "model_name": "gpt-4o-mini",
                "http_status": 429,
                "is_failure": True,
                "error_code": "429",
            },
            {
                "type": "model_call",
                "id": "r4",
                "ts": 1795176010000,
                "source": "helicone",
                "call_key": "helicone:r4",
                "request_type": "chat",
                "provider": "openai",
                "model_name": "gpt-4o-mini",
                "is_failure": True,
                "error_code": "-3",
            },
        ]
    )


# The forms of a file


def pages(name: str) -> Callable[[list[Record]], bytes]:
    """The pages of an API, each on a line."""
    return lambda records: lines([{name: records[:1], "meta": {}}, {name: records[1:]}])


def csv_of(records: list[Record]) -> bytes:
    import csv
    import io

    names = list(dict.fromkeys(name for record in records for name in record))
    written = io.StringIO()
    writer = csv.DictWriter(written, names)
    writer.writeheader()
    for record in records:
        writer.writerow({name: json.dumps(v) if isinstance(v, dict) else v for name, v in record.items()})
    return written.getvalue().encode()


FORMS: dict[str, Callable[[list[Record]], bytes]] = {
    "lines": lines,
    "array": lambda records: json.dumps(records).encode(),
    "indented array": lambda records: json.dumps(records, indent=2).encode(),
    "data pages": pages("data"),
    "run pages": pages("runs"),
    "indented page": lambda records: json.dumps({"data": records, "meta": {}}, indent=2).encode(),
}
EXPORTS: dict[str, tuple[list[Record], dict[str, int]]] = {
    "LangSmith runs": (LANGSMITH, {"model_calls": 2, "tool_calls": 1, "points": 1, "requests": 1}),
    "Langfuse export": (
        LANGFUSE + SCORES,
        {"model_calls": 1, "tool_calls": 1, "requests": 1, "points": 4, "guardrail_checks": 1},
    ),
    "Helicone requests": (HELICONE, {"model_calls": 4}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("title", EXPORTS)
def test_an_export_is_told_and_taken_in_any_form(tmp_path: Path, title: str, form: str) -> None:
    records, expected = EXPORTS[title]
    path = tmp_path / "whatever"
    path.write_bytes(FORMS[form](records))
    _taken(path, title, expected)


def test_a_csv_of_helicone_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "whatever"
    path.write_bytes(csv_of(HELICONE))
    _taken(path, "Helicone requests", {"model_calls": 4})
    with sqlite3.connect(tmp_path / "store.db") as connection:
        sums = "select sum(input_tokens), sum(output_tokens), count(session_id), sum(is_failure) from model_calls"
        assert connection.execute(sums).fetchall() == [(21_662, 65, 1, 2)]


def _taken(path: Path, title: str, expected: dict[str, int]) -> None:
    form = recognised(path.read_bytes().split(b"\n")[:50])
    assert form is not None
    assert form.title == title
    with SqliteSink(path.with_name("store.db"), clock=lambda: 1_795_219_200_000) as sink:
        first = import_sources([Source(path.name, path)], sink)
        again = import_sources([Source(path.name, path)], sink)
    assert first.rejections == []
    assert first.datasets == expected
    assert (first.accepted, again.accepted) == (sum(expected.values()), 0)


def test_scores_as_the_sdk_sends_them_are_an_export_too(tmp_path: Path) -> None:
    with SqliteSink(tmp_path / "store.db", clock=lambda: 1_795_219_200_000) as sink:
        assert import_sources([Source("scores", SENT_SCORES)], sink).datasets == {"points": 1}
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("select name, value from points").fetchall() == [("helpful", 0.9)]


@pytest.mark.parametrize("form", [each for each in FORMATS if each.title in EXPORTS], ids=lambda form: form.title)
def test_what_is_no_record_is_rejected_and_the_rest_is_taken(form: Format) -> None:
    records, _ = EXPORTS[form.title]
    whole = lines(records[:1]).splitlines(keepends=True)
    found = list(form.decode([("export.jsonl", [*whole, b"no JSON\n", b"5\n", b'{"a": 1}\n'])]))
    assert len([each for each in found if isinstance(each, Rejected)]) == 3
    assert len(found) == 4
