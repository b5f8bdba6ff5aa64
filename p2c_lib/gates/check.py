"""Good rows from bad: the verdict of a suite over mapped rows, with every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.frames import key_text
from p2c_lib.gates.judge import Outcome, Positions, judge
from p2c_lib.gates.result import FINDING, HELD, RULE, GateResult, Verdict
from p2c_lib.gates.sentence import as_text, placeholders, sentences
from p2c_lib.gates.suite import Suite, find_suite, read_suite

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped

__all__ = ["check"]

CEILING = 0.05
REJECTED = ("field", "value", "reason")
TOP = 3


def check(
    mapped: Mapped,
    suite: str | Path,
    *,
    blocked: Mapping[str, Mapping[str, str]] | None = None,
    waived: Mapping[str, str] | None = None,
    ceiling: float = CEILING,
) -> GateResult:
    """Judge mapped rows by a suite: rows that may load, rows set aside with reasons, rows that wait.

    ``suite`` is a task's name or a file. ``blocked`` maps a task to its rows set aside (normalised key text -> why);
    rows whose parent is among them are held. ``waived`` maps keys a person let through to who did and why: such a row
    passes with its findings noted. Rows the mapping rejected count as quarantined. The verdict is
    ``blocked`` when a critical rule about the whole table fails or more than ``ceiling`` of the rows read are
    quarantined. Raises SuiteError for a suite that does not fit the rows.
    """
    if not 0 <= ceiling <= 1:
        raise FrameError(f"A ceiling of {ceiling} is no share of rows.", hint="Give a number between 0 and 1.")
    read = read_suite(find_suite(suite))
    table = mapped.frame.table
    keys = _keys(table, mapped.frame.key)
    outcomes = judge(table, read, mapped.references)
    let = pc.is_in(keys, pa.array(list(waived or {}), pa.string())).to_numpy(zero_copy_only=False)
    worst, through, flagged = _sorted(outcomes, let)
    bad = _mask(table.num_rows, [o.rows for o in worst])
    waits, held = _held(mapped, keys, blocked or {}, bad)
    passed = mapped.frame.with_table(table.filter(pa.array(~(bad | waits))))
    warned = _mask(table.num_rows, [o.rows for o in flagged if not o.success and o.rule.severity == "warning"])
    counts = {
        "read": len(mapped.source),
        "passed": len(passed),
        "quarantined": len(mapped.source) - table.num_rows + int(bad.sum()),
        "held": int(waits.sum()),
        "warnings": int((warned & ~bad & ~waits).sum()),
    }
    quarantined = pa.concat_tables([_rejected(mapped), *_findings(worst, table, keys, read)])
    noted = [*_findings(flagged, table, keys, read), *_findings(through, table, keys, read, waived)]
    verdict, why = _verdict(outcomes, counts, quarantined, ceiling)
    return GateResult(
        task=mapped.template.task,
        verdict=verdict,
        why=why,
        counts=counts,
        passed=passed,
        quarantined=quarantined,
        held=held,
        warnings=pa.concat_tables([FINDING.empty_table(), *noted]),
        rules=_rules(outcomes),
        suite=str(read.path),
        suite_sha=read.sha,
        ceiling=ceiling,
        outcomes=outcomes,
        judged=table,
    )


def _sorted(
    outcomes: Sequence[Outcome], let: npt.NDArray[np.bool_]
) -> tuple[list[Outcome], list[Outcome], list[Outcome]]:
    """The outcomes that quarantine rows, those on rows a person let through, and those that only flag rows."""
    failed = [o for o in outcomes if o.on_rows and not o.success and o.rule.severity == "critical"]
    worst = [replace(o, rows=o.rows[~let[o.rows]]) for o in failed]
    through = [replace(o, rows=o.rows[let[o.rows]], success=True) for o in failed]
    return worst, through, [o for o in outcomes if o.on_rows and len(o.rows) and o not in failed]


def _keys(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """The normalised key of each row; a row without one is named by its place."""
    text = key_text(table, key)
    if not text.null_count:
        return text
    number = table.column("@row") if "@row" in table.column_names else pa.array(np.arange(table.num_rows))
    return pc.coalesce(text, sentences("row {n} (no key)", {"n": number}, table.num_rows))


def _mask(count: int, positions: Sequence[Positions]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    for rows in positions:
        mask[rows] = True
    return mask


def _rejected(mapped: Mapped) -> pa.Table:
    """What the mapping could not convert, as findings."""
    table = mapped.rejected
    if not table.num_rows:
        return FINDING.empty_table()
    key = [c for c in table.column_names if c not in REJECTED and not c.startswith("@")]
    columns = {
        "key": _keys(table, key),
        "rule": sentences("mapping of {field}", {"field": table.column("field")}, table.num_rows),
        "column": as_text(table.column("field")),
        "value": as_text(table.column("value")),
        "severity": pa.array(["critical"] * table.num_rows, pa.string()),
        "reason": as_text(table.column("reason")),
    }
    return pa.table(columns, schema=FINDING)


def _findings(
    outcomes: Sequence[Outcome],
    table: pa.Table,
    keys: pa.Array,
    suite: Suite,
    waived: Mapping[str, str] | None = None,
) -> Iterator[pa.Table]:
    """A line for every row a rule fails on; of waived rows with who waived them and why."""
    for outcome in outcomes:
        rule, count, at = outcome.rule, len(outcome.rows), pa.array(outcome.rows)
        value = _value(table, rule.columns, at)
        given = {"value": value, "key": keys.take(at)}
        for name in placeholders(rule.reason):
            if name not in given:
                if name not in table.column_names:
                    hint = "A reason may use {value}, {key} and the name of any column."
                    raise suite.error(rule, f"its reason names '{{{name}}}'.", hint)
                given[name] = table.column(name).take(at)
        reason = sentences(rule.reason, given, count)
        if waived:
            names, words = (pa.array(list(part), pa.string()) for part in (waived, waived.values()))
            by = words.take(pc.index_in(given["key"], names))
            reason = sentences("{reason}; waived by {by}", {"reason": reason, "by": by}, count)
        columns = {
            "key": given["key"],
            "rule": pa.array([rule.name] * count, pa.string()),
            "column": pa.array([", ".join(rule.columns)] * count, pa.string()),
            "value": value,
            "severity": pa.array(["info" if outcome.success else rule.severity] * count, pa.string()),
            "reason": reason,
        }
        yield pa.table(columns, schema=FINDING)


def _value(table: pa.Table, columns: Sequence[str], at: pa.Array) -> pa.Array:
    """The offending values as text, several columns joined with a comma."""
    texts = [as_text(table.column(c).take(at)) for c in columns]
    if not texts:
        return pa.nulls(len(at), pa.string())
    if len(texts) == 1:
        return texts[0]
    return pc.binary_join_element_wise(*[pc.fill_null(t, "") for t in texts], ", ")


def _held(
    mapped: Mapped, keys: pa.Array, blocked: Mapping[str, Mapping[str, str]], bad: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """Which good rows wait for a row set aside, and a line for each parent they wait for."""
    table = mapped.frame.table
    waits, lines = np.zeros(table.num_rows, np.bool_), [HELD.empty_table()]
    for parent in mapped.template.parents:
        parents = key_text(table, [parent.column])
        for task in parent.tasks:
            reasons = blocked.get(task) or {}
            if not reasons:
                continue
            found = pc.index_in(parents, pa.array(list(reasons), pa.string())).to_numpy(zero_copy_only=False)
            at = np.flatnonzero(~np.isnan(found) & ~bad)
            waits[at] = True
            why = pa.array(list(reasons.values()), pa.string()).take(pa.array(found[at].astype(np.int64)))
            lines.append(_waiting(table, keys, parent.column, parent.says, task, at, why))
    return waits, pa.concat_tables(lines)


def _waiting(
    table: pa.Table, keys: pa.Array, column: str, says: str, task: str, at: Positions, why: pa.Array
) -> pa.Table:
    count, rows = len(at), pa.array(at)
    value = as_text(table.column(column).take(rows))
    words = f"waits for {says or task} {{value}}: {{why}}"
    given = {"value": value, "why": why}
    columns = {
        "key": keys.take(rows),
        "task": pa.array([task] * count, pa.string()),
        "parent_key": key_text(table.select([column]).take(rows), [column]),
        "reason": sentences(words, given, count),
    }
    return pa.table(columns, schema=HELD)


def _rules(outcomes: Sequence[Outcome]) -> pa.Table:
    """A line for each expectation: whether it holds, how many rows fail it, who judged."""
    lines = [
        {
            "rule": o.rule.name,
            "severity": o.rule.severity,
            "outcome": "fails" if not o.success else "tolerated" if len(o.rows) else "holds",
            "rows": len(o.rows),
            "finding": None if o.on_rows else f"observed {o.observed}",
            "judged_by": o.by,
        }
        for o in outcomes
    ]
    return pa.Table.from_pylist(lines, schema=RULE)


def _verdict(
    outcomes: Sequence[Outcome], counts: Mapping[str, int], quarantined: pa.Table, ceiling: float
) -> tuple[Verdict, str]:
    """The verdict and why, in one paragraph."""
    read, aside = counts["read"], counts["quarantined"]
    share = aside / read if read else 0.0
    whole = [o for o in outcomes if not o.on_rows and not o.success]
    said = [f"{o.rule.reason.replace('{value}', str(o.observed))}" for o in whole if o.rule.severity != "info"]
    stopped = any(o.rule.severity == "critical" for o in whole) or share > ceiling
    words = [f"The load is stopped: {'; '.join(said)}."] if said and stopped else [f"{s}." for s in said]
    if share > ceiling:
        words.append(f"The load is stopped: more than {ceiling:.1%} of the rows would be set aside.")
    if aside:
        words.append(f"{aside:,} of {read:,} rows are set aside ({share:.1%}): {_most(quarantined)}.")
    if counts["held"]:
        words.append(f"{counts['held']:,} rows wait for rows that are set aside.")
    if counts["warnings"]:
        words.append(f"{counts['warnings']:,} rows load with a warning.")
    may = "would otherwise load" if stopped else "may load"
    words.append(f"{counts['passed']:,} of {read:,} rows {may}.")
    clean = not (said or aside or counts["held"] or counts["warnings"])
    return ("blocked" if stopped else "pass" if clean else "warn"), " ".join(words).replace("..", ".")


def _most(quarantined: pa.Table) -> str:
    """The commonest reasons with their numbers, in words."""
    groups = quarantined.group_by("reason").aggregate([("key", "count")])
    ordered = groups.sort_by([("key_count", "descending"), ("reason", "ascending")]).to_pylist()
    named = "; ".join(f"{g['key_count']:,} x {g['reason'].rstrip('.')}" for g in ordered[:TOP])
    more = len(ordered) - TOP
    return f"{named}; and {more:,} more reasons" if more > 0 else named
