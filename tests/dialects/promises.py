"""What every answer promises, whatever was asked: it fits its budget by a real tokenizer, and its text and its
structured content carry the same facts. `hold` reads the text back, line by line, and compares.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import splintr

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer


NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
OWN_LINES = ("note: ", "finer: ", "other(")
FORM = frozenset(
    (
        *("title", "start", "end", "tz", "interval", "first_bucket", "edges", "as_of", "approximate", "total", "prior"),
        *("columns", "rows", "other", "notes", "finer"),
    )
)
"""The fields that an answer's form gives a place of their own; every other one is a fact with a line."""


@cache
def tokenizer() -> Any:
    """The tokenizer of the budgets."""
    return splintr.Tokenizer.from_pretrained("o200k_base")


def tokens(text: str) -> int:
    """How many o200k tokens a text takes."""
    return len(tokenizer().encode(text))


def minified(answer: Answer) -> str:
    """The structured content as a client gets it."""
    return json.dumps(answer.structured(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def hold(answer: Answer, budget: int) -> None:
    """Nothing, when the answer keeps every promise."""
    text, structured = answer.text(), answer.structured()
    budget = max(budget, 200) if "rows" not in structured else budget
    assert tokens(text) <= budget, f"{tokens(text)} tokens of text in a budget of {budget}"
    assert tokens(minified(answer)) <= budget, f"{tokens(minified(answer))} tokens of JSON in a budget of {budget}"
    lines = text.split("\n")
    _receipt(lines.pop(0), structured)
    for name in [name for name in structured if name not in FORM]:
        assert lines.pop(0) == f"{name}: {_words(structured[name])}"
    if "total" in structured:
        _totals(lines.pop(0), structured)
    assert ("edges" in structured) == (bool(lines) and lines[0].startswith("edges: "))
    if "edges" in structured:
        assert lines.pop(0) == "edges: " + ", ".join(structured["edges"])
    if "finer" in structured:
        assert lines.pop() == f"finer: {structured['finer']}"
    notes = structured.get("notes", [])
    assert [line.removeprefix("note: ") for line in lines[len(lines) - len(notes) :]] == notes
    _table(lines[: len(lines) - len(notes)], structured)


def _receipt(line: str, found: Mapping[str, Any]) -> None:
    assert line.startswith(found["title"])
    rest = line.removeprefix(found["title"])
    if "start" not in found:
        assert rest == ""
        return
    stamps = [_stamp(found[name]) for name in ("start", "end")]
    expected = f", {stamps[0]} to {stamps[1]} {found.get('tz', 'UTC')}"
    assert rest.startswith(expected), (rest, expected)
    rest = rest.removeprefix(expected)
    if "as_of" in found and found["as_of"] is None:
        assert rest.startswith(", as of: not stated")
    elif "as_of" in found:
        said = re.match(r", as of ([\d: -]+)", rest)
        assert said
        assert _stamp(found["as_of"]).endswith(said[1])
    assert rest.endswith(found.get("approximate", ", exact")) or "as_of" not in found


def _stamp(iso: str) -> str:
    moment = datetime.fromisoformat(iso)
    spec = "seconds" if moment.second or moment.microsecond else "minutes"
    return moment.replace(tzinfo=None, microsecond=0).isoformat(sep=" ", timespec=spec)


def _totals(line: str, found: Mapping[str, Any]) -> None:
    expected = f"total {_words(found['total'])}"
    if prior := found.get("prior"):
        expected += "; prior period " + _changes(prior["total"], prior["change"], prior.get("compared_with"))
        if "compared_with" in prior:
            expected += f", {_stamp(prior['start'])} to {_stamp(prior['end'])} against the same part of this period"
    assert line == expected


def _changes(total: Any, change: Any, now: Any) -> str:
    if isinstance(total, dict):
        each = cast("dict[str, Any]", total)
        part = cast("dict[str, Any]", now or {})
        return ", ".join(f"{name} {_changes(value, change[name], part.get(name))}" for name, value in each.items())
    said = ([] if change is None else [f"{change * 100:+.1f} %"]) + ([] if now is None else [f"now {_words(now)}"])
    return _words(total) + (f" ({', '.join(said)})" if said else "")


def _table(lines: list[str], found: Mapping[str, Any]) -> None:
    columns: list[str] = found.get("columns", [])
    others = _others(found, columns)
    if columns:
        heads = cells(lines.pop(0))
        assert heads[: len(columns) - 1] == columns[:-1]
        if "interval" in found:
            _axis(heads[-1], found)
        else:
            assert heads[-1] == columns[-1]
    assert len(lines) == len(found.get("rows", [])) + len(others)
    for line, row in zip(lines, [*found.get("rows", []), *others], strict=True):
        shown = cells(line)
        expected = flat(row)
        assert len(shown) == len(expected), (line, row)
        assert all(map(same, shown, expected)), (line, row)
    for line in lines[: len(found.get("rows", []))]:
        assert not line.startswith(OWN_LINES), f"a row that can be taken for a line of ours: {line}"


def _others(found: Mapping[str, Any], columns: Sequence[str]) -> list[list[Any]]:
    """The lines of `other`: its cells in the place of the columns, and none where it has nothing to say."""
    if "other" not in found:
        return []
    rest = found["other"]
    name, total = f"other({rest['groups']})", rest["total"]
    if not columns:
        return [[name, total]]
    if "interval" in found:
        measures: list[Any] = list(cast("dict[str, Any]", total)) if isinstance(total, dict) else [None]
        return [[name, *(_rest_cell(head, each, rest) for head in columns[1:])] for each in measures]
    totals = cast("dict[str, Any]", total) if isinstance(total, dict) else {columns[-1]: total}
    return [[name, *(totals.get(head) for head in columns[1:])]]


def _rest_cell(head: str, measure: Any, rest: Mapping[str, Any]) -> Any:
    if head == "measure":
        return measure
    found = rest.get(head)
    return cast("dict[str, Any]", found)[measure] if measure is not None and isinstance(found, dict) else found


def _axis(words: str, found: Mapping[str, Any]) -> None:
    """The axis in words names the interval and where it starts."""
    names = {"1h": "hourly", "1d": "daily", "1w": "weekly", "1mo": "monthly", "1y": "yearly"}
    interval: str = found["interval"]
    every, _, start = words.partition(" from ")
    assert every == names.get(interval, f"every {interval}")
    first = datetime.fromisoformat(found.get("edges", [found.get("first_bucket", found["start"])])[0])
    clock = f"{first:%H:%M:%S}" if first.second else f"{first:%H:%M}"
    forms = {f"{first:%Y}", f"{first:%Y-%m}", f"{first:%Y-%m-%d}", clock, f"{first:%m-%d} {clock}"}
    assert start in forms, (words, first)
    if start == clock:
        whole = datetime.fromisoformat(found["end"]) - datetime.fromisoformat(found["start"])
        assert whole <= timedelta(hours=26), "more than a day needs a date"


def cells(line: str) -> list[Any]:
    """The cells of a line: JSON strings and objects where they start like one, plain text otherwise."""
    found: list[Any] = []
    rest = line
    while True:
        if rest[:1] in ('"', "{"):
            value, end = json.JSONDecoder().raw_decode(rest)
            found.append(value)
            rest = rest[end:]
        else:
            value, comma, after = rest.partition(",")
            found.append(None if value == "-" else value)
            rest = comma + after
        if not rest:
            return found
        assert rest[0] == ",", line
        rest = rest[1:]


def flat(row: Sequence[Any]) -> list[Any]:
    """A row with the values of its list among its cells."""
    return [each for cell in row for each in (cast("list[Any]", cell) if isinstance(cell, list) else [cell])]


def same(shown: Any, value: Any) -> bool:
    """Whether a cell of the text says what the structured one says: integers exact, fractions to 4 digits."""
    if isinstance(value, bool):
        return shown == ("true" if value else "false")
    if isinstance(value, int):
        return bool(shown == str(value))
    if isinstance(value, float):
        return bool(NUMBER.fullmatch(shown)) and math.isclose(float(shown), value, rel_tol=5.1e-4)
    return bool(shown == value)


def _words(value: Any) -> str:
    """A value as a line of prose says it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in cast("dict[str, Any]", value).items())
    if isinstance(value, list):
        return ", ".join(map(_words, cast("list[Any]", value)))
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.0f}" if 1_000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(int(value)) if isinstance(value, float) else str(value)
