"""Rows that refer to a row there is not: contacts without account, lines without header, quotes of unknown products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.errors import UnknownName
from p2c_lib.keys import RowKey

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame

__all__ = ["orphans"]


def orphans(
    children: EntityFrame, column: str, parents: EntityFrame, parent_column: str, *, blank: bool = False
) -> pa.Table:
    """The rows of ``children`` whose ``column`` names no row of ``parents``: (``@i``, ``key``, ``refers_to``).

    Compared like keys, as the system does that has the parents. Rows that refer to nothing count only with ``blank``.
    """
    for frame, name in ((children, column), (parents, parent_column)):
        if name not in frame.table.column_names:
            raise UnknownName("column", name, frame.columns)
    key = parents.row_key([parent_column])
    refers = RowKey((column,), key.app).texts(children.table)
    known = pc.unique(key.texts(parents.table)).drop_null()
    lost = pc.if_else(pc.is_null(refers), pa.scalar(blank), pc.invert(pc.is_in(refers, known)))
    at = pc.indices_nonzero(lost).cast(pa.int64())
    return pa.table(
        {
            "@i": at,
            "key": children.row_key().texts(children.table).take(at),
            "refers_to": texts(children.table.column(column).take(at)),
        }
    )
