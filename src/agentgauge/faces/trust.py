"""Who may speak to the server at all: Host and Origin, on every path.

Above: the REST face wraps everything in it. Below: nothing. A browser must not reach a server on loopback through a
name it resolves itself (DNS rebinding) or from another site's page. Rules: design section 8.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(?:\[([^\]]+)\]|([^\s:@/\[\]]+))(?::[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Trust:
    """The hosts that a request may name; loopback names always may."""

    hosts: Sequence[str] = ()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, reached only by requests that pass."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
            await (refusal or app)(scope, receive, send)

        return guarded

    def _refusal(self, headers: Headers) -> Response | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return _refused(421, "WRONG_HOST", "this server is not reached by that Host; start it with --allow-host")
        if any(origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}") for origin in origins):
            return _refused(403, "FOREIGN_ORIGIN", "requests from pages of another origin are refused")
        return None

    def _is_ours(self, host: str) -> bool:
        name = name_of(host)
        return is_loopback(name) or any(each.lower() in (name, host.lower()) for each in self.hosts)


def name_of(host: str) -> str:
    """The name in a Host header, without port and brackets; empty when it is no Host."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(status: int, code: str, message: str) -> Response:
    body = {"error": {"code": code, "message": message}}
    return Response(json.dumps(body), status, media_type="application/json")
