"""A synthetic fleet: the events that `demo` fills a store with, so that every question has something to find.

Above: the demo. Below: `fleet_model`, the tables of who and what. Knows no store, no clock and no randomness but its
seed: the same arguments always give the same events, in the form of event lines (design section 3).

Eight agents and some traffic that belongs to none, with days, weeks and a little growth. Two stories are planted:

- **Research became expensive.** Three days before the end it moved from claude-haiku-4-5 to claude-opus-4-6; its runs
  and their tokens stayed what they were, its cost a run rose about fivefold.
- **WhatsApp failed for three hours.** Two days before the end, Sales Beta sent the campaign `win_back` as free text;
  for three hours nine in ten WhatsApp messages of the whole fleet came back undelivered with error 63016.

Lesser things to find: one number was released nine days before the end, and Night watch works while the others sleep.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from math import exp
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from agentgauge.core.catalog import DATASETS
from agentgauge.ingest import fleet_model as model
from agentgauge.ingest.fleet_model import AGENTS, DAY, HOUR, MINUTE, Agent, Channel, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")
Event = dict[str, Any]
_GROWTH = 0.3
"""In 30 days, as the exponent of e."""
_GAUGE_EVERY = 30 * MINUTE
_INSTANT = itemgetter("ts")


def fleet(end_ms: int, *, days: int = 30, seed: int = 7, agents: Sequence[Agent] = AGENTS) -> Iterator[Event]:
    """The fleet's events of the `days` that end at `end_ms`, in time order: about 60,000 in 30 days.

    They end with an `as_of` event a dataset at `end_ms`; everything else happened before it.
    """
    world = _World(random.Random(f"{seed} {end_ms} {days}"), end_ms - days * DAY, end_ms)
    pending = [event for event in _registry(world, agents) + _burst(world, agents) if event["ts"] >= world.start]
    for hour in range(world.start - world.start % HOUR, end_ms, HOUR):
        for agent in agents:
            pending += _hour(world, agent, hour)
        pending.sort(key=_INSTANT)
        done = bisect_left(pending, min(hour + HOUR, end_ms), key=_INSTANT)
        yield from pending[:done]
        del pending[:done]
    for dataset in DATASETS:
        yield {"type": "as_of", "id": f"as_of:{dataset.name}", "ts": end_ms, "dataset": dataset.name}


@dataclass(frozen=True, slots=True)
class _World:
    rng: random.Random
    start: int
    end: int

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self.rng.getrandbits(48):012x}"

    def pick(self, deck: Sequence[T]) -> T:
        return deck[int(self.rng.random() * len(deck))]

    def around(self, median: float, sigma: float = 0.5) -> int:
        """A whole number, lognormal."""
        return int(median * exp(self.rng.gauss(0, sigma)))

    def failing(self, ts: int) -> bool:
        """Whether the burst of the second story hits a message of that instant."""
        began = self.end - model.BURST_AGO
        return began <= ts < began + model.BURST_LENGTH and self.rng.random() < model.BURST_SHARE


def _registry(world: _World, agents: Sequence[Agent]) -> list[Event]:
    events: list[Event] = []
    for agent in agents:
        if agent.id is not None:
            events.append(
                {"type": "agent", "id": agent.id, "ts": world.start, "name": agent.name, "account": model.ACCOUNT}
            )
        for number in agent.numbers:
            known: Event = {"type": "number", "id": number.id, "ts": world.start, "phone_number": number.phone_number}
            known |= {"country": number.country, "status": "active"}
            if agent.id is not None:
                known["agent_id"] = agent.id
            events.append(known)
            if number.released_days_ago is not None:
                released = max(world.start + 1, world.end - int(number.released_days_ago * DAY))
                events.append(known | {"ts": released, "status": "released"})
    return events


def _burst(world: _World, agents: Sequence[Agent]) -> list[Event]:
    """The campaign of the second story."""
    began, events = world.end - model.BURST_AGO, list[Event]()
    for agent in agents:
        if agent.id == model.BURST_AGENT and began >= world.start:
            shared = agent.marks | {"metadata": {"campaign": model.BURST_CAMPAIGN}}
            for _ in range(model.BURST_CONVERSATIONS):
                ts = began + int(world.rng.random() * model.BURST_LENGTH)
                shared["conversation_id"] = world.new_id("conv")
                events += _outbound(world, model.CHANNELS[model.BURST_CHANNEL], ts, shared)
    return events


def _hour(world: _World, agent: Agent, hour: int) -> list[Event]:
    local = hour + agent.utc_offset * HOUR
    weekday = (local // DAY + 3) % 7  # 1970 began on a Thursday
    load = agent.curve[local % DAY // HOUR] / 100 * (agent.weekend if weekday >= 5 else 1)
    load *= exp(_GROWTH * ((hour - world.end) / (30 * DAY) + 0.5))
    events: list[Event] = []
    for happening, per_hour in agent.per_hour.items():
        happen = _HAPPENINGS[happening]
        for _ in range(int(per_hour * load * (0.75 + world.rng.random() * 0.5) + world.rng.random())):
            ts = hour + int(world.rng.random() * HOUR)
            if world.start <= ts < world.end:
                events += happen(world, agent, ts)
    if agent.queue:
        events += _gauges(world, agent, hour, agent.queue * load)
    return events


def _gauges(world: _World, agent: Agent, hour: int, depth: float) -> Iterator[Event]:
    first = hour + (world.end - MINUTE // 2) % _GAUGE_EVERY  # so that the last reading is half a minute old
    for ts in range(first, hour + HOUR, _GAUGE_EVERY):
        if world.start <= ts < world.end:
            yield _point(world, agent, ts, "queue_depth", "gauge", world.around(depth + 0.5))


def _conversation(world: _World, agent: Agent, ts: int) -> Iterator[Event]:
    channel = model.CHANNELS[world.pick(agent.channels)]
    shared = agent.marks | {"conversation_id": world.new_id("conv")}
    if channel.segments:
        number = world.pick(agent.numbers)
        if number.released_days_ago is not None and ts >= world.end - number.released_days_ago * DAY:
            number = agent.numbers[0]
        shared["number_id"] = number.id
    turns = world.pick(model.CONVERSATIONS)
    if turns[0] == "outbound" and agent.campaigns:
        shared["metadata"] = {"campaign": world.pick(agent.campaigns)}
    for direction in turns:
        yield from (_outbound if direction == "outbound" else _inbound)(world, channel, ts, shared)
        ts += world.around(90_000, 0.8)


def _outbound(world: _World, channel: Channel, ts: int, shared: Event) -> Iterator[Event]:
    message_id = world.new_id("msg")
    path, error = world.pick(channel.paths), world.pick(channel.errors)
    if channel.name == model.BURST_CHANNEL and world.failing(ts):
        path, error = model.UNDELIVERED, model.BURST_ERROR
    own = {"message_id": message_id, "direction": "outbound", "channel": channel.name, **shared}
    segments = world.pick(channel.segments) if channel.segments else 1
    if channel.segments:
        own["segments"] = segments
    for status in path:
        ts += world.around(model.DELAYS[status])
        event: Event = {"type": "message", "id": f"{message_id}:{status}", "ts": ts, "status": status, **own}
        if status == "sent" and channel.cost_cents:
            event["cost_cents"] = channel.cost_cents * segments
        elif status in ("failed", "undelivered"):
            event["error_code"] = error
        yield event


def _inbound(world: _World, channel: Channel, ts: int, shared: Event) -> Iterator[Event]:
    message_id = world.new_id("msg")
    event: Event = {"type": "message", "id": f"{message_id}:received", "ts": ts, "status": "received"}
    event |= {"message_id": message_id, "direction": "inbound", "channel": channel.name, **shared}
    if channel.inbound_cents:
        event["cost_cents"] = channel.inbound_cents
    yield event


def _call(world: _World, agent: Agent, ts: int) -> Iterator[Event]:
    """A call is an event when it is over."""
    status = world.pick(model.CALLS)
    seconds = world.around(150, 0.7) if status == "completed" else 0
    direction = world.pick(("inbound", "inbound", "outbound"))
    event: Event = {"type": "call", "id": world.new_id("call"), "ts": ts + seconds * 1_000, "direction": direction}
    event |= {"status": status, "duration_seconds": seconds, "number_id": world.pick(agent.numbers).id, **agent.marks}
    if seconds:
        event["cost_cents"] = 2 * (seconds // 60 + 1)
    yield event


def _booking_call(world: _World, agent: Agent, ts: int) -> Iterator[Event]:
    session = {"session_id": world.new_id("sess")}
    labels = {"origin": "phone", "company_id": world.pick(model.COMPANIES)}
    for call in _call(world, agent, ts):
        yield call | session
        if call["status"] == "completed":
            over = call["ts"]
            yield _point(world, agent, (ts + over) // 2, "booking_attempt", "counter", 1, labels) | session
            if world.rng.random() < 0.68:
                yield _point(world, agent, over, "booking_completed", "counter", 1, labels) | session
            handled = call["duration_seconds"] + world.around(8)
            yield _point(world, agent, over, "handle_seconds", "histogram", handled, labels) | session


def _faq(world: _World, agent: Agent, ts: int) -> Iterator[Event]:
    labels = {"topic": world.pick(model.TOPICS), "origin": world.pick(model.ORIGINS)}
    labels["company_id"] = world.pick(model.COMPANIES)
    yield _point(world, agent, ts, "faq_query", "counter", 1, labels) | {"session_id": world.new_id("sess")}


def _point(
    world: _World, agent: Agent, ts: int, name: str, kind: str, value: float, labels: Mapping[str, str] | None = None
) -> Event:
    event: Event = {"type": "point", "id": world.new_id("pt"), "ts": ts, "name": name, "kind": kind, "value": value}
    if labels:
        event["labels"] = labels
    return event | {"environment_id": world.pick(model.ENVIRONMENTS)} | agent.marks


def _webhook(world: _World, agent: Agent, ts: int) -> Iterator[Event]:
    delivery = world.new_id("whd")
    endpoint_id, kind = world.pick(model.ENDPOINTS)
    for attempt, status in enumerate(world.pick(model.WEBHOOKS), start=1):
        event: Event = {"type": "webhook", "id": f"{delivery}:{attempt}", "ts": ts, "endpoint_id": endpoint_id}
        event |= {"kind": kind, "status": status, "http_status": world.pick(model.WEBHOOK_HTTP[status]), **agent.marks}
        yield event
        ts += attempt * world.around(20_000)


def _run(world: _World, agent: Agent, ts: int) -> list[Event]:
    """One agent run: checks, model calls with a tool call between two, and the request that sums them up."""
    shared = agent.marks | {"session_id": world.new_id("sess"), "trace_id": f"{world.rng.getrandbits(128):032x}"}
    shared |= {"user": world.pick(model.USERS), "metadata": world.pick(model.TIERS)}
    if agent.virtual_account:
        shared["virtual_account"] = agent.virtual_account
    models = agent.later_models if agent.later_models and ts >= world.end - model.MOVED_AGO else agent.models
    events = [_guardrail(world, ts, "input", shared)] if agent.guardrails else []
    calls: list[Event] = []
    now = ts + 20
    for step in range(world.pick(agent.steps)):
        if step and agent.tools:
            events.append(_tool_call(world, agent, now, shared))
            now += events[-1]["latency_ms"]
        name = world.pick(models)
        if agent.virtual_model:
            events.append(_routing_decision(world, agent, now, name, shared))
        calls.append(_model_call(world, agent, now, name, shared))
        now += calls[-1]["latency_ms"]
    if agent.guardrails:
        events.append(_guardrail(world, now, "output", shared))
    if now >= world.end:
        return []  # not over yet: its cost is not known
    return [_request(world, agent, ts, now, calls, shared), *events, *calls]


def _request(world: _World, agent: Agent, began: int, over: int, calls: Sequence[Event], shared: Event) -> Event:
    failed: bool = calls[-1]["is_failure"]
    event: Event = {"type": "request", "id": world.new_id("req"), "ts": began, "account": model.ACCOUNT}
    if agent.framework:
        event |= {"agent_framework": agent.framework, "agent_server_type": agent.server_type}
    event |= {"is_failure": failed, "http_status": calls[-1]["http_status"], "latency_ms": over - began}
    if failed:
        event["error_type"] = _ERROR_TYPES[calls[-1]["error_code"]]
    for field in ("input_tokens", "output_tokens"):
        event[field] = sum(call.get(field, 0) for call in calls)
    event["cost_usd"] = round(sum(call.get("cost_usd", 0) for call in calls), 6)
    return event | shared


def _model_call(world: _World, agent: Agent, ts: int, name: str, shared: Event) -> Event:
    chosen = model.MODELS[name]
    event: Event = {"type": "model_call", "id": world.new_id("mc"), "ts": ts, "provider": chosen.provider}
    event |= {"model_name": name, "provider_model_name": name, "provider_account_type": chosen.account_type}
    event["request_type"] = "chat"
    if agent.virtual_model:
        event["virtual_model_name"] = agent.virtual_model
    if world.rng.random() < 0.02:
        code, status, _ = world.pick(model.FAILURES)
        event |= {"is_failure": True, "error_code": code, "http_status": status, "latency_ms": world.around(2_500)}
    else:
        event |= {"is_failure": False, "http_status": 200} | _usage(world, agent, chosen)
        if agent.cache_namespace:
            event |= _response_cache(world, agent, event)
    return event | shared


def _usage(world: _World, agent: Agent, chosen: Model) -> Event:
    """What a call that went well took: time, tokens and money."""
    tokens, output = world.around(agent.input_tokens, 0.45), world.around(agent.output_tokens, 0.6) + 1
    share = min(1.0, chosen.cached_share * 2 * world.rng.random())
    read = int(tokens * share)
    written = int((tokens - read) * 0.4) if chosen.cache_write else 0
    first, token_ms = (
        world.around(chosen.first_token_ms, 0.35),
        round(chosen.token_ms * (0.8 + 0.4 * world.rng.random()), 2),
    )
    cost = (tokens - read - written) * chosen.input + read * chosen.cache_read
    cost += written * chosen.cache_write + output * chosen.output
    usage: Event = {"latency_ms": first + int(output * token_ms), "time_to_first_token_ms": first}
    usage |= {"inter_token_latency_ms": token_ms, "time_per_output_token_ms": token_ms}
    usage |= {"input_tokens": tokens, "output_tokens": output, "cache_read_tokens": read}
    if written:
        usage["cache_write_tokens"] = written
    if chosen.reasons:
        usage["reasoning_tokens"] = int(output * 0.5 * world.rng.random())
    return usage | {"cost_usd": round(cost / 1e6, 6), "cost_source": "computed"}


def _response_cache(world: _World, agent: Agent, call: Event) -> Event:
    """The gateway's own cache of answers: a hit costs nothing and saves what the call would have cost."""
    looked_up = world.around(6)
    found: Event = {"cache_type": "semantic", "cache_namespace": agent.cache_namespace, "cache_status": "miss"}
    found["cache_lookup_latency_ms"] = looked_up
    if world.rng.random() < 0.3:
        found |= {"cache_status": "hit", "potential_cost_savings": call["cost_usd"], "cost_usd": 0}
        found |= {"latency_ms": looked_up + 15, "time_to_first_token_ms": looked_up + 10}
    return found


