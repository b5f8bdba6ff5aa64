"""A page read the slow way, value by value: what Arrow's reader refuses, and exactly what it would read elsewhere.

Numbers keep every digit the column can hold; further decimals are rounded half away from zero, and a number with too
many digits before the point stands as the largest that can be held. What is no character in a text stands as U+FFFD,
and a moment outside the years 1 to 9999 is nothing. Each such value is counted in a note. A value of another kind than
its column's is an error that names row and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import ServiceError
from p2c_lib.odata.characters import page_json, well_formed
from p2c_lib.odata.notes import OUT_OF_YEARS, REPLACED, ROUNDED, TOO_LARGE, Note

__all__ = ["Exact", "loads"]

NUMBER = re.compile(r"[+-]?(\d++(?:\.\d*+)?|\.\d++)([eE][+-]?\d+)?", re.ASCII)
YEAR = re.compile(r"([+-]?[0-9]{4,})-[0-9]{2}-[0-9]{2}(?![0-9])", re.ASCII)
EDGES = (1, 9999)
LONGEST_WHOLE = 40  # digits; more than any column holds, and below Python's own limit
WIDE = Context(prec=100, rounding=ROUND_HALF_UP)


def loads(body: bytes) -> Any:
    """A JSON text whatever its characters are: what is no UTF-8 becomes lone surrogates, numbers stay exact.

    Raises ValueError for what is no JSON.
    """
    return page_json(body, parse_float=_decimal, parse_int=_whole)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= LONGEST_WHOLE else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Python counts
        return Decimal(0) if "e-" in text.lower() else Decimal("-Infinity" if text.startswith("-") else "Infinity")


@dataclass
class Exact:
    """The rows of a page as arrays of their column's own types, with the notes of what was changed on the way.

    ``names`` are the columns of the table by their way through a row; ``tell`` says which row a number stands for.
    """

    target: str
    names: Mapping[tuple[str, ...], str]
    rows: Sequence[Mapping[str, Any]]
    tell: Callable[[Mapping[str, Any]], str]
    notes: list[Note] = field(default_factory=list)

    def array(self, kind: pa.StructType) -> pa.StructArray:
        """All rows as one struct. Raises ServiceError for a value of another kind than its column's."""
        return self._struct(list(self.rows), kind, ())

    def _struct(self, values: list[Any], kind: pa.StructType, way: tuple[str, ...]) -> pa.StructArray:
        for place, value in enumerate(values):
            if value is not None and not isinstance(value, Mapping):
                raise self._out_of_type(place, value, "row of another set", way)
        arrays = []
        for part in kind:
            inner = [None if value is None else value.get(part.name) for value in values]
            arrays.append(self._column(inner, part.type, (*way, part.name)))
        mask = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=mask)

    def _column(self, values: list[Any], kind: pa.DataType, way: tuple[str, ...]) -> pa.Array:
        if pa.types.is_struct(kind):
            return self._struct(values, kind, way)
        if pa.types.is_timestamp(kind):
            return self._moments(values, kind, way)
        read = _READERS.get(kind.id, _as_it_is)
        changed: dict[str, list[int]] = {}
        found: list[Any] = []
        for place, value in enumerate(values):
            if value is None:
                found.append(None)
                continue
            try:
                made, what = read(value, kind)
            except ValueError:
                raise self._out_of_type(place, value, str(kind), way) from None
            found.append(made)
            if what:
                changed.setdefault(what, []).append(place)
        for what, places in changed.items():
            self._tell(way, what, values, places)
        return pa.array(found, kind)

    def _tell(self, way: tuple[str, ...], what: str, values: list[Any], places: list[int]) -> None:
        """Note that the values at these places were changed, and what the first was in which row."""
        name = self.names.get(way, ".".join(way))
        each = tuple((place, well_formed(str(values[place])), self._row(place)) for place in places)
        self.notes.append(Note(name, what, len(each), each[0][1], each[0][2], each))

    def _row(self, place: int) -> str:
        return f"row {place + 1:,} of the page{self.tell(self.rows[place])}"

    def _moments(self, values: list[Any], kind: pa.TimestampType, way: tuple[str, ...]) -> pa.Array:
        """Fractions of a microsecond are cut; a moment without a zone is in UTC, one of no year that can be is null."""
        for place, value in enumerate(values):
            if value is not None and not isinstance(value, str):
                raise self._out_of_type(place, value, str(kind), way)
        beyond = {value for value in set(values) if value is not None and _is_beyond(value)}
        if beyond:
            self._tell(way, OUT_OF_YEARS, values, [n for n, value in enumerate(values) if value in beyond])
            values = [None if value in beyond else value for value in values]
        texts = pa.array([None if value is None else well_formed(value) for value in values], pa.string())
        try:
            return _moments(texts, kind)
        except pa.ArrowInvalid:
            place, value = next(
                (n, v) for n, v in enumerate(values) if v is not None and not _is_moment(texts[n], kind)
            )
            raise self._out_of_type(place, value, str(kind), way) from None

    def _out_of_type(self, place: int, value: Any, kind: str, way: tuple[str, ...]) -> ServiceError:
        where = f"{self.target}.{self.names.get(way, '.'.join(way))}"
        return ServiceError(
            f"{where}: the value {well_formed(str(value))[:60]!r} is no {kind} ({self._row(place)}).",
            status=200,
            target=where,
            hint="The service's answer does not fit its own metadata; read the metadata again.",
        )


