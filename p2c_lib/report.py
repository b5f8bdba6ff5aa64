"""What happened, as a value: verdict, facts, tables and charts that become text, HTML or JSON.

A report never computes: stages hand it their results. Everything that came from a customer's system is escaped, and
the HTML stands alone: no script, no font and no picture from elsewhere.

>>> report = Report("Load", verdict="pass", why="All 3 rows went in.", parts=(Facts((("rows", 3),)),))
>>> print(report.to_text())
Load: pass
All 3 rows went in.
  rows  3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

__all__ = ["Chart", "Facts", "Links", "Part", "Prose", "Report", "Table", "fragment", "stacked_bars"]

# The drawer and the browser measure letters differently: labels need room on both sides.
ROOM = {"left": 30, "right": 40, "top": 5, "bottom": 5}
VERDICTS = {"pass": "ok", "warn": "warning", "blocked": "stop", "failed": "stop", "planned": "info"}


@runtime_checkable
class Part(Protocol):
    """Anything that can stand in a report."""

    def to_text(self) -> str: ...

    def to_html(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


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
        lines = [f"  {name.ljust(width)}  {_shown(value)}" for name, value in self.items]
        return "\n".join([self.title, *lines] if self.title else lines)

    def to_html(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(_shown(value))}</td></tr>'
            for name, value in self.items
        )
        return f'{_heading(self.title)}<table class="facts"><tbody>{rows}</tbody></table>'

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "facts": dict(self.items)}


@dataclass(frozen=True)
class Table:
    """Rows under named columns; numbers stand to the right. ``total`` tells how many rows there are in all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    title: str = ""
    total: int | None = None

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

    def to_text(self) -> str:
        if not self.rows:
            return f"{self.title}: none" if self.title else "none"
        cells = [self.columns, *(tuple(map(_shown, row)) for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        right = [all(_is_number(row[i]) for row in self.rows) for i in range(len(self.columns))]
        lines = [
            "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
            for row in cells
        ]
        if self._more:
            lines.append(f"... and {self._more:,} more")
        return "\n".join([self.title, *lines] if self.title else lines)

    def to_html(self) -> str:
        if not self.rows:
            title = f"<strong>{escape(self.title)}</strong> " if self.title else ""
            return f'<p class="more">{title}none</p>'
        head = "".join(f'<th scope="col">{escape(c)}</th>' for c in self.columns)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        more = f'<p class="more">… and {self._more:,} more</p>' if self._more else ""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div class="scroll" tabindex="0">{table}</div>{more}'

    def to_dict(self) -> dict[str, Any]:
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "total": self.total if self.total is not None else len(rows)}


@dataclass(frozen=True)
class Chart:
    """A picture as inline SVG, with its content in words for those who do not see it."""

    title: str
    svg: str
    alt: str

    def to_text(self) -> str:
        return f"{self.title}: {self.alt}"

    def to_html(self) -> str:
        label = escape(f"{self.title}: {self.alt}", quote=True)
        return (
            f'<figure role="img" aria-label="{label}">{self.svg}<figcaption>{escape(self.title)}</figcaption></figure>'
        )

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "alt": self.alt}


@dataclass(frozen=True)
class Links:
    """Files beside the report, by relative path."""

    items: tuple[tuple[str, str], ...]
    title: str = ""

    def to_text(self) -> str:
        return "\n".join(([self.title] if self.title else []) + [f"  {name}: {path}" for name, path in self.items])

    def to_html(self) -> str:
        rows = "".join(f'<li><a href="{escape(path, quote=True)}">{escape(name)}</a></li>' for name, path in self.items)
        return f"{_heading(self.title)}<ul>{rows}</ul>"

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "links": dict(self.items)}


