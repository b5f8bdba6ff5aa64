"""Keys that stand more than once on a side, each with the spellings that the destination takes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.keys import NAMES, RowKey, ignores

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["keys_twice"]

SHOWN = 3
SIDES = ("source", "destination")


def keys_twice(rows: pa.Table, key: RowKey) -> dict[str, str]:
    """Why each key of the rows is no key of one row, in words; ``rows`` are those of the class ``duplicate``."""
    parts = [pc.fill_null(one_array(texts(rows.column(name))), "") for name in key.columns]
    spelt = (parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, ", ")).to_pylist()
    ours = pc.is_valid(rows.column("@expected")).to_pylist()
    found: dict[str, dict[str, list[str]]] = {}
    for name, words, expected in zip(rows.column("key").to_pylist(), spelt, ours, strict=True):
        found.setdefault(name, {side: [] for side in SIDES})[SIDES[not expected]].append(words)
    return {name: "; ".join(_said(sides, key)) for name, sides in found.items()}


def _said(sides: dict[str, list[str]], key: RowKey) -> list[str]:
    said = []
    for side, spelt in sides.items():
        different = list(dict.fromkeys(spelt))
        named = ", ".join(f"'{words}'" for words in different[:SHOWN])
        if len(different) > 1:
            more = f" and {len(different) - SHOWN:,} more" if len(different) > SHOWN else ""
            said.append(
                f"{len(spelt):,} {side} rows are one key in {NAMES[key.app]}, {named}{more}: {ignores(key.app)}"
            )
        elif len(spelt) > 1:
            said.append(f"{named} stands on {len(spelt):,} rows of the {side}")
    return said
