# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Conditions as FetchXML and QueryExpression spell them: a column, an operator name, texts as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from p2c_lib.sandbox.dataverse import crm_functions
from p2c_lib.sandbox.dataverse.crm_functions import Caller, converted
from p2c_lib.sandbox.dataverse.filter import SalesPredicate, wildcard
from p2c_lib.sandbox.dataverse.model import expression
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument
from p2c_lib.sandbox.expression import Function, Literal
from p2c_lib.sandbox.predicate import Binder, Operand, Scope, Unfit, balanced, negated
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, quoted

_COMPARE = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_PATTERN = {"like": "{}", "begins-with": "{}%", "ends-with": "%{}"}
_NEGATED = {"not-like": "like", "not-begin-with": "begins-with", "not-end-with": "ends-with"}
_SYNONYMS = {
    "neq": "ne", "last-seven-days": "last7-days", "next-seven-days": "next7-days", "eq-userid": "equal-user-id",
    "ne-userid": "not-equal-user-id", "eq-businessid": "equal-business-id", "ne-businessid": "not-equal-business-id",
    "eq-or-under": "under-or-equal", "eq-or-above": "above-or-equal", "not-contain-values": "does-not-contain-values",
    "eq-userteams": "equal-user-teams", "eq-useroruserteams": "equal-user-or-user-teams",
}  # fmt: skip
_LISTS = {"in", "not-in", "between", "not-between", "contain-values", "does-not-contain-values"}
# The names QueryExpression uses, as FetchXML's.
_EXPRESSION = {
    "Equal": "eq", "NotEqual": "ne", "GreaterThan": "gt", "GreaterEqual": "ge", "LessThan": "lt", "LessEqual": "le",
    "Like": "like", "NotLike": "not-like", "In": "in", "NotIn": "not-in", "Between": "between",
    "NotBetween": "not-between", "Null": "null", "NotNull": "not-null", "BeginsWith": "begins-with",
    "DoesNotBeginWith": "not-begin-with", "EndsWith": "ends-with", "DoesNotEndWith": "not-end-with",
}  # fmt: skip


# Members of ConditionOperator that nothing here follows, and a function that is none.
_NOT_HERE = frozenset(
    {"ChildOf", "Mask", "NotMask", "MasksSelect", "Contains", "DoesNotContain", "EqualRoleBusinessId"}
)
_FUNCTION_ALONE = frozenset({"Contains"})


def condition(name: str, operator: str, values: Sequence[str], scope: Scope, caller: Caller) -> str:
    """SQL for one condition; `Refusal` (400) when column, operator or values do not fit."""
    column = scope.entity.columns.get(name)
    if column is None:
        raise bad_argument(f"'{scope.entity.name}' entity doesn't contain attribute with Name = '{name}'.")
    left = scope.column(column)
    try:
        return _condition(left, name, _SYNONYMS.get(operator, operator), values, scope, caller)
    except Unfit as problem:
        raise bad_argument(f"Condition '{operator}' on '{name}': {problem}") from problem


def _condition(left: Operand, name: str, operator: str, values: Sequence[str], scope: Scope, caller: Caller) -> str:
    if operator in {"null", "not-null"}:
        return f"({left.sql} IS {'NOT ' if operator == 'not-null' else ''}NULL)"
    if operator in _NEGATED:
        return negated(_condition(left, name, _NEGATED[operator], values, scope, caller))
    if operator in _COMPARE or operator == "ne" or operator in _PATTERN:
        if len(values) != 1:
            raise Unfit("exactly one value is needed")
        if operator in _PATTERN:
            return wildcard(left, _PATTERN[operator].format(values[0]), scope)
        mark = scope.binder.bind(converted(values[0], left))
        if operator == "ne":
            return f"({left.key} <> {left.keyed(mark)} OR {left.sql} IS NULL)"
        return f"({left.key} {_COMPARE[operator]} {left.keyed(mark)})"
    return _function(name, operator, values, scope, caller)


def _function(name: str, operator: str, values: Sequence[str], scope: Scope, caller: Caller) -> str:
    spelt = operator.replace("olderthan", "older-than").split("-")
    short = operator if operator in crm_functions.names() else "".join(part[:1].upper() + part[1:] for part in spelt)
    if short not in crm_functions.names():
        raise Unfit(f"the operator '{operator}' is not known")
    named = [("PropertyName", Literal("string", name))]
    if operator in _LISTS:
        named.append(("PropertyValues", Literal("list", list(values))))
    elif short.endswith("FiscalPeriodAndYear"):
        named += [(f"PropertyValue{at}", Literal("string", value)) for at, value in enumerate(values, 1)]
    elif values:
        named.append(("PropertyValue", Literal("string", values[0])))
    predicate = SalesPredicate({}, caller)
    return crm_functions.condition(predicate, Function(f"{NAMESPACE}.{short}", (), tuple(named)), scope, caller)


# -- QueryExpression --------------------------------------------------------------------------------------------------


def expression_rows(store: Store, entity: Entity, criteria: Mapping[str, Any], caller: Caller) -> list[str]:
    """Primary keys of the rows that fit a QueryExpression's criteria."""
    scope = Scope(entity, "t", Binder(), expression)
    where = _criteria(criteria, scope, caller)
    sql = f"SELECT t.{quoted(entity.key[0])} FROM {scope.from_sql()} WHERE {where}"
    return [str(row[0]) for row in store.connection.execute(sql, scope.binder.values)]


def _criteria(criteria: Mapping[str, Any], scope: Scope, caller: Caller) -> str:
    if not isinstance(criteria, Mapping):
        raise bad_argument("Criteria must be a FilterExpression.")
    parts = [_expression(one, scope, caller) for one in _listed(criteria, "Conditions")]
    parts += [_criteria(one, scope, caller) for one in _listed(criteria, "Filters")]
    joint = "OR" if str(criteria.get("FilterOperator", "And")).lower() == "or" else "AND"
    return balanced(parts, joint) if parts else "1"


def _expression(one: object, scope: Scope, caller: Caller) -> str:
    if not isinstance(one, Mapping):
        raise bad_argument("A condition must be a ConditionExpression.")
    named = str(one.get("Operator", ""))
    operator = _EXPRESSION.get(named, named)
    if named not in _EXPRESSION and (named not in crm_functions.names() or named in _FUNCTION_ALONE):
        here = "is documented, but not in this sandbox" if named in _NOT_HERE else "is no member of ConditionOperator"
        raise bad_argument(f"The operator '{named[:80]}' {here}.")
    given = _listed(one, "Values")
    values = [_text(value.get("Value") if isinstance(value, Mapping) else value) for value in given]
    return condition(str(one.get("AttributeName", "")), operator, values, scope, caller)


def _listed(node: Mapping[str, Any], name: str) -> list[Any]:
    found = node.get(name) or []
    if not isinstance(found, list):
        raise bad_argument(f"{name} must be an array.")
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
