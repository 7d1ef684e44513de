"""How many tokens a text costs a model: an estimate that needs no tokenizer.

Above: fitting an answer into its budget. It follows how byte-pair vocabularies such as o200k cut text (digits in
threes, punctuation in short runs, words by syllable) and errs on the high side; a test holds it against the real one.
"""

from __future__ import annotations

import re

_PIECE = re.compile(r"(\d{1,3})|([A-Za-z]+)|(\s+)|([\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]+)|([^\x00-\x7f])")


def estimate(text: str) -> int:
    """About how many tokens the text takes; a little high rather than low."""
    count = 0
    for digits, word, space, marks, wide in _PIECE.findall(text):
        if digits or wide:
            count += 1
        elif word:
            count += 1 if len(word) <= 6 else (len(word) + 4) // 5
        elif marks:
            count += (len(marks) + 1) // 2
        elif "\n" in space or len(space) > 1:
            count += 1
    return count
