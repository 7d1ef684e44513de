"""Points that stand for histogram buckets: sums stay exact, quantiles of them are said to be approximate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from world import event

from agentgauge.core.catalog import BUCKETED

if TYPE_CHECKING:
    from world import World

WORDS = {"start": "2026-05-19", "end": "2026-05-19", "metric_names": "latency", "view": "timeseries"}
P95 = [{"type": "p95", "column": "value"}]


def latency(source: str, value: float, minute: int) -> dict[str, object]:
    """A histogram point."""
    when = f"2026-05-19T03:{minute:02}"
    return event("point", when, name="latency", kind="histogram", value=value, source=source)


@pytest.mark.parametrize(("source", "said"), [("otlp", "exact"), (BUCKETED, "approximate")])
async def test_a_quantile_says_whether_it_is_of_buckets(world: World, source: str, said: str) -> None:
    world.give(latency(source, 2.0, 1), latency("otlp", 3.0, 2))
    for answer in (
        await world.ask("query_custom_metrics", **WORDS),
        await world.ask(
            "query_datapoints", datasource="points", aggregations=P95, start="2026-05-19", end="2026-05-19"
        ),
    ):
        assert said in answer.text().splitlines()[0]
        assert ("approximate" in answer.structured()) is (said == "approximate")


async def test_a_sum_of_buckets_is_exact(world: World) -> None:
    world.give(latency(BUCKETED, 2.0, 1), latency(BUCKETED, 3.0, 2))
    answer = await world.ask("query_custom_metrics", **WORDS | {"view": "daily"})
    assert "exact" in answer.text().splitlines()[0]
    assert answer.structured()["total"] == 5
