"""What rows that are already matched say about two columns: how far their values agree, and by which rule.

All measures are corrected for chance, so that two columns which hold one value each say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.mapping.transforms import codes, text
from p2c_lib.mapping.transforms.numbers import round_to

__all__ = ["ONE_VALUE", "SURE", "Agreement", "Column", "agreement", "learned_map"]

ENOUGH = 3
SURE = 0.8
REPEATED = 4
ALMOST = 0.999
ONE_VALUE = 0.3  # two columns that hold nothing but the same one value: little, but not nothing

# Rules that are tried in this order: the first that agrees best is the simplest that does.
RULES: tuple[tuple[str, Callable[[pa.Array], pa.Array]], ...] = (
    ("copy", lambda values: values),
    ("case: upper", lambda values: text.upper(values).values),
    ("country_code: iso2", lambda values: codes.country_code(values, "iso2").values),
    ("country_code: iso3", lambda values: codes.country_code(values, "iso3").values),
    ("unit: finops", lambda values: codes.unit(values, "finops").values),
    ("unit: sales", lambda values: codes.unit(values, "sales").values),
    ("yes_no: yes_no", lambda values: codes.yes_no(values, "yes_no").values),
    ("yes_no: true_false", lambda values: codes.yes_no(values, "true_false").values),
)


@dataclass(frozen=True)
class Column:
    """A column's values as canonical text: trimmed, numbers to two decimals, blank as null.

    ``measured`` tells an amount from a name or code: no value map leads from amount to amount.
    """

    name: str
    values: pa.Array
    measured: bool = False

    @classmethod
    def of(cls, name: str, values: pa.Array) -> Column:
        """The canonical form of an Arrow column."""
        kind = values.type
        measured = pa.types.is_decimal(kind) or pa.types.is_floating(kind)
        if measured:
            encoded = values.dictionary_encode()
            plain = round_to(encoded.dictionary, 2).values.take(encoded.indices)
        else:
            plain = pc.utf8_trim_whitespace(texts(values))
        return cls(name, pc.if_else(text.is_blank(plain), pa.scalar(None, pa.string()), plain), measured)

    @cached_property
    def places(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The place of each row's value among the distinct ones, -1 for none."""
        indices = self._encoded.indices
        return np.asarray(pc.fill_null(indices.cast(pa.int64()), -1))

    @cached_property
    def distinct(self) -> pa.Array:
        """The distinct values."""
        return self._encoded.dictionary

    @cached_property
    def _encoded(self) -> pa.DictionaryArray:
        return self.values.dictionary_encode()

    @property
    def filled(self) -> int:
        """How many rows have a value."""
        return len(self.values) - int(self.values.null_count)

    @cached_property
    def forms(self) -> dict[str, pa.Array]:
        """The distinct values under each rule that converts any of them."""
        made = {name: rule(self.distinct) for name, rule in RULES}
        return {name: values for name, values in made.items() if values.null_count < len(values)}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two columns agree on matched rows: by ``rule``, on ``share`` of ``rows``; ``weight`` is beyond chance."""

    rule: str
    share: float
    rows: int
    weight: float


def agreement(source: Column, target: Column) -> Agreement | None:
    """The rule under which the source's values agree best with the target's; None with fewer than 3 rows to judge."""
    pairs, counts = _joint(source, target)
    rows = int(counts.sum())
    if rows < ENOUGH:
        return None
    best = Agreement("copy", 0.0, rows, 0.0)
    for rule, form in source.forms.items():
        found = _equal(rule, form, target, pairs, counts)
        if _better(found, best, 0.01):
            best = found
    if source.measured or target.measured or len(np.unique(pairs[:, 0])) > rows / REPEATED:
        return best
    mapped = _mapped(pairs, counts)
    return mapped if _better(mapped, best, 0.05) else best


def learned_map(source: Column, target: Column) -> tuple[tuple[str, str, int, float], ...]:
    """Value pairs learned from matched rows: source value, its usual partner, rows, share; only where it is usual."""
    pairs, counts = _joint(source, target)
    found: dict[int, tuple[int, int, int]] = {}
    for (one, other), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        partner, most, total = found.get(one, (-1, 0, 0))
        found[one] = (other, count, total + count) if count > most else (partner, most, total + count)
    names, partners = source.distinct, target.distinct
    lines = [
        (names[one].as_py(), partners[other].as_py(), total, most / total)
        for one, (other, most, total) in found.items()
        if most / total >= SURE
    ]
    return tuple(sorted(lines, key=lambda line: (-line[2], line[0])))


def _better(found: Agreement, best: Agreement, margin: float) -> bool:
    alike = abs(found.weight - best.weight) <= margin
    return found.share > best.share + margin if alike else found.weight > best.weight


Pairs = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


def _joint(source: Column, target: Column) -> tuple[Pairs, Counts]:
    """The distinct pairs of values that stand on one row, and how many rows they stand on."""
    there = (source.places >= 0) & (target.places >= 0)
    size = max(len(target.distinct), 1)
    combined = source.places[there] * size + target.places[there]
    values, counts = np.unique(combined, return_counts=True)
    return np.stack([values // size, values % size], axis=1), counts.astype(np.int64)


def _equal(rule: str, form: pa.Array, target: Column, pairs: Pairs, counts: Counts) -> Agreement:
    rows = counts.sum()
    ours = pc.utf8_upper(form) if rule == "case: upper" else form
    theirs = pc.utf8_upper(target.distinct) if rule == "case: upper" else target.distinct
    same = pc.equal(ours.take(pa.array(pairs[:, 0])), theirs.take(pa.array(pairs[:, 1])))
    hits = np.asarray(pc.fill_null(same, fill_value=False))
    share = float(counts[hits].sum() / rows)
    partner = np.asarray(pc.fill_null(pc.index_in(ours, value_set=theirs).cast(pa.int64()), -1))
    of_source = np.bincount(pairs[:, 0], counts, len(ours)) / rows
    of_target = np.bincount(pairs[:, 1], counts, len(theirs)) / rows
    met = partner >= 0
    chance = float((of_source[met] * of_target[partner[met]]).sum())
    alone = share == 1.0 and chance > ALMOST
    return Agreement(rule, share, int(rows), ONE_VALUE if alone else _beyond(share, chance))


def _mapped(pairs: Pairs, counts: Counts) -> Agreement:
    """How well a value map would do, both ways: a map that runs many values into one explains little."""
    forth, share = _explained(pairs[:, 0], counts)
    back, _ = _explained(pairs[:, 1], counts)
    rows = int(counts.sum())
    best_guess = [np.bincount(pairs[:, side], counts).max() / rows for side in (1, 0)]
    weight = (_beyond(forth, best_guess[0]) * _beyond(back, best_guess[1])) ** 0.5
    return Agreement("value_map", share, rows, 0.9 * weight)


def _explained(given: Counts, counts: Counts) -> tuple[float, float]:
    """Shares of rows a map from ``given`` gets right: judged on rows it was not learned from, and on all."""
    total = np.bincount(given, counts)
    most = np.zeros(len(total))
    np.maximum.at(most, given, counts)
    judged = total > 1
    held_out = (total[judged] - 1).sum()
    fair = float((most[judged] - 1).sum() / held_out) if held_out else 0.0
    return fair, float(most.sum() / counts.sum())


def _beyond(share: float, chance: float) -> float:
    return max(0.0, (share - chance) / (1 - chance)) if chance < ALMOST else 0.0
