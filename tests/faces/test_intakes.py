"""What other programs send besides OTLP: three SDKs as recorded, and webhooks; who may, and what bad ones cost."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import READ, WRITE, Home

from agentgauge.config import load
from agentgauge.ingest.wires import WIRES, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

FIXTURES = Path(__file__).parent.parent / "fixtures"
AGENTS = (FIXTURES / "openai_agents/001_traces_ingest.json").read_bytes()
SCORES = (FIXTURES / "langfuse/scores.json").read_bytes()
RUNS = [(FIXTURES / f"langsmith/{number:03}_runs.multipart").read_bytes() for number in (1, 2)]
MULTIPART = "multipart/form-data; boundary=" + RUNS[0].partition(b"\r\n")[0].removeprefix(b"--").decode()
FORM = "application/x-www-form-urlencoded"
TOKEN = "12345678901234567890123456789012"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A server over an empty folder."""
    return Home(tmp_path)


def rows(home: Home, query: str, org: str = "default") -> list[Any]:
    """What the store holds."""
    path = home.path / f"orgs/{org}.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def configure(home: Home, **values: str) -> None:
    """Sets settings, as the environment would."""
    home.serving.settings = home.serving.settings.model_copy(update=values)


async def form(home: Home, given: Mapping[str, str], query: str = "", **headers: str) -> httpx2.Response:
    """The answer to a callback."""
    headers = {"Content-Type": FORM} | headers
    return await home.post(f"/webhooks/twilio{query}", urlencode(given).encode(), None, **headers)


def signature(url: str, given: Mapping[str, str], algorithm: Any = hashlib.sha1) -> str:
    """Twilio's, by its documentation."""
    text = url + "".join(name + given[name] for name in sorted(given))
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), algorithm).digest()).decode()


def message(status: str, sid: str = "SM1", **fields: str) -> dict[str, str]:
    """A status callback of a message."""
    about = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, "AccountSid": "AC1"}
    return about | {"From": "whatsapp:+15550001", "To": "whatsapp:+15550002"} | fields


def call(status: str, **fields: str) -> dict[str, str]:
    """A status callback of a call."""
    return {
        "CallSid": "CA1",
        "CallStatus": status,
        "Direction": "outbound-api",
        "From": "+1555",
        "To": "+1666",
    } | fields


# What SDKs send


@pytest.mark.parametrize("times", [1, 2])
async def test_the_traces_of_openai_agents_count_responses_and_generations_alone(home: Home, times: int) -> None:
    for _ in range(times):
        assert (await home.post("/v1/traces/ingest", AGENTS)).status_code == 200
    sums = "count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(reasoning_tokens)"
    assert rows(home, f"select {sums} from model_calls") == [(4, 6_000, 100, 4_096, 14)]
    assert rows(home, "select count(*), sum(is_failure) from tool_calls") == [(2, 1)]
    assert rows(home, "select count(*) from requests") == [(3,)]
    assert rows(home, "select guardrail_name, result from guardrail_checks order by 1") == [
        ("g", "pass"),
        ("tripped", "fail"),
    ]


async def test_otlp_keeps_its_path_beside_that_of_openai_agents(home: Home) -> None:
    assert (await home.post("/v1/traces", {"resourceSpans": []})).content == b"{}"
    assert (await home.post("/v1/traces/ingest", {"data": []})).json()["taken"] == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1)])
async def test_runs_in_any_order_are_one_event_each(home: Home, order: tuple[int, ...]) -> None:
    for at in order:
        answer = await home.post("/runs/multipart", RUNS[at], None, **{"Content-Type": MULTIPART, "x-api-key": "any"})
        assert answer.status_code == 202
    sums = "count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), min(latency_ms) > 0"
    assert rows(home, f"select {sums} from model_calls") == [(2, 3_000, 50, 2_048, 1)]
    assert rows(home, "select distinct model_name, provider, session_id, agent_name from model_calls") == [
        ("gpt-4o-mini", "openai", "s1", "concierge")
    ]
    assert rows(home, "select tool_name, is_failure, error_code from tool_calls order by 1") == [
        ("bad", 1, "ValueError"),
        ("search", 0, None),
    ]
    assert rows(home, "select agent_name, latency_ms > 2000 from requests") == [("concierge", 1)]


