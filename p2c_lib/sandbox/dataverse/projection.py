# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Which members a row has in an answer, as SQL: columns, annotations and expanded rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from p2c_lib.sandbox.dataverse.cookies import Cookie
from p2c_lib.sandbox.dataverse.filter import SalesPredicate
from p2c_lib.sandbox.dataverse.model import (
    OWNER,
    Collection,
    Navigation,
    by_name,
    collections,
    expression,
    navigations,
    properties,
    sets,
)
from p2c_lib.sandbox.dataverse.options import ONLY_SELECT_AND_FILTER, Expand, Options
from p2c_lib.sandbox.dataverse.refusals import bad_query, unknown_property
from p2c_lib.sandbox.exact import KINDS
from p2c_lib.sandbox.keyset import Sort, order_by
from p2c_lib.sandbox.predicate import Binder, Scope, Unfit
from p2c_lib.sandbox.rows import json_array, json_bool, json_digits, json_number, json_object, json_text, json_whole
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import quoted, table

FORMATTED = "OData.Community.Display.V1.FormattedValue"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
LOGICAL_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
MOST_CHILDREN = 5000
CHOSEN = frozenset({"choice", "state", "status", "bool"})


@dataclass(frozen=True, slots=True)
class Annotations:
    """Which annotations were asked for, as patterns with ``*`` at the end."""

    patterns: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether the annotation is asked for."""
        return any(p in {"*", name} or (p.endswith("*") and name.startswith(p[:-1])) for p in self.patterns)


@dataclass(frozen=True, slots=True)
class Projection:
    """Makes SQL for rows as JSON; ``root`` is the service's URL with a slash at the end.

    ``child_page`` is the size of pages of expanded rows, None where they come whole.
    """

    root: str
    binder: Binder
    predicate: SalesPredicate
    annotations: Annotations
    child_page: int | None = None

    def scope(self, entity: Entity, alias: str) -> Scope:
        """A scope that shares this projection's bound values."""
        return Scope(entity, alias, self.binder, expression)

    def row(self, entity: Entity, scope: Scope, options: Options) -> str:
        """SQL for one row as a JSON object."""
        alias = scope.alias
        members = [("@odata.etag", f"'\"W/\\\"' || {alias}._version || '\\\"\"'")]
        for name, column in self._selected(entity, options):
            members += self.column(entity, column, name, alias)
        for one in options.expand:
            members += self._expanded(entity, one, scope)
        # A last member with a name, as ready text before it ends with a comma.
        key = quoted(entity.key[0])
        members = [m for m in members if m[0] != entity.key[0]]
        return json_object([*members, (entity.key[0], f"'\"' || {alias}.{key} || '\"'")])

    def _selected(self, entity: Entity, options: Options) -> list[tuple[str, Column]]:
        """What is asked for, with what comes along: money's currency, a key under two names, what is referred to."""
        known, names = properties(entity), options.select
        if not names:
            return list(known.items())
        chosen: dict[str, Column] = {}
        for name in names:
            if name not in known:
                raise unknown_property(name, entity)
            chosen[name] = known[name]
        if any(c.kind == "money" for c in chosen.values()) and "_transactioncurrencyid_value" in known:
            chosen.setdefault("_transactioncurrencyid_value", known["_transactioncurrencyid_value"])
        if OWNER.name in known:
            chosen.setdefault(OWNER.name, OWNER)
        for one in options.expand:
            if one.ref and one.name in navigations(entity):
                column = navigations(entity)[one.name].column
                chosen.setdefault(f"_{column.name}_value", column)
        return list(chosen.items())

    # -- columns ---------------------------------------------------------------------------------------------------

    def column(self, entity: Entity, column: Column, name: str, alias: str) -> list[tuple[str, str]]:
        """The member of a column under a name, its annotations before it."""
        value = expression(entity, column, alias)
        members: list[tuple[str, str]] = []
        if self.annotations.patterns:
            if self.annotations.wants(FORMATTED):
                label = self.label(entity, column, value, alias)
                members += annotation_member(name, FORMATTED, label)
            if column.kind == "lookup":
                members += self._lookup(column, name, alias)
        return [*members, (name, column_json(column, value))]

    def _lookup(self, column: Column, name: str, alias: str) -> list[tuple[str, str]]:
        members: list[tuple[str, str]] = []
        for wanted, names in ((NAVIGATION, column.navigation), (LOGICAL_NAME, column.targets)):
            if self.annotations.wants(wanted) and names:
                members += annotation_member(name, wanted, _by_type(column, names, alias))
        return members

    def label(self, entity: Entity, column: Column, value: str, alias: str) -> str:
        """SQL for what people read of a column's value; ``NULL`` where the value itself is that."""
        if column.kind in CHOSEN:
            cases = " ".join(f"WHEN {int(c[0])} THEN {_text(c[1])}" for c in column.choices)
            return f"CASE {value} {cases} END" if cases else "NULL"
        if column.kind == "choices":
            return f"shown_choices({value}, {_text(json.dumps({str(c[0]): c[1] for c in column.choices}))})"
        if column.kind == "lookup":
            return _name_of(column, alias)
        if column.kind in {"datetime", "date"}:
            return f"shown_date({value}, {int(column.kind == 'date' or 'DateOnly' in (column.behavior or ''))})"
        if column.kind == "money" and "transactioncurrencyid" in entity.columns:
            return money_label(value, f"{alias}.transactioncurrencyid")
        if column.kind in {"int", "bigint", "decimal", "double", "money"}:
            places = column.precision or 2 if column.kind in {"decimal", "double", "money"} else 0
            return f"shown_number({value}, {int(places)}, '')"
        return "NULL"

    # -- expanded rows ---------------------------------------------------------------------------------------------

    def _expanded(self, entity: Entity, one: Expand, scope: Scope) -> list[tuple[str, str]]:
        navigation = navigations(entity).get(one.name)
        if navigation is not None:
            return [(one.name, self._single(navigation, one, scope))]
        collection = collections(entity).get(one.name)
        if collection is None:
            raise unknown_property(one.name, entity)
        if one.ref:
            raise bad_query("Expand with $ref is only supported on lookup type navigation property.")
        return self._many(collection, one, scope)

    def _single(self, navigation: Navigation, one: Expand, scope: Scope) -> str:
        asked = one.options
        if asked.order or asked.top is not None:
            raise bad_query(ONLY_SELECT_AND_FILTER)
        if asked.filter is not None:
            raise bad_query(f"$filter is for collections; '{one.name}' is single-valued.")
        target = navigation.target
        inner = replace(self.scope(target, scope.fresh()), counter=scope.counter)
        key = quoted(target.key[0])
        reference = f"'{{\"@odata.id\":\"{_sql(self.root)}{target.set_name}(' || {inner.alias}.{key} || ')\"}}'"
        row = reference if one.ref else self.row(target, inner, asked)
        matches = navigation.matches(scope.alias, inner.alias)
        return f"ifnull((SELECT {row} FROM {table(target)} AS {inner.alias} WHERE {matches}), 'null')"

    def _many(self, collection: Collection, one: Expand, scope: Scope) -> list[tuple[str, str]]:
        child, asked = collection.child, one.options
        inner = replace(self.scope(child, scope.fresh()), counter=scope.counter)
        row = self.row(child, inner, asked)
        where = [collection.matches(scope.alias, inner.alias)]
        where += [] if asked.filter is None else [self.condition(asked, inner)]
        sorts = order_by(self.sorts(asked, inner))
        most = min(MOST_CHILDREN if asked.top is None else asked.top, self.child_page or MOST_CHILDREN)
        found = f"FROM {inner.from_sql()} WHERE {' AND '.join(where)} ORDER BY {sorts} LIMIT {most}"
        link = f"{self.root}{scope.entity.set_name}("
        tail = f")/{one.name}{'?' + one.text if one.text else ''}"
        url = f"{_text(link)} || {scope.alias}.{quoted(scope.entity.key[0])} || {_text(tail)}"
        if self.child_page is not None:
            key = quoted(child.key[0])
            last = f"(SELECT max(k) FROM (SELECT {inner.alias}.{key} AS k {found}))"
            url += f" || {_following(child.key[0], last, '&' if one.text else '?')}"
        rows = f"SELECT {row} AS row {found}"
        return [(one.name, json_array(rows)), (f"{one.name}@odata.nextLink", json_text(url))]

    # -- conditions and order --------------------------------------------------------------------------------------

    def condition(self, options: Options, scope: Scope) -> str:
        """SQL for ``$filter``; `Refusal` (400) when it does not fit the entity."""
        if options.filter is None:
            return "1"
        try:
            return self.predicate.whole(options.filter, scope)
        except Unfit as problem:
            raise bad_query(str(problem)) from problem

    def sorts(self, options: Options, scope: Scope) -> list[Sort]:
        """The sort terms of ``$orderby``, the primary key last; a lookup sorts by the name of its row."""
        found: list[Sort] = []
        for term in options.order:
            try:
                operand = self.predicate.resolve(term.path, scope)
            except Unfit as problem:
                raise bad_query(str(problem)) from problem
            sql = operand.key
            if operand.column is not None and operand.column.kind == "lookup":
                name = _name_of(operand.column, sql.rpartition(".")[0])
                sql = name if name == "NULL" else f"sales_key({name})"
            found.append(Sort(sql, term.descending))
        return [*found, Sort(f"{scope.alias}.{quoted(scope.entity.key[0])}", descending=False)]


