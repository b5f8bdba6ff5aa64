"""Files without the whole secrets this process knows: each is rewritten in its own form and stays readable.

The files of a plan alone are never rewritten: it is what was or will be written, held together by its hash, and an undo
needs it. A plan that would hold a secret is refused before it is made.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2c_lib.secrecy.known import whole_secrets, without_whole_secrets
from p2c_lib.secrecy.tables import clean_column, clean_table
from p2c_lib.secrecy.whole import Whole

__all__ = ["LEAKED", "Cleaned", "clean_file", "clean_folder", "clean_what_a_run_kept"]

# Names the file by which an unattended notebook's kernel lets its run know that it printed or kept a secret: a line
# with the path of each file, an empty one for the notebook itself.
LEAKED = "P2C_LEAKED"

PLAN = ("plan.json", "operations.parquet")
SQLITE, ZIP, GZIP = b"SQLite format 3\0", b"PK\x03\x04", b"\x1f\x8b"
LOOKED_AT = 4096
# What a packed file may unpack to; a workbook of a million rows has some hundred MB.
LARGEST_UNPACKED = 1 << 30

# What reading a file raises that is not what it seems; Arrow's errors are ValueErrors or OSErrors.
UNREADABLE = (OSError, ValueError, EOFError, RecursionError, sqlite3.Error, zipfile.BadZipFile, zlib.error)

# What was found to be clean, and by what it was looked through: the same file is not read for the same twice.
_clean: dict[Path, tuple[int, int, Whole]] = {}


@dataclass(frozen=True)
class Cleaned:
    """What became of the files of a folder, by their paths below it: rewritten, a plan's with a secret, or not read."""

    cleaned: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def clean_folder(folder: Path) -> Cleaned:
    """Take the whole secrets this process knows out of every file of a folder, but for plans."""
    cleaned: list[str] = []
    plans: list[str] = []
    unread: list[str] = []
    for file in sorted(folder.rglob("*")) if whole_secrets() else ():
        if not file.is_file():
            continue
        name = file.relative_to(folder).as_posix()
        try:
            if clean_file(file):
                (plans if file.name in PLAN else cleaned).append(name)
        except UNREADABLE:
            unread.append(name)
    return Cleaned(tuple(cleaned), tuple(plans), tuple(unread))


def clean_what_a_run_kept(folder: Path) -> tuple[str, ...]:
    """In a kernel of a run: take secrets, tokens that it alone knows among them, out of a task's files, and let the run
    know. The files that held one."""
    place = os.environ.get(LEAKED)
    if not place:
        return ()
    cleaned = clean_folder(folder).cleaned
    if cleaned:
        with suppress(OSError), Path(place).open("a", encoding="utf-8") as told:
            told.writelines(f"{folder / name}\n" for name in cleaned)
    return cleaned


def clean_file(file: Path) -> bool:
    """Whether a file held a secret; it no longer does, unless it is a plan's.

    Raises OSError, ValueError or sqlite3.Error for one that cannot be read or written as what it is.
    """
    whole = whole_secrets()
    if whole is None or _clean.get(file) == _state(file, whole):
        return False
    held = _way(file)(file, whole)
    if not held or file.name not in PLAN:
        _clean[file] = _state(file, whole)
    return held


def _state(file: Path, whole: Whole) -> tuple[int, int, Whole]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, whole


def _way(file: Path) -> Callable[[Path, Whole], bool]:
    """How a file of its kind is cleaned."""
    kinds = {
        ".parquet": _clean_parquet,
        ".arrow": _clean_arrow,
        ".json": _clean_json,
        ".ipynb": _clean_json,
        ".jsonl": _clean_lines,
    }
    with file.open("rb") as opened:
        begins = opened.read(LOOKED_AT)
    packed = {SQLITE: _clean_sqlite, ZIP: _clean_zip, GZIP: _clean_gzip}
    for magic, clean in packed.items():
        if begins.startswith(magic):
            return clean
    return kinds.get(file.suffix, _clean_binary if b"\0" in begins else _clean_text)


