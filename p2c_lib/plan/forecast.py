"""What applying a plan will cost: the route of each kind of operation, requests, minutes, money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import ceil
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.odata.bulk import BULK_ROWS, WORTH_IT
from p2c_lib.odata.dialect import DIALECTS
from p2c_lib.plan.operations import changing

__all__ = ["BATCH", "BULK", "PACKAGE", "counts_of", "money", "predicted"]

OPS = ("create", "update", "delete")
BATCH, BULK, PACKAGE = "$batch", "bulk message", "package import"
# Rows a second of one application user where nothing was measured yet: what the services' makers quote as usual.
USUAL_PACE = {"sales": 30.0, "finops": 20.0, PACKAGE: 70.0}
# A package import takes no etag: it is for first loads, of so many rows into a set with at most a tenth as many.
PACKAGE_ROWS, FEW = 5_000, 10
# The entity's name in two calls, an address, the upload, the import, its status twice, its errors.
PACKAGE_CALLS, PAGE_ROWS = 8, 10_000
MONEY = "price|discount|cost|amount|total|credit"


def counts_of(operations: pa.Table) -> dict[str, int]:
    """How many operations of each kind there are."""
    found = {c["values"]: c["counts"] for c in pc.value_counts(operations.column("op")).to_pylist()}
    return {op: int(found.get(op, 0)) for op in OPS}


def predicted(app: str, counts: Mapping[str, int], there: int, pace: float | None) -> dict[str, Any]:
    """Requests by the route each kind of operation takes, and minutes at ``pace`` rows a second.

    Creates in Sales travel as bulk messages of 1,000 rows, a first load into F&O as one package import, everything else
    in batches. ``there`` is how many rows the set has.
    """
    size, route = DIALECTS[app].batch_writes, _route_of_creates(app, counts["create"], there)
    requests = _requests_for_creates(route, counts["create"], there, size)
    requests += sum(ceil(counts[op] / size) for op in OPS[1:])
    rate = pace or USUAL_PACE[PACKAGE if route == PACKAGE else app]
    return {
        "requests": requests,
        "minutes": round(sum(counts.values()) / rate / 60, 2),
        "rows_per_second": round(rate, 1),
        "measured": pace is not None,
        "routes": {"create": route, "update": BATCH, "delete": BATCH},
    }


def _route_of_creates(app: str, creates: int, there: int) -> str:
    if app == "sales":
        return BULK if creates >= WORTH_IT else BATCH
    return PACKAGE if creates >= PACKAGE_ROWS and there * FEW <= creates else BATCH


def _requests_for_creates(route: str, creates: int, there: int, size: int) -> int:
    """A package import is framed by two looks at the keys: what is there must not go in, what went in is seen there."""
    if route != PACKAGE:
        return ceil(creates / (BULK_ROWS if route == BULK else size))
    return PACKAGE_CALLS + max(1, ceil(there / PAGE_ROWS)) + ceil((there + creates) / PAGE_ROWS)


def money(operations: pa.Table) -> list[dict[str, str]]:
    """For each field of money and currency: what creates bring, what updates change it from and to."""
    whole = operations.combine_chunks()
    after, before = (whole.column(side).combine_chunks() for side in ("after", "before"))
    currency = next((f.name for f in after.type if "currency" in f.name.lower()), None)
    currencies = pa.nulls(len(after), pa.string()) if currency is None else pc.struct_field(after, currency)
    lines = []
    for field in after.type:
        named = pc.match_substring_regex(pa.scalar(field.name), MONEY, ignore_case=True).as_py()
        if not (pa.types.is_decimal(field.type) and named):
            continue
        made, moved = pc.equal(whole.column("op"), "create"), changing(whole, (field.name,))
        sums = {
            "created": _sums(after, field.name, currencies, made),
            "from": _sums(before, field.name, currencies, moved),
            "to": _sums(after, field.name, currencies, moved),
        }
        for found in sorted(set().union(*sums.values())):
            amounts = {title: text_of(by.get(found, Decimal(0))) or "" for title, by in sums.items()}
            lines.append({"field": field.name, "currency": found, **amounts})
    return [line for line in lines if any(line[title] != "0" for title in ("created", "from", "to"))]


def _sums(values: pa.StructArray, field: str, currencies: pa.Array, hit: pa.Array) -> dict[str, Decimal]:
    """The sum of a field over some rows for each currency."""
    if field not in {f.name for f in values.type}:
        return {}
    table = pa.table({"currency": pc.fill_null(currencies, ""), "value": pc.struct_field(values, field)})
    found = table.filter(hit).group_by("currency").aggregate([("value", "sum")]).to_pylist()
    return {row["currency"]: row["value_sum"] for row in found if row["value_sum"] is not None}