async def test_a_run_that_has_begun_counts_and_what_was_said_is_not_kept(home: Home) -> None:
    await home.post("/runs/multipart", RUNS[0], None, **{"Content-Type": MULTIPART})
    assert rows(home, "select count(*), sum(latency_ms) from model_calls") == [(1, None)]
    (row,) = rows(home, "select group_concat(metadata) from requests")
    assert "inputs" not in row[0]


@pytest.mark.parametrize("body", [gzip.compress(RUNS[0]), RUNS[0]])
async def test_a_form_may_be_packed(home: Home, body: bytes) -> None:
    packed = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    answer = await home.post("/runs/multipart", body, None, **{"Content-Type": MULTIPART}, **packed)
    assert answer.json() == {"taken": 3, "rejected": 0, "reasons": []}


async def test_the_older_ways_of_langsmith_come_to_the_same(home: Home) -> None:
    run: dict[str, Any] = {
        "id": "r1",
        "trace_id": "r1",
        "name": "m",
        "run_type": "llm",
        "start_time": 1_795_176_000_000,
    }
    end = {"end_time": 1_795_176_001_500, "outputs": {"usage_metadata": {"input_tokens": 10, "output_tokens": 5}}}
    async with home.client(None) as client:
        assert (await client.patch("/runs/r1", json=end)).status_code == 202
        assert (await client.post("/runs", json=run)).status_code == 202
        assert (
            await client.post("/runs/batch", json={"post": [run], "patch": [{"id": "r1"} | end]})
        ).status_code == 202
    assert rows(home, "select ts, latency_ms, input_tokens, output_tokens from model_calls") == [
        (1_795_176_000_000, 1_500, 10, 5)
    ]


async def test_feedback_is_a_point(home: Home) -> None:
    await home.post("/feedback", {"id": "f1", "run_id": "r1", "key": "helpful", "score": True})
    assert rows(home, "select name, value from points") == [("helpful", 1)]


async def test_info_offers_forms_and_no_compression(home: Home) -> None:
    found = (await home.get("/info")).json()
    assert found["batch_ingest_config"]["use_multipart_endpoint"] is True
    assert found["instance_flags"] == {}


async def test_scores_of_the_langfuse_sdk(home: Home) -> None:
    answer = await home.post("/api/public/scores", SCORES)
    assert (answer.status_code, answer.json()) == (202, {"message": "Accepted"})
    await home.post("/api/public/scores", SCORES)
    assert rows(home, "select name, value, trace_id from points") == [
        ("helpful", 0.9, "c501370fa07267167896aa2a273fee8d")
    ]


async def test_one_score_is_answered_with_its_id_and_bad_ones_are_told(home: Home) -> None:
    one = await home.post("/api/public/scores", {"name": "tone", "value": "friendly", "dataType": "CATEGORICAL"})
    assert list(one.json()) == ["id"]
    many = await home.post("/api/public/scores", [{"name": "ok", "value": True}, {"name": "no value"}, 7])
    assert (many.status_code, many.json()["accepted"], many.json()["rejected"]) == (207, 1, 2)
    assert rows(home, "select name, value, labels from points order by 1") == [
        ("ok", 1, None),
        ("tone", 1, '{"value":"friendly"}'),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 2, 1)])
async def test_a_batch_of_an_older_langfuse_sdk(home: Home, order: tuple[int, ...]) -> None:
    usage = {"input": 1_500, "output": 25, "unit": "TOKENS"}
    about = {"id": "g1", "traceId": "t1", "startTime": "2026-05-20T12:00:00Z", "parentObservationId": "s1"}
    events = [
        {"type": "trace-create", "body": {"id": "t1", "name": "shop", "sessionId": "s", "userId": "u"}},
        {"type": "generation-create", "body": about | {"model": "gpt-4o-mini", "input": "secret"}},
        {"type": "score-create", "body": {"traceId": "t1", "name": "helpful", "value": 0.5}},
        {"type": "generation-update", "body": {"id": "g1", "endTime": "2026-05-20T12:00:01Z", "usage": usage}},
    ]
    for at in order:
        batch = [{"id": f"e{at}", "timestamp": "2026-05-20T12:00:02Z"} | events[at]]
        answer = await home.post("/api/public/ingestion", {"batch": batch})
        assert (answer.status_code, answer.json()) == (
            207,
            {"successes": [{"id": f"e{at}", "status": 201}], "errors": []},
        )
    asked = "select input_tokens, output_tokens, latency_ms, session_id, agent_name, cost_usd from model_calls"
    assert rows(home, asked) == [(1_500, 25, 1_000, "s", "shop", 0.00024)]
    assert rows(home, "select name, value from points") == [("helpful", 0.5)]
    assert b"secret" not in (home.path / "orgs/default.db").read_bytes()


