"""Charts as inline SVG that needs no script: as wide as its place, in the colours and letters of the page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from p2c_lib.report.cells import shown
from p2c_lib.report.parts import in_notebook

__all__ = ["Chart", "columns", "stacked_bars"]

# Pixels: the height of a bar with its name over it, of the bar itself, and of a chart of columns.
LINE, BAR, HEIGHT = 42, 16, 150
TELLING = 12
# As few columns as this leave room to the right, rather than being broad.
FEWEST = 16


@dataclass(frozen=True)
class Chart:
    """A picture as inline SVG, with its content in words for those who do not see it; ``legend`` is (colour, text)."""

    title: str
    svg: str
    alt: str
    legend: tuple[tuple[str, str], ...] = ()

    def to_text(self) -> str:
        return f"{self.title}: {self.alt}"

    def to_html(self) -> str:
        swatch = '<li><span class="swatch" style="background:{}"></span>{}</li>'
        keys = "".join(swatch.format(escape(colour, quote=True), escape(text)) for colour, text in self.legend)
        legend = f'<ul class="legend">{keys}</ul>' if keys else ""
        label = escape(f"{self.title}: {self.alt}", quote=True)
        picture = f'<div role="img" aria-label="{label}">{self.svg}</div>'
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{legend}{picture}</figure>"

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "alt": self.alt}

    _repr_html_ = in_notebook


def stacked_bars(
    title: str,
    rows: Sequence[tuple[str, str, float]],
    colours: Mapping[str, str],
    *,
    share: bool = True,
    unit: str = "",
) -> Chart:
    """A bar for each name, split by kind: ``rows`` are (name, kind, count), in the order wanted.

    With ``share`` every bar is the whole of its name; without, the longest is. ``unit`` stands behind the counts.

    >>> stacked_bars("Rows", [("accounts", "created", 3)], {"created": "#1a7f37"}).alt
    'accounts created 3'
    """
    kinds = _kinds(rows, colours)
    bars = _gathered(rows, kinds)
    longest = max((sum(bar.values()) for bar in bars.values()), default=0)
    drawn = []
    for n, (name, bar) in enumerate(bars.items()):
        total = sum(bar.values())
        whole = total if share else longest
        drawn.append(_named(n * LINE, name, f"{shown(total)}{unit}"))
        left = 0.0
        for kind, count in bar.items():
            width = 100 * count / whole if whole else 0
            drawn.append(_block(left, n * LINE + 20, width, BAR, colours[kind], f"{name}: {kind} {shown(count)}{unit}"))
            left += width
    return Chart(title, _svg("".join(drawn), len(bars) * LINE), _words(rows, unit), _legend(rows, kinds, colours, unit))


def columns(title: str, rows: Sequence[tuple[str, str, float]], colours: Mapping[str, str], *, unit: str = "") -> Chart:
    """A column for each name from left to right, split by kind from the ground up: how something went over time.

    ``rows`` are (name, kind, count) in the order wanted; the first and the last name stand beneath.
    """
    kinds = _kinds(rows, colours)
    bars = _gathered(rows, kinds)
    highest = max((sum(bar.values()) for bar in bars.values()), default=0)
    step = 100 / max(len(bars), FEWEST)
    drawn = []
    for n, (name, bar) in enumerate(bars.items()):
        ground = 20.0 + HEIGHT
        for kind, count in bar.items():
            tall = HEIGHT * count / highest if highest else 0
            ground -= tall
            told = f"{name}: {kind} {shown(count)}{unit}"
            drawn.append(_block(n * step, ground, step * 0.82, tall, colours[kind], told))
    names, wide = list(bars), len(bars) * step
    drawn.append(_block(0, 20 + HEIGHT, wide, 1, "currentColor", ""))
    drawn.append(_text("0", 14, f"{shown(highest)}{unit} at most"))
    # The ends have room for both names only where the columns are many.
    ends = [names[0], names[-1]] if len(names) >= FEWEST else [f"{names[0]} to {names[-1]}"] if names else []
    drawn.append(_text("0", 38 + HEIGHT, ends[0] if ends else ""))
    drawn.append(_text("100%", 38 + HEIGHT, ends[1] if len(ends) > 1 else "", end=True))
    alt = _words(rows[-TELLING * len(kinds) :] if kinds else rows, unit)
    return Chart(title, _svg("".join(drawn), HEIGHT + 44), alt, _legend(rows, kinds, colours, unit))


def _kinds(rows: Sequence[tuple[str, str, float]], colours: Mapping[str, str]) -> list[str]:
    return [kind for kind in colours if any(kind == k and n for _, k, n in rows)]


def _gathered(rows: Sequence[tuple[str, str, float]], kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each name its counts by kind, the kinds in the order of the colours."""
    found: dict[str, dict[str, float]] = {}
    for name, kind, count in rows:
        bar = found.setdefault(name, {})
        if kind in kinds:
            bar[kind] = bar.get(kind, 0) + count
    return {name: {kind: bar[kind] for kind in kinds if bar.get(kind)} for name, bar in found.items()}


def _words(rows: Sequence[tuple[str, str, float]], unit: str) -> str:
    return "; ".join(f"{name} {kind} {shown(count)}{unit}" for name, kind, count in rows if count)


def _legend(
    rows: Sequence[tuple[str, str, float]], kinds: Sequence[str], colours: Mapping[str, str], unit: str
) -> tuple[tuple[str, str], ...]:
    if len(kinds) < 2:
        return ()
    sums = {kind: sum(count for _, k, count in rows if k == kind) for kind in kinds}
    return tuple((colours[kind], f"{kind} {shown(sums[kind])}{unit}") for kind in kinds)


def _svg(inside: str, height: int) -> str:
    return f'<svg width="100%" height="{height}" aria-hidden="true" focusable="false">{inside}</svg>'


def _named(top: int, name: str, count: str) -> str:
    return _text("0", top + 14, name) + _text("100%", top + 14, count, end=True)


def _text(x: str, y: float, text: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y:g}" fill="currentColor" font-size=".87em"{anchor}>{escape(text)}</text>'


def _block(left: float, top: float, width: float, height: float, colour: str, told: str) -> str:
    place = f'x="{left:.2f}%" y="{top:.1f}" width="{width:.2f}%" height="{height:.1f}"'
    title = f"<title>{escape(told)}</title>" if told else ""
    return f'<rect {place} fill="{escape(colour, quote=True)}">{title}</rect>'
