"""`record_metrics`: writes custom metric points. Off unless the server was started with AGENTGAUGE_ALLOW_WRITE=1."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from agentgauge.core.answer import Answer
from agentgauge.core.errors import InvalidValue
from agentgauge.core.fit import first_rows
from agentgauge.core.operation import WRITE, Tool
from agentgauge.core.parse import Objects, Params

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk

BUDGET = 800
MOST = 1_000
"""The most points of one call."""


class RecordParams(Params):
    """Arguments of `record_metrics`."""

    aliases: ClassVar = {"metrics": "points"}

    points: Objects = Field(
        description="[{name, value, kind: counter|gauge|histogram, labels?, agent_id?, session_id?, ts?, id?}]"
    )


async def record_metrics(params: RecordParams, desk: Desk) -> Answer:
    """Stores the points that are right, and says which are not and why."""
    if not 0 < len(params.points) <= MOST:
        raise InvalidValue(
            f"points takes 1 to {MOST:,} points, not {len(params.points):,}.", hint="Send them in several calls."
        )
    for index, point in enumerate(params.points, 1):
        if point.get("type", "point") != "point":
            raise InvalidValue(
                f"point {index} has the type {point['type']!r}.", hint="Leave type out; only points are taken."
            )
    lines = [
        {"kind": "counter", "ts": desk.now, "id": str(uuid.uuid4())} | point | {"type": "point"}
        for point in params.points
    ]
    written = await desk.write(lines)
    rejected = len(lines) - written.accepted - written.duplicate
    answer = Answer(
        title="points recorded",
        facts={"accepted": written.accepted, "duplicate": written.duplicate, "rejected": rejected},
        columns=["point", "field", "reason"] if written.rejections else [],
        rows=[list(each) for each in written.rejections],
        notes=(f"only the first {told} rejections are told",) if rejected > (told := len(written.rejections)) else (),
    )
    return first_rows(answer, BUDGET)


RECORD_METRICS = Tool(
    name="record_metrics",
    title="Record custom metrics",
    description="Writes custom metric points; the same id and ts again changes nothing.",
    params=RecordParams,
    run=record_metrics,
    scope=WRITE,
)
