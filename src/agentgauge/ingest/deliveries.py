"""What a decoder of another program's HTTP requests is given and gives back, and what such decoders share.

Above: `wires`, which says what is sent where, and the HTTP face. Below: `check` and `run`. A request is read leniently,
record by record: one that cannot be read is rejected with its reason, and never costs another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from agentgauge.core.errors import InvalidRequest, Problem
from agentgauge.ingest.check import Rejected

if TYPE_CHECKING:
    from agentgauge.ingest.run import Intake

JSON = "application/json"
TOLD = 10
"""How many rejections an answer tells in full."""
UNTOLD = "is not valid."


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request, as far as decoders read it."""

    body: bytes
    """Unpacked, whatever its Content-Encoding was."""
    now: int
    """When it came, in ms UTC."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Under their names in lower case."""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parts of the path that its template leaves open."""
    url: str = ""
    """What the sender asked for, as far as that is known on this side of a proxy."""

    @property
    def content_type(self) -> str:
        """The Content-Type with its parameters."""
        return self.headers.get("content-type", "")

    def json(self) -> object:
        """The body as JSON.

        Raises:
            InvalidRequest: it is none.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise InvalidRequest([Problem("body", "must be valid JSON", where="body")]) from None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer that the sender expects."""

    body: bytes
    status: int = 200
    media_type: str = JSON


Decode: TypeAlias = "Callable[[Delivery, Intake], Reply]"
"""Takes a request in. What it gives the intake is durable before the reply is sent.

Raises:
    InvalidRequest: nothing of it could be read.
"""


def reply(value: object, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(orjson.dumps(value), status)


def taken(intake: Intake, event: Mapping[str, Any] | Rejected, source: str = "") -> str | None:
    """Gives an event to the intake; the reason when it, or its check, says that it is none."""
    before = intake.report.rejected
    if isinstance(event, Rejected):
        intake.reject(source, None, event)
    else:
        intake.events([event], source)
    if intake.report.rejected == before:
        return None
    told = intake.report.rejections
    # A report tells only so many rejections in full; those after them are counted.
    return f"{told[-1].field}: {told[-1].reason}" if len(told) == intake.report.rejected else UNTOLD


def receipt(intake: Intake, taken_count: int, status: int = 200) -> Reply:
    """An answer for senders that read none: how many records were taken, and why the others were not."""
    rejected = intake.report.rejected
    reasons = [f"{each.field}: {each.reason}" for each in intake.report.rejections[:TOLD]]
    return reply({"taken": taken_count - rejected, "rejected": rejected, "reasons": reasons}, status)


def must_be(kind: str) -> InvalidRequest:
    """What is wrong with a body that is JSON of another kind."""
    return InvalidRequest([Problem("body", f"must be {kind}", where="body")])
