"""From a question to an answer that fits its token budget.

Above: every tool that asks one Query. Below: `series`, `compare`. What does not fit is coarsened, then cut to top and
other; that is said in `notes` and priced in `finer`, and `total` always covers everything (design section 5).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentgauge.core.compare import compare
from agentgauge.core.errors import InvalidValue
from agentgauge.core.series import Ask, Series, lay_out, without_peak
from agentgauge.core.time import Bucket, Window, edges, parse_bucket

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer
    from agentgauge.core.operation import Desk

MOST_TOKENS = 8_000
"""The largest budget an answer may have."""
LEAST_TOKENS = 200
"""What an answer's receipt and totals may take, however small its budget."""
CHOSEN_BUCKETS = 60
"""The most buckets an interval is chosen for when none was asked; a finer one has to be asked for."""
NOT_COMPARED = "no comparison: nothing is finished in both this window and the one before"
SAMPLED = 12
"""How many rows are drawn to learn what a row costs."""
USEFUL_BUCKETS = 8
"""Series are cut before a timeline is coarsened below this many buckets."""

LADDER: tuple[str, ...] = (
    *("1s", "5s", "15s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "3h", "6h", "12h"),
    *("1d", "2d", "1w", "2w", "1mo", "3mo", "1y", "5y"),
)
"""The intervals a person would choose, finest first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to show it: how fine, and how many groups."""

    bucket: Bucket | None
    n: int


async def present(want: Series, desk: Desk) -> Answer:
    """The answer, asked as often as it takes to fit the budget."""
    ask = want.ask or desk.ask
    first = Plan(_first_bucket(want), want.limit)
    table = await ask(want.at(first.bucket, first.n))
    answer = lay_out(want, table)
    if want.compare:
        prior = await compare(want.query, table, ask, desk.now, want.period)
        answer = replace(answer, prior=prior, notes=answer.notes + (() if prior else (NOT_COMPARED,)))
    first = replace(first, n=len(table.groups))
    if answer.fits(want.budget):
        return _priced(want, answer, first)
    bare = without_peak(answer)
    if bare.fits(want.budget):
        return _priced(want, bare, first)
    return await _fitted(want, ask, bare, first)


def chosen_bucket(window: Window, tz: str, most: int = CHOSEN_BUCKETS, ladder: Sequence[str] = LADDER) -> Bucket:
    """The finest interval of the ladder with at most `most` buckets in the window."""
    steps = [parse_bucket(step, tz) for step in ladder]
    return next((each for each in steps if window.length <= most * each.rough_ms), steps[-1])


def _first_bucket(want: Series) -> Bucket | None:
    if not want.timeline:
        return None
    if want.interval:
        edges(want.query.window, want.interval)  # refuses more than 10,000 buckets before anything is read
        return want.interval
    return chosen_bucket(want.query.window, want.tz)


def most_rows(count: int, draw: Callable[[int], Answer], budget: int) -> Answer:
    """The answer drawn with as many of `count` rows as the budget holds."""
    return draw(bisect_left(range(1, count + 1), True, key=lambda n: not draw(n).fits(budget)))


def first_rows(answer: Answer, budget: int, what: str = "rows") -> Answer:
    """A listing cut to the first rows that fit the budget; how many those are is noted."""
    count = len(answer.rows)

    def draw(n: int) -> Answer:
        if n == count:
            return answer
        note = f"{n} of {count} {what} shown to fit a budget of {budget:,} tokens"
        return replace(answer, rows=answer.rows[:n], columns=answer.columns if n else [], notes=(*answer.notes, note))

    return most_rows(count, draw, budget)


async def _fitted(want: Series, ask: Ask, draft: Answer, first: Plan) -> Answer:
    cost = Cost(draft, first)
    for plan in _plans(want, first):
        if cost.predict(want.query.window, plan) > want.budget:
            continue
        table = await ask(want.at(plan.bucket, max(plan.n, 1)))
        answer = replace(lay_out(_as_distribution(want, plan), table), prior=draft.prior)
        if plan.bucket:
            answer = without_peak(answer)
        answer = replace(
            answer, notes=_fit_notes(want, first, plan) + answer.notes, finer=cost.finer(want, first, plan)
        )
        if plan.n == 0:
            answer = replace(answer, columns=[], rows=[], other=None)
        if answer.fits(want.budget):
            return answer
    return _smallest(replace(draft, columns=[], rows=[], other=None, axis=None), want, cost, first)


def _smallest(answer: Answer, want: Series, cost: Cost, first: Plan) -> Answer:
    """The total alone, with as much of the rest as the budget still holds.

    Raises:
        InvalidValue: when so much was asked that even its totals do not fit.
    """
    note = (f"only the total fits a budget of {want.budget:,} tokens",)
    bare = ("the comparison is left out",) if answer.prior else ()
    candidates = (
        replace(answer, notes=note + answer.notes, finer=cost.finer(want, first, Plan(None, 0))),
        replace(answer, notes=note + answer.notes),
        replace(answer, notes=(*note, *bare, *answer.notes), prior=None),
        replace(answer, notes=note + bare, prior=None),
    )
    found = next((each for each in candidates if each.fits(want.budget)), candidates[-1])
    if not found.fits(max(want.budget, LEAST_TOKENS)):
        size = math.ceil(candidates[-1].size() / 100) * 100
        count = len(want.query.measures)
        raise InvalidValue(
            f"the totals of {count} measures alone take about {size:,} tokens, more than a budget of {want.budget:,}.",
            hint="Ask for fewer measures" + (f", or budget={size}." if size <= MOST_TOKENS else "."),
        )
    return found


def _as_distribution(want: Series, plan: Plan) -> Series:
    return want if plan.bucket else replace(want, nulls=False)


def _plans(want: Series, first: Plan) -> Iterator[Plan]:
    """Ways to show less, the best first: coarser, then fewer groups, then coarser still, then no timeline."""
    groups = first.n
    fewer = [n for n in (10, 7, 5, 3, 2, 1) if n < groups]
    if first.bucket:
        ladder = [parse_bucket(step, want.tz) for step in LADDER]
        coarser = [each for each in ladder if each.rough_ms > first.bucket.rough_ms]
        counted = [(each, want.query.window.length / each.rough_ms) for each in coarser]
        counted.insert(0, (first.bucket, math.inf))
        for n in (groups, *(n for n in fewer if n >= 3)):
            yield from (Plan(each, n) for each, count in counted if count >= USEFUL_BUCKETS)
        for n in (min(3, groups), *(n for n in fewer if n < 3)):
            yield from (Plan(each, n) for each, count in counted if 2 <= count < USEFUL_BUCKETS)
    if want.query.group_by:
        yield from (Plan(None, n) for n in (groups, *(groups * k // 8 for k in range(7, 0, -1)), *fewer) if n)
    yield Plan(None, 0)


def _fit_notes(want: Series, first: Plan, plan: Plan) -> tuple[str, ...]:
    budget = f"to fit a budget of {want.budget:,} tokens"
    notes: list[str] = []
    if first.bucket and plan.bucket is None:
        notes.append(f"the timeline is left out {budget}")
    elif first.bucket and plan.bucket != first.bucket:
        notes.append(f"interval coarsened from {first.bucket} to {plan.bucket} {budget}")
    if want.query.group_by and plan.n == 0:
        notes.append(f"all {first.n} series are left out {budget}")
    elif plan.n < first.n:
        notes.append(f"cut from {first.n} to {plan.n} series {budget}")
    return tuple(notes)


def _priced(want: Series, answer: Answer, plan: Plan) -> Answer:
    """The answer with the price of the next finer interval, when the interval was chosen and there is room for it."""
    if plan.bucket is None or want.interval is not None:
        return answer
    cost = Cost(answer, plan)
    finer = [step for step in (parse_bucket(each, want.tz) for each in LADDER) if step.rough_ms < plan.bucket.rough_ms]
    for step in reversed(finer[-3:]):
        price = cost.predict(want.query.window, Plan(step, plan.n))
        if cost.size * 1.3 < price <= MOST_TOKENS and want.query.window.length / step.rough_ms <= 10_000:
            priced = replace(answer, finer=_price_words(str(step), price))
            return priced if priced.fits(want.budget) else answer
    return answer


class Cost:
    """What a draft's cells cost, measured on a sample of its rows, and so what another plan would."""

    def __init__(self, draft: Answer, plan: Plan) -> None:
        sample = replace(draft, rows=draft.rows[:: math.ceil(len(draft.rows) / SAMPLED) or 1], other=None)
        bare = sample
        if draft.axis:
            bare = replace(sample, rows=[row[:-1] for row in sample.rows], columns=sample.columns[:-1])
        shown = max(1, len(sample.rows))
        self.buckets = len(draft.axis.edges) - 1 if draft.axis else 0
        self.head = replace(sample, rows=[], columns=[]).size()
        self.line = max(1.0, (bare.size() - self.head) / shown)
        self.cell = (sample.size() - bare.size()) / max(1, shown * self.buckets)
        self.lines_each = max(1.0, len(draft.rows) / max(1, plan.n))
        """How many lines a group has: one, or one per measure."""
        self.rest = bool(draft.other)
        self.groups = plan.n
        lines = len(draft.rows) + (self.lines_each if self.rest else 0)
        self.size = int(self.head + lines * (self.line + self.buckets * self.cell))

    def predict(self, window: Window, plan: Plan) -> int:
        """About how many tokens a plan takes; a little low, since it is checked once it is drawn."""
        per_line = self.line
        if plan.bucket:
            count = window.length / plan.bucket.rough_ms
            ratio = self.buckets / max(1.0, count)
            per_line += count * max(1.6, self.cell + 0.3 * math.log10(max(0.01, ratio)))
        groups = plan.n + (self.rest or plan.n < self.groups)
        return int(self.head + per_line * self.lines_each * groups)

    def finer(self, want: Series, first: Plan, plan: Plan) -> str:
        """What it costs to have back what was left out: all of it, else as much as an answer can hold."""
        if plan == first:
            return ""
        if self.size <= MOST_TOKENS:
            return _price_words(_plan_words(first, plan), self.size)
        if first.bucket is None:
            return "a filter or fewer groups"
        steps = [
            each for each in (parse_bucket(step, want.tz) for step in LADDER) if each.rough_ms > first.bucket.rough_ms
        ]
        coarsest = plan.bucket.rough_ms if plan.bucket else math.inf
        for n in dict.fromkeys((first.n, max(1, plan.n))):
            for step in steps:
                wanted = Plan(step, n)
                price = int(self.predict(want.query.window, wanted) * 1.15)
                better = step.rough_ms < coarsest or (step.rough_ms == coarsest and n > plan.n)
                if better and want.budget < price <= MOST_TOKENS:
                    return _price_words(_plan_words(wanted, plan), price)
        return "a shorter window"


def _plan_words(wanted: Plan, shown: Plan) -> str:
    """What a plan shows that another does not: `5m`, `40 series`, `5m with 40 series`."""
    words = [str(wanted.bucket)] if wanted.bucket and wanted.bucket != shown.bucket else []
    return " with ".join(words + ([f"{wanted.n} series"] if wanted.n != shown.n else []))


def _price_words(what: str, price: int) -> str:
    rounded = max(10, round(price, 1 - len(str(price)) if price < 1_000 else 2 - len(str(price))))
    return f"{what}: about {rounded:,} tokens"
