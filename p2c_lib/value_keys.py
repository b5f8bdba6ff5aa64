"""Texts as a value map compares them, those of its keys and those that come, in Arrow and in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array

if TYPE_CHECKING:
    import duckdb

__all__ = ["add_value_keys", "value_key_sql", "value_keys"]


def value_keys(values: pa.Array) -> pa.Array:
    """Texts without regard to case and outer white space; what is missing is empty.

    Upper case first makes one letter of those that have two small forms, such as the Greek sigma; a small i keeps no
    dot of its own, with which others write the Turkish capital in lower case.

    >>> value_keys(pa.array([" İzmir", "ΑΘΗΝΑΣ", None])).to_pylist()
    ['izmir', 'αθηνασ', '']
    """
    text = pc.utf8_normalize(pc.utf8_trim_whitespace(values), "NFC")
    return pc.fill_null(pc.replace_substring(pc.utf8_lower(pc.utf8_upper(text)), "i\u0307", "i"), "")


def value_key_sql(text: str) -> str:
    """A text as ``value_keys`` makes it, as DuckDB SQL; the connection has seen ``add_value_keys``."""
    return f"p2c_value_key({text})"


def add_value_keys(database: duckdb.DuckDBPyConnection) -> None:
    """Teach a connection what ``value_key_sql`` asks for."""
    add: Any = database.create_function  # its stubs want enums that move between versions
    add("p2c_value_key", _column, ["VARCHAR"], "VARCHAR", type="arrow", null_handling="special")


def _column(values: pa.ChunkedArray) -> pa.Array:
    return value_keys(one_array(values))
