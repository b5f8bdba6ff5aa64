"""What of an answer could not be kept as it came, by column: told with the rows, never a reason to stop a read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.odata.characters import NO_CHARACTER
from p2c_lib.secrecy import harmless

__all__ = [
    "OUT_OF_YEARS",
    "REPLACED",
    "ROUNDED",
    "TOO_LARGE",
    "Note",
    "known_rows",
    "narrowed",
    "replaced_in",
    "together",
]

ROUNDED = "rounded"
TOO_LARGE = "too large"
REPLACED = "replaced"
OUT_OF_YEARS = "out of years"
SHOWN = 60
WORDS = {
    ROUNDED: ("value has more decimals than can be kept and was rounded", "values have more decimals than can be kept "
              "and were rounded"),
    TOO_LARGE: ("value is too large to be kept and stands as the largest that can be", "values are too large to be "
                "kept and stand as the largest that can be"),
    REPLACED: ("text is not well-formed; what is no character stands as U+FFFD", "texts are not well-formed; what is "
               "no character stands as U+FFFD"),
    OUT_OF_YEARS: ("moment is outside the years 1 to 9999 and reads as nothing", "moments are outside the years 1 to "
                   "9999 and read as nothing"),
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """How many values of a column were changed as ``what`` says (``rounded``, ``too large``, ``replaced``,
    ``out of years``), one of them, and which ``row`` of the answer that one stands in, where it is known.

    ``each`` are the places of the values among the rows of a page, with their text and row, as long as rows may leave
    the page; notes of several pages together have none.

    >>> print(Note("UnitCost", "rounded", 2, "33.33333333333333333"))
    UnitCost: 2 values have more decimals than can be kept and were rounded, such as 33.33333333333333333.
    """

    column: str
    what: str
    count: int
    example: str
    row: str = field(default="", compare=False)
    each: tuple[tuple[int, str, str], ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        one, several = WORDS.get(self.what, (self.what, self.what))
        said = f"1 {one}" if self.count == 1 else f"{self.count:,} {several}"
        where = f" ({self.row})" if self.row else ""
        return harmless(f"{self.column}: {said}, such as {self.example[:SHOWN]}{where}.")

    def to_dict(self) -> dict[str, object]:
        """The note as plain values."""
        return {name: value for name, value in vars(self).items() if name != "each"}


def replaced_in(notes: Iterable[Note], columns: Collection[str]) -> bool:
    """Whether a text of one of these columns came that is not well-formed."""
    return any(note.what == REPLACED and note.column in columns for note in notes)


def known_rows(table: pa.Table, notes: Iterable[Note], columns: Collection[str]) -> pa.Table:
    """The rows that these columns tell apart: where a text of one came that is not well-formed, those without U+FFFD.

    Nobody knows what U+FFFD stands for there, so such a row is none that could be meant.
    """
    for note in notes:
        if note.what == REPLACED and note.column in columns:
            odd = pc.match_substring(table.column(note.column), NO_CHARACTER)
            table = table.filter(pc.invert(pc.fill_null(odd, fill_value=False)))
    return table


def together(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One note for each column and kind of change, the counts added up, the first example kept."""
    found: dict[tuple[str, str], Note] = {}
    for note in notes:
        place = (note.column, note.what)
        before = found.get(place)
        found[place] = replace(note, each=()) if before is None else replace(before, count=before.count + note.count)
    return tuple(found.values())


def narrowed(notes: Iterable[Note], stays: pa.Array | pa.ChunkedArray) -> tuple[Note, ...]:
    """The notes of a page of which only the rows stay that ``stays`` is true for: what left it is not counted.

    >>> note = Note("Cost", "rounded", 2, "1.23", each=((0, "1.23", "row 1"), (2, "4.56", "row 3")))
    >>> [str(left) for left in narrowed([note], pa.array([False, True, True]))]
    ['Cost: 1 value has more decimals than can be kept and was rounded, such as 4.56 (row 3).']
    """
    mask = np.asarray(stays, bool)
    places = np.cumsum(mask) - 1
    found = []
    for note in notes:
        each = tuple((int(places[at]), text, row) for at, text, row in note.each if mask[at])
        if each:
            found.append(Note(note.column, note.what, len(each), each[0][1], each[0][2], each))
    return tuple(found)
