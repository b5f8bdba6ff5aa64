"""A plan as a value: what it would write, for which two environments, by which rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import PlanAltered
from p2c_lib.plan.narrow import narrowed
from p2c_lib.plan.operations import fields_of
from p2c_lib.plan.review import report_of

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.report import Report

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Writes for one task.

    ``operations`` has a row for each: position, op, key, id, etag, changed, causes, reason, before, after.

    ``facts`` is the content of ``plan.json``; ``folder`` is where both files lie.
    """

    id: str
    folder: Path
    facts: Mapping[str, Any]
    operations: pa.Table

    @property
    def task(self) -> str:
        return str(self.facts["task"])

    @property
    def creates(self) -> int:
        return int(self.facts["counts"]["create"])

    @property
    def updates(self) -> int:
        return int(self.facts["counts"]["update"])

    @property
    def deletes(self) -> int:
        return int(self.facts["counts"].get("delete", 0))

    @property
    def undoes(self) -> str | None:
        """The id of the plan that this one takes back; None for a plan that goes forward."""
        undone: str | None = self.facts.get("undoes")
        return undone

    def __len__(self) -> int:
        return int(self.operations.num_rows)

    @cached_property
    def rows(self) -> pa.Table:
        """Every field that is written as a line: position, op, key, field, before, after and cause."""
        return fields_of(self.operations)

    @cached_property
    def causes(self) -> pa.Table:
        """Why fields of updates change, the commonest first: cause, field and how many rows."""
        updates = self.operations.filter(pc.equal(self.operations.column("op"), "update"))
        flat = {name: pc.list_flatten(updates.column(of)) for name, of in (("cause", "causes"), ("field", "changed"))}
        counted = pa.table(flat).group_by(["cause", "field"]).aggregate([([], "count_all")])
        ordered = counted.sort_by([("count_all", "descending"), ("cause", "ascending"), ("field", "ascending")])
        return ordered.rename_columns(["cause", "field", "rows"])

    @property
    def df(self) -> pd.DataFrame:
        """Every field that is written, as pandas."""
        import pandas as pd

        found: pd.DataFrame = self.rows.to_pandas(types_mapper=pd.ArrowDtype)
        return found

    def verify(self) -> None:
        """Raise PlanAltered unless the files on disk are the ones this plan was hashed with."""
        from p2c_lib.plan.files import open_plan

        found = open_plan(self.folder)
        if found.id != self.id:
            raise PlanAltered(
                f"The plan in {self.folder} has the hash {found.id[:12]}, not {self.id[:12]}.", hint="Make a new plan."
            )

    def only(
        self,
        *,
        ops: Collection[str] | None = None,
        keys: Collection[str] | None = None,
        fields: Collection[str] | None = None,
        causes: Collection[str] | None = None,
    ) -> Plan:
        """A new plan with its own hash, of the operations that fit every choice; see ``without``.

        ``fields`` and ``causes`` choose among the changed fields of updates. Raises UnknownName for what the plan does
        not have.
        """
        return narrowed(self, kept=True, ops=ops, keys=keys, fields=fields, causes=causes)

    def without(
        self,
        *,
        ops: Collection[str] | None = None,
        keys: Collection[str] | None = None,
        fields: Collection[str] | None = None,
        causes: Collection[str] | None = None,
    ) -> Plan:
        """A new plan with its own hash, without the operations that fit every choice; see ``only``."""
        return narrowed(self, kept=False, ops=ops, keys=keys, fields=fields, causes=causes)

    def report(self) -> Report:
        """What this plan would write."""
        return report_of(self)

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "folder": str(self.folder), **self.facts}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        undo = f", {self.deletes:,} deletes" if self.deletes else ""
        return f"Plan({self.task}, {self.creates:,} creates, {self.updates:,} updates{undo}, {self.id[:12]})"
