"""Every task reconciled, orphans and doubles looked for, and the counts written to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.agreement import last_agreed
from p2c_lib.company.catalogue import PARTIES, REFERENCES, Reference
from p2c_lib.company.view import CompanyView
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS, TaskWalk, new_run_id
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.reconcile.duplicates import DuplicateSearch, find_duplicates
from p2c_lib.reconcile.orphans import orphans
from p2c_lib.reconcile.three_sides import extras_of, moved_since

if TYPE_CHECKING:
    import pyarrow as pa

    from p2c_lib.session import Session

__all__ = ["duplicates_of", "reconcile_all"]


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
            for line in walk.told():
                tell(f"{task}: {line}")
            agreed = last_agreed(recon, session, ledger)
            if agreed is not None:
                moved[task] = moved_since(recon, agreed)
            extras[task] = extras_of(recon, agreed=agreed, aside=walk.check().set_aside())
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
    frame = session.extract(party.query)
    key = frame.row_key()
    decided: Any = {
        tuple(sorted(map(key.given, pair))): said
        for pair, said in ledger.decisions(connection_set=session.set.name, entity=name).items()
    }
    return find_duplicates(frame, party.likeness, decided=decided)


def _orphans(reference: Reference, session: Session) -> pa.Table:
    children, parents = session.extract(reference.child), session.extract(reference.parent)
    return orphans(children, reference.column, parents, reference.parent_column, blank=reference.blank)