def money_label(value: str, currency: str) -> str:
    """SQL for an amount with its currency's symbol; ``currency`` is SQL for the currency's key."""
    rows = table(by_name("transactioncurrency"))
    symbol = f"(SELECT currencysymbol FROM {rows} WHERE transactioncurrencyid = {currency})"
    return f"shown_number({value}, 2, ifnull({symbol}, ''))"


def _following(key: str, last: str, mark: str) -> str:
    """SQL for what leads to the page of expanded rows after that key; nothing where there are none."""
    place = "00000000-0000-0000-0000-000000000000"
    token = quote(Cookie(2, (place,)).skiptoken([key], [place]), safe="")
    before, after = token.split(place, 1)
    return f"ifnull({_text(f'{mark}$skiptoken={before}')} || upper({last}) || {_text(after)}, '')"


def column_json(column: Column, value: str) -> str:
    """SQL for a column's value as JSON in Dataverse's form."""
    if column.kind == "bool":
        return json_bool(value)
    if column.kind in {"int", "bigint", "choice", "state", "status"}:
        return json_whole(value)
    if column.kind in KINDS:
        return json_digits(value)
    if column.kind == "double":
        return json_number(value)
    return json_text(value)


def annotation_member(name: str, annotation: str, label: str) -> list[tuple[str, str]]:
    """The member of an annotation, which stands only where there is something to say."""
    return (
        []
        if label == "NULL"
        else [("", f"ifnull('\"{name}@{annotation}\":' || nullif(json_quote({label}), 'null') || ',', '')")]
    )


