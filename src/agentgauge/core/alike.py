"""Events of one type as columns, where they come so and are wanted so: a sink need not take them apart again.

Above: ingest makes them, sinks may look at the columns. Below: nothing. To everyone else they are a sequence of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

Event = Mapping[str, Any]


class Alike(Sequence[Event]):
    """Checked events of one type, by column: `ts`, `id` and fields; None where an event has no value."""

    __slots__ = ("columns", "type")

    def __init__(self, type: str, columns: Mapping[str, Sequence[Any]]) -> None:
        self.type = type
        self.columns = columns

    @classmethod
    def join(cls, parts: Sequence[Alike]) -> Alike:
        """Events of one type, one part after the other; there must be one."""
        found: dict[str, list[Any]] = {}
        before = 0
        for part in parts:
            for name, values in part.columns.items():
                if name not in found:
                    found[name] = [None] * before
                found[name] += values
            before += len(part)
            for values in found.values():
                if len(values) < before:
                    values += [None] * (before - len(values))
        return cls(parts[0].type, found)

    def __len__(self) -> int:
        return len(self.columns["ts"])

    @overload
    def __getitem__(self, at: int) -> Event: ...
    @overload
    def __getitem__(self, at: slice) -> Alike: ...
    def __getitem__(self, at: int | slice) -> Event | Alike:
        if isinstance(at, slice):
            return Alike(self.type, {name: values[at] for name, values in self.columns.items()})
        found = {name: values[at] for name, values in self.columns.items()}
        return {"type": self.type, **{name: value for name, value in found.items() if value is not None}}

    def __iter__(self) -> Iterator[Event]:
        names = ("type", *self.columns)
        for row in zip(*self.columns.values(), strict=True):
            pairs = zip(names, (self.type, *row), strict=True)
            yield {name: value for name, value in pairs if value is not None}
