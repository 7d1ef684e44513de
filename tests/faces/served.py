"""A whole server in this process, over an empty home and a clock that stands still: what the tests of REST ask."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.time import iso_z
from agentgauge.dialects import DIALECTS
from agentgauge.ingest.run import Intake
from agentgauge.serving import Serving, application, control_of

if TYPE_CHECKING:
    from agentgauge.core.operation import Dialect

Event = dict[str, Any]
BASE = "http://127.0.0.1:8377"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
READ, WRITE = "metrics:read", "metrics:write"


def at(text: str) -> int:
    """The instant of `2026-05-05T14:00` or `2026-05-05`, in ms UTC."""
    return int(datetime.fromisoformat(f"{text if 'T' in text else text + 'T00:00'}+00:00").timestamp() * 1_000)


NOW = at("2026-05-20T12:30")


@dataclass
class Home:
    """The stores and keys of a home, and the server over them."""

    path: Path
    dialects: Sequence[Dialect] = DIALECTS
    hosts: Sequence[str] = ()
    allow_write: bool = False
    now: int = NOW
    numbers: Iterable[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.control = control_of(self.path)
        settings = Settings(home=self.path, allow_write=self.allow_write)
        self.serving = Serving(settings, self.control, self.dialects, lambda: self.now)
        self.app = application(self.serving, self.hosts)

    def client(self, token: str | None = None, **headers: str) -> httpx2.AsyncClient:
        """A client of the server, in this process."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx2.ASGITransport(self.app)
        return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    async def get(self, path: str, token: str | None = None, /, **params: Any) -> httpx2.Response:
        """The answer to a GET; `start` stands for `from`, which is a keyword."""
        asked = {"from" if name == "start" else name: value for name, value in params.items()}
        async with self.client(token) as client:
            return await client.get(path, params=asked or None)

    async def post(self, path: str, body: Any, token: str | None = None, /, **headers: str) -> httpx2.Response:
        """The answer to a POST of JSON, or of bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client(token) as client:
            return await client.post(path, content=content, headers={"Content-Type": "application/json"} | headers)

    def key(
        self,
        *scopes: str,
        org: str = "default",
        role: str = "owner",
        tier: str = "scale",
        user: str | None = None,
        teams: Sequence[str] = (),
    ) -> str:
        """The token of a new key."""
        given = scopes or (READ,)
        return self.control.create(org, scopes=given, role=role, tier=tier, user=user, teams=teams, now=self.now)[1]

    def give(self, *events: Mapping[str, Any], org: str = "default") -> None:
        """Stores event lines; an id is made up where there is none."""
        lines = [{"id": f"e{number}"} | dict(event) for number, event in zip(self.numbers, events, strict=False)]
        app = App(Settings(home=self.path, org=org), clock=lambda: self.now)
        with app.sink() as sink, Intake(sink) as intake:
            intake.lines(enumerate(lines, 1))
        assert not intake.report.rejections

    @asynccontextmanager
    async def mcp(self, token: str | None = None) -> AsyncGenerator[Client]:
        """The official MCP client over streamable HTTP, in this process."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        app = application(Serving(self.serving.settings, self.control, self.dialects, lambda: self.now), self.hosts)
        transport = httpx2.ASGITransport(app)
        async with (
            running(app),
            httpx2.AsyncClient(transport=transport, headers=headers) as http,
            Client(streamable_http_client(f"{BASE}/mcp", http_client=http)) as client,
        ):
            yield client


@asynccontextmanager
async def running(app: Any) -> AsyncGenerator[None]:
    """The application between its start and its end, as a server runs it."""
    begun, ending, ended = anyio.Event(), anyio.Event(), anyio.Event()
    heard: list[str] = []

    async def receive() -> dict[str, str]:
        if not heard:
            heard.append("startup")
            return {"type": "lifespan.startup"}
        await ending.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Mapping[str, Any]) -> None:
        assert message["type"].endswith(".complete"), message
        (ended if begun.is_set() else begun).set()

    async with anyio.create_task_group() as group:
        group.start_soon(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        with anyio.fail_after(10):
            await begun.wait()
        try:
            yield
        finally:
            ending.set()
            with anyio.fail_after(10, shield=True):
                await ended.wait()


def event(kind: str, when: str | int, /, **fields: Any) -> Event:
    """An event line."""
    return {"type": kind, "ts": when if isinstance(when, int) else iso_z(at(when))} | fields


def sent(when: str | int, channel: str | None = "sms", **fields: Any) -> Event:
    """An outbound message that was sent."""
    return event("message", when, direction="outbound", status="sent", channel=channel) | fields


def received(when: str | int, **fields: Any) -> Event:
    """An inbound message."""
    return event("message", when, direction="inbound", status="received", **fields)


def known_until(dataset: str, when: str | int) -> Event:
    """Says that everything of a dataset up to an instant is here."""
    return event("as_of", when, dataset=dataset)


def words(result: CallToolResult) -> str:
    """The text of a tool's answer or refusal."""
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def facts(result: CallToolResult) -> dict[str, Any]:
    """The structured form of a tool's answer."""
    assert not result.is_error, words(result)
    assert result.structured_content is not None
    return result.structured_content
