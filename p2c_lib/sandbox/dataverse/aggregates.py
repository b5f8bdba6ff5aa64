# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""``$apply``: ``filter(...)/groupby((a,b),aggregate(revenue with sum as total,$count as n))``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from p2c_lib.sandbox.dataverse.filter import SalesPredicate
from p2c_lib.sandbox.dataverse.model import by_name, expression, navigations
from p2c_lib.sandbox.dataverse.options import Options, split_outside
from p2c_lib.sandbox.dataverse.projection import FORMATTED, Projection, annotation_member, column_json, money_label
from p2c_lib.sandbox.dataverse.read import Asked
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.exact import KINDS
from p2c_lib.sandbox.expression import Malformed, Path, parse_filter
from p2c_lib.sandbox.predicate import Binder, Operand, Scope, Unfit
from p2c_lib.sandbox.rows import json_digits, json_number, json_text, json_whole
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, table
from p2c_lib.sandbox.wire import Refusal

MOST_ROWS = 50_000
_AGGREGATE = re.compile(r"\s*(\S+)\s+with\s+(\w+)\s+as\s+(\w+)\s*")
_COUNT = re.compile(r"\s*\$count\s+as\s+(\w+)\s*")
_STEP = re.compile(r"\s*(\w+)\((.*)\)\s*", re.DOTALL)
_SQL = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "countdistinct": "count"}


@dataclass(frozen=True, slots=True)
class Output:
    """One member of a result row: its name, SQL for its value, for its JSON, its key, and what people read of it."""

    name: str
    sql: str
    json: str
    key: str = ""
    label: str = "NULL"


def too_many_rows(most: int = MOST_ROWS) -> Refusal:
    """More rows than an aggregate may read."""
    message = f"AggregateQueryRecordLimit exceeded. Cannot perform this operation. The limit is {most} rows."
    return Refusal(400, "0x8004E023", message)


def aggregate(store: Store, entity: Entity, options: Options, asked: Asked) -> str:
    """The members of the answer after its context."""
    if options.order or options.expand or options.select or options.filter is not None:
        raise bad_query("$apply cannot be used together with $select, $filter, $orderby or $expand.")
    if options.top is not None or options.count or options.skiptoken is not None or options.deltatoken is not None:
        raise bad_query("$apply cannot be used together with $top, $count, $skiptoken or $deltatoken in this sandbox.")
    predicate = SalesPredicate(options.parameters, asked.caller)
    scope = Scope(entity, "t", Binder(), expression)
    projection = Projection(asked.root, scope.binder, predicate, asked.annotations)
    conditions: list[str] = []
    groups: list[Output] = []
    outputs: list[Output] = []
    for step in split_outside(options.apply or "", "/"):
        if outputs or groups:
            raise bad_query(f"$apply cannot be read: nothing may follow groupby or aggregate in '{options.apply}'.")
        name, inside = _step(step)
        if name == "filter":
            conditions.append(_condition(predicate, inside, scope))
        elif name == "aggregate":
            outputs = _outputs(predicate, inside, scope)
        elif name == "groupby":
            groups, outputs = _grouped(projection, inside, scope)
        else:
            raise bad_query(f"The transformation '{name}' in $apply is not supported.")
    if not groups and not outputs:
        raise bad_query("$apply needs groupby or aggregate.")
    rows = _rows(store, scope, conditions, groups, outputs, told=asked.annotations.wants(FORMATTED))
    return f'"value":[{",".join(rows)}]'


def _step(text: str) -> tuple[str, str]:
    match = _STEP.fullmatch(text)
    if match is None:
        raise bad_query(f"$apply cannot be read: '{text[:200]}'.")
    return match.group(1), match.group(2)


def _condition(predicate: SalesPredicate, text: str, scope: Scope) -> str:
    try:
        return predicate.whole(parse_filter(text), scope)
    except (Malformed, Unfit) as error:
        raise bad_query(f"$apply cannot be read: {error}") from error


def _grouped(projection: Projection, inside: str, scope: Scope) -> tuple[list[Output], list[Output]]:
    parts = [part.strip() for part in split_outside(inside, ",")]
    if not parts or len(parts) > 2 or not (parts[0].startswith("(") and parts[0].endswith(")")):
        raise bad_query(f"groupby needs columns in parentheses; '{inside[:200]}' came.")
    groups = [_group(projection, name.strip(), scope) for name in split_outside(parts[0][1:-1], ",")]
    if len(parts) == 1:
        return groups, []
    name, aggregates = _step(parts[1])
    if name != "aggregate":
        raise bad_query(f"The transformation '{name}' inside groupby is not supported.")
    return groups, _outputs(projection.predicate, aggregates, scope)


def _operand(predicate: SalesPredicate, name: str, scope: Scope) -> Operand:
    try:
        return predicate.resolve(Path(tuple(name.split("/"))), scope)
    except Unfit as problem:
        raise bad_query(str(problem)) from problem


def _group(projection: Projection, name: str, scope: Scope) -> Output:
    operand = _operand(projection.predicate, name, scope)
    if operand.family in {"datetime", "date"}:
        raise bad_query(f"'{name}' is a date: grouping by dates is not supported.")
    assert operand.column is not None
    shown = name
    if "/" in name:
        *steps, last = name.split("/")
        target = navigations(scope.entity)[steps[0]].target
        for step in steps[1:]:
            target = navigations(target)[step].target
        shown = f"{target.name}_{last}"
    return grouped_by(shown, operand, projection)


