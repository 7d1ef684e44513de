"""A sixth vendor, declared here alone: served over REST, MCP and OpenAPI without a line in a face or in core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from served import NOW, Home, at, event, facts, words
from typing_extensions import TypedDict

from agentgauge.core.answer import Answer
from agentgauge.core.errors import Forbidden, GaugeError, InvalidRequest, NotFound, Unauthorized
from agentgauge.core.operation import Dialect, Operation, Principal, Refusal, Served, Tool
from agentgauge.core.parse import Params
from agentgauge.core.query import Filter, Measure, Query
from agentgauge.core.time import Window
from agentgauge.core.wire import Wire
from agentgauge.dialects import DIALECTS
from agentgauge.faces import openapi

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.table import Table

COUNT = Measure("count", None, "count")


class Asked(Wire):
    """GET /sixth/{bot}/calls."""

    bot: str
    most: int = 100


class Body(TypedDict):
    """What the sixth vendor answers."""

    bot: str
    calls: int


class Wrong(TypedDict):
    """What it says when something is wrong."""

    oops: str
    ref: str


class Words(Params):
    """The arguments of its tool."""

    bot: str


def question(bot: str) -> Query:
    return Query("calls", Window(at("2026-05-01"), NOW), (COUNT,), where=(Filter("agent_id", "EQUAL", bot),))


async def answer(request: Asked, desk: Desk) -> Table:
    return await desk.ask(question(request.bot))


def encode(request: Asked, table: Table, desk: Desk) -> Body:
    return {"bot": request.bot, "calls": min(int(table.total["count"] or 0), request.most)}


async def run(params: Words, desk: Desk) -> Answer:
    table = await desk.ask(question(params.bot))
    return Answer(title="calls", total=table.total["count"], has_total=True, states_freshness=False)


def guard(query: Query, who: Principal) -> Query:
    """Starters see no calls."""
    if query.dataset == "calls" and who.tier == "starter":
        raise Forbidden("no calls for starters.")
    return query


def refuse(error: GaugeError, request_id: str) -> Refusal:
    kinds: tuple[tuple[type[GaugeError], int], ...] = (
        *((Unauthorized, 418), (Forbidden, 402), (NotFound, 410), (InvalidRequest, 499)),
    )
    return Refusal(
        next((code for kind, code in kinds if isinstance(error, kind)), 599), {"oops": error.code, "ref": request_id}
    )


SERVED = Served(
    operations=(
        Operation(
            name="getCalls",
            summary="Calls of a bot",
            method="GET",
            path="/sixth/{bot}/calls",
            request=Asked,
            body=Body,
            answer=answer,
            encode=encode,
            headers={"X-Sixth": "yes"},
        ),
    ),
    prefix="/sixth",
    refuse=refuse,
    error_body=Wrong,
    statuses=(402, 410, 418, 499, 599),
    request_id_header="X-Ref",
)
SIXTH = Dialect(
    name="sixth",
    tools=(Tool(name="count_calls", title="Calls", description="How many calls a bot had.", params=Words, run=run),),
    guard=guard,
    served=lambda: SERVED,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A server that speaks six vendors, and three calls."""
    found = Home(tmp_path, dialects=(*DIALECTS, SIXTH))
    found.give(*(event("call", "2026-05-05T10:00", status="completed", agent_id="alpha") for _ in range(3)))
    return found


async def test_its_operation_is_served_with_its_headers(home: Home) -> None:
    response = await home.get("/sixth/alpha/calls")
    assert (response.status_code, response.json()) == (200, {"bot": "alpha", "calls": 3})
    assert response.headers["X-Sixth"] == "yes"
    assert response.headers["X-Ref"]
    assert (await home.get("/sixth/alpha/calls", most="2")).json()["calls"] == 2


async def test_its_errors_are_in_its_own_words(home: Home) -> None:
    starter = home.key(tier="starter")
    for path, token, status, code in (
        ("/sixth/alpha/calls?most=x", home.key(), 499, "INVALID_REQUEST"),
        ("/sixth/alpha/nothing", starter, 410, "NOT_FOUND"),
        ("/sixth/alpha/calls", None, 418, "UNAUTHORIZED"),
        ("/sixth/alpha/calls", starter, 402, "FORBIDDEN"),
    ):
        response = await home.get(path, token)
        assert (response.status_code, response.json()) == (
            status,
            {"oops": code, "ref": response.headers["X-Ref"]},
        )


async def test_its_tool_is_on_offer_beside_the_others_and_under_its_guard(home: Home) -> None:
    async with home.mcp() as client:
        names = [each.name for each in (await client.list_tools()).tools]
        assert "count_calls" in names
        assert "get_message_metrics" in names
        assert facts(await client.call_tool("count_calls", {"bot": "alpha"}))["total"] == 3
    async with home.mcp(home.key(tier="starter")) as client:
        assert words(await client.call_tool("count_calls", {"bot": "alpha"})).startswith("FORBIDDEN: ")


async def test_its_guard_holds_for_the_tools_of_others(home: Home) -> None:
    async with home.mcp(home.key(tier="starter")) as client:
        asked = {"datasource": "calls", "start": "2026-05-01", "end": "2026-05-10"}
        assert words(await client.call_tool("query_datapoints", asked)).startswith("FORBIDDEN: ")


async def test_the_document_and_the_page_describe_it(home: Home) -> None:
    document: dict[str, Any] = (await home.get("/openapi.json")).json()
    found = document["paths"]["/sixth/{bot}/calls"]["get"]
    assert set(found["responses"]) == {"200", "402", "410", "418", "499", "599"}
    assert [(each["name"], each["in"]) for each in found["parameters"]] == [("bot", "path"), ("most", "query")]
    assert "/sixth/{bot}/calls" in openapi.page(home.dialects)


async def test_the_others_are_served_as_before(home: Home) -> None:
    assert (await home.get("/v1/metrics/messages", metric="sent")).status_code == 200
    assert (await Home(home.path).get("/sixth/alpha/calls")).status_code == 404
