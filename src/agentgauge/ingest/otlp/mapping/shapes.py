"""Which attributes of a record give which fields: worked out once for each set of names, as records repeat them.

Above: `spans` and `logs`, which find the shape of a record, and the engine, which reads the record by it. Below:
`convention`, `metadata`. A program sends few shapes, each thousands of times; so for each record there is one look-up,
and then nothing but a call for each attribute that gives a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from agentgauge.ingest.otlp.mapping.metadata import is_content

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from agentgauge.ingest.otlp.mapping.convention import Coercion, Convention, Kind, Names, Target

REMEMBERED, LONGEST = 2_048, 4_096
"""How many shapes are remembered, and how long the names of one may be together, so that no sender fills the memory."""

Fields: TypeAlias = "dict[str, Any]"
Targets: TypeAlias = "Mapping[str, tuple[Target, ...]]"


class _Plan(NamedTuple):
    """How records of one shape are read as one kind of event, while all their values fit."""

    steps: tuple[tuple[str, str, Coercion], ...]
    """An attribute, the field it gives, how its value is read; of those of one field, the preferred is the last."""
    rest: Names
    """The attributes that give no field and may be kept."""


@dataclass(slots=True)
class Shape:
    """A convention, and the names of the attributes of a record in their order."""

    convention: Convention
    names: Names
    _plans: dict[Kind, _Plan] = field(default_factory=dict["Kind", _Plan])

    def read(self, kind: Kind, attributes: Mapping[str, Any]) -> tuple[Fields, Iterable[str]]:
        """The fields that the attributes give to that kind of event, and the attributes that gave none and may be kept:
        unknown ones, and values that do not fit."""
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = _planned(self.convention.targets[kind], self.names)
        found: Fields = {}
        for name, target, coercion in plan.steps:
            fitting = coercion(attributes[name])
            if fitting is None:
                return _read(self.convention.targets[kind], attributes)
            found[target] = fitting
        return found, plan.rest


def _planned(targets: Targets, names: Names) -> _Plan:
    """What `_read` does with attributes of these names if every value fits."""
    steps: list[tuple[str, str, Coercion]] = []
    preferences: dict[str, int] = {}
    for name in names:
        for target, preference, coercion in targets.get(name, ()):
            if preference <= preferences.get(target, preference):
                steps.append((name, target, coercion))
                preferences[target] = preference
    return _Plan(tuple(steps), tuple(name for name in names if name not in targets and not is_content(name)))


def _read(targets: Targets, attributes: Mapping[str, Any]) -> tuple[Fields, list[str]]:
    """The same for values of which some do not fit: then the next preferred attribute gives the field."""
    found: Fields = {}
    preferences: dict[str, int] = {}
    rest: list[str] = []
    for name, value in attributes.items():
        fields = targets.get(name)
        if fields is None:
            rest.append(name)
            continue
        for target, preference, coercion in fields:
            if preference > preferences.get(target, preference):
                continue
            fitting = coercion(value)
            if fitting is None:
                rest.append(name)
            else:
                found[target], preferences[target] = fitting, preference
    return found, [name for name in rest if not is_content(name)]


K = TypeVar("K", bound="Hashable")


class Shapes(Generic[K]):
    """The shapes met last, by whatever decides the convention, and the names. Safe to use from several threads."""

    def __init__(self, convention: Callable[[K, Names], Convention]) -> None:
        self._convention = convention
        self._known: dict[tuple[K | str, ...], Shape] = {}

    def of(self, about: K, attributes: Mapping[str, Any]) -> Shape:
        """The shape of a record."""
        key = (about, *attributes)
        return self._known.get(key) or self._met(key, about, tuple(attributes))

    def _met(self, key: tuple[K | str, ...], about: K, names: Names) -> Shape:
        shape = Shape(self._convention(about, names), names)
        if sum(map(len, names)) <= LONGEST:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = shape
        return shape
