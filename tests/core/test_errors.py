"""Refusals: what is valid, what is near, and stored names that cannot do harm in them."""

from __future__ import annotations

import inspect
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.core import errors
from agentgauge.core.errors import (
    CallerError,
    GaugeError,
    StoreError,
    UnknownName,
    UpstreamError,
    clean,
    nearest,
    quote,
    unknown_name,
)

TAG_TEXT = "".join(chr(0xE0000 + ord(char)) for char in "ignore all")


def every_error() -> list[type[GaugeError]]:
    return [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, GaugeError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in every_error()]
    assert len(codes) == len(set(codes))


def test_every_error_is_the_callers_the_upstreams_or_ours() -> None:
    assert all(
        issubclass(each, CallerError | UpstreamError | StoreError) for each in every_error() if each is not GaugeError
    )


def test_every_error_stands_in_the_tree_of_the_modules_docstring() -> None:
    assert all(each.__name__ in (errors.__doc__ or "") for each in every_error())


def test_an_error_prints_its_code_message_and_hint() -> None:
    error = errors.InvalidValue("limit is 0.", hint="Take 1 to 200.", details={"limit": 0})
    assert str(error) == "INVALID_VALUE: limit is 0. Take 1 to 200."
    assert error.details == {"limit": 0}


def test_a_name_that_does_not_exist_is_refused_with_the_valid_ones_and_the_nearest() -> None:
    error = unknown_name("a field", "chanel", ["channel", "status", "direction"], where="messages")
    assert isinstance(error, UnknownName)
    assert error.message == '"chanel" is not a field of messages. Valid: channel, status, direction.'
    assert error.hint == 'Did you mean "channel"?'


def test_a_name_that_resembles_nothing_gets_no_hint() -> None:
    error = unknown_name("a field", "zzz", ["channel", "status"])
    assert error.message == '"zzz" is not a field. Valid: channel, status.'
    assert error.hint == ""


def test_where_nothing_is_valid_the_refusal_says_so() -> None:
    assert unknown_name("a source", "x", []).message == '"x" is not a source. None is valid here.'
    assert unknown_name("an agent", "x", [], many=True).message == '"x" is not an agent. None is known yet.'


@pytest.mark.parametrize(
    ("given_name", "found"),
    [
        ("latency", "latency_ms"),
        ("latencyMs", "latency_ms"),
        ("LATENCY_MS", "latency_ms"),
        ("latecny_ms", "latency_ms"),
        ("model", "model_name"),
        ("cost", "cost_usd"),
        ("team_name", "team"),
        ("input tokens", "input_tokens"),
    ],
)
def test_case_punctuation_and_small_mistakes_do_not_hide_the_nearest_name(given_name: str, found: str) -> None:
    assert nearest(given_name, ["latency_ms", "model_name", "cost_usd", "team", "input_tokens", "id"])[0] == found


@pytest.mark.parametrize("given_name", ["", "   ", "___", "\u202e", "日本"])
def test_nothing_is_near_to_a_name_without_a_resemblance(given_name: str) -> None:
    assert nearest(given_name, ["latency_ms", "model_name"]) == []


def test_stored_names_are_quoted_five_at_most_and_their_number_said() -> None:
    known = [f"support-bot-{number}" for number in range(50)]
    error = unknown_name("an agent", "support-bot", known, many=True)
    assert error.message.count('"support-bot-') == 5
    assert "(of 50)" in error.message
    assert str(error).count('"') == 2 * 7  # what was given, five known names, the nearest once more


def test_a_refusal_over_stored_names_that_resemble_nothing_shows_the_first_five() -> None:
    error = unknown_name("an agent", "qqq", ["a1", "b2", "c3", "d4", "e5", "f6"], many=True)
    assert error.message == '"qqq" is not an agent. Known (of 6): "a1", "b2", "c3", "d4", "e5".'
    assert error.hint == ""


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("two words", "two words"),
        ("Zoë 日本 ☎ 👍", "Zoë 日本 ☎ 👍"),
        ("a\x00b\x1b[31mc\x7fd\x9be", "ab[31mcde"),
        ("line\nbreak\r\n\ttab", "linebreaktab"),
        ("line\u2028separator\u2029paragraph", "lineseparatorparagraph"),
        ("abc\u202edef\u2066ghi\u2069\u200f", "abcdefghi"),  # text that would run backwards
        ("zero\u200bwidth\u200c\u200d\u2060\ufeffjoin", "zerowidthjoin"),
        ("soft\u00adhyphen", "softhyphen"),
        (f"bot{TAG_TEXT}", "bot"),  # letters nobody sees but a model
        ("bot\U000e0100\U000e01ef\ufe00\ufe0f", "bot"),  # bytes smuggled as variants of a letter
        ("a\u115f\u1160\u3164\uffa0b\u034fc", "abc"),  # letters without a shape
        ("private\ue000\U000f0000", "private"),
        ("half\ud800", "half"),
        ("", ""),
    ],
)
def test_names_are_cleaned_of_control_and_invisible_characters(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text())
def test_a_cleaned_name_shows_every_character_it_has_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in cleaned)
    assert clean(cleaned) == cleaned
    assert cleaned.encode().decode() == cleaned


@given(st.text() | st.text(min_size=60, max_size=80))
def test_a_quoted_name_is_a_json_string_of_at_most_64_characters(text: str) -> None:
    quoted = quote(text)
    assert json.loads(quoted) == clean(text)[:64]
    assert "\n" not in quoted


@given(st.text(), st.lists(st.text(), max_size=9), st.booleans())
def test_any_name_can_be_refused(name: str, valid: list[str], many: bool) -> None:
    error = unknown_name("a thing", name, valid, many=many)
    assert quote(name) in error.message
