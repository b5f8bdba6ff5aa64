"""Small frames and a session's answers for the tests of mapping."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping import Template, parse
from p2c_lib.odata.schema import Column, EntitySchema

MONEY = pa.decimal128(38, 6)
TYPES = {"CreditLimit": MONEY, "OrganizationNumberOfEmployees": pa.int32()}


@dataclass
class Desk:
    """A session's two answers that mapping asks for: the destination's schema and its reference values."""

    schemas: dict[str, EntitySchema]
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def client(self, app: str) -> Desk:
        return self

    def schema(self, entity: str) -> EntitySchema:
        return self.schemas[entity]

    def reference(self, name: str, app: str) -> tuple[str, ...]:
        return self.references.get(name, ())


def desk_for(made: Template, types: dict[str, pa.DataType] = TYPES) -> Any:
    names = {rule.to.split(".")[0] for rule in made.fields}
    columns = {name: Column(name, "", types.get(name, pa.string())) for name in names}
    side = made.destination
    schema = EntitySchema(side.app, side.entity, side.entity, made.destination.key, columns)
    return Desk({side.entity: schema}, dict.fromkeys(made.references, ("10",)))


def frame(made: Template, rows: dict[str, Any]) -> EntityFrame:
    size = len(next(iter(rows.values())))
    table = pa.table({name: rows.get(name, pa.nulls(size, pa.string())) for name in made.source.columns})
    read = datetime(2026, 1, 1, tzinfo=UTC)
    side = made.source
    origin = Origin(side.app, "http://x", "org", None, side.entity, "", side.key, read, size, complete=True, note="")
    return EntityFrame(table, origin)


def small(fields: str, key: str = "{id: Id}") -> Template:
    return parse(
        "{version: 1, task: t, title: T, source: {app: sales, entity: accounts}, "
        f"destination: {{app: finops, entity: CustomersV2}}, key: {key}, fields: [{{from: id, to: Id}}, {fields}]}}"
    )
