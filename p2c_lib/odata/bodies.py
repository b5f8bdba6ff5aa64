"""A row's values as the JSON its service takes: lookups bound, empty values in the service's way, numbers exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from typing import Protocol

from p2c_lib.days import day_of, microseconds_of
from p2c_lib.display import text_of
from p2c_lib.errors import FrameError
from p2c_lib.odata.characters import shown, why_refused
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.values import choices_text, plain
from p2c_lib.odata.writes import Write

__all__ = ["BARE_DAYS", "Bodies"]

BIND = "@odata.bind"
BARE_DAYS = frozenset({"Edm.Date", "Edm.String"})  # a day goes there without a time
NOTHING_BY_EDM = {
    "Edm.String": '""',
    "Edm.Int32": "0",
    "Edm.Int64": "0",
    "Edm.Decimal": "0",
    "Edm.Double": "0",
    "Edm.Guid": '"00000000-0000-0000-0000-000000000000"',
    "Edm.DateTimeOffset": '"1900-01-01T00:00:00Z"',
    "Edm.Date": '"1900-01-01"',
}


class _SetOf(Protocol):
    def __call__(self, logical_name: str, /) -> str: ...


class Bodies:
    """Renders the bodies of one entity set's writes; names are checked once for each distinct set of columns."""

    def __init__(self, schema: EntitySchema, dialect: Dialect, set_of: _SetOf) -> None:
        self._schema, self._dialect, self._set_of = schema, dialect, set_of
        self._plans: dict[tuple[str, ...], list[tuple[str, Column | None]]] = {}

    def json(self, write: Write) -> str:
        """The body of a write as JSON. Raises UnknownName for no column, FrameError for a value out of type.

        In F&O, None is left out of a create and is the empty value of its type in an update; in Sales it is null. A
        lookup is emptied through every navigation it has, unless another of them is bound in the same body.
        """
        names = tuple(write.body)
        plan = self.check(write)
        parts: list[str] = []
        for name, (property_name, column), came in zip(names, plan, write.body.values(), strict=True):
            value = choices_text(came, name) if column is not None and column.several else plain(came, name)
            if value is None:
                if not self._spoken_for(name, write.body):
                    parts += self.emptied(name, creating=write.op == "create")
            elif column is None:
                parts.append(property_name + quoted(sendable(str(text_of(value)), name)))
            elif column.targets and isinstance(value, str) and value.startswith("/"):
                parts.append(self.bound(column, value))
            else:
                parts.append(property_name + render(self._timed(value, column), column))
        return "{" + ",".join(parts) + "}"

    def check(self, write: Write) -> list[tuple[str, Column | None]]:
        """The places of a body's columns. Raises UnknownName for a column that is none."""
        names = tuple(write.body)
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = [self.place(name) for name in names]
        return plan

    def _timed(self, value: object, column: Column) -> object:
        """What a column of days gets is a day, whatever came; in F&O it is the moment a day is kept at, noon."""
        day = day_of(value) if column.is_day else value
        if column.edm in BARE_DAYS:
            return value if day is None else day
        if isinstance(day, date) and not isinstance(day, datetime) and self._dialect.days_at_noon:
            return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return value

    def place(self, name: str) -> tuple[str, Column | None]:
        """The JSON property a column is written as, and the column; None where the property is a binding by itself."""
        if name.endswith(BIND):
            return f"{quoted(name)}:", None
        if "." in name:
            lookup, _, target = name.partition(".")
            way = self._schema.lookup(lookup, target)
            return f"{quoted(way.navigation + BIND)}:", None
        column = self._schema.column(name)
        if column.wire != column.name:
            way = next(way for way in self._schema.lookups if way.column == column.name)
            return f"{quoted(way.navigation)}:", column
        return f"{quoted(column.wire)}:", column

    def emptied(self, name: str, *, creating: bool) -> list[str]:
        """What is said of a column that holds nothing: nothing at all where a new row has that anyway.

        A lookup is emptied by a null navigation, never by a null bind, which services ignore or refuse. Of several
        navigations only the one that holds the value empties it and the others change nothing, so all are named.
        """
        if self.family(name) is not None:
            return [] if creating else [f"{quoted(navigation)}:null" for navigation in self._navigations(name)]
        if creating and self._dialect.empty_is_null:
            return []
        property_name, column = self.place(name)
        return [property_name + self.nothing(column)]

    def family(self, name: str) -> str | None:
        """The lookup that a column of a body sets, by whatever navigation; None for a column that is no lookup."""
        if name.endswith(BIND):
            navigation = name.removesuffix(BIND)
            return next((way.column for way in self._schema.lookups if way.navigation == navigation), navigation)
        if "." in name:
            return name.partition(".")[0]
        column = self._schema.column(name)
        return column.name if column.wire != column.name else None

    def _navigations(self, name: str) -> list[str]:
        if name.endswith(BIND):
            return [name.removesuffix(BIND)]
        lookup, _, target = name.partition(".")
        if target:
            return [self._schema.lookup(lookup, target).navigation]
        ways = (way.navigation for way in self._schema.lookups if way.column == self._schema.column(name).name)
        return list(dict.fromkeys(ways))

    def _spoken_for(self, name: str, body: Mapping[str, object]) -> bool:
        """Whether the body binds the same lookup through another navigation, which empties this one by itself."""
        family = self.family(name)
        if family is None:
            return False
        return any(value is not None and self.family(other) == family for other, value in body.items())

    def nothing(self, column: Column | None) -> str:
        """What a column holds when it holds nothing, as JSON."""
        if not self._dialect.empty_is_null or column is None:
            return "null"
        if column.choices is not None:
            return quoted(column.first_choice or "")
        return NOTHING_BY_EDM.get(column.edm, "null")

    def bound(self, column: Column, path: str) -> str:
        """A lookup set to the row at ``path``: of several navigations the one whose table's set the path names."""
        entity_set = path.strip("/").partition("(")[0]
        ways = [way for way in self._schema.lookups if way.column == column.name]
        fitting = ways if len(ways) == 1 else [way for way in ways if self._set_of(way.target) == entity_set]
        if not fitting:
            raise FrameError(
                f"{column.name} cannot point to {path}.",
                hint=f"It may point to: {', '.join(way.target for way in ways)}.",
            )
        return f"{quoted(fitting[0].navigation + BIND)}:{quoted(sendable(path, column.name))}"


