"""The filters of templates: OData ``$filter`` text, read far enough to say whether it parses and what it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from p2c_lib.mapping.filter_tokens import Token, is_day, tokens

__all__ = ["columns_in_filter"]

COMPARE = {"eq", "ne", "gt", "ge", "lt", "le"}
CALCULATE = {"add", "sub", "mul", "div", "divby", "mod"}
WORDS = COMPARE | CALCULATE | {"and", "or", "not", "in", "has"}
TESTS = {"contains", "startswith", "endswith"}
DEEPEST_ROWS = 8  # of any and all inside one another: subqueries in subqueries, as the sandbox takes them
DEEPEST = 60  # levels; more than anybody writes, and less than what the services follow
MOST_CONDITIONS = 500  # of one query of Dataverse, as published
MOST_VALUES = 10_000  # of one list
CONSTANTS = {"true", "false", "null"}
GUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
NO_NUMBERS = {"INF", "NaN"}
LARGEST = 1_000_000  # of what query functions count
CALLED = {"sales": "Sales", "finops": "F&O"}

QUERY_FUNCTION = "Microsoft.Dynamics.CRM."
# Dataverse's query functions by what they take beside PropertyName, as its reference lists them.
ALONE = {
    "EqualBusinessId", "EqualUserId", "EqualUserLanguage", "EqualUserOrUserHierarchy",
    "EqualUserOrUserHierarchyAndTeams", "EqualUserOrUserTeams", "EqualUserTeams", "Last7Days", "LastFiscalPeriod",
    "LastFiscalYear", "LastMonth", "LastWeek", "LastYear", "Next7Days", "NextFiscalPeriod", "NextFiscalYear",
    "NextMonth", "NextWeek", "NextYear", "NotEqualBusinessId", "NotEqualUserId", "ThisFiscalPeriod", "ThisFiscalYear",
    "ThisMonth", "ThisWeek", "ThisYear", "Today", "Tomorrow", "Yesterday",
}  # fmt: skip
COUNTED = {
    "InFiscalPeriod", "InFiscalYear", "LastXDays", "LastXFiscalPeriods", "LastXFiscalYears", "LastXHours",
    "LastXMonths", "LastXWeeks", "LastXYears", "NextXDays", "NextXFiscalPeriods", "NextXFiscalYears", "NextXHours",
    "NextXMonths", "NextXWeeks", "NextXYears", "OlderThanXDays", "OlderThanXHours", "OlderThanXMinutes",
    "OlderThanXMonths", "OlderThanXWeeks", "OlderThanXYears",
}  # fmt: skip
DATED = {"NotOn", "On", "OnOrAfter", "OnOrBefore"}
IN_TREES = {"Above", "AboveOrEqual", "NotUnder", "Under", "UnderOrEqual"}
TWO_VALUES = {
    "InFiscalPeriodAndYear", "InOrAfterFiscalPeriodAndYear", "InOrBeforeFiscalPeriodAndYear",
}  # fmt: skip
LISTED = {
    "Between", "ContainValues", "DoesNotContainValues", "In", "NotBetween", "NotIn",
}  # fmt: skip
TAKES = {
    **dict.fromkeys(ALONE, ("PropertyName",)),
    **dict.fromkeys(COUNTED | DATED | IN_TREES, ("PropertyName", "PropertyValue")),
    **dict.fromkeys(TWO_VALUES, ("PropertyName", "PropertyValue1", "PropertyValue2")),
    **dict.fromkeys(LISTED, ("PropertyName", "PropertyValues")),
}


def columns_in_filter(text: str, app: str = "sales") -> tuple[str, ...]:
    """The columns an OData filter names, in their order; raises ``ValueError`` saying what is wrong and where.

    Columns of other rows, inside ``any`` and ``all``, are read and not named: only the service knows them. ``app`` is
    the system that is asked: Sales has neither ``in`` nor arithmetic, F&O neither functions nor ``any`` and ``all``.

    >>> columns_in_filter("statecode eq 1 and not (startswith(name, 'A') or quoteid/statecode ne 2)")
    ('statecode', 'name', 'quoteid/statecode')
    >>> columns_in_filter("Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=30)")
    ('createdon',)
    """
    reader = _Reader(tokens(text), app)
    reader.condition()
    if reader.place < len(reader.tokens):
        reader.stop("and, or, or the end")
    return tuple(dict.fromkeys(reader.columns))


@dataclass(frozen=True, slots=True)
class _Part:
    """What was read: a ``condition``, a ``column``, a ``calculated`` number, or a value of its token's kind."""

    kind: str
    text: str
    at: int

    @property
    def family(self) -> str:
        """What it can be compared with, as far as the text tells it."""
        return {"condition": "bool", "calculated": "number", "day": "moment"}.get(self.kind, self.kind)


