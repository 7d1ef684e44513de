"""Exact sums per cell: integers of any size, floats rounded once and independent of the order of rows.

Above: scan. Below: numpy. A float sum equals `math.fsum` of the cell's values, so every store can be held to it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

EXACT = 2**53
"""Below it every integer is a float64."""
_MANTISSA = 53
_BAND = 8
"""Neighbouring exponents that share an accumulator: a mantissa shifted by 7 still fits 60 bits."""
_LOW = 30
"""The bits of the lower of the two halves in which mantissas are summed: float64 holds 2**23 of them exactly."""


def sum_by(cells: Array, count: int, values: Array) -> list[int | float]:
    """The sum of the values of each cell 0..count-1: ints of an int64 array, else floats, 0 of no values."""
    if values.dtype == np.int64:
        return _integers(cells, count, values)
    if values.dtype == np.float64:
        return _floats(cells, count, values)
    return _mixed(cells, count, values)


def compact(keys: Array, size: int) -> tuple[Array, Array]:
    """The distinct keys (each in 0..size-1) ascending, and for every key its place among them."""
    if size <= 4 * len(keys) + 65_536:
        present = np.bincount(keys, minlength=size) > 0
        return np.flatnonzero(present), (np.cumsum(present) - 1)[keys]
    found, places = np.unique(keys, return_inverse=True)
    return found, places


def _integers(cells: Array, count: int, values: Array) -> list[int | float]:
    if not len(values):
        return [0] * count
    largest = max(int(values.max()), -int(values.min())) * len(values)
    if largest < EXACT:
        return np.bincount(cells, weights=values, minlength=count).astype(np.int64).tolist()
    if largest < 2**63:
        return _added(cells, count, values).tolist()
    high, low = _added(cells, count, values >> 32), _added(cells, count, values & 0xFFFF_FFFF)
    return [(above << 32) + below for above, below in zip(high.tolist(), low.tolist(), strict=True)]


def _added(cells: Array, count: int, values: Array) -> Array:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, cells, values)
    return sums


def _floats(cells: Array, count: int, values: Array) -> list[int | float]:
    sizes = np.bincount(cells, minlength=count)
    plain = np.bincount(cells, weights=values, minlength=count)
    sums: list[Any] = plain.tolist()
    if not np.isfinite(plain).all() and not np.isfinite(values).all():
        return [each if math.isfinite(each) else _infinite(each) for each in sums]
    many = sizes > 2  # the sum of two floats is rounded once anyway
    if many.any():
        chosen = many[cells]
        numbers, places = compact(cells[chosen], count)
        for cell, total in zip(numbers.tolist(), _accumulated(places, len(numbers), values[chosen]), strict=True):
            sums[cell] = total
    for cell in np.flatnonzero(sizes == 0).tolist():
        sums[cell] = 0
    return sums


def _infinite(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _accumulated(cells: Array, count: int, values: Array) -> list[float]:
    """A superaccumulator: mantissas are added as integers per cell and band of exponents, rounded at the end."""
    fractions, exponents = np.frexp(values)
    lowest = int(exponents.min())
    exponents = exponents.astype(np.int64) - lowest
    mantissas = np.ldexp(fractions, _MANTISSA).astype(np.int64) << exponents % _BAND
    bands = exponents // _BAND
    span = int(bands.max()) + 1
    spots, places = compact(cells * span + bands, count * span)
    highs = _halves(places, len(spots), mantissas >> _LOW)
    lows = _halves(places, len(spots), mantissas & (2**_LOW - 1))
    totals = [0] * count
    owners, shifts = (spots // span).tolist(), (spots % span * _BAND).tolist()
    for owner, shift, high, low in zip(owners, shifts, highs, lows, strict=True):
        totals[owner] += ((high << _LOW) + low) << shift
    scale = lowest - _MANTISSA
    return [_rounded(total, scale) for total in totals]


def _halves(places: Array, count: int, halves: Array) -> list[int]:
    if len(places) < EXACT >> _LOW:
        return np.bincount(places, weights=halves, minlength=count).astype(np.int64).tolist()
    return _added(places, count, halves).tolist()


def _rounded(total: int, scale: int) -> float:
    """total * 2**scale as the nearest float; too large for one is infinity."""
    try:
        return float(total << scale) if scale >= 0 else total / (1 << -scale)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def _mixed(cells: Array, count: int, values: Array) -> list[int | float]:
    """Integers too large for a float beside floats: rare, so plain fractions."""
    totals: list[Fraction | float] = [Fraction(0)] * count
    for cell, value in zip(cells.tolist(), values.tolist(), strict=True):
        totals[cell] += value if isinstance(value, float) and not math.isfinite(value) else Fraction(value)
    sizes = np.bincount(cells, minlength=count).tolist()
    return [_as_float(total) if size else 0 for total, size in zip(totals, sizes, strict=True)]


def _as_float(total: Fraction | float) -> float:
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf
