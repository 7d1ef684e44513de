"""Who is in the synthetic fleet and what it can do, as tables; `fleet` makes events of them.

Above: `fleet`. Below: nothing. Another agent, channel, model or failure is one more entry here. A *deck* is a tuple
from which one entry is drawn at random: it holds an entry as often as that weighs, as indexing is the fastest draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ACCOUNT = "acme"


def deck(*weighted: tuple[T, int]) -> tuple[T, ...]:
    """Every value as often as it weighs."""
    return tuple(value for value, weight in weighted for _ in range(weight))


@dataclass(frozen=True, slots=True)
class Channel:
    """How messages of one channel live and what they cost."""

    name: str
    cost_cents: float
    paths: tuple[tuple[str, ...], ...]
    errors: tuple[str, ...]
    segments: tuple[int, ...] = ()
    inbound_cents: float = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A model: USD per million tokens, and how fast it answers."""

    provider: str
    account_type: str
    input: float
    cache_read: float
    cache_write: float
    output: float
    first_token_ms: int
    token_ms: float
    cached_share: float
    reasons: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number; all of them are of the range kept for fiction, 555-01xx."""

    id: str
    phone_number: str
    country: str = "US"
    released_days_ago: float | None = None


@dataclass(frozen=True)
class Agent:
    """One agent and its habits; `id` None is the traffic that belongs to no agent."""

    id: str | None
    name: str | None
    per_hour: Mapping[str, float]
    """How often each happening of `fleet` comes at the agent's busiest hour."""
    curve: tuple[int, ...]
    teams: tuple[str, ...] = ()
    utc_offset: int = 0
    weekend: float = 0.35
    framework: str = ""
    server_type: str = ""
    numbers: tuple[Number, ...] = ()
    channels: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    later_models: tuple[str, ...] = ()
    """What it moved to, `MOVED_AGO` before the end."""
    input_tokens: int = 0
    output_tokens: int = 0
    steps: tuple[int, ...] = (1, 2, 2, 3)
    tools: tuple[tuple[str, str, int], ...] = ()
    """MCP server, tool and median latency in ms."""
    guardrails: bool = False
    virtual_model: str = ""
    cache_namespace: str = ""
    virtual_account: str = ""
    queue: int = 0
    """The usual depth of its queue at the busiest hour; 0: it has none."""

    @cached_property
    def marks(self) -> dict[str, Any]:
        """The fields that every event of this agent carries."""
        found = {"agent_id": self.id, "agent_name": self.name, "team": list(self.teams)}
        return {name: value for name, value in found.items() if value}


# The planted stories.
MOVED_AGO = 3 * DAY
BURST_AGO, BURST_LENGTH = 2 * DAY, 3 * HOUR
BURST_AGENT, BURST_CHANNEL, BURST_CAMPAIGN, BURST_ERROR = "agent_sales_beta", "whatsapp", "win_back", "63016"
BURST_CONVERSATIONS, BURST_SHARE = 150, 0.9

# By local hour, in percent of the busiest.
OFFICE = (3, 2, 2, 2, 3, 5, 12, 30, 60, 85, 100, 97, 80, 85, 96, 98, 90, 70, 45, 30, 20, 14, 9, 5)
EVENING = (15, 10, 7, 6, 6, 8, 15, 28, 42, 50, 55, 65, 75, 65, 60, 62, 70, 85, 100, 98, 85, 60, 40, 25)
NIGHT = (100, 98, 95, 95, 90, 80, 55, 30, 15, 10, 10, 10, 10, 10, 10, 10, 12, 15, 25, 40, 60, 75, 90, 97)

_DELIVERED, _READ = ("queued", "sent", "delivered"), ("queued", "sent", "delivered", "read")
_UNDELIVERED, _FAILED = ("queued", "sent", "undelivered"), ("queued", "failed")
_SLOW = ("queued", "sending", "sent", "delivered")
UNDELIVERED = _UNDELIVERED
DELAYS: Mapping[str, float] = {
    "queued": 0,
    "sending": 250,
    "sent": 800,
    "delivered": 2_600,
    "read": 4 * MINUTE,
    "failed": 600,
    "undelivered": 7_000,
}
"""Median ms from the status before."""
_CARRIER = deck(("30003", 5), ("30005", 2), ("30006", 1), ("30007", 3))
CHANNELS: Mapping[str, Channel] = {
    each.name: each
    for each in (
        Channel(
            "sms",
            1,
            deck((_DELIVERED, 90), (_SLOW, 5), (_UNDELIVERED, 3), (_FAILED, 2)),
            _CARRIER,
            (1, 1, 1, 1, 2, 3),
            1,
        ),
        Channel("mms", 3, deck((_DELIVERED, 88), (_SLOW, 8), (_UNDELIVERED, 4)), ("30003", "30019"), (1,), 1),
        Channel(
            "whatsapp", 2, deck((_READ, 68), (_DELIVERED, 29), (_UNDELIVERED, 3)), deck(("63024", 7), ("63049", 3))
        ),
        Channel("email", 0.1, deck((_DELIVERED, 62), (_READ, 35), (_UNDELIVERED, 3)), ("550", "552")),
        Channel("rcs", 2, deck((_READ, 55), (_DELIVERED, 41), (_FAILED, 4)), ("30003", "30036")),
        Channel("web", 0, deck((_READ, 80), (_DELIVERED, 19), (_FAILED, 1)), ("30008",)),
    )
}
_OUT, _IN = "outbound", "inbound"
CONVERSATIONS = deck(((_IN, _OUT), 5), ((_OUT,), 5), ((_OUT, _IN, _OUT), 3), ((_IN, _OUT, _IN, _OUT), 2))

