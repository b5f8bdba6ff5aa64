"""The OData expression language of ``$filter``, ``$orderby`` and keys, read into a small tree.

The reader knows the grammar only; names, types and what a dialect offers are checked where the tree becomes SQL
(`predicate.py`). Anything it cannot read raises `Malformed` with the problem and the position.

>>> parse_filter("name eq 'O''Neil' and revenue gt 5")
And(parts=(Compare(op='eq', left=Path(names=('name',)), right=Literal(kind='string', value="O'Neil")), \
Compare(op='gt', left=Path(names=('revenue',)), right=Literal(kind='int', value=5))))
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TypeAlias

from p2c_lib.sandbox.exact import number

_DEEPEST = 60
_DEEPEST_LAMBDA = 8  # subqueries in subqueries that the database takes, whatever stands in them
_COMPARE = {"eq", "ne", "gt", "ge", "lt", "le"}
_ADD = {"add", "sub"}
_MULTIPLY = {"mul", "div", "divby", "mod"}


class Malformed(Exception):
    """An expression that cannot be read; the message names the problem and the position in the text."""

    def __init__(self, problem: str, position: int, text: str) -> None:
        super().__init__(f"{problem} at position {position} in '{text}'.")
        self.problem, self.position = problem, position


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; ``kind`` is string, int, decimal, bool, null, guid, datetime, date or list."""

    kind: str
    value: object


@dataclass(frozen=True, slots=True)
class EnumLiteral:
    """``Namespace.Type'Member'``: ``type`` is the qualified name."""

    type: str
    member: str


@dataclass(frozen=True, slots=True)
class Path:
    """A column, or a column behind navigation properties."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right`` with op one of eq ne gt ge lt le."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``left op right`` with op one of add sub mul div divby mod."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class And:
    """All parts are true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part is true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Node


@dataclass(frozen=True, slots=True)
class Function:
    """``name(arguments)``; a qualified function may name its arguments."""

    name: str
    arguments: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Lambda:
    """``path/any(variable: body)`` or ``all``; ``any()`` has neither variable nor body."""

    path: Path
    every: bool
    variable: str
    body: Node | None


Node: TypeAlias = Literal | EnumLiteral | Path | Compare | Arithmetic | And | Or | Not | Function | Lambda


