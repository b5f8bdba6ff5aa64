"""Both systems over all tasks as one value: match rates, causes, who moved, orphans, doubles and the trend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.reconcile.duplicates import DuplicateSearch
from p2c_lib.reconcile.engine import CLASSES
from p2c_lib.reconcile.result import COLOURS
from p2c_lib.report import Part, Prose, Report, Table, columns, stacked_bars

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation

__all__ = ["CompanyView", "match_rate"]

SHOWN = 15
EXAMPLES = 3
RUNS_SHOWN = 12


@dataclass(frozen=True)
class CompanyView:
    """Both systems over all tasks.

    ``moved`` has the differences of each task that was agreed on before, with the side that left that state;
    ``extras`` the rows that only the destination has, with where they come from. ``trend`` has a line for each
    reconciliation the ledger knows.
    """

    set_name: str
    company: str
    tasks: Mapping[str, Reconciliation]
    moved: Mapping[str, pa.Table]
    extras: Mapping[str, pa.Table]
    orphans: Mapping[str, pa.Table]
    duplicates: Mapping[str, DuplicateSearch]
    trend: tuple[Mapping[str, Any], ...]

    @property
    def clean(self) -> bool:
        """Whether every row of every task agrees."""
        return all(match_rate(recon.summary) == 1 for recon in self.tasks.values())

    def table(self) -> Table:
        """A line a task: its classes and the share of rows that agree."""
        rows = tuple(
            (task, *(recon.summary[name] for name in CLASSES), f"{match_rate(recon.summary):.1%}")
            for task, recon in self.tasks.items()
        )
        return Table(("task", *CLASSES, "match rate"), rows, "Rows by class")

    def report(self) -> Report:
        """Match rates first, then causes, who moved, orphans and doubles, and the trend."""
        total = {name: sum(recon.summary[name] for recon in self.tasks.values()) for name in CLASSES}
        open_pairs = sum(search.open.num_rows for search in self.duplicates.values())
        lost = sum(table.num_rows for table in self.orphans.values())
        why = (
            f"{total['equal']:,} rows agree, {total['changed']:,} differ, {total['missing']:,} are missing and "
            f"{total['extra']:,} stand only at the destination; {lost:,} rows refer to none, and {open_pairs:,} pairs "
            f"may be one party."
        )
        parts: list[Part] = [self.table(), self._chart(), self.causes(), self._moved(), self._extras()]
        parts += [self._orphans(), *self._duplicates(), *self._trend()]
        title = f"{self.company}: Sales and F&O side by side"
        return Report(title, "pass" if self.clean else "warn", why, tuple(parts))

    def _chart(self) -> Part:
        bars = [(task, name, recon.summary[name]) for task, recon in self.tasks.items() for name in CLASSES]
        return stacked_bars("How the rows compare", bars, COLOURS)

    def causes(self) -> Table:
        """The commonest causes of all tasks, each in one field, with an example and the money at stake."""
        found = [
            (task, line["cause"], line["field"], line["count"], line["expected"], line["actual"], line["money"])
            for task, recon in self.tasks.items()
            for line in recon.causes.to_pylist()
        ]
        found.sort(key=lambda line: -line[3])
        head = ("task", "cause", "field", "rows", "expected, for example", "actual", "money at stake")
        return Table(head, tuple(found[:SHOWN]), "Top causes", len(found))

    def _moved(self) -> Table:
        head = ("task", "who moved since both agreed", "differences", "for example")
        return Table(head, _counted(self.moved, "moved"), "Since the last agreement")

    def _extras(self) -> Table:
        head = ("task", "where it comes from", "rows", "for example")
        return Table(head, _counted(self.extras, "origin"), "Rows only at the destination")

    def _orphans(self) -> Table:
        rows = tuple((title, table.num_rows, _examples(table)) for title, table in self.orphans.items())
        return Table(("what", "rows", "for example"), rows, "Rows that refer to none")

    def _duplicates(self) -> list[Part]:
        parts: list[Part] = []
        for name, search in self.duplicates.items():
            pairs = search.open.slice(0, SHOWN).to_pylist()
            rows = tuple((p["key_a"], p["name_a"], p["key_b"], p["name_b"], round(p["score"])) for p in pairs)
            head = ("key", "name", "key of the other", "its name", "likeness")
            parts.append(Prose(str(search), f"The same party twice: {name}"))
            if rows:
                parts.append(Table(head, rows, "", search.open.num_rows))
        return parts

    def _trend(self) -> list[Part]:
        """The last runs: how many rows of each class, and the match rate of each task."""
        runs: dict[str, list[Mapping[str, Any]]] = {}
        for line in self.trend:
            runs.setdefault(line["run_id"], []).append(line)
        last = list(runs.values())[-RUNS_SHOWN:]
        when = [lines[0]["at"][:19].replace("T", " ") for lines in last]
        bars = [
            (at, kind, sum(line[kind] for line in lines))
            for at, lines in zip(when, last, strict=True)
            for kind in CLASSES
        ]
        tasks = tuple(dict.fromkeys(line["task"] for lines in last for line in lines))
        rates = [{line["task"]: f"{match_rate(line):.1%}" for line in lines} for lines in last]
        rows = tuple((at, *map(rate.get, tasks)) for at, rate in zip(when, rates, strict=True))
        return [
            columns("Rows by class, run by run", bars, COLOURS),
            Table(("when", *tasks), rows, "Match rates over time"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Counts, causes and names as plain values."""
        return {
            "connection_set": self.set_name,
            "company": self.company,
            "clean": self.clean,
            "tasks": {
                task: {**recon.summary, "match_rate": match_rate(recon.summary), "causes": recon.causes.to_pylist()}
                for task, recon in self.tasks.items()
            },
            "moved": {task: _counts(table, "moved") for task, table in self.moved.items()},
            "extras": {task: _counts(table, "origin") for task, table in self.extras.items()},
            "orphans": {title: table.num_rows for title, table in self.orphans.items()},
            "duplicates": {n: {"open": s.open.num_rows, "recall": s.recall} for n, s in self.duplicates.items()},
            "trend": [dict(line) for line in self.trend],
        }

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        rates = ", ".join(f"{task} {match_rate(recon.summary):.1%}" for task, recon in self.tasks.items())
        return f"CompanyView({self.company}: {rates})"


def match_rate(summary: Mapping[str, Any]) -> float:
    """The share of rows that agree, of all rows on either side; 1 where there are none."""
    rows = sum(int(summary[name]) for name in CLASSES)
    return int(summary["equal"]) / rows if rows else 1.0


def _counted(tables: Mapping[str, pa.Table], column: str) -> tuple[tuple[str, str, int, str], ...]:
    """How often each word stands in the column of each task's table, with the first keys."""
    return tuple(
        (task, word, n, _examples(table.filter(pc.equal(table.column(column), word))))
        for task, table in tables.items()
        for word, n in _counts(table, column).items()
    )


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    return {str(c["values"]): c["counts"].as_py() for c in pc.value_counts(table.column(column))}


def _examples(table: pa.Table) -> str:
    keys = list(dict.fromkeys(map(str, table.column("key").slice(0, 10 * EXAMPLES).to_pylist())))
    return ", ".join(keys[:EXAMPLES])
