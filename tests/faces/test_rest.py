"""The REST face: AgentMessage's routes whole (contract `agentmessage`, seed page 000), keys, and our own paths."""

from __future__ import annotations

import gzip
import json
import re
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import anyio
import pytest
from served import (
    BASE,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    READ,
    WRITE,
    Home,
    at,
    event,
    facts,
    known_until,
    received,
    sent,
    words,
)

from agentgauge.core.time import iso_z

ROUTES = {"messages": "sent", "inbound": "received", "webhooks": "delivered"}
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
LIMIT = 64 << 20


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A server over an empty folder."""
    return Home(tmp_path)


def webhook(when: str | int, status: str = "delivered", **fields: Any) -> dict[str, Any]:
    return event("webhook", when, status=status, **fields)


def failure(response: Any) -> dict[str, Any]:
    """The error of a refusal, once its envelope has been found whole: contract 1.4."""
    body = response.json()
    assert list(body) == ["success", "error"]
    assert body["success"] is False
    error = body["error"]
    assert list(error)[:3] == ["code", "message", "request_id"]
    assert response.headers["X-Request-Id"] == error.pop("request_id")
    assert ULID.fullmatch(response.headers["X-Request-Id"])
    assert response.headers["Content-Type"] == "application/json"
    assert "Cache-Control" not in response.headers
    return error


def buckets(response: Any) -> dict[str, Any]:
    """Bucket start to value, or to groups as a map."""
    assert response.status_code == 200, response.text
    found: dict[str, Any] = {}
    for each in response.json()["data"]["buckets"]:
        assert each["bucket_start"] not in found
        groups = each.get("groups")
        shown = {group["key"]: group["value"] for group in groups} if groups is not None else None
        found[each["bucket_start"]] = shown if "groups" in each else each["value"]
    return found


INVALID = {"code": "VALIDATION_FAILED", "message": "validation failed"}


# AgentMessage: the body


async def test_the_pages_sample_is_answered_from_the_events_behind_it(home: Home) -> None:
    home.give(
        *(received("2026-05-05T00:00") for _ in range(13)),
        received("2026-05-05T00:59"),
        *(received("2026-05-05T01:00") for _ in range(9)),
        received("2026-05-06T00:00"),
        known_until("messages", "2026-05-05T23:59:43"),
    )
    asked = {"metric": "received", "start": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z"}
    response = await home.get("/v1/metrics/inbound", granularity="hour", **asked)
    values: list[int | None] = [14, 9, *([0] * 21), None]
    expected = {
        "success": True,
        "data": {
            "metric": "messages.inbound.received",
            "granularity": "hour",
            "from": "2026-05-05T00:00:00Z",
            "to": "2026-05-06T00:00:00Z",
            "buckets": [
                {"bucket_start": f"2026-05-05T{hour:02}:00:00Z", "value": value} for hour, value in enumerate(values)
            ],
        },
        "meta": {"as_of": "2026-05-05T23:59:43Z", "limit": 1000, "next_cursor": None},
    }
    assert response.status_code == 200
    assert json.dumps(response.json()) == json.dumps(expected)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "private, max-age=30"
    assert ULID.fullmatch(response.headers["X-Request-Id"])


async def test_every_response_has_a_request_id_of_its_own(home: Home) -> None:
    ids = [(await home.get("/v1/metrics/messages", metric="sent")).headers["X-Request-Id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(ULID.fullmatch(each) for each in ids)


@pytest.mark.parametrize(
    ("route", "metric", "echo", "value"),
    [
        ("messages", "sent", "messages.outbound.sent", 2),
        ("messages", "delivered", "messages.outbound.delivered", 1),
        ("messages", "failed", "messages.outbound.failed", 2),
        ("messages", "cost_cents", "messages.outbound.cost_cents", 7),
        ("inbound", "received", "messages.inbound.received", 1),
        ("inbound", "cost_cents", "messages.inbound.cost_cents", 3),
        ("webhooks", "delivered", "webhooks.delivered", 2),
        ("webhooks", "failed", "webhooks.failed", 1),
        ("webhooks", "retried", "webhooks.retried", 1),
    ],
)
async def test_every_metric_counts_its_own_events(home: Home, route: str, metric: str, echo: str, value: int) -> None:
    day = "2026-05-05T10:00"
    home.give(
        sent(day, cost_cents=3),
        sent(day, cost_cents=4.4),
        sent(day, status="delivered"),
        sent(day, status="failed"),
        sent(day, status="undelivered"),
        sent(day, status="queued"),
        received(day, cost_cents=3),
        webhook(day),
        webhook(day),
        webhook(day, "failed"),
        webhook(day, "retried"),
        known_until("messages", "2026-05-06"),
        known_until("webhooks", "2026-05-06"),
    )
    asked = {"metric": metric, "start": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z"}
    response = await home.get(f"/v1/metrics/{route}", **asked)
    assert response.json()["data"]["metric"] == echo
    assert buckets(response) == {"2026-05-05T00:00:00Z": value}


async def test_a_bucket_holds_its_start_and_not_its_end(home: Home) -> None:
    home.give(
        sent(at("2026-05-05T10:00") - 1),
        sent("2026-05-05T10:00"),
        sent(at("2026-05-05T11:00") - 1),
        sent("2026-05-05T11:00"),
        known_until("messages", "2026-05-06"),
    )
    asked = {"metric": "sent", "granularity": "hour"}
    response = await home.get("/v1/metrics/messages", **asked, start="2026-05-05T10:00:00Z", to="2026-05-05T11:00:00Z")
    assert buckets(response) == {"2026-05-05T10:00:00Z": 2}


@pytest.mark.parametrize(
    ("as_of", "values"),
    [
        ("2026-05-05T00:59:59", [None, None, None]),
        ("2026-05-05T01:00:00", [1, None, None]),
        ("2026-05-05T02:30:00", [1, 0, None]),
        ("2026-05-05T03:00:00", [1, 0, 0]),
    ],
)
async def test_null_is_not_known_yet_and_zero_is_zero(home: Home, as_of: str, values: list[int | None]) -> None:
    home.give(sent("2026-05-05T00:30", "sms"), known_until("messages", as_of))
    asked = {"metric": "sent", "granularity": "hour"}
    window = {"start": "2026-05-05T00:00:00Z", "to": "2026-05-05T03:00:00Z"}
    response = await home.get("/v1/metrics/messages", **asked, **window)
    assert list(buckets(response).values()) == values
    assert response.json()["meta"]["as_of"] == f"{as_of}Z"
    grouped = await home.get("/v1/metrics/messages", **asked, **window, group_by="channel")
    groups = [None if value is None else {"sms": 1} if value else {} for value in values]
    assert list(buckets(grouped).values()) == groups
    assert all("value" not in each for each in grouped.json()["data"]["buckets"])


async def test_an_empty_store_answers_in_the_same_form(home: Home) -> None:
    response = await home.get("/v1/metrics/messages", metric="sent")
    assert set(buckets(response).values()) == {None}
    assert response.json()["meta"]["as_of"].endswith("Z")


@pytest.mark.parametrize(
    ("granularity", "start", "end", "count"),
    [
        (None, "2026-04-21T00:00:00Z", "2026-05-21T00:00:00Z", 30),
        ("day", "2026-04-21T00:00:00Z", "2026-05-21T00:00:00Z", 30),
        ("hour", "2026-05-19T13:00:00Z", "2026-05-20T13:00:00Z", 24),
        ("minute", "2026-05-19T12:31:00Z", "2026-05-20T12:31:00Z", 1000),
    ],
)
async def test_a_window_left_out_ends_with_the_bucket_of_now(
    home: Home, granularity: str | None, start: str, end: str, count: int
) -> None:
    asked = {"granularity": granularity} if granularity else {}
    data = (await home.get("/v1/metrics/messages", metric="sent", **asked)).json()["data"]
    assert (data["granularity"], data["from"], data["to"]) == (granularity or "day", start, end)
    assert len(data["buckets"]) == count


async def test_a_window_is_widened_to_whole_buckets_and_echoed(home: Home) -> None:
    asked = {"metric": "sent", "granularity": "hour", "start": "2026-05-05T00:59:59.999Z", "to": "2026-05-05T01:00:01Z"}
    data = (await home.get("/v1/metrics/messages", **asked)).json()["data"]
    assert (data["from"], data["to"]) == ("2026-05-05T00:00:00Z", "2026-05-05T02:00:00Z")


@pytest.mark.parametrize(
    "text",
    ["2026-05-05T02:00:00+02:00", "2026-05-05T00:00:00.000Z", "2026-05-05T00:00:00.123456789Z", "2026-05-05T00:00Z"],
)
async def test_every_way_to_write_an_instant_is_read(home: Home, text: str) -> None:
    data = (await home.get("/v1/metrics/messages", metric="sent", start=text)).json()["data"]
    assert data["from"] == "2026-05-05T00:00:00Z"


async def test_a_plus_that_was_not_encoded_is_still_an_offset(home: Home) -> None:
    data = (await home.get("/v1/metrics/messages?metric=sent&from=2026-05-05T02:00:00+02:00")).json()["data"]
    assert data["from"] == "2026-05-05T00:00:00Z"


@pytest.mark.parametrize(
    ("route", "metric", "group_by", "expected"),
    [
        ("messages", "failed", "channel", [("mms", 2), ("sms", 1), (None, 1)]),
        ("messages", "failed", "error_code", [("30007", 2), ("30008", 1), (None, 1)]),
        ("inbound", "received", "channel", [("sms", 1)]),
        ("webhooks", "failed", "endpoint_id", [("ep_1", 2), ("ep_2", 1)]),
        ("webhooks", "failed", "kind", [("organization", 3)]),
        ("webhooks", "failed", "http_status_class", [("5xx", 2), ("4xx", 1)]),
    ],
)
async def test_groups_come_by_value_then_by_key_and_nothing_last(
    home: Home, route: str, metric: str, group_by: str, expected: list[Any]
) -> None:
    day = "2026-05-05T10:00"
    home.give(
        sent(day, "mms", status="failed", error_code="30007"),
        sent(day, "mms", status="failed", error_code="30007"),
        sent(day, "sms", status="undelivered", error_code="30008"),
        sent(day, None, status="failed"),
        received(day, channel="sms"),
        webhook(day, "failed", endpoint_id="ep_1", kind="organization", http_status=500),
        webhook(day, "failed", endpoint_id="ep_1", kind="organization", http_status=503),
        webhook(day, "failed", endpoint_id="ep_2", kind="organization", http_status=404),
        known_until("messages", "2026-05-06"),
        known_until("webhooks", "2026-05-06"),
    )
    asked = {"metric": metric, "start": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z", "group_by": group_by}
    (bucket,) = (await home.get(f"/v1/metrics/{route}", **asked)).json()["data"]["buckets"]
    groups = [{"key": key, "value": value} for key, value in expected]
    assert bucket == {"bucket_start": "2026-05-05T00:00:00Z", "groups": groups}


async def test_a_comparison_is_the_window_of_equal_length_before(home: Home) -> None:
    home.give(
        *(sent("2026-05-04T05:00", "sms") for _ in range(3)),
        sent("2026-05-05T05:00", "mms"),
        known_until("messages", "2026-05-06"),
    )
    asked = {"metric": "sent", "start": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z", "granularity": "hour"}
    data = (await home.get("/v1/metrics/messages", **asked, compare_to="prior_period")).json()["data"]
    comparison = data["comparison"]
    assert (comparison["from"], comparison["to"]) == ("2026-05-04T00:00:00Z", "2026-05-05T00:00:00Z")
    assert [each["value"] for each in comparison["buckets"]] == [0] * 5 + [3] + [0] * 18
    assert [each["value"] for each in data["buckets"]] == [0] * 5 + [1] + [0] * 18
    assert comparison["buckets"][5]["bucket_start"] == "2026-05-04T05:00:00Z"
    assert "comparison" not in (await home.get("/v1/metrics/messages", **asked)).json()["data"]


# AgentMessage: tiers and the cap


@pytest.mark.parametrize(
    ("tier", "finest"), [("starter", "day"), ("payg", "day"), ("growth", "hour"), ("scale", None), ("custom", None)]
)
async def test_a_tier_allows_no_finer_buckets_on_any_route(home: Home, tier: str, finest: str | None) -> None:
    token, order = home.key(tier=tier), ["day", "hour", "minute"]
    for route, metric in ROUTES.items():
        for granularity in order:
            response = await home.get(f"/v1/metrics/{route}", token, metric=metric, granularity=granularity)
            if finest is None or order.index(granularity) <= order.index(finest):
                assert response.status_code == 200
                continue
            assert response.status_code == 422
            assert failure(response) == {
                "code": "GRANULARITY_NOT_AVAILABLE",
                "message": "granularity not available at this plan tier",
                "details": {"max_granularity": finest},
            }


@pytest.mark.parametrize("route", ROUTES)
async def test_ten_thousand_buckets_are_an_answer_and_one_more_is_none(home: Home, route: str) -> None:
    start = at("2026-05-05")
    asked = {"metric": ROUTES[route], "granularity": "minute", "start": iso_z(start), "limit": "5000"}
    most = await home.get(f"/v1/metrics/{route}", **asked, to=iso_z(start + 10_000 * MINUTE))
    assert len(buckets(most)) == 5_000
    more = await home.get(f"/v1/metrics/{route}", **asked, to=iso_z(start + 10_001 * MINUTE))
    assert more.status_code == 422
    error = failure(more)
    assert error["code"] == "WINDOW_TOO_LARGE"
    assert error["details"] == {"bucket_count": 10_001, "max_buckets": 10_000}


async def test_a_window_of_all_time_is_refused_without_being_counted(home: Home) -> None:
    asked = {"metric": "sent", "granularity": "minute", "start": "1970-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    with anyio.fail_after(2):
        response = await home.get("/v1/metrics/messages", **asked)
    assert failure(response)["details"] == {"bucket_count": 68_374_080, "max_buckets": 10_000}


# AgentMessage: cursors


async def page_of(home: Home, token: str | None = None, route: str = "messages", **params: Any) -> Any:
    asked = {"metric": ROUTES[route], "granularity": "hour"} | params
    return await home.get(f"/v1/metrics/{route}", token, **asked)


async def cursor_of(home: Home, token: str | None = None, **params: Any) -> str:
    return (await page_of(home, token, limit=5, **params)).json()["meta"]["next_cursor"]


@pytest.mark.parametrize("limit", [1, 7, 24, 5000])
async def test_paging_to_the_end_gives_every_bucket_once(home: Home, limit: int) -> None:
    home.give(*(sent(at("2026-05-20") + n * HOUR // 2) for n in range(20)), known_until("messages", "2026-05-20T12:00"))
    whole = buckets(await page_of(home, limit=5000))
    assert len(whole) == 24
    found: dict[str, Any] = {}
    page = await page_of(home, limit=limit)
    for _ in range(30):
        part = buckets(page)
        assert not part.keys() & found.keys()
        assert 1 <= len(part) <= limit
        found |= part
        cursor = page.json()["meta"]["next_cursor"]
        if cursor is None:
            break
        page = await page_of(home, cursor=cursor, limit=limit)
    assert found == whole
    assert list(found) == list(whole)


async def test_a_second_page_needs_no_window_and_keeps_that_of_the_first(home: Home) -> None:
    cursor = await cursor_of(home)
    home.now += 3 * HOUR
    page = (await home.get("/v1/metrics/messages", metric="sent", cursor=cursor)).json()
    assert page["data"]["from"] == "2026-05-19T13:00:00Z"
    assert page["data"]["buckets"][0]["bucket_start"] == "2026-05-19T18:00:00Z"
    assert page["meta"]["limit"] == 5


@pytest.mark.parametrize(
    "other",
    [
        {"metric": "failed"},
        {"granularity": "day"},
        {"group_by": "channel"},
        {"limit": "6"},
        {"compare_to": "prior_period"},
        {"from": "2026-05-01T00:00:00Z"},
        {"to": "2026-05-21T00:00:00Z"},
        {"from": "0001-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59Z"},
        {"to": "1970-01-01T00:00:00Z"},
    ],
)
async def test_a_parameter_that_disagrees_with_the_cursor_is_refused(home: Home, other: dict[str, str]) -> None:
    cursor = await cursor_of(home)
    asked = {"metric": "sent", "granularity": "hour", "cursor": cursor} | other
    response = await home.get("/v1/metrics/messages", **asked)
    assert response.status_code == 422
    assert failure(response)["code"] == "INVALID_INPUT"


async def test_a_window_that_agrees_with_the_cursor_after_rounding_is_taken(home: Home) -> None:
    asked = {"start": "2026-05-05T00:10:00Z", "to": "2026-05-05T23:50:00Z"}
    cursor = await cursor_of(home, **asked)
    assert (await page_of(home, cursor=cursor, limit=5, **asked)).status_code == 200


async def test_a_cursor_that_was_not_made_here_is_refused(home: Home) -> None:
    cursor = await cursor_of(home)
    wrong = [
        *("x", "????", "é", "A" * 5_000, "=", "W10", "bnVsbA", "\N{SNOWMAN}" * 9, "0"),
        *(cursor[:cut] for cut in (1, 20, len(cursor) // 2, len(cursor) - 2)),
        cursor[1:],
        cursor + "AAAA",
        ("B" if cursor[0] != "B" else "C") + cursor[1:],
        cursor[:60] + ("B" if cursor[60] != "B" else "C") + cursor[61:],
    ]
    for each in wrong:
        response = await page_of(home, cursor=each)
        assert response.status_code == 422, each
        assert failure(response)["code"] == "INVALID_INPUT"


async def test_a_cursor_of_another_route_or_organisation_is_refused(home: Home) -> None:
    acme, other = home.key(org="acme"), home.key(org="other")
    cursor = await cursor_of(home, acme)
    assert (await home.get("/v1/metrics/messages", acme, metric="sent", cursor=cursor)).status_code == 200
    assert (await home.get("/v1/metrics/messages", home.key(org="acme"), metric="sent", cursor=cursor)).is_success
    stolen = await home.get("/v1/metrics/messages", other, metric="sent", cursor=cursor)
    assert failure(stolen)["code"] == "INVALID_INPUT"
    shared = await cursor_of(home, acme, metric="cost_cents")
    elsewhere = await home.get("/v1/metrics/inbound", acme, metric="cost_cents", cursor=shared)
    assert failure(elsewhere)["code"] == "INVALID_INPUT"


async def test_a_cursor_is_good_at_every_server_of_the_home(home: Home) -> None:
    cursor = await cursor_of(home)
    second = Home(home.path)
    assert (await second.get("/v1/metrics/messages", metric="sent", cursor=cursor)).status_code == 200


async def test_a_cursor_does_not_get_round_a_tier(home: Home) -> None:
    scale, starter = home.key(tier="scale"), home.key(tier="starter")
    response = await home.get("/v1/metrics/messages", starter, metric="sent", cursor=await cursor_of(home, scale))
    assert failure(response)["code"] == "GRANULARITY_NOT_AVAILABLE"


# AgentMessage: bad input


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "metric"),
        ("metric=", "metric"),
        ("metric=received", "metric"),
        ("metric=SENT", "metric"),
        ("metric=sent&metric=sent", "metric"),
        ("metric=sent&metric=failed", "metric"),
        ("metric=sent&limit=0", "limit"),
        ("metric=sent&limit=5001", "limit"),
        ("metric=sent&limit=-1", "limit"),
        ("metric=sent&limit=1.5", "limit"),
        ("metric=sent&limit=ten", "limit"),
        ("metric=sent&limit=1e400", "limit"),
        (f"metric=sent&limit={'9' * 5_000}", "limit"),
        ("metric=sent&limit=5&limit=5", "limit"),
        ("metric=sent&granularity=week", "granularity"),
        ("metric=sent&granularity=day&granularity=day", "granularity"),
        ("metric=sent&group_by=direction", "group_by"),
        ("metric=sent&group_by=channel,error_code", "group_by"),
        ("metric=sent&group_by=channel&group_by=error_code", "group_by"),
        ("metric=sent&compare_to=last_year", "compare_to"),
        ("metric=sent&cursor=a&cursor=b", "cursor"),
        ("metric=sent&from=yesterday", "from"),
        ("metric=sent&from=2026-05-05", "from"),
        ("metric=sent&from=2026-05-05T00:00:00", "from"),
        ("metric=sent&from=2026-13-05T00:00:00Z", "from"),
        ("metric=sent&from=1777939200", "from"),
        ("metric=sent&from=2026-05-05T00:00:00Z&from=2026-05-05T00:00:00Z", "from"),
        ("metric=sent&to=%FF%FE", "to"),
        ("metric=%C3%28", "metric"),
        ("metric=sent%00", "metric"),
        ("metric=sent&from=2026-05-06T00:00:00Z&to=2026-05-05T00:00:00Z", "from"),
        ("metric=sent&from=2026-05-05T00:00:00Z&to=2026-05-05T00:00:00Z", "from"),
        ("metric=sent&from=0001-01-01T00:00:00Z", "from"),
        ("metric=sent&to=9999-12-31T23:59:59Z", "from"),
        ("metric=sent&from=1970-01-01T00:00:00Z&to=1970-02-01T00:00:00Z&compare_to=prior_period", "compare_to"),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(home: Home, query: str, field: str) -> None:
    response = await home.get(f"/v1/metrics/messages?{query}")
    assert response.status_code == 422
    error = failure(response)
    details = error.pop("details")
    assert error == INVALID
    assert list(details) == [field]
    assert isinstance(details[field], str)


async def test_everything_that_is_wrong_is_said_at_once(home: Home) -> None:
    response = await home.get("/v1/metrics/inbound", metric="sent", limit="0", granularity="year", start="soon")
    assert set(failure(response)["details"]) == {"metric", "limit", "granularity", "from"}


async def test_an_unknown_parameter_is_ignored(home: Home) -> None:
    home.give(sent("2026-05-05T00:00"), known_until("messages", "2026-05-20"))
    plain = await home.get("/v1/metrics/messages", metric="sent")
    more = await home.get("/v1/metrics/messages", metric="sent", start_="x", org="other", utm=["a", "b"])
    assert more.json() == plain.json()


async def test_a_parameter_given_empty_is_left_out(home: Home) -> None:
    response = await home.get("/v1/metrics/messages?metric=sent&from=&to=&granularity=&group_by=&cursor=&compare_to=")
    assert response.json()["data"]["granularity"] == "day"


async def test_the_body_of_a_get_is_ignored(home: Home) -> None:
    async with home.client() as client:
        plain = await client.get("/v1/metrics/messages?metric=sent")
        for body in (b"{}", b"not JSON", b"\xff" * 100):
            request = client.build_request(
                "GET", "/v1/metrics/messages?metric=sent", content=body, headers={"Content-Type": "application/json"}
            )
            assert (await client.send(request)).json() == plain.json()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_another_method_is_refused_in_the_same_envelope(home: Home, method: str) -> None:
    async with home.client() as client:
        response = await client.request(method, "/v1/metrics/messages?metric=sent")
    assert response.status_code == 405
    assert failure(response) == {"code": "METHOD_NOT_ALLOWED", "message": "method not allowed"}
    assert response.headers["Allow"] == "GET, HEAD"


async def test_head_has_the_headers_of_get(home: Home) -> None:
    async with home.client() as client:
        head, get = [await client.request(m, "/v1/metrics/messages?metric=sent") for m in ("HEAD", "GET")]
    assert head.status_code == 200
    for name in ("Cache-Control", "Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    "path", ["", "/", "/calls", "/messages/", "/messages/x", "/%FF", "/..%2f..%2fetc", "/a%0Ab", "/messages%0A"]
)
async def test_an_unknown_path_below_the_prefix_is_refused_in_its_envelope(home: Home, path: str) -> None:
    response = await home.get(f"/v1/metrics{path}")
    assert response.status_code == 404
    assert failure(response) == {"code": "NOT_FOUND", "message": "not found"}


async def test_a_fault_of_ours_is_told_without_its_cause(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.give(sent("2026-05-05T00:00"))
    (home.path / "orgs/default.db").write_bytes(b"this is no database" * 400)
    second = Home(home.path)
    response = await second.get("/v1/metrics/messages", metric="sent")
    assert response.status_code == 500
    assert failure(response) == {"code": "INTERNAL_ERROR", "message": "internal error"}
    assert str(home.path) not in response.text


# Keys


async def test_without_any_key_this_machine_is_the_owner(home: Home) -> None:
    assert (await home.get("/v1/metrics/messages", metric="sent", granularity="minute")).status_code == 200
    assert (await home.post("/v1/events", [])).status_code == 200


async def test_a_vendors_client_that_must_send_a_token_is_answered_while_there_is_no_key(home: Home) -> None:
    assert (await home.get("/v1/metrics/messages", "am_live_of_another_server", metric="sent")).status_code == 200
    home.key()
    assert (await home.get("/v1/metrics/messages", "am_live_of_another_server", metric="sent")).status_code == 401


REVOKED, UNKNOWN = "revoked", "ag_0123456789abcdef_" + "A" * 43


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Bearer {UNKNOWN}", "Basic YTpi", "Bearer ag_x", REVOKED]
)
async def test_once_a_key_exists_every_path_but_health_needs_one(home: Home, header: str | None) -> None:
    token = home.key(READ, WRITE)
    if header == REVOKED:
        header = f"Bearer {token}"
        home.control.revoke(token, NOW)
    headers = {} if header is None else {"Authorization": header}
    async with home.client(**headers) as client:
        for path in ("messages?metric=sent", "inbound", "nothing"):
            response = await client.get(f"/v1/metrics/{path}")
            assert response.status_code == 401
            assert failure(response) == {"code": "UNAUTHORIZED", "message": "authentication failed"}
        for method, path in (
            *(("GET", path) for path in ("/", "/openapi.json", "/docs", "/nothing", "/mcp")),
            *(("POST", path) for path in ("/v1/events", "/mcp", "/docs", "/v1/metrics/messages", "/nothing")),
        ):
            response = await client.request(method, path, json=[])
            assert response.status_code == 401, path
            assert len(response.content) < 400
        health = await client.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})


async def test_a_key_that_was_revoked_still_counts_as_one(home: Home) -> None:
    assert (await home.get("/v1/metrics/messages", metric="sent")).status_code == 200
    home.control.revoke(home.key(), NOW)
    assert (await home.get("/v1/metrics/messages", metric="sent")).status_code == 401
    assert (await Home(home.path).get("/v1/metrics/messages", metric="sent")).status_code == 401


async def test_a_revoked_key_is_refused_even_where_its_answer_is_known(home: Home) -> None:
    token = home.key()
    assert (await home.get("/v1/metrics/messages", token, metric="sent")).status_code == 200
    home.control.revoke(token, NOW)
    assert (await home.get("/v1/metrics/messages", token, metric="sent")).status_code == 401


async def test_a_question_needs_the_scope_to_read(home: Home) -> None:
    token = home.key(WRITE)
    response = await home.get("/v1/metrics/messages", token, metric="sent")
    assert response.status_code == 403
    assert failure(response) == {"code": "FORBIDDEN", "message": "missing required scope"}
    for path in ("/openapi.json", "/docs", "/nothing"):
        assert (await home.get(path, token)).status_code == 403


async def test_a_tool_needs_the_scope_to_read_too(home: Home) -> None:
    home.give(sent("2026-05-20T05:00", "secret_channel"))
    async with home.mcp(home.key(WRITE)) as client:
        for tool, arguments in (("get_message_metrics", {"metric": "sent"}), ("describe_metrics", {})):
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error
            assert words(refused).startswith("FORBIDDEN: ")
        with pytest.raises(Exception, match="FORBIDDEN"):
            await client.read_resource("metrics://datasets")


async def test_a_write_needs_the_scope_to_write(home: Home) -> None:
    token = home.key(READ)
    response = await home.post("/v1/events", [sent("2026-05-05T00:00", id="a")], token)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "FORBIDDEN"
    assert ULID.fullmatch(response.json()["error"]["request_id"])


async def test_a_tool_that_writes_needs_the_scope_to_write(tmp_path: Path) -> None:
    home = Home(tmp_path, allow_write=True)
    point = {"points": [{"name": "tests_run", "kind": "counter", "value": 1}]}
    async with home.mcp(home.key(READ)) as client:
        refused = await client.call_tool("record_metrics", point)
    assert refused.is_error
    assert words(refused).startswith("FORBIDDEN: ")
    async with home.mcp(home.key(WRITE)) as client:
        assert not (await client.call_tool("record_metrics", point)).is_error


async def test_the_key_alone_says_whose_data_is_asked(home: Home) -> None:
    home.give(sent("2026-05-20T05:00"), org="acme")
    home.give(sent("2026-05-20T05:00"), sent("2026-05-20T05:00"), known_until("messages", "2026-05-20"), org="other")
    asked = {"metric": "sent", "start": "2026-05-20T05:00:00Z", "to": "2026-05-20T06:00:00Z", "granularity": "hour"}
    for org, count in (("acme", 1), ("other", 2), ("default", 0)):
        token = home.key(org=org)
        home.give(known_until("messages", "2026-05-20T06:00"), org=org)
        for smuggled in ({}, {"org": "other"}, {"organization_id": "other"}):
            assert list(buckets(await home.get("/v1/metrics/messages", token, **asked, **smuggled)).values()) == [count]
        async with home.mcp(token) as client:
            words_ = {"metric": "sent", "start": "2026-05-20", "end": "2026-05-20"}
            assert facts(await client.call_tool("get_message_metrics", words_)).get("total", 0) == count


async def test_what_a_key_writes_belongs_to_its_organisation(home: Home) -> None:
    line = [sent("2026-05-20T05:00", id="a"), known_until("messages", "2026-05-21") | {"id": "k"}]
    acme, other = home.key(READ, WRITE, org="acme"), home.key(READ, WRITE, org="other")
    assert (await home.post("/v1/events", line, acme)).json()["accepted"] == 2
    asked = {"metric": "sent", "start": "2026-05-20T00:00:00Z"}
    assert buckets(await home.get("/v1/metrics/messages", acme, **asked)) == {"2026-05-20T00:00:00Z": 1}
    assert buckets(await home.get("/v1/metrics/messages", other, **asked)) == {"2026-05-20T00:00:00Z": None}


@pytest.mark.parametrize(
    ("tier", "interval", "refused"), [("starter", "1h", True), ("growth", "1m", True), ("growth", "1h", False)]
)
async def test_a_tier_limits_the_tools_as_it_limits_the_routes(
    home: Home, tier: str, interval: str, refused: bool
) -> None:
    home.give(sent("2026-05-20T05:00"))
    window = {"start": "2026-05-20T04:00", "end": "2026-05-20T06:00"}
    async with home.mcp(home.key(tier=tier)) as client:
        for tool, arguments in (
            ("get_message_metrics", {"metric": "sent", "interval": interval, **window}),
            ("query_datapoints", {"datasource": "messages", "type": "timeseries", "interval": interval, **window}),
        ):
            result = await client.call_tool(tool, arguments)
            assert result.is_error == refused, words(result)
            if refused:
                assert words(result).startswith("GRANULARITY_NOT_AVAILABLE: ")


async def test_a_member_gets_round_the_role_of_custom_metrics_nowhere(home: Home) -> None:
    home.give(event("point", "2026-05-20T05:00", name="secret_metric", kind="counter", value=1, labels={"hidden": "x"}))
    window = {"start": "2026-05-20", "end": "2026-05-20"}
    questions: list[tuple[str, dict[str, Any]]] = [
        ("query_custom_metrics", {"metric_names": ["secret_metric"], **window}),
        ("query_custom_metrics", {"view": "session", "session_id": "s"}),
        ("list_custom_metrics", {}),
        ("list_custom_metrics", {"metric_name": "secret_metric"}),
        ("query_datapoints", {"datasource": "points", **window}),
        ("describe_metrics", {"dataset": "points"}),
        ("describe_metrics", {"dataset": "points", "field": "name"}),
        ("describe_metrics", {"search": "secret"}),
        ("describe_metrics", {}),
        ("explain_change", {"dataset": "points", **window}),
    ]
    async with home.mcp(home.key(role="member")) as client:
        known = {each.name for each in (await client.list_tools()).tools}
        for tool, arguments in [each for each in questions if each[0] in known]:
            result = await client.call_tool(tool, arguments)
            told = words(result) + json.dumps(result.structured_content)
            assert "secret_metric" not in told.replace(json.dumps(arguments), ""), (tool, arguments, told)
            assert "hidden" not in told
    async with home.mcp(home.key(role="admin")) as client:
        assert "secret_metric" in words(await client.call_tool("list_custom_metrics", {}))


@pytest.mark.parametrize("path", ["names", "aggregate", "daily", "timeseries", "tags", "sessions/s"])
async def test_custom_metrics_over_rest_need_the_role_admin_or_owner(home: Home, path: str) -> None:
    asked = {"startDate": "2026-05-20", "endDate": "2026-05-20", "metricName": "m"}
    for role, status in (("member", 403), ("admin", 200), ("owner", 200)):
        response = await home.get(f"/v1/custom-metrics/{path}", home.key(role=role), **asked)
        assert response.status_code == status, response.text
        if status == 403:
            assert "Insufficient permissions" in response.text


async def test_a_member_sees_own_rows_and_those_of_own_teams(home: Home) -> None:
    when = "2026-05-20T05:00"
    home.give(
        event("model_call", when, model_name="mine", user="ann"),
        event("model_call", when, model_name="ours", user="bob", team=["red", "blue"]),
        event("model_call", when, model_name="theirs", user="bob", team=["green"]),
        event("model_call", when, model_name="nobodys"),
    )
    sees = {
        home.key(role="member", user="ann", teams=["red"]): {"mine", "ours"},
        home.key(role="member", user="ann"): {"mine"},
        home.key(role="member", teams=["green"]): {"theirs"},
        home.key(role="member"): set[str](),
        home.key(role="admin", user="ann"): {"mine", "ours", "theirs", "nobodys"},
    }
    question = {
        "startTs": "2026-05-20T00:00:00.000Z",
        "endTs": "2026-05-21T00:00:00.000Z",
        "datasource": "modelMetrics",
        "type": "distribution",
        "groupBy": ["modelName"],
    }
    for token, seen in sees.items():
        response = await home.post("/api/svc/v1/llm-gateway/metrics/query", question, token)
        assert response.status_code == 200, response.text
        assert {each["modelName"] for each in response.json()["data"]["dataPoints"]} == seen
        async with home.mcp(token) as client:
            asked = {
                "datasource": "modelMetrics",
                "group_by": ["modelName"],
                "start": "2026-05-20",
                "end": "2026-05-20",
            }
            rows = facts(await client.call_tool("query_datapoints", asked)).get("rows", [])
            assert {row[0] for row in rows} == seen
            told = words(await client.call_tool("describe_metrics", {"dataset": "model_calls", "field": "model_name"}))
            assert {name for name in ("mine", "ours", "theirs", "nobodys") if name in told} == seen


async def test_two_keys_with_one_mcp_client_address_see_their_own(home: Home) -> None:
    home.give(sent("2026-05-20T05:00"), org="acme")
    acme, other = home.key(org="acme"), home.key(org="other")
    asked = {"metric": "sent", "start": "2026-05-20", "end": "2026-05-20"}
    async with home.mcp(acme) as client:
        assert facts(await client.call_tool("get_message_metrics", asked))["total"] == 1
    async with home.mcp(other) as client:
        assert facts(await client.call_tool("get_message_metrics", asked)).get("total", 0) == 0


# POST /v1/events


def lines(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [sent(at("2026-05-20") + n * MINUTE, id=f"m{n}") | fields for n in range(count)]


def jsonl(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


RECEIPT: dict[str, Any] = {"accepted": 0, "duplicate": 0, "replaced": 0, "rejected": 0, "cleaned": 0, "rejections": []}
NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(lines(3)).encode(), {}),
        (json.dumps(lines(3), indent=2).encode(), {"Content-Type": "application/json; charset=utf-8"}),
        (jsonl(lines(3)), NDJSON),
        (jsonl(lines(3)), {"Content-Type": "Application/JSONL"}),
        (jsonl(lines(3)).replace(b"\n", b"\r\n\r\n"), NDJSON),
        (gzip.compress(jsonl(lines(3))), NDJSON | GZIP),
        (gzip.compress(json.dumps(lines(3)).encode()), GZIP),
        (gzip.compress(jsonl(lines(2))) + gzip.compress(jsonl(lines(3)[2:])), NDJSON | GZIP),
    ],
)
async def test_events_are_taken_in_every_form_and_once(home: Home, body: bytes, headers: dict[str, str]) -> None:
    first = await home.post("/v1/events", body, None, **headers)
    assert (first.status_code, first.json()) == (200, RECEIPT | {"accepted": 3})
    again = await home.post("/v1/events", body, None, **headers)
    assert again.json() == RECEIPT | {"duplicate": 3}


@pytest.mark.parametrize("body", [b"", b"[]", b"\n\n"])
async def test_nothing_is_a_delivery_too(home: Home, body: bytes) -> None:
    for headers in ({}, NDJSON):
        response = await home.post("/v1/events", body, None, **headers)
        assert (response.status_code, response.json()) == (200, RECEIPT)


async def test_the_good_lines_of_a_bad_delivery_are_kept(home: Home) -> None:
    good = lines(3)
    wrong = [{"type": "message", "id": "x"}, {"type": "mesage", "id": "y", "ts": 1}, 7, good[0] | {"ts": "soon"}]
    body = jsonl([good[0], wrong[0]]) + b"{not json\n" + jsonl([good[1], *wrong[1:]]) + b"\xff\xfe\n" + jsonl(good[2:])  # type: ignore[list-item]
    response = await home.post("/v1/events", body, None, **NDJSON)
    receipt = response.json()
    assert response.status_code == 200
    assert (receipt["accepted"], receipt["rejected"]) == (3, 6)
    assert [(each["line"], each["field"]) for each in receipt["rejections"]] == [
        *((2, "ts"), (3, ""), (5, "type"), (6, ""), (7, "ts"), (8, "")),
    ]
    assert all(each["reason"] for each in receipt["rejections"])


async def test_a_thousand_bad_lines_are_counted_and_the_first_hundred_told(home: Home) -> None:
    receipt = (await home.post("/v1/events", b"x\n" * 1_000, None, **NDJSON)).json()
    assert receipt["rejected"] == 1_000
    assert len(receipt["rejections"]) == 100


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"],
)
async def test_a_content_type_that_a_page_can_send_by_itself_is_refused(home: Home, kind: str) -> None:
    response = await home.post("/v1/events", lines(1), None, **{"Content-Type": kind})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "INVALID_REQUEST"
    assert "application/json" in error["message"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
async def test_another_encoding_is_refused(home: Home, encoding: str) -> None:
    response = await home.post("/v1/events", lines(1), None, **{"Content-Encoding": encoding})
    assert response.status_code == 400
    assert "Content-Encoding" in response.json()["error"]["message"]


async def test_damaged_gzip_is_refused_and_nothing_of_it_stored(home: Home) -> None:
    whole = gzip.compress(jsonl(lines(50)))
    damaged = whole[:60] + bytes([whole[60] ^ 255]) + whole[61:]
    for body in (b"no gzip", whole[:-9], whole[:40], whole[:3], damaged, whole + b"tail", whole + whole[:30]):
        response = await home.post("/v1/events", body, None, **NDJSON, **GZIP)
        assert response.status_code == 400, body[:20]
        assert "gzip" in response.json()["error"]["message"]
    assert (await home.post("/v1/events", whole, None, **NDJSON, **GZIP)).json()["accepted"] == 50


async def test_a_body_of_64_mib_is_taken_and_one_byte_more_is_not(home: Home) -> None:
    line, padding = jsonl(lines(1)), (b" " * 999_999 + b"\n") * (LIMIT // 1_000_000 + 1)
    packed = gzip.compress((line + padding)[:LIMIT], 1)
    assert (await home.post("/v1/events", packed, None, **NDJSON, **GZIP)).json()["accepted"] == 1
    more = gzip.compress((jsonl(lines(2)) + padding)[: LIMIT + 1], 1)
    response = await home.post("/v1/events", more, None, **NDJSON, **GZIP)
    assert response.status_code == 413
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("TOO_LARGE", "the body is over 64 MiB.")
    assert (await home.post("/v1/events", line, None, **NDJSON)).json()["duplicate"] == 1


async def test_a_gzip_bomb_costs_no_more_memory_than_a_body_may(home: Home) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(16 << 20)) for _ in range(40)) + packer.flush()  # 640 MiB in 0.6
    tracemalloc.start()
    try:
        response = await home.post("/v1/events", bomb, None, **NDJSON, **GZIP)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code == 413
    assert peak < 2.5 * LIMIT


async def test_what_was_written_is_in_the_very_next_answer(home: Home) -> None:
    home.now = at("2026-05-20T12:30")
    asked = {"metric": "sent", "start": "2026-05-20T00:00:00Z", "to": "2026-05-21T00:00:00Z"}
    home.give(known_until("messages", "2026-05-21"))
    for count in range(1, 8):
        for _ in range(2):  # the second is answered from what is known
            assert buckets(await home.get("/v1/metrics/messages", **asked)) == {"2026-05-20T00:00:00Z": count - 1}
        assert (await home.post("/v1/events", lines(count)[-1:])).json()["accepted"] == 1


async def test_what_another_process_wrote_is_in_the_very_next_answer(home: Home) -> None:
    asked = {"metric": "sent", "start": "2026-05-20T00:00:00Z", "to": "2026-05-21T00:00:00Z"}
    home.give(known_until("messages", "2026-05-21"))
    for count in range(1, 5):
        home.give(*lines(count)[-1:])  # through a writer that the server does not know
        assert buckets(await home.get("/v1/metrics/messages", **asked)) == {"2026-05-20T00:00:00Z": count}


async def test_an_answer_is_never_that_of_another_caller(home: Home) -> None:
    home.give(*lines(3), known_until("messages", "2026-05-21"), org="acme")
    asked = {"metric": "sent", "start": "2026-05-20T00:00:00Z", "granularity": "hour", "to": "2026-05-20T01:00:00Z"}
    acme, other, starter = home.key(org="acme"), home.key(org="other"), home.key(org="acme", tier="starter")
    for _ in range(2):
        assert list(buckets(await home.get("/v1/metrics/messages", acme, **asked)).values()) == [3]
        assert list(buckets(await home.get("/v1/metrics/messages", other, **asked)).values()) == [None]
        assert (await home.get("/v1/metrics/messages", starter, **asked)).status_code == 422


# Our own paths


async def test_health_says_no_more_than_ok(home: Home) -> None:
    response = await home.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/favicon.ico", "/health/", "/mcp/x", "/v1/events/", "//", "/%00", "/a%0Ab", "/docs%0A"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_path_is_refused_in_our_envelope(home: Home, path: str, method: str) -> None:
    async with home.client() as client:
        response = await client.request(method, BASE + path)
    assert response.status_code == 404
    error = response.json()["error"]
    assert set(error) == {"code", "message", "request_id", "hint"}
    assert error["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events", "POST"),
        ("PUT", "/v1/events", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
async def test_another_method_on_our_own_paths_is_refused(home: Home, method: str, path: str, allowed: str) -> None:
    async with home.client() as client:
        response = await client.request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed
    assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_days_are_those_of_utc(home: Home) -> None:
    home.give(sent(at("2026-05-05") - 1), sent("2026-05-05"), known_until("messages", "2026-05-06"))
    response = await home.get(
        "/v1/metrics/messages", metric="sent", start="2026-05-04T12:00:00Z", to=iso_z(at("2026-05-04") + 2 * DAY)
    )
    assert buckets(response) == {"2026-05-04T00:00:00Z": 1, "2026-05-05T00:00:00Z": 1}
