"""A cell of a CSV file as the value that a request would send: each system's own wire takes or refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import InvalidOperation

from p2c_lib.sandbox.dataverse import values as sales
from p2c_lib.sandbox.exact import number, whole
from p2c_lib.sandbox.finops import values as finops
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.schema import Column, Entity, enums
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.texts import refused_in, units
from p2c_lib.sandbox.wire import Refusal

_BLANKS = " \t\n\r\f\v"
_YES, _NO = {"true", "1", "yes"}, {"false", "0", "no"}
_WHOLE = {"int", "bigint", "choice", "state", "status"}
_LIMITS = {"int": 2**31, "bigint": 2**63}
_DAY, _MOMENT = "YYYY-MM-DD", "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"


class NotTaken(ValueError):
    """A cell that its column does not take: what is wrong with it, and what is allowed."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(problem)
        self.problem, self.allowed = problem, allowed


def taken(column: Column, entity: Entity, switches: Switches) -> Callable[[str], Value]:
    """What a column stores for the text of a cell: nothing for an empty one, and `NotTaken` for one it refuses."""
    sent = _SENT.get(column.kind, str)

    def stored(text: str) -> Value:
        if not text:
            return None
        try:
            if entity.system == "sales":
                return sales.stored(sent(text), column, entity)
            return finops.stored(entity, column, sent(text), switches)
        except (ValueError, InvalidOperation, Refusal) as error:
            raise NotTaken(*_why(column, entity, text)) from error

    return stored


def _flag(text: str) -> bool:
    spelt = text.strip().lower()
    if spelt not in _YES | _NO:
        raise ValueError(text)
    return spelt in _YES


# Blanks around a text are read over where the service reads texts as such values, and nowhere else.
_SENT: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(_WHOLE, lambda text: whole(text.strip(_BLANKS))),
    "bigint": whole,
    **dict.fromkeys(("decimal", "money"), number),
    "double": lambda text: number(text.strip(_BLANKS)),
    "bool": _flag,
}


# -- why not -------------------------------------------------------------------------------------------------------


def _why(column: Column, entity: Entity, text: str) -> tuple[str, str]:
    if column.kind in {"string", "memo"}:
        return _why_no_text(column, entity, text)
    what, allowed = _what(column, entity)
    return f"'{text[:60]}' is not {what}.", allowed


def _why_no_text(column: Column, entity: Entity, text: str) -> tuple[str, str]:
    bad = refused_in(text)
    if bad is not None:
        problem = f"'{text[:60]}' holds the character U+{ord(bad):04X}."
        return (
            problem,
            "Allowed: every character but control characters (tabs and line ends are taken), U+FFFE, U+FFFF.",
        )
    size = units(text if entity.system == "sales" else text.rstrip(" "))
    return f"{size} characters; at most {column.length} fit.", f"Shorten it to {column.length}; an emoji counts as two."


def _what(column: Column, entity: Entity) -> tuple[str, str]:
    """What a value of the column is, and what is allowed."""
    if column.kind == "enum":
        return f"a value of '{column.name}'", f"Allowed: {', '.join(enums()[column.enum or ''])}."
    if column.kind in {"choice", "choices", "state", "status"}:
        listed = ", ".join(f"{value} ({label})" for value, label, _ in column.choices)
        several = ", several with commas between them" if column.kind == "choices" else ""
        return f"a value of '{column.name}'", f"Allowed: {listed}{several}."
    if column.kind == "bool":
        return "true or false", "Allowed: true, false, yes, no, 1, 0."
    if column.kind == "guid":
        return "a guid", "Write 00000000-0000-0000-0000-000000000000, with hexadecimal digits."
    if column.kind in {"date", "datetime"}:
        since = ", from 1753 to 9999" if entity.system == "sales" else ""
        kind, form = ("a date", _DAY) if column.kind == "date" else ("a date or a moment", _MOMENT)
        return kind, f"Write {form}{since}."
    return _what_number(column, entity)


def _what_number(column: Column, entity: Entity) -> tuple[str, str]:
    limit = _LIMITS.get(column.kind)
    low, high = column.minimum, column.maximum
    if limit is not None:
        low, high = (-limit if low is None else int(low)), (limit - 1 if high is None else int(high))
        return "a whole number in the column's range", f"Allowed: {low} to {high}, of digits 0-9 alone."
    if low is None or high is None:
        digits = " and at most 22 digits before it" if entity.system == "finops" else ""
        return "a number", f"Write numbers of digits 0-9, with a point for decimals{digits}, and nothing else."
    return "a number in the column's range", f"Allowed: {low:.15g} to {high:.15g}, with a point for decimals."
