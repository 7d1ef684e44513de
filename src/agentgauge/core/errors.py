"""Every error agentgauge raises on purpose, by who can mend it.

GaugeError
├── CallerError               the question is wrong; ask it differently
│   ├── UnknownName           no such tool, argument, field, metric, label or enum value
│   ├── InvalidValue          the name is right, the value is not
│   ├── InvalidRequest        one or several things wrong with a wire request
│   ├── Unauthorized          no key, or one that is not valid
│   ├── NotFound              no such thing to ask about
│   │   └── MethodNotAllowed  a path that takes other methods
│   ├── TooLarge              a body over its limit
│   ├── WrongMediaType        a body of a kind that is not taken there
│   ├── WindowTooLarge        more buckets than an answer may hold
│   ├── Unsupported           a source cannot answer this; says what it can
│   ├── SourceRefused         a source's key or address is wrong, or it will not take the question
│   │   └── SourceNotFound    it has nothing there
│   └── Forbidden             the caller's role, tier or scope does not allow it
├── UpstreamError             a vendor's API failed or answered nonsense
│   ├── UpstreamUnreachable   no connection, or no answer in time
│   ├── UpstreamLimited       it asks to come back later
│   └── UpstreamGarbled       its answer cannot be read
└── StoreError                our side: the data file or the disk
    ├── StoreBusy             another writer holds the store; try again
    ├── StoreCorrupt          the file is damaged or not ours
    ├── StoreUnwritable       read-only folder, no permission, disk full
    └── DeadlineExceeded      the question took longer than it may

Each carries a stable `code`, a `message` (what was wrong, what is valid) and a `hint` (what to do next). Faces turn
them into their own form in one place each; nothing else may reach a caller.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

QUOTED_NAMES = 5
"""How many stored names a refusal may quote."""
QUOTED_LENGTH = 64
"""The length to which a quoted stored name is cut."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Unicode's default-ignorable letters and marks (fillers, variation selectors): they carry text that nobody sees."""


class GaugeError(Exception):
    """The root: anything agentgauge refuses or fails at, in its own words."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = details or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" {self.hint}" if self.hint else "")


class CallerError(GaugeError):
    """Raised when the question itself is wrong; asking it differently helps."""

    code = "INVALID_INPUT"


class UnknownName(CallerError):
    """Raised by a name that does not exist: tool, argument, field, metric, label, enum value, agent."""

    code = "UNKNOWN_NAME"


class InvalidValue(CallerError):
    """Raised by a value of the wrong type, form or range."""

    code = "INVALID_VALUE"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a wire request."""

    name: str
    """The parameter, as the wire spells it."""
    message: str
    kind: str = "value_error"
    """pydantic's name for it: `missing`, `int_parsing`, `literal_error` ..."""
    where: str = "query"
    """`query`, `path` or `body`."""
    given: Any = None


class InvalidRequest(CallerError):
    """Raised by a wire request whose parameters are wrong; carries every problem."""

    code = "INVALID_REQUEST"

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        super().__init__("; ".join(f"{each.name}: {each.message}" for each in problems), hint=hint)
        self.problems = tuple(problems)


class Unauthorized(CallerError):
    """Raised by a request without a key, or with one that is unknown or revoked."""

    code = "UNAUTHORIZED"


class NotFound(CallerError):
    """Raised by a path or a thing that does not exist."""

    code = "NOT_FOUND"


class MethodNotAllowed(NotFound):
    """Raised by a path that exists, asked with a method that it does not take."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, given: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{given[:20]} is not allowed here.", hint=f"Allowed: {', '.join(allowed)}.")
        self.allowed = tuple(allowed)


class TooLarge(CallerError):
    """Raised by a body over its size limit."""

    code = "TOO_LARGE"


class WrongMediaType(CallerError):
    """Raised by a body whose Content-Type or Content-Encoding is not taken where it was sent."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class WindowTooLarge(CallerError):
    """Raised by a window of more buckets than an answer may hold (AgentMessage contract 1.4)."""

    code = "WINDOW_TOO_LARGE"


