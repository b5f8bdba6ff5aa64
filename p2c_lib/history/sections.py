"""The sections of a run's report that its tasks' own facts make: gate, causes, plan, outcomes, preflight, time.

``facts`` are what the tasks kept in the run folder. What is left out is counted: a page stays small for any run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from p2c_lib.report import Link, Mark, Part, Prose, Section, Table, stacked_bars

__all__ = ["causes", "deletions", "gate", "outcomes", "plans", "preflight", "seconds"]

Facts = Sequence[Mapping[str, Any]]

SHOWN = 40
EXACT = Context(prec=100)  # more digits than any sum of money has
CAUSES_DRAWN, SLOW_CELLS = 10, 8
RULES = {"holds": "#1a7f37", "tolerated": "#0969da", "fails, warning": "#9a6700", "fails, critical": "#cf222e"}
STEPS = {
    "extract": "#0969da",
    "map": "#8250df",
    "check": "#9a6700",
    "target": "#1b7c83",
    "reconcile": "#bf3989",
    "plan": "#6e7781",
    "apply": "#1a7f37",
}
STATUS = {"ok": "ok", "warn": "warning", "fail": "stop", "unknown": "warning", "off": "info"}
VERDICT = {"pass": "ok", "warn": "warning", "blocked": "stop"}
STATE = {"applied": "ok", "failed": "stop", "drifted": "warning", "sent": "warning"}
WORDS = {"applied": "written", "failed": "refused", "drifted": "drifted", "sent": "no answer"}


def gate(facts: Facts) -> Section:
    """Each task's verdict, its rules by outcome, and the rules that found something."""
    verdicts, bars, found = [], [], []
    for task in facts:
        judged = task["gate"]
        outcomes = Counter(map(_outcome, judged["rules"]))
        bars += [(task["task"], kind, outcomes[kind]) for kind in RULES]
        mark = Mark(judged["verdict"], VERDICT.get(judged["verdict"], "info"))
        verdicts.append((task["task"], mark, len(judged["rules"]), outcomes["holds"], judged["why"]))
        found += [(task["task"], rule) for rule in judged["rules"] if rule["outcome"] != "holds"]
    found.sort(key=lambda pair: (pair[1]["severity"] != "critical", -pair[1]["rows"]))
    columns = ("task", "rule", "stage", "severity", "rows", "judged", "remedy")
    rows = [(task, *(rule[name] for name in columns[1:])) for task, rule in found]
    return Section(
        "Gate",
        (
            Table(("task", "verdict", "rules", "hold", "why"), tuple(verdicts), "What the gate said"),
            stacked_bars("Rules by outcome", bars, RULES),
            _cut((*columns[:-1], "what to do"), rows, "Rules that found something"),
        ),
    )


def causes(facts: Facts) -> Section:
    """Why rows differ: the commonest causes as a picture, then each cause in each field with an example."""
    listed = [(task["task"], cause) for task in facts for cause in task["reconciliation"]["causes"]]
    listed.sort(key=lambda pair: -int(pair[1]["count"]))
    if not listed:
        return Section("Causes", (Prose("No value differs between the two systems."),))
    sums: Counter[str] = Counter()
    for _, cause in listed:
        sums[cause["cause"]] += int(cause["count"])
    bars = [(name, "values that differ", count) for name, count in sums.most_common(CAUSES_DRAWN)]
    rows = [
        (task, c["cause"], c["field"], int(c["count"]), _decimal(c["money"]), c["expected"], c["actual"])
        for task, c in listed
    ]
    columns = ("task", "cause", "field", "rows", "money", "expected, for example", "found")
    title = "Values that differ, by cause"
    parts = [stacked_bars(title, bars, {"values that differ": "#0969da"}, share=False)]
    return Section("Causes", (*parts, _cut(columns, rows, "Causes by field")))


def plans(facts: Facts, folder: Path, near: Path, *, applied: bool) -> Section:
    """Operations by kind, what they were expected to take, and money totals; ``near`` is how the page names folder."""
    made = [(task["task"], task["plan"]) for task in facts]
    rows = [_plan_row(task, plan, folder, near) for task, plan in made]
    sums = ("all", *(sum(int(row[n]) for row in rows) for n in range(1, 7)), "")
    columns = ("task", "create", "update", "agree already", "only there", "requests", "seconds expected", "plan")
    title = "Operations by kind" if applied else "Operations by kind, none of them sent"
    money = [
        (task, line["field"], line["currency"], *(_decimal(line[name]) for name in ("created", "from", "to")))
        for task, plan in made
        for line in plan.get("money", ())
    ]
    parts: list[Part] = [Table(columns, tuple(rows), title, sums=sums if len(rows) > 1 else ())]
    if money:
        titles = ("task", "field", "currency", "sum of what is created", "sum of what changes, before", "and after")
        parts.append(_cut(titles, money, "Money"))
    follows = [
        (task, line["entity_set"], line["rows"], line["says"])
        for task, plan in made
        for line in plan.get("follows", ())
    ]
    if follows:
        parts.append(_cut(("task", "where", "rows", "what happens"), follows, "What follows"))
    return Section("Plan", tuple(parts))


