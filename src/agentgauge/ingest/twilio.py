"""Twilio's status callbacks and incoming messages: a form for each status of a message, and for each of a call.

Above: `wires`. Below: `check`. Facts 5.4: callbacks come in any order, some twice, and none for a message's first
status.

- Every status of a message is an event of its own, once, at the instant of its arrival (Twilio states none). What
  became of a message in the end is one of delivered, undelivered, failed and canceled: of several, the furthest.
- A call is one event, whose status is the furthest that was told: it is in progress until it has ended.
- Parameters of the callback's own address name the agent: `/webhooks/twilio?agent_id=concierge`.

Of a message nothing that was said is kept. Signature: Twilio's documentation, "Validating requests": HMAC-SHA1 (with a
SharedKey, HMAC-SHA256) of the address and the sorted parameters.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from agentgauge.core.errors import InvalidRequest, Problem
from agentgauge.ingest import exported, lenient
from agentgauge.ingest.deliveries import Reply, taken
from agentgauge.ingest.otlp.mapping import metadata

if TYPE_CHECKING:
    from agentgauge.ingest.deliveries import Delivery
    from agentgauge.ingest.run import Intake

    Form = Mapping[str, str]

SOURCE = "twilio"
SIGNATURE, SETTINGS = "x-twilio-signature", "x-twilio-webhooks-signature-settings"
HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
NOTHING_TO_SAY = Reply(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', media_type="text/xml")
"""What Twilio takes as an answer to an incoming message too: no reply to it."""
MOST_PARAMETERS = 1_000
PORTS = {"http": 80, "https": 443}


class Status(NamedTuple):
    """One of our statuses, and whether it says what became of a message in the end, from 1, the furthest last."""

    ours: str
    outcome: int = 0


MESSAGE_STATUSES: Mapping[str, Status] = {
    "accepted": Status("queued"),
    "scheduled": Status("queued"),
    "queued": Status("queued"),
    "receiving": Status("queued"),
    "sending": Status("sending"),
    "sent": Status("sent"),
    "canceled": Status("failed", 1),
    "failed": Status("failed", 2),
    "undelivered": Status("undelivered", 3),
    "partially_delivered": Status("delivered", 4),
    "delivered": Status("delivered", 5),
    "read": Status("read"),
    "received": Status("received"),
}
INBOUND = frozenset({"receiving", "received"})
CALL_STATUSES: Mapping[str, str] = {
    "queued": "in_progress",
    "initiated": "in_progress",
    "ringing": "in_progress",
    "answered": "in_progress",
    "in-progress": "in_progress",
    "canceled": "canceled",
    "no-answer": "no_answer",
    "busy": "busy",
    "failed": "failed",
    "completed": "completed",
}
"""Twilio's statuses of a call, the furthest last."""
CALL_RANKS = {status: rank for rank, status in enumerate(CALL_STATUSES)}
CHANNELS = {"messenger": "messenger", "rcs": "rcs", "viber": "viber", "whatsapp": "whatsapp"}
"""The prefixes of addresses; one without is a number, and its messages are SMS or, with media, MMS."""
AGENT = ("agent_id", "agent_name", "session_id", "conversation_id", "user")
"""The parameters of the callback's address that are fields of its events."""
CONTENT = (
    "Body",
    "Button",
    "Caption",
    "Digits",
    "Media",
    "ProfileName",
    "Recording",
    "Speech",
    "Transcription",
    "UnstableSpeech",
)
"""How the parameters begin that may hold what was said, or where it is recorded."""
TOLD_TWICE = frozenset({"SmsSid", "SmsMessageSid", "SmsStatus"})


def take(delivery: Delivery, intake: Intake) -> Reply:
    """Takes one callback in.

    Raises:
        InvalidRequest: it names no message and no call with a status that is known.
    """
    form = parameters(delivery.body)
    message, call = form.get("MessageSid") or form.get("SmsSid"), form.get("CallSid")
    if message is not None:
        event = _message(form, message, delivery)
    elif call is not None:
        event = _call(form, call, delivery)
    else:
        raise _wrong("MessageSid", "missing, and so is CallSid; a callback has one of them")
    if (reason := taken(intake, lenient.present(event))) is not None:
        raise _wrong("body", reason)
    return NOTHING_TO_SAY


def is_genuine(delivery: Delivery, token: str) -> bool:
    """Whether a callback is signed with this auth token, for the address that it was sent to."""
    given = delivery.headers.get(SIGNATURE, "")
    algorithm = HASHES.get(_algorithm(delivery.headers.get(SETTINGS, "")))
    if algorithm is None:
        return False
    signed = "".join(name + value for name, value in sorted(set(_pairs(delivery.body))))
    made = (hmac.new(token.encode(), (url + signed).encode(), algorithm) for url in _addresses(delivery.url))
    return any(hmac.compare_digest(b64encode(each.digest()), given.encode()) for each in made)


