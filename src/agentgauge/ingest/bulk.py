"""Many lines checked at once: whether all of them can be taken as they are.

Above: `run`, which checks line by line what this leaves to it. Below: `check`, whose rules these are. Machines write
lines that are alike, so that one look at all values of a field says what a look at each would, at a third of the cost.
"""

from __future__ import annotations

from math import isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from agentgauge.core.alike import Alike
from agentgauge.core.catalog import NAME_LENGTH, VALUE_LENGTH, Field
from agentgauge.ingest.check import FORMS, INT64, KEYS, Checker, Form, Rejected, Tally, identity, instants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Column: TypeAlias = "list[Any]"


def plain(lines: Sequence[object]) -> Alike | None:
    """The events of lines of one type that need no mending but of their times; None where a line may need more, or is
    no event, so that each is to be checked on its own."""
    if set(map(type, lines)) != {dict}:
        return None
    given = cast("Sequence[dict[str, Any]]", lines)
    kinds = [line.get("type") for line in given]
    form = FORMS.get(kinds[0]) if isinstance(kinds[0], str) and kinds.count(kinds[0]) == len(kinds) else None
    if form is None:
        return None
    try:
        columns = _columns(given, form)
    except (Rejected, OverflowError):
        return None  # a line that is wrong; checked on its own, it says so
    return None if columns is None else Alike(str(kinds[0]), columns)


def _columns(given: Sequence[dict[str, Any]], form: Form) -> dict[str, Column] | None:
    ids = _column(given, "id")
    if not _are_ids(ids):
        return None
    found: dict[str, Column] = {"ts": instants(_column(given, "ts")), "id": ids}
    names = set[str]().union(*given) - KEYS
    if not names.issuperset(form.required) or not names.issubset(form.fields):
        return None
    for name in names:
        field, column = form.fields[name], _column(given, name)
        present = column
        if None in column:
            present = [value for value in column if value is not None]
            if field.required:
                return None
        if present:
            if not _TESTS[field.type](present, field, form.checkers[name]):
                return None
            found[name] = column
    return found


def _column(given: Sequence[dict[str, Any]], name: str) -> Column:
    """The value that each line has for a field, None where it has none."""
    try:
        return list(map(itemgetter(name), given))
    except KeyError:
        return [line.get(name) for line in given]


def _are_ids(column: Column) -> bool:
    if set(map(type, column)) != {str}:
        return False
    together = "".join(column)
    lengths = set(map(len, column))
    is_simple = together.isascii() and together.isprintable() and 0 not in lengths and max(lengths) <= NAME_LENGTH
    return is_simple or all(map(identity, column))


def _are_strings(column: Column, field: Field, checker: Checker) -> bool:
    if set(map(type, column)) != {str}:
        return False
    distinct: set[str] = set(column)
    if field.values:
        return distinct.issubset(field.values)
    return (_are_simple(distinct) and not field.required) or _stay(distinct, checker)


def _are_simple(strings: set[str]) -> bool:
    """Whether no string is longer than one may be, or has a character that anything could be wrong with."""
    together = "".join(strings)
    return together.isascii() and together.isprintable() and max(map(len, strings), default=0) <= VALUE_LENGTH


def _are_booleans(column: Column, field: Field, checker: Checker) -> bool:
    return set(map(type, column)) == {bool}


def _are_integers(column: Column, field: Field, checker: Checker) -> bool:
    return set(map(type, column)) == {int} and _stay((min(column), max(column)), checker)


def _are_numbers(column: Column, field: Field, checker: Checker) -> bool:
    if not set(map(type, column)) <= {int, float} or not all(map(isfinite, column)):
        return False
    ends = min(column), max(column)
    return -INT64 <= ends[0] and ends[1] < INT64 and _stay(ends, checker)  # an integer beyond becomes a double


def _are_lists(column: Column, field: Field, checker: Checker) -> bool:
    if set(map(type, column)) != {list} or max(map(len, column)) > 1:
        return False
    members = {member for each in column for member in each if type(member) is str}
    is_simple = _are_simple(members) and all(type(member) is str for each in column for member in each)
    return is_simple or _stay(column, checker)


def _stay(values: Iterable[Any], checker: Checker) -> bool:
    """Whether a check leaves each of the values as it is."""
    tally = Tally()
    return all(checker(each, tally) == each for each in values)


def _are_maps(column: Column, field: Field, checker: Checker) -> bool:
    return _stay(column, checker)


_TESTS: Mapping[str, Callable[[Column, Field, Checker], bool]] = {
    "string": _are_strings,
    "code": _are_strings,
    "integer": _are_integers,
    "number": _are_numbers,
    "boolean": _are_booleans,
    "strings": _are_lists,
    "map": _are_maps,
}
"""By type, whether a check would leave all values of a field as they are."""
