"""One CSV file with its header understood and every plain value checked and stored-ready, column by column."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.collation import company
from p2c_lib.sandbox.exact import KINDS, MONEY_PLACES, REAL_LIMIT, number, rounded, within
from p2c_lib.sandbox.expression import Malformed, moment
from p2c_lib.sandbox.schema import Column, Entity, entity, enums
from p2c_lib.sandbox.store import Value

# What a file cannot do without, beside the columns of the entity's keys.
_NEEDED: dict[str, tuple[str, ...]] = {
    "accounts": ("name",),
    "contacts": ("lastname",),
    "products": ("name", "defaultuomid"),
    "quotes": ("customerid", "transactioncurrencyid"),
    "quotedetails": ("quoteid", "quantity"),
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_YES, _NO = {"true", "1", "yes"}, {"false", "0", "no"}


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


def read_table(path: Path, entity: Entity, folder: Path) -> CsvTable:
    """The file's rows; SandboxError names file, line and column of anything that cannot be taken."""
    name = path.relative_to(folder).as_posix()
    header, rows, lines = _raw(path, name)
    plain, references = _header(header, entity, name)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    table = CsvTable(name, entity, lines, {}, [])
    for place, title in enumerate(header):
        if title in plain:
            table.values[title] = _converted(table, title, plain[title], columns[place])
        else:
            table.references.append((title, references[title], [_named(text) for text in columns[place]]))
    return table


