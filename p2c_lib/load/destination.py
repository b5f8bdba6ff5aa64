"""Rows of a plan looked up at the destination by their key: for doubts, for samples, for taking back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import NotFound
from p2c_lib.frames import EntityQuery, key_text
from p2c_lib.load.outcome import APPLIED, DRIFTED, OPEN
from p2c_lib.odata.literals import literal
from p2c_lib.odata.settle import as_written

if TYPE_CHECKING:
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["Destination", "values_of"]

KEYS_AT_ONCE = 40
BY_KEY = 600

Found = Mapping[str, Mapping[str, Any]]


class Destination:
    """The entity set a plan writes to, as it is now."""

    def __init__(self, plan: Plan, session: Session) -> None:
        facts = plan.facts["destination"]
        self._session = session
        self.app, self.entity_set, self.key = facts["app"], facts["entity_set"], tuple(facts["key"])
        self._size = int(facts["rows"])
        self._ignored = frozenset(plan.facts["ignored"])
        self._schema = session.client(self.app).schema(self.entity_set)
        self.columns = tuple(field.name for field in plan.operations.schema.field("after").type)

    def read(self, rows: pa.Table, columns: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """The rows of some operations as they are now, by normalised key, with ``@etag`` and, in Sales, ``@id``.

        A row that is not there is left out. Few are asked for by key, many by reading the whole set.
        """
        if not rows.num_rows:
            return {}
        wanted = set(rows.column("key").to_pylist())
        asked = tuple(dict.fromkeys((*self.key, *(self.columns if columns is None else columns))))
        found: dict[str, dict[str, Any]] = {}
        for where in self._filters(rows):
            frame = self._session.extract(EntityQuery(self.app, self.entity_set, asked, self.key, where))
            keys = key_text(frame.table, self.key)
            hit = pc.is_in(keys, value_set=pa.array(list(wanted), pa.string()))
            found.update(zip(keys.filter(hit).to_pylist(), frame.table.filter(hit).to_pylist(), strict=True))
        return found

    def standing(self, rows: pa.Table) -> dict[int, tuple[str, str | None]]:
        """For operations of unknown outcome, by position, whether each was carried out, and why not in words.

        ``applied``: the row is as the operation makes it. ``open``: it is as it was before. ``drifted``: neither, so
        somebody else was there.
        """
        there = self.read(rows)
        return {row["position"]: self._stands(row, there.get(row["key"])) for row in rows.to_pylist()}

    def differing(self, row: Mapping[str, Any], found: Mapping[str, Any], *, exactly: bool = False) -> list[str]:
        """The fields an operation writes that are not as it writes them; but for case and white space, or exactly."""
        written = {name: value for name, value in values_of(row).items() if name not in self._ignored and name in found}
        if exactly:
            return [name for name, value in written.items() if found[name] != value]
        return [name for name, value in written.items() if not as_written({name: value}, found)]

    def _stands(self, row: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[str, str | None]:
        if row["op"] == "delete":
            if found is None:
                return APPLIED, None
            return (OPEN, None) if found["@etag"] == row["etag"] else (DRIFTED, "The row was changed since.")
        if found is None:
            return (OPEN, None) if row["op"] == "create" else (DRIFTED, "The row is not there any more.")
        if row["op"] == "create" and row["id"] is not None and found.get("@id") == row["id"]:
            return APPLIED, None
        differing = self.differing(row, found)
        if not differing:
            return APPLIED, None
        if row["op"] == "update" and found["@etag"] == row["etag"]:
            return OPEN, None
        return DRIFTED, f"A row with this key is there, and differs in {', '.join(differing[:5])}."

    def _filters(self, rows: pa.Table) -> Iterator[str | None]:
        if rows.num_rows > max(BY_KEY, self._size // 200):
            yield None
            return
        keys = self._key_values(rows)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            yield " or ".join(self._equals(key) for key in keys[start : start + KEYS_AT_ONCE])

    def _key_values(self, rows: pa.Table) -> list[dict[str, Any]]:
        parts = []
        for name in self.key:
            sides = [rows.column(side).combine_chunks() for side in ("after", "before")]
            named = [pc.struct_field(s, name) for s in sides if name in {field.name for field in s.type}]
            parts.append((pc.coalesce(*named) if len(named) > 1 else named[0]).to_pylist())
        return [dict(zip(self.key, values, strict=True)) for values in zip(*parts, strict=True)]

    def _equals(self, key: Mapping[str, Any]) -> str:
        terms = []
        for name, value in key.items():
            column = self._schema.column(name)
            if value is None:
                raise NotFound(f"A row of {self.entity_set} has no {name}.", target=self.entity_set)
            terms.append(f"{column.wire} eq {literal(value, column)}")
        return f"({' and '.join(terms)})"


def values_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an operation writes: every value of a create, the changed ones of an update."""
    after = row["after"] or {}
    if row["op"] == "update":
        return {name: after[name] for name in row["changed"]}
    return {name: value for name, value in after.items() if value is not None}
