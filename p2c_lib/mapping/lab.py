"""A template on the bench: edit a rule and see at once what it does to real rows. Widgets show it; it decides nothing.

Rows stay here: a view holds a handful of previewed rows and counts, however many rows the source has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from p2c_lib.display import texts
from p2c_lib.errors import P2CError, TemplateError, UnknownName
from p2c_lib.frames import EntityFrame
from p2c_lib.mapping.coverage import Coverage, FieldPreview, RuleChange, coverage, preview, rule_change
from p2c_lib.mapping.document import diff, rule_text
from p2c_lib.mapping.mistakes import translated
from p2c_lib.mapping.reading import packaged_tasks, read_yaml, template
from p2c_lib.mapping.rewriting import save
from p2c_lib.mapping.suggest import Suggestions, explore, suggest
from p2c_lib.mapping.template import PARTS, FieldRule, Template, steps_in_words
from p2c_lib.mapping.validation import Validation, validate

if TYPE_CHECKING:
    from p2c_lib.session import Session

__all__ = ["MappingLab"]

SHOWN_ROWS = 6
MOST_ROWS = 100_000
SAMPLE_ROWS = 25
LONGEST_VALUE = 60


class MappingLab:
    """One task's template and rows of its source; ``edit`` a rule, ``view`` the effect, ``save`` the result.

    ``limit`` is the most source rows read. An edit that is wrong changes nothing and stands in ``error``.
    """

    def __init__(self, session: Session, task: str = "accounts", *, limit: int | None = MOST_ROWS) -> None:
        self.session = session
        self.limit = limit
        self.error = ""
        self.message = ""
        self.pick(task)

    def pick(self, task: str) -> None:
        """Begin with a task's template, as it is now in the workspace or the package."""
        self.original = self.template = template(task)
        self.selected = self.template.fields[0].to
        self.source: EntityFrame = self.session.extract(self.template.source, limit=self.limit)
        self.message, self.error = f"{len(self.source):,} rows of {self.template.source.entity}.", ""

    def select(self, column: str) -> None:
        """Look at another destination column."""
        if self.template.rule(column) is None:
            raise UnknownName("destination column", column, [rule.to for rule in self.template.fields])
        self.selected, self.error = column, ""

    def edit(self, column: str, text: str) -> None:
        """Replace the rule of a destination column by the YAML text of another, or add one for a new column."""
        self._try(lambda: self._edited(column, text))

    def remove(self, column: str) -> None:
        """Take a destination column out of the mapping."""
        self._try(lambda: self._without(column))

    def choose(self, option: str, choice: str) -> None:
        """Answer one of the template's open questions; edits made so far are given up."""
        self._try(lambda: self._chosen(option, choice))

    def reset(self) -> None:
        """Give up every edit."""
        self._use(self.original)
        self.error, self.message = "", "As it was."

    def save(self, path: str | Path | None = None) -> Path:
        """Write the template to the workspace, where it goes before the packaged one from now on.

        Under another file name it is only kept, among ``templates/drafts/``: ``template(path)`` reads it.
        """
        home = (self.session.workspace.root / "templates").resolve()
        target = (home / (path or f"{self.template.task}.yml")).resolve()
        if home not in target.parents:
            raise TemplateError(f"{path} is outside of {home}.", hint="Give a file name.")
        if target.parent == home and target.stem != self.template.task:
            target = home / "drafts" / target.name
        name = str(target.relative_to(home.parent))
        change = save(self.template, target)
        self.message, self.error = " ".join((f"Saved as {name}.", *change.lost)), ""
        return target

    def change(self) -> RuleChange | None:
        """What the selected rule changes in the rows, against the template as it was; None when it is unchanged."""
        rule = self.template.rule(self.selected)
        if rule is None or rule == self.original.rule(self.selected):
            return None
        return rule_change(self.source, self.original, rule, self.session)

    def look(self) -> FieldPreview:
        """The selected rule on the first rows, stage by stage."""
        return preview(self.source, self.template, self.session, rows=SHOWN_ROWS, only=self.selected).fields[0]

    def samples(self) -> dict[str, tuple[str | None, str | None]]:
        """For each rule a value that comes and what it becomes, from the first rows that have one."""
        ways = preview(self.source, self.template, self.session, rows=SAMPLE_ROWS).fields
        first = {way.field: next((x for x in way.lines if x[0] or x[-1]), (None, None)) for way in ways}
        return {name: (_short(line[0]), _short(line[-1])) for name, line in first.items()}

    def validation(self) -> Validation:
        """What both systems' metadata say about the template as it is now."""
        return validate(self.template, self.session)

    def columns(self) -> dict[str, list[dict[str, str]]]:
        """Every column of both sides with its type, label and a value from the first rows that have one."""
        sides = {"source": self.template.source_side, "destination": self.template.destination_side}
        return {name: self._columns(side.app, side.entity) for name, side in sides.items()}

    def _columns(self, app: str, entity: str) -> list[dict[str, str]]:
        frame = explore(self.session, app, entity, limit=SAMPLE_ROWS)
        known = self.session.client(app).schema(entity).columns
        listed = []
        for name in frame.columns:
            values = frame.table.column(name).drop_null()
            about = known.get(name.split(".")[0])
            label = (about.label if about is not None else None) or ""
            label = "" if label.startswith("@") else label  # F&O may give a label's id in place of its text
            value = texts(values.slice(0, 1))[0].as_py() if len(values) else ""
            listed.append({"name": name, "label": label, "type": str(values.type), "value": value[:LONGEST_VALUE]})
        return listed

    def coverage(self) -> Coverage:
        """What every rule does to all rows, field by field."""
        return coverage(self.source, self.template, self.session)

    def suggestions(self) -> Suggestions:
        """What the data of both sides suggests, whatever the template says; nothing of it is applied."""
        sides = self.template.source_side, self.template.destination_side
        return suggest(*(explore(self.session, side.app, side.entity) for side in sides))

    def view(self) -> dict[str, Any]:
        """All there is to show, as plain values."""
        found = self.validation()
        samples = self.samples()
        worst = {f.path.split(".")[0]: f.level for f in reversed(found.findings)}
        look, change = self.look(), self.change()
        rule = self.template.rule(self.selected)
        asked = {
            name: {"says": o.says, "chosen": answer, "choices": list(dict.fromkeys([*o.choices, answer]))}
            for name, o in self.template.options.items()
            for answer in [self.template.chosen.get(name, o.default)]
        }
        return {
            "tasks": list(packaged_tasks()),
            "task": self.template.task,
            "title": self.template.title,
            "ways": f"{self.template.source.entity} → {self.template.destination.entity}",
            "rows": len(self.source),
            "fields": [
                {**self._field(rule, worst.get(f"fields[{n}]", "")), "sample": samples[rule.to]}
                for n, rule in enumerate(self.template.fields)
            ],
            "selected": self.selected,
            "rule": rule_text(rule) if rule is not None else "",
            "stages": list(look.stages),
            "lines": [list(line) for line in look.lines],
            "reasons": list(look.reasons),
            "change": None if change is None else change.to_dict(),
            "findings": [f.to_dict() for f in found.findings],
            "options": asked,
            "diff": str(diff(self.original, self.template)),
            "message": self.message,
            "error": self.error,
        }

    def _repr_html_(self) -> str:
        """The static twin: the same content without anything to click."""
        from p2c_lib.report import Table, fragment

        seen = self.view()
        rules = tuple((f["from"], f["steps"], f["to"], "edited" if f["edited"] else "") for f in seen["fields"])
        parts = [
            f"<h3>{escape(seen['title'])}</h3><p>{escape(seen['ways'])}, {seen['rows']:,} rows</p>",
            Table(("source", "steps", "destination", ""), rules, "Rules").to_html(),
            Table(
                tuple(seen["stages"]), tuple(map(tuple, seen["lines"])), f"{self.selected}, stage by stage"
            ).to_html(),
        ]
        if seen["change"]:
            parts.append(self.change()._repr_html_())  # type: ignore[union-attr]
        parts.append(self.validation()._repr_html_())
        parts.append(f"<h3>Against the template as it was</h3><pre>{escape(seen['diff'])}</pre>")
        return fragment("".join(parts))

    def _field(self, rule: FieldRule, level: str) -> dict[str, Any]:
        edited = rule != self.original.rule(rule.to)
        steps = steps_in_words(rule)
        came = ", ".join(rule.paths)
        return {"from": came, "reads": rule.columns, "to": rule.to, "steps": steps, "edited": edited, "level": level}

    def _try(self, attempt: Callable[[], None]) -> None:
        before = self.template, self.source, self.selected
        try:
            attempt()
            self.error = ""
        except P2CError as error:
            self.template, self.source, self.selected = before
            self.error, self.message = str(error), ""

    def _edited(self, column: str, text: str) -> None:
        given = read_yaml(text, name="the rule")
        if not isinstance(given, dict):
            raise TemplateError("A rule is a mapping.", hint="As in {from: name, to: OrganizationName, apply: [trim]}.")
        try:
            rule = FieldRule.model_validate({"to": column, **given})
        except ValidationError as error:
            raise translated(error, {**PARTS, "": FieldRule}) from None
        self.template = self.template.with_rule(rule)
        self._read(rule)
        rule_change(self.source.with_table(self.source.table.slice(0, 1)), self.original, rule, self.session)
        self.selected = rule.to
        self.message = f"{rule.to} is filled by {steps_in_words(rule)}."

    def _without(self, column: str) -> None:
        self.template = self.template.without(column)
        self.selected = self.template.fields[0].to
        self.message = f"{column} is no longer mapped."

    def _chosen(self, option: str, choice: str) -> None:
        self._use(self.original.choose(**{**self.template.chosen, option: choice}))
        if self.template.rule(self.selected) is None:
            self.selected = self.template.fields[0].to
        self.message = f"{option}: {choice}."

    def _use(self, wanted: Template) -> None:
        """Take another template; the source is read again when it wants other rows, or columns not read so far."""
        same_rows = wanted.source.filter == self.template.source.filter
        if not (same_rows and set(wanted.source.columns) <= set(self.source.columns)):
            self.source = self.session.extract(wanted.source, limit=self.limit)
        self.template = wanted

    def _read(self, rule: FieldRule) -> None:
        """Read the source again when the rule needs a column that was not read so far."""
        missing = [name for name in rule.columns if name not in self.source.table.column_names]
        if missing:
            wanted = replace(self.template.source, columns=(*self.source.columns, *missing))
            self.source = self.session.extract(wanted, limit=self.limit)


def _short(value: str | None) -> str | None:
    return None if value is None else value[:LONGEST_VALUE]
