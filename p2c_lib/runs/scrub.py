"""No secret stays in a run folder: every file is searched for the values of all secrets, in every way they are written.

A value that is found is replaced, and the run says so and fails: who put it there has to know.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

from p2c_lib.config import Secret
from p2c_lib.errors import ConfigError
from p2c_lib.secrecy import MASK, SHORTEST, without_secrets

__all__ = ["scrub", "spellings"]

PROBLEM = "secrets"


def scrub(folder: Path, secrets: Iterable[Secret], printed: Iterable[str] = ()) -> dict[str, str]:
    """Replace every value of a secret in the files of a folder; empty, or one problem that names the files.

    Parquet files are searched by their text columns, all others by their bytes, for the tokens of this process too.
    ``printed`` are files that held one which was replaced before they were written.
    """
    values = [value for secret in secrets if (value := _value(secret))]
    ways = sorted({way for value in values for way in spellings(value)}, key=len, reverse=True)
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and _clean(file, ways)]
    listed = sorted({*(file.relative_to(folder).as_posix() for file in found), *printed})
    if not listed:
        return {}
    names = ", ".join(listed[:10])
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    why = f"a secret stood in {names}{more}; it was replaced by {MASK}. Change the secret, and what printed it"
    return {PROBLEM: why}


def spellings(value: str) -> set[str]:
    """The ways a value is looked for in a column of text: as it is, in an address, and as base64.

    >>> sorted(spellings("a b/c d"))
    ['YSBiL2MgZA==', 'a b/c d', 'a%20b%2Fc%20d', 'a%20b/c%20d', 'a+b%2Fc+d']
    """
    if len(value) < SHORTEST:
        return set()
    encoded = base64.b64encode(value.encode()).decode()
    return {value, quote(value), quote(value, safe=""), quote_plus(value), encoded}


def _value(secret: Secret) -> str | None:
    try:
        return secret.reveal()
    except ConfigError:
        return None


def _clean(file: Path, ways: list[str]) -> bool:
    """Whether a file held one; it no longer does."""
    if file.suffix == ".parquet":
        return bool(ways) and _clean_parquet(file, ways)
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    cleaned = without_secrets(text)
    if cleaned == text:
        return False
    file.write_bytes(cleaned.encode("utf-8", "surrogateescape"))
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
