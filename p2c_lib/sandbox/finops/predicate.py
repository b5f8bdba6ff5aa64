"""An OData expression over one F&O entity as SQL: names and types checked, wildcards, empty values, enum literals."""

from __future__ import annotations

from decimal import Decimal

from p2c_lib.sandbox.collation import escaped
from p2c_lib.sandbox.exact import KINDS
from p2c_lib.sandbox.expression import (
    And,
    Arithmetic,
    Compare,
    EnumLiteral,
    Function,
    Lambda,
    Literal,
    Malformed,
    Node,
    Not,
    Or,
    Path,
    parse_filter,
    parse_order,
)
from p2c_lib.sandbox.finops.refusals import bad_query
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.finops.values import EDM, NAMESPACE, edm, empty, first_member
from p2c_lib.sandbox.predicate import balanced, depth, negated
from p2c_lib.sandbox.schema import Column, Entity, enums
from p2c_lib.sandbox.store import Value, bindable, comparable, quoted

Sql = tuple[str, list[Value]]
_COMPARE = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_KINDS = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan"}
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/", "divby": "/", "mod": "%"}
_NUMBERS = {"int", "bigint", "decimal"}
_LITERAL = {
    "string": "Edm.String", "int": "Edm.Int32", "decimal": "Edm.Decimal", "bool": "Edm.Boolean", "guid": "Edm.Guid",
    "datetime": "Edm.DateTimeOffset", "date": "Edm.Date",
}  # fmt: skip
_FITS = {
    "string": {"string"}, "int": _NUMBERS, "bigint": _NUMBERS, "decimal": _NUMBERS, "guid": {"guid"},
    "datetime": {"datetime", "date"},
}  # fmt: skip


def column_named(entity: Entity, name: str) -> Column:
    """The entity's column; refused when there is none of that name (names have one case)."""
    found = entity.columns.get(name)
    if found is None:
        raise bad_query(f"Could not find a property named '{name}' on type '{NAMESPACE}.{entity.name}'.")
    return found


def where(entity: Entity, text: str, switches: Switches) -> Sql:
    """A ``$filter`` as an SQL condition and its parameters."""
    try:
        return _Predicate(entity, switches).condition(parse_filter(text))
    except Malformed as error:
        raise bad_query(str(error)) from error


def order(entity: Entity, text: str) -> str:
    """An ``$orderby`` as SQL terms, the record number last."""
    try:
        terms = parse_order(text)
    except Malformed as error:
        raise bad_query(str(error)) from error
    listed = []
    for term in terms:
        if len(term.path.names) != 1:
            raise bad_query(f"Ordering by '{'/'.join(term.path.names)}' is not supported.")
        column = column_named(entity, term.path.names[0])
        sort = _by_number(column) if column.enum else _value(entity, column)[0]
        listed.append(f"{sort}{' DESC' if term.descending else ''}")
    return ", ".join([*listed, "_id"])


def _by_number(column: Column) -> str:
    """An enum column as its members' values, which is how enums sort."""
    cases = " ".join(f"WHEN '{name}' THEN {number}" for name, number in enums()[column.enum or ""].items())
    return f"CASE coalesce({quoted(column.name)}, '{empty(column)}') {cases} END"


def _value(entity: Entity, column: Column) -> Sql:
    """What the column is compared by, its empty value in place of NULL; an index of a key column holds the same."""
    if column.name in entity.key or column.kind in {"string", "enum"}:
        return comparable(entity, column.name), []
    filled = _filled(column)
    return (f"number_key({filled})" if column.kind in KINDS else filled), []


def _filled(column: Column) -> str:
    nothing = empty(column)
    shown = str(nothing) if isinstance(nothing, int) else f"'{nothing}'"
    return f"coalesce({quoted(column.name)}, {shown})"


def _text(column: Column) -> str:
    return f"ifnull({quoted(column.name)}, '')"


