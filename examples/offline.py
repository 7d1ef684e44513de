"""Runs an app beside a fake model and an agentgauge of its own, and prints what agentgauge counted. Needs no network.

    python examples/offline.py python examples/with_otel.py

The app is any command: it finds both by the variables that it would read in production (below), so that the examples
hold nothing but what an app of yours would.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

import fake_model

QUESTIONS = (["usage_by_agent", "period=year"], ["usage_by_agent", "period=year", "group_by=model"])
AGENTGAUGE = [sys.executable, "-m", "agentgauge"]


def variables(gauge: str, model: str) -> dict[str, str]:
    """What points an app at agentgauge, and its framework's client at the fake model."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": gauge,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "weather",  # the agent, where a framework names none
        "LANGFUSE_BASE_URL": gauge,
        "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": "sk",
        "OPENAI_BASE_URL": f"{model}/v1",
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_BASE_URL": model,
        "ANTHROPIC_API_KEY": "none",
        "GOOGLE_GEMINI_BASE_URL": model,
        "GEMINI_API_KEY": "none",
        "CREWAI_DISABLE_TELEMETRY": "true",  # else it would also tell its vendor
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it would fetch one
    }


@contextmanager
def serving(env: dict[str, str]) -> Generator[str]:
    """The address of an agentgauge that serves."""
    command = [*AGENTGAUGE, "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = re.compile(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)")
        yield next(found[1] for line in server.stdout if (found := address.search(line)))
        server.terminate()


def main(command: list[str]) -> None:
    """Runs the app, and asks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTGAUGE_", "OTEL_"))}
    with tempfile.TemporaryDirectory() as home, fake_model.serving() as model:
        env = kept | {"AGENTGAUGE_HOME": home, "PYTHONUNBUFFERED": "1"}
        with serving(env) as gauge:
            subprocess.run(command, env=env | variables(gauge, model), check=True)
        for question in QUESTIONS:
            print(f"\n$ agentgauge ask {' '.join(question)}", flush=True)
            subprocess.run([*AGENTGAUGE, "ask", *question], env=env, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
