"""Files without the secrets this process knows: each is rewritten in its own form and stays whole and readable."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib.secrecy.known import kept_value, knows_secrets, without_secrets

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LEAKED", "Cleaned", "clean_file", "clean_folder", "clean_table", "clean_what_a_run_kept"]

# Names the file by which an unattended notebook's kernel lets its run know that it printed or kept a secret: a line
# with the path of each file, an empty one for the notebook itself.
LEAKED = "P2C_LEAKED"

SQLITE = b"SQLite format 3\0"
LOOKED_AT = 4096
# Texts of a column are looked through together, so many letters at once.
AT_ONCE = 1 << 18
# No secret that is taken out of data has fewer letters.
SHORTEST_TEXT = 8


@dataclass(frozen=True)
class Cleaned:
    """What became of the files of a folder, by their paths below it: rewritten, or not to be read."""

    cleaned: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def clean_folder(folder: Path) -> Cleaned:
    """Take the secrets this process knows out of every file of a folder."""
    cleaned, unread = [], []
    for file in sorted(folder.rglob("*")) if knows_secrets() else ():
        if not file.is_file():
            continue
        name = file.relative_to(folder).as_posix()
        try:
            if clean_file(file):
                cleaned.append(name)
        except (OSError, ValueError, sqlite3.Error):  # Arrow's errors are ValueErrors or OSErrors
            unread.append(name)
    return Cleaned(tuple(cleaned), tuple(unread))


def clean_what_a_run_kept(folder: Path) -> None:
    """In a kernel of a run: take the tokens that it alone knows out of a task's files, and let the run know."""
    place = os.environ.get(LEAKED)
    if not place:
        return
    cleaned = clean_folder(folder).cleaned
    if cleaned:
        with suppress(OSError), Path(place).open("a", encoding="utf-8") as told:
            told.writelines(f"{folder / name}\n" for name in cleaned)


def clean_file(file: Path) -> bool:
    """Whether a file held a secret; it no longer does.

    Raises OSError, ValueError or sqlite3.Error for one that cannot be read or written as what it is.
    """
    if not knows_secrets():
        return False
    kinds: dict[str, Callable[[Path], bool]] = {
        ".parquet": _clean_parquet,
        ".arrow": _clean_arrow,
        ".json": _clean_json,
        ".ipynb": _clean_json,
        ".jsonl": _clean_lines,
    }
    with file.open("rb") as opened:
        begins = opened.read(LOOKED_AT)
    if begins.startswith(SQLITE):
        return _clean_sqlite(file)
    if (clean := kinds.get(file.suffix)) is not None:
        return clean(file)
    return b"\0" not in begins and _clean_text(file)


def _clean_text(file: Path) -> bool:
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    return _replaced(file, text, without_secrets(text))


def _clean_json(file: Path) -> bool:
    text = file.read_text("utf-8")
    found = json.loads(text)
    told = kept_value(found)
    return _replaced(file, found, told, lambda: json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _clean_lines(file: Path) -> bool:
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    told = kept_value(found)
    return _replaced(file, found, told, lambda: "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told))


def _replaced(file: Path, found: Any, told: Any, written: Callable[[], str] | None = None) -> bool:
    if found == told:
        return False
    text = written() if written is not None else str(told)
    partial = file.with_name(f"{file.name}.part")
    partial.write_bytes(text.encode("utf-8", "surrogateescape"))
    partial.replace(file)
    return True


def _clean_parquet(file: Path) -> bool:
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    told = clean_table(table)
    if told is None:
        return False
    partial = file.with_name(f"{file.name}.part")
    pq.write_table(told, partial, compression="zstd")
    partial.replace(file)
    return True


def _clean_arrow(file: Path) -> bool:
    import pyarrow as pa

    with pa.ipc.open_file(str(file)) as opened:
        told = clean_table(opened.read_all())
    if told is None:
        return False
    partial = file.with_name(f"{file.name}.part")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, told.schema) as writer:
        writer.write_table(told)
    partial.replace(file)
    return True


def clean_table(table: pa.Table) -> pa.Table | None:
    """The table with its texts, however deep, without secrets; None where it holds none."""
    import pyarrow as pa

    columns = [_cleaned(column.combine_chunks()) for column in table.columns]
    if all(column is None for column in columns):
        return None
    merged = [table.column(at) if new is None else new for at, new in enumerate(columns)]
    return pa.Table.from_arrays(merged, schema=table.schema)


def _cleaned(values: pa.Array) -> pa.Array | None:
    """A column without secrets, of the same kind; None where it holds none."""
    import pyarrow as pa

    kind = values.type
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _cleaned_texts(values)
    if pa.types.is_dictionary(kind):
        words = _cleaned(values.dictionary)
        return None if words is None else pa.DictionaryArray.from_arrays(values.indices, words, ordered=kind.ordered)
    if not pa.types.is_nested(kind):
        return None
    if all(_cleaned(leaf) is None for leaf in _leaves(values)):
        return None
    return pa.array(kept_value(values.to_pylist()), kind)  # rare: so rows are taken apart only here


def _leaves(values: pa.Array) -> Iterator[pa.Array]:
    import pyarrow as pa

    if pa.types.is_struct(values.type):
        for part in values.flatten():
            yield from _leaves(part)
    elif pa.types.is_map(values.type):
        yield from _leaves(values.keys)
        yield from _leaves(values.items)
    elif pa.types.is_nested(values.type):
        yield from _leaves(values.flatten())
    else:
        yield values


def _cleaned_texts(values: pa.Array) -> pa.Array | None:
    """Each different text is looked at once, the long ones together with others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    different = pc.unique(values)
    texts = different.filter(pc.greater_equal(pc.utf8_length(different), SHORTEST_TEXT)).to_pylist()
    told = {text: clean for part in _parts(texts) for text in part if (clean := without_secrets(text)) != text}
    if not told:
        return None
    words = [told.get(text, text) for text in different.to_pylist()]
    return pc.take(pa.array(words, values.type), pc.index_in(values, different))


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """Those texts, some at once, that hold a secret when they are looked at together."""
    part: list[str] = []
    size = 0
    for at, text in enumerate(texts):
        part.append(text)
        size += len(text)
        if size >= AT_ONCE or at == len(texts) - 1:
            whole = "\n\0\n".join(part)
            if without_secrets(whole) != whole:
                yield part
            part, size = [], 0


def _clean_sqlite(file: Path) -> bool:
    found = False
    with closing(sqlite3.connect(file)) as database, database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            table = _quoted(name)
            columns = [_quoted(row[1]) for row in database.execute(f"PRAGMA table_info({table})")]
            for column in columns:
                asked = f"SELECT DISTINCT {column} FROM {table} WHERE typeof({column}) = 'text'"  # noqa: S608 - quoted
                for (text,) in database.execute(asked).fetchall():
                    if (told := without_secrets(text)) != text:
                        changed = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608 - quoted
                        database.execute(changed, (told, text))
                        found = True
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
