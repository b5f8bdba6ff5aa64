"""The parameters of a notebook as a form: typed fields, each with its own message, and the checked values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import traitlets
from pydantic_core import to_jsonable_python

from p2c_lib.config import Workspace
from p2c_lib.config import workspace as current_workspace
from p2c_lib.errors import ConfigError
from p2c_lib.report import Table, fragment
from p2c_lib.widgets.family import FamilyWidget, family_file, said_badly

if TYPE_CHECKING:
    from pydantic import BaseModel

    from p2c_lib.runs import Parameter

__all__ = ["ParameterForm"]

LEFT_OUT = ("run_id",)


class ParameterForm(FamilyWidget):
    """A form over the parameters of a notebook, by its name.

    ``values`` are the checked values and raise ConfigError while a field does not fit; ``command`` is the line that
    runs the notebook unattended with them. ``given`` fills fields beforehand. The form decides and runs nothing.
    """

    _esm = family_file("parameter_form.js")
    _css = family_file("parameter_form.css")
    fields: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)

    def __init__(
        self, notebook: str, given: Mapping[str, Any] | None = None, *, workspace: Workspace | None = None
    ) -> None:
        self.notebook = notebook
        self._workspace = workspace or current_workspace()
        super().__init__()
        self.attempt(lambda: self._begin(given or {}))
        self.observe(lambda _change: self._look(), "texts")

    @property
    def values(self) -> dict[str, Any]:
        """The checked values of every parameter. Raises ConfigError for the first that does not fit."""
        from p2c_lib.runs.parameters import checked

        found: BaseModel = checked(self.notebook, self._given(), self._workspace)
        return found.model_dump()

    @property
    def command(self) -> str:
        """The line that runs the notebook's tasks unattended with what was changed here; empty where none does."""
        from p2c_lib.runs.parameters import NOTEBOOKS

        if "tasks" not in self.texts:
            return ""
        tasks = self._given().get("tasks") or NOTEBOOKS.get(self.notebook, ())
        words = ["p2c", "run", *([tasks] if isinstance(tasks, str) else tasks)]
        for name, text in self._given().items():
            if name != "tasks":
                words += ["--param", f"{name}={str(text).lower() if isinstance(text, bool) else text}"]
        return shlex.join(words)

    def static(self) -> str:
        """The parameters with their values as HTML that needs no kernel."""
        if self.problem:
            return said_badly(self.problem)
        names = ("name", "type", "allowed", "meaning")
        rows = tuple((*(field[name] for name in names), str(self.texts[field["name"]])) for field in self.fields)
        return fragment(Table((*names, "value"), rows, f"Parameters of {self.notebook}").to_html())

    def __repr__(self) -> str:
        return f"ParameterForm({self.command})"

    def _begin(self, given: Mapping[str, Any]) -> None:
        from p2c_lib.runs.described import described
        from p2c_lib.runs.parameters import checked, parameters_of

        model = parameters_of(self.notebook, self._workspace)
        shown = [one for one in described(model) if one.name not in LEFT_OUT]
        for name in given:
            checked(self.notebook, {name: given[name]}, self._workspace)
        self.fields = [{**one.to_dict(), "choices": self._choices(one), "text": _text(one.default)} for one in shown]
        self.texts = {one.name: _text(given.get(one.name, one.default)) for one in shown}
        self._look()

    def _choices(self, one: Parameter) -> list[str]:
        return list(self._workspace.sets) if one.name == "connection_set" else []

    def _given(self) -> dict[str, Any]:
        """What was changed; a field that is left empty is as if it had not been touched."""
        before = {field["name"]: field["text"] for field in self.fields}
        return {name: text for name, text in self.texts.items() if text not in ("", before[name])}

    def _look(self) -> None:
        """Say at each field what is wrong with it, and the command where nothing is."""
        messages = self._messages()
        self.said = {"fields": messages, "command": "" if messages else self.command}

    def _messages(self) -> dict[str, str]:
        """For each field that does not fit, why; where each fits alone, under no name, why they do not together."""
        given = self._given()
        alone = {name: self._wrong({name: text}) for name, text in given.items()}
        found = {name: message for name, message in alone.items() if message}
        return found or ({"": together} if (together := self._wrong(given)) else {})

    def _wrong(self, given: Mapping[str, Any]) -> str:
        from p2c_lib.runs.parameters import checked

        try:
            checked(self.notebook, given, self._workspace)
        except ConfigError as error:
            return error.message
        return ""


def _text(value: Any) -> Any:
    """A value as it stands in its field."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(to_jsonable_python(value))
