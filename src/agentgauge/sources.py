"""The configured sources: upstream APIs by name, read once from `sources.toml` in the home folder.

Above: the composition root. Below: tomllib, pydantic, the dialects' declarations, the upstream desk. A secret stands in
an environment variable that the file names, never in the file.

    [sources.phone]
    dialect = "agentphone"
    secret = "AGENTPHONE_API_KEY"         # the variable that holds the key, in capitals
    base_url = "https://api.agentphone.ai"  # the dialect's own, where it has one
    organisations = ["default"]           # who may ask it; left out: only default
    timeout = 30                          # seconds a question may take
    max_age = 60                          # seconds an answer may be used again where the vendor does not say
    user = "LANGFUSE_PUBLIC_KEY"          # langfuse: the variable of the public half; secret is the other
    tier = "hobby"                        # langfuse: what you pay for, by which its requests are limited

    [defaults]
    usage_by_agent = ["local", "phone"]   # the sources of a tool whose call names none
"""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agentgauge.core.errors import InvalidValue, SourceNotFound, SourceRefused, nearest, unknown_name
from agentgauge.core.operation import LOCAL, Dialect
from agentgauge.desks.http import Connection, HttpChannel
from agentgauge.desks.kept import Kept
from agentgauge.desks.requests import is_safe
from agentgauge.desks.upstream import UpstreamDesk, reading

if TYPE_CHECKING:
    from agentgauge.core.operation import Desk
    from agentgauge.core.upstream import Upstream

NAME = r"[a-z0-9][a-z0-9_-]{0,62}"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """A variable's name. Whoever writes the key itself there must not see it in a message."""
    if isinstance(value, str) and not re.fullmatch("[A-Z_][A-Z0-9_]*", value):
        raise ValueError("the name of an environment variable goes here, in capitals, never the key itself")
    return value


Names = Annotated[list[str], BeforeValidator(_listed)]
Variable = Annotated[str, BeforeValidator(_named)]


class Source(BaseModel):
    """One `[sources.<name>]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dialect: str
    secret: Variable
    """The variable that holds the key; of a basic pair, the secret half."""
    user: Variable | None = None
    """Of a basic pair, the variable that holds the public half."""
    base_url: str = ""
    organisations: Names = Field(default_factory=lambda: ["default"])
    timeout: float = Field(30.0, gt=0, le=600)
    max_age: float | None = Field(None, ge=0, le=86_400)
    tier: str | None = None
    """What the vendor is paid for, where its limits depend on it."""


class Configured(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[Annotated[str, Field(pattern=f"^{NAME}$")], Source] = Field(default_factory=dict[str, Source])
    defaults: dict[str, Names] = Field(default_factory=dict[str, list[str]])


def load(path: Path, dialects: Sequence[Dialect], tools: Sequence[str]) -> Configured:
    """What the file says; no file configures no sources.

    Raises:
        InvalidValue, UnknownName: naming the file, the entry and what it takes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Configured()
    except OSError as error:
        raise InvalidValue(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from None
    try:
        found = Configured.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path.name} is no TOML: {error}.", hint="See agentgauge sources --help.") from None
    except ValidationError as error:
        raise _wrong(path.name, error) from None
    _check(path.name, found, dialects, tools)
    return found


def _wrong(file: str, error: ValidationError) -> InvalidValue:
    """The first mistake, an unknown word before a missing one: it may be the other misspelt."""
    found = error.errors(include_url=False)
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    path = [str(part) for part in first["loc"] if part != "[key]"]
    place = f"{file}: {'.'.join(path)}"
    valid = f"A source has: {', '.join(Source.model_fields)}."
    if first["type"] == "extra_forbidden":
        if len(path) == 1:
            return InvalidValue(f"{place} is not known.", hint="There are tables [sources.<name>], and [defaults].")
        return InvalidValue(f"{place} is not known. {valid}", hint=_meant(path[-1]))
    if first["type"] == "missing":
        return InvalidValue(f"{place} is missing.", hint=valid)
    if len(path) < 3 and path[0] == "sources" and first["type"].startswith(("dict", "model")):
        return InvalidValue(f"{place} is no table of its own.", hint=f"Write [sources.<name>] for each. {valid}")
    return InvalidValue(f"{place}: {first['msg'].removeprefix('Value error, ')}.", hint=valid)


