"""Answer: the receipt and the series a model reads, as text and as structured content from one plan.

Above: faces print either form. Below: `series` fills it from tables. Both forms carry the same facts, because some
clients show a model only the one and some only the other (design section 5, "The answer").
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.errors import clean
from agentgauge.core.time import FIXED, SECOND, Bucket, Window, is_regular, iso, local_time
from agentgauge.core.tokens import estimate

if TYPE_CHECKING:
    from datetime import datetime

    from agentgauge.core.table import Cell

CELL_LENGTH = 128
"""The longest a stored string is shown; longer ones end in an ellipsis."""

_OURS = re.compile(r"(?:total|edges|other|note|finer)\b")
"""How our own lines begin; a row that would begin so is quoted, or it could be taken for one of them."""
_ADVERB = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "year": "yearly"}

Totals = Mapping[str, "Cell"]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis of every series: said in words, listed only where it is irregular."""

    bucket: Bucket
    edges: Sequence[int]

    def words(self, *, with_date: bool) -> str:
        """Like `hourly from 00:00`, `every 5m from 05-05 00:00`, `daily from 2026-05-05`."""
        unit, first = self.bucket.unit, local_time(self.edges[0], self.bucket.zone)
        every = _ADVERB.get(unit, f"every {self.bucket}") if self.bucket.n == 1 else f"every {self.bucket}"
        if unit == "year":
            return f"{every} from {first.year}"
        if unit not in FIXED:
            return f"{every} from {first:%Y-%m}" if unit == "month" else f"{every} from {first:%Y-%m-%d}"
        return f"{every} from {f'{first:%m-%d} ' if with_date else ''}{_clock(first)}"

    def label(self, index: int, *, with_date: bool) -> str:
        """A short name of one bucket, for the peak: `14`, `14:05`, `05-14T02:00`, `05-14`."""
        unit, start = self.bucket.unit, local_time(self.edges[index], self.bucket.zone)
        if unit == "year":
            return str(start.year)
        if unit not in FIXED:
            return f"{start:%Y-%m}" if unit == "month" else f"{start:%m-%d}"
        clock = f"{start:%H}" if unit == "hour" and start.minute == 0 else _clock(start)
        return f"{start:%m-%d}T{clock}" if with_date else clock


@dataclass(frozen=True, slots=True)
class Prior:
    """The comparison with the window just before: only what is finished in both is compared."""

    window: Window
    total: Cell | Totals
    change: Cell | Totals
    """(now - prior) / prior; null when the prior is 0 or unknown."""
    compared: Cell | Totals | None = None
    """The part of this window that was compared, where it is not the whole."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The groups that are not shown, together."""

    groups: int
    total: Cell | Totals
    values: Sequence[Cell] | Mapping[str, Sequence[Cell]] | None = None
    partial: Cell | Totals | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool says. `rows` follow `columns`; where there is an axis, a row's last cell is its list of values."""

    title: str
    source: str = ""
    """The upstream that answered; empty for the local store."""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    window: Window | None = None
    tz: str = "UTC"
    axis: Axis | None = None
    as_of: int | None = None
    states_freshness: bool = True
    """False for listings that stand outside time."""
    states_exact: bool = True
    """False where a vendor does not say how exact its numbers are."""
    approximate: str = ""
    total: Cell | Totals = None
    has_total: bool = False
    prior: Prior | None = None
    other: Rest | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further single facts, such as `now`; shown before the rows."""
    notes: tuple[str, ...] = ()
    finer: str = ""

    @property
    def _dated(self) -> bool:
        """Whether labels of the axis need a date: the window is more than one day."""
        return self.window is None or self.window.length > 26 * FIXED["hour"]

    def of_source(self, source: str) -> Answer:
        """The same answer, saying which upstream gave it; what was drawn of it is not drawn again."""
        named = replace(self, source=source)
        drawn = {"title": self.title, "source": source, **self._structured}
        words = f"{self.title} from {source}{self._text[len(self.title) :]}"
        vars(named).update(_structured=drawn, _text=words)
        return named

    def fits(self, budget: int) -> bool:
        """Whether both forms stay within a budget of tokens. What has more values than that is not even drawn, and a
        token is at least one byte, so short forms need no count."""
        if sum(len(row[-1]) if self.axis else len(row) for row in self.rows) > budget:
            return False
        return max(len(self.text().encode()), len(self._json.encode())) <= budget or self.size() <= budget

    def size(self) -> int:
        """About how many tokens the larger of its two forms takes."""
        return max(estimate(self.text()), estimate(self._json))

    def text(self) -> str:
        """The answer as a few lines: title and receipt, totals, then one line per series."""
        return self._text

    def structured(self) -> dict[str, Any]:
        """The answer as JSON values; empty fields are left out, numbers unrounded, an absent group null."""
        return self._structured

    @cached_property
    def _json(self) -> str:
        return json.dumps(self._structured, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def _structured(self) -> dict[str, Any]:
        found: dict[str, Any] = {"title": self.title} | ({"source": self.source} if self.source else {})
        if self.window:
            found |= {"start": iso(self.window.start, self.tz), "end": iso(self.window.end, self.tz)}
            found |= {"tz": self.tz} if self.tz != "UTC" else {}
        if self.axis:
            found |= self._axis(self.axis)
        if self.window and self.states_freshness:
            found["as_of"] = None if self.as_of is None else iso(self.as_of, self.tz)
        if self.approximate:
            found["approximate"] = self.approximate
        found |= {name: _plain(value) for name, value in self.facts.items()}
        if self.has_total:
            found["total"] = _plain(self.total)
        if self.prior:
            found["prior"] = self._prior()
        if self.columns:
            found |= {"columns": list(self.columns), "rows": [[_plain(cell) for cell in row] for row in self.rows]}
        if self.other:
            found["other"] = self._other()
        found |= {"notes": list(self.notes)} if self.notes else {}
        return found | ({"finer": self.finer} if self.finer else {})

    @cached_property
    def _text(self) -> str:
        lines = [self._receipt()]
        lines += [f"{name}: {_words(value)}" for name, value in self.facts.items()]
        if self.has_total:
            lines.append(f"total {_words(self.total)}" + (f"; {self._prior_words()}" if self.prior else ""))
        if self.axis and self.window and not is_regular(self.axis.edges, self.axis.bucket):
            lines.append("edges: " + ", ".join(iso(edge, self.tz) for edge in self.axis.edges))
        if self.columns:
            heads = [_quoted(name) for name in self.columns]
            if self.axis:
                heads[-1] = self.axis.words(with_date=self._dated)
            lines.append(",".join(heads))
            lines += map(_line, self.rows)
        if self.other:
            lines += self._other_lines()
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines + ([f"finer: {self.finer}"] if self.finer else []))

    def _receipt(self) -> str:
        parts = [self.title + (f" from {self.source}" if self.source else "")]
        if self.window:
            zone = self.tz if self.tz != "UTC" else "UTC"
            parts.append(f"{_stamp(self.window.start, self.tz)} to {_stamp(self.window.end, self.tz)} {zone}")
            if self.states_freshness:
                parts.append(self._as_of_words())
            parts += [self.approximate or "exact"] if self.states_exact else []
        return ", ".join(parts)

    def _as_of_words(self) -> str:
        if self.as_of is None or self.window is None:
            return "as of: not stated"
        moment, last = local_time(self.as_of, self.tz), local_time(self.window.end - 1, self.tz)
        stamp = _stamp(self.as_of, self.tz)
        return f"as of {stamp.split()[-1] if moment.date() == last.date() else stamp}"

    def _axis(self, axis: Axis) -> dict[str, Any]:
        found: dict[str, Any] = {"interval": str(axis.bucket)}
        if self.window and axis.edges[0] != self.window.start:
            found["first_bucket"] = iso(axis.edges[0], self.tz)
        if not is_regular(axis.edges, axis.bucket):
            found["edges"] = [iso(edge, self.tz) for edge in axis.edges]
        return found

    def _prior(self) -> dict[str, Any]:
        assert self.prior
        found: dict[str, Any] = {"total": _plain(self.prior.total), "change": _plain(self.prior.change)}
        if self.prior.compared is not None:
            window = self.prior.window
            found |= {"start": iso(window.start, self.tz), "end": iso(window.end, self.tz)}
            found["compared_with"] = _plain(self.prior.compared)
        return found

    def _prior_words(self) -> str:
        assert self.prior
        total, change, compared = self.prior.total, self.prior.change, self.prior.compared
        if isinstance(total, Mapping) and isinstance(change, Mapping):
            now: Totals = compared if isinstance(compared, Mapping) else {}
            each = [f"{_quoted(name)} {_moved(value, change[name], now.get(name))}" for name, value in total.items()]
            words = f"prior period {', '.join(each)}"
        else:
            words = f"prior period {_moved(total, change, compared)}"
        if compared is not None:
            start, end = _stamp(self.prior.window.start, self.tz), _stamp(self.prior.window.end, self.tz)
            words += f", {start} to {end} against the same part of this period"
        return words

    def _other(self) -> dict[str, Any]:
        assert self.other
        found: dict[str, Any] = {"groups": self.other.groups, "total": _plain(self.other.total)}
        if self.other.partial is not None:
            found["partial"] = _plain(self.other.partial)
        return found | ({} if self.other.values is None else {"values": _plain(self.other.values)})

    def _other_lines(self) -> list[str]:
        """`other` in the shape of the rows above it: a line, or one per measure; cells it has not are dashes."""
        assert self.other
        heads, rest = list(self.columns), self.other
        name = f"other({rest.groups})"

        def line(measure: str | None, cells: Mapping[str, Any]) -> str:
            shown = [measure if head == "measure" else cells.get(head) for head in heads]
            texts = _cells(shown) if heads else _cells([rest.total])
            return ",".join([name, *(texts[1:] if heads else texts)])

        if isinstance(rest.total, Mapping) and ("measure" not in heads or not heads):
            return [line(None, dict(rest.total))]
        if isinstance(rest.total, Mapping):
            values: Mapping[str, Sequence[Cell]] = rest.values if isinstance(rest.values, Mapping) else {}
            partial: Totals = rest.partial if isinstance(rest.partial, Mapping) else {}
            return [
                line(each, {"total": total, "values": values.get(each), "partial": partial.get(each)})
                for each, total in rest.total.items()
            ]
        only = {"total": rest.total, "values": rest.values, "partial": rest.partial}
        return [line(None, only | ({heads[-1]: rest.total} if heads and "total" not in heads else {}))]


def peak(values: Sequence[Cell], axis: Axis, *, dated: bool) -> str | None:
    """The largest value and where it is, `88@14`; null where there is none."""
    best: tuple[float, int] | None = None
    for index, value in enumerate(values):
        if isinstance(value, int | float) and (best is None or value > best[0]):
            best = (value, index)
    return None if best is None else f"{_number(best[0])}@{axis.label(best[1], with_date=dated)}"


def change(now: Cell | Totals, prior: Cell | Totals) -> Cell | Totals:
    """The relative change, null when the prior is 0 or either is unknown."""
    if isinstance(now, Mapping) and isinstance(prior, Mapping):
        return {name: _ratio(now[name], prior.get(name)) for name in now}
    return None if isinstance(now, Mapping) or isinstance(prior, Mapping) else _ratio(now, prior)


def _ratio(now: Cell, prior: Cell) -> float | None:
    if not isinstance(now, int | float) or not isinstance(prior, int | float) or not prior:
        return None
    return round((now - prior) / abs(prior), 4)


def _plain(value: Any) -> Any:
    """A value as JSON may carry it: strings cleaned and cut, no NaN, no infinity."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        return {_shown(str(name)): _plain(each) for name, each in items.items()}
    cells: Sequence[Any] = value
    return [_plain(each) for each in cells]


def _shown(text: str) -> str:
    text = clean(text)
    return text if len(text) <= CELL_LENGTH else text[: CELL_LENGTH - 1] + "…"


def _line(row: Sequence[Any]) -> str:
    first, *rest = _cells(row)
    return ",".join([json.dumps(first, ensure_ascii=False) if _OURS.match(first) else first, *rest])


def _cells(row: Sequence[Any]) -> list[str]:
    texts: list[str] = []
    for cell in row:
        if isinstance(cell, list | tuple):
            texts += map(_cell, cast("Sequence[Any]", cell))
        else:
            texts.append(_cell(cell))
    return texts


def _cell(value: Any) -> str:
    if value is None or isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _quoted(text: str) -> str:
    """A string cell; as a JSON string where it could be taken for something else."""
    shown = _shown(text)
    if shown in ("", "-") or any(mark in shown for mark in ',"{') or shown.strip() != shown:
        return json.dumps(shown, ensure_ascii=False)
    return shown


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        return ", ".join(f"{_quoted(str(name))} {_words(each)}" for name, each in items.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_words(each) for each in cast("Sequence[Any]", value))
    return _cell(value)


def _number(value: Cell) -> str:
    """Integers exact, fractions with 4 significant digits, null as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return f"{value:.0f}" if 1_000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _moved(prior: Any, ratio: Any, now: Any) -> str:
    """A prior value with its change, and what it was compared with where that is not the total."""
    said = [f"{ratio * 100:+.1f} %"] if isinstance(ratio, int | float) else []
    said += [f"now {_number(now)}"] if now is not None else []
    return _number(prior) + (f" ({', '.join(said)})" if said else "")


def _stamp(instant: int, tz: str) -> str:
    local = local_time(instant, tz)
    spec = "seconds" if instant % FIXED["minute"] >= SECOND or instant % SECOND else "minutes"
    return local.replace(microsecond=0).isoformat(sep=" ", timespec=spec)


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
