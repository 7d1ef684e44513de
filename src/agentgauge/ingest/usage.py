"""How the parts of a usage stand to its input and its output: in them, or beside them.

Above: the decoders of those who count either way and say the total. Below: nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Beside(NamedTuple):
    """Which parts are to be added."""

    cache: bool
    """To the input: what was read from the cache, and written to it."""
    reasoning: bool
    """To the output."""


def beside(total: int, given: int, output: int, *, cached: int, reasoning: int) -> Beside:
    """What a total holds that input and output do not, as Langfuse's LangChain callback counts it: 1,525 tokens are
    476 of input, 1,024 of it cached, 11 of output and 14 of reasoning."""
    for found in (Beside(True, False), Beside(False, True), Beside(True, True)):
        parts = found.cache * cached + found.reasoning * reasoning
        if parts and total == given + output + parts:
            return found
    return Beside(False, False)
