"""Settings, read once from the environment into a frozen object.

Above: the composition root. Below: pydantic-settings. Precedence: command-line flag, environment, default.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agentgauge.core.errors import InvalidValue
from agentgauge.core.time import zone


class Settings(BaseSettings):
    """`AGENTGAUGE_HOME`, `AGENTGAUGE_ORG`, `AGENTGAUGE_TZ`, `AGENTGAUGE_ALLOW_WRITE`."""

    model_config = SettingsConfigDict(env_prefix="AGENTGAUGE_", frozen=True, env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: user_data_path("agentgauge", appauthor=False))
    """The folder that holds one store per organisation."""
    org: str = "default"
    """The organisation of stdio and the command line: the machine owner's choice, never a tool argument."""
    tz: str = "UTC"
    """The zone of questions that name none."""
    allow_write: bool = False
    """Whether tools may write."""


def load(**flags: object) -> Settings:
    """The settings, with command-line flags (None = not given) before the environment.

    Raises:
        InvalidValue: naming the variable that is wrong.
        UnknownName: if the zone does not exist.
    """
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise InvalidValue(f"AGENTGAUGE_{name.upper()} is not valid: {first['msg']}.") from None
    zone(settings.tz)
    return settings