@dataclass(frozen=True)
class Report:
    """A verdict first, why in a paragraph, then parts in order. ``verdict`` is one of pass, warn, blocked, failed,
    planned."""

    title: str
    verdict: str
    why: str
    parts: tuple[Part, ...] = ()

    def to_text(self) -> str:
        return "\n".join([f"{self.title}: {self.verdict}", self.why, *(p.to_text() for p in self.parts)])

    def to_html(self) -> str:
        """A whole page that opens offline."""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{PAGE}{STYLE}</style></head>"
            f"<body><main>{self._body('h1')}</main></body></html>\n"
        )

    def to_dict(self) -> dict[str, Any]:
        parts = [p.to_dict() for p in self.parts]
        return {"title": self.title, "verdict": self.verdict, "why": self.why, "parts": parts}

    def save(self, path: Path) -> Path:
        """Write the page and return its path."""
        path.write_text(self.to_html(), encoding="utf-8")
        return path

    def _body(self, level: str) -> str:
        kind = VERDICTS.get(self.verdict, "info")
        return (
            f"<{level}>{escape(self.title)}</{level}>"
            f'<p class="verdict {kind}"><strong>{escape(self.verdict)}</strong> {escape(self.why)}</p>'
            + "".join(f"<section>{p.to_html()}</section>" for p in self.parts)
        )

    def _repr_html_(self) -> str:
        return fragment(self._body("h3"))

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {self.verdict}: {self.why})"


def fragment(html: str) -> str:
    """HTML for a notebook cell in the workbench's look, for both themes of JupyterLab."""
    return f'<div class="p2c"><style>.p2c.p2c {{{STYLE}}}</style>{html}</div>'


def stacked_bars(title: str, rows: Sequence[tuple[str, str, int]], colours: Mapping[str, str]) -> Chart:
    """A bar for each name, split by kind: ``rows`` are (name, kind, count), in the order wanted.

    The picture is drawn by Altair and vl-convert, both without network.
    """
    import altair as alt
    import vl_convert

    names = list(dict.fromkeys(name for name, _, _ in rows))
    shown = [kind for kind in colours if any(kind == k and n for _, k, n in rows)]
    order = {kind: i for i, kind in enumerate(shown)}
    data = [{"name": n, "kind": k, "count": c, "order": order[k]} for n, k, c in rows if k in order]
    chart = (
        alt.Chart(alt.InlineData(values=data))
        .mark_bar()
        .encode(
            x=alt.X("count:Q", title="share of rows", stack="normalize", axis=alt.Axis(format="%")),
            y=alt.Y("name:N", title=None, sort=names),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=shown, range=[colours[k] for k in shown]), sort=shown
            ),
            order=alt.Order("order:Q"),
        )
        .properties(width=560, height=alt.Step(26), background="transparent", padding=ROOM)
    )
    svg = vl_convert.vegalite_to_svg(chart.to_json(validate=False))
    return Chart(title, svg, "; ".join(f"{n} {k} {c:,}" for n, k, c in rows if c))


def _heading(title: str) -> str:
    return f"<h2>{escape(title)}</h2>" if title else ""


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    kind = ' class="n"' if _is_number(value) else ""
    return f"<td{kind}>{escape(_shown(value))}</td>"


PAGE = """
:root {
  color-scheme: light dark;
  --line: #d0d7de; --soft: #f6f8fa; --text: #1f2328; --quiet: #59636e; --back: #fff;
}
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #161b22; --text: #e6edf3; --quiet: #9198a1; --back: #0d1117; }
}
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem; }
"""

STYLE = """
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem; }
h3 { font-size: 1.05rem; margin: .3rem 0; }
.verdict { border-left: .4rem solid #0969da; padding: .5rem .8rem; background: var(--soft, transparent); }
.verdict.ok { border-color: #1a7f37; }
.verdict.warning { border-color: #bf8700; }
.verdict.stop { border-color: #cf222e; }
.verdict strong { text-transform: uppercase; margin-right: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; caption-side: top; }
th, td { border-bottom: 1px solid var(--line, #8884); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.more, figcaption { color: var(--quiet, inherit); font-size: .85rem; }
figure { margin: .5rem 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
"""