class Unsupported(CallerError):
    """Raised when the source asked cannot answer this question exactly."""

    code = "UNSUPPORTED"


class SourceRefused(CallerError):
    """Raised when a source refuses us: its key is missing or wrong, or it does not take the question."""

    code = "SOURCE_REFUSED"


class SourceNotFound(SourceRefused):
    """Raised by a 404 of a source: it has no such endpoint, or no such thing."""

    code = "SOURCE_NOT_FOUND"


class Forbidden(CallerError):
    """Raised when the caller's scope, role or tier does not allow the question."""

    code = "FORBIDDEN"


class UpstreamError(GaugeError):
    """Raised when a vendor's API fails or answers something that cannot be read."""

    code = "UPSTREAM"


class UpstreamUnreachable(UpstreamError):
    """Raised when a vendor's API cannot be reached, or does not answer within the deadline."""

    code = "UPSTREAM_UNREACHABLE"


class UpstreamLimited(UpstreamError):
    """Raised when a vendor's API asks to come back later, or its known limit is used up."""

    code = "UPSTREAM_LIMITED"


class UpstreamGarbled(UpstreamError):
    """Raised by a vendor's answer that cannot be read: no JSON, cut off, or of another shape."""

    code = "UPSTREAM_GARBLED"


class StoreError(GaugeError):
    """Raised when our own data file or disk fails."""

    code = "STORE"


class StoreBusy(StoreError):
    """Raised when another writer holds the store for longer than a writer may wait."""

    code = "STORE_BUSY"


class StoreCorrupt(StoreError):
    """Raised by a data file that is damaged, newer than this program, or no store of ours."""

    code = "STORE_CORRUPT"


class StoreUnwritable(StoreError):
    """Raised when the folder is read-only, permission is missing or the disk is full."""

    code = "STORE_UNWRITABLE"


class DeadlineExceeded(StoreError):
    """Raised when a question runs past its deadline."""

    code = "DEADLINE_EXCEEDED"


def unknown_name(kind: str, given: str, valid: Iterable[str], *, where: str = "", many: bool = False) -> UnknownName:
    """An UnknownName that lists what is valid and names the nearest match.

    `many`: the valid names come from stored data, so at most five of them are quoted, cleaned and cut.
    """
    names = list(dict.fromkeys(valid))
    near = nearest(given, names)
    if many:
        shown = ", ".join(quote(name) for name in (near or names)[:QUOTED_NAMES])
        rest = f" (of {len(names)})" if len(names) > QUOTED_NAMES else ""
        listing = f"Known{rest}: {shown}." if shown else "None is known yet."
    else:
        listing = f"Valid: {', '.join(names)}." if names else "None is valid here."
    message = f"{quote(given)} is not {kind}{f' of {where}' if where else ''}. {listing}"
    return UnknownName(message, hint=f"Did you mean {quote(near[0])}?" if near else "")


def nearest(given: str, names: Iterable[str], *, most: int = QUOTED_NAMES) -> list[str]:
    """The names that look like `given`, the nearest first; case and punctuation do not count."""
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_fold(name), name)
    folded = _fold(given)
    close = difflib.get_close_matches(folded, plain, n=most, cutoff=0.6)
    if folded:
        close += [
            name for name in plain if name not in close and (folded in name or (len(name) > 3 and name in folded))
        ]
    return [plain[name] for name in close[:most]]


def quote(name: str) -> str:
    """A stored or given string as it may stand in a refusal: a JSON string, cleaned, at most 64 characters."""
    return json.dumps(clean(str(name))[:QUOTED_LENGTH], ensure_ascii=False)


def clean(text: str) -> str:
    """The text without control, formatting (bidi, zero-width, tag), invisible and unpaired surrogate characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char for char in text if unicodedata.category(char) not in _UNSEEN and not _INVISIBLE.match(char))


def _fold(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