def _by_type(column: Column, names: Sequence[str], alias: str) -> str:
    pairs = dict(zip(column.targets, names, strict=False))
    value = f"{alias}.{quoted(column.name)}"
    if len(column.targets) < 2:
        return f"iif({value} IS NULL, NULL, {_text(next(iter(pairs.values())))})"
    cases = " ".join(f"WHEN {_text(target)} THEN {_text(name)}" for target, name in pairs.items())
    return f"iif({value} IS NULL, NULL, CASE {alias}.{quoted(column.name + '!type')} {cases} END)"


def _name_of(column: Column, alias: str) -> str:
    served = {one.name: one for one in sets().values()}
    targets = [served[t] for t in column.targets if t in served and served[t].primary_name]
    value = f"{alias}.{quoted(column.name)}"
    selects = {
        t.name: f"(SELECT {quoted(t.primary_name)} FROM {table(t)} WHERE {quoted(t.key[0])} = {value})" for t in targets
    }
    if not selects:
        return "NULL"
    if len(column.targets) < 2:
        return next(iter(selects.values()))
    cases = " ".join(f"WHEN {_text(name)} THEN {select}" for name, select in selects.items())
    return f"CASE {alias}.{quoted(column.name + '!type')} {cases} END"


def _sql(text: str) -> str:
    return text.replace("'", "''")


def _text(text: str) -> str:
    return f"'{_sql(text)}'"
