"""Values of every type and every malice: they are read where they fit, kept within limits, and never cost a record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp_world import NOON_NS, World, dotted, event, events, log, span

from agentgauge.core.catalog import LABELS, NAME_LENGTH, VALUE_LENGTH
from agentgauge.ingest.check import check
from agentgauge.ingest.otlp.mapping import coerce
from agentgauge.ingest.otlp.mapping.conventions import SPANS
from agentgauge.ingest.otlp.mapping.logs import LOGS

NAMES = sorted({name for each in (*SPANS, *LOGS) for names in each.fields.values() for name in names})
MARKS = sorted({name for each in SPANS for name in each.marks})
SCOPES = ["", *sorted({scope for each in (*SPANS, *LOGS) for scope in each.scopes})]
ROLES = sorted(
    {role for each in (*SPANS, *LOGS) for role in each.roles} | {"chat", "tool", "agent", "LLM", "generation"}
)

anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from(ROLES)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
attributes = st.dictionaries(st.sampled_from([*NAMES, *MARKS]) | st.text(max_size=200), anything, max_size=70)


@given(scope=st.sampled_from(SCOPES), name=st.sampled_from(ROLES) | st.text(max_size=300), given=attributes)
def test_no_value_of_any_attribute_makes_a_span_or_a_record_fail(scope: str, name: str, given: dict[str, Any]) -> None:
    reported = span(name, scope=scope)._replace(attributes=given)
    record = log(name, scope=scope)._replace(attributes={"event.name": name, **given}, body=given)
    for each in (*events(reported), *events(record)):
        check(each)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (9_007_199_254_740_993, 9_007_199_254_740_993),
        ("9007199254740993", 9_007_199_254_740_993),
        (79.0, 79),
        ("79", 79),
        ("79.0", 79),
        (0, 0),
        (True, None),
        (-1, None),
        (2**63, None),
        (1.5, None),
        (float("nan"), None),
        (float("inf"), None),
        ("many", None),
        ("", None),
        (None, None),
        ([1], None),
    ],
)
def test_a_count_is_read_from_every_type_it_arrives_in(value: Any, number: int | None) -> None:
    assert coerce.count(value) == number


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), ("true", True), ("False", False), (0, False), ("1", True), ("maybe", None), (None, None), (2, None)],
)
def test_a_flag_is_read_from_every_type_it_arrives_in(value: Any, flag: bool | None) -> None:
    assert coerce.flag(value) is flag


@pytest.mark.parametrize(
    ("value", "words"),
    [(["stop"], "stop"), ('["stop","length"]', "stop,length"), ("stop", "stop"), ("[broken", "[broken"), ([], None)],
)
def test_a_list_of_words_is_read_from_every_type_it_arrives_in(value: Any, words: str | None) -> None:
    assert coerce.words(value) == words


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("openai.chat", "openai"),
        ("OpenAI", "openai"),
        ("aws.bedrock", "aws.bedrock"),
        ("azure.ai.openai", "azure.ai.openai"),
    ],
)
def test_a_provider_has_one_spelling(value: str, name: str) -> None:
    assert coerce.provider(value) == name


def test_a_number_that_does_not_fit_is_kept_as_metadata_and_the_next_name_is_asked() -> None:
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": -5, "gen_ai__usage__prompt_tokens": "7"}
    call = event(span(gen_ai__operation__name="chat", **usage))
    assert call["input_tokens"] == 7
    assert call["metadata"]["gen_ai.usage.input_tokens"] == "-5"


def test_what_no_field_takes_is_kept_within_limits() -> None:
    many: dict[str, Any] = {f"key.{number:03}": "v" for number in range(100)}
    kept = event(span("chat", **dotted({"n" * 500: "x" * 5_000, "gen_ai__operation__name": "chat"}) | many))["metadata"]
    assert len(kept) == LABELS
    assert (max(map(len, kept)), max(map(len, kept.values()))) == (NAME_LENGTH, VALUE_LENGTH)
    assert kept["dropped_attributes"] == str(100 + 2 - LABELS + 1)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.input.messages",
        "gen_ai.prompt.0.content",
        "llm.input_messages.1.message.content",
        "output.value",
        "ai.prompt.messages",
        "ai.toolCall.result",
        "traceloop.entity.input",
        "langfuse.observation.output",
        "gcp.vertex.agent.llm_request",
        "pydantic_ai.all_messages",
        "llm.openai.messages",
    ],
)
def test_what_was_said_is_not_kept(name: str) -> None:
    said: dict[str, Any] = {name: "secret"}
    kept = event(span("x", kept="yes", **said))["metadata"]
    assert kept == {"service.name": "shop", "kept": "yes"}


def test_a_resource_keeps_what_its_owner_added_and_nothing_of_the_machine() -> None:
    resource = {
        "service.name": "shop",
        "department": "sales",
        "host.name": "laptop",
        "process.command_args": ["cli", "-p", "secret"],
        "telemetry.sdk.name": "opentelemetry",
    }
    assert event(span("x")._replace(resource=resource))["metadata"] == {"service.name": "shop", "department": "sales"}


def test_a_service_that_was_never_named_is_no_agent() -> None:
    assert "agent_name" not in event(span("x", service="unknown_service:node"))


def test_a_clock_a_year_off_costs_nothing_and_one_beyond_the_calendar_only_its_own_span() -> None:
    year = 365 * 86_400_000
    spans = [
        span(id=1),
        span(id=2, at_ms=year),
        span(id=3, at_ms=-year),
        span(id=4)._replace(start_ns=2**63, end_ns=2**63),
    ]
    with World() as world:
        report = world.give(*spans)
    assert (report.accepted, report.rejected, report.rejections[0].field) == (3, 1, "ts")


def test_a_span_that_ends_before_it_begins_took_no_time() -> None:
    backwards = span("x")._replace(end_ns=NOON_NS - 1)
    assert event(backwards)["value"] == 0
    call = event(span(gen_ai__operation__name="chat")._replace(end_ns=0))
    assert (call["ts"], call["latency_ms"]) == (NOON_NS // 1_000_000, 0)


def test_hostile_names_are_cleaned_and_reach_no_id() -> None:
    hostile = "a\u202eb\x00\ud7ff"
    found = check(event(span(hostile, scope=hostile, gen_ai__operation__name="chat", gen_ai__response__id="r\x00")))
    assert found["id"].isascii()
    assert "\x00" not in found["call_key"]


def test_strings_that_are_too_long_are_cut_and_cost_no_record() -> None:
    long = "x" * 5_000
    given: dict[str, Any] = dict.fromkeys(NAMES, long)
    for mark in (*MARKS, "none"):
        for value in ROLES:
            found = span(long, scope=long, service=long)._replace(attributes=given | {mark: value})
            check(event(found))
    for each in LOGS:
        for role in each.roles:
            for record in events(log(role, scope=each.scopes[0])._replace(attributes=given | {"event.name": role})):
                check(record)


def test_a_value_too_deep_to_be_written_costs_no_record() -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = [deep]
    found = event(log("app.event", deep=deep))
    assert check(found)["metadata"]["deep"] == "a value of type list"
    assert event(log("app.event", deep=deep))["id"] == found["id"]


def test_an_object_too_long_to_be_read_gives_no_attributes() -> None:
    usage = '{"input":7,"filler":"%s"}'
    for filler, tokens in ((10, 7), (coerce.LONGEST_JSON, None)):
        details: dict[str, Any] = {"langfuse__observation__usage_details": usage % ("x" * filler)}
        assert event(span(langfuse__observation__type="generation", **details)).get("input_tokens") == tokens


def test_two_long_response_ids_that_differ_at_their_end_are_two_calls() -> None:
    ids = ["x" * 1_020 + end for end in ("a", "b")]
    spans = [
        span(id=number, gen_ai__operation__name="chat", gen_ai__provider__name="openai", gen_ai__response__id=each)
        for number, each in enumerate(ids, 1)
    ]
    with World() as world:
        assert world.give(*spans).accepted == 2


def test_more_tokens_than_can_be_counted_cost_only_their_own_record() -> None:
    usage: dict[str, Any] = {"gen_ai__usage__input_tokens": 1, "gen_ai__usage__cache_read_input_tokens": 2**63 - 1}
    call: dict[str, Any] = {"gen_ai__operation__name": "chat", "gen_ai__usage__cache_write__input_tokens": 1}
    with World() as world:
        report = world.give(span(id=1, **call, **usage), span(id=2, **call))
    assert (report.accepted, report.rejected, report.rejections[0].field) == (1, 1, "input_tokens")
