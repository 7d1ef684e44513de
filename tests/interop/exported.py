"""A real `agentgauge serve` that OpenTelemetry SDKs export to, and whose store can be kept busy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

from agentgauge.app import App
from agentgauge.config import Settings

PATIENCE_S = 40
"""How long a test waits for what a process says."""


@dataclass
class Server:
    """A server that runs, and what it says line by line."""

    home: Path
    process: subprocess.Popen[str]
    lines: Queue[str] = field(default_factory=Queue[str])

    def until(self, pattern: str) -> str:
        """Waits for a line that matches, and gives its first group."""
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            if found := re.search(pattern, line):
                return found[1]

    def read(self) -> None:
        """Passes on every line that the server says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    @contextmanager
    def busy(self) -> Generator[None]:
        """Another process's turn to write, for as long as it lasts."""
        with App(Settings(home=self.home)).sink() as sink, sink.turn():
            yield

    def total(self, datasource: str, *aggregations: dict[str, str]) -> dict[str, Any]:
        """The total of a question over everything, asked by the command."""
        words = [f"datasource={datasource}", f"aggregations={json.dumps(aggregations)}", "start=2026-01-01", "end=now"]
        command = [sys.executable, "-m", "agentgauge", "ask", "query_datapoints", *words, "--json"]
        done = subprocess.run(command, capture_output=True, env=environment(self.home), timeout=60, check=True)
        return json.loads(done.stdout)["total"]


def environment(home: Path) -> dict[str, str]:
    """This process's environment, but for settings of ours and of OpenTelemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTGAUGE_", "OTEL_"))}
    return kept | {"AGENTGAUGE_HOME": str(home), "PYTHONUNBUFFERED": "1"}


@contextmanager
def serving(home: Path) -> Generator[tuple[Server, str]]:
    """The server and its address as it prints it, from its first lines to its end."""
    command = [sys.executable, "-m", "agentgauge", "serve", "--port", "0"]
    said, env = subprocess.PIPE, environment(home)
    with subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=env, text=True) as process:
        server = Server(home, process)
        reader = threading.Thread(target=server.read)
        reader.start()
        try:
            yield server, server.until(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+) OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        finally:
            process.terminate()
            process.wait(20)
            reader.join(20)
