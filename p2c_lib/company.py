"""The whole company at once: every task reconciled, orphans, the same party twice, and how it went over time.

Nothing is written to either system; what was counted goes to the ledger, so that a trend can be drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.agreement import last_agreed
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS, TaskWalk, new_run_id
from p2c_lib.frames import EntityQuery
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.reconcile.duplicates import DuplicateSearch, Likeness, find_duplicates
from p2c_lib.reconcile.orphans import orphans
from p2c_lib.reconcile.three_sides import extras_of, moved_since
from p2c_lib.report import Part, Prose, Report, Table, stacked_bars

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation
    from p2c_lib.session import Session

__all__ = ["PARTIES", "CompanyView", "duplicates_of", "reconcile_all"]

CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")
COLOURS = {
    "equal": "#afb8c1",
    "changed": "#0969da",
    "missing": "#1a7f37",
    "extra": "#8250df",
    "duplicate": "#e16f24",
    "invalid": "#cf222e",
}
SHOWN = 15
EXAMPLES = 3
RUNS_SHOWN = 12


@dataclass(frozen=True)
class Reference:
    """A column of an entity set, and the column of another that it names rows of."""

    title: str
    child: EntityQuery
    column: str
    parent: EntityQuery
    parent_column: str
    blank: bool = False


@dataclass(frozen=True)
class Party:
    """An entity set in which the same party may stand twice, and which of its columns say who it is."""

    app: str
    entity: str
    key: str
    likeness: Likeness
    filter: str | None = None

    @property
    def query(self) -> EntityQuery:
        """The columns that tell parties apart, and the key."""
        of = self.likeness
        columns = tuple(dict.fromkeys((self.key, *of.name, *of.email, *of.phone, *of.address)))
        return EntityQuery(self.app, self.entity, columns, (self.key,), self.filter)


def _query(app: str, entity: str, key: Sequence[str], column: str, where: str | None = None) -> EntityQuery:
    return EntityQuery(app, entity, tuple(dict.fromkeys((*key, column))), tuple(key), where)


REFERENCES = (
    Reference(
        "Sales contacts that neither buy nor work for an account",
        _query(
            "sales",
            "contacts",
            ["msdynce_contactnumber"],
            "parentcustomerid.account.accountnumber",
            "msdynce_isactivecustomer eq false",
        ),
        "parentcustomerid.account.accountnumber",
        _query("sales", "accounts", ["accountnumber"], "accountnumber"),
        "accountnumber",
        blank=True,
    ),
    Reference(
        "Sales quote lines with a product that F&O cannot sell",
        _query("sales", "quotedetails", ["quoteid.quotenumber", "sequencenumber"], "productid.productnumber"),
        "productid.productnumber",
        _query("finops", "SellableReleasedProducts", ["ProductNumber"], "ProductNumber"),
        "ProductNumber",
    ),
    Reference(
        "F&O contact persons without their customer",
        _query("finops", "CDSContactPersons", ["ContactPersonPartyNumber"], "AssociatedPartyNumber"),
        "AssociatedPartyNumber",
        _query("finops", "CustomersV2", ["CustomerAccount"], "PartyNumber"),
        "PartyNumber",
        blank=True,
    ),
    Reference(
        "F&O quotations without their customer",
        _query("finops", "CDSSalesQuotationHeaders", ["SalesQuotationNumber"], "RequestingCustomerAccountNumber"),
        "RequestingCustomerAccountNumber",
        _query("finops", "CustomersV2", ["CustomerAccount"], "CustomerAccount"),
        "CustomerAccount",
        blank=True,
    ),
    Reference(
        "F&O quotation lines without their header",
        _query(
            "finops",
            "CDSSalesQuotationLines",
            ["SalesQuotationNumber", "LineCreationSequenceNumber"],
            "SalesQuotationNumber",
        ),
        "SalesQuotationNumber",
        _query("finops", "CDSSalesQuotationHeaders", ["SalesQuotationNumber"], "SalesQuotationNumber"),
        "SalesQuotationNumber",
        blank=True,
    ),
)

PARTIES = {
    "accounts": Party(
        "sales",
        "accounts",
        "accountnumber",
        Likeness(("name",), ("emailaddress1",), ("telephone1",), ("address1_line1", "address1_city")),
    ),
    "contacts": Party(
        "sales",
        "contacts",
        "msdynce_contactnumber",
        Likeness(("firstname", "lastname"), ("emailaddress1",), ("telephone1",), ("address1_line1", "address1_city")),
    ),
    "customers": Party(
        "finops",
        "CustomersV2",
        "CustomerAccount",
        Likeness(
            ("OrganizationName",),
            ("PrimaryContactEmail",),
            ("PrimaryContactPhone",),
            ("AddressStreet", "AddressCity"),
        ),
        "PartyType eq 'Organization'",
    ),
}


@dataclass(frozen=True)
class CompanyView:
    """Both systems over all tasks.

    ``moved`` counts the differences of a task by the side that left the last agreed state, ``extras`` the rows only the
    destination has by where they come from. ``trend`` has a line for each reconciliation the ledger knows.
    """

    set_name: str
    company: str
    tasks: Mapping[str, Reconciliation]
    moved: Mapping[str, Mapping[str, int]]
    extras: Mapping[str, Mapping[str, int]]
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
        parts: list[Part] = [self.table(), self._chart(), self._causes(), self._moved(), self._extras()]
        parts += [self._orphans(), *self._duplicates(), self._trend()]
        title = f"{self.company}: Sales and F&O side by side"
        return Report(title, "pass" if self.clean else "warn", why, tuple(parts))

    def _chart(self) -> Part:
        bars = [(task, name, recon.summary[name]) for task, recon in self.tasks.items() for name in CLASSES]
        return stacked_bars("How the rows compare", bars, COLOURS)

    def _causes(self) -> Table:
        found = [
            (task, line["cause"], line["field"], line["count"], line["expected"], line["actual"])
            for task, recon in self.tasks.items()
            for line in recon.causes.to_pylist()
        ]
        found.sort(key=lambda line: -line[3])
        columns = ("task", "cause", "field", "rows", "expected, for example", "actual")
        return Table(columns, tuple(found[:SHOWN]), "Top causes", len(found))

    def _moved(self) -> Table:
        rows = tuple((task, side, n) for task, sides in self.moved.items() for side, n in sides.items())
        return Table(("task", "who moved since both agreed", "differences"), rows, "Since the last agreement")

    def _extras(self) -> Table:
        rows = tuple((task, origin, n) for task, origins in self.extras.items() for origin, n in origins.items())
        return Table(("task", "where it comes from", "rows"), rows, "Rows only at the destination")

    def _orphans(self) -> Table:
        rows = tuple(
            (title, table.num_rows, ", ".join(map(str, table.column("key").slice(0, EXAMPLES).to_pylist())))
            for title, table in self.orphans.items()
        )
        return Table(("what", "rows", "for example"), rows, "Rows that refer to none")

    def _duplicates(self) -> list[Part]:
        parts: list[Part] = []
        for name, search in self.duplicates.items():
            pairs = search.open.slice(0, SHOWN).to_pylist()
            rows = tuple((p["key_a"], p["name_a"], p["key_b"], p["name_b"], round(p["score"])) for p in pairs)
            columns = ("key", "name", "key of the other", "its name", "likeness")
            parts.append(Prose(str(search), f"The same party twice: {name}"))
            if rows:
                parts.append(Table(columns, rows, "", search.open.num_rows))
        return parts

    def _trend(self) -> Table:
        shown = self.trend[-RUNS_SHOWN * len(TASKS) :]
        rows = tuple((line["at"][:16], line["task"], f"{match_rate(line):.1%}") for line in shown)
        return Table(("when", "task", "match rate"), rows, "Over time")

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
            "moved": {task: dict(sides) for task, sides in self.moved.items()},
            "extras": {task: dict(origins) for task, origins in self.extras.items()},
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


def reconcile_all(
    session: Session,
    tasks: Sequence[str] = TASKS,
    *,
    parties: Sequence[str] = tuple(PARTIES),
    tell: Callable[[str], None] = lambda _line: None,
) -> CompanyView:
    """Reconcile every task, look for orphans and doubles, and record the counts; writes to neither system.

    ``tell`` gets a line for each thing that is looked at. Raises UnknownName for a task or a party that does not exist.
    """
    run_id = new_run_id()
    scope = {"connection_set": session.set.name, "company": session.company}
    ledger = open_ledger(session.workspace.ledger)
    try:
        recons, moved, extras = {}, {}, {}
        for task in tasks:
            tell(f"reconciling {task} ...")
            walk = TaskWalk(task, session, run_id=run_id)
            recon = recons[task] = walk.reconcile()
            agreed = last_agreed(recon, session, ledger)
            moved[task] = _counts(moved_since(recon, agreed), "moved") if agreed is not None else {}
            extras[task] = _counts(extras_of(recon, agreed=agreed, aside=walk.check().set_aside()), "origin")
            ledger.record_reconciliation(run_id, **scope, task=task, summary=recon.summary)
        tell("looking for rows that refer to none ...")
        lost = {reference.title: _orphans(reference, session) for reference in REFERENCES}
        doubles = {}
        for name in parties:
            tell(f"looking for the same party twice among {name} ...")
            doubles[name] = duplicates_of(name, session, ledger)
        trend = tuple(ledger.reconciliations(**scope))
    finally:
        ledger.close()
    return CompanyView(session.set.name, session.company, recons, moved, extras, lost, doubles, trend)


def duplicates_of(name: str, session: Session, ledger: Ledger) -> DuplicateSearch:
    """Rows of one kind of party (accounts, contacts, customers) that may be the same, decided pairs left out."""
    if name not in PARTIES:
        raise UnknownName("kind of party", name, PARTIES)
    party = PARTIES[name]
    decided: Any = ledger.decisions(connection_set=session.set.name, entity=name)
    return find_duplicates(session.extract(party.query), party.likeness, decided=decided)


def _orphans(reference: Reference, session: Session) -> pa.Table:
    children, parents = session.extract(reference.child), session.extract(reference.parent)
    return orphans(children, reference.column, parents, reference.parent_column, blank=reference.blank)


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    return {str(c["values"]): c["counts"].as_py() for c in pc.value_counts(table.column(column))}
