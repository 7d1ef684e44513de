"""The cache of answers: what is asked at once is computed once, and nothing stale or failed is kept."""

from __future__ import annotations

import anyio
import pytest

from agentgauge.faces.cache import Answers


async def test_a_question_asked_by_many_at_once_is_computed_once() -> None:
    answers, made, got = Answers(), list[int](), list[bytes]()
    ready = anyio.Event()

    async def make() -> bytes:
        made.append(1)
        await ready.wait()
        return b"body"

    async def ask() -> None:
        got.append(await answers.once("question", 1, make))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        ready.set()
    assert (len(made), got) == (1, [b"body"] * 8)


async def test_a_question_that_failed_is_computed_again_by_who_waited_for_it() -> None:
    answers, tries = Answers(), list[int]()

    async def make() -> bytes:
        tries.append(1)
        await anyio.lowlevel.checkpoint()
        if len(tries) == 1:
            raise ValueError("the first one fails")
        return b"body"

    async def ask(failed: list[str], got: list[bytes]) -> None:
        try:
            got.append(await answers.once("question", 1, make))
        except ValueError as error:
            failed.append(str(error))

    failed, got = list[str](), list[bytes]()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask, failed, got)
    assert (len(tries), failed, got) == (2, ["the first one fails"], [b"body", b"body"])


@pytest.mark.parametrize("version", [2, None, "another"])
def test_an_answer_from_before_a_write_is_not_given(version: object) -> None:
    answers = Answers()
    answers.put("question", 1, b"body")
    assert answers.get("question", 1) == b"body"
    assert answers.get("question", version) is None
