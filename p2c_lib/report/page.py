"""A report as a whole: the verdict first, then its parts; a page that stands alone, or a notebook's cell."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from p2c_lib.errors import RunError
from p2c_lib.report.cells import KINDS, Link
from p2c_lib.report.parts import Part, Section
from p2c_lib.report.style import PAGE, STYLE, fragment
from p2c_lib.secrecy import without_whole_secrets

__all__ = ["VERDICTS", "Report"]

VERDICTS = {"pass": "ok", "warn": "warning", "blocked": "stop", "failed": "stop", "planned": "info"}
# A page with fewer sections is seen at a glance.
CONTENTS_FROM = 3


@dataclass(frozen=True)
class Report:
    """A verdict first, why in a paragraph, then parts in order. ``verdict`` is one of pass, warn, blocked, failed,
    planned; ``subtitle`` says what exactly is reported on, ``foot`` how the page came to be."""

    title: str
    verdict: str
    why: str
    parts: tuple[Part, ...] = ()
    subtitle: str = ""
    foot: str = ""

    def to_text(self) -> str:
        said = [f"{self.title}: {self.verdict}", self.subtitle, self.why, *(p.to_text() for p in self.parts)]
        return "\n".join(said if self.subtitle else said[:1] + said[2:])

    def to_html(self) -> str:
        """A whole page that opens offline."""
        foot = f"<footer>{escape(self.foot)}</footer>" if self.foot else ""
        first = next((n for n, part in enumerate(self.parts) if isinstance(part, Section)), len(self.parts))
        body = _html(self.parts[:first]) + self._contents() + _html(self.parts[first:])
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{STYLE}{PAGE}</style></head>"
            f"<body><header>{self._head('h1')}</header><main>{self._verdict()}{body}</main>{foot}</body></html>\n"
        )

    def to_dict(self) -> dict[str, Any]:
        parts = [p.to_dict() for p in self.parts]
        return {"title": self.title, "verdict": self.verdict, "why": self.why, "parts": parts}

    def save(self, path: Path) -> Path:
        """Write the page and return its path; who opens it meanwhile sees the old page or the new one.

        Raises RunError where it cannot be written.
        """
        partial = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(without_whole_secrets(self.to_html()), encoding="utf-8")
            return partial.replace(path)
        except OSError as error:
            hint = "Name a file in a folder you may write to."
            raise RunError(f"{path} cannot be written: {error.strerror or error}.", hint=hint) from None

    def _head(self, level: str) -> str:
        subtitle = f'<p class="subtitle">{escape(self.subtitle)}</p>' if self.subtitle else ""
        return f"<{level}>{escape(self.title)}</{level}>{subtitle}"

    def _verdict(self) -> str:
        kind = VERDICTS.get(self.verdict, "info")
        sign = f'<span class="sign" aria-hidden="true">{KINDS[kind]}</span>'
        return f'<p class="verdict {kind}">{sign}<strong>{escape(self.verdict)}</strong> {escape(self.why)}</p>'

    def _contents(self) -> str:
        sections = [part for part in self.parts if isinstance(part, Section)]
        if len(sections) < CONTENTS_FROM:
            return ""
        lines = "".join(f"<li>{Link(part.title, f'#{part.name}').to_html()}</li>" for part in sections)
        return f'<nav aria-label="Contents"><ul>{lines}</ul></nav>'

    def body(self, level: str = "h3") -> str:
        """The same as HTML within a larger whole, its title as a heading of that level."""
        return self._head(level) + self._verdict() + _html(self.parts)

    def _repr_html_(self) -> str:
        return fragment(self.body())

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {self.verdict}: {self.why})"


def _html(parts: tuple[Part, ...]) -> str:
    return "".join(part.to_html() if isinstance(part, Section) else f"<div>{part.to_html()}</div>" for part in parts)
