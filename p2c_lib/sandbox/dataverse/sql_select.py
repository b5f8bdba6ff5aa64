# ruff: noqa: S608 - every name is checked against the schema and quoted, values are bound
"""The ``sql`` query parameter: one SELECT of the documented subset, read and written anew with checked names.

SELECT [DISTINCT] [TOP n] columns and aggregates FROM table [alias] [INNER|LEFT JOIN ... ON a = b] [WHERE ...]
[GROUP BY ...] [ORDER BY ...] [OFFSET n ROWS FETCH NEXT m ROWS ONLY]. There is no ``*``, no subquery, no write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from p2c_lib.sandbox.dataverse.aggregates import MOST_ROWS, applied, too_many_rows
from p2c_lib.sandbox.dataverse.aggregates import shown as shown_as
from p2c_lib.sandbox.dataverse.cookies import Cookie, read_cookie
from p2c_lib.sandbox.dataverse.crm_functions import converted
from p2c_lib.sandbox.dataverse.filter import wildcard
from p2c_lib.sandbox.dataverse.model import expression, sets
from p2c_lib.sandbox.dataverse.projection import column_json
from p2c_lib.sandbox.dataverse.read import Asked, next_link
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.predicate import Binder, Operand, Scope, Unfit, balanced
from p2c_lib.sandbox.rows import json_object
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, quoted, table

MOST_PAGE = 5000
_TOKEN = re.compile(r"\s*(?:(N?'(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|(\[?\w+\]?)|(<>|!=|<=|>=|[=<>(),.*]))")
_COMPARE = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_AGGREGATES = {"COUNT", "SUM", "AVG", "MIN", "MAX"}
_ENDS = {"INNER", "LEFT", "JOIN", "WHERE", "GROUP", "ORDER", "OFFSET", "ON", "AND", "OR", "FETCH", "AS"}
_DEEPEST = 50


@dataclass(slots=True)
class _Output:
    name: str
    sql: str
    json: str
    key: str
    aggregate: bool


@dataclass(slots=True)
class _Statement:
    tokens: list[str]
    binder: Binder = field(default_factory=Binder)
    scopes: dict[str, Scope] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    # -- reading -------------------------------------------------------------------------------------------------------

    def fail(self, problem: str) -> NoReturn:
        raise bad_query(f"The SQL cannot be followed: {problem}.")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take the words when they come next, in any case."""
        found = [token.upper() for token in self.tokens[self.at : self.at + len(words)]]
        if found != list(words):
            return False
        self.at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.word(*words):
            self.fail(f"'{' '.join(words)}' expected but '{self.peek() or 'the end'}' found")

    def name(self) -> str:
        token = self.take().strip("[]")
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            self.fail(f"a name expected but '{token or 'the end'}' found")
        return token.lower()

    def number(self) -> int:
        token = self.take()
        if not token.isdigit() or len(token) > 9:
            self.fail(f"a whole number expected but '{token or 'the end'}' found")
        return int(token)

    # -- names ---------------------------------------------------------------------------------------------------------

    def source(self) -> Scope:
        """A table with its alias."""
        name = self.name()
        entity = next((one for one in sets().values() if one.name == name), None)
        if entity is None:
            self.fail(f"there is no table '{name}'")
        self.word("AS")
        alias = name
        if self.peek().strip("[]").upper() not in _ENDS and re.fullmatch(r"\[?[A-Za-z_]\w*\]?", self.peek()):
            alias = self.name()
        if alias in self.scopes:
            self.fail(f"'{alias}' names two tables")
        scope = Scope(entity, f"q{len(self.scopes)}", self.binder, expression)
        self.scopes[alias] = scope
        return scope

    def column(self) -> Operand:
        """A column, with or without its table's alias."""
        name = self.name()
        if self.word("."):
            scope, name = self.scopes.get(name), self.name()
            if scope is None:
                self.fail("a column is taken from a table that is not in FROM")
            return self.found(scope, name)
        for scope in self.scopes.values():
            if name in scope.entity.columns:
                return self.found(scope, name)
        return self.fail(f"there is no column '{name}'")

    def found(self, scope: Scope, name: str) -> Operand:
        if name not in scope.entity.columns:
            self.fail(f"'{scope.entity.name}' has no column '{name}'")
        return scope.column(scope.entity.columns[name])

    # -- clauses -------------------------------------------------------------------------------------------------------

    def output(self) -> _Output:
        """One item of the select list."""
        if self.peek() == "*":
            self.fail("SELECT * is not supported; name the columns")
        function = self.peek().upper()
        if function in _AGGREGATES and self.tokens[self.at + 1 : self.at + 2] == ["("]:
            return self.aggregate(function)
        operand = self.column()
        assert operand.column is not None
        name = operand.column.name if operand.column.kind != "lookup" else f"_{operand.column.name}_value"
        name = self.name() if self.word("AS") else name
        return _Output(name, operand.sql, column_json(operand.column, operand.sql), operand.key, aggregate=False)

    def aggregate(self, function: str) -> _Output:
        self.at += 2
        if function == "COUNT" and self.word("*"):
            sql = shown = key = "count(*)"
        else:
            distinct = "DISTINCT " if self.word("DISTINCT") else ""
            operand = self.column()
            if function in {"SUM", "AVG"} and operand.family != "number":
                self.fail(f"{function} needs a number")
            sql = applied(function.lower(), operand, distinct=distinct)
            shown = sql if function == "COUNT" else shown_as(operand, sql)
            key = sql if function == "COUNT" else operand.keyed(sql)
        self.expect(")")
        name = self.name() if self.word("AS") else function.lower()
        return _Output(name, sql, shown, key, aggregate=True)

    def join(self) -> bool:
        """One JOIN, when there is one."""
        left = self.word("LEFT", "OUTER", "JOIN") or self.word("LEFT", "JOIN")
        if not left and not (self.word("INNER", "JOIN") or self.word("JOIN")):
            return False
        scope = self.source()
        self.expect("ON")
        condition = self.condition()
        kind = "LEFT JOIN" if left else "JOIN"
        self.joins.append(f"{kind} {table(scope.entity)} AS {scope.alias} ON {condition}")
        return True

    def condition(self) -> str:
        """OR of ANDs."""
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"it is nested deeper than {_DEEPEST} levels")
        parts = [self.conjunction()]
        while self.word("OR"):
            parts.append(self.conjunction())
        self.depth -= 1
        return balanced(parts, "OR")

    def conjunction(self) -> str:
        parts = [self.test()]
        while self.word("AND"):
            parts.append(self.test())
        return balanced(parts, "AND")

    def test(self) -> str:
        """One comparison, or a condition in parentheses."""
        if self.word("("):
            inner = self.condition()
            self.expect(")")
            return f"({inner})"
        left = self.column()
        if self.word("IS", "NULL"):
            return f"({left.sql} IS NULL)"
        if self.word("IS", "NOT", "NULL"):
            return f"({left.sql} IS NOT NULL)"
        negated = "NOT " if self.word("NOT") else ""
        if self.word("LIKE"):
            return f"({negated}{wildcard(left, self.text(), next(iter(self.scopes.values())))})"
        if self.word("IN", "("):
            values = [self.value(left)]
            while self.word(","):
                values.append(self.value(left))
            self.expect(")")
            return f"({left.key} {negated}IN ({', '.join(values)}))"
        if self.word("BETWEEN"):
            low = self.value(left)
            self.expect("AND")
            return f"({left.key} {negated}BETWEEN {low} AND {self.value(left)})"
        operator = _COMPARE.get(self.take())
        if negated or operator is None:
            self.fail("a comparison expected")
        return f"({left.key} {operator} {self.other(left)})"

    def text(self) -> str:
        token = self.take()
        if not token.endswith("'"):
            self.fail(f"a text expected but '{token or 'the end'}' found")
        return token.removeprefix("N")[1:-1].replace("''", "'")

    def value(self, left: Operand) -> str:
        token = self.peek()
        if not token.endswith("'") and not re.fullmatch(r"-?\d+(\.\d+)?", token):
            self.fail(f"a value expected but '{token or 'the end'}' found")
        try:
            value = converted(self.text() if token.endswith("'") else self.take(), left)
            return left.keyed(self.binder.bind(value))
        except Unfit as problem:
            self.fail(str(problem).rstrip("."))

    def other(self, left: Operand) -> str:
        """The right side: a value, or a column of the same type."""
        if not re.fullmatch(r"\[?[A-Za-z_]\w*\]?", self.peek()):
            return self.value(left)
        right = self.column()
        if right.family != left.family:
            self.fail("the two columns have different types")
        return right.key

    def listed(self) -> list[Operand]:
        found = [self.column()]
        while self.word(","):
            found.append(self.column())
        return found


