"""Part of a plan as a plan of its own: only some of its operations, or all without some."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import PlanError, UnknownName
from p2c_lib.keys import named_key
from p2c_lib.plan.forecast import OPS, counts_of
from p2c_lib.plan.operations import numbered

if TYPE_CHECKING:
    from p2c_lib.plan.value import Plan

__all__ = ["narrowed"]

CHOICES = ("ops", "keys", "fields", "causes")


def narrowed(plan: Plan, *, kept: bool, **chosen: Collection[str] | None) -> Plan:
    """The operations that fit every choice (``kept``), or those that are left when they are taken out.

    ``fields`` and ``causes`` choose among the changed fields of updates; an update none of whose fields is left goes.
    Raises UnknownName for a key, field, cause or kind of operation the plan does not have.
    """
    from p2c_lib.plan.files import saved
    from p2c_lib.plan.make import foretold, now

    given = {name: _listed(values) for name, values in chosen.items() if values is not None}
    if not given:
        raise PlanError(
            "Nothing was chosen to narrow the plan by.",
            hint="Give one of: ops, keys, fields, causes; on the command line --op, --key, --field, --cause.",
        )
    operations = plan.operations
    said = ", ".join(f"{name} {', '.join(values)}"[:200] for name, values in given.items())
    if "keys" in given:
        known, app = operations.column("key").to_pylist(), plan.facts["destination"]["app"]
        given["keys"] = [named_key(key, app, known) for key in given["keys"]]
    _check_known(plan, given)
    row_hit = _rows_hit(operations, given)
    if given.keys() & {"fields", "causes"}:
        operations = _by_field(operations, row_hit, given, kept=kept)
    else:
        operations = operations.filter(row_hit if kept else pc.invert(row_hit))
    operations = numbered(operations)
    kept_keys = set(operations.column("key").to_pylist())
    facts = {name: value for name, value in plan.facts.items() if name != "operations_sha256"}
    facts |= {
        "made": now(),
        "counts": {**plan.facts["counts"], **counts_of(operations)},
        "taken": [line for line in plan.facts.get("taken", ()) if line["key"] in kept_keys],
        "narrowed_from": plan.id,
        "narrowed_to": f"{'only' if kept else 'without'} {said}",
        "left_alone": [
            *plan.facts.get("left_alone", []),
            {"rows": len(plan) - operations.num_rows, "why": "were taken out of the plan"},
        ],
    }
    pace = plan.facts["predicted"]
    facts |= foretold(plan.facts["destination"], operations, pace["rows_per_second"] if pace["measured"] else None)
    return saved(operations, facts, plan.folder.parent)


def _listed(values: Collection[str] | str) -> list[str]:
    return [values] if isinstance(values, str) else [str(value) for value in values]


def _check_known(plan: Plan, given: dict[str, list[str]]) -> None:
    known: dict[str, Any] = {
        "ops": lambda: OPS,
        "keys": lambda: plan.operations.column("key").to_pylist(),
        "fields": lambda: pc.unique(pc.list_flatten(plan.operations.column("changed"))).to_pylist(),
        "causes": lambda: pc.unique(pc.list_flatten(plan.operations.column("causes"))).to_pylist(),
    }
    for name, values in given.items():
        if name not in known:
            raise UnknownName("choice", name, CHOICES)
        names = set(known[name]())
        for value in values:
            if value not in names:
                raise UnknownName(f"{name[:-1]} of this plan", value, names)


def _rows_hit(operations: pa.Table, given: dict[str, list[str]]) -> pa.ChunkedArray:
    """Which operations fit the choices of whole rows."""
    hit = pc.is_valid(operations.column("op"))
    if "ops" in given:
        hit = pc.and_(hit, pc.is_in(operations.column("op"), value_set=pa.array(given["ops"])))
    if "keys" in given:
        keys = pa.array(given["keys"], pa.string())
        hit = pc.and_(hit, pc.is_in(operations.column("key"), value_set=keys))
    return hit


def _by_field(operations: pa.Table, row_hit: pa.ChunkedArray, given: dict[str, list[str]], *, kept: bool) -> pa.Table:
    """The operations with the chosen fields alone, or without them."""
    fields, causes = set(given.get("fields", ())), set(given.get("causes", ()))
    rows, left_fields, left_causes = [], [], []
    lists = (operations.column(name).to_pylist() for name in ("changed", "causes"))
    for row, (hit, changed, why) in enumerate(zip(row_hit.to_pylist(), *lists, strict=True)):
        pairs = [
            (field, cause)
            for field, cause in zip(changed or (), why or (), strict=True)
            if (hit and (not fields or field in fields) and (not causes or cause in causes)) == kept
        ]
        if pairs or (changed is None and not kept):
            rows.append(row)
            left_fields.append([field for field, _ in pairs] if changed is not None else None)
            left_causes.append([cause for _, cause in pairs] if changed is not None else None)
    found = operations.take(rows)
    reason = [
        said if why is None else ", ".join(dict.fromkeys(why))
        for said, why in zip(found.column("reason").to_pylist(), left_causes, strict=True)
    ]
    texts = pa.list_(pa.string())
    for name, values, kind in (
        ("changed", left_fields, texts),
        ("causes", left_causes, texts),
        ("reason", reason, pa.string()),
    ):
        found = found.set_column(found.column_names.index(name), name, pa.array(values, kind))
    return found
