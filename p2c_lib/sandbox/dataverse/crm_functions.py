# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""The query functions of the namespace ``Microsoft.Dynamics.CRM``: lists, ranges, dates, and who is asking."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from p2c_lib.sandbox.dataverse import periods
from p2c_lib.sandbox.dataverse.model import navigations, properties
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE
from p2c_lib.sandbox.exact import KINDS, number
from p2c_lib.sandbox.expression import Function, Literal, Malformed, Node, Path, moment
from p2c_lib.sandbox.predicate import Operand, Scope, Unfit, balanced
from p2c_lib.sandbox.store import quoted, table

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.filter import SalesPredicate


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and the organisation asked."""

    user: str
    business_unit: str
    organization: str


_GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
_LISTS = {"In", "NotIn", "Between", "NotBetween", "ContainValues", "DoesNotContainValues"}
_SEVERAL = {"ContainValues", "DoesNotContainValues"}
_DATES = {"On", "OnOrAfter", "OnOrBefore", "NotOn"}
_WHO = {
    "EqualUserId": ("user", "="),
    "NotEqualUserId": ("user", "<>"),
    "EqualBusinessId": ("business_unit", "="),
    "NotEqualBusinessId": ("business_unit", "<>"),
    "EqualUserTeams": ("user", "="),
    "EqualUserOrUserTeams": ("user", "="),
    "EqualUserOrUserHierarchy": ("user", "="),
    "EqualUserOrUserHierarchyAndTeams": ("user", "="),
}
_TREE = {"Under", "UnderOrEqual", "NotUnder", "Above", "AboveOrEqual"}


_FISCAL_YEARS = {"InFiscalPeriodAndYear", "InOrAfterFiscalPeriodAndYear", "InOrBeforeFiscalPeriodAndYear"}
_FISCAL = {"InFiscalPeriod", "InFiscalYear", *_FISCAL_YEARS}


def names() -> frozenset[str]:
    """Every function that is offered, unqualified."""
    return frozenset({*_LISTS, *_DATES, *_WHO, *_TREE, *_FISCAL, *periods.NAMES, "Contains", "EqualUserLanguage"})


def _takes(name: str) -> set[str]:
    """The parameters of a function beside PropertyName."""
    if name in _LISTS:
        return {"PropertyValues"}
    if name in _FISCAL_YEARS:
        return {"PropertyValue1", "PropertyValue2"}
    one = name in {*_DATES, *_TREE, *_FISCAL, "Contains"} or periods.needs_count(name)
    return {"PropertyValue"} if one else set()


def condition(predicate: SalesPredicate, node: Function, scope: Scope, caller: Caller) -> str:
    """The function call as an SQL condition; raises `Unfit`."""
    name = node.name.removeprefix(f"{NAMESPACE}.")
    if name not in names():
        raise Unfit(f"An unknown function with name '{node.name}' was found.")
    arguments = {key: predicate.assigned(value) for key, value in node.named}
    if node.arguments or len(arguments) < len(node.named) or not arguments.keys() <= {"PropertyName", *_takes(name)}:
        wanted = ", ".join(("PropertyName", *sorted(_takes(name))))
        raise Unfit(f"The function '{name}' takes {wanted}, each once and by name.")
    scope = scope.innermost or scope
    if name == "Contains":
        raise Unfit("The table is not enabled for full-text search; use contains(column,'value').")
    if name == "EqualUserLanguage":
        return f"({_column(predicate, name, arguments, scope).sql} = 1033)"
    left = _column(predicate, name, arguments, scope)
    if name in _SEVERAL and (left.column is None or left.column.kind != "choices"):
        raise Unfit(f"The function '{name}' needs a column of several choices; '{_name(left)}' is not one.")
    if name in _LISTS:
        return _LIST[name](left, _values(name, arguments, left, scope))
    if name in _WHO:
        who, operator = _WHO[name]
        return f"({left.sql} {operator} {scope.binder.bind(getattr(caller, who))})"
    if name in _TREE:
        return _tree(name, left, str(_value(name, arguments)), scope)
    if left.family not in {"datetime", "date"}:
        raise Unfit(f"The function '{name}' needs a date column; '{_name(left)}' is not one.")
    if name in _FISCAL:
        return _fiscal(name, left, arguments, scope)
    if name in _DATES:
        return _on(name, left, str(_value(name, arguments)), scope)
    return _period(name, left, arguments, scope)


def _name(operand: Operand) -> str:
    return operand.column.name if operand.column else ""


def _column(predicate: SalesPredicate, name: str, arguments: dict[str, Node], scope: Scope) -> Operand:
    node = arguments.get("PropertyName")
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise Unfit(f"The function '{name}' needs PropertyName='<column>'.")
    steps = node.value.split("/")
    entity = scope.entity
    for step in steps[:-1]:
        if step in navigations(entity):
            entity = navigations(entity)[step].target
    last = steps[-1] if steps[-1] in properties(entity) else f"_{steps[-1]}_value"
    if last not in properties(entity):
        raise Unfit(f"Could not find a property named '{steps[-1]}' on type '{NAMESPACE}.{entity.name}'.")
    return predicate.resolve(Path((*steps[:-1], last)), scope)


def _value(name: str, arguments: dict[str, Node], parameter: str = "PropertyValue") -> object:
    node = arguments.get(parameter)
    if not isinstance(node, Literal) or node.value is None or isinstance(node.value, list):
        raise Unfit(f"The function '{name}' needs {parameter}.")
    return node.value


def _values(name: str, arguments: dict[str, Node], left: Operand, scope: Scope) -> list[str]:
    node = arguments.get("PropertyValues")
    if not isinstance(node, Literal) or not isinstance(node.value, list) or not node.value:
        raise Unfit(f"The function '{name}' needs PropertyValues=[...] with at least one value.")
    if len(node.value) > 10_000:
        raise Unfit(f"The function '{name}' takes at most 10,000 values.")
    if name in {"Between", "NotBetween"} and len(node.value) != 2:
        raise Unfit(f"The function '{name}' needs exactly two values; {len(node.value)} came.")
    return [scope.binder.bind(converted(value, left)) for value in node.value]


def converted(value: object, left: Operand) -> str | int | float | Decimal:
    """A value that came as text, in the stored form of the column it is compared with; raises `Unfit`."""
    if isinstance(value, list | dict) or value is None:
        raise Unfit(f"'{value}' is not a value for '{_name(left)}'.")
    text = str(value)
    try:
        if left.column is not None and left.column.kind in KINDS:
            return number(text.strip())
        if left.family == "number":
            return float(text) if any(mark in text for mark in ".eE") else int(text)
        if left.family == "bool":
            return {"true": 1, "1": 1, "false": 0, "0": 0}[text.lower()]
        if left.family == "datetime":
            return moment(text if "T" in text else f"{text}T00:00:00Z")
        if left.family == "date":
            return moment(text)[:10]
        if left.family == "guid":
            match = _GUID.fullmatch(text)
            return match.group(1).lower() if match else _not_guid(text)
    except (ValueError, KeyError, ArithmeticError, Malformed) as error:
        raise Unfit(f"'{text}' is not a value for '{_name(left)}'.") from error
    return text


def _not_guid(text: str) -> str:
    raise ValueError(text)


_LIST: dict[str, Callable[[Operand, list[str]], str]] = {
    "In": lambda left, values: f"({left.key} IN ({', '.join(map(left.keyed, values))}))",
    "NotIn": lambda left, values: f"({left.key} NOT IN ({', '.join(map(left.keyed, values))}))",
    "Between": lambda left, values: f"({left.key} BETWEEN {left.keyed(values[0])} AND {left.keyed(values[1])})",
    "NotBetween": lambda left, values: f"({left.key} NOT BETWEEN {left.keyed(values[0])} AND {left.keyed(values[1])})",
    "ContainValues": lambda left, values: balanced([_holds(left, value) for value in values], "OR"),
    "DoesNotContainValues": lambda left, values: f"(NOT {balanced([_holds(left, v) for v in values], 'OR')})",
}


def _holds(left: Operand, value: str) -> str:
    return f"(',' || ifnull({left.sql}, '') || ',' LIKE '%,' || {value} || ',%')"


def _on(name: str, left: Operand, text: str, scope: Scope) -> str:
    try:
        day = moment(text)[:10]
    except Malformed as error:
        raise Unfit(f"'{text}' is not a date.") from error
    start, end = scope.binder.bind(day), scope.binder.bind(f"{day}T99")
    if name == "OnOrAfter":
        return f"({left.sql} >= {start})"
    if name == "OnOrBefore":
        return f"({left.sql} < {end})"
    within = f"({left.sql} >= {start} AND {left.sql} < {end})"
    return within if name == "On" else f"(NOT {within})"


def _period(name: str, left: Operand, arguments: dict[str, Node], scope: Scope) -> str:
    count: int | None = None
    if periods.needs_count(name):
        count = _whole(name, arguments, "PropertyValue")
    return _between(left, *periods.period(name, count), scope)


def _whole(name: str, arguments: dict[str, Node], parameter: str) -> int:
    value = _value(name, arguments, parameter)
    if not isinstance(value, int | str) or not str(value).isdecimal() or not 0 < int(value) <= 1_000_000:
        raise Unfit(f"The function '{name}' needs {parameter} as a positive whole number; '{value}' came.")
    return int(value)


def _fiscal(name: str, left: Operand, arguments: dict[str, Node], scope: Scope) -> str:
    """Periods are quarters, years begin on 1 January."""
    if name == "InFiscalPeriod":
        month = f"CAST(substr({left.sql}, 6, 2) AS INTEGER)"
        period = _whole(name, arguments, "PropertyValue")
        return f"(({month} + 2) / 3 = {scope.binder.bind(period)})"
    if name == "InFiscalYear":
        return _between(left, *periods.fiscal(_whole(name, arguments, "PropertyValue"), None), scope)
    period, year = (_whole(name, arguments, f"PropertyValue{number}") for number in (1, 2))
    start, end = periods.fiscal(year, period)
    after, before = "OrAfter" in name, "OrBefore" in name
    return _between(left, None if before else start, None if after else end, scope)


def _between(left: Operand, start: str | None, end: str | None, scope: Scope) -> str:
    size = 10 if left.family == "date" else 20
    parts = []
    if start is not None:
        parts.append(f"{left.sql} >= {scope.binder.bind(start[:size])}")
    if end is not None:
        parts.append(f"{left.sql} < {scope.binder.bind(end[:size])}")
    return f"({' AND '.join(parts)})"


def _tree(name: str, left: Operand, text: str, scope: Scope) -> str:
    match = _GUID.fullmatch(text)
    entity = left.entity if left.entity and left.column and left.column.name == left.entity.key[0] else None
    parents = [c for c in (entity.columns.values() if entity else ()) if entity and entity.name in c.targets]
    parents = [c for c in parents if c.name.startswith("parent")]
    if match is None or entity is None or not parents:
        raise Unfit(f"The function '{name}' needs the key of a table with a hierarchy and a guid.")
    key, parent, start = quoted(entity.key[0]), quoted(parents[0].name), scope.binder.bind(match.group(1).lower())
    up = f"t.{key} = (SELECT {parent} FROM {table(entity)} WHERE {key} = tree.id)"
    step = f"t.{parent} = tree.id" if "Under" in name else up
    grown = f"SELECT {start} UNION SELECT t.{key} FROM {table(entity)} t, tree WHERE {step}"
    rows = f"WITH RECURSIVE tree(id) AS ({grown}) SELECT id FROM tree"
    inside = f"({left.sql} IN ({rows}))"
    if name.endswith("OrEqual"):
        return inside
    itself = f"{left.sql} = {start}"
    return f"(NOT {inside})" if name == "NotUnder" else f"({inside} AND NOT {itself})"
