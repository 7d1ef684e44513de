"""The events of the store's benchmarks, and how they get into our own store.

90 days of model calls, busy by day and quiet by night: 40 agents (Zipf, 5 % without one), 6 providers, 12 models, 8
teams, 500 users, 5 request types, 12 error codes on 4 % of the calls, log-normal latencies, tokens and a cost. Drawn by
the day from a fixed seed, so that every engine and every run has the same ones.

Above: `store.py`, `ingest.py`, `engines.py`. Below: numpy, and our Sink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agentgauge.core.catalog import dataset

if TYPE_CHECKING:
    import numpy as np

    from agentgauge.stores.sqlite.sink import SqliteSink

    Array = np.ndarray[Any, np.dtype[Any]]

Via = Literal["sink", "bulk"]

DATASET = dataset("model_calls")
DAYS = 90
DAY = 86_400_000
START = 1_771_545_600_000  # 2026-02-20T00:00Z; New York's clocks change on 8 March
END = START + DAYS * DAY
SEED = 20_261_120
SIZES = {"200k": 200_000, "1M": 1_000_000, "10M": 10_000_000, "100M": 100_000_000}

_MODELS = ("opus", "sonnet", "haiku", "large", "medium", "mini", "nano", "pro", "flash", "flash-lite", "coder", "embed")
VALUES: dict[str, tuple[str | None, ...]] = {
    "agent_id": (*(f"agent-{number:02}" for number in range(40)), None),
    "provider": ("anthropic", "openai", "google", "mistral", "bedrock", "azure"),
    "model_name": tuple(f"model-{name}" for name in _MODELS),
    "team": tuple(f"team-{number}" for number in range(8)),
    "user": tuple(f"user-{number:03}@example.com" for number in range(500)),
    "request_type": ("chat", "completion", "embedding", "rerank", "speech"),
    "error_code": (*(f"E{number:02}" for number in range(12)), None),
}
"""The values of each string field; a null stands last."""
_SKEW = {"agent_id": 1.0, "user": 0.5, "model_name": 0.8, "provider": 0.5, "team": 0.3, "request_type": 0.7}
_SHARE_OF_NULL = {"agent_id": 0.05, "error_code": 0.96}
NUMBERS = ("latency_ms", "input_tokens", "output_tokens", "cost_usd")


@dataclass(frozen=True, slots=True)
class Day:
    """The events of one day by column, in the order of time."""

    ts: Array
    """Instants, ms UTC."""
    codes: dict[str, Array]
    """Per string field, where in `VALUES` its value stands."""
    numbers: dict[str, Array]
    ids: list[str]


def days(total: int, *, first: int = 0, last: int = DAYS) -> Iterator[Day]:
    """The days from `first` on to before `last`, of so many events in all 90; beyond the 90th they go on alike."""
    for number in range(first, last):
        before, upto = total * number // DAYS, total * (number + 1) // DAYS
        yield _day(number, upto - before)


def _day(number: int, size: int) -> Day:
    import numpy as np  # and not above: engines that are only asked are spared it

    random = np.random.default_rng([SEED, number, size])
    hours = 1.0 + 0.8 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)
    hour = random.choice(24, size, p=hours / hours.sum())
    ts = START + number * DAY + hour * 3_600_000 + random.integers(0, 3_600_000, size)
    ts.sort()
    tokens_in = random.lognormal(6.5, 1.0, size).astype(np.int64)
    tokens_out = random.lognormal(5.0, 1.0, size).astype(np.int64)
    numbers = {
        "latency_ms": random.lognormal(6.7, 0.9, size).astype(np.int64),
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "cost_usd": (tokens_in * 3 + tokens_out * 15) / 1e6,
    }
    text = random.bytes(8 * size).hex()
    ids = [text[at : at + 16] for at in range(0, 16 * size, 16)]
    return Day(
        ts, {name: random.choice(len(weights), size, p=weights) for name, weights in _weights().items()}, numbers, ids
    )


@cache
def _weights() -> dict[str, Array]:
    """Per string field, how likely each of its values is."""
    import numpy as np

    found: dict[str, Array] = {}
    for name, values in VALUES.items():
        missing = _SHARE_OF_NULL.get(name, 0.0)
        known = np.arange(1, len(values) + (not missing), dtype=np.float64) ** -_SKEW.get(name, 0.0)
        known *= (1 - missing) / known.sum()
        found[name] = np.append(known, missing) if missing else known
    return found


def columns(day: Day) -> dict[str, Sequence[Any]]:
    """The fields of a day's events as Python values, as a checked event has them; None where there is none."""
    found: dict[str, Sequence[Any]] = {"ts": day.ts.tolist(), "id": day.ids}
    for name, codes in day.codes.items():
        values = [[each] for each in VALUES[name]] if name == "team" else VALUES[name]
        found[name] = [values[code] for code in codes.tolist()]
    found["is_failure"] = (day.codes["error_code"] < 12).tolist()
    return found | {name: values.tolist() for name, values in day.numbers.items()}


def events(day: Day) -> list[dict[str, Any]]:
    """A day's events as the check of an event line gives them."""
    fields = columns(day)
    made: list[dict[str, Any]] = []
    for row in zip(*fields.values(), strict=True):
        event = {"type": DATASET.type, **dict(zip(fields, row, strict=True))}
        for name in _SHARE_OF_NULL:
            if event[name] is None:
                del event[name]
        made.append(event)
    return made


def fill(path: Path, total: int, via: Via, progress: Callable[[int], None] = lambda _: None) -> None:
    """Makes a store of so many events; `bulk` writes the same rows without asking what is there already."""
    from agentgauge.stores.sqlite.sink import SqliteSink

    with SqliteSink(path, clock=lambda: END) as sink:
        for number, day in enumerate(days(total), 1):
            if via == "sink":
                sink.write(events(day))
            else:
                _bulk(sink, day)
            progress(number)


def row_columns(day: Day) -> dict[str, Sequence[Any]]:
    """The same as `columns`, as a row of the table has them."""
    packed = [f'["{name}"]' for name in VALUES["team"]]
    fields = columns(day)
    fields["team"] = [packed[code] for code in day.codes["team"].tolist()]
    fields["is_failure"] = [int(each) for each in fields["is_failure"]]
    return fields


def _bulk(sink: SqliteSink, day: Day) -> None:
    """All but the last event as rows; the last through the front door, so that the watermark moves as it does there."""
    fields = row_columns(day)
    names = ", ".join(f'"{name}"' for name in fields)
    rows = zip(*(values[:-1] for values in fields.values()), strict=True)
    with sink.turn() as connection:
        connection.executemany(f"insert into {DATASET.name} ({names}) values ({', '.join('?' * len(fields))})", rows)
    sink.write(events(Day(day.ts[-1:], _last(day.codes), _last(day.numbers), day.ids[-1:])))


def _last(columns: dict[str, Array]) -> dict[str, Array]:
    return {name: values[-1:] for name, values in columns.items()}