# Webhooks


async def test_statuses_in_any_order_count_once_each_and_delivered_never_goes_back(home: Home) -> None:
    for status in ("delivered", "sent", "queued", "accepted", "read", "delivered", "sent", "undelivered", "failed"):
        assert (await form(home, message(status))).status_code == 200
    assert rows(home, "select status, channel, direction, number_id, message_id from messages order by id") == [
        (status, "whatsapp", "outbound", "+15550001", "SM1") for status in ("delivered", "queued", "read", "sent")
    ]


async def test_a_failure_is_replaced_by_the_delivery_that_came_later(home: Home) -> None:
    await form(home, message("undelivered", ErrorCode="30003"))
    assert rows(home, "select status, error_code from messages") == [("undelivered", "30003")]
    await form(home, message("delivered"))
    assert rows(home, "select status, error_code from messages") == [("delivered", None)]


async def test_an_incoming_message_is_received_and_answered_with_no_reply(home: Home) -> None:
    given = {"MessageSid": "SM2", "From": "+1555", "To": "+1666", "Body": "secret", "NumMedia": "1", "NumSegments": "2"}
    answer = await form(home, given, "?agent_id=concierge")
    assert (answer.headers["Content-Type"].partition(";")[0], b"<Response/>" in answer.content) == ("text/xml", True)
    asked = "select status, direction, channel, number_id, segments, agent_id from messages"
    assert rows(home, asked) == [("received", "inbound", "mms", "+1666", 2, "concierge")]
    assert b"secret" not in (home.path / "orgs/default.db").read_bytes()


async def test_one_call_is_one_event_that_ends_as_it_ended(home: Home) -> None:
    ended = call("completed", CallDuration="42", Timestamp="Wed, 20 May 2026 12:00:00 +0000")
    await form(home, call("ringing"))
    assert rows(home, "select status, duration_seconds from calls") == [("in_progress", None)]
    for each in (ended, call("in-progress"), call("ringing"), ended):
        assert (await form(home, each)).status_code == 200
    assert rows(home, "select id, ts, status, duration_seconds, number_id from calls") == [
        ("CA1", 1_779_278_400_000, "completed", 42, "+1555")
    ]


MAILS = [
    {"event": "processed", "timestamp": 1_779_278_400, "sg_event_id": "e1", "sg_message_id": "m1", "email": "a@b.c"},
    {
        "event": "delivered",
        "timestamp": 1_779_278_401,
        "sg_event_id": "e2",
        "sg_message_id": "m1",
        "agent_id": "mailer",
    },
    {"event": "bounce", "timestamp": 1_779_278_402, "sg_event_id": "e3", "sg_message_id": "m2", "status": "5.1.1"},
    {"event": "dropped", "timestamp": 1_779_278_403, "sg_event_id": "e4", "sg_message_id": "m3", "reason": "Bounced"},
    {"event": "open", "timestamp": 1_779_278_404, "sg_event_id": "e5", "sg_message_id": "m1", "category": ["a", "b"]},
    {"event": "open", "timestamp": 1_779_278_405, "sg_event_id": "e6", "sg_message_id": "m1", "category": "a"},
    {"event": "click", "timestamp": 1_779_278_406, "sg_event_id": "e7", "sg_message_id": "m1", "url": "https://x.y"},
]


async def test_events_of_mails_count_once_however_often_they_come(home: Home) -> None:
    for mails in (MAILS, list(reversed(MAILS))):
        assert (await home.post("/webhooks/sendgrid", mails)).status_code == 200
    assert rows(home, "select status, error_code, agent_id from messages where channel = 'email' order by ts") == [
        ("queued", None, None),
        ("delivered", None, "mailer"),
        ("undelivered", "5.1.1", None),
        ("failed", None, None),
        ("read", None, None),
    ]
    assert rows(home, "select name, value from points") == [("email.click", 1)]


async def test_a_bad_event_among_good_ones_costs_only_itself(home: Home) -> None:
    answer = await home.post("/webhooks/sendgrid", [MAILS[0], {"event": "delivered"}, None, MAILS[1]])
    assert (answer.status_code, answer.json()["taken"], answer.json()["rejected"]) == (200, 2, 2)


# Who may


