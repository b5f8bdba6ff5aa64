"""Where a moment becomes a day, or a day a moment, and no time zone says which.

A user-local moment of Sales is kept in UTC, and everybody sees it on the clock of his own zone. Its day, then, is only
known once ``in_zone`` has named a zone; and a day is such a moment only once ``from_zone`` has. A rule is followed step
by step: whatever tells or cuts off a day before that is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from p2c_lib.mapping.steps import Step
    from p2c_lib.odata.schema import Column

__all__ = ["day_without_zone", "is_user_local", "moment_without_zone"]

# A moment in UTC, one on the clock of a named zone, a day, and anything else.
State: TypeAlias = Literal["moment", "local", "day", "other"]
USER_LOCAL = "UserLocal"
MAKE_DAYS = {"date_format", "shift_days", "read_date"}
# What may leave of a moment's text less than the whole: its day, or its clock without saying that it is UTC.
CUT = {"part", "remove_prefix", "remove_suffix", "replace", "strip"}
SHORTEST_MOMENT = len("2026-01-31T12:00:00Z")


def day_without_zone(came: Iterable[Column], steps: Sequence[Step], target: Column) -> str | None:
    """What makes a day of a user-local moment before a zone is named: a step's name, or ``to`` for the column itself.

    None where nothing does.
    """
    if not any(_start(column) == "moment" for column in came):
        return None
    state: State = "moment"
    for step in steps:
        if state == "moment" and _tells_day(step):
            return step.name
        state = _after(state, step)
    return "to" if state == "moment" and target.is_day else None


def moment_without_zone(came: Iterable[Column], steps: Sequence[Step], target: Column) -> bool:
    """Whether a day goes into a user-local moment and no zone says when that day begins."""
    if not is_user_local(target):
        return False
    starts = {_start(column) for column in came}
    state: State = "day" if "day" in starts else "moment" if "moment" in starts else "other"
    for step in steps:
        state = _after(state, step)
    return state == "day"


def is_user_local(column: Column) -> bool:
    """Whether a column holds moments of Sales that everybody sees on his own clock."""
    return column.behavior == USER_LOCAL and not column.is_day


def _start(column: Column) -> State:
    if column.is_day or column.behavior == "DateOnly":
        return "day"
    return "moment" if is_user_local(column) else "other"


def _tells_day(step: Step) -> bool:
    return step.name in MAKE_DAYS | CUT or (step.name == "truncate" and step.arguments["length"] < SHORTEST_MOMENT)


def _after(state: State, step: Step) -> State:
    if step.name == "in_zone":
        return "local" if state == "moment" else state
    if step.name == "from_zone":
        return "moment"
    if step.name in MAKE_DAYS or (step.name == "today" and state == "other"):
        return "day"
    return "other" if step.name in {"constant", "lookup", "value_map"} else state
