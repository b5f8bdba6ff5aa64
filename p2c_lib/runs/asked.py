"""What a run was asked for, checked before anything starts and kept in its folder, so that it can be taken up again."""

from __future__ import annotations

import ast
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from p2c_lib.config import SANDBOX, Secret, Workspace
from p2c_lib.errors import ConfigError, RunError, UnknownName
from p2c_lib.mapping import known_tasks, template_in
from p2c_lib.run_folder import keep
from p2c_lib.runs.declared import model_of_cell, tells_of_secret
from p2c_lib.runs.graph import units
from p2c_lib.runs.parameters import MODELS, NOTEBOOKS, RunParameters, checked, checked_by, parameters_of

__all__ = ["Asked", "asked", "asked_before", "folder_of", "new_run_id", "rules_of", "secrets_of"]

FILE = "asked.json"
LATEST = "latest"
MOST_KERNELS = 16
# A run itself goes by these.
HELD = ("connection_set", "apply")


@dataclass(frozen=True)
class Asked:
    """A run as it was asked for; ``parameters`` are those that were given, plain values for its notebooks.

    ``holds`` are the connection set and whether it writes where nothing of that was given.

    ``notebook`` is the one notebook that is run where the run is none of the walk; ``companies`` are empty for the
    connection set's own.
    """

    run_id: str
    tasks: tuple[str, ...]
    parameters: Mapping[str, Any]
    companies: tuple[str, ...] = ()
    kernels: int = 2
    notebook: str = ""
    holds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def connection_set(self) -> str:
        """The name of the connection set; the sandbox for a notebook that takes none."""
        return str({**self.holds, **self.parameters}.get("connection_set", SANDBOX))

    @property
    def applies(self) -> bool:
        """Whether the run writes."""
        return bool({**self.holds, **self.parameters}.get("apply", False))

    @property
    def told(self) -> dict[str, Any]:
        """The parameters as JSON has them; what it cannot tell as it is stands there as Python writes it."""
        return {name: repr(value) if _beyond_json(value) else value for name, value in self.parameters.items()}

    def part(self, company: str) -> str:
        """The run of one company: this run's own id, with the company where there are several."""
        return f"{self.run_id}-{company.lower()}" if len(self.companies) > 1 else self.run_id

    def save(self, folder: Path) -> None:
        """Keep it in the run's folder."""
        written = {name: repr(value) for name, value in self.parameters.items() if _beyond_json(value)}
        keep(folder, {**vars(self), "parameters": self.told, "written": written}, FILE)


def asked(
    workspace: Workspace,
    what: Sequence[str],
    parameters: Mapping[str, Any],
    *,
    companies: Sequence[str] = (),
    kernels: int = 2,
) -> Asked:
    """A run of these tasks or this notebook, every name and value checked.

    Raises UnknownName for a task, notebook, parameter, rule or connection set there is not, and ConfigError for a value
    that does not fit or a secret whose reference leads nowhere.
    """
    if isinstance(kernels, bool) or not 1 <= kernels <= MOST_KERNELS:
        raise ConfigError(f"{kernels} kernels cannot run.", hint=f"Give a number from 1 to {MOST_KERNELS}.")
    tasks, notebook = _what(workspace, what)
    run_id = new_run_id()
    if notebook:
        if companies:
            raise ConfigError(f"{notebook} looks at one company.", hint="Give it with --param company=...")
        told = checked(notebook, parameters, workspace)
        made = Asked(run_id, (), _given(told, notebook), (), kernels, notebook, _holds(told))
    else:
        given = checked_by(RunParameters, {"run_id": run_id, **parameters})
        chosen = _tasks(workspace, tasks or given.tasks)
        _switched_off(workspace, chosen, given.without)
        named = _companies(companies, given.company)
        _declared(workspace, chosen, parameters)
        made = Asked(given.run_id, chosen, _given(given), named, kernels)
    _reachable_secrets(workspace, made.connection_set)
    return made


def asked_before(workspace: Workspace, run_id: str) -> Asked:
    """A run as it was asked for when it began, by its id or the ``latest``.

    Raises UnknownName for a run that has no folder, RunError for one that was not begun by ``p2c run``.
    """
    runs = workspace.state / "runs"
    files = sorted(runs.glob(f"*/{FILE}"), key=lambda file: (file.stat().st_mtime_ns, file.parent.name))
    known = [file.parent.name for file in files]
    if run_id == LATEST and not known:
        raise RunError("There is no run to go on with.", hint="p2c run begins one.")
    run_id = known[-1] if run_id == LATEST else run_id
    folder = folder_of(workspace, run_id)
    if run_id not in known:
        if folder.is_dir():
            raise RunError(f"The run {run_id} cannot be taken up again: it was not begun by p2c run.")
        raise UnknownName("run", run_id, [*known, LATEST] if known else [])
    try:
        kept = json.loads((folder / FILE).read_text("utf-8"))
        written = {name: ast.literal_eval(text) for name, text in kept.pop("written", {}).items()}
        kept["parameters"] |= written
        made = Asked(**kept | {name: tuple(kept[name]) for name in ("tasks", "companies")})
    except (ValueError, TypeError, KeyError, AttributeError, SyntaxError):
        hint = "Its file was cut short or altered; begin a new run."
        raise RunError(f"The run {run_id} cannot be taken up again: {folder / FILE} is damaged.", hint=hint) from None
    _reachable_secrets(workspace, made.connection_set)
    return replace(made, tasks=_tasks(workspace, made.tasks) if made.tasks else ())


