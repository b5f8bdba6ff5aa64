"""What of an answer could not be kept as it came, by column: told with the rows, never a reason to stop a read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.odata.characters import NO_CHARACTER
from p2c_lib.secrecy import harmless

__all__ = ["OUT_OF_YEARS", "REPLACED", "ROUNDED", "TOO_LARGE", "Note", "known_rows", "replaced_in", "together"]

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

    >>> print(Note("UnitCost", "rounded", 2, "33.33333333333333333"))
    UnitCost: 2 values have more decimals than can be kept and were rounded, such as 33.33333333333333333.
    """

    column: str
    what: str
    count: int
    example: str
    row: str = field(default="", compare=False)

    def __str__(self) -> str:
        one, several = WORDS.get(self.what, (self.what, self.what))
        said = f"1 {one}" if self.count == 1 else f"{self.count:,} {several}"
        where = f" ({self.row})" if self.row else ""
        return harmless(f"{self.column}: {said}, such as {self.example[:SHOWN]}{where}.")

    def to_dict(self) -> dict[str, object]:
        """The note as plain values."""
        return dict(vars(self))


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
        found[place] = note if before is None else replace(before, count=before.count + note.count)
    return tuple(found.values())