MODELS: Mapping[str, Model] = {
    "claude-opus-4-6": Model("anthropic", "anthropic", 5, 0.5, 6.25, 25, 1_400, 17, 0.5, reasons=True),
    "claude-sonnet-4-6": Model("anthropic", "anthropic", 3, 0.3, 3.75, 15, 900, 12, 0.6),
    "claude-haiku-4-5": Model("anthropic", "anthropic", 1, 0.1, 1.25, 5, 420, 6, 0.5),
    "gpt-5.2": Model("openai", "openai", 1.75, 0.175, 0, 14, 1_100, 11, 0.35, reasons=True),
    "gpt-5-mini": Model("openai", "openai", 0.25, 0.025, 0, 2, 500, 7, 0.3, reasons=True),
    "gemini-2.5-flash": Model("google", "google-vertex", 0.3, 0.03, 0, 2.5, 350, 4, 0.25),
}
FAILURES = deck(
    (("429", 429, "rate_limited"), 5),
    (("529", 529, "overloaded"), 3),
    (("timeout", 504, "timeout"), 2),
    (("500", 500, "server_error"), 1),
)
"""Error code, http status and error type of a model call that failed."""
ROUTES = deck(
    (("loadbalance", "success", "loadbalance_rule_id", "lb-by-latency", 1), 85),
    (("loadbalance", "fallback", "loadbalance_rule_id", "lb-by-latency", 2), 6),
    (("ratelimit", "allowed", "ratelimit_rule_id", "rl-per-team", 1), 6),
    (("budget", "warned", "budget_rule_id", "budget-monthly", 1), 3),
)
"""Config type, status, the rule's field and id, attempts."""
GUARDRAILS: Mapping[str, tuple[str, ...]] = {"input": ("pii", "prompt-injection"), "output": ("toxicity", "pii")}
RESULTS = deck(("pass", 95), ("fail", 4), ("error", 1))
CALLS = deck(("completed", 80), ("no_answer", 10), ("busy", 6), ("failed", 4))
WEBHOOKS = deck(
    (("delivered",), 95), (("retried", "delivered"), 3), (("retried", "retried", "failed"), 1), (("failed",), 1)
)
WEBHOOK_HTTP: Mapping[str, tuple[int, ...]] = {
    "delivered": (200, 200, 202),
    "retried": (503, 502),
    "failed": (500, 410),
}
ENDPOINTS = deck((("ep_crm", "organisation"), 5), (("ep_audit", "organisation"), 3), (("ep_number_feed", "number"), 4))
TOPICS = deck(("opening_hours", 8), ("pricing", 12), ("cancellation_policy", 5), ("delivery", 4))
ORIGINS = deck(("phone", 6), ("web", 3), ("whatsapp", 2))
COMPANIES = deck(("c_101", 5), ("c_102", 3), ("c_203", 2), ("c_310", 1))
ENVIRONMENTS = deck(("prod", 19), ("staging", 1))
USERS = ("ana@acme.example", "ben@acme.example", "chloe@acme.example", "dev@acme.example", "emma@acme.example")
TIERS = deck(({"plan": "free"}, 5), ({"plan": "pro"}, 3), ({"plan": "enterprise"}, 2))

