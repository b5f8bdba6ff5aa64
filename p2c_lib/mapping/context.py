"""What transforms may know of the world beyond their values: the day of the run, and rows of either system."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from p2c_lib.display import texts
from p2c_lib.frames import EntityQuery
from p2c_lib.keys import folded
from p2c_lib.odata.notes import known_rows

if TYPE_CHECKING:
    from p2c_lib.session import Session

__all__ = ["RunContext"]


def _utc_day() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class RunContext:
    """The context of one mapping: today in UTC, and look-ups read once through the session."""

    session: Session
    today: date = field(default_factory=_utc_day)
    _found: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict, repr=False)

    def lookup(self, app: str, entity: str, by: str, column: str) -> dict[str, str]:
        """``column`` by the text of ``by`` as its system compares it; of a ``by`` that stands twice the first row."""
        asked = (app, entity, by, column)
        if asked not in self._found:
            frame = self.session.extract(EntityQuery(app, entity, (by, column), (by,)))
            known = known_rows(frame.table, frame.origin.changed, {by})
            keys = folded(known.column(by), app)
            values = texts(known.column(column).combine_chunks())
            pairs = zip(keys.to_pylist()[::-1], values.to_pylist()[::-1], strict=True)
            self._found[asked] = {key: value for key, value in pairs if key}
        return self._found[asked]
