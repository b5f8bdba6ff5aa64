"""A plan as files: ``plan.json`` and ``operations.parquet``, held together by one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from p2c_lib.errors import PlanAltered, PlanError
from p2c_lib.plan.value import Plan
from p2c_lib.secrecy import secret_columns, without_whole_secrets

__all__ = ["VERSION", "open_plan", "plan_file", "plan_hash", "refuse_secrets", "saved"]

PLAN, OPERATIONS = "plan.json", "operations.parquet"
VERSION = 2


def saved(operations: pa.Table, facts: dict[str, Any], parent: Path) -> Plan:
    """A plan of these operations and facts, written into a folder of its own below ``parent``.

    Raises PlanError for one that would hold a secret.
    """
    refuse_secrets(operations, facts)
    sink = pa.BufferOutputStream()
    pq.write_table(operations, sink, compression="zstd")
    written = sink.getvalue().to_pybytes()
    facts = facts | {"operations_sha256": hashlib.sha256(written).hexdigest()}
    plan_id = plan_hash(facts)
    folder = parent / f"{facts['task']}-{plan_id[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OPERATIONS).write_bytes(written)
    (folder / PLAN).write_bytes(plan_file(facts, plan_id))
    return Plan(plan_id, folder, facts, operations)


def refuse_secrets(operations: pa.Table, facts: Mapping[str, Any]) -> None:
    """Raise PlanError where a whole secret of this workbench stands in what would be written.

    What takes a plan back is never refused: it writes what was there before.
    """
    if facts.get("undoes"):
        return
    found = secret_columns(operations)
    text = json.dumps(facts, ensure_ascii=False, default=str)
    if without_whole_secrets(text) != text:
        found.append("what the plan says of itself")
    if found:
        raise PlanError(
            f"A secret or a token that this workbench uses stands in the rows of {facts['task']} ({', '.join(found)}): "
            "nothing is written.",
            hint="Correct the row where it came from, and make a new secret: the old one is known there.",
        )


def open_plan(folder: Path) -> Plan:
    """The plan in a folder. Raises PlanAltered when its files do not have its hash, PlanError when they are missing."""
    try:
        text = (folder / PLAN).read_bytes()
        written = _bytes_of(folder / OPERATIONS)
    except OSError as error:
        raise PlanError(f"There is no plan in {folder} ({error.strerror}).") from None
    try:
        facts = json.loads(text)
        plan_id = facts.pop("id")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise PlanAltered(f"{folder / PLAN} is not a plan any more.", hint="Make a new plan.") from None
    if plan_hash(facts) != plan_id or hashlib.sha256(written).hexdigest() != facts["operations_sha256"]:
        raise PlanAltered(f"The plan in {folder} was altered after it was made.", hint="Make a new plan.")
    if text != plan_file(facts, plan_id):
        raise PlanAltered(f"{folder / PLAN} was altered after it was made.", hint="Make a new plan.")
    if facts["version"] != VERSION:
        said = f"The plan in {folder} has the version {facts['version']}; this workbench knows {VERSION}."
        raise PlanError(said, hint="Make a new plan.")
    return Plan(plan_id, folder, facts, pq.read_table(pa.BufferReader(written)))


def _bytes_of(file: Path) -> pa.Buffer:
    """The content of a file in Arrow's own memory.

    Bytes of Python's would be let go by Arrow's threads: when the interpreter ends meanwhile, the process aborts.
    """
    with pa.OSFile(str(file)) as opened:
        return opened.read_buffer()


def plan_file(facts: Mapping[str, Any], plan_id: str) -> bytes:
    """The bytes of ``plan.json``."""
    return (json.dumps({"id": plan_id, **facts}, indent=1, ensure_ascii=False) + "\n").encode()


def plan_hash(facts: Mapping[str, Any]) -> str:
    """The id of the plan with these facts, the hash of its operations among them."""
    canonical = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
