"""The real command `agentgauge serve` in a process of its own, spoken to by the clients that people use."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from running import COMMAND, COUNTED, ERAS, Era, Machine, messages, structured, text

NDJSON = {"Content-Type": "application/x-ndjson"}
WINDOW = {"metric": "sent", "from": "2026-05-05T00:00:00Z", "to": "2026-05-06T00:00:00Z"}
AS_OF = {"type": "as_of", "id": "k", "ts": "2026-05-06T00:00:00Z", "dataset": "messages"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty home."""
    return Machine(tmp_path)


@dataclass
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, token: str | None = None, **params: str) -> httpx2.Response:
        """The answer to a GET."""
        return httpx2.get(self.url + path, params=params or None, headers=bearer(token), timeout=20)

    def post(self, events: Any, token: str | None = None) -> httpx2.Response:
        """The answer to a delivery of events."""
        return httpx2.post(f"{self.url}/v1/events", json=events, headers=bearer(token), timeout=20)

    def count(self, token: str | None = None) -> int | None:
        """How many messages of the day are known."""
        response = self.get("/v1/metrics/messages", token, **WINDOW)
        assert response.status_code == 200, response.text
        (bucket,) = response.json()["data"]["buckets"]
        return bucket["value"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code once it has ended."""
        self.process.send_signal(how)
        return self.process.wait(20)


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def serving(machine: Machine, *words: str) -> Generator[Server]:
    """The command, from its first line of output to its end."""
    command = [*COMMAND, "serve", "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=machine.env) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            found = re.search(r"http://\S+:\d+", said)
            assert found, said + process.stdout.read().decode()
            yield Server(process, found[0])
        finally:
            if process.poll() is None:
                process.kill()


@asynccontextmanager
async def client(server: Server, era: Era, token: str | None = None) -> AsyncGenerator[Client]:
    """The official MCP client over streamable HTTP."""
    async with (
        httpx2.AsyncClient(headers=bearer(token), timeout=20) as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=era) as found,
    ):
        yield found


def key(machine: Machine, *words: str) -> dict[str, Any]:
    """A new key, made by the command."""
    made = machine.run("keys", "create", "--json", *words)
    assert made.code == 0, made.err
    return json.loads(made.out)


@pytest.mark.parametrize("era", ERAS)
async def test_the_official_client_gets_its_answers_in_both_eras(machine: Machine, era: Era) -> None:
    machine.hold(messages(range(4)))
    with serving(machine) as server:
        async with client(server, era) as asking:
            assert asking.protocol_version == {"auto": "2026-07-28", "legacy": "2025-11-25"}[era]
            assert "get_message_metrics" in [each.name for each in (await asking.list_tools()).tools]
            assert structured(await asking.call_tool("get_message_metrics", COUNTED))["total"] == 4
            assert (await asking.read_resource("metrics://datasets")).contents
            assert (await asking.get_prompt("morning_report")).messages
            refused = await asking.call_tool("get_message_metrics", COUNTED | {"chanel": "sms"})
            assert text(refused).startswith("UNKNOWN_NAME: ")


@pytest.mark.parametrize("era", ERAS)
async def test_with_keys_the_official_client_needs_one_and_sees_its_own(machine: Machine, era: Era) -> None:
    acme, other = key(machine, "--org", "acme")["token"], key(machine, "--org", "other")["token"]
    assert machine.run("import", str(machine.file("m.jsonl", messages(range(3)))), "--org", "acme").code == 0
    with serving(machine) as server:
        async with client(server, era, acme) as asking:
            assert structured(await asking.call_tool("get_message_metrics", COUNTED))["total"] == 3
        async with client(server, era, other) as asking:
            assert structured(await asking.call_tool("get_message_metrics", COUNTED)).get("total", 0) == 0
        for token in (None, "ag_0123456789abcdef_" + "A" * 43):
            with pytest.raises(BaseException) as caught:  # an exception group of the client's own making
                async with client(server, era, token):
                    pass
            assert not isinstance(caught.value, KeyboardInterrupt | SystemExit)
            assert server.get("/mcp", token).status_code == 401


async def test_one_session_asked_with_two_keys_answers_each_with_its_own(machine: Machine) -> None:
    acme, other = key(machine, "--org", "acme")["token"], key(machine, "--org", "other")["token"]
    assert machine.run("import", str(machine.file("m.jsonl", messages(range(3)))), "--org", "acme").code == 0
    json_rpc = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    hello: dict[str, Any] = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    with serving(machine) as server:
        async with httpx2.AsyncClient(base_url=server.url, headers=json_rpc, timeout=20) as http:

            async def say(token: str, method: str, params: Any, **headers: str) -> httpx2.Response:
                message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                return await http.post("/mcp", json=message, headers=bearer(token) | headers)

            began = await say(acme, "initialize", hello)
            session = {"Mcp-Session-Id": began.headers["mcp-session-id"]}
            initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await http.post("/mcp", json=initialized, headers=bearer(acme) | session)
            call = {"name": "get_message_metrics", "arguments": COUNTED}
            assert (await say(acme, "tools/call", call, **session)).json()["result"]["structuredContent"]["total"] == 3
            stolen = await say(other, "tools/call", call, **session)
            assert stolen.status_code >= 400 or not stolen.json()["result"]["structuredContent"].get("total")


def test_an_acknowledged_event_survives_a_kill(machine: Machine) -> None:
    with serving(machine) as server:
        assert server.post([*messages(range(500)), AS_OF]).json()["accepted"] == 501
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    with serving(machine) as server:
        assert server.count() == 500
        assert server.post([*messages(range(501)), AS_OF]).json() == {
            "accepted": 1,
            "duplicate": 501,
            "replaced": 0,
            "rejected": 0,
            "cleaned": 0,
            "rejections": [],
        }
        assert server.count() == 501


def test_it_builds_the_index_of_what_it_takes_in_and_answers_as_before(machine: Machine) -> None:
    with serving(machine) as server:
        assert server.post([*messages(range(9_000)), AS_OF]).json()["accepted"] == 9_001
        until = time.monotonic() + 30
        with closing(sqlite3.connect(machine.store)) as connection:
            while not connection.execute("select count(*) from index_segments where state = 1").fetchone()[0]:
                assert time.monotonic() < until
                time.sleep(0.01)
        assert server.count() == 9_000
        server.post([messages([100])[0] | {"id": "late"}])
        assert server.count() == 9_001


def test_two_servers_on_one_home_see_each_others_events(machine: Machine) -> None:
    with serving(machine) as one, serving(machine) as two:
        assert one.post([AS_OF]).json()["accepted"] == 1
        for number, (writer, reader) in enumerate([(one, two), (two, one), (one, two)], 1):
            assert writer.post(messages([number])).json()["accepted"] == 1
            assert (writer.count(), reader.count()) == (number, number)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_folds_the_log(machine: Machine, how: signal.Signals) -> None:
    with serving(machine) as server:
        assert server.post([*messages(range(50)), AS_OF]).json()["accepted"] == 51
        assert server.count() == 50
        code = server.stop(how)
        assert server.process.stdout is not None
        assert "Traceback" not in server.process.stdout.read().decode()
    assert code in (0, -how, 128 + how)
    wal = Path(f"{machine.store}-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_a_new_key_and_a_revocation_count_from_the_next_request(machine: Machine) -> None:
    with serving(machine) as server:
        assert server.post([*messages(range(2)), AS_OF]).json()["accepted"] == 3
        assert server.count() == 2
        made = key(machine, "--scope", "metrics:read", "--scope", "metrics:write")
        assert server.get("/v1/metrics/messages", **WINDOW).status_code == 401
        assert server.post(messages([9])).status_code == 401
        assert server.get("/health").status_code == 200
        assert server.count(made["token"]) == 2
        assert machine.run("keys", "revoke", made["id"]).code == 0
        assert server.get("/v1/metrics/messages", made["token"], **WINDOW).status_code == 401
        assert server.get("/v1/metrics/messages", **WINDOW).status_code == 401


def test_an_address_that_others_reach_is_refused_without_keys(machine: Machine) -> None:
    done = machine.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.code != 0
    assert "there are no keys" in done.err
    assert "Traceback" not in done.err


def test_a_port_that_is_taken_is_said_so(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = machine.run("serve", "--port", str(taken.getsockname()[1]))
    assert done.code != 0
    assert "cannot listen on 127.0.0.1" in done.err
    assert "Traceback" not in done.err


def test_the_vendors_own_python_client_reads_its_usage(machine: Machine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # requests about the versions beside it
        agentphone = pytest.importorskip("agentphone", reason="the vendor's SDK is not installed")
    token = key(machine)["token"]
    with serving(machine) as server, agentphone.AgentPhone(api_key=token, base_url=server.url) as vendor:
        usage = vendor.usage.get()
        assert usage.stats.total_messages == 0
        assert usage.numbers.remaining == usage.numbers.limit - usage.numbers.used
        daily, monthly = vendor.usage.get_daily(days=3), vendor.usage.get_monthly(months=2)
        assert (daily.days, len(daily.data), monthly.months, len(monthly.data)) == (3, 3, 2, 2)
        assert vendor.usage.get_by_number() == []
        by_agent = vendor.usage.get_by_agent(period="month")
        assert (by_agent["period"], by_agent["data"]) == ("month", [])
        with pytest.raises(agentphone.AgentPhoneError) as wrong:
            vendor.usage.get_daily(days=0)
        assert wrong.value.status == 422
        assert wrong.value.message[0]["loc"] == ["query", "days"]
    with serving(machine) as server, agentphone.AgentPhone(api_key="wrong", base_url=server.url) as vendor:
        with pytest.raises(agentphone.AuthenticationError):
            vendor.usage.get()


# A client that is slow or breaks off, over a socket of its own


def request(server: Server, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        *("POST /v1/events HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Content-Type: application/x-ndjson"),
        *(f"Content-Length: {len(body) if length is None else length}", *headers, "", ""),
    ]
    return "\r\n".join(lines).encode() + body


def lines_of(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def test_a_client_that_breaks_off_stores_nothing_and_harms_nobody(machine: Machine) -> None:
    body = lines_of(messages(range(100)))
    with serving(machine) as server:
        assert server.post([AS_OF]).json()["accepted"] == 1
        for cut in (0, 1, len(body) // 2, len(body) - 1):
            with socket.create_connection(("127.0.0.1", server.port), 10) as broken:
                broken.sendall(request(server, body[:cut], length=len(body)))
        assert server.count() == 0
        assert server.post(messages(range(3))).json()["accepted"] == 3


def test_others_are_served_while_one_client_sends_byte_by_byte(machine: Machine) -> None:
    body = lines_of(messages(range(2)))
    with serving(machine) as server, socket.create_connection(("127.0.0.1", server.port), 10) as slow:
        assert server.post([AS_OF]).json()["accepted"] == 1
        whole = request(server, body, "Connection: close")
        for at in range(len(whole) - 40):
            slow.sendall(whole[at : at + 1])
        assert server.count() == 0
        slow.sendall(whole[len(whole) - 40 :])
        with slow.makefile("rb") as answer:
            assert b'"accepted":2' in answer.read()
        assert server.count() == 2


def test_a_gzip_bomb_is_refused_and_the_server_stays_small(machine: Machine) -> None:
    bomb = gzip.compress(bytes(256 << 20), 1)
    with serving(machine) as server:
        assert server.get("/health").status_code == 200
        response = httpx2.post(
            f"{server.url}/v1/events", content=bomb, headers=NDJSON | {"Content-Encoding": "gzip"}, timeout=20
        )
        assert response.status_code == 413
        assert server.get("/health").status_code == 200
        if sys.platform == "linux":
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            (peak_kb,) = re.findall(r"VmHWM:\s+(\d+)", status)
            assert int(peak_kb) < 400_000


def test_a_body_over_the_limit_is_refused_before_it_is_all_there(machine: Machine) -> None:
    with serving(machine) as server, socket.create_connection(("127.0.0.1", server.port), 20) as greedy:
        greedy.sendall(request(server, b"", length=1 << 40))
        chunk = b"x" * (1 << 20)
        for _ in range(66):
            greedy.sendall(chunk)
        assert greedy.recv(1_000).startswith(b"HTTP/1.1 413 ")
        assert server.get("/health").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/metrics/messages?metric=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%ff%00?%ff=%00 HTTP/1.1\r\nHost: localhost\r\nX: \xff\r\nAuthorization: Bearer \xff\r\n\r\n",
        b"BREW /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: \xff\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_request_that_is_none_gets_no_more_than_a_refusal(machine: Machine, raw: bytes) -> None:
    with serving(machine) as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as broken:
            broken.sendall(raw)
            broken.shutdown(socket.SHUT_WR)
            with broken.makefile("rb") as answer:
                said = answer.read()
        assert re.match(rb"HTTP/1.1 4\d\d |\Z", said), said
        assert server.get("/health").status_code == 200


async def test_many_clients_at_once_get_their_own_answers(machine: Machine) -> None:
    tokens = {f"org{n}": key(machine, "--org", f"org{n}")["token"] for n in range(3)}
    for number, org in enumerate(tokens, 1):
        file = machine.file(f"{org}.jsonl", [*messages(range(number)), AS_OF])
        assert machine.run("import", str(file), "--org", org).code == 0
    with serving(machine) as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=20) as http, anyio.create_task_group() as group:

            async def ask(token: str, count: int) -> None:
                for _ in range(20):
                    response = await http.get("/v1/metrics/messages", params=WINDOW, headers=bearer(token))
                    (bucket,) = response.json()["data"]["buckets"]
                    assert bucket["value"] == count

            for number, token in enumerate(tokens.values(), 1):
                for _ in range(3):
                    group.start_soon(ask, token, number)


def test_answers_on_a_kept_connection_do_not_wait_for_acknowledgements(machine: Machine) -> None:
    # Headers and body are two packets: with Nagle's algorithm on, the second waits 40 ms for the first's ACK.
    with serving(machine) as server, httpx2.Client(base_url=server.url, timeout=20) as http:
        assert http.get("/health").status_code == 200
        began = time.perf_counter()
        for _ in range(80):
            assert http.get("/health").status_code == 200
        assert time.perf_counter() - began < 2
