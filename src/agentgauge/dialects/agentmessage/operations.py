"""AgentMessage's three metrics routes: answered from a desk, paged by signed cursors.

Semantics: contract `agentmessage` 1.5 and 1.6. A window is floored and ceiled to whole buckets in UTC; the cursor
carries the resolved window and the query it pins, signed for the organisation.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from agentgauge.core.asking import DAY
from agentgauge.core.errors import InvalidRequest, Problem
from agentgauge.core.operation import Operation
from agentgauge.core.query import Query
from agentgauge.core.time import EARLIEST, LATEST, Bucket, Window, align, edges, edges_before, iso_z
from agentgauge.dialects.agentmessage.contract import (
    Body,
    BucketBody,
    Group,
    InboundRequest,
    InvalidCursor,
    MessagesRequest,
    MetricsRequest,
    WebhooksRequest,
)
from agentgauge.dialects.agentmessage.decode import decode, next_page
from agentgauge.dialects.agentmessage.translate import Traffic, counted

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Cell, Table

R = TypeVar("R", bound=MetricsRequest)
TRAFFIC: dict[type[MetricsRequest], Traffic] = {
    MessagesRequest: "outbound",
    InboundRequest: "inbound",
    WebhooksRequest: "webhooks",
}
ECHO: dict[Traffic, str] = {"outbound": "messages.outbound", "inbound": "messages.inbound", "webhooks": "webhooks"}
"""What `data.metric` begins with (1.6, 8)."""
PINNED = ("metric", "from", "to", "granularity", "group_by", "limit", "compare_to")


async def answer(request: MetricsRequest, desk: Desk) -> Table:
    """The whole window's table, with that of the window before where it is compared; `encode` cuts the page."""
    plan = _plan(request, desk)
    what = counted(plan["metric"], TRAFFIC[type(request)])
    bucket, window = Bucket(plan["granularity"]), Window(plan["from"], plan["to"])
    groups = (plan["group_by"],) if plan["group_by"] else ()
    query = Query(what.dataset, window, (replace(what.measure, label="value"),), bucket, groups, what.where)
    table = await desk.ask(query)
    if not plan["compare_to"]:
        return table
    before = edges_before(table.edges, bucket)
    if before[0] < EARLIEST:
        raise InvalidRequest([Problem("compare_to", "the period before lies before 1970")])
    return replace(table, prior=await desk.ask(replace(query, window=Window(before[0], before[-1]))))


def _plan(request: MetricsRequest, desk: Desk) -> dict[str, Any]:
    """The query of this page: that of its cursor, or of its parameters with their defaults resolved.

    Raises:
        InvalidCursor: a cursor that was not made here, or that other parameters disagree with.
        InvalidRequest: a window that is empty.
    """
    if request.cursor is not None:
        return _pinned(request, desk)
    granularity = request.granularity or "day"
    bucket = Bucket(granularity)
    default = (30 if granularity == "day" else 1) * DAY
    end = request.to if request.to is not None else edges(Window(desk.now, desk.now + 1), bucket)[-1]
    start = request.start if request.start is not None else end - default
    if not EARLIEST <= start < end <= LATEST:
        raise InvalidRequest([Problem("from", "must be before to, and both between 1970 and 2100")])
    window = align(Window(start, end), bucket)
    given = {name: getattr(request, "start" if name == "from" else name) for name in PINNED}
    return given | {"granularity": granularity, "from": window.start, "to": window.end, "offset": 0}


def _pinned(request: MetricsRequest, desk: Desk) -> dict[str, Any]:
    plan = _opened(request.cursor or "", type(request).__name__, desk)
    asked = request.model_fields_set - {"cursor"}
    bucket = Bucket(plan["granularity"])
    for field in asked:
        name, value = ("from", request.start) if field == "start" else (field, getattr(request, field))
        if name == "from" and value is not None and EARLIEST <= value < LATEST:
            value = edges(Window(value, value + 1), bucket)[0]
        if name == "to" and value is not None and EARLIEST < value <= LATEST:
            value = edges(Window(value - 1, value), bucket)[-1]
        if name in PINNED and value is not None and value != plan[name]:
            raise InvalidCursor(f"{name} disagrees with the cursor.", hint="Ask page 2 with the parameters of page 1.")
    return plan


