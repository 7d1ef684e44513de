"""Answers to requests that were just answered: the same question on an unchanged store is not computed again.

Above: the REST face. Below: nothing. An answer lives while the store's version stays the same, and at most a second,
because a question without a window means a window that ends now.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic

import anyio

ALIVE_S = 1.0
MOST_BYTES = 32 << 20
LARGEST = 1 << 20
"""A body longer than this is not kept."""


class Answers:
    """Encoded bodies by question, the least recently asked dropped first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[object, float, bytes]] = OrderedDict()
        self._bytes = 0
        self._asked: dict[Hashable, anyio.Event] = {}

    async def once(self, key: Hashable, version: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The body of a question, made by the first who asks; whoever asks meanwhile waits for it."""
        asked = (key, version)
        while (known := self.get(key, version)) is None and (running := self._asked.get(asked)):
            await running.wait()
        if known is not None:
            return known
        running = self._asked[asked] = anyio.Event()
        try:
            body = await make()
            self.put(key, version, body)
            return body
        finally:
            del self._asked[asked]
            running.set()

    def get(self, key: Hashable, version: object) -> bytes | None:
        """The body of a question, if the store has not changed since."""
        found = self._known.get(key)
        if found is None:
            return None
        made_at, until, body = found
        if made_at != version or monotonic() > until:
            self._drop(key)
            return None
        self._known.move_to_end(key)
        return body

    def put(self, key: Hashable, version: object, body: bytes) -> None:
        """Keeps a body. `version` is the store's from before it was computed."""
        if len(body) > LARGEST:
            return
        self._drop(key)
        self._known[key] = version, monotonic() + ALIVE_S, body
        self._bytes += len(body)
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._known)))

    def _drop(self, key: Hashable) -> None:
        if found := self._known.pop(key, None):
            self._bytes -= len(found[2])
