"""A suite of expectations as Great Expectations writes it, read without Great Expectations and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from p2c_lib.config import Workspace, workspace
from p2c_lib.errors import SuiteError

__all__ = [
    "SEVERITIES",
    "STAGES",
    "Expectation",
    "Suite",
    "find_suite",
    "find_suites",
    "names_parameter",
    "read_suite",
    "rule_names",
    "stage_of",
]

SEVERITIES = ("critical", "warning", "info")
# What came, what would be sent, and what the destination knows: `<task>.source.json`, `<task>.json` and so on.
STAGES = ("source", "mapped", "destination")
SUITE_KEYS = {"name", "id", "expectations", "meta", "notes"}
EXPECTATION_KEYS = {"type", "kwargs", "meta", "severity", "id", "notes", "description", "rendered_content"}
PARAMETER = "$PARAMETER"


@dataclass(frozen=True)
class Expectation:
    """One rule: its Great Expectations type and arguments, how bad a failure is and what to tell a person."""

    index: int
    type: str
    kwargs: Mapping[str, Any]
    severity: str = "critical"
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rule looks at, without those of its row condition."""
        named = [self.kwargs.get(k) for k in ("column", "column_A", "column_B")]
        return tuple(str(c) for c in (*named, *self.kwargs.get("column_list", ())) if c is not None)

    @property
    def name(self) -> str:
        """What the rule is called in results: ``meta.name``, else its type and columns in short."""
        short = self.type.removeprefix("expect_").removeprefix("column_").removeprefix("values_")
        return str(self.meta.get("name") or " ".join((*self.columns, short.replace("_", " "))))

    def answers(self, answers: Mapping[str, str]) -> bool:
        """Whether the rule is for a template whose options are answered like this."""
        return all(answers.get(name, wanted) == wanted for name, wanted in self.option.items())

    @property
    def option(self) -> Mapping[str, str]:
        """The answer to an option of the template that the rule is for; empty where it is for all."""
        found: Mapping[str, str] = self.meta.get("option") or {}
        return found

    @property
    def reason(self) -> str:
        """The sentence for a failing row; ``{value}`` and ``{key}`` stand for the row's own."""
        return str(self.meta.get("reason") or f"{self.name}: {{value}} does not fit")


