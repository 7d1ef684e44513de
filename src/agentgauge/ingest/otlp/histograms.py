"""The observations that a histogram's buckets stand for: as many values as were counted, with their exact sum.

Above: `metrics`. Below: nothing. A value stands at the geometric midpoint of its bucket (facts/telemetry.md 1.4), moved
within it as little as the exact sum asks; a quantile of such values is approximate, a count and a sum are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MOST_VALUES = 1_000
"""The most values that one data point becomes; of more, each stands for several, evenly by rank."""


class Bucket(NamedTuple):
    """Some observations between two bounds."""

    low: float
    high: float
    n: int


class Exponential(NamedTuple):
    """The buckets of an exponential histogram by index: i covers (base^i, base^(i+1)], base 2^(2^-scale)."""

    scale: int
    zero: int
    positive: Mapping[int, int]
    negative: Mapping[int, int]

    def at_scale(self, scale: int) -> Exponential:
        """The same in coarser buckets: each step halves the indexes (facts 1.4)."""
        steps = self.scale - scale
        return Exponential(scale, self.zero, _merged(self.positive, steps), _merged(self.negative, steps))

    def less(self, before: Exponential) -> Exponential:
        """What was counted since; both at the coarser of their scales."""
        scale = min(self.scale, before.scale)
        now, then = self.at_scale(scale), before.at_scale(scale)
        positive, negative = _less(now.positive, then.positive), _less(now.negative, then.negative)
        return Exponential(scale, now.zero - then.zero, positive, negative)

    def buckets(self) -> list[Bucket]:
        """Its buckets that hold something, ascending."""
        base = 2.0 ** (2.0**-self.scale)
        below = [
            Bucket(-_power(base, index + 1), -_power(base, index), n)
            for index, n in sorted(self.negative.items(), reverse=True)
        ]
        above = [Bucket(_power(base, index), _power(base, index + 1), n) for index, n in sorted(self.positive.items())]
        return [each for each in (*below, Bucket(0.0, 0.0, self.zero), *above) if each.n > 0]


def explicit(bounds: Sequence[float], counts: Sequence[int], low: float | None, high: float | None) -> list[Bucket]:
    """The buckets (bounds[i-1], bounds[i]] that hold something; the outer ones end at the least and largest value where
    they are known, else at 0 and at the last bound."""
    if not bounds or not counts:
        count = sum(counts)
        return [Bucket(low or 0.0, high if high is not None else low or 0.0, count)] if count else []
    first = low if low is not None else min(0.0, bounds[0])
    last = high if high is not None else bounds[-1]
    ends = [min(first, bounds[0]), *bounds, max(last, bounds[-1])]
    return [Bucket(ends[i], ends[i + 1], n) for i, n in enumerate(counts) if n > 0]


def within(buckets: Sequence[Bucket], low: float | None, high: float | None) -> list[Bucket]:
    """The buckets narrowed to the least and largest value, where they are known."""
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    return [Bucket(_clamp(b.low, least, most), _clamp(b.high, least, most), b.n) for b in buckets]


def values(buckets: Sequence[Bucket], total: float | None) -> list[float]:
    """As many values as were counted, ascending, that add up to `total` as far as the buckets allow."""
    middles = [_middle(each) for each in buckets]
    count = sum(each.n for each in buckets)
    if total is None or not math.isfinite(total):
        return [middle for middle, each in zip(middles, buckets, strict=True) for _ in range(each.n)]
    if count == 1:
        return [total]
    missing = total - math.fsum(middle * each.n for middle, each in zip(middles, buckets, strict=True))
    rooms = [(each.high if missing > 0 else each.low) - middle for middle, each in zip(middles, buckets, strict=True)]
    room = math.fsum(each.n * space for each, space in zip(buckets, rooms, strict=True))
    share = min(max(missing / room, 0.0), 1.0) if room else 0.0
    moved = [middle + share * space for middle, space in zip(middles, rooms, strict=True)]
    found = [value for value, each in zip(moved, buckets, strict=True) for _ in range(each.n)]
    if found and share < 1.0:
        found[-1] = total - math.fsum(found[:-1])  # what rounding left over
    return found


def thinned(found: Sequence[float]) -> list[float]:
    """The values themselves, or of too many as many as there may be, evenly by rank."""
    if len(found) <= MOST_VALUES:
        return list(found)
    return [found[(2 * i + 1) * len(found) // (2 * MOST_VALUES)] for i in range(MOST_VALUES)]


def _middle(bucket: Bucket) -> float:
    if bucket.low > 0:
        return math.sqrt(bucket.low) * math.sqrt(bucket.high)
    if bucket.high < 0:
        return -math.sqrt(-bucket.low) * math.sqrt(-bucket.high)
    return (bucket.low + bucket.high) / 2


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _power(base: float, index: int) -> float:
    """The bound of a bucket; what no double holds is the largest one."""
    try:
        return base**index
    except OverflowError:
        return math.nextafter(math.inf, 0.0)


def _merged(counts: Mapping[int, int], steps: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in counts.items():
        found[index >> steps] = found.get(index >> steps, 0) + count
    return found


def _less(now: Mapping[int, int], before: Mapping[int, int]) -> dict[int, int]:
    return {index: count - before.get(index, 0) for index, count in now.items()}
