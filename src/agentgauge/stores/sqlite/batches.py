"""Batches of rows as columns, and the columns of a stretch of time out of several batches, as reading would give them.

Above: fresh, which keeps them. Below: the catalog, columns. Every batch has dictionaries of its own, so that any of
them can go; they are put together for a stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from agentgauge.core.catalog import DERIVED, Dataset
from agentgauge.stores.sqlite.columns import Array, Coded, Coder, Counter, Numbering, Numbers, join_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kept = Coded | Numbers
"""A column of rows as they are stored: lists and maps are text."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in the order of their keys."""

    first: tuple[int, str]
    last: tuple[int, str]
    ts: Array
    columns: Mapping[str, Kept]

    @classmethod
    def of(cls, holder: Dataset, columns: Mapping[str, Sequence[Any]]) -> Batch:
        """The batch of rows of those columns, ts and id among them."""
        found: dict[str, Kept] = {}
        for name, values in columns.items():
            field = holder.by_name.get(name)
            if name == "ts" or (field and not field.internal):
                builder = Counter() if field is None or field.measurable else Coder()
                builder.add(values)
                found[name] = builder.done()
        first, last = ((columns["ts"][at], columns["id"][at]) for at in (0, -1))
        return cls(first, last, cast("Numbers", found.pop("ts")).values, found)

    def between(self, start: int, end: int) -> slice:
        """Which rows are of start..end."""
        first, last = np.searchsorted(self.ts, [start, end]).tolist()
        return slice(first, last)


def columns(holder: Dataset, batches: Sequence[Batch], start: int, end: int) -> tuple[Array, dict[str, Kept]]:
    """The instants and the columns of the rows of start..end, derived fields among them; a field that none of the
    batches has is left out."""
    cuts = [each.between(start, end) for each in batches]
    ts = np.concatenate([each.ts[cut] for each, cut in zip(batches, cuts, strict=True)])
    found: dict[str, Kept] = {}
    for name in dict.fromkeys(name for each in batches for name in each.columns):
        is_number = holder.find(name).measurable
        parts: list[Any] = [
            each.columns[name].take(cut) if name in each.columns else _nulls(cut.stop - cut.start, is_number)
            for each, cut in zip(batches, cuts, strict=True)
        ]
        found[name] = join_numbers(parts) if is_number else _join(parts)
    return ts, found | _derived(holder, found)


def _nulls(rows: int, is_number: bool) -> Kept:
    zeros = np.zeros(rows, np.uint8)
    return Numbers(zeros, np.ones(rows, bool)) if is_number else Coded(zeros, [])


def _join(parts: Sequence[Coded]) -> Coded:
    known = Numbering({None: 0})
    codes = [known.of((None, *each.values))[each.codes] for each in parts]
    return Coded(np.concatenate(codes), list(known)[1:])


def _derived(holder: Dataset, found: Mapping[str, Kept]) -> dict[str, Kept]:
    """What the rows' SQL would give for the derived fields of a dataset."""
    made: dict[str, Kept] = {}
    for name, how in DERIVED.items():
        parts: list[Any] = [found[part] for part in how.parts if part in found]
        if parts and all(part in holder.by_name for part in how.parts):
            made[name] = _first(parts) if how.how == "coalesce" else _classes(parts[0])
    return made


def _first(parts: Sequence[Coded]) -> Coded:
    """Per row, the first of the values that is not null."""
    known = Numbering({None: 0})
    codes = np.zeros(len(parts[0].codes), np.int32)
    for each in parts:
        codes = np.where(codes == 0, known.of((None, *each.values))[each.codes], codes)
    return Coded(codes, list(known)[1:])


def _classes(status: Numbers) -> Coded:
    """Per row, the class of an http status: 2xx."""
    classes, codes = np.unique(status.values // 100, return_inverse=True)
    return Coded(np.where(status.present(), codes + 1, 0), [f"{each}xx" for each in classes.tolist()])
