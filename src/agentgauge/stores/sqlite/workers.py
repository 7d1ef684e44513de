"""The work of a scan, shared out to the processor's cores.

Above: what measures. Below: nothing. numpy lets other threads run while it computes, so threads are enough.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Result = TypeVar("_Result")

_MOST = 4
_ENOUGH = 2
"""Pieces below which handing work over takes longer than doing it."""


def share(count: int, work: Callable[[Iterator[int]], _Result]) -> list[_Result]:
    """What each worker makes of the numbers it takes from 0..count-1; every number is taken once.

    A worker that is still busy with another question when this one is done is not waited for.
    """
    numbers = iter(range(count))
    workers = min(_cores(), count // _ENOUGH)
    if workers < 2:
        return [work(numbers)]
    others = [_pool().submit(work, numbers) for _ in range(workers - 1)]
    return [work(numbers), *(each.result() for each in others if not each.cancel())]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores() - 1 or 1, thread_name_prefix="scan")


@cache
def _cores() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, _MOST)
