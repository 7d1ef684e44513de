"""The file of sources: what it may say, who may use what, and how several sources give one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from pair import SECRET, Pair
from served import NOW, known_until, sent

from agentgauge.app import App
from agentgauge.config import Settings
from agentgauge.core.errors import CallerError, InvalidValue, UnknownName, Unsupported

GOOD = '[sources.msg]\ndialect = "agentmessage"\nsecret = "KEY"\n'


def app(folder: Path, text: str, org: str = "default") -> App:
    """An application whose sources.toml says that."""
    (folder / "sources.toml").write_text(text)
    return App(Settings(home=folder, org=org), clock=lambda: NOW)


WRONG: dict[str, tuple[str, str]] = {
    "no TOML": ("[sources", "sources.toml is no TOML"),
    "an unknown dialect": (GOOD.replace("agentmessage", "agentmesage"), 'Did you mean "agentmessage"?'),
    "an unknown word": (GOOD + 'baseurl = "x"', "sources.msg.baseurl is not known. A source has: dialect, secret"),
    "a word that another program has": (GOOD.replace("secret", "api_key_env"), "secret names the environment variable"),
    "a word nearly right": (GOOD + 'url = "x"', "Did you mean base_url?"),
    "a list of sources": ('[[sources]]\nname = "msg"', "Write [sources.<name>] for each"),
    "another table": ("[upstreams.msg]", "There are tables [sources.<name>], and [defaults]"),
    "no secret": ('[sources.msg]\ndialect = "agentmessage"', "sources.msg.secret is missing"),
    "plain http": (GOOD + 'base_url = "http://api.agentmsg.io"', "base_url is not https"),
    "a port that is none": (GOOD + 'base_url = "http://127.0.0.1:99999"', "base_url is not https"),
    "no host": (GOOD + 'base_url = "https://"', "base_url is not https"),
    "a password in the address": (GOOD + 'base_url = "https://me:hush@host"', "base_url holds a user or a password"),
    "a user of a bearer": (GOOD + 'user = "X"', "takes a secret and no user"),
    "a bad name": (GOOD.replace("sources.msg", 'sources."Msg 1"'), "sources.Msg 1"),
    "the name local": (GOOD.replace("sources.msg", "sources.local"), "that is the store of this machine"),
    "a default of no tool": (GOOD + '[defaults]\nget_message_metric = "msg"', 'Did you mean "get_message_metrics"?'),
    "a default of no source": (GOOD + '[defaults]\nget_message_metrics = "mgs"', 'Did you mean "msg"?'),
    "a negative timeout": (GOOD + "timeout = -1", "sources.msg.timeout"),
}


async def test_a_key_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="never the key itself") as refused:
        await app(tmp_path, GOOD.replace("KEY", "am_live_abc123")).call("describe_metrics", {})
    assert "am_live_abc123" not in str(refused.value)


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
async def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CallerError) as refused:
        await app(tmp_path, text).call("describe_metrics", {})
    assert words in f"{refused.value.message} {refused.value.hint}"


async def test_an_unknown_source_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as refused:
        await app(tmp_path, GOOD).call("get_message_metrics", {"metric": "sent", "source": "mgs"})
    assert str(refused.value) == snapshot('UNKNOWN_NAME: "mgs" is not a source. Valid: local, msg. Did you mean "msg"?')


async def test_a_source_is_for_the_organisations_it_names(tmp_path: Path) -> None:
    text = GOOD + 'organisations = ["acme"]'
    assert list(app(tmp_path, text, "acme").desk().sources) == ["local", "msg"]
    assert list(app(tmp_path, text).desk().sources) == ["local"]


async def test_a_tool_that_a_source_does_not_answer_is_refused_with_those_it_does(tmp_path: Path) -> None:
    with pytest.raises(Unsupported) as refused:
        await app(tmp_path, GOOD).call("usage_by_agent", {"period": "week", "source": "msg"})
    assert str(refused.value) == snapshot(
        "UNSUPPORTED: msg does not answer usage_by_agent. It answers get_message_metrics. "
        "source=local answers every tool."
    )


async def test_describe_says_what_a_source_can_be_asked(tmp_path: Path) -> None:
    answer = await app(tmp_path, GOOD).call("describe_metrics", {"source": "msg"})
    assert answer.text().splitlines() == snapshot(
        [
            "what can be asked from msg",
            "now: 2026-05-20T12:30Z",
            "sources: local, msg",
            "tool",
            "get_message_metrics",
            (
                "note: get_message_metrics: sent, delivered, failed, cost_cents by channel or error_code; "
                "received by channel; webhooks by endpoint_id, kind or http_status_class; buckets of whole minutes, "
                "no filters"
            ),
        ]
    )


QUESTION: dict[str, Any] = {"metric": "sent", "start": "2026-05-19", "end": "2026-05-19", "interval": "6h"}


async def test_two_sources_give_one_answer_with_a_row_set_and_freshness_each(pair: Pair) -> None:
    pair.vendor.give(sent("2026-05-19T03:00"), sent("2026-05-19T09:00"), known_until("messages", NOW))
    answer = await pair.upstream("get_message_metrics", "local,msg", **QUESTION)
    assert answer.structured() == snapshot(
        {
            "title": "get_message_metrics from 2 sources",
            "sources": {
                "local": {
                    "title": "messages sent",
                    "start": "2026-05-19T00:00Z",
                    "end": "2026-05-20T00:00Z",
                    "interval": "6h",
                    "as_of": None,
                    "total": 0,
                    "columns": ["total", "peak", "partial", "values"],
                    "rows": [[0, None, 0, [None, None, None, None]]],
                },
                "msg": {
                    "title": "messages sent",
                    "start": "2026-05-19T00:00Z",
                    "end": "2026-05-20T00:00Z",
                    "interval": "6h",
                    "as_of": "2026-05-20T12:30Z",
                    "total": 2,
                    "columns": ["total", "peak", "values"],
                    "rows": [[2, "1@00", [1, 1, 0, 0]]],
                },
            },
        }
    )
    assert answer.text() == snapshot("""\