def render(value: object, column: Column) -> str:
    """A value as JSON of the column's type; decimals digit by digit, never through a float."""
    value = choices_text(value, column.name) if column.several else plain(value, column.name)
    if value is None:
        return "null"
    write = _BY_TYPE.get(type(value))
    if write is None:
        write = next(route for kind, route in _BY_TYPE.items() if isinstance(value, kind))
    return write(value, column)


def _text(value: object, column: Column) -> str:
    return quoted(sendable(str(value), column.name))


def sendable(text: str, name: str) -> str:
    """The text itself. Raises FrameError, naming its column, for one that holds what no service takes."""
    why = why_refused(text)
    if why is None:
        return text
    said = f"{name}: '{shown(text)}' {why}, which no service takes."
    raise FrameError(said, hint="Clean the text before writing it.")


def _number(value: object, column: Column) -> str:
    if isinstance(value, float) and value.is_integer() and column.edm in {"Edm.Int32", "Edm.Int64"}:
        return str(int(value))
    return str(text_of(value))


def _moment(value: object, column: Column) -> str:
    assert isinstance(value, datetime)
    try:
        fine = microseconds_of(value)
        return f'"{text_of(fine.astimezone(UTC) if fine.tzinfo else fine.replace(tzinfo=UTC))}"'
    except OverflowError:
        raise FrameError(f"{column.name}: {value} is outside the years 1 to 9999 in UTC.") from None


def _day(value: object, column: Column) -> str:
    assert isinstance(value, date)
    if column.edm in BARE_DAYS:
        return f'"{value.isoformat()}"'
    return f'"{value.isoformat()}T00:00:00Z"'


def _yes_no(value: object, column: Column) -> str:
    if column.choices is not None and column.edm.startswith("Microsoft."):
        return '"Yes"' if value else '"No"'
    return "true" if value else "false"


_BY_TYPE: Mapping[type, Callable[[object, Column], str]] = {
    str: _text,
    bool: _yes_no,
    int: _number,
    float: _number,
    Decimal: _number,
    datetime: _moment,
    date: _day,
}
