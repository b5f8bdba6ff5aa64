"""Conditions, values and functions made at random from the grammar of both systems, shallow and deep."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from tests.any_words import (
    CALCULATED,
    CRM,
    FINOPS_COLUMNS,
    FINOPS_EXPANDS,
    FINOPS_PLACES,
    FINOPS_SETS,
    FINOPS_WORDS,
    FITTING,
    FUNCTIONS,
    LITERALS,
    NAVIGATIONS,
    OPERATORS,
    SALES_COLUMNS,
    SALES_PLACES,
    SALES_SETS,
    SALES_WORDS,
)

SALES_ROOT, FINOPS_ROOT = "/api/data/v9.2/", "/data/"


class Expressions:
    """Draws conditions and values from the grammar of one system; the same seed draws the same."""

    def __init__(self, system: str, seed: str) -> None:
        self.system = system
        self.random = random.Random(seed)
        sales = system == "sales"
        self.root = SALES_ROOT if sales else FINOPS_ROOT
        self.sets = SALES_SETS if sales else FINOPS_SETS
        self.columns = SALES_COLUMNS if sales else FINOPS_COLUMNS
        self.navigations = NAVIGATIONS if sales else FINOPS_EXPANDS
        self.words = SALES_WORDS if sales else FINOPS_WORDS
        self.place = self.random.choice(SALES_PLACES if sales else FINOPS_PLACES)
        # Most requests are meant well: their names belong to their set, and their values fit.
        self.fitting = self.chance(0.8)

    def one(self, *choices: Callable[[], str]) -> str:
        """What one of the makers makes."""
        return self.random.choice(choices)()

    def of(self, words: Sequence[str]) -> str:
        """One of the words."""
        return self.random.choice(words)

    def chance(self, share: float) -> bool:
        """True in that share of the cases."""
        return self.random.random() < share

    # -- expressions ---------------------------------------------------------------------------------------------------

    def column(self) -> str:
        """A column, mostly of the set."""
        return self.of(tuple(self.place.columns)) if self.fitting else self.of(self.columns)

    def way(self) -> str:
        """A navigation property, mostly of the set."""
        return (
            self.of((*self.place.one, *self.place.many) or ("nothing",)) if self.fitting else self.of(self.navigations)
        )

    def test(self, prefix: str = "") -> str:
        """A comparison, mostly of a column with a value of its kind."""
        if not self.fitting:
            return f"{self.of(self.columns)} {self.of(OPERATORS)} {self.of(LITERALS)}"
        name, kind = self.random.choice(list(self.place.columns.items()))
        operator = self.of(("eq", "ne") if kind in {"guid", "bool", "choice"} else ("eq", "ne", "gt", "ge", "lt", "le"))
        if kind == "text" and self.chance(0.25):
            return f"{self.of(('contains', 'startswith', 'endswith'))}({prefix}{name},{self.of(FITTING[kind])})"
        if kind == "number" and self.system == "finops" and self.chance(0.3):
            return f"{name} {self.of(CALCULATED)} {self.of(FITTING[kind])} {operator} {self.of(FITTING[kind])}"
        return f"{prefix}{name} {operator} {self.of(FITTING[kind])}"

    def name(self) -> str:
        """A column, at times behind navigation properties."""
        if self.fitting:
            return self.column()
        steps = [self.of(self.navigations) for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 6)))]
        return "/".join([*steps, self.of(self.columns)])

    def value(self, depth: int) -> str:
        """A value: a column, a literal, a function, arithmetic."""
        if depth <= 0:
            return self.one(self.name, lambda: self.of(LITERALS))
        return self.one(
            self.name,
            lambda: self.of(LITERALS),
            lambda: self.call(depth - 1),
            lambda: f"{self.value(depth - 1)} {self.of(CALCULATED)} {self.value(depth - 1)}",
            lambda: f"({self.value(depth - 1)})",
            lambda: f"-{self.name()}",
        )

    def call(self, depth: int) -> str:
        """A function with any arguments."""
        if self.chance(0.4):
            return self.query_function()
        inside = ",".join(self.value(depth) for _ in range(self.random.randint(0, 3)))
        return f"{self.of(FUNCTIONS)}({inside})"

    def query_function(self) -> str:
        """A query function of Dataverse."""
        named = [f"PropertyName='{self.column()}'"]
        named += [f"PropertyValue={self.of(LITERALS)}"] if self.chance(0.6) else []
        named += [f"PropertyValues={self.of(LITERALS)}"] if self.chance(0.4) else []
        return f"Microsoft.Dynamics.CRM.{self.of(CRM)}({','.join(named)})"

    def joined(self, depth: int) -> str:
        """Comparisons under and, or, not and parentheses."""
        if depth <= 0:
            return self.test()
        one, other = self.joined(depth - 1), self.joined(depth - 1 if self.chance(0.5) else 0)
        return self.of(
            (f"{one} and {other}", f"({one}) or {other}", f"not ({one})", f"not {other}", f"({one} or not ({other}))")
        )

    def condition(self, depth: int) -> str:
        """A condition of that depth at most."""
        if self.fitting and (depth <= 0 or self.chance(0.4)):
            return self.test()
        if depth <= 0:
            return f"{self.value(0)} {self.of(OPERATORS)} {self.value(0)}"
        return self.one(
            lambda: f"{self.value(depth - 1)} {self.of(OPERATORS)} {self.value(depth - 1)}",
            lambda: f"{self.condition(depth - 1)} and {self.condition(depth - 1)}",
            lambda: f"({self.condition(depth - 1)}) or {self.condition(depth - 1)}",
            lambda: f"not {self.condition(depth - 1)}",
            lambda: f"not ({self.condition(depth - 1)})",
            lambda: self.each(depth - 1),
            lambda: self.call(depth - 1),
            lambda: f"{self.name()} in ({self.of(LITERALS)},{self.of(LITERALS)})",
        )

    def each(self, depth: int) -> str:
        """``any`` or ``all``, with names that may hide others."""
        if self.fitting:
            way = self.of(self.place.many or ("nothing",))
            inner = self.of(("x/createdon ne null", "x/statecode eq 0 and x/name eq 'a'", "not (x/exchangerate gt 1)"))
            return self.of((f"{way}/any(x:{inner})", f"{way}/all(x:{inner})", f"{way}/any()", f"not {way}/any()"))
        variable = self.of(("x", "y", "any", "name", "$it"))
        inner = self.condition(depth).replace("name", f"{variable}/name", 1)
        return self.of(
            (
                f"{self.of(self.navigations)}/any({variable}:{inner})",
                f"{self.of(self.navigations)}/all({variable}:{inner})",
                f"{variable}/{self.of(self.navigations)}/any({variable}:{inner})",
                f"{self.of(self.navigations)}/any()",
                f"{self.of(self.navigations)}/all()",
            )
        )

    def deep(self) -> str:
        """An expression of one kind, nested or long: as deep as what a service holds, and deeper."""
        count = self.random.choice((2, 8, 17, 18, 30, 59, 60, 61, 100, 400, 1500))
        column, test = self.column(), self.test()
        lambda_ = f"{(self.place.many or self.navigations)[0]}/any(x:"
        return self.of(
            (
                "not " * count + test,
                "not (" * count + test + ")" * count,
                "(" * count + test + ")" * count,
                f"({test} or " * count + test + ")" * count,
                f"({test} and not " * count + test + ")" * count,
                f"(not ({test}) or " * count + test + ")" * count,
                "(" * count + test + f" and {test})" * count,
                f"(({test} or {test}) and (" * (count // 2) + test + "))" * (count // 2),
                lambda_ * min(count, 100) + f"x/{test}" + ")" * min(count, 100),
                " or ".join([test] * count),
                " and ".join(f"{column} ne '{i}'" for i in range(count)),
                column + " add 1" * count + " eq 1",
                "1 add (" * count + column + ")" * count + " eq 1",
                "contains(" * count + column + ",'a')" * count,
                "-" * count + column + " eq 1",
                f"{(self.place.one or self.navigations)[-1]}/" * min(count, 200) + test,
                f"contains({column},'{'%' * count}a')",
                f"contains({column},'{'%a' * count}b')",
                f"{column} eq '{'*a' * count}b'",
                f"{column} eq '{'x' * count * 20}'",
                f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues={json.dumps(['a'] * count)})",
                "[" * count * 10 + "]" * count * 10 + " eq 1",
                f"{column} eq " + "9" * count,
                f"{column} eq 1e{'9' * min(count, 30)}",
                f"1 div {column} eq 0 and {column} mod 0 eq 1 or {'9' * min(count, 60)} mul {column} eq 1",
            )
        )
