"""What preflight checks look at: rows and reference values of both systems, each read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.display import text_of
from p2c_lib.frames import EntityQuery
from p2c_lib.keys import fold

if TYPE_CHECKING:
    from p2c_lib.mapping import Template
    from p2c_lib.session import Session

__all__ = ["Ground"]


class Ground:
    """Both systems of a session as far as the templates need them; nothing is read twice."""

    def __init__(self, session: Session, templates: Sequence[Template]) -> None:
        self.session, self.templates = session, templates
        self._rows: dict[tuple[str, str, tuple[str, ...]], list[dict[str, Any]]] = {}

    @property
    def sets(self) -> tuple[tuple[str, str], ...]:
        """The entity sets the templates read and write, with their app."""
        sides = [side for t in self.templates for side in (t.source, t.destination)]
        return tuple(dict.fromkeys((side.app, side.entity) for side in sides))

    def readable(self, app: str, entity: str) -> None:
        """Read one row of a set. Raises what the service answers."""
        key = self.session.client(app).schema(entity).key[:1]
        self.session.extract(EntityQuery(app, entity, key, key), limit=1)

    def rows(self, app: str, entity: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        """The rows of a small set, of the session's company where it has companies."""
        asked = (app, entity, columns)
        if asked not in self._rows:
            frame = self.session.extract(EntityQuery(app, entity, columns, columns[:1]))
            self._rows[asked] = frame.table.select(list(columns)).to_pylist()
        return self._rows[asked]

    def values(self, app: str, entity: str, column: str) -> set[str]:
        """The distinct values of a column as text."""
        found = {text_of(row[column]) for row in self.rows(app, entity, (column,))}
        return {text for text in found if text is not None}

    def defaults(self, references: Sequence[str]) -> set[tuple[str, str, str]]:
        """The templates' defaults that must exist in these reference columns: (app, reference, value)."""
        return {
            (t.destination.app, rule.exists_in, text_of(rule.default) or "")
            for t in self.templates
            for rule in t.fields
            if rule.exists_in is not None and rule.exists_in in references and rule.default is not None
        }

    def knows(self, app: str, reference: str, value: str) -> bool:
        """Whether a reference column holds a value, compared as the app does."""
        entity, _, column = reference.partition(".")
        return fold(value, app) in {fold(known, app) for known in self.values(app, entity, column)}
