"""A request as bytes and an answer's headers as rules: what a vendor's API is sent, and what it says about itself.

Above: the HTTP channel. Below: `core.wire`. Pure: no network here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote
from urllib.parse import urlsplit

import orjson

from agentgauge.core.errors import InvalidValue, clean, quote
from agentgauge.core.wire import written

if TYPE_CHECKING:
    from agentgauge.core.operation import Endpoint

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PARAMETER = re.compile(r"{(\w+)(:path)?}")
_TOLD = 300
"""How much of a vendor's own words is passed on, in characters."""


def is_safe(url: str) -> bool:
    """Whether it is an address to which a secret may be sent: https, or http on loopback."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:  # a port or an IPv6 address that is none
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def spelled(base_url: str, endpoint: Endpoint[Any], request: Any) -> tuple[str, str, dict[str, str], bytes]:
    """A request as method, address, query and body, as the vendor documents them.

    A base address that ends in the first part of the endpoint's path (`.../api/v1`) is not given it twice.
    """
    given = written(request)
    paths = {name: _in_path(str(given.pop(name)), slashes=slashes) for name, slashes in _named(endpoint.path)}
    path = _PARAMETER.sub(lambda match: paths[match[1]], endpoint.path)
    base = base_url.rstrip("/")
    mount = urlsplit(base).path
    address = base + (path[len(mount) :] if mount and path.startswith(mount + "/") else path)
    if endpoint.method == "POST":
        return "POST", address, {}, orjson.dumps(given)
    return endpoint.method, address, {name: _text(value) for name, value in given.items()}, b""


def _in_path(value: str, *, slashes: bool) -> str:
    """A value as part of an address.

    Raises:
        InvalidValue: for one that would lead to another endpoint.
    """
    if not value or {".", ".."} & set(value.split("/")):
        raise InvalidValue(
            f"{quote(value)} cannot be asked for: it would be another address.", hint="Give a full name."
        )
    return url_quote(value, safe="/" if slashes else "")


def _named(path: str) -> list[tuple[str, bool]]:
    return [(match[1], bool(match[2])) for match in _PARAMETER.finditer(path)]


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, of either form of the header: a number of seconds, or an HTTP date."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def max_age(headers: Mapping[str, str], otherwise: float) -> float:
    """For how many seconds an answer may be used again."""
    control = headers.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0
    if match := re.search(r"max-age=(\d+)", control):
        age = headers.get("age", "0")
        return int(match[1]) - (int(age) if age.isdecimal() else 0)
    return otherwise


def told(body: bytes, without: Sequence[str] = ()) -> str:
    """The vendor's own words about an error, of any of the envelopes: `: code: message (details)`, or nothing.

    `without`: what stands for `***` there, because vendors repeat keys that they do not take.
    """
    try:
        said = clean(_said(orjson.loads(body)))
    except orjson.JSONDecodeError:
        said = ""
    for each in without:
        said = said.replace(each, "***")
    return f": {said[:_TOLD]}" if said else ""


_WORDS = ("code", "field", "loc", "message", "error", "detail", "details", "msg")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [_said(value[word]) for word in _WORDS if value.get(word) and value[word] is not value]  # type: ignore[reportUnknownArgumentType]
        return ": ".join(dict.fromkeys(part for part in parts if part)) or orjson.dumps(value).decode()
    if isinstance(value, list):
        return "; ".join(_said(each) for each in value)  # type: ignore[reportUnknownVariableType]
    return "" if value is None or isinstance(value, bool) else str(value)


def span(seconds: float) -> str:
    """A length of time in words, rounded up."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size * 2 or (seconds >= size and seconds % size == 0):
            count = -(-seconds // size)
            return f"{count:.0f} {unit}{'s' if count != 1 else ''}"
    return f"{max(1, -(-seconds // 1)):.0f} s"