def _meant(word: str) -> str:
    """What somebody meant by a word of a source that is not known."""
    if re.search("key|token|env|password", word):
        return "secret names the environment variable that holds the key."
    near = nearest(word, Source.model_fields)
    return f"Did you mean {near[0]}?" if near else ""


def _check(file: str, found: Configured, dialects: Sequence[Dialect], tools: Sequence[str]) -> None:
    spoken = {each.name: each.upstream for each in dialects if each.upstream}
    for name, source in found.sources.items():
        if source.dialect not in spoken:
            raise unknown_name("a dialect", source.dialect, spoken, where=f"{file}, source {name}")
        _check_source(f"{file}: source {name}", name, source, spoken[source.dialect]())
    for tool, names in found.defaults.items():
        if tool not in tools:
            raise unknown_name("a tool", tool, tools, where=f"{file}, defaults")
        for name in names:
            if name not in (LOCAL, *found.sources):
                raise unknown_name("a source", name, [LOCAL, *found.sources], where=f"{file}, defaults")


def _check_source(place: str, name: str, source: Source, upstream: Upstream) -> None:
    if name == LOCAL:
        raise InvalidValue(f"{place}: that is the store of this machine.", hint="Choose another name.")
    address = source.base_url or upstream.base_url
    if not address:
        raise InvalidValue(f"{place} needs base_url.", hint="Every customer of it has a host of their own.")
    if not is_safe(address):
        raise InvalidValue(f"{place}: base_url is not https.", hint="Plain http is for this machine only.")
    if "@" in urlsplit(address).netloc:
        raise InvalidValue(f"{place}: base_url holds a user or a password.", hint="Keys stand in variables only.")
    if (upstream.auth == "basic") != (source.user is not None):
        needs = "needs user and secret, two variables" if upstream.auth == "basic" else "takes a secret and no user"
        raise InvalidValue(f"{place} {needs}.", hint=f"{source.dialect} has {upstream.auth} authentication.")
    if source.tier is not None and source.tier not in upstream.tiers:
        raise unknown_name("a tier", source.tier, upstream.tiers, where=f"{source.dialect} ({place})")