@dataclass(frozen=True, slots=True)
class Term:
    """One term of ``$orderby``."""

    path: Path
    descending: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; ``value`` is set for literals."""

    kind: str
    text: str
    at: int
    value: object = None


_PATTERN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<datetime>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?
      (?:Z|z|[+-][0-9]{2}:[0-9]{2})?)
  | (?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})
  | (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})
  | (?P<decimal>[+-]?(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)[mMdDfF]?
      |[+-]?[0-9]+[mMdDfF](?![\w-]))
  | (?P<int>[+-]?[0-9]+[lL]?)
  | (?P<enum>[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)+'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<json>\[)
  | (?P<alias>@[A-Za-z_]\w*)
  | (?P<content>\$count)
  | (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
  | (?P<mark>[(),:/=])
    """,
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    """The text cut into tokens, spaces left out, an ``end`` token last."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            open_string = text[at] == "'"
            problem = "An unterminated string literal" if open_string else f"The character '{text[at]}' is not expected"
            raise Malformed(problem, at, text)
        kind = match.lastgroup or ""
        if kind == "json":
            token, at = _json_list(text, at)
            found.append(token)
            continue
        if kind != "space":
            found.append(Token(kind, match.group(), at, _value(kind, match.group(), at, text)))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def _json_list(text: str, at: int) -> tuple[Token, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        return _quoted_list(text, at, error)
    return Token("list", text[at:end], at, value), end


def _quoted_list(text: str, at: int, error: Exception) -> tuple[Token, int]:
    match = re.compile(r"\[\s*('(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*)\s*\]").match(text, at)
    if match is None:
        raise Malformed("A list that is not JSON", at, text) from error
    values = [m[1:-1].replace("''", "'") for m in re.findall(r"'(?:[^']|'')*'", match.group(1))]
    return Token("list", match.group(), at, values), match.end()


def _value(kind: str, text: str, at: int, whole: str) -> object:
    if kind == "string":
        return text[1:-1].replace("''", "'")
    if kind == "int":
        return int(text.rstrip("lL")) if len(text) < 40 else number(text.rstrip("lL"))
    if kind == "decimal":
        return number(text.rstrip("mMdDfF"))
    if kind == "guid":
        return text.lower()
    if kind in {"datetime", "date"}:
        return moment(text, at, whole)
    return None


ISO_DAY = len("2026-01-31")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE)


def moment(text: str, at: int = 0, whole: str | None = None) -> str:
    """A date (``YYYY-MM-DD``) or a moment as UTC in the stored form ``YYYY-MM-DDTHH:MM:SSZ``."""
    try:
        if not _ISO.fullmatch(text):
            raise ValueError(text)
        if len(text) == ISO_DAY:
            return date.fromisoformat(text).isoformat()
        trimmed = re.sub(r"\.(\d{6})\d+", r".\1", text.upper().replace("Z", "+00:00"))
        when = datetime.fromisoformat(trimmed)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        return f"{when.replace(tzinfo=None, microsecond=0).isoformat()}Z"
    except (ValueError, OverflowError) as error:
        raise Malformed(f"'{text}' is not a date that exists", at, whole or text) from error


class _Reader:
    def __init__(self, text: str, columns: Mapping[str, Path] = MappingProxyType({})) -> None:
        self.text = text
        self.columns = columns
        self.tokens = tokens(text)
        self.index = 0
        self.depth = 0
        self.lambdas = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.index]

    def fail(self, problem: str, token: Token | None = None) -> Malformed:
        return Malformed(problem, (token or self.here).at, self.text)

    def take(self) -> Token:
        token = self.here
        self.index += 1
        return token

    def at_mark(self, mark: str) -> bool:
        return self.here.kind == "mark" and self.here.text == mark

    def at_word(self, *words: str) -> bool:
        return self.here.kind == "name" and self.here.text in words

    def expect(self, mark: str) -> None:
        if not self.at_mark(mark):
            found = f"'{self.here.text}'" if self.here.kind != "end" else "the end"
            raise self.fail(f"'{mark}' expected but {found} found")
        self.index += 1

    def end(self) -> None:
        if self.here.kind != "end":
            raise self.fail(f"Syntax error: '{self.here.text}' is not expected")

    # or < and < not < compare < add < multiply < primary

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fail(f"Recursion depth exceeded allowed limit, which is {_DEEPEST},")
        parts = [self.conjunction()]
        while self.at_word("or"):
            self.take()
            parts.append(self.conjunction())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Node:
        parts = [self.negation()]
        while self.at_word("and"):
            self.take()
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self) -> Node:
        if not self.at_word("not"):
            return self.comparison()
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fail(f"Recursion depth exceeded allowed limit, which is {_DEEPEST},")
        self.take()
        part = self.negation()
        self.depth -= 1
        return Not(part)

    def comparison(self) -> Node:
        left = self.sum()
        if not self.at_word(*_COMPARE):
            return left
        op = self.take().text
        right = self.sum()
        if self.at_word(*_COMPARE):
            raise self.fail("A comparison cannot be compared again without parentheses")
        return Compare(op, left, right)

    def sum(self) -> Node:
        left = self.product()
        while self.at_word(*_ADD):
            op = self.take().text
            left = Arithmetic(op, left, self.product())
        return left

    def product(self) -> Node:
        left = self.primary()
        while self.at_word(*_MULTIPLY):
            op = self.take().text
            left = Arithmetic(op, left, self.primary())
        return left

    def primary(self) -> Node:
        token = self.here
        if self.at_mark("("):
            self.take()
            inner = self.expression()
            self.expect(")")
            return inner
        if token.kind in {"string", "int", "decimal", "guid", "datetime", "date", "list"}:
            return Literal(token.kind, self.take().value)
        if token.kind == "enum":
            name, _, member = self.take().text.partition("'")
            return EnumLiteral(name, member[:-1].replace("''", "'"))
        if token.kind == "alias":
            self.take()
            return self.columns.get(token.text, Path((token.text,)))
        if token.kind == "name":
            return self.named()
        found = f"'{token.text}'" if token.kind != "end" else "the end"
        raise self.fail(f"Expression expected but {found} found")

    def named(self) -> Node:
        token = self.take()
        if token.text in {"true", "false"} and not self.at_mark("/"):
            return Literal("bool", token.text == "true")
        if token.text == "null":
            return Literal("null", None)
        if self.at_mark("("):
            return self.function(token)
        names = [token.text]
        while self.at_mark("/"):
            self.take()
            step = self.take()
            if step.kind == "content":
                names.append(step.text)
                break
            if step.kind != "name":
                raise self.fail("A property name expected after '/'", step)
            if step.text in {"any", "all"} and self.at_mark("("):
                return self.each(Path(tuple(names)), every=step.text == "all")
            names.append(step.text)
        return Path(tuple(names))

    def each(self, path: Path, *, every: bool) -> Node:
        self.expect("(")
        if self.lambdas == _DEEPEST_LAMBDA:
            raise self.fail(f"Recursion depth exceeded allowed limit, which is {_DEEPEST_LAMBDA} of any and all,")
        if self.at_mark(")"):
            if every:
                raise self.fail("'all' needs a variable and a condition")
            self.take()
            return Lambda(path, False, "", None)  # noqa: FBT003 - a field, named in the class
        variable = self.take()
        if variable.kind != "name":
            raise self.fail("A variable name expected", variable)
        self.expect(":")
        self.lambdas += 1
        body = self.expression()
        self.lambdas -= 1
        self.expect(")")
        return Lambda(path, every, variable.text, body)

    def function(self, token: Token) -> Node:
        self.expect("(")
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        while not self.at_mark(")"):
            if arguments or named:
                self.expect(",")
            following = self.tokens[min(self.index + 1, len(self.tokens) - 1)]
            if self.here.kind == "name" and following.kind == "mark" and following.text == "=":
                name = self.take().text
                self.take()
                named.append((name, self.expression()))
            else:
                arguments.append(self.expression())
        self.take()
        return Function(token.text, tuple(arguments), tuple(named))


def parse_filter(text: str, columns: Mapping[str, Path] = MappingProxyType({})) -> Node:
    """The tree of a ``$filter``; ``columns`` are parameter aliases that stand for one; raises `Malformed`."""
    reader = _Reader(text, columns)
    node = reader.expression()
    reader.end()
    return node


def parse_order(text: str, columns: Mapping[str, Path] = MappingProxyType({})) -> tuple[Term, ...]:
    """The terms of an ``$orderby``; ``columns`` are parameter aliases that stand for one; raises `Malformed`."""
    reader = _Reader(text, columns)
    terms: list[Term] = []
    while True:
        path = reader.primary()
        if not isinstance(path, Path):
            raise reader.fail("Only columns can be sorted by", reader.tokens[max(reader.index - 1, 0)])
        descending = reader.at_word("desc")
        if reader.at_word("asc", "desc"):
            reader.take()
        terms.append(Term(path, descending))
        if not reader.at_mark(","):
            break
        reader.take()
    reader.end()
    return tuple(terms)


def parse_key(text: str) -> dict[str, Literal | EnumLiteral]:
    """The key between the parentheses of a URL: ``name=literal,...``, or one bare literal under the name ``""``."""
    reader = _Reader(text)
    key: dict[str, Literal | EnumLiteral] = {}
    while True:
        following = reader.tokens[min(reader.index + 1, len(reader.tokens) - 1)]
        name = ""
        if reader.here.kind == "name" and following.text == "=" and following.kind == "mark":
            name = reader.take().text
            reader.take()
        value = reader.primary()
        if not isinstance(value, Literal | EnumLiteral):
            raise reader.fail("A literal expected in the key", reader.tokens[max(reader.index - 1, 0)])
        if name in key:
            raise reader.fail(f"'{name}' is in the key twice")
        key[name] = value
        if not reader.at_mark(","):
            break
        reader.take()
    reader.end()
    if "" in key and len(key) > 1:
        raise Malformed("A key of several parts needs every part named", 0, text)
    return key