def _raw(path: Path, name: str) -> tuple[list[str], list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [title.strip() for title in next(reader, [])]
            for row in reader:
                if len(row) != len(header):
                    if not row:
                        continue
                    problem = f"{len(row)} values, but the header has {len(header)}."
                    raise SandboxError(
                        f"{name} line {reader.line_num}: {problem}", hint="Quote values that hold commas."
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise SandboxError(f"{name} is not UTF-8: {error.reason}.", hint="Save the file as UTF-8.") from error
    except csv.Error as error:
        raise SandboxError(
            f"{name} is not CSV: {error}.", hint="Use commas and double quotes as in RFC 4180."
        ) from error
    if not header:
        raise SandboxError(f"{name} is empty.", hint="The first line names the columns.")
    return header, rows, lines


def _header(header: Sequence[str], one: Entity, name: str) -> tuple[dict[str, Column], dict[str, Reference]]:
    plain: dict[str, Column] = {}
    references: dict[str, Reference] = {}
    for title in header:
        if title in plain or title in references:
            raise SandboxError(f"{name} line 1: column '{title}' is there twice.", hint="Keep one of them.")
        first, *rest = title.split(".")
        column = one.columns.get(first)
        if column is None:
            raise UnknownName("column", title, _allowed(one), where=f"{name} line 1")
        if (column.kind == "lookup") != bool(rest):
            raise SandboxError(f"{name} line 1: column '{title}' {_wanted(column)}.", hint="See the lookup's target.")
        if rest:
            references[title] = _reference(title, column, rest, name)
        else:
            plain[title] = column
    _complete(header, one, name)
    return plain, references


def _allowed(one: Entity) -> list[str]:
    return [c.name if c.kind != "lookup" else f"{c.name}.{_keyed(c)}" for c in one.columns.values()]


def _keyed(column: Column) -> str:
    return "keycolumn" if len(column.targets) == 1 else "table.keycolumn"


def _wanted(column: Column) -> str:
    if column.kind != "lookup":
        return f"is no lookup: write '{column.name}'"
    return f"is a lookup: write '{column.name}.{_keyed(column)}' with table one of {', '.join(column.targets)}"


def _reference(title: str, column: Column, rest: list[str], name: str) -> Reference:
    target = rest[0] if len(rest) == 2 else column.targets[0]
    if len(rest) > 2 or (len(rest) == 1 and len(column.targets) > 1) or target not in column.targets:
        raise SandboxError(f"{name} line 1: column '{title}' {_wanted(column)}.", hint="Name table and key column.")
    try:
        found = entity("sales", target)
    except KeyError as error:
        raise SandboxError(f"{name} line 1: the sandbox has no table '{target}'.", hint="Leave it out.") from error
    key = rest[-1]
    if key not in found.columns or found.columns[key].kind not in {"string", "guid"}:
        texts = [c.name for c in found.columns.values() if c.kind == "string"]
        raise UnknownName("column", key, texts, where=f"{name} line 1, '{title}'")
    return Reference(column, found, key)


def _complete(header: Sequence[str], one: Entity, name: str) -> None:
    keys = one.key if one.system == "finops" else [c for key in one.alternate_keys.values() for c in key]
    there = {title.split(".")[0] for title in header}
    missing = [column for column in dict.fromkeys([*keys, *_NEEDED.get(one.set_name, ())]) if column not in there]
    if missing:
        listed = ", ".join(f"'{column}'" for column in missing)
        raise SandboxError(f"{name} line 1: column {listed} is missing.", hint=f"The header has: {', '.join(header)}.")


# -- values --------------------------------------------------------------------------------------------------------


def _converted(table: CsvTable, title: str, column: Column, texts: Iterable[str]) -> list[Value]:
    convert = _converter(column, table.entity)
    values: list[Value] = []
    for row, text in enumerate(texts):
        try:
            values.append(convert(text) if text else None)
        except (ValueError, InvalidOperation, Malformed) as error:
            raise table.fault(row, title, f"'{text[:60]}' is not {_what(column)}.", _hint(column)) from error
    if column.length is not None and table.entity.system == "sales":
        for row, value in enumerate(values):
            if isinstance(value, str) and (size := _units(value)) > column.length:
                problem = f"{size} characters; at most {column.length} fit."
                raise table.fault(row, title, problem, "Shorten it.")
    return values


def _units(text: str) -> int:
    """The length of a text as nvarchar counts it: UTF-16 units, two for an emoji."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _named(text: str) -> str:
    """The key that a lookup names: blanks before it count, as in every text; a text of blanks names nothing."""
    return text if text.strip() else ""


def _converter(column: Column, entity: Entity) -> Callable[[str], Value]:
    if column.name == "dataAreaId":
        return lambda text: company(text.strip())
    if column.kind in {"string", "memo"}:
        # F&O keeps no blanks at the end, Dataverse keeps what comes; neither takes line ends or tabs for blanks.
        return str if entity.system == "sales" else lambda text: text.rstrip(" ") or None
    if column.kind in {"int", "bigint"}:
        return _whole
    if column.kind in {"decimal", "double", "money"}:
        return lambda text: _number(text, column)
    if column.kind == "choices":
        known = {value for value, _, _ in column.choices}
        return lambda text: ",".join(str(one) for one in sorted({_chosen(part, known) for part in text.split(",")}))
    if column.kind in {"choice", "state", "status"}:
        known = {value for value, _, _ in column.choices}
        return lambda text: _member(_whole(text), known)
    if column.kind == "enum":
        members = enums()[column.enum or ""]
        return lambda text: _member(text, members)
    return {"bool": _flag, "guid": _guid, "date": _date}.get(column.kind, lambda text: _moment(text, column))


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str, column: Column) -> float | Decimal:
    found = number(text)
    if not within(found, column) or not -REAL_LIMIT < found < REAL_LIMIT:
        raise ValueError(text)
    if column.kind == "money":
        return rounded(found, MONEY_PLACES)
    return found if column.kind in KINDS else float(found)


def _chosen(text: str, known: Iterable[int]) -> int:
    value = _whole(text.strip())
    if value not in known:
        raise ValueError(text)
    return value


def _member(value: Value, known: Iterable[Value]) -> Value:
    if value not in known:
        raise ValueError(value)
    return value


def _flag(text: str) -> int:
    if text.lower() not in _YES | _NO:
        raise ValueError(text)
    return int(text.lower() in _YES)


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text.lower()):
        raise ValueError(text)
    return text.lower()


def _date(text: str) -> str:
    return moment(text)[:10]


def _moment(text: str, column: Column) -> str:
    when = moment(text)
    if len(when) == len("2026-01-31"):
        when += "T00:00:00Z"
    return f"{when[:10]}T12:00:00Z" if column.behavior == "Date" else when


def _what(column: Column) -> str:
    names = {"int": "a whole number", "bigint": "a whole number", "bool": "true or false", "guid": "a guid",
             "date": "a date", "datetime": "a date or a moment"}  # fmt: skip
    if column.kind in {"choice", "choices", "state", "status", "enum"}:
        return f"a value of '{column.name}'"
    return names.get(column.kind, "a number in the column's range")


def _hint(column: Column) -> str:
    if column.kind == "enum":
        return f"Allowed: {', '.join(enums()[column.enum or ''])}."
    if column.choices and column.kind != "bool":
        return f"Allowed: {', '.join(f'{value} ({label})' for value, label, _ in column.choices)}."
    if column.kind in {"date", "datetime"}:
        return "Write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ."
    if column.minimum is not None or column.maximum is not None:
        return f"Allowed: {column.minimum} to {column.maximum}, with a point for decimals."
    return "Write numbers with a point for decimals and nothing else."
