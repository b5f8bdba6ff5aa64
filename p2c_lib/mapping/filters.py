"""The filters of templates: OData ``$filter`` text, read far enough to say whether it parses and what it names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["columns_in_filter"]

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<date>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*(?:/[A-Za-z_]\w*)*(?:'[^']*')?)|(?P<mark>[(),]))"
)
COMPARE = {"eq", "ne", "gt", "ge", "lt", "le"}
TESTS = {"contains", "startswith", "endswith"}
CONSTANTS = {"true", "false", "null"}


def columns_in_filter(text: str) -> tuple[str, ...]:
    """The columns an OData filter names, in their order; raises ``ValueError`` saying what is wrong and where.

    >>> columns_in_filter("statecode eq 1 and not (startswith(name, 'A') or quoteid/statecode ne 2)")
    ('statecode', 'name', 'quoteid/statecode')
    """
    reader = _Reader(text, _tokens(text))
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
    place: int = 0
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
        if self.takes("not"):
            self.one()
        elif self.takes("("):
            self.any_of()
            self.needs(")")
        else:
            self.comparison()

    def comparison(self) -> None:
        if self.ahead() in TESTS and self.ahead(1) == "(":
            self.call()
            if self.ahead() not in COMPARE:
                return
        else:
            self.operand()
        if self.takes("in"):
            self.values()
            return
        if self.ahead() not in COMPARE:
            self.stop("eq, ne, gt, ge, lt or le")
        self.place += 1
        self.operand()

    def call(self) -> None:
        self.place += 1
        self.values()

    def values(self) -> None:
        self.needs("(")
        self.operand()
        while self.takes(","):
            self.operand()
        self.needs(")")

    def operand(self) -> None:
        if self.place >= len(self.tokens):
            self.stop("a column or a value")
        token = self.tokens[self.place]
        if token.kind == "mark" or token.text in COMPARE | {"and", "or", "not", "in"}:
            self.stop("a column or a value")
        if token.kind == "name" and self.ahead(1) == "(":
            self.call()
            return
        if token.kind == "name" and token.text not in CONSTANTS and "'" not in token.text:
            self.columns.append(token.text)
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

    def stop(self, wanted: str) -> None:
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            raise ValueError(f"{wanted} is expected at character {token.at}, '{token.text}' came")
        raise ValueError(f"{wanted} is expected at the end")
