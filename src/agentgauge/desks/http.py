"""Requests to vendors' APIs: one client per source, retries, a deadline, and every failure in our own words.

Above: the upstream desk. Below: httpx2 (loaded with the first request) and the kept answers. Here alone a secret is
read: it goes into the Authorization header, and nowhere else. Rules: design section 6.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import orjson

from agentgauge import __version__
from agentgauge.core.errors import (
    SourceNotFound,
    SourceRefused,
    TooLarge,
    UpstreamError,
    UpstreamGarbled,
    UpstreamLimited,
    UpstreamUnreachable,
    clean,
)
from agentgauge.desks.requests import is_safe, max_age, retry_after, span, spelled, told

if TYPE_CHECKING:
    import httpx2

    from agentgauge.core.operation import Endpoint
    from agentgauge.core.upstream import Upstream
    from agentgauge.desks.kept import Kept

TRIES = 4
"""How often one request is sent at most."""
RETRIED = frozenset({429, 502, 503, 504})
"""The statuses that may pass by themselves (design section 6)."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
CONNECT_S = 5.0
BODY_LIMIT = 64 << 20
_BASE = "Check base_url of the source."
_ABSENT = ":404"
"""Under what a question's 404 is kept: an older Langfuse is not asked again for what it has not."""


@dataclass(frozen=True)
class Connection:
    """One configured source: its address, its key and its client, shared by all questions."""

    name: str
    upstream: Upstream
    base_url: str
    secret: Callable[[], str]
    """The value of the Authorization header's credentials. Raises SourceRefused naming the variable to set."""
    variables: str
    """The environment variables that hold them, for messages."""
    timeout_s: float = 30.0
    _clients: list[Any] = field(default_factory=list[Any])

    @property
    def client(self) -> httpx2.AsyncClient:
        """The client, made with the first request."""
        if not self._clients:
            import logging

            import httpx2

            logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log every address, query included
            self._clients.append(
                httpx2.AsyncClient(
                    timeout=httpx2.Timeout(self.timeout_s, connect=CONNECT_S),
                    follow_redirects=True,
                    max_redirects=5,
                    headers={"User-Agent": f"agentgauge/{__version__}", "Accept": "application/json"},
                    event_hooks={"request": [_only_safe]},
                )
            )
        return self._clients[0]

    @cached_property
    def identity(self) -> str:
        """What tells answers of this address and key from those of another; not the key itself."""
        return hashlib.sha256(f"{self.base_url}\0{self.secret()}".encode()).hexdigest()

    def authorization(self) -> str:
        """The header's value."""
        if self.upstream.auth == "basic":
            return "Basic " + base64.b64encode(self.secret().encode()).decode()
        return "Bearer " + self.secret()

    def told(self, body: bytes) -> str:
        """The vendor's own words about an error, without the key and its halves."""
        key = self.secret()
        parts = (self.authorization().partition(" ")[2], key, *key.split(":"))
        return told(body, [each for each in parts if len(each) > 3])  # fewer letters are part of any word

    async def close(self) -> None:
        """Lets go of its connections."""
        while self._clients:
            await self._clients.pop().aclose()


async def _only_safe(request: httpx2.Request) -> None:
    """Nothing, for https, or http on this machine; also where a vendor redirects to."""
    if not is_safe(str(request.url)):
        raise SourceRefused(
            f"{request.url.scheme}://{request.url.host} is neither https nor on this machine.",
            hint="Nothing was sent there. Set base_url to an https address.",
        )