def _tool_call(world: _World, agent: Agent, ts: int, shared: Event) -> Event:
    server, tool, latency_ms = world.pick(agent.tools)
    failed = world.rng.random() < 0.015
    event: Event = {"type": "tool_call", "id": world.new_id("tc"), "ts": ts, "mcp_server_name": server}
    event |= {"method": "tools/call", "tool_name": tool, "is_failure": failed, "http_status": 502 if failed else 200}
    if failed:
        event["error_code"] = "-32603"
    return event | {"latency_ms": world.around(latency_ms, 0.6)} | shared


def _guardrail(world: _World, ts: int, scope: str, shared: Event) -> Event:
    event: Event = {"type": "guardrail_check", "id": world.new_id("gr"), "ts": ts}
    event |= {"guardrail_name": world.pick(model.GUARDRAILS[scope]), "applied_on_entity_scope": scope}
    return event | {"result": world.pick(model.RESULTS), "latency_ms": world.around(18)} | shared


def _routing_decision(world: _World, agent: Agent, ts: int, target: str, shared: Event) -> Event:
    config_type, status, rule, rule_id, attempts = world.pick(model.ROUTES)
    event: Event = {"type": "routing_decision", "id": world.new_id("rd"), "ts": ts, "config_type": config_type}
    event |= {"status": status, rule: rule_id, "requested_model": agent.virtual_model, "target_model": target}
    return event | {"loadbalance_target_attempt_count": attempts} | shared


_ERROR_TYPES = {code: error_type for code, _, error_type in model.FAILURES}
_HAPPENINGS: Mapping[str, Callable[[_World, Agent, int], Iterable[Event]]] = {
    "conversation": _conversation,
    "call": _call,
    "booking_call": _booking_call,
    "faq": _faq,
    "webhook": _webhook,
    "run": _run,
}
"""What `Agent.per_hour` names."""