def _given(told: BaseModel, notebook: str = "") -> dict[str, Any]:
    """The values that were given, and of ours those the run itself goes by; all others are the notebook's own.

    Raises ConfigError for a value that cannot be carried to the notebook exactly as it is.
    """
    if notebook and notebook not in MODELS:
        values = {name: getattr(told, name) for name in told.model_fields_set}
        for name, value in values.items():
            if not _is_literal(value):
                shown = "***" if tells_of_secret(name) else repr(value)
                hint = "Give a text, a number, true, false, none, or a list or table of these."
                raise ConfigError(f"The parameter {name} came as {shown}: no notebook can be given that.", hint=hint)
        return values
    return told.model_dump(mode="json", include={*told.model_fields_set, *HELD})


def _holds(told: BaseModel) -> dict[str, Any]:
    return {name: getattr(told, name) for name in HELD if name in type(told).model_fields}


def _is_literal(value: Any) -> bool:
    """Whether Python's own text of a value is read as that value again."""
    if isinstance(value, float):
        return type(value) is float
    try:
        return repr(ast.literal_eval(repr(value))) == repr(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False


def _beyond_json(value: Any) -> bool:
    try:
        return repr(json.loads(json.dumps(value))) != repr(value)
    except (TypeError, ValueError):
        return True


def new_run_id() -> str:
    """A name for a run that sorts by time and is never given twice."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def folder_of(workspace: Workspace, run_id: str) -> Path:
    """Where a run keeps its files."""
    return workspace.state / "runs" / run_id


def rules_of(workspace: Workspace, task: str) -> str:
    """The address of the rules a task is walked by today."""
    from p2c_lib.steps import rules_address

    return rules_address(template_in(task, workspace), workspace.suites(task))


def _what(workspace: Workspace, what: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The tasks that were named, by themselves or by their notebook; or the one notebook that is none of the walk."""
    tasks = [task for name in what for task in NOTEBOOKS.get(name.removesuffix(".ipynb"), (name,))]
    known = known_tasks(workspace)
    others = [name for name in tasks if name not in known and _is_notebook(workspace, name)]
    if not others:
        return tuple(tasks), ""
    if len(what) > 1:
        raise ConfigError(f"{others[0]} runs by itself.", hint="Name tasks of the walk, or one other notebook.")
    parameters_of(others[0], workspace)
    return (), others[0].removesuffix(".ipynb")


def _is_notebook(workspace: Workspace, name: str) -> bool:
    stem = name.removesuffix(".ipynb")
    return stem in MODELS or (Path(stem).name == stem and workspace.notebook(stem).is_file())


def _tasks(workspace: Workspace, named: Sequence[str]) -> tuple[str, ...]:
    known = known_tasks(workspace)
    for task in named:
        if task not in known:
            raise UnknownName("task", task, known)
    return tuple(task for task in known if not named or task in named)


def _companies(several: Sequence[str], one: str) -> tuple[str, ...]:
    named = tuple(several) or ((one,) if one else ())
    for company in named:
        checked_by(RunParameters, {"company": company})
        if not company:
            raise ConfigError("A company has no name.", hint="Give its id, such as USMF.")
    upper = [company.upper() for company in named]
    if twice := sorted({name for name in upper if upper.count(name) > 1}):
        raise ConfigError(f"The company {', '.join(twice)} is named twice.", hint="Name each company once.")
    return tuple(upper)


def _declared(workspace: Workspace, tasks: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raises ConfigError for a parameter that a workspace's own notebook does not take: it would have no effect."""
    for unit in units(workspace, tasks):
        file = workspace.notebook(unit.notebook)
        if not file.is_file():
            raise RunError(f"There is no notebook {file}.", hint="A workspace keeps its notebooks in notebooks/.")
        for name in given:
            if name not in model_of_cell(file).model_fields:
                hint = f"Write {name} = ... into its cell tagged parameters, and use it where the notebook walks."
                raise ConfigError(f"The notebook {file} does not take the parameter {name}.", hint=hint)


def _switched_off(workspace: Workspace, tasks: Sequence[str], rules: Sequence[str]) -> None:
    """Raises UnknownName for a rule that no suite of the tasks has."""
    if not rules:
        return
    from p2c_lib.gates import rule_names

    known = {name for task in tasks for name in rule_names(task, workspace)}
    for rule in rules:
        if rule not in known:
            raise UnknownName("rule", rule, known)


def _reachable_secrets(workspace: Workspace, name: str) -> None:
    """Raises ConfigError for a secret of the connection set whose reference leads nowhere."""
    for secret in secrets_of(workspace, name):
        secret.reveal()


def secrets_of(workspace: Workspace, name: str) -> tuple[Secret, ...]:
    """Every secret a connection set refers to: of both connections and of their further users."""
    found = workspace.connection_set(name)
    connections = [one for here in (found.sales, found.finops) for one in (here, *here.users)]
    held = [secret for one in connections for secret in (one.secret, one.passphrase)]
    return tuple(secret for secret in held if secret is not None)
