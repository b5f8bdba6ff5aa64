"""Rows as JSON text, built by SQLite itself: a page of 5,000 rows never becomes Python objects."""

from __future__ import annotations

from collections.abc import Sequence

# SQLite allows 127 arguments of one function call.
_CHUNK = 100


def json_object(members: Sequence[tuple[str, str]]) -> str:
    """SQL for the text of a JSON object; each member is a name and SQL for the JSON text of its value.

    A member without a name is SQL for ready text, empty or with its own comma at the end; the last member has a name.

    >>> json_object([("name", "json_quote(t.name)")])
    'printf(\\'{"name":%s}\\', json_quote(t.name))'
    """
    if not members:
        return "'{}'"
    last = len(members) - 1
    texts = []
    for at in range(0, len(members), _CHUNK):
        chunk = members[at : at + _CHUNK]
        marks = [_mark(name, comma=at + i < last) for i, (name, _) in enumerate(chunk)]
        pattern = ("{" if at == 0 else "") + "".join(marks) + ("}" if at + _CHUNK > last else "")
        texts.append(f"printf('{pattern}', {', '.join(value for _, value in chunk)})")
    return " || ".join(texts)


def json_filled(members: Sequence[tuple[str, str]]) -> str:
    """SQL for the text of a JSON object as `json_object` makes it, without the members whose value is null.

    >>> print(json_filled([("a", "json_quote(t.a)")]))
    rtrim('{' || ifnull('"a":' || nullif(json_quote(t.a), 'null') || ',', ''), ',') || '}'
    """
    texts = []
    for name, value in members:
        shown = name.replace("'", "''")
        texts.append(f"ifnull('\"{shown}\":' || nullif({value}, 'null') || ',', '')" if name else value)
    joined = " || ".join(["'{'", *texts])
    return f"rtrim({joined}, ',') || '}}'"


def _mark(name: str, *, comma: bool) -> str:
    if not name:
        return "%s"
    escaped = name.replace("%", "%%").replace("'", "''")
    return f'"{escaped}":%s{"," if comma else ""}'


def json_array(rows: str) -> str:
    """SQL for the text of a JSON array, from a SELECT whose one column ``row`` is JSON text."""
    # The rows' SELECT is made of quoted names and bound values.
    return f"(SELECT '[' || ifnull(group_concat(row, ','), '') || ']' FROM ({rows}))"  # noqa: S608


def json_text(value: str) -> str:
    """SQL for a text value, or null, as JSON."""
    return f"json_quote({value})"


def json_whole(value: str) -> str:
    """SQL for a whole number as JSON."""
    return f"ifnull({value}, 'null')"


def json_bool(value: str) -> str:
    """SQL for a stored 0 or 1 as JSON."""
    return f"CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END"


def json_digits(value: str) -> str:
    """SQL for a number that is kept as its digits as JSON."""
    return f"ifnull({value}, 'null')"


def json_number(value: str) -> str:
    """SQL for a float as JSON, with as many digits as it needs to read back as itself."""
    return f"iif({value} IS NULL, 'null', number_float({value}))"
