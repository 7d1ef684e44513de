"""The requests of other programs that are taken besides events and OTLP, as data: where, of what kind, read by whom.

Above: the HTTP face renders it. Below: one module per program. A program more is one module and its lines in `WIRES`.
Users change one address: `LANGSMITH_ENDPOINT`, `LANGFUSE_HOST`, `BackendSpanExporter(endpoint=...)`, a callback's URL.

Source: facts/telemetry.md 2.5 and 5.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentgauge.ingest import langfuse_wire, langsmith_wire, openai_agents, sendgrid, twilio
from agentgauge.ingest.deliveries import JSON, Decode, Delivery

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Signature:
    """How a program that sends no key proves who it is."""

    setting: str
    """The field of the settings that holds what its signatures are checked with."""
    is_genuine: Callable[[Delivery, str], bool]


@dataclass(frozen=True, slots=True)
class Wire:
    """One request of a program."""

    method: str
    path: str
    summary: str
    decode: Decode
    media_type: str = JSON
    """The Content-Type of its body."""
    replies_in: str = JSON
    """The Content-Type of its answer."""
    limit: int = 64 * MIB
    """The most bytes of its body, unpacked."""
    key_header: str = ""
    """The header that its key stands in, besides Authorization."""
    signature: Signature | None = None


KEY_HEADER = "x-api-key"
WIRES: tuple[Wire, ...] = (
    Wire("POST", "/v1/traces/ingest", "Store traces of the OpenAI Agents SDK", openai_agents.take),
    Wire("GET", "/info", "What a LangSmith SDK may send", langsmith_wire.info, key_header=KEY_HEADER),
    Wire(
        "POST",
        "/runs/multipart",
        "Store runs of a LangSmith SDK",
        langsmith_wire.multipart,
        media_type=MULTIPART,
        key_header=KEY_HEADER,
    ),
    Wire("POST", "/runs/batch", "Store LangSmith runs", langsmith_wire.batch, key_header=KEY_HEADER),
    Wire("POST", "/runs", "Store the beginning of a LangSmith run", langsmith_wire.create, key_header=KEY_HEADER),
    Wire("PATCH", "/runs/{run_id}", "Store the end of a LangSmith run", langsmith_wire.update, key_header=KEY_HEADER),
    Wire("POST", "/feedback", "Store a LangSmith feedback", langsmith_wire.feedback, key_header=KEY_HEADER),
    Wire("GET", "/api/public/projects", "Whether a Langfuse SDK's key is valid", langfuse_wire.projects),
    Wire("POST", "/api/public/scores", "Store Langfuse scores", langfuse_wire.scores),
    Wire("POST", "/api/public/ingestion", "Store a batch of an older Langfuse SDK", langfuse_wire.batch),
    Wire(
        "POST",
        "/webhooks/twilio",
        "Store a status of a Twilio message or call",
        twilio.take,
        media_type=FORM,
        replies_in=twilio.NOTHING_TO_SAY.media_type,
        limit=MIB,
        signature=Signature("twilio_auth_token", twilio.is_genuine),
    ),
    Wire(
        "POST",
        "/webhooks/sendgrid",
        "Store events of SendGrid mails",
        sendgrid.take,
        limit=8 * MIB,
        signature=Signature("sendgrid_public_key", sendgrid.is_genuine),
    ),
)
