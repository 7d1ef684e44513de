"""The composition root: settings, store, desk, dialects and faces, put together. The only module that imports them all.

Heavy imports (numpy, sqlite-utils, genai-prices, mcp, rich) wait until they are used.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgauge.core.call import call, find_tool
from agentgauge.core.errors import StoreError
from agentgauge.core.operation import Dialect, Tool, Written
from agentgauge.core.when import parse_when
from agentgauge.desks.local import LocalDesk
from agentgauge.dialects import DIALECTS
from agentgauge.stores.sqlite import files
from agentgauge.stores.sqlite.cache import ColumnCache, shared
from agentgauge.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from agentgauge.config import Settings
    from agentgauge.core.answer import Answer
    from agentgauge.ingest.reprice import Repriced
    from agentgauge.ingest.run import Report
    from agentgauge.sources import Sources
    from agentgauge.stores.sqlite.builder import Builder, Built
    from agentgauge.stores.sqlite.sink import SqliteSink


def wall_clock() -> int:
    """The current instant, in ms UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class App:
    """agentgauge with its settings."""

    settings: Settings
    clock: Callable[[], int] = wall_clock
    dialects: Sequence[Dialect] = DIALECTS

    @cached_property
    def store_path(self) -> Path:
        """The file of the organisation.

        Raises:
            InvalidValue: if the organisation's name is not one.
        """
        return files.store_path(self.settings.home, self.settings.org)

    @cached_property
    def store(self) -> SqliteStore:
        """The organisation's store; opening costs nothing until it is asked."""
        return SqliteStore(self.store_path, cache=self.cache)

    @property
    def cache(self) -> ColumnCache:
        """The decoded columns that all stores of this process share."""
        return shared(self.settings.cache_mib)

    @property
    def sources(self) -> Sources:
        """The configured upstreams."""
        return self._sources

    @cached_property
    def _sources(self) -> Sources:
        from agentgauge.sources import Sources

        return Sources(self.settings.sources_file, self.dialects, [tool.name for tool in self._all_tools], self.clock)

    @property
    def tools(self) -> tuple[Tool[Any], ...]:
        """The tools on offer; those that write only where writing is allowed."""
        return tuple(tool for tool in self._all_tools if self.settings.allow_write or not tool.writes)

    def sink(self) -> SqliteSink:
        """A writer to the organisation's store."""
        from agentgauge.stores.sqlite.sink import SqliteSink

        return SqliteSink(self.store_path, clock=self.clock)

    def desk(self) -> LocalDesk:
        """The desk of the machine's owner, now."""
        return LocalDesk(
            store=self.store,
            now=self.clock(),
            tz=self.settings.tz,
            guards=[dialect.guard for dialect in self.dialects if dialect.guard],
            elsewhere=self.sources.of(self.settings.org) if self._has_sources else None,
            take=self.take if self.settings.allow_write else None,
        )

    async def call(self, name: str, arguments: Mapping[str, Any] | None) -> Answer:
        """A tool's answer.

        Raises:
            GaugeError: whatever was wrong with the call, or went wrong with the store.
        """
        tool = find_tool(self._all_tools if self._switched_off(name) else self.tools, name)
        return await call(tool, arguments, self.desk())

    @cached_property
    def _has_sources(self) -> bool:
        """Whether there is anything to configure; a start without has nothing of it to load."""
        return self.settings.sources_file.exists()

    @cached_property
    def _all_tools(self) -> tuple[Tool[Any], ...]:
        return tools_of(self.dialects)

    def _switched_off(self, name: str) -> bool:
        """Whether it is a tool that writes, which answers how to switch it on."""
        return any(tool.name == name and tool.writes for tool in self._all_tools)

    def take(self, lines: Sequence[Mapping[str, Any]]) -> Written:
        """Checks and stores event lines."""
        from agentgauge.ingest.run import run

        with self.sink() as sink:
            report = run(enumerate(lines, 1), sink)
        rejections = [(each.line or 0, each.field, each.reason) for each in report.rejections]
        return Written(report.accepted, report.duplicate, rejections)

    def import_names(self, names: Sequence[str], on_progress: Callable[[Report], None] | None = None) -> Report:
        """Imports files, folders, `-`, or the local logs of `claude-code`, `codex` or `gemini`.

        Raises:
            InvalidValue: for what cannot be found or opened.
            StoreError: what was stored before stays.
        """
        from agentgauge.ingest.imports import import_sources, sources_of

        def on_batch(report: Report) -> None:
            if fresh.is_full:
                with suppress(StoreError):  # what is stored is stored; the last build says what is wrong
                    self.builder(sink).build(going_on=True)
                fresh.trim()
            if on_progress is not None:
                on_progress(report)

        sources = sources_of(names, os.environ, Path.home())
        with self.sink() as sink:
            fresh = sink.keep()
            report = import_sources(sources, sink, on_batch)
            self.builder(sink).build(finish=True)
            return report

    def builder(self, sink: SqliteSink) -> Builder:
        """What builds the index of the sink's store."""
        from agentgauge.stores.sqlite.builder import Builder

        return Builder(sink, self.cache.damaged)

    def index(self, *, rebuild: bool, on_built: Callable[[Built], None] | None = None) -> tuple[int, Built]:
        """Checks the index, and builds what it lacks, or all of it; how many segments were damaged, and what was built.

        Raises:
            StoreError: what was built before stays.
        """
        from agentgauge.stores.sqlite import upkeep

        with self.sink() as sink:
            if rebuild:
                upkeep.clear_index(sink)
            damaged = upkeep.verify(sink)
            self.cache.damaged.update(damaged)
            return len(damaged), self.builder(sink).build(finish=True, on_built=on_built)

    def older(self, before: str) -> tuple[int, Mapping[str, int]]:
        """The instant that somebody wrote, in ms UTC, and how many events of each dataset are older.

        Raises:
            InvalidValue: if it is not a time.
        """
        from agentgauge.core.when import parse_when
        from agentgauge.stores.sqlite import upkeep

        instant = parse_when(before, now=self.clock(), tz=self.settings.tz).start
        return instant, upkeep.older(self.store_path, instant)

    def prune(self, before: int, on_dropped: Callable[[int], None] | None = None) -> Mapping[str, int]:
        """Drops every event before an instant, with what the index has of it; how many of each dataset.

        Raises:
            StoreError: what was dropped before stays dropped.
        """
        from agentgauge.stores.sqlite import upkeep

        with self.sink() as sink:
            dropped = upkeep.prune(sink, before, on_dropped)
            self.builder(sink).build()
            return dropped

    def watch_names(
        self, names: Sequence[str], on_pass: Callable[[Report, int], None], pause: Callable[[float], bool]
    ) -> None:
        """Imports the same, and again whatever is new, until `pause`, given seconds to wait, says that it is enough.

        Raises:
            InvalidValue: for what cannot be found or watched.
            StoreError: what was stored before stays.
        """
        from agentgauge.ingest.watch import Watch

        Watch(names, os.environ, Path.home(), self.sink).run(on_pass, pause)

    def reprice(self, since: str | None) -> Repriced:
        """Computes again what the price list says that model calls cost, all of them or those from an instant on.

        Raises:
            InvalidValue: for an instant that cannot be read.
            StoreError: what was repriced before stays so.
        """
        from agentgauge.ingest.reprice import Repriced, reprice

        start = 0 if since is None else parse_when(since, now=self.clock(), tz=self.settings.tz).start
        if not self.store_path.exists():
            return Repriced()
        with self.sink() as sink:
            return reprice(sink, start)

    async def serve_stdio(self) -> None:
        """Serves one MCP client over stdin and stdout until it hangs up."""
        from agentgauge.faces.mcp import run_stdio

        gc.freeze()  # what was imported stays for good; collections while calls run need not look at it again
        async with self.open():
            await run_stdio(self)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[App]:
        """The application; at the end, what it opened to ask vendors is closed."""
        try:
            yield self
        finally:
            if "_sources" in vars(self):
                await self.sources.close()


@cache
def all_tools() -> tuple[Tool[Any], ...]:
    """Every tool of every dialect, those that only read first."""
    return tools_of(DIALECTS)


def tools_of(dialects: Sequence[Dialect]) -> tuple[Tool[Any], ...]:
    """Every tool of some dialects, those that only read first."""
    tools = [tool for dialect in dialects for tool in dialect.tools]
    return tuple(sorted(tools, key=lambda tool: tool.writes))
