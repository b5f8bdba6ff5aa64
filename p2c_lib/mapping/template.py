"""A mapping template: which fields of one entity go where in the other, by which rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from html import escape
from string import Formatter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from p2c_lib.display import text_of
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.frames import EntityQuery
from p2c_lib.mapping.mistakes import translated
from p2c_lib.mapping.paths import columns_of
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.transforms.arguments import Scalar

__all__ = [
    "Choice",
    "CompareRules",
    "Deletions",
    "FieldRule",
    "Limits",
    "Option",
    "Parent",
    "Side",
    "Template",
    "checked",
    "steps_in_words",
    "written",
]

App = Literal["sales", "finops"]


class Strict(BaseModel):
    """A part of a template: frozen, an unknown key is an error, a number in the place of a text is its digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Side(Strict):
    """One system's entity set, and which of its rows belong to the task."""

    app: App
    entity: str
    filter: str | None = None


class FieldRule(Strict):
    """One destination column: where its value comes from and what is done to it.

    ``source`` (``from`` in the file) is a path, several paths, or nothing for a constant. ``apply`` is a chain of
    steps; ``default`` fills what is blank after it. ``exists_in`` names the column of a reference set
    (``Currencies.CurrencyCode``) that must hold the value.
    """

    source: str | tuple[str, ...] | None = Field(default=None, alias="from")
    to: str
    apply: tuple[Step, ...] = ()
    default: Scalar | None = None
    exists_in: str | None = None

    @field_validator("source")
    @classmethod
    def _are_paths(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for path in (given,) if isinstance(given, str) else given or ():
            columns_of(path)
        return given

    @model_validator(mode="after")
    def _has_a_source(self) -> FieldRule:
        if self.source is None and self.default is None and not self.apply:
            raise ValueError("neither from nor default: the column would always be empty")
        if len(self.paths) > 1 and not (self.apply and self.apply[0].transform.reads == "columns"):
            raise ValueError("several paths need a first step that joins columns, such as coalesce")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """The source paths as written."""
        if self.source is None:
            return ()
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns it reads, polymorphic paths spelled out."""
        return tuple(column for path in self.paths for column in columns_of(path))

    @property
    def kind(self) -> Literal["copy", "default", "transform"]:
        """What Data Integrator would call its map: a copy, a default value or a transform."""
        if not self.paths:
            return "default"
        return "transform" if self.apply or self.default is not None else "copy"


Tolerable = Literal[
    "case",
    "constant",
    "day-shift",
    "default",
    "empty-vs-null",
    "encoding",
    "leading-zeros",
    "not-filled",
    "other-source",
    "phone-format",
    "rounding",
    "truncated",
    "unicode",
    "whitespace",
]


class CompareRules(Strict):
    """What counts as equal when the mapped row meets the row at the destination.

    ``ignore`` gives the reason for each column left out; ``tolerance`` is the largest difference of a number that does
    not count, ``tolerance_percent`` the same as a share of the larger number; moments under ``granularity`` are cut to
    it in UTC; columns under ``trim`` and ``case`` are compared without outer white space and without regard to case.
    ``same`` names causes of differences that do not count in a column (``day-shift``, ``phone-format``);
    ``spellings`` pairs an expected text with another that means the same at the destination.
    """

    ignore: Mapping[str, str] = {}
    tolerance: Mapping[str, Decimal] = {}
    tolerance_percent: Mapping[str, Decimal] = {}
    granularity: Mapping[str, Literal["second", "minute", "hour", "day"]] = {}
    trim: tuple[str, ...] = ()
    case: tuple[str, ...] = ()
    same: Mapping[str, tuple[Tolerable, ...]] = {}
    spellings: Mapping[str, Mapping[str, str]] = {}

    @property
    def columns(self) -> frozenset[str]:
        """Every column a rule names."""
        rules = (getattr(self, name) for name in type(self).model_fields)
        return frozenset(column for rule in rules for column in rule)

    def only(self, columns: frozenset[str]) -> CompareRules:
        """The rules about these columns."""
        kept: dict[str, Any] = {}
        for name in type(self).model_fields:
            rule = getattr(self, name)
            if isinstance(rule, Mapping):
                kept[name] = {column: value for column, value in rule.items() if column in columns}
            else:
                kept[name] = tuple(column for column in rule if column in columns)
        return self.model_copy(update=kept)


class Parent(Strict):
    """A row waits when its value in ``column`` is the key of a row of ``tasks`` that was set aside.

    ``whole`` says how the parent calls such a row (``its line {LineCreationSequenceNumber}``, with columns of the key)
    where it goes with all of them or not at all: it waits too when one of them is set aside.
    """

    column: str
    tasks: tuple[str, ...]
    says: str
    whole: str | None = None


class Sum(Strict):
    """Source columns added up and taken away, an empty one as nothing."""

    plus: tuple[str, ...] = Field(min_length=1)
    minus: tuple[str, ...] = ()


class GateReads(Strict):
    """What only the gate looks at: further source ``columns``, ``sums`` of amounts by name, and ``references``, columns
    of the source's own sets (``quotedetails.quoteid.quotenumber``) that values are held against."""

    columns: tuple[str, ...] = ()
    sums: Mapping[str, Sum] = {}
    references: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The source columns it needs."""
        return (*self.columns, *(column for one in self.sums.values() for column in (*one.plus, *one.minus)))


class Limits(Strict):
    """The most a plan of this task may write, in rows and as a share of those at the destination; None is no limit."""

    max_creates: int | None = None
    max_updates: int | None = None
    max_share_changed: float | None = Field(default=None, ge=0, le=1)


class Deletions(Strict):
    """What becomes at the destination of rows that were deleted at the source: nothing, unless ``apply`` says so.

    With it an incremental load deletes those that still stand as both systems last agreed; more than ``at_most`` in one
    load are left and told, for that many rarely go by intention.
    """

    apply: bool = False
    at_most: int = Field(default=100, ge=0)


class Choice(Strict):
    """What a choice changes: rules that replace those of the same destination column or are added, columns that are
    left out, the source's filter; and, for another destination, the entity with its key and parents."""

    fields: tuple[FieldRule, ...] = ()
    without: tuple[str, ...] = ()
    filter: str | None = None
    entity: str | None = None
    key: Mapping[str, str] | None = None
    key_constants: tuple[str, ...] | None = None
    parents: tuple[Parent, ...] | None = None


class Option(Strict):
    """A question on which sources differ: ``says`` what it is about, ``default`` the choice the template makes.

    ``zone``, where there is one, are the rules when a time zone is named in the place of a choice; their values are
    brought to its clock first.
    """

    says: str
    default: str
    choices: Mapping[str, Choice]
    zone: Choice | None = None

    @property
    def offers(self) -> tuple[str, ...]:
        """What may be answered, in words."""
        return (*self.choices, *(() if self.zone is None else ("a time zone such as Europe/Berlin",)))

    def chosen(self, answer: str) -> Choice | None:
        """What an answer changes; None for one that is not offered."""
        if answer in self.choices or self.zone is None:
            return self.choices.get(answer)
        try:
            step = Step.model_validate({"in_zone": answer})
        except ValidationError:
            return None
        rules = tuple(rule.model_copy(update={"apply": (step, *rule.apply)}) for rule in self.zone.fields)
        return self.zone.model_copy(update={"fields": rules})

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> Option:
        if self.default not in self.choices:
            raise ValueError(f"default '{self.default}' is none of {', '.join(self.choices)}")
        if self.choices[self.default] != Choice():
            raise ValueError(f"the default choice '{self.default}' must change nothing: the template's rows are it")
        return self


class Template(Strict):
    """One task's mapping from a source entity to a destination entity.

    Shapes: ``key`` maps source paths to destination columns; ``key_constants`` are further columns of the destination's
    key, which hold one value for all rows; ``fields`` has one rule a destination column. ``options`` are the questions
    its sources leave open, ``chosen`` what was chosen otherwise than by default.
    """

    version: Literal[1] = 1
    task: str
    title: str
    needs: tuple[str, ...] = ()
    source_side: Side = Field(alias="source")
    destination_side: Side = Field(alias="destination")
    key: Mapping[str, str]
    key_constants: tuple[str, ...] = ()
    fields: tuple[FieldRule, ...]
    parents: tuple[Parent, ...] = ()
    gate: GateReads = GateReads()
    compare: CompareRules = CompareRules()
    limits: Limits = Limits()
    deletions: Deletions = Deletions()
    options: Mapping[str, Option] = {}
    chosen: Mapping[str, str] = {}

    @field_validator("key", "fields")
    @classmethod
    def _not_empty(cls, given: Any) -> Any:
        if not given:
            raise ValueError("at least one entry is needed")
        return given

    @field_validator("key")
    @classmethod
    def _key_is_paths(cls, given: Mapping[str, str]) -> Mapping[str, str]:
        for path in given:
            columns_of(path)
        return given

    @model_validator(mode="after")
    def _hangs_together(self) -> Template:
        targets = [rule.to for rule in self.fields]
        doubled = sorted({name for name in targets if targets.count(name) > 1})
        if doubled:
            raise ValueError(f"mapped more than once: {', '.join(doubled)}")
        named = {
            "key": self.key.values(),
            "key_constants": self.key_constants,
            "compare": self.compare.columns,
            "parents": [parent.column for parent in self.parents],
        }
        for part, columns in named.items():
            missing = sorted(set(columns) - set(targets))
            if missing:
                raise ValueError(f"{part} names {', '.join(missing)}, which no field maps to")
        named_of_parts = {name for parent in self.parents for name in _named(parent.whole or "")}
        if beyond := sorted(named_of_parts - set(self.key.values())):
            raise ValueError(f"parents name a part by {', '.join(beyond)}, which is not in the key")
        return self

    @cached_property
    def source(self) -> EntityQuery:
        """What to read at the source: every column the rules and the gate need, and the key."""
        read = [column for rule in self.fields for column in rule.columns]
        key = tuple(path for path in self.key if len(columns_of(path)) == 1)
        return _query(self.source_side, [*key, *read, *self.gate.reads], key)

    @cached_property
    def destination(self) -> EntityQuery:
        """What to read at the destination to compare with: the key and every mapped column."""
        key = (*self.key.values(), *self.key_constants)
        return _query(self.destination_side, [*key, *(rule.to for rule in self.fields)], key)

    @property
    def references(self) -> tuple[str, ...]:
        """The reference columns of the destination that its values must exist in."""
        return tuple(dict.fromkeys(rule.exists_in for rule in self.fields if rule.exists_in))

    @property
    def answers(self) -> dict[str, str]:
        """The answer to every option: what was chosen, else the default."""
        return {name: self.chosen.get(name, option.default) for name, option in self.options.items()}

    def rule(self, column: str) -> FieldRule | None:
        """The rule that fills a destination column."""
        return next((rule for rule in self.fields if rule.to == column), None)

    def choose(self, **chosen: str) -> Template:
        """The template with options answered otherwise.

        Raises ``UnknownName`` for an option or a choice that does not exist.
        """
        made = self
        for name, choice in chosen.items():
            if name not in made.options:
                raise UnknownName("option", name, made.options, where=f"template {self.task}")
            if made.options[name].chosen(choice) is None:
                raise UnknownName(f"choice of {name}", choice, made.options[name].offers, where=self.task)
            if choice != made.chosen.get(name, made.options[name].default):
                made = made._with(name, choice)
        return made

    def _with(self, name: str, choice: str) -> Template:
        if name in self.chosen:
            hint = "Begin from the template as it was."
            raise TemplateError(f"Option {name} is answered already: {self.chosen[name]}.", hint=hint)
        change = self.options[name].chosen(choice) or Choice()
        fresh = {rule.to: rule for rule in change.fields}
        kept = [fresh.pop(rule.to, rule) for rule in self.fields if rule.to not in change.without]
        parts: dict[str, Any] = {"chosen": {**self.chosen, name: choice}}
        if change.filter is not None:
            parts["source"] = self.source_side.model_copy(update={"filter": change.filter or None})
        if change.entity is not None:
            parts["destination"] = self.destination_side.model_copy(update={"entity": change.entity})
        own = ("key", "key_constants", "parents")
        parts |= {part: getattr(change, part) for part in own if getattr(change, part) is not None}
        return self._remade((*kept, *fresh.values()), **parts)

    def with_rule(self, rule: FieldRule) -> Template:
        """The template with one rule in place of the rule for the same column, or added at the end."""
        if self.rule(rule.to) is None:
            return self._remade((*self.fields, rule))
        return self._remade(tuple(rule if old.to == rule.to else old for old in self.fields))

    def without(self, column: str) -> Template:
        """The template without the rule for a destination column; the key cannot go."""
        if self.rule(column) is None:
            raise UnknownName("destination column", column, [rule.to for rule in self.fields], where=self.task)
        return self._remade(tuple(rule for rule in self.fields if rule.to != column))

    def _remade(self, fields: tuple[FieldRule, ...], **changes: Any) -> Template:
        """The template with other rules, checked again; comparisons of columns that are gone go too."""
        parts = {info.alias or name: getattr(self, name) for name, info in type(self).model_fields.items()}
        compare = self.compare.only(frozenset(rule.to for rule in fields))
        return checked({**parts, "fields": fields, "compare": compare, **changes})

    @cached_property
    def sha(self) -> str:
        """SHA-256 of the template's content, whatever its spelling or comments."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The template as plain values in the form its file has."""
        left_out = {"fields", "options"}
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=left_out)
        fields = {"fields": [written(rule) for rule in self.fields]}
        asked = {name: _asked(option) for name, option in self.options.items()}
        return {"version": self.version, **given, **fields, **({"options": asked} if asked else {})}

    def __repr__(self) -> str:
        ways = f"{self.source.app} {self.source.entity} -> {self.destination.app} {self.destination.entity}"
        return f"Template({self.task}: {ways}, {len(self.fields)} fields)"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from p2c_lib.report import fragment

        head = "".join(f'<th scope="col">{name}</th>' for name in ("source", "steps", "destination"))
        body = "".join(_row(rule) for rule in self.fields)
        ways = f"{self.source.app} {self.source.entity} → {self.destination.app} {self.destination.entity}"
        return fragment(
            f"<h3>{escape(self.title)}</h3><p>{escape(ways)}, key {escape(' + '.join(self.key.values()))}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


PARTS: dict[str, type[BaseModel]] = {
    "": Template,
    "source": Side,
    "destination": Side,
    "fields": FieldRule,
    "parents": Parent,
    "gate": GateReads,
    "sums": Sum,
    "compare": CompareRules,
    "limits": Limits,
    "deletions": Deletions,
    "option": Option,
    "options": Option,
    "choices": Choice,
    "choice": Choice,
}


def checked(data: Mapping[str, Any]) -> Template:
    """The template of plain values; raises ``TemplateError`` naming the path of the first mistake."""
    try:
        return Template.model_validate(data)
    except ValidationError as error:
        raise translated(error, PARTS) from None


def written(rule: FieldRule) -> dict[str, Any]:
    """A rule in the form a template file has."""
    plain = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"apply"})
    if rule.apply:
        plain["apply"] = [_plain(step.written) for step in rule.apply]
    return {name: plain[name] for name in ("from", "to", "apply", "default", "exists_in") if name in plain}


def _named(words: str) -> set[str]:
    """The columns in braces of a sentence."""
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def _asked(option: Option) -> dict[str, Any]:
    choices = {name: _choice(choice) for name, choice in option.choices.items()}
    zone = {} if option.zone is None else {"zone": _choice(option.zone)}
    return {"says": option.says, "default": option.default, "choices": choices, **zone}


def _choice(choice: Choice) -> dict[str, Any]:
    plain = choice.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"fields"})
    return plain | ({"fields": [written(rule) for rule in choice.fields]} if choice.fields else {})


def steps_in_words(rule: FieldRule) -> str:
    """What happens to a value on its way, such as ``trim, truncate 60, default USA``."""
    words = [step.words for step in rule.apply]
    if rule.default is not None:
        words.append(f"default {text_of(rule.default)}")
    return ", ".join(words) or "copy"


def _row(rule: FieldRule) -> str:
    cells = (", ".join(rule.paths), steps_in_words(rule), rule.to)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"" if key is None else text_of(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def _query(side: Side, columns: list[str], key: tuple[str, ...]) -> EntityQuery:
    return EntityQuery(side.app, side.entity, tuple(dict.fromkeys(columns)), key, side.filter)
