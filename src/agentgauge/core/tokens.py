"""How many tokens a text costs a model: an estimate that needs no tokenizer.

Above: fitting an answer into its budget. It cuts a text the way byte-pair vocabularies such as o200k do (digits in
threes, words at changes of case, runs of punctuation) and prices each piece; a test holds it against the real one.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise

_PIECE = re.compile(
    r"(\d{1,3})"
    r"|((?<![^\w\s])(?:[^\w\s]|_| ))?([A-Z]?[a-z]+|[A-Z]+(?![a-z]))"  # one mark or space before a word belongs to it
    r"| ?([!-/:-@\[-`{-~]+)[\r\n]*"
    r"|(\s*[\r\n]+|\s+(?!\S)|\s)"
    r"|([\u0080-\u1fff]+)"
    r"|([\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef])"
    r"|([^A-Za-z])"
    r"|([A-Za-z])"
)
_BEFORE = {"": 0.0, " ": 0.0, "_": 0.1, ".": 0.2, "(": 0.3, "-": 0.5, "/": 0.6}
"""How often a mark before a word is a token of its own; marks that are not here always are."""
_JSON_WORDS = frozenset({"null", "true", "false"})
"""These are one token, a comma before them included."""
_COMMON = frozenset(
    (
        "ab ac ad ag ai al am an ap ar as at bl ca ce ch ci ck cl co cr ct cu da de di ea ec ed ee ef eg el em en "
        "ep er es et ev ex ff fi fo ge gr ha he hi ho ia ib ic id ie if ig il im in io ip ir is it iv iz ke la le "
        "li ll lo ls ly ma me mi mo mp na nc nd ne ng ni no ns nt oc od ol om on oo op or os ot ou ow pa pe pi pl "
        "po pp pr pt qu ra rd re ri rm ro rr rs rt ry sa sc se sh si so sp ss st su ta te th ti to tr ts tt tu ty "
        "ul um un up ur us ut va ve ze "
    ).split()
)
"""The commonest pairs of letters in words and identifiers; what has others is no word and falls into small pieces."""


def estimate(text: str) -> int:
    """About how many tokens the text takes; a little high rather than low."""
    cost = 0.0
    for digits, lead, word, marks, space, letters, wide, other, letter in _PIECE.findall(text):
        if digits or space or letter:
            cost += 1
        elif word:
            cost += _word(word, lead)
        elif marks:
            cost += (len(marks) + 1) // 2
        elif letters:
            cost += math.ceil(len(letters) * 0.45)
        elif wide:
            cost += 0.75
        elif other:
            cost += 1 if other < "\U00010000" else 2
    return math.ceil(cost)


@lru_cache(maxsize=4_096)
def _word(word: str, lead: str) -> float:
    if word in _JSON_WORDS:
        return 1.05
    before = _BEFORE.get(lead, 1.0)
    if len(word) <= 2:
        return before + 1.05
    rare = sum(a + b not in _COMMON for a, b in pairwise(word.lower()))
    shouted = 1.3 if word.isupper() else 1.0
    return before + max(1.0, 0.3 + 0.13 * len(word) + 0.6 * rare) * shouted
