"""Answers a Query over parts of columns in memory, exactly: design section 4 in numpy.

Above: the stores. Below: pieces (the rows that pass), cells (the group and bucket of each), tallies and quantiles (what
is measured per cell). It does not know where columns come from. Each row is looked at once: what adds up is counted per
cell and folded into totals, `other` and the overall total.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agentgauge.core.catalog import dataset
from agentgauge.core.table import Other, Table
from agentgauge.core.time import edges
from agentgauge.stores.sqlite.cells import Cells, Fold, Groups, compact
from agentgauge.stores.sqlite.columns import Totals
from agentgauge.stores.sqlite.merging import Merging
from agentgauge.stores.sqlite.pieces import Source
from agentgauge.stores.sqlite.quantiles import Ranked, sorted_out
from agentgauge.stores.sqlite.tallies import Tallies, plan
from agentgauge.stores.sqlite.workers import share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgauge.core.query import Measure, Query
    from agentgauge.core.table import Cell, Key
    from agentgauge.stores.sqlite.columns import Array, Columns

Values = dict[str, list["Cell"]]
"""Measure label -> the value of each target of a fold."""


def answer(query: Query, parts: Sequence[Columns], as_of: int | None) -> Table:
    """The answer. Each part holds the columns that the query names; rows outside the window are left out.

    Parts may overlap in time and have dictionaries and number types of their own; their order means nothing. A part may
    be a summary, whose rows stand for many events each, where the question needs no more than that tells.
    """
    grid = edges(query.window, query.bucket) if query.bucket else [query.window.start, query.window.end]
    overlap = any(dataset(query.dataset).find(name).type == "strings" for name in query.group_by)
    scan = Scan(query, parts, grid)
    groups, keys = scan.groups()
    whole, total = scan.values(query.measures, [scan.by_group(groups), scan.all(groups)])
    order = _order(query, whole)
    kept, cut = np.split(order, [query.top.n if query.top and query.group_by else len(order)])
    totals: Values = {label: [column[at] for at in kept.tolist()] for label, column in whole.items()}
    rows = scan.by_bucket(groups[kept])
    if query.bucket is None and rows.count == len(kept):
        values = totals
    else:
        (values,) = scan.values(query.measures, [rows])
    if overlap:  # each event once, whatever its lists
        lone = Scan(replace(query, group_by=()), parts, grid)
        (total,) = lone.values(query.measures, [lone.all(lone.groups()[0])])
    return Table(
        window=query.window,
        edges=grid,
        bucket=query.bucket,
        group_by=query.group_by,
        measures=query.measures,
        groups=list(map(keys.__getitem__, kept.tolist())),
        at=_listed(rows.buckets),
        of=_listed(rows.places),
        values=values,
        totals=totals,
        total={label: value for label, (value,) in total.items()},
        other=_other(query, scan, groups[cut]) if len(cut) and not overlap else None,
        rows_overlap=overlap,
        as_of=as_of,
    )


class Scan:
    """One pass over the rows of a question, and what can be read off it."""

    def __init__(self, query: Query, parts: Sequence[Columns], grid: Sequence[int]) -> None:
        self._source = Source(query, parts, grid)
        self.cells = Cells(self._source, query.group_by)
        makers = plan(query.measures, self._source)

        def count(numbers: Iterator[int]) -> Tallies:
            tallies = Tallies(makers, self.cells.size)
            for number in numbers:
                tallies.add(self.cells.entries(number))
            return tallies

        self._tallies, *others = share(len(self.cells), count)
        for each in others:
            self._tallies.merge(each)
        self._ranks: dict[str, tuple[Ranked, Ranked]] = {}
        self._merged: dict[str, Merging] = {}
        self._used = np.flatnonzero(self._tallies.counts)
        self._at, self._of = self.cells.places(self._used)

    def groups(self) -> tuple[Array, list[Key]]:
        """The groups that have rows, in the order of their values, and their keys; without grouping always one."""
        if not self.cells.is_grouped:
            return np.zeros(1, np.int64), [()]
        marks = np.zeros(self.cells.groups, bool)
        marks[self._of] = True
        return self.cells.ordered(np.flatnonzero(marks))

    def by_group(self, groups: Array) -> Fold:
        """A target for each of those groups."""
        return self._kept(self._places(groups, len(groups))[self._of], len(groups))

    def all(self, groups: Array) -> Fold:
        """One target for all of those groups."""
        return self._kept(self._places(groups, 1)[self._of], 1)

    def by_bucket(self, groups: Array, *, together: bool = False) -> Fold:
        """A target for each bucket in which a group, or any of them, has rows: by bucket, then by group."""
        width = 1 if together else max(len(groups), 1)
        places = self._places(groups, width)[self._of]
        kept = places >= 0
        found, targets = compact(self._at[kept] * width + places[kept], self.cells.buckets * width)
        buckets, places = np.divmod(found, width)
        return Fold(self._used[kept], targets, len(found), buckets, places)

    def values(self, measures: Sequence[Measure], folds: Sequence[Fold]) -> list[Values]:
        """Per fold, the measures of its targets."""
        ranked = self._ranked(measures, folds)
        return [
            {
                each.label: ranked[each.field, each.ppnn][number]
                if each.how == "quantile"
                else self._tallies.fold(each, fold)
                for each in measures
            }
            for number, fold in enumerate(folds)
        ]

    def _ranked(
        self, measures: Sequence[Measure], folds: Sequence[Fold]
    ) -> dict[tuple[str | None, int], list[list[Cell]]]:
        """Per field and quantile, and per fold, the values of the targets."""
        wanted: dict[str, list[int]] = {}
        for each in measures:
            if each.how == "quantile" and each.field:
                wanted.setdefault(each.field, []).append(each.ppnn)
        found: dict[tuple[str | None, int], list[list[Cell]]] = {}
        for name, ppnns in wanted.items():
            for one in self._quantiles(name, ppnns, folds):
                for ppnn in ppnns:
                    found.setdefault((name, ppnn), []).append(one[ppnn])
        return found

    def _quantiles(self, name: str, ppnns: Sequence[int], folds: Sequence[Fold]) -> list[dict[int, list[Cell]]]:
        if any(isinstance(each, Totals) for each in self._source.columns(name)):
            return self._merging(name).quantiles(folds, ppnns)
        fine, coarse = self._levels(name)
        if fine.is_binned:
            return fine.binned(folds, ppnns)
        lifted = [self._lifted(fold) for fold in folds if fold.buckets is None]
        whole = iter(coarse.binned(lifted, ppnns) if lifted and coarse.is_binned else ())
        found: list[dict[int, list[Cell]]] = []
        for fold in folds:
            sizes = np.array(self._tallies.present(name, fold), np.int64)
            if fold.buckets is not None:
                found.append(sorted_out(fine, fold, fold.buckets, sizes, ppnns))
            elif coarse.is_binned:
                found.append(next(whole))
            else:
                found.append(sorted_out(coarse, self._lifted(fold), np.zeros(fold.count, np.int64), sizes, ppnns))
        return found

    def _merging(self, name: str) -> Merging:
        if name not in self._merged:
            self._merged[name] = Merging(self.cells, name)
        return self._merged[name]

    def _levels(self, name: str) -> tuple[Ranked, Ranked]:
        """A field's values ranked in the cells, and in whole groups."""
        if name not in self._ranks:
            self._ranks[name] = (
                Ranked(self._source, self.cells, name),
                Ranked(self._source, Groups(self.cells), name),
            )
        return self._ranks[name]

    def _lifted(self, fold: Fold) -> Fold:
        """A fold of whole groups, with groups in the place of cells."""
        targets = np.full(self.cells.groups, -1, np.int64)
        targets[self.cells.places(fold.cells)[1]] = fold.targets
        groups = np.flatnonzero(targets >= 0)
        return Fold(groups, targets[groups], fold.count)

    def _places(self, groups: Array, width: int) -> Array:
        """Per group, its place among those given, or 0 where there is but one; -1 for the rest."""
        places = np.full(self.cells.groups, -1, np.int64)
        places[groups] = np.arange(len(groups)) if width > 1 else 0
        return places

    def _kept(self, targets: Array, count: int) -> Fold:
        kept = targets >= 0
        return Fold(self._used[kept], targets[kept], count)


def _order(query: Query, whole: Values) -> Array:
    """The groups by core.table.rank: they come by value already, so a stable sort by the total is enough."""
    totals: list[Any] = whole[query.measures[0].label] if query.measures else []
    down = [np.inf if total is None else -total for total in totals]
    return np.array(sorted(range(len(down)), key=down.__getitem__), np.int64)


def _other(query: Query, scan: Scan, groups: Array) -> Other:
    rows = scan.by_bucket(groups, together=True)
    totals, values = scan.values(query.measures, [scan.all(groups), rows])
    return Other(
        groups=len(groups),
        totals={label: value for label, (value,) in totals.items()},
        at=_listed(rows.buckets),
        values=values,
    )


def _listed(numbers: Array | None) -> list[int]:
    return [] if numbers is None else numbers.tolist()
