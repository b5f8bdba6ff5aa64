"""Good rows from bad: the verdict of a task's suites over its rows, with every row accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from p2c_lib.errors import FrameError
from p2c_lib.gates.collisions import collision_lines
from p2c_lib.gates.findings import finding_lines, places, rejected_lines, rule_lines, table_reason
from p2c_lib.gates.held import held_rows
from p2c_lib.gates.judge import Outcome, judge
from p2c_lib.gates.result import FINDING, HELD, GateResult, Stage, Verdict
from p2c_lib.gates.rows import Mask, Rows
from p2c_lib.gates.stages import judged_table, known_values
from p2c_lib.gates.suite import find_suites, read_suite

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped

__all__ = ["check"]

CEILING = 0.05
TOP = 3
Found = tuple[Stage, tuple[Outcome, ...]]


def check(
    mapped: Mapped,
    suite: str | Path | Sequence[Path],
    *,
    blocked: Mapping[str, Mapping[str, str]] | None = None,
    waived: Mapping[str, str] | None = None,
    parts: pa.Table | None = None,
    kept_in: Mapping[str, str] | None = None,
    off: Collection[str] = (),
    ceiling: float = CEILING,
    of: int | None = None,
) -> GateResult:
    """Judge a task's rows by its suites: rows that may load, rows set aside with reasons, rows that wait.

    ``suite`` is a task's name, for its suites of every stage, or the files to judge by. ``blocked`` maps a task to its
    rows set aside (normalised key text -> why); rows whose parent is among them are held, and so are those that
    ``parts`` names: rows of which a part is set aside (``waiting_wholes``). ``kept_in`` is the system that keeps the
    rows of a task where it is not this task's destination. ``waived`` maps keys a person let through to who did and
    why: such a row passes with its findings noted. Rows the mapping rejected count as quarantined, and so do rows that
    the destination takes for one (``collisions``); each row counts once. The verdict is ``blocked`` when a critical
    rule about a whole table or about the destination fails, or more than ``ceiling`` of the rows read are quarantined.
    Where the rows are a part of the task's ``of`` rows, the ceiling is a share of all of them, and rules about the
    whole table are left to a run that reads it whole.
    Rules named in ``off`` are not judged, and the verdict says so.
    Raises SuiteError for a suite that does not fit.
    """
    if not 0 <= ceiling <= 1:
        raise FrameError(f"A ceiling of {ceiling} is no share of rows.", hint="Give a number between 0 and 1.")
    stages = tuple(_judged(mapped, path, off, whole=of is None) for path in find_suites(suite))
    rows = Rows(mapped)
    let = rows.let(waived or {})
    worst, through, flagged = _sorted(stages, rows, let)
    one_key = list(collision_lines(mapped, rows))
    aside = (places(s, o, rows) for s, outcomes in worst for o in outcomes)
    bad = rows.mask([rows.rejected_at, *(at for at, _ in one_key), *aside])
    behind = HELD.empty_table() if parts is None else parts
    waits, held = held_rows(mapped, rows, blocked or {}, behind, bad, kept_in or {})
    passed = mapped.frame.with_table(mapped.frame.table.filter(pa.array(~(bad | waits)[rows.at])))
    counts = _counted(rows, bad, waits, flagged)
    rejected = rejected_lines(mapped, rows)
    collided = pa.concat_tables([lines for _, lines in one_key])
    quarantined = pa.concat_tables([rejected, collided, *_lines(worst, rows)])
    verdict, why = _verdict(stages, counts, quarantined, ceiling, of)
    return GateResult(
        task=mapped.template.task,
        verdict=verdict,
        why=f"{why} Rules switched off: {', '.join(sorted(off))}." if off else why,
        counts=counts,
        passed=passed,
        quarantined=quarantined,
        held=held,
        warnings=pa.concat_tables([FINDING.empty_table(), *_lines(flagged, rows), *_lines(through, rows, waived)]),
        rules=rule_lines(stages, rejected, collided, rows),
        ceiling=ceiling,
        stages=stages,
    )


def _counted(rows: Rows, bad: Mask, waits: Mask, flagged: Sequence[Found]) -> dict[str, int]:
    """Each source row once: ``read`` = ``passed`` + ``quarantined`` + ``held``; of those passed some have warnings."""
    kept = ~(bad | waits)
    return {
        "read": rows.count,
        "passed": int(kept[rows.at].sum()),
        "quarantined": int(bad.sum()),
        "held": int(waits.sum()),
        "warnings": int((_warned(flagged, rows) & kept).sum()),
    }


def _judged(mapped: Mapped, path: Path, off: Collection[str], *, whole: bool) -> Stage:
    """What a suite finds; of a part of the rows, without what its rules say about the whole table."""
    made = mapped.template
    allowed = {name: (*option.choices, made.answers[name]) for name, option in made.options.items()}
    suite = read_suite(path).answering(made.answers, allowed).without(off)
    table = judged_table(mapped, suite)
    outcomes = judge(table, suite, known_values(mapped, suite, table))
    if not whole and suite.stage != "destination":
        outcomes = tuple(o for o in outcomes if o.on_rows)
    return Stage(suite.stage, suite, table, outcomes)


def _sorted(stages: Sequence[Stage], rows: Rows, let: Mask) -> tuple[list[Found], list[Found], list[Found]]:
    """The outcomes that quarantine rows, those on rows a person let through, and those that only flag rows."""
    worst: list[Found] = []
    through: list[Found] = []
    flagged: list[Found] = []
    for stage in stages:
        about_rows = [o for o in stage.outcomes if o.on_rows and stage.name != "destination" and len(o.rows)]
        failed = [o for o in about_rows if not o.success and o.rule.severity == "critical"]
        waived = [let[places(stage, o, rows)] for o in failed]
        worst.append((stage, tuple(replace(o, rows=o.rows[~w]) for o, w in zip(failed, waived, strict=True))))
        noted = [replace(o, rows=o.rows[w], success=True) for o, w in zip(failed, waived, strict=True) if w.any()]
        through.append((stage, tuple(noted)))
        flagged.append((stage, tuple(o for o in about_rows if o not in failed)))
    return worst, through, flagged


def _lines(found: Sequence[Found], rows: Rows, waived: Mapping[str, str] | None = None) -> list[pa.Table]:
    return [line for stage, outcomes in found for line in finding_lines(stage, outcomes, rows, waived)]


def _warned(flagged: Sequence[Found], rows: Rows) -> Mask:
    return rows.mask(
        places(stage, o, rows)
        for stage, outcomes in flagged
        for o in outcomes
        if not o.success and o.rule.severity == "warning"
    )


def _verdict(
    stages: Sequence[Stage],
    counts: Mapping[str, int],
    quarantined: pa.Table,
    ceiling: float,
    of: int | None,
) -> tuple[Verdict, str]:
    """The verdict and why, in one paragraph."""
    read, aside = counts["read"], counts["quarantined"]
    counted = max(read, of or 0)
    share = aside / counted if counted else 0.0
    whole = [
        (stage, o)
        for stage in stages
        for o in stage.outcomes
        if not o.success and (stage.name == "destination" or not o.on_rows)
    ]
    said = [table_reason(stage, o) for stage, o in whole if o.rule.severity != "info"]
    stopped = any(o.rule.severity == "critical" for _, o in whole) or share > ceiling
    words = [f"The load is stopped: {'; '.join(said)}."] if said and stopped else [f"{s}." for s in said]
    if share > ceiling:
        words.append(f"The load is stopped: more than {ceiling:.1%} of the rows would be set aside.")
    if aside:
        among = "" if of is None else f" of all {counted:,}"
        words.append(f"{aside:,} of {read:,} rows are set aside ({share:.1%}{among}): {_most(quarantined)}.")
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
    return f"{named}; and {more:,} more {'reason' if more == 1 else 'reasons'}" if more > 0 else named
