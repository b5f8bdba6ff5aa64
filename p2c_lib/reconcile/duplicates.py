"""The same party twice within one system, found by likeness of name, e-mail, phone and address."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.errors import UnknownName
from p2c_lib.reconcile.party_names import comparable, folded_words

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame

__all__ = ["Decision", "DuplicateSearch", "Likeness", "find_duplicates"]

Decision = Literal["same", "not same"]
ROLES = ("name", "email", "phone", "address")
WEIGHTS = {"name": 0.5, "email": 0.2, "phone": 0.15, "address": 0.15}
LARGEST_BLOCK = 200
SAMPLE = 1500
SURE_NAME = 95


@dataclass(frozen=True)
class Likeness:
    """Which columns hold what: the name always, the others where the set has them; several columns are joined."""

    name: tuple[str, ...]
    email: tuple[str, ...] = ()
    phone: tuple[str, ...] = ()
    address: tuple[str, ...] = ()


@dataclass(frozen=True)
class DuplicateSearch:
    """Pairs of rows that are alike: ``pairs`` (key_a, key_b, name_a, name_b, score, by), best first.

    ``by`` names the blocks that brought them together. ``open`` leaves out what a person decided. ``recall`` is the
    share of a random sample's pairs, alike as they are spelt, that were found; None when the sample has no such pair.
    """

    pairs: pa.Table
    decided: Mapping[tuple[str, str], Decision]
    compared: int
    recall: float | None
    threshold: float

    @property
    def open(self) -> pa.Table:
        """The pairs nobody decided on yet."""
        keys = zip(self.pairs.column("key_a").to_pylist(), self.pairs.column("key_b").to_pylist(), strict=True)
        return self.pairs.filter(pa.array([pair not in self.decided for pair in keys], pa.bool_()))

    def __str__(self) -> str:
        recall = "no alike pair in the sample" if self.recall is None else f"{self.recall:.0%} of a sample's were found"
        return (
            f"{self.pairs.num_rows:,} alike pairs of {self.compared:,} compared, {self.open.num_rows:,} open; {recall}"
        )


def find_duplicates(
    frame: EntityFrame,
    likeness: Likeness,
    *,
    threshold: float = 88.0,
    decided: Mapping[tuple[str, str], Decision] | None = None,
) -> DuplicateSearch:
    """Rows of a frame that are probably one party; ``decided`` pairs of keys (smaller first) are not asked again.

    Only rows that share a block are compared: the same e-mail, the last seven digits of the phone, the beginning, end
    or sound of the name, or its words in any order. A score of 100 means alike in every field both rows have. The same
    name is a pair whatever the score; names under SURE_NAME only resemble and are none unless another field is the same
    (Ross is not Rogers).
    """
    table = _normal(frame, likeness)
    database = duckdb.connect(":memory:")
    try:
        database.execute("SET enable_progress_bar = false")
        database.register("n", table)
        candidates = database.sql(_block_sql()).to_arrow_table()
    finally:
        database.close()
    scores, likely = _scores(table, candidates.column("a").to_numpy(), candidates.column("b").to_numpy(), threshold)
    alike = candidates.append_column("score", pa.array(scores)).filter(pa.array(likely))
    recall = _recall(table, alike, threshold)
    return DuplicateSearch(_pairs(table, alike), dict(decided or {}), candidates.num_rows, recall, threshold)


def _normal(frame: EntityFrame, likeness: Likeness) -> pa.Table:
    """Each row's key and its fields in comparable form; empty where it has none."""
    for role in ROLES:
        for column in getattr(likeness, role):
            if column not in frame.table.column_names:
                raise UnknownName("column", column, frame.columns)
    spelt = {role: _joined(frame, getattr(likeness, role)) for role in ROLES}
    columns = {
        "name": comparable(spelt["name"]),
        "email": pc.utf8_lower(spelt["email"]),
        "phone": pc.utf8_slice_codeunits(
            pc.replace_substring_regex(pc.utf8_normalize(spelt["phone"], "NFKC"), "[^0-9]", ""), -9
        ),
        "address": folded_words(spelt["address"]),
        "spelt": spelt["name"],
        "key": pc.fill_null(frame.row_key().texts(frame.table), ""),
        "i": pa.array(np.arange(len(frame))),
    }
    return pa.table(columns)


def _joined(frame: EntityFrame, columns: tuple[str, ...]) -> Any:
    """The texts of some columns with a blank between them; empty where there are none."""
    if not columns:
        return pa.repeat(pa.scalar(""), len(frame))
    read = [pc.fill_null(one_array(texts(frame.table.column(column))), "") for column in columns]
    return pc.utf8_trim_whitespace(pc.binary_join_element_wise(*read, " "))


