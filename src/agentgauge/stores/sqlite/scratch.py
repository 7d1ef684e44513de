"""Arrays that are used again for every piece, since fresh memory costs more than what is computed in it.

Above: the kernels of the scan. Below: numpy. Each thread has its own.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class _Own(threading.local):
    def __init__(self) -> None:
        self.held: dict[tuple[str, npt.DTypeLike], Array] = {}


_own = _Own()


def scratch(use: str, kind: npt.DTypeLike, count: int) -> Array:
    """An array for that use; its values are whatever was there, and last until this thread asks for the use again."""
    found = _own.held.get((use, kind))
    if found is None or len(found) < count:
        found = _own.held[use, kind] = np.empty(count, kind)
    return found[:count]
