"""A session that arrives as a local log and as telemetry counts each of its calls once."""

from __future__ import annotations

import sqlite3
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.ingest import codex, gemini, local_keys
from agentgauge.ingest.local_keys import Ordinals
from agentgauge.ingest.otlp.mapping import logs_to_events
from agentgauge.ingest.otlp.records import LogRecord
from agentgauge.ingest.run import Intake
from agentgauge.stores.sqlite.sink import SqliteSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FIXTURES = Path(__file__).parents[1] / "fixtures"
CODEX_SESSION = "019a1f00-0000-7000-8000-00000000000a"
GEMINI_SESSION = "7d1b3f7e-52a4-4b9f-9f1d-0f5d2f7c1a11"
SECOND_NS = 1_000_000_000


def test_a_number_that_one_side_leaves_out_is_zero() -> None:
    assert local_keys.call("codex", "s1", 100, None, 5, None) == local_keys.call("codex", "s1", 100, 0, 5, 0)


def test_equal_happenings_are_counted_and_one_that_is_sent_again_keeps_its_ordinal() -> None:
    ordinals = Ordinals(lambda _: None)
    assert [ordinals.of("a", 10), ordinals.of("a", 20), ordinals.of("b", 20), ordinals.of("a", 10)] == [1, 2, 1, 1]


def test_what_was_counted_is_counted_on_by_whoever_remembers_it() -> None:
    ordinals = Ordinals(lambda _: None)
    assert [ordinals.of("a", instant) for instant in range(5)] == [1, 2, 3, 4, 5]
    resumed = Ordinals(dict(ordinals.memos()).get)
    assert [resumed.of("a", 3), resumed.of("a", 9), resumed.of("b", 3)] == [4, 6, 1]


def test_what_was_not_seen_for_long_is_forgotten_and_its_ordinal_never_given_again() -> None:
    ordinals = Ordinals(lambda _: None)
    for instant in range(local_keys.REMEMBERED + 1):
        ordinals.of("a", instant)
    resumed = Ordinals(dict(ordinals.memos()).get)
    assert [resumed.of("a", 1), resumed.of("a", 0)] == [2, local_keys.REMEMBERED + 2]


def test_of_copies_with_equal_numbers_the_local_logs_ranks_higher() -> None:
    log, telemetry = (local_keys.rank(120, 0.5, last) for last in (local_keys.LOCAL, local_keys.TELEMETRY))
    assert telemetry < log < local_keys.rank(121, 0.5, local_keys.TELEMETRY) < 2**63


# Sessions that arrive both ways


def record(scope: str, second: float, attributes: Mapping[str, Any]) -> LogRecord:
    started = 1_795_168_800 if scope.startswith("codex") else 1_795_172_400
    return LogRecord(
        time_ns=started * SECOND_NS + int(second * SECOND_NS),
        severity=9,
        event_name="",
        body=None,
        attributes=attributes,
        resource={"service.name": scope},
        scope=scope,
    )


def codex_log(second: float, name: str, **attributes: Any) -> LogRecord:
    same = {"event.name": f"codex.{name}", "conversation.id": CODEX_SESSION, "model": "gpt-5"}
    return record("codex_otel.log_only", second, same | attributes)


def codex_logs() -> list[LogRecord]:
    """What Codex sends of the session in the fixture, as captured: strings and integers mixed, completed twice."""
    completed = {"event.kind": "response.completed"}

    def counts(given: int, cached: int, output: int, reasoning: int) -> dict[str, Any]:
        return {
            "input_token_count": str(given),
            "output_token_count": str(output),
            "cached_token_count": cached,
            "cache_write_token_count": 0,
            "reasoning_token_count": reasoning,
            "tool_token_count": str(given + output),
        }

    return [
        codex_log(0.4, "user_prompt", prompt_length="14"),
        codex_log(2.45, "sse_event", **completed, duration_ms="2"),
        codex_log(2.46, "sse_event", **completed, **counts(9_000, 7_000, 120, 64)),
        codex_log(2.6, "tool_result", tool_name="shell_command", call_id="call_1", duration_ms="79", success="true"),
        codex_log(4.08, "sse_event", **completed, **counts(9_200, 9_000, 30, 0)),
    ]


def gemini_log(second: float, name: str, **attributes: Any) -> LogRecord:
    same = {"event.name": f"gemini_cli.{name}", "session.id": GEMINI_SESSION, "prompt_id": f"{GEMINI_SESSION}########0"}
    return record("gemini-cli", second, same | attributes)


def gemini_logs() -> list[LogRecord]:
    """What Gemini CLI sends of the session in the fixture."""

    def response(second: float, given: int, output: int, cached: int, thoughts: int) -> LogRecord:
        return gemini_log(
            second,
            "api_response",
            model="gemini-2.5-pro",
            duration_ms=1_900,
            input_token_count=given,
            output_token_count=output,
            cached_content_token_count=cached,
            thoughts_token_count=thoughts,
            tool_token_count=0,
            total_token_count=given + output + thoughts,
            status_code=200,
        )

    return [
        gemini_log(0.9, "user_prompt", prompt_length=14),
        response(2.95, 1_200, 30, 400, 60),
        gemini_log(3.4, "tool_call", function_name="list_directory", duration_ms=12, success=True, tool_type="native"),
        response(4.95, 1_300, 20, 1_200, 0),
    ]


def codex_file() -> list[dict[str, Any]]:
    path = next((FIXTURES / "codex").glob("*.jsonl"))
    return list(codex.decode([(str(path), path.read_bytes().splitlines())]))


def gemini_file() -> list[dict[str, Any]]:
    path = next((FIXTURES / "gemini").glob("*.jsonl"))
    return list(gemini.decode([(f"/home/me/.gemini/tmp/shop/chats/{path.name}", path.read_bytes().splitlines())]))


TOTALS = """select
    (select json_array(count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens)) from model_calls),
    (select json_array(count(*), sum(is_failure), max(cast(latency_ms as integer))) from tool_calls),
    (select json_array(count(*), sum(input_tokens), sum(output_tokens)) from requests)"""


@pytest.mark.parametrize(
    ("file", "logs", "expected"),
    [
        (codex_file, codex_logs, ("[2,18200,150,16000]", "[1,0,79]", "[1,18200,150]")),
        (gemini_file, gemini_logs, ("[2,2500,110,1600]", "[1,0,12]", "[1,2500,110]")),
    ],
    ids=["codex", "gemini"],
)
def test_a_session_that_comes_both_ways_counts_once_in_any_order(
    tmp_path: Path,
    file: Callable[[], list[dict[str, Any]]],
    logs: Callable[[], list[LogRecord]],
    expected: tuple[str, ...],
) -> None:
    first, second = logs()[:2], logs()[2:]
    ordinals = Ordinals(lambda _: None)
    deliveries: list[Callable[[], Iterable[Mapping[str, Any]]]] = [
        file,
        lambda: logs_to_events(first, ordinals),
        lambda: logs_to_events(second, ordinals),
    ]
    for number, order in enumerate(permutations(deliveries)):
        path = tmp_path / f"{number}.db"
        with SqliteSink(path, clock=lambda: 1_795_172_500_000) as sink:
            for deliver in (*order, *order):
                with Intake(sink) as intake:
                    intake.events(deliver())
                assert intake.report.rejections == []
        with sqlite3.connect(path) as connection:
            (totals,) = connection.execute(TOTALS).fetchall()
        assert totals == expected
