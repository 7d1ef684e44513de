"""The stores that every promise of the design is held against; `held.STORES` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from held import STORES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from held import Held


@pytest.fixture(params=STORES)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    """An empty store of each kind, to be given events."""
    found = STORES[request.param](tmp_path)
    yield found
    found.close()