@dataclass(frozen=True)
class Suite:
    """The expectations of one file, in its order; ``sha`` is the hash of the file's bytes."""

    name: str
    path: Path
    sha: str
    expectations: tuple[Expectation, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """What it is about: ``source``, ``mapped`` or ``destination``."""
        return stage_of(self.path)

    def without(self, off: Collection[str]) -> Suite:
        """The suite with some rules switched off, by name; its hash tells that they are."""
        kept = tuple(rule for rule in self.expectations if rule.name not in off)
        if len(kept) == len(self.expectations):
            return self
        names = json.dumps([self.sha, *sorted(off)])
        return replace(self, expectations=kept, sha=sha256(names.encode()).hexdigest())

    def answering(self, answers: Mapping[str, str], allowed: Mapping[str, Collection[str]]) -> Suite:
        """The suite without rules that are for another answer to an option of the template than the one given.

        A rule says which by ``meta.option``, such as ``{"version": "v1"}``. ``allowed`` are the template's options with
        the answers there are to each: SuiteError names a rule for an option or an answer that is not among them.
        """
        for rule in self.expectations:
            for name, answer in rule.option.items():
                self._check_option(rule, name, answer, allowed)
        kept = tuple(rule for rule in self.expectations if rule.answers(answers))
        return self if len(kept) == len(self.expectations) else replace(self, expectations=kept)

    def _check_option(self, rule: Expectation, name: str, answer: str, allowed: Mapping[str, Collection[str]]) -> None:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            there = f"{guess}The template's options: {', '.join(allowed) or 'none'}."
            hint = f"{there} Name one of them, or take meta.option out of the rule."
            raise self.error(rule, f"the template has no option '{name}'.", hint)
        if answer not in allowed[name]:
            hint = f"Allowed: {', '.join(allowed[name])}."
            raise self.error(rule, f"option {name} is never answered '{answer}'.", hint)

    def error(self, rule: Expectation, message: str, hint: str) -> SuiteError:
        """An error that names this file and the expectation."""
        return SuiteError(f"{self.path.name}: expectations[{rule.index}] {rule.type}: {message}", hint=hint)


def stage_of(path: Path) -> str:
    """The stage a suite's file is for, by its name.

    >>> stage_of(Path("accounts.source.json")), stage_of(Path("accounts.json"))
    ('source', 'mapped')
    """
    ending = path.stem.rpartition(".")[2]
    return ending if ending in STAGES else "mapped"


def find_suites(suite: str | Path | Sequence[Path]) -> tuple[Path, ...]:
    """The files to judge by, in the order of the stages: all of a task by its name, or the one or more given.

    Raises SuiteError naming the suites there are.
    """
    if isinstance(suite, str | Path):
        found = find_suite(suite)
        chosen = workspace().suites(found.stem) if suite == found.stem else (found,)
    else:
        chosen = tuple(find_suite(path) for path in suite)
    return tuple(sorted(chosen, key=lambda path: STAGES.index(stage_of(path))))


def find_suite(suite: str | Path) -> Path:
    """The file of a suite: a path as it is, a name from the workspace's ``expectations/`` folder or the packaged one.

    Raises SuiteError naming the suites there are.
    """
    given = Path(suite)
    if isinstance(suite, Path) or given.suffix == ".json" or len(given.parts) > 1:
        if given.is_file():
            return given
        raise SuiteError(f"There is no suite file {given}.", hint="Name a task, or a .json file that exists.")
    path = workspace().suite(suite)
    if path.is_file():
        return path
    folders = {workspace().expectations, path.parent}
    known = sorted({file.stem for folder in folders for file in folder.glob("*.json")})
    near = get_close_matches(suite, known, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise SuiteError(f"Unknown suite '{suite}'.", hint=f"{guess}Suites: {', '.join(known) or 'none'}.")


def read_suite(path: Path) -> Suite:
    """The suite in a Great Expectations 1.x JSON file, every key checked. Raises SuiteError."""
    try:
        raw = path.read_bytes()
        content = json.loads(raw)
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path} is not a readable suite: {error}.", hint="A suite is one JSON object.") from None
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise SuiteError(f"{path.name} holds no list 'expectations'.", hint="Great Expectations 1.x suites have one.")
    _known(content, SUITE_KEYS, path.name)
    rules = tuple(_expectation(item, i, path.name) for i, item in enumerate(content["expectations"]))
    meta = content.get("meta") or {}
    return Suite(str(content.get("name") or path.stem), path, sha256(raw).hexdigest(), rules, meta)


def rule_names(task: str, here: Workspace) -> tuple[str, ...]:
    """The names of a task's rules, over its suites of every stage."""
    return tuple(rule.name for path in here.suites(task) for rule in read_suite(path).expectations)


def resolve(value: Any, references: Mapping[str, Any]) -> Any:
    """A value with every ``{"$PARAMETER": name}`` replaced; ``_`` may stand for the dot of a reference's name.

    Raises KeyError with the name of a parameter nobody gave.
    """
    if isinstance(value, Mapping):
        if set(value) == {PARAMETER}:
            return _parameter(str(value[PARAMETER]), references)
        return {k: resolve(v, references) for k, v in value.items()}
    return [resolve(v, references) for v in value] if isinstance(value, list | tuple) else value


def names_parameter(value: Any, name: str) -> bool:
    """Whether a value is the parameter of that name; ``_`` may stand for its dot."""
    given = value.get(PARAMETER) if isinstance(value, Mapping) else None
    return given is not None and given in {name, name.replace(".", "_")}


def _parameter(name: str, references: Mapping[str, Any]) -> list[Any]:
    found = next((v for k, v in references.items() if k == name or k.replace(".", "_") == name), None)
    if found is None:
        raise KeyError(name)
    return list(found)


def _expectation(item: Any, index: int, file: str) -> Expectation:
    place = f"{file}: expectations[{index}]"
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        hint = "Write {'type': 'expect_...', 'kwargs': {...}}; 'expectation_type' is the form before version 1."
        raise SuiteError(f"{place} has no type.", hint=hint)
    place = f"{place} {item['type']}"
    _known(item, EXPECTATION_KEYS, place)
    kwargs, meta = item.get("kwargs") or {}, item.get("meta") or {}
    severity = item.get("severity") or "critical"
    if severity not in SEVERITIES:
        raise SuiteError(f"{place}: unknown severity '{severity}'.", hint=f"Allowed: {', '.join(SEVERITIES)}.")
    if "result_format" in kwargs:
        raise SuiteError(f"{place}: result_format among the kwargs has no effect.", hint=RESULT_FORMAT_HINT)
    mostly = kwargs.get("mostly", 1)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 <= mostly <= 1:
        raise SuiteError(f"{place}: mostly is {mostly!r}.", hint="mostly is a share of rows between 0 and 1.")
    _known_regexes(kwargs, place)
    _known_option(meta.get("option"), place)
    return Expectation(index, item["type"], kwargs, severity, meta)


def _known_option(option: Any, place: str) -> None:
    """Raise SuiteError unless an option of the template is named with its answer."""
    if option is None:
        return
    if not isinstance(option, Mapping) or not option or not all(isinstance(v, str) for v in option.values()):
        hint = 'Write one answer for each option: "option": {"version": "v1"}.'
        raise SuiteError(f"{place}: meta.option is {option!r}.", hint=hint)


RESULT_FORMAT_HINT = (
    "Take it out: the gate names every failing row by itself, and Great Expectations takes a result format "
    "only when it validates."
)


def _known(content: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for key in content:
        if key == "result_format":
            raise SuiteError(f"{place}: result_format has no effect here.", hint=RESULT_FORMAT_HINT)
        if key not in allowed:
            raise SuiteError(f"{place}: unknown key '{key}'.", hint=f"Allowed: {', '.join(sorted(allowed))}.")


def _known_regexes(kwargs: Mapping[str, Any], place: str) -> None:
    for pattern in (kwargs.get("regex"), *kwargs.get("regex_list", ())):
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                hint = "It must be a regular expression as Python's re module reads it."
                raise SuiteError(f"{place}: wrong regex {pattern!r}: {error}.", hint=hint) from None
