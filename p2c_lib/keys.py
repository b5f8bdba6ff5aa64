"""The key of a row, normalised as the system that keeps the row compares it.

Dataverse (in most languages) compares text without case and accents, F&O without case but with accents; both take full
and half width for one, Hiragana and Katakana for one, and ignore blanks at the end. A blank at the beginning or
a tab makes another key. F&O has no null: there an empty part of a composite key is a value, where it may be empty.

``fold`` does so for one text, ``folded`` for a column, ``RowKey`` for the key of a row, of a table, of a text that a
person types, and as SQL for DuckDB; all of them give the same key.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import add_texts, one_array, text_of, text_sql, texts
from p2c_lib.errors import FrameError, UnknownName

if TYPE_CHECKING:
    import duckdb

    from p2c_lib.odata.schema import EntitySchema

__all__ = ["NAMES", "RowKey", "add_keys", "fold", "fold_sql", "folded", "ignores", "key_spellings", "named_key"]

NAMES = {"sales": "Sales", "finops": "F&O"}
IGNORED = {"sales": "case, accents and blanks at the end", "finops": "case and blanks at the end"}
# Combining classes of marks that are no accents: overlays (a struck = is another sign), viramas, which join letters,
# and the vowels of Telugu, Thai, Lao and Tibetan that are written as marks.
NO_ACCENTS = frozenset({0, 1, 9, 84, 91, 103, 118, 129, 130, 132})
KATAKANA = {code: code - 0x60 for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}
# An accent that stands by itself is a sign of its own; Unicode would take it apart into a blank and a mark.
PRIVATE = 0x10F000
TIDY = "[!-~](?:[ -~]*[!-~])?"  # printable ASCII that trimming leaves as it is


def ignores(app: str) -> str:
    """What a system does not see when it compares two keys, in words.

    >>> ignores("finops")
    'F&O ignores case and blanks at the end'
    """
    return f"{NAMES[app]} ignores {IGNORED[app]}"


def fold(text: str, app: str) -> str:
    """A text as its system compares it: two texts are one key when their folds are the same.

    >>> fold("CAFÉ-1 ", "sales"), fold("CAFÉ-1 ", "finops")
    ('cafe-1', 'café-1')
    """
    if text.isascii():
        return text.rstrip(" ").lower()
    apart, together = _spacing_accents()
    made = text.translate(apart)
    while (plain := _folded_once(made, app)) != made:  # a letter may come out of a sign only when that is taken apart
        made = plain
    return made.translate(together).rstrip(" ")


def _folded_once(text: str, app: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    if app == "sales":
        parts = _without_accents(parts)
    parts = unicodedata.normalize("NFKD", parts.casefold()).translate(KATAKANA)
    return unicodedata.normalize("NFKC", _without_accents(parts) if app == "sales" else parts)


def _without_accents(parts: str) -> str:
    return "".join(c for c in parts if unicodedata.combining(c) in NO_ACCENTS)


@cache
def _spacing_accents() -> tuple[dict[int, int], dict[int, int]]:
    """Spacing accents to places nobody uses, and back."""
    whole = {c: unicodedata.normalize("NFKD", chr(c)) for c in range(0x80, 0x10000)}
    signs = [c for c, parts in whole.items() if parts.startswith(" ") and len(parts) > 1]
    apart = {sign: PRIVATE + n for n, sign in enumerate(signs)}
    return apart, {place: sign for sign, place in apart.items()}


def folded(values: pa.Array | pa.ChunkedArray, app: str) -> pa.Array | pa.ChunkedArray:
    """A column as ``fold`` makes each of its values, of whatever type; null stays null."""
    text = texts(values)
    lower = pc.utf8_lower(pc.utf8_rtrim(text, " "))
    odd = pc.fill_null(pc.invert(pc.string_is_ascii(text)), fill_value=False)
    if not pc.any(odd).as_py():
        return lower
    few = one_array(text.filter(odd)).dictionary_encode()
    made = pa.array([fold(each, app) for each in few.dictionary.to_pylist()], pa.string()).take(few.indices)
    whole = pc.replace_with_mask(one_array(lower), one_array(odd), made)
    return pa.chunked_array([whole]) if isinstance(lower, pa.ChunkedArray) else whole


def add_keys(database: duckdb.DuckDBPyConnection) -> None:
    """Teach a connection what ``RowKey.sql`` asks for."""
    add_texts(database)
    add: Any = database.create_function  # its stubs want enums that move between versions
    for app in NAMES:
        add(f"p2c_fold_{app}", _folder(app), ["VARCHAR"], "VARCHAR", type="arrow", null_handling="special")


def fold_sql(text: str, app: str) -> str:
    """A text as its system compares it, as SQL; the connection has seen ``add_keys``."""
    return f"CASE WHEN regexp_full_match({text}, '{TIDY}') THEN lower({text}) ELSE p2c_fold_{app}({text}) END"


def _folder(app: str) -> Callable[[pa.ChunkedArray], pa.Array]:
    return lambda values: one_array(folded(values, app))


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
        if self.app not in NAMES:
            raise UnknownName("app", self.app, NAMES)

    @classmethod
    def within(cls, schema: EntitySchema, columns: Sequence[str]) -> RowKey:
        """The key of these columns in an entity set, which says which parts may be empty.

        In F&O an empty text or day is a value where a column of the set's own key need not be filled in.
        """
        empty = (name for name in columns if name in schema.optional and _has_empty(schema.columns[name].type))
        return cls(tuple(columns), schema.app, frozenset(empty))

    def texts(self, table: pa.Table) -> pa.Array:
        """The normalised key of every row of a table; null where a part that must have a value has none.

        >>> RowKey(("q", "n"), "finops").texts(pa.table({"q": ["QUO-1 ", None], "n": [1, 2]})).to_pylist()
        ['quo-1|1', None]
        """
        self._check(table.column_names)
        parts = [self._part(name, folded(table.column(name), self.app)) for name in self.columns]
        if len(parts) == 1:
            return one_array(parts[0])
        escaped = [pc.replace_substring(pc.replace_substring(p, "\\", "\\\\"), "|", "\\|") for p in parts]
        joined = pc.binary_join_element_wise(*escaped, "|", null_handling="emit_null")
        return _without_text(one_array(joined), "|" * (len(parts) - 1))

    def of(self, row: Mapping[str, object]) -> str | None:
        """The normalised key of one row; None where a part that must have a value has none.

        >>> RowKey(("Item", "Color"), "finops", frozenset({"Color"})).of({"Item": "A|1", "Color": None})
        'a\\\\|1|'
        """
        self._check(row)
        parts = [fold(text_of(row[name]) or "", self.app) for name in self.columns]
        if any(not part and not self._may_be_empty(name) for name, part in zip(self.columns, parts, strict=True)):
            return None
        return self._joined(parts) if any(parts) else None

    def given(self, text: str) -> str:
        """A key that was written down as one text, or was kept before, normalised.

        >>> RowKey(("Quote", "Line"), "finops").given("QUO-1 |1")
        'quo-1|1'
        """
        if len(self.columns) == 1:
            return fold(text, self.app)
        return self._joined([fold(part, self.app) for part in _parts(text)])

    def renewed(self, keys: pa.Array) -> pa.Array:
        """Keys that were kept before, normalised; plain ones have been the same ever since."""
        odd = pc.fill_null(pc.invert(pc.string_is_ascii(keys)), fill_value=False)
        if not pc.any(odd).as_py():
            return keys
        return pc.replace_with_mask(keys, odd, pa.array(map(self.given, keys.filter(odd).to_pylist()), pa.string()))

    def sql(self, schema: pa.Schema) -> str:
        """The normalised key of a row as SQL, equal to ``texts``; the connection has seen ``add_keys``."""
        self._check(schema.names)
        parts = [self._part_sql(name, schema.field(name).type) for name in self.columns]
        if len(parts) == 1:
            return parts[0]
        joined = " || '|' || ".join(rf"replace(replace({p}, '\', '\\'), '|', '\|')" for p in parts)
        return f"nullif({joined}, '{'|' * (len(parts) - 1)}')" if self.optional else joined

    def _part_sql(self, name: str, kind: pa.DataType) -> str:
        column = '"' + name.replace('"', '""') + '"'
        text = text_sql(column, kind)
        if pa.types.is_dictionary(kind):
            text = f"CAST({text} AS VARCHAR)"
        if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_date(kind)):
            text = f"nullif({fold_sql(text, self.app)}, '')"
        return f"coalesce({text}, '')" if self._may_be_empty(name) else text

    def _part(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.fill_null(values, "") if self._may_be_empty(name) else _without_text(values, "")

    def _may_be_empty(self, name: str) -> bool:
        return len(self.columns) > 1 and name in self.optional

    def _joined(self, parts: Sequence[str]) -> str:
        if len(self.columns) == 1:
            return parts[0]
        return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)

    def _check(self, names: Iterable[str]) -> None:
        known = list(names)
        for name in self.columns:
            if name not in known:
                raise UnknownName("key column", name, [c for c in known if not c.startswith("@")])


def key_spellings(text: str, app: str) -> list[str]:
    """How the key that a person types may have been kept: as it stands, or without the blanks around it and its parts.

    >>> key_spellings("QUO-1 | 1", "finops")
    ['quo-1 | 1', 'quo-1| 1', 'quo-1|1', 'QUO-1 | 1']
    """
    one, several = RowKey(("a",), app), RowKey(("a", "b"), app)
    bare = "|".join(part.strip() for part in text.split("|"))
    made = [given(each) for each in (text, text.strip(), bare) for given in (one.given, several.given)]
    return list(dict.fromkeys([*made, text.strip().casefold(), text]))


def named_key(text: str, app: str, known: Iterable[str]) -> str:
    """The one of the known keys that a person means; where it is none of them, the text as a key."""
    spellings, there = key_spellings(text, app), set(known)
    return next((each for each in spellings if each in there), fold(text.strip(), app))


def _has_empty(kind: pa.DataType) -> bool:
    """Whether a column has a value that says nothing: "" or 1900-01-01, which is read as null."""
    return bool(pa.types.is_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _without_text(values: pa.Array | pa.ChunkedArray, text: str) -> pa.Array | pa.ChunkedArray:
    """The values, null in the place of one that says nothing."""
    return pc.if_else(pc.equal(values, text), pa.scalar(None, pa.string()), values)


def _parts(text: str) -> list[str]:
    """The parts of a key's text, without what marks a ``|`` inside one."""
    parts, at = [""], 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in {"\\", "|"}:
            at += 1
            parts[-1] += text[at]
        elif text[at] == "|":
            parts.append("")
        else:
            parts[-1] += text[at]
        at += 1
    return parts
