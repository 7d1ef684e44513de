"""Langfuse's scores as its SDKs send them, and the batches that its SDKs before OpenTelemetry sent.

Above: `wires`. Below: `langfuse`, which says what a score or an observation comes to, and `pieces`. Facts 2.5 and 5.1.
The answers are those that the SDKs read: for an array of scores 202, or 207 with the rejected ones; for one score its
id; for a batch 207 with a verdict on each event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agentgauge.ingest import langfuse, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.deliveries import must_be, reply, taken
from agentgauge.ingest.exported import metadata
from agentgauge.ingest.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgauge.ingest.deliveries import Delivery, Reply
    from agentgauge.ingest.pieces import Part
    from agentgauge.ingest.run import Intake

    Record = dict[str, Any]

ACCEPTED, MULTI_STATUS = 202, 207
HERE = {"id": "default", "name": "agentgauge"}
TRACE, SCORE, LOG = "trace-create", "score-create", "sdk-log"
OBSERVATIONS: Mapping[str, tuple[str | None, Part]] = {
    "generation-create": ("GENERATION", "begun"),
    "generation-update": ("GENERATION", "later"),
    "span-create": ("SPAN", "begun"),
    "span-update": ("SPAN", "later"),
    "event-create": ("EVENT", "begun"),
    "observation-create": (None, "begun"),
    "observation-update": (None, "later"),
}
"""The types of event that are pieces of an observation: its type where the event says it, and which piece it is."""
KEPT = (
    "completionStartTime",
    "completionTokens",
    "costDetails",
    "endTime",
    "environment",
    "id",
    "level",
    "model",
    "name",
    "parentObservationId",
    "promptTokens",
    "sessionId",
    "startTime",
    "statusMessage",
    "traceId",
    "type",
    "usage",
    "usageDetails",
    "userId",
    "version",
)
"""What is remembered of an observation until it ends; what was said is not."""


def projects(_: Delivery, __: Intake) -> Reply:
    """The one project that keys belong to, by which the SDK's `auth_check` tells that they are valid."""
    return reply({"data": [{**HERE, "organization": HERE, "metadata": {}}]})


def scores(delivery: Delivery, intake: Intake) -> Reply:
    """Takes one score in, or an array of them."""
    body = delivery.json()
    if isinstance(body, dict):
        record = _identified(cast("Record", body), delivery.now, 0)
        if (reason := taken(intake, langfuse.score(record))) is not None:
            raise must_be(f"a score; {reason}")
        return reply({"id": record["id"]})
    if not isinstance(body, list):
        raise must_be("a score, or a list of scores")
    given = cast("list[object]", body)
    errors: list[Record] = []
    for index, each in enumerate(given):
        record = _identified(lenient.mapping(each), delivery.now, index)
        if (reason := taken(intake, langfuse.score(record))) is not None:
            errors.append({"index": index, "id": record["id"], "status": 400, "message": reason, "error": reason})
    if errors:
        return reply({"accepted": len(given) - len(errors), "rejected": len(errors), "errors": errors}, MULTI_STATUS)
    return reply({"message": "Accepted"}, ACCEPTED)


def _identified(score: Record, now: int, index: int) -> Record:
    """A score with an id and a time, which its sender may leave out."""
    found = {name: each for name, each in score.items() if each is not None}
    found.setdefault("timestamp", now)
    if not isinstance(found.get("id"), str):
        found["id"] = lenient.digest(f"{sorted(score.items(), key=str)} {now} {index}".encode("utf-8", "replace"))
    return found


def batch(delivery: Delivery, intake: Intake) -> Reply:
    """Takes `{"batch": [{"id", "timestamp", "type", "body"}, ...]}` in."""
    given = lenient.mapping(delivery.json()).get("batch")
    if not isinstance(given, list):
        raise must_be('{"batch": [...]}')
    events = cast("list[object]", given)
    pieces = Pieces(langfuse.SOURCE, intake.recall)
    successes: list[Record] = []
    errors: list[Record] = []
    for each in events:
        event = lenient.mapping(each)
        event_id = lenient.text(event.get("id")) or ""
        if (reason := _take(event, pieces, intake, delivery.now)) is None:
            successes.append({"id": event_id, "status": 201})
        else:
            errors.append({"id": event_id, "status": 400, "message": reason, "error": reason})
    return reply({"successes": successes, "errors": errors}, MULTI_STATUS)


def _take(event: Record, pieces: Pieces, intake: Intake, now: int) -> str | None:
    """Takes one event in; the reason when it is none."""
    kind, body = event.get("type"), lenient.mapping(event.get("body"))
    if kind == LOG:
        return None  # what the SDK tells its maker of itself
    body.setdefault("timestamp", event.get("timestamp"))
    if kind == SCORE:
        body.setdefault("id", event.get("id"))
        return taken(intake, langfuse.score(_identified(body, now, 0)))
    body_id = lenient.key(lenient.text(body.get("id")))
    if kind == TRACE and body_id is not None:
        kept = {name: body.get(name) for name in ("name", "sessionId", "userId")}
        intake.events([pieces.join(f"trace:{body_id}", "begun", kept)[1]])
        return None
    found = OBSERVATIONS.get(kind) if isinstance(kind, str) else None
    if found is None or body_id is None:
        return taken(intake, Rejected("type" if body_id else "body.id", "not known, or missing."))
    return _take_piece(body_id, body, found, pieces, intake)


def _take_piece(
    body_id: str, body: Record, found: tuple[str | None, Part], pieces: Pieces, intake: Intake
) -> str | None:
    observed, part = found
    kept = {name: each for name in KEPT if (each := body.get(name)) is not None}
    if observed is not None:
        kept["type"] = observed
    for name in ("usage", "usageDetails", "costDetails"):
        if name in kept:
            kept[name] = metadata(kept[name])
    whole, memo = pieces.join(body_id, part, kept)
    intake.events([memo])
    if "startTime" not in whole:
        if part == "later":
            return None  # the end of one whose beginning is yet to come
        if observed == "EVENT" and "timestamp" in body:
            whole["startTime"] = body["timestamp"]
    reason = taken(intake, _observation(whole, pieces))
    if "endTime" in whole and pieces.is_begun(body_id):
        intake.events([pieces.settle(body_id, {})])
    return reason


def _observation(record: Record, pieces: Pieces) -> Record | Rejected:
    """The event of an observation, which has session, user and, where it names no agent, its name from its trace."""
    trace_id = lenient.key(lenient.text(record.get("traceId")))
    trace = pieces.whole(f"trace:{trace_id}") if trace_id else {}
    about = {name: trace[name] for name in ("sessionId", "userId") if name in trace}
    is_root = record.get("parentObservationId") is None
    is_run = record.get("type") == "AGENT" or (is_root and record.get("type") in ("SPAN", "CHAIN"))
    event = langfuse.observation(about | record, is_run=is_run)
    if not isinstance(event, Rejected) and "agent_name" not in event and (name := lenient.text(trace.get("name"))):
        event |= {"agent_id": name, "agent_name": name}
    return event
