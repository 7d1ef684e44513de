"""SendGrid's event webhook: a JSON array of what became of mails.

Above: `wires`. Below: `check`. Facts 5.4. Each event has an id of its own, so that one sent again counts once. Those of
delivery are statuses of a message of the channel `email`; that a mail was opened is its status read, once, however
often it is opened; clicks, unsubscriptions and complaints are points. Arguments that the sender of a mail added, which
stand among the keys of an event, name the agent: `agent_id`, `agent_name`, `session_id`, `conversation_id`, `user`.

Signature: SendGrid's documentation, "Event Webhook security features": ECDSA with SHA-256 of the timestamp's header and
the body.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from agentgauge.core.catalog import VALUE_LENGTH
from agentgauge.core.errors import GaugeError
from agentgauge.ingest import exported, lenient
from agentgauge.ingest.check import Rejected
from agentgauge.ingest.deliveries import must_be, receipt, taken
from agentgauge.ingest.otlp.mapping import coerce, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from agentgauge.ingest.deliveries import Delivery, Reply
    from agentgauge.ingest.run import Intake

    Record = dict[str, Any]

SOURCE = "sendgrid"
SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
SETTING = "SENDGRID_PUBLIC_KEY"
STATUSES: Mapping[str, str] = {
    "processed": "queued",
    "deferred": "sending",
    "delivered": "delivered",
    "bounce": "undelivered",
    "dropped": "failed",
    "open": "read",
}
"""The events that are a status of a mail; every other is a point."""
FAILURES = frozenset({"bounce", "dropped", "deferred"})
AGENT = ("agent_id", "agent_name", "session_id", "conversation_id", "user")
READ = frozenset({"event", "timestamp", "sg_event_id", "sg_message_id", *AGENT})
"""The keys that are fields of our events."""
POINT = "email."
"""How the names of points begin: `email.click`."""


def take(delivery: Delivery, intake: Intake) -> Reply:
    """Takes an array of events in. SendGrid sends it all again unless told that it came, so that what cannot be read
    is counted and refused alone."""
    body = delivery.json()
    if not isinstance(body, list):
        raise must_be("a list of events")
    given = cast("list[object]", body)
    for each in given:
        taken(intake, _event(lenient.mapping(each)))
    return receipt(intake, len(given))


def is_genuine(delivery: Delivery, public_key: str) -> bool:
    """Whether a request is signed with the key that belongs to this public one.

    Raises:
        GaugeError: the public key is none; SendGrid keeps what it could not deliver for a day.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    key = _loaded(public_key)
    try:
        signature = b64decode(delivery.headers.get(SIGNATURE, ""), validate=True)
        key.verify(signature, delivery.headers.get(TIMESTAMP, "").encode() + delivery.body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


@lru_cache(maxsize=4)
def _loaded(public_key: str) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    lines = (line for line in public_key.splitlines() if not line.startswith("-----"))
    try:
        key = load_der_public_key(b64decode("".join(lines)))
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise GaugeError(f"{SETTING} is not a public key.", hint="SendGrid shows it under Mail Settings.")
    return key


def _event(record: Record) -> Record | Rejected:
    kind, ts = lenient.text(record.get("event")), _instant(record.get("timestamp"))
    event_id = lenient.key(lenient.text(record.get("sg_event_id")))
    if kind is None or ts is None or event_id is None:
        missing = "event" if kind is None else "timestamp" if ts is None else "sg_event_id"
        return Rejected(missing, "missing, or not of its kind.")
    message_id = lenient.text(record.get("sg_message_id")) or lenient.text(record.get("smtp-id"))
    about = {name: coerce.text(record.get(name)) for name in AGENT}
    also = {"provider_event": kind[:VALUE_LENGTH]}
    names = (name for name in record if name not in READ and not (name.startswith("marketing_") and not record[name]))
    head: Record = about | {"id": event_id, "ts": ts, "source": SOURCE}
    head["metadata"] = metadata.gathered(record, names, also)
    own = _message(record, kind, message_id) if kind in STATUSES else _point(kind, message_id)
    return lenient.present(head | own)


def _message(record: Record, kind: str, message_id: str | None) -> Record:
    status = STATUSES[kind]
    # A mail may be opened often, and is read once; any other status may come again with a reason of its own.
    once = f"{SOURCE}:{lenient.key(message_id)}:{status}" if status == "read" and message_id else None
    return {
        "type": "message",
        "message_id": message_id,
        "direction": "outbound",
        "channel": "email",
        "status": status,
        "error_code": coerce.text(record.get("status")) or coerce.text(record.get("type"))
        if kind in FAILURES
        else None,
        "call_key": once,
    }


def _point(kind: str, message_id: str | None) -> Record:
    labels = lenient.present({"message_id": message_id})
    return {"type": "point", "name": f"{POINT}{kind}", "kind": "counter", "value": 1, "labels": labels}


def _instant(value: object) -> int | None:
    """Epoch milliseconds of a number of seconds."""
    seconds = exported.number(value)
    return None if seconds is None else exported.instant(seconds * 1_000)
