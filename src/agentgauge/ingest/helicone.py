"""Helicone's requests as model calls: its JSON, JSON Lines or CSV export, or the pages of its query API.

Above: `formats`. Below: `exported`. Facts 5.3. `prompt_tokens` is what the provider calls it: Anthropic's leaves out
what the cache read and wrote, which `total_tokens` shows, and which is added here, because input is all of the input.
"""

from __future__ import annotations

import csv
from itertools import chain
from typing import TYPE_CHECKING, Any

from agentgauge.ingest import exported, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.exported import column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SOURCE = "helicone"
TELLTALE = ("request_id", "request_created_at")
"""The keys by which a request is told."""

REQUEST = (
    column("provider", "provider"),
    column("model_name", "model_override", "response_model", "request_model"),
    column("http_status", "response_status", read=exported.count),
    column("latency_ms", "delay_ms", read=exported.number),
    column("time_to_first_token_ms", "time_to_first_token", read=exported.number),
    column("input_tokens", "prompt_tokens", read=exported.count),
    column("output_tokens", "completion_tokens", read=exported.count),
    column("cache_read_tokens", "prompt_cache_read_tokens", read=exported.count),
    column("cache_write_tokens", "prompt_cache_write_tokens", read=exported.count),
    column("cost_usd", "cost", "costUSD", "cost_usd", read=exported.number),
    column("user", "request_user_id", "request_properties.Helicone-User-Id"),
    column("session_id", "request_properties.Helicone-Session-Id"),
    column("agent_name", "request_properties.Helicone-Session-Name"),
    column("agent_id", "request_properties.Helicone-Session-Name"),
    column("metadata", "request_properties", read=exported.metadata),
)


def looks_like_requests(first_lines: Sequence[bytes]) -> bool:
    """Whether these lines are of an export of requests."""
    if any(all(name in each for name in TELLTALE) for each in exported.first_records(first_lines)):
        return True
    return _is_csv(first_lines[0] if first_lines else b"") or exported.names_all(first_lines, TELLTALE)


def _is_csv(header: bytes) -> bool:
    names = header.decode("utf-8-sig", "replace").replace('"', "").strip().split(",")
    return all(name in names for name in TELLTALE)


def decode(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[dict[str, Any] | Rejected]:
    """The events of all requests of an import."""
    for _, raw_lines in files:
        lines = iter(raw_lines)
        first = next(lines, b"")
        rest = chain([first], lines)
        for record in _rows(rest) if _is_csv(first) else exported.records(rest):
            yield record if isinstance(record, Rejected) else _event(record)


def _rows(raw_lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for row in csv.DictReader(line.decode("utf-8-sig", "replace") for line in raw_lines):
        record: dict[str, Any] = {name: value for name, value in row.items() if value}
        yield record | {"request_properties": lenient.load(str(record.get("request_properties", "")).encode())}


def _event(request: Mapping[str, Any]) -> dict[str, Any] | Rejected:
    ts = exported.instant(request.get("request_created_at"))
    request_id = lenient.key(lenient.text(request.get("request_id")))
    if ts is None or request_id is None:
        return Rejected("request_created_at" if request_id else "request_id", "missing, or not a time.")
    own = exported.fields(REQUEST, request)
    if "provider" in own:
        own["provider"] = own["provider"].lower()
    status = own.get("http_status")
    own["is_failure"] = status is None or status >= 400
    if status is None or not 100 <= status < 600:  # Helicone's own: negative for what never got an answer
        own.pop("http_status", None)
        own["error_code"] = str(request.get("response_status"))
    elif status >= 400:
        own["error_code"] = str(status)
    _include_cache(own, exported.count(request.get("total_tokens")))
    head = {"type": "model_call", "id": request_id, "ts": ts, "source": SOURCE, "call_key": f"{SOURCE}:{request_id}"}
    return head | {"request_type": "chat"} | exported.priced(own, ts)


def _include_cache(own: dict[str, Any], total: int | None) -> None:
    """Adds to the input what the cache read and wrote, where the provider counts it apart."""
    prompt, output = own.get("input_tokens", 0), own.get("output_tokens", 0)
    cache = own.get("cache_read_tokens", 0) + own.get("cache_write_tokens", 0)
    is_apart = own.get("provider") == "anthropic" if total in (None, 0) else total == prompt + output + cache
    if cache and (is_apart or cache > prompt):
        own["input_tokens"] = prompt + cache
