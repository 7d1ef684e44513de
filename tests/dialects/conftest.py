"""A world of one's own for every test of the tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """agentgauge over an empty folder."""
    return World(tmp_path)
