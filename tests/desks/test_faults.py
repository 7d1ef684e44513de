"""A vendor that fails in every way is survived, or explained within the deadline; no secret is told to anybody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from faults import GOOD, Script, Vendor, cut_off, drip, http_date, misbehaving, reply, reset, silent

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.errors import (
    GaugeError,
    SourceNotFound,
    SourceRefused,
    UpstreamError,
    UpstreamGarbled,
    UpstreamLimited,
    UpstreamUnreachable,
)

SECRET = "am_live_do_not_tell"
QUESTION = {"metric": "sent", "start": "2026-05-19", "end": "2026-05-19", "interval": "1d", "source": "msg"}
NOW = 1_779_280_200_000

Asker = Callable[[Vendor], App]


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """An application whose only source is that vendor, with a deadline of three seconds."""
    monkeypatch.setenv("MSG_KEY", SECRET)

    def make(vendor: Vendor) -> App:
        lines = ["[sources.msg]", 'dialect = "agentmessage"', f'base_url = "{vendor.address}"', 'secret = "MSG_KEY"']
        (tmp_path / "sources.toml").write_text("\n".join([*lines, "timeout = 3"]))
        return App(Settings(home=tmp_path), clock=lambda: NOW)

    return make


async def ask(app: App, **words: Any) -> Any:
    """The total of the question."""
    async with app.open():
        return (await app.call("get_message_metrics", QUESTION | words)).structured()["total"]


SURVIVED: dict[str, tuple[Script, ...]] = {
    "429 with seconds": (reply(429, {"error": "slow"}, {"Retry-After": "1"}), reply()),
    "429 with a date": (reply(429, {"error": "slow"}, {"Retry-After": http_date(1)}), reply()),
    "429 without a word": (reply(429, b""), reply()),
    "502": (reply(502, b"<html>"), reply()),
    "503": (reply(503, {"error": "busy"}, {"Retry-After": "0"}), reply()),
    "504 twice": (reply(504, b""), reply(504, b""), reply()),
    "an answer cut off": (cut_off, reply()),
    "a connection reset": (reset, reply()),
}


@pytest.mark.parametrize("scripts", SURVIVED.values(), ids=SURVIVED)
async def test_what_passes_by_itself_is_tried_again(asker: Asker, scripts: tuple[Script, ...]) -> None:
    with misbehaving(*scripts) as vendor:
        assert await ask(asker(vendor)) == 7
    assert len(vendor.asked) == len(scripts)


EXPLAINED: dict[str, tuple[Script, type[GaugeError], str, int]] = {
    "a wrong key": (
        reply(401, {"success": False, "error": {"code": "UNAUTHORIZED", "message": "authentication failed"}}),
        SourceRefused,
        "msg did not take the key (401: UNAUTHORIZED: authentication failed). Set MSG_KEY to a valid key for it.",
        1,
    ),
    "a missing scope": (
        reply(403, {"message": "no"}),
        SourceRefused,
        "does not allow this key to ask that (403: no). Set MSG_KEY to a key that may.",
        1,
    ),
    "a parameter it does not take": (
        reply(422, {"detail": [{"loc": ["query", "tz"], "msg": "Input should be valid", "type": "enum"}]}),
        SourceRefused,
        "refused the question (422: query; tz: Input should be valid)",
        1,
    ),
    "a tier too small": (
        reply(422, {"error": {"code": "GRANULARITY_NOT_AVAILABLE", "details": {"max_granularity": "day"}}}),
        SourceRefused,
        'refused the question (422: GRANULARITY_NOT_AVAILABLE: {"max_granularity":"day"})',
        1,
    ),
    "nothing there": (reply(404, {"detail": "Not Found"}), SourceNotFound, "(404: Not Found)", 1),
    "500": (reply(500, {"error": {"message": "internal error"}}), UpstreamError, "msg failed (500: internal error)", 1),
    "no JSON": (
        reply(200, b"<html>", {"Content-Type": "text/html"}),
        UpstreamGarbled,
        "answered something that is not JSON (text/html, 6 bytes)",
        1,
    ),
    "another JSON": (reply(200, {"data": 1}), UpstreamGarbled, "in a form that is not its documented one", 1),
    "a changed field": (
        reply(200, GOOD | {"data": {**GOOD["data"], "buckets": [{"start": 1, "value": 2}]}}),
        UpstreamGarbled,
        "KeyError: 'bucket_start'",
        1,
    ),
    "always 503": (reply(503, b""), UpstreamUnreachable, "msg is not available (503)", 4),
    "a long wait": (
        reply(429, b"", {"Retry-After": "3600"}),
        UpstreamLimited,
        "asks for fewer requests (429). Ask again in 1 hour.",
        1,
    ),
    "always cut off": (cut_off, UpstreamUnreachable, "broke off", 4),
    "always reset": (reset, UpstreamUnreachable, "broke off", 4),
    "a slow drip": (drip, UpstreamUnreachable, "did not answer within 3 seconds", 1),
    "silence": (silent, UpstreamUnreachable, "did not answer within 3 seconds", 1),
}


@pytest.mark.parametrize(("script", "kind", "words", "times"), EXPLAINED.values(), ids=EXPLAINED)
async def test_what_does_not_pass_is_explained_within_the_deadline(
    asker: Asker, script: Script, kind: type[GaugeError], words: str, times: int
) -> None:
    with misbehaving(script) as vendor, pytest.raises(kind) as refused:
        await ask(asker(vendor))
    assert type(refused.value) is kind
    assert words in f"{refused.value.message} {refused.value.hint}"
    assert len(vendor.asked) == times


async def test_a_host_that_is_not_there_is_named(asker: Asker) -> None:
    with misbehaving(reply()) as vendor:
        app = asker(vendor)
    with pytest.raises(UpstreamUnreachable, match=f"cannot be reached at 127.0.0.1:{vendor.port}"):
        await ask(app)


async def test_without_a_key_the_variable_is_named_and_nothing_is_sent(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MSG_KEY")
    with misbehaving(reply()) as vendor, pytest.raises(SourceRefused, match="MSG_KEY is not set"):
        await ask(asker(vendor))
    assert not vendor.asked


async def test_a_redirect_to_another_host_drops_the_key(asker: Asker) -> None:
    with misbehaving(reply(401, b"")) as other:
        there = f"http://localhost:{other.port}/elsewhere"
        with (
            misbehaving(reply(302, b"", {"Location": there})) as vendor,
            pytest.raises(SourceRefused, match="redirected to localhost"),
        ):
            await ask(asker(vendor))
    assert "authorization: bearer" in vendor.asked[0].lower()
    assert "authorization" not in other.asked[0].lower()
    assert SECRET not in other.asked[0]


async def test_a_redirect_on_the_same_host_is_followed(asker: Asker) -> None:
    with misbehaving(reply(307, b"", {"Location": "/v2"}), reply()) as vendor:
        assert await ask(asker(vendor)) == 7
    assert "GET /v2 " in vendor.asked[1]
    assert SECRET in vendor.asked[1]


async def test_a_redirect_to_plain_http_elsewhere_sends_nothing(asker: Asker) -> None:
    with (
        misbehaving(reply(302, b"", {"Location": "http://example.invalid/"})) as vendor,
        pytest.raises(SourceRefused, match="neither https nor on this machine"),
    ):
        await ask(asker(vendor))


async def test_redirects_in_a_circle_end(asker: Asker) -> None:
    with (
        misbehaving(reply(302, b"", {"Location": "/again"})) as vendor,
        pytest.raises(SourceRefused, match="redirects in a circle"),
    ):
        await ask(asker(vendor))


async def test_a_page_that_fails_is_never_passed_off_as_the_whole(asker: Asker) -> None:
    first = GOOD | {"meta": {**GOOD["meta"], "next_cursor": "c2"}}
    with misbehaving(reply(200, first), reply(500, b"")) as vendor, pytest.raises(UpstreamError, match="failed"):
        await ask(asker(vendor))
    assert "cursor=c2" in vendor.asked[1]


async def test_a_cursor_that_never_ends_is_noticed(asker: Asker) -> None:
    again = GOOD | {"meta": {**GOOD["meta"], "next_cursor": "same"}}
    with misbehaving(reply(200, again)) as vendor, pytest.raises(UpstreamGarbled, match="again and again"):
        await ask(asker(vendor))
    assert len(vendor.asked) == 2


async def test_a_cancelled_call_lets_go_of_its_request(asker: Asker) -> None:
    with misbehaving(silent) as vendor:
        app = asker(vendor)
        async with app.open(), anyio.create_task_group() as tasks:
            tasks.start_soon(app.call, "get_message_metrics", QUESTION)
            assert await anyio.to_thread.run_sync(vendor.reached.wait, 10)
            tasks.cancel_scope.cancel()
        assert tasks.cancel_scope.cancelled_caught


async def test_a_vendor_that_repeats_the_key_is_quoted_without_it(asker: Asker) -> None:
    for status in (400, 401, 404, 429, 500):
        with misbehaving(reply(status, {"message": f"{SECRET} is no key"}, {"Retry-After": "9"})) as vendor:
            with pytest.raises(GaugeError) as refused:
                await ask(asker(vendor))
        assert "*** is no key" in refused.value.message
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("ends", ["\n", "\r\n", " ", "\ufeff", "é"])
async def test_a_key_with_a_line_end_or_strange_letters_is_trimmed_or_refused_untold(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setenv("MSG_KEY", SECRET + ends)
    with misbehaving(reply()) as vendor:
        if ends.isspace():
            assert await ask(asker(vendor)) == 7
            assert f"Bearer {SECRET}\r\n" in vendor.asked[0]
            return
        with pytest.raises(SourceRefused, match="MSG_KEY holds characters that no key has") as refused:
            await ask(asker(vendor))
    assert SECRET not in str(refused.value)
    assert not vendor.asked


async def test_a_refusal_that_we_know_says_what_to_ask_instead(asker: Asker) -> None:
    body = {"success": False, "error": {"code": "GRANULARITY_NOT_AVAILABLE", "details": {"max_granularity": "day"}}}
    with misbehaving(reply(422, body)) as vendor, pytest.raises(SourceRefused, match="interval=1d"):
        await ask(asker(vendor), interval="1h")


async def test_no_failure_tells_the_secret(asker: Asker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for script in (reply(401, {"message": "no"}), reply(500, b""), reply(200, b"x"), reset):
        with misbehaving(script) as vendor, pytest.raises(GaugeError) as refused:
            await ask(asker(vendor))
        said.append(str(refused.value))
    assert SECRET not in "".join(said) + "".join(
        record.getMessage() for record in caplog.records if record.name != "httpcore2"
    )


async def test_the_same_question_again_costs_no_request_within_its_age(asker: Asker) -> None:
    with misbehaving(reply(200, GOOD, {"Cache-Control": "private, max-age=30"})) as vendor:
        app = asker(vendor)
        assert await ask(app) == 7
        assert await ask(app) == 7
    assert len(vendor.asked) == 1


async def test_an_answer_that_must_not_be_kept_is_asked_again(asker: Asker) -> None:
    with misbehaving(reply(200, GOOD, {"Cache-Control": "no-store"})) as vendor:
        app = asker(vendor)
        await ask(app)
        await ask(app)
    assert len(vendor.asked) == 2


async def test_an_answer_is_not_used_after_its_age(asker: Asker) -> None:
    with misbehaving(reply(200, GOOD, {"Cache-Control": "max-age=30"})) as vendor:
        first = asker(vendor)
        await ask(first)
        await ask(App(first.settings, clock=lambda: NOW + 30_000))
    assert len(vendor.asked) == 2


async def test_a_question_about_the_last_hours_is_the_same_question_a_moment_later(asker: Asker) -> None:
    instants = iter(range(NOW, NOW + 1_000_000, 700))
    window = {"from": "2026-05-20T09:30:00Z", "to": "2026-05-20T12:30:00Z", "granularity": "minute"}
    bucket = {"bucket_start": "2026-05-20T10:00:00Z", "value": 7}
    body = GOOD | {"data": {**GOOD["data"], **window, "buckets": [bucket]}}
    with misbehaving(reply(200, body, {"Cache-Control": "max-age=30"})) as vendor:
        app = App(asker(vendor).settings, clock=lambda: next(instants))
        for _ in range(3):
            assert await ask(app, start="now-3h", end="now", interval="1m") == 7
    assert len(vendor.asked) == 1


async def test_a_cache_that_cannot_be_written_is_no_failure(asker: Asker) -> None:
    with misbehaving(reply()) as vendor:
        app = asker(vendor)
        (app.settings.home / "answers").write_text("no folder")
        assert await ask(app) == 7