def _clean_text(file: Path, whole: Whole) -> bool:
    found = file.read_bytes()
    return _replaced(file, found, whole.without(found))


def _clean_binary(file: Path, whole: Whole) -> bool:
    if whole.spans(file.read_bytes()):
        raise ValueError(f"{file.name} holds a secret, and is of no kind that can be rewritten")
    return False


def _clean_json(file: Path, whole: Whole) -> bool:
    raw = file.read_bytes()
    found = json.loads(raw.decode())
    told = _plain(found) if whole.places(raw) else found
    return found != told and _replaced(file, raw, (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())


def _clean_lines(file: Path, whole: Whole) -> bool:
    raw = file.read_bytes()
    if not whole.places(raw):
        return False
    found = [json.loads(line) for line in raw.decode().splitlines() if line.strip()]
    told = _plain(found)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
    return bool(found != told) and _replaced(file, raw, text.encode("utf-8", "surrogatepass"))


def _plain(value: Any) -> Any:
    """Values of JSON, the names in them as they are."""
    if isinstance(value, str):
        return without_whole_secrets(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _replaced(file: Path, found: bytes, told: bytes) -> bool:
    if found == told:
        return False
    if file.name not in PLAN:
        partial = file.with_name(f"{file.name}.part")
        partial.write_bytes(told)
        partial.replace(file)
    return True


def _clean_parquet(file: Path, whole: Whole) -> bool:
    import pyarrow.parquet as pq

    told = clean_table(pq.read_table(file), whole)
    if told is None:
        return False
    if file.name not in PLAN:
        partial = file.with_name(f"{file.name}.part")
        pq.write_table(told, partial, compression="zstd")
        partial.replace(file)
    return True


def _clean_arrow(file: Path, whole: Whole) -> bool:
    import pyarrow as pa

    with pa.ipc.open_file(str(file)) as opened:
        told = clean_table(opened.read_all(), whole)
    if told is None:
        return False
    partial = file.with_name(f"{file.name}.part")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, told.schema) as writer:
        writer.write_table(told)
    partial.replace(file)
    return True


def _clean_zip(file: Path, whole: Whole) -> bool:
    """A workbook or an archive, part by part; what is packed in a part of it once more is left as it is."""
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
        if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
            raise ValueError(f"{file.name} unpacks to more than {LARGEST_UNPACKED:,} bytes")
        found = [(part, packed.read(part)) for part in parts]
    told = [(part, whole.without(content)) for part, content in found]
    if all(new == old for (_, new), (_, old) in zip(told, found, strict=True)):
        return False
    partial = file.with_name(f"{file.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
        for part, content in told:
            packed.writestr(part, content)
    partial.replace(file)
    return True


def _clean_gzip(file: Path, whole: Whole) -> bool:
    with gzip.open(file) as opened:
        found = opened.read(LARGEST_UNPACKED + 1)
    if len(found) > LARGEST_UNPACKED:
        raise ValueError(f"{file.name} unpacks to more than {LARGEST_UNPACKED:,} bytes")
    told = whole.without(found)
    return told != found and _replaced(file, found, gzip.compress(told))


def _clean_sqlite(file: Path, _whole: Whole) -> bool:
    found = False
    with closing(sqlite3.connect(file)) as database, database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            table = _quoted(name)
            for row in database.execute(f"PRAGMA table_info({table})").fetchall():
                found |= _clean_in_database(database, table, _quoted(row[1]))
    return found


def _clean_in_database(database: sqlite3.Connection, table: str, column: str) -> bool:
    import pyarrow as pa

    asked = f"SELECT DISTINCT {column} FROM {table} WHERE typeof({column}) = 'text'"  # noqa: S608 - quoted
    texts = pa.array([text for (text,) in database.execute(asked)], pa.large_string())
    told = clean_column(texts)
    if told is texts:
        return False
    changed = [(new, old) for new, old in zip(told.to_pylist(), texts.to_pylist(), strict=True) if new != old]
    database.executemany(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", changed)  # noqa: S608 - quoted
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
