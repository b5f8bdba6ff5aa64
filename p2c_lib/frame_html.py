"""A frame as a notebook's cell shows it: where it came from, what its columns hold, and its first rows."""

from __future__ import annotations

import re
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from p2c_lib.report import fragment

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame

__all__ = ["frame_html"]

SYSTEMS = {"sales": "Sales", "finops": "F&O"}
SHOWN_ROWS, SHOWN_COLUMNS = 8, 6
KINDS = (
    (pa.types.is_string, "text"),
    (pa.types.is_integer, "whole number"),
    (pa.types.is_boolean, "yes or no"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "moment, UTC"),
    (pa.types.is_floating, "number"),
)


def frame_html(frame: EntityFrame) -> str:
    """System and set, counts and provenance, then the key and the columns after it, as many as a page is wide."""
    origin = frame.origin
    company = f" of company {origin.company}" if origin.company else ""
    title = f"{SYSTEMS.get(origin.app, origin.app)} {origin.entity_set}{company}"
    return fragment(f"<h3>{escape(title)}</h3>{_provenance(frame)}{_first_rows(frame)}")


def _provenance(frame: EntityFrame) -> str:
    origin = frame.origin
    counted = "" if origin.server_count is None else f", the service counts {origin.server_count:,}"
    whole = "complete" if origin.complete else f"part of the set: {origin.note}"
    size = f"{len(frame):,} rows, {len(frame.columns)} columns{counted}; {whole}"
    read = f"read {origin.read_at:%Y-%m-%d %H:%M:%S %Z}, key {' + '.join(origin.key)}"
    place = f"{origin.url}, organisation {origin.organisation or 'unknown'}, {read}"
    changed = "".join(f"<p>{escape(str(note))}</p>" for note in origin.changed)
    return f'<p>{escape(size)}</p>{changed}<p class="more">{escape(place)}</p>'


def _first_rows(frame: EntityFrame) -> str:
    ordered = sorted(frame.columns, key=lambda name: name not in frame.key)
    shown, others = ordered[:SHOWN_COLUMNS], ordered[SHOWN_COLUMNS:]
    sides = [' class="n"' if _is_number(frame, name) else "" for name in shown]
    heads = zip(shown, sides, strict=True)
    head = "".join(
        f'<th scope="col"{n}>{_breaking(c)}<br><small>{escape(_kind(frame, c))}</small></th>' for c, n in heads
    )
    rows = zip(*(_values(frame, name) for name in shown), strict=True)
    cells = [[f"<td{n}>{escape(value)}</td>" for value, n in zip(row, sides, strict=True)] for row in rows]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    names = f"<details><summary>and {len(others)} columns more</summary>{escape(', '.join(others))}</details>"
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="The first rows">{table}</div>'
    return scroll + (names if others else "")


def _values(frame: EntityFrame, name: str) -> list[str]:
    """The first values of a column for people: choices by their labels, numbers without zeros that only fill."""
    column = frame.schema.columns.get(name) if frame.schema else None
    first = frame.table.column(name).slice(0, SHOWN_ROWS).to_pylist()
    if column is not None and column.choices:
        return ["" if value is None else column.label_of(value) for value in first]
    return ["" if value is None else _shown(value) for value in first]


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        text = f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "hour") else str(value)


def _kind(frame: EntityFrame, name: str) -> str:
    """What a column holds, in words, with the length or the places it has."""
    kind = frame.table.schema.field(name).type
    column = frame.schema.columns.get(name) if frame.schema else None
    if column is not None and column.choices:
        return "choices" if column.several else "choice"
    if pa.types.is_decimal(kind):
        return f"number, up to {kind.scale} places"
    words = next((words for fits, words in KINDS if fits(kind)), str(kind))
    return f"{words}, at most {column.max_length}" if column and column.max_length else words


def _is_number(frame: EntityFrame, name: str) -> bool:
    kind = frame.table.schema.field(name).type
    return bool(pa.types.is_decimal(kind) or pa.types.is_floating(kind)) or _kind(frame, name) == "whole number"


def _breaking(name: str) -> str:
    """A column's name with places where a narrow heading may break.

    >>> _breaking("AddressCountryRegionISOCode")
    'Address<wbr>Country<wbr>Region<wbr>ISO<wbr>Code'
    """
    return "<wbr>".join(map(escape, re.split(r"(?<=[._])|(?<!^)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", name)))
