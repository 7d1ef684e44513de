"""How many tokens a text costs a model: an estimate that needs no tokenizer.

Above: fitting an answer into its budget. It cuts a text the way byte-pair vocabularies such as o200k do (digits in
threes, words at changes of case, runs of punctuation) and prices each piece; a test holds it against the real one.
"""

from __future__ import annotations

import math
import re

_PIECE = re.compile(
    r"(\d{1,3})"
    r"|(?<![^\w\s])([^\w\s]|_| )?([A-Z]?[a-z]+|[A-Z]+(?![a-z]))"  # one mark or space before a word belongs to it
    r"|([!-/:-@\[-`{-~]+)[\r\n]*"
    r"|(\s+)"
    r"|([\u0080-\u1fff]+)"
    r"|([\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef])"
    r"|([^\x00-\x7f])"
    r"|([A-Za-z])"
)
_RUN = re.compile(r"[^aeiouy]{3,}")
_CHEAP = " _.(/-"
"""What usually costs nothing before a word."""


def estimate(text: str) -> int:
    """About how many tokens the text takes; a little high rather than low."""
    cost = 0.0
    for digits, lead, word, marks, space, letters, wide, other, letter in _PIECE.findall(text):
        if digits or letter:
            cost += 1
        elif word:
            cost += _word(word) + (0 if not lead else 0.25 if lead in _CHEAP else 1)
        elif marks:
            cost += (len(marks) + 1) // 2
        elif space:
            cost += 1
        elif letters:
            cost += math.ceil(len(letters) * 0.45)
        elif wide:
            cost += 0.75
        elif other:
            cost += 1 if other < "\U00010000" else 2
    return math.ceil(cost)


def _word(word: str) -> float:
    if word.isupper():
        return 1 if len(word) <= 2 else len(word) / 2.8
    if len(word) <= 2:
        return 1
    odd = sum(len(run) - 2 for run in _RUN.findall(word))
    return max(1, len(word) / 6.5) + 0.5 * odd
