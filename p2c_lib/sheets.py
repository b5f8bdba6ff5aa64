"""Tables as files for people: CSV, Excel or Parquet, with text defused that a spreadsheet would run.

Every value is written in its one text, whatever its type. In Excel a number that it would round, one of more than 15
digits, is text too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import FrameError
from p2c_lib.secrecy import clean_column

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_sheet", "write_workbook"]

FORMULA = r"^[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"  # the last four are full-width = + - @
NUMBER = r"^-?[0-9.]+$"
FORBIDDEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
MOST_ROWS = 1_048_575
MOST_DIGITS, MOST_LETTERS = 15, 32_767  # what a cell of Excel holds
ROWS_AT_ONCE = 50_000
WIDEST, NARROWEST, MEASURED = 60, 8, 200


def write_sheet(table: pa.Table, path: Path) -> Path:
    """Write a table by the path's suffix: .csv, .xlsx or .parquet. Raises FrameError for another one."""
    if path.suffix == ".parquet":
        _write_parquet(table, path)
    elif path.suffix == ".csv":
        _write_csv(table, path)
    elif path.suffix == ".xlsx":
        if table.num_rows > MOST_ROWS:
            hint = "Narrow the selection, or export .csv or .parquet."
            raise FrameError(f"Excel holds {MOST_ROWS:,} rows, the selection has {table.num_rows:,}.", hint=hint)
        write_workbook(path, {"Rows": [table.column_names, *_rows(table)]}, hint="Export .csv or .parquet.")
    else:
        raise FrameError(f"Cannot write {path.name}.", hint="Name a .csv, .xlsx or .parquet file.")
    return path


def write_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], *, hint: str = "") -> Path:
    """An Excel workbook with a sheet for each name; the first row of each is its head: bold, frozen, with filters.

    Raises FrameError, with the hint, for a text that is longer than a cell holds.
    """
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        _lay_out(sheet, rows)
        head, *body = rows
        columns = [_cells(str(name), values, hint) for name, values in zip(head, zip(*body, strict=True), strict=False)]
        sheet.append(_bold(sheet, _safe(_as_text(map(str, head))).to_pylist()))
        for row in zip(*columns, strict=True):
            sheet.append(row)
    workbook.save(path)
    return path


def _cells(name: str, values: Sequence[Any], hint: str) -> list[Any]:
    """A column as Excel holds it: numbers and yes or no as they are, everything else as defused text."""
    import pyarrow.compute as pc

    from p2c_lib.display import text_of
    from p2c_lib.lengths import utf16_length

    said = [None if _fits(value) else text_of(value) for value in values]
    for text in said:
        if text is not None and utf16_length(text) > MOST_LETTERS:
            message = f"Excel holds {MOST_LETTERS:,} characters in a cell, {name} has {utf16_length(text):,}."
            raise FrameError(message, hint=hint or "Shorten the text.")
    safe = pc.replace_substring_regex(_safe(_as_text(said)), r"\r\n?", "\n").to_pylist()  # a cell has no other line end
    return [_cell(*each) for each in zip(values, said, safe, strict=True)]


def _cell(value: object, text: str | None, safe: str | None) -> object:
    return value if text is None else text if isinstance(value, int | float | Decimal) else safe


def _fits(value: object) -> bool:
    """Whether a cell holds the value itself: nothing, yes or no, and a number whose digits Excel keeps and shows."""
    from p2c_lib.display import text_of

    if value is None or isinstance(value, bool):
        return True
    if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return False
    return len(str(text_of(value)).lstrip("-0.").replace(".", "").rstrip("0")) <= MOST_DIGITS


def _as_text(values: Iterable[str | None]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(values), pa.string())


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        parquet.write_table(table, path)
    except pa.ArrowNotImplementedError as error:
        raise FrameError(f"Parquet does not hold these columns: {error}.", hint="Export .csv or .xlsx.") from None


def _write_csv(table: pa.Table, path: Path) -> None:
    """Numbers, yes or no, days and moments bare, everything else in quotes; nothing where there is nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from p2c_lib.display import texts

    def written(column: pa.Array) -> pa.Array:
        plain = _safe(texts(column), numbers=_is_number(column.type))
        if not _is_bare(column.type):
            plain = pc.binary_join_element_wise('"', pc.replace_substring(plain, '"', '""'), '"', "")
        return pc.fill_null(plain, "")

    def plain_type(column: pa.Array) -> pa.Array:
        return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column

    with path.open("w", encoding="utf-8", newline="") as file:
        heads = _safe(_as_text(table.column_names)).to_pylist()
        file.write(",".join('"' + name.replace('"', '""') + '"' for name in heads) + "\n")
        for batch in table.to_batches(ROWS_AT_ONCE) if table.num_columns else ():
            lines = pc.binary_join_element_wise(*map(written, map(plain_type, batch.columns)), ",")
            file.writelines(f"{line}\n" for line in lines.to_pylist())


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    from p2c_lib.display import plain_values

    for batch in table.to_batches(10_000):
        yield from zip(*map(plain_values, batch.columns), strict=True)


def _lay_out(sheet: Any, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl.utils import get_column_letter

    for at in range(len(rows[0])):
        width = max(len(str(row[at] or "")) for row in rows[:MEASURED])
        sheet.column_dimensions[get_column_letter(at + 1)].width = min(WIDEST, max(NARROWEST, width + 2))
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(rows[0]))}{len(rows)}"


def _bold(sheet: Any, names: Iterable[Any]) -> list[Any]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cells = [WriteOnlyCell(sheet, str(name)) for name in names]
    for cell in cells:
        cell.font = Font(bold=True)
    return cells


def _safe(text: pa.Array, *, numbers: bool = False) -> pa.Array:
    """Text without secrets or what a file may not hold, and with an apostrophe where a sheet would see a formula."""
    import pyarrow.compute as pc

    told = text if numbers else clean_column(text)
    allowed = pc.replace_substring_regex(told, FORBIDDEN, "")
    risky = pc.and_(pc.match_substring_regex(allowed, FORMULA), pc.greater(pc.utf8_length(allowed), 1))
    if numbers:
        risky = pc.and_not(risky, pc.match_substring_regex(allowed, NUMBER))
    return pc.if_else(risky, pc.binary_join_element_wise("'", allowed, ""), allowed)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_bare(kind: pa.DataType) -> bool:
    import pyarrow as pa

    days = pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind)
    return bool(days or _is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))