@dataclass
class _Reader:
    """Walks the tokens by the grammar of one system and collects the columns."""

    tokens: list[Token]
    app: str
    place: int = 0
    depth: int = 0
    conditions: int = 0
    variables: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    @property
    def system(self) -> str:
        return CALLED[self.app]

    # or < and < not < comparison < add < mul < a value

    def condition(self) -> None:
        """What is true or false."""
        self.is_condition(self.any_of())

    def is_condition(self, part: _Part) -> None:
        """Refuse a bare column or value where a condition is needed, at the place where its comparison is missing."""
        if part.family != "bool":
            self.stop("eq, ne, gt, ge, lt or le")

    def any_of(self) -> _Part:
        with self.deeper():
            return self.joined("or", lambda: self.joined("and", self.one))

    def joined(self, word: str, operand: Callable[[], _Part]) -> _Part:
        part = operand()
        while self.ahead() == word:
            self.is_condition(part)
            self.place += 1
            part = operand()
            self.is_condition(part)
        return part

    def one(self) -> _Part:
        if self.ahead() != "not":
            return self.comparison()
        with self.deeper():
            first = self.tokens[self.place]
            self.place += 1
            self.is_condition(self.one())
            return _Part("condition", first.text, first.at)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level down; what is nested without end is refused before Python's own limit is met."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels are nested at character {self.here('a value').at}")
        yield
        self.depth -= 1

    def comparison(self) -> _Part:
        left = self.calculated()
        operator = self.ahead()
        if operator in {"in", "has"}:
            raise ValueError(self.no_word(self.tokens[self.place]))
        if operator not in COMPARE:
            return left
        self.place += 1
        right = self.calculated()
        if self.ahead() in COMPARE:
            raise ValueError(
                f"a comparison is compared again at character {self.tokens[self.place].at}; put one in parentheses"
            )
        problem = (_sales_problem if self.app == "sales" else _finops_problem)(left, str(operator), right)
        if problem:
            raise ValueError(f"{problem} at character {left.at}")
        return self.counted(left)

    def counted(self, part: _Part) -> _Part:
        """One more condition, of which Dataverse takes so many."""
        self.conditions += 1
        if self.app == "sales" and self.conditions > MOST_CONDITIONS:
            raise ValueError(f"Sales takes {MOST_CONDITIONS} conditions; one more came at character {part.at}")
        return _Part("condition", part.text, part.at)

    def no_word(self, token: Token) -> str:
        """That the system does not have an operator, and what to write."""
        instead = "comparisons joined by 'or'"
        if token.text == "in" and self.app == "sales":
            instead = f"{QUERY_FUNCTION}In(PropertyName='...',PropertyValues=[...])"
        return f"{self.system} has no '{token.text}' for filters; write {instead} at character {token.at}"

    def calculated(self) -> _Part:
        return self.operated({"add", "sub"}, lambda: self.operated(CALCULATE - {"add", "sub"}, self.operand))

    def operated(self, words: set[str], operand: Callable[[], _Part]) -> _Part:
        left = operand()
        while self.ahead() in words:
            operator = self.tokens[self.place]
            if self.app == "sales":
                raise ValueError(f"Sales has no '{operator.text}' for filters; it came at character {operator.at}")
            self.place += 1
            right = operand()
            for part in (left, right):
                if part.kind not in {"number", "column", "calculated"}:
                    raise ValueError(f"'{operator.text}' calculates with numbers; '{part.text}' came at {_at(part)}")
            left = _Part("calculated", left.text, left.at)
        return left

    def operand(self) -> _Part:
        token = self.here("a column or a value")
        if token.text == "(":
            self.place += 1
            inner = self.any_of()
            self.needs(")")
            return inner
        if token.kind == "alias":
            raise ValueError(f"'{token.text}' at character {token.at} is a parameter; templates have values only")
        if token.kind in {"mark", "quoted", "list", "count"} or token.text in WORDS:
            self.stop("a column or a value")
        if token.kind == "name":
            return self.named(token)
        self.place += 1
        return _Part(token.kind, token.text, token.at)

    # -- names ---------------------------------------------------------------------------------------------------------

    def named(self, token: Token) -> _Part:
        self.place += 1
        if token.text in {"true", "false", "null"}:
            return _Part("null" if token.text == "null" else "bool", token.text, token.at)
        if self.ahead() == "(":
            return self.call(token)
        if token.text in NO_NUMBERS:
            raise ValueError(f"'{token.text}' at character {token.at} is no number that a column can have")
        steps = [token.text]
        while self.takes("/"):
            step = self.here("a column")
            if step.kind != "name":
                self.stop("a column")
            self.place += 1
            if self.ahead() == "(":
                return self.each(token, step.text, steps)
            steps.append(step.text)
        if any("." in step for step in steps):
            raise ValueError(f"'{'/'.join(steps)}' at character {token.at} is no column")
        return self.column(token, steps)

    def column(self, token: Token, steps: list[str]) -> _Part:
        """A column; one of a row inside ``any`` or ``all`` is that row's."""
        path = "/".join(steps)
        if self.app == "finops" and len(steps) > 1:
            raise ValueError(f"F&O filters by columns of the row itself; '{path}' came at character {token.at}")
        if steps[0] not in self.variables:
            self.columns.append(path)
        elif len(steps) == 1:
            raise ValueError(f"a column of '{path}' is expected at character {token.at}, such as '{path}/name'")
        return _Part("column", path, token.at)

    def call(self, token: Token) -> _Part:
        """A function by itself, before its parenthesis."""
        name = token.text
        if name in {"any", "all"}:
            raise ValueError(f"'{name}' at character {token.at} needs a collection, such as 'quotes/{name}'")
        if token.text.startswith(QUERY_FUNCTION):
            return self.query_function(token)
        if token.text not in TESTS or self.app == "finops":
            raise ValueError(self.no_function(token))
        self.place += 1
        first = self.any_of()
        if first.kind not in {"column", "text"}:
            raise ValueError(f"'{token.text}' takes a column first; '{first.text}' came at {_at(first)}")
        self.needs(",")
        second = self.any_of()
        if second.kind not in {"text", "null"}:
            raise ValueError(f"'{token.text}' takes a text second; '{second.text}' came at {_at(second)}")
        self.needs(")")
        return self.counted(_Part("condition", token.text, token.at))

    def no_function(self, token: Token) -> str:
        if self.app == "sales":
            has = f"it has {', '.join(sorted(TESTS))} and those of {QUERY_FUNCTION.rstrip('.')}"
        else:
            has = "search in texts with 'eq' and the wildcard '*', such as Name eq '*A*'"
        return f"{self.system} has no function '{token.text}' for filters, which came at character {token.at}; {has}"

    def each(self, token: Token, quantifier: str, steps: list[str]) -> _Part:
        """``path/any(x:x/column eq 1)``; ``any()`` alone asks whether there is a row."""
        path = "/".join([*steps, quantifier])
        if quantifier not in {"any", "all"}:
            raise ValueError(f"'{path}' at character {token.at} is no function")
        if self.app == "finops":
            raise ValueError(f"F&O has no '{quantifier}' for filters; it came at character {token.at}")
        if len(steps) != (2 if steps[0] in self.variables else 1):
            raise ValueError(f"Sales follows no lookup before '{quantifier}'; '{path}' came at character {token.at}")
        if len(self.variables) == DEEPEST_ROWS:
            raise ValueError(f"more than {DEEPEST_ROWS} any() and all() are nested at character {token.at}")
        self.counted(_Part("condition", path, token.at))
        self.place += 1
        if quantifier == "any" and self.takes(")"):
            return _Part("condition", path, token.at)
        name = self.variable()
        self.needs(":")
        self.variables.append(name)
        self.condition()
        self.variables.pop()
        self.needs(")")
        return _Part("condition", path, token.at)

    def variable(self) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.kind != "name" or "." in token.text or token.text in WORDS | CONSTANTS:
            self.stop("a name for the rows, such as x in x:x/name eq 'A',")
        if token.text in self.variables:
            raise ValueError(f"'{token.text}' at character {token.at} names other rows already")
        self.place += 1
        return token.text

    # -- query functions -----------------------------------------------------------------------------------------------

    def query_function(self, token: Token) -> _Part:
        """``Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['A','B'])``, its parameters in any order."""
        name = token.text.removeprefix(QUERY_FUNCTION)
        if self.app == "finops":
            raise ValueError(f"'{token.text}' at character {token.at} is Dataverse's; F&O has no such functions")
        if name == "Contains":
            raise ValueError(
                f"'{token.text}' at character {token.at} needs full-text search; write contains(column,'text')"
            )
        takes = TAKES.get(name)
        if takes is None:
            raise ValueError(f"'{token.text}' at character {token.at} is no query function of Dataverse")
        self.place += 1
        given: list[str] = []
        while not given or self.takes(","):
            given.append(self.parameter(name, takes, given))
        self.needs(")")
        missing = [one for one in takes if one not in given]
        if missing:
            raise ValueError(f"'{token.text}' at character {token.at} needs {' and '.join(missing)}")
        return self.counted(_Part("condition", token.text, token.at))

    def parameter(self, function: str, takes: tuple[str, ...], given: list[str]) -> str:
        """One ``name=value`` of a query function, its name."""
        name = self.ahead()
        if name not in takes or name in given:
            self.stop(f"{' or '.join(one for one in takes if one not in given) or ')'}")
        self.place += 1
        self.needs("=")
        if name == "PropertyName":
            self.named_column()
        elif name == "PropertyValues":
            self.listed(function)
        else:
            self.value(function)
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

    def listed(self, function: str) -> None:
        """``["A","B"]``, or ``['A','B']``."""
        token = self.here("[")
        if token.text == "[":
            raise ValueError(f"a list of values in quotes of one kind is expected at character {token.at}")
        if token.kind != "list":
            self.stop("[")
        if any(one is None or isinstance(one, list | dict) for one in token.values) or not token.values:
            raise ValueError(f"a list of one value at least is expected at character {token.at}, without null in it")
        if function in {"Between", "NotBetween"} and len(token.values) != 2:
            raise ValueError(f"{function} takes two values; {len(token.values)} came at character {token.at}")
        if len(token.values) > MOST_VALUES:
            raise ValueError(f"{function} takes {MOST_VALUES:,} values; {len(token.values):,} came at {token.at}")
        self.place += 1

    def value(self, function: str) -> None:
        token = self.here("a value")
        bare = token.text.strip("'")
        if token.kind == "name" and token.text not in CONSTANTS:
            raise ValueError(f"a value is expected at character {token.at}, the column '{token.text}' came")
        if function in DATED:
            fits, wanted = token.kind in {"day", "moment"} or (token.kind == "text" and is_day(bare)), "a day"
        elif function in IN_TREES:
            fits, wanted = token.kind in {"guid", "text"} and GUID.fullmatch(bare) is not None, "a guid"
        else:
            whole = bare if token.kind == "text" else token.text.lstrip("+").rstrip("lL")
            fits = token.kind in {"text", "number"} and whole.isascii() and whole.isdigit()
            fits, wanted = fits and 0 < int(whole[:20]) <= LARGEST, "a whole number from 1"
        if not fits:
            self.stop(wanted)
        self.place += 1

    # -- tokens --------------------------------------------------------------------------------------------------------

    def here(self, wanted: str) -> Token:
        if self.place >= len(self.tokens):
            self.stop(wanted)
        return self.tokens[self.place]

    def ahead(self) -> str | None:
        return self.tokens[self.place].text if self.place < len(self.tokens) else None

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
            raise ValueError(f"{wanted} is expected at character {token.at}, '{token.text[:40]}' came")
        raise ValueError(f"{wanted} is expected at the end")