def _outputs(predicate: SalesPredicate, text: str, scope: Scope) -> list[Output]:
    found = [_output(predicate, part, scope) for part in split_outside(text, ",")]
    if len({one.name for one in found}) != len(found):
        raise bad_query("$apply gives two results the same name.")
    return found


def _output(predicate: SalesPredicate, text: str, scope: Scope) -> Output:
    counted = _COUNT.fullmatch(text)
    if counted is not None:
        return Output(counted.group(1), "count(*)", json_whole("count(*)"), label=whole_label("count(*)"))
    match = _AGGREGATE.fullmatch(text)
    if match is None or match.group(2) not in _SQL:
        raise bad_query(f"aggregate cannot be read: '{text.strip()[:200]}'.")
    name, method, alias = match.groups()
    operand = _operand(predicate, name, scope)
    if method in {"sum", "average"} and operand.family != "number":
        raise bad_query(f"'{name}' is not a number: '{method}' does not apply.")
    return output(alias, method, operand)


def output(alias: str, method: str, operand: Operand) -> Output:
    """An aggregate of a column under a name."""
    sql = applied(_SQL[method], operand, distinct="DISTINCT " if method == "countdistinct" else "")
    if method == "countdistinct":
        return Output(alias, sql, json_whole(sql), sql, whole_label(sql))
    return Output(alias, sql, shown(operand, sql), operand.keyed(sql), _label(operand, method, sql))


def grouped_by(name: str, operand: Operand, projection: Projection) -> Output:
    """A column that rows are grouped by, under a name."""
    column, entity, sql = operand.column, operand.entity, operand.sql
    assert column is not None
    assert entity is not None
    alias, _, rest = sql.partition(".")
    plain = alias.isidentifier() and rest.strip('"').replace("_", "a").isalnum()
    label = projection.label(entity, column, sql, alias) if plain else _label(operand, "min", sql)
    return Output(name, sql, column_json(column, sql), operand.key, label)


def whole_label(sql: str) -> str:
    """SQL for what people read of a whole number."""
    return f"shown_number({sql}, 0, '')"


def _label(operand: Operand, method: str, sql: str) -> str:
    """SQL for what people read of an aggregate: money in the currency of the organisation."""
    column = operand.column
    if operand.family in {"datetime", "date"}:
        only = operand.family == "date" or (column is not None and "DateOnly" in (column.behavior or ""))
        return f"shown_date({sql}, {int(only)})"
    if operand.family != "number" or column is None or column.choices:
        return "NULL"
    if column.kind == "money":
        return money_label(sql, f"(SELECT basecurrencyid FROM {table(by_name('organization'))} LIMIT 1)")
    places = column.precision or 2 if column.kind in {"decimal", "double"} else 2 if method == "average" else 0
    return f"shown_number({sql}, {int(places)}, '')"


def members(one: Output, *, told: bool) -> list[tuple[str, str]]:
    """The members of a result with what people read of it before it, where that is ``told``."""
    annotation = annotation_member(one.name, FORMATTED, one.label) if told else []
    return [*annotation, (one.name, one.json)]


def applied(function: str, operand: Operand, *, distinct: str = "") -> str:
    """SQL for an aggregate function of a column; texts and decimals are taken as the system compares them."""
    if function == "count":
        return f"count({distinct}{operand.key if distinct else operand.sql})"
    if exactly(operand):
        return f"number_{function}({distinct}{operand.sql})"
    if operand.family == "string":
        return f"text_{function}({operand.sql})"
    return f"{function}({distinct}{operand.sql})"


def exactly(operand: Operand) -> bool:
    """Whether the column's numbers are kept as their digits."""
    return operand.column is not None and operand.column.kind in KINDS


def shown(operand: Operand, sql: str) -> str:
    """SQL for an aggregate of a column as JSON."""
    if exactly(operand):
        return json_digits(sql)
    return json_number(sql) if operand.family == "number" else json_text(sql)


def _rows(
    store: Store,
    scope: Scope,
    conditions: Sequence[str],
    groups: Sequence[Output],
    outputs: Sequence[Output],
    *,
    told: bool,
) -> list[str]:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    origin = scope.from_sql()
    read = f"SELECT count(*) FROM (SELECT 1 FROM {origin}{where} LIMIT {MOST_ROWS + 1})"
    if store.connection.execute(read, scope.binder.values).fetchone()[0] > MOST_ROWS:
        raise too_many_rows()
    # A member's text, or nothing for a group's value that is null: groups leave out what is null.
    texts = ", ".join(_member(one, optional=bool(groups), told=told) for one in (*groups, *outputs))
    grouping = f" GROUP BY {', '.join(one.key for one in groups)}" if groups else ""
    found = store.connection.execute(f"SELECT {texts} FROM {origin}{where}{grouping}", scope.binder.values)
    return [f"{{{','.join(text for text in row if text is not None)}}}" for row in found]


def _member(one: Output, *, optional: bool, told: bool) -> str:
    *annotation, (name, value) = members(one, told=told)
    quoted_name = json.dumps(name).replace("'", "''")
    text = " || ".join([*(sql for _, sql in annotation), f"'{quoted_name}:' || {value}"])
    return f"iif({one.sql} IS NULL, NULL, {text})" if optional else text
