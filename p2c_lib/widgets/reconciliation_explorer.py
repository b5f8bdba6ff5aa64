"""A reconciliation to click through: classes as a bar, causes as a list, rows page by page, values side by side."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from p2c_lib.errors import UnknownName
from p2c_lib.reconcile.engine import CLASSES
from p2c_lib.report import fragment
from p2c_lib.sheets import write_sheet
from p2c_lib.widgets.pages import Pages, Selection

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation

__all__ = ["ReconciliationExplorer", "marked"]

HERE = Path(__file__).parent
PAGE = 25
LONGEST_MARKED = 400


class ReconciliationExplorer(anywidget.AnyWidget):
    """Explores a Reconciliation in JupyterLab: click a class or a cause, search, turn pages.

    What is shown is ``selection``; ``export(path)`` writes all of it to .csv, .xlsx or .parquet. The browser only ever
    holds one page. ``static()`` is the same picture for a report, without a kernel.
    """

    _esm = HERE / "reconciliation_explorer.js"
    _css = HERE / "reconciliation_explorer.css"
    summary = traitlets.Dict().tag(sync=True)
    causes: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    wanted = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)

    def __init__(self, reconciliation: Reconciliation) -> None:
        self.reconciliation = reconciliation
        self._pages = Pages(reconciliation)
        first = (
            "changed"
            if reconciliation.summary["changed"]
            else next((c for c in CLASSES if reconciliation.summary[c]), "equal")
        )
        super().__init__(
            summary=dict(reconciliation.summary),
            causes=[_plain(line) for line in reconciliation.causes.to_pylist()],
            wanted={"class": first, "cause": None, "field": None, "search": "", "number": 0},
        )
        self.observe(self._turn, "wanted")
        self._turn({"new": self.wanted})

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

    def static(self) -> str:
        """Classes, causes and the first page as HTML that needs no kernel."""
        return fragment(_static(self.reconciliation, self.page))

    def _turn(self, change: Mapping[str, Any]) -> None:
        chosen = _selection(change["new"])
        number = max(0, int(change["new"].get("number") or 0))
        rows, total = self._pages.page(chosen, number, PAGE)
        for row in rows:
            if "expected" in row and "actual" in row:
                row["marks"] = marked(row["expected"], row["actual"])
        self.page = {"rows": rows, "total": total, "number": number, "size": PAGE}


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


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if v is None else v if isinstance(v, int) else str(v) for k, v in line.items()}


def _static(reconciliation: Reconciliation, page: Mapping[str, Any]) -> str:
    from html import escape

    from p2c_lib.report import Report, Table

    causes = reconciliation.causes
    parts = [Table(tuple(causes.column_names), tuple(tuple(_plain(r).values()) for r in causes.to_pylist()), "Causes")]
    verdict = "pass" if sum(reconciliation.summary.values()) == reconciliation.summary["equal"] else "warn"
    head = Report("Reconciliation", verdict, repr(reconciliation), tuple(parts))._body("h3")
    lines = []
    for row in page["rows"]:
        cells = [escape(str(v)) for k, v in row.items() if k not in {"marks", "expected", "actual"}]
        cells += [
            "".join(f"<mark>{escape(t)}</mark>" if d else escape(t) for t, d in side) for side in row.get("marks", [])
        ]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"{head}<table><tbody>{''.join(lines)}</tbody></table><p>{page['total']:,} rows in this selection.</p>"
