"""What a notebook can be told: one model each, checked before a kernel starts, and the source of every option and form.

>>> checked("20_accounts", {"limit": 100}).limit
100
>>> list(parameters_of("60_reconcile").model_fields)
['connection_set', 'company', 'task', 'limit']
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from p2c_lib.config import SANDBOX, Workspace, workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.moments import moment_of
from p2c_lib.runs.declared import model_of_cell, tells_of_secret

__all__ = [
    "NOTEBOOKS",
    "OWN_TASK",
    "HistoryParameters",
    "LabParameters",
    "ReconcileParameters",
    "RunParameters",
    "TourParameters",
    "checked",
    "checked_by",
    "parameters_of",
]

NOTEBOOKS = {
    "10_products": ("products",),
    "20_accounts": ("accounts",),
    "30_contacts": ("contacts", "contact-customers"),
    "40_quotes": ("quotes", "quote-lines"),
}
OWN_TASK = "80_task"
GIVEN_BY_RUN = ("run_id",)
Model = TypeVar("Model", bound=BaseModel)


def _listed(value: Any) -> Any:
    """Several names in one text, as an option or a form gives them."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """True and False are numbers to Python and to nobody else."""
    if isinstance(value, bool):
        raise ValueError("input should be a number")
    return value


def _moment(value: Any) -> Any:
    """A moment as ISO 8601 spells it: 20260131 is a day, and no number is seconds since 1970."""
    if isinstance(value, datetime) or value is None:
        return value
    found = moment_of(str(value)) if isinstance(value, str | date) else None
    if found is None:
        raise ValueError("input should be a moment, such as 2026-01-31T22:00:00+00:00 or 2026-01-31")
    return found


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_number)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_number)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Cap = Annotated[int, Field(ge=0), BeforeValidator(_number)]


class TourParameters(BaseModel):
    """What every notebook can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection_set: str = Field(SANDBOX, description="a connection set of p2c.toml")


class _OfCompany(TourParameters):
    company: str = Field(
        "",
        pattern="^[A-Za-z0-9]{0,4}$",
        description="the F&O company; empty: the connection set's",
        json_schema_extra={"allowed": "up to four letters and digits"},
    )

    @field_validator("company")
    @classmethod
    def _in_one_spelling(cls, company: str) -> str:
        return company.upper()


class RunParameters(_OfCompany):
    """What every notebook of the walk can be told."""

    apply: bool = Field(
        default=False, description="write what is planned", json_schema_extra={"flags": "--apply/--plan-only"}
    )
    tasks: Names = Field((), description="the tasks of the notebook to walk; none: all of them")
    run_id: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][\w.-]{0,39})?$",
        description="the run this belongs to; empty: a run of its own",
        json_schema_extra={"allowed": "up to 40 letters, digits, dots and dashes"},
    )
    full: bool = Field(
        default=True,
        description="read every source row; false: only what changed since the last load",
        json_schema_extra={"flags": "--full/--incremental"},
    )
    since: Moment | None = Field(None, description="read only rows changed since this moment; it stands before marks")
    limit: Count | None = Field(None, description="read only so many source rows")
    ceiling: Share = Field(0.05, description="share of rows that may be quarantined before the load stops")
    without: Names = Field((), description="rules of the suite that are switched off in this run, by name")
    max_creates: Cap | None = Field(None, description="more creations than this are planned but refused")
    max_updates: Cap | None = Field(None, description="more updates than this are planned but refused")

    @field_validator("since")
    @classmethod
    def _past(cls, since: datetime | None) -> datetime | None:
        if since is None:
            return None
        moment = since if since.tzinfo else since.replace(tzinfo=UTC)
        if moment > datetime.now(UTC):
            raise ValueError("input should lie in the past")
        return moment

    @model_validator(mode="before")
    @classmethod
    def _since_is_not_full(cls, given: Any) -> Any:
        """A moment alone says that not every row is to be read."""
        if isinstance(given, dict) and given.get("since") is not None and "full" not in given:
            return given | {"full": False}
        return given

    @model_validator(mode="after")
    def _one_way_to_read(self) -> RunParameters:
        if self.full and self.since is not None:
            raise ValueError("full reads every row and since only some: give one of them")
        return self


class LabParameters(_OfCompany):
    """What the mapping lab can be told."""

    task: str = Field("accounts", description="the task whose template is looked at")
    limit: Count | None = Field(100_000, description="read at most so many source rows")
    column: str = Field("AddressCountryRegionISOCode", description="the column whose rule is tried")
    rule: str = Field(
        "{from: address1_country, apply: [{country_code: iso2}], default: US}", description="the rule to try, as YAML"
    )


class ReconcileParameters(_OfCompany):
    """What the reconcile notebook can be told."""

    task: str = Field("accounts", description="the task whose two sides are compared")
    limit: Count | None = Field(None, description="read only so many source rows")


class HistoryParameters(_OfCompany):
    """What the history notebook can be told."""

    last: Count = Field(50, description="look at so many runs, the latest ones")


MODELS: Mapping[str, type[BaseModel]] = {
    "00_tour": TourParameters,
    **dict.fromkeys((*NOTEBOOKS, OWN_TASK), RunParameters),
    "50_mapping_lab": LabParameters,
    "60_reconcile": ReconcileParameters,
    "70_history": HistoryParameters,
}


def parameters_of(notebook: str | Path, here: Workspace | None = None) -> type[BaseModel]:
    """The model of a notebook's parameters, by its name or file.

    A notebook of the workspace that is none of ours has the model its parameters cell makes: each name with the type
    of its value there. Raises UnknownName for a notebook there is not, ConfigError for a cell that is no list of
    values.
    """
    name = Path(notebook).name.removesuffix(".ipynb")
    place = here or workspace()
    file = place.notebook(name)
    if name in MODELS:
        return MODELS[name]
    if not file.is_file():
        known = {path.stem for folder in (place.root / "notebooks", place.notebooks) for path in folder.glob("*.ipynb")}
        raise UnknownName("notebook", name, known | MODELS.keys())
    return model_of_cell(file)


def checked(notebook: str, given: Mapping[str, Any], here: Workspace | None = None) -> Any:
    """The parameters of a notebook as its model. Raises UnknownName for a wrong name, ConfigError for a wrong value."""
    return checked_by(parameters_of(notebook, here), given)


def checked_by(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Values as a model; the first that does not fit is told with what the parameter is for."""
    for name in given:
        if name not in model.model_fields:
            known = [field for field in model.model_fields if field not in GIVEN_BY_RUN]
            raise UnknownName("parameter", name, known)
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise _in_words(error, model) from None


def _in_words(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    first = error.errors()[0]
    said = first["msg"].removeprefix("Value error, ").lower()
    if not first["loc"]:
        return ConfigError(f"The parameters do not fit together: {said}.")
    name = str(first["loc"][0])
    field = model.model_fields[name]
    if first["type"] == "string_pattern_mismatch" and isinstance(field.json_schema_extra, dict):
        said = f"input should be {field.json_schema_extra['allowed']}"
    meaning = field.description
    came = "***" if tells_of_secret(name) else repr(first["input"])
    return ConfigError(
        f"The parameter {name} came as {came}: {said.rstrip('.')}.", hint=f"{name}: {meaning}." if meaning else None
    )
