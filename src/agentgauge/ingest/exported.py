"""What the decoders of exports share: the records of a file, and a table that says where each field stands in them.

Above: `langsmith`, `langfuse`, `helicone`. Below: `lenient`, `prices`. An export is JSON Lines, one JSON array, or the
pages of an API, `{"data": [...]}`, one or several in a file. Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias, cast

import orjson

from agentgauge.ingest import lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.events import ARRAY_LIMIT
from agentgauge.ingest.prices import price

Record: TypeAlias = "Mapping[str, Any]"
ENVELOPES = ("data", "runs")
"""The keys under which the pages of an API hold their records."""
HEAD = 1 << 16
"""How much of one large object is looked at to tell what it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of an event, the paths of a record where it may stand, the best first, and how it is read."""

    field: str
    paths: tuple[str, ...]
    read: Callable[[object], Any] = lenient.text


def column(field: str, *paths: str, read: Callable[[object], Any] = lenient.text) -> Column:
    """One line of a table."""
    return Column(field, paths, read)


def fields(table: Iterable[Column], record: Record) -> dict[str, Any]:
    """The fields of a record that a table finds."""
    found: dict[str, Any] = {}
    for each in table:
        for path in each.paths:
            value = record.get(path) if "." not in path else lenient.at(record, path)
            if value is not None and (read := each.read(value)) is not None:
                found[each.field] = read
                break
    return found


def records(raw_lines: Iterable[bytes]) -> Iterator[Record | Rejected]:
    """The records of a file; a Rejected where a line, or the whole, cannot be read."""
    lines = (line for line in raw_lines if line.strip())
    first = next(lines, b"")
    value = _loads(first)
    if value is None:  # one that stands over many lines
        yield from _of_value(_loads_joined(chain([first], lines)))
        return
    yield from _of_value(value)
    for line in lines:
        yield from _of_value(_loads(line))


def _of_value(value: object) -> Iterator[Record | Rejected]:
    if isinstance(value, Rejected):
        yield value
        return
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        page = next((given[name] for name in ENVELOPES if isinstance(given.get(name), list)), None)
        if page is None:
            yield given
            return
        value = page
    if not isinstance(value, list):
        yield Rejected("", "neither a record nor a list of records.", "Nothing of it was taken.")
        return
    for each in cast("list[object]", value):
        yield lenient.mapping(each) or Rejected("", "a record that is no object.")


def _loads_joined(lines: Iterable[bytes]) -> object:
    body = bytearray()
    for line in lines:
        body += line
        if len(body) > ARRAY_LIMIT:
            return Rejected("", f"one JSON value longer than {ARRAY_LIMIT >> 20} MiB.", "Export JSON Lines instead.")
    return _loads(bytes(body))


def _loads(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def first_records(first_lines: Sequence[bytes]) -> Iterator[Record]:
    """The records among the first lines of a file, as far as they can be read one by one."""
    for line in first_lines:
        if (value := _loads(line)) is not None:
            for each in _of_value(value):
                if not isinstance(each, Rejected):
                    yield each


def names_all(first_lines: Sequence[bytes], names: Iterable[str]) -> bool:
    """Whether each of these keys stands in the head of one large value, of which no line can be read alone."""
    head = b"\n".join(first_lines)[:HEAD]
    return head.lstrip()[:1] in (b"{", b"[") and all(f'"{name}"'.encode() in head for name in names)


def with_agents(events: Iterable[dict[str, Any] | Rejected]) -> Iterator[dict[str, Any] | Rejected]:
    """The same events, when all are known: what names no agent gets that of the outermost run of its trace."""
    held = list(events)
    runs = [each for each in held if not isinstance(each, Rejected) and each["type"] == "request"]
    agents: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: run["ts"]):
        if "trace_id" in run and "agent_name" in run:
            agents.setdefault(run["trace_id"], run["agent_name"])
    for each in held:
        if (
            not isinstance(each, Rejected)
            and "agent_name" not in each
            and (name := agents.get(each.get("trace_id", "")))
        ):
            each |= {"agent_id": name, "agent_name": name}
        yield each


def number(value: object) -> float | None:
    """A number that is not negative, written as one or as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return lenient.dollars(value)


def count(value: object) -> int | None:
    """A whole number, written as one or as text."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def instant(value: object) -> int | None:
    """Epoch milliseconds of a time; one without an offset is UTC, as the exports write it. A number is milliseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if 0 <= value < lenient.END_OF_TIME else None
    if not isinstance(value, str):
        return None
    text = value.strip().replace(" ", "T", 1)
    return lenient.instant(text) if _has_offset(text) else lenient.instant(f"{text}Z")


def _has_offset(text: str) -> bool:
    return text.endswith(("Z", "z")) or "+" in text or "-" in text[11:]


def metadata(value: object) -> dict[str, Any] | None:
    """The scalar values of an object, of which there may be any number."""
    found = {name: each for name, each in lenient.mapping(value).items() if isinstance(each, str | int | float | bool)}
    return found or None


def rank(event: Mapping[str, Any], *, is_finished: bool) -> int:
    """The rank of a copy of a record, in 62 bits: a finished one counts before one that is not, then the one with
    more tokens, then the one that knows more."""
    tokens = event.get("input_tokens", 0) + event.get("output_tokens", 0)
    known = len(event) + len(event.get("metadata", ()))
    return is_finished << 61 | min(tokens, 2**33 - 1) << 8 | min(known, 255)


def priced(own: dict[str, Any], ts: int) -> dict[str, Any]:
    """A model call with its input made sound and its cost: the reported one, else the computed one."""
    total = own.get("input_tokens")
    if total is not None:
        read = min(own.get("cache_read_tokens", 0), total)
        own["cache_read_tokens"] = read
        own["cache_write_tokens"] = min(own.get("cache_write_tokens", 0), total - read)
        if "cache_write_1h_tokens" in own:
            own["cache_write_1h_tokens"] = min(own["cache_write_1h_tokens"], own["cache_write_tokens"])
    if "cost_usd" in own:
        return own | {"cost_source": "reported"}
    if total is None or "model_name" not in own:
        return own
    cost = price(
        own.get("provider"),
        own["model_name"],
        ts,
        input_tokens=total,
        output_tokens=own.get("output_tokens", 0),
        cache_read_tokens=own["cache_read_tokens"],
        cache_write_tokens=own["cache_write_tokens"],
        cache_write_1h_tokens=own.get("cache_write_1h_tokens", 0),
    )
    return own if cost is None else own | {"cost_usd": cost, "cost_source": "computed"}