def _at(part: _Part) -> str:
    return f"character {part.at}"


def _sales_problem(left: _Part, _operator: str, right: _Part) -> str | None:
    """Why Sales does not compare the two; None where it does, or where only the column's type can tell."""
    for part in (left, right):
        if part.kind == "enum":
            return f"Sales compares choices by their numbers; '{part.text}' came"
    families = {left.family, right.family}
    if families & {"null", "column"} or len(families) == 1:
        return None
    if left.kind == "guid" and right.kind == "text" and GUID.fullmatch(right.text.strip("'")):
        return None
    return f"'{left.text}' and '{right.text}' are of two types and do not compare"


def _finops_problem(left: _Part, operator: str, right: _Part) -> str | None:
    """Why F&O does not compare the two; None where it does, or where only the column's type can tell."""
    families = [left.family, right.family]
    if "bool" in families:
        return "F&O compares columns, and has no truth values but such as Microsoft.Dynamics.DataEntities.NoYes'Yes'"
    if "enum" in families and (operator not in {"eq", "ne"} or "column" not in families):
        return "F&O compares enums by eq and ne, and with columns alone"
    if "null" in families and "column" not in families:
        return "F&O compares null with columns alone"
    if "column" in families or families[0] == families[1]:
        return None
    return f"'{left.text}' and '{right.text}' are of two types and do not compare"
