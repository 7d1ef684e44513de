"""Event lines: what is read from a file or a body, what is an event, and why something is not."""

from __future__ import annotations

import gzip
import io
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from agentgauge.core.catalog import BY_TYPE, DATASETS
from agentgauge.core.errors import InvalidValue
from agentgauge.ingest import events, sources
from agentgauge.ingest.check import Rejected, Tally, check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TS = 1_780_000_000_000


def line(**fields: Any) -> dict[str, Any]:
    return {"type": "message", "id": "m1", "ts": TS, "direction": "outbound", "status": "sent", **fields}


def model_call(**fields: Any) -> dict[str, Any]:
    return {"type": "model_call", "id": "c1", "ts": TS, **fields}


def point(**fields: Any) -> dict[str, Any]:
    return {"type": "point", "id": "p1", "ts": TS, "name": "tasks", "kind": "gauge", "value": 1, **fields}


def refused(given: object) -> Rejected:
    with pytest.raises(Rejected) as caught:
        check(given)
    return caught.value


def cleaned(given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    tally = Tally()
    return check(given, tally), tally.cleaned


# The key


@pytest.mark.parametrize("given", [[], "x", 1, None, True])
def test_what_is_no_object_is_rejected(given: object) -> None:
    assert refused(given).reason == "not a JSON object."


def test_an_unknown_type_is_rejected_with_the_nearest() -> None:
    error = refused(line(type="mesage"))
    assert error.field == "type"
    assert 'Did you mean "message"?' in error.reason


@pytest.mark.parametrize("kind", [None, 1, [], {}])
def test_a_type_that_is_no_string_is_rejected(kind: object) -> None:
    assert refused(line(type=kind)).field == "type"


@pytest.mark.parametrize("id", [None, 5, "", "x" * 129, "a\nb", "a\u200bb", "a\u202eb", "\ufeffa", "a\x7f"])
def test_an_id_that_is_missing_too_long_or_not_wholly_visible_is_rejected(id: object) -> None:
    assert refused(line(id=id)).field == "id"


def test_an_id_may_be_128_characters_of_any_script() -> None:
    assert check(line(id="ж" * 128))["id"] == "ж" * 128


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (0, 0),
        (TS, TS),
        ("2026-05-05T14:00:00Z", 1_777_989_600_000),
        ("2026-05-05t14:00:00z", 1_777_989_600_000),
        ("2026-05-05 14:00:00+00:00", 1_777_989_600_000),
        ("2026-05-05T16:00:00+02:00", 1_777_989_600_000),
        ("2026-05-05T08:30:00.123456789-05:30", 1_777_989_600_123),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_a_time_is_rfc_3339_with_its_offset_or_milliseconds(given: object, instant: int) -> None:
    assert check(line(ts=given))["ts"] == instant


@pytest.mark.parametrize(
    "ts",
    [
        None,
        True,
        1.78e12,
        "1780000000000",
        "2026-05-05",
        "2026-05-05T14:00:00",
        "2026-05-05T14:00Z",
        "2026-05-05T24:00:00Z",
        "2026-02-30T14:00:00Z",
        "2026-W19-2T14:00:00Z",
        "2026-05-05T14:00:00+02",
        "２026-05-05T14:00:00Z",
        "1969-12-31T23:59:59Z",
        "2100-01-01T00:00:01Z",
        -1,
        TS * 1_000,
        [],
    ],
)
def test_any_other_time_is_rejected(ts: object) -> None:
    assert refused(line(ts=ts)).field == "ts"


# The fields


def test_an_event_keeps_its_fields_and_leaves_out_what_is_null() -> None:
    assert check(line(channel="sms", user=None, metadata=None)) == line(channel="sms")


@pytest.mark.parametrize("kind", BY_TYPE)
def test_every_field_of_every_type_is_taken(kind: str) -> None:
    by_type: dict[str, Any] = {
        "string": "x",
        "code": "30003",
        "integer": 3,
        "number": 0.5,
        "boolean": True,
        "strings": ["a"],
        "map": {"a": "b"},
    }
    fields = {field.name: field.values[0] if field.values else by_type[field.type] for field in BY_TYPE[kind].fields}
    event = {"type": kind, "id": "x", "ts": TS, **fields}
    assert check(event) == event


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda each: each.name)
def test_a_required_field_that_is_missing_is_named(dataset: Any) -> None:
    given = {
        "type": dataset.type,
        "id": "x",
        "ts": TS,
        "name": "n",
        "kind": "gauge",
        "value": 1,
        "direction": "inbound",
    }
    given |= {field.name: field.values[0] for field in dataset.fields if field.required and field.values}
    for field in dataset.fields:
        if field.required:
            assert refused({**given, field.name: None}).field == field.name