def select(store: Store, entity: Entity, text: str, asked: Asked, skiptoken: str | None) -> str:
    """The members of the answer after its context; `Refusal` (400) tells what cannot be followed.

    Without TOP or FETCH rows beyond 5,000 come with the next link.
    """
    statement = _Statement(_tokens(text))
    statement.expect("SELECT")
    distinct = statement.word("DISTINCT")
    top = statement.number() if statement.word("TOP") else None
    # The select list needs the tables, which come after it: read it last.
    begin = statement.at
    statement.at = _matching_from(statement)
    statement.expect("FROM")
    scope = statement.source()
    if scope.entity is not entity:
        statement.fail(f"the table must be '{entity.name}'")
    while statement.join():
        continue
    where = f" WHERE {statement.condition()}" if statement.word("WHERE") else ""
    groups = [one.key for one in statement.listed()] if statement.word("GROUP", "BY") else []
    after = statement.at
    statement.at = begin
    outputs = [statement.output()]
    while statement.word(","):
        outputs.append(statement.output())
    statement.expect("FROM")
    statement.at = after
    order = _order(statement, outputs)
    start, most = _limit(statement, top)
    begun = int(read_cookie(skiptoken, 1).last[0] or 0) if skiptoken else start
    if statement.peek():
        statement.fail(f"'{statement.peek()}' is not expected")
    origin = " ".join([f"{table(entity)} AS {scope.alias}", *statement.joins]) + where
    if groups or any(one.aggregate for one in outputs):
        _check_size(store, origin, statement.binder)
        if any(not one.aggregate and one.key not in groups for one in outputs):
            statement.fail("a column is neither in an aggregate nor in GROUP BY")
    named = ", ".join(f"{one.sql} AS {quoted(one.name)}" for one in outputs)
    if distinct and not groups and not any(one.aggregate for one in outputs):
        # What the system takes for one value is one row.
        groups = [one.key for one in outputs]
    grouping = f" GROUP BY {', '.join(groups)}" if groups else ""
    row = json_object([(one.name, one.json) for one in outputs])
    sql = f"SELECT {'DISTINCT ' if distinct else ''}{row}, {named} FROM {origin}{grouping}{order}"
    limited = f"{sql} LIMIT {(MOST_PAGE + 1) if most is None else most} OFFSET {begun}"
    rows = [found[0] for found in store.connection.execute(limited, statement.binder.values)]
    link = ""
    if most is None and len(rows) > MOST_PAGE:
        following = Cookie(begun // MOST_PAGE + 2, (begun + MOST_PAGE,)).skiptoken(["offset"], (begun,))
        link = next_link(following, asked)
    return f'"value":[{",".join(rows[:MOST_PAGE])}]{link}'


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.strip().removesuffix(";")
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_query(f"The SQL cannot be followed: '{text[at : at + 20].strip()}' at position {at}.")
        found.append(next(group for group in match.groups() if group is not None))
        at = match.end()
    return found


def _matching_from(statement: _Statement) -> int:
    for at, token in enumerate(statement.tokens):
        if token.upper() == "FROM":
            return at
    return statement.fail("FROM is missing")


def _order(statement: _Statement, outputs: list[_Output]) -> str:
    if not statement.word("ORDER", "BY"):
        return ""
    terms = [_term(statement, outputs)]
    while statement.word(","):
        terms.append(_term(statement, outputs))
    return f" ORDER BY {', '.join(terms)}"


def _term(statement: _Statement, outputs: list[_Output]) -> str:
    alias = next((one for one in outputs if one.name == statement.peek().strip("[]").lower()), None)
    if alias is not None:
        statement.at += 1
        sql = alias.key
    else:
        sql = statement.column().key
    if statement.word("DESC"):
        return f"{sql} DESC"
    statement.word("ASC")
    return sql


def _limit(statement: _Statement, top: int | None) -> tuple[int, int | None]:
    """Where to begin and how many rows to give; None is all, in pages."""
    if top is not None and top > MOST_PAGE:
        statement.fail(f"TOP allows 0 to {MOST_PAGE}")
    if not statement.word("OFFSET"):
        return 0, top
    offset = statement.number()
    statement.expect("ROWS")
    if not statement.word("FETCH", "NEXT"):
        return offset, top
    count = min(statement.number(), MOST_PAGE)
    statement.expect("ROWS", "ONLY")
    return offset, count


def _check_size(store: Store, origin: str, binder: Binder) -> None:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {origin} LIMIT {MOST_ROWS + 1})"
    if store.connection.execute(sql, binder.values).fetchone()[0] > MOST_ROWS:
        raise too_many_rows()
