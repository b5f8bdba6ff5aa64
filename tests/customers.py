"""Plans of any number of rows for a sandbox, customers of F&O first: made from values, without the rest of the walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping import Template
from p2c_lib.plan import Plan, plan
from p2c_lib.reconcile import reconcile
from p2c_lib.session import Session

FIELDS = ("CustomerAccount", "OrganizationName", "AddressCity", "CreditLimit", "SalesMemo")
FIXED = {
    "CustomerGroupId": "10",
    "SalesCurrencyCode": "USD",
    "PartyType": "Organization",
    "LanguageId": "en-us",
    "SiteId": "1",
    "WarehouseId": "13",
    "IsExternallyMaintained": "Yes",
}
TEMPLATE = Template.model_validate(
    {
        "task": "accounts",
        "title": "Customers of a test",
        "source": {"app": "sales", "entity": "accounts"},
        "destination": {"app": "finops", "entity": "CustomersV2"},
        "key": {"accountnumber": "CustomerAccount"},
        "fields": [
            {"from": "accountnumber", "to": "CustomerAccount"},
            {"from": "name", "to": "OrganizationName"},
            {"from": "address1_city", "to": "AddressCity"},
            {"from": "creditlimit", "to": "CreditLimit"},
            {"from": "description", "to": "SalesMemo"},
            *({"to": name, "default": value} for name, value in FIXED.items()),
        ],
    }
)

Customer = Mapping[str, Any]


def customers(prefix: str, count: int, version: int = 1) -> list[dict[str, Any]]:
    """Customers whose every value but the key depends on a version."""
    return [
        {
            "CustomerAccount": f"{prefix}{n:06}",
            "OrganizationName": f"Customer {n} v{version}",
            "AddressCity": f"City {n % 97}",
            "CreditLimit": Decimal(n % 1000) + Decimal(version) / 100,
            "SalesMemo": f"memo {version} of {n}" if n % 3 else None,
        }
        for n in range(count)
    ]


def expected_of(session: Session, rows: Sequence[Customer], template: Template = TEMPLATE) -> EntityFrame:
    """Rows as a mapped frame, in the types a read has; the template's defaults stand for what a row leaves out."""
    query = template.destination
    defaults = {field.to: field.default for field in template.fields if field.default is not None}
    whole = [defaults | dict(row) for row in rows]
    kind = session.extract(query, limit=1).table.select(list(query.columns)).schema
    arrays = [pa.array([row[field.name] for row in whole], field.type) for field in kind]
    here = session.client(template.source.app).identity()
    origin = Origin(
        app=here.app,
        url=here.url,
        organisation=here.organisation,
        company=None,
        entity_set=template.source.entity,
        query="",
        key=query.key,
        read_at=datetime.now(UTC),
        server_count=None,
        complete=True,
        note="",
    )
    return EntityFrame(pa.Table.from_arrays(arrays, schema=kind), origin)


def there(session: Session, prefix: str, template: Template = TEMPLATE) -> EntityFrame:
    """The rows at the destination whose key begins with a prefix."""
    frame = session.extract(template.destination)
    mine = pc.starts_with(pc.utf8_lower(frame.table.column(frame.key[0])), prefix.lower())
    return frame.with_table(frame.table.filter(pc.fill_null(mine, fill_value=False)))


def plan_of(
    session: Session,
    rows: Sequence[Customer],
    folder: Path,
    prefix: str,
    template: Template = TEMPLATE,
    **limits: Any,
) -> Plan:
    """The plan that makes the rows of a prefix these."""
    expected = expected_of(session, rows, template)
    counts = {"read": len(expected), "passed": len(expected), "quarantined": 0, "held": 0}
    gate: Any = SimpleNamespace(passed=expected, verdict="pass", why="all pass", counts=counts, suite_sha="s")
    return plan(reconcile(expected, there(session, prefix, template), template), gate, folder=folder, **limits)


def values(frame: EntityFrame) -> list[dict[str, Any]]:
    """The rows of a frame without the workbench's own columns, in key order."""
    names = [*FIELDS, *FIXED]
    return list(frame.table.select(names).sort_by("CustomerAccount").to_pylist())