@pytest.mark.parametrize("value", [1, True, [], {}, 1.5])
def test_a_string_field_takes_strings_only(value: object) -> None:
    assert refused(line(channel=value)).field == "channel"


def test_a_code_may_be_sent_as_a_whole_number_and_is_kept_as_text() -> None:
    assert check(line(error_code=30003))["error_code"] == "30003"
    assert refused(line(error_code=True)).field == "error_code"
    assert refused(line(error_code=1.5)).field == "error_code"


def test_a_value_outside_the_list_is_rejected_with_the_valid_ones() -> None:
    error = refused(line(status="sended"))
    assert error.field == "status"
    assert "queued, sending, sent" in error.reason


@pytest.mark.parametrize("value", [3, 3.0])
def test_an_integer_may_be_written_as_a_whole_double(value: float) -> None:
    found = check(line(segments=value))["segments"]
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize("value", [1.5, "3", True, -1, 2**63, 1e300, math.inf, math.nan, []])
def test_an_integer_field_takes_nothing_else(value: object) -> None:
    assert refused(model_call(input_tokens=value)).field == "input_tokens"


@pytest.mark.parametrize("value", ["1", True, -0.5, -1, math.nan, math.inf, 10**400, []])
def test_a_number_field_takes_finite_numbers_from_zero_on(value: object) -> None:
    assert refused(model_call(cost_usd=value)).field == "cost_usd"


def test_a_number_too_large_for_an_integer_becomes_a_double() -> None:
    found = check(point(value=2**63))["value"]
    assert (found, type(found)) == (float(2**63), float)
    assert type(check(point(value=2**63 - 1))["value"]) is int


def test_only_the_value_of_a_point_may_be_negative() -> None:
    assert check(point(value=-1.5))["value"] == -1.5


@pytest.mark.parametrize("value", [1, 0, "true"])
def test_a_boolean_is_true_or_false(value: object) -> None:
    assert refused(model_call(is_failure=value)).field == "is_failure"


def test_a_team_is_a_list_of_distinct_names_in_their_order() -> None:
    assert check(line(team=["b", "a", "b"]))["team"] == ["b", "a"]
    for wrong in ("a", [1], [None], {"a": "b"}):
        assert refused(line(team=wrong)).field == "team"


def test_names_made_equal_by_cleaning_are_one_team() -> None:
    assert cleaned(line(team=["a\u200b", "a"])) == (line(team=["a"]), True)


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_metric_name_has_1_to_128_characters(name: str) -> None:
    assert refused(point(name=name)).field == "name"


def test_labels_are_strings_to_strings() -> None:
    assert check(point(labels={"env": "prod"}))["labels"] == {"env": "prod"}
    assert refused(point(labels={"n": 1})).field == "labels.n"
    assert refused(point(labels=["a"])).field == "labels"


def test_metadata_keeps_what_is_no_string_as_its_json() -> None:
    given = {"n": 1, "b": True, "f": 0.5, "o": {"a": [1]}, "s": "x", "nothing": None}
    assert check(line(metadata=given))["metadata"] == {"n": "1", "b": "true", "f": "0.5", "o": '{"a":[1]}', "s": "x"}


@pytest.mark.parametrize("given", [{"k": "v" * 1_025}, {"k" * 129: "v"}, {f"k{n}": "v" for n in range(65)}])
def test_a_map_that_is_too_large_is_rejected(given: dict[str, str]) -> None:
    assert refused(line(metadata=given)).field.startswith("metadata")
    assert refused(point(labels=given)).field.startswith("labels")


def test_a_string_that_is_too_long_is_rejected_by_name() -> None:
    assert refused(line(channel="x" * 1_025)).field == "channel"


def test_unknown_fields_go_to_the_metadata() -> None:
    event = check(line(campaign="spring", attempt=2, tags=["a"], gone=None, metadata={"a": "b"}))
    assert event == line(metadata={"a": "b", "campaign": "spring", "attempt": "2", "tags": '["a"]'})


def test_the_metadata_that_was_sent_comes_before_an_unknown_field_of_the_same_name() -> None:
    assert check(line(campaign="field", metadata={"campaign": "sent"}))["metadata"] == {"campaign": "sent"}


def test_a_long_unknown_string_is_cut_and_counted_a_long_unknown_list_rejected() -> None:
    event, mended = cleaned(line(note="x" * 5_000))
    assert (len(event["metadata"]["note"]), mended) == (1_024, True)
    assert refused(line(note=["x" * 5_000])).field == "metadata.note"


