"""What a report is made of: prose, facts, figures, tables, links, and sections that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol, runtime_checkable

from p2c_lib.report.cells import Link, cell, html, is_number, shown
from p2c_lib.report.style import fragment
from p2c_lib.secrecy import harmless, masked, one_line

__all__ = ["Facts", "Figures", "Links", "Part", "Prose", "Section", "Table", "in_notebook"]


# A table of more columns than this is drawn closer where room is short.
MANY = 10


@runtime_checkable
class Part(Protocol):
    """Anything that can stand in a report."""

    def to_text(self) -> str: ...

    def to_html(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


def in_notebook(part: Part) -> str:
    """What a notebook's cell shows of a part that stands by itself: its ``_repr_html_``."""
    return fragment(part.to_html())


@dataclass(frozen=True)
class Prose:
    """A heading and a paragraph."""

    text: str
    title: str = ""

    def to_text(self) -> str:
        return f"{self.title}\n{self.text}" if self.title else self.text

    def to_html(self) -> str:
        return f"{_heading(self.title)}<p>{escape(self.text)}</p>"

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "text": self.text}


@dataclass(frozen=True)
class Facts:
    """Named values, one a line."""

    items: tuple[tuple[str, Any], ...]
    title: str = ""

    def to_text(self) -> str:
        width = max((len(name) for name, _ in self.items), default=0)
        lines = [f"  {name.ljust(width)}  {_line(value)}" for name, value in self.items]
        return "\n".join([self.title, *lines] if self.title else lines)

    def to_html(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{html(value)}</td></tr>' for name, value in self.items
        )
        return f'{_heading(self.title)}<table class="facts"><tbody>{rows}</tbody></table>'

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "facts": dict(self.items)}

    _repr_html_ = in_notebook


@dataclass(frozen=True)
class Figures:
    """The few numbers that matter most, large and side by side."""

    items: tuple[tuple[str, Any], ...]

    def to_text(self) -> str:
        return "  " + ", ".join(f"{name} {shown(value)}" for name, value in self.items)

    def to_html(self) -> str:
        tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{html(value)}</dd></div>" for name, value in self.items)
        return f'<dl class="figures">{tiles}</dl>'

    def to_dict(self) -> dict[str, Any]:
        return {"figures": dict(self.items)}

    _repr_html_ = in_notebook


@dataclass(frozen=True)
class Table:
    """Rows under named columns; numbers stand to the right.

    ``total`` tells how many rows there are in all, ``sums`` is a last line in the same columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    title: str = ""
    total: int | None = None
    sums: tuple[Any, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]], *, title: str = "", most: int | None = None) -> Table:
        """A table of records with the same keys, cut after ``most`` rows."""
        listed = list(records)
        columns = tuple(listed[0]) if listed else ()
        rows = tuple(tuple(r.get(c) for c in columns) for r in listed[:most])
        return cls(columns, rows, title, len(listed))

    @property
    def _more(self) -> int:
        return max(0, (self.total or 0) - len(self.rows))

    @property
    def _numbers(self) -> list[bool]:
        """Whether each column holds numbers."""
        return [all(is_number(row[i]) for row in self.rows) for i in range(len(self.columns))]

    def to_text(self) -> str:
        if not self.rows:
            return f"{self.title}: none" if self.title else "none"
        lines = [*self.rows, self.sums] if self.sums else self.rows
        cells = [self.columns, *(tuple(map(_line, row)) for row in lines)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        text = [
            "  ".join(
                c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, self._numbers, strict=True)
            ).rstrip()
            for row in cells
        ]
        if self._more:
            text.append(f"... and {self._more:,} more")
        return "\n".join([self.title, *text] if self.title else text)

    def to_html(self) -> str:
        if not self.rows:
            title = f"<strong>{escape(self.title)}</strong> " if self.title else ""
            return f'<p class="more">{title}none</p>'
        head = "".join(
            f'<th scope="col"{_right(right)}>{escape(c)}</th>'
            for c, right in zip(self.columns, self._numbers, strict=True)
        )
        body = "".join(map(_row, self.rows))
        foot = f"<tfoot>{_row(self.sums)}</tfoot>" if self.sums else ""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        kind = ' class="wide"' if len(self.columns) > MANY else ""
        table = f"<table{kind}>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"
        # What scrolls can be reached by keyboard, and has a name for those who hear it.
        name = escape(self.title or f"Table of {', '.join(self.columns[:3])}", quote=True)
        more = f'<p class="more">… and {self._more:,} more</p>' if self._more else ""
        return f'<div class="scroll" tabindex="0" role="group" aria-label="{name}">{table}</div>{more}'

    def to_dict(self) -> dict[str, Any]:
        rows = [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "total": self.total if self.total is not None else len(rows)}

    _repr_html_ = in_notebook


@dataclass(frozen=True)
class Links:
    """Files beside the report, by relative path."""

    items: tuple[tuple[str, str], ...]
    title: str = ""

    def to_text(self) -> str:
        return "\n".join(([self.title] if self.title else []) + [f"  {name}: {path}" for name, path in self.items])

    def to_html(self) -> str:
        rows = "".join(f"<li>{Link(name, path).to_html()}</li>" for name, path in self.items)
        return f"{_heading(self.title)}<ul>{rows}</ul>"

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "links": dict(self.items)}


@dataclass(frozen=True)
class Section:
    """Parts under one heading, which a page's list of contents leads to."""

    title: str
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """What an address ends with to lead here."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def to_text(self) -> str:
        return "\n".join(["", self.title.upper(), *(part.to_text() for part in self.parts)])

    def to_html(self) -> str:
        inside = "".join(part.to_html() for part in self.parts)
        heading = f'<h2 id="{self.name}">{escape(self.title)}</h2>'
        return f'<section aria-labelledby="{self.name}">{heading}{inside}</section>'

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "parts": [part.to_dict() for part in self.parts]}


def _line(value: Any) -> str:
    """A value in the line of a table: whole before it is laid out, and never a line of its own."""
    return harmless(masked(one_line(shown(value))))


def _heading(title: str) -> str:
    return f"<h2>{escape(title)}</h2>" if title else ""


def _right(numbers: bool) -> str:  # noqa: FBT001 - one of a zip
    return ' class="n"' if numbers else ""


def _row(row: tuple[Any, ...]) -> str:
    return f"<tr>{''.join(cell(value, heads=n == 0) for n, value in enumerate(row))}</tr>"


def _plain(value: Any) -> Any:
    return value if is_number(value) or isinstance(value, bool) else str(value)