def _is_key(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _limited(upstream: Upstream, tier: str | None, address: str) -> Upstream:
    """The same, with the limits of the tier; without one, those that nobody is above, where they hold at all."""
    if tier is not None:
        return replace(upstream, limits=upstream.tiers[tier])
    here = (urlsplit(address).hostname or "").endswith(upstream.limits_at)
    return upstream if here else replace(upstream, limits=())


@dataclass
class Sources:
    """The configured sources of a home, with their connections. `of` gives those that one organisation may use."""

    file: Path
    dialects: Sequence[Dialect]
    tools: Sequence[str]
    clock: Callable[[], int]
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _kept: dict[str, Kept] = field(default_factory=dict[str, Kept])

    @cached_property
    def configured(self) -> Configured:
        """What the file says, read with the first question.

        Raises:
            InvalidValue, UnknownName: see `load`.
        """
        return load(self.file, self.dialects, self.tools)

    @cached_property
    def connections(self) -> Mapping[str, Connection]:
        """One connection per source."""
        return {name: self._connection(name, source) for name, source in self.configured.sources.items()}

    def dialect(self, name: str) -> tuple[Dialect, Upstream]:
        """What a source speaks."""
        found = next(each for each in self.dialects if each.name == self.configured.sources[name].dialect)
        assert found.upstream
        return found, found.upstream()

    def _connection(self, name: str, source: Source) -> Connection:
        _, upstream = self.dialect(name)
        variables = [source.user, source.secret] if source.user else [source.secret]

        def secret() -> str:
            values = [self.env.get(each, "").strip() for each in variables]
            if missing := [each for each, value in zip(variables, values, strict=True) if not value]:
                raise SourceRefused(
                    f"{name} has no key: {' and '.join(missing)} is not set.",
                    hint=f"Set {' and '.join(missing)} in the environment of agentgauge.",
                )
            if wrong := [each for each, value in zip(variables, values, strict=True) if not _is_key(value)]:
                raise SourceRefused(
                    f"{name} has no key: {' and '.join(wrong)} holds characters that no key has.",
                    hint=f"Set {' and '.join(wrong)} to the key alone: one line of plain letters, digits and signs.",
                )
            return ":".join(values)

        return Connection(
            name=name,
            upstream=_limited(upstream, source.tier, source.base_url or upstream.base_url),
            base_url=source.base_url or upstream.base_url,
            secret=secret,
            variables=" and ".join(variables),
            timeout_s=source.timeout,
        )

    def of(self, org: str) -> OfOrganisation:
        """The sources that an organisation may use."""
        return OfOrganisation(self, org)

    def kept(self, org: str) -> Kept:
        """What vendors answered an organisation lately."""
        if org not in self._kept:
            self._kept[org] = Kept(self.file.parent / "answers" / f"{org}.db", self.clock)
        return self._kept[org]

    def channel(self, name: str, org: str) -> HttpChannel:
        """A way to ask a source one question, from now on."""
        source, connection = self.configured.sources[name], self.connections[name]
        age = connection.upstream.max_age_s if source.max_age is None else source.max_age
        return HttpChannel(connection, self.kept(org), age, time.monotonic() + connection.timeout_s)

    def listing(self) -> list[dict[str, Any]]:
        """A row per source: what it is, and whether its key is set; never the key."""
        rows: list[dict[str, Any]] = []
        for name, source in self.configured.sources.items():
            dialect, upstream = self.dialect(name)
            variables = [source.user, source.secret] if source.user else [source.secret]
            rows.append(
                {
                    "source": name,
                    "dialect": dialect.name,
                    "base_url": self.connections[name].base_url,
                    "key": ", ".join(f"{each} {'set' if self.env.get(each) else 'not set'}" for each in variables),
                    "organisations": ", ".join(source.organisations),
                    "answers": ", ".join(upstream.offers),
                }
            )
        return rows

    async def check(self, name: str, org: str) -> float:
        """Asks a source something cheap; gives how long it took, in ms.

        Raises:
            UnknownName: if there is no such source.
            SourceRefused, UpstreamError: what is wrong with it, and what to do.
        """
        if name not in self.configured.sources:
            raise unknown_name("a source", name, self.configured.sources)
        _, upstream = self.dialect(name)
        channel = replace(self.channel(name, org), kept=Kept(None, self.clock))
        began = time.monotonic()
        endpoint, request = upstream.check
        try:
            body = await channel.send(endpoint, request)
            if endpoint.decode:
                with reading(name, endpoint):
                    endpoint.decode(request, [body])
        except SourceNotFound:
            if upstream.check_finds:
                raise
        return (time.monotonic() - began) * 1_000

    async def close(self) -> None:
        """Lets go of every connection and file."""
        if "connections" in vars(self):
            for each in self.connections.values():
                await each.close()
        for kept in self._kept.values():
            kept.close()


@dataclass(frozen=True)
class OfOrganisation:
    """The sources of one organisation. Implements desks.local.Elsewhere."""

    sources: Sources
    org: str

    @property
    def names(self) -> Sequence[str]:
        """The sources that the organisation may use, in the order of the file."""
        configured = self.sources.configured.sources
        return [name for name, source in configured.items() if self.org in source.organisations]

    def default(self, tool: str) -> Sequence[str]:
        """The sources of a tool whose call names none: those of the file that the organisation may use."""
        allowed = (LOCAL, *self.names)
        return [each for each in self.sources.configured.defaults.get(tool, ()) if each in allowed] or [LOCAL]

    def desk(self, source: str, question: str, near: Desk) -> UpstreamDesk:
        """The desk of a source, for one question; asked again soon, it is put at the same instant."""
        dialect, upstream = self.sources.dialect(source)
        channel = self.sources.channel(source, self.org)
        now = self.sources.kept(self.org).instant(f"{source}\0{question}", near.now, channel.max_age_s)
        return UpstreamDesk(name=source, dialect=dialect, upstream=upstream, channel=channel, near=near, now=now)
