"""What AgentMessage counts: its metrics as measures and filters over our datasets. Pure.

Source: contract `agentmessage` 1.2 (routes and metrics) and design section 3, "What counts as what".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentgauge.core.errors import unknown_name
from agentgauge.core.query import Filter, Measure

Metric = Literal["sent", "delivered", "failed", "cost_cents", "received", "retried"]
Traffic = Literal["outbound", "inbound", "webhooks"]

COUNT = Measure("count", None, "count")
COST = Measure("sum", "cost_cents", "cost_cents")


@dataclass(frozen=True, slots=True)
class Counted:
    """One metric of one route: the dataset, the measure, which events, and what to call it."""

    dataset: str
    measure: Measure
    where: tuple[Filter, ...]
    title: str


def _events(direction: str, title: str, *statuses: str) -> Counted:
    status = Filter("status", "IN", statuses)
    return Counted("messages", COUNT, (Filter("direction", "EQUAL", direction), status), title)


def _cost(direction: str, title: str) -> Counted:
    return Counted("messages", COST, (Filter("direction", "EQUAL", direction),), title)


def _deliveries(status: str) -> Counted:
    return Counted("webhooks", COUNT, (Filter("status", "EQUAL", status),), f"webhook deliveries {status}")


COUNTED: dict[tuple[Traffic, Metric], Counted] = {
    ("outbound", "sent"): _events("outbound", "messages sent", "sent"),
    ("outbound", "delivered"): _events("outbound", "messages delivered", "delivered"),
    ("outbound", "failed"): _events("outbound", "messages failed", "failed", "undelivered"),
    ("outbound", "cost_cents"): _cost("outbound", "message cost in cents"),
    ("inbound", "received"): _events("inbound", "messages received", "received"),
    ("inbound", "cost_cents"): _cost("inbound", "inbound message cost in cents"),
    ("webhooks", "delivered"): _deliveries("delivered"),
    ("webhooks", "failed"): _deliveries("failed"),
    ("webhooks", "retried"): _deliveries("retried"),
}


def counted(metric: Metric, traffic: Traffic | None) -> Counted:
    """What a metric counts; without traffic, the first that has the metric (outbound, inbound, webhooks).

    Raises:
        UnknownName: if that traffic has no such metric, with those it has.
    """
    if traffic is None:
        return next(found for (_, name), found in COUNTED.items() if name == metric)
    if found := COUNTED.get((traffic, metric)):
        return found
    raise unknown_name(f"a metric of {traffic} traffic", metric, [name for way, name in COUNTED if way == traffic])
