"""A template as a document: YAML to keep, Markdown and Excel to hand over, and what two of them differ in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import yaml

from p2c_lib.display import text_of
from p2c_lib.errors import TemplateError
from p2c_lib.mapping.template import FieldRule, Template, steps_in_words, written

__all__ = ["TemplateDiff", "diff", "export", "flow", "rule_text", "to_markdown", "to_yaml"]

HEADINGS = ("no", "source", "map", "steps", "destination", "must exist in", "compared")


def to_yaml(template: Template) -> str:
    """The template as the text of a file that reads back to the same template; one line a field."""
    given = template.to_dict()
    lines = [_block({name: given.pop(name) for name in ("version", "task", "title", "needs") if name in given})]
    fields, options = given.pop("fields"), given.pop("options", {})
    head = {name: given.pop(name) for name in ("source", "destination", "key") if name in given}
    lines += [f"{name}: {flow(part)}\n" for name, part in head.items()]
    lines += ["fields:\n", *(f"  - {flow(rule)}\n" for rule in fields)]
    lines += [_block({name: part}) for name, part in given.items()]
    return "".join(lines) + (_block({"options": options}) if options else "")


def rule_text(rule: FieldRule) -> str:
    """A rule as one line of a template file.

    >>> rule_text(FieldRule(to="PartyType", default="Person"))
    '{to: PartyType, default: Person}'
    """
    return flow(written(rule))


def to_markdown(template: Template) -> str:
    """The mapping as a Markdown page: its rows, keys, comparisons and open questions."""
    source, destination = template.source, template.destination
    ways = f"{source.app} `{source.entity}` to {destination.app} `{destination.entity}`"
    parts = [f"# {template.title}", f"Task `{template.task}`: {ways}."]
    if template.source.filter:
        parts.append(f"Rows: `{template.source.filter}`")
    keys = ", ".join(f"`{one}` = `{other}`" for one, other in template.key.items())
    parts.append(f"Key: {keys}. Runs after: {', '.join(template.needs) or 'nothing'}.")
    parts.append(_markdown_table(HEADINGS, mapping_rows(template)))
    pairs = value_map_rows(template)
    if pairs:
        parts += ["## Value maps", _markdown_table(("destination", "from", "to"), pairs)]
    if template.options:
        asked = [(name, o.says, o.default, ", ".join(o.offers)) for name, o in template.options.items()]
        parts += ["## Open questions", _markdown_table(("option", "what it is about", "chosen", "choices"), asked)]
    return "\n\n".join(parts) + "\n"


def export(template: Template, path: Path) -> Path:
    """The template as a file in the form its name asks for: ``.yml``, ``.md``, ``.xlsx`` or ``.json``.

    JSON is a dual-write map. Raises ``TemplateError`` for another form.
    """
    form = path.suffix.lower()
    if form == ".xlsx":
        from p2c_lib.sheets import write_workbook

        return write_workbook(path, _sheets(template))
    if form == ".json":
        from p2c_lib.mapping.exchange import to_dual_write

        text = to_dual_write(template)
    elif form in {".yml", ".yaml", ".md"}:
        text = to_markdown(template) if form == ".md" else to_yaml(template)
    else:
        raise TemplateError(f"A template cannot be written as '{form}'.", hint="Allowed: .yml, .md, .xlsx, .json.")
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class TemplateDiff:
    """What two templates differ in: (place, before, after), None where a side has nothing there."""

    before: str
    after: str
    changes: tuple[tuple[str, str | None, str | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """The differences as plain values."""
        listed = [dict(zip(("place", "before", "after"), change, strict=True)) for change in self.changes]
        return {"before": self.before, "after": self.after, "changes": listed}

    def __str__(self) -> str:
        lines = []
        for place, old, new in self.changes:
            lines.append(place)
            lines += [f"  {sign} {text}" for sign, text in (("-", old), ("+", new)) if text is not None]
        return "\n".join(lines) or "The same."

    def _repr_html_(self) -> str:
        from p2c_lib.report import Table, fragment

        title = f"{self.before} against {self.after}: {len(self.changes)} differences"
        return fragment(Table(("place", "before", "after"), self.changes, title).to_html() or escape(title))


def diff(before: Template, after: Template) -> TemplateDiff:
    """What changed from one template to another, rule by rule and part by part."""
    old, new = ({rule.to: _in_words(rule) for rule in made.fields} for made in (before, after))
    parts_old, parts_new = _parts(before), _parts(after)
    changes = [
        *_changed(parts_old, parts_new, ""),
        *_changed(old, new, "field "),
    ]
    return TemplateDiff(before.task, after.task, tuple(changes))


def mapping_rows(template: Template) -> list[tuple[Any, ...]]:
    """The rules as rows under ``HEADINGS``."""
    kinds = {"copy": "=", "default": "default", "transform": "Fn"}
    return [
        (
            n,
            ", ".join(r.paths) or "-",
            kinds[r.kind],
            steps_in_words(r),
            r.to,
            r.exists_in or "",
            _compared(template, r),
        )
        for n, r in enumerate(template.fields, 1)
    ]


def value_map_rows(template: Template) -> list[tuple[Any, ...]]:
    """Every pair of every value map: destination column, from, to."""
    return [
        (rule.to, "(blank)" if key is None else text_of(key), "(no value)" if value is None else text_of(value))
        for rule in template.fields
        for step in rule.apply
        if step.name == "value_map"
        for key, value in step.arguments["pairs"].items()
    ]


def _compared(template: Template, rule: FieldRule) -> str:
    rules = template.compare
    if rule.to in template.key.values():
        return "key"
    if rule.to in rules.ignore:
        return f"ignored: {rules.ignore[rule.to]}"
    words = [f"within {rules.tolerance[rule.to]}"] if rule.to in rules.tolerance else []
    words += [f"within {rules.tolerance_percent[rule.to]} %"] if rule.to in rules.tolerance_percent else []
    words += [f"to the {rules.granularity[rule.to]}"] if rule.to in rules.granularity else []
    words += ["without outer white space"] if rule.to in rules.trim else []
    words += ["without regard to case"] if rule.to in rules.case else []
    return ", ".join(words) or "exactly"


def _sheets(template: Template) -> dict[str, list[tuple[Any, ...]]]:
    source, destination = template.source, template.destination
    facts = [
        ("task", template.task),
        ("title", template.title),
        ("source", f"{source.app} {source.entity}"),
        ("source filter", source.filter or ""),
        ("destination", f"{destination.app} {destination.entity}"),
        ("destination filter", destination.filter or ""),
        ("key", "; ".join(f"{one} = {other}" for one, other in template.key.items())),
        ("runs after", ", ".join(template.needs)),
        ("chosen", "; ".join(f"{name} = {choice}" for name, choice in template.chosen.items())),
        ("sha256", template.sha),
    ]
    asked = [(n, o.says, template.chosen.get(n, o.default), ", ".join(o.offers)) for n, o in template.options.items()]
    return {
        "Mapping": [HEADINGS, *mapping_rows(template)],
        "Value maps": [("destination", "from", "to"), *value_map_rows(template)],
        "Open questions": [("option", "what it is about", "chosen", "choices"), *asked],
        "Task": [("fact", "value"), *facts],
    }


def _parts(template: Template) -> dict[str, str]:
    given = template.to_dict()
    flat: dict[str, str] = {}
    for name, part in given.items():
        if name in {"fields", "options"}:
            continue
        inner = part.items() if isinstance(part, Mapping) else [("", part)]
        flat |= {f"{name}.{key}".rstrip("."): flow(value) for key, value in inner}
    return flat | {f"option {name}": option.default for name, option in template.options.items()}


def _changed(old: Mapping[str, str], new: Mapping[str, str], what: str) -> Iterator[tuple[str, str | None, str | None]]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"{what}{name}", old.get(name), new.get(name)


def _in_words(rule: FieldRule) -> str:
    plain = written(rule)
    del plain["to"]
    return flow(plain)


class _Dumper(yaml.SafeDumper):
    """Writes what the reader of templates reads back as the same value."""

    def represent_broken(self, value: float) -> yaml.ScalarNode:
        plain = re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", repr(value))  # the reader takes no exponent for a number
        return self.represent_scalar("tag:yaml.org,2002:float", repr(value)) if plain else self.represent_text(value)

    def represent_text(self, value: float | Decimal) -> yaml.ScalarNode:
        return self.represent_str(text_of(value) or "")


_Dumper.add_representer(float, _Dumper.represent_broken)
_Dumper.add_representer(Decimal, _Dumper.represent_text)


def flow(value: Any) -> str:
    """A value as YAML in one line, as the reader of templates reads it back."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.removesuffix("\n...\n").rstrip("\n")


def _block(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118)


def _markdown_table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
