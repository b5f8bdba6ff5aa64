"""What all widgets share: one look in JupyterLab's own colours, light and dark, what they draw with, and their manners.

Errors are said in the widget. Where nobody can click (an unattended run, a printed notebook) the static twin stands in
the widget's place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import anywidget
import traitlets

from p2c_lib.errors import P2CError
from p2c_lib.report import fragment

__all__ = [
    "NOT_ASKED",
    "PAGE",
    "UNATTENDED",
    "FamilyWidget",
    "Found",
    "PagedWidget",
    "family_file",
    "in_words",
    "said_badly",
]

HERE = Path(__file__).parent
# The lines of one page as plain values, and how many lines are chosen in all.
Found: TypeAlias = tuple[list[dict[str, Any]], int]
Lines: TypeAlias = Callable[[Mapping[str, Any], int], Found]
PAGE = 25
NOT_ASKED = "Nothing to look at: the task was not asked for in this run."
UNATTENDED = "P2C_UNATTENDED"


def family_file(own: str) -> str:
    """The family's style sheet or script, by the suffix of the name, and after it a widget's own."""
    files = HERE / f"family{Path(own).suffix}", HERE / own
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def in_words(error: Exception) -> str:
    """What went wrong, for a person; an error that is none of ours with its kind."""
    return str(error) if isinstance(error, P2CError) else f"This did not work: {type(error).__name__}: {error}"


def said_badly(problem: str) -> str:
    """What stands in the place of a widget that came to nothing."""
    return fragment(f'<p class="verdict stop"><strong>not shown</strong> {escape(problem)}</p>')


class FamilyWidget(anywidget.AnyWidget):
    """A widget that looks at something and decides nothing; ``problem`` is what went wrong last, in words."""

    problem = traitlets.Unicode("").tag(sync=True)

    def static(self) -> str:
        """The same picture as HTML that needs no kernel; a widget without one is told in words."""
        return fragment(f"<p>{escape(repr(self))}</p>")

    def attempt(self, deed: Callable[[], object]) -> None:
        """Carry out what the person asked for; whatever goes wrong is said in the widget."""
        try:
            deed()
            self.problem = ""
        except Exception as error:  # a click has no cell beneath which a traceback could stand
            self.problem = in_words(error)

    def _repr_mimebundle_(self, **given: Any) -> Any:
        """The live widget, and for places without one its static twin; in an unattended run only that."""
        words = {"text/plain": repr(self), "text/html": self.static()}
        if os.environ.get(UNATTENDED) == "1":
            return words, {}
        bundle = super()._repr_mimebundle_(**given)
        data, rest = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), **words}, rest


class PagedWidget(FamilyWidget):
    """A widget over lines of any number, of which the browser only ever holds a page.

    ``wanted`` says what is chosen, ``number`` of it which page; ``page`` is the answer of ``lines_of(wanted, number)``.
    ``nothing`` says why there is nothing to look at, such as a task that a run was not asked for.
    """

    wanted = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    nothing = traitlets.Unicode("").tag(sync=True)

    def __init__(self, lines_of: Lines = lambda _wanted, _number: ([], 0), **traits: Any) -> None:
        self._lines_of = lines_of
        super().__init__(page={"rows": [], "total": 0, "number": 0, "size": PAGE, "turn": 0}, **traits)
        self.observe(lambda change: self._turn(change["new"]), "wanted")
        self._turn(self.wanted)

    def _turn(self, wanted: Mapping[str, Any]) -> None:
        number = max(0, int(wanted.get("number") or 0))
        found: Found = ([], 0)

        def look() -> None:
            nonlocal found
            found = self._lines_of(wanted, number)

        self.attempt(look)
        rows, total = found
        turn = int(wanted.get("turn") or 0)
        self.page = {"rows": rows, "total": total, "number": number, "size": PAGE, "turn": turn}

    def static(self) -> str:
        """The same picture as HTML that needs no kernel."""
        return fragment(f"<p>{escape(self.nothing)}</p>") if self.nothing else self._twin()

    def _twin(self) -> str:
        return super().static()
