"""The key of a row, normalised as the system that keeps the row compares it.

Dataverse (in most languages) compares text without case and accents, F&O without case but with accents; both take full
and half width for one and ignore trailing blanks. Outer white space never tells two keys apart here. F&O has no null:
there an empty part of a composite key is a value, where the column may be empty.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of, texts
from p2c_lib.errors import FrameError, UnknownName

__all__ = ["RowKey", "fold", "folded"]

VIRAMA = 9  # joins letters rather than accents one
KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def fold(text: str, app: str) -> str:
    """A text as its system compares it: two texts are one key when their folds are the same.

    >>> fold("CAFÉ-1 ", "sales"), fold("CAFÉ-1 ", "finops")
    ('cafe-1', 'café-1')
    """
    if text.isascii():
        return text.strip().lower()
    wide = unicodedata.normalize("NFKC", text).casefold().translate(KATAKANA)
    if app == "sales":
        parts = unicodedata.normalize("NFKD", wide)
        wide = "".join(c for c in parts if unicodedata.combining(c) in {0, VIRAMA})
    return unicodedata.normalize("NFKC", wide).strip()


def folded(values: pa.Array | pa.ChunkedArray, app: str) -> pa.Array | pa.ChunkedArray:
    """A column as ``fold`` makes each of its values, of whatever type; null stays null."""
    text = texts(values)
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    odd = pc.fill_null(pc.invert(pc.string_is_ascii(text)), fill_value=False)
    if not pc.any(odd).as_py():
        return lower
    whole = lower.combine_chunks() if isinstance(lower, pa.ChunkedArray) else lower
    mask = odd.combine_chunks() if isinstance(odd, pa.ChunkedArray) else odd
    made = pc.replace_with_mask(whole, mask, pa.array([fold(each, app) for each in text.filter(odd).to_pylist()]))
    return pa.chunked_array([made]) if isinstance(lower, pa.ChunkedArray) else made


@dataclass(frozen=True)
class RowKey:
    """Columns that together name a row, in the system (``app``) that keeps it.

    ``optional`` are those of several columns that may be empty and are a value then, as F&O has it. The parts of a key
    are joined with ``|``; in a key of several columns a ``|`` inside a value is written ``\\|``, so that two different
    keys never share a text.
    """

    columns: tuple[str, ...]
    app: str
    optional: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.columns:
            raise FrameError("A key needs at least one column.", hint="Name the integration key of the template.")

    def texts(self, table: pa.Table) -> pa.Array:
        """The normalised key of every row of a table; null where a part that must have a value has none.

        >>> RowKey(("q", "n"), "finops").texts(pa.table({"q": [" QUO-1 ", None], "n": [1, 2]})).to_pylist()
        ['quo-1|1', None]
        """
        self._check(table.column_names)
        parts = [self._part(name, folded(table.column(name), self.app)) for name in self.columns]
        if len(parts) == 1:
            joined = parts[0]
        else:
            escaped = [pc.replace_substring(pc.replace_substring(p, "\\", "\\\\"), "|", "\\|") for p in parts]
            joined = pc.binary_join_element_wise(*escaped, "|", null_handling="emit_null")
        whole = joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
        return _without_text(whole, "|" * (len(parts) - 1))

    def of(self, row: Mapping[str, object]) -> str | None:
        """The normalised key of one row; None where a part that must have a value has none.

        >>> RowKey(("Item", "Color"), "finops", frozenset({"Color"})).of({"Item": "A|1", "Color": None})
        'a\\\\|1|'
        """
        self._check(row)
        parts = []
        for name in self.columns:
            text = text_of(row[name])
            part = fold(text, self.app) if text is not None else None
            if part in {None, ""} and self._may_be_empty(name):
                part = ""
            elif part in {None, ""}:
                return None
            parts.append(part or "")
        if len(parts) == 1:
            return parts[0] or None
        return "|".join(p.replace("\\", "\\\\").replace("|", "\\|") for p in parts) if any(parts) else None

    def _part(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.fill_null(values, "") if self._may_be_empty(name) else _without_text(values, "")

    def _may_be_empty(self, name: str) -> bool:
        return len(self.columns) > 1 and name in self.optional

    def _check(self, names: Iterable[str]) -> None:
        known = list(names)
        for name in self.columns:
            if name not in known:
                raise UnknownName("key column", name, [c for c in known if not c.startswith("@")])


def _without_text(values: pa.Array | pa.ChunkedArray, text: str) -> pa.Array | pa.ChunkedArray:
    """The values, null in the place of one that says nothing."""
    return pc.if_else(pc.equal(values, text), pa.scalar(None, pa.string()), values)
