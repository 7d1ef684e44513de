"""What every test shares: hypothesis that finds the same examples on every run, unless told to search.

`AGENTGAUGE_EXAMPLES=5000 pytest tests/core` looks at 5,000 random examples a property instead.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SEARCH = os.environ.get("AGENTGAUGE_EXAMPLES")

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=not _SEARCH,
    database=None,
    max_examples=int(_SEARCH or 100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")
