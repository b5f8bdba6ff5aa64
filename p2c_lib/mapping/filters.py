"""The filters of templates: OData ``$filter`` text, read far enough to say whether it parses and what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

__all__ = ["columns_in_filter"]

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<date>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*(?:/[A-Za-z_]\w*)*(?:'[^']*')?)|(?P<mark>[(),:\[\]]|=(?!=)))"
)
COMPARE = {"eq", "ne", "gt", "ge", "lt", "le"}
CALCULATE = {"add", "sub", "mul", "div", "divby", "mod"}
WORDS = COMPARE | CALCULATE | {"and", "or", "not", "in"}
TESTS = {"contains", "startswith", "endswith"}
CONSTANTS = {"true", "false", "null"}
DEEPEST = 60  # levels; more than anybody writes, and less than what the services follow

QUERY_FUNCTION = "Microsoft.Dynamics.CRM."
# Dataverse's query functions by what they take beside PropertyName, as its reference lists them.
ALONE = {
    "EqualBusinessId", "EqualUserId", "EqualUserLanguage", "EqualUserOrUserHierarchy",
    "EqualUserOrUserHierarchyAndTeams", "EqualUserOrUserTeams", "EqualUserTeams", "Last7Days", "LastFiscalPeriod",
    "LastFiscalYear", "LastMonth", "LastWeek", "LastYear", "Next7Days", "NextFiscalPeriod", "NextFiscalYear",
    "NextMonth", "NextWeek", "NextYear", "NotEqualBusinessId", "NotEqualUserId", "ThisFiscalPeriod", "ThisFiscalYear",
    "ThisMonth", "ThisWeek", "ThisYear", "Today", "Tomorrow", "Yesterday",
}  # fmt: skip
ONE_VALUE = {
    "Above", "AboveOrEqual", "Contains", "InFiscalPeriod", "InFiscalYear", "LastXDays", "LastXFiscalPeriods",
    "LastXFiscalYears", "LastXHours", "LastXMonths", "LastXWeeks", "LastXYears", "NextXDays", "NextXFiscalPeriods",
    "NextXFiscalYears", "NextXHours", "NextXMonths", "NextXWeeks", "NextXYears", "NotOn", "NotUnder",
    "OlderThanXDays", "OlderThanXHours", "OlderThanXMinutes", "OlderThanXMonths", "OlderThanXWeeks",
    "OlderThanXYears", "On", "OnOrAfter", "OnOrBefore", "Under", "UnderOrEqual",
}  # fmt: skip
TWO_VALUES = {
    "InFiscalPeriodAndYear", "InOrAfterFiscalPeriodAndYear", "InOrBeforeFiscalPeriodAndYear",
}  # fmt: skip
LISTED = {
    "Between", "ContainValues", "DoesNotContainValues", "In", "NotBetween", "NotIn",
}  # fmt: skip
TAKES = {
    **dict.fromkeys(ALONE, ("PropertyName",)),
    **dict.fromkeys(ONE_VALUE, ("PropertyName", "PropertyValue")),
    **dict.fromkeys(TWO_VALUES, ("PropertyName", "PropertyValue1", "PropertyValue2")),
    **dict.fromkeys(LISTED, ("PropertyName", "PropertyValues")),
}


def columns_in_filter(text: str, app: str = "sales") -> tuple[str, ...]:
    """The columns an OData filter names, in their order; raises ``ValueError`` saying what is wrong and where.

    Columns of other rows, inside ``any`` and ``all``, are read and not named: only the service knows them. ``app`` is
    the system that is asked: F&O has neither ``any`` and ``all`` nor Dataverse's query functions.

    >>> columns_in_filter("statecode eq 1 and not (startswith(name, 'A') or quoteid/statecode ne 2)")
    ('statecode', 'name', 'quoteid/statecode')
    >>> columns_in_filter("Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=30)")
    ('createdon',)
    """
    reader = _Reader(text, _tokens(text), app)
    reader.any_of()
    if reader.place < len(reader.tokens):
        reader.stop("and, or, or the end")
    return tuple(dict.fromkeys(reader.columns))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"'{text[place:].strip()[:12]}' at character {place + 1} is not understood")
        found.append(_Token(str(match.lastgroup), match[str(match.lastgroup)], match.start(str(match.lastgroup)) + 1))
        place = match.end()
    return found


@dataclass
class _Reader:
    """Walks the tokens by the grammar and collects the columns."""

    text: str
    tokens: list[_Token]
    app: str
    place: int = 0
    depth: int = 0
    variables: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def any_of(self) -> None:
        self.all_of()
        while self.takes("or"):
            self.all_of()

    def all_of(self) -> None:
        self.one()
        while self.takes("and"):
            self.one()

    def one(self) -> None:
        if self.ahead() == "not":
            with self.deeper():
                self.place += 1
                self.one()
        elif self.ahead() == "(":
            with self.deeper():
                self.place += 1
                self.any_of()
                self.needs(")")
        else:
            self.comparison()

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level down; what is nested without end is refused before Python's own limit is met."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels are nested at character {self.tokens[self.place].at}")
        yield
        self.depth -= 1

    def comparison(self) -> None:
        if self.is_condition():
            self.operand()
            if self.ahead() not in COMPARE:
                return
        else:
            self.calculated()
        if self.takes("in"):
            self.listed(")")
            return
        if self.ahead() not in COMPARE:
            self.stop("eq, ne, gt, ge, lt or le")
        self.place += 1
        self.calculated()

    def is_condition(self) -> bool:
        """Whether a call comes that is true or false by itself."""
        name = self.ahead() or ""
        called = self.ahead(1) == "("
        return called and (
            name in TESTS or name.startswith(QUERY_FUNCTION) or name.rpartition("/")[2] in {"any", "all"}
        )

    def calculated(self) -> None:
        self.operand()
        while self.ahead() in CALCULATE:
            self.place += 1
            self.operand()

    def operand(self) -> None:
        if self.place >= len(self.tokens):
            self.stop("a column or a value")
        token = self.tokens[self.place]
        if token.kind == "mark" or token.text in WORDS or token.text.startswith('"'):
            self.stop("a column or a value")
        if token.kind == "name" and self.ahead(1) == "(":
            with self.deeper():
                self.call(token)
            return
        if token.kind == "name" and token.text not in CONSTANTS and "'" not in token.text:
            self.column(token)
        self.place += 1

    def column(self, token: _Token) -> None:
        """A column; one of a row inside ``any`` or ``all`` is that row's."""
        first, slash, _ = token.text.partition("/")
        if first not in self.variables:
            self.columns.append(token.text)
        elif not slash:
            raise ValueError(f"a column of '{first}' is expected at character {token.at}, such as '{first}/name'")

    def call(self, token: _Token) -> None:
        path, _, last = token.text.rpartition("/")
        if last in {"any", "all"}:
            self.each(token, last, path)
        elif token.text.startswith(QUERY_FUNCTION):
            self.query_function(token)
        elif path or "'" in token.text:
            raise ValueError(f"'{token.text}' at character {token.at} is no function")
        else:
            self.place += 1
            self.needs("(")
            self.calculated()
            while self.takes(","):
                self.calculated()
            self.needs(")")

    def each(self, token: _Token, quantifier: str, path: str) -> None:
        """``path/any(x:x/column eq 1)``; ``any()`` alone asks whether there is a row."""
        if self.app == "finops":
            raise ValueError(f"F&O has no '{quantifier}' for filters; it came at character {token.at}")
        if not path:
            raise ValueError(
                f"'{quantifier}' at character {token.at} needs a collection, such as 'quotes/{quantifier}'"
            )
        self.place += 1
        self.needs("(")
        if quantifier == "any" and self.takes(")"):
            return
        name = self.variable()
        self.needs(":")
        self.variables.append(name)
        self.any_of()
        self.variables.pop()
        self.needs(")")

    def variable(self) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.kind != "name" or not token.text.isidentifier() or token.text in WORDS | CONSTANTS:
            self.stop("a name for the rows, such as x in x:x/name eq 'A',")
        if token.text in self.variables:
            raise ValueError(f"'{token.text}' at character {token.at} names other rows already")
        self.place += 1
        return token.text

    def query_function(self, token: _Token) -> None:
        """``Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['A','B'])``, its parameters in any order."""
        takes = TAKES.get(token.text.removeprefix(QUERY_FUNCTION))
        if self.app == "finops":
            raise ValueError(f"'{token.text}' at character {token.at} is Dataverse's; F&O has no such functions")
        if takes is None:
            raise ValueError(f"'{token.text}' at character {token.at} is no query function of Dataverse")
        self.place += 1
        self.needs("(")
        given: list[str] = []
        while not given or self.takes(","):
            given.append(self.parameter(takes, given))
        self.needs(")")
        missing = [name for name in takes if name not in given]
        if missing:
            raise ValueError(f"'{token.text}' at character {token.at} needs {' and '.join(missing)}")

    def parameter(self, takes: tuple[str, ...], given: list[str]) -> str:
        """One ``name=value`` of a query function, its name."""
        name = self.ahead()
        if name not in takes or name in given:
            self.stop(f"{' or '.join(one for one in takes if one not in given) or ')'}")
        self.place += 1
        self.needs("=")
        if name == "PropertyName":
            self.named_column()
        elif name == "PropertyValues":
            self.listed("]")
        else:
            self.value()
        return str(name)

    def named_column(self) -> None:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        named = token.text[1:-1] if token is not None and token.kind == "text" else ""
        if not re.fullmatch(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", named, re.ASCII):
            self.stop("a column in quotes")
        # Inside any and all the rows of the innermost are meant.
        if not self.variables:
            self.columns.append(named)
        self.place += 1

    def listed(self, end: str) -> None:
        """Values between brackets: no columns, which no service compares with a list."""
        self.needs({")": "(", "]": "["}[end])
        self.value()
        while self.takes(","):
            self.value()
        self.needs(end)

    def value(self) -> None:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.kind == "mark":
            self.stop("a value")
        if token.kind == "name" and token.text not in CONSTANTS and "'" not in token.text:
            raise ValueError(f"a value is expected at character {token.at}, the column '{token.text}' came")
        self.place += 1

    def ahead(self, further: int = 0) -> str | None:
        place = self.place + further
        return self.tokens[place].text if place < len(self.tokens) else None

    def takes(self, word: str) -> bool:
        if self.ahead() != word:
            return False
        self.place += 1
        return True

    def needs(self, word: str) -> None:
        if not self.takes(word):
            self.stop(word)

    def stop(self, wanted: str) -> NoReturn:
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            raise ValueError(f"{wanted} is expected at character {token.at}, '{token.text}' came")
        raise ValueError(f"{wanted} is expected at the end")