@dataclass(frozen=True)
class HttpChannel:
    """The requests of one question: they share its deadline and its organisation's kept answers."""

    connection: Connection
    kept: Kept
    max_age_s: float
    ends: float
    """When the question must be answered, on the monotonic clock."""

    async def send(self, endpoint: Endpoint[Any], request: Any) -> Any:
        """The parsed body of the answer to one request, kept or fresh.

        Raises:
            SourceRefused: the key, the address or the question is wrong, in the vendor's words.
            UpstreamError: no answer in time, one that asks to come back later, or one that cannot be read.
        """
        method, url, query, body = spelled(self.connection.base_url, endpoint, request)
        key = hashlib.sha256(orjson.dumps([self.connection.identity, method, url, query, body.decode()])).hexdigest()
        if (known := self.kept.answer(key)) is not None:
            return orjson.loads(known)
        if (absent := self.kept.answer(key + _ABSENT)) is not None:
            raise SourceNotFound(absent.decode(), hint=_BASE)
        name = self.connection.name
        try:
            with anyio.fail_after(max(self.ends - time.monotonic(), 0)):
                found, headers = await self._tried(endpoint, method, url, query, body)
        except SourceNotFound as error:
            self.kept.keep(key + _ABSENT, error.message.encode(), self.max_age_s)
            raise
        except TimeoutError:
            raise UpstreamUnreachable(
                f"{name} did not answer within {self.connection.timeout_s:g} seconds.",
                hint="Ask a shorter window, or set a longer timeout for the source.",
            ) from None
        parsed = _parsed(name, found, headers)
        self.kept.keep(key, found, max_age(headers, self.max_age_s))
        return parsed

    async def _tried(
        self, endpoint: Endpoint[Any], method: str, url: str, query: Mapping[str, str], body: bytes
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a success, after as many tries as it takes and is allowed."""
        import httpx2

        error: UpstreamError = UpstreamUnreachable(f"{self.connection.name} was not reached.")
        for attempt in range(TRIES):
            self._within_limits(endpoint)
            wait: float | None = None
            try:
                async with self._sent(method, url, query, body) as response:
                    found = await _limited(response)
                    if response.status_code not in RETRIED:
                        self._refused(response, found)
                        return found, response.headers
                    wait = retry_after(response.headers.get("retry-after"))
                    error = self._later(response, found, wait)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as failure:
                error = self._unreachable(failure)
            except httpx2.TooManyRedirects:
                raise SourceRefused(f"{self.connection.name} redirects in a circle.", hint=_BASE) from None
            except (httpx2.TransportError, httpx2.DecodingError) as failure:
                error = self._broken(failure)
            pause = random.uniform(0.5, 1) * min(FIRST_PAUSE_S * 2**attempt, LONGEST_PAUSE_S)
            pause = pause if wait is None else wait
            if attempt == TRIES - 1 or time.monotonic() + pause >= self.ends:
                break
            await anyio.sleep(pause)
        raise error

    @asynccontextmanager
    async def _sent(
        self, method: str, url: str, query: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[httpx2.Response]:
        # The vendors' own samples name the type on a GET too.
        headers = {"Authorization": self.connection.authorization(), "Content-Type": "application/json"}
        client = self.connection.client
        async with client.stream(method, url, params=query or None, content=body or None, headers=headers) as response:
            yield response

    def _within_limits(self, endpoint: Endpoint[Any]) -> None:
        """Counts the request against the limits that the vendor is known to have.

        Raises:
            UpstreamLimited: when one is used up, with when it will be free again.
        """
        for limit in self.connection.upstream.limits:
            if endpoint.name not in limit.endpoints:
                continue
            meter = f"{self.connection.identity}:{','.join(sorted(limit.endpoints))}"
            count, oldest = self.kept.spent(meter, limit.seconds)
            if count >= limit.requests:
                left = limit.seconds - (time.time() - (oldest or 0) / 1_000)
                raise UpstreamLimited(
                    f"{self.connection.name} allows {limit.requests} such requests in {span(limit.seconds)}"
                    f"{f' ({limit.why})' if limit.why else ''}; they are used up.",
                    hint=f"Ask again in {span(left)}.",
                )
            self.kept.spend(meter, limit.seconds)

    def _refused(self, response: httpx2.Response, body: bytes) -> None:
        """Nothing, when it is a success."""
        status, name = response.status_code, self.connection.name
        if response.is_success:
            return
        said = self.connection.told(body)
        if status in (401, 403):
            moved = response.url.host != urlsplit(self.connection.base_url).hostname
            why = f"It redirected to {response.url.host}, which is not sent the key. {_BASE}" if moved else ""
            what = "did not take the key" if status == 401 else "does not allow this key to ask that"
            needed = "a valid key for it" if status == 401 else "a key that may"
            raise SourceRefused(
                f"{name} {what} ({status}{said}).", hint=why or f"Set {self.connection.variables} to {needed}."
            )
        if status == 404:
            raise SourceNotFound(f"{name} has nothing there (404{said}).", hint=_BASE)
        if status == 413:
            raise TooLarge(f"{name} finds the question too large (413{said}).", hint="Filter by fewer values.")
        if status < 400:
            raise SourceRefused(f"{name} redirects to nowhere ({status}).", hint=_BASE)
        if status < 500:
            known = self.connection.upstream.refusals
            hint = next((known[code] for code in known if code in said), "Change what it names.")
            raise SourceRefused(f"{name} refused the question ({status}{said}).", hint=hint)
        raise UpstreamError(f"{name} failed ({status}{said}).", hint="It is on the vendor's side: try again later.")

    def _later(self, response: httpx2.Response, body: bytes, wait: float | None) -> UpstreamError:
        status, name = response.status_code, self.connection.name
        when = "in a moment" if wait is None else f"in {span(wait)}"
        said = self.connection.told(body)
        if status == 429:
            return UpstreamLimited(f"{name} asks for fewer requests (429{said}).", hint=f"Ask again {when}.")
        return UpstreamUnreachable(f"{name} is not available ({status}{said}).", hint=f"Ask again {when}.")

    def _unreachable(self, failure: Exception) -> UpstreamError:
        host = urlsplit(self.connection.base_url).netloc
        return UpstreamUnreachable(
            f"{self.connection.name} cannot be reached at {host} ({_words(failure)}).",
            hint="Check base_url and the network.",
        )

    def _broken(self, failure: Exception) -> UpstreamError:
        return UpstreamUnreachable(
            f"the answer of {self.connection.name} broke off ({_words(failure)}).", hint="Ask again in a moment."
        )


async def _limited(response: httpx2.Response) -> bytes:
    found = bytearray()
    async for part in response.aiter_bytes():
        found += part
        if len(found) > BODY_LIMIT:
            raise UpstreamGarbled(f"an answer of more than {BODY_LIMIT >> 20} MiB.", hint="Ask a shorter window.")
    return bytes(found)


def _parsed(name: str, body: bytes, headers: Mapping[str, str]) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        kind = headers.get("content-type", "no content type").partition(";")[0]
        raise UpstreamGarbled(
            f"{name} answered something that is not JSON ({clean(kind)[:40]}, {len(body)} bytes).", hint=_BASE
        ) from None


def _words(failure: Exception) -> str:
    return clean(str(failure))[:120] or type(failure).__name__