AGENTS: tuple[Agent, ...] = (
    Agent(
        "agent_support_alpha",
        "Support Alpha",
        {"conversation": 4, "run": 3.5, "webhook": 4, "faq": 3},
        OFFICE,
        teams=("support", "emea"),
        utc_offset=1,
        framework="langgraph",
        server_type="a2a",
        numbers=(Number("num_support_1", "+12025550101"), Number("num_support_2", "+14165550102", "CA")),
        channels=deck(("sms", 4), ("whatsapp", 6), ("web", 3), ("email", 2)),
        campaigns=("csat_survey",),
        models=deck(("claude-sonnet-4-6", 3), ("claude-haiku-4-5", 2)),
        input_tokens=5_200,
        output_tokens=320,
        tools=(("zendesk", "search_tickets", 240), ("zendesk", "update_ticket", 410), ("docs", "search", 130)),
        guardrails=True,
        cache_namespace="support-faq",
        queue=14,
    ),
    Agent(
        "agent_sales_beta",
        "Sales Beta",
        {"conversation": 4.5, "run": 2, "webhook": 3},
        OFFICE,
        teams=("sales",),
        utc_offset=-5,
        weekend=0.15,
        framework="crewai",
        server_type="http",
        numbers=(Number("num_sales_1", "+13125550110"), Number("num_sales_old", "+13125550111", "US", 9)),
        channels=deck(("sms", 6), ("mms", 2), ("rcs", 2), ("email", 3), ("whatsapp", 2)),
        campaigns=("spring_launch", "renewal", "renewal"),
        models=deck(("gpt-5.2", 2), ("gpt-5-mini", 3)),
        input_tokens=3_400,
        output_tokens=450,
        tools=(("crm", "find_contact", 180), ("crm", "log_activity", 220)),
        virtual_model="sales-writer",
    ),
    Agent(
        "agent_research",
        "Research",
        {"run": 2.6},
        OFFICE,
        teams=("research",),
        framework="langgraph",
        server_type="a2a",
        models=("claude-haiku-4-5",),
        later_models=("claude-opus-4-6",),
        input_tokens=19_000,
        output_tokens=1_500,
        steps=(2, 3, 4, 5),
        tools=(("web", "search", 700), ("web", "fetch", 1_100), ("notes", "append", 40)),
    ),
    Agent(
        "agent_booking_voice",
        "Booking voice",
        {"booking_call": 6, "conversation": 0.8, "run": 1.5, "webhook": 5},
        EVENING,
        teams=("bookings", "support"),
        utc_offset=-8,
        weekend=1.2,
        framework="openai-agents",
        server_type="websocket",
        numbers=(Number("num_booking_1", "+12135550120"), Number("num_booking_2", "+16045550121", "CA")),
        channels=("sms",),
        campaigns=("booking_reminder",),
        models=deck(("gpt-5-mini", 3), ("gemini-2.5-flash", 2)),
        input_tokens=1_800,
        output_tokens=90,
        tools=(("calendar", "find_slot", 150), ("calendar", "book_slot", 320)),
    ),
    Agent(
        "agent_triage",
        "Triage",
        {"run": 4, "webhook": 2},
        OFFICE,
        teams=("support",),
        framework="openai-agents",
        server_type="http",
        models=deck(("gpt-5-mini", 4), ("gemini-2.5-flash", 1)),
        input_tokens=1_100,
        output_tokens=60,
        steps=(1, 1, 1, 2),
        tools=(("zendesk", "route_ticket", 160),),
        guardrails=True,
        virtual_model="fast-router",
        cache_namespace="triage",
        queue=22,
    ),
    Agent(
        "agent_billing",
        "Billing",
        {"conversation": 1.6, "call": 1.2, "run": 1.4, "webhook": 2},
        OFFICE,
        teams=("finance",),
        utc_offset=-5,
        weekend=0.2,
        framework="langgraph",
        server_type="a2a",
        numbers=(Number("num_billing_1", "+16175550130"),),
        channels=deck(("email", 5), ("sms", 3)),
        campaigns=("invoice_due", "card_expiring"),
        models=("claude-haiku-4-5",),
        input_tokens=2_900,
        output_tokens=210,
        tools=(("ledger", "get_invoice", 120), ("ledger", "refund", 560)),
        guardrails=True,
    ),
    Agent(
        "agent_coding",
        "Coding",
        {"run": 2},
        OFFICE,
        teams=("engineering",),
        utc_offset=1,
        weekend=0.1,
        framework="claude-agent-sdk",
        server_type="stdio",
        models=deck(("claude-sonnet-4-6", 9), ("claude-opus-4-6", 1)),
        input_tokens=26_000,
        output_tokens=700,
        steps=(3, 4, 5, 6),
        tools=(("github", "get_file", 210), ("github", "create_pull_request", 900), ("shell", "run_tests", 14_000)),
    ),
    Agent(
        "agent_night_watch",
        "Night watch",
        {"run": 1.6, "conversation": 0.8, "call": 0.8, "webhook": 3},
        NIGHT,
        teams=("operations", "emea"),
        weekend=1,
        framework="google-adk",
        server_type="http",
        numbers=(Number("num_watch_1", "+15125550140"),),
        channels=deck(("sms", 4), ("web", 1)),
        campaigns=("outage_notice",),
        models=("gemini-2.5-flash",),
        input_tokens=6_500,
        output_tokens=260,
        tools=(("monitoring", "query_logs", 480), ("pager", "page_on_call", 250)),
    ),
    Agent(
        None,
        None,
        {"conversation": 0.5, "call": 0.4, "run": 0.6, "webhook": 1},
        EVENING,
        numbers=(Number("num_spare_1", "+12125550150"),),
        channels=deck(("sms", 5), ("mms", 1)),
        models=("gpt-5-mini",),
        input_tokens=900,
        output_tokens=150,
        steps=(1,),
        virtual_account="va-batch",
    ),
)
