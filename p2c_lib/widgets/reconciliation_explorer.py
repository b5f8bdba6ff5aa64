"""A reconciliation to click through: classes as a bar, causes as a list, rows page by page, values side by side."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from difflib import SequenceMatcher
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import traitlets

from p2c_lib.display import text_of
from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.reconcile.engine import CLASSES
from p2c_lib.report import fragment
from p2c_lib.report.cells import shown
from p2c_lib.sheets import write_sheet
from p2c_lib.widgets.family import NOT_ASKED, PAGE, Found, PagedWidget, family_file
from p2c_lib.widgets.pages import Pages, Selection

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation

__all__ = ["ReconciliationExplorer", "marked"]

LONGEST_MARKED = 400
MOST_SENT = 200_000


class ReconciliationExplorer(PagedWidget):
    """Explores a Reconciliation in JupyterLab: click a class or a cause, ask what would settle it, search, turn pages.

    What is shown is ``selection``; ``export(path)`` writes all of it to .csv, .xlsx or .parquet, and so do the buttons
    that save it from the browser. The browser only ever holds one page. ``static()`` is the same picture for a report,
    without a kernel.
    """

    _esm = family_file("reconciliation_explorer.js")
    _css = family_file("reconciliation_explorer.css")
    summary = traitlets.Dict().tag(sync=True)
    causes: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    fix = traitlets.Dict().tag(sync=True)

    def __init__(self, reconciliation: Reconciliation | None) -> None:
        if reconciliation is None:
            super().__init__(nothing=NOT_ASKED)
            return
        self.reconciliation = reconciliation
        self._pages = Pages(reconciliation)
        first = (
            "changed"
            if reconciliation.summary["changed"]
            else next((c for c in CLASSES if reconciliation.summary[c]), "equal")
        )
        super().__init__(
            self._lines,
            summary=dict(reconciliation.summary),
            causes=[_plain(line) for line in reconciliation.causes.to_pylist()],
            wanted={"class": first, "cause": None, "field": None, "search": "", "number": 0},
        )
        self.on_msg(self._asked)

    @property
    def selection(self) -> Selection:
        """What is chosen now: class, cause, field and search text."""
        return _selection(self.wanted)

    def choose(
        self,
        kind: str = "changed",
        *,
        cause: str | None = None,
        field: str | None = None,
        search: str = "",
        number: int = 0,
    ) -> None:
        """Show another selection, as a click would. Raises UnknownName for a class there is not."""
        if kind not in CLASSES:
            raise UnknownName("class", kind, CLASSES)
        self.wanted = {"class": kind, "cause": cause, "field": field, "search": search, "number": number}

    def export(self, path: str | Path) -> Path:
        """Write every row of the selection to a .csv, .xlsx or .parquet file; text that a spreadsheet would run is
        defused."""
        return write_sheet(self._pages.table(self.selection), Path(path))

    def download(self, suffix: str) -> None:
        """Hand the rows of the selection to the browser as a file to keep: ``xlsx``, ``csv`` or ``parquet``.

        Raises FrameError for another suffix and for more rows than a browser should be sent.
        """
        chosen = self.selection
        rows = self._pages.table(chosen).num_rows
        if rows > MOST_SENT:
            hint = "In a cell, explorer.export('rows.parquet') writes all of them."
            raise FrameError(f"{rows:,} rows are too many to send to a browser.", hint=hint)
        words = (self.reconciliation.template.task, chosen.kind, chosen.cause, chosen.field)
        with TemporaryDirectory() as folder:
            file = self.export(Path(folder) / f"{'-'.join(filter(None, words))}.{suffix}")
            self.send({"do": "keep", "name": file.name}, [file.read_bytes()])

    def settle(self, cause: str, field: str) -> None:
        """Show the rule that would settle a cause in a field, and what it does to all pairs."""
        self.fix = {"cause": cause, "field": field, **_proposal(self.reconciliation, cause, field)}

    def _twin(self) -> str:
        """Classes, causes and the first page."""
        return fragment(_static(self.reconciliation, self.page))

    def _lines(self, wanted: Mapping[str, Any], number: int) -> Found:
        """The rows of one page, changed ones with what differs marked."""
        rows, total = self._pages.page(_selection(wanted), number, PAGE)
        for row in rows:
            if "expected" in row and "actual" in row:
                row["marks"] = marked(row["expected"], row["actual"])
        return rows, total

    def __repr__(self) -> str:
        return f"ReconciliationExplorer({None if self.nothing else self.reconciliation!r})"

    def _asked(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("do") == "fix":
            self.attempt(lambda: self.settle(str(content.get("cause")), str(content.get("field"))))
        elif content.get("do") == "download":
            self.attempt(lambda: self.download(str(content.get("suffix"))))


def marked(expected: str | None, actual: str | None) -> list[list[list[Any]]]:
    """Both values in pieces of (text, whether it differs); long values are marked as a whole.

    >>> marked("Acme Ltd", "Acme GmbH")
    [[['Acme ', False], ['Ltd', True]], [['Acme ', False], ['GmbH', True]]]
    """
    e, a = expected or "", actual or ""
    if len(e) > LONGEST_MARKED or len(a) > LONGEST_MARKED or not e or not a:
        return [[[e, True]], [[a, True]]]
    sides: list[list[list[Any]]] = [[], []]
    for kind, e0, e1, a0, a1 in SequenceMatcher(None, e, a, autojunk=False).get_opcodes():
        for side, piece in zip(sides, (e[e0:e1], a[a0:a1]), strict=True):
            if piece:
                side.append([piece, kind != "equal"])
    return sides


def _selection(wanted: Mapping[str, Any]) -> Selection:
    kind = str(wanted.get("class") or "changed")
    return Selection(kind, wanted.get("cause"), wanted.get("field"), str(wanted.get("search") or ""))


def _proposal(reconciliation: Reconciliation, cause: str, field: str) -> dict[str, str]:
    cluster = next((c for c in reconciliation.clusters if (c.cause, c.field) == (cause, field)), None)
    found = cluster.fix if cluster else None
    if found is None:
        common = f"{cluster.says[:1].upper()}{cluster.says[1:]}. " if cluster and cluster.says else ""
        words = f"{common}No rule would settle it: the values differ for real, or each in its own way."
        return {"words": words, "effect": ""}
    seen = reconciliation.preview(found)
    where = "a step of the mapping" if found.step else "a compare rule"
    effect = f"As {where}: {seen.before:,} differences in {field} become {seen.after:,}; {seen.resolved:,} go, "
    new = f"{seen.made:,}" if seen.made else "none"
    return {"words": found.words[:1].upper() + found.words[1:], "effect": f"{effect}{new} would be new."}


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _written(v) for k, v in line.items()}


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return shown(value)
    return value if isinstance(value, int) else text_of(value)


def _static(reconciliation: Reconciliation, page: Mapping[str, Any]) -> str:
    from p2c_lib.report import Report, Table

    causes = reconciliation.causes
    parts = [Table(tuple(causes.column_names), tuple(tuple(_plain(r).values()) for r in causes.to_pylist()), "Causes")]
    verdict = "pass" if sum(reconciliation.summary.values()) == reconciliation.summary["equal"] else "warn"
    head = Report("Reconciliation", verdict, repr(reconciliation), tuple(parts)).body()
    names = [name for name in (page["rows"] or [{}])[0] if name != "marks"]
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    lines = "".join(f"<tr>{''.join(f'<td>{_cell(row, name)}</td>' for name in names)}</tr>" for row in page["rows"])
    table = f"<table><caption>The first rows</caption><thead><tr>{headings}</tr></thead><tbody>{lines}</tbody></table>"
    return f"{head}{table}<p>{page['total']:,} rows in this selection.</p>"


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A value as HTML, with what differs marked."""
    if "marks" in row and name in {"expected", "actual"}:
        pieces = row["marks"][0 if name == "expected" else 1]
        return "".join(f"<mark>{escape(text)}</mark>" if differs else escape(text) for text, differs in pieces)
    return escape(row[name] or "")
