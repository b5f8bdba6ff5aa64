"""Several choices on their way to a destination: a list of its numbers, each once and in order, or a reason."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.mapping.chain import Outcome, joined_chunks
from p2c_lib.odata.schema import Column, several_text

__all__ = ["several"]

SHOWN = 12


def several(outcome: Outcome, column: Column | None) -> Outcome:
    """The outcome of a rule for a list of choices; a value that is none of the column's is rejected with its reason.

    Other columns' outcomes stay as they are. The value is text: the numbers of the choices with commas between, in any
    order (``2,1``).
    """
    if column is None or not column.several:
        return outcome
    encoded = joined_chunks(outcome.values).dictionary_encode(null_encoding="encode")
    few = encoded.dictionary.to_pylist()
    made = pa.array([None if text is None else several_text(text.split(",")) for text in few], pa.string())
    words = pa.array([_reason(text, column) for text in few], pa.string()).take(encoded.indices)
    reasons = words if outcome.reasons is None else pc.coalesce(joined_chunks(outcome.reasons), words)
    given = pc.any(pc.is_valid(reasons)).as_py()
    return replace(outcome, values=made.take(encoded.indices), reasons=reasons if given else None)


def _reason(text: str | None, column: Column) -> str | None:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    known = {str(value) for value in column.choices or {}}
    odd = next((part for part in parts if part not in known), None)
    if odd is None or column.choices is None:
        return None
    shown = ", ".join(f"{value} ({label})" for value, label in list(column.choices.items())[:SHOWN])
    return f"'{odd}' is no choice of {column.name}; allowed: {shown}"
