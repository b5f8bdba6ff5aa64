"""What rules found, row by row and in words: the lines of a gate's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, text_of, texts
from p2c_lib.gates.result import FINDING, RULE, Stage
from p2c_lib.gates.rows import Positions, Rows
from p2c_lib.gates.sentence import placeholders, sentences

if TYPE_CHECKING:
    from p2c_lib.gates.judge import Outcome
    from p2c_lib.mapping import Mapped

__all__ = ["finding_lines", "rejected_lines", "rule_lines", "table_reason"]

MAPPING = "mapping of {field}"
SHOWN = 3


def finding_lines(
    stage: Stage, outcomes: Sequence[Outcome], rows: Rows, waived: Mapping[str, str] | None = None
) -> Iterator[pa.Table]:
    """A line for every row a rule fails on; of waived rows with who waived them and why."""
    for outcome in outcomes:
        rule, count, at = outcome.rule, len(outcome.rows), pa.array(outcome.rows)
        value = _value(stage.table, rule.columns, at)
        given = {"value": value, "key": rows.keys.take(pa.array(places(stage, outcome, rows)))}
        for name in placeholders(rule.reason):
            if name not in given:
                if name not in stage.table.column_names:
                    hint = "A reason may use {value}, {key} and the name of any column."
                    raise stage.suite.error(rule, f"its reason names '{{{name}}}'.", hint)
                given[name] = stage.table.column(name).take(at)
        reason = sentences(rule.reason, given, count)
        if waived:
            names, words = (pa.array(list(part), pa.string()) for part in (waived, waived.values()))
            by = words.take(pc.index_in(given["key"], names))
            reason = sentences("{reason}; waived by {by}", {"reason": reason, "by": by}, count)
        columns = {
            "key": given["key"],
            "rule": _repeated(rule.name, count),
            "column": _repeated(", ".join(rule.columns), count),
            "value": value,
            "severity": _repeated("info" if outcome.success else rule.severity, count),
            "reason": reason,
        }
        yield pa.table(columns, schema=FINDING)


def places(stage: Stage, outcome: Outcome, rows: Rows) -> Positions:
    """The source rows an outcome is about."""
    return outcome.rows if stage.name == "source" else rows.at[outcome.rows]


def rejected_lines(mapped: Mapped, rows: Rows) -> pa.Table:
    """What the mapping could not convert, as findings."""
    lost = mapped.rejected
    columns = {
        "key": rows.keys.take(pa.array(rows.rejected_at)),
        "rule": sentences(MAPPING, {"field": lost.column("field")}, lost.num_rows),
        "column": one_array(texts(lost.column("field"))),
        "value": one_array(texts(lost.column("value"))),
        "severity": _repeated("critical", lost.num_rows),
        "reason": one_array(texts(lost.column("reason"))),
    }
    return pa.table(columns, schema=FINDING)


def rule_lines(stages: Sequence[Stage], rejected: pa.Table, collided: pa.Table, rows: Rows) -> pa.Table:
    """A line for each rule: what it is about, whether it holds, how many rows fail it, who judged."""
    lines = [
        {
            "stage": stage.name,
            "rule": o.rule.name,
            "column": ", ".join(o.rule.columns),
            "severity": o.rule.severity,
            "outcome": "fails" if not o.success else "tolerated" if len(o.rows) else "holds",
            "rows": len(o.rows),
            "judged": stage.table.num_rows,
            "finding": None if o.on_rows else f"observed {_shown(o.observed)}",
            "remedy": str(o.rule.meta.get("remedy") or ""),
            "judged_by": o.by,
        }
        for stage in stages
        for o in stage.outcomes
    ]
    lines += _own_lines(rejected, rows, "mapping", "Correct the value at its source, or let the template convert it.")
    lines += _own_lines(collided, rows, "keys", "Give the rows numbers that the destination tells apart.")
    return pa.Table.from_pylist(lines, schema=RULE)


def _own_lines(found: pa.Table, rows: Rows, stage: str, remedy: str) -> list[dict[str, Any]]:
    """A line for each thing that no suite asks for and that was found all the same."""
    counted = found.group_by(["rule", "column"], use_threads=False).aggregate([("key", "count")]).to_pylist()
    told = {"severity": "critical", "outcome": "fails", "judged": rows.count, "finding": None, "remedy": remedy}
    return [
        {**told, "stage": stage, "judged_by": stage, "rule": g["rule"], "column": g["column"], "rows": g["key_count"]}
        for g in counted
    ]


def table_reason(stage: Stage, outcome: Outcome) -> str:
    """What is said of a rule that fails about a table as a whole."""
    observed = outcome.observed
    if outcome.on_rows:
        values = _value(stage.table, outcome.rule.columns, pa.array(outcome.rows[:SHOWN])).to_pylist()
        observed = ", ".join(text_of(value) or "" for value in values)
    return outcome.rule.reason.replace("{value}", _shown(observed))


def _shown(observed: object) -> str:
    if isinstance(observed, list | tuple):
        more = f" and {len(observed) - SHOWN:,} more" if len(observed) > SHOWN else ""
        return ", ".join(str(text_of(value)) for value in observed[:SHOWN]) + more
    return str(text_of(observed))


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), count)


def _value(table: pa.Table, columns: Sequence[str], at: pa.Array) -> pa.Array:
    """The offending values as text, several columns joined with a comma."""
    parts = [one_array(texts(table.column(c).take(at))) for c in columns]
    if not parts:
        return pa.nulls(len(at), pa.string())
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*[pc.fill_null(t, "") for t in parts], ", ")