def _block_sql() -> str:
    """Pairs of row numbers that share a block of no more than LARGEST_BLOCK rows."""
    tight = "replace(name, ' ', '')"
    blocks = {
        "email": "email",
        "phone": "CASE WHEN length(phone) >= 7 THEN right(phone, 7) ELSE '' END",
        "beginning": f"left({tight}, 6)",
        "ending": f"right({tight}, 6)",
        "sound": f"regexp_replace(translate({tight}, 'cqzvy', 'kksfi'), '[aeiouhw]', '', 'g')",
        "words": "array_to_string(list_sort(string_split(name, ' ')), ' ')",
    }
    each = " UNION ALL ".join(f"SELECT i, '{b}' AS block, {value} AS v FROM n" for b, value in blocks.items())
    return f"""
        WITH rows AS (SELECT * FROM ({each}) WHERE v <> ''),
        small AS (SELECT block, v FROM rows GROUP BY ALL HAVING count(*) BETWEEN 2 AND {LARGEST_BLOCK})
        SELECT x.i AS a, y.i AS b, string_agg(x.block, ', ' ORDER BY x.block) AS by
        FROM (SELECT * FROM rows SEMI JOIN small USING (block, v)) x JOIN rows y
        ON x.block = y.block AND x.v = y.v AND x.i < y.i GROUP BY ALL ORDER BY a, b
    """


def _scores(
    table: pa.Table, a: np.typing.NDArray[np.int64], b: np.typing.NDArray[np.int64], threshold: float
) -> tuple[Any, Any]:
    """0 to 100 for each pair, the weighted likeness of the fields both have; and whether the two may be one party."""
    from rapidfuzz import fuzz, process

    total, weight = np.zeros(len(a)), np.zeros(len(a))
    sure, same = np.zeros(len(a), np.bool_), np.zeros(len(a), np.bool_)
    for role in ROLES:
        values = table.column(role)
        left, right = (values.take(pa.array(side)).to_pylist() for side in (a, b))
        both = np.array([bool(x and y) for x, y in zip(left, right, strict=True)], np.bool_)
        scorers = [fuzz.ratio] if role in {"email", "phone"} else [fuzz.ratio, fuzz.token_sort_ratio]
        each = [process.cpdist(left, right, scorer=s, workers=-1) if len(a) else np.zeros(0) for s in scorers]
        likeness = np.maximum.reduce(each)
        total += np.where(both, likeness * WEIGHTS[role], 0)
        weight += np.where(both, WEIGHTS[role], 0)
        sure |= both & (likeness >= (SURE_NAME if role == "name" else 100))
        same |= both & (likeness == 100) & (role == "name")
    scores = np.divide(total, weight, out=np.zeros(len(a)), where=weight > 0)
    return scores, same | (sure & (scores >= threshold))


def _recall(table: pa.Table, alike: pa.Table, threshold: float) -> float | None:
    """The share of a random sample's alike pairs, found by comparing all with all as they are spelt, that came out.

    What two rows are compared by here knows nothing of blocks, folded words and legal forms, so that it notices what
    those lose.
    """
    count = table.num_rows
    chosen = np.sort(np.random.default_rng(1).choice(count, min(SAMPLE, count), replace=False))
    plain = _as_spelt(table.take(pa.array(chosen)))
    a, b = np.nonzero(np.triu(_near_names(plain), 1))
    _, likely = _scores(plain, a, b, threshold)
    if not likely.any():
        return None
    found = set(zip(alike.column("a").to_pylist(), alike.column("b").to_pylist(), strict=True))
    pairs = zip(chosen[a[likely]].tolist(), chosen[b[likely]].tolist(), strict=True)
    return float(np.mean([pair in found for pair in pairs]))


def _as_spelt(table: pa.Table) -> pa.Table:
    """Rows with their names as people wrote them, in lower case and with blanks for signs."""
    from rapidfuzz.utils import default_process

    names = [default_process(name) for name in table.column("spelt").to_pylist()]
    return table.set_column(table.column_names.index("name"), "name", pa.array(names, pa.string()))


def _near_names(table: pa.Table) -> Any:
    """Which pairs of rows have names that are at all alike; the others cannot reach any threshold of use."""
    from rapidfuzz import fuzz, process

    names = table.column("name").to_pylist()
    each = [
        process.cdist(names, names, scorer=s, score_cutoff=60, workers=-1) for s in (fuzz.ratio, fuzz.token_sort_ratio)
    ]
    return np.maximum(*each) > 0


def _pairs(table: pa.Table, alike: pa.Table) -> pa.Table:
    """The alike pairs with the smaller key first, best first."""
    sides = {s: table.select(["key", "spelt"]).take(alike.column(s)) for s in ("a", "b")}
    turn = pc.greater(sides["a"].column("key"), sides["b"].column("key"))
    columns = {}
    for name, column in (("key", "key"), ("name", "spelt")):
        a, b = sides["a"].column(column), sides["b"].column(column)
        columns[f"{name}_a"], columns[f"{name}_b"] = pc.if_else(turn, b, a), pc.if_else(turn, a, b)
    made = pa.table({**columns, "score": pc.round(alike.column("score"), 1), "by": alike.column("by")})
    return made.sort_by([("score", "descending"), ("key_a", "ascending"), ("key_b", "ascending")])
