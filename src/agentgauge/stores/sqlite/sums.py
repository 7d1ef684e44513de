"""Exact sums per cell: integers of any size, floats rounded once and independent of the order of rows.

Above: tallies. Below: numpy, cells. A float sum equals `math.fsum` of the cell's values, however rows are cut into
pieces, so every store can be held to it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from agentgauge.stores.sqlite.scratch import scratch

if TYPE_CHECKING:
    from agentgauge.stores.sqlite.cells import Fold

Array = npt.NDArray[Any]

EXACT = 2**53
"""Below it every integer is a float64."""
PIECE = 2**17
"""So many values at most are added at a time."""
_WORD = 36
"""The bits of each of the two words a float is split into: 2**17 such words add up to a float64 without rounding."""
_HALF = 2**26 - 1
_SLACK = 2.0**-51
"""More than the rounding of an addition takes or adds, as a share."""
_FAR = 900
"""Beyond such exponents the grid would leave the range of float64."""


class Sums(Protocol):
    """The sums of the cells of one field, so far."""

    def add(self, cells: Array, reach: slice, values: Array) -> None:
        """Adds values to their cells, which are counted from the start of `reach`; at most `PIECE` at a time."""
        ...

    def merge(self, other: Any) -> None:
        """Adds the sums of another worker."""
        ...

    def planes(self) -> list[Array] | None:
        """Per cell a few numbers that together are exactly its sum; None where they would be many."""
        ...

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target; 0 of no values."""
        ...


def summing(kind: str, low: Any, high: Any, size: int, rows: int) -> Sums:
    """Sums of so many cells over at most so many values from low to high."""
    if kind == "int":
        return WholeSums(size) if max(high, -low) * rows < 2**63 else WideSums(size)
    largest = max(abs(low), abs(high))
    if kind == "object" or not math.isfinite(largest):
        return MixedSums()
    return _floats(size, math.frexp(largest)[1], rows)


def _floats(size: int, exponent: int, rows: int) -> FloatSums | MixedSums:
    return FloatSums(size, exponent, rows) if abs(exponent) < _FAR else MixedSums()


class WholeSums:
    """Integers whose sums fit an int64."""

    def __init__(self, size: int) -> None:
        self._sums = np.zeros(size, np.int64)

    def add(self, cells: Array, reach: slice, values: Array) -> None:
        """Adds int64s."""
        np.add.at(self._sums[reach], cells, values)

    def merge(self, other: WholeSums) -> None:
        """Adds the sums of another worker."""
        self._sums += other._sums

    def planes(self) -> list[Array] | None:
        """The sums."""
        return [self._sums]

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target."""
        return folded(self._sums, fold).tolist()


class WideSums:
    """Integers whose sums may pass an int64: the two halves of each value apart."""

    def __init__(self, size: int) -> None:
        self._high, self._low = WholeSums(size), WholeSums(size)

    def add(self, cells: Array, reach: slice, values: Array) -> None:
        """Adds int64s."""
        self._high.add(cells, reach, values >> 32)
        self._low.add(cells, reach, values & 0xFFFF_FFFF)

    def merge(self, other: WideSums) -> None:
        """Adds the sums of another worker."""
        self._high.merge(other._high)
        self._low.merge(other._low)

    def planes(self) -> list[Array] | None:
        """None: such sums are rare."""
        return None

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target."""
        pairs = zip(self._high.fold(fold), self._low.fold(fold), strict=True)
        return [(int(high) << 32) + int(low) for high, low in pairs]


