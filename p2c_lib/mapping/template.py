"""A mapping template: which fields of one entity go where in the other, by which rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from html import escape
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from p2c_lib.frames import EntityQuery
from p2c_lib.mapping.paths import columns_of
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.transforms.codes import Scalar, scalar_text

__all__ = ["CompareRules", "FieldRule", "Limits", "Parent", "Side", "Template"]

App = Literal["sales", "finops"]


class Strict(BaseModel):
    """A part of a template: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class CompareRules(Strict):
    """What counts as equal when the mapped row meets the row at the destination.

    ``ignore`` gives the reason for each column left out; ``tolerance`` is the largest difference of a number that does
    not count; columns under ``trim`` and ``case`` are compared without outer white space and without regard to case.
    """

    ignore: Mapping[str, str] = {}
    tolerance: Mapping[str, Decimal] = {}
    trim: tuple[str, ...] = ()
    case: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Every column a rule names."""
        return frozenset([*self.ignore, *self.tolerance, *self.trim, *self.case])


class Parent(Strict):
    """A row waits when its value in ``column`` is the key of a row of ``tasks`` that was set aside."""

    column: str
    tasks: tuple[str, ...]
    says: str


class Limits(Strict):
    """The most a plan of this task may write in one run; None is no limit."""

    max_creates: int | None = None
    max_updates: int | None = None


class Template(Strict):
    """One task's mapping from a source entity to a destination entity.

    Shapes: ``key`` maps source paths to destination columns; ``fields`` has one rule a destination column.
    """

    version: Literal[1] = 1
    task: str
    title: str
    needs: tuple[str, ...] = ()
    source_side: Side = Field(alias="source")
    destination_side: Side = Field(alias="destination")
    key: Mapping[str, str]
    fields: tuple[FieldRule, ...]
    parents: tuple[Parent, ...] = ()
    compare: CompareRules = CompareRules()
    limits: Limits = Limits()

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
        named = {"key": self.key.values(), "compare": self.compare.columns, "parents": (p.column for p in self.parents)}
        for part, columns in named.items():
            missing = sorted(set(columns) - set(targets))
            if missing:
                raise ValueError(f"{part} names {', '.join(missing)}, which no field maps to")
        return self

    @cached_property
    def source(self) -> EntityQuery:
        """What to read at the source: every column the rules need, and the key."""
        read = [column for rule in self.fields for column in rule.columns]
        key = tuple(path for path in self.key if len(columns_of(path)) == 1)
        return _query(self.source_side, [*key, *read], key)

    @cached_property
    def destination(self) -> EntityQuery:
        """What to read at the destination to compare with: the key and every mapped column."""
        key = tuple(self.key.values())
        return _query(self.destination_side, [*key, *(rule.to for rule in self.fields)], key)

    @property
    def references(self) -> tuple[str, ...]:
        """The reference columns its values must exist in."""
        return tuple(dict.fromkeys(rule.exists_in for rule in self.fields if rule.exists_in))

    def rule(self, column: str) -> FieldRule | None:
        """The rule that fills a destination column."""
        return next((rule for rule in self.fields if rule.to == column), None)

    @cached_property
    def sha(self) -> str:
        """SHA-256 of the template's content, whatever its spelling or comments."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The template as plain values in the form its file has."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"fields"})
        return {"version": self.version, **given, "fields": [written(rule) for rule in self.fields]}

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


def written(rule: FieldRule) -> dict[str, Any]:
    """A rule in the form a template file has."""
    plain = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"apply"})
    if rule.apply:
        plain["apply"] = [_plain(step.written) for step in rule.apply]
    return {name: plain[name] for name in ("from", "to", "apply", "default", "exists_in") if name in plain}


def steps_in_words(rule: FieldRule) -> str:
    """What happens to a value on its way, such as ``trim, truncate 60, default USA``."""
    words = [step.words for step in rule.apply]
    if rule.default is not None:
        words.append(f"default {scalar_text(rule.default)}")
    return ", ".join(words) or "copy"


def _row(rule: FieldRule) -> str:
    cells = (", ".join(rule.paths), steps_in_words(rule), rule.to)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"" if key is None else scalar_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _query(side: Side, columns: list[str], key: tuple[str, ...]) -> EntityQuery:
    return EntityQuery(side.app, side.entity, tuple(dict.fromkeys(columns)), key, side.filter)
