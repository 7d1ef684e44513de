"""The pair of agentgauges, for every test of the desks."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from pair import SECRET, Pair, paired


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Pair]:
    """A server of the vendors' wires, and one that asks it."""
    monkeypatch.setenv(SECRET, "am_live_1")
    with paired(tmp_path) as made:
        yield made
