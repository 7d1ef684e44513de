"""The OpenTelemetry SDK for JavaScript exports to a real server, and loses nothing while the store is busy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from exported import environment, serving

HERE = Path(__file__).parent / "javascript"
NODE, NPM = shutil.which("node"), shutil.which("npm")

pytestmark = pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that sends, with the SDK beside it."""
    folder = tmp_path_factory.mktemp("javascript")
    for each in HERE.iterdir():
        if each.is_file():
            shutil.copy(each, folder)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    done = subprocess.run([str(NPM), "install", *quiet], cwd=folder, timeout=100, check=False)
    if done.returncode:
        pytest.skip("npm cannot fetch the SDK here")
    return folder


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_batches_that_meet_a_busy_store_are_sent_again_and_counted_once(
    project: Path, tmp_path: Path, encoding: str
) -> None:
    with serving(tmp_path) as (server, url):
        command = [str(NODE), "send.mjs", url, "700", encoding]
        with server.busy():
            sender = subprocess.Popen(command, cwd=project, env=environment(tmp_path))
            assert server.until(r"POST /v1/traces: (STORE_BUSY)")
        assert sender.wait(60) == 0
        found = server.total("model_calls", {"type": "count"}, {"type": "sum", "column": "input_tokens"})
        assert found == {"count": 700, "sum_input_tokens": 70_000}
