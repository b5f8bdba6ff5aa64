"""Tables as files for people: CSV, Excel or Parquet, with text defused that a spreadsheet would run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import FrameError
from p2c_lib.secrecy import rows_without_secrets

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_sheet", "write_workbook"]

FORMULA = r"^[=+\-@\t\r]"
FORBIDDEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
PLAIN = (bool, int, float, type(None))
MOST_ROWS = 1_048_575
ROWS_AT_ONCE = 50_000
WIDEST, NARROWEST, MEASURED = 60, 8, 200


def write_sheet(table: pa.Table, path: Path) -> Path:
    """Write a table by the path's suffix: .csv, .xlsx or .parquet. Raises FrameError for another one."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        _write_csv(_defused(table), path)
    elif path.suffix == ".xlsx":
        if table.num_rows > MOST_ROWS:
            hint = "Narrow the selection, or export .csv or .parquet."
            raise FrameError(f"Excel holds {MOST_ROWS:,} rows, the selection has {table.num_rows:,}.", hint=hint)
        write_workbook(path, {"Rows": [table.column_names, *_rows(table)]})
    else:
        raise FrameError(f"Cannot write {path.name}.", hint="Name a .csv, .xlsx or .parquet file.")
    return path


def write_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
    """An Excel workbook with a sheet for each name; the first row of each is its head: bold, frozen, with filters."""
    import pyarrow as pa
    from openpyxl import Workbook

    from p2c_lib.display import text_of

    workbook = Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        _lay_out(sheet, rows)
        head, *body = rows
        words = [[None if isinstance(v, PLAIN) else text_of(v) for v in column] for column in zip(*body, strict=True)]
        safe = zip(*(_safe(pa.array(column, pa.string())).to_pylist() for column in words), strict=True)
        sheet.append(_bold(sheet, head))
        for row, said in zip(body, safe, strict=True):
            sheet.append([value if text is None else text for value, text in zip(row, said, strict=True)])
    workbook.save(path)
    return path


def _write_csv(table: pa.Table, path: Path) -> None:
    """Text in quotes, everything else bare, nothing where there is nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from p2c_lib.display import texts

    def written(column: pa.Array) -> pa.Array:
        plain = texts(column)
        if pa.types.is_string(column.type):
            plain = pc.binary_join_element_wise('"', pc.replace_substring(plain, '"', '""'), '"', "")
        return pc.fill_null(plain, "")

    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join('"' + name.replace('"', '""') + '"' for name in table.column_names) + "\n")
        for batch in table.to_batches(ROWS_AT_ONCE) if table.num_columns else ():
            lines = pc.binary_join_element_wise(*map(written, batch.columns), ",")
            file.writelines(f"{line}\n" for line in lines.to_pylist())


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches(10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


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


def _defused(table: pa.Table) -> pa.Table:
    """Text that begins like a formula gets an apostrophe before it; numbers stay."""
    import pyarrow as pa

    for number, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            table = table.set_column(number, column.name, _safe(table.column(number)))
    return table


def _safe(text: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Text without secrets or what a file may not hold, and with an apostrophe where a sheet would see a formula."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = [(value,) for value in text.to_pylist()]
    told = rows_without_secrets(values)
    if told is not values:
        text = pa.array([value for (value,) in told], pa.string())
    allowed = pc.replace_substring_regex(text, FORBIDDEN, "")
    risky = pc.and_(pc.match_substring_regex(allowed, FORMULA), pc.greater(pc.utf8_length(allowed), 1))
    return pc.if_else(risky, pc.binary_join_element_wise("'", allowed, ""), allowed)
