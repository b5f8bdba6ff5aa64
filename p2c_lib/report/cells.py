"""One value in a report, as text and as HTML: numbers with their commas, links, marks of a state."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import quote

__all__ = ["KINDS", "Link", "Mark", "Share", "cell", "html", "is_number", "shown"]

# Letters of one cell that a page shows; a customer's text can be a book.
MOST_LETTERS = 400
# A word or a day stays in one line everywhere, a key or a name where there is room.
WORD, SHORT = 16, 28
# A state is told by a sign and a word; the colour only helps.
KINDS = {"ok": "✓", "warning": "!", "stop": "✕", "info": "→"}


@dataclass(frozen=True)
class Link:
    """A text that leads to a place in the page (``#name``) or to a file beside it, by relative path."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text

    def to_html(self) -> str:
        # Quoted, so that a name can never become the address of another place.
        return f'<a href="{escape(quote(self.href, safe="/#"))}">{escape(self.text)}</a>'


@dataclass(frozen=True)
class Mark:
    """A state in a word; ``kind`` is ok, warning, stop or info."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text

    def to_html(self) -> str:
        sign = f'<span aria-hidden="true">{KINDS[self.kind]}</span>'
        return f'<span class="mark {self.kind}">{sign} {escape(self.text)}</span>'


class Share(float):
    """A share of a whole, shown in percent."""


def is_number(value: Any) -> bool:
    """Whether a value stands to the right; a missing one does not move its column."""
    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))


def shown(value: Any) -> str:
    """A value for people.

    An exact number has every digit that says something, in groups of three, and the two of money where it has them.

    >>> shown(1234), shown(0.25), shown(None), shown(True)
    ('1,234', '0.2', '', 'yes')
    >>> shown(Decimal("1234.5000")), shown(Decimal("0.00002000"))
    ('1,234.50', '0.00002')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Share):
        return f"{value:.0%}"
    if isinstance(value, Decimal):
        whole, point, digits = f"{value:,f}".partition(".")
        return f"{whole}{point}{digits[:2]}{digits[2:].rstrip('0')}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def html(value: Any) -> str:
    """A value as HTML, escaped; a long text ends with how much of it is not shown."""
    if isinstance(value, Link | Mark):
        return value.to_html()
    text = shown(value)
    if len(text) <= MOST_LETTERS:
        return escape(text)
    return f'{escape(text[:MOST_LETTERS])} <span class="more">… {len(text) - MOST_LETTERS:,} more letters</span>'


def cell(value: Any, *, heads: bool = False) -> str:
    """A cell of a table; with ``heads`` the one that names its row."""
    kind = f' class="{_kind(value)}"' if _kind(value) else ""
    if heads and not is_number(value):
        return f'<th scope="row"{kind}>{html(value)}</th>'
    return f"<td{kind}>{html(value)}</td>"


def _kind(value: Any) -> str:
    if is_number(value):
        return "n"
    letters = len(shown(value))
    return "word" if letters <= WORD else "short" if letters <= SHORT else ""