def _algorithm(settings: str) -> str:
    """What a header like `key=...,algorithm=HMAC_SHA256` names."""
    named = [part.partition("=")[2] for part in settings.split(",") if part.strip().startswith("algorithm=")]
    return (named[0] if named else "HMAC_SHA1").strip().upper()


def _addresses(url: str) -> Iterator[str]:
    """The address as Twilio may have spelt it: a proxy takes TLS off, and the standard port may be named or not."""
    parts = urlsplit(url)
    for scheme, port in PORTS.items():
        yield parts._replace(scheme=scheme).geturl()
        name = _without_port(parts)
        yield parts._replace(scheme=scheme, netloc=name).geturl()
        yield parts._replace(scheme=scheme, netloc=f"{name}:{port}").geturl()


def _without_port(parts: SplitResult) -> str:
    host, colon, port = parts.netloc.rpartition(":")
    return host if colon and port.isdigit() else parts.netloc


def parameters(body: bytes) -> Form:
    """The parameters of a form; of one that is repeated, the last."""
    return dict(_pairs(body))


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="replace",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise _wrong("body", f"has more than {MOST_PARAMETERS} parameters") from None


def _message(form: Form, sid: str, delivery: Delivery) -> dict[str, Any]:
    told = (form.get("MessageStatus") or form.get("SmsStatus") or "received").lower()
    status = MESSAGE_STATUSES.get(told)
    if status is None:
        raise _wrong("MessageStatus", f"must be one of {', '.join(MESSAGE_STATUSES)}", told)
    is_inbound = told in INBOUND
    happened = "outcome" if status.outcome else status.ours
    code = form.get("ErrorCode", "")
    return _common(form, delivery, {"provider_status": told}) | {
        "type": "message",
        "id": lenient.key(f"{sid}:{status.ours}"),
        "ts": delivery.now,
        "call_key": f"{SOURCE}:{lenient.key(sid)}:{happened}",
        "call_rank": status.outcome,
        "message_id": sid,
        "direction": "inbound" if is_inbound else "outbound",
        "channel": _channel(form),
        "status": status.ours,
        "error_code": code if code not in ("", "0") else "canceled" if told == "canceled" else None,
        "number_id": _plain(form.get("To" if is_inbound else "From", "")) or None,
        "segments": exported.count(form.get("NumSegments")),
    }


def _call(form: Form, sid: str, delivery: Delivery) -> dict[str, Any]:
    told = form.get("CallStatus", "").lower()
    status = CALL_STATUSES.get(told)
    if status is None:
        raise _wrong("CallStatus", f"must be one of {', '.join(CALL_STATUSES)}", told)
    is_inbound = form.get("Direction", "").startswith("inbound")
    has_ended = status != "in_progress"
    return _common(form, delivery, {"provider_status": told}) | {
        "type": "call",
        "id": lenient.key(sid),
        "ts": _instant(form.get("Timestamp", "")) or delivery.now,
        "call_key": f"{SOURCE}:{lenient.key(sid)}",
        "call_rank": CALL_RANKS[told],
        "direction": "inbound" if is_inbound else "outbound",
        "status": status,
        "duration_seconds": exported.number(form.get("CallDuration")) if has_ended else None,
        "number_id": form.get("To" if is_inbound else "From") or None,
    }


def _common(form: Form, delivery: Delivery, also: dict[str, str]) -> dict[str, Any]:
    names = [name for name in form if not name.startswith(CONTENT) and name not in TOLD_TWICE]
    about = {name: delivery.query[name] for name in AGENT if delivery.query.get(name)}
    return about | {"source": SOURCE, "metadata": metadata.gathered(form, names, also)}


def _channel(form: Form) -> str:
    for address in (form.get("From", ""), form.get("To", "")):
        prefix, colon, _ = address.partition(":")
        if colon:
            return CHANNELS.get(prefix.lower(), prefix.lower())
    return "mms" if (exported.count(form.get("NumMedia")) or 0) > 0 else "sms"


def _plain(address: str) -> str:
    """An address without the prefix of its channel."""
    return address.rpartition(":")[2]


def _instant(text: str) -> int | None:
    """Epoch milliseconds of a time as in `Fri, 20 Nov 2026 11:33:25 +0000`."""
    try:
        found = parsedate_to_datetime(text)
        at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return exported.instant(at * 1_000)


def _wrong(name: str, why: str, given: str | None = None) -> InvalidRequest:
    return InvalidRequest([Problem(name, why, where="body", given=given)])
