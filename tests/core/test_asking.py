"""What tools share between their words and a Query."""

from __future__ import annotations

import pytest

from agentgauge.core.asking import DAY, distinct_names, groups_of, label_with, recent_buckets
from agentgauge.core.catalog import dataset
from agentgauge.core.errors import UnknownName
from agentgauge.core.time import Bucket, Window

HOUR = 3_600_000
NOON = 20_000 * DAY + 12 * HOUR


@pytest.mark.parametrize(
    ("now", "bucket", "end"),
    [
        (NOON, Bucket("hour"), NOON + HOUR),
        (NOON + 1, Bucket("hour"), NOON + HOUR),
        (NOON - 1, Bucket("hour"), NOON),
        (NOON, Bucket("day"), NOON + 12 * HOUR),
        (NOON, None, NOON + HOUR // 2),
    ],
)
def test_the_recent_buckets_end_with_the_one_that_is_running(now: int, bucket: Bucket | None, end: int) -> None:
    assert recent_buckets(now, bucket, "UTC", default_ms=DAY) == Window(end - DAY, end)


def test_days_of_a_zone_start_at_its_midnights() -> None:
    window = recent_buckets(NOON, Bucket("day", 1, "Asia/Kathmandu"), "Asia/Kathmandu", default_ms=2 * DAY)
    assert (window.start + 5 * HOUR + 45 * 60_000) % DAY == 0


def test_a_name_that_several_have_stands_with_its_id() -> None:
    assert distinct_names({"1": "a", "2": "b", "3": "a"}) == {"1": "a (1)", "2": "b", "3": "a (3)"}


def test_only_agents_are_shown_by_their_names() -> None:
    label = label_with({"1": "Alpha"})
    assert [label("agent", "1"), label("agent", "2"), label("user", "1"), label("agent", None)] == [
        "Alpha",
        "2",
        "1",
        None,
    ]


def test_groups_are_checked_and_each_once() -> None:
    holder = dataset("messages")
    assert groups_of(["channel", "agent", "channel", "metadata.x"], holder) == ("channel", "agent", "metadata.x")
    assert groups_of(None, holder) == ()
    with pytest.raises(UnknownName, match="chanel"):
        groups_of(["chanel"], holder)
