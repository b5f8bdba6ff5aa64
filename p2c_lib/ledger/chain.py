"""Lines that are only ever added, chained by hashes: who edits one, or takes one out, is found.

Every line carries the hash of its own content. Lines added together form a block, whose hash covers theirs and the
hash of the block before. The hash of the last block, the head, kept elsewhere, holds the whole ledger to its past.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from p2c_lib.ledger import schema
from p2c_lib.secrecy import rows_without_secrets

__all__ = ["Verification", "append", "keep", "now", "verify"]

START = "0" * 64
# What moves in a waiting row with every run is no fact about it.
KEPT_OF_WAITING = ("connection_set", "company", "task", "key", "kind", "rule", "field", "state")


@dataclass(frozen=True)
class Verification:
    """What verifying found: how many chained lines and blocks there are, the head, and each finding in words."""

    lines: int
    blocks: int
    head: str
    findings: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was altered."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        return {"sound": self.sound, "lines": self.lines, "blocks": self.blocks, "head": self.head} | {
            "findings": list(self.findings)
        }


def now() -> str:
    """This moment in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add lines to a chained table, as one block; the caller's transaction is the only one that writes."""
    if not rows:
        return
    chain = schema.chain
    last = connection.execute(select(chain).order_by(chain.c.seq.desc()).limit(1)).mappings().first()
    mine = select(chain.c.last).where(chain.c.lines_of == table.name).order_by(chain.c.last.desc()).limit(1)
    first = (connection.execute(mine).scalar() or 0) + 1
    names = _content_of(table)
    told = rows_without_secrets(rows, schema.TOLD.__contains__, schema.DATA.__contains__)
    lines = [{**row, "id": first + n} for n, row in enumerate(told)]
    for line in lines:
        line["sha"] = _sha([line.get(name) for name in names])
    connection.execute(insert(table), lines)
    previous = last["hash"] if last else START
    block = {"lines_of": table.name, "first": first, "last": first + len(lines) - 1, "at": now()}
    digest = _digest(previous, block, [line["sha"] for line in lines])
    connection.execute(insert(chain), {**block, "seq": last["seq"] + 1 if last else 1, "hash": digest})


def keep(connection: Connection, table: Table, *where: Any) -> None:
    """Remember the rows of a table that may change as they are now; they are what ``verify`` holds it to."""
    rows = connection.execute(select(table).where(*where)).mappings().all()
    at = now()
    append(
        connection,
        schema.history,
        [
            {"kind": table.name, "subject": _subject(table, row), "content": _content(table, row), "at": at}
            for row in rows
        ],
    )


def verify(connection: Connection, *, head: str | None = None) -> Verification:
    """Every line against its hash, every block against its lines and the block before, every table against history.

    ``head`` is a hash noted earlier, which must be one of the chain's.
    """
    findings: list[str] = []
    blocks = connection.execute(select(schema.chain).order_by(schema.chain.c.seq)).mappings().all()
    lines = 0
    for table in schema.CHAINED:
        lines += _verify_lines(connection, table, findings)
    previous, covered = START, dict.fromkeys((t.name for t in schema.CHAINED), 0)
    for number, block in enumerate(blocks, 1):
        table = schema.METADATA.tables[block["lines_of"]]
        hashes = _hashes(connection, table, block["first"], block["last"])
        if block["seq"] != number or block["first"] != covered[table.name] + 1:
            findings.append(f"A block is missing before block {block['seq']} ({table.name}).")
        if _digest(previous, block, hashes) != block["hash"]:
            lines_of = f"{table.name}, lines {block['first']} to {block['last']}"
            findings.append(f"Block {block['seq']} ({lines_of}) is not as it was written.")
        previous, covered[table.name] = block["hash"], block["last"]
    findings += _uncovered(connection, covered)
    findings += _moved(connection)
    if head is not None and head not in {block["hash"] for block in blocks}:
        findings.append(
            f"The chain does not hold the head {head}: lines were taken off its end, or it is another ledger."
        )
    return Verification(lines, len(blocks), previous, tuple(findings))


def _verify_lines(connection: Connection, table: Table, findings: list[str]) -> int:
    names = _content_of(table)
    count = 0
    for row in connection.execute(select(table).order_by(table.c.id)).mappings():
        count += 1
        if _sha([row[name] for name in names]) != row["sha"]:
            findings.append(f"Line {row['id']} of {table.name} was edited: {_shown(row)}.")
    return count


def _hashes(connection: Connection, table: Table, first: int, last: int) -> list[str]:
    between = select(table.c.sha).where(table.c.id.between(first, last)).order_by(table.c.id)
    return list(connection.execute(between).scalars())


def _uncovered(connection: Connection, covered: Mapping[str, int]) -> Iterator[str]:
    for table in schema.CHAINED:
        for number in connection.execute(select(table.c.id).where(table.c.id > covered[table.name])).scalars():
            yield f"Line {number} of {table.name} is in no block: it was put there by hand, or a block was taken off."


def _moved(connection: Connection) -> Iterator[str]:
    """Rows of the tables that may change which are not as history last saw them."""
    history = schema.history
    for table in schema.REMEMBERED:
        mine = select(history.c.subject, history.c.content).where(history.c.kind == table.name).order_by(history.c.id)
        latest = {row.subject: row.content for row in connection.execute(mine)}
        for row in connection.execute(select(table)).mappings():
            found = latest.pop(_subject(table, row), None)
            if found is None:
                yield f"{table.name} has a row that history does not know: {_shown(row)}."
            elif found != _content(table, row):
                yield f"A row of {table.name} was edited: {_shown(row)}."
        yield from (f"A row of {table.name} was taken out: {gone[:200]}." for gone in latest.values())


def _content_of(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name != "sha"]


def _subject(table: Table, row: Any) -> str:
    return "|".join(str(row[column.name]) for column in table.primary_key.columns)


def _content(table: Table, row: Any) -> str:
    names = KEPT_OF_WAITING if table is schema.waiting else [column.name for column in table.columns]
    return json.dumps({name: row[name] for name in names}, ensure_ascii=False)


def _sha(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def _digest(previous: str, block: Any, hashes: Sequence[str]) -> str:
    head = json.dumps([previous, *(block[name] for name in ("lines_of", "first", "last", "at"))])
    return hashlib.sha256((head + "".join(hashes)).encode()).hexdigest()


def _shown(row: Any) -> str:
    shown = [f"{name} {value}" for name, value in row.items() if name not in {"id", "sha"} and value is not None]
    return ", ".join(shown[:5])[:200]
