"""The call keys that a coding agent's local log and its telemetry both can compute, so that a session counts once.

Above: `agent_log` (Codex and Gemini CLI logs) and the OTLP mapping of the same two programs. Below: nothing.

Claude Code puts one request id into both (`anthropic:<request id>`). Codex and Gemini CLI put no id of a model call
into their telemetry that their files hold too. What both have is the session and the exact numbers of tokens, so these
are the key, and calls of one session with equal numbers are told apart by counting them (`nth`, from 1). It does not
matter which of two equal calls is the first: they are equal, and there are as many of them on both sides.

| what | Codex | Gemini CLI |
|---|---|---|
| session | rollout `session_meta.id` = log `conversation.id` | chat `sessionId` = log `session.id` |
| numbers | input, min(cached, input), output, reasoning | input, cached, output, thoughts, tool |
| log | `codex.sse_event`, kind response.completed, with `input_token_count` | `gemini_cli.api_response` |
| tool | `call_id`, in both | name and whether it failed, counted |
| run | the nth `user_message` = the nth `codex.user_prompt` | the nth user message = the nth `user_prompt` |

A number that one side leaves out is 0. Ranks: of equal copies the local log's wins, because it knows the project, the
run and the agent; of tool calls the telemetry's, because it measured the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Program: TypeAlias = Literal["codex", "gemini"]

TELEMETRY, LOCAL = 0, 1
"""The last bit of the rank of a model call or a run: of copies with equal numbers the local log's counts."""
UNFINISHED, FINISHED, MEASURED = range(3)
"""The ranks of a tool call: without its result; with it; from telemetry, which measured how long it took."""
REMEMBERED = 1_000
"""How many instants of equal happenings `Ordinals` remembers."""
_MEMO = "nth:"


def call(program: Program, session: str, *numbers: int | None) -> str:
    """A model call, by its session and its numbers in the order of the table above; still without its ordinal."""
    return f"{program}:{session}:call:{'+'.join(str(number or 0) for number in numbers)}"


def tool(program: Program, session: str, *about: str) -> str:
    """A tool call: by its call id, or by its name and `failed` or `done`, still without its ordinal."""
    return f"{program}:{session}:tool:{':'.join(about)}"


def run(program: Program, session: str) -> str:
    """A run of a session, still without its ordinal."""
    return f"{program}:{session}:run"


def nth(equal: str, ordinal: int) -> str:
    """The call key of the one with this ordinal (from 1) among equal ones."""
    return f"{equal}:{ordinal}"


def rank(tokens: int, cost: float | None, last: int) -> int:
    """The order of copies of a model call in 62 bits: by tokens, by cost in millionths, then by `last` (0 or 1)."""
    millionths = min(round((cost or 0.0) * 1_000_000), 2**28 - 1)
    return min(tokens, 2**33 - 1) << 29 | millionths << 1 | last


def run_rank(tokens: int, latency_ms: int | None) -> int:
    """The order of copies of a run: by the tokens it took so far, then by how long it took so far."""
    return min(tokens, 2**31 - 1) << 31 | min(latency_ms or 0, 2**31 - 1)


class Ordinals:
    """Counts equal happenings of a stream that may be sent again: one of the same instant keeps its ordinal.

    What it counted is found again as memos, so that a session counts on when the server starts again.
    """

    def __init__(self, recall: Callable[[str], bytes | None]) -> None:
        self._recall = recall
        self._seen: dict[str, dict[int, int]] = {}

    def of(self, equal: str, instant: int) -> int:
        """The ordinal, from 1, of what happened at this instant (in any unit) among what is equal but for the time."""
        instants = self._seen.get(equal)
        if instants is None:
            instants = self._seen[equal] = self._remembered(equal)
        if instant not in instants:
            instants[instant] = next(reversed(instants.values()), 0) + 1
            if len(instants) > REMEMBERED:
                del instants[next(iter(instants))]
        return instants[instant]

    def memos(self) -> Iterator[tuple[str, bytes]]:
        """What is to be remembered of everything that was counted: keys and values for `recall`."""
        for equal, instants in self._seen.items():
            yield _MEMO + equal, orjson.dumps([next(iter(instants.values())), *instants])

    def _remembered(self, equal: str) -> dict[int, int]:
        """By instant the ordinal, ascending."""
        found = self._recall(_MEMO + equal)
        if found is None:
            return {}
        first, *instants = orjson.loads(found)
        return {instant: ordinal for ordinal, instant in enumerate(instants, first)}
