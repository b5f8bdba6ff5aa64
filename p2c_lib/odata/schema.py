"""What an entity set looks like, from the service's own metadata: columns with types, keys, lookups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import pyarrow as pa

from p2c_lib.errors import UnknownName

__all__ = ["Column", "EntitySchema", "Lookup", "several_text"]

PlacesBy = Literal["attribute", "organisation", "currency"]

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Column:
    """One column: its name, its type on the wire and in Arrow, and what may be written to it.

    ``wire`` is the property name in JSON where it differs from ``name`` (a Sales lookup ``x`` travels as
    ``_x_value``). ``choices`` maps a choice's value to its label (Sales) or a member's number to its name (F&O).
    ``targets`` are the logical names of the tables a lookup may point to. ``day`` marks an F&O date, which travels as a
    moment at noon and is a day in Arrow. ``places`` are the decimals a service keeps of a number; for money
    ``places_by`` says who sets them: the ``attribute`` itself, the ``organisation`` or the row's ``currency``. The
    Arrow type always has room for more. ``several`` marks a list of choices: a text of their numbers, ``1,2``.
    ``behavior`` is that of a Sales date: ``UserLocal`` (a moment, which everybody sees in a zone of his own),
    ``DateOnly`` or ``TimeZoneIndependent``.
    """

    name: str
    edm: str
    type: pa.DataType
    wire: str = ""
    label: str | None = None
    max_length: int | None = None
    required: bool = False
    creatable: bool = True
    updatable: bool = True
    choices: Mapping[int, str] | None = None
    targets: tuple[str, ...] = ()
    day: bool = False
    behavior: str | None = None
    places: int | None = None
    places_by: PlacesBy = "attribute"
    several: bool = False

    def __post_init__(self) -> None:
        if not self.wire:
            object.__setattr__(self, "wire", self.name)

    @property
    def is_day(self) -> bool:
        """Whether it holds days, which have no time and no zone, however they travel."""
        return self.day or self.edm == "Edm.Date"

    @property
    def first_choice(self) -> str | None:
        """The choice with the lowest number: what F&O holds where none was written. None where there are no choices."""
        return self.choices[min(self.choices)] if self.choices else None

    @property
    def hour(self) -> str:
        """What follows a day where the column travels as a moment: noon in F&O, the first second in Sales."""
        return "T00:00:00Z" if self.behavior else "T12:00:00Z"

    def label_of(self, value: object) -> str:
        """A choice by its label, several joined with a semicolon; what has no label shows as itself."""
        labels = self.choices or {}
        if self.several:
            parts = (part.strip() for part in str(value).split(","))
            return "; ".join(labels.get(int(part), part) if part.isdecimal() else part for part in parts)
        return labels.get(value, str(value)) if isinstance(value, int) else str(value)


def several_text(choices: Iterable[object]) -> str | None:
    """Several choices as the text of a column: each once, in the order of their numbers; None for none.

    >>> several_text([3, "1", 3])
    '1,3'
    """
    parts = {str(choice).strip() for choice in choices} - {""}
    return ",".join(sorted(parts, key=lambda part: (not part.isdecimal(), len(part), part))) or None


@dataclass(frozen=True)
class Lookup:
    """A way from a row to the one row it refers to: ``navigation`` is the case-sensitive property to expand or bind."""

    column: str
    navigation: str
    target: str


@dataclass(frozen=True)
class EntitySchema:
    """An entity set as its service describes it.

    ``key`` is the primary key (one guid column in Sales, the composite natural key in F&O); ``alternate_keys`` maps
    a key's name to its columns; ``lookups`` lists every navigation a row offers. ``unsupported`` names columns that are
    there but not read or written, with what they are: ``{"entityimage": "an image column"}``.

    What was kept of an earlier answer may be wrong: a name that it lacks is looked for in what the service says now
    (``anew``), and where that differs, this is from then on what the service says.
    """

    app: str
    entity_set: str
    logical_name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    alternate_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lookups: tuple[Lookup, ...] = ()
    primary_name: str | None = None
    change_tracking: bool = False
    read_only: bool = False
    label: str | None = None
    unsupported: Mapping[str, str] = field(default_factory=dict)
    anew: Callable[[], bool] | None = field(default=None, init=False, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "anew": None}

    def column(self, name: str) -> Column:
        """The column of that name; a Sales lookup also answers to its wire name. Raises ``UnknownName``."""
        found = self._find(name)
        if found is None and self.is_put_right():
            found = self._find(name)
        if found is None:
            raise self.unknown(name)
        return found

    def has(self, name: str) -> bool:
        """Whether there is a column of just that name."""
        return name in self.columns or (self.is_put_right() and name in self.columns)

    def is_put_right(self) -> bool:
        """Whether the service, asked anew, says something else than what was kept of it."""
        return self.anew is not None and self.anew()

    def take_over(self, other: EntitySchema) -> None:
        """Be from now on what the service says, for everybody who holds this."""
        for name, value in vars(other).items():
            object.__setattr__(self, name, value)

    def _find(self, name: str) -> Column | None:
        found = self.columns.get(name)
        if found is None and name.startswith("_") and name.endswith("_value"):
            found = self.columns.get(name[1:-6])
        return found

    def unknown(self, name: str) -> UnknownName:
        """The error for a name that is no column, or one of a kind that is not supported."""
        what = self.unsupported.get(name)
        because = f"is {what}, which is not supported" if what else None
        return UnknownName("column", name, self.columns, where=f"{self.app} {self.entity_set}", because=because)

    def lookup(self, column: str, target: str | None = None) -> Lookup:
        """The navigation of a lookup column, and of one target table where it may point to several."""
        ways = [way for way in self.lookups if way.column == column]
        if not ways and self.is_put_right():
            return self.lookup(column, target)
        if not ways:
            names = sorted({way.column for way in self.lookups})
            raise UnknownName("lookup", column, names, where=f"{self.app} {self.entity_set}")
        if target is None and len(ways) == 1:
            return ways[0]
        chosen = [way for way in ways if way.target == target]
        if not chosen and self.is_put_right():
            return self.lookup(column, target)
        if not chosen:
            kind = "target table" if target else "lookup path (it points to several tables: name one)"
            known = [f"{column}.{way.target}" for way in ways]
            raise UnknownName(kind, f"{column}.{target}" if target else column, known, where=self.entity_set)
        return chosen[0]

    def targets(self, column: str) -> tuple[str, ...]:
        """The logical names of the tables a lookup column may point to, as its navigations say."""
        return tuple(dict.fromkeys(way.target for way in self.lookups if way.column == column))

    @property
    def optional(self) -> frozenset[str]:
        """The parts of a key that may be empty and are a value then: F&O has no null."""
        if self.app != "finops" or len(self.key) == 1:
            return frozenset()
        return frozenset(name for name in self.key if not self.columns[name].required)

    @property
    def has_company(self) -> bool:
        """Whether rows belong to an F&O legal entity."""
        return "dataAreaId" in self.columns

    def check_columns(self, names: Iterable[str]) -> None:
        """Raise ``UnknownName`` for the first name that is no column."""
        for name in names:
            self.column(name)