class FloatSums:
    """Floats on a grid of two words of bits below the largest of them; what lies off the grid goes to one below it.

    Each value is split into a multiple of the upper word's last bit and one of the lower word's. Sums of either are
    exact: within a piece as floats, both at once as the two parts of a complex number, and then as integers.
    """

    def __init__(self, size: int, exponent: int, rows: int) -> None:
        self._size, self._rows = size, rows
        self._word = min(_WORD, 62 - rows.bit_length())
        self._scale = exponent - 2 * self._word
        """The weight of the lower word's last bit, as a power of two."""
        self._high, self._low = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._below: FloatSums | MixedSums | None = None

    def add(self, cells: Array, reach: slice, values: Array) -> None:
        """Adds float64s."""
        words: npt.NDArray[np.complex128] = scratch("words", np.complex128, len(values))
        rest = scratch("rest", np.float64, len(values))
        _split(values, self._scale + self._word, words.real, rest)
        _split(rest, self._scale, words.imag, rest)
        found = np.zeros(int(reach.stop - reach.start), np.complex128)
        np.add.at(found, cells, words)
        self._high[reach] += np.ldexp(found.real, -self._scale - self._word).astype(np.int64)
        self._low[reach] += np.ldexp(found.imag, -self._scale).astype(np.int64)
        if rest.any():
            rows = np.flatnonzero(rest)
            self._below = self._below or _floats(self._size, self._scale, self._rows)
            self._below.add(cells[rows], reach, rest[rows])

    def merge(self, other: Any) -> None:
        """Adds the sums of another worker."""
        self._high += other._high
        self._low += other._low
        if self._below is None or other._below is None:
            self._below = self._below or other._below
        else:
            self._below.merge(other._below)

    def planes(self) -> list[Array] | None:
        """The words as floats, and those of what lies below; None where they are not exact."""
        below = self._below.planes() if self._below else []
        words = self._high, self._low
        if below is None or any(np.abs(each).max(initial=0) > EXACT for each in words):
            return None
        high, low = (_at(each, self._scale + more) for each, more in zip(words, (self._word, 0), strict=True))
        return [each for each in (high, low, *below) if each.any()] or [high]

    def exact(self, fold: Fold) -> dict[int, Fraction | float]:
        """The sum of each target that is not 0, before it is rounded."""
        high, low = folded(self._high, fold), folded(self._low, fold)
        unit = Fraction(2) ** self._scale
        found: dict[int, Fraction | float] = {
            at: ((int(high[at]) << self._word) + int(low[at])) * unit for at in np.flatnonzero(high | low).tolist()
        }
        for at, more in (self._below.exact(fold) if self._below else {}).items():
            found[at] = found.get(at, Fraction(0)) + more
        return found

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target, rounded once: by floats where it is plain how, else by fractions."""
        total, left, off = self._near(fold)
        low, high = total + (left - off), total + (left + off)
        found: list[int | float] = low.tolist()
        unsure = low != high
        if unsure.any():
            kept = unsure[fold.targets]
            exact = self.exact(replace(fold, cells=fold.cells[kept], targets=fold.targets[kept]))
            for at in np.flatnonzero(unsure).tolist():
                found[at] = _as_float(exact.get(at, Fraction(0)))
        return found

    def _near(self, fold: Fold) -> tuple[Array, Array, Array]:
        """The sum of each target as a float, what is left of it, and how far off both together may be."""
        total, left, off = np.zeros((3, fold.count))
        if isinstance(self._below, FloatSums):
            total, left, off = self._below._near(fold)
        elif self._below is not None:
            off = np.full(fold.count, np.inf)
        for sums, exponent in ((self._low, self._scale), (self._high, self._scale + self._word)):
            words = folded(sums, fold)
            for half in (words & _HALF, words & ~_HALF):  # either is a float without rounding
                total, lost = _added(total, _at(half, exponent))
                left = left + lost
                off = off + (np.abs(lost) + np.abs(left)) * _SLACK
        return *_added(total, left), off


class MixedSums:
    """Numbers of any kind as plain fractions: integers too large for a float beside floats, and the odd float. Rare."""

    def __init__(self) -> None:
        self._cells: list[Array] = []
        self._values: list[Array] = []

    def add(self, cells: Array, reach: slice, values: Array) -> None:
        """Keeps numbers."""
        self._cells.append(cells + reach.start)
        self._values.append(values)

    def merge(self, other: Any) -> None:
        """Keeps those of another worker."""
        self._cells += other._cells
        self._values += other._values

    def planes(self) -> list[Array] | None:
        """None: such sums are rare."""
        return None

    def exact(self, fold: Fold) -> dict[int, Fraction | float]:
        """The sum of each target that has a value, before it is rounded; a float where one of them is not finite."""
        totals: dict[int, Fraction | float] = {}
        if not self._cells:
            return totals
        top = max(int(each.max()) for each in (*self._cells, fold.cells) if len(each)) + 1
        targets = fold.among(top)[np.concatenate(self._cells)]
        values = [value for each in self._values for value in each.tolist()]
        for target, value in zip(targets.tolist(), values, strict=True):
            if target >= 0:
                more = value if isinstance(value, float) and not math.isfinite(value) else Fraction(value)
                totals[target] = totals.get(target, Fraction(0)) + more
        return totals

    def fold(self, fold: Fold) -> list[int | float]:
        """The sum of each target."""
        totals = self.exact(fold)
        return [_as_float(totals[at]) if at in totals else 0 for at in range(fold.count)]


def folded(sums: Array, fold: Fold) -> Array:
    """Integer sums of cells put together."""
    found = np.zeros(fold.count, sums.dtype)
    np.add.at(found, fold.targets, sums[fold.cells])
    return found


def _added(one: Array, other: Array) -> tuple[Array, Array]:
    """The sums of floats, and what each addition rounded away."""
    total = one + other
    part = total - one
    return total, (one - (total - part)) + (other - part)


def _split(values: Array, exponent: int, near: Array, rest: Array) -> None:
    """Each value as a multiple of 2**exponent, and what is left; adding a large number lets the processor round."""
    large = math.ldexp(1.5, exponent + 52)
    moved = np.add(values, large, out=scratch("moved", np.float64, len(values)))
    np.subtract(moved, large, out=near)
    np.subtract(values, near, out=rest)


def _at(words: Array, exponent: int) -> Array:
    return np.ldexp(words.astype(np.float64), exponent)


def _as_float(total: Fraction | float) -> float:
    """The nearest float; too large for one is infinity."""
    if isinstance(total, float):
        return math.inf if math.isnan(total) else total
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf
