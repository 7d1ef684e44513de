"""Random questions, put through `ask --json` and through MCP, are answered as DuckDB answers them.

`AGENTGAUGE_ORACLE_QUESTIONS=10000` asks that many; `AGENTGAUGE_ORACLE_SEED` starts elsewhere.
"""

from __future__ import annotations

import json
import math
import os
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client
from questions import COMPARED, OPERATORS, Asked, Expected, Oracle, events, question
from running import command_line

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.faces.mcp import build
from agentgauge.ingest.run import Intake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUESTIONS = max(60, int(os.environ.get("AGENTGAUGE_ORACLE_QUESTIONS", "300")))
SEED = int(os.environ.get("AGENTGAUGE_ORACLE_SEED", "1"))
NOW = 1_793_318_400_000  # 2026-10-30T00:00Z
ROUNDS = 3
ALL = {"budget": 8_000, "limit": 200}
"""Nothing is cut or coarsened."""


def happened(number: int) -> list[dict[str, Any]]:
    """The events of one round."""
    rng = random.Random(f"events {SEED} {number}")
    return events(rng, (40, 400, 1_500)[number])


def asked_in(number: int) -> list[Asked]:
    """The questions of one round."""
    rng = random.Random(f"questions {SEED} {number}")
    return [question(rng) for _ in range(-(-QUESTIONS // ROUNDS))]


def over_cli(app: App, asked: Asked) -> dict[str, Any]:
    words = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in (asked.words | ALL).items()
    ]
    result = CliRunner().invoke(command_line(lambda _: app), ["ask", asked.tool, "--json", *words])
    assert result.exit_code == 0, f"{result.stderr} {asked.words}"
    return json.loads(result.stdout)


async def over_mcp(app: App, questions: Sequence[Asked], era: Literal["auto", "legacy"]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    async with Client(build(app), mode=era) as client:
        for asked in questions:
            result = await client.call_tool(asked.tool, asked.words | ALL)
            assert result.structured_content is not None, f"{result.content} {asked.words}"
            answers.append(result.structured_content)
    return answers


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_any_question_is_answered_over_both_faces_as_the_oracle_answers_it(number: int, tmp_path: Path) -> None:
    app = App(Settings(home=tmp_path), clock=lambda: NOW)
    with app.sink() as sink, Intake(sink) as intake:
        intake.lines(enumerate(happened(number), 1))
    assert not intake.report.rejections
    questions = asked_in(number)
    oracle = Oracle(happened(number))
    answers = anyio.run(over_mcp, app, questions, "auto" if number % 2 else "legacy")
    for asked, found in zip(questions, answers, strict=True):
        compare(asked, found, oracle.answer(asked))
        assert over_cli(app, asked) == found, asked.words
    oracle.close()


def test_the_questions_are_about_something() -> None:
    questions = [asked for number in range(ROUNDS) for asked in asked_in(number)]
    operators = {operator for asked in questions for operator in asked.operators}
    assert operators >= {*COMPARED, "IN", "NOT_IN", "BETWEEN", "IS_NULL"} if QUESTIONS >= 300 else operators
    assert operators <= {each for known in OPERATORS.values() for each in known}
    oracle = Oracle(happened(1))
    answers = [oracle.answer(asked) for asked in asked_in(1)]
    oracle.close()
    assert sum(any(each.total.values()) for each in answers) > len(answers) * 0.7
    assert sum(len(each.series) > 2 for each in answers) > len(answers) * 0.3
    assert {asked.tool for asked in questions} == {"query_datapoints", "get_message_metrics"}
    assert {"1h", "6h", "1d", "1w"} <= {asked.words.get("interval") for asked in questions}


def compare(asked: Asked, found: dict[str, Any], expected: Expected) -> None:
    """Nothing, when the answer says what the oracle says."""
    about = json.dumps(asked.words, ensure_ascii=False)
    assert not [note for note in found.get("notes", ()) if "to fit a budget" in note], about
    labels = list(asked.measures)
    total = found["total"] if len(labels) > 1 else {labels[0]: found["total"]}
    assert total.keys() == expected.total.keys(), about
    for label in labels:
        same(total[label], expected.total[label], f"total of {label}: {about}")
    if not asked.groups and not asked.timeline:
        assert "rows" not in found, about
        return
    heads, width = found["columns"], len(asked.groups)
    rows = [dict(zip(heads[width:], row[width:], strict=True)) | {"key": tuple(row[:width])} for row in found["rows"]]
    if asked.timeline and len(labels) > 1:
        seen = {(row["key"], row["measure"]): row for row in rows}
    elif asked.timeline:
        seen = {(row["key"], labels[0]): row for row in rows}
    else:
        seen = {(row["key"], label): {"total": row[label]} for row in rows for label in labels}
    assert seen.keys() == {(key, label) for key in expected.series for label in labels}, about
    assert len(rows) == len(expected.series) * (len(labels) if asked.timeline else 1), about
    for key, by_label in expected.series.items():
        for label, (whole, parts) in by_label.items():
            same(seen[key, label]["total"], whole, f"total of {label} of {key}: {about}")
            if asked.timeline:
                compare_parts(asked, seen[key, label], parts, f"{label} of {key}: {about}")
    firsts = [
        row["total"] if asked.timeline else row[labels[0]] for row in rows if row.get("measure", labels[0]) == labels[0]
    ]
    assert all(a >= b for a, b in pairwise(firsts)), about


def compare_parts(asked: Asked, row: dict[str, Any], parts: Sequence[Any], about: str) -> None:
    """Nothing, when the buckets are right: those not known to their end are null, and `partial` has what they hold."""
    known = len(parts)
    if asked.known_until is not None:
        known = sum(edge <= asked.known_until for edge in asked.edges[1:])
    values = row["values"]
    assert len(values) == len(parts), about
    for found, wanted in zip(values[:known], parts[:known], strict=True):
        same(found, wanted, about)
    assert values[known:] == [None] * (len(parts) - known), about
    assert ("partial" in row) is (known < len(parts)), about
    if known < len(parts):
        same(row["partial"], sum(parts[known:]), f"partial of {about}")


def same(found: Any, wanted: Any, about: str) -> None:
    """Nothing, when the cells are equal: integers exactly, fractions to nine digits."""
    if isinstance(wanted, float) and isinstance(found, int | float):
        assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9), f"{found} is not {wanted}: {about}"
    else:
        assert found == wanted, f"{found!r} is not {wanted!r}: {about}"
