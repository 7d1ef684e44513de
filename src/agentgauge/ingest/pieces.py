"""Records that arrive in pieces: begun in one request and ended in another, in whatever order.

Above: `langsmith_wire`, `langfuse_wire`. Below: the memos of an Intake, so that pieces find each other across requests
and starts. What a record was begun with and what was said of it later are remembered apart, and what was said later
counts: so the whole is the same in whatever order, and however often, the pieces come. Of a record that is whole only
what others need of it stays remembered; a piece that is sent again then makes a poorer copy, which its rank tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson

from agentgauge.ingest import lenient
from agentgauge.ingest.run import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Part = Literal["begun", "later"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The records of one program, by their ids."""

    program: str
    recall: Callable[[str], bytes | None]

    def join(self, record_id: str, part: Part, piece: Mapping[str, Any]) -> tuple[dict[str, Any], Memo]:
        """The record as far as it is known now, and what has to be remembered of it.

        Args:
            record_id: what both pieces name.
            part: whether the piece begins the record, or says more of it.
            piece: only what events need of it, because it is kept.
        """
        known = self._known(record_id)
        known[part] = merged(known.get(part, {}), piece)
        return _whole(known), Memo(self._key(record_id), orjson.dumps(known))

    def whole(self, record_id: str) -> dict[str, Any]:
        """The record as far as it is known; empty when nothing is."""
        return _whole(self._known(record_id))

    def settle(self, record_id: str, kept: Mapping[str, Any]) -> Memo:
        """Forgets a record that is whole, but for what others need of it."""
        return Memo(self._key(record_id), orjson.dumps({"begun": kept}) if kept else b"")

    def is_begun(self, record_id: str) -> bool:
        """Whether the piece that begins a record has come."""
        return "begun" in self._known(record_id)

    def _key(self, record_id: str) -> str:
        return f"{self.program}:{record_id}"

    def _known(self, record_id: str) -> dict[str, dict[str, Any]]:
        stored = self.recall(self._key(record_id))
        return orjson.loads(stored) if stored else {}


def _whole(known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return merged(known.get("begun", {}), known.get("later", {}))


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Both records; where both say something, the new one is right. A null and an empty object say nothing."""
    found = dict(old)
    for name, value in new.items():
        if isinstance(value, dict):
            found[name] = merged(lenient.mapping(found.get(name)), cast("dict[str, Any]", value))
        elif value is not None:
            found[name] = value
    return found