async def test_a_callback_is_believed_with_its_signature_and_not_without(home: Home) -> None:
    configure(home, twilio_auth_token=TOKEN)
    given, url = message("sent", Body="é ✓", Empty=""), "http://127.0.0.1:8377/webhooks/twilio?agent_id=a"
    for sign in ("", "wrong", signature(url, message("read")), signature(url + "b", given)):
        assert (await form(home, given, "?agent_id=a", **{"X-Twilio-Signature": sign})).status_code == 403, sign
    assert rows(home, "select * from messages") == []
    for address in (url, url.replace("http:", "https:"), url.replace(":8377", ""), url.replace(":8377", ":80")):
        made = signature(address, given)
        assert (await form(home, given, "?agent_id=a", **{"X-Twilio-Signature": made})).status_code == 200
    assert rows(home, "select agent_id from messages") == [("a",)]


async def test_a_signature_may_be_for_the_public_address_and_of_the_newer_kind(home: Home) -> None:
    configure(home, twilio_auth_token=TOKEN, public_url="https://gauge.example/hooks/")
    made = signature("https://gauge.example/hooks/webhooks/twilio", message("sent"), hashlib.sha256)
    headers = {"X-Twilio-Signature": made, "X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=HMAC_SHA256"}
    assert (await form(home, message("sent"), **headers)).status_code == 200
    del headers["X-Twilio-Webhooks-Signature-Settings"]
    assert (await form(home, message("sent"), **headers)).status_code == 403


async def test_events_of_mails_are_believed_with_their_signature_and_not_without(home: Home) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    configure(home, sendgrid_public_key=base64.b64encode(public).decode())
    body = json.dumps(MAILS).encode() + b"\r\n"
    made = base64.b64encode(key.sign(b"1779278400" + body, ec.ECDSA(SHA256()))).decode()
    names = ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp")
    for sign, time in (("", ""), (made, "1779278401"), ("AAAA", "1779278400"), ("?", "1779278400")):
        assert (
            await home.post("/webhooks/sendgrid", body, None, **{names[0]: sign, names[1]: time})
        ).status_code == 403
    good = {names[0]: made, names[1]: "1779278400"}
    assert (await home.post("/webhooks/sendgrid", body[:-2], None, **good)).status_code == 403
    assert (await home.post("/webhooks/sendgrid", body, None, **good)).status_code == 200


def test_what_signatures_are_checked_with_has_the_names_that_its_vendors_give_it() -> None:
    given = {"TWILIO_AUTH_TOKEN": "t", "SENDGRID_PUBLIC_KEY": "s", "AGENTGAUGE_PUBLIC_URL": "https://gauge.example"}
    found = load(given)
    assert (found.twilio_auth_token, found.sendgrid_public_key, found.public_url) == tuple(given.values())
    assert "twilio_auth_token" not in repr(found)


async def test_a_public_key_that_is_none_is_our_fault_so_that_the_sender_tries_again(home: Home) -> None:
    configure(home, sendgrid_public_key="nonsense")
    assert (await home.post("/webhooks/sendgrid", MAILS)).status_code == 500


async def test_what_is_signed_needs_no_key_and_belongs_to_the_owner(home: Home) -> None:
    configure(home, twilio_auth_token=TOKEN)
    token = home.key(WRITE, org="acme")
    made = {"X-Twilio-Signature": signature("http://127.0.0.1:8377/webhooks/twilio", message("sent"))}
    assert (await form(home, message("sent"), **made)).status_code == 200
    basic = {"Authorization": "Basic " + base64.b64encode(f"twilio:{token}".encode()).decode()}
    assert (await form(home, message("sent"), **basic)).status_code == 403
    assert (await form(home, message("sent"), **made, **basic)).status_code == 200
    assert (len(rows(home, "select * from messages")), len(rows(home, "select * from messages", "acme"))) == (1, 1)


def wire_id(wire: Wire) -> str:
    return f"{wire.method} {wire.path}"


async def sent_to(home: Home, wire: Wire, body: bytes = b"", **headers: str) -> httpx2.Response:
    """The answer of a wire to a body."""
    kind = MULTIPART if wire.media_type.startswith("multipart") else wire.media_type
    async with home.client() as client:
        path = wire.path.replace("{run_id}", "r1")
        return await client.request(wire.method, path, content=body, headers={"Content-Type": kind} | headers)