def _sealed(plan: dict[str, Any], route: str, desk: Desk) -> str:
    text = json.dumps([route, plan], separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(desk.sign(text).encode() + text).decode().rstrip("=")


def _opened(cursor: str, route: str, desk: Desk) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        signature, text = raw[:32], raw[32:]
        if not hmac.compare_digest(signature, desk.sign(text).encode()):
            raise ValueError
        made_for, plan = json.loads(text)
        if made_for != route:
            raise ValueError
    except (ValueError, TypeError):
        raise InvalidCursor("this cursor was not made here.", hint="Start again without it.") from None
    return plan


def encode(request: MetricsRequest, table: Table, desk: Desk) -> Body:
    """The table as AgentMessage's body: one page of dense buckets, null where not aggregated yet (1.6, 4 to 7)."""
    plan = _plan(request, desk)
    offset, limit = plan["offset"], plan["limit"]
    stop = min(offset + limit, len(table.edges) - 1)
    data: dict[str, Any] = {
        "metric": f"{ECHO[TRAFFIC[type(request)]]}.{plan['metric']}",
        "granularity": plan["granularity"],
        "from": iso_z(plan["from"]),
        "to": iso_z(plan["to"]),
        "buckets": _buckets(table, table.as_of)[offset:stop],
    }
    if table.prior:
        prior = table.prior
        window = {"from": iso_z(prior.edges[0]), "to": iso_z(prior.edges[-1])}
        data["comparison"] = {**window, "buckets": _buckets(prior, table.as_of)[offset:stop]}
    more = stop < len(table.edges) - 1
    as_of = table.as_of if table.as_of is not None else EARLIEST
    return {
        "success": True,
        "data": data,  # type: ignore[typeddict-item]  # written as a dict for its key `from`
        "meta": {
            "as_of": iso_z(as_of),
            "limit": limit,
            "next_cursor": _sealed(plan | {"offset": stop}, type(request).__name__, desk) if more else None,
        },
    }


def _buckets(table: Table, as_of: int | None) -> list[BucketBody]:
    """Every bucket of the table in the wire's form."""
    starts = [iso_z(edge) for edge in table.edges[:-1]]
    known = [as_of is not None and edge <= as_of for edge in table.edges[1:]]
    if not table.group_by:
        values = table.wide("value")[0]
        return [
            {"bucket_start": s, "value": _whole(v) if k else None}
            for s, v, k in zip(starts, values, known, strict=True)
        ]
    groups: list[list[Group]] = [[] for _ in starts]
    for at, of, value in zip(table.at, table.of, table.values["value"], strict=True):
        key = table.groups[of][0]
        groups[at].append({"key": None if key is None else str(key), "value": _whole(value)})
    for each in groups:
        each.sort(key=lambda group: (-group["value"], group["key"] is None, group["key"] or ""))
    return [{"bucket_start": s, "groups": g if k else None} for s, g, k in zip(starts, groups, known, strict=True)]


def _whole(value: Cell) -> int:
    """Cents that a wire states as integers are rounded half even, here and nowhere before (design 4)."""
    return round(value) if isinstance(value, int | float) else 0


def _operation(name: str, path: str, summary: str, request: type[R]) -> Operation[R]:
    return Operation(
        name=name,
        summary=summary,
        method="GET",
        path=path,
        request=request,
        body=Body,
        answer=answer,
        encode=encode,
        decode=decode,
        next_page=next_page,
        headers={"Cache-Control": "private, max-age=30"},
    )


OPERATIONS = (
    _operation("getMetricsMessages", "/v1/metrics/messages", "Outbound message counts and cost", MessagesRequest),
    _operation("getMetricsInbound", "/v1/metrics/inbound", "Inbound message counts and cost", InboundRequest),
    _operation("getMetricsWebhooks", "/v1/metrics/webhooks", "Webhook delivery counts", WebhooksRequest),
)
