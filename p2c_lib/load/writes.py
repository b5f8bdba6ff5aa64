"""Operations of a plan become writes: business keys of lookups become links, F&O rows get their company."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.keys import ignores
from p2c_lib.odata import Write, WriteResult
from p2c_lib.odata.once import later_ones

if TYPE_CHECKING:
    from p2c_lib.odata import Client, EntitySchema
    from p2c_lib.plan import Plan

__all__ = ["PlanWriter"]

Links = Mapping[str, tuple[str, Mapping[str, str]]]


class PlanWriter:
    """Sends operations of one plan. Creates travel as columns, each kind of operation by the best route there is.

    Once ``stop`` says so no request is begun; what was not sent has the error NotSent.
    """

    def __init__(self, plan: Plan, client: Client, company: str, *, stop: Callable[[], bool]) -> None:
        self.client, self.stop = client, stop
        self.schema: EntitySchema = client.schema(plan.facts["destination"]["entity_set"])
        self.company = company.lower() if self.schema.has_company else None
        self.links = _links(plan.operations, client, self.schema)

    def broken(self, rows: pa.Table) -> dict[int, str]:
        """Why operations cannot be sent, in words, by position: what lacks, or another new row with their key."""
        found = self._created_before(rows)
        for name, (_, paths) in self.links.items():
            values = pc.struct_field(rows.column("after").combine_chunks(), name)
            lost = pc.and_(
                pc.is_valid(values), pc.invert(pc.is_in(values, value_set=pa.array(list(paths), pa.string())))
            )
            for row in rows.append_column("value", values).filter(lost).to_pylist():
                if row["op"] == "create" or (row["op"] == "update" and name in row["changed"]):
                    found[row["position"]] = (
                        f"{name} '{row['value']}' does not exist at the destination. Create it there, or map it to one "
                        "that does."
                    )
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
            if values.null_count == len(values):
                continue
            link = self.links.get(field.name)
            if link is not None and values.null_count:
                return self.client.write(self._writes(part), stop=self.stop, versions=True)
            name, shown = (field.name, values) if link is None else (f"{link[0]}@odata.bind", _paths(values, link[1]))
            columns[name] = shown
        if self.company:
            columns["dataAreaId"] = pa.repeat(pa.scalar(self.company), part.num_rows)
        if part.column("id").null_count == 0:
            columns[self.schema.key[0]] = part.column("id")
        table = pa.table(columns)
        return self.client.write_table("create", self.schema.entity_set, table, stop=self.stop, versions=True)

    def _writes(self, part: pa.Table) -> list[Write]:
        """Operations as values, of which only the written fields are taken out of the columns."""
        after, before = ([] if s.null_count == len(s) else s for s in (_struct(part, "after"), _struct(part, "before")))
        ops, ids, etags, changed = (part.column(n).to_pylist() for n in ("op", "id", "etag", "changed"))
        names = {f for fields in changed for f in fields or ()}
        if "create" in ops:
            names |= {field.name for field in part.schema.field("after").type}
        values = {name: pc.struct_field(after, name).to_pylist() for name in names}
        keys = {} if isinstance(before, list) else self._keys(before)
        made = []
        for row, op in enumerate(ops):
            fields = changed[row] if op == "update" else names if op == "create" else ()
            body = self._body({name: values[name][row] for name in fields}, drop_empty=op == "create")
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

    def _body(self, values: Mapping[str, Any], *, drop_empty: bool) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in values.items():
            if value is None and drop_empty:
                continue
            link = self.links.get(name)
            if link is None:
                body[name] = value
            else:
                body[f"{link[0]}@odata.bind"] = None if value is None else link[1][value]
        return body


def _struct(part: pa.Table, name: str) -> pa.StructArray:
    return part.column(name).combine_chunks()


def _paths(values: pa.Array, paths: Mapping[str, str]) -> pa.Array:
    encoded = values.dictionary_encode()
    return pa.array([paths[value] for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _links(operations: pa.Table, client: Client, schema: EntitySchema) -> Links:
    """For each lookup column (``defaultuomid.name``) its navigation and the link of every value that is written."""
    after = operations.column("after").combine_chunks()
    links: dict[str, tuple[str, Mapping[str, str]]] = {}
    for field in after.type:
        lookup, dot, rest = field.name.partition(".")
        if not dot:
            continue
        target = rest.rpartition(".")[0]
        values = pc.unique(pc.struct_field(after, field.name)).drop_null().to_pylist()
        paths = client.resolve(schema.entity_set, lookup, rest, values)
        links[field.name] = (schema.lookup(lookup, target or None).navigation, paths)
    return links
