"""Operations of a plan become writes: business keys of lookups become links, F&O rows get their company."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.keys import ignores
from p2c_lib.load.links import links_of
from p2c_lib.odata import Write, WriteResult
from p2c_lib.odata.once import later_ones

if TYPE_CHECKING:
    from p2c_lib.odata import Client, EntitySchema
    from p2c_lib.plan import Plan

__all__ = ["PlanWriter"]

STATES = {"statecode", "statuscode"}


class PlanWriter:
    """Sends operations of one plan. Creates travel as columns, each kind of operation by the best route there is.

    Once ``stop`` says so no request is begun; what was not sent has the error NotSent.
    """

    def __init__(self, plan: Plan, client: Client, company: str, *, stop: Callable[[], bool]) -> None:
        self.client, self.stop = client, stop
        self.schema: EntitySchema = client.schema(plan.facts["destination"]["entity_set"])
        self.company = company.lower() if self.schema.has_company else None
        self.links = links_of(plan.operations, client, self.schema)

    def broken(self, rows: pa.Table) -> dict[int, str]:
        """Why operations cannot be sent, in words, by position: what lacks, or another new row with their key."""
        found = self._created_before(rows)
        after = rows.column("after").combine_chunks()
        for name, link in self.links.items():
            for row in rows.filter(link.lacking(after)).to_pylist():
                if row["op"] == "create" or (row["op"] == "update" and name in row["changed"]):
                    found.setdefault(row["position"], link.why(row["after"]))
        return found

    def _created_before(self, rows: pa.Table) -> dict[int, str]:
        """The new rows whose own key, as the destination compares it, another new row of the plan has."""
        creates = rows.filter(pc.equal(rows.column("op"), "create")).combine_chunks()
        after = pa.Table.from_struct_array(creates.column("after").combine_chunks())
        names = [name for name in self.schema.key if name != "dataAreaId"]
        if not names or not set(names) <= set(after.column_names):
            return {}
        again = later_ones("create", self.schema, after, names)
        why = f"Another row of the plan is created with the same key, and {ignores(self.schema.app)}."
        return dict.fromkeys(creates.column("position").take(again).to_pylist(), why)

    def send(self, rows: pa.Table) -> list[WriteResult]:
        """What became of each operation, in order, with the version of a new row where the service tells it."""
        results: dict[int, WriteResult] = {}
        for op in ("create", "update", "delete"):
            part = rows.filter(pc.equal(rows.column("op"), op)).combine_chunks()
            if not part.num_rows:
                continue
            done = self._create(part) if op == "create" else self.client.write(self._writes(part), stop=self.stop)
            results.update(zip(part.column("position").to_pylist(), done, strict=True))
        return [results[position] for position in rows.column("position").to_pylist()]

    def _create(self, part: pa.Table) -> list[WriteResult]:
        after = part.column("after").combine_chunks()
        columns: dict[str, Any] = {}
        for field in after.type:
            values = pc.struct_field(after, field.name)
            if values.null_count and self._leaves_out(field.name):
                if values.null_count == len(values):
                    continue
                if self.schema.app == "sales":
                    return self.client.write(self._writes(part), stop=self.stop, versions=True)
            link = self.links.get(field.name)
            if link is None:
                columns[field.name] = values
            else:
                columns[f"{link.navigation}@odata.bind"] = link.paths(after)
        if self.company:
            columns["dataAreaId"] = pa.repeat(pa.scalar(self.company), part.num_rows)
        if part.column("id").null_count == 0:
            columns[self.schema.key[0]] = part.column("id")
        table = pa.table(columns)
        return self.client.write_table("create", self.schema.entity_set, table, stop=self.stop, versions=True)

    def _leaves_out(self, name: str) -> bool:
        """Whether a new row says nothing of a column for which its plan has nothing.

        F&O numbers and completes the row. In Sales a null is said, so that no default of the column stands there, but
        of what the service itself gives every row.
        """
        column = self.schema.columns.get(name)
        if self.schema.app == "finops" or column is None or name in self.links or name in STATES:
            return True
        return column.required or not column.creatable or column.wire != column.name

    def _writes(self, part: pa.Table) -> list[Write]:
        """Operations as values, of which only the written fields are taken out of the columns."""
        after, before = ([] if s.null_count == len(s) else s for s in (_struct(part, "after"), _struct(part, "before")))
        ops, ids, etags, changed = (part.column(n).to_pylist() for n in ("op", "id", "etag", "changed"))
        names = {f for fields in changed for f in fields or ()}
        if "create" in ops:
            names |= {field.name for field in part.schema.field("after").type}
        values = {name: self._values(after, name) for name in names}
        keys = {} if isinstance(before, list) else self._keys(before)
        made = []
        for row, op in enumerate(ops):
            fields = changed[row] if op == "update" else names if op == "create" else ()
            body = self._body({name: values[name][row] for name in fields}, creating=op == "create")
            key = {self.schema.key[0]: ids[row]} if ids[row] is not None else {n: v[row] for n, v in keys.items()}
            if op == "create":
                key = {}
                body |= {"dataAreaId": self.company} if self.company else {}
                body |= {self.schema.key[0]: ids[row]} if ids[row] is not None else {}
            made.append(Write(op, self.schema.entity_set, key or None, body, etags[row]))
        return made

    def _keys(self, before: pa.StructArray) -> dict[str, list[Any]]:
        """The service's own key of each row, by column; nothing where rows go by their id."""
        there = {field.name for field in before.type}
        if not set(self.schema.key) - {"dataAreaId"} <= there:
            return {}
        company = [self.company] * len(before)
        return {n: company if n == "dataAreaId" else pc.struct_field(before, n).to_pylist() for n in self.schema.key}

    def _values(self, after: pa.StructArray, name: str) -> list[Any]:
        """What rows get into a column: values, or the paths of the rows a lookup is to point to."""
        link = self.links.get(name)
        values: list[Any] = (pc.struct_field(after, name) if link is None else link.paths(after)).to_pylist()
        return values

    def _body(self, values: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in values.items():
            if value is None and creating and self._leaves_out(name):
                continue
            link = self.links.get(name)
            body[name if link is None else f"{link.navigation}@odata.bind"] = value
        return body


def _struct(part: pa.Table, name: str) -> pa.StructArray:
    return part.column(name).combine_chunks()
