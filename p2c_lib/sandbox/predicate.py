"""Expression trees become SQL conditions with bound values: what a name means, what may be compared with what.

`Scope` knows the entity that is read and joins what a path needs; `Predicate` walks the tree with the rules both
systems share; `dataverse.filter` and `finops` derive their dialects from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate

from p2c_lib.sandbox.collation import compared
from p2c_lib.sandbox.exact import KINDS
from p2c_lib.sandbox.expression import (
    And,
    Arithmetic,
    Compare,
    EnumLiteral,
    Function,
    Lambda,
    Literal,
    Node,
    Not,
    Or,
    Path,
)
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Value, bindable, quoted, table

_EDM = {
    "string": "Edm.String",
    "number": "Edm.Decimal",
    "bool": "Edm.Boolean",
    "guid": "Edm.Guid",
    "datetime": "Edm.DateTimeOffset",
    "date": "Edm.Date",
    "enum": "Edm.Enum",
    "null": "null",
    "list": "Collection(Edm.String)",
    "complex": "Edm.ComplexType",
}
_SQL = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_OPERATOR = {
    "eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan",
    "le": "LessThanOrEqual",
}  # fmt: skip
_MIRROR = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
FAMILY = {
    "string": "string", "memo": "string", "guid": "guid", "lookup": "guid", "bool": "bool", "enum": "enum",
    "choices": "string",
    "datetime": "datetime", "date": "date", "int": "number", "bigint": "number", "decimal": "number",
    "double": "number", "money": "number", "choice": "number", "state": "number", "status": "number",
}  # fmt: skip
_PARENTHESES = re.compile("[()]")
_LITERAL_FAMILY = {"int": "number", "decimal": "number"}


class Unfit(Exception):
    """An expression that can be read but not answered: unknown name, types that do not compare, foreign function."""


def incompatible(left: str, right: str, op: str) -> Unfit:
    """That values of two families do not compare, as the services word it."""
    return Unfit(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{_EDM[left]}' and '{_EDM[right]}' for operator kind '{_OPERATOR[op]}'."
    )


@dataclass(slots=True)
class Binder:
    """Values bound by name, so that pieces of SQL can be put together in any order."""

    values: dict[str, Value] = field(default_factory=dict)

    def bind(self, value: Value) -> str:
        """The placeholder of a value."""
        name = f"v{len(self.values)}"
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = str(value)
        self.values[name] = bindable(value)
        return f":{name}"


@dataclass(frozen=True, slots=True)
class Operand:
    """A piece of SQL with the family of its type; ``column`` when it is a column, ``value`` when it is a constant."""

    sql: str
    family: str
    column: Column | None = None
    entity: Entity | None = None
    value: object = None
    constant: bool = False

    @property
    def key(self) -> str:
        """SQL for what the operand is compared, sorted and grouped by."""
        return self.keyed(self.sql)

    def keyed(self, sql: str) -> str:
        """SQL for what another value is compared by with this column."""
        if self.column is not None and self.entity is not None:
            return compared(self.entity.system, self.column, sql)
        return sql


@dataclass(slots=True)
class Scope:
    """One entity under an alias, with the joins that paths from it have needed so far.

    Inside a lambda ``variables`` are its rows by name and ``innermost`` those of the lambda itself; a name without a
    variable is still one of the entity that is filtered.
    """

    entity: Entity
    alias: str
    binder: Binder
    expression: Callable[[Entity, Column, str], str]
    joined: dict[tuple[str, ...], Scope] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    variables: Mapping[str, Scope] = field(default_factory=dict)
    counter: list[int] = field(default_factory=lambda: [0])
    innermost: Scope | None = None

    def column(self, column: Column) -> Operand:
        """The column as an operand."""
        return Operand(self.expression(self.entity, column, self.alias), FAMILY[column.kind], column, self.entity)

    def fresh(self) -> str:
        """An alias no one uses yet."""
        self.counter[0] += 1
        return f"j{self.counter[0]}"

    def join(self, steps: tuple[str, ...], target: Entity, condition: Callable[[str], str]) -> Scope:
        """The scope of the row that ``steps`` lead to, joined once."""
        if steps not in self.joined:
            alias = self.fresh()
            self.joins.append(f"LEFT JOIN {table(target)} AS {alias} ON {condition(alias)}")
            self.joined[steps] = Scope(
                target, alias, self.binder, self.expression, joins=self.joins, variables=self.variables,
                counter=self.counter, innermost=self.innermost,
            )  # fmt: skip
        return self.joined[steps]

    def from_sql(self) -> str:
        """The FROM clause: the entity's table and all joins."""
        return " ".join([f"{table(self.entity)} AS {self.alias}", *self.joins])


