"""Each framework's example runs offline, and agentgauge counts what it did; one that is not installed is skipped.

`AGENTGAUGE_FRAMEWORKS=/path/to/python` (several with a colon between them) names other Pythons to look for frameworks
in: some want other versions of what agentgauge itself needs. The JavaScript one needs `npm install --prefix examples`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PYTHONS = [sys.executable, *filter(None, os.environ.get("AGENTGAUGE_FRAMEWORKS", "").split(os.pathsep))]
NODE = shutil.which("node")

EXPORTER = "opentelemetry.exporter.otlp.proto.http"
RUN = {"runs": 1, "tool_calls": 1}
NEEDS: dict[str, tuple[str, ...]] = {
    "with_anthropic.py": ("anthropic", EXPORTER),
    "with_crewai.py": ("crewai", "openinference.instrumentation.crewai", "openinference.instrumentation.openai"),
    "with_google_adk.py": ("google.adk", EXPORTER),
    "with_langchain.py": ("langchain", "langchain_openai", "openinference.instrumentation.langchain", EXPORTER),
    "with_langfuse.py": ("langfuse", "openai"),
    "with_litellm.py": ("litellm", EXPORTER),
    "with_openai_agents.py": ("agents", "openinference.instrumentation.openai_agents", EXPORTER),
    "with_otel.py": (EXPORTER,),
    "with_pydantic_ai.py": ("pydantic_ai", "openai", EXPORTER),
}
"""What must be installed for each example in Python."""
COUNTED: dict[str, dict[str, Any]] = {
    "with_anthropic.py": {"model": "claude-opus-4-8", "cost_usd": 0.007034},
    "with_crewai.py": RUN,
    "with_google_adk.py": RUN | {"model": "gemini-2.5-flash", "cost_usd": 0.00047208},
    "with_langchain.py": {"tool_calls": 1},
    "with_langfuse.py": RUN,
    "with_litellm.py": {"cache_read_tokens": None},  # its spans do not say; its own cost includes it
    "with_openai_agents.py": RUN,
    "with_otel.py": RUN,
    "with_pydantic_ai.py": RUN,
    "with_vercel_ai.mjs": RUN,
}
"""What is counted beside two calls of the fake model, where it is not `USUAL`."""
USUAL = {"model": "gpt-4o-mini", "runs": None, "tool_calls": None, "cache_read_tokens": 2_048, "cost_usd": 0.0003264}

HAS = "import sys; from importlib.util import find_spec; sys.exit(not all(find_spec(name) for name in sys.argv[1:]))"


@cache
def python_with(modules: tuple[str, ...]) -> str | None:
    """A Python that has them all."""

    def has(python: str) -> bool:
        return subprocess.run([python, "-c", HAS, *modules], capture_output=True, check=False).returncode == 0

    return next((each for each in PYTHONS if has(each)), None)


def command(example: str) -> list[str]:
    """What runs it; skips the test where that is not possible."""
    path = str(EXAMPLES / example)
    if example.endswith(".mjs"):
        if NODE is None or not (EXAMPLES / "node_modules").is_dir():
            pytest.skip("node, or `npm install --prefix examples`, is missing")
        return [NODE, path]
    python = python_with(NEEDS[example])
    if python is None:
        pytest.skip(f"not installed: {', '.join(NEEDS[example])}")
    return [python, path]


def table(text: str, question: str) -> dict[str, str]:
    """The only row of an answer that was printed, by its columns."""
    lines = text.partition(f"$ agentgauge ask {question}\n")[2].split("\n\n")[0].splitlines()
    assert len(lines) == 4, text
    return dict(zip(lines[2].split(","), lines[3].split(","), strict=True))


@pytest.mark.parametrize("example", COUNTED)
def test_an_example_runs_offline_and_its_calls_tokens_and_cost_are_counted(example: str) -> None:
    words = [sys.executable, str(EXAMPLES / "offline.py"), *command(example)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("It is sunny in Paris.\n")
    expected = USUAL | COUNTED[example]
    by_agent = table(done.stdout, "usage_by_agent period=year")
    by_model = table(done.stdout, "usage_by_agent period=year group_by=model")
    assert (by_agent["agent"], by_model["model"]) == ("weather", expected["model"])
    counts = {"model_calls": 2, "input_tokens": 3_000, "output_tokens": 50}
    counts |= {name: value for name, value in expected.items() if name not in ("model", "cost_usd")}
    assert {name: int(by_agent[name]) if name in by_agent else None for name in counts} == counts
    assert float(by_agent["cost_usd"]) == pytest.approx(expected["cost_usd"], rel=1e-3)


def test_every_framework_has_its_example_and_each_says_how_it_is_run() -> None:
    found = {path.name for path in EXAMPLES.glob("with_*")}
    assert found == set(COUNTED) == {*NEEDS, "with_vercel_ai.mjs"}
    for name in found:
        runs = "node" if name.endswith(".mjs") else "python"
        text = (EXAMPLES / name).read_text()
        assert f"python examples/offline.py {runs} examples/{name}\n" in text
        assert re.search(r"^(//)? {4,}(pip|npm) install ", text, re.MULTILINE)


def test_every_package_has_a_range() -> None:
    for path in EXAMPLES.glob("with_*.py"):
        lines = re.findall(r"'([^' ]+)'", path.read_text().split('"""')[1])
        assert lines
        assert all(re.fullmatch(r"[a-z-]+(\[[a-z]+\])?>=[\d.]+,<\d+", each) for each in lines), path.name
    wanted: dict[str, str] = json.loads((EXAMPLES / "package.json").read_text())["dependencies"]
    assert all(each.startswith("^") for each in wanted.values())
