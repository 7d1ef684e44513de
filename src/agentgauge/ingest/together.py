"""Writing together: what many threads store at once goes into the store as one transaction.

Above: `serving`, for OTLP requests. Below: a Sink that it is handed. A transaction costs as much as some hundred events
(the pages of an index that it touches, the wait for the disk), and exporters send some hundred events at a time. So
what arrives while one transaction is written waits for the next, which takes all of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from agentgauge.core.query import Receipt
from agentgauge.ingest.run import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgauge.core.query import Sink


@dataclass(slots=True)
class _Share:
    """What one thread wants stored, and what became of it."""

    events: Sequence[Mapping[str, Any]]
    memos: Mapping[str, bytes]
    outcome: Receipt | Exception | None = None


class Together:
    """A Sink of many threads over one that takes turns."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: list[_Share] = []
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def write(self, events: Sequence[Mapping[str, Any]], memos: Mapping[str, bytes] | None = None) -> Receipt:
        """Stores checked events; the receipt is that of all that were stored in the same turn.

        Raises:
            StoreError: nothing of the turn was stored.
        """
        share = _Share(events, memos or {})
        with self._changing:
            self._waiting.append(share)
        with self._writing:  # one thread writes for those that wait here, until its own share is done
            while share.outcome is None:
                self._write_next()
        if isinstance(share.outcome, Receipt):
            return share.outcome
        raise share.outcome

    def recall(self, key: str) -> bytes | None:
        """What was remembered last under a key."""
        return self._sink.recall(key)

    def _write_next(self) -> None:
        shares = self._next()
        outcome: Receipt | Exception
        try:
            memos = {key: value for each in shares for key, value in each.memos.items()}
            outcome = self._sink.write(list(chain.from_iterable(each.events for each in shares)), memos)
        except Exception as error:  # it is raised again in each of the threads
            outcome = error
        for each in shares:
            each.outcome = outcome

    def _next(self) -> list[_Share]:
        """The shares that fit one turn, in the order of their arrival; at least one."""
        with self._changing:
            count, size = 0, 0
            for each in self._waiting:
                size += len(each.events)
                if count and size > BATCH:
                    break
                count += 1
            shares, self._waiting = self._waiting[:count], self._waiting[count:]
        return shares
