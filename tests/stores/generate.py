"""Random events and random questions: everything the catalog knows, with the values that break things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgauge.core.catalog import Dataset, Field, dataset
from agentgauge.core.query import BY_TYPE, Filter, Measure, Query, Scope, Top, measure
from agentgauge.core.time import Bucket, Window

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

DATASETS = ("messages", "model_calls", "requests", "tool_calls", "points")
START, END = 1_792_749_600_000, 1_793_268_000_000  # six days around the end of Berlin's summer time, 25 October 2026
HOUR = 3_600_000
STRINGS = (
    "",
    "a",
    "A",
    "ab",
    "sms",
    "SMS",
    "ä",
    "a\u0308",
    "100%",
    "_",
    "日本",
    "👍",
    "a,b",
    "o'hare",
    'q"x',
    "a b",
    " a",
    "z" * 40,
)
CODES = ("30007", "007", "7", "7.0", "")
TEAMS = ("core", "Core", "growth", "", "équipe")
KEYS = ("project", "env", "k 1", "日")
INTEGERS = (0, 1, 2, 3, 7, 100, -1, -250, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63))
STATUSES = (200, 201, 204, 302, 404, 429, 500, 503)
NUMBERS = (0, 0.0, 1, 2.5, 0.25, 100, 1_234.0625, -3, -0.5, 1e6, 0.015625)
DECIMALS = (0.1, 0.2, 0.3, -0.7, 1e-9, 1e15 + 0.125, 3, 2.5, 123_456.789)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham")
WORDS = ("count", "sum", "avg", "min", "max", "countDistinct", "rate", "quantile")
QUANTILES = ("p50", "p75", "p90", "p95", "p99", "p99.5", "p1", "p100")
UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
STEPS = {
    "second": (1, 10, 45),
    "minute": (1, 5, 7, 45),
    "hour": (1, 2, 5, 24),
    "day": (1, 2, 3),
    "week": (1, 2),
    "month": (1, 3),
}


def events(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Events of every dataset, some of them sent twice."""
    found: list[dict[str, Any]] = []
    for name in DATASETS:
        holder = dataset(name)
        few = {each.name: rng.sample(STRINGS, rng.randint(2, 9)) for each in holder.fields}
        full = rng.random() * 0.5 + 0.4
        for number in range(count):
            event: dict[str, Any] = {"type": holder.type, "id": f"{name}-{number}", "ts": moment(rng)}
            for each in holder.fields:
                if not each.internal and (each.required or rng.random() < full):
                    event[each.name] = value(rng, each, few[each.name])
            found.append(event)
        found += [{**event, "agent_id": "again"} for event in rng.sample(found, 3)]
    return found


def moment(rng: random.Random) -> int:
    """An instant of the six days, often on the hour or beside it."""
    if rng.random() < 0.3:
        return START + rng.randrange((END - START) // HOUR) * HOUR + rng.choice((-1, 0, 0, 1))
    return rng.randrange(START, END)


def value(rng: random.Random, each: Field, few: Sequence[str]) -> Any:
    """A value of a field."""
    if each.values:
        return rng.choice(each.values)
    if each.name == "http_status":
        return rng.choice(STATUSES)
    if each.type == "integer":
        return rng.choice(INTEGERS) if rng.random() < 0.3 else rng.randint(0, 5_000)
    if each.type == "number":
        return (
            rng.choice(DECIMALS if each.name == "value" else NUMBERS)
            if rng.random() < 0.7
            else rng.randint(0, 64_000) / 64
        )
    if each.type == "boolean":
        return rng.random() < 0.3
    if each.type == "strings":
        return rng.sample(TEAMS, rng.choice((0, 1, 1, 2, 3)))
    if each.type == "map":
        return {key: rng.choice(few) for key in KEYS if rng.random() < 0.5}
    return rng.choice(CODES if each.type == "code" else few)


def question(rng: random.Random) -> Query:
    """Any question the core can put."""
    holder = dataset(rng.choice(DATASETS))
    window, bucket = span(rng)
    return Query(
        dataset=holder.name,
        window=window,
        measures=measures(rng, holder),
        bucket=bucket,
        group_by=tuple(rng.sample(groupable(holder), rng.choice((0, 1, 1, 1, 2, 3)))),
        where=tuple(condition(rng, holder) for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3)))),
        top=Top(rng.choice((1, 2, 3, 10))) if rng.random() < 0.4 else None,
        scope=scope(rng) if rng.random() < 0.15 else None,
    )


