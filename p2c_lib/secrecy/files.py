"""Files without the whole secrets this process knows: each is rewritten in its own form and stays readable.

One that cannot be read as what it seems is searched as it lies there, and named: nothing in a folder breaks off the
search of the rest.

The files of a plan alone are never rewritten: it is what was or will be written, held together by its hash, and an undo
needs it. A plan that would hold a secret is refused before it is made.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2c_lib.secrecy.harmless import one_line
from p2c_lib.secrecy.known import masked, whole_secrets, without_whole_secrets
from p2c_lib.secrecy.tables import clean_column, clean_notes, clean_table
from p2c_lib.secrecy.whole import Whole

__all__ = ["LEAKED", "Cleaned", "clean_file", "clean_folder", "clean_what_a_run_kept", "let_the_run_know"]

# Names the file by which an unattended notebook's kernel lets its run know that it printed or kept a secret: a line
# with the path of each file, an empty one for the notebook itself.
LEAKED = "P2C_LEAKED"

PLAN = ("plan.json", "operations.parquet")
SQLITE, ZIP, GZIP = b"SQLite format 3\0", b"PK\x03\x04", b"\x1f\x8b"
LOOKED_AT = 4096
# What a packed file may unpack to; a workbook of a million rows has some hundred MB.
LARGEST_UNPACKED = 1 << 30

ENCRYPTED = 1  # of a part's flags in a zip
# Letters of what a reader says of a file that it cannot read.
LONGEST_WHY = 160

# What was found to be clean, and by what it was looked through: the same file is not read for the same twice.
_clean: dict[Path, tuple[int, int, Whole]] = {}


@dataclass(frozen=True)
class Cleaned:
    """What became of the files of a folder, by their paths below it: rewritten, a plan's with a secret, or not read.

    ``why`` says of each that was not read what its reader said.
    """

    cleaned: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)


def clean_folder(folder: Path) -> Cleaned:
    """Take the whole secrets this process knows out of every file of a folder, or out of one file, but for plans.

    Raises nothing for what lies in it: a file that no reader understands is named, and the next one goes on.
    """
    cleaned: list[str] = []
    plans: list[str] = []
    unread: dict[str, str] = {}
    files = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for file in files if whole_secrets() else ():
        if not file.is_file():
            continue
        name = file.name if file == folder else file.relative_to(folder).as_posix()
        held, why = _looked_through(file)
        if held:
            (plans if file.name in PLAN else cleaned).append(name)
        if why:
            unread[name] = why
    return Cleaned(tuple(cleaned), tuple(plans), tuple(unread), unread)


def _looked_through(file: Path) -> tuple[bool, str]:
    """Whether a file held a secret, and why it cannot be read as what it seems; empty where it can."""
    try:
        return clean_file(file), ""
    except Exception as error:  # readers of foreign files raise whatever they like
        if not file.exists():
            return False, ""
        whole = whole_secrets()
        held = False
        if whole is not None:
            with suppress(OSError, MemoryError):
                held = _cover(file, whole)
        return held, _in_words(error)


def _in_words(error: Exception) -> str:
    said = one_line(masked(f"{error}")) or type(error).__name__
    return said if len(said) <= LONGEST_WHY else f"{said[: LONGEST_WHY - 3]}..."


def clean_what_a_run_kept(folder: Path) -> tuple[str, ...]:
    """Take secrets, tokens that this process alone knows among them, out of a task's files; the files that held one.

    In a kernel of a run, the run is let know.
    """
    found = clean_folder(folder)
    let_the_run_know(folder, found)
    return found.cleaned


def let_the_run_know(place: Path, found: Cleaned) -> None:
    """In a kernel of a run: tell the run which files held a secret."""
    told = os.environ.get(LEAKED)
    if told and found.cleaned:
        with suppress(OSError), Path(told).open("a", encoding="utf-8") as file:
            file.writelines(f"{place if place.is_file() else place / name}\n" for name in found.cleaned)


def clean_file(file: Path) -> bool:
    """Whether a file held a secret; it no longer does, unless it is a plan's.

    Raises what its reader raises for one that cannot be read or written as what it is.
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
    return kinds.get(file.suffix, _cover if b"\0" in begins else _clean_text)


def _clean_text(file: Path, whole: Whole) -> bool:
    found = file.read_bytes()
    return _replaced(file, found, whole.without(found))


def _cover(file: Path, whole: Whole) -> bool:
    """A file of a kind that nobody knows: what goes by lengths and places in it stays where it is."""
    found = file.read_bytes()
    return _replaced(file, found, whole.covered(found))


def _clean_json(file: Path, whole: Whole) -> bool:
    raw = file.read_bytes()
    found = json.loads(raw)
    told = _plain(found) if whole.places(raw) else found
    text = json.dumps(told, ensure_ascii=False, indent=1) + "\n"
    return found != told and _replaced(file, raw, text.encode("utf-8", "surrogatepass"))


def _clean_lines(file: Path, whole: Whole) -> bool:
    raw = file.read_bytes()
    if not whole.places(raw):
        return False
    found = [json.loads(line) for line in raw.decode("utf-8-sig").split("\n") if line.strip()]
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
        notes = [opened.metadata, *_notes_of_batches(opened)]
        found = opened.read_all()
    told = clean_table(found, whole)
    if told is None and all(clean_notes(each, whole) == each for each in notes):
        return False
    told = found if told is None else told  # notes of batches are left out: nothing reads them
    partial = file.with_name(f"{file.name}.part")
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, told.schema, options=options) as writer:
        writer.write_table(told)
    partial.replace(file)
    return True


def _notes_of_batches(opened: Any) -> Iterator[Mapping[bytes, bytes] | None]:
    for number in range(opened.num_record_batches):
        yield opened.get_batch_with_custom_metadata(number)[1]


def _clean_zip(file: Path, whole: Whole) -> bool:
    """A workbook or an archive, part by part; what is packed in a part of it once more is left as it is."""
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
        if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
            raise ValueError(f"{file.name} unpacks to more than {LARGEST_UNPACKED:,} bytes")
        for part in parts:
            if part.flag_bits & ENCRYPTED:
                raise ValueError(f"its part {part.filename} is protected by a password")
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


def _clean_sqlite(file: Path, whole: Whole) -> bool:
    found = False
    with closing(sqlite3.connect(file)) as database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        database.execute("PRAGMA secure_delete = ON")
        with database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                table = _quoted(name)
                for row in database.execute(f"PRAGMA table_info({table})").fetchall():
                    found |= _clean_in_database(database, table, _quoted(row[1]))
        if whole.spans(file.read_bytes()):  # in pages that rows were deleted from
            database.execute("VACUUM")
            found = True
    if found and whole.spans(file.read_bytes()):
        raise ValueError(f"a secret stands in {file.name} in none of its columns")
    return found


def _clean_in_database(database: sqlite3.Connection, table: str, column: str) -> bool:
    import pyarrow as pa

    changed = []
    for kind, held in (("text", pa.large_string()), ("blob", pa.large_binary())):
        asked = f"SELECT DISTINCT {column} FROM {table} WHERE typeof({column}) = '{kind}'"  # noqa: S608 - quoted
        found = pa.array([value for (value,) in database.execute(asked)], held)
        told = clean_column(found)
        if told is not found:
            pairs = zip(told.to_pylist(), found.to_pylist(), strict=True)
            changed += [(new, old) for new, old in pairs if new != old]
    database.executemany(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", changed)  # noqa: S608 - quoted
    return bool(changed)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
