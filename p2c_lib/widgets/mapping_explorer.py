"""The mapping of a task to look at and to edit, in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets

from p2c_lib.errors import UnknownName
from p2c_lib.mapping import Template
from p2c_lib.mapping.lab import MappingLab
from p2c_lib.session import Session
from p2c_lib.widgets.family import FamilyWidget, family_file, in_words

__all__ = ["MappingExplorer"]


class MappingExplorer(FamilyWidget):
    """Rules of a task beside a live preview on its own rows; edit, see what changes, save.

    All rows stay in the kernel: ``state`` is a page of text whatever the number of rows. Where there is no kernel (a
    printed notebook, a report) the static twin stands in its place.
    """

    _esm = family_file("mapping_explorer.js")
    _css = family_file("mapping_explorer.css")
    state = traitlets.Dict().tag(sync=True)
    columns = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session, task: str = "accounts", *, limit: int | None = 100_000) -> None:
        self.lab = MappingLab(session, task, limit=limit)
        self._turns = 0
        super().__init__(state=self.lab.view(), columns=self.lab.columns())
        self.on_msg(self._asked)

    def _asked(self, _: Any, content: dict[str, Any], __: Any) -> None:
        self.ask(**content)

    def ask(self, do: str, **given: Any) -> None:
        """Carry out what the person asked for and show the outcome; an error is shown, not raised."""
        deeds: dict[str, Callable[..., object]] = {
            "pick": self.lab.pick,
            "select": self.lab.select,
            "edit": self.lab.edit,
            "remove": self.lab.remove,
            "choose": self.lab.choose,
            "reset": self.lab.reset,
            "save": self._save,
        }
        try:
            if do not in deeds:
                raise UnknownName("request", do, deeds)
            deeds[do](**given)
            if do == "pick":
                self.columns = self.lab.columns()
        except Exception as error:  # whatever it is, the person shall see it
            self.lab.error = in_words(error)
        self._turns += 1  # an answer is news to the browser even where nothing else changed
        self.state = {**self.lab.view(), "turn": self._turns}

    def _save(self, column: str | None = None, text: str | None = None) -> None:
        """Save; what stands in the editor and was not applied yet is applied first, and if it is wrong nothing is."""
        if column is not None and text is not None:
            self.lab.edit(column, text)
        if not self.lab.error:
            self.lab.save()

    @property
    def template(self) -> Template:
        """The template as it is now."""
        return self.lab.template

    def static(self) -> str:
        """Rules, the first rows stage by stage and the findings as HTML."""
        return self.lab._repr_html_()

    def __repr__(self) -> str:
        return f"MappingExplorer({self.template.task}: {len(self.template.fields)} rules)"
