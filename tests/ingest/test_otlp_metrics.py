"""Metric points from OpenTelemetry: counted once, whatever their temporality, order and repetition."""

from __future__ import annotations

from itertools import permutations
from math import fsum, isclose
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.catalog import BUCKETED
from agentgauge.ingest.otlp.cumulative import Series
from agentgauge.ingest.otlp.histograms import MOST_VALUES, Bucket, explicit, values, within
from agentgauge.ingest.otlp.metrics import points_to_events
from agentgauge.ingest.otlp.records import CUMULATIVE, DELTA, Buckets, MetricPoint
from agentgauge.ingest.run import Intake

SECOND = 1_000_000_000
START = 1_779_235_200 * SECOND
NOW = 1_779_280_200_000


def point(value: float | None = None, after_s: int = 1, **fields: Any) -> MetricPoint:
    """A point of a cumulative counter, unless told otherwise."""
    given: dict[str, Any] = {
        "name": "calls",
        "unit": "1",
        "description": "",
        "type": "sum",
        "temporality": CUMULATIVE,
        "monotonic": True,
        "attributes": {"model": "m"},
        "resource": {"service.name": "bot", "service.instance.id": "i1"},
        "scope": "s",
        "start_ns": START,
        "time_ns": START + after_s * SECOND,
        "value": value,
    }
    return MetricPoint(**given | fields)


class Home:
    """A store that metric points go into, one request after another; each request opens it anew, as after a restart."""

    def __init__(self, folder: Path) -> None:
        self.app = App(Settings(home=folder), clock=lambda: NOW)

    def send(self, *points: MetricPoint) -> None:
        """One request."""
        with self.app.sink() as sink, Intake(sink) as intake:
            intake.events(points_to_events(points, Series(intake.recall)))
        assert not intake.report.rejections

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every point that is stored, oldest first."""
        return [dict(each) for each in self.app.store.rows("points", (), most=10_000)]

    def values(self, name: str = "calls") -> list[float]:
        """The values of one metric."""
        return [each["value"] for each in self.points if each["name"] == name]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty one."""
    return Home(tmp_path)


def test_a_cumulative_counter_becomes_what_was_added(home: Home) -> None:
    home.send(point(3), point(10, 2))
    home.send(point(10, 3), point(12, 4))
    assert home.values() == [3, 7, 2]
    assert {each["kind"] for each in home.points} == {"counter"}


def test_points_that_are_sent_again_add_nothing(home: Home) -> None:
    for _ in range(2):
        home.send(point(3), point(10, 2))
        home.send(point(10, 2), point(10, 3))
    assert home.values() == [3, 7]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_total_is_the_same_in_any_order(home: Home, order: tuple[int, ...]) -> None:
    points = (point(3), point(10, 2), point(12, 3))
    for index in order:
        home.send(points[index])
    assert sum(home.values()) == 12


def test_a_new_start_and_a_fall_are_resets(home: Home) -> None:
    home.send(point(10), point(4, 2), point(6, 3))
    home.send(point(5, 9, start_ns=START + 8 * SECOND))
    assert home.values() == [10, 4, 2, 5]


def test_series_of_other_attributes_instances_and_scopes_are_apart(home: Home) -> None:
    home.send(point(1), point(2, attributes={"model": "n"}), point(4, scope="t"))
    home.send(point(8, resource={"service.name": "bot", "service.instance.id": "i2"}))
    assert sum(home.values()) == 15


def test_delta_points_count_as_they_are_and_once(home: Home) -> None:
    for _ in range(2):
        home.send(point(3, temporality=DELTA), point(4, 2, temporality=DELTA), point(0, 3, temporality=DELTA))
    assert home.values() == [3, 4]


def test_an_up_down_counter_is_a_level_or_what_it_moved(home: Home) -> None:
    home.send(point(5, monotonic=False), point(3, 2, monotonic=False))
    home.send(point(-2, 3, monotonic=False, temporality=DELTA, name="moved"))
    assert [(each["name"], each["kind"], each["value"]) for each in home.points] == [
        ("calls", "gauge", 5),
        ("calls", "gauge", 3),
        ("moved", "counter", -2),
    ]


def test_integers_beyond_doubles_stay_exact_through_what_is_remembered(home: Home) -> None:
    home.send(point(2**53 + 1))
    home.send(point(2**62, 2))
    assert home.values() == [2**53 + 1, 2**62 - 2**53 - 1]


