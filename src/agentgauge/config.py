"""Settings, read once from the environment into a frozen object.

Above: the composition root. Below: pydantic. Precedence: command-line flag, environment, default. (A few variables do
not need pydantic-settings, whose import takes longer than all of our own.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentgauge.core.errors import GaugeError, InvalidValue
from agentgauge.core.time import zone
from agentgauge.stores.sqlite.cache import DEFAULT_MIB
from agentgauge.stores.sqlite.files import organisation

PREFIX = "AGENTGAUGE_"
UNPREFIXED = frozenset({"twilio_auth_token", "sendgrid_public_key"})
"""The settings that are their vendors' and have the names that those give them."""


class Settings(BaseModel):
    """`AGENTGAUGE_HOME`, `AGENTGAUGE_ORG`, `AGENTGAUGE_TZ`, `AGENTGAUGE_ALLOW_WRITE`, `AGENTGAUGE_CACHE_MIB`,
    `AGENTGAUGE_PUBLIC_URL`, `TWILIO_AUTH_TOKEN`, `SENDGRID_PUBLIC_KEY`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: user_data_path("agentgauge", appauthor=False))
    """The folder that holds one store per organisation."""
    org: str = "default"
    """The organisation of stdio and the command line: the machine owner's choice, never a tool argument."""
    tz: str = "UTC"
    """The zone of questions that name none."""
    allow_write: bool = False
    """Whether tools may write."""
    cache_mib: int = Field(default=DEFAULT_MIB, ge=0)
    """How much memory decoded columns may take in this process, in MiB."""

    public_url: str | None = None
    """Where others reach `serve` when a proxy changes the address: signatures are made for what the sender asked."""
    twilio_auth_token: str | None = Field(default=None, repr=False)
    """What Twilio signs its webhooks with; one that is not signed is then refused."""
    sendgrid_public_key: str | None = Field(default=None, repr=False)
    """What the signatures of SendGrid's webhooks are checked with; one that is not signed is then refused."""

    @property
    def sources_file(self) -> Path:
        """The file that configures upstream sources (see `agentgauge.sources`); there need not be one."""
        return self.home / "sources.toml"

    @field_validator("home")
    @classmethod
    def _expanded(cls, home: Path) -> Path:
        """A client's configuration hands `~` over as it stands, since no shell reads it."""
        return Path(os.path.expanduser(home))


def load(env: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """The settings, with command-line flags (None = not given) before the environment; an empty variable is not set.

    Raises:
        InvalidValue: naming the variable that is wrong.
    """
    given: dict[str, Any] = {name: env[variable(name)] for name in Settings.model_fields if env.get(variable(name))}
    given |= {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _wrong(str(first["loc"][0]), f"{first['msg']}.") from None
    organisation(settings.org)
    try:
        zone(settings.tz)
    except GaugeError as error:
        raise _wrong("tz", f"{error.message} {error.hint}".strip()) from None
    return settings


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return name.upper() if name in UNPREFIXED else PREFIX + name.upper()


def _wrong(name: str, why: str) -> InvalidValue:
    return InvalidValue(f"{variable(name)} is not valid: {why}")
