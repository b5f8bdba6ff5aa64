"""No secret stays in a run folder: every file is searched for the values of all secrets, in every way they are written.

A value that is found is replaced, and the run says so and fails: who put it there has to know.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

from p2c_lib.config import Secret
from p2c_lib.errors import ConfigError

__all__ = ["MASK", "masked", "scrub", "spellings"]

MASK = "***"
# Shorter values stand in half of all files by chance.
SHORTEST = 6
PROBLEM = "secrets"


def scrub(folder: Path, secrets: Iterable[Secret]) -> dict[str, str]:
    """Replace every value of a secret in the files of a folder; empty, or one problem that names the files.

    Parquet and Arrow files are searched by their text columns, all others by their bytes.
    """
    wanted = _wanted(secrets)
    if not wanted:
        return {}
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and _clean(file, wanted)]
    if not found:
        return {}
    names = ", ".join(file.relative_to(folder).as_posix() for file in found[:10])
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    why = f"a secret stood in {names}{more}; it was replaced by {MASK}. Change the secret, and what printed it"
    return {PROBLEM: why}


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """A text without the value of any secret."""
    for way in _wanted(secrets):
        text = text.replace(way, MASK)
    return text


def _wanted(secrets: Iterable[Secret]) -> list[str]:
    """Every spelling of every value, the longest first."""
    values = {value for secret in secrets if (value := _value(secret)) and len(value) >= SHORTEST}
    return sorted({way for value in values for way in spellings(value)}, key=len, reverse=True)


def spellings(value: str) -> set[str]:
    """The ways a value is written into files: as it is, in JSON, in an address, as base64, and in a Basic header.

    >>> sorted(spellings("a b/c"))
    ['YSBiL2M=', 'a b/c', 'a%20b%2Fc', 'a%20b/c', 'a+b%2Fc']
    """
    encoded = base64.b64encode(value.encode()).decode()
    inside_json = json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]
    twice = tuple(json.dumps(way)[1:-1] for way in inside_json)
    return {value, *inside_json, *twice, quote(value), quote(value, safe=""), quote_plus(value), encoded}


def _value(secret: Secret) -> str | None:
    try:
        return secret.reveal()
    except ConfigError:
        return None


def _clean(file: Path, wanted: list[str]) -> bool:
    """Whether a file held one of them; it no longer does."""
    if file.suffix == ".parquet":
        return _clean_parquet(file, wanted)
    raw = file.read_bytes()
    cleaned = raw
    for way in wanted:
        cleaned = cleaned.replace(way.encode(), MASK.encode())
    if cleaned == raw:
        return False
    file.write_bytes(cleaned)
    return True


def _clean_parquet(file: Path, wanted: list[str]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    found = False
    for place, field in enumerate(table.schema):
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            continue
        column = table.column(place)
        for way in wanted:
            if pc.any(pc.match_substring(column, way)).as_py():
                column, found = pc.replace_substring(column, way, MASK), True
        table = table.set_column(place, field, column)
    if found:
        pq.write_table(table, file)
    return found