local: messages sent, 2026-05-19 00:00 to 2026-05-20 00:00 UTC, as of: not stated, exact
total 0
total,peak,partial,every 6h from 00:00
0,-,0,-,-,-,-

msg: messages sent, 2026-05-19 00:00 to 2026-05-20 00:00 UTC, as of 2026-05-20 12:30
total 2
total,peak,every 6h from 00:00
2,1@00,1,1,0,0\
""")


async def test_a_source_that_fails_does_not_take_the_others_with_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRET)
    answer = (await pair.upstream("get_message_metrics", "local,msg", **QUESTION)).structured()
    assert answer["sources"]["local"]["total"] == 0
    assert answer["sources"]["msg"] == snapshot(
        {
            "error": {
                "code": "SOURCE_REFUSED",
                "message": "msg has no key: PAIR_SECRET is not set.",
                "hint": "Set PAIR_SECRET in the environment of agentgauge.",
            }
        }
    )


async def test_when_every_source_fails_so_does_the_call(pair: Pair) -> None:
    with pytest.raises(Unsupported):
        await pair.upstream("get_message_metrics", "msg,msg", **QUESTION, group_by="agent")


async def test_a_budget_too_small_to_share_is_refused(pair: Pair) -> None:
    with pytest.raises(InvalidValue, match="too small for 2 sources"):
        await pair.upstream("get_message_metrics", "local,msg", **QUESTION, budget=150)


async def test_a_tool_has_the_default_sources_of_the_file(pair: Pair) -> None:
    pair.vendor.give(sent("2026-05-19T03:00"), known_until("messages", NOW))
    with (pair.home / "sources.toml").open("a") as file:
        file.write('\n[defaults]\nget_message_metrics = "msg"\n')
    async with pair.app.open() as asker:
        answer = await asker.call("get_message_metrics", QUESTION)
    assert answer.structured()["total"] == 1


async def test_an_answer_of_an_upstream_names_it(pair: Pair) -> None:
    async with pair.app.open() as asker:
        answer = await asker.call("get_message_metrics", QUESTION | {"source": "msg"})
    assert answer.structured()["source"] == "msg"
    assert answer.text().startswith("messages sent from msg, 2026-05-19 00:00")


async def test_an_organisation_that_may_not_use_the_default_is_answered_from_its_store(pair: Pair) -> None:
    pair.configure(msg='organisations = ["acme"]')
    with (pair.home / "sources.toml").open("a") as file:
        file.write('\n[defaults]\nget_message_metrics = "msg"\n')
    async with pair.app.open() as asker:
        assert (await asker.call("get_message_metrics", QUESTION)).structured()["total"] == 0