def test_a_long_unknown_name_is_cut_and_counted() -> None:
    assert cleaned(line(**{"k" * 200: 1, "": 2})) == (line(metadata={"k" * 128: "1", "": "2"}), True)


def test_unknown_fields_without_end_are_rejected() -> None:
    assert refused(line(**{f"k{n}": n for n in range(65)})).field == "metadata"


def test_the_object_that_was_given_is_not_changed() -> None:
    given = line(metadata={"a": "b"}, campaign="x", team=["a", "a"])
    before = json.dumps(given)
    check(given)
    assert json.dumps(given) == before


def test_names_are_cleaned_of_invisible_characters_and_it_is_counted() -> None:
    event, mended = cleaned(line(agent_name="Sales\u202e Beta\n", metadata={"k\u200b": "v\x00"}))
    assert (event["agent_name"], event["metadata"], mended) == ("Sales Beta", {"k": "v"}, True)


def test_names_of_other_scripts_are_not_counted_as_cleaned() -> None:
    assert cleaned(line(agent_name="Häns 東京 👍")) == (line(agent_name="Häns 東京 👍"), False)


def test_an_as_of_line_needs_a_dataset_and_a_time() -> None:
    assert check({"type": "as_of", "dataset": "calls", "ts": TS}) == {"type": "as_of", "dataset": "calls", "ts": TS}
    assert refused({"type": "as_of", "dataset": "cals", "ts": TS}).field == "dataset"
    assert refused({"type": "as_of", "ts": TS}).field == "dataset"
    assert refused({"type": "as_of", "dataset": "calls"}).field == "ts"


def test_a_reason_quotes_little_of_what_was_sent() -> None:
    for value in ("x" * 10_000 + "\u202e", 10**5_000, ["x"] * 10_000, "\ud800"):
        assert len(refused(line(direction=value)).reason) < 300


# Lines and arrays


def decoded(body: bytes) -> list[tuple[int, object]]:
    streamed = list(events.decode(io.BufferedReader(io.BytesIO(body))))
    at_hand = list(events.decode_body(body))
    assert [plain(streamed), plain(at_hand)] == [plain(streamed)] * 2
    return streamed


def plain(items: Iterable[tuple[int, object]]) -> list[tuple[int, object]]:
    return [(number, str(value) if isinstance(value, Rejected) else value) for number, value in items]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1}\n{"a":2}\n',
        b'{"a":1}\n{"a":2}',
        b'{"a":1}\r\n{"a":2}\r\n',
        b'\xef\xbb\xbf{"a":1}\n{"a":2}\n',
        b'[{"a":1},{"a":2}]',
        b'\xef\xbb\xbf \n [\n{"a":1},\n{"a":2}\n]\n',
    ],
)
def test_lines_and_an_array_give_the_same_objects(body: bytes) -> None:
    assert decoded(body) == [(1, {"a": 1}), (2, {"a": 2})]


def test_blank_lines_are_ignored_but_counted() -> None:
    assert decoded(b'\n  \n{"a":1}\n\r\n{"a":2}\n') == [(3, {"a": 1}), (5, {"a": 2})]


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xef\xbb\xbf", b"[]"])
def test_nothing_gives_nothing(body: bytes) -> None:
    assert decoded(body) == []


def test_a_bad_line_is_told_with_its_number_and_costs_no_other() -> None:
    body = b'{"a":1}\n{"a":\n\xff\xfe\n{"a":NaN}\n{"a":2}\n'
    assert [number for number, value in decoded(body) if isinstance(value, Rejected)] == [2, 3, 4]
    assert [value for _, value in decoded(body) if isinstance(value, dict)] == [{"a": 1}, {"a": 2}]


def test_a_line_that_begins_like_an_array_costs_no_other() -> None:
    items = decoded(b'[broken\n{"a":2}\n')
    assert isinstance(items[0][1], Rejected)
    assert items[1] == (2, {"a": 2})


def test_a_line_of_a_mib_is_taken_and_a_longer_one_rejected() -> None:
    fits = b'{"a":"' + b"x" * (events.LINE_LIMIT - 8) + b'"}'
    items = decoded(fits + b"\r\n" + fits + b" \n" + b"y" * 5_000_000 + b'\n{"a":1}\n')
    assert [number for number, value in items if isinstance(value, Rejected)] == [2, 3]
    assert items[3] == (4, {"a": 1})


def test_deep_nesting_is_a_bad_line() -> None:
    assert isinstance(decoded(b'{"a":' + b"[" * 100_000 + b"\n")[0][1], Rejected)


