"""LangSmith's runs as its SDKs send them: begun in one request and ended in another, in parts of a form or as JSON.

Above: `wires`. Below: `langsmith`, which says what a run comes to, and `pieces`. Facts 2.5. A run is an event from its
first piece on, which the finished run replaces; of the inputs and outputs nothing is kept but the usage. Feedback is a
point with its key as the name, as a score of Langfuse is.

| path | what is sent there |
|---|---|
| `GET /info` | nothing: the SDK asks what it may send; the answer offers forms and no compression |
| `POST /runs/multipart` | the parts `post.<id>` and `patch.<id>`, each with some of `READ_PARTS`; `feedback.<id>` |
| `POST /runs/batch` | `{"post": [...], "patch": [...]}` |
| `POST /runs`, `PATCH /runs/{id}` | one run; the rest of it |
| `POST /feedback` | one feedback |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

from agentgauge.core.errors import InvalidRequest, Problem
from agentgauge.ingest import exported, langsmith, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.deliveries import must_be, receipt, reply, taken
from agentgauge.ingest.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgauge.ingest.deliveries import Delivery, Reply
    from agentgauge.ingest.pieces import Part
    from agentgauge.ingest.run import Intake

    Run = dict[str, Any]

ACCEPTED = 202
MOST_PARTS = 50_000
MOST_BYTES = 20 << 20
"""How large the SDK may make one request."""
MOST_TEXT = 256
"""How much of an error is kept: its type stands at the beginning."""
PARTS: Mapping[str, Part] = {"post": "begun", "patch": "later"}
READ_PARTS = frozenset({"outputs", "extra", "error", "events"})
"""The parts of a run that say something for its event; the inputs do not."""
KEPT = (
    "completion_cost",
    "completion_token_details",
    "completion_tokens",
    "dotted_order",
    "end_time",
    "first_token_time",
    "id",
    "name",
    "parent_run_id",
    "prompt_token_details",
    "prompt_tokens",
    "run_type",
    "session_name",
    "start_time",
    "status",
    "total_cost",
    "trace_id",
)
"""What is remembered of a run until it ends, besides its usage and its metadata."""


def info(_: Delivery, __: Intake) -> Reply:
    """What the SDK may send."""
    limits = {"scale_up_qsize_trigger": 1_000, "scale_up_nthreads_limit": 16, "scale_down_nempty_trigger": 4}
    batches = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": MOST_BYTES, **limits}
    return reply({"version": "0.0.0", "batch_ingest_config": batches, "instance_flags": {}})


def multipart(delivery: Delivery, intake: Intake) -> Reply:
    """Takes the parts of a form in."""
    return _take(_operations(delivery), intake, delivery.now)


def batch(delivery: Delivery, intake: Intake) -> Reply:
    """Takes `{"post": [...], "patch": [...]}` in."""
    body = delivery.json()
    if not isinstance(body, dict):
        raise must_be('{"post": [...], "patch": [...]}')
    given = cast("dict[str, Any]", body)
    found = [(name, lenient.mapping(run)) for name in ("post", "patch") for run in lenient.items(given.get(name))]
    return _take(found, intake, delivery.now)


def create(delivery: Delivery, intake: Intake) -> Reply:
    """Takes one run in that begins, or is whole."""
    return _take([("post", _one(delivery))], intake, delivery.now)


def update(delivery: Delivery, intake: Intake) -> Reply:
    """Takes in what is said of a run later."""
    return _take([("patch", _one(delivery) | {"id": delivery.path.get("run_id")})], intake, delivery.now)


def feedback(delivery: Delivery, intake: Intake) -> Reply:
    """Takes one feedback in."""
    return _take([("feedback", _one(delivery))], intake, delivery.now)


def _one(delivery: Delivery) -> Run:
    found = delivery.json()
    if not isinstance(found, dict):
        raise must_be("a JSON object")
    return cast("Run", found)


def _take(operations: Sequence[tuple[str, Run]], intake: Intake, now: int) -> Reply:
    pieces = Pieces(langsmith.SOURCE, intake.recall)
    runs: dict[str, Run] = {}  # all are put together first, because the root of a trace names the agent of its runs
    for operation, record in operations:
        if operation == "feedback":
            taken(intake, _feedback(record, now))
        elif (run_id := lenient.key(lenient.text(record.get("id")))) is None:
            taken(intake, Rejected("id", "missing; a run has one."))
        else:
            runs[run_id], memo = pieces.join(run_id, PARTS[operation], _outline(record))
            intake.events([memo])
    begun = {lenient.text(record.get("id")) for operation, record in operations if PARTS.get(operation) == "begun"}
    for run_id, run in runs.items():
        if "start_time" in run and "run_type" in run:
            taken(intake, _event(run, pieces))
            if "end_time" in run and pieces.is_begun(run_id):
                intake.events([pieces.settle(run_id, _of_root(run))])
        elif run_id in begun:  # of one that has not, the beginning is yet to come
            taken(intake, Rejected("start_time", "missing; a run has a start_time and a run_type."))
    return receipt(intake, len(operations), ACCEPTED)


def _event(run: Run, pieces: Pieces) -> Run | Rejected:
    event = langsmith.event(run)
    if not isinstance(event, Rejected) and "agent_name" not in event and (name := _agent(run, pieces)):
        event |= {"agent_id": name, "agent_name": name}
    return event


def _agent(run: Mapping[str, Any], pieces: Pieces) -> str | None:
    """The agent of a trace: its root run, whose id is that of the trace."""
    trace_id = lenient.key(lenient.text(run.get("trace_id")))
    root = pieces.whole(trace_id) if trace_id else {}
    return exported.fields(langsmith.COMMON, root).get("agent_name") or lenient.text(root.get("name"))


def _of_root(run: Run) -> Run:
    """What the runs of a trace need of its root; of any other run, nothing."""
    if run.get("parent_run_id") is not None:
        return {}
    named = lenient.mapping(lenient.at(run, "extra.metadata"))
    names = {name: named[name] for name in ("agent_name", "lc_agent_name") if name in named}
    return {"name": run.get("name"), "extra": {"metadata": names}}


def _outline(run: Mapping[str, Any]) -> Run:
    """A run without what was said in it."""
    found: Run = {name: run[name] for name in KEPT if isinstance(run.get(name), str | int | float | dict)}
    if (error := run.get("error")) is not None:
        found["error"] = (lenient.text(error) or str(error))[:MOST_TEXT]
    if (first := _first_token(run)) is not None:
        found["first_token_time"] = first
    if parents := lenient.items(run.get("parent_run_ids")):
        found["parent_run_id"] = found.get("parent_run_id") or str(parents[-1])
    extra = lenient.mapping(run.get("extra"))
    kept = {name: exported.metadata(extra.get(name)) for name in ("metadata", "invocation_params")}
    found["extra"] = lenient.present(kept)
    found["usage"] = {name: each for name, each in langsmith.usage(run).items() if isinstance(each, int | float | dict)}
    return found


def _first_token(run: Mapping[str, Any]) -> str | None:
    for each in lenient.items(run.get("events")):
        event = lenient.mapping(each)
        if event.get("name") == "new_token":
            return lenient.text(event.get("time"))
    return None


def _feedback(record: Mapping[str, Any], now: int) -> dict[str, Any] | Rejected:
    feedback_id, name = lenient.key(lenient.text(record.get("id"))), lenient.text(record.get("key"))
    if feedback_id is None or name is None:
        return Rejected("key" if feedback_id else "id", "missing; a feedback has an id and a key.")
    score, value = record.get("score"), record.get("value")
    is_number = isinstance(score, int | float)
    labels = {"value": value} if isinstance(value, str) else None
    own = {
        "type": "point",
        "id": feedback_id,
        "ts": exported.instant(record.get("created_at")) or now,
        "source": langsmith.SOURCE,
        "call_key": f"{langsmith.SOURCE}:feedback:{feedback_id}",
        "name": name,
        "kind": "gauge",
        "value": score * 1 if is_number else 1,
        "labels": labels,
        "trace_id": lenient.text(record.get("trace_id")),
        "metadata": exported.fields((exported.column("run_id", "run_id"),), record),
    }
    return lenient.present(own)


def _operations(delivery: Delivery) -> list[tuple[str, Run]]:
    """The runs and feedbacks of a form, in the order in which they begin in it."""
    found: dict[tuple[str, str], Run] = {}
    for name, value in _parts(delivery):
        operation, _, rest = name.partition(".")
        record_id, _, part = rest.partition(".")
        if operation not in (*PARTS, "feedback") or (part and part not in READ_PARTS):
            continue
        record = found.setdefault((operation, record_id), {"id": record_id})
        try:
            given: object = orjson.loads(value)
        except orjson.JSONDecodeError:
            given = None  # without its head a run is told to be one; any other part is left out
        if part:
            record[part] = given
        else:
            record |= {key: each for key, each in lenient.mapping(given).items() if key != "id"}
    return [(operation, record) for (operation, _), record in found.items()]


def _parts(delivery: Delivery) -> list[tuple[str, bytes]]:
    """The parts of a form, by their names.

    Raises:
        InvalidRequest: it is no form, or is cut off.
    """
    from python_multipart import FormParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    found: list[tuple[str, bytes]] = []
    ended: list[bool] = []

    def on_field(field: Any) -> None:
        if len(found) >= MOST_PARTS:
            raise FormParserError(f"more than {MOST_PARTS} parts")
        found.append(((field.field_name or b"").decode("utf-8", "replace"), field.value or b""))

    boundary = parse_options_header(delivery.content_type)[1].get(b"boundary")
    try:
        # A part with a file name would go to a file on the disk when it is large; here nothing does.
        config = {"MAX_MEMORY_FILE_SIZE": len(delivery.body) + 1}
        parser = FormParser(
            "multipart/form-data", on_field, _ignored, lambda: ended.append(True), boundary=boundary, config=config
        )
        parser.write(delivery.body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest([Problem("body", f"must be multipart/form-data: {error}", where="body")]) from None
    if not ended:
        raise InvalidRequest([Problem("body", "is a form that is cut off", where="body")])
    return found


def _ignored(_: Any) -> None:
    """A part with a file name: an attachment."""
