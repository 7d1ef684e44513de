"""A vendor that misbehaves: a raw HTTP server on this machine that answers as it is told, one script per request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any

GOOD: dict[str, Any] = {
    "success": True,
    "data": {
        "metric": "messages.outbound.sent",
        "granularity": "day",
        "from": "2026-05-19T00:00:00Z",
        "to": "2026-05-20T00:00:00Z",
        "buckets": [{"bucket_start": "2026-05-19T00:00:00Z", "value": 7}],
    },
    "meta": {"as_of": "2026-05-20T12:30:00Z", "limit": 1000, "next_cursor": None},
}
"""AgentMessage's answer to one day of messages: seven."""

Script = Callable[["Vendor", socket.socket], None]


@dataclass
class Vendor:
    """What is answered, and what was asked: the raw head of each request."""

    port: int = 0
    scripts: list[Script] = field(default_factory=list[Script])
    asked: list[str] = field(default_factory=list[str])
    reached: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        """Answers one connection after another, each by the next script; the last one stays."""
        while not self.closing.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (found := connection.recv(65_536)):
                    return
                head += found
            self.asked.append(head.partition(b"\r\n\r\n")[0].decode())
            self.reached.set()
            script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
            script(self, connection)


def reply(status: int = 200, body: Any = GOOD, headers: dict[str, str] | None = None) -> Script:
    """A whole answer."""

    def script(_: Vendor, connection: socket.socket) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.sendall(_head(status, len(payload), headers) + payload)

    return script


def _head(status: int, length: int, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {length}", "Connection: close"]
    kind = {"Content-Type": "application/json"} | (headers or {})
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in kind.items()), "", ""]).encode()


def cut_off(_: Vendor, connection: socket.socket) -> None:
    """An answer that ends before its length."""
    payload = json.dumps(GOOD).encode()
    connection.sendall(_head(200, len(payload)) + payload[:40])


def reset(_: Vendor, connection: socket.socket) -> None:
    """No answer: the connection is reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def drip(vendor: Vendor, connection: socket.socket) -> None:
    """An answer of a byte now and then, without end."""
    connection.sendall(_head(200, 1_000_000))
    while not vendor.closing.wait(0.05):
        connection.sendall(b" ")


def silent(vendor: Vendor, connection: socket.socket) -> None:
    """No answer at all."""
    vendor.closing.wait(30)


def http_date(seconds_from_now: float) -> str:
    """The other form of Retry-After."""
    return formatdate(time() + seconds_from_now, usegmt=True)


@contextmanager
def misbehaving(*scripts: Script) -> Generator[Vendor]:
    """A vendor that answers its first request by the first script, and so on."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    vendor = Vendor(listener.getsockname()[1], list(scripts))
    thread = threading.Thread(target=vendor.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        vendor.closing.set()
        thread.join(5)
        listener.close()