def test_an_array_that_is_too_long_is_refused_without_reading_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ARRAY_LIMIT", 100)
    stream = io.BufferedReader(io.BytesIO(b"[" + b"1," * 1_000_000 + b"1]"), 64)
    [(number, value)] = events.decode(stream)
    assert number == 1
    assert "one object a line" in str(value)
    assert stream.tell() < 1_000


# Files, folders and standard input


def packed(lines: bytes) -> bytes:
    return gzip.compress(lines)


def read(*names: object) -> list[tuple[str, int, object]]:
    found: list[tuple[str, int, object]] = []
    for source in sources.find([str(name) for name in names]):
        with sources.opened(source) as opened:
            found += [(opened.name, number, value) for number, value in events.decode(opened.stream)]
    return found


def test_gzip_is_told_by_its_first_bytes_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(packed(b'{"a":1}\n'))
    (tmp_path / "b.gz").write_bytes(b'{"a":2}\n')
    assert [value for _, _, value in read(tmp_path / "a.log", tmp_path / "b.gz")] == [{"a": 1}, {"a": 2}]


def test_a_folder_gives_its_logs_sorted_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "a.ndjson", "sub/c.json", "sub/D.JSONL.GZ", "notes.txt", "x.gz", "y.csv.gz"):
        (tmp_path / name).write_bytes(b'{"a":1}\n')
    found = [name.removeprefix(f"{tmp_path}/") for name, _, _ in read(tmp_path)]
    assert found == ["a.ndjson", "b.jsonl", "sub/D.JSONL.GZ", "sub/c.json"]


def test_sources_come_in_the_order_they_were_named(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_bytes(b'{"a":1}\n')
    assert [name[-1] for name, _, _ in read(tmp_path / "b", tmp_path / "a")] == ["b", "a"]


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(InvalidValue, match="there is no file") as caught:
        sources.find([str(tmp_path / "a"), str(tmp_path / "gone")])
    assert caught.value.hint


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(packed(b'{"a":1}\n'))
    with (tmp_path / "in").open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        assert read("-") == [("standard input", 1, {"a": 1})]


def test_the_first_lines_can_be_looked_at_without_taking_them_away(tmp_path: Path) -> None:
    body = b"".join(b'{"a":%d}\n' % n for n in range(200_000))
    for name, content in (("plain", body), ("packed", packed(body))):
        (tmp_path / name).write_bytes(content)
        [source] = sources.find([str(tmp_path / name)])
        with sources.opened(source) as opened:
            assert opened.first_lines(2) == [b'{"a":0}', b'{"a":1}']
            assert [value for _, value in events.decode(opened.stream)] == [{"a": n} for n in range(200_000)]


@pytest.mark.parametrize("lines", [3, 100_000])
def test_of_a_torn_gzip_file_the_lines_before_the_tear_are_kept(tmp_path: Path, lines: int) -> None:
    whole = packed(b"".join(b'{"a":%d}\n' % n for n in range(lines)))
    (tmp_path / "torn").write_bytes(whole[:-9])
    items = read(tmp_path / "torn")
    good = [value for _, _, value in items if not isinstance(value, Rejected)]
    assert good == [{"a": n} for n in range(len(good))]
    assert len(good) >= lines * 0.9 - 1
    assert "damaged" in str(items[-1][2])


def test_a_file_that_unpacks_to_gigabytes_of_one_line_is_one_bad_line(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.jsonl", "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
        file.write(b'\n{"a":1}\n')
    items = read(tmp_path)
    assert isinstance(items[0][2], Rejected)
    assert [item[1:] for item in items[1:]] == [(2, {"a": 1})]


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"message","id":"a","ts":1}\n',
        b'\xef\xbb\xbf\n\n{"ts":1,"type":"as_of"}\n',
        b'[{"id":"a","metadata":{"a":"b"},"type":"point","ts":1},{"type":"po',
        b'[\n  {\n    "type": "call",\n    "ts": 1\n  },\n',
        b'not json\n{"type":"agent","id":"a","ts":1}\n',
    ],
)
def test_event_lines_are_recognised_by_their_content(body: bytes) -> None:
    assert events.looks_like_events(body.split(b"\n"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"type":"message","role":"user","timestamp":"2026-05-05T14:00:00Z"}\n',
        b'{"type":"assistant","ts":1}\n',
        b'["type","ts"]',
        b"[[[[",
        b'{"type":["message"],"ts":1}',
    ],
)
def test_other_logs_are_not_taken_for_event_lines(body: bytes) -> None:
    assert not events.looks_like_events(body.split(b"\n"))
