"""Two agentgauges: one serves the vendors' wires over real HTTP, the other asks it as an upstream.

Both have the same clock, which stands still. The asker has no events of its own: what it answers came over the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from served import NOW, Home

from agentgauge.app import App
from agentgauge.config import Settings

if TYPE_CHECKING:
    from agentgauge.core.answer import Answer

SECRET = "PAIR_SECRET"
NAMES = {
    "msg": "agentmessage",
    "phone": "agentphone",
    "tfy": "truefoundry",
    "voice": "voicerun",
    "astro": "astropods",
}
"""Source -> its dialect."""


@dataclass
class Pair:
    """The server's home, its address, and an application that asks it."""

    vendor: Home
    address: str
    home: Path
    tz: str = "UTC"
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def configure(self, **more: str) -> None:
        """Writes the asker's sources.toml: every vendor at the server's address, and further lines per source."""
        lines: list[str] = []
        spoken = {each.name for each in self.vendor.dialects if each.upstream}
        for name, dialect in NAMES.items():
            if dialect not in spoken:
                continue
            lines += [f"[sources.{name}]", f'dialect = "{dialect}"', f'base_url = "{self.address}"']
            lines += [f'secret = "{SECRET}"', more.get(name, "")]
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "sources.toml").write_text("\n".join(lines))

    @property
    def app(self) -> App:
        """The asker."""
        return App(Settings(home=self.home, tz=self.tz), clock=lambda: self.vendor.now)

    async def upstream(self, tool: str, source: str, **words: Any) -> Answer:
        """The tool's answer through the vendor's wire; that it names its source is taken away, to compare it."""
        async with self.app.open() as app:
            return replace(await app.call(tool, words | {"source": source}), source="")

    async def local(self, tool: str, **words: Any) -> Answer:
        """The same from the server's own store."""
        settings = Settings(home=self.vendor.path, tz=self.tz)
        return await App(settings, clock=lambda: self.vendor.now).call(tool, words)


@contextmanager
def listening(app: Any) -> Generator[str]:
    """The application on a free port of this machine, from a thread of its own; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off"))
    started = threading.Event()
    startup = server.startup

    async def tell(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = tell
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        port: int = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def paired(folder: Path, now: int = NOW) -> Generator[Pair]:
    """A pair over an empty folder."""
    vendor = Home(folder / "vendor", now=now)
    with listening(vendor.app) as address:
        pair = Pair(vendor, address, folder / "asker")
        pair.configure()
        yield pair