def span(rng: random.Random) -> tuple[Window, Bucket | None]:
    start = min(moment(rng), moment(rng)) - rng.choice((0, 24 * HOUR))
    hours = rng.choice((0, 1, 5, 26, 60, 100, 144, 144, 300)) * HOUR
    window = Window(start, start + hours + rng.choice((1, 1_000, HOUR + 777)))
    if rng.random() < 0.3:
        return window, None
    unit = rng.choice((*UNITS, "minute", "hour", "hour", "day", "day"))
    bucket = Bucket(unit, rng.choice(STEPS.get(unit, (1,))), rng.choice(ZONES))  # type: ignore[arg-type]  # one of the units
    if window.length > 5_000 * bucket.rough_ms:
        window = Window(start, start + 5_000 * bucket.rough_ms)
    return window, bucket


def groupable(holder: Dataset) -> list[str]:
    """The names that rows can be grouped by; those with a rule of their own more often."""
    plain = [name for name in holder.names() if "<" not in name and not holder.find(name).measurable]
    keys = [f"{name}.{key}" for name in holder.maps for key in (*KEYS, "nobody has it")]
    special = [
        name
        for name in ("team", "agent", "http_status_class", "segments", "is_failure", "http_status")
        if name in holder.names()
    ]
    return list(dict.fromkeys([*special, *plain, *keys]))


def measures(rng: random.Random, holder: Dataset) -> tuple[Measure, ...]:
    found: dict[str, Measure] = {}
    while len(found) < rng.choice((1, 1, 2, 4)):
        word = rng.choice(WORDS)
        word = rng.choice(QUANTILES) if word == "quantile" else word
        fields = [each for each in holder.fields if not each.internal and fits(word, each)]
        if word == "count" and rng.random() < 0.5:
            each = measure(word, None)
        elif fields:
            each = measure(word, rng.choice(fields).name)
        else:
            continue
        found[each.label] = each
    return tuple(found.values())


def fits(word: str, each: Field) -> bool:
    if word == "count":
        return each.type not in ("strings", "map")
    if word == "countDistinct":
        return each.type != "map"
    if word == "rate":
        return each.type == "boolean"
    return each.measurable or (word == "avg" and each.type == "boolean")


def condition(rng: random.Random, holder: Dataset) -> Filter:
    names = [name for name in holder.names() if "<" not in name]
    names += [f"{name}.{key}" for name in holder.maps for key in KEYS]
    each = holder.find(rng.choice(names))
    operator = rng.choice(sorted(BY_TYPE[each.type]))
    if operator == "IS_NULL":
        given: Any = rng.random() < 0.5
    elif operator == "BETWEEN":
        given = tuple(wanted(rng, each) for _ in range(2))
        given = given if rng.random() < 0.1 else tuple(sorted(given))
    elif operator in ("IN", "NOT_IN", "ARRAY_HAS_ANY", "ARRAY_HAS_NONE"):
        given = tuple(wanted(rng, each) for _ in range(rng.choice((0, 1, 2, 4))))
    else:
        given = wanted(rng, each)
    return Filter(each.name, operator, given)  # type: ignore[arg-type]  # one of the operators


def wanted(rng: random.Random, each: Field) -> Any:
    """A value to look for: mostly one that some event has."""
    if each.type == "strings":
        return rng.choice((*TEAMS, "nobody"))
    if each.name == "http_status_class":
        return rng.choice(("2xx", "4xx", "5xx", "9xx", "2"))
    if each.type == "integer" and rng.random() < 0.2:
        return rng.choice((0.5, 2.0, 199.5, 250.25))
    if each.type == "number" and each.name == "value":
        return rng.choice(DECIMALS)
    return value(rng, each, (*STRINGS, "nobody", "%", "a%", "xx"))


def scope(rng: random.Random) -> Scope:
    user = rng.choice((None, *STRINGS[:6]))
    return Scope(user, tuple(rng.sample(TEAMS, rng.choice((0, 1, 2)))))