Read = tuple[Any, str]


def _text(value: Any, _kind: pa.DataType) -> Read:
    if not isinstance(value, str):
        raise ValueError
    if value.isascii():
        return value, ""
    clean = well_formed(value)
    return clean, REPLACED if clean is not value and clean != value else ""


def _exact(value: Any, kind: pa.DataType) -> Read:
    """A number, or text that is one, as OData has it for numbers no double can hold."""
    number = _number(value)
    largest = Decimal(10**kind.precision - 1)
    if number.is_infinite() or number.adjusted() >= kind.precision - kind.scale:
        most = largest.scaleb(-kind.scale, WIDE)
        if number.copy_abs() > most:
            return most.copy_sign(number), TOO_LARGE
    made = number.quantize(Decimal(1).scaleb(-kind.scale), context=WIDE)
    if made.scaleb(kind.scale, WIDE).copy_abs() > largest:
        return largest.scaleb(-kind.scale, WIDE).copy_sign(number), TOO_LARGE
    return made, ROUNDED if made != number else ""


def _number(value: Any) -> Decimal:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return _decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError
    return Decimal(value)


def _integer(value: Any, kind: pa.DataType) -> Read:
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < LONGEST_WHOLE:
        value = int(value) if value == value.to_integral_value() else value
    if isinstance(value, bool) or not isinstance(value, int) or not _fits(value, kind.bit_width):
        raise ValueError
    return value, ""


def _fits(value: int, bits: int) -> bool:
    return bool(-(2 ** (bits - 1)) <= value < 2 ** (bits - 1))


def _float(value: Any, _kind: pa.DataType) -> Read:
    if isinstance(value, float):
        return value, ""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError
    number = float(Decimal(value))
    if math.isinf(number):
        raise ValueError
    return number, ""


def _flag(value: Any, _kind: pa.DataType) -> Read:
    if not isinstance(value, bool):
        raise ValueError
    return value, ""


def _as_it_is(value: Any, kind: pa.DataType) -> Read:
    try:
        pa.array([value], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise ValueError from None
    return value, ""


_READERS: Mapping[int, Callable[[Any, Any], Read]] = {
    pa.string().id: _text,
    pa.bool_().id: _flag,
    pa.decimal128(38, 4).id: _exact,
    pa.int32().id: _integer,
    pa.int64().id: _integer,
    pa.float64().id: _float,
}


def _moments(texts: pa.Array, kind: pa.TimestampType) -> pa.Array:
    cut = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    cut = pc.replace_substring_regex(cut, r"^(\d{4}-\d\d-\d\d)$", r"\1T00:00:00Z")
    zoned = pc.match_substring_regex(cut, r"([Zz]|[+-]\d\d:?\d\d)$")
    moments = pc.cast(pc.if_else(zoned, cut, pc.binary_join_element_wise(cut, "Z", "")), pa.timestamp("us", "UTC"))
    return moments.cast(kind) if kind.tz is not None else moments.cast(pa.timestamp("us")).cast(kind)


def _is_beyond(text: str) -> bool:
    """Whether a text is a day or a moment that, in UTC, is outside the years 1 to 9999."""
    found = YEAR.match(text)
    if found is None:
        return False
    year = int(found[1][:LONGEST_WHOLE])
    if year not in EDGES:
        return not EDGES[0] < year < EDGES[1]
    try:
        moment = datetime.fromisoformat(text)
        (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return True
    except ValueError:
        return False
    return False


def _is_moment(text: pa.StringScalar, kind: pa.TimestampType) -> bool:
    try:
        _moments(pa.array([text], pa.string()), kind)
    except pa.ArrowInvalid:
        return False
    return True
