"""What a service keeps of a value that is written to a column, so that a write can be told in what its row holds.

Nothing is taken for equal here but what the service itself makes equal: F&O takes blanks off the end of a text and has
empty values in the place of null, a day is kept at noon or without a time, Sales keeps no empty text, decimals are kept
to the column's scale and moments to the second. Case, accents, other blanks, 0 and the time of day count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from uuid import UUID

import pyarrow as pa

from p2c_lib.days import day_of, iso_moment, microseconds_of
from p2c_lib.display import text_of
from p2c_lib.odata.dialect import DIALECTS, Dialect
from p2c_lib.odata.schema import Column
from p2c_lib.odata.values import choices_text

__all__ = ["COMPANY", "Now", "keeps", "kept_now"]

NO_GUID = str(UUID(int=0))
EPOCH_OF_NOTHING = date(1900, 1, 1)
COMPANY = "dataAreaId"
SHORTEST_CUT = 10  # F&O's texts that are no codes are at least so long; a shorter one is some other value
NUMBERS = {"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte", "Edm.SByte", "Edm.Decimal"}


Now = Callable[[], tuple[Column | None, int | None]]


def keeps(wanted: object, found: object, column: Column, app: str, places: int | None = None) -> bool:
    """Whether ``found``, as a read shows it, is what the service ``app`` keeps once ``wanted`` is written to a column.

    ``places`` are the decimals it keeps of it in that row, where the organisation or the row's currency says so.

    >>> name = Column("name", "Edm.String", pa.string())
    >>> keeps("Ann ", "Ann", name, "finops"), keeps("Ann ", "Ann", name, "sales"), keeps("Ann", "ANN", name, "finops")
    (True, False, False)
    """
    kept = _Kept(column, DIALECTS[app], places)
    nothing = kept.nothing()
    held = nothing if found is None else kept.held(found)
    forms = (None,) if wanted is None else kept.forms(wanted)
    return any(held == (nothing if form is None else form) for form in forms)


def kept_now(wanted: object, found: object, column: Column, app: str, now: Now) -> bool | None:
    """Whether ``found`` is what the service keeps of a written value by its settings of this moment.

    ``now`` tells the column as it is and the decimals that are kept of it in the row; it is asked only where these
    decide: where ``found`` may be the written number with fewer decimals. None where the value alone does not tell:
    ``found`` is the written number with fewer decimals than are kept today, and more or fewer may have been kept when
    it was written, or it is the beginning of a text that F&O may have cut, at a length that its metadata do not tell.
    """
    if keeps(wanted, found, replace(column, places=None), app):
        return True
    kept = _Kept(column, DIALECTS[app])
    if kept.is_beginning(wanted, found):
        return None
    if not kept.is_coarser(wanted, found):
        return False
    today, places = now()
    rounded = None if today is None else replace(today, places=places, places_by="attribute")
    if places is not None and rounded is not None and keeps(wanted, found, rounded, app):
        return True
    return None if app == "sales" else False


@dataclass(frozen=True)
class _Kept:
    """How one column keeps values; a None here stands for the column's own way of holding nothing."""

    column: Column
    dialect: Dialect
    places: int | None = None

    def nothing(self) -> object:
        """What an empty column reads as: null, but where F&O has a number or a first member in its place."""
        if not self.dialect.empty_is_null:
            return None
        if self.column.edm in NUMBERS:
            return Decimal(0)
        if self.column.edm == "Edm.Double":
            return 0.0
        if self.column.edm == "Edm.Boolean":
            return False
        member = self.column.first_choice if self._is_enum else None
        return None if member is None else member.casefold()

    def held(self, value: object) -> object:
        """A value as it is read, in the form that is compared."""
        edm = self.column.edm
        if self._is_enum:
            return self._member(value)
        if edm in NUMBERS:
            return _number(value)
        if edm == "Edm.Double":
            return _float(value)
        if edm == "Edm.Boolean":
            return value if isinstance(value, bool) else str(value)
        if edm == "Edm.Guid":
            return self._guid(value)
        if edm in {"Edm.Date", "Edm.DateTimeOffset"}:
            return self._moment(value)
        return self._text(value)

    def forms(self, value: object) -> tuple[object, ...]:
        """What the service may keep of a value that is written."""
        held = self.held(value)
        if isinstance(held, Decimal):
            return (held, *(_rounded(held, places) for places in self._places()))
        if isinstance(held, datetime):
            return (held, held.replace(microsecond=0))
        if isinstance(held, str) and self.column.edm == "Edm.String" and self.dialect.empty_is_null:
            return (held.rstrip(" ") or None,)
        return (held,)

    def is_coarser(self, wanted: object, found: object) -> bool:
        """Whether a number that is read is a written one with some of its decimals rounded away."""
        if wanted is None or self.column.edm not in NUMBERS:
            return False
        whole, held = _number(wanted), self.nothing() if found is None else _number(found)
        if not isinstance(whole, Decimal) or not isinstance(held, Decimal):
            return False
        return whole != held and _rounded(whole, max(0, -int(held.normalize().as_tuple().exponent))) == held

    def is_beginning(self, wanted: object, found: object) -> bool:
        """Whether a text that is read is a written one, cut at its end as the service may do."""
        if not self.dialect.may_cut_texts or self.column.edm != "Edm.String" or wanted is None or found is None:
            return False
        whole, start = (text_of(value) or "" for value in (wanted, found))
        return len(start) >= SHORTEST_CUT and len(whole.rstrip(" ")) > len(start) and whole.startswith(start)

    def _places(self) -> list[int]:
        """The decimals a number may be kept with: as many as a read shows, or those that are kept of this one."""
        shown = [self.column.type.scale] if pa.types.is_decimal(self.column.type) else []
        own = self.column.places if self.column.places_by == "attribute" else self.places
        return shown if own is None else [*shown, own]

    @property
    def _is_enum(self) -> bool:
        return self.column.edm.startswith("Microsoft.")

    def _text(self, value: object) -> object:
        """A text as it stands; several choices are a set, a company reads the same in either case."""
        if self.column.several:
            return frozenset(filter(None, (choices_text(value, self.column.name) or "").split(","))) or None
        text = text_of(value) or ""
        if self.column.choices is not None and text and set(text) <= set("0123456789,- "):
            return frozenset(text.replace(" ", "").split(","))
        return (text.lower() if self.column.name == COMPANY else text) or None

    def _member(self, value: object) -> object:
        """A member of an enumeration by its name, which F&O reads without regard to case, or by its number."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int) and self.column.choices and value in self.column.choices:
            return self.column.choices[value].casefold()
        return str(value).casefold() or None

    def _guid(self, value: object) -> object:
        try:
            text = str(UUID(str(value)))
        except ValueError:
            return str(value)
        return None if self.dialect.empty_is_null and text == NO_GUID else text

    def _moment(self, value: object) -> object:
        """A moment in UTC, or the day alone; a day stands for its noon in F&O, for its first second in Sales."""
        if self.column.is_day:
            day = day_of(value)
            return str(value) if day is None else None if self._is_nothing(day) else day
        if isinstance(value, str):
            try:
                value = iso_moment(value)
            except ValueError:
                return value
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time(12) if self.dialect.days_at_noon else time())
        if not isinstance(value, datetime):
            return str(value)
        value = microseconds_of(value)
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return None if self._is_nothing(moment.date()) else moment

    def _is_nothing(self, day: date) -> bool:
        return self.dialect.empty_is_null and day == EPOCH_OF_NOTHING


def _number(value: object) -> object:
    """A number by its value, digit by digit as it travels; a text of digits is one too, a yes or no is none."""
    if isinstance(value, bool):
        return str(value)
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        return str(value)
    return number if number.is_finite() else str(value)


def _float(value: object) -> object:
    try:
        return float(str(value))
    except ValueError:
        return str(value)


def _rounded(number: Decimal, places: int) -> Decimal:
    """Half away from zero, and never in another way too: by that an old value would be taken for the new one."""
    try:
        return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:  # more digits than any column has
        return number
