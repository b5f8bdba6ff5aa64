"""Rows as a file for people: CSV, Excel or Parquet, with text defused that a spreadsheet would run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError

__all__ = ["write_sheet"]

RUN_BY_SHEETS = r"^[=+\-@\t\r]"
MOST_ROWS = 1_048_575
FORBIDDEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def write_sheet(table: pa.Table, path: Path) -> Path:
    """Write a table by the path's suffix: .csv, .xlsx or .parquet. Raises FrameError for another one."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(_defused(table), path)
    elif path.suffix == ".xlsx":
        _write_excel(_defused(table), path)
    else:
        raise FrameError(f"Cannot write {path.name}.", hint="Name a .csv, .xlsx or .parquet file.")
    return path


def _defused(table: pa.Table) -> pa.Table:
    """Text that begins like a formula gets an apostrophe before it; numbers stay."""
    for number, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            values = table.column(number)
            risky = pc.match_substring_regex(values, RUN_BY_SHEETS)
            safe = pc.if_else(risky, pc.binary_join_element_wise("'", values, ""), values)
            table = table.set_column(number, column.name, safe)
    return table


def _write_excel(table: pa.Table, path: Path) -> None:
    """One worksheet of text cells, in the least of Office Open XML that spreadsheets open."""
    if table.num_rows > MOST_ROWS:
        hint = "Narrow the selection, or export .csv or .parquet."
        raise FrameError(f"Excel holds {MOST_ROWS:,} rows, the selection has {table.num_rows:,}.", hint=hint)
    texts = [pc.replace_substring_regex(c.cast(pa.string()), FORBIDDEN, "") for c in table.columns]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in PARTS.items():
            book.writestr(name, HEAD + content)
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write((HEAD + f'<worksheet xmlns="{MAIN}"><sheetData>{_row(table.column_names)}').encode())
            for batch in pa.table(texts, names=table.column_names).to_batches(10_000):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                sheet.write("".join(map(_row, rows)).encode())
            sheet.write(b"</sheetData></worksheet>")


def _row(values: list[str] | tuple[str | None, ...]) -> str:
    cells = (f'<c t="inlineStr"><is><t xml:space="preserve">{escape(v or "")}</t></is></c>' for v in values)
    return f"<row>{''.join(cells)}</row>"


HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
    f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
    f'ContentType="{SHEETS}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" '
    f'ContentType="{SHEETS}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Rows" sheetId="1" r:id="r1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