class _Predicate:
    def __init__(self, entity: Entity, switches: Switches) -> None:
        self.entity, self.switches = entity, switches

    def condition(self, node: Node) -> Sql:
        match node:
            case And(parts):
                return self._joined(parts, "AND")
            case Or(parts):
                return self._joined(parts, "OR")
            case Not(part):
                sql, values = self.condition(part)
                return negated(sql), values
            case Compare():
                sql, values = self._compare(node)
                return f"({sql})", values
            case Literal(kind="bool", value=value):
                return ("1" if value else "0"), []
            case Function():
                return self._function(node)
            case Lambda():
                raise bad_query("The lambda operators 'any' and 'all' are not supported.")
            case _:
                raise bad_query("The $filter expression must evaluate to a single boolean value.")

    def _joined(self, parts: tuple[Node, ...], mark: str) -> Sql:
        # As `balanced` sorts them, so that the values stay in the order of their marks.
        made = sorted((self.condition(part) for part in parts), key=lambda one: depth(one[0]), reverse=True)
        return balanced([sql for sql, _ in made], mark), [value for _, values in made for value in values]

    def _column(self, path: Path) -> Column:
        if len(path.names) != 1:
            raise bad_query(f"The path '{'/'.join(path.names)}' is not supported in a filter.")
        return column_named(self.entity, path.names[0])

    def _compare(self, node: Compare) -> Sql:
        left, right, op = node.left, node.right, node.op
        if isinstance(right, Path) and not isinstance(left, Path):
            left, right = right, left
            op = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}.get(op, op)
        if isinstance(left, Path) and left.names != ("null",):
            column = self._column(left)
            if isinstance(right, EnumLiteral) or column.kind == "enum":
                return self._enum(column, op, right)
            if isinstance(right, Literal):
                return self._literal(column, op, right)
        return self._general(left, op, right)

    def _general(self, left: Node, op: str, right: Node) -> Sql:
        (a, kind_a, values_a), (b, kind_b, values_b) = self._operand(left), self._operand(right)
        numbers = kind_a in _NUMBERS and kind_b in _NUMBERS
        if not numbers and kind_a != kind_b:
            raise _incompatible(EDM.get(kind_a, kind_a), EDM.get(kind_b, kind_b), op)
        if "decimal" in (kind_a, kind_b):
            a, b = f"number_key({a})", f"number_key({b})"
        return f"{a} {_COMPARE[op]} {b}", [*values_a, *values_b]

    def _operand(self, node: Node) -> tuple[str, str, list[Value]]:
        match node:
            case Path():
                column = self._column(node)
                sql = _filled(column) if column.kind in _NUMBERS else _value(self.entity, column)[0]
                sql = f"finops_key({sql})" if column.name == "dataAreaId" else sql
                return sql, column.enum or column.kind, []
            case Literal(kind=kind, value=value) if isinstance(value, str | int | Decimal) and kind != "bool":
                kind = _kind(kind, value)
                mark = "finops_key(?)" if kind == "string" else "?"
                return mark, "datetime" if kind == "date" else kind, [_bound(value)]
            case Arithmetic(op, left, right):
                (a, kind_a, values_a), (b, kind_b, values_b) = self._operand(left), self._operand(right)
                if kind_a not in _NUMBERS or kind_b not in _NUMBERS:
                    raise _incompatible(EDM.get(kind_a, kind_a), EDM.get(kind_b, kind_b), op)
                whole = op == "divby" or "decimal" in (kind_a, kind_b)
                sql = f"number_op('{op}', {a}, {b})" if whole else f"({a} {_ARITHMETIC[op]} {b})"
                return sql, "decimal" if whole else "bigint", [*values_a, *values_b]
            case Function(name=name):
                raise self._no_function(name)
            case _:
                raise bad_query("An operand of the $filter expression is not a value.")

    def _literal(self, column: Column, op: str, literal: Literal) -> Sql:
        if literal.kind == "null":
            return self._empty(column, op)
        if literal.kind not in _FITS[column.kind]:
            raise _incompatible(edm(column), _LITERAL.get(literal.kind, "Collection(Edm.String)"), op)
        if column.kind == "string" and op not in {"eq", "ne"} and self.switches.text_ranges == "reject":
            raise _incompatible(edm(column), "Edm.String", op)
        value = literal.value
        if literal.kind == "date":
            value = f"{value}T00:00:00Z"
        if isinstance(value, str) and column.kind == "string" and "*" in value and op in {"eq", "ne"}:
            return self._wildcard(column, op, value)
        if column.kind == "string":
            marked = comparable(self.entity, column.name, "?")
            return f"{_value(self.entity, column)[0]} {_COMPARE[op]} {marked}", [str(value)]
        assert isinstance(value, str | int | Decimal)
        if column.kind in _NUMBERS and "decimal" in (column.kind, _kind(literal.kind, value)):
            return f"number_key({_filled(column)}) {_COMPARE[op]} number_key(?)", [_bound(value)]
        if value == empty(column):
            return self._empty(column, op)
        name = quoted(column.name)
        if op == "eq":
            # IS, so that an empty value is unequal and not unknown, whatever stands around the comparison.
            return f"{name} IS ?", [value]
        sql, values = _value(self.entity, column)
        return f"{sql} {_COMPARE[op]} ?", [*values, value]

    def _empty(self, column: Column, op: str) -> Sql:
        nothing = empty(column)
        name = quoted(column.name)
        if column.kind == "string":
            return f"{_value(self.entity, column)[0]} {_COMPARE[op]} ''", []
        if column.kind in KINDS:
            return f"{_value(self.entity, column)[0]} {_COMPARE[op]} number_key(0)", []
        if op == "eq":
            return f"({name} IS NULL OR {name} = ?)", [nothing]
        if op == "ne":
            return f"({name} IS NOT NULL AND {name} <> ?)", [nothing]
        sql, values = _value(self.entity, column)
        return f"{sql} {_COMPARE[op]} ?", [*values, nothing]

    def _wildcard(self, column: Column, op: str, value: str) -> Sql:
        sql = f"finops_like({_text(column)}, ?)"
        return f"{'NOT ' if op == 'ne' else ''}{sql}", ["%".join(map(escaped, value.split("*")))]

    def _enum(self, column: Column, op: str, literal: Node) -> Sql:
        if not isinstance(literal, EnumLiteral):
            kind = _LITERAL.get(literal.kind, "null") if isinstance(literal, Literal) else "an expression"
            raise _incompatible(edm(column), kind, op)
        if literal.type != edm(column):
            raise _incompatible(edm(column), literal.type, op)
        if op not in {"eq", "ne"}:
            raise bad_query(f"An enum can be compared with 'eq' and 'ne' only; '{op}' came for '{column.name}'.")
        members = enums()[column.enum or ""]
        member = {str(value): name for name, value in members.items()}.get(literal.member, literal.member)
        if member not in members:
            known = ", ".join(members)
            raise bad_query(f"'{literal.member}' is not a member of '{edm(column)}'. Members: {known}.")
        name = quoted(column.name)
        equal = f"({name} IS NULL OR {name} = ?)" if member == first_member(column.enum or "") else f"{name} = ?"
        return (f"coalesce({equal}, 0)" if op == "eq" else f"NOT coalesce({equal}, 0)"), [member]

    def _function(self, node: Function) -> Sql:
        shapes = {"contains": "%{}%", "startswith": "{}%", "endswith": "%{}"}
        if self.switches.string_functions == "reject" or node.name not in shapes:
            raise self._no_function(node.name)
        match node.arguments:
            case (Path() as path, Literal(kind="string", value=str(text))) if self._column(path).kind == "string":
                pattern = shapes[node.name].format(escaped(text))
                return f"finops_like({_text(self._column(path))}, ?)", [pattern]
        raise bad_query(f"'{node.name}' takes a text property and a text.")

    def _no_function(self, name: str) -> Exception:
        return bad_query(f"The function '{name}' is not supported; use 'eq' with the wildcard '*' to search in texts.")


def _kind(kind: str, value: object) -> str:
    """A literal's kind; a whole number beyond 64 bits is compared as decimals are."""
    return "decimal" if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) >= 2**63) else kind


def _bound(value: str | int | Decimal) -> Value:
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else bindable(value)


def _incompatible(left: str, right: str, op: str) -> Exception:
    kind = _KINDS.get(op, "LessThanOrEqual" if op == "le" else op)
    return bad_query(
        "A binary operator with incompatible types was detected. "
        f"Found operand types '{left}' and '{right}' for operator kind '{kind}'."
    )