@pytest.mark.parametrize("wire", WIRES, ids=wire_id)
async def test_once_a_key_exists_every_wire_needs_one_that_may_write(home: Home, wire: Wire) -> None:
    reader, writer = home.key(READ), home.key(WRITE)

    async def status(key: str) -> int:
        header = {wire.key_header: key} if wire.key_header else {"Authorization": f"Bearer {key}"}
        return (await sent_to(home, wire, b"", **header)).status_code

    assert (await sent_to(home, wire)).status_code == 401
    assert [await status("wrong"), await status(reader)] == [401, 403]
    assert await status(writer) in (200, 400)


@pytest.mark.parametrize("wire", WIRES, ids=wire_id)
async def test_no_page_of_another_site_may_send(home: Home, wire: Wire) -> None:
    for origin in ("http://evil.example", "null"):
        assert (await sent_to(home, wire, Origin=origin)).status_code == 403


# Bad requests


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.method != "GET"], ids=wire_id)
async def test_a_body_of_another_kind_or_over_its_limit_is_refused(home: Home, wire: Wire) -> None:
    assert (await sent_to(home, wire, b"{}", **{"Content-Type": "text/plain"})).status_code == 415
    bomb = gzip.compress(b" " * (wire.limit + 1), 1)
    assert (await sent_to(home, wire, bomb, **{"Content-Encoding": "gzip"})).status_code == 413


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.method != "GET"], ids=wire_id)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"7", b"null", b'"x"', b"--x--"])
async def test_what_is_no_request_is_told_so(home: Home, wire: Wire, body: bytes) -> None:
    answer = await sent_to(home, wire, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_a_form_that_is_cut_off_is_told_so(home: Home) -> None:
    for end in (10, 400, -4):
        answer = await home.post("/runs/multipart", RUNS[0][:end], None, **{"Content-Type": MULTIPART})
        assert answer.status_code == 400, end
    assert (
        await home.post("/runs/multipart", RUNS[0], None, **{"Content-Type": "multipart/form-data"})
    ).status_code == 400


NAMES = (
    "id data batch type body post patch object span_data usage input_tokens started_at ended_at start_time end_time "
    "run_type outputs extra error trace_id parent_id name value event timestamp sg_event_id status events metadata"
).split()
WORDS = [*NAMES, "llm", "trace", "generation", "delivered", "generation-create", "2026-05-20T12:00:00Z", "\ud83d", ""]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def hammered(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One server for all that is thrown at it."""
    return Home(tmp_path_factory.mktemp("hammered"))


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.media_type == "application/json"], ids=wire_id)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inner=JSON_VALUES, wrap=st.sampled_from(["{}", '{{"data":[{}]}}', '{{"batch":[{}]}}', '{{"post":[{}]}}', "[{}]"])
)
def test_no_json_makes_a_wire_fail(hammered: Home, wire: Wire, inner: Any, wrap: str) -> None:
    body = wrap.replace("{{", "{").replace("}}", "}").replace("{}", json.dumps(inner), 1).encode()
    answer = anyio.run(sent_to, hammered, wire, body)
    assert answer.status_code < 500, answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inner=JSON_VALUES,
    part=st.sampled_from(
        ["post.r", "patch.r", "post.r.outputs", "patch.r.extra", "post.r.error", "feedback.r", "post", ""]
    ),
)
def test_no_part_of_a_form_makes_it_fail(hammered: Home, inner: Any, part: str) -> None:
    head = b'{"start_time":"2026-05-20T12:00:00Z","run_type":"llm","name":"m"}'
    parts = [("post.r", head), (part, json.dumps(inner).encode())]
    said = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value for name, value in parts]
    wire = next(wire for wire in WIRES if wire.media_type.startswith("multipart"))
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    async def send() -> httpx2.Response:
        return await sent_to(hammered, wire, b"\r\n".join([*said, b"--x--\r\n"]), **kind)

    assert anyio.run(send).status_code < 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_form=st.dictionaries(
        st.sampled_from(
            ["MessageSid", "MessageStatus", "CallSid", "CallStatus", "Timestamp", "ErrorCode", "From", "X"]
        ),
        st.text(max_size=2_000) | st.sampled_from(["delivered", "completed", "SM1"]),
    )
)
def test_no_callback_makes_it_fail(hammered: Home, given_form: dict[str, str]) -> None:
    wire = next(wire for wire in WIRES if wire.media_type == FORM)
    body = urlencode({name: value.encode("utf-8", "replace") for name, value in given_form.items()}).encode()
    assert anyio.run(sent_to, hammered, wire, body).status_code < 500
