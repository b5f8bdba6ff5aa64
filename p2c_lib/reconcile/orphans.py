"""Rows that refer to a row there is not: contacts without account, lines without header, quotes of unknown products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import UnknownName
from p2c_lib.frames import key_text

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame

__all__ = ["orphans"]


def orphans(
    children: EntityFrame, column: str, parents: EntityFrame, parent_column: str, *, blank: bool = False
) -> pa.Table:
    """The rows of ``children`` whose ``column`` names no row of ``parents``: (``@i``, ``key``, ``refers_to``).

    Compared like keys, without regard to case and outer white space. Rows that refer to nothing count only with
    ``blank``.
    """
    for frame, name in ((children, column), (parents, parent_column)):
        if name not in frame.table.column_names:
            raise UnknownName("column", name, frame.columns)
    refers = key_text(children.table, [column])
    known = pc.unique(key_text(parents.table, [parent_column])).drop_null()
    empty = pc.or_kleene(pc.is_null(refers), pc.equal(refers, ""))
    lost = pc.if_else(empty, pa.scalar(blank), pc.invert(pc.is_in(refers, known)))
    at = pc.indices_nonzero(lost).cast(pa.int64())
    return pa.table(
        {
            "@i": at,
            "key": key_text(children.table, children.key).take(at),
            "refers_to": children.table.column(column).take(at).cast(pa.string()),
        }
    )