def balanced(parts: Sequence[str], joint: str) -> str:
    """The parts joined by AND or OR as a balanced tree, since SQLite limits the depth of one expression.

    The deepest comes first: what stands before a parenthesis waits on SQLite's stack until it closes.
    """
    if len(parts) == 1:
        return parts[0]
    return _halved(sorted(parts, key=depth, reverse=True), joint)


def _halved(parts: Sequence[str], joint: str) -> str:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_halved(parts[:middle], joint)} {joint} {_halved(parts[middle:], joint)})"


def depth(sql: str) -> int:
    """How many parentheses are open at once at the most; values are bound, so that none stands in a text.

    >>> depth("(a AND (b OR c))"), depth("a = b")
    (2, 0)
    """
    steps = (1 if found.group() == "(" else -1 for found in _PARENTHESES.finditer(sql))
    return max(accumulate(steps), default=0)


def negated(condition: str) -> str:
    """The condition is false or unknown; behind it, so that it does not wait on SQLite's stack meanwhile."""
    return f"({condition} IS NOT TRUE)"


class Predicate:
    """Walks a tree and answers SQL; a dialect overrides what differs."""

    def condition(self, node: Node, scope: Scope) -> str:
        """The node as an SQL condition that is 1, 0 or NULL; raises `Unfit`."""
        if isinstance(node, And):
            return balanced([self.condition(part, scope) for part in node.parts], "AND")
        if isinstance(node, Or):
            return balanced([self.condition(part, scope) for part in node.parts], "OR")
        if isinstance(node, Not):
            return negated(self.condition(node.part, scope))
        if isinstance(node, Compare):
            return self.comparison(node, scope)
        if isinstance(node, Lambda):
            return self.each(node, scope)
        operand = self.operand(node, scope)
        if operand.family != "bool":
            raise Unfit("The $filter expression must evaluate to a single boolean value.")
        return f"({operand.sql})"

    def operand(self, node: Node, scope: Scope) -> Operand:
        """The node as a value; raises `Unfit`."""
        if isinstance(node, Literal):
            return self.literal(node, scope)
        if isinstance(node, Path):
            return self.resolve(node, scope)
        if isinstance(node, EnumLiteral):
            return self.enum(node, scope)
        if isinstance(node, Function):
            return self.function(node, scope)
        if isinstance(node, Arithmetic):
            return self.arithmetic(node, scope)
        return Operand(self.condition(node, scope), "bool")

    def literal(self, node: Literal, scope: Scope) -> Operand:
        """A constant, bound; a bool is 1 or 0."""
        family = _LITERAL_FAMILY.get(node.kind, node.kind)
        if node.kind == "null":
            return Operand("NULL", "null", constant=True)
        if node.kind == "list":
            return Operand("NULL", "list", value=node.value, constant=True)
        value = int(node.value) if isinstance(node.value, bool) else node.value
        if not isinstance(value, str | int | float | Decimal):
            raise Unfit(f"The literal '{value}' cannot be used here.")
        return Operand(scope.binder.bind(value), family, value=value, constant=True)

    def comparison(self, node: Compare, scope: Scope) -> str:
        """``left op right`` with the types checked."""
        left, right = self.operand(node.left, scope), self.operand(node.right, scope)
        op = node.op
        if left.constant and not right.constant:
            left, right, op = right, left, _MIRROR[op]
        if "list" in (left.family, right.family):
            raise incompatible(left.family, right.family, op)
        if right.family == "null":
            return self.null(left, op)
        if left.family == "null":
            return self.null(right, op)
        right = self.fitted(left, right, op, scope)
        return self.compared(left, op, right, scope)

    def null(self, left: Operand, op: str) -> str:
        """Comparison with null: only eq and ne can be true."""
        if op == "eq":
            return f"({left.sql} IS NULL)"
        return f"({left.sql} IS NOT NULL)" if op == "ne" else "(0)"

    def fitted(self, left: Operand, right: Operand, op: str, scope: Scope) -> Operand:
        """The right side in the left side's type; raises `Unfit` when they do not compare."""
        if left.family == right.family:
            return right
        families = {left.family, right.family}
        if families == {"datetime", "date"}:
            return self._as_moment(right, scope) if left.family == "datetime" else _as_date(right, scope)
        raise incompatible(left.family, right.family, op)

    def _as_moment(self, right: Operand, scope: Scope) -> Operand:
        if right.constant:
            return Operand(scope.binder.bind(f"{right.value}T00:00:00Z"), "datetime", constant=True)
        return Operand(f"({right.sql} || 'T00:00:00Z')", "datetime")

    def compared(self, left: Operand, op: str, right: Operand, _scope: Scope) -> str:
        """Both sides have one type; ``ne`` is true where the left side is empty."""
        one, two = _pair(left, right)
        if op == "ne":
            return f"({one} <> {two} OR {one} IS NULL)"
        return f"({one} {_SQL[op]} {two})"

    def arithmetic(self, node: Arithmetic, scope: Scope) -> Operand:
        """Not offered unless a dialect says so."""
        raise Unfit(f"The operator '{node.op}' is not supported on '{scope.entity.name}'.")

    def enum(self, node: EnumLiteral, scope: Scope) -> Operand:
        """Not offered unless a dialect says so."""
        raise Unfit(f"The type '{node.type}' is not defined for '{scope.entity.name}'.")

    def each(self, node: Lambda, scope: Scope) -> str:
        """Not offered unless a dialect says so."""
        raise Unfit(f"The lambda on '{'/'.join(node.path.names)}' is not supported on '{scope.entity.name}'.")

    def function(self, node: Function, scope: Scope) -> Operand:
        """Not offered unless a dialect says so."""
        raise Unfit(f"An unknown function with name '{node.name}' was found on '{scope.entity.name}'.")

    def resolve(self, path: Path, scope: Scope) -> Operand:
        """A column of the entity itself; dialects add paths."""
        column = scope.entity.columns.get(path.names[0])
        if column is None or len(path.names) > 1:
            raise Unfit(f"Could not find a property named '{'/'.join(path.names)}' on type '{scope.entity.name}'.")
        return scope.column(column)


def _pair(left: Operand, right: Operand) -> tuple[str, str]:
    """Both sides as they are compared; a number with decimals on either side makes the comparison an exact one."""
    if left.family == "number" and (_exact(left) or _exact(right)):
        return f"number_key({left.sql})", f"number_key({right.sql})"
    return left.key, left.keyed(right.sql)


def _exact(operand: Operand) -> bool:
    if operand.column is not None:
        return operand.column.kind in KINDS
    value = operand.value
    return isinstance(value, Decimal) or (isinstance(value, int) and abs(value) >= 2**63)


def _as_date(right: Operand, scope: Scope) -> Operand:
    if right.constant:
        return Operand(scope.binder.bind(str(right.value)[:10]), "date", constant=True)
    return Operand(f"substr({right.sql}, 1, 10)", "date")


def plain(_entity: Entity, column: Column, alias: str) -> str:
    """A column as its own stored value."""
    return f"{alias}.{quoted(column.name)}"
