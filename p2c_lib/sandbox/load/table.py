"""One CSV file with its header understood and every plain value checked and stored-ready, column by column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.load.cells import NotTaken, taken
from p2c_lib.sandbox.schema import Column, Entity, entity
from p2c_lib.sandbox.store import Value

# What a file cannot do without, beside the columns of the entity's keys.
_NEEDED: dict[str, tuple[str, ...]] = {
    "accounts": ("name",),
    "contacts": ("lastname",),
    "products": ("name", "defaultuomid"),
    "quotes": ("customerid", "transactioncurrencyid"),
    "quotedetails": ("quoteid", "quantity"),
}
LONGEST_CELL = 2**31 - 1  # characters that are read of one; the column says how many it takes


@dataclass(frozen=True)
class Reference:
    """A lookup column of a file: the rows of ``target`` are named by their ``key`` column."""

    column: Column
    target: Entity
    key: str


@dataclass(frozen=True)
class CsvTable:
    """A file's rows by column: ``values`` are stored-ready, ``references`` still hold business keys as they came.

    ``lines[i]`` is the line on which row ``i`` ends.
    """

    name: str
    entity: Entity
    lines: list[int]
    values: dict[str, list[Value]]
    references: list[tuple[str, Reference, list[str]]]

    def fault(self, row: int, column: str, problem: str, hint: str) -> SandboxError:
        """The error for one value."""
        return SandboxError(f"{self.name} line {self.lines[row]}, column '{column}': {problem}", hint=hint)


def read_table(path: Path, entity: Entity, folder: Path, switches: Switches) -> CsvTable:
    """The file's rows; SandboxError names file, line and column of anything that cannot be taken.

    Lines without a single character are no rows; a line of nothing but commas is refused, and so all others are rows.
    """
    name = path.relative_to(folder).as_posix()
    first, header, rows, lines = _raw(path, name)
    plain, references = _header(header, entity, f"{name} line {first}")
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    table = CsvTable(name, entity, lines, {}, [])
    for place, title in enumerate(header):
        if title in plain:
            table.values[title] = _converted(table, title, plain[title], columns[place], switches)
        else:
            table.references.append((title, references[title], [_named(text) for text in columns[place]]))
    return table


def _raw(path: Path, name: str) -> tuple[int, list[str], list[list[str]], list[int]]:
    """The header and the line it is on, the rows, and the line on which each ends."""
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] = []
    first = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, _whole_cells():
            reader = csv.reader(file, strict=True)
            for row in reader:
                if not row:
                    continue
                if not header:
                    first, header = reader.line_num, [title.strip() for title in row]
                    continue
                _check_line(row, header, f"{name} line {reader.line_num}")
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise SandboxError(f"{name} is not UTF-8: {error.reason}.", hint="Save the file as UTF-8.") from error
    except csv.Error as error:
        raise SandboxError(
            f"{name} is not CSV: {error}.", hint="Use commas and double quotes as in RFC 4180."
        ) from error
    except OSError as error:
        raise SandboxError(f"{name} cannot be read: {error.strerror}.", hint="Let it be read, or move it.") from error
    if not header:
        raise SandboxError(f"{name} is empty.", hint="The first line names the columns.")
    return first, header, rows, lines


@contextmanager
def _whole_cells() -> Iterator[None]:
    """Cells are read whole: the module for CSV stops at 128 KB, and a memo column may hold more."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_line(row: Sequence[str], header: Sequence[str], where: str) -> None:
    if len(row) != len(header):
        problem = f"{len(row)} values, but the header has {len(header)}."
        raise SandboxError(f"{where}: {problem}", hint="Quote values that hold commas.")
    if not "".join(row).strip():
        raise SandboxError(f"{where}: every value is empty.", hint="Delete the line, or say what the row holds.")


def _header(header: Sequence[str], one: Entity, where: str) -> tuple[dict[str, Column], dict[str, Reference]]:
    plain: dict[str, Column] = {}
    references: dict[str, Reference] = {}
    for title in header:
        if title in plain or title in references:
            raise SandboxError(f"{where}: column '{title}' is there twice.", hint="Keep one of them.")
        first, *rest = title.split(".")
        column = one.columns.get(first)
        if column is None:
            raise UnknownName("column", title, _allowed(one), where=where)
        if (column.kind == "lookup") != bool(rest):
            raise SandboxError(f"{where}: column '{title}' {_wanted(column)}.", hint="See the lookup's target.")
        if rest:
            references[title] = _reference(title, column, rest, where)
        else:
            plain[title] = column
    _complete(header, one, where)
    return plain, references


def _allowed(one: Entity) -> list[str]:
    return [c.name if c.kind != "lookup" else f"{c.name}.{_keyed(c)}" for c in one.columns.values()]


def _keyed(column: Column) -> str:
    return "keycolumn" if len(column.targets) == 1 else "table.keycolumn"


def _wanted(column: Column) -> str:
    if column.kind != "lookup":
        return f"is no lookup: write '{column.name}'"
    return f"is a lookup: write '{column.name}.{_keyed(column)}' with table one of {', '.join(column.targets)}"


def _reference(title: str, column: Column, rest: list[str], where: str) -> Reference:
    target = rest[0] if len(rest) == 2 else column.targets[0]
    if len(rest) > 2 or (len(rest) == 1 and len(column.targets) > 1) or target not in column.targets:
        raise SandboxError(f"{where}: column '{title}' {_wanted(column)}.", hint="Name table and key column.")
    try:
        found = entity("sales", target)
    except KeyError as error:
        raise SandboxError(f"{where}: the sandbox has no table '{target}'.", hint="Leave it out.") from error
    key = rest[-1]
    if key not in found.columns or found.columns[key].kind not in {"string", "guid"}:
        texts = [c.name for c in found.columns.values() if c.kind == "string"]
        raise UnknownName("column", key, texts, where=f"{where}, '{title}'")
    return Reference(column, found, key)


def _complete(header: Sequence[str], one: Entity, where: str) -> None:
    keys = one.key if one.system == "finops" else [c for key in one.alternate_keys.values() for c in key]
    there = {title.split(".")[0] for title in header}
    missing = [column for column in dict.fromkeys([*keys, *_NEEDED.get(one.set_name, ())]) if column not in there]
    if missing:
        listed = ", ".join(f"'{column}'" for column in missing)
        raise SandboxError(f"{where}: column {listed} is missing.", hint=f"The header has: {', '.join(header)}.")


# -- values --------------------------------------------------------------------------------------------------------


def _converted(table: CsvTable, title: str, column: Column, texts: Sequence[str], switches: Switches) -> list[Value]:
    """The stored values of a column; each distinct text is looked at once."""
    take = taken(column, table.entity, switches)
    known: dict[str, Value] = {}
    for row, text in enumerate(texts):
        if text not in known:
            try:
                known[text] = take(text)
            except NotTaken as error:
                raise table.fault(row, title, error.problem, error.allowed) from error
    return [known[text] for text in texts]


def _named(text: str) -> str:
    """The key that a lookup names: blanks before it count, as in every text; a text of blanks names nothing."""
    return text if text.strip() else ""