def test_where_a_point_belongs_is_read_from_its_resource_and_attributes(home: Home) -> None:
    resource = {"service.name": "bot", "deployment.environment.name": "prod", "process.command_args": ["-p", "secret"]}
    attributes: dict[str, Any] = {"session.id": "s1", "user.email": "a@b.c", "error.type": "x", "retries": 3.0}
    attributes |= {"gen_ai.input.messages": "what was said"}
    home.send(point(1, resource=resource, attributes=attributes))
    (found,) = home.points
    assert {name: value for name, value in found.items() if value is not None and name not in ("id", "ts")} == {
        "name": "calls",
        "kind": "counter",
        "value": 1,
        "agent_name": "bot",
        "session_id": "s1",
        "user": "a@b.c",
        "environment_id": "prod",
        "labels": {"error.type": "x", "retries": "3"},
        "metadata": {"unit": "1", "scope": "s"},
        "source": "otlp",
    }


def histogram(counts: tuple[int, ...], total: float, after_s: int = 1, **fields: Any) -> MetricPoint:
    """A point of a cumulative histogram with bounds 1, 4 and 16."""
    given: dict[str, Any] = {
        "name": "latency",
        "type": "histogram",
        "monotonic": False,
        "count": sum(counts),
        "sum": total,
        "bounds": (1.0, 4.0, 16.0),
        "bucket_counts": counts,
    }
    return point(None, after_s, **given | fields)


def test_a_histogram_is_as_many_values_as_were_observed_with_their_exact_sum(home: Home) -> None:
    home.send(histogram((1, 2, 0, 0), 6.0))
    home.send(histogram((1, 2, 3, 0), 30.0, 2), histogram((1, 2, 3, 0), 30.0, 3))
    assert len(home.values("latency")) == 6
    assert fsum(home.values("latency")) == pytest.approx(30.0)
    later = sorted(home.values("latency"))[3:]
    assert all(4 < value <= 16 for value in later)
    assert {each["source"] for each in home.points} == {BUCKETED}


def test_one_observation_is_known_exactly(home: Home) -> None:
    home.send(histogram((0, 1, 0, 0), 2.5))
    assert home.values("latency") == [2.5]
    assert home.points[0]["source"] == "otlp"


def test_of_very_many_observations_some_stand_for_all_and_count_and_sum_stay_exact(home: Home) -> None:
    home.send(histogram((0, 100_000, 0, 0), 250_000.0))
    assert len(home.values("latency")) == MOST_VALUES
    assert home.values("latency.count") == [100_000]
    assert home.values("latency.sum") == [250_000.0]


def exponential(positive: Buckets, scale: int, total: float, after_s: int) -> MetricPoint:
    """A point of a cumulative exponential histogram."""
    return histogram(
        (),
        total,
        after_s,
        type="exponential_histogram",
        bounds=(),
        scale=scale,
        positive=positive,
        count=sum(positive.counts),
    )


def test_an_exponential_histogram_that_became_coarser_is_still_told_apart(home: Home) -> None:
    home.send(exponential(Buckets(0, (1, 0, 0, 1)), 1, 4.5, 1))  # (1, 1.41] and (2.83, 4]
    home.send(exponential(Buckets(0, (1, 2)), 0, 7.0, 2))  # (1, 2] and (2, 4]
    found = home.values("latency")
    assert len(found) == 3
    assert isclose(fsum(found), 7.0)
    assert 2 < found[-1] <= 4


def test_a_summary_is_its_quantiles_and_what_was_counted(home: Home) -> None:
    home.send(point(None, type="summary", monotonic=False, count=4, sum=10.0, quantiles=((0.5, 2.0), (0.99, 4.0))))
    assert sorted((each["name"], each["kind"], each["value"]) for each in home.points) == [
        ("calls", "gauge", 2.0),
        ("calls", "gauge", 4.0),
        ("calls.count", "counter", 4),
        ("calls.sum", "counter", 10.0),
    ]


@given(
    st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any),
    st.floats(0, 1),
)
def test_values_lie_in_their_buckets_and_add_up_to_any_sum_that_the_buckets_allow(
    counts: list[int], share: float
) -> None:
    buckets = within(explicit((1.0, 4.0, 16.0), counts, 0.25, 64.0), 0.25, 64.0)
    least = fsum(each.low * each.n for each in buckets)
    most = fsum(each.high * each.n for each in buckets)
    total = least + share * (most - least)
    found = values(buckets, total)
    assert len(found) == sum(counts)
    assert isclose(fsum(found), total, rel_tol=1e-9)
    expanded = [each for each in buckets for _ in range(each.n)]
    if len(found) > 1:
        assert all(each.low - 1e-6 <= value <= each.high + 1e-6 for value, each in zip(found, expanded, strict=True))


def test_without_a_sum_a_value_is_the_geometric_middle_of_its_bucket() -> None:
    assert values([Bucket(1.0, 4.0, 2), Bucket(4.0, 16.0, 1)], None) == [2.0, 2.0, 8.0]
