"""Who may speak to the server: Host and Origin on every path, and addresses that others can reach (design 8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from served import Home

from agentgauge.config import Settings
from agentgauge.core.errors import InvalidValue
from agentgauge.faces.trust import is_loopback, name_of
from agentgauge.serving import control_of, serve

PATHS = ("/health", "/mcp", "/openapi.json", "/docs", "/v1/events", "/v1/metrics/messages", "/v1/nothing", "/")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A server over an empty folder."""
    return Home(tmp_path)


async def status(home: Home, path: str, headers: list[tuple[str, str]], method: str = "GET") -> tuple[int, bytes]:
    """What the application says to exactly these headers; a client would add its own Host."""
    said: list[Any] = []
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": raw, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8377), "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    await home.app(scope, receive, send)
    return said[0]["status"], b"".join(each.get("body", b"") for each in said[1:])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_foreign_host_is_refused_on_every_path(home: Home, path: str, method: str) -> None:
    code, body = await status(home, path, [("host", "evil.example")], method)
    assert code == 421
    assert b"WRONG_HOST" in body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_a_foreign_origin_is_refused_on_every_path(home: Home, path: str, method: str, origin: str) -> None:
    code, body = await status(home, path, [("host", "127.0.0.1:8377"), ("origin", origin)], method)
    assert code == 403
    assert b"FOREIGN_ORIGIN" in body


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8377",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.1.2.3:8377",
        "[::1]",
        "[::1]:8377",
        "localhost:65535",
    ],
)
async def test_every_name_of_this_machine_is_answered(home: Home, host: str) -> None:
    assert (await status(home, "/health", [("host", host)]))[0] == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["127.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "evil.example"],
        ["localhost.evil.example"],
        ["127.0.0.1.evil.example"],
        ["evil.example:127"],
        ["localhost:8377@evil.example"],
        ["localhost@evil.example"],
        ["[::1].evil.example"],
        ["[::1"],
        ["::1"],
        ["[fe80::1]"],
        ["0.0.0.0"],
        ["[::]"],
        ["10.0.0.1"],
        ["localhost:port"],
        [" localhost"],
        ["l\xf6calhost"],
    ],
)
async def test_anything_else_is_not_this_machine(home: Home, hosts: list[str]) -> None:
    assert (await status(home, "/health", [("host", host) for host in hosts]))[0] == 421


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("127.0.0.1:8377", "http://127.0.0.1:8377", 200),
        ("localhost:8377", "http://localhost:8377", 200),
        ("localhost:8377", "https://localhost:8377", 200),
        ("[::1]:8377", "http://[::1]:8377", 200),
        ("127.0.0.1:8377", "http://127.0.0.1:3000", 403),
        ("127.0.0.1:8377", "http://127.0.0.1", 403),
        ("127.0.0.1:8377", "http://127.0.0.1:83770", 403),
        ("127.0.0.1:8377", "http://127.0.0.1:8377.evil.example", 403),
        ("127.0.0.1:8377", "ftp://127.0.0.1:8377", 403),
        ("127.0.0.1:8377", "127.0.0.1:8377", 403),
        ("127.0.0.1:8377", "", 403),
        ("127.0.0.1:8377", "null", 403),
        ("127.0.0.1:8377", "http://127.0.0.1:8377, http://evil.example", 403),
    ],
)
async def test_an_origin_must_be_the_very_server_that_is_asked(home: Home, host: str, origin: str, code: int) -> None:
    assert (await status(home, "/health", [("host", host), ("origin", origin)]))[0] == code


async def test_one_good_origin_does_not_excuse_another(home: Home) -> None:
    ours, evil = ("origin", "http://127.0.0.1"), ("origin", "http://evil.example")
    for origins in ([ours, evil], [evil, ours]):
        assert (await status(home, "/health", [("host", "127.0.0.1"), *origins]))[0] == 403


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("gauge.example", 200),
        ("gauge.example:8377", 200),
        ("GAUGE.example", 200),
        ("other.example:9000", 200),
        ("other.example:9001", 421),
        ("127.0.0.1", 200),
        ("10.1.2.3:8377", 200),
        ("[fd00::1]:8377", 200),
        ("sub.gauge.example", 421),
        ("gauge.example.evil", 421),
    ],
)
async def test_a_host_that_was_allowed_is_answered_too(tmp_path: Path, host: str, code: int) -> None:
    home = Home(tmp_path, hosts=("Gauge.Example", "other.example:9000", "10.1.2.3", "fd00::1"))
    assert (await status(home, "/health", [("host", host)]))[0] == code


async def test_no_response_invites_other_origins(home: Home) -> None:
    async with home.client() as client:
        for method, path in (
            ("GET", "/health"),
            ("OPTIONS", "/v1/events"),
            ("GET", "/v1/metrics/messages?metric=sent"),
        ):
            response = await client.request(method, path, headers={"Origin": "http://127.0.0.1:8377"})
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gauge.example"])
async def test_an_address_that_others_reach_needs_a_key_first(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidValue, match="there are no keys") as caught, anyio.fail_after(5):
        await serve(Settings(home=tmp_path), host, 0, (), print)
    assert "keys create" in caught.value.hint
    assert not (tmp_path / "control.db").exists()


async def test_with_a_key_that_address_is_no_longer_refused(tmp_path: Path) -> None:
    control_of(tmp_path).create("default", scopes=["metrics:read"], role="member", tier="scale", now=0)
    with pytest.raises(InvalidValue, match="cannot listen"), anyio.fail_after(5):
        await serve(Settings(home=tmp_path), "192.0.2.1", 0, (), print)  # a documentation address: nobody has it


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example:80", "a.example"),
        ("A.Example", "a.example"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("1.2.3.4:5", "1.2.3.4"),
    ],
)
def test_the_name_in_a_host_header_is_found(host: str, name: str) -> None:
    assert name_of(host) == name


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("localhost", True),
        ("Localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),
    ],
)
def test_loopback_is_told_from_everything_else(name: str, ours: bool) -> None:
    assert is_loopback(name) is ours
