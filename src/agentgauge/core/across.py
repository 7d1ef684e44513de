"""One answer from several sources: a row set for each, with its own freshness; what one could not say is said.

Above: `call`. Below: `answer`. Sources disagree by nature (other instants, other columns), so their rows are never
mixed: both forms show one source after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentgauge.core.answer import Answer

if TYPE_CHECKING:
    from agentgauge.core.errors import GaugeError


@dataclass(frozen=True, kw_only=True)
class Across(Answer):
    """The answers of several sources to one question, or what each raised instead."""

    parts: Mapping[str, Answer | GaugeError]

    @cached_property
    def _structured(self) -> dict[str, Any]:
        return {"title": self.title, "sources": {name: _structured(part) for name, part in self.parts.items()}}

    @cached_property
    def _text(self) -> str:
        return "\n\n".join(f"{name}: {_text(part)}" for name, part in self.parts.items())


def _structured(part: Answer | GaugeError) -> dict[str, Any]:
    if isinstance(part, Answer):
        return replace(part, source="").structured()
    error = {"code": part.code, "message": part.message}
    return {"error": error | ({"hint": part.hint} if part.hint else {})}


def _text(part: Answer | GaugeError) -> str:
    return replace(part, source="").text() if isinstance(part, Answer) else str(part)