def outcomes(facts: Facts, lines: Sequence[Mapping[str, Any]], *, applied: bool) -> Section:
    """What became of every operation that was sent, and why some did not go in, in words."""
    if not lines:
        said = "No task had anything to write." if applied else "Nothing was sent: this run only planned."
        return Section("Outcomes", (Prose(said),))
    done = {task["task"]: task["outcome"] for task in facts if task["outcome"]}
    walked = {task["task"]: n for n, task in enumerate(facts)}
    counts: dict[str, Counter[str]] = {}
    for line in lines:
        counts.setdefault(line["task"], Counter())[line["state"]] += int(line["rows"])
    rows = [
        (task, *(found[state] for state in WORDS), done.get(task, {}).get("seconds"), _sample(done.get(task)))
        for task, found in sorted(counts.items(), key=lambda item: walked.get(item[0], len(walked)))
    ]
    bad = [
        (
            line["task"],
            line["op"],
            Mark(WORDS.get(line["state"], line["state"]), STATE.get(line["state"], "info")),
            line["rows"],
            line["message"] or "the run ended before the service answered; the next apply looks first",
            line["key"],
        )
        for line in lines
        if line["state"] != "applied"
    ]
    titles = ("task", *WORDS.values(), "seconds", "looked at again")
    reasons = ("task", "operation", "state", "rows", "what the service said", "for example")
    rest = _cut(reasons, bad, "Not written, by reason") if bad else Prose("Every operation was carried out.")
    return Section("Outcomes", (Table(titles, tuple(rows), "Operations that were sent"), rest, *_asked(facts)))


def _asked(facts: Facts) -> list[Prose]:
    """How to ask why a value stands at a destination, for the first task that wrote."""
    places = [task["plan"]["destination"] for task in facts if task.get("plan")]
    if not places:
        return []
    asked = f"p2c why {places[0]['app']} {places[0]['entity_set']} KEY FIELD"
    return [Prose(f"{asked} tells how a value came to stand there; so for every other entity set.")]


def preflight(found: Mapping[str, Any]) -> Section:
    """What was looked at before the run, the worst first."""
    checks = found.get("checks", ())
    if not checks:
        why = found.get("why") or "Nobody looked before this run; p2c preflight does."
        return Section("Preflight", (Prose(why),))
    rows = [
        (
            Mark(c["status"], STATUS.get(c["status"], "info")),
            c["name"],
            c["evidence"],
            c["remedy"] if c["status"] != "ok" else "",
        )
        for c in checks
    ]
    table = _cut(("status", "check", "finding", "what to do"), rows, "What must be so in both systems")
    return Section("Preflight", (Prose(found["why"]), table))


def deletions(lines: Sequence[Mapping[str, Any]]) -> Section:
    """Rows that were deleted at the source since the last load, and what came of them at the destination."""
    rows = [(line["key"], line["task"], line["state"]) for line in lines]
    return Section("Deleted", (_cut(("key", "task", "at the destination"), rows, "Rows deleted at the source"),))


def seconds(facts: Facts, cells: Sequence[Mapping[str, Any]]) -> Section:
    """Where the time of each task went, step by step, and the cells of the notebooks that took longest."""
    bars = [(task["task"], step, float(task["seconds"].get(step, 0.0))) for task in facts for step in STEPS]
    parts: list[Part] = [stacked_bars("Seconds by step", bars, STEPS, share=False, unit=" s")]
    if cells:
        slow = sorted(cells, key=lambda cell: -float(cell["seconds"]))[:SLOW_CELLS]
        rows = tuple((cell["notebook"], f"cell {cell['cell']}", cell["state"], float(cell["seconds"])) for cell in slow)
        parts.append(Table(("notebook", "cell", "state", "seconds"), rows, "Cells that took longest", len(cells)))
    return Section("Time", tuple(parts))


def _outcome(rule: Mapping[str, Any]) -> str:
    if rule["outcome"] != "fails":
        return str(rule["outcome"])
    return "fails, critical" if rule["severity"] == "critical" else "fails, warning"


def _plan_row(task: str, plan: Mapping[str, Any], folder: Path, near: Path) -> tuple[Any, ...]:
    counts, ahead = plan["counts"], plan["predicted"]
    numbers = (counts["create"], counts["update"], counts["unchanged"], counts["extra"])
    return (task, *numbers, ahead["requests"], round(ahead["minutes"] * 60), _plan_link(plan, folder, near))


def _plan_link(plan: Mapping[str, Any], folder: Path, near: Path) -> Link | str:
    file = Path(plan["folder"]) / "plan.json"
    if not file.is_relative_to(folder):
        return str(plan["id"][:12])
    return Link(plan["id"][:12], (near / file.relative_to(folder)).as_posix())


def _sample(outcome: Mapping[str, Any] | None) -> str:
    return str(outcome["sample"]) if outcome else "the task did not end"


def _decimal(value: str | None) -> Decimal | None:
    """Money with all its digits, and with two where it has fewer."""
    if value is None:
        return None
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    few = isinstance(exponent, int) and exponent > -2
    return exact.quantize(Decimal("0.01"), context=EXACT) if few else exact


def _cut(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]], title: str) -> Table:
    listed = tuple(rows)
    return Table(columns, listed[:SHOWN], title, len(listed))
