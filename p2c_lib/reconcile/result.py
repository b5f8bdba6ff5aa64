"""Two frames compared: every row of either in exactly one class, every difference with a cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of, texts
from p2c_lib.errors import UnknownName
from p2c_lib.reconcile.clusters import Cluster, Fix, causes_of, clusters_of
from p2c_lib.reconcile.columns import compared_columns
from p2c_lib.reconcile.engine import CLASSES, equal_pairs, find
from p2c_lib.reconcile.preview import Preview, preview_of, with_fixes
from p2c_lib.reconcile.sides import Side, pairing, taken, trims_texts
from p2c_lib.reconcile.twice import keys_twice
from p2c_lib.report import Figures, Part, Report, Table, stacked_bars

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.keys import RowKey
    from p2c_lib.mapping import Template

__all__ = ["COLOURS", "Reconciliation"]

SHOWN = 10
COLOURS = {
    "equal": "#8c959f",
    "changed": "#bf8700",
    "missing": "#0969da",
    "extra": "#8250df",
    "duplicate": "#e16f24",
    "invalid": "#cf222e",
}
SIDES = ("expected", "actual")


@dataclass(frozen=True)
class Reconciliation:
    """How an expected frame (what was mapped) and an actual one (what the destination holds) compare.

    ``classes`` has a line for each pair or row that is not equal: ``@expected`` and ``@actual`` are row positions (null
    on the side that has none), ``key`` the normalised key, ``class`` its class. ``differences`` is long: a line for
    each differing value with the key, ``field``, ``expected``, ``actual`` (as text) and ``cause``.
    """

    expected: Side
    actual: Side
    template: Template
    classes: pa.Table = field(repr=False)
    differences: pa.Table = field(repr=False)

    @property
    def row_key(self) -> RowKey:
        """The key by which the rows pair, as the destination compares it."""
        return pairing(self.expected, self.actual)

    @cached_property
    def sides(self) -> Mapping[str, Mapping[str, int]]:
        """Rows of each class on each side; they add up to the rows of the frame."""
        counted: dict[str, Mapping[str, int]] = {}
        for side, frame in zip(SIDES, (self.expected, self.actual), strict=True):
            there = pc.is_valid(self.classes.column(f"@{side}"))
            found = pc.value_counts(self.classes.filter(there).column("class"))
            counts = dict.fromkeys(CLASSES, 0) | {str(c["values"]): c["counts"].as_py() for c in found}
            counted[side] = counts | {"equal": len(frame) - sum(counts.values())}
        return counted

    @cached_property
    def summary(self) -> Mapping[str, int]:
        """Pairs that are equal or changed, rows that are missing or extra, and rows of both sides that pair with none:
        duplicate and invalid."""
        expected, actual = self.sides["expected"], self.sides["actual"]
        return {
            "equal": expected["equal"],
            "changed": expected["changed"],
            "missing": expected["missing"],
            "extra": actual["extra"],
            "duplicate": expected["duplicate"] + actual["duplicate"],
            "invalid": expected["invalid"] + actual["invalid"],
        }

    @cached_property
    def causes(self) -> pa.Table:
        """How often each cause stands behind each field: (cause, field, count, expected, actual, money).

        Commonest first. The two values are an example; money is the sum of the gaps where the field is money.
        """
        return causes_of(self.differences)

    @cached_property
    def clusters(self) -> tuple[Cluster, ...]:
        """Each cause in each field with examples, money at stake and a proposed fix, commonest first."""
        harmless = lambda fix: not self.preview(fix).made  # noqa: E731
        return clusters_of(self.differences, self.causes, harmless, trims=trims_texts(self.actual))

    def preview(self, fix: Fix) -> Preview:
        """What a fix would do to its field, compared again over all pairs."""
        return preview_of(self.expected, self.actual, self.template, fix, self.differences)

    def accepting(self, fixes: Iterable[Fix]) -> Reconciliation:
        """The next reconciliation, were these fixes accepted; ``fix.into(template)`` makes them last."""
        expected, rules = with_fixes(self.expected, self.actual, self.template, fixes)
        found = find(expected, self.actual, compared_columns(expected, self.actual, rules))
        return replace(self, expected=expected, classes=found.classes, differences=found.differences)

    def rows(self, kind: str) -> pa.Table:
        """The rows of one class: positions ``@expected`` and ``@actual``, ``key``, and the key's own columns."""
        if kind not in CLASSES:
            raise UnknownName("class", kind, CLASSES)
        if kind == "equal":
            found = equal_pairs(self.expected, self.actual, self.classes)
        else:
            found = self.classes.filter(pc.equal(self.classes.column("class"), kind)).drop_columns(["class"])
        for name in self.expected.key:
            found = found.append_column(name, self._spelling(name, found))
        return found

    @cached_property
    def twice(self) -> Mapping[str, str]:
        """Why each key of the class ``duplicate`` is no key of one row: how often it stands where, and spelt how."""
        return keys_twice(self.rows("duplicate"), self.row_key)

    def report(self) -> Report:
        """What was compared, the classes, the commonest causes and the first differences."""
        sides = [(side, name, n) for side, counts in self.sides.items() for name, n in counts.items()]
        parts: list[Part] = [Figures(tuple(self.summary.items())), stacked_bars("Rows of both sides", sides, COLOURS)]
        if self.differences.num_rows:
            parts += [self._bars(), _shown("Causes", self.causes)]
            parts.append(_shown("Differences", self.differences.drop_columns(["@expected", "@actual"])))
        if self.twice:
            lines = tuple(self.twice.items())
            parts.append(Table(("key", "why"), lines[:SHOWN], "Keys that stand more than once", len(lines)))
        clean = sum(self.summary.values()) == self.summary["equal"]
        return Report(f"Reconciliation of {self.template.task}", "pass" if clean else "warn", self._why(), tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Counts, causes and where both sides came from, as plain values."""
        return {
            "task": self.template.task,
            "template_sha": self.template.sha,
            "summary": dict(self.summary),
            "sides": {side: dict(counts) for side, counts in self.sides.items()},
            "causes": [{**c, "money": text_of(c["money"])} for c in self.causes.to_pylist()],
            "expected": self.expected.origin.to_dict(),
            "actual": self.actual.origin.to_dict(),
        }

    @property
    def df(self) -> pd.DataFrame:
        """The differences, as pandas."""
        import pandas as pd

        found: pd.DataFrame = self.differences.drop_columns(["@expected", "@actual"]).to_pandas(
            types_mapper=pd.ArrowDtype
        )
        return found

    def _bars(self) -> Part:
        """How many differences each cause stands behind."""
        counts: dict[str, int] = {}
        for line in self.causes.to_pylist():
            counts[line["cause"]] = counts.get(line["cause"], 0) + line["count"]
        bars = [(cause, "differences", counts[cause]) for cause in sorted(counts, key=lambda c: -counts[c])]
        return stacked_bars("Differences by cause", bars, {"differences": COLOURS["changed"]}, share=False)

    def _why(self) -> str:
        counted = self.summary
        said = [f"{counted[c]:,} {c}" for c in CLASSES if counted[c]]
        most = [f"{c['cause']} in {c['field']} ({c['count']:,})" for c in self.causes.slice(0, 3).to_pylist()]
        top = f" Mostly: {', '.join(most)}." if most else ""
        return f"{len(self.expected):,} rows expected, {len(self.actual):,} there: {', '.join(said) or 'nothing'}.{top}"

    def _spelling(self, name: str, found: pa.Table) -> pa.Array:
        """A key column as the side writes it that has the row, the expected one first."""
        sides = [taken(f, name, found.column(f"@{s}")) for s, f in zip(SIDES, self._frames, strict=True)]
        if not sides[0].null_count:
            return sides[0]
        return pc.coalesce(*(sides if sides[0].type == sides[1].type else map(texts, sides)))

    @property
    def _frames(self) -> tuple[Side, Side]:
        return self.expected, self.actual

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"Reconciliation({self.template.task}: {self._why()})"


def _shown(title: str, table: pa.Table) -> Table:
    rows = tuple(tuple(record.values()) for record in table.slice(0, SHOWN).to_pylist())
    return Table(tuple(table.column_names), rows, title, table.num_rows)
